#!/usr/bin/env python3
"""Turns a text file into C: embed.py FILE OUT.c HEADER NAME defines `const gh_str NAME`."""
import pathlib
import sys


def main():
    source, out, header, name = sys.argv[1:5]
    lines = pathlib.Path(source).read_text(encoding="ascii").splitlines(keepends=True)
    quoted = ["  \"" + l.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + "\"" for l in lines]
    text = f'#include "{header}"\n\nstatic const char text[] =\n' + "\n".join(quoted) + ";\n"
    text += f"\nconst gh_str {name} = {{text, sizeof text - 1}};\n"
    pathlib.Path(out).write_text(text, encoding="ascii")


if __name__ == "__main__":
    main()
