#!/usr/bin/env python3
"""The layer check must refuse each kind of wrong include, and must not refuse the right ones."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools" / "check_layers.py"

RIGHT = {
    "src/link/tls.c": ['"link/tls.h"', '"se/se.h"', '"crypto/kdf.h"', '"gatehouse/error.h"', "<openssl/ssl.h>"],
    "src/m2m/json.c": ['"m2m/json.h"', '"base/buf.h"', '"m2m/constants.h"'],
    "src/keyservice/symm_key_reg.c": ['"host/host.h"'],
    "src/maf/maf.c": ['"keyservice/keyservice.h"', '"maf/maf.h"', '"host/host.h"', '"authz/authz.h"', '"store/store.h"'],
    "src/bind/http_server.c": ['"bind/http_codec.h"', '"host/host.h"', '"link/tls.h"'],
    "src/bind/http_codec.c": ['"bind/http_codec.h"', '"m2m/primitive.h"', "<http_parser.h>"],
    "src/bind/coap_session.c": ['"bind/coap_session.h"', '"bind/coap_codec.h"', '"link/listener.h"'],
    "src/client/device_server.c": ['"bind/coap_session.h"'],
    "src/client/client.c": ['"bind/http_client.h"', '"bind/http_codec.h"', '"e2e/esprim.h"', '"link/tls.h"'],
    "src/cmd/serve.c": ['"maf/maf.h"', '"bind/http_server.h"', '"client/client.h"', "<libconfig.h>"],
    "src/store/sqlite.c": ['"store/store.h"', "<sqlite3.h>"],
    "include/gatehouse/str.h": ['"gatehouse/error.h"', "<stddef.h>"],
}

WRONG = (
    ("src/base/arena.c", '"m2m/value.h"', "base/ may not use m2m/"),
    ("src/link/tls.c", '"m2m/ids.h"', "link/ may not use m2m/"),
    ("src/crypto/kdf.c", '"m2m/ids.h"', "crypto/ may not use m2m/"),
    ("src/se/file.c", '"link/tls.h"', "se/ may not use link/"),
    ("src/m2m/ids.c", '"link/tls.h"', "m2m/ may not use link/"),
    ("src/authz/acp.c", '"host/host.h"', "authz/ may not use host/"),
    ("src/maf/maf.c", '"mef/mef.h"', "maf/ may not use mef/"),
    ("src/cse/ae.c", '"keyservice/keyservice.h"', "cse/ may not use keyservice/"),
    ("src/keyservice/access.c", '"maf/maf.h"', "keyservice/ may not use maf/"),
    ("src/bind/http_server.c", '"keyservice/keyservice.h"', "bind/ may not use keyservice/"),
    ("src/cse/ae.c", '"bind/http_codec.h"', "cse/ may not use bind/"),
    ("src/bind/http_server.c", '"cse/cse.h"', "bind/ may not use cse/"),
    ("src/bind/http_codec.c", '"host/host.h"', "bind/ may not use host/"),
    ("src/bind/coap_session.c", '"host/host.h"', "bind/ may not use host/"),
    ("src/bind/coap_session.c", '"bind/coap_server.h"', "device library"),
    ("src/bind/http_client.c", '"bind/http_server.h"', "device library"),
    ("src/client/client.c", '"bind/http_server.h"', "device library"),
    ("src/client/client.c", '"store/store.h"', "client/ may not use store/"),
    ("src/host/gate.c", "<sqlite3.h>", "belongs to store/"),
    ("src/cse/ae.c", '"ae.h"', "folder/file.h"),
    ("src/cse/ae.c", '"../host/gate.h"', "folder/file.h"),
    ("src/cse/ae.c", '"util/strings.h"', "not in the layer table"),
    ("include/gatehouse/str.h", '"base/arena.h"', "public headers only"),
)


def run_on(tree):
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        for path, includes in tree.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("".join(f"#include {i}\n" for i in includes), encoding="utf-8")
        return subprocess.run([sys.executable, TOOL, name], capture_output=True, text=True, check=False)


class CheckLayers(unittest.TestCase):
    def test_right_includes_pass(self):
        result = run_on(RIGHT)
        self.assertEqual((result.returncode, result.stdout), (0, "layers: 0 wrong includes\n"))

    def test_each_wrong_include_is_refused_with_its_place(self):
        for path, include, reason in WRONG:
            with self.subTest(path=path, include=include):
                result = run_on({**RIGHT, path: RIGHT.get(path, []) + [include]})
                self.assertEqual(result.returncode, 1)
                line = len(RIGHT.get(path, [])) + 1
                self.assertIn(f"{path}:{line}:", result.stdout)
                self.assertIn(reason, result.stdout)

    def test_a_file_outside_the_table_is_refused(self):
        result = run_on({"src/util/strings.c": []})
        self.assertEqual(result.returncode, 1)


if __name__ == "__main__":
    unittest.main()
