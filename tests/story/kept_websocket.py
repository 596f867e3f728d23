#!/usr/bin/env python3
"""An MN-CSE that nobody can connect to keeps a WebSocket open to its registrar; requests of both sides go over it. It comes back
when the connection is cut, when the path falls silent and when the registrar was away, and not to somebody else.

usage: kept_websocket.py GATEHOUSE   (exit code 0: every check held)
"""
import json
import pathlib
import re
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from outgoing import port_of, settings  # noqa: E402
from third_party import Checks  # noqa: E402
from transit import SP, Realm  # noqa: E402

IDLE_MS = 2000


class Path:
    """A path of octets to one place; it can be cut, and can fall silent."""

    def __init__(self):
        self.there, self.silent, self.pairs, self.count = None, False, [], 0
        self.front = socket.create_server(("127.0.0.1", 0))
        self.port = self.front.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.front.accept()
            try:
                server = socket.create_connection(("127.0.0.1", self.there))
            except OSError:
                client.close()
                continue
            self.count += 1
            self.pairs.append((client, server))
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self.pump, args=(source, sink), daemon=True).start()

    def pump(self, source, sink):
        try:
            while octets := source.recv(65536):
                while self.silent:
                    time.sleep(0.01)
                sink.sendall(octets)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        for pair in self.pairs:
            for end in pair:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self.pairs = []


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def both_directions(checks, realm, path):
    far, near = realm.device("far", "mn1"), realm.device("near", "in-cse")
    policy = {"rn": "p", "pv": {"acr": [{"acor": ["Cfar", "/in-cse/Cnear"], "acop": 3}]}, "pvs": {"acr": [{"acor": ["Cfar"], "acop": 63}]}}
    for words in (("--ty", "acp", "--content", json.dumps(policy)), ("--ty", "cnt", "--content", '{"rn":"box","acpi":["cse-mn/Cfar/p"]}')):
        checks.expect(realm.rsc("create", far, "cse-mn/Cfar", *words) == 2001, f"on mn1: {words[1]}")
    checks.expect(realm.rsc("create", near, "/mn1/cse-mn/Cfar/box", "--ty", "cin", "--content", '{"con":"down"}') == 2001, "the IN-CSE reaches mn1")
    checks.expect(realm.rsc("get", near, "/mn1/cse-mn/Cfar") == 4103, "where mn1 decides")
    checks.expect(realm.rsc("create", near, "cse-in/Cnear", "--ty", "acp", "--content",
                            json.dumps({**policy, "pv": {"acr": [{"acor": ["Cnear", "/mn1/Cfar"], "acop": 3}]},
                                        "pvs": {"acr": [{"acor": ["Cnear"], "acop": 63}]}})) == 2001, "a policy on the IN-CSE")
    checks.expect(realm.rsc("create", near, "cse-in/Cnear", "--ty", "cnt", "--content", '{"rn":"box","acpi":["cse-in/Cnear/p"]}') == 2001, "a container")
    checks.expect(realm.rsc("create", far, "/in-cse/cse-in/Cnear/box", "--ty", "cin", "--content", '{"con":"up"}') == 2001, "mn1 reaches the IN-CSE")
    checks.expect(realm.rsc("get", far, "/in-cse/cse-in/Cnear") == 4103, "where the IN-CSE decides")
    checks.expect(path.count == 1, "all over one connection", str(path.count))
    accepted = re.findall(r'association association=\d+ peer="CSE ', realm.log("mn1"))
    checks.expect(not accepted, "and nobody has connected to mn1", str(accepted))
    return far, near


def comes_back(checks, realm, path, near):
    def reached():
        return realm.rsc("get", near, "/mn1/cse-mn/Cfar/box/la") == 2000

    path.cut()
    checks.expect(until(lambda: path.count == 2 and realm.log("mn1").count("websocket-open") == 2), "the connection is cut: mn1 opens another one")
    checks.expect(until(reached), "and is reached again")
    path.silent = True
    rsc = realm.rsc("get", near, "/mn1/cse-mn/Cfar/box/la")
    checks.expect(rsc == 4008, "the path falls silent: a request ends with a code", str(rsc))
    checks.expect(until(lambda: realm.log("mn1").count("websocket-not-open") >= 2), "mn1 sees that its pings are not answered")
    checks.expect(realm.log_says("cse", "idle or request incomplete for too long"), "and so does the IN-CSE")
    path.cut()
    path.silent = False
    checks.expect(until(reached), "it speaks again: mn1 is back")
    realm.kill("cse")
    checks.expect(until(lambda: "cannot connect" in realm.log("mn1") or realm.log("mn1").count("websocket-not-open") >= 4), "the IN-CSE is away: mn1 tries again")
    pauses = [int(ms) for ms in re.findall(r"websocket-not-open.*again_ms=(\d+)", realm.log("mn1"))]
    checks.expect(pauses == sorted(pauses) or max(pauses) > pauses[0], "after growing pauses", str(pauses))
    realm.start("cse")
    path.there = port_of(realm, "cse.endpoint")
    checks.expect(until(reached, 60), "it is back, and reaches mn1")


def somebody_else(checks, realm, path, near):
    in_cse, path.there = path.there, port_of(realm, "maf.endpoint")
    before = path.count
    path.cut()
    checks.expect(until(lambda: "hostname mismatch" in realm.log("mn1"), 60), "somebody else in its place is refused by the certificate")
    checks.expect(realm.rsc("get", near, "/mn1/cse-mn/Cfar/box/la") == 5103, "meanwhile mn1 cannot be reached: 5103")
    path.there = in_cse
    checks.expect(until(lambda: realm.rsc("get", near, "/mn1/cse-mn/Cfar/box/la") == 2000, 60), "the right one is there again", f"{path.count} after {before}")


def with_a_key_of_the_maf(checks, gatehouse, folder):
    """TS-0003 8.2.2.3: the connection is made with Kc or not at all, ends with it, and comes back with another."""
    folder.mkdir()
    realm = Realm(gatehouse, folder)
    try:
        code, answer = realm.call("init", realm.dir, "--sp-id", SP, "--mn-cse", "mn1", "--mn-by-maf")
        checks.expect(code == 0, "a realm whose MN-CSE associates by the MAF", str(answer))
        settings(realm, "cse", reach="wss://auto")
        settings(realm, "mn1", reach="none", recheck_s=2)  # so soon it asks whether its key is still good
        for name in ("mef", "cse", "mn1"):
            realm.start(name)
        checks.expect(realm.log_says("mn1", 'reason="no credential"'), "without the MAF there is no connection")
        checks.expect(f"//{SP}/mn1" not in realm.log("cse"), "neither with the certificate nor in clear text")
        realm.start("maf")
        checks.expect(until(lambda: ": registered-at-registrar" in realm.log("mn1"), 60), "with the MAF mn1 registers over its WebSocket")
        keys = re.findall(rf'peer="CSE //{SP}/mn1" credential=12-([0-9A-F]+)@maf', realm.log("cse"))
        checks.expect(keys and f'entity=//{SP}/in-cse binding=http' not in realm.log("mn1"), "with a key of the MAF", str(keys))
        opened = realm.log("mn1").count("websocket-open")
        checks.expect(keys and realm.call("maf", "key", "revoke", realm.dir, keys[-1])[0] == 0, "the key is revoked")
        checks.expect(until(lambda: realm.log("mn1").count("websocket-open") > opened, 60), "the connection ends and is made again")
        later = re.findall(rf'peer="CSE //{SP}/mn1" credential=12-([0-9A-F]+)@maf', realm.log("cse"))
        checks.expect(later[-1] != keys[-1], "with another key", str(later))
    finally:
        for name in list(realm.processes):
            realm.kill(name)
        if checks.failed:
            print("--- mn1", realm.log("mn1")[-4000:], "--- cse", realm.log("cse")[-3000:], sep="\n")


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-kept-"))
    realm, checks, path = Realm(pathlib.Path(sys.argv[1]).resolve(), folder), Checks(), Path()
    try:
        code, answer = realm.call("init", realm.dir, "--sp-id", SP, "--mn-cse", "mn1")
        checks.expect(code == 0, "a realm with an IN-CSE and an MN-CSE", str(answer))
        settings(realm, "cse", reach=f"wss://127.0.0.1:{path.port}", transit_ms=1500)
        settings(realm, "mn1", reach="none", transit_ms=5000)
        conf = realm.dir / "gatehouse.conf"
        conf.write_text(re.sub(r"\bidle_ms = \d+", f"idle_ms = {IDLE_MS}", conf.read_text(encoding="utf-8")), encoding="utf-8")
        for name in ("mef", "maf", "cse"):
            realm.start(name)
        path.there = port_of(realm, "cse.endpoint")
        realm.start("mn1")
        checks.expect(realm.log_says("mn1", ": registered-at-registrar"), "mn1 registers over its WebSocket")
        _, near = both_directions(checks, realm, path)
        comes_back(checks, realm, path, near)
        with_a_key_of_the_maf(checks, realm.gatehouse, folder / "maf")  # meanwhile the connection stands: its next pause is short again
        somebody_else(checks, realm, path, near)
        for name in list(realm.processes):
            checks.expect(realm.kill(name, signal.SIGTERM) == 0, f"{name} stops on SIGTERM")
        if checks.failed:
            for name in ("cse", "mn1"):
                print(f"--- {name}", realm.log(name)[-6000:], sep="\n")
    finally:
        for name in list(realm.processes):
            realm.kill(name)
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
