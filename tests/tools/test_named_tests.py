#!/usr/bin/env python3
"""What is called tested must name tests that exist: the pages of docs/ and the table behind `gatehouse features`."""
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMED = re.compile(r"`(tests/[\w/.]+): ([\w, ]+)`")
FEATURE = re.compile(r'^    \{"([\w-]+)", "([^"]*)", "([^"]*)", (\w+),\s*"([^"]*)",\s*"([^"]*)"\},$', re.M)
CHECKLIST = "## What must be refused"


def is_test(path, name):
    """Is there a function of this name, and does main() run it?"""
    text = path.read_text(encoding="utf-8")
    return re.search(rf"^static void {name}\(void \*\*\w+\)", text, re.M) and len(re.findall(rf"\b{name}\b", text)) > 1


def features():
    text = (ROOT / "src" / "cmd" / "features_table.c").read_text(encoding="utf-8")
    rows = FEATURE.findall(text)
    return rows, len(re.findall(r'^    \{"', text, re.M))


def ctest_has(name):
    """Tests of the build, by the rules of tests/CMakeLists.txt."""
    if name.startswith("unit_"):
        return any(f"unit_{p.parent.name}_{p.stem}" == name for p in (ROOT / "tests").glob("*/test_*.c"))
    return f"add_test(NAME {name} " in (ROOT / "tests" / "CMakeLists.txt").read_text(encoding="utf-8")


class NamedTests(unittest.TestCase):
    def test_pages_name_what_exists(self):
        for page in sorted((ROOT / "docs").glob("**/*.md")):
            for file, names in NAMED.findall(page.read_text(encoding="utf-8")):
                for name in names.split(", "):
                    with self.subTest(page=page.name, test=f"{file}: {name}"):
                        self.assertTrue((ROOT / file).is_file())
                        if file.endswith(".c"):
                            self.assertTrue(is_test(ROOT / file, name))

    def test_every_refusal_has_a_test(self):
        text = (ROOT / "docs" / "associations.md").read_text(encoding="utf-8")
        rows = [l for l in text[text.index(CHECKLIST) :].split("\n") if l.startswith("| ")][1:]
        self.assertGreater(len(rows), 20)
        for row in rows:
            with self.subTest(row=row):
                self.assertTrue(NAMED.search(row.split("|")[2]))

    def test_features_are_shown_by_tests(self):
        rows, count = features()
        self.assertEqual(len(rows), count, "a row has another form")
        for name, clause, title, state, why, test in rows:
            with self.subTest(feature=name):
                self.assertIn(state, ("YES", "PARTLY", "NO"))
                self.assertTrue(clause and title)
                if state != "YES":
                    self.assertTrue(why, "what is missing is not said")
                if state != "NO":
                    self.assertTrue(test, "no test is named")
                if test:
                    self.assertTrue(ctest_has(test), test)


if __name__ == "__main__":
    unittest.main()
