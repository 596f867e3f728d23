#!/usr/bin/env python3
"""A device looks whether the certificate of its CSE is revoked (TS-0003 8.1.2.5), by a file of lists that openssl ca makes: as a client over
each binding, where it listens, and while an association stands. Without a list that counts there is no association.

usage: device_revocation.py GATEHOUSE   (exit code 0: every check held)
"""
import json
import os
import pathlib
import re
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from coap_ae import CoapServer  # noqa: E402
from device_certificate import issue, new_device  # noqa: E402
from device_listen import CSE, SCHEMES, Registrar, coap_client  # noqa: E402
from mqtt import BROKER, Broker, free_ports  # noqa: E402
from notify_ae import NOTE, Listener, OpenSSL, tell  # noqa: E402
from providers import ForeignCa  # noqa: E402
from third_party import run  # noqa: E402
from transit import SP  # noqa: E402


class Lists:
    """The file of the device, and an authority that certifies and revokes."""

    def __init__(self, story):
        self.story, self.ca, self.file = story, ForeignCa(story.folder / "ca"), story.folder / "crl.pem"
        self.make()

    def make(self):
        fresh = self.file.with_suffix(".new")
        fresh.write_bytes(self.ca.crl())
        fresh.replace(self.file)

    def revoke(self, pair):
        self.ca.revoke(pair)
        self.make()

    def another(self, stem):
        return self.ca.certificate(stem, f"DNS:{CSE}")


def points_to(device, key, where):
    conf = device / "device.conf"
    text = conf.read_text(encoding="utf-8")
    conf.write_text(re.sub(rf'(cse = \{{[^}}]*?{key} = )"[^"]*"', rf'\1"{where}"', text, count=1), encoding="utf-8")


def server_of(story, device, binding, proof):
    """Of another maker, with this certificate; the device is led there."""
    wants = ("-cert", proof[0], "-key", proof[1], "-CAfile", story.dir / "ca.pem", "-Verify", 3, "-verify_return_error")
    if binding == "http":
        server = OpenSSL(story, *wants)
        points_to(device, "endpoint", server.poa.removeprefix("https://"))
    else:
        server = CoapServer(binding == "coaps_tcp", *wants)
        story.servers.append(server.process)
        points_to(device, binding, server.poa.partition("://")[2])
    return server


def asked(story, device, binding, proof):
    """A request: was it answered, and did the server see anything?"""
    server = server_of(story, device, binding, proof)
    answer = story.call("get", device, "cse-in/Clamp", "--binding", binding)[1]
    server.process.kill()
    return answer.get("rsc") == 2000, bool(server.seen), answer


def as_a_client(story, device, lists):
    for binding in ("http", "coap", "coaps_tcp"):
        pair, other = lists.another(f"good-{binding}"), lists.another(f"bad-{binding}")
        lists.revoke(other)
        done, seen, answer = asked(story, device, binding, pair)
        story.expect(done and seen, f"a CSE on no list is asked over {binding}", answer)
        done, seen, answer = asked(story, device, binding, other)
        story.expect(not done and not seen and "revoked" in str(answer), f"one that is on a list is not over {binding}, and the reason is said", answer)
        lists.file.rename(lists.file.with_suffix(".away"))
        done, seen, answer = asked(story, device, binding, pair)
        story.expect(not done and not seen and "no list says" in str(answer), f"nor anybody without the file over {binding}", answer)
        lists.file.write_text("no list\n", encoding="ascii")
        done, seen, answer = asked(story, device, binding, pair)
        story.expect(not done and not seen, f"nor with a file that has no list over {binding}", answer)
        lists.make()
        story.expect(asked(story, device, binding, pair)[0], f"with it again over {binding}")


def as_a_server(story, device, lists):
    body = json.dumps(NOTE)
    for binding in ("http", *SCHEMES):
        pair = lists.another(f"comes-{binding}")
        server = server_of(story, device, binding, lists.another(f"hears-{binding}"))  # what the device tells its registrar at the beginning
        listener = Listener(story, device, "--binding", binding)
        where = listener.first.get("poa", "")
        story.expect(where, f"it listens over {binding}", (listener.first, listener.log.read_text()))

        def comes():
            if binding != "http":
                return "c:2.04" in coap_client(where, "-c", pair[0], "-j", pair[1], "-R", lists.ca.folder / "ca.pem", "-n")
            return "X-M2M-RSC: 2000" in run(["curl", "-s", "-S", "-D", "-", "-k", "--cert", pair[0], "--key", pair[1], "-X", "POST", f"{where}/cse-in/Clamp", "-H",
                                             "X-M2M-RI: r7", "-H", "X-M2M-RVI: 3", "-H", "X-M2M-Origin: /in-cse/Csender", "-H",
                                             "Content-Type: application/json", "-d", body])[1]

        story.expect(comes() and listener.line().get("rqi") == "r7", f"who has a certificate of the registrar notifies it over {binding}")
        lists.revoke(pair)
        story.expect(not comes(), f"and does not any more once it is revoked, over {binding}")
        listener.process.kill()
        server.process.kill()


def while_it_stands(story, device, lists):
    """A WebSocket that is open when the list comes."""
    pair = lists.another("stands")
    registrar = Registrar(story, *pair)
    points_to(device, "endpoint", f"127.0.0.1:{registrar.port}")
    listener = Listener(story, device, "--binding", "ws")
    story.expect(registrar.done.wait(10) and listener.line().get("rqi") == "n1", "a registrar in Python notifies it over WebSocket", registrar.answers)
    lists.revoke(lists.another("somebody"))
    story.expect(listener.line().get("rqi") == "n4" and listener.process.poll() is None, "at length")
    lists.revoke(pair)
    code = listener.process.wait(20)
    story.expect(code != 0 and "revoked" in listener.process.stdout.read().decode() + listener.log.read_text(), "revoked, it is left, and the device says why", code)
    story.expect(len(registrar.names) == 1, "it was not left for a list with others", registrar.names)
    registrar.end()


def at_a_broker(story, device, lists):
    """The broker's certificate is held against the lists, too."""
    for stem, good in (("broker", True), ("broker2", False)):
        cert, key = lists.ca.certificate(stem, f"DNS:{BROKER}")
        shutil.copy(cert, story.folder / "broker.pem")
        shutil.copy(key, story.folder / "broker.key")
        ports = free_ports(2)
        broker = Broker(story.folder, story.dir, *ports)
        for path in (broker.acl, broker.psk):
            path.touch(mode=0o600)
        before = len(broker.log())
        try:
            broker.start()
            conf = device / "device.conf"
            text = conf.read_text(encoding="utf-8")
            begin = text.index("mqtt = {")
            group = re.sub(r'name = "[^"]*"', f'name = "{BROKER}"', re.sub(r'broker = "[^"]*"', f'broker = "127.0.0.1:{ports[0]}"', text[begin:], count=1), count=1)
            conf.write_text(text[:begin] + group, encoding="utf-8")
            if not good:
                lists.revoke((cert, key))
            answer = story.call("get", device, "cse-in/Clamp", "--binding", "mqtt")[1]
            let_in = re.search(r"New client connected .* as \S*Clamp", broker.log()[before:]) is not None
            story.expect(good or "the certificate is revoked" in str(answer), "and the reason is said", answer)
            story.expect(let_in == good, f"a broker {'on no list is believed' if good else 'that is revoked is not'}", (answer, broker.log()[-1000:]))
        finally:
            broker.kill()


def it_is_shown(story, device, lists):
    def both():
        return story.call("device", "show", device)[1], run([story.gatehouse, "device", "show", device])[1]

    shown, text = both()
    story.expect(shown.get("crl") == str(lists.file) and "crlUntil" in shown and "crlFault" not in shown, "device show says where the lists are", shown)
    story.expect(f"crl: {lists.file}" in text and "crlUntil: " in text, "in words, too", text)
    lists.file.rename(lists.file.with_suffix(".away"))
    shown, text = both()
    story.expect(shown.get("crl") == str(lists.file) and str(lists.file) in shown.get("crlFault", "") and "crlFault: " in text, "and that they cannot be read", (shown, text))
    lists.file.with_suffix(".away").rename(lists.file)
    bare = new_device(story, "bare")
    story.expect("crl" not in story.call("device", "show", bare)[1], "nothing of a device without a certificate")
    cert, key = issue(story, "Cbare", "--ae-id", f"//{SP}/in-cse/Cbare")
    story.call("device", "certificate", bare, "--cert", cert, "--key-file", key, "--anchors", lists.ca.folder / "ca.pem")
    shown = story.call("device", "show", bare)[1]
    story.expect("crl" not in shown and shown.get("stapling") == "soft", "and of one without lists, that it looks at what is stapled", shown)
    story.call("device", "certificate", bare, "--cert", cert, "--key-file", key, "--anchors", lists.ca.folder / "ca.pem", "--stapling", "off")
    story.expect("nobody looks" in story.call("device", "show", bare)[1].get("revocation", ""), "or that nobody looks")


def chapters(story):
    lists, device = Lists(story), new_device(story, "lamp")
    cert, key = issue(story, "Clamp", "--ae-id", f"//{SP}/in-cse/Clamp")
    words = ("device", "certificate", device, "--cert", cert, "--key-file", key, "--anchors", lists.ca.folder / "ca.pem", "--crl")
    for name, text in (("none.pem", None), ("empty.pem", "no list\n")):
        if text:
            (story.folder / name).write_text(text, encoding="ascii")
        story.expect(story.call(*words, story.folder / name)[0] != 0, f"refused: {name} for a file of lists")
    os.chdir(story.folder)
    code, answer = story.call(*words, "crl.pem")
    story.expect(code == 0, "a device takes its certificate, and where the lists are", answer)
    os.chdir("/")
    it_is_shown(story, device, lists)
    state = json.loads((device / "state.json").read_text(encoding="utf-8"))
    (device / "state.json").write_text(json.dumps({**state, "aeID": "Clamp"}), encoding="utf-8")  # as if it were registered
    as_a_client(story, device, lists)
    as_a_server(story, device, lists)
    while_it_stands(story, device, lists)
    at_a_broker(story, device, lists)


if __name__ == "__main__":
    sys.exit(tell("device-revocation", chapters))
