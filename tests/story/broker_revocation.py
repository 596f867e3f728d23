#!/usr/bin/env python3
"""A CSE asks whether the certificate of its broker is revoked (TS-0003 8.1.2.5), as it asks about every peer: by a list of openssl ca, at openssl
ocsp, and while it is connected. The broker is mosquitto, with a certificate of an authority that is not ours.

usage: broker_revocation.py GATEHOUSE   (exit code 0: every check held)
"""
import http.server
import json
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from mqtt import BROKER, SP, Broker, free_ports  # noqa: E402
from providers import ForeignCa  # noqa: E402
from third_party import Checks, run  # noqa: E402
from transit import Realm, play  # noqa: E402


class Story:
    def __init__(self, realm, checks):
        self.realm, self.expect = realm, checks.expect
        self.ca, self.count = ForeignCa(realm.folder / "ca"), 0
        self.conf, self.list = realm.dir / "gatehouse.conf", realm.dir / "crl.pem"
        run([realm.gatehouse, "init", realm.dir, "--sp-id", SP])
        anchor = realm.dir / "foreign.pem"
        anchor.touch(0o600)
        anchor.write_bytes((self.ca.folder / "ca.pem").read_bytes())
        ports = free_ports(2)
        self.broker = Broker(realm.folder, realm.dir, *ports)
        text = self.conf.read_text(encoding="utf-8").replace('cse = "";', 'cse = "foreign.pem";', 1)
        begin = text.index("\n  cse = {")
        cse = text[begin:].replace('broker = "";', f'broker = "127.0.0.1:{ports[0]}";', 1).replace('name = "";', f'name = "{BROKER}";', 1)
        self.head, self.cse = text[:begin], cse.replace("enforces = false;", "enforces = true;", 1)
        for path in (self.broker.acl, self.broker.psk):
            path.touch(0o600)

    def configure(self, **settings):
        cse = self.cse
        for key, value in settings.items():
            cse = re.sub(rf'\b{key} = "[^"]*";', f'{key} = "{value}";', cse, count=1)
        self.conf.write_text(self.head + cse, encoding="utf-8")

    def certify(self):
        """Another certificate of the broker, which is started with it."""
        self.count += 1
        self.broker.kill(signal.SIGTERM)
        pair = self.ca.certificate(f"broker{self.count}", f"DNS:{BROKER}")
        for source, name in zip(pair, ("broker.pem", "broker.key")):
            shutil.copy(source, self.broker.folder / name)
        self.broker.start()
        return pair

    def publish_list(self, ca=None):
        fresh = self.list.with_suffix(".new")
        fresh.touch(0o600)
        fresh.write_bytes((ca or self.ca).crl())
        fresh.replace(self.list)

    def start(self):
        """The CSE begins with an empty log. It came to the broker: True; it did not take it: the reason."""
        (self.realm.folder / "cse.log").unlink(missing_ok=True)
        self.realm.start("cse")
        for _ in range(400):
            log = self.realm.log("cse")
            if "mqtt-connected" in log:
                return True
            refused = re.search(r"mqtt-not-connected.*", log)
            if refused:
                return refused.group()
            time.sleep(0.025)
        return "neither"

    def restart(self, **settings):
        self.configure(**settings)
        if "cse" in self.realm.processes:
            self.realm.kill("cse", signal.SIGTERM)
        return self.start()

    def seen_by_the_broker(self):
        return len(re.findall(rf"New client connected .* as in-cse.{re.escape(SP)}", self.broker.log()))

    def believed(self, title, **settings):
        outcome = self.restart(**settings)
        self.expect(outcome is True, title, f"{outcome}\n{self.broker.log()[-1500:]}")

    def refused(self, title, reason, **settings):
        before = self.seen_by_the_broker()
        outcome = self.restart(**settings)
        self.expect(outcome is not True and reason in outcome and self.seen_by_the_broker() == before, title, str(outcome))

    def doctor(self, row, state, text):
        answer = self.realm.call("doctor", self.realm.dir)[1]
        rows = [r for r in answer if isinstance(r, dict) and r.get("check") == row] if isinstance(answer, list) else []
        self.expect(len(rows) == 1 and rows[0]["state"] == state and text in rows[0]["text"], f"doctor says of the {row}: {text}", json.dumps(answer))


def by_a_list(story):
    story.publish_list()
    pair = story.certify()
    story.believed("a broker on no list is believed", crl="crl.pem")
    story.doctor("cse broker", "ok", "lists; without an answer it is refused")
    story.doctor("cse revocation list", "ok", "until")
    story.ca.revoke(pair)
    story.publish_list()
    story.expect(story.realm.log_says("cse", "associations-revoked"), "a list that names it ends the connection that stands", story.realm.log("cse"))
    story.expect(story.realm.log_says("cse", "mqtt-lost"), "which is lost, as the log says")
    story.expect(story.realm.log_says("cse", "the certificate is revoked"), "and the broker is refused from then on, with the reason", story.realm.log("cse"))
    story.expect(story.seen_by_the_broker() == 1, "it is told nothing more", story.broker.log()[-1500:])
    story.certify()
    story.expect(story.realm.log_says("cse", "mqtt-connected", 2), "with a new certificate it is believed again", story.realm.log("cse"))


def without_a_word(story):
    other = ForeignCa(story.realm.folder / "other")
    story.publish_list(other)
    story.refused("a list of another authority says nothing: refused", "no source says whether the certificate is revoked", crl="crl.pem")
    story.believed("soft: believed", crl="crl.pem", crl_policy="soft")
    story.doctor("cse broker", "ok", "lists; without an answer it is believed")
    story.publish_list()
    story.refused("a broker that staples nothing is refused where that is required", "no source says", stapling_policy="require")
    story.doctor("cse broker", "unknown", "refused unless it staples")
    story.believed("a list speaks for it instead", crl="crl.pem", stapling_policy="require")
    story.list.unlink()
    story.doctor("cse revocation list", "FAILED", "crl.pem")


class Responder:
    """openssl ocsp over the book of the authority. It ends where anybody says anything to it that is no request (a stranger who takes its port
    for another's does), so that a port of ours is in front of it: what is a POST goes on to it, and its answer back, octet for octet."""

    def __init__(self, ca, *holds):
        """`holds`: for how long its answers do."""
        self.ca, self.holds, self.process, self.port, self.lock = ca, holds or ("-ndays", "1"), None, 0, threading.Lock()
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                head = f"POST {self.path} HTTP/1.0\r\nContent-Type: {self.headers['Content-Type']}\r\nContent-Length: {len(body)}\r\n\r\n"
                self.wfile.write(owner.ask(head.encode() + body))
                self.close_connection = True

            def log_message(self, *_):
                pass

        self.start()
        self.front = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.front.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.front.server_port}/"
        threading.Thread(target=self.front.serve_forever, daemon=True).start()

    def start(self):
        folder = self.ca.folder
        with open(folder / "responder.log", "ab") as log:
            self.process = subprocess.Popen(["openssl", "ocsp", "-index", folder / "index", "-port", "0", "-rsigner", folder / "ca.pem", "-rkey",
                                             folder / "ca.key", "-CA", folder / "ca.pem", *self.holds], stdout=subprocess.PIPE, stderr=log)
        found = None
        while not found:
            line = self.process.stdout.readline()
            if not line:
                raise SystemExit("openssl ocsp does not start")
            found = re.match(rb"ACCEPT .*:(\d+)", line)
        self.port = int(found.group(1))

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def ask(self, octets):
        """It serves one at a time. Where it has ended, another one does."""
        with self.lock:
            for _ in range(5):
                answer = b""
                try:
                    with socket.create_connection(("127.0.0.1", self.port), 60) as it:
                        it.sendall(octets)
                        while more := it.recv(65536):
                            answer += more
                except OSError:
                    pass
                if answer:
                    break
                self.stop()
                self.start()
            return answer

    def state(self):
        return f"openssl ocsp: {self.process.poll()}, " + (self.ca.folder / "responder.log").read_text(encoding="utf-8", errors="replace")[-1000:]

    def look_at_its_book(self):
        """As it is now."""
        with self.lock:
            self.stop()
            self.start()

    def end(self):
        self.front.shutdown()
        self.front.server_close()
        self.stop()


def at_a_responder(story):
    pair = story.certify()
    responder = Responder(story.ca)
    try:
        story.believed("a broker that the responder calls good is believed, without any list", ocsp_responder=responder.url)
        story.doctor("cse broker", "ok", f"{responder.url}; without an answer it is refused")
    finally:
        responder.end()
    story.refused("where an answer is required and the responder is away it is refused", "no source says", ocsp_responder=responder.url)
    story.believed("soft: believed", ocsp_responder=responder.url, ocsp_policy="soft")
    story.ca.revoke(pair)
    responder = Responder(story.ca)
    try:
        for policy in ("require", "soft"):
            story.refused(f"one that the responder calls revoked is not ({policy})", "the certificate is revoked", ocsp_responder=responder.url, ocsp_policy=policy)
        story.believed("off: nobody is asked", ocsp_responder=responder.url, ocsp_policy="off")
    finally:
        responder.end()


def chapters(checks):
    def tell(realm):
        story = Story(realm, checks)
        try:
            by_a_list(story)
            without_a_word(story)
            at_a_responder(story)
        finally:
            story.broker.kill()
    return tell


def main():
    checks = Checks()
    realm = Realm(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-broker-revocation-")))
    return play(realm, checks, chapters(checks))


if __name__ == "__main__":
    sys.exit(main())
