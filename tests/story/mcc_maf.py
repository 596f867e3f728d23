#!/usr/bin/env python3
"""CSE to CSE by way of the MAF (TS-0003 8.2.2.3) with real processes: an MN-CSE registers a key for its registrar at the MAF and
associates with it and with nothing else; the registrar comes back with the same key; a revoked key is replaced.

usage: mcc_maf.py GATEHOUSE   (exit code 0: every check held)
"""
import pathlib
import re
import shutil
import signal
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from third_party import Checks, run  # noqa: E402
from transit import SP, Realm  # noqa: E402

KC = r"credential=12-([0-9A-F]{32}@maf\.sp\.example\.com)"


def peers(realm, name, peer):
    """Credentials with which the peer proved itself to the function, in order."""
    return re.findall(rf'peer="CSE //{SP}/{peer}" {KC}', realm.log(name))


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-mcc-maf-"))
    realm, checks = Realm(pathlib.Path(sys.argv[1]).resolve(), folder), Checks()
    try:
        code, answer = realm.call("init", realm.dir, "--sp-id", SP, "--mn-cse", "mn1", "--mn-by-maf")
        checks.expect(code == 0, "a realm whose MN-CSE associates by the MAF", str(answer))
        conf = realm.dir / "gatehouse.conf"
        conf.write_text(re.sub(r"recheck_s = \d+", "recheck_s = 1", conf.read_text()))
        for name in ("mef", "cse", "mn1"):
            realm.start(name)
        checks.expect(realm.log_says("mn1", "no-key-for-registrar", 2), "without the MAF it has no key, and says so")
        checks.expect(f"CSE //{SP}/mn1" not in realm.log("cse"), "and its certificate is not used instead")
        realm.start("maf")
        checks.expect(realm.log_says("mn1", "registered-at-registrar"), "with the MAF it registers")
        checks.expect(len(peers(realm, "cse", "mn1")) == 1, "over a key of the MAF", realm.log("cse"))

        far, near = realm.device("far", "mn1"), realm.device("near", "in-cse")
        checks.expect(realm.rsc("create", far, "cse-mn/Cfar", "--ty", "cnt", "--content", '{"rn":"box"}') == 2001, "a container on mn1")
        checks.expect(realm.rsc("get", far, "/in-cse/cse-in/Cnear") == 4103, "a request goes up, and is decided there")
        checks.expect(realm.rsc("get", near, "/mn1/cse-mn/Cfar/box") == 4103, "and down")
        first = peers(realm, "cse", "mn1")[0]
        checks.expect(peers(realm, "mn1", "in-cse") == [first], "over the same key, the other way", realm.log("mn1"))

        relative = first.split("@")[0]
        checks.expect(realm.call("maf", "key", "revoke", realm.dir, relative)[0] == 0, "the key is revoked")
        checks.expect(realm.log_says("mn1", "key-for-registrar key=", 2), "the MN-CSE gets another")
        checks.expect(realm.rsc("get", far, "/in-cse/cse-in/Cnear") == 4103, "and goes on")
        later = peers(realm, "cse", "mn1")
        checks.expect(later[-1] != first and later[0] == first, "over the new key", str(later))

        relative = later[-1].split("@")[0]
        realm.kill("mn1", signal.SIGTERM)
        realm.start("mn1")
        checks.expect(realm.log_says("mn1", "registered-at-registrar", 2), "after a restart it serves on with the key it has")
        checks.expect(peers(realm, "cse", "mn1")[-1] == later[-1] and realm.log("mn1").count("key-for-registrar key=") == 2,
                      "without asking for another")
        stored = b"".join(p.read_bytes() for p in realm.dir.glob("mn1.*"))
        checks.expect(stored.count(relative.encode()) > 0 and b"BEGIN PRIVATE" not in stored, "only its name is in the store")

        conf.write_text(conf.read_text().replace('registrar_maf = "maf.sp.example.com"', 'registrar_maf = "mef.sp.example.com"'))
        code, text = run([realm.gatehouse, "serve", "-c", realm.dir, "mn1"])
        checks.expect(code != 0 and "is no MAF" in text, "a registrar_maf that is no MAF is an error", text)
        for name in list(realm.processes):
            checks.expect(realm.kill(name, signal.SIGTERM) == 0, f"{name} stops on SIGTERM")
    finally:
        for name in list(realm.processes):
            realm.kill(name)
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
