#!/usr/bin/env python3
"""A device asks whether the certificate of its CSE is revoked (TS-0003 8.1.2.5): at openssl ocsp, at what openssl s_server staples, by lists over
HTTP; as a client over each binding, at a broker, where it listens, and while an association stands. It is told by device show and doctor.

usage: device_ocsp.py GATEHOUSE   (exit code 0: every check held)
"""
import http.server
import json
import pathlib
import re
import shutil
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from broker_revocation import Responder  # noqa: E402
from device_certificate import issue, new_device  # noqa: E402
from device_listen import CSE, Registrar, coap_client  # noqa: E402
from device_revocation import asked, points_to, server_of  # noqa: E402
from mqtt import BROKER, Broker, free_ports  # noqa: E402
from notify_ae import NOTE, Listener, OpenSSL, tell  # noqa: E402
from providers import ForeignCa  # noqa: E402
from third_party import run  # noqa: E402
from transit import SP  # noqa: E402

PATIENCE_S = 150


class Place:
    """An authority, and a device that trusts it; its sources change."""

    def __init__(self, story):
        self.story, self.ca, self.count = story, ForeignCa(story.folder / "ca"), 0
        self.device = new_device(story, "lamp")
        self.own = issue(story, "Clamp", "--ae-id", f"//{SP}/in-cse/Clamp")
        self.wait_for(15000)
        self.look("--stapling", "off")
        state = json.loads((self.device / "state.json").read_text(encoding="utf-8"))
        (self.device / "state.json").write_text(json.dumps({**state, "aeID": "Clamp"}), encoding="utf-8")  # as if it were registered

    def wait_for(self, timeout_ms):
        conf = self.device / "device.conf"
        text, count = re.subn(r"timeout_ms = \d+", f"timeout_ms = {timeout_ms}", conf.read_text(encoding="utf-8"))
        self.story.expect(count == 1, f"the device waits for {timeout_ms} ms")
        conf.write_text(text, encoding="utf-8")

    def give(self, *sources):
        cert, key = self.own
        return self.story.call("device", "certificate", self.device, "--cert", cert, "--key-file", key, "--anchors", self.ca.folder / "ca.pem", *sources)

    def look(self, *sources):
        """From now on at these sources."""
        code, answer = self.give(*sources)
        if code != 0:
            raise SystemExit(f"{sources}: {answer}")

    def another(self, revoked=False, subject=f"DNS:{CSE}"):
        self.count += 1
        pair = self.ca.certificate(f"cse{self.count}", subject)
        if revoked:
            self.ca.revoke(pair)
        return pair

    def stapled(self, pair):
        """The answer of openssl ocsp about this certificate, in a file."""
        request, answer, ca = (self.ca.folder / name for name in ("request.der", f"{pair[0].stem}.answer", "ca.pem"))
        self.ca.openssl("ocsp", "-issuer", ca, "-cert", pair[0], "-no_nonce", "-reqout", request)
        self.ca.openssl("ocsp", "-index", self.ca.folder / "index", "-CA", ca, "-rsigner", ca, "-rkey", self.ca.folder / "ca.key", "-reqin", request,
                        "-ndays", "1", "-respout", answer)
        return answer

    def get(self, binding, pair):
        """(done, the server saw a request, the answer)"""
        return asked(self.story, self.device, binding, pair)

    def goes(self, title, binding, pair):
        done, seen, answer = self.get(binding, pair)
        self.story.expect(done and seen, title, answer)

    def fails(self, title, reason, binding, pair):
        done, seen, answer = self.get(binding, pair)
        self.story.expect(not done and not seen and reason in str(answer), title, answer)


class Web:
    """A web server of Python's with one list."""

    def __init__(self):
        self.octets, self.asked = None, 0
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                owner.asked += 1
                self.send_response(200 if owner.octets else 404)
                self.end_headers()
                self.wfile.write(owner.octets or b"")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/ca.crl"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def end(self):
        self.server.shutdown()
        self.server.server_close()


def crl(place, seconds):
    """A list that is over so soon."""
    path = place.ca.folder / "short.pem"
    place.ca.openssl("ca", "-config", place.ca.folder / "conf", "-gencrl", "-crlsec", str(seconds), "-out", path)
    return path.read_bytes()


def at_a_responder(place):
    good, bad = place.another(), place.another(revoked=True)
    responder = Responder(place.ca)
    place.look("--ocsp", responder.url)
    for binding in ("http", "coap", "coaps_tcp"):
        place.goes(f"a CSE that openssl ocsp calls good is asked over {binding}", binding, good)
        place.fails(f"one that it calls revoked is not over {binding}, and the reason is said", "the certificate is revoked", binding, bad)
    it_is_told(place, responder.url)
    place.look("--ocsp", responder.url, "--ocsp-policy", "soft")
    place.fails("nor where the policy is soft", "the certificate is revoked", "http", bad)
    responder.end()
    place.goes("soft: without an answer it is asked", "http", good)
    row = doctor(place, "responder")
    place.story.expect(row.get("state") == "FAILED" and responder.url in row.get("text", ""), "doctor says that it does not answer", row)
    place.look("--ocsp", responder.url)
    place.fails("require: without an answer it is not", "no source says", "http", good)
    other = ForeignCa(place.story.folder / "other")  # of the same name
    responder = Responder(other)
    place.look("--ocsp", responder.url)
    place.fails("nor with that of another authority", "no source says", "http", good)
    responder.end()


def doctor(place, check):
    answer = place.story.call("doctor", place.device)[1]
    rows = [row for row in answer if isinstance(row, dict) and row.get("check") == check] if isinstance(answer, list) else []
    return rows[0] if len(rows) == 1 else {"answer": answer}


def it_is_told(place, url):
    expect, story = place.story.expect, place.story
    shown = story.call("device", "show", place.device)[1]
    expect(shown.get("ocsp") == url and shown.get("ocspPolicy") == "require" and shown.get("stapling") == "soft", "device show says who is asked", shown)
    row = doctor(place, "responder")  # our certificate is of another authority, of which this one knows nothing
    expect(row.get("state") == "unknown" and url in row.get("text", "") and "there is no association" in row["text"], "doctor asks, too", row)
    row = doctor(place, "stapled answers")
    expect(row.get("state") == "ok" and "asked for" in row.get("text", ""), "and knows of stapled ones", row)
    for words, reason in ((("--ocsp", "https://a.example.com/"), "http://HOST"), (("--crl-url", "file:///etc/passwd"), "http://HOST"), (("--ocsp-policy", "soft"), "no responder")):
        code, answer = place.give(*words)
        expect(code != 0 and reason in str(answer), f"{' '.join(words)} is refused", answer)
    expect(place.give("--ocsp-policy", "off", "--ocsp", url)[0] == 2 and place.give("--stapling", "maybe")[0] == 2, "so is a policy that there is not")
    expect(story.call("device", "show", place.device)[1].get("ocsp") == url, "and nothing has changed")


def what_is_stapled(place):
    good, bad = place.another(), place.another(revoked=True)
    words = {pair: (f"{pair[0]}", f"{pair[1]}", place.stapled(pair)) for pair in (good, bad)}

    def get(pair, staples=True):
        more = ("-status_file", words[pair][2]) if staples else ()
        server = OpenSSL(place.story, "-cert", pair[0], "-key", pair[1], "-CAfile", place.story.dir / "ca.pem", "-Verify", 3, "-verify_return_error", *more)
        points_to(place.device, "endpoint", server.poa.removeprefix("https://"))
        answer = place.story.call("get", place.device, "cse-in/Clamp")[1]
        server.process.kill()
        return answer.get("rsc") == 2000 and bool(server.seen), answer
    expect = place.story.expect
    for sources, bare in (((), True), (("--stapling", "soft"), True), (("--stapling", "require"), False)):
        place.look(*sources)
        name = " ".join(sources) or "without an option"
        done, answer = get(good)
        expect(done, f"a good answer that openssl s_server staples counts, {name}", answer)
        done, answer = get(bad)
        expect(not done and "the certificate is revoked" in str(answer), f"a bad one, too, {name}", answer)
        done, answer = get(good, staples=False)
        expect(done == bare and (bare or "no source says" in str(answer)), f"{name}: who staples none is {'let through' if bare else 'refused'}", answer)
    place.look("--stapling", "off")
    expect(get(bad)[0], "off: nobody looks")
    responder = Responder(place.ca)
    place.look("--stapling", "require", "--ocsp", responder.url)
    expect(get(good, staples=False)[0], "what a responder says is enough where a stapled answer is missing")
    responder.end()


def lists_over_http(place):
    good, bad, web = place.another(), place.another(revoked=True), Web()
    place.look("--crl-url", web.url)
    web.octets = place.ca.crl()
    for binding in ("http", "coap", "coaps_tcp"):
        place.goes(f"a CSE that is not on the list is asked over {binding}", binding, good)
        place.fails(f"one that is on it is not over {binding}", "the certificate is revoked", binding, bad)
    shown = place.story.call("device", "show", place.device)[1]
    row = doctor(place, "revocation list over HTTP")
    place.story.expect(shown.get("crlUrl") == web.url and "crlUrlUntil" in shown and row.get("state") == "ok" and "until" in row.get("text", ""), "it is told", (shown, row))
    web.octets = ForeignCa(place.story.folder / "stranger").crl()
    place.fails("the list of another authority of this name says nothing", "no list says", "http", good)
    web.octets = b"<html>please log in</html>"
    place.fails("nor does what is no list", "no list says", "http", good)
    shown = place.story.call("device", "show", place.device)[1]
    place.story.expect("crlUrlFault" in shown and doctor(place, "revocation list over HTTP").get("state") == "FAILED", "which is told, too", shown)
    web.octets = None
    place.fails("nor nothing", "no list says", "http", good)
    web.end()


def as_a_server(place):
    body = json.dumps(NOTE)
    good, bad, own = place.another(), place.another(revoked=True), place.another()
    responder = Responder(place.ca)
    place.look("--ocsp", responder.url)
    for binding in ("http", "coap", "coaps_tcp"):
        server = server_of(place.story, place.device, binding, own)  # what the device tells its registrar at the beginning
        listener = Listener(place.story, place.device, "--binding", binding)
        where = listener.first.get("poa", "")
        place.story.expect(where, f"it listens over {binding}", (listener.first, listener.log.read_text(), responder.state()))

        def comes(pair):
            if binding != "http":
                return "c:2.04" in coap_client(where, "-c", pair[0], "-j", pair[1], "-R", place.ca.folder / "ca.pem", "-n")
            return "X-M2M-RSC: 2000" in run(["curl", "-s", "-S", "-D", "-", "-k", "--cert", pair[0], "--key", pair[1], "-X", "POST", f"{where}/cse-in/Clamp", "-H",
                                             "X-M2M-RI: r7", "-H", "X-M2M-RVI: 3", "-H", "X-M2M-Origin: /in-cse/Csender", "-H",
                                             "Content-Type: application/json", "-d", body])[1]
        place.story.expect(comes(good) and listener.line().get("rqi") == "r7", f"a registrar that the responder calls good notifies it over {binding}")
        place.story.expect(not comes(bad), f"one that it calls revoked does not over {binding}")
        listener.process.kill()
        server.process.kill()
    responder.end()


def at_a_broker(place):
    place.wait_for(10000)  # the broker takes the request, and nobody answers it
    for good in (True, False):
        cert, key = place.another(revoked=not good, subject=f"DNS:{BROKER}")
        shutil.copy(cert, place.story.folder / "broker.pem")
        shutil.copy(key, place.story.folder / "broker.key")
        ports, responder = free_ports(2), Responder(place.ca)
        place.look("--ocsp", responder.url)
        broker = Broker(place.story.folder, place.story.dir, *ports)
        for path in (broker.acl, broker.psk):
            path.touch(mode=0o600)
        before = len(broker.log())
        try:
            broker.start()
            conf = place.device / "device.conf"
            text = conf.read_text(encoding="utf-8")
            begin = text.index("mqtt = {")
            group = re.sub(r'name = "[^"]*"', f'name = "{BROKER}"', re.sub(r'broker = "[^"]*"', f'broker = "127.0.0.1:{ports[0]}"', text[begin:], count=1), count=1)
            conf.write_text(text[:begin] + group, encoding="utf-8")
            answer = place.story.call("get", place.device, "cse-in/Clamp", "--binding", "mqtt")[1]
            let_in = re.search(r"New client connected .* as \S*Clamp", broker.log()[before:]) is not None
            place.story.expect(good or "the certificate is revoked" in str(answer), "and the reason is said", answer)
            place.story.expect(let_in == good, f"a broker that is {'good is believed' if good else 'revoked is not'}", (answer, broker.log()[-1000:]))
        finally:
            broker.kill()
            responder.end()


def said_in_time(listener):
    """The exit code of a listener that ends by itself, and what it said."""
    guard = threading.Timer(PATIENCE_S, listener.process.kill)
    guard.start()
    text = listener.process.stdout.read().decode()
    code = listener.process.wait()
    guard.cancel()
    return code, text + listener.log.read_text()


def while_it_stands(place):
    """A WebSocket that is open when a list is fetched again, and when a responder is asked again."""
    web = Web()
    for name in ("list", "responder"):
        pair = place.another()
        responder = Responder(place.ca, "-nmin", "1") if name == "responder" else None
        web.octets = crl(place, 20)
        place.look(*(("--ocsp", responder.url) if responder else ("--crl-url", web.url)))
        registrar = Registrar(place.story, *pair)
        points_to(place.device, "endpoint", f"127.0.0.1:{registrar.port}")
        listener = Listener(place.story, place.device, "--binding", "ws")
        place.story.expect(registrar.done.wait(60) and listener.line().get("rqi") == "n1", "a registrar in Python notifies it over WebSocket", registrar.answers)
        place.ca.revoke(pair)
        web.octets = crl(place, 20)
        if responder:
            responder.look_at_its_book()
        code, text = said_in_time(listener)
        place.story.expect(code != 0 and "revoked" in text, f"revoked by the {name} later, it is left, and the device says why", (code, text))
        place.story.expect(len(registrar.names) == 1, "and nothing was said to it any more", registrar.names)
        registrar.end()
        if responder:
            responder.end()
    web.end()


def chapters(story):
    place = Place(story)
    for chapter in (at_a_responder, what_is_stapled, lists_over_http, as_a_server, at_a_broker, while_it_stands):
        begun = time.monotonic()
        chapter(place)
        print(f"     ({chapter.__name__}: {time.monotonic() - begun:.0f} s)", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(tell("device-ocsp", chapters))
