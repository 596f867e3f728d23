#!/usr/bin/env python3
"""CSE to CSE with real processes: two MN-CSEs register at the IN-CSE over certificates, requests of devices go through in both
directions, and what is said in a wrong name does not.

usage: transit.py GATEHOUSE   (exit code 0: every check held)
"""
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from third_party import Checks, note_crash, run  # noqa: E402

SP = "sp.example.com"


class Realm:
    """A realm with one process for each function."""

    def __init__(self, gatehouse, folder):
        self.gatehouse, self.folder, self.dir = gatehouse, folder, folder / "realm"
        self.processes = {}

    def call(self, *words):
        """(exit code, answer as JSON)"""
        code, text = run([self.gatehouse, *words, "--json"])
        try:
            return code, json.loads(text.strip().splitlines()[-1])
        except (IndexError, ValueError):
            return code, {"text": text}

    def rsc(self, *words):
        return self.call(*words)[1].get("rsc")

    def start(self, name):
        log = open(self.folder / f"{name}.log", "ab")
        self.processes[name] = subprocess.Popen([self.gatehouse, "serve", "-c", self.dir, name, "--json"],
                                                stdout=subprocess.PIPE, stderr=log)
        log.close()
        self.processes[name].stdout.readline()

    def kill(self, name, number=signal.SIGKILL):
        process = self.processes.pop(name)
        process.send_signal(number)
        code = process.wait(30)
        note_crash(name, code)
        return code

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(encoding="utf-8")

    def log_says(self, name, text, times=1):
        """Waits until the log of a function holds the text so many times."""
        for _ in range(600):
            if self.log(name).count(text) >= times:
                return True
            time.sleep(0.05)
        return False

    def end(self):
        """What else was started."""

    def device(self, name, cse, *more):
        """Enrolled and registered at one of the CSEs."""
        where, key = self.folder / name, self.folder / f"{name}.kpm"
        steps = [("device", "new", where, "--realm", self.dir, "--cse-id", cse, "--kpm-id", name, "--generate", key, *more),
                 ("mef", "enrolee", "add", self.dir, "--id", name, "--enrolee-id", f"//{SP}/{cse}/C{name}", "--key-file", key),
                 ("enrol", where), ("register", where, "--app-id", "N.story")]
        for step in steps:
            code, answer = self.call(*step)
            if code != 0:
                raise SystemExit(f"{' '.join(map(str, step))}: {answer}")
        return where


def play(realm, checks, chapters):
    """Plays a story, stops every process and tidies up. The exit code."""
    told = False
    try:
        chapters(realm)
        for name in list(realm.processes):
            checks.expect(realm.kill(name, signal.SIGTERM) == 0, f"{name} stops on SIGTERM")
        told = True
    finally:
        for name in list(realm.processes):
            realm.kill(name)
        if checks.failed or not told:
            for file in sorted(realm.folder.glob("*.log")):
                print(f"--- {file.name}", file.read_text(encoding="utf-8", errors="replace")[-5000:], sep="\n")
        realm.end()
        shutil.rmtree(realm.folder, ignore_errors=True)
    return 1 if checks.failed else 0


def through_the_in_cse(checks, realm):
    far, near, third = realm.device("far", "mn1"), realm.device("near", "in-cse"), realm.device("third", "mn2")
    checks.expect(realm.rsc("create", far, "cse-mn/Cfar", "--ty", "cnt", "--content", '{"rn":"box"}') == 2001, "a container on mn1")
    policy = {"rn": "p", "pv": {"acr": [{"acor": ["/in-cse/Cnear", "/mn2/Cthird"], "acop": 3}]},
              "pvs": {"acr": [{"acor": ["Cfar"], "acop": 63}]}}
    checks.expect(realm.rsc("get", near, "/mn1/cse-mn/Cfar/box") == 4103, "before a policy permits it, the request arrives and is refused")
    checks.expect(realm.rsc("create", far, "cse-mn/Cfar", "--ty", "acp", "--content", json.dumps(policy)) == 2001, "a policy on mn1")
    code, answer = realm.call("update", far, "cse-mn/Cfar/box", "--content", '{"m2m:cnt":{"acpi":["cse-mn/Cfar/p"]}}')
    checks.expect(code == 0, "is linked", str(answer))
    checks.expect(realm.rsc("create", near, "/mn1/cse-mn/Cfar/box", "--ty", "cin", "--content", '{"con":"21.5"}') == 2001,
                  "an AE of the IN-CSE writes on mn1")
    code, answer = realm.call("get", third, f"//{SP}/mn1/cse-mn/Cfar/box/la")
    checks.expect(code == 0 and answer.get("content", {}).get("m2m:cin", {}).get("con") == "21.5",
                  "an AE of mn2 reads it, by way of the IN-CSE", str(answer))
    checks.expect(realm.rsc("get", near, "/mn1/cse-mn/Cfar") == 4103, "what no policy names is refused by the hosting CSE")
    checks.expect(realm.rsc("get", third, "/nowhere/cse") == 4004, "an unknown CSE is not found")
    checks.expect(realm.rsc("get", near, "/mn1/cse-mn/Cfar/box", "--from", "Cother") == 4106, "a false name ends at the registrar")
    refused = [line for line in realm.log("mn1").splitlines() if "rsc=4106" in line]
    checks.expect(not refused, "and does not reach the hosting CSE", "\n".join(refused))
    return far, near, third


def registrar_is_lost(checks, realm, near, third):
    realm.kill("cse")
    checks.expect(realm.rsc("get", third, "/mn1/cse-mn/Cfar/box") == 5103, "without the IN-CSE: 5103")
    realm.start("cse")
    checks.expect(realm.rsc("get", third, "/mn1/cse-mn/Cfar/box") == 2000, "it is back, and knows its registrees")
    realm.kill("mn1")
    checks.expect(realm.rsc("get", near, "/mn1/cse-mn/Cfar/box") == 5103, "without mn1: 5103")
    realm.start("mn1")
    checks.expect(realm.log_says("mn1", ": registered-at-registrar", 2), "mn1 finds its registration again")
    checks.expect(realm.rsc("get", near, "/mn1/cse-mn/Cfar/box/la") == 2000, "and what was stored")


def with_a_provisioned_key(checks, realm, near):
    """TS-0003 8.2.2.1 between CSEs: the same Kpsa for both; new associations use it, in both directions."""
    key = realm.folder / "kpsa"
    checks.expect(realm.call("cse", "key", "add", realm.dir, "--id", "mcc@keys.example.com", "--peer", f"//{SP}/mn1", "--generate", key)[0] == 0,
                  "the IN-CSE is given a key for mn1")
    code, answer = realm.call("cse", "key", "add", realm.dir, "-f", "mn1", "--id", "mcc@keys.example.com", "--peer", f"//{SP}/in-cse",
                              "--key-file", key)
    checks.expect(code == 0, "and mn1 the same for the IN-CSE", str(answer))
    for name in ("mn1", "cse"):
        realm.kill(name, signal.SIGTERM)
    realm.start("cse")
    realm.start("mn1")
    checks.expect(realm.log_says("cse", f'peer="CSE //{SP}/mn1" credential=12-mcc@keys.example.com'), "mn1 associates with it")
    checks.expect(realm.rsc("get", near, "/mn1/cse-mn/Cfar/box/la") == 2000, "a request goes through")
    checks.expect(realm.log_says("mn1", f'peer="CSE //{SP}/in-cse" credential=12-mcc@keys.example.com'), "over the same key, the other way")
    another = realm.folder / "kpsa-2"
    for function in ("cse", "mn1"):
        checks.expect(realm.call("cse", "key", "delete", realm.dir, "mcc@keys.example.com", "-f", function)[0] == 0, f"{function} forgets the key")
    checks.expect(realm.call("cse", "key", "add", realm.dir, "--id", "mcc@keys.example.com", "--peer", f"//{SP}/mn1", "--generate", another)[0] == 0
                  and realm.call("cse", "key", "add", realm.dir, "-f", "mn1", "--id", "mcc@keys.example.com", "--peer", f"//{SP}/in-cse",
                                 "--key-file", another)[0] == 0, "both are given another one under the same identifier")
    checks.expect(realm.rsc("get", near, "/mn1/cse-mn/Cfar/box/la") == 2000, "which is used at once: the old one is kept nowhere")


def certificates_are_renewed(checks, realm, near):
    """SIGHUP: a new certificate for new associations, nobody is disconnected, a broken file changes nothing."""
    path = realm.dir / "cse.pem"
    where = (realm.dir / "run" / "cse.endpoint").read_text().strip()

    def serial():
        text = run(["openssl", "s_client", "-connect", where, "-servername", f"in-cse.{SP}"])[1]
        begin, end = text.find("-----BEGIN"), text.find("-----END")
        return run(["openssl", "x509", "-noout", "-serial"], text[begin:end] + "-----END CERTIFICATE-----\n")[1]

    before = serial()
    checks.expect(realm.call("ca", "renew", realm.dir, "cse")[0] == 0 and serial() == before, "a new certificate lies ready")
    realm.processes["cse"].send_signal(signal.SIGHUP)
    checks.expect(realm.log_says("cse", "credentials-renewed") and serial() != before, "and is taken up on SIGHUP")
    checks.expect(realm.rsc("get", near, "/mn1/cse-mn/Cfar/box/la") == 2000, "requests go on")
    good, renewed = path.read_bytes(), serial()
    path.write_bytes(b"no certificate")
    realm.processes["cse"].send_signal(signal.SIGHUP)
    checks.expect(realm.log_says("cse", "reload-failed") and serial() == renewed, "a broken file changes nothing")
    path.write_bytes(good)


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-transit-"))
    realm, checks = Realm(pathlib.Path(sys.argv[1]).resolve(), folder), Checks()
    try:
        code, answer = realm.call("init", realm.dir, "--sp-id", SP, "--mn-cse", "mn1", "--mn-cse", "mn2")
        checks.expect(code == 0, "a realm with an IN-CSE and two MN-CSEs", str(answer))
        realm.start("mn1")  # before its registrar is there
        for name in ("mef", "maf", "cse", "mn2"):
            realm.start(name)
        for name in ("mn1", "mn2"):
            checks.expect(realm.log_says(name, ": registered-at-registrar"), f"{name} registers at the IN-CSE")
        _, near, third = through_the_in_cse(checks, realm)
        registrar_is_lost(checks, realm, near, third)
        with_a_provisioned_key(checks, realm, near)
        certificates_are_renewed(checks, realm, near)
        for name in list(realm.processes):
            checks.expect(realm.kill(name, signal.SIGTERM) == 0, f"{name} stops on SIGTERM")
    finally:
        for name in list(realm.processes):
            realm.kill(name)
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
