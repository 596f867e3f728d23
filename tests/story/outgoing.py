#!/usr/bin/env python3
"""Functions that call each other over CoAP, with real processes: MN and IN over DTLS (through a path that loses datagrams) and over
TLS, keys of the MAF over DTLS, keys of the MEF over TLS; a silent peer, a peer that is somebody else.

usage: outgoing.py GATEHOUSE   (exit code 0: every check held)
"""
import concurrent.futures
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
from third_party import Checks, run  # noqa: E402
from transit import SP, Realm  # noqa: E402


class Relay:
    """A path of datagrams to one place: loses each `lose`th, or all while it is `silent`."""

    def __init__(self, lose):
        self.lose, self.silent, self.there = lose, False, None
        self.front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.front.bind(("127.0.0.1", 0))
        self.port, self.ways, self.passed, self.lost = self.front.getsockname()[1], {}, 0, 0
        threading.Thread(target=self.forth, daemon=True).start()

    def passes(self):
        if self.silent or (self.passed + self.lost) % self.lose == self.lose - 1:
            self.lost += 1
            return False
        self.passed += 1
        return True

    def forth(self):
        while True:
            octets, client = self.front.recvfrom(65536)
            if self.there is None:
                continue
            if client not in self.ways:
                self.ways[client] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                self.ways[client].connect(("127.0.0.1", self.there))
                threading.Thread(target=self.back, args=(client,), daemon=True).start()
            if self.passes():
                try:
                    self.ways[client].send(octets)
                except OSError:  # nobody listens there just now
                    pass

    def back(self, client):
        while True:
            try:
                octets = self.ways[client].recv(65536)
            except OSError:
                continue
            if self.passes():
                self.front.sendto(octets, client)


def settings(realm, function, **changes):
    """Changes settings of one function in gatehouse.conf."""
    path = realm.dir / "gatehouse.conf"
    text = path.read_text(encoding="utf-8")
    begin = re.search(rf"^  {function} = {{$", text, re.M).start()
    end = text.index("\n  };", begin)
    section = text[begin:end]
    for name, value in changes.items():
        value = value if isinstance(value, int) else json.dumps(value)
        section, count = re.subn(rf"^    {name} = .*;", f"    {name} = {value};", section, flags=re.M)
        assert count == 1, (function, name)
    path.write_text(text[:begin] + section + text[end:], encoding="utf-8")


def port_of(realm, file):
    for _ in range(600):
        path = realm.dir / "run" / file
        if path.exists():
            return int(path.read_text(encoding="ascii").rsplit(":", 1)[1])
        time.sleep(0.05)
    raise SystemExit(f"no {file}")


def configure(checks, realm, relay, second):
    code, answer = realm.call("init", realm.dir, "--sp-id", SP, "--mn-cse", "mn1", "--mn-cse", "mn2")
    checks.expect(code == 0, "a realm with an IN-CSE and two MN-CSEs", str(answer))
    udp, tcp = {"coap_listen": "127.0.0.1:0"}, {"coaps_tcp_listen": "127.0.0.1:0"}
    settings(realm, "maf", reach="coaps://auto", **udp)
    settings(realm, "mef", reach="coaps+tcp://auto", **tcp)
    settings(realm, "cse", reach=f"coaps://127.0.0.1:{relay.port}", **udp)
    settings(realm, "mn1", reach=f"coaps://127.0.0.1:{second.port}", **udp)
    settings(realm, "mn2", reach="coaps+tcp://auto", **tcp)


def associations(realm, name, peer):
    """Protocols of the associations that `name` accepted from `peer`."""
    return set(re.findall(rf'peer="[A-Z]+ {re.escape(peer)}".*?protocol="(\S+) ', realm.log(name)))


def calls(checks, realm, relay, second):
    far, near = realm.device("far", "mn1"), realm.device("near", "in-cse", "--timeout-ms", "50000")  # a block that is lost again and again costs much
    checks.expect(associations(realm, "maf", f"//{SP}/in-cse") == {"DTLSv1.2"}, "the IN-CSE fetches keys from the MAF over DTLS",
                  str(associations(realm, "maf", f"//{SP}/in-cse")))
    checks.expect(f"outgoing-request entity=mef.{SP} binding=coap_tcp " in realm.log("maf"), "the MAF fetches keys from the MEF over CoAP and TLS")
    policy = {"rn": "p", "pv": {"acr": [{"acor": ["Cfar", "/in-cse/Cnear", "/mn2/Cthird"], "acop": 3}]},
              "pvs": {"acr": [{"acor": ["Cfar"], "acop": 63}]}}
    for words in (("--ty", "acp", "--content", json.dumps(policy)), ("--ty", "cnt", "--content", '{"rn":"box","acpi":["cse-mn/Cfar/p"]}')):
        checks.expect(realm.rsc("create", far, "cse-mn/Cfar", *words) == 2001, f"on mn1: {words[1]}")

    def write(i):
        return realm.call("create", near, "/mn1/cse-mn/Cfar/box", "--ty", "cin", "--content", json.dumps({"con": "z" * 2500 + str(i)}))[1]

    with concurrent.futures.ThreadPoolExecutor(3) as pool:  # side by side: what is lost costs each of them seconds
        for i, answer in enumerate([*pool.map(write, range(6)), write(6)]):
            checks.expect(answer.get("rsc") == 2001, f"IN to mn1, in blocks: {i}", str(answer))
    code, answer = realm.call("get", near, "/mn1/cse-mn/Cfar/box/la")
    checks.expect(code == 0 and answer["content"]["m2m:cin"]["con"].endswith("z6"), "reads the last, in blocks", str(answer)[:300])
    count = realm.call("get", far, "cse-mn/Cfar/box")[1].get("content", {}).get("m2m:cnt", {}).get("cni")
    checks.expect(count == 7, "and nothing was stored twice", str(count))
    checks.expect(realm.rsc("get", near, "/mn1/cse-mn/Cfar") == 4103, "what no policy names is refused by the hosting CSE")
    checks.expect(associations(realm, "mn1", f"//{SP}/in-cse") == {"DTLSv1.2"}, "mn1 is called over DTLS")
    third = realm.device("third", "mn2")
    checks.expect(realm.rsc("get", third, "/mn1/cse-mn/Cfar/box/la") == 2000, "an AE of mn2 reads it by way of the IN-CSE")
    checks.expect(second.lost > 2 and second.passed > 50, "through a path that loses datagrams", f"{second.lost} of {second.passed}")
    return near, third


def silence(checks, realm, relay, third):
    relay.silent = True
    begin = time.monotonic()
    rsc = realm.rsc("get", third, "/mn1/cse-mn/Cfar/box/la")
    took = time.monotonic() - begin
    checks.expect(rsc == 4008, "a path that falls silent: 4008, as with HTTP", str(rsc))
    checks.expect(took > 4, "when the time of the request is over", f"{took:.1f} s")
    relay.silent = False
    checks.expect(realm.rsc("get", third, "/mn1/cse-mn/Cfar/box/la") == 2000, "it speaks again: the next request makes a new association")


def somebody_else(checks, realm, relay, third):
    """At the address of the IN-CSE there is another function, with a good certificate of its own."""
    in_cse, relay.there = relay.there, port_of(realm, "maf.coap.endpoint")
    realm.kill("mn2", signal.SIGTERM)
    realm.start("mn2")
    checks.expect(realm.rsc("get", third, "/mn1/cse-mn/Cfar/box/la") in (5103, 4008), "somebody else at that address is not asked")
    checks.expect(realm.log_says("mn2", "hostname mismatch", 2), "its certificate bears another name")
    relay.there = in_cse
    checks.expect(realm.log_says("mn2", ": registered-at-registrar", 2), "the right one is there again: mn2 registers")
    checks.expect(realm.rsc("get", third, "/mn1/cse-mn/Cfar/box/la") == 2000, "and its AEs get through")


def refused_settings(checks, realm):
    path = realm.dir / "gatehouse.conf"
    good = path.read_text(encoding="utf-8")
    for function, changes in (("cse", {"reach": "coap://auto"}), ("mef", {"reach": "coaps://auto"}), ("maf", {"reach": "none"}),
                              ("cse", {"reach": "coaps+tcp://auto"}), ("mn1", {"reach": "coaps://host"}), ("mef", {"reach": "wss://auto"})):
        settings(realm, function, **changes)
        code, text = run([realm.gatehouse, "doctor", realm.dir])
        checks.expect(code != 0 and "reach" in text, f"{function}: {changes} is refused", text[:300])
        path.write_text(good, encoding="utf-8")


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-outgoing-"))
    realm, checks, relay, second = Realm(pathlib.Path(sys.argv[1]).resolve(), folder), Checks(), Relay(23), Relay(13)
    try:
        configure(checks, realm, relay, second)
        for name, limit in (("mn1", 6000), ("cse", 45000), ("mn2", 6000)):
            settings(realm, name, transit_ms=limit)
        refused_settings(checks, realm)
        for name in ("mef", "maf", "cse"):
            realm.start(name)
        relay.there = port_of(realm, "cse.coap.endpoint")
        realm.start("mn1")
        second.there = port_of(realm, "mn1.coap.endpoint")
        realm.start("mn2")
        for name in ("mn1", "mn2"):
            checks.expect(realm.log_says(name, ": registered-at-registrar"), f"{name} registers at the IN-CSE")
        stored = b"".join(path.read_bytes() for path in realm.dir.glob("cse.db*"))
        checks.expect(f"coaps://127.0.0.1:{second.port}".encode() in stored, "and says where it is reached")
        _, third = calls(checks, realm, relay, second)
        silence(checks, realm, relay, third)
        somebody_else(checks, realm, relay, third)
        for name in list(realm.processes):
            checks.expect(realm.kill(name, signal.SIGTERM) == 0, f"{name} stops on SIGTERM")
        if checks.failed:
            for name in ("mn2", "cse", "mn1"):
                print(f"--- {name}", realm.log(name)[-5000:], sep="\n")
    finally:
        for name in list(realm.processes):
            realm.kill(name)
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
