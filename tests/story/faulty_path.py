#!/usr/bin/env python3
"""Two machines, and between them a path that loses every fifth packet, doubles and reorders others, for TCP and UDP alike: made of two network
namespaces with a TUN device each, and a relay. CSEs and devices associate over every binding; what is acknowledged is there, and once.

usage: faulty_path.py GATEHOUSE [SEED]   (exit code 0: every check held; 77: namespaces with TUN devices cannot be made here)
"""
import collections
import ctypes
import fcntl
import heapq
import json
import os
import pathlib
import random
import re
import select
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from kept_websocket import until  # noqa: E402
from outgoing import settings  # noqa: E402
from small_path import HERE, THERE, There, TwoMachines, enter_namespaces  # noqa: E402
from third_party import Checks, key_in_hex, run  # noqa: E402
from transit import SP, play  # noqa: E402

LOST, DOUBLED, DELAYED = 0.20, 0.10, 0.20  # of all packets, in each direction
DELAY_S = (0.010, 0.060)
TUNSETIFF, IFF_TUN, IFF_NO_PI, CLONE_NEWNET = 0x400454CA, 0x0001, 0x1000, 0x40000000
WRITES = 3


def open_tun(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return fd


def open_tun_in(pid, name):
    """A thread goes there, opens, and ends: the descriptor stays."""
    found = []

    def go():
        with open(f"/proc/{pid}/ns/net", "rb") as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) == 0:
                found.append(open_tun(name))

    thread = threading.Thread(target=go)
    thread.start()
    thread.join()
    return found[0]


class FaultyPath(There):
    """The other machine, and what happens to packets on the way."""

    def __init__(self, seed):  # pylint: disable=super-init-not-called
        self.keeper = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec sleep 600"], stdout=subprocess.PIPE)
        self.keeper.stdout.readline()
        self.enter = ["nsenter", "-t", str(self.keeper.pid), "-n"]
        self.random = random.Random(seed)
        self.count = collections.Counter()
        self.ends = [open_tun("gha"), open_tun_in(self.keeper.pid, "ghb")]
        for address, name, before in ((HERE, "gha", []), (THERE, "ghb", self.enter)):
            for words in (f"addr add {address}/24 dev {name}", f"link set {name} up", "link set lo up"):
                self.ip(words, *before)
        self.stopping = False
        self.relay = threading.Thread(target=self.carry)
        self.relay.start()

    def fate(self):
        """The moments, from now, at which a packet arrives."""
        chance = self.random.random()
        later = self.random.uniform(*DELAY_S)
        for name, part, moments in (("lost", LOST, []), ("doubled", DOUBLED, [0, later]), ("delayed", DELAYED, [later])):
            if chance < part:
                self.count[name] += 1
                return moments
            chance -= part
        self.count["passed"] += 1
        return [0]

    def carry(self):
        waiting, number = [], 0
        while not self.stopping:
            pause = max(0, waiting[0][0] - time.monotonic()) if waiting else 0.05
            for end in select.select(self.ends, [], [], min(pause, 0.05))[0]:
                packet, other = os.read(end, 65536), self.ends[self.ends[0] == end]
                if packet[0] >> 4 != 4:
                    continue  # neighbours that IPv6 looks for
                for moment in self.fate():
                    number += 1
                    heapq.heappush(waiting, (time.monotonic() + moment, number, other, packet))
            while waiting and waiting[0][0] <= time.monotonic():
                _, _, end, packet = heapq.heappop(waiting)
                try:
                    os.write(end, packet)
                except OSError:
                    self.count["not taken"] += 1

    def end(self):
        self.stopping = True
        self.relay.join()
        for fd in self.ends:
            os.close(fd)
        super().end()


def prepare(checks, realm):
    code, answer = realm.call("init", realm.dir, "--sp-id", SP, "--mn-cse", "mn1")
    checks.expect(code == 0, "a realm on two machines", str(answer))
    for name, where in (("mef", HERE), ("maf", HERE), ("cse", HERE), ("mn1", THERE)):
        settings(realm, name, listen=f"{where}:0", fetch_timeout_ms=20000)
    for name, where in (("cse", HERE), ("mn1", THERE)):
        settings(realm, name, coap_listen=f"{where}:0", coaps_tcp_listen=f"{where}:0", reach="coaps://auto", transit_ms=30000)
    conf = realm.dir / "gatehouse.conf"
    text = conf.read_text(encoding="utf-8")
    for name, value in (("handshake_ms", 40000), ("request_ms", 40000)):
        text = re.sub(rf"\b{name} = \d+", f"{name} = {value}", text)
    conf.write_text(text, encoding="utf-8")
    for name in ("mef", "maf", "cse", "mn1"):
        realm.start(name)


def patiently(call, *words):
    """What a person does when the network is bad: once more, three times. Only for what may be done twice."""
    for _ in range(3):
        code, answer = call(*words)
        if code in (0, 1):
            break
    return code, answer


def a_device(checks, realm):
    where, key = realm.folder / "far", realm.folder / "far.kpm"
    for step in (("device", "new", where, "--realm", realm.dir, "--cse-id", "in-cse", "--kpm-id", "far", "--generate", key, "--timeout-ms", "40000"),
                 ("mef", "enrolee", "add", realm.dir, "--id", "far", "--enrolee-id", f"//{SP}/in-cse/Cfar", "--key-file", key)):
        code, answer = realm.call(*step)
        checks.expect(code == 0, " ".join(map(str, step[:2])), str(answer))
    for step in (("enrol", where), ("register", where, "--app-id", "N.story")):
        code, answer = patiently(realm.over_there, *step)
        checks.expect(code == 0, f"over there: {step[0]}", str(answer))
    return where


def every_binding(checks, realm, far):
    for binding in ("http", "coap", "coaps_tcp", "ws"):
        box = f"cse-in/Cfar/{binding}"
        code, answer = patiently(realm.over_there, "create", far, "cse-in/Cfar", "--ty", "cnt", "--content", json.dumps({"rn": binding}))
        checks.expect(answer.get("rsc") in (2001, 4105), f"{binding}: a container", str(answer))  # 4105: the answer to the first was lost
        began = time.monotonic()
        acknowledged = sum(realm.over_there("create", far, box, "--ty", "cin", "--content", json.dumps({"con": str(i)}), "--binding", binding)[1]
                           .get("rsc") == 2001 for i in range(WRITES))
        checks.expect(acknowledged >= 1, f"{binding}: {acknowledged} of {WRITES} instances acknowledged, {time.monotonic() - began:.1f} s")
        code, answer = patiently(realm.over_there, "get", far, box, "--binding", binding)
        there = answer.get("content", {}).get("m2m:cnt", {}).get("cni", -1)
        checks.expect(acknowledged <= there <= WRITES, f"{binding}: what was acknowledged is there, nothing twice: {there}", str(answer))


def the_cses(checks, realm, far):
    checks.expect(until(lambda: ": registered-at-registrar" in realm.log("mn1"), 90), "mn1 registers over DTLS, with certificates")
    results = [realm.over_there("get", far, "/mn1/cse-mn")[1].get("rsc") for _ in range(4)]
    checks.expect(results.count(4103) >= 2, "requests go through the IN-CSE to mn1, and its refusal comes back", str(results))


def foreign_clients(checks, realm, path):
    file, name = realm.folder / "foreign", "foreign@keys.example.com"
    realm.call("cse", "key", "add", realm.dir, "--id", name, "--peer", f"//{SP}/in-cse/Cforeign", "--generate", file)
    request = "GET /cse-in HTTP/1.1\r\nHost: x\r\nX-M2M-RI: f1\r\nX-M2M-RVI: 3\r\nX-M2M-Origin: Cforeign\r\nConnection: close\r\n\r\n"
    for version, endpoint in (("-tls1_2", "cse"), ("-tls1_3", "cse"), ("-dtls1_2", "cse.coap")):
        where = (realm.dir / "run" / f"{endpoint}.endpoint").read_text(encoding="ascii").strip()
        more = ["-cipher", "ECDHE-PSK-CHACHA20-POLY1305"] if version == "-dtls1_2" else ["-ign_eof"]
        wanted = "Cipher is ECDHE-PSK-CHACHA20-POLY1305" if version == "-dtls1_2" else "X-M2M-RSC: 4103"
        done = []
        while len(done) < 3 and not (done and wanted in done[-1]):
            done.append(run([*path.enter, "openssl", "s_client", version, "-connect", where, "-psk_identity", name, "-psk", key_in_hex(file),
                             "-servername", f"in-cse.{SP}", *more], "" if version == "-dtls1_2" else request, limit=60)[1])
        checks.expect(wanted in done[-1], f"openssl s_client {version}, in {len(done)} attempts", done[-1][-300:])


def main():
    enter_namespaces("TUN devices", "tuntap", "add", "dev", "gha", "mode", "tun")
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    checks, path = Checks(), FaultyPath(seed)
    realm = TwoMachines(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-faulty-")), path)

    def chapters(realm):
        prepare(checks, realm)
        far = a_device(checks, realm)
        the_cses(checks, realm, far)
        every_binding(checks, realm, far)
        foreign_clients(checks, realm, path)
        checks.expect(all(path.count[name] > 20 for name in ("lost", "doubled", "delayed")), f"the path did its worst: {dict(path.count)}")
    return play(realm, checks, chapters)


if __name__ == "__main__":
    sys.exit(main())
