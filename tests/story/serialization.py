#!/usr/bin/env python3
"""In what requests are sent on: AEs and CSEs that are not ours say in contentSerialization what they read, and get that, over HTTP, CoAP
and MQTT; a reader of another maker (python3-cbor2) reads it. Devices and MN-CSEs of ours that were told to speak CBOR do.

usage: serialization.py GATEHOUSE   (exit code 0: every check held)
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import threading

try:
    import cbor2
except ImportError:  # Debian's packages belong to Debian's Python, which need not be the first one on the way
    if sys.executable == "/usr/bin/python3":
        raise
    os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from kept_websocket import until  # noqa: E402
from mqtt import BROKER, Broker, Device, free_ports  # noqa: E402
from mqtt_cses import mqtt_of  # noqa: E402
from notify_ae import NOTE, Listener, OpenSSL, tell  # noqa: E402
from notify_coap import opened  # noqa: E402
from notify_mqtt import further_key, lists  # noqa: E402
from outgoing import settings  # noqa: E402
from poa import Registree  # noqa: E402
from third_party import run  # noqa: E402
from transit import SP  # noqa: E402

CONTENT_FORMAT, ACCEPT = 12, 17
FORMATS = {"json": 50, "cbor": 60}
SAID = {"m2m:dbg": "said by the AE"}
# what an AE names in contentSerialization, and what it gets; None: nothing
NAMED = ((["cbor"], "cbor"), (["json", "cbor"], "json"), (["xml", "cbor", "json"], "cbor"), (["xml"], None), (None, "json"))


def dumps(form, value):
    return cbor2.dumps(value) if form == "cbor" else json.dumps(value).encode()


def loads(form, octets):
    return cbor2.loads(octets) if form == "cbor" else json.loads(octets)


class HttpAe(OpenSSL):
    """openssl s_server; it keeps the header lines and the octets of each request, and answers 5207 with Content in `form`."""

    def __init__(self, story, *credential):
        self.requests, self.form = [], "json"
        super().__init__(story, *credential)

    def serve(self):
        octets = b""
        while more := os.read(self.process.stdout.fileno(), 65536):
            octets += more
            head, end, body = octets.partition(b"\r\n\r\n")
            lines = dict(line.lower().split(": ", 1) for line in head.decode(errors="replace").split("\r\n")[1:] if ": " in line)
            if not end or len(body) < int(lines.get("content-length", 0)):
                continue
            self.requests.append((lines, body))
            answer = dumps(self.form, SAID)
            self.process.stdin.write(f"HTTP/1.1 406 X\r\nX-M2M-RSC: 5207\r\nX-M2M-RI: {lines.get('x-m2m-ri')}\r\nX-M2M-RVI: 3\r\n"
                                     f"Content-Type: application/{self.form}\r\nContent-Length: {len(answer)}\r\n\r\n".encode() + answer)
            self.process.stdin.flush()
            octets = b""


class MqttAe:
    """Hears with one key whatever the serialization, and answers with another key, in the one that was asked in."""

    def __init__(self, story, broker, stem, listens, answers):
        self.stem, self.requests, self.folder, self.subscribed = stem, [], story.folder, threading.Event()
        self.mouth = Device(broker, *answers)
        self.process = subprocess.Popen(["stdbuf", "-oL", "mosquitto_sub", *Device(broker, *listens).options, "-t", f"/oneM2M/req/in-cse/{stem}/+",
                                         "-d", "-F", "REQUEST %t %X"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0)
        story.servers.append(self.process)
        threading.Thread(target=self.serve, daemon=True).start()
        story.expect(self.subscribed.wait(60), f"{stem} listens at the broker")

    def serve(self):
        for octets in iter(self.process.stdout.readline, b""):
            words = octets.decode(errors="replace").split()
            if words[:1] == ["Subscribed"]:
                self.subscribed.set()
            if words[:1] == ["REQUEST"]:
                form, payload = words[1].rpartition("/")[2], bytes.fromhex(words[2])
                self.requests.append((form, payload))
                file = self.folder / "answer"
                file.write_bytes(dumps(form, {"rsc": 5207, "rqi": loads(form, payload)["rqi"], "rvi": "3", "pc": SAID}))
                self.mouth.publish(f"/oneM2M/resp/in-cse/{self.stem}/{form}", file=file)


def said(story, valve, csz, *points):
    content = {"m2m:ae": {"csz": csz, "rr": True, **({"poa": list(points)} if points else {})}}
    return story.rsc("update", valve, "cse-in/Cvalve", "--content", json.dumps(content))


def notified(story, sender, *more):
    """(response status code, its Content)"""
    answer = story.call("notify", sender, "cse-in/Cvalve", "--content", json.dumps(NOTE), *more)[1]
    return answer.get("rsc"), answer.get("content")


def over_http(story, sender, valve, key):
    far = HttpAe(story, "-nocert", "-psk_identity", "valve@keys.example.com", "-psk", key)
    for csz, form in NAMED:
        story.expect(said(story, valve, csz, far.poa) == 2004, f"the AE names {csz}")
        far.form = "json" if form == "cbor" else "cbor"  # an answer is what its own media type says
        count, result = len(far.requests), notified(story, sender)
        if not form:
            story.expect(result[0] == 5103 and len(far.requests) == count, "5103 over HTTP, and nothing is sent", result)
            continue
        lines, body = far.requests[-1] if len(far.requests) == count + 1 else ({}, b"")
        story.expect(lines.get("content-type") == lines.get("accept") == f"application/{form}", f"over HTTP it is sent {form}", lines)
        story.expect(body and loads(form, body) == NOTE, "which another reader reads", body)
        story.expect(result == (5207, SAID), f"and answers in {far.form}", result)
    story.expect(notified(story, sender, "--cbor") == (5207, SAID) and far.requests[-1][0].get("content-type") == "application/json",
                 "what came in CBOR goes on in JSON to whom nothing else is known of", far.requests[-1])
    for wrong in (["application/cbor"], ["JSON"], [], "cbor", ["exi"]):
        story.expect(said(story, valve, wrong, far.poa) == 4000, f"4000: {wrong}")
    far.process.kill()


def over_coap(story, sender, valve, key):
    for stream, kind in ((False, "coaps"), (True, "coaps+tcp")):
        far = opened(story, stream, "-nocert", "-psk_identity", "valve@keys.example.com", "-psk", key, rsc=5207)
        for csz, form in NAMED:
            story.expect(said(story, valve, csz, far.poa) == 2004, f"the AE names {csz}")
            far.form = FORMATS["json" if form == "cbor" else "cbor"]
            far.payload = dumps("json" if form == "cbor" else "cbor", SAID)
            count, result = len(far.seen), notified(story, sender)
            if not form:
                story.expect(result[0] == 5103 and len(far.seen) == count, f"5103 over {kind}, and nothing is sent", result)
                continue
            pairs, payload = far.seen[-1] if len(far.seen) == count + 1 else ([], b"")
            numbers = {number: int.from_bytes(value, "big") for number, value in pairs if number in (CONTENT_FORMAT, ACCEPT)}
            wanted = {CONTENT_FORMAT: FORMATS[form], **({ACCEPT: FORMATS[form]} if form == "cbor" else {})}
            story.expect(numbers == wanted, f"over {kind} it is sent {form}", numbers)
            story.expect(payload and loads(form, payload) == NOTE, "which another reader reads", payload)
            story.expect(result == (5207, SAID), "and answers in the other one", result)
        far.end()


def over_mqtt(story, sender, valve, broker, far):
    for csz, form in NAMED:
        story.expect(said(story, valve, csz, f"mqtts://127.0.0.1:{broker.device_port}") == 2004, f"the AE names {csz}")
        count, result = len(far.requests), notified(story, sender)
        if not form:
            story.expect(result[0] == 5103 and len(far.requests) == count, "5103 over MQTT, and nothing is sent", result)
            continue
        kind, payload = far.requests[-1] if len(far.requests) == count + 1 else ("nothing", b"")
        story.expect(kind == form and loads(form, payload).get("pc") == NOTE, f"over MQTT it is sent {form}", (kind, payload))
        story.expect(result == (5207, SAID), "and answers", result)


def sent(story, function, entity):
    """Binding and serialization of the last request to this entity, as the log says."""
    found = re.findall(rf"outgoing-request entity={re.escape(entity)} binding=(\S+) .*?serialization=(\S+)", story.log(function))
    return found[-1] if found else None


def a_device_of_ours(story, sender, broker):
    pump, _ = story.kpsa_device("pump")
    story.permit(pump, "Cpump", ["Csender"])
    lists(story, broker)
    conf = pump / "device.conf"
    text = conf.read_text(encoding="utf-8")
    text = re.sub(r'(mqtt = \{[^}]*?broker = )"[^"]*"', rf'\1"127.0.0.1:{broker.device_port}"', text, count=1)
    conf.write_text(text, encoding="utf-8")

    def csz():
        return story.call("get", pump, "cse-in/Cpump")[1].get("content", {}).get("m2m:ae", {}).get("csz")

    for binding, more in (("http", ()), ("coap", ()), ("coaps_tcp", ()), ("mqtt", ()), ("ws", ())):
        for form, words in (("cbor", ("--cbor",)), ("json", ())):
            listener = Listener(story, pump, "--binding", binding, *more, *words)
            story.expect(csz() == (["cbor", "json"] if form == "cbor" else None), f"{binding}: it says that it likes {form}", csz())
            story.expect(story.notify(sender, "cse-in/Cpump") == 2000 and listener.line().get("content") == NOTE, "is notified, and prints it")
            if binding == "ws":  # the connection has one serialization, and the line of its beginning says which
                lines = re.findall(r"serialization=(\S+)", "\n".join(line for line in story.log("cse").splitlines() if "websocket" in line))
                story.expect(lines[-1:] == [form], f"over a WebSocket in {form}", lines)
            else:
                story.expect(sent(story, "cse", f"//{SP}/in-cse/Cpump") == (binding.replace("coaps", "coap"), form), f"in {form}", sent(story, "cse", f"//{SP}/in-cse/Cpump"))
            listener.end()
    conf.write_text(text.replace('serialization = "json"', 'serialization = "cbor"'), encoding="utf-8")
    listener = Listener(story, pump)
    story.expect(csz() == ["cbor", "json"] and story.notify(sender, "cse-in/Cpump") == 2000 and listener.line().get("content") == NOTE and
                 sent(story, "cse", f"//{SP}/in-cse/Cpump") == ("http", "cbor"), "the same by device.conf", csz())
    listener.end()
    conf.write_text(text.replace('serialization = "json"', 'serialization = "xml"'), encoding="utf-8")
    code, answer = story.call("device", "show", pump)
    story.expect(code != 0 and "serialization" in str(answer), "what is neither is an error that names the setting", answer)


def a_cse(story, near):
    """A CSE that is not ours, over one association: what it says last counts for the next request."""
    mine = Registree(story, "mn7")
    far = opened(story, True, "-cert", mine.cert, "-key", mine.key, "-CAfile", story.dir / "ca.pem", "-Verify", 3, "-verify_return_error",
                 rsc=2001)
    content = {"rn": "mn7", "cb": "/mn7/cse-far", "srv": ["3"], "rr": True, "poa": [far.poa]}
    story.expect(mine.ask("POST", "/cse-in", {"m2m:csr": content}, 16) == 2001, "a CSE registers, and names no serialization")
    box = {"m2m:cnt": {"rn": "box", "mni": 3}}

    def created():
        count, rsc = len(far.seen), story.rsc("create", near, "/mn7/cse-far/x", "--ty", "cnt", "--content", json.dumps(box))
        pairs, payload = far.seen[-1] if len(far.seen) > count else ([], b"")
        return rsc, next((int.from_bytes(value, "big") for number, value in pairs if number == CONTENT_FORMAT), None), payload

    rsc, form, payload = created()
    story.expect((rsc, form) == (2001, 50) and json.loads(payload) == box, "it gets JSON", (rsc, form, payload))
    story.expect(mine.ask("PUT", "/-/mn7", {"m2m:csr": {"csz": ["cbor", "xml"]}}) == 2004, "it likes CBOR")
    rsc, form, payload = created()
    story.expect((rsc, form) == (2001, 60) and cbor2.loads(payload) == box, "and gets CBOR", (rsc, form, payload))
    story.expect(mine.ask("PUT", "/-/mn7", {"m2m:csr": {"csz": ["xml"]}}) == 2004 and created() == (5103, None, b""), "5103: XML is not spoken here")
    story.expect("reason=next-hop-serialization" in story.log("cse") and "reason=ae-serialization" in story.log("cse"), "the log says why")


def an_mn_cse_of_ours(story, near):
    """mn1 was configured to speak CBOR with its registrar, and asks it for the same."""
    far = story.device("far", "mn1")
    policy = {"rn": "p", "pv": {"acr": [{"acor": ["Cfar", "/in-cse/Cnear"], "acop": 63}]}, "pvs": {"acr": [{"acor": ["Cfar"], "acop": 63}]}}
    story.expect(story.rsc("create", far, "cse-mn/Cfar", "--ty", "acp", "--content", json.dumps(policy)) == 2001 and
                 story.rsc("update", far, "cse-mn/Cfar", "--content", '{"m2m:ae":{"acpi":["cse-mn/Cfar/p"]}}') == 2004, "an AE below mn1")
    story.expect(story.rsc("create", near, "/mn1/cse-mn/Cfar", "--ty", "cnt", "--content", '{"rn":"box"}') == 2001, "IN to MN")
    story.expect(sent(story, "cse", f"//{SP}/mn1") == ("http", "cbor"), "in CBOR", sent(story, "cse", f"//{SP}/mn1"))
    story.expect(story.rsc("get", far, "/in-cse/cse-in/Cnear") == 4103, "MN to IN")
    story.expect(sent(story, "mn1", f"//{SP}/in-cse") == ("http", "cbor"), "in CBOR", sent(story, "mn1", f"//{SP}/in-cse"))
    settings(story, "cse", reach="wss://auto")
    settings(story, "mn1", reach="none")
    for name in ("cse", "mn1"):
        story.kill(name)
    for name in ("cse", "mn1"):
        story.start(name)
    story.expect(story.log_says("mn1", "websocket-open") and until(lambda: story.rsc("get", near, "/mn1/cse-mn/Cfar/box") == 2000, 60),
                 "over a WebSocket that mn1 keeps open", story.log("mn1")[-2000:])
    story.expect(story.rsc("get", far, "/in-cse/cse-in/Cnear") == 4103, "in both directions")
    lines = [line for line in story.log("cse").splitlines() if "websocket" in line and "serialization=" in line]
    story.expect(lines and "serialization=cbor" in lines[-1], "which is CBOR", lines)


def chapters(story):
    folder, ports = story.folder, free_ports(2)
    run([story.gatehouse, "ca", "issue", story.dir, "--fqdn", BROKER, "--cert", folder / "broker.pem", "--key", folder / "broker.key"])
    broker = Broker(folder, story.dir, *ports)
    settings(story, "cse", open_registration=True, transit_ms=6000, coap_listen="127.0.0.1:0", coaps_tcp_listen="127.0.0.1:0")
    settings(story, "mn1", serialization="cbor")
    conf = story.dir / "gatehouse.conf"  # one thread, one association with each CSE: openssl s_server has one at a time
    text, count = re.subn(r"\bworkers = \d+;", "workers = 1;", conf.read_text(encoding="utf-8"))
    story.expect(count == 1, "one worker")
    conf.write_text(text, encoding="utf-8")
    mqtt_of(story, "cse", broker=f'"127.0.0.1:{ports[0]}"', name=f'"{BROKER}"', enforces="true", listeners=f'[ "127.0.0.1:{ports[1]}" ]')
    for name in ("mef", "maf", "cse", "mn1"):
        story.start(name)
    sender, near = story.device("sender", "in-cse"), story.device("near", "in-cse")
    valve, key = story.kpsa_device("valve")
    story.permit(valve, "Cvalve", ["Csender"])
    over_http(story, sender, valve, key)
    over_coap(story, sender, valve, key)
    mouth = further_key(story, "mouth", f"//{SP}/in-cse/Cvalve")
    lists(story, broker)
    broker.start()
    story.servers.append(broker.process)
    story.expect(until(lambda: "mqtt-connected" in story.log("cse"), 60), "the CSE is at the broker")
    ae = MqttAe(story, broker, "Cvalve", ("valve@keys.example.com", key), mouth)
    story.expect(until(lambda: said(story, valve, ["json"], f"mqtts://127.0.0.1:{ports[1]}") == 2004 and notified(story, sender)[0] == 5207, 60),
                 "the CSE reaches the AE at the broker")
    over_mqtt(story, sender, valve, broker, ae)
    a_device_of_ours(story, sender, broker)
    a_cse(story, near)
    an_mn_cse_of_ours(story, near)


if __name__ == "__main__":
    sys.exit(tell("serialization", chapters, "--mn-cse", "mn1"))
