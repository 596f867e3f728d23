"""A CoAP server that is not ours: openssl s_server for the associations, and CoAP by hand (RFC 7252, RFC 8323)."""
import os
import socket
import subprocess
import threading

RQI, RSC = 283, 307


def options_of(octets):
    """[(number, value)], payload"""
    at, number, found = 0, 0, []
    while at < len(octets) and octets[at] != 0xFF:
        sizes, at = [octets[at] >> 4, octets[at] & 15], at + 1
        for i in (0, 1):
            if sizes[i] == 13:
                sizes[i], at = octets[at] + 13, at + 1
            elif sizes[i] == 14:
                sizes[i], at = int.from_bytes(octets[at:at + 2], "big") + 269, at + 2
        number += sizes[0]
        found.append((number, octets[at:at + sizes[1]]))
        at += sizes[1]
    return found, octets[at + 1:]


def options(pairs):
    out, before = b"", 0
    for number, value in sorted(pairs):
        head, more = 0, b""
        for size in (number - before, len(value)):
            nibble = size if size < 13 else 13 if size < 269 else 14
            head = head << 4 | nibble
            more += b"" if nibble < 13 else bytes([size - 13]) if nibble == 13 else (size - 269).to_bytes(2, "big")
        out += bytes([head]) + more + value
        before = number
    return out


def frame(code, token, body):
    """RFC 8323 3.2"""
    size = len(body)
    nibble, more = (size, b"") if size < 13 else (13, bytes([size - 13])) if size < 269 else (14, (size - 269).to_bytes(2, "big"))
    return bytes([nibble << 4 | len(token)]) + more + bytes([code]) + token + body


def unframe(octets):
    """(code, token, body, rest), or None while it is not whole"""
    if len(octets) < 2:
        return None
    nibble, token_size, at = octets[0] >> 4, octets[0] & 15, 1
    size = nibble
    if nibble == 13:
        size, at = octets[1] + 13, 2
    elif nibble == 14:
        size, at = int.from_bytes(octets[1:3], "big") + 269, 3
    end = at + 1 + token_size + size
    if nibble == 15 or len(octets) < end:
        return None
    return octets[at], octets[at + 1:at + 1 + token_size], octets[at + 1 + token_size:end], octets[end:]


class CoapServer:
    """Answers every request 2.04 or 2.05 with the response status code `rsc`; remembers (options, payload) of each. `stream`: over TLS."""

    def __init__(self, stream, *credential, rsc=2000, payload=b"", silent=False):
        kind = socket.SOCK_STREAM if stream else socket.SOCK_DGRAM
        with socket.socket(socket.AF_INET, kind) as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.poa, self.seen, self.came = f"coaps{'+tcp' if stream else ''}://127.0.0.1:{port}", [], 0
        self.rsc, self.payload, self.silent = rsc, payload, silent
        self.form = 50  # Content-Format of the payload
        self.block = b""  # value of Block2
        self.process = subprocess.Popen(["openssl", "s_server", *([] if stream else ["-dtls1_2"]), "-accept", f"127.0.0.1:{port}", "-quiet",
                                         *map(str, credential)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        threading.Thread(target=self.serve_stream if stream else self.serve_datagrams, daemon=True).start()
        while not self.listens(port, kind):
            if self.process.poll() is not None:
                raise SystemExit(f"openssl s_server {credential} does not start")

    @staticmethod
    def listens(port, kind):
        if kind == socket.SOCK_DGRAM:
            with open("/proc/net/udp", encoding="ascii") as table:
                return f"0100007F:{port:04X}" in table.read()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def text(self):
        return b" ".join(value for found, payload in self.seen for value in [*[v for _, v in found], payload]).decode(errors="replace")

    def answer(self, token, body, stream, mid=b""):
        found, payload = options_of(body)
        self.seen.append((found, payload))
        if self.silent:
            return
        rqi = [value for number, value in found if number == RQI]
        pairs = [(RSC, self.rsc.to_bytes(2, "big"))] + [(RQI, value) for value in rqi] + ([(12, bytes([self.form]))] if self.payload else [])
        pairs += [(23, self.block)] if self.block else []
        out = options(pairs) + (b"\xff" + self.payload if self.payload else b"")
        code = 69 if self.payload else 68
        self.process.stdin.write(frame(code, token, out) if stream else bytes([0x60 | len(token), code]) + mid + token + out)
        self.process.stdin.flush()

    def serve_stream(self):
        octets = b""
        while more := os.read(self.process.stdout.fileno(), 65536):
            octets += more
            self.came += len(more)
            while whole := unframe(octets):
                code, token, body, octets = whole
                if code < 32:
                    self.answer(token, body, True)

    def serve_datagrams(self):
        while one := os.read(self.process.stdout.fileno(), 65536):
            self.came += len(one)
            size = one[0] & 15
            if one[1] == 0 and one[0] & 0x30 == 0:  # a ping is answered with a reset (RFC 7252 4.3)
                self.process.stdin.write(b"\x70\x00" + one[2:4])
                self.process.stdin.flush()
            if 0 < one[1] < 32:
                self.answer(one[4:4 + size], one[4 + size:], False, one[2:4])

    def end(self):
        self.process.kill()
        self.process.wait()
