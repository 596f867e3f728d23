#!/usr/bin/env python3
"""Devices with certificates (TS-0003 8.2.2.2), of an AE-ID and of a node: over each binding, as clients and as servers (SA2), against
curl, openssl s_server and s_client, and a broker. The key is shown nowhere, and who has the wrong name or another CA is not the CSE.

usage: device_certificate.py GATEHOUSE   (exit code 0: every check held)
"""
import json
import pathlib
import re
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from kept_websocket import until  # noqa: E402
from mqtt import BROKER, Broker, free_ports  # noqa: E402
from mqtt_cses import mqtt_of  # noqa: E402
from notify_ae import NOTE, Authority, Listener, OpenSSL, tell  # noqa: E402
from notify_mqtt import lists  # noqa: E402
from outgoing import settings  # noqa: E402
from third_party import listen_for_coap, run  # noqa: E402
from transit import SP  # noqa: E402

CSE = f"in-cse.{SP}"


def issue(story, name, *flavour):
    cert, key = story.folder / f"{name}.pem", story.folder / f"{name}.key"
    code, answer = story.call("ca", "issue", story.dir, *flavour, "--cert", cert, "--key", key)
    if code != 0:
        raise SystemExit(f"ca issue: {answer}")
    return cert, key


def given(story, where, cert, key, anchors=None):
    return story.call("device", "certificate", where, "--cert", cert, "--key-file", key, "--anchors", anchors or story.dir / "ca.pem")


def new_device(story, name, *more):
    where = story.folder / name
    code, answer = story.call("device", "new", where, "--realm", story.dir, "--kpm-id", name, "--generate", story.folder / f"{name}.kpm", *more)
    story.expect(code == 0, f"a folder for {name}", answer)
    return where


def over_each_binding(story):
    meter = new_device(story, "meter")
    cert, key = issue(story, "Cmeter", "--ae-id", f"//{SP}/in-cse/Cmeter")
    code, answer = given(story, meter, cert, key)
    story.expect(code == 0 and answer.get("certificate") == f"33-//{SP}/in-cse/Cmeter" and answer.get("certificateUntil"), "the device takes its certificate", answer)
    code, answer = story.call("register", meter, "--app-id", "N.story")
    story.expect(code == 0 and answer.get("aeID", answer.get("content", {}).get("m2m:ae", {}).get("aei")) == "Cmeter", "and registers as whom it names", answer)
    for binding in ("http", "coap", "coaps_tcp", "ws"):
        code, answer = story.call("get", meter, "cse-in/Cmeter", "--binding", binding)
        story.expect(answer.get("rsc") == 2000, f"it reads its AE over {binding}", answer)
        story.expect(story.rsc("get", meter, "cse-in/Cmeter", "--binding", binding, "--from", "Cother") == 4106, f"and is nobody else over {binding}")
    lines = [line for line in story.log("cse").splitlines() if f"33-//{SP}/in-cse/Cmeter" in line or f'AE //{SP}/in-cse/Cmeter' in line]
    story.expect(lines, "the CSE has seen the certificate", lines)
    return meter, key


def nothing_is_shown(story, meter, key):
    """A key in PEM is base64: none of its lines may stand anywhere, and only the owner reads the folder."""
    secret = [line for line in key.read_text(encoding="ascii").splitlines() if line and "-----" not in line]
    shown = "".join(run([story.gatehouse, "device", "show", meter, *more])[1] for more in ((), ("--json",)))
    story.expect("Cmeter" in shown and not any(line in shown for line in secret), "device show does not show the key", shown)
    for path in meter.iterdir():
        octets = path.read_bytes()
        story.expect(path.stat().st_mode & 0o777 == 0o600 and not any(line.encode() in octets for line in secret) and b"PRIVATE KEY" not in octets,
                     f"{path.name} is for its owner alone, without the key")


def what_is_not_taken(story):
    other = new_device(story, "refused")
    cert, key = issue(story, "Cx", "--ae-id", f"//{SP}/in-cse/Cx")
    cse_cert, cse_key = issue(story, "mn9", "--fqdn", f"mn9.{CSE}")
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-nodes", "-keyout", story.folder / "p384.key", "-out",
         story.folder / "p384.pem", "-subj", "/CN=x", "-days", "2", "-addext", f"subjectAltName=URI:m2m://{SP}/in-cse/Cx", "-addext",
         "keyUsage=critical,digitalSignature"])
    (story.folder / "p384.key").chmod(0o600)
    empty = story.folder / "empty"
    empty.write_text("no PEM\n", encoding="ascii")
    for words, reason in (((cert, cse_key), "not that of the certificate"), ((cse_cert, cse_key), "neither an AE"),
                          ((empty, key), "certificate cannot be read"), ((cert, key, empty), "anchors cannot be read"),
                          ((story.folder / "p384.pem", story.folder / "p384.key"), "P-256"), ((cert, cert), "")):
        code, answer = given(story, other, *words)
        story.expect(code != 0 and reason in str(answer), f"refused: {reason or 'a certificate for a key'}", answer)
    loose = story.folder / "loose.key"
    loose.write_bytes(key.read_bytes())
    loose.chmod(0o644)
    code, answer = given(story, other, cert, loose)
    story.expect(code != 0, "refused: a key that others can read", answer)
    _, shown = story.call("device", "show", other)
    story.expect("certificate" not in shown, "nothing of it is left", shown)
    code, answer = story.call("register", other, "--app-id", "N.story", "--with", "certificate")
    story.expect(code != 0 and "certificate" in str(answer), "without one it does not register with one", answer)


def whom_it_believes(story, meter):
    """openssl s_server as the CSE."""
    conf = meter / "device.conf"
    text = conf.read_text(encoding="utf-8")
    mn8, mn8_key = issue(story, "mn8", "--fqdn", f"mn8.{CSE}")
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", story.folder / "self.key", "-out",
         story.folder / "self.pem", "-subj", f"/CN={CSE}", "-days", "2", "-addext", f"subjectAltName=DNS:{CSE}"])
    again, again_key = issue(story, "again", "--fqdn", CSE)
    wants = ("-CAfile", story.dir / "ca.pem", "-Verify", "3", "-verify_return_error")
    for title, credential, good in (("the name of another CSE", ("-cert", mn8, "-key", mn8_key), False),
                                    ("the right name of no CA of ours", ("-cert", story.folder / "self.pem", "-key", story.folder / "self.key"), False),
                                    ("a key instead", ("-nocert", "-psk_identity", "x@y.example", "-psk", "00" * 32), False),
                                    ("the right name of our CA", ("-cert", again, "-key", again_key), True)):
        for version in ("-tls1_2", "-tls1_3"):
            server = OpenSSL(story, *credential, version, *(wants if "-cert" in credential else ()))
            conf.write_text(re.sub(r'(cse = \{[^}]*?endpoint = )"[^"]*"', rf'\1"{server.poa.removeprefix("https://")}"', text, count=1), encoding="utf-8")
            code, answer = story.call("get", meter, "cse-in/Cmeter")
            story.expect((answer.get("rsc") == 2000) == good and ("GET /cse-in/Cmeter" in server.seen) == good,
                         f"openssl s_server {version} with {title} is {'' if good else 'not '}the CSE", (answer, server.seen))
            server.process.kill()
    conf.write_text(text, encoding="utf-8")
    story.expect(story.rsc("get", meter, "cse-in/Cmeter") == 2000, "the CSE itself is")


def it_listens(story, meter, sender):
    """SA2: the registrar comes by its certificate, and nobody else by anything."""
    story.permit(meter, "Cmeter", ["Csender"])
    listener = Listener(story, meter, "--at", "127.0.0.1:0")
    story.expect(story.notify(sender, "cse-in/Cmeter") == 2000 and listener.line().get("content") == NOTE, "a device with a certificate is reached", listener.first)
    where = listener.first["poa"].removeprefix("https://")
    body = json.dumps(NOTE)
    common = ["curl", "-s", "-S", "-D", "-", "--cacert", story.dir / "ca.pem", "-k", "-X", "POST", f"https://{where}/cse-in/Cmeter", "-H", "X-M2M-RI: r9",
              "-H", "X-M2M-RVI: 3", "-H", "X-M2M-Origin: /in-cse/Csender", "-H", "Content-Type: application/json", "-d", body]
    for version in ("1.2", "1.3"):
        limits = [f"--tlsv{version}", "--tls-max", version]
        code, answer = run([*common, *limits, "--cert", story.folder / "again.pem", "--key", story.folder / "again.key"])
        story.expect("X-M2M-RSC: 2000" in answer and listener.line().get("rqi") == "r9", f"curl with a certificate of the registrar's name notifies it over TLS {version}", answer)
        for title, more in (("that of another CSE", ("--cert", story.folder / "mn8.pem", "--key", story.folder / "mn8.key")),
                            ("its own", ("--cert", story.folder / "Cmeter.pem", "--key", story.folder / "Cmeter.key")),
                            ("the right name of no CA of ours", ("--cert", story.folder / "self.pem", "--key", story.folder / "self.key")), ("none", ())):
            code, answer = run([*common, *limits, *more])
            story.expect("X-M2M-RSC" not in answer and code != 0, f"with {title} nobody does over TLS {version}", answer)
    state = story.folder / "sender" / "state.json"
    identity = json.loads(state.read_text(encoding="utf-8")).get("kpsaID", "x@y.example")
    answer = run(["openssl", "s_client", "-connect", where, "-quiet", "-ign_eof", "-psk_identity", identity, "-psk", "00" * 32],
                 "GET /cse-in HTTP/1.1\r\nHost: x\r\n\r\n")[1]
    story.expect("HTTP/1.1" not in answer, "a key opens nothing", answer)
    shown = run(["openssl", "s_client", "-connect", where, "-showcerts", "-cert", story.folder / "again.pem", "-key", story.folder / "again.key"], "")[1]
    story.expect("BEGIN CERTIFICATE" in shown and "PRIVATE KEY" not in shown, "what it shows is its certificate", shown)
    code, rest = listener.end()
    story.expect(code == 0 and rest == b"", "nothing came that we did not see", rest)


def of_a_node(story, sender):
    authority = Authority(story)
    authority.certify("node1", "urn:example:node1")
    (story.folder / "node1.key").chmod(0o600)
    story.kill("cse")
    story.start("cse")
    node = new_device(story, "nodule")
    code, answer = given(story, node, story.folder / "node1.pem", story.folder / "node1.key")
    story.expect(code == 0 and answer.get("certificate") == "34-urn:example:node1", "a device takes the certificate of its node", answer)
    code, answer = story.call("register", node, "--app-id", "N.story")
    stem = story.call("device", "show", node)[1].get("aeID", "")
    story.expect(code == 0 and stem.startswith("C"), "and registers; the CSE chooses the AE-ID", (answer, stem))
    for binding in ("coap", "ws"):
        story.expect(story.rsc("get", node, f"cse-in/{stem}", "--binding", binding) == 2000, f"it reads its AE over {binding}")
    story.permit(node, stem, ["Csender"])
    listener = Listener(story, node)
    story.expect(story.notify(sender, f"cse-in/{stem}") == 2000 and listener.line().get("content") == NOTE, "and is reached", listener.first)
    listener.end()
    return node, stem


def at_a_broker(story, meter, node, stem):
    """The broker makes the AE-ID of a certificate the user, and our list names that user once the AE is registered."""
    ports = free_ports(2)
    run([story.gatehouse, "ca", "issue", story.dir, "--fqdn", BROKER, "--cert", story.folder / "broker.pem", "--key", story.folder / "broker.key"])
    broker = Broker(story.folder, story.dir, *ports)
    story.kill("cse", signal.SIGTERM)
    mqtt_of(story, "cse", broker=f'"127.0.0.1:{ports[0]}"', name=f'"{BROKER}"', enforces="true")
    story.start("cse")
    try:
        lists(story, broker)
        broker.start()
        story.expect(until(lambda: "mqtt-connected" in story.log("cse"), 30), "the CSE is at the broker")
        for where in (meter, node):
            conf = where / "device.conf"
            text = conf.read_text(encoding="utf-8")
            begin = text.index("mqtt = {")
            group = re.sub(r'name = "[^"]*"', f'name = "{BROKER}"', re.sub(r'broker = "[^"]*"', f'broker = "127.0.0.1:{ports[0]}"', text[begin:], count=1), count=1)
            conf.write_text(text[:begin] + group, encoding="utf-8")
        code, answer = story.call("get", meter, "cse-in/Cmeter", "--binding", "mqtt")
        story.expect(answer.get("rsc") == 2000, "the AE of the certificate reads over MQTT", (answer, broker.log()[-1500:]))
        code, answer = story.call("get", node, f"cse-in/{stem}", "--binding", "mqtt")
        story.expect(code != 0 and answer.get("rsc") != 2000, "that of a node does not: a broker cannot tell whom it stands for", answer)
        mn8 = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(ports[0]), "--cafile", story.dir / "ca.pem", "--cert", story.folder / "mn8.pem", "--key",
               story.folder / "mn8.key", "--insecure", "-q", "1", "-t", "/oneM2M/req/Cmeter/in-cse/json", "-m", "{}"]
        run(mn8)
        story.expect(until(lambda: re.search("Denied PUBLISH from .*", broker.log())), "who has another certificate cannot ask in its name", broker.log()[-1500:])
        broker.kill(signal.SIGTERM)
        settings_of = broker.folder / "mosquitto.conf"
        settings_of.write_text(settings_of.read_text(encoding="utf-8").replace("use_username_as_clientid true\n", ""), encoding="utf-8")
        broker.start()
        fresh = new_device(story, "fresh")
        text = (fresh / "device.conf").read_text(encoding="utf-8")
        (fresh / "device.conf").write_text(text[:text.index("mqtt = {")] + group, encoding="utf-8")
        given(story, fresh, *issue(story, "Cfresh", "--ae-id", f"//{SP}/in-cse/Cfresh"))
        story.call("register", fresh, "--app-id", "N.story", "--with", "certificate", "--binding", "mqtt")
        story.expect(until(lambda: f" as A::33-//{SP}/in-cse/Cfresh" in broker.log(), 10),
                     "at a broker that takes the client's word for its name two devices without AE-ID do not end each other's session",
                     [line for line in broker.log().splitlines() if " as A::" in line])
    finally:
        broker.kill()


def chapters(story):
    listen_for_coap(story.dir)
    settings(story, "cse", open_registration=True, transit_ms=4000)
    story.start("cse")
    sender, _ = story.kpsa_device("sender")
    meter, key = over_each_binding(story)
    nothing_is_shown(story, meter, key)
    what_is_not_taken(story)
    whom_it_believes(story, meter)
    it_listens(story, meter, sender)
    node, stem = of_a_node(story, sender)
    at_a_broker(story, meter, node, stem)


if __name__ == "__main__":
    sys.exit(tell("device-cert", chapters))
