#!/usr/bin/env python3
"""Which clause of the standards is fulfilled where, and which test proves it.

Reads the citations in src/, include/ and tests/:   /*= TS-0003 7.1.5 step 3 */   /*= TS-0009 6.2.2; 6.4.3 a remark */
A clause is a document, a number (or "table 6.2-1") and perhaps "step 3" or the like; what follows is a remark.
usage: tools/clauses.py [--json | --check | --pages | --table=CLAUSE] [ROOT]
--check prints what is wrong only, malformed citations and pages whose tables are not current, and exits 1 for any.
--pages renews those tables (tools/clause_pages.py says how a page looks).
--table="TS-0003 8.2" prints a table of the cited clauses at and below this one.
"""
import json
import pathlib
import re
import sys

import clause_pages

CITATION = re.compile(r"/\*=(.*?)\*/", re.S)
CLAUSE = re.compile(
    r"^(?:(TS-\d{4}|RFC \d+|FIPS \d+(?:-\d+)?|SP \d+-\d+\w*) )?"
    r"((?:table |annex |figure )?(?:\d+|[A-Z]\.\d+)[\w.\-]*)"
    r"((?: (?:step|steps|rule|rules|case|item|row|note) [\w.\-]+)?)",
    re.I,
)


def parse(text):
    """(clauses, malformed parts) of one citation comment. A part without a document takes that of the part before."""
    good, bad, spec = [], [], None
    for part in text.split(";"):
        part = " ".join(part.replace("\n *", " ").split())
        match = CLAUSE.match(part)
        if match and (match.group(1) or spec):
            spec = match.group(1) or spec
            good.append(f"{spec} {match.group(2).rstrip('.-')}{match.group(3).rstrip('.-')}")
        elif not spec:
            bad.append(part)
    return good, bad


def files(root, folder):
    for suffix in ("c", "h", "py"):
        yield from sorted((root / folder).glob(f"**/*.{suffix}"))


def scan(root):
    """({clause: {"code": [...], "test": [...]}}, [malformed "file:line: text"])"""
    table, malformed = {}, []
    for folder, kind in (("include", "code"), ("src", "code"), ("tests", "test")):
        for path in files(root, folder):
            if path.is_relative_to(root / "tests" / "tools"):
                continue  # tests of this very tool
            text = path.read_text(encoding="utf-8", errors="replace")
            for match in CITATION.finditer(text):
                where = f"{path.relative_to(root)}:{text.count(chr(10), 0, match.start()) + 1}"
                good, bad = parse(match.group(1))
                malformed.extend(f"{where}: {part!r}" for part in bad)
                for clause in good:
                    table.setdefault(clause, {"code": [], "test": []})[kind].append(where)
    return table, malformed


def sort_key(clause):
    return [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in re.split(r"[\s.\-]+", clause)]


def print_table(table):
    for clause in sorted(table, key=sort_key):
        entry = table[clause]
        print(clause)
        for kind in ("code", "test"):
            for where in entry[kind] or ["-"]:
                print(f"  {kind}  {where}")


def print_lacks(table):
    lacks_test = [c for c in sorted(table, key=sort_key) if not table[c]["test"]]
    lacks_code = [c for c in sorted(table, key=sort_key) if not table[c]["code"]]
    for title, clauses in (("cited by code, no test", lacks_test), ("cited by a test, no code", lacks_code)):
        if clauses:
            print(f"\n{title}:")
            for clause in clauses:
                print(f"  {clause}")
    both = len(table) - len(lacks_test) - len(lacks_code)
    share = 100 * both // len(table) if table else 100
    print(f"\n{len(table)} clauses cited, {both} with code and test ({share} %)")


def main(argv):
    options = dict(a.partition("=")[::2] for a in argv[1:] if a.startswith("--"))
    places = [a for a in argv[1:] if not a.startswith("--")]
    if set(options) - {"--json", "--check", "--pages", "--table"} or len(options) > 1 or len(places) > 1:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    root = pathlib.Path(places[0] if places else pathlib.Path(__file__).resolve().parent.parent)
    table, malformed = scan(root)
    faults = [f"malformed citation {fault}" for fault in malformed]
    if "--pages" in options:
        clause_pages.write(root, table)
    if "--pages" in options or "--check" in options:
        faults += clause_pages.check(root, table)
    elif "--json" in options:
        print(json.dumps({"clauses": table, "malformed": malformed}, indent=1, sort_keys=True))
    elif "--table" in options:
        print(clause_pages.show(root, table, options["--table"]))
    else:
        print_table(table)
        print_lacks(table)
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
