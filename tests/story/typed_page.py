#!/usr/bin/env python3
"""A page of docs/ typed as it stands there: every block runs in one shell, and prints what the page says that it prints.

usage: typed_page.py GATEHOUSE PAGE   (exit code 0: every block held)
"""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAMS = ("curl", "openssl", "gnutls-cli", "coap-client-openssl", "coap-client-gnutls", "mosquitto_rr", "mosquitto", "/usr/bin/node")
END = "--- end of step"


def free_ports(count):
    """All of them are held until the last is known, so that they differ."""
    held = [socket.socket() for _ in range(count)]
    for s in held:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


def steps(page):
    """(commands, expected text) of the page, in its order. A command that promises nothing belongs to the next promise."""
    found, lines, here_document = [], [], None
    for line in page.read_text(encoding="utf-8").splitlines():
        if not line.startswith("    "):
            continue
        line = line[4:]
        if here_document:
            here_document = None if line == here_document else here_document
        elif line.startswith("# -> "):
            found.append(("\n".join(lines), line[5:]))
            lines = []
            continue
        elif "<<" in line:
            here_document = re.search(r"<<'?(\w+)'?", line).group(1)
        lines.append(line)
    assert not lines, f"commands at the end promise nothing: {lines}"
    return found


def missing(commands):
    path = os.environ["PATH"] + ":/usr/sbin"
    return [p for p in PROGRAMS if re.search(rf"(^|[\s(|]){re.escape(p)}\s", commands, re.M) and not shutil.which(p, path=path)]


class Shell:
    def __init__(self, folder, gatehouse):
        environment = dict(os.environ, PATH=f"{gatehouse.parent}:{os.environ['PATH']}")
        self.process = subprocess.Popen(["bash"], cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, start_new_session=True)

    def run(self, commands):
        self.process.stdin.write(f"{commands}\necho; echo '{END}'\n".encode())
        self.process.stdin.flush()
        said = []
        for octets in iter(self.process.stdout.readline, b""):
            line = octets.decode(errors="replace")
            if line.strip() == END:
                break
            said.append(line)
        return "".join(said)

    def end(self):
        os.killpg(self.process.pid, signal.SIGTERM)  # our own session: what the page left running
        self.process.stdin.close()
        self.process.stdout.read()
        self.process.wait(20)


def too_late(*_):
    """A step that never ends is a failure, too; what it left running is ended."""
    raise TimeoutError("the page takes too long")


def main():
    gatehouse = pathlib.Path(sys.argv[1]).resolve()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-page-"))
    with_certificates, with_keys = free_ports(2)
    shell, failed = Shell(folder, gatehouse), 0
    signal.signal(signal.SIGALRM, too_late)
    signal.alarm(200)
    try:
        for commands, expected in steps(ROOT / sys.argv[2]):
            lacking = missing(commands)
            if lacking:
                print(f"skip {commands.splitlines()[-1][:90]}: there is no {', '.join(lacking)}")
                continue
            said = shell.run(commands.replace("8883", str(with_certificates)).replace("8884", str(with_keys)))
            held = expected in said
            failed += not held
            print(f"{'ok  ' if held else 'FAIL'} {commands.splitlines()[-1].strip()[:110]}", flush=True)
            if not held:
                print(f"     wanted {expected!r}, got\n{said}\n{(folder / 'serve.log').read_text(encoding='utf-8')[-2000:]}")
    finally:
        shell.end()
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
