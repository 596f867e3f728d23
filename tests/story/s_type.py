#!/usr/bin/env python3
"""AEs of the provider at MN-CSEs with real processes: the rules of the IN-CSE decide where the AE registers, an S-type AE is
announced at the IN-CSE and believed through its registrar, and without the IN-CSE none comes or goes.

usage: s_type.py GATEHOUSE   (exit code 0: every check held)
"""
import json
import pathlib
import shutil
import signal
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from third_party import Checks  # noqa: E402
from transit import SP, Realm  # noqa: E402


class Provider(Realm):
    def admin(self, where, ty, root, content):
        return self.rsc("create", self.dir, where, "--admin", "--ty", ty, "--content", json.dumps({f"m2m:{root}": content}))

    def enrolled(self, name, cse, identity=None):
        """A device that has a Km and is registered nowhere."""
        where, key = self.folder / f"{name}-{cse}", self.folder / f"{name}-{cse}.kpm"
        added = ["mef", "enrolee", "add", self.dir, "--id", f"{name}-{cse}", "--key-file", key]
        steps = [("device", "new", where, "--realm", self.dir, "--cse-id", cse, "--kpm-id", f"{name}-{cse}", "--generate", key),
                 tuple(added + (["--enrolee-id", identity] if identity else [])), ("enrol", where)]
        for step in steps:
            code, answer = self.call(*step)
            if code != 0:
                raise SystemExit(f"{' '.join(map(str, step))}: {answer}")
        return where

    def register(self, where, app="N.story"):
        return self.call("register", where, "--app-id", app)[1].get("rsc")

    def link(self, stem):
        answer = self.call("get", self.dir, f"/in-cse/{stem}", "--admin")[1]
        return answer.get("content", {}).get("m2m:aeA", {}).get("lnk")


def rules_where_it_registers(checks, realm):
    plain = realm.enrolled("plain", "mn1")
    checks.expect(realm.register(plain) == 4128, "without a subscription for mn1 nobody registers there without an identity")
    checks.expect(realm.admin("cse-in", "asar", "asar", {"rn": "r", "apci": ["1*-*"], "aai": ["N.story"], "aae": ["C*", "Smove*"]}) == 2001,
                  "a rule on the IN-CSE")
    checks.expect(realm.admin("cse-in", "mssp", "mssp", {"rn": "s"}) == 2001, "a profile")
    checks.expect(realm.admin("cse-in/s", "svsn", "svsn", {"ni": "urn:x:mn1", "csi": "/mn1", "rlk": ["cse-in/r"]}) == 2001,
                  "a subscription for mn1")
    checks.expect(realm.register(plain, "N.other") == 4126, "mn1 knows the rule, and refuses another App-ID")
    checks.expect(realm.register(plain) == 2001, "and lets in what it allows")


def announced_at_the_in_cse(checks, realm):
    here = realm.enrolled("a", "mn1", f"//{SP}/Smove1")
    wrong = realm.enrolled("c", "mn1", f"//{SP}/Selse")
    checks.expect(realm.register(here) == 2001, "an S-type AE registers at mn1")
    checks.expect(realm.link("Smove1") == "/mn1/Smove1", "and the IN-CSE knows where", str(realm.link("Smove1")))
    checks.expect(realm.register(wrong) == 4126, "what no rule lists is refused by the IN-CSE")
    checks.expect(realm.rsc("get", here, "/in-cse/Smove1") == 2000, "it is believed through mn1")
    checks.expect(realm.register(here) == 4117, "it registers once")
    checks.expect(realm.rsc("delete", here, "cse-mn/Smove1") == 2002 and realm.link("Smove1") == "INACTIVE", "it leaves, and the IN-CSE knows")
    checks.expect(realm.register(here) == 2001 and realm.link("Smove1") == "/mn1/Smove1", "and comes back")
    checks.expect(realm.rsc("delete", here, "cse-mn/Smove1") == 2002, "and leaves again")
    return here


def in_cse_is_away(checks, realm, here):
    realm.kill("cse")
    checks.expect(realm.register(here) == 5103, "without the IN-CSE no AE-ID is given: 5103")
    plain = realm.enrolled("late", "mn1")
    checks.expect(realm.register(plain) == 4128, "and no rule is known: 4128")
    realm.start("cse")
    checks.expect(realm.register(here) == 2001 and realm.link("Smove1") == "/mn1/Smove1", "it comes back to the same place")
    realm.kill("cse")
    checks.expect(realm.rsc("delete", here, "cse-mn/Smove1") == 5103, "it does not leave without telling")
    checks.expect(realm.rsc("get", here, "cse-mn/Smove1") == 2000, "and is still there")


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-s-type-"))
    realm, checks = Provider(pathlib.Path(sys.argv[1]).resolve(), folder), Checks()
    try:
        code, answer = realm.call("init", realm.dir, "--sp-id", SP, "--mn-cse", "mn1")
        checks.expect(code == 0, "a realm with an IN-CSE and an MN-CSE", str(answer))
        for name in ("mef", "maf", "cse", "mn1"):
            realm.start(name)
        checks.expect(realm.log_says("mn1", "registered-at-registrar"), "mn1 registers at the IN-CSE")
        rules_where_it_registers(checks, realm)
        here = announced_at_the_in_cse(checks, realm)
        in_cse_is_away(checks, realm, here)
        for name in list(realm.processes):
            checks.expect(realm.kill(name, signal.SIGTERM) == 0, f"{name} stops on SIGTERM")
    finally:
        for name in list(realm.processes):
            realm.kill(name)
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
