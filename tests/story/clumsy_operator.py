#!/usr/bin/env python3
"""What an operator does wrong: a second serve of the same realm, a port that is taken, files that are missing, open to others or
of another kind, options with impossible values. Each is refused by name, with the right exit code, and leaves nothing behind.

usage: clumsy_operator.py GATEHOUSE   (exit code 0: every check held)
"""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

DONE, REFUSED, USAGE, FAILED = range(4)


class Operator:
    def __init__(self, gatehouse, folder):
        self.gatehouse, self.folder, self.failed = gatehouse, folder, 0
        self.realm = folder / "realm"

    def expect(self, held, title, detail=""):
        self.failed += not held
        print(f"{'ok  ' if held else 'FAIL'} {title}{'' if held else ': ' + str(detail)}", flush=True)

    def call(self, *words):
        """For the eye, and once more as JSON: the same exit code; an error is an object."""
        done = subprocess.run([self.gatehouse, *map(str, words)], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=60, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def wrong(self, code, words, *texts):
        """Ends with `code` and says all of `texts`, in either form."""
        for more in ([], ["--json"]):
            got, out, err = self.call(*words, *more)
            said = out + err
            held = got == code and all(text in said for text in texts)
            if more and held:
                value = json.loads(out)
                held = (err == "" or words[0] == "serve") and ("error" in value or "rsc" in value)  # the log of serve
            self.expect(held, f"{' '.join(map(str, words))[:90]} {' '.join(more)}", f"exit {got}, want {code} and {texts}: {said}")

    def serve(self, *words):
        process = subprocess.Popen([self.gatehouse, "serve", "-c", self.realm, "--json", *words], cwd=self.folder, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL)
        return process, json.loads(process.stdout.readline() or b"{}")

    def end(self, process):
        process.send_signal(signal.SIGTERM)
        self.expect(process.wait(20) == 0, "it ends in order")
        process.stdout.close()

    def change(self, old, new):
        conf = self.realm / "gatehouse.conf"
        text = conf.read_text(encoding="utf-8")
        assert old in text, old
        conf.write_text(text.replace(old, new), encoding="utf-8")
        return text

    def with_change(self, old, new, *texts):
        """A start with this in the configuration fails and says `texts`."""
        before = self.change(old, new)
        self.wrong(FAILED, ["serve", "-c", self.realm], *texts)
        (self.realm / "gatehouse.conf").write_text(before, encoding="utf-8")

    def with_file(self, name, spoil, *texts):
        path, kept = self.realm / name, self.folder / "kept"
        shutil.copy2(path, kept)
        spoil(path)
        self.wrong(FAILED, ["serve", "-c", self.realm], *texts)
        path.unlink(missing_ok=True)
        kept.rename(path)


def begin(o):
    o.wrong(USAGE, ["init", "realm"], "--sp-id is missing")
    o.wrong(USAGE, ["init", "realm", "--sp-id", "sp.example.com", "--listen", "localhost:0"], "--listen", "numeric")
    o.wrong(USAGE, ["init", "realm", "--sp-id", "sp.example.com", "--mn-by-maf"], "--mn-by-maf")
    o.expect(not o.realm.exists(), "nothing was made")
    o.expect(o.call("init", o.realm, "--sp-id", "sp.example.com")[0] == DONE, "a realm is made")
    o.wrong(FAILED, ["serve", "-c", o.realm, "mfe"], "mfe", "it has mef, maf, cse")
    o.wrong(FAILED, ["audit", o.realm, "mfe"], "mfe", "it has mef, maf, cse")
    o.wrong(FAILED, ["ca", "renew", o.realm, "mfe"], "mfe", "it has mef, maf, cse")
    o.wrong(FAILED, ["get", o.realm, "cse-in"], "no device's folder")
    o.wrong(FAILED, ["serve"], "there is no configuration gatehouse.conf")


def settings(o):
    o.with_change('listen = "127.0.0.1:0"', 'listen = "127.0.0.1:99999"', "gatehouse.conf:", "functions.mef.listen")
    o.with_change("recheck_s = 30", "recheck_z = 30", "gatehouse.conf:", "functions.mef.recheck_z", "unknown")
    o.with_change('registrar = ""', 'registrar = "mn9"', "gatehouse.conf:", "registrar")
    o.with_change('anchors = "ca.pem"', 'anchors = "secret"', "realm/secret holds no certificate")
    o.with_change('certificate = "cse.pem"', 'certificate = "maf.pem"', "cse: own certificate", "gatehouse doctor")
    o.with_change('store = "cse.db"', 'store = "none/cse.db"', "cse: ", "none/cse.db")


def files(o):
    process, _ = o.serve()
    o.end(process)
    o.with_file("cse.db", lambda p: p.chmod(0o644), "cse.db: mode 0644 lets others in")
    o.with_file("cse.sealed", lambda p: p.chmod(0o644), "cse.sealed: mode 0644 lets others in")
    o.with_file("cse.pem", lambda p: p.write_text("no certificate"), "cse: ", "cse.pem holds no certificate")
    o.with_file("cse.db", lambda p: p.write_text("no database " * 100), "cse: ", "cse.db", "not a database")
    o.with_file("secret", lambda p: p.unlink(), "realm/secret")
    shutil.rmtree(o.realm / "run")  # no part of a back-up
    process, where = o.serve()
    o.expect("cse" in where, "without the folder run it starts, and makes it", where)
    return process


def twice(o, process):
    """The first goes on as if nothing had been."""
    o.wrong(FAILED, ["serve", "-c", o.realm], "mef.db is being served already")
    o.wrong(FAILED, ["serve", "-c", o.realm, "cse"], "cse.db is being served already")
    code, out, _ = o.call("get", o.realm, "cse-in", "--admin", "--json")
    o.expect(code == DONE and json.loads(out)["rsc"] == 2000, "the first serves on", out)
    for words in (["audit", o.realm, "cse"], ["doctor", o.realm], ["explain", o.realm, "-o", "Sadmin", "-t", "cse-in"]):
        o.expect(o.call(*words)[0] in (DONE, REFUSED), f"{words[0]} reads beside it")
    o.end(process)
    process, where = o.serve("maf")
    o.expect(list(where) == ["maf"], "what has ended may begin again", where)
    return process, where["maf"]


def back_up(o):
    """As the page says, while the functions run; then the copy serves, and the realm is lost."""
    page = pathlib.Path(__file__).resolve().parent.parent.parent / "docs/operating.md"
    text = page.read_text(encoding="utf-8").split("Back up everything")[1]
    block = [line[4:] for line in text.splitlines() if line.startswith("    ")]
    commands = "\n".join(block[:2])  # one parenthesis over two lines
    process, _ = o.serve()
    add = ["mef", "enrolee", "add", o.realm, "--id", "kept1", "--generate", "kept.key"]
    o.expect(o.call(*add)[0] == DONE, "an enrolee is added before")
    done = subprocess.run(["bash", "-ec", commands], cwd=o.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    o.expect(done.returncode == 0, "the back-up of the page is made", done.stdout.decode())
    o.end(process)
    code, said, _ = o.call("doctor", "backup")
    o.expect(code == DONE and "FAILED" not in said, "doctor finds nothing wrong with it", said)
    kept, o.realm = o.realm, o.folder / "backup"
    process, _ = o.serve()
    code, out, _ = o.call("mef", "enrolee", "list", o.realm, "--json")
    o.expect(code == DONE and "kept1@mef.sp.example.com" in out, "the copy knows what the realm knew", out)
    o.end(process)
    o.realm = kept


def ports(o, taken):
    other = o.folder / "other"
    host, port = taken.split(":")
    for where in (taken, None):
        with socket.socket() as holder:  # of ours, then of somebody else
            if not where:
                holder.bind((host, 0))
                holder.listen()
                port = holder.getsockname()[1]
            code, _, said = o.call("init", other, "--sp-id", "sp2.example.com", "--listen", f"{host}:{port}")
            o.expect(code == DONE, "another realm wants that port", said)
            o.wrong(FAILED, ["serve", "-c", other], "mef: ", f"cannot listen on {host} port {port}", "Address already in use")
        shutil.rmtree(other)


def keys(o):
    shutil.rmtree(o.realm / "run")  # it has never run
    o.wrong(FAILED, ["mef", "enrolee", "add", o.realm, "--id", "meter1", "--generate", "early.key"], "mef.endpoint", "running")
    o.expect(not (o.folder / "early.key").exists(), "a key that never left is gone")
    process, _ = o.serve("mef", "cse")
    add = ["mef", "enrolee", "add", o.realm, "--id", "meter1", "--enrolee-id", "//sp.example.com/in-cse/Cmeter1", "--generate"]
    o.expect(o.call(*add, "first.key")[0] == DONE, "an enrolee is added")
    code, out, _ = o.call(*add, "second.key")
    o.expect(code == REFUSED and "4105" in out, "and not twice", out)
    o.expect(not (o.folder / "second.key").exists(), "the key that nobody knows is gone")
    o.expect((o.folder / "first.key").exists(), "the other is there")
    o.wrong(FAILED, [*add, "first.key"], "first.key exists: take it with --key-file")
    cse = ["cse", "key", "add", o.realm, "--id", "k@sp.example.com", "--peer", "Cnobody", "--generate", "third.key"]
    o.wrong(REFUSED, cse, "4102")
    o.expect(not (o.folder / "third.key").exists(), "nor of a key that the CSE refused")
    for days in ("0", "36501", "9223372036854775807"):
        o.wrong(USAGE, [*add[:4], "--id", "m2", "--generate", "m2.key", "--days", days], "--days: must be 1 to 36500")
    o.end(process)


def devices(o):
    new = ["device", "new", "meter1"]
    key = ["--key-file", "first.key"]
    o.wrong(USAGE, [*new, *key], "--realm", "--sp-id")
    o.wrong(USAGE, [*new, "--sp-id", "a.b", *key], "--realm", "--mef-fqdn")
    o.wrong(FAILED, [*new, "--sp-id", "a.b", "--mef-fqdn", "mef.a.b", "--timeout-ms", "0", "--generate", "none.key"], "is not")
    o.expect(not (o.folder / "none.key").exists(), "and no key is left behind")
    o.wrong(FAILED, [*new, "--realm", o.realm, "--cse-id", "mn9", *key], "--cse-id", "mn9")
    o.wrong(FAILED, [*new, "--realm", o.realm, "--kpm-id", "a@mef.other.org", *key], "--kpm-id", "mef.sp.example.com")
    (o.folder / "bad.key").write_text("zz", encoding="ascii")
    (o.folder / "bad.key").chmod(0o600)
    o.wrong(FAILED, [*new, "--realm", o.realm, "--key-file", "bad.key"], "bad.key: a key must be")
    (o.folder / "bad.key").chmod(0o640)
    o.wrong(FAILED, [*new, "--realm", o.realm, "--key-file", "bad.key"], "bad.key", "mode 0640")
    o.expect(not (o.folder / "meter1").exists(), "nothing was made")
    o.expect(o.call(*new, "--realm", o.realm, "--kpm-id", "meter1", *key)[0] == DONE, "a device is made")
    o.wrong(FAILED, ["device", "certificate", "meter1", "--cert", "realm/cse.pem", "--key-file", "first.key", "--anchors", "realm/ca.pem"],
            "--key-file first.key", "--cert realm/cse.pem", "private key")
    o.wrong(USAGE, ["device", "listen", "meter1", "--poa", "http://127.0.0.1:1"], "--poa", "https://")
    o.wrong(USAGE, ["device", "listen", "meter1", "--binding", "ws", "--poa", "https://127.0.0.1:1"], "--poa")
    o.wrong(USAGE, ["get", "meter1", "cse-in", "--binding", "carrier"], "--binding: 'carrier' is not one of")
    o.wrong(FAILED, ["get", "meter1", "cse-in", "--binding", "coap"], "register first")
    o.wrong(USAGE, ["features", "--state", "maybe"], "--state: 'maybe' is not one of")


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-clumsy-"))
    o = Operator(pathlib.Path(sys.argv[1]).resolve(), folder)
    os.umask(0o022)
    try:
        begin(o)
        settings(o)
        process = files(o)
        process, taken = twice(o, process)
        ports(o, taken)
        o.end(process)
        back_up(o)
        keys(o)
        devices(o)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if o.failed else 0


if __name__ == "__main__":
    sys.exit(main())
