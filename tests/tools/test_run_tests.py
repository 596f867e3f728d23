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


def new_run():
    return run_tests.Run(types.SimpleNamespace(jobs=1, fuzz_seconds=1, quick=False))


def settled(faults, again):
    """What comes of tests that failed: the run, what was run again, what was said."""
    run, names = new_run(), []
    with contextlib.redirect_stdout(io.StringIO()) as out:
        run.settle(faults, lambda name: names.append(name) or again)
    return run, names, out.getvalue()


def counted(*cases, said=""):
    """(passed, names of the failed, what they said)"""
    run = new_run()
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "ctest.xml"
        report.write_text("<testsuite>" + "".join(CASE.format(*case) for case in cases) + "</testsuite>", encoding="utf-8")
        with contextlib.redirect_stdout(io.StringIO()) as out:
            faults = run_tests.count_cases(run, report, said)
    return run.passed, [name for name, _, _ in faults], out.getvalue() + "".join(output for _, _, output in faults)


class Counting(unittest.TestCase):
    def test_each_is_counted(self):
        passed, failed, text = counted(("good", "run", "", ""), ("bad", "fail", '<failure message="SEGFAULT"/>', "it broke"))
        self.assertEqual((passed, failed), (1, ["bad"]))
        self.assertIn("it broke", text)
        self.assertIn("SEGFAULT", text)

    def test_what_the_machine_cannot_run_is_named_and_not_counted(self):
        passed, failed, text = counted(
            ("far", "notrun", '<skipped message="SKIP_RETURN_CODE=77"/>', "no namespace can be made here"))
        self.assertEqual((passed, failed), (0, []))
        self.assertIn("skip far: no namespace can be made here", text)

    def test_what_was_not_run_for_another_reason_fails(self):
        passed, failed, _ = counted(("lost", "notrun", '<skipped message="Unable to find executable"/>', ""))
        self.assertEqual((passed, failed), (0, ["lost"]))


    def test_how_a_program_ended_is_read_where_ctest_says_it(self):
        said = "The following tests FAILED:\n\t  1 - bad (SEGFAULT)\n\t 12 - unit_x (Subprocess aborted)\n"
        _, _, text = counted(("bad", "fail", '<failure message=""/>', ""), said=said)
        self.assertIn("SEGFAULT", text)
        self.assertNotIn("aborted", text)


class SecondRun(unittest.TestCase):
    def test_what_passes_by_itself_is_counted_and_named(self):
        run, again, text = settled([("starved", 1.0, "FAIL it came late")], True)
        self.assertEqual((run.passed, run.failed, run.second, again), (1, [], ["starved"], ["starved"]))
        self.assertIn("FAIL it came late", text)

    def test_what_fails_twice_has_failed(self):
        run, again, text = settled([("broken", 1.0, "FAIL it never came")], False)
        self.assertEqual((run.passed, run.failed, run.second, again), (0, ["broken"], [], ["broken"]))
        self.assertIn("FAIL it never came", text)

    def test_many_at_once_are_no_bad_luck(self):
        run, again, _ = settled([(f"t{i}", 1.0, "") for i in range(run_tests.SECOND_RUNS + 1)], True)
        self.assertEqual((run.passed, len(run.failed), again), (0, run_tests.SECOND_RUNS + 1, []))

    def test_a_fault_of_memory_is_never_bad_luck(self):
        for output in ("==7==ERROR: AddressSanitizer: heap-use-after-free", "a.c:3:1: runtime error: signed", "==9== Invalid read", "\nSEGFAULT", "\nNUMERICAL", "\nBus error",
                       "[  ERROR   ] --- Test failed with exception: Segmentation fault(11)", "free(): double free detected in tcache 2",
                       "malloc(): invalid size (unsorted)", "x.c:9: f: Assertion `a' failed.", "*** stack smashing detected ***", "cse ended by signal 11"):
            run, again, _ = settled([("t", 1.0, output)], True)
            self.assertEqual((run.failed, again), (["t"], []), output)

    def test_a_real_crash_is_none_and_one_that_is_skipped_then_has_not_passed(self):
        script = "import ctypes, os, pathlib, sys\nonce = pathlib.Path('once-' + sys.argv[1])\nif once.exists():\n    sys.exit(int(sys.argv[2]))\n" \
                 "once.touch()\nctypes.string_at(0) if sys.argv[1] == 'crash' else sys.exit(1)\n"
        with tempfile.TemporaryDirectory() as folder:
            place = pathlib.Path(folder)
            (place / "t.py").write_text(script, encoding="utf-8")
            tests = [("crash", 0), ("skips", 77), ("late", 0)]
            (place / "CTestTestfile.cmake").write_text("".join(
                f'add_test({name} "{sys.executable}" t.py {name} {code})\nset_tests_properties({name} PROPERTIES SKIP_RETURN_CODE 77)\n'
                for name, code in tests), encoding="utf-8")
            run = new_run()
            with contextlib.redirect_stdout(io.StringIO()):
                run_tests.ctest(run, place)
        self.assertEqual((sorted(run.failed), run.second), (["crash", "skips"], ["late"]))

    def test_the_check_that_failed_is_shown_wherever_it_was_said(self):
        text = run_tests.excerpt("FAIL the first\n" + "of a log\n" * 100)
        self.assertTrue(text.startswith("FAIL the first\nof a log\n"))


if __name__ == "__main__":
    unittest.main()
