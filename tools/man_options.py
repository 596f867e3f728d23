#!/usr/bin/env python3
"""The options of every verb in the man page, taken from the program itself.

usage: man_options.py GATEHOUSE           writes the section OPTIONS of docs/man/gatehouse.1
       man_options.py GATEHOUSE --check   changes nothing; exit code 1 where program and page differ
"""
import json
import pathlib
import subprocess
import sys

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs/man/gatehouse.1"
BEGIN, END = '.\\" options: made by tools/man_options.py\n', '.\\" options: end\n'
EVERYWHERE = ("--json", "--help")  # described once, above


def ask(gatehouse, *words):
    done = subprocess.run([gatehouse, "help", *words, "--json"], stdout=subprocess.PIPE, timeout=30, check=True)
    return json.loads(done.stdout)


def quoted(text):
    """As roff takes it: what begins a line is no request, and dashes are those of options."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in ".'" else text


def option_lines(option):
    name, value, letter = quoted(option["option"]), option.get("value"), option.get("letter")
    shown = f'.BR {quoted(letter)} ", " {name}' if letter else f".BR {name}"
    if value:
        shown += f' " \\fI{quoted(value)}\\fR"'
    return f".TP\n{shown}\n{quoted(option['help'])}\n"


def section(gatehouse):
    text = ".SH OPTIONS\nWhat stands in parentheses at the end is the default, unless it says more.\n"
    for row in ask(gatehouse):
        verb = ask(gatehouse, *row["verb"].split())
        options = [o for o in verb["options"] if o["option"] not in EVERYWHERE]
        if options:
            text += f'.SS {quoted(" ".join([verb["verb"], verb["operands"]]).strip())}\n' + "".join(map(option_lines, options))
    return text


def main():
    gatehouse, check = sys.argv[1], "--check" in sys.argv[2:]
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    old, after = rest.split(END)
    new = section(gatehouse)
    missing = [row["verb"] for row in ask(gatehouse) if not named(before, row["verb"])]
    if missing:
        print(f"section VERBS of {PAGE.name} does not name: {', '.join(missing)}")
    if check:
        if old != new:
            print(f"{PAGE.name} and the program differ: run tools/man_options.py GATEHOUSE")
        return 1 if missing or old != new else 0
    PAGE.write_text(before + BEGIN + new + END + after, encoding="utf-8")
    return 1 if missing else 0


def named(text, verb):
    """"mef enrolee add | list | delete" names three verbs."""
    plain = text.replace("\\-", "-")
    *first, last = verb.split()
    for line in plain.splitlines():
        if not line.startswith(".B"):
            continue
        words = line.replace('"', " ").replace(",", " ").replace("|", " ").split()
        if last in words and all(word in words for word in first):
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())
