#!/usr/bin/env python3
"""Notifications to AEs (TS-0001 10.2.5.23) over associations that their registrar opens (SA2 of TS-0003 8.2.1): devices of ours with
a key of a MAF and with a Kpsa, and AEs that are not ours: openssl s_server with a key, Python's TLS with a certificate. Nobody else is
taken for one of them.

usage: notify_ae.py GATEHOUSE   (exit code 0: every check held)
"""
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from outgoing import settings  # noqa: E402
from third_party import Checks, key_in_hex, note_crash, run  # noqa: E402
from transit import SP, Realm, play  # noqa: E402

NOTE = {"m2m:sgn": {"nev": {"net": 3, "rep": {"m2m:cin": {"con": "21.5"}}}, "sur": "cse-in/Csender/data/sub"}}
DONE = "HTTP/1.1 200 OK\r\nX-M2M-RSC: 2000\r\nX-M2M-RI: {}\r\nX-M2M-RVI: 3\r\nContent-Length: 0\r\n\r\n"


class Story(Realm):
    def __init__(self, gatehouse, folder, checks):
        super().__init__(gatehouse, folder)
        self.checks, self.servers = checks, []

    def end(self):
        for process in self.servers:
            process.kill()
            process.wait()

    def expect(self, held, title, detail=""):
        self.checks.expect(held, title, str(detail))

    def notify(self, sender, target, *more):
        return self.rsc("notify", sender, target, "--content", json.dumps(NOTE), *more)

    def permit(self, device, stem, originators):
        """A policy of the AE that lets them notify, and the AE itself do everything."""
        policy = {"rn": "who", "pv": {"acr": [{"acor": originators, "acop": 16}, {"acor": [stem], "acop": 63}]},
                  "pvs": {"acr": [{"acor": [stem], "acop": 63}]}}
        self.expect(self.rsc("create", device, f"cse-in/{stem}", "--ty", "acp", "--content", json.dumps(policy)) == 2001 and
                    self.rsc("update", device, f"cse-in/{stem}", "--content", json.dumps({"m2m:ae": {"acpi": [f"cse-in/{stem}/who"]}})) == 2004,
                    f"{stem} lets {', '.join(originators)} notify")

    def kpsa_device(self, name):
        """Registered with a key that the administrator gave both sides."""
        where, key = self.folder / name, self.folder / f"{name}.kpsa"
        steps = [("device", "new", where, "--realm", self.dir, "--kpm-id", name, "--generate", self.folder / f"{name}.kpm"),
                 ("cse", "key", "add", self.dir, "--id", f"{name}@keys.example.com", "--peer", f"//{SP}/in-cse/C{name}", "--generate", key),
                 ("device", "psk", where, "--id", f"{name}@keys.example.com", "--key-file", key),
                 ("register", where, "--app-id", "N.story")]
        for step in steps:
            code, answer = self.call(*step)
            if code != 0:
                raise SystemExit(f"{' '.join(map(str, step))}: {answer}")
        return where, key_in_hex(key)


def tell(name, chapters, *init):
    """A story in a realm of its own; `init`: more words for gatehouse init."""
    checks = Checks()
    story = Story(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(tempfile.mkdtemp(prefix=f"gatehouse-{name}-")), checks)

    def from_the_beginning(story):
        code, answer = story.call("init", story.dir, "--sp-id", SP, *init)
        story.expect(code == 0, "a realm", answer)
        chapters(story)
    return play(story, checks, from_the_beginning)


class Authority:
    """A CA of the test for certificates of nodes, which the realm is told to trust beside its own."""

    def __init__(self, story):
        self.folder = story.folder
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.crt",
                     "-subj", "/CN=Story CA", "-days", "2", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        with open(story.dir / "ca.pem", "a", encoding="ascii") as anchors:
            anchors.write((self.folder / "ca.crt").read_text(encoding="ascii"))

    def openssl(self, *words):
        done = subprocess.run(["openssl", *words], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            raise SystemExit(done.stdout.decode(errors="replace"))

    def certify(self, name, uri):
        (self.folder / "ext").write_text(f"subjectAltName=URI:{uri}\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n",
                                         encoding="ascii")
        self.openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
                     "-subj", f"/CN={name}")
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "1", "-extfile", "ext",
                     "-out", f"{name}.pem")


class Listener:
    """gatehouse device listen: its lines are read as they come."""

    def __init__(self, story, device, *more):
        self.log = story.folder / f"{device.name}.listen.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([story.gatehouse, "device", "listen", device, "--json", *more], stdout=subprocess.PIPE, stderr=log)
        story.servers.append(self.process)
        self.first = self.line()

    def line(self):
        """The next line; nothing within ten seconds ends the process, and there is none."""
        guard = threading.Timer(10, self.process.kill)
        guard.start()
        text = self.process.stdout.readline()
        guard.cancel()
        return json.loads(text) if text else {}

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        rest = self.process.stdout.read()
        code = self.process.wait(20)
        note_crash("device listen", code)
        return code, rest


class OpenSSL:
    """openssl s_server; it answers every request that it can read with 2000, and remembers what it read."""

    def __init__(self, story, *credential):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.poa, self.seen = f"https://127.0.0.1:{port}", ""
        self.process = subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-quiet", *map(str, credential)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        story.servers.append(self.process)
        threading.Thread(target=self.serve, daemon=True).start()
        while True:  # it says nothing when it is quiet
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break

    def serve(self):
        text = b""
        while octets := os.read(self.process.stdout.fileno(), 65536):
            text += octets
            self.seen += octets.decode(errors="replace")
            head, end, body = text.partition(b"\r\n\r\n")
            pairs = (line.split(": ", 1) for line in head.decode(errors="replace").split("\r\n")[1:] if ": " in line)
            lines = {name.lower(): value for name, value in pairs}
            if end and len(body) >= int(lines.get("content-length", 0)):
                self.process.stdin.write(DONE.format(lines.get("x-m2m-ri", "")).encode())
                self.process.stdin.flush()
                text = b""


class Certified:
    """An AE with a certificate, played by curl and Python's TLS."""

    def __init__(self, story, stem, node=None):
        """`node`: the name of the files with the certificate of a node, instead of one with the AE-ID."""
        self.story, self.stem, self.seen = story, stem, []
        self.cert, self.key = story.folder / f"{node or stem}.pem", story.folder / f"{node or stem}.key"
        code, answer = (0, "") if node else story.call("ca", "issue", story.dir, "--ae-id", f"//{SP}/in-cse/{stem}", "--cert", self.cert,
                                                       "--key", self.key)
        if code != 0:
            raise SystemExit(f"ca issue: {answer}")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        context.load_verify_locations(story.dir / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.poa = f"https://127.0.0.1:{self.socket.getsockname()[1]}"
        self.delay, self.silent = threading.Event(), False
        threading.Thread(target=self.serve, args=(context,), daemon=True).start()

    def serve(self, context):
        while True:
            plain, _ = self.socket.accept()
            try:
                with context.wrap_socket(plain, server_side=True) as tls:
                    names = [value for _, value in dict(tls.getpeercert()).get("subjectAltName", ())]
                    text = b""
                    while b"m2m:sgn" not in text:
                        octets = tls.recv(65536)
                        if not octets:
                            break
                        text += octets
                    if text:
                        self.seen.append((names, text.decode(errors="replace")))
                    if self.silent:
                        tls.recv(1)  # until the registrar gives up
                    elif text:
                        tls.sendall(DONE.format("r").replace("2000", "5207").replace("200 OK", "406 X").encode())
            except (ssl.SSLError, OSError):
                pass

    def ask(self, method, path, content, ty=None):
        host, port = (self.story.dir / "run" / "cse.endpoint").read_text().strip().split(":")
        name = f"in-cse.{SP}"
        text = run(["curl", "-s", "-S", "--cert", self.cert, "--key", self.key, "--cacert", self.story.dir / "ca.pem", "--resolve",
                    f"{name}:{port}:{host}", "-D", "-", "-X", method, f"https://{name}:{port}{path}", "-H", f"X-M2M-Origin: {self.stem}",
                    "-H", "X-M2M-RI: r1", "-H", "X-M2M-RVI: 3", "-H", "Content-Type: application/json" + (f";ty={ty}" if ty else ""),
                    *(["-d", json.dumps(content)] if content else [])])[1]
        found = [line.split(":")[1].strip() for line in text.splitlines() if line.lower().startswith("x-m2m-rsc")]
        return int(found[0]) if found else text

    def place(self, *points):
        return self.ask("PUT", f"/cse-in/{self.stem}", {"m2m:ae": {"poa": list(points), "rr": True}})


def with_a_maf(story, sender, far):
    meter = story.device("meter", "in-cse")
    story.expect(story.notify(sender, "cse-in/Cmeter") == 4103, "4103 without the right to notify")
    story.permit(meter, "Cmeter", ["Csender", "/mn1/Cfar"])
    story.expect(story.notify(sender, "cse-in/Cmeter") == 5103, "5103 with it: the AE takes no requests")
    listener = Listener(story, meter)
    story.expect(listener.first.get("poa", "").startswith("https://127.0.0.1:"), "it listens", listener.first)
    code, answer = story.call("notify", sender, "cse-in/Cmeter", "--content", json.dumps(NOTE), "--rqi", "note1")
    story.expect(answer.get("rsc") == 2000, "the notification is answered by the AE", answer)
    line = listener.line()
    story.expect(line == {"from": "/in-cse/Csender", "to": "cse-in/Cmeter", "rqi": "note1", "content": NOTE}, "and was seen there", line)
    story.expect(story.notify(sender, "cse-in/Cmeter", "--cbor") == 2000 and listener.line().get("content") == NOTE, "in CBOR, too")
    story.expect(story.notify(far, "/in-cse/cse-in/Cmeter") == 2000 and listener.line().get("from") == "/mn1/Cfar", "from an AE of another CSE")
    story.expect(story.notify(sender, "cse-in/Cmeter", "--from", "Cmeter") == 4106, "in nobody else's name")
    story.expect(story.notify(meter, "cse-in/Csender") == 4103 and story.notify(sender, "cse-in/Cmeter/who") == 4103, "nor where nobody permits it")
    code, answer = story.call("explain", story.dir, "-o", "Csender", "-p", "notify", "-t", "cse-in/Cmeter")
    story.expect(code == 0 and answer.get("policy", "").endswith("who"), "explain says why", answer)
    code, answer = story.call("explain", story.dir, "-o", "Cother", "-p", "notify", "-t", "cse-in/Cmeter")
    story.expect(code == 1, "and why not", answer)
    nobody_else_comes(story, listener, meter)
    story.kill("cse")
    story.start("cse")
    story.expect(came_back(story, sender), "after a restart of its registrar it comes by itself")
    listener.line()
    code, rest = listener.end()
    story.expect(code == 0 and rest == b"", "SIGTERM ends it, and nothing came that we did not see", (code, rest))
    story.expect(story.notify(sender, "cse-in/Cmeter") == 5103, "5103: it has said that it takes no more")
    return meter


def came_back(story, sender):
    """The listener looks after its association; how fast is not promised."""
    for _ in range(60):
        rsc = story.notify(sender, "cse-in/Cmeter")
        if rsc != 5103:
            return rsc == 2000
    return False


def nobody_else_comes(story, listener, meter):
    """TS-0003 8.2.1: whoever cannot prove the key of the registrar gets no association with the AE."""
    where = listener.first["poa"].removeprefix("https://")
    state = json.loads((meter / "state.json").read_text())
    identity = next(value for name, value in state.items() if "kc" in name.lower() and "@" in str(value))
    request = "POST /cse-in/Cmeter HTTP/1.1\r\nHost: x\r\nX-M2M-RI: r1\r\nX-M2M-RVI: 3\r\nX-M2M-Origin: /in-cse/Csender\r\n\r\n"
    for title, words in (("a wrong key", ["-psk_identity", identity, "-psk", "00" * 32]),
                         ("another identity", ["-psk_identity", "x@y.example", "-psk", "00" * 32]), ("nothing", []),
                         ("a certificate", ["-cert", story.folder / "Ccert.pem", "-key", story.folder / "Ccert.key"])):
        for version in ("-tls1_2", "-tls1_3"):
            answer = run(["openssl", "s_client", "-connect", where, version, "-quiet", "-ign_eof", *words], request)[1]
            story.expect("X-M2M-RSC" not in answer, f"with {title} ({version}) nobody notifies the AE", answer)
    try:
        with socket.create_connection(tuple(where.split(":")), 5) as plain:
            plain.sendall(request.encode())
            story.expect(b"X-M2M-RSC" not in plain.recv(1000), "nor in clear text")
    except OSError:
        pass


def with_a_kpsa(story, sender):
    valve, key = story.kpsa_device("valve")
    story.permit(valve, "Cvalve", ["Csender"])
    listener = Listener(story, valve, "--at", "127.0.0.1:0")
    story.expect(story.notify(sender, "cse-in/Cvalve") == 2000 and listener.line().get("content") == NOTE, "an AE with a Kpsa is reached")
    where, request = listener.first["poa"].removeprefix("https://"), "GET /cse-in/Cvalve HTTP/1.1\r\nHost: x\r\nX-M2M-RI: r1\r\nX-M2M-RVI: 3\r\nX-M2M-Origin: /in-cse\r\nConnection: close\r\n\r\n"
    proof = ["-psk_identity", "valve@keys.example.com", "-psk", key]
    answer = run(["openssl", "s_client", "-connect", where, "-quiet", "-ign_eof", *proof], request)[1]
    story.expect("X-M2M-RSC: 4005" in answer, "even the registrar can only notify", answer)
    answer = run(["openssl", "s_client", "-connect", where, "-quiet", "-ign_eof", "-servername", f"in-cse.{SP}", *proof], request)[1]
    story.expect("X-M2M-RSC" not in answer, "a call of the device to its registrar, sent back to it, is refused", answer)
    listener.end(signal.SIGKILL)
    story.expect(story.notify(sender, "cse-in/Cvalve") == 5103, "5103: nobody is at its point of access")

    def at(*points):
        return story.rsc("update", valve, "cse-in/Cvalve", "--content", json.dumps({"m2m:ae": {"poa": list(points), "rr": True}})) == 2004

    impostor = OpenSSL(story, "-nocert", "-psk_identity", "valve@keys.example.com", "-psk", "11" * 32)
    story.expect(at(impostor.poa) and story.notify(sender, "cse-in/Cvalve") == 5103 and not impostor.seen, "5103: another has not the key", impostor.seen)
    impostor = OpenSSL(story, "-cert", story.folder / "Ccert.pem", "-key", story.folder / "Ccert.key")
    story.expect(at(impostor.poa) and story.notify(sender, "cse-in/Cvalve") == 5103 and not impostor.seen, "5103: a certificate is not the key", impostor.seen)
    for version in ("-tls1_2", "-tls1_3"):
        own = OpenSSL(story, "-nocert", "-psk_identity", "valve@keys.example.com", "-psk", key, version)
        story.expect(at("http://127.0.0.1:1", "coap://127.0.0.1:1", "https://127.0.0.1:1", own.poa) and story.notify(sender, "cse-in/Cvalve") == 2000,
                     f"openssl s_server {version} with the Kpsa is reached, at the last of its points of access", own.seen)
        story.expect("X-M2M-Origin: /in-cse/Csender" in own.seen and '"m2m:sgn"' in own.seen, "and is told", own.seen)
    story.expect(story.call("cse", "key", "delete", story.dir, "valve@keys.example.com")[0] == 0 and story.notify(sender, "cse-in/Cvalve") == 5103,
                 "5103: without the key nobody goes there")


def with_a_certificate(story, sender, mine, other):
    content = {"m2m:ae": {"api": "N.story", "rr": True, "srv": ["3"], "poa": [mine.poa]}}
    story.expect(mine.ask("POST", "/cse-in", content, 2) == 2001, "an AE registers with a certificate and its point of access")
    policy = {"m2m:acp": {"rn": "who", "pv": {"acr": [{"acor": ["Csender"], "acop": 16}, {"acor": ["Ccert"], "acop": 63}]},
                          "pvs": {"acr": [{"acor": ["Ccert"], "acop": 63}]}}}
    story.expect(mine.ask("POST", "/cse-in/Ccert", policy, 1) == 2001 and
                 mine.ask("PUT", "/cse-in/Ccert", {"m2m:ae": {"acpi": ["cse-in/Ccert/who"]}}) == 2004, "with a policy")
    story.expect(story.notify(sender, "cse-in/Ccert") == 5207, "it is reached, and what it answers is the answer")
    names, text = mine.seen[0] if mine.seen else ([], "")
    story.expect(names == [f"in-cse.{SP}"] and "X-M2M-Origin: /in-cse/Csender" in text, "the registrar has proven itself", mine.seen)
    for points, title in (([other.poa], "another AE's certificate"), (["https://localhost:1"], "names of others are not looked up"),
                          ([mine.poa.replace("https", "http")], "in clear text nobody goes"), ([], "nobody says where")):
        place = mine.place(*points) if points else mine.ask("PUT", "/cse-in/Ccert", {"m2m:ae": {"poa": None}})
        story.expect(place == 2004 and story.notify(sender, "cse-in/Ccert") == 5103, f"5103: {title}", place)
    story.expect(len(mine.seen) == 1 and not other.seen, "no notification went astray", other.seen)
    self_signed = story.folder / "self"
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{self_signed}.key", "-out",
         f"{self_signed}.pem", "-subj", "/CN=x", "-days", "2", "-addext", f"subjectAltName=URI:m2m://{SP}/in-cse/Ccert"])
    impostor = OpenSSL(story, "-cert", f"{self_signed}.pem", "-key", f"{self_signed}.key")
    story.expect(mine.place(impostor.poa) == 2004 and story.notify(sender, "cse-in/Ccert") == 5103 and not impostor.seen,
                 "5103: the right name in a certificate that nobody trusts", impostor.seen)
    story.expect(mine.place(other.poa, mine.poa) == 2004 and story.notify(sender, "cse-in/Ccert") == 5207, "and the next point of access is right")
    mine.silent = True
    answer = story.call("notify", sender, "cse-in/Ccert", "--content", json.dumps(NOTE))
    story.expect(answer[1].get("rsc") == 4008, "4008: it does not answer", answer)
    mine.silent = False
    story.expect(mine.ask("DELETE", "/cse-in/Ccert", None) == 2002 and story.notify(sender, "cse-in/Ccert") == 4004, "4004: it has deregistered")


def with_the_certificate_of_a_node(story):
    """TS-0003 8.2.1: what was proven in SA1 is the Node-ID, so it is what is expected in SA2. The AE notifies itself: it is the creator."""
    one, two = Certified(story, "Cone", "node1"), Certified(story, "Ctwo", "node2")
    for ae in (one, two):
        content = {"m2m:ae": {"api": "N.story", "rr": True, "srv": ["3"], "poa": [ae.poa]}}
        story.expect(ae.ask("POST", "/cse-in", content, 2) == 2001, f"{ae.stem} registers with the certificate of its node")
    story.expect(one.ask("POST", "/cse-in/Cone", NOTE) == 5207 and len(one.seen) == 1, "it is reached at its node", one.seen)
    story.expect(one.place(two.poa) == 2004 and one.ask("POST", "/cse-in/Cone", NOTE) == 5103 and not two.seen, "5103: another node is not it", two.seen)
    other = Certified(story, "Cone")  # a certificate of the realm with the very AE-ID: not what was proven
    story.expect(one.place(other.poa) == 2004 and one.ask("POST", "/cse-in/Cone", NOTE) == 5103 and not other.seen,
                 "5103: a certificate of another flavour", other.seen)


def key_is_revoked(story, sender, meter):
    listener = Listener(story, meter)
    story.expect(story.notify(sender, "cse-in/Cmeter") == 2000, "the device listens again")
    listener.line()
    _, keys = story.call("device", "show", meter)
    story.expect(story.call("maf", "key", "revoke", story.dir, keys.get("kcID", "?"))[0] == 0, "its key is revoked", keys)
    listener.process.send_signal(signal.SIGSTOP)  # or it would get a new key
    story.expect(story.log_says("cse", "revoked") and story.notify(sender, "cse-in/Cmeter") == 5103, "5103: nobody goes there with a revoked key")
    listener.process.send_signal(signal.SIGCONT)
    listener.end(signal.SIGKILL)


def chapters(story):
    authority = Authority(story)
    for number in (1, 2):
        authority.certify(f"node{number}", f"urn:example:node{number}")
    settings(story, "cse", open_registration=True, transit_ms=4000)  # less than the patience of the device that asks
    for name in ("mef", "maf", "cse", "mn1"):
        story.start(name)
    sender, far = story.device("sender", "in-cse"), story.device("far", "mn1")
    mine, other = Certified(story, "Ccert"), Certified(story, "Cother")
    meter = with_a_maf(story, sender, far)
    with_a_kpsa(story, sender)
    with_a_certificate(story, sender, mine, other)
    with_the_certificate_of_a_node(story)
    key_is_revoked(story, sender, meter)


if __name__ == "__main__":
    sys.exit(tell("notify", chapters, "--mn-cse", "mn1"))
