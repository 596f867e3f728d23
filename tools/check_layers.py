#!/usr/bin/env python3
"""Refuses an #include that runs against the layer table of docs/architecture.md.

usage: tools/check_layers.py [ROOT]     exit 0: clean, 1: wrong includes (printed one a line), 2: usage
"""
import pathlib
import re
import sys

FUNCTIONS = ("cse", "mef", "maf", "das", "ppm")

# Top of the table first. A folder may use itself and those above it.
ORDER = ("base", "crypto", "se", "link", "m2m", "store", "authz", "e2e", "host", "keyservice", *FUNCTIONS, "bind", "client",
         "cmd")

# What a device maker links; nothing in it may reach for a server's folder.
DEVICE = ("base", "crypto", "se", "link", "m2m", "e2e")

# Where the rule "those above" is too generous, the permitted folders are spelt out.
EXCEPTIONS = {
    "m2m": ("base", "crypto"),  # the vocabulary knows nothing of networks or secure environments
    "store": ("base", "crypto", "se", "m2m"),  # storage knows nothing of associations
    "client": DEVICE,  # plus bind/*_client.h, *_codec.h and *_session.h, see bind_headers_of()
}
UP_TO_HOST = ORDER[: ORDER.index("host") + 1]
for function in FUNCTIONS:  # the functions know nothing of each other
    EXCEPTIONS[function] = UP_TO_HOST
for function in ("mef", "maf"):  # what these two have in common is a folder of its own
    EXCEPTIONS[function] = (*UP_TO_HOST, "keyservice")
EXCEPTIONS["bind"] = UP_TO_HOST  # a binding frames and decodes; it knows nothing of the functions

# Libraries that have one home.
LIBRARIES = {
    "sqlite3.h": ("store",),
    "libconfig.h": ("client", "cmd"),
    "http_parser.h": ("bind",),
    "wslay/wslay.h": ("bind",),
    "curl/curl.h": ("bind",),
    "mosquitto.h": ("bind",),
}

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')
DEVICE_BINDING = re.compile(r"_(client|codec|session)\.[ch]$")


def allowed_folders(folder, name):
    """Folders that the file `folder/name` may include from (its own folder is always allowed)."""
    if folder == "bind" and DEVICE_BINDING.search(name):
        return DEVICE
    if folder in EXCEPTIONS:
        return EXCEPTIONS[folder]
    return ORDER[: ORDER.index(folder)]


def quoted_fault(folder, name, target):
    """Why the quoted include `target` is wrong in src/folder/name, or None."""
    parts = target.split("/")
    if len(parts) != 2:
        return 'write "folder/file.h"'
    other, header = parts
    if other == "gatehouse":
        return None
    if other not in ORDER:
        return f"{other}/ is not in the layer table"
    if other == "bind" and folder in ("client", "bind"):
        in_device = folder == "client" or DEVICE_BINDING.search(name)
        if in_device and not DEVICE_BINDING.search(header):
            return "the device library may use only bind/*_client.h, *_codec.h and *_session.h"
        return None
    if other == folder or other in allowed_folders(folder, name):
        return None
    return f"{folder}/ may not use {other}/"


def angle_fault(folder, target):
    homes = LIBRARIES.get(target)
    if homes and folder not in homes:
        return f"<{target}> belongs to {', '.join(homes)}/ only"
    return None


def public_fault(quote, target):
    if quote == '"' and not target.startswith("gatehouse/"):
        return "a public header may include public headers only"
    return None


def faults_of(path, folder):
    """Yields (line number, include, reason). `folder` is None for public headers."""
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quote, target = match.groups()
        if folder is None:
            reason = public_fault(quote, target)
        elif quote == '"':
            reason = quoted_fault(folder, path.name, target)
        else:
            reason = angle_fault(folder, target)
        if reason:
            yield number, target, reason


def check(root):
    """List of "file:line: include: reason" below root."""
    found = []
    for path in sorted(root.glob("src/**/*.[ch]")):
        parts = path.relative_to(root / "src").parts
        if len(parts) != 2 or parts[0] not in ORDER:
            found.append(f"{path.relative_to(root)}:1: a source file lives in one of the folders of the layer table")
            continue
        for number, target, reason in faults_of(path, parts[0]):
            found.append(f'{path.relative_to(root)}:{number}: "{target}": {reason}')
    for path in sorted(root.glob("include/gatehouse/*.h")):
        for number, target, reason in faults_of(path, None):
            found.append(f'{path.relative_to(root)}:{number}: "{target}": {reason}')
    return found


def main(argv):
    if len(argv) > 2:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    root = pathlib.Path(argv[1] if len(argv) == 2 else pathlib.Path(__file__).resolve().parent.parent)
    found = check(root)
    for fault in found:
        print(fault)
    print(f"layers: {len(found)} wrong include{'' if len(found) == 1 else 's'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
