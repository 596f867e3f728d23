#!/usr/bin/env python3
"""tools/run_tests.py counts what CTest reports: a test passes, fails, or says why the machine cannot run it."""
import contextlib
import io
import pathlib
import sys
import tempfile
import types
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import run_tests  # noqa: E402

CASE = '<testcase name="{}" time="0.1" status="{}">{}<system-out>{}</system-out></testcase>'


def counted(*cases):
    run = run_tests.Run(types.SimpleNamespace(jobs=1, fuzz_seconds=1, quick=False))
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "ctest.xml"
        report.write_text("<testsuite>" + "".join(CASE.format(*case) for case in cases) + "</testsuite>", encoding="utf-8")
        with contextlib.redirect_stdout(io.StringIO()) as out:
            failed = run_tests.count_cases(run, report)
    return run.passed, run.failed, failed, out.getvalue()


class Counting(unittest.TestCase):
    def test_each_is_counted(self):
        passed, failed, any_failed, text = counted(("good", "run", "", ""), ("bad", "fail", "<failure/>", "it broke"))
        self.assertEqual((passed, failed, any_failed), (1, ["bad"], True))
        self.assertIn("it broke", text)

    def test_what_the_machine_cannot_run_is_named_and_not_counted(self):
        passed, failed, any_failed, text = counted(
            ("far", "notrun", '<skipped message="SKIP_RETURN_CODE=77"/>', "no namespace can be made here"))
        self.assertEqual((passed, failed, any_failed), (0, [], False))
        self.assertIn("skip far: no namespace can be made here", text)

    def test_what_was_not_run_for_another_reason_fails(self):
        passed, failed, any_failed, _ = counted(("lost", "notrun", '<skipped message="Unable to find executable"/>', ""))
        self.assertEqual((passed, failed, any_failed), (0, ["lost"], True))


if __name__ == "__main__":
    unittest.main()
