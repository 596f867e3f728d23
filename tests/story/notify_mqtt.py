#!/usr/bin/env python3
"""Notifications to AEs through a broker (TS-0010): requests of a CSE to its AEs, whose mqtts point of access names the broker that the
configuration trusts. The AE is mosquitto_sub and mosquitto_pub, the broker mosquitto with our list. No other broker is gone to, and
nobody else answers for the AE.

usage: notify_mqtt.py GATEHOUSE   (exit code 0: every check held)
"""
import json
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from mqtt import BROKER, Broker, Device, free_ports  # noqa: E402
from mqtt_cses import mqtt_of  # noqa: E402
from notify_ae import NOTE, Authority, Certified, Listener, OpenSSL, tell  # noqa: E402
from kept_websocket import until  # noqa: E402
from outgoing import settings  # noqa: E402
from poa import ANSWER, Registree  # noqa: E402
from third_party import key_in_hex, run  # noqa: E402
from transit import SP  # noqa: E402


class MqttAe:
    """Listens with one key and answers with another one of the same AE: the broker gives each user one connection."""

    def __init__(self, story, broker, stem, listens, answers):
        self.stem, self.seen, self.rsc, self.rqi, self.content = stem, [], 2000, None, None
        self.mouth = Device(broker, *answers)
        self.process = subprocess.Popen(["stdbuf", "-oL", "mosquitto_sub", *Device(broker, *listens).options, "-t",
                                         f"/oneM2M/req/in-cse/{stem}/json", "-d", "-F", "REQUEST %p"], stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, bufsize=0)
        story.servers.append(self.process)
        self.subscribed = threading.Event()
        threading.Thread(target=self.serve, daemon=True).start()
        story.expect(self.subscribed.wait(30), f"{stem} listens at the broker")

    def serve(self):
        for octets in iter(self.process.stdout.readline, b""):
            line = octets.decode(errors="replace").strip()
            if line.startswith("Subscribed") or "SUBACK" in line:
                self.subscribed.set()
            if line.startswith("REQUEST "):
                request = json.loads(line[8:])
                self.seen.append(request)
                if self.rsc:
                    self.answer({"rsc": self.rsc, "rqi": self.rqi or request["rqi"], "rvi": "3", **({"pc": self.content} if self.content else {})})

    def answer(self, response):
        return self.mouth.publish(f"/oneM2M/resp/in-cse/{self.stem}/json", response)


class Trap:
    """A place where nobody must come."""

    def __init__(self):
        self.socket, self.came = socket.create_server(("127.0.0.1", 0)), 0
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            self.socket.accept()[0].close()
            self.came += 1


def lists(story, broker):
    code, answer = story.call("cse", "mqtt-acl", story.dir, "--acl", broker.acl, "--psk", broker.psk)
    if code != 0:
        raise SystemExit(f"cse mqtt-acl: {answer}")
    if broker.process:
        broker.reload()


def further_key(story, name, peer):
    file = story.folder / f"{name}.kpsa"
    code, answer = story.call("cse", "key", "add", story.dir, "--id", f"{name}@keys.example.com", "--peer", peer, "--generate", file)
    story.expect(code == 0, f"a further key for {peer}", answer)
    return f"{name}@keys.example.com", key_in_hex(file)


def place(story, device, stem, *points):
    return story.rsc("update", device, f"cse-in/{stem}", "--content", json.dumps({"m2m:ae": {"poa": list(points), "rr": True}})) == 2004


def passed_over(story, point, reason):
    lines = [line for line in story.log("cse").splitlines() if "point-of-access-passed-over" in line and point in line]
    story.expect(lines and reason in lines[-1], f"the log says why not {point}: {reason}", lines)


def reached(story, sender, valve, ae, broker):
    here = f"mqtts://127.0.0.1:{broker.device_port}"
    story.expect(place(story, valve, "Cvalve", here) and story.notify(sender, "cse-in/Cvalve") == 2000, "an AE at the broker is reached", ae.seen)
    last = ae.seen[-1] if ae.seen else {}
    story.expect(last.get("fr") == "/in-cse/Csender" and last.get("op") == 5 and last.get("pc") == NOTE and last.get("rqet"),
                 "and is told by whom, what, and until when", last)
    ae.rsc = 5207
    story.expect(story.notify(sender, "cse-in/Cvalve") == 5207, "what it answers is the answer")
    ae.rsc = 2000
    for points, title in (((f"mqtts://127.0.0.1:{broker.cse_port}",), "at the listener of the CSE"), ((here.replace("mqtts", "MQTTS"),), "in upper case"),
                          (("http://127.0.0.1:1", "https://127.0.0.1:1", here), "after one where nobody is")):
        story.expect(place(story, valve, "Cvalve", *points) and story.notify(sender, "cse-in/Cvalve") == 2000, title, ae.seen)
    ae.rqi = "another"
    story.expect(story.notify(sender, "cse-in/Cvalve") == 4008, "4008: an answer to something else is none")
    ae.rqi, ae.rsc = None, 0
    story.expect(story.notify(sender, "cse-in/Cvalve") == 4008, "4008: it does not answer")


def nobody_else(story, sender, valve, ae, broker, imp):
    """The list: who is another AE neither hears nor answers."""
    before, heard = len(ae.seen), []
    spy = subprocess.Popen(["stdbuf", "-oL", "mosquitto_sub", *imp.options, "-t", "/oneM2M/req/in-cse/Cvalve/json", "-t", "/oneM2M/req/#", "-d", "-F",
                            "REQUEST %p"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0)
    story.servers.append(spy)
    threading.Thread(target=lambda: heard.extend(iter(spy.stdout.readline, b"")), daemon=True).start()
    story.expect(until(lambda: any(b"Subscribed" in line or b"SUBACK" in line for line in heard)), "another AE tries to listen", heard)
    story.expect(story.notify(sender, "cse-in/Cvalve") == 4008 and len(ae.seen) == before + 1, "a notification goes out")
    story.expect(not any(b"REQUEST" in line for line in heard), "and only the AE hears it", heard)
    spy.kill()

    def forge():
        until(lambda: len(ae.seen) == before + 2)
        imp.publish("/oneM2M/resp/in-cse/Cvalve/json", {"rsc": 2000, "rqi": ae.seen[-1]["rqi"], "rvi": "3"})
    forger = threading.Thread(target=forge, daemon=True)
    forger.start()
    story.expect(story.notify(sender, "cse-in/Cvalve") == 4008, "4008: what another answers does not come through")
    forger.join(10)
    story.expect("Denied PUBLISH from imp@" in broker.log(), "the broker says so")
    ae.rsc = 2000


def no_other_broker(story, sender, valve, ae, broker):
    trap, before = Trap(), len(ae.seen)
    here = f"127.0.0.1:{broker.device_port}"
    for point, reason in ((f"mqtts://127.0.0.1:{trap.port}", "not the broker of this CSE"), (f"mqtt://{here}", "in clear text"),
                          (f"mqtt://127.0.0.1:{trap.port}", "in clear text"), (f"mqtts://{here}/abc/def", "another prefix of topics"),
                          (f"mqtts://localhost:{broker.device_port}", "not the broker of this CSE"),
                          (f"wss://127.0.0.1:{trap.port}", "a registree opens its WebSocket itself")):
        story.expect(place(story, valve, "Cvalve", point) and story.notify(sender, "cse-in/Cvalve") == 5103, f"5103: {point}")
        passed_over(story, point, reason)
    story.expect(not trap.came and len(ae.seen) == before, "nobody was gone to, and nobody told", ae.seen)


def device_of_ours(story, sender, broker, imp):
    """gatehouse device listen at the broker. A key of another AE that the list lets speak as the registrar shows what the device itself refuses."""
    pump, _ = story.kpsa_device("pump")
    story.permit(pump, "Cpump", ["Csender"])
    conf = pump / "device.conf"
    text = conf.read_text(encoding="utf-8")
    begin = text.index("mqtt = {")
    conf.write_text(text[:begin] + re.sub(r'broker = "[^"]*"', f'broker = "127.0.0.1:{broker.device_port}"', text[begin:], count=1), encoding="utf-8")
    lists(story, broker)
    code, answer = story.call("device", "listen", pump, "--binding", "mqtt", "--at", "127.0.0.1:0")
    story.expect(code != 0 and "broker" in str(answer), "over MQTT it listens nowhere else", answer)
    listener = Listener(story, pump, "--binding", "mqtt")
    story.expect(listener.first.get("poa") == f"mqtts://127.0.0.1:{broker.device_port}", "a device of ours listens at the broker", listener.first)
    story.expect(story.notify(sender, "cse-in/Cpump") == 2000, "it is reached")
    line = listener.line()
    story.expect(line.get("content") == NOTE and line.get("from") == "/in-cse/Csender", "and told by whom, and what", line)
    topic = "/oneM2M/req/in-cse/Cpump/json"
    request = {"op": 5, "fr": "/in-cse/Csender", "to": "cse-in/Cpump", "rvi": "3", "pc": {"m2m:sgn": {"sur": "x"}}}
    imp.publish(topic, {**request, "rqi": "forged"})
    story.expect(until(lambda: f"'{topic}'" in [line for line in broker.log().splitlines() if "Denied PUBLISH from imp@" in line][-1]), "nobody else publishes there")
    spy = Device(broker, *further_key(story, "spy", f"//{SP}/in-cse/Cimp"))
    lists(story, broker)
    with open(broker.acl, "a", encoding="ascii") as acl:
        acl.write("\nuser imp@keys.example.com\ntopic write /oneM2M/req/#\nuser spy@keys.example.com\ntopic read /oneM2M/resp/#\n")
    broker.reload()
    ear = subprocess.Popen(["stdbuf", "-oL", "mosquitto_sub", *spy.options, "-t", "/oneM2M/resp/in-cse/Cpump/json", "-d", "-F", "ANSWER %p"],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0)
    story.servers.append(ear)
    heard = []
    threading.Thread(target=lambda: heard.extend(iter(ear.stdout.readline, b"")), daemon=True).start()
    story.expect(until(lambda: any(b"Subscribed" in line or b"SUBACK" in line for line in heard)), "a registrar of the test listens for answers", heard)
    for one in ({**request, "rqi": "late", "rqet": "20200101T000000"}, {**request, "rqi": "other", "op": 2, "pc": None}, {**request, "rqi": "bad", "fr": None},
                {**request, "rqi": "twice"}, {**request, "rqi": "twice"}, {**request, "rqi": "last"}):
        imp.publish(topic, {name: value for name, value in one.items() if value is not None})
    imp.publish("/oneM2M/req/mn1/Cpump/json", {**request, "rqi": "elsewhere"})
    imp.publish(topic, {**request, "rqi": "end"})
    rqis = [listener.line().get("rqi") for _ in range(3)]
    story.expect(rqis == ["twice", "last", "end"], "once what comes twice, and nothing else than NOTIFY, in time, of the registrar", rqis)
    answers = {}

    def all_answers():
        for one in [json.loads(line[7:]) for line in heard if line.startswith(b"ANSWER ")]:
            answers[one["rqi"]] = one["rsc"]
        return len(answers) >= 6
    until(all_answers)
    story.expect(answers == {"late": 4008, "other": 4005, "bad": 4000, "twice": 2000, "last": 2000, "end": 2000}, "each is answered", answers)
    ear.kill()
    broker.kill()
    broker.start()
    story.expect(until(lambda: story.notify(sender, "cse-in/Cpump") == 2000, 60), "after a restart of the broker it comes back by itself")
    listener.line()
    code, _ = listener.end()
    story.expect(code == 0 and story.notify(sender, "cse-in/Cpump") == 5103, "5103: it has said that it takes no more", code)
    lists(story, broker)


def a_cse(story, sender, broker):
    """TS-0004 7.3.2.6: a CSE that the configuration does not know, and whose first entry is at the broker."""
    here, mine = f"mqtts://127.0.0.1:{broker.device_port}", Registree(story, "mn7")
    content = {"rn": "mn7", "cb": "/mn7/cse-far", "srv": ["3"], "rr": True, "poa": [here]}
    story.expect(mine.ask("POST", "/cse-in", {"m2m:csr": content}, 16) == 2001, "a CSE registers")
    keys = [further_key(story, name, f"//{SP}/mn7") for name in ("ear", "mouth")]
    lists(story, broker)
    cse = MqttAe(story, broker, "mn7", *keys)
    cse.content = json.loads(ANSWER)

    def asked(*points):
        return mine.place(points) == 2004 and story.rsc("get", sender, "/mn7/cse-far/box")

    story.expect(asked(here) == 2000 and len(cse.seen) == 1 and cse.seen[0].get("fr") == "/in-cse/Csender", "it is reached through the broker", cse.seen)
    story.expect(asked("http://127.0.0.1:1", "mqtts://127.0.0.1:1", here) == 2000 and len(cse.seen) == 2, "after entries that are not for us, too", cse.seen)
    story.expect(asked("mqtts://127.0.0.1:1", here.replace("mqtts", "mqtt"), f"{here}/abc") == 5103 and len(cse.seen) == 2, "5103: another broker is none", cse.seen)
    for name in ("ear", "mouth"):  # with a key for mn7 its certificate would not be believed
        story.expect(story.call("cse", "key", "delete", story.dir, f"{name}@keys.example.com")[0] == 0, f"the key {name} is taken back")
    story.expect(asked(f"https://{mine.at}", here) == 2000 and len(mine.seen) == 1 and len(cse.seen) == 2, "what comes first counts", (mine.seen, cse.seen))


def broker_is_away(story, sender, valve, ae, broker, key, mouth):
    here, before = f"mqtts://127.0.0.1:{broker.device_port}", len(ae.seen)
    own = OpenSSL(story, "-nocert", "-psk_identity", "valve@keys.example.com", "-psk", key)
    story.expect(place(story, valve, "Cvalve", here, own.poa) and story.notify(sender, "cse-in/Cvalve") == 2000 and not own.seen, "the first entry that is there is taken", own.seen)
    broker.kill()
    story.expect(story.log_says("cse", "mqtt-lost"), "the broker is lost")
    story.expect(story.notify(sender, "cse-in/Cvalve") == 2000 and "m2m:sgn" in own.seen and len(ae.seen) == before + 1, "then the next one", own.seen)
    story.expect(place(story, valve, "Cvalve", here) and story.notify(sender, "cse-in/Cvalve") == 5103, "5103: there is none")
    broker.start()
    ae = MqttAe(story, broker, "Cvalve", ("valve@keys.example.com", key), mouth)
    story.expect(until(lambda: story.notify(sender, "cse-in/Cvalve") == 2000, 30), "the broker is back, and the AE is reached")
    return ae


def credentials_that_prove_nothing_to_a_broker(story, sender, broker):
    authority = Authority(story)
    authority.certify("node1", "urn:example:node1")
    story.kill("cse")
    story.start("cse")
    ae = Certified(story, "Cone", "node1")
    point = f"mqtts://127.0.0.1:{broker.device_port}"
    content = {"m2m:ae": {"api": "N.story", "rr": True, "srv": ["3"], "poa": [point]}}
    story.expect(ae.ask("POST", "/cse-in", content, 2) == 2001 and ae.ask("POST", "/cse-in/Cone", NOTE) == 5103, "5103: the certificate of a node is none that the broker tells us of")
    passed_over(story, point, "the broker cannot tell who proves this credential")


def without_enforcement(story, sender, valve, ae, broker):
    story.kill("cse", signal.SIGTERM)
    mqtt_of(story, "cse", enforces="false")
    story.start("cse")
    before, point = len(ae.seen), f"mqtts://127.0.0.1:{broker.device_port}"
    story.expect(story.log_says("cse", "mqtt-connected", 4) and story.notify(sender, "cse-in/Cvalve") == 5103 and len(ae.seen) == before,
                 "5103: a broker that enforces nothing is not believed", ae.seen)
    passed_over(story, point, "the broker enforces no list of ours")


def its_key_is_taken_away(story, sender, broker, key, mouth):
    """The broker's files are not made anew: the CSE itself says nothing more to who has the key."""
    point = f"mqtts://127.0.0.1:{broker.device_port}"
    ae = MqttAe(story, broker, "Cvalve", ("valve@keys.example.com", key), mouth)
    story.expect(until(lambda: story.notify(sender, "cse-in/Cvalve") == 2000, 30), "the AE at the broker is reached again", story.log("cse")[-1500:])
    before = len(ae.seen)
    story.expect(story.call("cse", "key", "delete", story.dir, "valve@keys.example.com")[0] == 0 and story.notify(sender, "cse-in/Cvalve") == 5103 and len(ae.seen) == before,
                 "5103: not without the key that it registered with", ae.seen[before:])
    passed_over(story, point, "its key has been taken away")


def chapters(story):
    ports = free_ports(2)
    run([story.gatehouse, "ca", "issue", story.dir, "--fqdn", BROKER, "--cert", story.folder / "broker.pem", "--key", story.folder / "broker.key"])
    broker = Broker(story.folder, story.dir, *ports)
    settings(story, "cse", open_registration=True, transit_ms=2000)
    mqtt_of(story, "cse", broker=f'"127.0.0.1:{ports[0]}"', name=f'"{BROKER}"', enforces="true", listeners=f'[ "127.0.0.1:{ports[1]}" ]')
    story.start("cse")
    try:
        with_a_broker(story, broker)
    finally:
        broker.kill()


def with_a_broker(story, broker):
    (sender, _), (valve, key), (_, imp) = story.kpsa_device("sender"), story.kpsa_device("valve"), story.kpsa_device("imp")
    story.permit(valve, "Cvalve", ["Csender"])
    mouth = further_key(story, "valve2", f"//{SP}/in-cse/Cvalve")
    lists(story, broker)
    broker.start()
    story.expect(until(lambda: "mqtt-connected" in story.log("cse"), 30), "the CSE is at the broker", story.log("cse")[-2000:])
    ae = MqttAe(story, broker, "Cvalve", ("valve@keys.example.com", key), mouth)
    reached(story, sender, valve, ae, broker)
    nobody_else(story, sender, valve, ae, broker, Device(broker, "imp@keys.example.com", imp))
    no_other_broker(story, sender, valve, ae, broker)
    ae = broker_is_away(story, sender, valve, ae, broker, key, mouth)
    a_cse(story, sender, broker)
    device_of_ours(story, sender, broker, Device(broker, "imp@keys.example.com", imp))
    without_enforcement(story, sender, valve, ae, broker)
    mqtt_of(story, "cse", enforces="true")
    credentials_that_prove_nothing_to_a_broker(story, sender, broker)
    its_key_is_taken_away(story, sender, broker, key, mouth)


if __name__ == "__main__":
    sys.exit(tell("notify-mqtt", chapters))
