#!/usr/bin/env python3
"""Raw public keys (TS-0003 8.2.2.2, RFC 7250) through the command line: a device with a key pair of its own and a CSE that was told
of it, and clients that are not ours. Where OpenSSL has none: that every verb says so.

usage: raw_public_key.py GATEHOUSE   (exit code 0: every check held)
"""
import base64
import hashlib
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from third_party import Checks, listen_for_coap, run  # noqa: E402

CSE = "in-cse.sp.example.com"
LACKING = "raw public keys need OpenSSL 3.2 or later"
GNUTLS = "NORMAL:-VERS-ALL:+VERS-{version}:-CTYPE-ALL:+CTYPE-CLI-RAWPK:+CTYPE-SRV-RAWPK:-GROUP-ALL:+GROUP-SECP256R1"


class Story:
    def __init__(self, checks, gatehouse, folder):
        self.checks, self.gatehouse, self.folder = checks, gatehouse, folder
        self.realm = folder / "realm"
        self.where = ""

    def call(self, *words):
        return run([self.gatehouse, *words, "--json"])

    def expect(self, held, title, detail=""):
        self.checks.expect(held, title, detail)

    def done(self, title, *words):
        code, text = self.call(*words)
        self.expect(code == 0, title, text)
        return text

    def refused(self, title, expected, *words):
        code, text = self.call(*words)
        self.expect(code == 1 and expected in text, title, f"exit {code}: {text}")

    def shut_out(self, title, *words):
        """Under TLS 1.3 a client has sent its request before it hears of the refusal; what overtakes what is the network's."""
        code, text = self.call(*words)
        self.expect((code == 1 and "alert" in text) or (code == 3 and "closed the association" in text), title, f"exit {code}: {text}")

    def new_device(self, name):
        device = self.folder / name
        self.done(f"device {name}", "device", "new", device, "--realm", self.realm, "--kpm-id", name, "--generate", self.folder / f"{name}.kpm")
        return device

    def key_pair(self, name, curve="P-256"):
        """(private key, certificate, identifier): s_client wants a certificate to take the key from; nobody has signed it."""
        key, cert = self.folder / f"{name}.key", self.folder / f"{name}.crt"
        code, text = run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{curve}", "-nodes", "-keyout", key,
                          "-out", cert, "-subj", f"/CN={name}", "-days", "2"])
        self.expect(code == 0, f"openssl makes the key of {name}", text)
        der = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"], stdout=subprocess.PIPE, check=True).stdout
        run(["openssl", "pkey", "-in", key, "-pubout", "-out", self.folder / f"{name}.pub"])
        return key, cert, "ni:///sha-256;" + base64.urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")

    @staticmethod
    def identifier_of(cert):
        pem = subprocess.run(["openssl", "x509", "-in", cert, "-noout", "-pubkey"], stdout=subprocess.PIPE, check=True).stdout
        der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=pem, stdout=subprocess.PIPE, check=True).stdout
        return "ni:///sha-256;" + base64.urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")

    def own_certificate(self):
        return self.realm / "cse.pem"


def the_device(story):
    device = story.new_device("meter1")
    code, text = story.call("register", device, "--with", "public-key")
    story.expect(code != 0, "a device without a key pair has nothing to register with", text)
    text = story.done("device public-key", "device", "public-key", device, "--cse-key", story.own_certificate())
    own = json.loads(text)["publicKeyID"]
    again = story.done("device public-key, again", "device", "public-key", device, "--cse-key", story.own_certificate())
    story.expect(json.loads(again)["publicKeyID"] == own, "and keeps its key pair", again)
    story.shut_out("a CSE that was not told of the key refuses it", "register", device, "--app-id", "N.meter")
    story.expect("is not known here" in run([story.gatehouse, "audit", story.realm, "cse", "--json"])[1], "and the audit trail says which")
    code, text = story.call("cse", "key", "add", story.realm, "--public-key", own, "--id", "x@sp.example.com")
    story.expect(code == 2, "a public key has no KpsaID", text)
    story.done("cse key add --public-key", "cse", "key", "add", story.realm, "--public-key", own, "--peer", "//sp.example.com/in-cse/Cmeter1")
    story.done("register", "register", device, "--app-id", "N.meter")
    for binding in ("http", "coap", "coaps_tcp", "ws"):
        story.done(f"get over {binding}", "get", device, "cse-in/Cmeter1", "--binding", binding)
    story.refused("From of another", "4106", "get", device, "cse-in/Cmeter1", "--from", "Cother")
    story.expect(own.split(";")[1] in story.call("cse", "key", "list", story.realm)[1], "the key is listed")
    secrets = (device / "state.json").read_text() + (device / "device.conf").read_text()
    story.expect("PRIVATE" not in secrets, "the private key is in no file that is read")
    return device, own


def another_server(story, device):
    """The device believes the CSE's key and no other; a cut identifier will do."""
    der = subprocess.run(["openssl", "x509", "-in", story.own_certificate(), "-pubkey", "-noout"], stdout=subprocess.PIPE, check=True).stdout
    (story.folder / "cse.pub").write_bytes(der)
    wrong = "ni:///sha-256-120;" + base64.urlsafe_b64encode(b"123456789012345").decode()
    story.done("the device is told of another key", "device", "public-key", device, "--cse-key", wrong)
    story.refused("and refuses the CSE", "another raw public key", "get", device, "cse-in/Cmeter1")
    story.done("it is told of both", "device", "public-key", device, "--cse-key", wrong, "--cse-key", story.folder / "cse.pub")
    story.done("and believes it", "get", device, "cse-in/Cmeter1")
    for bad in ("ni:///sha-512;AAAA", "ni:///sha-256;AAAA", story.folder / "meter1.kpm", story.folder / "none"):
        code, text = story.call("device", "public-key", device, "--cse-key", bad)
        story.expect(code == 3, f"{pathlib.Path(bad).name} is no public key", text)


def request(sender):
    return (f"GET /cse-in/Cmeter1 HTTP/1.1\r\nHost: {CSE}\r\nX-M2M-RI: r1\r\nX-M2M-RVI: 3\r\nX-M2M-Origin: {sender}\r\n"
            "Connection: close\r\n\r\n")


def with_openssl(story):
    key, cert, known = story.key_pair("known")
    stranger_key, stranger, _ = story.key_pair("stranger")
    other_key, other_curve, _ = story.key_pair("p384", "P-384")
    story.done("a key of openssl", "cse", "key", "add", story.realm, "--public-key", story.folder / "known.pub", "--peer",
               "//sp.example.com/in-cse/Cmeter1")
    code, text = story.call("cse", "key", "add", story.realm, "--public-key", story.folder / "p384.pub")
    story.expect(code == 3 and "P-256" in text, "a key of another curve is not taken", text)

    def s_client(version, key, cert, sender="Cmeter1", *more):
        return run(["openssl", "s_client", "-connect", story.where, "-servername", CSE, version, "-cert", cert, "-key", key,
                    "-enable_client_rpk", "-ign_eof", *more], request(sender))[1]

    for version in ("-tls1_2", "-tls1_3"):
        answer = s_client(version, key, cert, "Cmeter1", "-CAfile", story.realm / "ca.pem", "-verify_return_error")
        story.expect("X-M2M-RSC: 2000" in answer and "Server certificate" in answer, f"openssl {version} with a raw public key", answer)
        answer = s_client(version, key, cert, "Cmeter1", "-enable_server_rpk")
        story.expect("X-M2M-RSC: 2000" in answer and "Server raw public key" in answer, f"openssl {version} on both sides", answer)
        answer = s_client(version, key, cert, "Cother")
        story.expect("X-M2M-RSC: 4106" in answer, f"openssl {version} is nobody else", answer)
        answer = s_client(version, stranger_key, stranger)
        story.expect("X-M2M-RSC" not in answer and "alert" in answer, f"openssl {version}, a key that nobody knows", answer)
        answer = s_client(version, other_key, other_curve)
        story.expect("X-M2M-RSC" not in answer, f"openssl {version}, a key of another curve", answer)
        answer = run(["openssl", "s_client", "-connect", story.where, "-servername", CSE, version, "-cert", cert, "-key", key, "-ign_eof"],
                     request("Cmeter1"))[1]
        story.expect("X-M2M-RSC" not in answer, f"openssl {version}, the key in a certificate of its own", answer)
    return known


def with_gnutls(story):
    """GnuTLS speaks RFC 7250 with TLS 1.3 and 1.2."""
    host, port = story.where.split(":")

    def gnutls(version, name):
        command = ["gnutls-cli", "--port", port, "--rawpkkeyfile", story.folder / f"{name}.key", "--rawpkfile", story.folder / f"{name}.pub",
                   "--priority", GNUTLS.format(version=version), "--no-ca-verification", "--sni-hostname", CSE, host]
        with subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
            try:
                client.stdin.write(request("Cmeter1").encode())
                client.stdin.flush()
            except BrokenPipeError:
                pass
            answer = b""
            for line in client.stdout:  # the server closes; then the client ends, too
                answer += line
            return answer.decode(errors="replace")

    for version in ("TLS1.2", "TLS1.3"):
        answer = gnutls(version, "known")
        story.expect("X-M2M-RSC: 2000" in answer, f"gnutls-cli over {version}", answer)
        answer = gnutls(version, "stranger")
        story.expect("X-M2M-RSC" not in answer, f"gnutls-cli over {version}, a key that nobody knows", answer)


def a_device_listens(story, device):
    """SA2 with raw public keys on both sides: the device as server, the CSE with the key that the device was told."""
    from notify_ae import NOTE, Listener
    story.servers = []
    listener = Listener(story, device)
    story.done("a notification to a device with a raw public key", "notify", device, "cse-in/Cmeter1", "--content", json.dumps(NOTE))
    story.expect(listener.line().get("content") == NOTE, "is seen there")
    where, text = listener.first.get("poa", "").removeprefix("https://"), request("/in-cse").replace("GET", "POST")
    for version in ("-tls1_2", "-tls1_3"):
        for title, name, more in (("a key that is not the registrar's", "stranger", ["-enable_client_rpk"]),
                                  ("a certificate", "stranger", []), ("another AE's key", "known", ["-enable_client_rpk"])):
            answer = run(["openssl", "s_client", "-connect", where, version, "-enable_server_rpk", "-cert", story.folder / f"{name}.crt", "-key",
                          story.folder / f"{name}.key", "-ign_eof", "-quiet", *more], text)[1]
            story.expect("X-M2M-RSC" not in answer, f"openssl {version} with {title} gets nothing", answer)
    code, rest = listener.end()
    story.expect(code == 0 and rest == b"", "it ends", str(rest))


def a_device_listens_over_coap(story, device):
    """The same over DTLS 1.2 and over TLS; who comes with another key is not let in, whoever wrote its TLS."""
    from notify_ae import NOTE, Listener
    versions = {"coap": ("-dtls1_2",), "coaps_tcp": ("-tls1_2", "-tls1_3")}
    for binding, ways in versions.items():
        listener = Listener(story, device, "--binding", binding)
        story.done(f"a notification to a device with a raw public key over {binding}", "notify", device, "cse-in/Cmeter1", "--content", json.dumps(NOTE))
        story.expect(listener.line().get("content") == NOTE, "is seen there")
        where = listener.first.get("poa", "").partition("://")[2]
        for way in ways:
            for title, more in (("a key that is not the registrar's", ["-enable_client_rpk"]), ("a certificate", [])):
                answer = run(["timeout", "5", "openssl", "s_client", "-connect", where, way, "-enable_server_rpk", "-cert", story.folder / "stranger.crt", "-key",
                              story.folder / "stranger.key", "-state", "-ign_eof", *more])[1]
                # under TLS 1.3 it is done before it hears of the refusal; over DTLS nobody tells it
                story.expect("SSL_connect" in answer and ("alert read:fatal" in answer or "negotiation finished successfully" not in answer),
                             f"openssl {way} with {title} is not let in over {binding}", answer)
        code, rest = listener.end()
        story.expect(code == 0 and rest == b"", "it ends", str(rest))


def the_way_back(story):
    """TS-0003 8.2.1, SA2: an AE that registered with a raw public key is reached where it proves that key, and nowhere else."""
    from notify_ae import NOTE, OpenSSL
    story.servers = []
    key, cert, known = story.key_pair("reach")
    story.done("the key of an AE", "cse", "key", "add", story.realm, "--public-key", known, "--peer", "//sp.example.com/in-cse/Creach")

    def ask(method, path, ty, content):
        body = json.dumps(content)
        text = (f"{method} {path} HTTP/1.1\r\nHost: {CSE}\r\nX-M2M-RI: r1\r\nX-M2M-RVI: 3\r\nX-M2M-Origin: Creach\r\nConnection: close\r\n"
                f"Content-Type: application/json{f';ty={ty}' if ty else ''}\r\nContent-Length: {len(body)}\r\n\r\n{body}")
        answer = run(["openssl", "s_client", "-connect", story.where, "-servername", CSE, "-tls1_3", "-cert", cert, "-key", key, "-enable_client_rpk",
                      "-ign_eof"], text)[1]
        found = [line.split(":")[1].strip() for line in answer.splitlines() if line.lower().startswith("x-m2m-rsc")]
        return found[0] if found else answer

    story.expect(ask("POST", "/cse-in", 2, {"m2m:ae": {"api": "N.story", "rr": True, "srv": ["3"]}}) == "2001", "it registers")
    try:
        for version in ("-tls1_2", "-tls1_3"):
            for title, name, more, rsc in (("the key", "reach", ["-enable_server_rpk"], "2000"), ("another key", "stranger", ["-enable_server_rpk"], "5103"),
                                           ("the key in a certificate of its own", "reach", [], "5103")):
                server = OpenSSL(story, "-cert", story.folder / f"{name}.crt", "-key", story.folder / f"{name}.key", "-verify", "1", version, *more)
                placed = ask("PUT", "/Creach", None, {"m2m:ae": {"poa": [server.poa]}})
                answer = ask("POST", "/Creach", None, NOTE)
                story.expect((placed, answer) == ("2004", rsc), f"openssl s_server {version} with {title}: {rsc}", f"{placed} {answer}")
                story.expect(("m2m:sgn" in server.seen) == (rsc == "2000"), "and is told, or not", server.seen)
    finally:
        for process in story.servers:
            process.kill()
            process.wait()


def the_end(story, device, own):
    """TP-20: within a second nothing of the key stands any more."""
    with subprocess.Popen(["openssl", "s_client", "-connect", story.where, "-servername", CSE, "-tls1_3", "-cert", story.folder / "known.crt",
                           "-key", story.folder / "known.key", "-enable_client_rpk", "-ign_eof"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
        open_request = request("Cmeter1").replace("Connection: close\r\n", "")
        client.stdin.write(open_request.encode())
        client.stdin.flush()
        answer = b""
        while b"X-M2M-RSC" not in answer:  # it stands
            line = client.stdout.readline()
            if not line:
                break
            answer += line
        code, text = story.call("cse", "key", "delete", story.realm, story.known)
        story.expect(code == 0, "cse key delete", text)
        rest = client.stdout.read()  # to its end, which comes long before that of an idle association
        story.expect(client.wait(30) is not None, "the association ends with its key", (answer + rest).decode(errors="replace"))
    story.done("the device's key too", "cse", "key", "delete", story.realm, own)
    story.shut_out("and opens nothing any more", "get", device, "cse-in/Cmeter1")


def between_cses(story):
    """TS-0003 10.1.3: CSEs that know each other by raw public keys alone; an MN-CSE registers, and both ask each other."""
    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    from transit import Realm
    realm = Realm(story.gatehouse, story.folder / "cses")
    realm.folder.mkdir()
    call = realm.call
    story.expect(call("init", realm.dir, "--sp-id", "sp.example.com", "--mn-cse", "mn1")[0] == 0, "a realm with an MN-CSE")
    conf = realm.dir / "gatehouse.conf"
    keys = {name: story.identifier_of(realm.dir / f"{name}.pem") for name in ("cse", "mn1")}
    text = conf.read_text(encoding="utf-8")
    for name in keys:
        at = text.index('public_keys = ""', text.index(f"  {name} = {{"))
        text = text[:at] + f'public_keys = "{keys[name]}"' + text[at + len('public_keys = ""'):]
    conf.write_text(text, encoding="utf-8")
    try:
        for name in ("mef", "maf", "cse", "mn1"):
            realm.start(name)
        story.expect(realm.log_says("mn1", "is not known here") or realm.log_says("cse", "is not known here"), "nobody was told of the MN-CSE's key: refused")
        story.expect(" registered-at-registrar" not in realm.log("mn1"), "and it is not registered")
        for function, name, peer in (("cse", "mn1", "mn1"), ("mn1", "cse", "in-cse")):
            code, answer = call("cse", "key", "add", realm.dir, "-f", function, "--public-key", keys[name], "--peer", f"//sp.example.com/{peer}")
            story.expect(code == 0, f"{function} is told of the key of {peer}", str(answer))
        near, far = realm.device("near", "in-cse"), None
        for _ in range(300):
            rsc = realm.rsc("get", near, "/mn1/cse-mn")
            if rsc == 4103:
                break
            time.sleep(0.1)
        story.expect(rsc == 4103, "the MN-CSE registers, and is asked by the IN-CSE (and refuses a stranger)", str(rsc))
        far = realm.device("far", "mn1")
        story.expect(realm.rsc("get", far, "/in-cse/cse-in") in (2000, 4103), "the IN-CSE is asked by the MN-CSE", realm.log("mn1")[-400:])
        trail = run([story.gatehouse, "audit", realm.dir, "-f", "cse", "--json"])[1] + run([story.gatehouse, "audit", realm.dir, "cse", "--json"])[1]
        story.expect("30-sha-256." in trail and "CSE //sp.example.com/mn1" in trail, "the registration stands under the Credential-ID of the key", trail[-400:])
    finally:
        for name in list(realm.processes):
            realm.kill(name, signal.SIGTERM)


def everything(story):
    between_cses(story)
    device, own = the_device(story)
    another_server(story, device)
    story.known = with_openssl(story)
    with_gnutls(story)
    a_device_listens(story, device)
    a_device_listens_over_coap(story, device)
    the_way_back(story)
    the_end(story, device, own)


def nothing(story):
    device = story.new_device("meter1")
    some = "ni:///sha-256-120;" + base64.urlsafe_b64encode(b"123456789012345").decode()
    code, text = story.call("device", "public-key", device, "--cse-key", some)
    story.expect(code == 3 and LACKING in text, "device public-key says what is lacking", text)
    code, text = story.call("cse", "key", "add", story.realm, "--public-key", some)
    story.expect(code == 1 and LACKING in text, "cse key add --public-key too", text)


def main():
    gatehouse = pathlib.Path(sys.argv[1]).resolve()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-rpk-"))
    checks = Checks()
    story = Story(checks, gatehouse, folder)
    features = {row["id"]: row for row in json.loads(run([gatehouse, "features", "--json"])[1])}
    state = features["saef-rpk"]["state"]
    try:
        story.done("a realm is made", "init", story.realm, "--sp-id", "sp.example.com")
        listen_for_coap(story.realm)
        with open(folder / "log", "wb") as log, subprocess.Popen(
            [gatehouse, "serve", "-c", story.realm, "--json"], stdout=subprocess.PIPE, stderr=log
        ) as server:
            try:
                story.where = json.loads(server.stdout.readline())["cse"]
                checks.expect(state in ("yes", "unavailable"), f"gatehouse features says: {state}")
                (everything if state == "yes" else nothing)(story)
                checks.expect("PRIVATE KEY" not in (folder / "log").read_text(encoding="utf-8"), "no key is in the log")
            finally:
                server.terminate()
                checks.expect(server.wait(30) == 0, "the server stops on SIGTERM")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
