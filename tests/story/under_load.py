#!/usr/bin/env python3
"""Reload, revocation and the end, while requests run: clients over HTTP/1.1, HTTP/2 and CoAP keep a CSE with several workers busy;
SIGHUP takes up one renewed certificate after the other, keys of the MAF are revoked. Nobody who may ask
is refused, and nobody gets an answer after the revocation of the key. Of most use with a program that was built for ThreadSanitizer.

usage: under_load.py GATEHOUSE   (exit code 0: every check held)
"""
import json
import pathlib
import re
import shutil
import signal
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from kept_websocket import until  # noqa: E402
from outgoing import settings  # noqa: E402
from third_party import Checks, run  # noqa: E402
from transit import SP, Realm  # noqa: E402

RELOADS = 3


class Client(threading.Thread):
    """Asks until it is stopped; keeps every answer."""

    def __init__(self, ask):
        super().__init__(daemon=True)
        self.ask, self.answers, self.over = ask, [], threading.Event()
        self.start()

    def run(self):
        while not self.over.is_set():
            self.answers.append(self.ask())

    def asked(self, more):
        """Waits for so many further answers."""
        there = len(self.answers)
        return until(lambda: len(self.answers) >= there + more, 60)

    def end(self):
        self.over.set()
        self.join(60)
        return self.answers


def curl(realm, where, folder, *more):
    """Several requests over one association."""
    name = f"in-cse.{SP}"
    urls = [word for i in range(5) for word in (["--next"] if i else []) + [
        "-s", "-o", "/dev/null", "-w", "%{http_code} ", "--cacert", realm.dir / "ca.pem", "--cert", folder / "load.pem", "--key", folder / "load.key",
        "--connect-to", f"{name}:443:{where}", "-H", f"X-M2M-RI: l{i}", "-H", "X-M2M-RVI: 3", "-H", "X-M2M-Origin: Cload", *more, f"https://{name}/cse-in/Cload"]]
    return run(["curl", *urls])[1].split()


def prepare(checks, realm, folder):
    checks.expect(realm.call("init", realm.dir, "--sp-id", SP, "--mn-cse", "mn1")[0] == 0, "a realm")
    settings(realm, "cse", coap_listen="127.0.0.1:0")
    conf = realm.dir / "gatehouse.conf"
    conf.write_text(re.sub(r"\bworkers = \d+", "workers = 4", conf.read_text(encoding="utf-8")), encoding="utf-8")
    for name in ("mef", "maf", "cse", "mn1"):
        realm.start(name)
    checks.expect(realm.log_says("mn1", ": registered-at-registrar"), "mn1 registers")
    realm.call("ca", "issue", realm.dir, "--ae-id", f"//{SP}/in-cse/Cload", "--cert", folder / "load.pem", "--key", folder / "load.key")
    where = (realm.dir / "run" / "cse.endpoint").read_text(encoding="ascii").strip()
    ae = json.dumps({"m2m:ae": {"api": "N.load", "rr": False, "srv": ["3"]}})
    made = run(["curl", "-s", "-i", "--cacert", realm.dir / "ca.pem", "--cert", folder / "load.pem", "--key", folder / "load.key", "--connect-to",
                f"in-cse.{SP}:443:{where}", "-H", "X-M2M-RI: r", "-H", "X-M2M-RVI: 3", "-H", "X-M2M-Origin: C", "-H",
                "Content-Type: application/json;ty=2", "-d", ae, f"https://in-cse.{SP}/cse-in"])[1]
    checks.expect("x-m2m-rsc: 2001" in made.lower(), "curl registers by certificate", made)
    return where


def reload_often(checks, realm, clients):
    for i in range(RELOADS):
        name = ("cse", "maf", "mn1")[i % 3]
        before = realm.log(name).count("credentials-renewed")
        checks.expect(realm.call("ca", "renew", realm.dir, name)[0] == 0, f"{name}: a new certificate")
        realm.processes[name].send_signal(signal.SIGHUP)
        checks.expect(realm.log_says(name, "credentials-renewed", before + 1), f"{name} takes it up under load")
        checks.expect(all(client.asked(2) for client in clients), "requests go on")


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-load-"))
    realm, checks, clients = Realm(pathlib.Path(sys.argv[1]).resolve(), folder), Checks(), []
    try:
        where = prepare(checks, realm, folder)
        near, gone, far = realm.device("near", "in-cse"), realm.device("gone", "in-cse"), realm.device("far", "mn1")
        clients = [Client(lambda: curl(realm, where, folder, "--http1.1")), Client(lambda: curl(realm, where, folder, "--http2")),
                   Client(lambda: [realm.rsc("get", near, "cse-in/Cnear", "--binding", "coap")]),
                   Client(lambda: [realm.rsc("get", far, "/in-cse/cse-in/Cfar")])]
        leaver = Client(lambda: [realm.rsc("get", gone, "cse-in/Cgone")])
        reload_often(checks, realm, [*clients, leaver])
        listed = run([realm.gatehouse, "maf", "key", "list", realm.dir])[1]
        found = [line for line in listed.splitlines() if "Cgone" in line]
        key = re.search(r"\b[0-9A-F]{32}\b", found[0] if found else "")
        checks.expect(key is not None, "the key of one device is found", listed)
        checks.expect(key and realm.call("maf", "key", "revoke", realm.dir, key.group(0))[0] == 0, "and revoked")
        checks.expect(until(lambda: leaver.answers[-1] != [2000], 20), "it gets no answer any more", str(leaver.answers[-2:]))
        checks.expect(all(client.asked(2) for client in clients), "the others do")
        leaver.end()
        results = [client.end() for client in clients]
        for title, answers, good in (("HTTP/1.1", results[0], ["200"] * 5), ("HTTP/2", results[1], ["200"] * 5), ("CoAP", results[2], [2000])):
            bad = [a for a in answers if a != good]
            checks.expect(not bad and len(answers) > RELOADS, f"{title}: all of {len(answers)} are answered", str(bad[:3]))
        checks.expect(set(map(tuple, results[3])) <= {(4004,), (4103,)}, "mn1 forwards, and the IN-CSE decides", str(results[3][-3:]))
        busy = [Client(lambda: curl(realm, where, folder, "--http2")), Client(lambda: [realm.rsc("get", far, "/in-cse/cse-in/Cfar")])]
        checks.expect(all(client.asked(1) for client in busy), "requests run")
        for name in list(realm.processes):
            checks.expect(realm.kill(name, signal.SIGTERM) == 0, f"{name} stops on SIGTERM in the middle of them")
        for client in busy:
            client.end()
        if checks.failed:
            print("--- cse", realm.log("cse")[-5000:], sep="\n")
    finally:
        for client in clients:
            client.over.set()
        for name in list(realm.processes):
            realm.kill(name)
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
