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


CODE = """#include "a.h"

static const int codes[] = {
    1, /*= TS-0003 8.1.1 */
};

int declared(int a,
             int b);

/*= TS-0003 8.1.2; step by step */
static int first(void)
{
  call(a);
}

static void second(gh_str name,
                   int b)
{
  if (b) return; /*= TS-0003 8.1.2 step 3 */
}
"""
TEST = "/*= TS-0003 8.1.2 */\nstatic void shows(void **state)\n{\n}\n"
PAGE = """# A page

<!-- clauses of TS-0003 -->
| clause | demands | state | code | test |
|---|---|---|---|---|
| 8.1.0 | An introduction. | nothing to build | - | - |
| 8.1.2 | Much. | built | `src/a.c: first, second` | `tests/a/test_a.c: shows` |
<!-- end of clauses -->

| 8.1.2 | another | table |
"""


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

    def check_page(self, page, **more):
        return run_on({"src/a.c": CODE, "tests/a/test_a.c": TEST, "docs/a.md": page, **more}, "--check")

    def test_a_current_page_passes(self):
        result = self.check_page(PAGE)
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_a_page_that_is_not_current_is_refused(self):
        for old, new in (("first, second", "first"), ("`tests/a/test_a.c: shows`", "-"), ("| - | - |", "| - |")):
            result = self.check_page(PAGE.replace(old, new))
            self.assertEqual(result.returncode, 1, new)
            self.assertIn("docs/a.md: its table of clauses is not current", result.stderr)

    def test_built_without_code_or_test_is_refused(self):
        result = self.check_page(PAGE.replace("| nothing to build", "| built"))
        self.assertIn("TS-0003 8.1.0: 'built', but code: -, test: -", result.stderr)
        result = self.check_page(PAGE.replace("| nothing to build", "| done"))
        self.assertIn("the state 'done' is none", result.stderr)

    def test_table_of_a_clause(self):
        text = run_on({"src/a.c": CODE, "tests/a/test_a.c": TEST}, "--table=TS-0003 8.1").stdout
        self.assertIn("| 8.1.1 | `src/a.c: codes` | - |\n", text)
        self.assertIn("| 8.1.2 | `src/a.c: first, second` | `tests/a/test_a.c: shows` |\n", text)


if __name__ == "__main__":
    unittest.main()
