#!/usr/bin/env python3
"""Two machines with a path of 600 octets between them, made of network namespaces: DTLS handshakes with certificates and with keys, block-wise
transfers, and no IP fragment. Then the link goes down in the middle of requests: both ends end.

usage: small_path.py GATEHOUSE   (exit code 0: every check held; 77: namespaces cannot be made here)
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from kept_websocket import until  # noqa: E402
from outgoing import settings  # noqa: E402
from third_party import Checks, key_in_hex, run  # noqa: E402
from transit import SP, Realm, play  # noqa: E402

HERE, THERE, MTU = "10.66.0.1", "10.66.0.2", 600
INSIDE = "GATEHOUSE_STORY_INSIDE"


def enter_namespaces(what, *words):
    """Runs this program again in a network of its own, where `ip` understands the words."""
    users = [] if os.getuid() == 0 else ["-Ur"]
    if os.environ.get(INSIDE):
        return
    probe = subprocess.run(["unshare", *users, "-n", "ip", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if probe.returncode:
        print(f"skipped: no network namespaces with {what} here: {probe.stdout.decode(errors='replace').strip()}")
        sys.exit(77)
    os.execvpe("unshare", ["unshare", *users, "-n", sys.executable, *sys.argv], {**os.environ, INSIDE: "1"})


class There:
    """The other machine."""

    def __init__(self):
        self.keeper = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec sleep 600"], stdout=subprocess.PIPE)
        self.keeper.stdout.readline()
        self.enter = ["nsenter", "-t", str(self.keeper.pid), "-n"]
        for words in (f"link add gha mtu {MTU} type veth peer name ghb mtu {MTU}", f"link set ghb netns {self.keeper.pid}", f"addr add {HERE}/24 dev gha",
                      "link set gha up", "link set lo up"):
            self.ip(words)
        for words in (f"addr add {THERE}/24 dev ghb", "link set ghb up", "link set lo up"):
            self.ip(words, *self.enter)

    @staticmethod
    def ip(words, *before):
        subprocess.run([*before, "ip", *words.split()], check=True)

    def link(self, state):
        """At the far end: here nothing says that the other machine hears no more."""
        self.ip(f"link set ghb {state}", *self.enter)

    @staticmethod
    def sent():
        """Packets that have left here for the other machine."""
        line = next(line for line in pathlib.Path("/proc/net/dev").read_text(encoding="ascii").splitlines() if "gha:" in line)
        return int(line.split(":")[1].split()[9])

    def end(self):
        self.keeper.kill()
        self.keeper.wait()


def fragments(*before):
    """Fragments that this machine has made or has put together."""
    names, values = [line.split() for line in subprocess.run([*before, "cat", "/proc/net/snmp"], stdout=subprocess.PIPE, check=True)
                     .stdout.decode().splitlines() if line.startswith("Ip:")]
    table = dict(zip(names[1:], map(int, values[1:])))
    return table["FragCreates"] + table["ReasmReqds"]


class TwoMachines(Realm):
    """mn1 and what its devices do is on the other machine."""

    def __init__(self, gatehouse, folder, there):
        super().__init__(gatehouse, folder)
        self.there = there

    def end(self):
        self.there.end()

    def start(self, name):
        if name != "mn1":
            super().start(name)
            return
        with open(self.folder / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen([*self.there.enter, self.gatehouse, "serve", "-c", self.dir, name, "--json"],
                                                    stdout=subprocess.PIPE, stderr=log)
        self.processes[name].stdout.readline()

    def over_there(self, *words):
        code, text = run([*self.there.enter, self.gatehouse, *words, "--json"], limit=60)
        try:
            return code, json.loads(text.strip().splitlines()[-1])
        except (IndexError, ValueError):
            return code, {"text": text}


def prepare(checks, realm):
    code, answer = realm.call("init", realm.dir, "--sp-id", SP, "--mn-cse", "mn1")
    checks.expect(code == 0, "a realm on two machines", str(answer))
    for name, where in (("mef", HERE), ("maf", HERE), ("cse", HERE), ("mn1", THERE)):
        settings(realm, name, listen=f"{where}:0", coap_listen=f"{where}:0", reach="coaps://auto", fetch_timeout_ms=3000)
    for name in ("cse", "mn1"):
        settings(realm, name, transit_ms=4000)
    conf = realm.dir / "gatehouse.conf"
    text = conf.read_text(encoding="utf-8")
    for name, value in (("datagram_mtu", MTU), ("idle_ms", 5000), ("request_ms", 3000), ("handshake_ms", 3000)):
        text = re.sub(rf"\b{name} = \d+", f"{name} = {value}", text)
    conf.write_text(text, encoding="utf-8")
    for name in ("mef", "maf", "cse", "mn1"):
        realm.start(name)
    checks.expect(realm.log_says("mn1", ": registered-at-registrar"), "mn1 registers over DTLS, with certificates")
    checks.expect(realm.log_says("cse", f'peer="CSE //{SP}/mn1" credential=32-//{SP}/mn1 protocol="DTLSv1.2'), "as the IN-CSE sees it")


def device(checks, realm, name, cse, call):
    where, key = realm.folder / name, realm.folder / f"{name}.kpm"
    for step in (("device", "new", where, "--realm", realm.dir, "--cse-id", cse, "--kpm-id", name, "--generate", key, "--binding", "coap",
                  "--timeout-ms", "8000"),
                 ("mef", "enrolee", "add", realm.dir, "--id", name, "--enrolee-id", f"//{SP}/{cse}/C{name}", "--key-file", key)):
        code, answer = realm.call(*step)
        checks.expect(code == 0, " ".join(map(str, step[:2])), str(answer))
    conf = where / "device.conf"
    conf.write_text(re.sub(r"\bdatagram_mtu = \d+", f"datagram_mtu = {MTU}", conf.read_text(encoding="utf-8")), encoding="utf-8")
    for step in (("enrol", where), ("register", where, "--app-id", "N.story")):
        code, answer = call(*step)
        checks.expect(code == 0, f"{name}: {step[0]}", str(answer))
    return where


def through_the_path(checks, realm, there):
    before = fragments(), fragments(*there.enter)
    near = device(checks, realm, "near", "in-cse", realm.call)
    far = device(checks, realm, "far", "mn1", realm.over_there)  # its MEF and MAF are beyond the path
    policy = {"rn": "p", "pv": {"acr": [{"acor": ["Cfar", "/in-cse/Cnear"], "acop": 3}]}, "pvs": {"acr": [{"acor": ["Cfar"], "acop": 63}]}}
    for words in (("--ty", "acp", "--content", json.dumps(policy)), ("--ty", "cnt", "--content", '{"rn":"box","acpi":["cse-mn/Cfar/p"]}')):
        code, answer = realm.over_there("create", far, "cse-mn/Cfar", *words)
        checks.expect(answer.get("rsc") == 2001, f"on mn1: {words[1]}", str(answer))
    long = "m" * 10000
    checks.expect(realm.rsc("create", near, "/mn1/cse-mn/Cfar/box", "--ty", "cin", "--content", json.dumps({"con": long})) == 2001,
                  "10000 octets go to mn1 in blocks")
    code, answer = realm.call("get", near, "/mn1/cse-mn/Cfar/box/la")
    checks.expect(code == 0 and answer["content"]["m2m:cin"]["con"] == long, "and come back", str(answer)[:200])
    after = fragments(), fragments(*there.enter)
    checks.expect(before == after, "and IP has fragmented nothing", f"{before} {after}")
    return near, far


def foreign_client(checks, realm, there):
    """OpenSSL on the other machine, with a key that the IN-CSE was given."""
    file = realm.folder / "foreign"
    realm.call("cse", "key", "add", realm.dir, "--id", "foreign@keys.example.com", "--peer", f"//{SP}/in-cse/Cforeign", "--generate", file)
    before = fragments(), fragments(*there.enter)
    where = (realm.dir / "run" / "cse.coap.endpoint").read_text(encoding="ascii").strip()
    code, text = run([*there.enter, "openssl", "s_client", "-dtls1_2", "-connect", where, "-psk_identity", "foreign@keys.example.com", "-psk",
                      key_in_hex(file), "-cipher", "ECDHE-PSK-CHACHA20-POLY1305", "-mtu", str(MTU - 48), "-servername", f"in-cse.{SP}"], "")
    checks.expect("Cipher is ECDHE-PSK-CHACHA20-POLY1305" in text, "openssl s_client makes a DTLS association, too", f"{code} {text[-300:]}")
    checks.expect(before == (fragments(), fragments(*there.enter)), "without fragments")


def link_goes_down(checks, realm, there, near, far):
    """Requests under way in each direction, and an HTTP client of another maker with half of a request sent."""
    where = (realm.dir / "run" / "cse.endpoint").read_text(encoding="ascii").strip()
    half = subprocess.Popen([*there.enter, "openssl", "s_client", "-connect", where, "-servername", f"in-cse.{SP}", "-quiet",
                             "-psk_identity", "foreign@keys.example.com", "-psk", key_in_hex(realm.folder / "foreign"), "-tls1_2"],
                            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    half.stdin.write(b"POST /cse-in HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
    half.stdin.flush()
    checks.expect(realm.log_says("cse", "Cforeign\"", 2), "a client has sent half of a request")
    closed, before, result = realm.log("cse").count("association-closed"), there.sent(), []
    content = json.dumps({"con": "m" * 100000})

    def requests():
        """One after the other, until one fails: the link is down in its middle."""
        while not result or result[-1] == 2001:
            result.append(realm.rsc("create", near, "/mn1/cse-mn/Cfar/box", "--ty", "cin", "--content", content))

    request = threading.Thread(target=requests)
    request.start()
    checks.expect(until(lambda: there.sent() > before + 1000, 60), "long requests are on their way in blocks")
    there.link("down")
    request.join(60)
    checks.expect(not request.is_alive() and result[-1] == 4008, "the link goes down in the middle of one: 4008", str(result))
    code, answer = realm.over_there("get", far, f"//{SP}/in-cse/cse-in")
    checks.expect(answer.get("rsc") in (4008, 5103), "a request from the other machine ends, too", str(answer))
    checks.expect(until(lambda: realm.log("cse").count("association-closed") > closed and "incomplete for too long" in realm.log("cse"), 60),
                  "the half request is given up")
    checks.expect(until(lambda: re.search(r"mn1: association-closed.*(idle|silent)", realm.log("mn1")), 60), "mn1 ends what is silent")
    checks.expect("outgoing-association-closed" in realm.log("cse"), "and so does the IN-CSE")
    there.link("up")
    half.kill()
    half.wait()
    checks.expect(until(lambda: realm.rsc("get", near, "/mn1/cse-mn/Cfar/box/la") == 2000, 30), "the link is up again: requests go through")


def main():
    enter_namespaces("veth", "link", "add", "gha", "type", "veth", "peer", "name", "ghb")
    checks, there = Checks(), There()
    realm = TwoMachines(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-path-")), there)

    def chapters(realm):
        prepare(checks, realm)
        near, far = through_the_path(checks, realm, there)
        foreign_client(checks, realm, there)
        link_goes_down(checks, realm, there, near, far)
    return play(realm, checks, chapters)


if __name__ == "__main__":
    sys.exit(main())
