#!/usr/bin/env python3
"""Our device against a server of another library: gnutls-serv, with pre-shared keys and with certificates, over TLS 1.2 and 1.3. It knows
nothing of oneM2M and answers every request with 200, which without X-M2M-RSC counts as 2000; whoever cannot prove that he is the CSE sees none.

usage: gnutls_server.py GATEHOUSE   (exit code 0: every check held)
"""
import json
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from device_certificate import given, issue, new_device  # noqa: E402
from notify_ae import tell  # noqa: E402
from providers import ForeignCa  # noqa: E402
from transit import SP  # noqa: E402

CSE = f"in-cse.{SP}"
IDENTITY = "meter@keys.example.com"
KEY, WRONG = "00112233445566778899aabbccddeeff" * 2, "ff" * 32
WAIT_S = 60
PSK = {"TLS 1.2, PSK": "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+PSK",
       "TLS 1.2, PSK with CBC": "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+PSK:-CIPHER-ALL:+AES-128-CBC:-MAC-ALL:+SHA256",
       "TLS 1.2, ECDHE-PSK": "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ECDHE-PSK",
       "TLS 1.3": "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK"}
CERTIFICATES = {"TLS 1.2": "NORMAL:-VERS-ALL:+VERS-TLS1.2", "TLS 1.3": "NORMAL:-VERS-ALL:+VERS-TLS1.3",
                "TLS 1.2, ChaCha20": "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+CHACHA20-POLY1305"}


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class GnuTLS:
    """gnutls-serv on a port that was free; it is asked for by its command line alone, so another one may have taken it: then once more."""

    def __init__(self, story, *words):
        self.seen = story.folder / "gnutls-serv.log"
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            self.port = free_port()
            with open(self.seen, "wb") as log:
                self.process = subprocess.Popen(["gnutls-serv", "--http", "--httpdata", story.folder / "data", "--noticket", "-p", str(self.port),
                                                 *map(str, words)], stdout=log, stderr=subprocess.STDOUT)
            story.servers.append(self.process)
            while self.process.poll() is None and time.monotonic() < end:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                        return
                time.sleep(0.05)
        raise SystemExit(f"gnutls-serv does not start: {self.seen.read_text(errors='replace')}")

    def end(self):
        self.process.kill()
        self.process.wait()
        return self.seen.read_text(encoding="utf-8", errors="replace")


def ask(story, device, *server):
    """(answer, what the server said)"""
    at = GnuTLS(story, *server)
    conf = device / "device.conf"
    text = re.sub(r'(cse = \{[^}]*?endpoint = )"[^"]*"', rf'\1"127.0.0.1:{at.port}"', conf.read_text(encoding="utf-8"), count=1)
    conf.write_text(text, encoding="utf-8")
    _, answer = story.call("get", device, "cse-in", "--from", "Cmeter")
    return answer, at.end()


def permitted(story, title, device, *server):
    answer, log = ask(story, device, *server)
    story.expect(answer.get("rsc") == 2000, title, f"{answer}\n{log[-800:]}")


def refused(story, title, why, device, *server):
    answer, log = ask(story, device, *server)
    story.expect("rsc" not in answer and why in json.dumps(answer), title, f"{answer}\n{log[-800:]}")
    story.expect("cse-in" not in log, "and sees no request", log)


def with_keys(story):
    device = new_device(story, "meter")
    key, right, wrong, others = (story.folder / name for name in ("key", "right", "wrong", "others"))
    for path, text in ((key, KEY), (right, f"{IDENTITY}:{KEY}\n"), (wrong, f"{IDENTITY}:{WRONG}\n"), (others, f"x@keys.example.com:{KEY}\n")):
        path.touch(0o600)
        path.write_text(text, encoding="ascii")
    code, answer = story.call("device", "psk", device, "--id", IDENTITY, "--key-file", key)
    story.expect(code == 0, "a device with a provisioned key", answer)
    for version, priority in PSK.items():
        permitted(story, f"{version}: the key opens an association", device, "--pskpasswd", right, "--priority", priority)
        refused(story, f"{version}: a server with another key is refused", "alert", device, "--pskpasswd", wrong, "--priority", priority)
        refused(story, f"{version}: and one that does not know the identity", "alert", device, "--pskpasswd", others, "--priority", priority)
    for what, priority in (("AES-256", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+PSK:-CIPHER-ALL:+AES-256-GCM"),
                           ("finite fields", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+DHE-PSK"),
                           ("TLS 1.1", "NORMAL:-VERS-ALL:+VERS-TLS1.1:-KX-ALL:+PSK:-CIPHER-ALL:+AES-128-CBC:-MAC-ALL:+SHA1")):
        refused(story, f"a server that has nothing but {what} is refused", "alert", device, "--pskpasswd", right, "--priority", priority)
    refused(story, "so is one without extended master secret", "", device, "--pskpasswd", right, "--priority", f"{PSK['TLS 1.2, PSK']}:%NO_SESSION_HASH")
    pair = issue(story, "cse-by-hand", "--fqdn", CSE)
    refused(story, "a server with the right certificate and no key is not asked", "", device, "--x509certfile", pair[0], "--x509keyfile", pair[1])


def server_of(pair, priority, *more):
    return "--x509certfile", pair[0], "--x509keyfile", pair[1], "--priority", priority, *more


def with_certificates(story):
    device = new_device(story, "lamp")
    right, name = issue(story, "cse-1", "--fqdn", CSE), issue(story, "cse-2", "--fqdn", f"other.{SP}")
    foreign = ForeignCa(story.folder / "ca")
    fake = foreign.certificate("fake", f"DNS:{CSE}")
    pair = issue(story, "lamp-by-hand", "--ae-id", f"//{SP}/in-cse/Cmeter")
    code, answer = given(story, device, *pair)
    story.expect(code == 0, "a device with a certificate", answer)
    for version, priority in CERTIFICATES.items():
        # It asks for the device's certificate and does not judge it: our CA constrains the URIs of AE-IDs, and GnuTLS 3.7 takes no
        # certificate with a constraint of that kind. Below it judges one of a CA without constraints.
        permitted(story, f"{version}: the certificate of the CSE is believed", device, *server_of(right, priority, "--require-client-cert"))
        refused(story, f"{version}: another name of the same CA is not", "", device, *server_of(name, priority))
        refused(story, f"{version}: nor the name, of another CA", "", device, *server_of(fake, priority))
    refused(story, "nor a server that has a key and no certificate", "alert", device, "--pskpasswd", story.folder / "right", "--priority",
            PSK["TLS 1.2, ECDHE-PSK"])
    code, answer = given(story, device, *foreign.certificate("known", f"URI://{SP}/in-cse/Cmeter"))
    story.expect(code == 0, "a certificate of a CA without constraints", answer)
    stranger = ForeignCa(story.folder / "stranger")
    for version, priority in CERTIFICATES.items():
        judge = ("--require-client-cert", "--verify-client-cert", "--x509cafile")
        permitted(story, f"{version}: GnuTLS judges the certificate of the device", device, *server_of(right, priority, *judge, foreign.folder / "ca.pem"))
        answer, log = ask(story, device, *server_of(right, priority, *judge, stranger.folder / "ca.pem"))
        story.expect("rsc" not in answer and "cse-in" not in log, f"{version}: and refuses it where it does not know the CA", f"{answer}\n{log[-800:]}")


def chapters(story):
    (story.folder / "data").write_text("", encoding="ascii")
    with_keys(story)
    with_certificates(story)


if __name__ == "__main__":
    if not shutil.which("gnutls-serv"):
        sys.exit("gnutls-serv is missing: tools/setup.sh test installs it")
    sys.exit(tell("gnutls", chapters))
