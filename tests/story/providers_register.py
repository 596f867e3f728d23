#!/usr/bin/env python3
"""IN-CSEs of two service providers register at each other with real processes (TS-0001 6.5.4): where both agree, with what it is for, over
restarts, until the agreement ends. curl with the certificate of another provider's IN-CSE, whose authority is openssl, registers by hand.

usage: providers_register.py GATEHOUSE   (exit code 0: every check held)
"""
import json
import pathlib
import re
import signal
import sys
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from providers import OURS, THEIRS, THIRD, ForeignCa, answer_to_curl, by_curl, eventually, two_providers  # noqa: E402

LET_IN, GO_THERE = "may_register = true; ", "register = true; "
THEM, HERE = f"//{THEIRS}/in-cse", f"cse-in/in-cse.{THEIRS}"
AT_OURS = f"//{OURS}/in-cse/{HERE}"
JSON = "Content-Type: application/json"


def gauges(realm):
    """The registrations in the metrics of the IN-CSE: line without its value -> value."""
    port = re.findall(r" metrics host=\S+ port=(\d+)", realm.log("cse"))[-1]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if "registered{" in line)


def agree(ours, theirs, of_ours, of_theirs):
    """Both write what they have agreed, and are started with it."""
    ours.agree(theirs, f"https://{theirs.endpoint()}", terms=of_ours)
    theirs.agree(ours, f"https://{ours.endpoint()}", terms=of_theirs)


def what_explain_says(realm, originator, *more):
    code, answer = realm.call("explain", realm.dir, "--originator", originator, *more)
    return code, answer.get("reason")


def one_side_alone(checks, ours, theirs):
    agree(ours, theirs, "", GO_THERE)
    checks.expect(theirs.log_says("cse", "not-registered-at-provider registrar=//sp.example.com/in-cse rsc=4005", 2), "of one side alone: 4005, again and again")
    checks.expect(gauges(theirs).get(f'gatehouse_registered{{function="cse",registrar="//{OURS}/in-cse"}}') == "0", "its metrics say so")
    registers = ("--operation", "create", "--child-type", "16", "--target", "cse-in")
    checks.expect(what_explain_says(ours, THEM, *registers) == (1, "registers-over-mccp"), "and explain says why")
    code, answer = theirs.call("doctor", theirs.dir)
    checks.expect(code == 0 and "we register there" in json.dumps(answer), "doctor knows what was agreed", str(answer))
    agree(ours, theirs, LET_IN, GO_THERE)
    checks.expect(theirs.log_says("cse", ": registered-at-provider"), "of both: it registers")
    checks.expect(what_explain_says(ours, THEM, *registers) == (0, "registration"), "as explain says")
    checks.expect(what_explain_says(ours, f"//{THEIRS}/in-cse/Cbob", *registers) == (1, "registers-another"), "and nobody else of theirs")


def each_at_the_other(checks, ours, theirs):
    count = theirs.log("cse").count(": registered-at-provider") + 1
    agree(ours, theirs, LET_IN + GO_THERE, LET_IN + GO_THERE)
    checks.expect(ours.log_says("cse", ": registered-at-provider") and theirs.log_says("cse", ": registered-at-provider", count), "each registers at the other")
    for realm, other in ((ours, THEIRS), (theirs, OURS)):
        found = gauges(realm)
        checks.expect(found.get(f'gatehouse_registered{{function="cse",registrar="//{other}/in-cse"}}') == "1" and
                      found.get(f'gatehouse_provider_registered{{function="cse",provider="//{other}/in-cse"}}') == "1", f"the metrics of {realm.fqdn} say so", str(found))


def what_it_is_for(checks, ours, theirs, near, bob, pair):
    code, text = answer_to_curl(ours, pair, THEM, f"/{HERE}")
    checks.expect(code == 2000 and f'"csi":"{THEM}"' in text and f'"//{THEIRS}/mn7"' in text, "it is there, by its absolute name, with what lies below it", text)
    box = '{"rn":"box"}'
    checks.expect(ours.rsc("get", near, HERE) == 4103, "for itself alone")
    checks.expect(theirs.rsc("create", bob, AT_OURS, "--ty", "cnt", "--content", box) == 4103, "an AE of theirs creates nothing below it")
    rules = {"rn": "p", "pv": {"acr": [{"acor": [THEM], "acop": 63}, {"acor": [f"{THEM}/Cbob"], "acop": 1}]}, "pvs": {"acr": [{"acor": [THEM], "acop": 63}]}}
    checks.expect(by_curl(ours, pair, THEM, f"/{HERE}", "-H", f"{JSON};ty=1", "-d", json.dumps({"m2m:acp": rules})) == 2001, "curl with its certificate makes a policy")
    link = json.dumps({"m2m:csr": {"acpi": [f"{HERE}/p"]}})
    checks.expect(by_curl(ours, pair, THEM, f"/{HERE}", "-X", "PUT", "-H", JSON, "-d", link) == 2004, "and links it")
    checks.expect(theirs.rsc("create", bob, AT_OURS, "--ty", "cnt", "--content", box) == 2001, "then that AE does")
    checks.expect(theirs.rsc("create", bob, f"{AT_OURS}/box", "--ty", "cin", "--content", '{"con":"21.5"}') == 2001, "and writes")
    checks.expect(ours.rsc("get", near, f"{HERE}/box/la") == 4103, "and nobody reads whom its policy does not name")


def by_hand(checks, ours, theirs):
    """A third provider with nothing of ours: curl registers, is refused what is wrong, and leaves."""
    ca = ForeignCa(ours.folder / "third")
    pair, name = ca.certificate("in-cse", f"DNS:in-cse.{THIRD}"), f"//{THIRD}/in-cse"
    ours.private("third.pem", (ca.folder / "ca.pem").read_bytes())
    ours.private("crl.pem", ca.crl())
    third = f'  third = {{ cse = "{name}"; anchors = "third.pem"; reach = "none"; {LET_IN}}};\n'
    ours.agree(theirs, f"https://{theirs.endpoint()}", further=third, crl="crl.pem", terms=LET_IN + GO_THERE)

    def create(origin, ty=16, path="/cse-in", **more):
        content = {"m2m:csr": {"cb": f"{name}/base", "rr": True, "srv": ["3"], "rn": "third", "poa": ["https://127.0.0.1:1"], **more}}
        if ty == 2:
            content = {"m2m:ae": {"api": "N.story", "rr": False, "srv": ["3"]}}
        return answer_to_curl(ours, pair, origin, path, "-H", f"{JSON};ty={ty}", "-d", json.dumps(content))

    for origin, code in ((f"{name}/Cx", 4005), (f"//{THIRD}/mn1", 4005), (THEM, 4106), ("/in-cse", 4106), (f"//{OURS}/mn1", 4106), (None, 4000)):
        checks.expect(create(origin)[0] == code, f"as {origin} curl does not register: {code}")
    for more in ({"csi": "/in-cse"}, {"csi": THEM}, {"cst": 2}, {"dcse": ["/mn1"]}, {"dcse": [f"//{OURS}/mn1"]}):
        checks.expect(create(name, **more)[0] == 4000, f"nor with {more}: 4000")
    for origin in (f"{name}/Cx", name, "C"):
        checks.expect(create(origin, ty=2)[0] == 4005, f"no AE does, as {origin}")
    code, text = create(name, dcse=[f"//{THIRD}/mn3"])
    checks.expect(code == 2001 and f'"csi":"{name}"' in text and '"cst":1' in text, "as itself it does", text)
    checks.expect(create(name)[0] == 4117, "once")
    checks.expect(by_curl(ours, pair, name, "/cse-in") == 4103 and by_curl(ours, pair, name, f"/{HERE}") == 4103, "which gives it nothing")
    put = ("-X", "PUT", "-H", JSON, "-d", '{"m2m:csr":{"poa":["https://127.0.0.1:2"]}}')
    checks.expect(by_curl(ours, pair, name, "/cse-in/third", *put) == 2004, "it says where it is")
    checks.expect(ours.rsc("get", ours.folder / "alice", f"//{THIRD}/in-cse/x") == 5103, "and is not called there: the agreement says nowhere")
    checks.expect("point-of-access" not in ours.log("cse") and "peer-not-usable" not in ours.log("cse"), "nor looked for")
    checks.expect(by_curl(ours, pair, name, "/cse-in/third", "-X", "DELETE") == 2002 and by_curl(ours, pair, name, "/cse-in/third") == 4004, "and leaves")


def over_restarts(checks, ours, theirs, bob):
    for realm, number in ((theirs, signal.SIGKILL), (ours, signal.SIGKILL), (theirs, signal.SIGTERM)):
        count = realm.log("cse").count(": registered-at-provider") + 1
        realm.kill("cse", number)
        realm.start("cse")
        checks.expect(realm.log_says("cse", ": registered-at-provider", count), f"{realm.fqdn} comes back, and finds itself registered")
        code, answer = theirs.call("get", bob, f"{AT_OURS}/box/la")
        checks.expect(code == 0 and answer.get("content", {}).get("m2m:cin", {}).get("con") == "21.5", "with what is below it", str(answer))
    count = ours.log("cse").count(": registered-at-provider") + 1
    ours.agree(theirs, f"coaps://{theirs.endpoint('.coap')}", terms=LET_IN + GO_THERE)
    checks.expect(ours.log_says("cse", ": registered-at-provider", count), "over CoAP, too")
    checks.expect("deregistered" not in theirs.log("cse") + ours.log("cse"), "nobody has left")


def the_agreement_ends(checks, ours, theirs, bob, pair):
    ours.agree(theirs, f"https://{theirs.endpoint()}")
    content = ("--ty", "cnt", "--content", '{"rn":"more"}')
    checks.expect(theirs.rsc("create", bob, AT_OURS, *content) == 4103, "without the agreement nothing is created below it")
    put = ("-X", "PUT", "-H", JSON, "-d", '{"m2m:csr":{"rr":false}}')
    checks.expect(by_curl(ours, pair, THEM, f"/{HERE}", *put) == 4103 and by_curl(ours, pair, THEM, f"/{HERE}") == 2000, "it can be seen, and not prolonged")
    code, trail = ours.call("audit", ours.dir, "cse", "--limit", "50")
    checks.expect(code == 0 and "registration-not-agreed" in json.dumps(trail), "the audit trail says why", str(trail)[-600:])
    checks.expect(what_explain_says(ours, THEM, "--operation", "update", "--target", HERE) == (1, "registration-not-agreed"), "and so does explain")
    checks.expect(ours.log_says("cse", ": deregistered-at-provider"), "ours, which was to register there, has taken that back")
    far = f'gatehouse_provider_registered{{function="cse",provider="//{OURS}/in-cse"}}'
    checks.expect(gauges(theirs).get(far) == "0", "as theirs knows")
    ours.agree(theirs, f"https://{theirs.endpoint()}", terms=LET_IN)
    checks.expect(theirs.rsc("create", bob, AT_OURS, *content) == 2001, "agreed again it goes on where it was")
    theirs.agree(ours, f"https://{ours.endpoint()}")
    checks.expect(theirs.log_says("cse", ": deregistered-at-provider"), "whoever does not want to register any more takes it back")
    checks.expect(eventually(lambda: by_curl(ours, pair, THEM, f"/{HERE}") == 4004), "and is gone")
    checks.expect(ours.rsc("get", ours.folder / "alice", f"//{THEIRS}/in-cse/cse-in/Cbob") == 4103, "requests go through as before")


def story(checks, ours, theirs):
    for realm in (ours, theirs):
        realm.begin(checks)
        realm.fresh = re.sub(r'(metrics = \{[^}]*listen = )""', r'\1"127.0.0.1:0"', realm.fresh, count=1)
    near, bob = ours.device("alice", "in-cse"), theirs.device("bob", "in-cse")
    pair = theirs.certificate(checks, "in-cse", "--fqdn", f"in-cse.{THEIRS}")
    one_side_alone(checks, ours, theirs)
    each_at_the_other(checks, ours, theirs)
    what_it_is_for(checks, ours, theirs, near, bob, pair)
    by_hand(checks, ours, theirs)
    over_restarts(checks, ours, theirs, bob)
    the_agreement_ends(checks, ours, theirs, bob, pair)


if __name__ == "__main__":
    sys.exit(two_providers(story))
