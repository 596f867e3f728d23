#!/usr/bin/env python3
"""Two service providers with real processes (reference point Mcc'): an AE of one reads what an AE of the other grants, over certificates of
two certification authorities, over a provisioned key, over HTTPS and CoAP; and what one provider says in the name of the other is refused.
curl, openssl s_client and the TLS of Python stand in for either IN-CSE; a third provider has nothing of ours at all: its authority is openssl.

usage: providers.py GATEHOUSE   (exit code 0: every check held)
"""
import contextlib
import json
import pathlib
import shutil
import signal
import socket
import ssl
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from third_party import Checks, key_in_hex, openssl, run  # noqa: E402
from transit import Realm  # noqa: E402

OURS, THEIRS, THIRD = "sp.example.com", "sp2.example.net", "sp3.example.org"
AE = '{"m2m:ae":{"api":"N.story","rr":false,"srv":["3"]}}'
CSR = '{"m2m:csr":{"cb":"/in-cse/cse-in","rr":true,"srv":["3"]}}'
KPSA = "mccp@keys.example.com"


class Provider(Realm):
    def __init__(self, gatehouse, folder, fqdn, mn_cse):
        folder.mkdir()
        super().__init__(gatehouse, folder)
        self.fqdn, self.mn_cse = fqdn, mn_cse
        self.fresh = ""

    def begin(self, checks):
        code, answer = self.call("init", self.dir, "--sp-id", self.fqdn, "--mn-cse", self.mn_cse)
        checks.expect(code == 0, f"a realm of {self.fqdn}", str(answer))
        text = self.conf.read_text(encoding="utf-8").replace("transit_ms = 10000", "transit_ms = 2000")
        text = text.replace('coap_listen = "";', 'coap_listen = "127.0.0.1:0";').replace('coaps_tcp_listen = "";', 'coaps_tcp_listen = "127.0.0.1:0";')
        self.conf.write_text(text, encoding="utf-8")
        self.fresh = text
        for name in ("mef", "maf", "cse", self.mn_cse):
            self.start(name)
        checks.expect(self.log_says(self.mn_cse, ": registered-at-registrar"), f"{self.mn_cse} registers at its IN-CSE")

    @property
    def conf(self):
        return self.dir / "gatehouse.conf"

    def endpoint(self, binding=""):
        return (self.dir / "run" / f"cse{binding}.endpoint").read_text().strip()

    def agree(self, other, reach, anchors=True, further="", crl="", terms=""):
        """Writes the agreement; the IN-CSE is started again with it, where it was."""
        self.private("other.pem", (other.dir / "ca.pem").read_bytes())
        entry = f'  other = {{ cse = "//{other.fqdn}/in-cse"; anchors = "{"other.pem" if anchors else ""}"; reach = "{reach}"; {terms}}};\n{further}'
        head, cse = self.fresh.split("\n  cse = {", 1)
        cse = cse.replace('crl = "";', f'crl = "{crl}";', 1).replace('crl_policy = "require"', 'crl_policy = "soft"', 1)
        self.conf.write_text(f"{head}\n  cse = {{{cse}providers = {{\n{entry}}};\n", encoding="utf-8")
        before = self.endpoint()
        self.kill("cse", signal.SIGTERM)
        self.start("cse")
        if self.endpoint() != before:
            raise SystemExit("the port is taken by another program")

    def private(self, name, octets):
        path = self.dir / name
        path.touch(0o600)
        path.write_bytes(octets)

    def device(self, name, cse):
        where, key = self.folder / name, self.folder / f"{name}.kpm"
        steps = [("device", "new", where, "--realm", self.dir, "--cse-id", cse, "--kpm-id", name, "--generate", key),
                 ("mef", "enrolee", "add", self.dir, "--id", name, "--enrolee-id", f"//{self.fqdn}/{cse}/C{name}", "--key-file", key),
                 ("enrol", where), ("register", where, "--app-id", "N.story")]
        for step in steps:
            code, answer = self.call(*step)
            if code != 0:
                raise SystemExit(f"{' '.join(map(str, step))}: {answer}")
        return where

    def box(self, checks, device, base, readers):
        """A container that the readers may read, and one that nobody else may."""
        name = f"C{device.name}"
        rules = {"rn": "p", "pv": {"acr": [{"acor": readers, "acop": 2}]}, "pvs": {"acr": [{"acor": [name], "acop": 63}]}}
        steps = [("create", device, f"{base}/{name}", "--ty", "acp", "--content", json.dumps(rules)),
                 ("create", device, f"{base}/{name}", "--ty", "cnt", "--content", '{"rn":"closed"}'),
                 ("create", device, f"{base}/{name}", "--ty", "cnt", "--content", '{"rn":"box"}'),
                 ("create", device, f"{base}/{name}/box", "--ty", "cin", "--content", '{"con":"21.5"}'),
                 ("update", device, f"{base}/{name}/box", "--content", f'{{"m2m:cnt":{{"acpi":["{base}/{name}/p"]}}}}')]
        for step in steps:
            code, answer = self.call(*step)
            checks.expect(code == 0, f"{name}: {step[0]} {step[2]}", str(answer))

    def certificate(self, checks, name, *subject):
        """(certificate, key) of its certification authority, in files"""
        cert, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        code, answer = self.call("ca", "issue", self.dir, *subject, "--cert", cert, "--key", key)
        checks.expect(code == 0, f"{self.fqdn} issues a certificate of {subject[1]}", str(answer))
        return cert, key


def read_across(checks, ours, theirs, near, low):
    box, far_box = f"//{THEIRS}/in-cse/cse-in/Cbob/box", f"//{THEIRS}/mn7/cse-mn/Cbobby/box"
    checks.expect(ours.rsc("get", near, f"//{THEIRS}/in-cse/cse-in/Cbob/closed") == 4103, "what the other provider does not grant is refused there")
    code, answer = ours.call("get", near, f"{box}/la")
    checks.expect(code == 0 and answer.get("content", {}).get("m2m:cin", {}).get("con") == "21.5", "what it grants is read", str(answer))
    checks.expect(ours.rsc("get", low, box) == 2000, "by an AE of an MN-CSE, too: by way of both IN-CSEs")
    checks.expect(ours.rsc("get", low, far_box) == 2000, "and at an MN-CSE over there")
    checks.expect(ours.rsc("get", near, f"//{THEIRS}/mn7/cse-mn/Cbobby/closed") == 4103, "which refuses what it does not grant")
    checks.expect(ours.rsc("get", near, f"//{THEIRS}/nowhere/x") == 4004, "a CSE that is not there is not found")
    checks.expect(ours.rsc("get", near, "//sp9.example.org/in-cse/x") == 4004, "nor is a provider without an agreement")
    checks.expect(ours.rsc("get", near, box, "--from", "Cother") == 4106, "a false name ends at the registrar")
    checks.expect(ours.rsc("delete", near, box) == 4103, "to read is not to delete")
    checks.expect(theirs.rsc("get", theirs.folder / "bob", f"//{OURS}/in-cse/cse-in/Calice/box") == 2000, "the other way it goes likewise")


def by_curl(ours, pair, origin, path, *more):
    """The response status code of our IN-CSE for who has this certificate; None: it gave no answer of oneM2M."""
    return answer_to_curl(ours, pair, origin, path, *more)[0]


def answer_to_curl(ours, pair, origin, path, *more):
    """The same, and its text."""
    name = f"in-cse.{OURS}"
    head = ["-H", f"X-M2M-Origin: {origin}"] if origin is not None else []
    answer = run(["curl", "-s", "-i", "--cacert", ours.dir / "ca.pem", "--cert", pair[0], "--key", pair[1], "--connect-to",
                  f"{name}:443:{ours.endpoint()}", "-H", "X-M2M-RI: h1", "-H", "X-M2M-RVI: 3", *head, *more, f"https://{name}{path}"])[1]
    found = [line.split(":")[1].strip() for line in answer.splitlines() if line.lower().startswith("x-m2m-rsc:")]
    return int(found[0]) if found else None, answer


def by_hand(checks, ours, theirs):
    """curl has a certificate of the other IN-CSE: whatever it says in our names is refused."""
    def rsc(*words):
        return by_curl(ours, *words)

    in_cse = theirs.certificate(checks, "in-cse", "--fqdn", f"in-cse.{THEIRS}")
    box = "/cse-in/Calice/box"
    checks.expect(rsc(in_cse, f"//{THEIRS}/in-cse/Cbob", box) == 2000, "curl with its certificate reads for an AE that is granted it")
    checks.expect(rsc(in_cse, f"//{THEIRS}/in-cse/Cother", box) == 4103, "for another AE it is refused by the policy")
    checks.expect(rsc(in_cse, f"//{THEIRS}/in-cse", "/cse-in") == 4103, "the IN-CSE itself is nobody in particular")
    for origin in (f"//{OURS}/in-cse/Calice", "/in-cse/Calice", "Calice", f"//{OURS}/Sadmin", "Sadmin", f"//{OURS}/in-cse", f"//{OURS}/mn1/Clow",
                   "//sp9.example.org/in-cse/Cx", "/in-cse/Cbob"):
        checks.expect(rsc(in_cse, origin, box) == 4106, f"it is not {origin}")
    checks.expect(rsc(in_cse, None, box) == 4000, "and not nobody")
    code, trail = ours.call("audit", ours.dir, "cse", "--limit", "50")
    checks.expect(code == 0 and "from-is-not-of-this-provider" in json.dumps(trail), "the audit trail says so", str(trail)[-600:])
    for origin in (f"//{THEIRS}/in-cse/Cbob", "C", "Cnew"):
        answer = rsc(in_cse, origin, "/cse-in", "-H", "Content-Type: application/json;ty=2", "-d", AE)
        checks.expect(answer == 4005, f"no AE registers, as {origin}", str(answer))
    answer = rsc(in_cse, f"//{THEIRS}/in-cse", "/cse-in", "-H", "Content-Type: application/json;ty=16", "-d", CSR)
    checks.expect(answer == 4005, "no CSE registers", str(answer))
    for target in ("/_/sp9.example.org/in-cse/x", f"/_/{THEIRS}/in-cse/cse-in/Cbob/box"):
        checks.expect(rsc(in_cse, f"//{THEIRS}/in-cse/Cbob", target) == 4004, f"nothing passes through to {target}")
    checks.expect(rsc(in_cse, f"//{THEIRS}/in-cse/Cbob", f"/_/{OURS}/mn1/cse-mn/Clow/closed") == 4103, "what is hosted below is asked there")
    for what, pair in (("its MN-CSE", theirs.certificate(checks, "mn7-by-hand", "--fqdn", f"mn7.in-cse.{THEIRS}")),
                       ("an AE of it", theirs.certificate(checks, "valve", "--ae-id", f"//{THEIRS}/in-cse/Cvalve"))):
        checks.expect(rsc(pair, f"//{THEIRS}/in-cse/Cbob", box) is None, f"{what} gets no association")
    anchors_are_read_again(checks, ours, lambda: rsc(in_cse, f"//{THEIRS}/in-cse/Cbob", box))
    return in_cse


def anchors_are_read_again(checks, ours, read):
    """SIGHUP: other anchors of a provider count for new associations; a broken file changes nothing."""
    path, count = ours.dir / "other.pem", 0
    good = path.read_bytes()

    def take_up(text, event):
        path.write_bytes(text)
        ours.processes["cse"].send_signal(signal.SIGHUP)
        return ours.log_says("cse", event, count)

    count = ours.log("cse").count("credentials-renewed") + 1
    checks.expect(take_up((ours.dir / "ca.pem").read_bytes(), "credentials-renewed") and read() is None, "with other anchors it proves nothing")
    count += 1
    checks.expect(take_up(good, "credentials-renewed") and read() == 2000, "with its own again it does")
    count = ours.log("cse").count("reload-failed") + 1
    checks.expect(take_up(b"no certificate", "reload-failed") and read() == 2000, "a broken file changes nothing")
    path.write_bytes(good)


class Counterpart:
    """An IN-CSE that we did not write: one answer to each request, over TLS with a certificate of either side."""

    def __init__(self, where, pair, anchors):
        host, port = where.split(":")
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*pair)
        self.context.load_verify_locations(anchors)
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.heard, self.names = "", ""
        self.socket = socket.create_server((host, int(port)))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                plain, _ = self.socket.accept()
                with contextlib.suppress(OSError), self.context.wrap_socket(plain, server_side=True) as client:
                    client.settimeout(10)
                    self.names = str(client.getpeercert().get("subjectAltName"))
                    text = b""
                    while b"\r\n\r\n" not in text:
                        text += client.recv(4096) or b"\r\n\r\n"
                    self.heard = text.decode()
                    rqi = [line.split(":")[1].strip() for line in self.heard.split("\r\n") if line.lower().startswith("x-m2m-ri:")]
                    body = '{"m2m:cnt":{"rn":"box"}}'
                    client.sendall(f"HTTP/1.1 200 OK\r\nX-M2M-RSC: 2000\r\nX-M2M-RI: {rqi[0]}\r\nX-M2M-RVI: 3\r\nContent-Type: application/json\r\n"
                                   f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())

    def end(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(10)


class ForeignCa:
    """A certification authority that constrains nothing, and has the name of ours."""

    CONF = """[ca]
default_ca = own
[own]
database = {0}/index
serial = {0}/serial
crlnumber = {0}/crlnumber
new_certs_dir = {0}
certificate = {0}/ca.pem
private_key = {0}/ca.key
default_md = sha256
default_days = 2
default_crl_days = 2
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
"""

    def __init__(self, folder):
        folder.mkdir()
        self.folder = folder
        (folder / "conf").write_text(self.CONF.format(folder), encoding="utf-8")
        (folder / "index").touch()
        for name in ("serial", "crlnumber"):
            (folder / name).write_text("1000\n", encoding="utf-8")
        self.request("ca", "Gatehouse realm CA", "-x509", "-days", "2", "-out", folder / "ca.pem", "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def openssl(self, *words):
        code, text = run(["openssl", *words])
        if code != 0:
            raise SystemExit(f"openssl {words[0]}: {text}")

    def request(self, stem, name, *more):
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256", "-subj", f"/CN={name}", "-keyout",
                     self.folder / f"{stem}.key", *more)

    def certificate(self, stem, subject):
        cert = self.folder / f"{stem}.pem"
        self.request(stem, stem, "-out", self.folder / f"{stem}.csr", "-addext", f"subjectAltName={subject}", "-addext",
                     "keyUsage=critical,digitalSignature", "-addext", "extendedKeyUsage=clientAuth,serverAuth")
        self.openssl("ca", "-batch", "-config", self.folder / "conf", "-notext", "-in", self.folder / f"{stem}.csr", "-out", cert)
        return cert, self.folder / f"{stem}.key"

    def crl(self):
        path = self.folder / "crl.pem"
        self.openssl("ca", "-config", self.folder / "conf", "-gencrl", "-out", path)
        return path.read_bytes()

    def revoke(self, pair):
        self.openssl("ca", "-config", self.folder / "conf", "-revoke", pair[0])


def with_a_third_provider(checks, ours, theirs, near):
    ca = ForeignCa(ours.folder / "third")
    pair = ca.certificate("in-cse", f"DNS:in-cse.{THIRD}")
    counterpart = Counterpart("127.0.0.1:0", pair, ours.dir / "ca.pem")
    ours.private("third.pem", (ca.folder / "ca.pem").read_bytes())
    ours.private("crl.pem", ca.crl())
    third = f'  third = {{ cse = "//{THIRD}/in-cse"; anchors = "third.pem"; reach = "https://127.0.0.1:{counterpart.port}"; }};\n'
    ours.agree(theirs, f"https://{theirs.endpoint()}", further=third, crl="crl.pem")
    checks.expect(ours.rsc("get", near, f"//{THIRD}/in-cse/x") == 2000, "a third provider is asked")
    checks.expect(ours.rsc("get", near, f"//{THEIRS}/in-cse/cse-in/Cbob/box") == 2000, "beside the other")
    counterpart.end()
    checks.expect(by_curl(ours, pair, f"//{THIRD}/in-cse/Cx", "/cse-in/Calice/box") == 4103, "it is let in, and granted nothing")
    checks.expect(by_curl(ours, pair, f"//{THEIRS}/in-cse/Cbob", "/cse-in/Calice/box") == 4106, "it does not speak for the other")
    checks.expect(by_curl(ours, pair, f"//{THIRD}/in-cse/Cx", f"/_/{THEIRS}/in-cse/cse-in/Cbob/box") == 4004, "nor does it get there through us")
    for stem, subject in (("sadmin", f"URI://{OURS}/Sadmin"), ("mn1", f"DNS:mn1.in-cse.{OURS}"), ("own", f"DNS:in-cse.{OURS}"), ("maf", f"DNS:maf.{OURS}"),
                          ("theirs", f"DNS:in-cse.{THEIRS}")):
        other = ca.certificate(stem, subject)
        checks.expect(by_curl(ours, other, f"//{THIRD}/in-cse/Cx", "/cse-in/Calice/box") is None, f"its authority vouches for itself, not for {subject}")
    ca.revoke(pair)
    ours.private("crl.pem", ca.crl())
    checks.expect(eventually(lambda: by_curl(ours, pair, f"//{THIRD}/in-cse/Cx", "/cse-in/Calice/box") is None), "and its revocations count here")
    checks.expect(ours.rsc("get", near, f"//{THEIRS}/in-cse/cse-in/Cbob/box") == 2000, "for nobody else")


def eventually(held):
    """Asks until it holds, for thirty seconds."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if held():
            return True
        time.sleep(0.05)
    return False


def gone_and_back(checks, ours, theirs, near, in_cse):
    box, where = f"//{THEIRS}/in-cse/cse-in/Cbob/box", theirs.endpoint()
    theirs.processes["cse"].send_signal(signal.SIGSTOP)
    checks.expect(ours.rsc("get", near, box) == 4008, "the other IN-CSE is silent: 4008")
    theirs.processes["cse"].send_signal(signal.SIGCONT)
    theirs.kill("cse")
    checks.expect(ours.rsc("get", near, box) == 5103, "it is gone: 5103")
    counterpart = Counterpart(where, in_cse, ours.dir / "ca.pem")
    code, answer = ours.call("get", near, box)
    checks.expect(code == 0 and answer.get("content", {}).get("m2m:cnt", {}).get("rn") == "box", "another program with its certificate is asked", str(answer))
    head = counterpart.heard.lower()
    checks.expect(f"x-m2m-origin: //{OURS}/in-cse/calice\r\n" in head, "From is absolute there", head)
    checks.expect(f"/_/{THEIRS}/in-cse/cse-in/cbob/box" in head, "To is, too", head)
    checks.expect(f"in-cse.{OURS}" in counterpart.names, "and our IN-CSE has proven its name", counterpart.names)
    counterpart.end()
    for what, pair in (("its MN-CSE", (theirs.folder / "mn7-by-hand.pem", theirs.folder / "mn7-by-hand.key")),
                       ("one of ours", ours.certificate(checks, "other", "--fqdn", f"other.{OURS}"))):
        counterpart = Counterpart(where, pair, ours.dir / "ca.pem")
        checks.expect(ours.rsc("get", near, box) == 5103, f"whoever is there and is {what} is told nothing: 5103")
        checks.expect(counterpart.heard == "", "not even the request", counterpart.heard)
        counterpart.end()
    theirs.start("cse")
    checks.expect(theirs.endpoint() == where and ours.rsc("get", near, f"{box}/la") == 2000, "it is back, and so is what it stored")


def over_coap(checks, ours, theirs, near):
    for scheme, binding in (("coaps", ".coap"), ("coaps+tcp", ".coaps_tcp")):
        ours.agree(theirs, f"{scheme}://{theirs.endpoint(binding)}")
        checks.expect(ours.rsc("get", near, f"//{THEIRS}/in-cse/cse-in/Cbob/box/la") == 2000, f"over {scheme}")
        checks.expect(ours.rsc("get", near, f"//{THEIRS}/in-cse/cse-in/Cbob/closed") == 4103, f"over {scheme}, what is not granted")


def one_way(checks, ours, theirs, near):
    theirs.agree(ours, "none")
    checks.expect(theirs.rsc("get", theirs.folder / "bob", f"//{OURS}/in-cse/cse-in/Calice/box") == 5103, "whose reach is none is never called: 5103")
    checks.expect(ours.rsc("get", near, f"//{THEIRS}/in-cse/cse-in/Cbob/box") == 2000, "and is let in")


def with_a_provisioned_key(checks, ours, theirs, near, in_cse):
    """TS-0003 8.2.2.1: the same Kpsa for both IN-CSEs, and no anchors any more."""
    key, box = ours.folder / "kpsa", f"//{THEIRS}/in-cse/cse-in/Cbob/box"
    ours.agree(theirs, f"https://{theirs.endpoint()}", anchors=False)
    theirs.agree(ours, f"https://{ours.endpoint()}", anchors=False)
    checks.expect(ours.rsc("get", near, box) == 5103, "neither anchors nor a key: 5103")
    answer = by_curl(ours, in_cse, f"//{THEIRS}/in-cse/Cbob", "/cse-in/Calice/box")
    checks.expect(answer is None, "its certificate opens nothing any more", str(answer))
    for realm, peer, option in ((ours, theirs, "--generate"), (theirs, ours, "--key-file")):
        code, answer = realm.call("cse", "key", "add", realm.dir, "--id", KPSA, "--peer", f"//{peer.fqdn}/in-cse", option, key)
        checks.expect(code == 0, f"{realm.fqdn} has a key for {peer.fqdn}", str(answer))
    checks.expect(ours.rsc("get", near, box) == 2000, "with the key it goes through")
    checks.expect(theirs.log_says("cse", f'peer="CSE //{OURS}/in-cse" credential=12-{KPSA}'), "and stands for the IN-CSE")

    def say(origin):
        request = (f"GET /cse-in/Calice/box HTTP/1.1\r\nHost: in-cse.{OURS}\r\nX-M2M-RI: k1\r\nX-M2M-RVI: 3\r\nX-M2M-Origin: {origin}\r\n"
                   "Connection: close\r\n\r\n")
        return openssl(ours.endpoint(), KPSA, key_in_hex(key), request, "-tls1_2", name=f"in-cse.{OURS}")

    checks.expect("X-M2M-RSC: 2000" in say(f"//{THEIRS}/in-cse/Cbob"), "openssl s_client with the key reads for an AE over there")
    checks.expect("X-M2M-RSC: 4106" in say(f"//{OURS}/in-cse/Calice"), "and not for one of ours")
    for realm in (ours, theirs):
        checks.expect(realm.call("cse", "key", "delete", realm.dir, KPSA)[0] == 0, f"{realm.fqdn} forgets the key")
    checks.expect(ours.rsc("get", near, box) == 5103, "which ends it: 5103")


def story(checks, ours, theirs):
    ours.begin(checks)
    theirs.begin(checks)
    near, low = ours.device("alice", "in-cse"), ours.device("low", "mn1")
    bob, bobby = theirs.device("bob", "in-cse"), theirs.device("bobby", "mn7")
    ours.box(checks, near, "cse-in", [f"//{THEIRS}/in-cse/Cbob"])
    ours.box(checks, low, "cse-mn", [f"//{THEIRS}"])
    theirs.box(checks, bob, "cse-in", [f"//{OURS}/in-cse/Calice", f"//{OURS}/mn1/Clow"])
    theirs.box(checks, bobby, "cse-mn", [f"//{OURS}"])
    checks.expect(ours.rsc("get", near, f"//{THEIRS}/in-cse/cse-in/Cbob/box") == 4004, "without an agreement: 4004")
    ours.agree(theirs, f"https://{theirs.endpoint()}")
    checks.expect(ours.rsc("get", near, f"//{THEIRS}/in-cse/cse-in/Cbob/box") == 5103, "of one side alone: 5103, the other lets nobody in")
    theirs.agree(ours, f"https://{ours.endpoint()}")
    for realm in (ours, theirs):
        code, answer = realm.call("doctor", realm.dir)
        checks.expect(code == 0 and "provider other anchors" in json.dumps(answer), f"doctor of {realm.fqdn} finds it well", str(answer))
    read_across(checks, ours, theirs, near, low)
    in_cse = by_hand(checks, ours, theirs)
    gone_and_back(checks, ours, theirs, near, in_cse)
    over_coap(checks, ours, theirs, near)
    one_way(checks, ours, theirs, near)
    with_a_third_provider(checks, ours, theirs, near)
    with_a_provisioned_key(checks, ours, theirs, near, in_cse)


def two_providers(story):
    """The exit code of a program that tells a story of two realms, which stop when it has been told."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-providers-"))
    gatehouse, checks = pathlib.Path(sys.argv[1]).resolve(), Checks()
    ours, theirs = Provider(gatehouse, folder / "ours", OURS, "mn1"), Provider(gatehouse, folder / "theirs", THEIRS, "mn7")
    try:
        story(checks, ours, theirs)
        for realm in (ours, theirs):
            for name in list(realm.processes):
                checks.expect(realm.kill(name, signal.SIGTERM) == 0, f"{name} of {realm.fqdn} stops on SIGTERM")
    finally:
        for realm in (ours, theirs):
            for name in list(realm.processes):
                realm.kill(name)
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(two_providers(story))
