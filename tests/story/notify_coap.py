#!/usr/bin/env python3
"""Points of access over CoAP (TS-0003 8.2.1, SA2): AEs and CSEs that are not ours, reached at coaps and coaps+tcp entries over openssl
s_server, by the credential that they registered with; whoever has another one is sent nothing. Entries that are not for us are passed
over, and the log says why.

usage: notify_coap.py GATEHOUSE   (exit code 0: every check held)
"""
import json
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from coap_ae import CoapServer  # noqa: E402
from notify_ae import Certified, tell  # noqa: E402
from outgoing import settings  # noqa: E402
from poa import ANSWER, Registree  # noqa: E402
from transit import SP  # noqa: E402

KINDS = ((False, "coaps"), (True, "coaps+tcp"))


def opened(story, stream, *credential, **more):
    server = CoapServer(stream, *credential, **more)
    story.servers.append(server.process)
    return server


def with_a_kpsa(story, sender):
    valve, key = story.kpsa_device("valve")
    story.permit(valve, "Cvalve", ["Csender"])
    proof = ("-nocert", "-psk_identity", "valve@keys.example.com", "-psk", key)

    def told(*points):
        content = json.dumps({"m2m:ae": {"poa": list(points), "rr": True}})
        return story.rsc("update", valve, "cse-in/Cvalve", "--content", content) == 2004 and story.notify(sender, "cse-in/Cvalve")

    for stream, kind in KINDS:
        own = opened(story, stream, *proof)
        story.expect(told(own.poa) == 2000, f"an AE with a Kpsa is reached over {kind}", own.seen)
        story.expect("/in-cse/Csender" in own.text() and '"m2m:sgn"' in own.text(), "and is told by whom, and what", own.text())
        story.expect(told(own.poa.upper()) == 2000 and len(own.seen) == 2, "the scheme in upper case", own.seen)
        story.expect(told("http://127.0.0.1:1", "coap://127.0.0.1:1", "ws://127.0.0.1:1", "mqtt://127.0.0.1:1", "wss://127.0.0.1:1",
                          "mqtts://127.0.0.1:1", "gopher://127.0.0.1:1", "coaps+tcp://127.0.0.1:1", "https://127.0.0.1:1", own.poa) == 2000,
                     "after many others, too", own.seen)
        for title, credential in (("another key", ("-nocert", "-psk_identity", "valve@keys.example.com", "-psk", "11" * 32)),
                                  ("a certificate", ("-cert", story.folder / "Ccert.pem", "-key", story.folder / "Ccert.key"))):
            impostor = opened(story, stream, *credential)
            silent = not stream and "key" in title  # DTLS drops what it cannot decrypt
            refused = told(impostor.poa)
            story.expect(refused == (4008 if silent else 5103) and not impostor.came, f"{refused}: with {title} nobody is the AE over {kind}", impostor.seen)
            story.expect(told(impostor.poa, own.poa) == 2000 and not impostor.came, "and the next entry is tried", impostor.seen)
        if not stream:  # RFC 7959 2.2: reserved over datagrams, and never sent
            before, own.block, own.payload = len(own.seen), b"\x0f", b" " * 1024
            story.expect(told(own.poa) == 5103 and len(own.seen) == before + 1, "a block of a size that is reserved is no answer", own.seen[before:])
            own.block = own.payload = b""
        own.rsc = 5207
        story.expect(told(own.poa) == 5207, "what it answers is the answer")
        own.silent = True
        story.expect(told(own.poa) == 4008, "4008: it does not answer")
        own.end()
    for point, reason in (("http://127.0.0.1:1", "in clear text"), ("coap://127.0.0.1:1", "in clear text"), ("ws://127.0.0.1:1", "in clear text"),
                          ("mqtt://127.0.0.1:1", "in clear text"), ("wss://127.0.0.1:1", "a registree opens its WebSocket itself"),
                          ("gopher://127.0.0.1:1", "an unknown scheme"), ("mqtts://127.0.0.1:1", "not the broker of this CSE")):
        lines = [line for line in story.log("cse").splitlines() if "point-of-access-passed-over" in line and point in line]
        story.expect(lines and f'reason="{reason}"' in lines[-1] and f"//{SP}/in-cse/Cvalve" in lines[-1], f"the log says why not {point}", lines)
    story.expect(told("coaps://localhost:1", "coap://127.0.0.1:1") == 5103, "5103: nothing of it is for us")


def with_a_certificate(story, sender):
    mine = Certified(story, "Ccert")
    other = Certified(story, "Cother")
    content = {"m2m:ae": {"api": "N.story", "rr": True, "srv": ["3"], "poa": ["coaps://127.0.0.1:1"]}}
    story.expect(mine.ask("POST", "/cse-in", content, 2) == 2001, "an AE registers with a certificate")
    policy = {"m2m:acp": {"rn": "who", "pv": {"acr": [{"acor": ["Csender"], "acop": 16}, {"acor": ["Ccert"], "acop": 63}]},
                          "pvs": {"acr": [{"acor": ["Ccert"], "acop": 63}]}}}
    story.expect(mine.ask("POST", "/cse-in/Ccert", policy, 1) == 2001 and
                 mine.ask("PUT", "/cse-in/Ccert", {"m2m:ae": {"acpi": ["cse-in/Ccert/who"]}}) == 2004, "with a policy")
    for stream, kind in KINDS:
        own, impostor = (opened(story, stream, "-cert", ae.cert, "-key", ae.key, "-CAfile", story.dir / "ca.pem", "-Verify", 3,
                                "-verify_return_error") for ae in (mine, other))

        def told(*points):
            return mine.ask("PUT", "/cse-in/Ccert", {"m2m:ae": {"poa": list(points)}}) == 2004 and story.notify(sender, "cse-in/Ccert")

        story.expect(told(own.poa) == 2000 and "/in-cse/Csender" in own.text(), f"an AE with a certificate is reached over {kind}", own.text())
        story.expect(told(impostor.poa) == 5103 and not impostor.came, "5103: another AE's certificate", impostor.seen)
        story.expect(told(impostor.poa, own.poa) == 2000 and not impostor.came, "and the next entry is right", impostor.seen)


def forget_associations(story):
    """Those with CSEs are kept, whatever their points of access become."""
    story.kill("cse")
    story.start("cse")


def with_a_cse(story, near):
    """A CSE that the configuration does not know."""
    mine, other = Registree(story, "mn7"), Registree(story, "mn8")
    content = {"rn": "mn7", "cb": "/mn7/cse-far", "srv": ["3"], "rr": True, "poa": ["coap://127.0.0.1:1"]}
    story.expect(mine.ask("POST", "/cse-in", {"m2m:csr": content}, 16) == 2001, "a CSE registers")

    def asked(*points):
        return mine.place(points) == 2004 and story.rsc("get", near, "/mn7/cse-far/box")

    story.expect(asked("coap://127.0.0.1:1") == 5103, "5103: in clear text nobody goes")
    for stream, kind in KINDS:
        forget_associations(story)
        own, impostor = (opened(story, stream, "-cert", cse.cert, "-key", cse.key, "-CAfile", story.dir / "ca.pem", "-Verify", 3,
                                "-verify_return_error", payload=ANSWER) for cse in (mine, other))
        story.expect(asked(impostor.poa) == 5103 and not impostor.came, f"5103: who is not mn7 is not mn7 over {kind}", impostor.seen)
        story.expect(asked(impostor.poa, "ws://127.0.0.1:1", own.poa) == 2000 and "/in-cse/Cnear" in own.text(), f"it is reached over {kind}", own.text())
        story.expect(not impostor.came and not mine.seen, "and nobody else is", impostor.seen)
    forget_associations(story)
    own = opened(story, True, "-cert", mine.cert, "-key", mine.key, "-CAfile", story.dir / "ca.pem", "-Verify", 3, payload=ANSWER)
    story.expect(asked(f"https://{mine.at}", own.poa) == 2000 and len(mine.seen) == 1 and not own.seen, "the first entry that is there is taken", mine.seen)
    story.expect(story.call("ca", "renew", story.dir, "cse")[0] == 0, "the certificate of the IN-CSE is renewed")
    story.processes["cse"].send_signal(signal.SIGHUP)
    story.expect(story.log_says("cse", "credentials-renewed"), "and it knows")
    forget_associations(story)
    story.expect(asked(own.poa) == 2000 and own.seen, "after a restart it knows where, over coaps+tcp", own.seen)


def chapters(story):
    settings(story, "cse", open_registration=True, transit_ms=4000)  # less than the patience of the device that asks
    for name in ("mef", "maf", "cse"):
        story.start(name)
    sender = story.device("sender", "in-cse")
    near = story.device("near", "in-cse")
    with_a_certificate(story, sender)
    with_a_kpsa(story, sender)
    with_a_cse(story, near)


if __name__ == "__main__":
    sys.exit(tell("notify-coap", chapters))
