#!/usr/bin/env python3
"""Primitives over WebSocket from Node.js: Debian's packages node-ws and node-cbor, with client certificates.

usage: node_websocket.py GATEHOUSE   (exit code 0: every check held)
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from third_party import Checks, run  # noqa: E402
from websocket import Authority  # noqa: E402


def node(folder, port):
    """Runs the client; its exit code."""
    given = {"port": port, "ca": str(folder / "realm" / "ca.pem"), "cert": str(folder / "Cnode.crt"), "key": str(folder / "Cnode.key"),
             "otherCert": str(folder / "foreign" / "Cnode.crt"), "otherKey": str(folder / "foreign" / "Cnode.key")}
    script = pathlib.Path(__file__).parent / "node_websocket.js"
    packages = {**os.environ, "NODE_PATH": "/usr/share/nodejs:/usr/lib/nodejs"}  # where Debian puts them, whoever built node
    done = subprocess.run(["node", script, json.dumps(given)], env=packages, timeout=90, check=False)
    return done.returncode


def main():
    gatehouse = pathlib.Path(sys.argv[1]).resolve()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-node-"))
    checks = Checks()
    try:
        realm, authority = folder / "realm", Authority(folder)
        checks.expect(run([gatehouse, "init", realm, "--sp-id", "sp.example.com"])[0] == 0, "a realm is made")
        authority.certify("Cnode")
        (folder / "foreign").mkdir()
        foreign = Authority(folder / "foreign")
        shutil.copytree(realm, folder / "foreign" / "realm")
        foreign.certify("Cnode")
        with open(realm / "ca.pem", "a", encoding="ascii") as anchors:
            anchors.write((folder / "ca.crt").read_text(encoding="ascii"))
        with open(folder / "log", "wb") as log, subprocess.Popen([gatehouse, "serve", "-c", realm, "--json"], stdout=subprocess.PIPE, stderr=log) as server:
            try:
                port = int(json.loads(server.stdout.readline())["cse"].rsplit(":", 1)[1])
                checks.expect(node(folder, port) == 0, "the client in Node.js is content")
            finally:
                server.terminate()
                checks.expect(server.wait(10) == 0, "the server stops on SIGTERM")
        if checks.failed:
            print((folder / "log").read_text(encoding="utf-8", errors="replace")[-6000:])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
