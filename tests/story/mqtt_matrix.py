#!/usr/bin/env python3
"""The matrix of associations through a real broker: each credential that a broker can prove, over TLS 1.2 and 1.3, for an AE, a CSE and a
credential that stands for nobody yet; what is permitted, and each refusal, by whom it is made: the handshake, the broker's list, or the
CSE by its code. The broker is mosquitto with our list, TLS is openssl s_client, and MQTT is spoken by hand (OASIS MQTT 3.1.1).

Which versions the broker speaks is asked before anything else, with good credentials; what is left out is said.

usage: mqtt_matrix.py GATEHOUSE   (exit code 0: every check held)
"""
import base64
import itertools
import json
import os
import pathlib
import select
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from kept_websocket import until  # noqa: E402
from mqtt import BROKER, Broker, free_ports  # noqa: E402
from mqtt_cses import mqtt_of  # noqa: E402
from notify_ae import Authority, Certified, tell  # noqa: E402
from notify_mqtt import further_key, lists  # noqa: E402
from outgoing import settings  # noqa: E402
from poa import Registree  # noqa: E402
from third_party import run  # noqa: E402
from transit import SP  # noqa: E402

PATIENCE = 60
CONNACK, PUBLISH, PUBACK, SUBACK = 0x20, 0x30, 0x40, 0x90
VERSIONS = ("-tls1_2", "-tls1_3")
rqis = (f"m{number}" for number in itertools.count(1))


def counted(octets):
    return len(octets).to_bytes(2, "big") + octets


def packet(kind, body):
    size, head = len(body), b""
    while True:
        head += bytes([size % 128 | (0x80 if size > 127 else 0)])
        size //= 128
        if not size:
            return bytes([kind]) + head + body


class Client:
    """An MQTT client on openssl s_client."""

    def __init__(self, port, version, credential):
        self.process = subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", BROKER, "-quiet", version,
                                         *map(str, credential)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.octets = b""
        self.send(packet(0x10, counted(b"MQTT") + bytes([4, 2, 0, 0]) + counted(b"matrix")))  # a clean session, no keep-alive
        first = self.packet(CONNACK)
        self.connected = first is not None and first[1:2] == b"\0"

    def send(self, octets):
        try:
            self.process.stdin.write(octets)
            self.process.stdin.flush()
        except OSError:
            pass  # the end is seen by whoever reads

    def take(self):
        """(kind, body) of a whole packet, or None."""
        size, at = 0, 1
        while True:
            if at >= len(self.octets) or at > 4:
                return None
            size |= (self.octets[at] & 0x7F) << 7 * (at - 1)
            at += 1
            if self.octets[at - 1] < 0x80:
                break
        if len(self.octets) < at + size:
            return None
        kind, body = self.octets[0] & 0xF0, self.octets[at:at + size]
        self.octets = self.octets[at + size:]
        return kind, body

    def packet(self, wanted, found=lambda _: True):
        """The body of the next packet of this kind; None at the end of the association."""
        while True:
            one = self.take()
            if one and one[0] == wanted and found(one[1]):
                return one[1]
            if one:
                continue
            if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
                return None
            more = os.read(self.process.stdout.fileno(), 65536)
            if not more:
                return None
            self.octets += more

    def subscribe(self, topic):
        self.send(packet(0x82, b"\0\x01" + counted(topic.encode()) + b"\0"))
        return self.packet(SUBACK)

    def publish(self, topic, request):
        self.send(packet(0x32, counted(topic.encode()) + b"\0\x02" + json.dumps(request).encode()))
        return self.packet(PUBACK)

    def ask(self, level, request, kind="req", answer="resp"):
        """The response to a request of this originator."""
        request = {"rqi": next(rqis), "rvi": "3", **request}
        if self.subscribe(f"/oneM2M/{answer}/{level}/in-cse/json") is None or self.publish(f"/oneM2M/{kind}/{level}/in-cse/json", request) is None:
            return {}
        body = self.packet(PUBLISH, lambda body: f'"{request["rqi"]}"'.encode() in body)
        return json.loads(body[body.index(b"{"):]) if body else {}

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


AE = {"m2m:ae": {"api": "N.story", "rr": False, "srv": ["3"]}}


def csr(name):
    return {"m2m:csr": {"rn": name, "cb": f"/{name}/cse", "rr": False, "srv": ["3"]}}


# what an AE asks, and what the CSE answers; {} is its stem
STEPS_OF_AE = (({"op": 2, "fr": "{}", "to": "cse-in/{}"}, 2000), ({"op": 1, "fr": "{}", "to": "cse-in/{}", "ty": 3, "pc": {"m2m:cnt": {}}}, 2001),
               ({"op": 2, "fr": "Cother", "to": "cse-in/{}"}, 4106), ({"op": 2, "fr": "Cother", "to": "cse-in/Cother"}, 4106),
               ({"op": 2, "to": "cse-in/{}"}, 4000), ({"op": 2, "fr": "/mn7", "to": "cse-in/{}"}, 4106), ({"op": 2, "fr": "Sadmin", "to": "cse-in"}, 4106),
               ({"op": 2, "fr": "{}", "to": "cse-in/Cother"}, 4103), ({"op": 1, "fr": "{}", "to": "cse-in", "ty": 16, "pc": csr("mn3")}, 4005),
               ({"op": 1, "fr": "{}", "to": "cse-in", "ty": 2, "pc": AE}, 4117), ({"op": 2, "fr": "{}", "to": "cse-in/{}"}, 2000))
# the same of a CSE; {} is its CSE-ID without the slash
STEPS_OF_CSE = (({"op": 2, "fr": "/{}", "to": "/in-cse/-/{}"}, 2000), ({"op": 2, "fr": "/{}/Cbelow", "to": "/in-cse/-/{}"}, 4103),
                ({"op": 2, "fr": "/mn1", "to": "/in-cse/-/{}"}, 4106), ({"op": 2, "fr": "/in-cse/Cother", "to": "cse-in/Cother"}, 4106),
                ({"op": 2, "fr": "/in-cse", "to": "cse-in"}, 4106), ({"op": 2, "fr": "Cother", "to": "cse-in/Cother"}, 4106),
                ({"op": 2, "to": "/in-cse/-/{}"}, 4000), ({"op": 1, "fr": "/{}", "to": "cse-in", "ty": 2, "pc": AE}, 4005),
                ({"op": 1, "fr": "/{}", "to": "cse-in", "ty": 16, "pc": csr("again")}, 4117), ({"op": 2, "fr": "/{}", "to": "/in-cse/-/{}"}, 2000))


def filled(value, name):
    if isinstance(value, dict):
        return {key: filled(one, name) for key, one in value.items()}
    return value.replace("{}", name) if isinstance(value, str) else value


class Matrix:
    def __init__(self, story, broker):
        self.story, self.broker, self.expect = story, broker, story.expect

    def versions(self, port, credential, what):
        """Those in which the broker lets a good credential in."""
        found = []
        for version in VERSIONS:
            client = Client(port, version, credential)
            if client.connected:
                found.append(version)
            else:
                print(f"left out: {version} at this mosquitto with {what}", flush=True)
            client.end()
        self.expect("-tls1_2" in found, f"mosquitto speaks TLS 1.2 with {what}")
        return found

    def denied(self, client, user, topic):
        """The broker's list keeps it from the CSE, and the broker says so."""
        def lines():
            return [line for line in self.broker.log().splitlines() if "Denied PUBLISH from " + user in line and f"'{topic}'" in line]
        before = len(lines())
        client.publish(topic, {"op": 2, "fr": "Cother", "to": "cse-in/Cother", "rqi": next(rqis), "rvi": "3"})
        return until(lambda: len(lines()) > before, PATIENCE)

    def walk(self, title, port, version, credential, name, steps, others, user):
        client = Client(port, version, credential)
        wrong = [] if client.connected else ["not connected"]
        for request, rsc in steps if client.connected else ():
            answer = client.ask(name, filled(request, name))
            if answer.get("rsc") != rsc:
                wrong.append((request, rsc, answer))
        self.expect(not wrong, f"{title}, {version}: what it may, and each refusal of the CSE", wrong)
        for level in others if client.connected else ():
            for kind in ("req", "reg_req"):
                topic = f"/oneM2M/{kind}/{level}/in-cse/json"
                self.expect(self.denied(client, user, topic), f"{title}, {version}: {kind} in the name of {level} ends at the broker")
        client.end()

    def refused(self, title, port, versions, credential):
        for version in versions:
            client = Client(port, version, credential)
            self.expect(not client.connected, f"{title}, {version}: no association")
            client.end()


def psk(identity, key):
    return ("-psk_identity", identity, "-psk", key)


def pair(folder, name):
    return ("-cert", folder / f"{name}.pem", "-key", folder / f"{name}.key")


def registers(matrix, port, version, number):
    """A key that stands for nobody yet may ask for registration under its Credential-ID, once."""
    story, who = matrix.story, f"nobody{number}"
    octets, identity = os.urandom(32), f"{who}@keys.example.com"
    content = {"gh:ask": {"syki": identity, "kv": base64.b64encode(octets).decode()}}
    code, answer = story.call("create", story.dir, "cse-in", "--admin", "--ty", "41002", "--content", json.dumps(content))
    story.expect(code == 0, "the administrator gives the CSE a key that stands for nobody", answer)
    lists(story, matrix.broker)
    client = Client(port, version, psk(identity, octets.hex()))
    level = f"12-{identity}"
    for topic in (f"/oneM2M/req/C{who}/in-cse/json", "/oneM2M/req/Cother/in-cse/json", "/oneM2M/reg_req/12-mn7@keys.example.com/in-cse/json"):
        story.expect(matrix.denied(client, who, topic), f"key of nobody yet, {version}: not to {topic}")
    for request, rsc in (({"op": 1, "fr": "Cother", "to": "cse-in", "ty": 2, "pc": AE}, 4117), ({"op": 1, "fr": "/mn3", "to": "cse-in", "ty": 16, "pc": csr("mn3")}, 4106),
                         ({"op": 2, "fr": "Cother", "to": "cse-in/Cother"}, 4106), ({"op": 1, "fr": f"C{who}", "to": "cse-in", "ty": 2, "pc": AE}, 2001)):
        answer = client.ask(level, request, "reg_req", "reg_resp")
        story.expect(answer.get("rsc") == rsc, f"key of nobody yet, {version}: {rsc}", answer)
    client.end()
    lists(story, matrix.broker)
    matrix.walk("Kpsa that has registered", port, version, psk(identity, octets.hex()), f"C{who}", STEPS_OF_AE[:3], ("Cother",), who)


def with_keys(matrix, port, keys):
    story = matrix.story
    versions = matrix.versions(port, psk(*keys["Cvalve"]), "a pre-shared key")
    for version in versions:
        matrix.walk("Kpsa of an AE", port, version, psk(*keys["Cvalve"]), "Cvalve", STEPS_OF_AE, ("Cother", "mn7", "12-mn7@keys.example.com"), "valve")
        matrix.walk("Kpsa of a CSE", port, version, psk(*keys["mn7"]), "mn7", STEPS_OF_CSE, ("Cother", "mn8", "12-valve@keys.example.com"), "mn7")
    for number, version in enumerate(versions):
        registers(matrix, port, version, number)
    identity, key = keys["Cvalve"]
    for title, credential in (("another key", psk(identity, "11" * 32)), ("the key of another", psk(identity, keys["mn7"][1])), ("an unknown name", psk("x@keys.example.com", key)),
                              ("the name of a key of a MAF", psk(f"valve@maf.{SP}", key)), ("the name of a key of a MEF", psk(f"valve@mef.{SP}", key)),
                              ("a certificate where keys are asked for", pair(story.folder, "Ccert"))):
        matrix.refused(title, port, VERSIONS, credential)
    return versions


def with_certificates(matrix, port, versions):
    folder = matrix.story.folder
    for version in versions:
        matrix.walk("AE-ID certificate", port, version, pair(folder, "Ccert"), "Ccert", STEPS_OF_AE, ("Cother", "mn8"), f"//{SP}/in-cse/Ccert")
        matrix.walk("CSE-ID certificate", port, version, pair(folder, "mn8"), "mn8", STEPS_OF_CSE, ("Cother", "mn7"), f"mn8.in-cse.{SP}")
        for title, name, user in (("AE-ID certificate that is not registered", "Cnobody", f"//{SP}/in-cse/Cnobody"), ("Node-ID certificate", "node1", "node1"),
                                  ("FQDN certificate of the broker", "broker", BROKER)):
            matrix.walk(title, port, version, pair(folder, name), name, (), (name.capitalize(), "Cother", "mn8"), user)
    for title, credential in (("nothing", ()), ("a certificate of another CA", pair(folder, "self")), ("a certificate past its end", pair(folder, "old")),
                              ("a key where certificates are asked for", psk("valve@keys.example.com", "11" * 32))):
        matrix.refused(title, port, VERSIONS, credential)


def certificates(story, authority):
    """What the certificate of an AE that is registered, of a CSE, of an AE that is not, of a node, and those that must not pass."""
    ae, cse, nobody = Certified(story, "Ccert"), Registree(story, "mn8"), Certified(story, "Cnobody")
    del nobody
    authority.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "self.key", "-out", "self.pem", "-subj",
                      f"/CN=//{SP}/in-cse/Ccert".replace("//", "\\/\\/").replace("/in", "\\/in").replace("/Cc", "\\/Cc"), "-days", "2", "-addext",
                      f"subjectAltName=URI:m2m://{SP}/in-cse/Ccert")
    authority.certify("old", f"m2m://{SP}/in-cse/Ccert")
    authority.openssl("x509", "-req", "-in", "old.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "-1", "-extfile", "ext", "-out", "old.pem")
    story.expect(ae.ask("POST", "/cse-in", AE, 2) == 2001, "an AE registers with its certificate, over HTTP")
    story.expect(cse.ask("POST", "/cse-in", csr("mn8"), 16) == 2001, "a CSE, too")


def chapters(story):
    ports = free_ports(2)
    run([story.gatehouse, "ca", "issue", story.dir, "--fqdn", BROKER, "--cert", story.folder / "broker.pem", "--key", story.folder / "broker.key"])
    authority = Authority(story)  # before the CSE reads its anchors
    authority.certify("node1", "urn:example:node1")
    broker = Broker(story.folder, story.dir, *ports)
    settings(story, "cse", open_registration=True)
    mqtt_of(story, "cse", broker=f'"127.0.0.1:{ports[0]}"', name=f'"{BROKER}"', enforces="true")
    story.start("cse")
    keys = {"Cvalve": ("valve@keys.example.com", story.kpsa_device("valve")[1]), "mn7": further_key(story, "mn7", f"//{SP}/mn7")}
    story.kpsa_device("other")
    certificates(story, authority)
    lists(story, broker)
    broker.start()
    try:
        story.expect(until(lambda: "mqtt-connected" in story.log("cse"), PATIENCE), "the CSE is at the broker", story.log("cse")[-2000:])
        matrix = Matrix(story, broker)
        client = Client(ports[1], "-tls1_2", psk(*keys["mn7"]))
        answer = client.ask("mn7", {"op": 1, "fr": "/mn7", "to": "/in-cse", "ty": 16, "pc": csr("mn7")})
        story.expect(answer.get("rsc") == 2001, "a CSE registers with its key, over MQTT", answer)
        client.end()
        lists(story, broker)
        with_keys(matrix, ports[1], keys)
        versions = matrix.versions(ports[0], pair(story.folder, "Ccert"), "a certificate, beside a listener for keys")
        with_certificates(matrix, ports[0], versions)
        if "-tls1_3" not in versions:  # mosquitto 2.0.21 takes TLS 1.3 from everybody once a listener takes keys
            alone(matrix, ports)
    finally:
        broker.kill(signal.SIGTERM)


def alone(matrix, ports):
    """The same broker without its listener for keys."""
    broker = matrix.broker
    broker.kill(signal.SIGTERM)
    path = broker.folder / "mosquitto.conf"
    text = path.read_text(encoding="utf-8")
    path.write_text(text[:text.index(f"listener {ports[1]}")].replace(f"psk_file {broker.psk}\n", ""), encoding="utf-8")
    broker.device_port = ports[0]
    broker.start()
    matrix.expect(until(lambda: matrix.story.log("cse").count("mqtt-connected") >= 2, PATIENCE), "the CSE is at the broker again")
    versions = matrix.versions(ports[0], pair(matrix.story.folder, "Ccert"), "a certificate and no listener for keys")
    with_certificates(matrix, ports[0], [version for version in versions if version == "-tls1_3"])


if __name__ == "__main__":
    sys.exit(tell("mqtt-matrix", chapters))
