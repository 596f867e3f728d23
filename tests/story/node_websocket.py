#!/usr/bin/env python3
"""Primitives over WebSocket from Node.js: Debian's packages node-ws and node-cbor, with client certificates.

usage: node_websocket.py GATEHOUSE   (exit code 0: every check held)
"""
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from notify_ae import Authority, tell  # noqa: E402
from providers import ForeignCa  # noqa: E402
from transit import SP  # noqa: E402


def node(story, port, other):
    """Runs the client; its exit code. `other`: certificate and key of the same name, of an authority that nobody trusts."""
    given = {"port": port, "ca": str(story.dir / "ca.pem"), "cert": str(story.folder / "Cnode.pem"), "key": str(story.folder / "Cnode.key"),
             "otherCert": str(other[0]), "otherKey": str(other[1])}
    script = pathlib.Path(__file__).parent / "node_websocket.js"
    packages = {**os.environ, "NODE_PATH": "/usr/share/nodejs:/usr/lib/nodejs"}  # where Debian puts them, whoever built node
    done = subprocess.run(["node", script, json.dumps(given)], env=packages, timeout=90, check=False)
    return done.returncode


def chapters(story):
    Authority(story).certify("Cnode", f"m2m://{SP}/in-cse/Cnode")
    other = ForeignCa(story.folder / "foreign").certificate("Cnode", f"URI:m2m://{SP}/in-cse/Cnode")
    story.start("cse")
    port = int((story.dir / "run" / "cse.endpoint").read_text(encoding="utf-8").strip().rsplit(":", 1)[1])
    story.expect(node(story, port, other) == 0, "the client in Node.js is content")


if __name__ == "__main__":
    sys.exit(tell("node", chapters))
