#!/usr/bin/env python3
"""Gatehouse against nginx, bare OpenSSL, libcoap and bare SQLite, on the same two cores, in turns.

usage: bench/run.py BUILD [--only NAME[,NAME...]] [--rounds N] [--seconds S] [--json FILE]

Names: get, http2, websocket, handshake, profiles, coap, create, latency, memory. Prints tables, asserts nothing. Of each pair both sides run one after the
other, N times; a line shows the medians, the median of the N ratios and their spread.
"""
import argparse
import json
import os
import platform
import pwd
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

RESOURCE = "/cse-in/bench/c"
IDENTITY, KEY = "Kbench@maf.sp.example.com", "5a" * 32
HEAD = "Host: bench\r\nX-M2M-Origin: Cbench\r\nX-M2M-RI: r1\r\nX-M2M-RVI: 3\r\nAccept: application/json\r\n"
INSTANCE = '{"m2m:cin":{"con":"23.4 C 51 % 1013 hPa"}}'
GET = f"GET {RESOURCE} HTTP/1.1\r\n{HEAD}\r\n"
POST = (f"POST {RESOURCE} HTTP/1.1\r\n{HEAD}Content-Type: application/json;ty=4\r\n"
        f"Content-Length: {len(INSTANCE)}\r\n\r\n{INSTANCE}")
WS_GET = f'{{"op":2,"to":"{RESOURCE[1:]}","fr":"Cbench","rqi":"r1","rvi":"3"}}'
WS_POST = f'{{"op":1,"to":"{RESOURCE[1:]}","fr":"Cbench","rqi":"r1","rvi":"3","ty":4,"pc":{INSTANCE}}}'
PSK = ["--psk", IDENTITY, "--psk-key", KEY]
IDLE_CONNECTIONS = 2000
PROFILE_CLIENTS = 64

# The first suite of each policy (src/link/security_policy.c): what two who have no other wish agree on. Client and bare
# loop offer it alone, with P-256 and ECDSA with SHA-256. None: the policy has no TLS 1.3.
POLICIES = {
    "ts0003-r3": {"1.2": ("PSK-AES128-CBC-SHA256", "ECDHE-ECDSA-AES128-SHA256"),
                  "1.3": None,
                  "dtls1.2": ("PSK-AES128-CCM8", "ECDHE-ECDSA-AES128-CCM8")},
    "modern": {"1.2": ("ECDHE-PSK-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-GCM-SHA256"),
               "1.3": "TLS_AES_128_GCM_SHA256",
               "dtls1.2": ("ECDHE-PSK-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-GCM-SHA256")},
    "constrained": {"1.2": ("PSK-AES128-CCM8", "ECDHE-ECDSA-AES128-CCM8"),
                    "1.3": "TLS_AES_128_CCM_8_SHA256",
                    "dtls1.2": ("PSK-AES128-CCM8", "ECDHE-ECDSA-AES128-CCM8")},
}


class Place:
    """The programs, and a scratch folder on the file system of the build."""

    def __init__(self, build, rounds, seconds):
        self.bin = os.path.join(os.path.abspath(build), "bench")
        self.dir = tempfile.mkdtemp(prefix="bench-", dir=os.path.abspath(build))
        self.rounds, self.seconds = rounds, seconds
        self.get = self.write("get.http", GET)
        self.post = self.write("post.http", POST)
        self.ws_get = self.write("get.json", WS_GET)
        self.ws_post = self.write("post.json", WS_POST)

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", newline="") as file:
            file.write(text)
        return self.path(name)

    def run(self, program, *args):
        """One measurement; the program's line of JSON."""
        done = subprocess.run([os.path.join(self.bin, program), *map(str, args)], stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout.splitlines()[-1])

    def load(self, port, *args, seconds=None):
        result = self.run("bench_load", "--port", port, "--seconds", seconds or self.seconds, *args)
        if result["failures"]:
            note(f"{result['failures']} failures in a run of the load generator")
        if result["failures"] > result["count"] / 100:
            raise SystemExit("bench: the requests are refused; a rate of refusals is no figure")
        return result


class Server:
    """A Gatehouse CSE with a world of its own."""

    count = 0

    def __init__(self, place, policy="modern", workers=2):
        Server.count += 1
        self.place, self.dir = place, place.path(f"server-{Server.count}")
        os.mkdir(self.dir)
        self.process = subprocess.Popen([os.path.join(place.bin, "bench_server"), "--dir", self.dir, "--policy", policy,
                                         "--workers", str(workers)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ready = json.loads(self.process.stdout.readline())
        self.plain, self.tls, self.dtls, self.pid = (ready[key] for key in ("plain", "tls", "dtls", "pid"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        shutil.rmtree(self.dir)

    def counters(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def own_certificate(self):
        return ["--cert", os.path.join(self.dir, "ae.pem"), "--key", os.path.join(self.dir, "ae.key")]

    def certificate(self):
        return ["--tls", "1.2", "--ciphers", "ECDHE-ECDSA-AES128-GCM-SHA256", *self.own_certificate()]

    def body(self, path):
        """Octets of a resource, as a client gets them."""
        with socket.create_connection(("127.0.0.1", self.plain)) as s:
            s.sendall(f"GET {path} HTTP/1.1\r\n{HEAD}Connection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: s.recv(65536), b""))
        return answer.split(b"\r\n\r\n", 1)[1].decode()

    def anonymous_bytes(self):
        with open(f"/proc/{self.pid}/status") as file:
            return int(re.search(r"RssAnon:\s+(\d+) kB", file.read()).group(1)) * 1024


NGINX_CONF = """{user}worker_processes 2;
daemon off;
pid nginx.pid;
error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  sendfile off; # faster than sendfile for so small a file
  open_file_cache max=16 inactive=600s;
  open_file_cache_valid 600s;
  keepalive_requests 1000000000;
  http2_max_concurrent_streams 128;
  keepalive_timeout 600s;
  default_type application/json;
  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  server {{ listen 127.0.0.1:{plain} reuseport; root html; }}
  server {{
    listen 127.0.0.1:{tls} ssl http2 reuseport; root html; # HTTP/2 for those who choose it by ALPN
    ssl_certificate {dir}/server.pem;
    ssl_certificate_key {dir}/server.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256;
    ssl_ecdh_curve prime256v1;
    ssl_session_cache off;
    ssl_session_tickets off;
  }}
}}
"""


class Nginx:
    """nginx with the file that the container looks like, and the CSE's own certificate."""

    def __init__(self, place, server):
        self.plain, self.tls = free_port(), free_port()
        place.write("nginx/html" + RESOURCE, server.body(RESOURCE))
        user = f"user {pwd.getpwuid(0).pw_name};\n" if os.getuid() == 0 else ""
        conf = NGINX_CONF.format(user=user, plain=self.plain, tls=self.tls, dir=server.dir)
        place.write("nginx/nginx.conf", conf)
        self.process = subprocess.Popen([find_nginx(), "-p", place.path("nginx") + "/", "-c", "nginx.conf", "-e", "stderr"],
                                        stderr=subprocess.DEVNULL)
        wait_for_port(self.tls)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def find_nginx():
    return shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for_port(port):
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("bench: nginx does not answer")


# ---- tables

results = []


def note(text):
    print(f"    ({text})", flush=True)


def heading(text):
    print(f"\n{text}", flush=True)
    others = busy_share(0.4)
    if others > 0.05:
        note(f"other programs keep the machine {100 * others:.0f} per cent busy: these numbers are not worth much")


def busy_share(seconds):
    """What part of the machine's processor time is used now, while we do nothing."""
    def read():
        with open("/proc/stat") as file:
            ticks = [int(word) for word in file.readline().split()[1:9]]
        return sum(ticks), ticks[3] + ticks[4]
    total, idle = read()
    time.sleep(seconds)
    total_after, idle_after = read()
    return 1 - (idle_after - idle) / max(1, total_after - total)


def ratio_line(name, ours, theirs, goal, **beside):
    """ours and theirs: a rate for each round; beside: other values of the same line."""
    ratios = sorted(a / b for a, b in zip(ours, theirs))
    ratio = statistics.median(ratios)
    a, b = statistics.median(ours), statistics.median(theirs)
    goal_text = f"  goal {goal:.1f}" if goal else ""
    goal_text += "".join(f"  {key} {value}" for key, value in beside.items())
    spread = f"({ratios[0]:.2f} to {ratios[-1]:.2f})"
    print(f"  {name:<42} {a:>7.0f}/s : {b:>7.0f}/s  ratio {ratio:5.2f} {spread:<14}{goal_text}", flush=True)
    results.append({"name": name, "ours": a, "baseline": b, "ratio": round(ratio, 3), "goal": goal, **beside})


def value_line(name, **values):
    text = "   ".join(f"{key} {value}" for key, value in values.items())
    print(f"  {name:<42} {text}", flush=True)
    results.append({"name": name, **values})


def in_turns(place, ours, theirs):
    pairs = [(theirs(), ours()) for _ in range(place.rounds)]
    return [p[1] for p in pairs], [p[0] for p in pairs]


# ---- the benchmarks

def bench_get(place):
    if not find_nginx():
        heading("GET of a container: skipped, nginx is not installed")
        return
    with Server(place) as server, Nginx(place, server) as nginx:
        size = len(server.body(RESOURCE))
        heading(f"GET of a container of {size} octets, 32 kept connections      Gatehouse : nginx")
        for name, options, port, nginx_port, goal in (
            ("plain HTTP", [], server.plain, nginx.plain, 1.0),
            ("TLS 1.2 ECDHE-ECDSA-AES128-GCM-SHA256", server.certificate(), server.tls, nginx.tls, 0.9),
        ):
            args = ["--request", place.get, "--connections", 32, *options]
            ours, theirs = in_turns(place, lambda: place.load(port, *args)["rate"],
                                    lambda: place.load(nginx_port, *args)["rate"])
            ratio_line(name, ours, theirs, goal)


def h2load(place, server, port, streams):
    """Requests per second of h2load with the AE's certificate over HTTP/2."""
    cert, key = (os.path.join(server.dir, name) for name in ("ae.pem", "ae.key"))
    env = {**os.environ, "BENCH_CERT": cert, "BENCH_KEY": key,
           "LD_PRELOAD": os.path.join(place.bin, "libbench_client_certificate.so")}
    fields = [word for line in HEAD.split("\r\n")[1:] if line for word in ("-H", line)]
    done = subprocess.run(["h2load", "-c", "32", "-t", "2", "-m", str(streams), "-D", f"{round(1000 * place.seconds)}ms",
                           "--npn-list=h2", "--ciphers=ECDHE-ECDSA-AES128-GCM-SHA256", "--tls13-ciphers=TLS_AES_128_GCM_SHA256",
                           *fields, f"https://127.0.0.1:{port}{RESOURCE}"], env=env, stdout=subprocess.PIPE, text=True)
    found = re.search(r"finished in [0-9.a-z]+, ([0-9.]+) req/s", done.stdout)
    codes = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", done.stdout)
    if done.returncode or not found or not codes or not int(codes.group(1)):
        raise SystemExit("bench: h2load got no answer:\n" + done.stdout)
    if any(int(codes.group(i)) for i in (2, 3, 4)):
        note(f"h2load got other answers than 2xx: {codes.group(0)}")
    return float(found.group(1))


def bench_http2(place):
    if not find_nginx() or not shutil.which("h2load"):
        heading("GET over HTTP/2: skipped, nginx or h2load is not installed")
        return
    with Server(place) as server, Nginx(place, server) as nginx:
        heading("GET of the container over HTTP/2 and TLS, 32 kept connections, h2load      Gatehouse : nginx")
        for streams in (1, 8):
            ours, theirs = in_turns(place, lambda: h2load(place, server, server.tls, streams),
                                    lambda: h2load(place, server, nginx.tls, streams))
            ratio_line(f"{streams} request{'s' if streams > 1 else ''} at once on each connection", ours, theirs, None)


def bench_websocket(place):
    with Server(place) as server:
        heading("RETRIEVE of the container, 32 kept TLS connections       WebSocket messages : HTTP/1.1, both ours")
        options = ["--connections", 32, *server.certificate()]
        for name, message, request in (("oneM2M.json, RETRIEVE", place.ws_get, place.get), ("oneM2M.json, CREATE", place.ws_post, place.post)):
            ours, theirs = in_turns(place, lambda: place.load(server.tls, "--websocket", message, *options)["rate"],
                                    lambda: place.load(server.tls, "--request", request, *options)["rate"])
            ratio_line(name, ours, theirs, None)


def handshake_rate(place, server, args, port=None):
    """What the load generator completed; the server must have completed as many."""
    before = server.counters()["handshakes"]
    result = place.load(port or server.tls, *args)
    time.sleep(0.1)
    if server.counters()["handshakes"] - before < result["count"]:
        note("the server completed fewer handshakes than its clients")
    return result["rate"]


def loop_rate(place, in_flight, *options):
    """Handshakes of OpenSSL with itself on both cores, so many under way at a time."""
    each = max(1, in_flight // 2)
    return place.run("bench_handshake", *options, "--threads", 2, "--in-flight", each, "--seconds", place.seconds)["rate"]


class OpensslServer:
    """OpenSSL's server in a process of its own, which makes handshakes and does nothing else."""

    def __init__(self, place, *options):
        self.process = subprocess.Popen([os.path.join(place.bin, "bench_handshake_server"), *options],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = json.loads(self.process.stdout.readline())["port"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.communicate("")


def bench_handshake(place):
    clients = 128
    heading("PSK handshakes: connect, handshake, close               Gatehouse : OpenSSL with itself in one process")
    note("over TCP: the same connections, handshakes and closes, and nothing else; over memory: no sockets at all")
    note("a process of its own: OpenSSL's server, which does nothing else either, with the same clients as ours")
    note(f"{clients} handshakes are under way at a time on either side, but where it says alone: one on each core")
    with Server(place) as server:
        for version, ciphers, what in (
            ("1.2", "PSK-AES128-CBC-SHA256", "TLS 1.2 PSK-AES128-CBC"),
            ("1.2", "ECDHE-PSK-AES128-CBC-SHA256", "TLS 1.2 ECDHE-PSK-AES128-CBC"),
            ("1.3", "PSK-AES128-CBC-SHA256", "TLS 1.3 PSK, P-256"),
        ):
            profile = ["--tls", version, "--ciphers", ciphers]
            args = ["--mode", "handshakes", "--connections", clients, *profile, *PSK]
            loops = {"over TCP": (clients, "tcp"), "over memory": (clients, "memory"), "over TCP, alone": (2, "tcp"),
                     "over memory, alone": (2, "memory")}
            ours, served, theirs = [], [], {name: [] for name in loops}
            with OpensslServer(place, "--over", "tcp", *profile) as openssl:
                for _ in range(place.rounds):
                    served.append(place.load(openssl.port, *args)["rate"])
                    ours.append(handshake_rate(place, server, args))
                    for name, (in_flight, over) in loops.items():
                        theirs[name].append(loop_rate(place, in_flight, "--over", over, *profile))
            for name, rates in theirs.items():
                ratio_line(f"{what}, {name}", ours, rates, None if "alone" in name else 0.7)
            ratio_line(f"{what}, a process of its own", ours, served, None)


def bare_sqlite(place, body, container, *how):
    folder = place.path("bare")
    os.mkdir(folder)
    rows = place.run("bench_sqlite", "--path", os.path.join(folder, "store.db"), "--body", body, "--container", container,
                     *how, "--seconds", place.seconds)
    shutil.rmtree(folder)
    return rows


class NullCreates:
    """An HTTP server that writes a row for every request in group commits, answers as ours did, and does nothing else."""

    def __init__(self, place, body, container, answer):
        self.folder = place.path("null")
        os.mkdir(self.folder)
        self.process = subprocess.Popen([os.path.join(place.bin, "bench_create_null"), "--path", os.path.join(self.folder, "store.db"),
                                         "--body", body, "--container", container, "--answer", answer],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = json.loads(self.process.stdout.readline())["port"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.communicate("")
        shutil.rmtree(self.folder)


def answer_to(port, request):
    """All octets of one HTTP answer."""
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall(request.encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += s.recv(65536)
        head, body = answer.split(b"\r\n\r\n", 1)
        length = int(re.search(rb"(?i)content-length: (\d+)", head).group(1))
        while len(body) < length:
            body += s.recv(65536)
    return (head + b"\r\n\r\n" + body).decode()


def create_round(place, connections):
    """Rates of creates, of the bare HTTP server in front of a group commit, of group commit alone for as many who wait,
    and of groups as large as ours that nobody waits for; how large these were, and what a commit took."""
    with Server(place) as server:
        before = server.counters()
        rate = place.load(server.plain, "--request", place.post, "--connections", connections)["rate"]
        after = server.counters()
        answer = place.write("created.http", answer_to(server.plain, POST))
        body = place.write("instance.json", server.body(RESOURCE + "/la"))
        container = place.write("container.json", server.body(RESOURCE))
    with NullCreates(place, body, container, answer) as null:
        null_rate = place.load(null.port, "--request", place.post, "--connections", connections)["rate"]
    group = max(1, round((after["jobs"] - before["jobs"]) / (after["commits"] - before["commits"])))
    waited = bare_sqlite(place, body, container, "--clients", connections)
    bulk = bare_sqlite(place, body, container, "--batch", group)
    return rate, null_rate, waited["rate"], bulk["rate"], group, 1000 * bulk["seconds"] / bulk["commits"]


def bench_create(place):
    heading("Durable creates of contentInstances                      Gatehouse : bare SQLite, the same rows")
    note("group commit: as many threads each hand over a row and wait until it is durable; no requests, no sockets")
    note("behind HTTP: the same group commit behind sockets that carry the same octets, which nobody looks at")
    note("bulk: groups as large as ours, nobody waits; ms: a commit of such a group")
    for connections in (16, 32, 64, 256):
        rounds = [create_round(place, connections) for _ in range(place.rounds)]
        ours, null, waited, bulk = ([r[i] for r in rounds] for i in range(4))
        group, commit_ms = (statistics.median(r[i] for r in rounds) for i in (4, 5))
        ratio_line(f"{connections} connections : group commit", ours, waited, 0.5)
        ratio_line(f"{connections} connections : behind HTTP", ours, null, None)
        ratio_line(f"{connections} connections : bulk of {group:g}, {commit_ms:.2f} ms", ours, bulk, None)


def beside(place, server, request):
    """Latency of reads, beside a load of 64 connections that send `request` (None: beside nothing)."""
    other = None
    if request:
        args = ["--port", str(server.plain), "--request", request, "--connections", "64", "--seconds", str(place.seconds + 0.6)]
        other = subprocess.Popen([os.path.join(place.bin, "bench_load"), *args], stdout=subprocess.PIPE, text=True)
        time.sleep(0.3)
    reads = place.load(server.plain, "--request", place.get, "--connections", 4, "--threads", 1)
    return reads, json.loads(other.communicate()[0]) if other else None


def bench_latency(place):
    heading("Latency of GET, 4 connections: served from memory, never waiting for the writer")
    for name, request in (("alone", None), ("beside 64 connections that read", place.get),
                          ("beside 64 connections that create", place.post)):
        with Server(place) as server:
            rounds = [beside(place, server, request) for _ in range(min(place.rounds, 3))]
        reads = {p: statistics.median(r[0][p] for r in rounds) for p in ("p50_us", "p99_us")}
        values = {"p50": f"{reads['p50_us']:6.0f} us", "p99": f"{reads['p99_us']:6.0f} us"}
        if request:
            values["theirs_p50"] = f"{statistics.median(r[1]['p50_us'] for r in rounds):6.0f} us"
        value_line(name, **values)


def idle_octets(place, server, port, args):
    """Resident octets of the server for each of many idle associations; the server must be new."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    count = min(IDLE_CONNECTIONS, limit - 100)
    before = server.anonymous_bytes()
    load = subprocess.Popen([os.path.join(place.bin, "bench_load"), "--port", str(port), "--mode", "idle",
                             "--connections", str(count), *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    load.stdout.readline()
    while load.poll() is None and server.counters()["handshakes"] < count:
        time.sleep(0.05)
    octets = round((server.anonymous_bytes() - before) / count)
    load.communicate("")
    return octets


def bench_memory(place):
    heading(f"Resident memory for each of {IDLE_CONNECTIONS} idle TLS connections")
    for name in ("TLS 1.2 with certificates", "TLS 1.2 PSK", "TLS 1.3 PSK"):
        with Server(place) as server:
            options = server.certificate() if "certificates" in name else ["--tls", name[4:7], *PSK]
            value_line(name, octets=idle_octets(place, server, server.tls, options))


def profiles_of(policy):
    """For each association that a policy allows: its name, version, suite options, and whether with certificates."""
    for version in ("1.2", "1.3", "dtls1.2"):
        suites = POLICIES[policy][version]
        for certificate in (False, True):
            if suites is None:
                continue
            options = ["--suites13", suites] if version == "1.3" else ["--ciphers", suites[certificate]]
            text = "DTLS 1.2" if version == "dtls1.2" else "TLS " + version
            yield f"{policy} {text} {'certificate' if certificate else 'PSK'}", version, options, certificate


def bench_profile(place, policy, name, version, suites, certificate):
    datagram = version == "dtls1.2"
    with Server(place, policy) as server:
        port = server.dtls if datagram else server.tls
        client = ["--tls", version, *suites, *(server.own_certificate() if certificate else PSK)]
        bare = ["--over", "udp"] if datagram else ["--over", "tcp", "--tls", version]
        bare += [*suites, *(["--certificate", server.dir] if certificate else [])]
        octets = idle_octets(place, server, port, client)
        args = ["--mode", "handshakes", "--connections", PROFILE_CLIENTS, *client]
        ours, theirs, alone, served = [], [], [], []
        with OpensslServer(place, *bare) as openssl:
            for _ in range(place.rounds):
                theirs.append(loop_rate(place, PROFILE_CLIENTS, *bare))
                ours.append(handshake_rate(place, server, args, port))
                served.append(place.load(openssl.port, *args)["rate"])
                alone.append(loop_rate(place, 2, *bare))
    def ratio_to(others):
        return f"{statistics.median(a / b for a, b in zip(ours, others)):.2f}"
    ratio_line(name, ours, theirs, 0.8, apart=ratio_to(served), alone=ratio_to(alone), octets=octets)


def bench_profiles(place):
    heading("Handshakes of each security policy                       Gatehouse : OpenSSL with itself in one process")
    note("the policy's first suite; TLS over TCP, DTLS over UDP with the cookie exchange; certificates on both sides")
    note(f"{PROFILE_CLIENTS} handshakes are under way at a time on either side; alone: the ratio to the loop with one on each core")
    note("apart: the ratio to OpenSSL's server in a process of its own, doing nothing else, with the same clients as ours")
    note(f"octets: resident memory of the server for each of {IDLE_CONNECTIONS} idle associations")
    for policy in POLICIES:
        for profile in profiles_of(policy):
            bench_profile(place, policy, *profile)


class NullServer:
    """libcoap's server, which answers with the container's text and does nothing else."""

    def __init__(self, place, server):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        body = place.write("coap/body", server.body(RESOURCE))
        self.process = subprocess.Popen([os.path.join(place.bin, "bench_coap_null"), str(self.port), RESOURCE[1:], KEY, body],
                                        stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "serving\n":
            raise SystemExit("bench: libcoap's server does not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate()


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        return sum(map(int, file.read().rsplit(")", 1)[1].split()[11:13])) / os.sysconf("SC_CLK_TCK")


def coap_rate(place, pid, port, costs, *args):
    """Requests per second; appends to `costs` the microseconds of its processor that the server spent on each."""
    before = cpu_seconds(pid)
    result = place.load(port, *args)
    costs.append(1e6 * (cpu_seconds(pid) - before) / max(1, result["count"]))
    return result["rate"]


def bench_coap(place):
    if not os.path.exists(os.path.join(place.bin, "bench_coap_null")):
        heading("CoAP over DTLS: skipped, libcoap3-dev was not there when the benchmarks were built")
        return
    with Server(place, "ts0003-r3", workers=1) as server, NullServer(place, server) as null:
        size = len(server.body(RESOURCE))
        heading(f"CoAP GET of a container of {size} octets, 32 kept associations  Gatehouse : libcoap, doing nothing")
        note("confirmable, answers piggybacked; both servers have one thread; oneM2M options elective for libcoap")
        note("cpu_us: processor time of the server for each request, which other programs disturb less than the rate")
        profile = ["--connections", 32, "--tls", "dtls1.2", "--ciphers", "PSK-AES128-CCM8", *PSK]
        costs, null_costs, path = [], [], RESOURCE[1:]
        ours, theirs = in_turns(place,
                                lambda: coap_rate(place, server.pid, server.dtls, costs, "--coap", path, *profile),
                                lambda: coap_rate(place, null.process.pid, null.port, null_costs, "--coap-elective", path,
                                                  *profile))
        cpu = f"{statistics.median(costs):.1f} : {statistics.median(null_costs):.1f}"
        ratio_line("DTLS 1.2 PSK-AES128-CCM8", ours, theirs, 1.0, cpu_us=cpu)


BENCHMARKS = {"get": bench_get, "http2": bench_http2, "websocket": bench_websocket, "handshake": bench_handshake, "profiles": bench_profiles, "coap": bench_coap,
              "create": bench_create, "latency": bench_latency, "memory": bench_memory}


# ---- the machine

def prepare_machine():
    """Both sides and the load generator on the same two cores; enough descriptors."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, cores)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard != resource.RLIM_INFINITY else 65536, hard))
    return len(cores)


def version_of(*command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.stdout.splitlines()[0].replace("nginx version: ", "")
    except (OSError, IndexError):
        return f"no {command[0]}"


def describe_machine(cores):
    model = "unknown processor"
    with open("/proc/cpuinfo") as file:
        found = re.search(r"model name\s*: (.*)", file.read())
        model = found.group(1) if found else model
    print(f"{model}, {cores} core{'s' if cores > 1 else ''} for both sides and the load generator; Linux {platform.release()}")
    print(f"{version_of('openssl', 'version')}; {version_of(find_nginx() or 'nginx', '-v')}; load average {os.getloadavg()[0]:.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("--only", default=",".join(BENCHMARKS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--json")
    options = parser.parse_args()
    unknown = [name for name in options.only.split(",") if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark is called {unknown[0]}")
    describe_machine(prepare_machine())
    place = Place(options.build, options.rounds, options.seconds)
    begun = time.monotonic()
    try:
        for name in options.only.split(","):
            BENCHMARKS[name](place)
    finally:
        shutil.rmtree(place.dir, ignore_errors=True)
    print(f"\n{time.monotonic() - begun:.0f} seconds; medians of {options.rounds} rounds, both sides in turns.")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    sys.exit(main())
