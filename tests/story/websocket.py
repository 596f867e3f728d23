#!/usr/bin/env python3
"""Primitives over WebSocket from a client that is not ours (python3-websockets, python3-cbor2): JSON and CBOR over TLS with
client certificates, what is refused, and with which code a connection ends.

usage: websocket.py GATEHOUSE   (exit code 0: every check held)
"""
import asyncio
import json
import os
import pathlib
import signal
import socket
import ssl
import sys

try:
    import cbor2
    import websockets
except ImportError:  # Debian's packages belong to Debian's Python, which need not be the first one on the way
    if sys.executable == "/usr/bin/python3":
        raise
    os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from notify_ae import Authority, tell  # noqa: E402
from third_party import run  # noqa: E402
from transit import SP  # noqa: E402

CSE = "in-cse.sp.example.com"
AE = {"m2m:ae": {"api": "N.story", "rr": False, "srv": ["3"]}}


class Contexts(Authority):
    def certify(self, stem):
        """A context with a certificate for the AE-ID //sp.example.com/in-cse/STEM."""
        super().certify(stem, f"m2m://{SP}/in-cse/{stem}")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.folder / "realm" / "ca.pem")
        context.load_cert_chain(self.folder / f"{stem}.pem", self.folder / f"{stem}.key")
        return context


def extensions_of(connection):
    """Debian 12 has websockets 10, Debian 13 has 15 with another class of connections."""
    return connection.extensions if hasattr(connection, "extensions") else connection.protocol.extensions


def status_of(refused):
    return refused.response.status_code if hasattr(refused, "response") else refused.status_code


class Entity:
    """One connection; requests by short names, responses matched by rqi."""

    def __init__(self, port, context, stem, form="json"):
        self.port, self.context, self.stem, self.form = port, context, stem, form
        self.socket, self.count = None, 0

    def open(self, **changes):
        settings = {"subprotocols": [f"oneM2M.{self.form}"], "host": "127.0.0.1", "port": self.port, "ssl": self.context,
                    "server_hostname": CSE, "open_timeout": 10, "close_timeout": 5, "max_size": None}
        path = changes.pop("path", "/")
        return websockets.connect(f"wss://{CSE}{path}", **{**settings, **changes})

    async def __aenter__(self):
        self.socket = await self.open()
        return self

    async def __aexit__(self, *_):
        await self.socket.close()

    def encode(self, primitive):
        return json.dumps(primitive) if self.form == "json" else cbor2.dumps(primitive)

    def request(self, op, to, **more):
        self.count += 1
        primitive = {"op": op, "to": to, "fr": self.stem, "rqi": f"{self.stem}{self.count}", "rvi": "3", **more}
        return {name: value for name, value in primitive.items() if value is not None}

    async def receive(self):
        octets = await asyncio.wait_for(self.socket.recv(), 10)
        assert isinstance(octets, str) == (self.form == "json"), "opcode"
        return json.loads(octets) if self.form == "json" else cbor2.loads(octets)

    async def ask(self, op, to, **more):
        request = self.request(op, to, **more)
        await self.socket.send(self.encode(request))
        response = await self.receive()
        assert response.get("rqi") == request.get("rqi"), (request, response)
        return response

    async def rsc(self, op, to, **more):
        return (await self.ask(op, to, **more))["rsc"]


async def one_entity(checks, meter):
    checks.expect(meter.socket.subprotocol == "oneM2M.json", "the subprotocol is agreed")
    checks.expect(not extensions_of(meter.socket), "compression is not")
    checks.expect(await meter.rsc(2, "cse-in/none") in (4004, 4103), "before its registration an AE reaches nothing")
    checks.expect(await meter.rsc(1, "cse-in", ty=2, pc=AE) == 2001, "an AE registers")
    box = {"m2m:cnt": {"rn": "box"}}
    answer = await meter.ask(1, "cse-in/Cmeter", ty=3, pc=box)
    checks.expect(answer["rsc"] == 2001 and answer["pc"]["m2m:cnt"]["rn"] == "box" and answer["rvi"] == "3", "creates a container", str(answer))
    for value in ("a", "b"):
        checks.expect(await meter.rsc(1, "cse-in/Cmeter/box", ty=4, pc={"m2m:cin": {"con": value}}) == 2001, f"stores {value}")
    answer = await meter.ask(2, "cse-in/Cmeter/box/la")
    checks.expect(answer["pc"]["m2m:cin"]["con"] == "b", "and reads the latest")
    checks.expect(await meter.rsc(3, "cse-in/Cmeter/box", pc={"m2m:cnt": {"mni": 5}}) == 2004, "updates")
    answer = await meter.ask(2, "cse-in/Cmeter/box", pc={"m2m:atrl": ["mni"]})
    checks.expect(answer["pc"] == {"m2m:cnt": {"mni": 5}}, "reads one attribute", str(answer))
    checks.expect(await meter.rsc(4, "cse-in/Cmeter/box", rcn=0, rt={"rtv": 3}) == 2002, "deletes")


async def refusals(checks, meter):
    cases = (("a From of another", {"fr": "Cother"}, 4106), ("an admin's From", {"fr": "//sp.example.com/Sadmin"}, 4000),
             ("no From", {"fr": None}, 4000), ("an unknown member", {"frr": "x"}, 4000), ("no op", {"op": None}, 4000),
             ("no rqi", {"rqi": None}, 4000), ("no to", {"to": None}, 4000), ("a number for rvi", {"rvi": 3}, 4000),
             ("rvi of the future", {"rvi": "99"}, 4001), ("tokens", {"tkns": ["x"]}, 5001), ("a request that is late", {"rqet": "20200101T000000"}, 4008))
    for title, changes, rsc in cases:
        request = {**meter.request(2, "cse-in/Cmeter"), **changes}
        await meter.socket.send(meter.encode({name: value for name, value in request.items() if value is not None}))
        answer = await meter.receive()
        checks.expect(answer["rsc"] == rsc and answer.get("rqi") == (None if "rqi" in changes else request["rqi"]), f"{title}: {rsc}", str(answer))


async def side_by_side(checks, meter):
    requests = [meter.request(2, "cse-in/Cmeter") if i % 2 else meter.request(1, "cse-in/Cmeter", ty=3, pc={"m2m:cnt": {}}) for i in range(60)]
    for request in requests:
        await meter.socket.send(meter.encode(request))
    answers = [await meter.receive() for _ in requests]
    checks.expect({a["rqi"] for a in answers} == {r["rqi"] for r in requests} and all(a["rsc"] in (2000, 2001) for a in answers),
                  "sixty requests in flight are all answered")
    text = meter.encode(meter.request(2, "cse-in/Cmeter"))
    await meter.socket.send([text[:1], text[1:20], text[20:]])
    checks.expect((await meter.receive())["rsc"] == 2000, "a message in fragments")
    await asyncio.wait_for(await meter.socket.ping(b"here"), 10)
    checks.expect(True, "a ping is answered")


async def two_serializations(checks, meter, cbor):
    checks.expect(cbor.socket.subprotocol == "oneM2M.cbor", "CBOR is agreed")
    request = cbor.request(1, "cse-in/Cmeter", ty=3, pc={"m2m:cnt": {"rn": "cbor", "lbl": ["ä"]}})
    await cbor.socket.send(cbor.encode(request))
    checks.expect((await cbor.receive())["rsc"] == 2001, "created in CBOR")
    a, b = await meter.ask(2, "cse-in/Cmeter/cbor"), await cbor.ask(2, "cse-in/Cmeter/cbor")
    checks.expect(a["pc"] == b["pc"] and a["pc"]["m2m:cnt"]["lbl"] == ["ä"], "the same in JSON and CBOR", f"{a} {b}")
    checks.expect(await cbor.rsc(2, "cse-in/none") == 4004, "refusals in CBOR")


async def ends(checks, meter):
    """How a connection ends that breaks the rules (RFC 6455 7.4.1)."""
    for title, payload, code in (("binary for JSON", b"{}", 1003), ("no JSON", "{", 1007), ("too large", '"' + "x" * 400000 + '"', 1009),
                                 ("twice the same member", '{"op":2,"op":2}', 1007), ("too deep", "[" * 100000, 1007)):
        async with meter.open() as client:
            try:
                await client.send(payload)
                await asyncio.wait_for(client.recv(), 10)
                checks.expect(False, title)
            except websockets.ConnectionClosed:
                checks.expect(client.close_code == code, f"{title}: closed with {code}", str(client.close_code))
    async with meter.open() as client:
        pass
    checks.expect(client.close_code == 1000, "an orderly end")


async def handshakes(checks, meter):
    for title, changes, status in (("another subprotocol", {"subprotocols": ["oneM2M.xml"]}, 400), ("no subprotocol", {"subprotocols": None}, 400),
                                   ("a page in a browser", {"origin": "https://evil.example"}, 403), ("another path", {"path": "/cse-in"}, 404)):
        try:
            async with meter.open(**changes):
                checks.expect(False, title)
        except websockets.InvalidHandshake as refused:
            checks.expect(status_of(refused) == status, f"{title}: {status}", str(refused))
    async with meter.open(subprotocols=["oneM2M.xml", "oneM2M.cbor", "oneM2M.json"]) as client:
        checks.expect(client.subprotocol == "oneM2M.cbor", "the client's order is its preference")
    async with meter.open(subprotocols=["oneM2M.R2.0.json"]) as client:
        checks.expect(client.subprotocol == "oneM2M.R2.0.json", "the name of Release 2")


UPGRADE = (f"GET / HTTP/1.1\r\nHost: {CSE}\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Key: ud63env87LQLd4uIV20/oQ==\r\n"
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: oneM2M.xml\r\nSec-WebSocket-Protocol: oneM2M.json\r\n\r\n")


def raw(meter, octets, upgrade=UPGRADE):
    """What comes back to octets behind a handshake by hand."""
    with socket.create_connection(("127.0.0.1", meter.port), 10) as plain, meter.context.wrap_socket(plain, server_hostname=CSE) as tls:
        tls.sendall(upgrade.encode() + octets)
        got = b""
        try:
            while part := tls.recv(65536):
                got += part
        except (ssl.SSLError, OSError):
            pass
    return got


def by_hand(checks, meter):
    for title, octets in (("a frame without a mask", b"\x81\x02{}"), ("a reserved bit", b"\xc1\x80\0\0\0\0"), ("an unknown opcode", b"\x83\x80\0\0\0\0"),
                          ("a continuation of nothing", b"\x80\x80\0\0\0\0"), ("a fragmented ping", b"\x09\x80\0\0\0\0"),
                          ("a length that is too long", b"\x81\xfe\0\x01\0\0\0\0x"), ("a ping that is too long", b"\x89\xfe\0\x7e\0\0\0\0")):
        got = raw(meter, octets)
        checks.expect(b"Sec-WebSocket-Accept: 5thN0mVgdTFTgHSjknHQ8H0EtnM=\r\n" in got and got.endswith(b"\x88\x02\x03\xea"), f"{title}: 1002", str(got[-40:]))
    got = raw(meter, b"\x88\x81\0\0\0\0x")
    checks.expect(got.endswith(b"\x88\0"), "a close of one octet is a close", str(got[-40:]))
    got = raw(meter, b"\x81\x82\0\0\0\0\xff\xfe")
    checks.expect(got.endswith(b"\x88\x02\x03\xef"), "text that is no UTF-8: 1007", str(got[-40:]))
    got = raw(meter, b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0x")
    checks.expect(got.endswith(b"\x88\x02\x03\xf1"), "a frame of 2^63 octets: 1009, at once", str(got[-40:]))
    got = raw(meter, b"", UPGRADE.replace("Version: 13", "Version: 8"))
    checks.expect(b" 426 " in got and b"Sec-WebSocket-Version: 13\r\n" in got, "another version: 426", str(got))
    for title, old, new in (("a short key", "ud63", ""), ("no version", "Sec-WebSocket-Version: 13\r\n", ""), ("another upgrade", "WebSocket\r\n", "h2c\r\n"),
                            ("no Connection", "Connection: keep-alive, Upgrade\r\n", "")):
        got = raw(meter, b"", UPGRADE.replace(old, new, 1))
        checks.expect(b" 400 " in got, f"{title}: 400", str(got))
    with socket.create_connection(("127.0.0.1", meter.port), 10) as plain:
        plain.sendall(UPGRADE.encode())
        got = plain.recv(4096)
    checks.expect(b" 403 " in got and b"4107" in got, "WebSocket in clear: 4107", str(got))


def our_device(checks, gatehouse, folder, realm):
    """The same binding from our own device library."""
    device = folder / "pump"

    def call(*words):
        code, text = run([gatehouse, *words, "--json"])
        return code, json.loads(text.strip().splitlines()[-1])

    for step in (("device", "new", device, "--realm", realm, "--kpm-id", "pump", "--generate", folder / "kpm"),
                 ("mef", "enrolee", "add", realm, "--id", "pump", "--enrolee-id", "//sp.example.com/in-cse/Cpump", "--key-file", folder / "kpm"),
                 ("enrol", device)):
        code, answer = call(*step)
        checks.expect(code == 0, " ".join(map(str, step[:2])), str(answer))
    code, answer = call("register", device, "--app-id", "N.story", "--binding", "ws")
    checks.expect(code == 0 and answer.get("aeID") == "Cpump", "register --binding ws", str(answer))
    code, answer = call("create", device, "cse-in/Cpump", "--ty", "cnt", "--rn", "box", "--binding", "ws", "--cbor")
    checks.expect(code == 0 and answer.get("rsc") == 2001, "create --binding ws --cbor", str(answer))
    contents = [call("get", device, "cse-in/Cpump/box", *more)[1].get("content") for more in ((), ("--binding", "ws"), ("--binding", "ws", "--cbor"))]
    checks.expect(contents[0] and contents[0] == contents[1] == contents[2], "get reads the same over HTTP and WebSocket", str(contents))
    code, answer = call("get", device, "cse-in/Cpump", "--binding", "ws", "--from", "Cmeter")
    checks.expect(code == 1 and answer.get("rsc") == 4106, "get --from another: 4106", str(answer))
    poa = call("get", realm, "cse-in", "--admin")[1].get("content", {}).get("m2m:cb", {}).get("poa")
    checks.expect(poa == [f"https://{CSE}", f"wss://{CSE}"], "the CSEBase says where WebSocket is", str(poa))
    checks.expect(call("delete", device, "cse-in/Cpump/box", "--binding", "ws")[1].get("rsc") == 2002, "delete --binding ws")
    checks.expect(run([gatehouse, "get", device, "cse-in", "--binding", "smoke"])[0] > 1, "a binding that is none is no refusal")


async def notified(checks, meter, last, other):
    """TS-0001 10.2.5.23: an AE without a point of access is reached over the connection that it opened last."""
    note = {"m2m:sgn": {"sur": "x", "nev": {"net": 3}}}
    checks.expect(await other.rsc(5, "cse-in/Cmeter", pc=note) == 4103, "nobody notifies an AE without its leave")
    policy = {"m2m:acp": {"rn": "who", "pv": {"acr": [{"acor": ["Cother"], "acop": 16}, {"acor": ["Cmeter"], "acop": 63}]},
                          "pvs": {"acr": [{"acor": ["Cmeter"], "acop": 63}]}}}
    checks.expect(await meter.rsc(1, "cse-in/Cmeter", ty=1, pc=policy) == 2001 and
                  await meter.rsc(3, "cse-in/Cmeter", pc={"m2m:ae": {"acpi": ["cse-in/Cmeter/who"]}}) == 2004, "it permits the other AE")
    checks.expect(await other.rsc(5, "cse-in/Cmeter", pc=note) == 5103, "5103: it takes no requests")
    checks.expect(await meter.rsc(3, "cse-in/Cmeter", pc={"m2m:ae": {"rr": True, "poa": ["https://127.0.0.1:1"]}}) == 2004, "now it does")
    asked = asyncio.create_task(other.ask(5, "cse-in/Cmeter", pc=note))
    request = await last.receive()
    checks.expect(request["op"] == 5 and request["fr"] == "/in-cse/Cother" and request["to"] == "cse-in/Cmeter" and request["pc"] == note,
                  "the notification comes over its WebSocket, where its point of access leads nowhere", str(request))
    await last.socket.send(last.encode({"rsc": 5207, "rqi": request["rqi"], "rvi": "3", "pc": {"m2m:dbg": "no"}}))
    answer = await asked
    checks.expect(answer["rsc"] == 5207 and answer["pc"] == {"m2m:dbg": "no"}, "and its answer goes back", str(answer))


async def talk(checks, server, port, authority):
    meter = Entity(port, authority.certify("Cmeter"), "Cmeter")
    cbor = Entity(port, meter.context, "Cmeter", "cbor")
    other = Entity(port, authority.certify("Cother"), "Cother")
    async with meter, cbor, other:
        await one_entity(checks, meter)
        await refusals(checks, meter)
        await side_by_side(checks, meter)
        await two_serializations(checks, meter, cbor)
        checks.expect(await other.rsc(1, "cse-in", ty=2, pc=AE) == 2001, "another AE registers")
        checks.expect(await other.rsc(2, "cse-in/Cmeter") == 4103, "and cannot read the first")
        await notified(checks, meter, cbor, other)
        await ends(checks, meter)
        await handshakes(checks, meter)
        await asyncio.get_running_loop().run_in_executor(None, by_hand, checks, meter)
        checks.expect(await meter.rsc(2, "cse-in/Cmeter") == 2000, "the first connection has seen nothing of that")
        server.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(meter.socket.recv(), 10)
        except websockets.ConnectionClosed:
            pass
        checks.expect(meter.socket.close_code == 1001, "a server that stops says so", str(meter.socket.close_code))


def chapters(story):
    authority = Contexts(story)
    for name in ("mef", "maf", "cse"):
        story.start(name)
    port = int((story.dir / "run" / "cse.endpoint").read_text(encoding="utf-8").strip().rsplit(":", 1)[1])
    our_device(story.checks, story.gatehouse, story.folder, story.dir)
    asyncio.run(talk(story.checks, story.processes["cse"], port, authority))


if __name__ == "__main__":
    sys.exit(tell("ws", chapters))
