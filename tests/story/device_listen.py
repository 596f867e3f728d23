#!/usr/bin/env python3
"""A device that takes notifications over CoAP (DTLS and TLS) and over the WebSocket that it opened: with a key of a MAF, a Kpsa and a
certificate; from its registrar, played by our CSE, by libcoap's coap-client and by python3-websockets, and from nobody else.

usage: device_listen.py GATEHOUSE   (exit code 0: every check held)
"""
import asyncio
import json
import os
import pathlib
import re
import secrets
import socket
import ssl
import sys
import threading

try:
    import websockets
except ImportError:  # Debian's packages belong to Debian's Python, which need not be the first one on the way
    if sys.executable == "/usr/bin/python3":
        raise
    os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from device_certificate import given, issue, new_device  # noqa: E402
from kept_websocket import until  # noqa: E402
from notify_ae import NOTE, Listener, tell  # noqa: E402
from outgoing import settings  # noqa: E402
from third_party import listen_for_coap, run  # noqa: E402
from transit import SP  # noqa: E402

CSE = f"in-cse.{SP}"
LONG = {"m2m:sgn": {"nev": {"net": 3, "rep": {"m2m:cin": {"con": "x" * 20000}}}, "sur": "cse-in/Csender/data/sub"}}
SCHEMES = {"coap": "coaps://127.0.0.1:", "coaps_tcp": "coaps+tcp://127.0.0.1:"}


def is_reached(story, sender, listener, stem, title):
    story.expect(story.notify(sender, f"cse-in/{stem}") == 2000 and listener.line().get("content") == NOTE, f"{title}: reached", listener.first)
    code, answer = story.call("notify", sender, f"cse-in/{stem}", "--content", json.dumps(LONG), "--rqi", "long1")
    line = listener.line()
    story.expect(answer.get("rsc") == 2000 and line == {"from": "/in-cse/Csender", "to": f"cse-in/{stem}", "rqi": "long1", "content": LONG},
                 f"{title}: told by whom and what, at length", (answer, str(line)[:200]))
    story.expect(story.notify(sender, f"cse-in/{stem}", "--cbor") == 2000 and listener.line().get("content") == NOTE, f"{title}: in CBOR, too")
    story.expect(story.notify(sender, f"cse-in/{stem}", "--from", stem) == 4106, f"{title}: in nobody else's name")


def ends(story, sender, listener, stem):
    code, rest = listener.end()
    story.expect(code == 0 and rest == b"", f"{stem}: SIGTERM ends it, and nothing came that we did not see", (code, rest))
    story.expect(story.notify(sender, f"cse-in/{stem}") == 5103, f"{stem}: 5103, it has said that it takes no more")


def comes_back(story, sender, stem):
    """Over DTLS it hears nothing of the end of its registrar, and finds out by itself."""
    return until(lambda: story.notify(sender, f"cse-in/{stem}") == 2000, 40)


def over_coap(story, sender, meter):
    """Kc of the MAF."""
    for binding, scheme in SCHEMES.items():
        listener = Listener(story, meter, "--binding", binding)
        story.expect(listener.first.get("poa", "").startswith(scheme), f"a device listens over {binding}", listener.first)
        is_reached(story, sender, listener, "Cmeter", binding)
        story.kill("cse")
        story.start("cse")
        story.expect(comes_back(story, sender, "Cmeter"), f"{binding}: after its registrar was killed it comes by itself")
        listener.line()
        ends(story, sender, listener, "Cmeter")


def coap_client(scheme_and_place, *words, program="coap-client-openssl", method="post"):
    body = ["-t", "50", "-e", json.dumps(NOTE)] if method in ("post", "put") else []
    return run(["timeout", "10", program, "-v", "7", "-B", "3", *map(str, words), "-O", "279,/in-cse/Csender", "-O", "283,r7", "-O", "271,3", *body,
                "-m", method, f"{scheme_and_place}/cse-in/Cx"])[1]


def with_a_kpsa(story, sender):
    """The key is text, as coap-client takes it."""
    valve, key, identity = story.folder / "valve", secrets.token_hex(16), "valve@keys.example.com"
    (story.folder / "valve.kpsa").write_text(key.encode().hex() + "\n", encoding="ascii")
    (story.folder / "valve.kpsa").chmod(0o600)
    for step in (("device", "new", valve, "--realm", story.dir, "--kpm-id", "valve", "--generate", story.folder / "valve.kpm"),
                 ("cse", "key", "add", story.dir, "--id", identity, "--peer", f"//{SP}/in-cse/Cvalve", "--key-file", story.folder / "valve.kpsa"),
                 ("device", "psk", valve, "--id", identity, "--key-file", story.folder / "valve.kpsa"), ("register", valve, "--app-id", "N.story")):
        code, answer = story.call(*step)
        story.expect(code == 0, " ".join(map(str, step[:2])), answer)
    story.permit(valve, "Cvalve", ["Csender"])
    for binding in SCHEMES:
        listener = Listener(story, valve, "--binding", binding, "--at", "127.0.0.1:0")
        is_reached(story, sender, listener, "Cvalve", f"{binding} with a Kpsa")
        where = listener.first["poa"]
        for program in ("coap-client-openssl", "coap-client-gnutls"):
            if (program, binding) == ("coap-client-gnutls", "coaps_tcp"):
                continue  # its GnuTLS priorities have no suite of the TLS profile
            answer = coap_client(where, "-u", identity, "-k", key, program=program)
            story.expect("c:2.04" in answer and listener.line().get("rqi") == "r7", f"{program} with the key notifies it over {binding}", answer)
            for title, words in (("another key", ("-u", identity, "-k", "00" * 16)), ("another identity", ("-u", "x@y.example", "-k", key))):
                answer = coap_client(where, *words, program=program)
                story.expect("c:2.04" not in answer, f"with {title} it does not over {binding}", answer)
        answer = coap_client(where, "-u", identity, "-k", key, method="get")
        story.expect(re.search("c:4.0[35]", answer), f"GET is not for it over {binding}", answer)
        ends(story, sender, listener, "Cvalve")


def with_a_certificate(story, sender):
    lamp = new_device(story, "lamp")
    story.expect(given(story, lamp, *issue(story, "Clamp", "--ae-id", f"//{SP}/in-cse/Clamp"))[0] == 0 and
                 story.call("register", lamp, "--app-id", "N.story")[0] == 0, "an AE with a certificate")
    story.permit(lamp, "Clamp", ["Csender"])
    for name in ("again", "mn8"):
        issue(story, name, "--fqdn", CSE if name == "again" else f"mn8.{CSE}")
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", story.folder / "self.key", "-out",
         story.folder / "self.pem", "-subj", f"/CN={CSE}", "-days", "2", "-addext", f"subjectAltName=DNS:{CSE}"])
    for binding in SCHEMES:
        listener = Listener(story, lamp, "--binding", binding)
        is_reached(story, sender, listener, "Clamp", f"{binding} with a certificate")
        where = listener.first["poa"]
        for title, name, good in (("the registrar's name", "again", True), ("the name of another CSE", "mn8", False), ("its own", "Clamp", False),
                                  ("the right name of no CA of ours", "self", False)):
            answer = coap_client(where, "-c", story.folder / f"{name}.pem", "-j", story.folder / f"{name}.key", "-R", story.dir / "ca.pem", "-n")
            came = "c:2.04" in answer
            story.expect(came == good and (not good or listener.line().get("rqi") == "r7"),
                         f"coap-client with a certificate of {title} {'notifies' if good else 'does not notify'} it over {binding}", answer)
        answer = coap_client(where, "-u", "valve@keys.example.com", "-k", "00" * 16)
        story.expect("c:2.04" not in answer, f"a key opens nothing over {binding}", answer)
        ends(story, sender, listener, "Clamp")
    return lamp


# ---- WebSocket


def over_websocket(story, sender, meter, lamp):
    for words in (("--at", "127.0.0.1:0"), ("--poa", "wss://127.0.0.1:1")):
        code, answer = story.call("device", "listen", meter, "--binding", "ws", *words)
        story.expect(code != 0 and "WebSocket" in str(answer), f"over WebSocket there is no {words[0]}", answer)
    for device, stem in ((meter, "Cmeter"), (lamp, "Clamp")):
        listener = Listener(story, device, "--binding", "ws")
        story.expect(listener.first.get("poa") == "wss", f"{stem} listens over WebSocket", listener.first)
        code, answer = story.call("get", device, f"cse-in/{stem}")
        ae = answer.get("content", {}).get("m2m:ae", {})
        story.expect(ae.get("rr") is True and "poa" not in ae, "it takes requests, and has no point of access", answer)
        is_reached(story, sender, listener, stem, f"ws {stem}")
        story.expect(story.rsc("get", device, f"cse-in/{stem}", "--binding", "ws") == 2000 and story.notify(sender, f"cse-in/{stem}") == 2000 and
                     listener.line().get("content") == NOTE, "another WebSocket of the same device comes and goes, and it is reached")
        story.kill("cse")
        story.start("cse")
        story.expect(comes_back(story, sender, stem), f"{stem} comes back after its registrar was killed")
        listener.line()
        ends(story, sender, listener, stem)


class Path:
    """Between the device and its registrar; connections that are there can be made silent, without a word to either end."""

    def __init__(self, target):
        self.target, self.links, self.listener = target, [], socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near = self.listener.accept()[0]
                link = {"near": near, "far": socket.create_connection(self.target), "silent": False}
            except OSError:
                return
            self.links.append(link)
            for one, other in (("near", "far"), ("far", "near")):
                threading.Thread(target=self.carry, args=(link, one, other), daemon=True).start()

    @staticmethod
    def carry(link, one, other):
        try:
            while octets := link[one].recv(65536):
                if not link["silent"]:
                    link[other].sendall(octets)
            if not link["silent"]:
                link[other].shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def silence(self):
        for link in self.links:
            link["silent"] = True


def a_path_that_goes_silent(story, sender, lamp):
    host, port = (story.dir / "run" / "cse.endpoint").read_text(encoding="ascii").strip().split(":")
    path, conf = Path((host, int(port))), lamp / "device.conf"
    text = conf.read_text(encoding="utf-8")
    conf.write_text(re.sub(r'(cse = \{[^}]*?endpoint = )"[^"]*"', rf'\1"127.0.0.1:{path.port}"', text, count=1), encoding="utf-8")
    listener = Listener(story, lamp, "--binding", "ws")
    story.expect(story.notify(sender, "cse-in/Clamp") == 2000 and listener.line().get("content") == NOTE and len(path.links) == 1, "reached over a path", path.links)
    path.silence()
    story.expect(story.notify(sender, "cse-in/Clamp") == 4008, "4008: the path is silent")
    story.expect(until(lambda: story.notify(sender, "cse-in/Clamp") == 2000, 90) and len(path.links) == 2, "the device finds out, and opens another WebSocket", path.links)
    listener.line()
    ends(story, sender, listener, "Clamp")
    conf.write_text(text, encoding="utf-8")


class Registrar:
    """A CSE in Python: answers what the device asks 2004, and asks it in turn."""

    REQUESTS = (("n1", {"op": 5, "fr": "/in-cse/Csender", "pc": NOTE}), ("n2", {"op": 2, "fr": "/in-cse/Csender"}), ("n3", {"op": 5, "pc": NOTE}),
                ("n4", {"op": 5, "fr": "/in-cse/Csender", "pc": LONG}))

    def __init__(self, story, cert, key):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(cert, key)
        self.context.load_verify_locations(story.dir / "ca.pem")
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.asked, self.answers, self.names, self.port = [], {}, [], 0
        self.up, self.done = threading.Event(), threading.Event()
        self.loop = asyncio.new_event_loop()
        self.over = asyncio.Event()
        threading.Thread(target=lambda: self.loop.run_until_complete(self.serve()), daemon=True).start()
        self.up.wait(10)

    async def serve(self):
        async with websockets.serve(self.session, "127.0.0.1", 0, ssl=self.context, subprotocols=["oneM2M.json"], max_size=None) as server:
            self.port = server.sockets[0].getsockname()[1]
            self.up.set()
            await self.over.wait()

    async def session(self, socket, *_):
        self.names.append([value for _, value in socket.transport.get_extra_info("peercert").get("subjectAltName", ())])
        async for text in socket:
            one = json.loads(text)
            if "op" in one:
                self.asked.append(one)
                await socket.send(json.dumps({"rsc": 2004, "rqi": one["rqi"], "rvi": "3"}))
                if len(self.asked) == 1:
                    for rqi, request in self.REQUESTS:
                        await socket.send(json.dumps({**request, "to": "cse-in/Clamp", "rqi": rqi, "rvi": "3"}))
            else:
                self.answers[one["rqi"]] = one["rsc"]
                if len(self.answers) == len(self.REQUESTS):
                    self.done.set()

    def end(self):
        self.loop.call_soon_threadsafe(self.over.set)


def a_registrar_that_is_not_ours(story, lamp):
    conf = lamp / "device.conf"
    text = conf.read_text(encoding="utf-8")
    for name, good in (("again", True), ("mn8", False), ("self", False)):
        registrar = Registrar(story, story.folder / f"{name}.pem", story.folder / f"{name}.key")
        conf.write_text(re.sub(r'(cse = \{[^}]*?endpoint = )"[^"]*"', rf'\1"127.0.0.1:{registrar.port}"', text, count=1), encoding="utf-8")
        if good:
            listener = Listener(story, lamp, "--binding", "ws")
            story.expect(registrar.done.wait(10) and registrar.answers == {"n1": 2000, "n2": 4005, "n3": 4000, "n4": 2000},
                         "a CSE in Python notifies the device: NOTIFY with From, and nothing else", registrar.answers)
            lines = [listener.line() for _ in range(2)]
            story.expect([line.get("rqi") for line in lines] == ["n1", "n4"] and lines[1].get("content") == LONG, "and the device saw it", str(lines)[:300])
            story.expect(registrar.asked[0]["pc"]["m2m:ae"] == {"rr": True, "poa": None} and any("Clamp" in one for one in registrar.names[0]),
                         "which had proven itself and said that it takes requests", (registrar.asked, registrar.names))
            listener.end()
            story.expect(registrar.asked[-1]["pc"]["m2m:ae"].get("rr") is False, "and takes it back", registrar.asked)
        else:
            code, answer = story.call("device", "listen", lamp, "--binding", "ws")
            story.expect(code != 0 and not registrar.asked, f"who bears the certificate {name} is not its registrar", answer)
        registrar.end()
    conf.write_text(text, encoding="utf-8")


def chapters(story):
    listen_for_coap(story.dir)
    settings(story, "cse", open_registration=True, transit_ms=4000)
    for name in ("mef", "maf", "cse"):
        story.start(name)
    sender, meter = story.device("sender", "in-cse"), story.device("meter", "in-cse")
    story.permit(meter, "Cmeter", ["Csender"])
    over_coap(story, sender, meter)
    with_a_kpsa(story, sender)
    lamp = with_a_certificate(story, sender)
    over_websocket(story, sender, meter, lamp)
    a_path_that_goes_silent(story, sender, lamp)
    a_registrar_that_is_not_ours(story, lamp)


if __name__ == "__main__":
    sys.exit(tell("device-listen", chapters))
