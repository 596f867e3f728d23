#!/usr/bin/env python3
"""Builds Gatehouse and runs every test and check; the last line is "N passed, M failed".

usage: tools/run_tests.py [--quick] [--only STEP[,STEP]] [--jobs N] [--fuzz-seconds N] [--list]
--quick is the developer's loop: release build, unit tests, layers, layout.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUDGET_S = 50 * 60  # for everything; what does not fit is a failure, never a silent skip
BUILD_LIMIT_S = 900
CTEST_LIMIT_S = 1200
TIDY_LIMIT_S = 600
VALGRIND_LIMIT_S = 420  # one test program
SECOND_RUNS = 3  # of a step: so many failed tests run once more, by themselves; more of them are a fault, not bad luck
TSAN_UNIT = "^unit_(base|bind|cse|host|link|store|client|maf|mef)_"
TSAN_STORIES = "^story_(transit|third_party|mqtt|mqtt_cses|websocket|kept_websocket|outgoing|poa|mcc_maf|providers|providers_register|s_type|under_load|resumption|serialization)$"
# Such a fault is never bad luck: what a sanitizer, valgrind, CTest, cmocka, glibc, assert() and a story say of it.
FOUND = re.compile(r"Sanitizer:|runtime error:|^==\d+== |SEGFAULT|Subprocess aborted|ILLEGAL|NUMERICAL|OTHER_FAULT|Bus error|failed with exception|"
                   r"double free|(?:free|malloc|realloc|munmap_chunk)\(\): |corrupted (?:size|double)|stack smashing|buffer overflow detected|"
                   r"Assertion .* failed|ended by signal", re.M)
HOW = re.compile(r"^\s*\d+ - (\S+) \(([^)]+)\)", re.M)  # of a test that failed, where CTest names them all
C_FOLDERS = ("src", "include", "tests", "fuzz", "bench")


def excerpt(output, most=60):
    """The lines in which a test says that it failed, wherever they are, and the last ones."""
    lines = output.strip().splitlines()
    told = [line for line in lines[:-most] if line.startswith("FAIL") or ": failed: " in line]
    return "\n".join(told[:20] + lines[-most:])


def indented(text):
    return "\n".join("       " + line for line in text.splitlines())


class Run:
    """What was asked for, what happened so far."""

    def __init__(self, options):
        self.jobs = options.jobs
        self.fuzz_seconds = options.fuzz_seconds
        self.quick = options.quick
        self.deadline = time.monotonic() + BUDGET_S
        self.passed = 0
        self.failed = []
        self.second = []  # passed, but not at once

    def record(self, name, good, seconds=None, output=""):
        took = f" ({seconds:.1f} s)" if seconds is not None else ""
        print(f"  {'ok  ' if good else 'FAIL'} {name}{took}", flush=True)
        if good:
            self.passed += 1
            return
        self.failed.append(name)
        if output:
            print(indented(excerpt(output)), flush=True)

    def settle(self, faults, again):
        """Records tests that failed, as (name, seconds, output). Where there are few, each runs once more, by itself: a test of several
        processes can be starved by its neighbours. What it said at first is shown, and the end names it."""
        for name, seconds, output in faults:
            good = len(faults) <= SECOND_RUNS and not FOUND.search(output) and again(name)
            self.record(name, good, seconds, output)
            if good:
                self.second.append(name)
                print("       passed when it was run by itself; at first it said:", indented(excerpt(output)), sep="\n", flush=True)

    def skip(self, name, output):
        """The machine cannot run it, and the test says why."""
        print(f"  skip {name}: {(output.strip().splitlines() or ['it does not say why'])[-1]}", flush=True)

    def left(self, limit):
        """Seconds a step may take: its own limit, but never past the whole budget."""
        return max(1.0, min(limit, self.deadline - time.monotonic()))

    def call(self, command, limit, **more):
        """(exit code, output, seconds); exit code 124 when out of time. Kills the whole process group then."""
        begin = time.monotonic()
        with subprocess.Popen(
            [str(c) for c in command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", start_new_session=True, **more
        ) as child:
            try:
                output, _ = child.communicate(timeout=self.left(limit))
                code = child.returncode
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                output, _ = child.communicate()
                output, code = output + "\n(out of time)", 124
        return code, output, time.monotonic() - begin

    def check(self, name, command, limit, **more):
        code, output, seconds = self.call(command, limit, **more)
        self.record(name, code == 0, seconds, output)
        return code == 0


def build(run, name, folder, *settings):
    configure = ["cmake", "-S", ".", "-B", folder, *settings]
    code, output, first = run.call(configure, BUILD_LIMIT_S)
    if code == 0:
        code, output, second = run.call(["cmake", "--build", folder, "-j", run.jobs], BUILD_LIMIT_S)
        first += second
    progress = re.compile(r"^\[ *\d+%\]|^Consolidate |^-- ")
    run.record(name, code == 0, first, "\n".join(l for l in output.splitlines() if not progress.match(l)))
    return code == 0


def count_cases(run, report, said=""):
    """Records each test of CTest's report that passed or was skipped; (name, seconds, output) of each that failed. How a program ended
    stands in what CTest `said` alone."""
    faults, ends = [], dict(HOW.findall(said))
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        if case.get("status") == "disabled":
            continue
        if case.find("skipped") is not None and "SKIP_RETURN_CODE" in case.find("skipped").get("message", ""):
            run.skip(case.get("name"), case.findtext("system-out", ""))
            continue
        seconds = float(case.get("time", 0))
        if case.get("status") == "run":
            run.record(case.get("name"), True, seconds)
        else:
            how = " ".join([ends.get(case.get("name"), ""), *(failure.get("message", "") for failure in case.iter("failure"))])
            faults.append((case.get("name"), seconds, f"{case.findtext('system-out', '')}\n{how}"))
    return faults


def passes(run, folder, name):
    """By itself; one that is skipped has not passed."""
    code, output, _ = run.call(["ctest", "--test-dir", folder, "--timeout", 180, "--no-tests=error", "-R", f"^{re.escape(name)}$"], CTEST_LIMIT_S)
    return code == 0 and "***Skipped" not in output


def ctest(run, folder, *selection):
    """Runs CTest and counts each test."""
    report = ROOT / folder / "ctest.xml"
    report.unlink(missing_ok=True)
    command = ["ctest", "--test-dir", folder, "-j", run.jobs, "--timeout", 180, "--output-on-failure",
               "--no-tests=error", "--output-junit", report, *selection]
    code, output, _ = run.call(command, CTEST_LIMIT_S)
    if not report.exists():
        run.record(f"ctest in {folder}", code == 0, output=output)
        return
    faults = count_cases(run, report, output)
    if code != 0 and not faults:  # no test at all, or a crash of CTest itself
        run.record(f"ctest in {folder}", False, output=output)
    run.settle(faults, lambda name: passes(run, folder, name))


def c_files(*suffixes):
    return sorted(str(p.relative_to(ROOT)) for f in C_FOLDERS for p in (ROOT / f).glob("**/*") if p.suffix in suffixes)


def step_release(run):
    """the program and the libraries, optimised"""
    build(run, "build release", "build", "-DGH_TESTS=ON")


def step_unit(run):
    """unit tests under AddressSanitizer and UndefinedBehaviorSanitizer (plain build with --quick)"""
    if run.quick:
        ctest(run, "build", "-L", "^unit$")
    elif build(run, "build with sanitizers", "build-asan", "-DGH_SANITIZE=ON", "-DGH_BENCH=OFF"):
        ctest(run, "build-asan", "-L", "^unit$")


def step_story(run):
    """story and integration tests with the release program"""
    ctest(run, "build", "-LE", "^unit$")


def step_tools(run):
    """self-tests of the tools"""
    for test in sorted((ROOT / "tests" / "tools").glob("test_*.py")):
        run.check(f"tools {test.stem}", [sys.executable, test], 120)


def step_layers(run):
    """includes against the layer table; form of the clause citations"""
    run.check("layers", [sys.executable, "tools/check_layers.py"], 60)
    run.check("clauses", [sys.executable, "tools/clauses.py", "--check"], 60)


def step_format(run):
    """layout by clang-format"""
    command = ["clang-format", "--dry-run", "-Werror", *c_files(".c", ".h")]
    code, output, seconds = run.call(command, 120)
    ugly = sorted(set(re.findall(r"^(\S+?):\d+:\d+: error", output, re.M)))
    hint = "make format would change:\n" + "\n".join(ugly) if ugly else output
    run.record("clang-format", code == 0, seconds, hint)


def tidy_key(command, headers_hash):
    content = pathlib.Path(command["file"]).read_bytes()
    return hashlib.sha256(headers_hash + content + command.get("command", "").encode()).hexdigest()


def tidy_one(run, command, headers_hash, cache):
    """(file, output or "" when clean). A clean result is remembered until the file or any header changes."""
    name = os.path.relpath(command["file"], ROOT)
    stamp = cache / tidy_key(command, headers_hash)
    if stamp.exists():
        return name, ""
    code, output, _ = run.call(["clang-tidy", "--quiet", "-p", "build", name], 180)
    if code != 0:
        findings = [line for line in output.splitlines() if re.search(r": (error|warning): ", line)]
        return name, "\n".join(findings) or output or f"exit code {code}"
    stamp.touch()
    return name, ""


def step_tidy(run):
    """static analysis by clang-tidy of the sources"""
    begin = time.monotonic()
    database = ROOT / "build" / "compile_commands.json"
    if not database.exists():
        run.record("clang-tidy", False, output="build/compile_commands.json is missing: the build failed")
        return
    commands = {c["file"]: c for c in json.loads(database.read_text()) if c["file"].startswith(str(ROOT / "src"))}
    version = subprocess.run(["clang-tidy", "--version"], capture_output=True, check=True).stdout
    headers = [ROOT / ".clang-tidy"] + [ROOT / h for h in c_files(".h")] + sorted((ROOT / "build/gen").glob("**/*.h"))
    headers_hash = hashlib.sha256(version + b"".join(h.read_bytes() for h in headers)).digest()
    cache = ROOT / "build" / "tidy-cache"
    cache.mkdir(exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(run.jobs) as pool:
        results = list(pool.map(lambda c: tidy_one(run, c, headers_hash, cache), commands.values()))
    faults = [output for _, output in results if output]
    run.record(f"clang-tidy of {len(results)} files", not faults, time.monotonic() - begin, "\n".join(faults))


def fuzz_one(run, target):
    name = target.name
    seeds = ROOT / "fuzz" / "corpus" / name
    grown = ROOT / "build-fuzz" / "corpus" / name
    finds = ROOT / "build-fuzz" / "finds"
    for folder in (grown, finds):
        folder.mkdir(parents=True, exist_ok=True)
    command = [target, grown, *([seeds] if seeds.is_dir() else []), f"-max_total_time={run.fuzz_seconds}", "-timeout=10",
               "-rss_limit_mb=1024", "-print_final_stats=1", f"-artifact_prefix={finds}/{name}-"]
    dictionary = ROOT / "fuzz" / f"{name}.dict"
    if dictionary.exists():
        command.append(f"-dict={dictionary}")
    code, output, seconds = run.call(command, run.fuzz_seconds + 60)
    runs = re.search(r"number_of_executed_units:\s*(\d+)", output)
    return f"{name}, {runs.group(1) if runs else '?'} inputs", code == 0, seconds, output


def step_fuzz(run):
    """every fuzz target for a bounded time"""
    if not shutil.which("clang"):
        run.record("fuzz", False, output="clang is missing")
        return
    excused = "-Wno-error=cast-qual"  # OpenSSL's macros cast constness away in the caller's line
    settings = ("-DCMAKE_C_COMPILER=clang", f"-DCMAKE_C_FLAGS={excused}", "-DGH_SANITIZE=ON", "-DGH_FUZZ=ON",
                "-DGH_TESTS=OFF", "-DGH_BENCH=OFF")
    if not build(run, "build with clang for fuzzing", "build-fuzz", *settings):
        return
    targets = [t for t in sorted((ROOT / "build-fuzz" / "fuzz").glob("fuzz_*")) if t.is_file() and os.access(t, os.X_OK)]
    with concurrent.futures.ThreadPoolExecutor(run.jobs) as pool:
        for result in pool.map(lambda t: fuzz_one(run, t), targets):
            run.record(*result)


def valgrind_one(run, test):
    # A larger jump of the stack pointer is a change to the stack of a waiting handshake, which may lie 36 KiB behind a thread's own. The tests of
    # the handshakes have small frames; others have frames of 130 KiB.
    frame = 36000 if test.name.startswith(("unit_link_", "unit_client_")) else 200000
    command = ["valgrind", "-q", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite,possible",
               "--trace-children=no", f"--max-stackframe={frame}"]
    suppressions = ROOT / "tests" / "valgrind.supp"
    if suppressions.exists():
        command.append(f"--suppressions={suppressions}")
    env = {**os.environ, "GH_UNDER_VALGRIND": "1"}  # a test may do fewer rounds of what is slow
    code, output, seconds = run.call([*command, test], VALGRIND_LIMIT_S, env=env)
    return f"valgrind {test.name}", code == 0, seconds, output


def step_valgrind(run):
    """valgrind memcheck over the unit tests"""
    tests = [t for t in sorted((ROOT / "build" / "tests").glob("unit_*")) if t.is_file() and os.access(t, os.X_OK)]
    flows = [t.name for t in tests if t.name.startswith("unit_cmd_")]
    print(f"  left out: {', '.join(flows)}: whole realms, a memory-hard key derivation at every step; the sanitizers see them",
          flush=True)
    tests = [t for t in tests if t.name not in flows]
    faults = []
    with concurrent.futures.ThreadPoolExecutor(run.jobs) as pool:
        for name, good, seconds, output in pool.map(lambda t: valgrind_one(run, t), tests):
            if good:
                run.record(name, good, seconds)
            else:
                faults.append((name, seconds, output))
    run.settle(faults, lambda name: valgrind_one(run, ROOT / "build" / "tests" / name.removeprefix("valgrind "))[1])


def step_tsan(run):
    """races: unit tests with threads, and stories with programs built for ThreadSanitizer"""
    if not build(run, "build with ThreadSanitizer", "build-tsan", "-DGH_SANITIZE_THREAD=ON", "-DGH_BENCH=OFF"):
        return
    reports = ROOT / "build-tsan" / "reports"
    shutil.rmtree(reports, ignore_errors=True)
    reports.mkdir()
    os.environ["TSAN_OPTIONS"] = f"log_path={reports}/race:history_size=4:second_deadlock_stack=1:suppressions={ROOT}/tests/tsan/suppressions.txt"
    ctest(run, "build-tsan", "-R", TSAN_UNIT)
    ctest(run, "build-tsan", "-R", TSAN_STORIES)  # a served program that reports a race ends with another exit code, or was killed
    found = sorted(reports.iterdir())
    run.record("no race was reported", not found, output="\n".join(f.read_text(errors="replace") for f in found))


STEPS = {
    "release": step_release,
    "layers": step_layers,
    "format": step_format,
    "tools": step_tools,
    "unit": step_unit,
    "story": step_story,
    "tidy": step_tidy,
    "fuzz": step_fuzz,
    "valgrind": step_valgrind,
    "tsan": step_tsan,
}
QUICK = ("release", "layers", "format", "unit")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="release build, unit tests, layers, layout")
    parser.add_argument("--only", default="", help="steps, separated by commas")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--fuzz-seconds", type=int, default=20)
    parser.add_argument("--list", action="store_true", help="name the steps")
    options = parser.parse_args()
    options.steps = [s for s in options.only.split(",") if s] or list(QUICK if options.quick else STEPS)
    unknown = [s for s in options.steps if s not in STEPS]
    if unknown:
        parser.error(f"no such step: {', '.join(unknown)}; there are {', '.join(STEPS)}")
    return options


def main():
    options = arguments()
    if options.list:
        for name, step in STEPS.items():
            print(f"{name:10} {step.__doc__}")
        return 0
    run = Run(options)
    for name in options.steps:
        step = STEPS[name]
        print(f"{name}: {step.__doc__}", flush=True)
        if time.monotonic() > run.deadline:
            run.record(name, False, output=f"the whole run may take {BUDGET_S} s")
            continue
        step(run)
    if run.second:
        print("passed at the second run only: " + ", ".join(run.second))
    if run.failed:
        print("failed: " + ", ".join(run.failed))
    print(f"{run.passed} passed, {len(run.failed)} failed", flush=True)
    return 1 if run.failed else 0


if __name__ == "__main__":
    sys.exit(main())
