#!/usr/bin/env python3
"""CSE to CSE through a broker (Mcc over MQTT): an MN-CSE registers at the IN-CSE and both forward requests, with the broker's
access control list from both; what must not go through does not.

usage: mqtt_cses.py GATEHOUSE   (exit code 0: every check held)
"""
import datetime
import json
import pathlib
import re
import shutil
import signal
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from kept_websocket import until  # noqa: E402
from mqtt import BROKER, SP, Broker, Device, free_ports  # noqa: E402
from outgoing import settings  # noqa: E402
from third_party import Checks, key_in_hex, run  # noqa: E402
from transit import Realm  # noqa: E402


def mqtt_of(realm, function, **changes):
    """Changes settings of the group mqtt of a function."""
    path = realm.dir / "gatehouse.conf"
    text = path.read_text(encoding="utf-8")
    begin = text.index("mqtt = {", re.search(rf"^  {function} = {{$", text, re.M).start())
    end = text.index("};", begin)
    group = text[begin:end]
    for name, value in changes.items():
        group, count = re.subn(rf"\b{name} = [^;]*;", f"{name} = {value};", group)
        assert count == 1, (function, name)
    path.write_text(text[:begin] + group + text[end:], encoding="utf-8")


def lists(realm, broker):
    """The broker's list, from both CSEs."""
    text = ""
    for function in ("cse", "mn1"):
        code, answer = realm.call("cse", "mqtt-acl", realm.dir, "-f", function)
        if code != 0:
            raise SystemExit(f"cse mqtt-acl: {answer}")
        text += answer["list"]
    broker.acl.write_text(text, encoding="utf-8")
    code, answer = realm.call("cse", "mqtt-acl", realm.dir, "--acl", realm.folder / "unused", "--psk", broker.psk)
    if broker.process:
        broker.reload()
    return text


def prepare(checks, realm):
    checks.expect(realm.call("init", realm.dir, "--sp-id", SP, "--mn-cse", "mn1")[0] == 0, "a realm with an IN-CSE and an MN-CSE")
    folder, ports = realm.folder, free_ports(2)
    run([realm.gatehouse, "ca", "issue", realm.dir, "--fqdn", BROKER, "--cert", folder / "broker.pem", "--key", folder / "broker.key"])
    broker = Broker(folder, realm.dir, *ports)
    settings(realm, "cse", reach="mqtt", transit_ms=3000)
    for function, enforces in (("cse", "true"), ("mn1", "false")):
        mqtt_of(realm, function, broker=f'"127.0.0.1:{ports[0]}"', name=f'"{BROKER}"', enforces=enforces)
    code, text = run([realm.gatehouse, "serve", "-c", realm.dir, "mn1"])
    checks.expect(code != 0 and "enforces" in text, "a broker that enforces nothing is not believed: mn1 does not start", text)
    mqtt_of(realm, "mn1", enforces="true")
    settings(realm, "mn1", registrar_maf=f"maf.{SP}")
    code, text = run([realm.gatehouse, "serve", "-c", realm.dir, "mn1"])
    checks.expect(code != 0 and "by a MAF" in text, "nor does it where it must associate by a MAF", text)
    settings(realm, "mn1", registrar_maf="")
    settings(realm, "mn1", reach="mqtt", transit_ms=3000)
    for name in ("mef", "maf", "cse", "mn1"):
        realm.start(name)
    # the broker must let the answer to a CSE pass that is about to register
    checks.expect(realm.call("cse", "key", "add", realm.dir, "--id", "mn1@keys.example.com", "--peer", f"//{SP}/mn1", "--generate",
                             folder / "mn1key")[0] == 0, "the IN-CSE is told of mn1")
    lists(realm, broker)
    return broker


def both_directions(checks, realm):
    far, near = realm.device("far", "mn1"), realm.device("near", "in-cse")
    for device, stem, base, others in ((far, "Cfar", "cse-mn", "/in-cse/Cnear"), (near, "Cnear", "cse-in", "/mn1/Cfar")):
        policy = {"rn": "p", "pv": {"acr": [{"acor": [stem, others], "acop": 3}]}, "pvs": {"acr": [{"acor": [stem], "acop": 63}]}}
        box = json.dumps({"rn": "box", "acpi": [f"{base}/{stem}/p"]})
        for words in (("--ty", "acp", "--content", json.dumps(policy)), ("--ty", "cnt", "--content", box)):
            checks.expect(realm.rsc("create", device, f"{base}/{stem}", *words) == 2001, f"{base}: {words[1]}")
    for device, there, name in ((near, "/mn1/cse-mn/Cfar", "IN to MN"), (far, "/in-cse/cse-in/Cnear", "MN to IN")):
        for i in range(3):  # the command line may choose its request identifiers as it likes
            checks.expect(realm.rsc("create", device, f"{there}/box", "--ty", "cin", "--content", json.dumps({"con": f"{name} {i}"})) == 2001, f"{name}: {i}")
        code, answer = realm.call("get", device, f"{there}/box/la")
        checks.expect(code == 0 and answer["content"]["m2m:cin"]["con"] == f"{name} 2", f"{name}: reads the latest", str(answer))
        checks.expect(realm.rsc("get", device, there) == 4103, f"{name}: what no policy names is refused by the hosting CSE")
    for name, other in (("mn1", "in-cse"), ("cse", "mn1")):
        log = realm.log(name)
        checks.expect(f"outgoing-request entity=//{SP}/{other} binding=mqtt " in log and f"entity=//{SP}/{other} binding=http" not in log,
                      f"{name} has asked over MQTT, and over nothing else")
    return far, near


def impostors(checks, realm, broker, near):
    """A device of the same broker can neither ask as a CSE nor answer for one."""
    file = realm.folder / "imp1"
    realm.call("cse", "key", "add", realm.dir, "--id", "imp1@keys.example.com", "--peer", f"//{SP}/in-cse/Cimp1", "--generate", file)
    lists(realm, broker)
    bad = Device(broker, "imp1@keys.example.com", key_in_hex(file))
    before = len(re.findall("(?:unexpected-response|duplicate-request)", realm.log("cse")))
    for topic in ("/oneM2M/resp/in-cse/mn1/json", "/oneM2M/req/mn1/in-cse/json"):
        def denied():
            bad.publish(topic, {"rsc": 2000, "rqi": "q1", "op": 2, "to": "cse-in", "fr": "/mn1", "rvi": "3"})
            return re.search(f"Denied PUBLISH from imp1@.*{topic}", broker.log())
        checks.expect(until(denied), f"who is no CSE cannot publish {topic}")
    # mn1 may publish under its own name only; what it answers without being asked is dropped
    mn1 = Device(broker, "mn1@keys.example.com", key_in_hex(realm.folder / "mn1key"))
    mn1.publish("/oneM2M/resp/in-cse/mn1/json", {"rsc": 2000, "rqi": "q1"})
    checks.expect(realm.log_says("cse", "unexpected-response"), "a response that nothing waits for is dropped")
    checks.expect(realm.rsc("get", near, "/mn1/cse-mn/Cfar/box/la") == 2000, "requests go on")
    checks.expect(len(re.findall("duplicate-request", realm.log("cse"))) == 0 and before == 0, "no request was taken for another")


def end_of_request(device):
    """When the request that mn1 does not fetch is void: its rqet, as another session of mn1 at the broker reads it."""
    device.listen("/oneM2M/req/in-cse/mn1/json", 20)

    def wait():
        device.read_until(lambda line: line.startswith("ANSWER "))
        device.listener.terminate()
        device.listener.wait(30)
        device.listener.stdout.close()
        text = json.loads(device.answers[0])["rqet"] if device.answers else "19700101T000000"
        return datetime.datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=datetime.timezone.utc)
    return wait


def away(checks, realm, broker, far, near):
    realm.kill("mn1")
    its_end = end_of_request(Device(broker, "mn1@keys.example.com", key_in_hex(realm.folder / "mn1key")))
    checks.expect(realm.rsc("create", near, "/mn1/cse-mn/Cfar/box", "--ty", "cin", "--content", '{"con":"too late"}') == 4008, "mn1 is away: 4008")
    end = its_end()
    checks.expect(end.year > 1970, "the request that the broker keeps for it bears an end", str(end))
    checks.expect(until(lambda: datetime.datetime.now(datetime.timezone.utc) > end), "which is soon")
    realm.start("mn1")
    checks.expect(until(lambda: realm.rsc("get", near, "/mn1/cse-mn/Cfar/box/la") == 2000, 30), "it is back")
    answer = realm.call("get", near, "/mn1/cse-mn/Cfar/box/la")[1]
    checks.expect(answer.get("content", {}).get("m2m:cin", {}).get("con") == "IN to MN 2", "and has not performed what had ended", str(answer))
    broker.kill()
    checks.expect(until(lambda: realm.rsc("get", near, "/mn1/cse-mn/Cfar/box/la") == 5103, 20), "the broker is away: 5103")
    broker.start()
    checks.expect(until(lambda: realm.rsc("get", near, "/mn1/cse-mn/Cfar/box/la") == 2000, 30), "it is back: requests go through")
    checks.expect(until(lambda: realm.rsc("get", far, "/in-cse/cse-in/Cnear/box/la") == 2000, 30), "in both directions")


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-mcc-"))
    realm, checks, broker = Realm(pathlib.Path(sys.argv[1]).resolve(), folder), Checks(), None
    try:
        broker = prepare(checks, realm)
        broker.start()
        checks.expect(realm.log_says("mn1", ": registered-at-registrar"), "mn1 registers through the broker", realm.log("mn1")[-2000:])
        lists(realm, broker)
        far, near = both_directions(checks, realm)
        impostors(checks, realm, broker, near)
        away(checks, realm, broker, far, near)
        for name in list(realm.processes):
            checks.expect(realm.kill(name, signal.SIGTERM) == 0, f"{name} stops on SIGTERM")
    finally:
        if broker:
            broker.kill()
        for name in list(realm.processes):
            realm.kill(name)
        if checks.failed:
            for name in ("cse", "mn1"):
                print(f"--- {name}", realm.log(name)[-5000:], sep="\n")
            print(broker.log()[-3000:] if broker else "")
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
