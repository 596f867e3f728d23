#!/usr/bin/env python3
"""MQTT through a real broker: a CSE with its certificate, devices with pre-shared keys, our access control list; clients of another maker.

usage: mqtt.py GATEHOUSE   (exit code 0: every check held)
"""
import getpass
import json
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from third_party import Checks, key_in_hex, run  # noqa: E402
from transit import Realm  # noqa: E402

SP = "sp.example.com"
BROKER = f"broker.{SP}"
AE_BODY = {"m2m:ae": {"api": "N.mqtt", "rr": False, "srv": ["3"]}}


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Broker:
    """Two listeners: certificates for the CSE, pre-shared keys for devices. Users are common names and PSK identities; the client
    identifier is replaced by the user, so that nobody takes over another's session."""

    def __init__(self, folder, realm, cse_port, device_port):
        self.folder, self.realm, self.process = folder, realm, None
        self.acl, self.psk = folder / "acl", folder / "psk"
        self.cse_port, self.device_port = cse_port, device_port
        cert = f"cafile {realm}/ca.pem\ncertfile {folder}/broker.pem\nkeyfile {folder}/broker.key\n"
        (folder / "mosquitto.conf").write_text(
            f"user {getpass.getuser()}\nper_listener_settings false\nallow_anonymous false\nacl_file {self.acl}\npsk_file {self.psk}\n"
            f"persistence true\npersistence_location {folder}/\nautosave_interval 1\nautosave_on_changes true\n"
            "max_packet_size 204800\nlog_type all\n"
            f"log_dest file {folder}/mosquitto.log\n"
            f"listener {cse_port} 127.0.0.1\n{cert}require_certificate true\nuse_identity_as_username true\n"
            "use_username_as_clientid true\n"
            f"listener {device_port} 127.0.0.1\npsk_hint {BROKER}\nuse_identity_as_username true\nuse_username_as_clientid true\n",
            encoding="utf-8")

    def start(self):
        program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin") or "mosquitto"
        self.process = subprocess.Popen([program, "-c", self.folder / "mosquitto.conf"], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", self.device_port), 0.2).close()
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit("mosquitto does not start: " + self.log())

    def log(self):
        path = self.folder / "mosquitto.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def kill(self, number=signal.SIGKILL):
        if self.process:
            self.process.send_signal(number)
            self.process.wait(30)
            self.process = None

    def reload(self):
        """It says so in its log before it does, and does nothing else meanwhile."""
        before = self.log().count("Reloading config")
        self.process.send_signal(signal.SIGHUP)
        for _ in range(1200):
            if self.log().count("Reloading config") > before:
                return
            time.sleep(0.05)
        raise SystemExit("mosquitto does not reload: " + self.log()[-2000:])


class Device:
    def __init__(self, broker, identity, key):
        self.options = ["-h", "127.0.0.1", "-p", str(broker.device_port), "--psk", key, "--psk-identity", identity, "-V", "mqttv311",
                        "-q", "1", "-c", "-i", "A::" + identity]
        self.listener, self.answers = None, []

    def publish(self, topic, payload=None, file=None):
        what = ["-f", file] if file else ["-m", payload if isinstance(payload, str) else json.dumps(payload)]
        options = [o for o in self.options if o != "-c"]
        return run(["mosquitto_pub", *options, "-t", topic, *what])

    def listen(self, topic, seconds=5):
        """Begins to listen; False when the broker does not take the subscription."""
        self.answers = []
        self.listener = subprocess.Popen(["stdbuf", "-oL", "mosquitto_sub", *self.options, "-t", topic, "-W", str(seconds), "-d", "-F",
                                          "ANSWER %X"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0)
        return self.read_until(lambda line: line.startswith("Subscribed"))

    def read_until(self, found):
        for octets in iter(self.listener.stdout.readline, b""):
            line = octets.decode(errors="replace").strip()
            if line.startswith("ANSWER "):
                self.answers.append(bytes.fromhex(line.split()[1]))
            if found(line):
                return True
        return False

    def listened(self, rqi):
        """The answer to this request, or None. QoS 1: a broker that was killed may deliver an old one again."""
        def right(octets):
            return f'"rqi":"{rqi}"'.encode() in octets or cbor_text("rqi") + cbor_text(rqi) in octets
        if not any(map(right, self.answers)):
            self.read_until(lambda _: any(map(right, self.answers)))
        self.listener.terminate()
        self.listener.wait(30)
        self.listener.stdout.close()
        return next(filter(right, self.answers), None)


class Talker:
    """Publishes and listens over two sessions: the broker gives one client identifier one connection, so the listener publishes through a
    second key of the same AE."""

    def __init__(self, listener, speaker, level, cse="in-cse"):
        self.listener, self.speaker, self.level, self.cse, self.count = listener, speaker, level, cse, 0

    def ask(self, request, kind="req", level=None, seconds=5, **publish):
        """The response to a request, or None."""
        self.count += 1
        level = level or self.level
        answer = {"req": "resp", "reg_req": "reg_resp"}[kind]
        form = "cbor" if "file" in publish else "json"
        if not self.listener.listen(f"/oneM2M/{answer}/{level}/{self.cse}/{form}", seconds):
            return {"trouble": "cannot listen"}
        rqi = f"{level}-{self.count}" if request else "cb1"
        if request is not None:
            request = {"rqi": rqi, "rvi": "3", **request}
        self.speaker.publish(f"/oneM2M/{kind}/{level}/{self.cse}/{form}", request, **publish)
        octets = self.listener.listened(rqi)
        if octets is None or form == "cbor":
            return octets
        return json.loads(octets)


def cbor_text(text):
    """RFC 8949 3.1, up to 23 octets"""
    return bytes([0x60 + len(text)]) + text.encode()


def rsc(answer):
    return answer.get("rsc") if isinstance(answer, dict) else None


class Story:
    def __init__(self, checks, gatehouse, folder):
        self.checks, self.folder = checks, folder
        self.realm = Realm(gatehouse, folder)
        self.broker = None

    def expect(self, held, title, detail=""):
        self.checks.expect(held, title, str(detail))

    def key(self, identity, peer):
        file = self.folder / identity
        code, answer = self.realm.call("cse", "key", "add", self.realm.dir, "--id", f"{identity}@keys.example.com", "--peer", peer,
                                       "--generate", file)
        self.expect(code == 0, f"the CSE is given the key {identity}", answer)
        return f"{identity}@keys.example.com", key_in_hex(file)

    def lists(self):
        """Makes the broker's files anew."""
        code, answer = self.realm.call("cse", "mqtt-acl", self.realm.dir, "--acl", self.broker.acl, "--psk", self.broker.psk)
        if code != 0:
            raise SystemExit(f"cse mqtt-acl: {answer}")
        if self.broker.process:
            self.broker.reload()
        return answer

    def prepare(self, enforces):
        checks = self.expect
        realm = self.realm
        checks(run([realm.gatehouse, "init", realm.dir, "--sp-id", SP])[0] == 0, "a realm is made")
        ports = free_ports(2)
        code, text = run([realm.gatehouse, "ca", "issue", realm.dir, "--fqdn", BROKER, "--cert", self.folder / "broker.pem", "--key",
                          self.folder / "broker.key"])
        checks(code == 0, "its CA issues the broker's certificate", text)
        self.broker = Broker(self.folder, realm.dir, *ports)
        conf = realm.dir / "gatehouse.conf"
        text = conf.read_text(encoding="utf-8")
        begin = text.index("cse = {")
        text = text[:begin] + text[begin:].replace('broker = "";', f'broker = "127.0.0.1:{ports[0]}";', 1) \
            .replace('name = "";', f'name = "{BROKER}";', 1).replace("enforces = false;", f"enforces = {enforces};", 1)
        conf.write_text(text, encoding="utf-8")

    def connected(self, times):
        return self.realm.log_says("cse", "mqtt-connected", times)

    # ---- chapters

    def registration(self):
        realm = self.realm
        realm.start("cse")
        pump = self.key("pump1", f"//{SP}/in-cse/Cpump1"), self.key("pump2", f"//{SP}/in-cse/Cpump1")
        other = self.key("other1", f"//{SP}/in-cse/Cother1"), self.key("other2", f"//{SP}/in-cse/Cother1")
        answer = self.lists()
        self.expect(answer.get("keys") == 4, "the broker gets four keys", answer)
        self.expect(self.broker.psk.stat().st_mode & 0o777 == 0o600, "in a file for its owner alone")
        self.expect(pump[0][1] not in self.broker.acl.read_text(encoding="utf-8"), "and the list holds none of them")
        self.broker.start()
        self.expect(self.connected(1), "the CSE connects with its certificate", realm.log("cse") + self.broker.log())
        #  /*= TS-0010 6.4.4; TS-0010 7.2 */
        talkers = []
        for (first, second), stem in ((pump, "Cpump1"), (other, "Cother1")):
            devices = Device(self.broker, *first), Device(self.broker, *second)
            credential = f"12-{first[0]}"
            here = Talker(devices[0], devices[0], credential)
            self.registered(here, stem)
            talkers.append(Talker(devices[0], devices[1], stem))
        text = self.lists()
        self.expect(text.get("users", 0) >= 5, "the broker is told of the new AEs", text)
        return talkers

    def registered(self, talker, stem):
        """One session for both ends: publish first, the answer waits in the session of the persistent subscription."""
        device, level = talker.listener, talker.level
        topic = f"/oneM2M/reg_resp/{level}/in-cse/json"
        device.listen(topic, 1)
        device.listener.terminate()
        device.listener.wait(30)
        request = {"op": 1, "fr": "C", "to": "cse-in", "rqi": f"reg-{stem}", "rvi": "3", "ty": 2, "pc": AE_BODY}
        run(["mosquitto_pub", *device.options, "-t", f"/oneM2M/reg_req/{level}/in-cse/json", "-m", json.dumps(request)])
        device.listen(topic, 5)
        octets = device.listened(f"reg-{stem}")
        answer = json.loads(octets) if octets else None
        self.expect(rsc(answer) == 2001 and answer["pc"]["m2m:ae"]["aei"] == stem, f"{stem} registers under its Credential-ID", answer)

    def requests(self, pump):
        #  /*= TS-0010 6.4.1; TS-0010 6.5.1; TS-0010 6.5.2 */
        answer = pump.ask({"op": 1, "fr": "Cpump1", "to": "cse-in/Cpump1", "ty": 3, "pc": {"m2m:cnt": {"rn": "box"}}})
        self.expect(rsc(answer) == 2001, "a container is created", answer)
        answer = pump.ask({"op": 1, "fr": "Cpump1", "to": "cse-in/Cpump1/box", "ty": 4, "pc": {"m2m:cin": {"con": "21.5"}}})
        self.expect(rsc(answer) == 2001, "an instance too", answer)
        answer = pump.ask({"op": 2, "fr": "Cpump1", "to": "cse-in/Cpump1/box/la"})
        self.expect(rsc(answer) == 2000 and answer["pc"]["m2m:cin"]["con"] == "21.5", "and is read", answer)
        answer = pump.ask({"op": 2, "fr": "Cpump1"})
        self.expect(rsc(answer) == 4000, "a request without to is answered 4000", answer)
        answer = pump.ask({"op": 2, "fr": "Cpump1", "to": "cse-in", "rqet": "20200101T000000"})
        self.expect(rsc(answer) == 4008, "one that came too late 4008", answer)
        cbor = self.folder / "request.cbor"
        members = {"fr": "Cpump1", "to": "cse-in/Cpump1/box", "rqi": "cb1", "rvi": "3"}
        cbor.write_bytes(b"\xa5" + cbor_text("op") + b"\x02" + b"".join(cbor_text(n) + cbor_text(v) for n, v in members.items()))
        octets = pump.ask(None, file=cbor)
        self.expect(octets is not None and b"\x63rsc\x19\x07\xd0" in octets and b"m2m:cnt" in octets, "CBOR is answered in CBOR", octets)

    def wrong_names(self, pump, other):
        #  /*= TS-0010 7.2; TS-0003 7.2 */
        answer = pump.ask({"op": 2, "fr": "Cother1", "to": "cse-in/Cother1"})
        self.expect(rsc(answer) == 4106, "a false From is answered 4106", answer)
        #  /*= TS-0010 7.4 */
        answer = other.ask({"op": 2, "fr": "Cpump1", "to": "cse-in/Cpump1"}, level="Cpump1", seconds=2)
        self.expect(answer is None, "publishing under another's topic ends at the broker", answer)
        self.expect("Denied PUBLISH" in self.broker.log(), "which says so")
        answer = pump.ask({"op": 2, "fr": "Cpump1", "to": "cse-in/Cpump1"}, seconds=5)
        self.expect(rsc(answer) == 2000, "the AE itself is answered", answer)
        answer = pump.ask({"op": 1, "fr": "C", "to": "cse-in", "ty": 2, "pc": AE_BODY}, "reg_req", "12-pump1@keys.example.com", 2)
        self.expect(answer is None, "who is registered does not register again", answer)

    def twice(self, pump):
        #  /*= TS-0010 6.4.1 */
        request = {"op": 1, "fr": "Cpump1", "to": "cse-in/Cpump1/box", "rqi": "same", "rvi": "3", "ty": 4, "pc": {"m2m:cin": {"con": "1"}}}
        pump.listener.listen("/oneM2M/resp/Cpump1/in-cse/json", 10)
        for _ in range(3):
            pump.speaker.publish("/oneM2M/req/Cpump1/in-cse/json", request)
        octets = pump.listener.listened("same")
        self.expect(octets is not None and rsc(json.loads(octets)) == 2001, "a request is answered", octets)
        self.expect(self.realm.log_says("cse", "duplicate-request", 2), "the same request thrice is performed once")
        answer = pump.ask({"op": 2, "fr": "Cpump1", "to": "cse-in/Cpump1/box"})
        self.expect(rsc(answer) == 2000 and answer["pc"]["m2m:cnt"]["cni"] == 2, "as the container says", answer)

    def device_of_ours(self):
        """The device library through the same broker."""
        call, where = self.realm.call, self.folder / "valve"
        identity, _ = self.key("valve1", f"//{SP}/in-cse/Cvalve1")
        code, answer = call("device", "new", where, "--realm", self.realm.dir, "--kpm-id", "valve", "--generate", self.folder / "valve-kpm",
                            "--binding", "mqtt", "--mqtt-broker", f"127.0.0.1:{self.broker.device_port}", "--timeout-ms", "2500")
        self.expect(code == 0, "a device is made that speaks MQTT", answer)
        call("device", "psk", where, "--id", identity, "--key-file", self.folder / "valve1")
        code, answer = call("register", where, "--app-id", "N.valve")
        self.expect(code != 0 and "credential" in str(answer), "before the broker has its key it is not let in", answer)
        self.lists()
        #  /*= TS-0010 6.4.4 */
        code, answer = call("register", where, "--app-id", "N.valve")
        self.expect(code == 0 and "Cvalve1" in str(answer), "it registers under its Credential-ID", answer)
        code, answer = call("get", where, "cse-in/Cvalve1")
        self.expect(code != 0 and "broker" in str(answer), "before the broker knows the AE it cannot ask under its name", answer)
        self.lists()
        #  /*= TS-0010 6.4.3 */
        for form in ((), ("--cbor",)):
            code, answer = call("get", where, "cse-in/Cvalve1", *form)
            self.expect(answer.get("rsc") == 2000 and answer["content"]["m2m:ae"]["aei"] == "Cvalve1", f"it reads its AE {form}", answer)
        self.expect("/oneM2M/req/Cvalve1/in-cse/cbor" in self.broker.log(), "in CBOR, too")
        code, answer = call("create", where, "cse-in/Cvalve1", "--ty", "cnt", "--content", '{"rn":"log"}')
        self.expect(answer.get("rsc") == 2001, "it creates a container", answer)
        code, answer = call("create", where, "cse-in/Cvalve1/log", "--ty", "cin", "--content", json.dumps({"con": "x" * 50000}))
        self.expect(answer.get("rsc") == 2001, "and an instance of 50 kB", answer)
        code, answer = call("get", where, "cse-in/Cpump1")
        self.expect(code == 1 and answer.get("rsc") == 4103, "another's AE is refused it", answer)
        code, answer = call("get", where, "cse-in/Cvalve1", "--from", "Cpump1")
        self.expect(code != 0 and answer.get("rsc") is None, "under another's name the broker lets nothing through", answer)
        #  /*= TS-0010 7.3 */
        self.expect(call("cse", "key", "delete", self.realm.dir, identity)[0] == 0, "its key is taken away")
        code, answer = call("get", where, "cse-in/Cvalve1")
        self.expect(answer.get("rsc") == 4106, "the broker does not know yet, but the CSE answers 4106", answer)
        self.expect("key-taken-away" in str(call("audit", self.realm.dir, "cse")[1]), "and the audit says why")
        code, answer = call("cse", "key", "add", self.realm.dir, "--id", identity, "--peer", f"//{SP}/in-cse/Cvalve1", "--key-file", self.folder / "valve1")
        self.expect(code == 0, "it gets the key again", answer)
        code, answer = call("delete", where, "cse-in/Cvalve1")
        self.expect(answer.get("rsc") == 2002, "it leaves", answer)

    def device_meets_an_impostor(self):
        """A server with a good certificate of the realm is not the broker that has the key."""
        conf = self.folder / "valve" / "device.conf"
        text = conf.read_text(encoding="utf-8")
        port, = free_ports(1)
        with subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", self.folder / "broker.pem", "-key",
                               self.folder / "broker.key", "-quiet"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              stdin=subprocess.PIPE) as impostor:
            try:
                for _ in range(100):
                    if run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}"])[0] == 0:
                        break
                    time.sleep(0.05)
                conf.write_text(text.replace(str(self.broker.device_port), str(port)), encoding="utf-8")
                for more in ("", "tls13 = false;"):
                    if more:
                        conf.write_text(conf.read_text(encoding="utf-8").replace("tls13 = true;", more), encoding="utf-8")
                    code, answer = self.realm.call("get", self.folder / "valve", "cse-in/Cvalve1")
                    self.expect(code != 0 and ("did not take the credential" in str(answer) or "is not believed" in str(answer)), f"an impostor with a certificate is no broker {more}", answer)
            finally:
                impostor.terminate()
            self.expect(impostor.stdout.read() == b"", "and is told nothing")
        conf.write_text(text, encoding="utf-8")

    def device_without_a_broker(self):
        code, answer = self.realm.call("get", self.folder / "valve", "cse-in/Cvalve1")
        self.expect(code != 0 and "broker" in str(answer), "without the broker the device says so", answer)

    def broker_is_lost(self, pump):
        self.broker.kill()
        self.device_without_a_broker()
        self.expect(self.realm.log_says("cse", "mqtt-lost"), "the CSE notices that the broker has gone")
        self.broker.start()
        self.expect(self.connected(2), "and finds it again", self.realm.log("cse"))
        answer = pump.ask({"op": 2, "fr": "Cpump1", "to": "cse-in/Cpump1"})
        self.expect(rsc(answer) == 2000, "requests are answered as before", answer)
        #  /*= TS-0010 6.3.3 the session is kept */
        self.realm.kill("cse", signal.SIGTERM)
        pump.listener.listen("/oneM2M/resp/Cpump1/in-cse/json", 15)
        request = {"op": 2, "fr": "Cpump1", "to": "cse-in/Cpump1", "rqi": "kept", "rvi": "3"}
        pump.speaker.publish("/oneM2M/req/Cpump1/in-cse/json", request)
        time.sleep(0.3)
        self.realm.start("cse")
        octets = pump.listener.listened("kept")
        self.expect(octets is not None, "what came while the CSE was away is answered", octets)
        self.expect(self.connected(3), "after it has connected again")

    def nobody_enforces(self, pump):
        """The same broker, of which the operator says nothing: TS-0004 7.3.2.1 outside any association."""
        self.realm.kill("cse", signal.SIGTERM)
        conf = self.realm.dir / "gatehouse.conf"
        conf.write_text(conf.read_text(encoding="utf-8").replace("enforces = true;", "enforces = false;"), encoding="utf-8")
        self.realm.start("cse")
        self.connected(4)
        #  /*= TS-0004 7.3.2.1 */
        answer = pump.ask({"op": 2, "fr": "/in-cse", "to": "cse-in"})
        self.expect(rsc(answer) == 4106, "without an enforcing broker From must agree all the same", answer)
        answer = pump.ask({"op": 2, "fr": "Cpump1", "to": "cse-in/Cpump1"})
        self.expect(rsc(answer) == 4107, "and an AE that registered with a credential is not believed without", answer)

    def certificate_is_renewed(self):
        """SIGHUP: the CSE connects again with its new certificate, and goes on with its session. The broker is a few lines of our own,
        which see the certificate."""
        self.broker.kill(signal.SIGTERM)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "broker.pem", self.folder / "broker.key")
        context.load_verify_locations(self.realm.dir / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        with socket.create_server(("127.0.0.1", self.broker.cse_port)) as server:
            server.settimeout(40)
            first, before = self.welcome(context, server)
            self.expect(self.realm.call("ca", "renew", self.realm.dir, "cse")[0] == 0, "the CSE gets a new certificate")
            self.realm.processes["cse"].send_signal(signal.SIGHUP)
            self.expect(self.realm.log_says("cse", "credentials-renewed"), "is told by SIGHUP")
            self.expect(first.recv(2) == b"\xe0\0", "says DISCONNECT to the broker")
            first.close()
            second, after = self.welcome(context, server)
            self.expect(before != after, "and is there again with the new certificate")
            good = (self.realm.dir / "cse.pem").read_bytes()
            (self.realm.dir / "cse.pem").write_bytes(b"no certificate")
            self.realm.processes["cse"].send_signal(signal.SIGHUP)
            self.expect(self.realm.log_says("cse", "reload-failed"), "a broken file is refused")
            second.settimeout(1)
            try:
                self.expect(second.recv(2)[:1] not in (b"", b"\xe0"), "and ends no connection")
            except TimeoutError:
                pass
            (self.realm.dir / "cse.pem").write_bytes(good)
            second.close()
        self.broker.start()

    @staticmethod
    def welcome(context, server):
        """Takes the connection, answers CONNECT; the connection and the certificate."""
        plain, _ = server.accept()
        plain.settimeout(20)
        connection = context.wrap_socket(plain, server_side=True)
        if connection.recv(4096)[:1] != b"\x10":
            raise SystemExit("no CONNECT")
        connection.sendall(b"\x20\x02\x01\0")
        octets = b""
        while octets.count(b"/oneM2M/") < 2 or octets[-1:] != b"\x01":  # both subscriptions, to the last octet, their QoS
            octets += connection.recv(4096)
        return connection, connection.getpeercert(binary_form=True)

    def wrong_broker(self):
        """A certificate of the same CA with another name is not our broker."""
        self.broker.kill(signal.SIGTERM)
        for name in ("broker.pem", "broker.key"):
            (self.folder / name).unlink()
        run([self.realm.gatehouse, "ca", "issue", self.realm.dir, "--fqdn", f"other.{SP}", "--cert", self.folder / "broker.pem", "--key",
             self.folder / "broker.key"])
        before = self.realm.log("cse").count("mqtt-connected")
        self.broker.start()
        self.expect(self.realm.log_says("cse", "mqtt-not-connected", 3), "a broker with another name is refused")
        self.expect(self.realm.log("cse").count("mqtt-connected") == before, "and is told nothing")

    def tell(self):
        self.prepare("true")
        pump, other = self.registration()
        self.requests(pump)
        self.wrong_names(pump, other)
        self.twice(pump)
        self.device_of_ours()
        self.device_meets_an_impostor()
        self.broker_is_lost(pump)
        self.nobody_enforces(pump)
        self.certificate_is_renewed()
        self.wrong_broker()
        self.expect(self.realm.kill("cse", signal.SIGTERM) == 0, "the CSE stops on SIGTERM")


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-mqtt-"))
    checks = Checks()
    story = Story(checks, pathlib.Path(sys.argv[1]).resolve(), folder)
    try:
        story.tell()
    finally:
        if story.broker:
            story.broker.kill()
        for name in list(story.realm.processes):
            story.realm.kill(name)
        if checks.failed:
            print(story.realm.log("cse")[-6000:], story.broker.log()[-6000:] if story.broker else "")
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
