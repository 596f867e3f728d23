#!/usr/bin/env python3
"""Recomputes kdf.txt, e2e.txt and export.txt with nothing but hmac, hashlib and unicodedata.

usage: recompute.py         prints differences with the files beside it; exit code 1 when there are any
       recompute.py --write writes the files
"""
import hashlib
import hmac
import pathlib
import sys
import unicodedata

HERE = pathlib.Path(__file__).resolve().parent
KE = bytes(range(32))
BOOTSTRAP_KE = bytes.fromhex("20f0a290cdf409f1eee754f5e1977bff6672b5c3ffab154de6fcdf0e7b73bc67")
CSE = "//sp.example.com/in-cse"
SOURCE = "# Source of the numbers: recompute.py beside this file (formulas of TS-0003 clause 10.3); equal to the project's notes.\n"


def mac(key, *parts):
    return hmac.new(key, b"".join(parts), hashlib.sha256).digest()


def nfkc(text):
    return unicodedata.normalize("NFKC", text).encode()


def km(ke, maf):
    return mac(ke, b"oneM2M Enrolment Key to Master Credential derivation", nfkc(maf))


def kpsa(ke, peer):
    return mac(ke, b"oneM2M Enrolment Key to Provisioned Secure Connection Key derivation", nfkc(peer))


def usage(ke, suid, target):
    return mac(ke, b"oneM2M Enrolment Key to Usage-Constrained Symmetric Key derivation", suid.encode(), nfkc(target))


def session(key, rro, oro):
    return mac(key, rro.encode(), oro.encode(), b"oneM2M HMAC-SHA256 sessionESPrimKey derivation algorithm")


def kdf_file():
    rows = ["# function, key, first input, second input, result"]
    for key in (KE, BOOTSTRAP_KE):
        rows.append(("km", key, "maf.example.com", "-", km(key, "maf.example.com")))
        rows.append(("kpsa", key, CSE, "-", kpsa(key, CSE)))
        for suid, target in (("10", "mef.example.com"), ("21", "maf.example.com"), ("22", "in-cse.sp.example.com"),
                             ("22", "Cae1.in-cse.sp.example.com"), ("23", "in-cse.sp.example.com"),
                             ("24", "in-cse.sp.example.com"), ("25", "in-cse.sp.example.com")):
            rows.append(("usage", key, suid, target, usage(key, suid, target)))
    ligature = "ma\N{LATIN SMALL LIGATURE FF}.example.com"
    rows.append("# NFKC: a ligature, full-width letters, a decomposed and a composed accent")
    for name in (ligature, "maff.example.com", "\uff4d\uff41\uff46.example.com", "m\u0061\u0301f.example.com",
                 "m\u00e1f.example.com"):
        rows.append(("km", KE, name, "-", km(KE, name)))
    rows.append(("kpsa", KE, "//sp.example.com/" + ligature, "-", kpsa(KE, "//sp.example.com/maff.example.com")))
    rows.append(("usage", KE, "21", ligature, usage(KE, "21", "maff.example.com")))
    rro = '{"esri":"U-0000000000000001","esrv":"R000102030405060708090A0B0C0D0E0F","esrx":"20300101T000000","esks":[1],"espa":[10,12]}'
    for algorithm in ("12", "10"):
        oro = '{"esri":"U-00000000000000A1","esrv":"RF0E0D0C0B0A090807060504030201000","esrx":"20291231T235959","esk":1,"espa":[' + algorithm + ']}'
        rows.append(("session", KE, rro, oro, session(KE, rro, oro)))
    return rows


def e2e_file():
    rows = ["# Kpsa, salt, master, msg_auth and msg_conf, att_auth and att_conf"]
    for salt in (b"", bytes(range(0xF0, 0x100))):
        master = mac(salt or bytes(32), KE)
        t1 = mac(master, b"E2E Message Authentication Key", b"\1")
        t2 = mac(master, t1, b"E2E Message Confidentiality Key", b"\2")
        t3 = mac(master, t2, b"E2E Attribute Authenticity Key", b"\3")
        t4 = mac(master, t3, b"E2E Attribute Confidentiality Key", b"\4")
        rows.append((KE, salt or "-", master, t1 + t2, t3 + t4))
    return rows


def prf12(secret, label, seed, size):
    seed, a, out = label + seed, label + seed, b""
    while len(out) < size:
        a = mac(secret, a)
        out += mac(secret, a, seed)
    return out[:size]


def export_file():
    rows = ["# TLS 1.2: master secret, client random, server random, label, 48 octets"]
    cases = [(bytes(range(48)), b"\xaa" * 32, b"\xbb" * 32, label) for label in ("Bootstrap", "Connection", "ESCertKE")]
    cases.append((bytes.fromhex("f76cb64b641cf14535d1b833a94c1ea07375dedc2036ca7ac01246f0d43844ec"
                                "4a05216efe96b538ff281dff00d4b45a"),
                  bytes.fromhex("5dd5ca5134a7b8ab0fec607e20ff0eb1bcaa46082f2dd207957782e22c0091bb"),
                  bytes.fromhex("5c0f37f96e2a98e3d894f4a20fc68ef85c65aceb198c689847f005dc5d8ad988"), "Bootstrap"))
    cases.append((bytes(range(48)), b"\xc0" * 32, b"\x50" * 32, "ESCertKE"))
    for master, client, server, label in cases:
        full = "EXPORTER-oneM2M-" + label
        rows.append((master, client, server, full, prf12(master, full.encode(), client + server, 48)))
    return rows


def text(rows):
    out = SOURCE
    for row in rows:
        if isinstance(row, tuple):
            row = "\t".join(cell.hex() if isinstance(cell, bytes) else cell for cell in row)
        out += row + "\n"
    return out


def main():
    differs = False
    for name, rows in (("kdf.txt", kdf_file()), ("e2e.txt", e2e_file()), ("export.txt", export_file())):
        path = HERE / name
        if "--write" in sys.argv[1:]:
            path.write_text(text(rows), encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text(rows):
            print(f"{name} differs")
            differs = True
    return 1 if differs else 0


sys.exit(main())
