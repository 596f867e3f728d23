#!/usr/bin/env python3
"""Session resumption at a CSE (limits.resumption_s), by openssl s_client: whoever shows a session and holds nothing else (a wrong key, no
certificate) is let in while its credential stands, and only then. A MEF resumes nothing.

usage: resumption.py GATEHOUSE   (exit code 0: every check held)
"""
import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from providers import ForeignCa  # noqa: E402
from third_party import Checks, key_in_hex, run  # noqa: E402
from transit import SP, Realm, play  # noqa: E402

CSE = f"in-cse.{SP}"
KPSA = f"kpsa-1@{CSE}"
WRONG = "00" * 32
WAIT_S = 60


def eventually(held):
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        if held():
            return True
        time.sleep(0.1)
    return False


def request(sender):
    return (f"GET /cse-in HTTP/1.1\r\nHost: {CSE}\r\nX-M2M-RI: r1\r\nX-M2M-RVI: 3\r\nX-M2M-Origin: {sender}\r\nAccept: application/json\r\n"
            "Connection: close\r\n\r\n")


class Story:
    def __init__(self, realm, checks):
        self.realm, self.expect = realm, checks.expect
        self.conf, self.list = realm.dir / "gatehouse.conf", realm.dir / "crl.pem"
        self.count = 0

    def configure(self):
        """An AE with a certificate of an authority that is not ours, a list of that authority, metrics, CoAP."""
        self.expect(self.realm.call("init", self.realm.dir, "--sp-id", SP)[0] == 0, "init")
        self.doctor_says("off: each association proves its credential")
        self.ca = ForeignCa(self.realm.folder / "ca")
        anchor = self.realm.dir / "foreign.pem"
        anchor.touch(0o600)
        anchor.write_bytes((self.ca.folder / "ca.pem").read_bytes())
        text = self.conf.read_text(encoding="utf-8")
        text, times = re.subn(r"resumption_s = 0;", "resumption_s = 3600;", text)
        self.expect(times == 1, "resumption_s is in the configuration, and off", text)
        text = re.sub(r'(metrics = \{[^}]*listen = )""', r'\1"127.0.0.1:0"', text, count=1)
        text = re.sub(r'(anchors_for = \{[^}]*\bae = )""', r'\1"foreign.pem"', text, count=1)
        text = text.replace('coap_listen = "";', 'coap_listen = "127.0.0.1:0";')
        begin = text.index("\n  cse = {")
        cse = text[begin:].replace('crl = "";', 'crl = "crl.pem";', 1).replace('crl_policy = "require";', 'crl_policy = "soft";', 1)
        self.conf.write_text(text[:begin] + cse, encoding="utf-8")
        self.publish_list()

    def publish_list(self):
        fresh = self.list.with_suffix(".new")
        fresh.touch(0o600)
        fresh.write_bytes(self.ca.crl())
        fresh.replace(self.list)

    def doctor_says(self, text):
        code, answer = self.realm.call("doctor", self.realm.dir)
        self.expect(text in json.dumps(answer), f"doctor: {text}", str(answer))

    def where(self, name, binding=""):
        host, _, port = (self.realm.dir / "run" / f"{name}{binding}.endpoint").read_text(encoding="utf-8").strip().rpartition(":")
        return f"{host or '127.0.0.1'}:{port}"

    def s_client(self, version, *words, name=CSE, function="cse", sender=""):
        return run(["openssl", "s_client", "-connect", self.where(function), "-servername", name, version, "-quiet", "-ign_eof", *words],
                   request(sender), limit=WAIT_S)[1]

    def file(self):
        self.count += 1
        return self.realm.folder / f"session{self.count}"

    def first(self, title, version, *words):
        """A session, begun with the credential."""
        file = self.file()
        answer = self.s_client(version, *words, "-sess_out", file)
        self.expect("X-M2M-RSC" in answer and file.exists(), title, answer)
        return file

    def resumes(self, title, version, file, *words):
        next_one = self.file()
        answer = self.s_client(version, "-sess_in", file, "-sess_out", next_one, *words)
        self.expect("X-M2M-RSC" in answer, title, answer + self.realm.log("cse")[-800:])
        return next_one if next_one.exists() else file  # below TLS 1.3 it stays the same

    def refused(self, title, version, file, *words, **more):
        answer = self.s_client(version, "-sess_in", file, *words, **more)
        self.expect("X-M2M-RSC" not in answer, title, answer)

    def metric(self):
        port = re.findall(r" metrics host=\S+ port=(\d+)", self.realm.log("cse"))[-1]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=WAIT_S) as answer:
            return int(re.findall(r"^gatehouse_handshakes_resumed_total (\d+)", answer.read().decode(), re.M)[0])


def psk(key, identity=KPSA):
    return "-psk_identity", identity, "-psk", key


def with_a_key(story):
    path = story.realm.folder / "kpsa"
    code, answer = story.realm.call("cse", "key", "add", story.realm.dir, "--id", KPSA, "--peer", f"//{SP}/in-cse/Cmeter", "--generate", path)
    story.expect(code == 0, "a key of an AE", str(answer))
    key = key_in_hex(path)
    for version in ("-tls1_2", "-tls1_3"):
        one = story.first(f"{version}: a session begins with the key", version, *psk(key))
        two = story.resumes(f"{version}: it goes on, the key is not shown again", version, one, *psk(WRONG))
        story.resumes(f"{version}: and again", version, two, *psk(WRONG))
        if version == "-tls1_3":
            story.refused("-tls1_3: a ticket serves once", version, one, *psk(WRONG))
        story.refused(f"{version}: nobody else asks for that session by another name", version, story.first("another", version, *psk(key)), *psk(WRONG),
                      name=f"other.{SP}")
    story.expect(story.metric() == 4, "four were resumed", str(story.metric()))
    story.expect(story.realm.log("cse").count("resumed=yes") == 4, "the log says so")
    story.expect("another server name is asked for" in story.realm.log("cse"), "and why one was not")
    return key


def over_datagrams(story, key):
    file, where = story.file(), story.where("cse", ".coap")
    words = ["openssl", "s_client", "-dtls1_2", "-connect", where, "-servername", CSE, "-cipher", "PSK-AES128-CCM8:@SECLEVEL=0"]
    text = run([*words, *psk(key), "-sess_out", file], limit=WAIT_S)[1]
    story.expect("New, " in text and "Verif" in text, "-dtls1_2: a session begins with the key", text)
    before = story.metric()
    text = run([*words, *psk(WRONG), "-sess_in", file], limit=WAIT_S)[1]
    story.expect("Reused, " in text and story.metric() == before + 1, "-dtls1_2: it goes on, the key is not shown again", text)


def a_key_goes(story, key):
    """The association that was resumed ends, and no session is left of it."""
    sessions = {version: story.first("one more", version, *psk(key)) for version in ("-tls1_2", "-tls1_3")}
    last = story.first("and one", "-tls1_2", *psk(key))
    words = ["openssl", "s_client", "-connect", story.where("cse"), "-servername", CSE, "-tls1_2", "-quiet", "-ign_eof", *psk(WRONG), "-sess_in", last]
    with subprocess.Popen([str(w) for w in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as client:
        client.stdin.write(request("").replace("Connection: close\r\n", "").encode())
        client.stdin.flush()
        line = client.stdout.readline()
        story.expect(line.startswith(b"HTTP/1.1"), "a resumed association stands", str(line))
        code, answer = story.realm.call("cse", "key", "delete", story.realm.dir, KPSA)
        story.expect(code == 0, "the key is deleted", str(answer))
        client.stdout.read()  # or it waits for ever
    story.expect(story.realm.log_says("cse", "credential revoked"), "the association ends with it")
    for version, file in sessions.items():
        story.refused(f"{version}: nothing goes on without it", version, file, *psk(key))


def with_a_certificate(story):
    pair = story.ca.certificate("meter", f"URI://{SP}/in-cse/Ccert")
    for version in ("-tls1_2", "-tls1_3"):
        file = story.first(f"{version}: a session begins with a certificate", version, "-cert", pair[0], "-key", pair[1])
        file = story.resumes(f"{version}: it goes on without it", version, file)
        story.resumes(f"{version}: and again", version, file)
    files = {version: story.first("one more", version, "-cert", pair[0], "-key", pair[1]) for version in ("-tls1_2", "-tls1_3")}
    story.ca.revoke(pair)
    story.publish_list()
    story.expect(eventually(lambda: "X-M2M-RSC" not in story.s_client("-tls1_2", "-cert", pair[0], "-key", pair[1])), "it is revoked")
    other = story.ca.certificate("other", f"URI://{SP}/in-cse/Cother")
    for version, file in files.items():
        answer = story.s_client(version, "-sess_in", file, "-cert", other[0], "-key", other[1])
        story.expect("X-M2M-RSC" in answer, f"{version}: who has another one by now makes a full handshake", answer)
    story.expect(story.realm.log("cse").count("resumption-refused") >= 2, "and the log says that the session was refused")
    return other


def after_that(story, other):
    """SIGHUP, another start: full handshakes."""
    files = {version: story.first("one more", version, "-cert", other[0], "-key", other[1]) for version in ("-tls1_2", "-tls1_3")}
    story.realm.processes["cse"].send_signal(signal.SIGHUP)
    story.expect(story.realm.log_says("cse", "credentials-renewed"), "SIGHUP")
    before = story.metric()
    for version, file in files.items():
        story.refused(f"{version}: a session of before opens nothing", version, file)
        answer = story.s_client(version, "-sess_in", file, "-cert", other[0], "-key", other[1])
        story.expect("X-M2M-RSC" in answer, f"{version}: and hinders nobody", answer)
    story.expect(story.metric() == before, "nothing was resumed")
    files = {version: story.first("one more", version, "-cert", other[0], "-key", other[1]) for version in ("-tls1_2", "-tls1_3")}
    story.expect(story.realm.kill("cse", signal.SIGTERM) == 0, "it stops")
    story.realm.start("cse")
    for version, file in files.items():
        story.refused(f"{version}: after a start all is forgotten", version, file)
        answer = story.s_client(version, "-sess_in", file, "-cert", other[0], "-key", other[1])
        story.expect("X-M2M-RSC" in answer, f"{version}: and a ticket that was forgotten is no wrong key", answer)


def at_the_mef(story):
    path = story.realm.folder / "kpm"
    code, answer = story.realm.call("mef", "enrolee", "add", story.realm.dir, "--id", f"e1@mef.{SP}", "--generate", path)
    story.expect(code == 0, "an enrolee", str(answer))
    key, identity = key_in_hex(path), f"e1@mef.{SP}"
    for version in ("-tls1_2", "-tls1_3"):
        words = ["openssl", "s_client", "-connect", story.where("mef"), "-servername", f"mef.{SP}", version, "-ign_eof"]
        file, text = story.file(), request("").replace("/cse-in", "/mef")
        answer = run([*words, *psk(key, identity), "-sess_out", file], text, limit=WAIT_S)[1]
        story.expect("X-M2M-RSC: 2000" in answer, f"{version}: a MEF is asked", answer)
        story.expect("Session-ID: \n" in answer if version == "-tls1_2" else "New Session Ticket" not in answer, f"{version}: it gives no session", answer)
        answer = run([*words, *psk(WRONG, identity), *(["-sess_in", file] if file.exists() else [])], text, limit=WAIT_S)[1]
        story.expect("X-M2M-RSC" not in answer, f"{version}: and resumes none", answer)


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-resumption-"))
    checks = Checks()
    realm = Realm(pathlib.Path(sys.argv[1]).resolve(), folder)

    def chapters(_):
        story = Story(realm, checks)
        story.configure()
        story.doctor_says("CSEs resume sessions for 3600 s")
        realm.start("mef")
        realm.start("cse")
        key = with_a_key(story)
        over_datagrams(story, key)
        a_key_goes(story, key)
        other = with_a_certificate(story)
        after_that(story, other)
        at_the_mef(story)

    return play(realm, checks, chapters)


if __name__ == "__main__":
    sys.exit(main())
