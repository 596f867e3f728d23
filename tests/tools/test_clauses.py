#!/usr/bin/env python3
"""The clause report must join code and test by clause, and must notice what lacks either."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools" / "clauses.py"

TREE = {
    "src/bind/a_codec.c": "int a; /*= TS-0009 6.2.2; 6.4.3, and a remark; more */\n/*= TS-0003 7.1.5 step 3;\n *  RFC 9112 6.3 */\n",
    "tests/bind/test_a.c": "\n/*= TS-0009  6.4.3 */\n/*= TS-0004 7.3.2: says why */\n",
}


def run_on(tree, *options):
    with tempfile.TemporaryDirectory() as name:
        for path, text in tree.items():
            file = pathlib.Path(name) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return subprocess.run([sys.executable, TOOL, *options, name], capture_output=True, text=True, check=False)


class Clauses(unittest.TestCase):
    def test_joins_code_and_test(self):
        clauses = json.loads(run_on(TREE, "--json").stdout)["clauses"]
        self.assertEqual(clauses["TS-0009 6.4.3"], {"code": ["src/bind/a_codec.c:1"], "test": ["tests/bind/test_a.c:2"]})
        self.assertEqual(clauses["TS-0003 7.1.5 step 3"]["code"], ["src/bind/a_codec.c:2"])
        self.assertIn("RFC 9112 6.3", clauses)

    def test_lists_what_lacks_either(self):
        text = run_on(TREE).stdout
        self.assertIn("5 clauses cited, 1 with code and test (20 %)", text)
        self.assertIn("cited by a test, no code:\n  TS-0004 7.3.2\n", text)

    def test_refuses_a_malformed_citation(self):
        result = run_on({"src/a/a.c": "/*= 6.2.2 */\n"}, "--check")
        self.assertEqual(result.returncode, 1)
        self.assertIn("src/a/a.c:1: '6.2.2'", result.stderr)


if __name__ == "__main__":
    unittest.main()
