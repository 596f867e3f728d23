#!/usr/bin/env python3
"""The story of the README, typed as it stands there: every command of its section "The story by hand", with the exit code it promises.

usage: readme.py GATEHOUSE EXAMPLE_DEVICE
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
REFUSED = ("--from Cother", "explain realm --originator Cother")  # these are there to be refused


def commands():
    """The indented lines of the section, continued lines joined, comments cut."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.split("## The story by hand")[1].split("\n## ")[0]
    lines = re.sub(r"\\\n\s+", " ", section).splitlines()
    found = [line.split(" # ")[0].strip() for line in lines if line.startswith("    ")]
    return [c for c in found if c.startswith("gatehouse")]


def main():
    gatehouse, example = (pathlib.Path(p).resolve() for p in sys.argv[1:3])
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-readme-"))
    environment = dict(os.environ, PATH=f"{gatehouse.parent}:{os.environ['PATH']}")
    failed, server, key = 0, None, "KEYID"
    try:
        for command in commands():
            if command.rstrip().endswith("&"):
                server = subprocess.Popen(command.rstrip(" &").split(), cwd=folder, env=environment, stdout=subprocess.PIPE,
                                          stderr=subprocess.DEVNULL)
                server.stdout.readline()
                continue
            done = subprocess.run(command.replace("KEYID", key), shell=True, cwd=folder, env=environment, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=30, check=False)
            output = done.stdout.decode(errors="replace")
            expected = 1 if any(r in command for r in REFUSED) else 0
            held = done.returncode == expected
            failed += not held
            print(f"{'ok  ' if held else 'FAIL'} {command} (exit {done.returncode})", flush=True)
            if not held:
                print(output)
            listed = re.search(r"\b([0-9A-F]{32})\b", output) if "key list" in command else None
            if listed:
                read = subprocess.run([example, "meter1", "cse-in/Cmeter1/data/la"], cwd=folder, stdout=subprocess.PIPE, timeout=30, check=False)
                good = read.returncode == 0 and b"21.5" in read.stdout
                failed += not good
                print(f"{'ok  ' if good else 'FAIL'} the example of the README reads the same (exit {read.returncode})")
                key = listed.group(1)
        if key == "KEYID":
            failed += 1
            print("FAIL no key was listed")
    finally:
        if server:
            server.terminate()
            failed += server.wait(30) != 0
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
