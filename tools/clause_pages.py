"""Pages that say what each clause demands and where it is: tables between two marks, whose last two columns are made
from the citations, so that they cannot rot. Used by tools/clauses.py.

    <!-- clauses of TS-0003 -->
    | clause | demands | state | code | test |
    |---|---|---|---|---|
    | 8.2.2.1 | our words | built | (made) | (made) |
    <!-- end of clauses -->

The first three columns are written by hand. A state begins with "built", "partly:", "not built:" or "nothing to build".
"""
import re

BEGIN = re.compile(r"^<!-- clauses of (.+?) -->$")
END = "<!-- end of clauses -->"
HEAD = ("| clause | demands | state | code | test |", "|---|---|---|---|---|")
NONE = "-"

DEFINITION = re.compile(r"^(?!typedef|struct|enum|return|else)[A-Za-z_][\w \*]*?\b(\w+)\(")
TABLE = re.compile(r"^(?:static |const |struct )+.*?\b(\w+)(?:\[\w*\])* = \{$")
PYTHON = re.compile(r"^\s*def (\w+)\(")


def blocks(lines):
    """(last line, name) of each function, prototype and table of a C file, by the layout that clang-format makes."""
    found, name, inside = [], None, False
    for number, line in enumerate(lines):
        if name is None:
            table = TABLE.match(line)
            match = table or DEFINITION.match(line)
            name, inside = (match.group(1), bool(table)) if match else (None, False)
        if name is None:
            continue
        inside = inside or line.startswith("{")
        if line.startswith("}") or line.endswith(");") and not inside:
            found.append((number, name))
            name = None
    return found


def place(path, text, line):
    """Name of the function or table that a citation in this line speaks of: the one around it, or the next one."""
    lines = text.split("\n")
    if path.suffix == ".py":
        names = [m.group(1) for m in map(PYTHON.match, lines[line - 1 :]) if m]
        return names[0] if names else ""
    for last, name in blocks(lines):
        if last >= line - 1:
            return name
    return ""


def places(root, wheres):
    """["src/a.c:12", ..] -> "`src/a.c: f, g`; ..", each file once, in the order of the citations."""
    by_file = {}
    for where in wheres:
        file, line = where.rsplit(":", 1)
        path = root / file
        name = place(path, path.read_text(encoding="utf-8", errors="replace"), int(line))
        names = by_file.setdefault(file, [])
        if name and name not in names:
            names.append(name)
    return "; ".join(f"`{file}: {', '.join(names)}`" if names else f"`{file}`" for file, names in by_file.items())


def of_clause(table, clause):
    """Citations of the clause itself and of its steps."""
    both = {"code": [], "test": []}
    for cited in sorted(table):
        if cited == clause or cited.startswith(clause + " "):
            for kind, found in both.items():
                found.extend(table[cited][kind])
    return both


def row(root, table, spec, cells):
    """(the row with its last two columns made anew, fault or None)"""
    clause, demands, state = cells[:3]
    both = of_clause(table, f"{spec} {clause}")
    code, test = (places(root, both[kind]) or NONE for kind in ("code", "test"))
    fault = None
    if not re.match(r"built$|partly: .|not built: .|nothing to build$", state):
        fault = f"{spec} {clause}: the state '{state}' is none"
    if re.match(r"built|partly", state) and NONE in (code, test):
        fault = f"{spec} {clause}: '{state}', but code: {code}, test: {test}"
    return f"| {clause} | {demands} | {state} | {code} | {test} |", fault


def renew(root, table, text):
    """(the page with its tables made anew, faults)"""
    out, faults, spec = [], [], None
    for line in text.split("\n"):
        match = BEGIN.match(line)
        if match:
            spec = match.group(1)
        elif line == END:
            spec = None
        elif spec and line.startswith("| ") and line != HEAD[0]:
            cells = [c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]]
            if len(cells) < 3:
                faults.append(f"a row needs clause, demands and state: {line}")
            else:
                line, fault = row(root, table, spec, cells)
                faults += [fault] if fault else []
        out.append(line)
    return "\n".join(out), faults


def pages(root):
    for path in sorted((root / "docs").glob("**/*.md")):
        text = path.read_text(encoding="utf-8")
        if any(BEGIN.match(l) for l in text.split("\n")):
            yield path, text


def check(root, table):
    """What is wrong with the committed pages."""
    faults = []
    for path, text in pages(root):
        renewed, wrong = renew(root, table, text)
        faults += [f"{path.relative_to(root)}: {w}" for w in wrong]
        if renewed != text:
            faults.append(f"{path.relative_to(root)}: its table of clauses is not current: tools/clauses.py --pages")
    return faults


def write(root, table):
    for path, text in pages(root):
        renewed, _ = renew(root, table, text)
        if renewed != text:
            path.write_text(renewed, encoding="utf-8")


def show(root, table, prefix):
    """A table of the cited clauses at and below `prefix`, e.g. "TS-0003 8.2"."""
    spec = prefix.rsplit(" ", 1)[0]
    numbers = sorted({c.split(" step ")[0] for c in table if c == prefix or c.startswith((prefix + ".", prefix + " "))})
    lines = ["| clause | code | test |", "|---|---|---|"]
    for clause in numbers:
        both = of_clause(table, clause)
        code, test = (places(root, both[kind]) or NONE for kind in ("code", "test"))
        lines.append(f"| {clause.removeprefix(spec + ' ')} | {code} | {test} |")
    return "\n".join(lines)
