#!/usr/bin/env python3
"""What the pages name is there: every `gatehouse VERB --option` in README and docs is a verb with that option, every `make TARGET` a
target, every bench option one of bench/run.py, every path in a link or in backquotes with a slash a file.

usage: doc_commands.py GATEHOUSE   (exit code 0: everything named is there)
"""
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FOLDERS = "src|docs|tests|tools|bench|include|data|fuzz|share"


def verbs(gatehouse):
    """words -> its long options"""
    def ask(*words):
        return json.loads(subprocess.run([gatehouse, "help", *words, "--json"], stdout=subprocess.PIPE, timeout=30, check=True).stdout)
    return {tuple(row["verb"].split()): {o["option"] for o in ask(*row["verb"].split())["options"]} for row in ask()}


def commands(text):
    """What begins with "gatehouse" in backquotes or in an indented block, continued lines joined."""
    joined = re.sub(r"\\\n\s*", " ", text)
    for line in joined.splitlines():
        spans = [line] if line.startswith("    ") else re.findall(r"`([^`]*)`", line)
        for span in spans:
            for match in re.finditer(r"(?:^|[\s(|;])gatehouse ([^|;&#]*)", span):
                yield match.group(1).strip()


def wrong_command(known, command):
    words = re.sub(r"'[^']*'|\"[^\"]*\"", "X", command).split()
    plain = []
    for word in words:
        if word.startswith("-"):
            break
        plain.append(word)
    for count in range(min(3, len(plain)), 0, -1):
        options = known.get(tuple(plain[:count]))
        if options is not None:
            given = {re.match(r"--[a-z0-9-]+", w.strip("[]")).group() for w in words if re.match(r"\[?--[a-z]", w)}
            return ", ".join(sorted(given - options))
    begins = plain and any(verb[:len(plain)] == tuple(plain) for verb in known)
    return "" if begins or not plain or plain[0].isupper() or plain[0].startswith("--") else "no such verb"


def main():
    known, failed = verbs(sys.argv[1]), []
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z0-9-]*)(?: [a-z0-9 -]*)?:", makefile, re.M))
    for line in re.findall(r"^([a-z][a-z0-9 -]*):", makefile, re.M):
        targets |= set(line.split())
    counts = dict.fromkeys(("commands", "targets", "paths"), 0)
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for command in commands(text):
            counts["commands"] += 1
            why = wrong_command(known, command)
            if why:
                failed.append(f"{page.name}: gatehouse {command}: {why}")
        for target in re.findall(r"(?:`|^    )make ([a-z][a-z0-9-]*)", text, re.M):
            counts["targets"] += 1
            if target not in targets:
                failed.append(f"{page.name}: make {target}: no such target")
        for path in re.findall(rf"[`(]((?:{FOLDERS})/[A-Za-z0-9_./-]+[A-Za-z0-9_])[`):]", text):
            counts["paths"] += 1
            if not (ROOT / path).exists() and page.name != "associations.md":  # that one is made, and checked, by tools/clauses.py
                failed.append(f"{page.name}: {path}: no such file")
    print("\n".join(failed) or f"everything is there: {counts}")
    too_few = [what for what, count in counts.items() if count < 5]  # a pattern that finds nothing proves nothing
    return 1 if failed or too_few else 0


if __name__ == "__main__":
    sys.exit(main())
