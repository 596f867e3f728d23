#!/usr/bin/env python3
"""Clients that we did not write, against served functions: openssl s_client and gnutls-cli with a pre-shared key, speaking
HTTP by hand, and the coap-client of libcoap.

usage: third_party.py GATEHOUSE   (exit code 0: every check held)
"""
import json
import pathlib
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading

ENROLEE = "meter9@mef.sp.example.com"
COAP_ENROLEE = "meter10@mef.sp.example.com"
REQUEST = ("GET /mef HTTP/1.1\r\nHost: mef.sp.example.com\r\nX-M2M-RI: tp1\r\nX-M2M-RVI: 3\r\nAccept: application/json\r\n"
           "Connection: close\r\n\r\n")
REGISTRATION = '{"sec:mecr":{"et":"20991231T235959","adfq":"sp.example.com"}}'
REGISTER = ("POST /mef HTTP/1.1\r\nHost: mef.sp.example.com\r\nX-M2M-RI: tp2\r\nX-M2M-RVI: 3\r\n"
            f"Content-Type: application/json;ty=40004\r\nContent-Length: {len(REGISTRATION)}\r\nConnection: close\r\n\r\n{REGISTRATION}")


class Checks:
    def __init__(self):
        self.failed = 0

    def expect(self, held, title, detail=""):
        print(f"{'ok  ' if held else 'FAIL'} {title}{': ' + detail if detail and not held else ''}", flush=True)
        self.failed += not held


def run(command, text="", limit=20):
    done = subprocess.run([str(c) for c in command], input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=limit, check=False)
    return done.returncode, done.stdout.decode(errors="replace")


def openssl(where, identity, key, request, *more):
    return run(["openssl", "s_client", "-connect", where, "-servername", "mef.sp.example.com", "-psk_identity", identity, "-psk", key,
                "-quiet", "-ign_eof", *more], request)[1]


GNUTLS_PSK = {
    "TLS 1.2": "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+PSK:-CIPHER-ALL:+AES-128-CBC:-MAC-ALL:+SHA256",
    "TLS 1.3": "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK:-CIPHER-ALL:+AES-128-GCM:-GROUP-ALL:+GROUP-SECP256R1",
}


def gnutls(where, identity, key, request, priority):
    """Its standard input stays open until the server has closed: at the end of input it would leave without reading."""
    host, port = where.split(":")
    command = ["gnutls-cli", "--port", port, "--pskusername", identity, "--pskkey", key, "--priority", priority, "--no-ca-verification",
               "--sni-hostname", "mef.sp.example.com", host]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
        guard = threading.Timer(15, client.kill)
        guard.start()
        try:
            client.stdin.write(request.encode())
            client.stdin.flush()
            return client.stdout.read().decode(errors="replace")
        finally:
            guard.cancel()


def key_in_hex(path):
    text = path.read_text(encoding="ascii").strip()
    try:
        return bytes.fromhex(text).hex()
    except ValueError:
        import base64
        return base64.b64decode(text, validate=True).hex()


def with_right_key(checks, where, key):
    for version in ("-tls1_2", "-tls1_3"):
        answer = openssl(where, ENROLEE, key, REQUEST, version)
        checks.expect("X-M2M-RSC: 2000" in answer and '"sec:mefb"' in answer, f"openssl s_client {version} reads the MEFBase", answer)
    for suite in ("PSK-AES128-CBC-SHA256", "PSK-AES128-GCM-SHA256", "PSK-AES128-CCM8", "ECDHE-PSK-AES128-CBC-SHA256"):
        answer = openssl(where, ENROLEE, key, REQUEST, "-tls1_2", "-cipher", suite)
        checks.expect("X-M2M-RSC: 2000" in answer, f"openssl s_client with {suite}", answer)
    answer = openssl(where, ENROLEE, key, REGISTER, "-tls1_2")
    checks.expect("X-M2M-RSC: 2001" in answer, "openssl s_client registers as MEF client", answer)
    answer = openssl(where, ENROLEE, key, REGISTER, "-tls1_2")
    checks.expect("X-M2M-RSC: 4117" in answer, "and cannot register twice", answer)
    for version, priority in GNUTLS_PSK.items():
        answer = gnutls(where, ENROLEE, key, REQUEST, priority)
        checks.expect("X-M2M-RSC: 2000" in answer, f"gnutls-cli reads the MEFBase over {version}", answer)


def coap(program, url, identity, key, origin, rqi):
    """libcoap prints each message; it takes fewer critical options in an answer than oneM2M has, so its log is what counts."""
    options = [f"-O283,{rqi}", "-O271,3"] + ([f"-O279,{origin}"] if origin else [])
    return run([program, "-v", "7", "-B", "4", "-u", identity, "-k", key, *options, "-m", "get", url])[1]


def with_coap(checks, gatehouse, realm, ready):
    key = secrets.token_hex(16)  # as coap-client takes it: 32 octets of text
    code, text = run([gatehouse, "mef", "enrolee", "add", realm, "--id", COAP_ENROLEE, "--key-file", "-"], key.encode().hex())
    checks.expect(code == 0, "an enrolee with a key of text is added", text)
    for program in ("coap-client-openssl", "coap-client-gnutls"):
        if not shutil.which(program):
            print(f"skip {program} is not installed")
            continue
        for scheme, where in (("coaps", ready["mef.coap"]), ("coaps+tcp", ready["mef.coaps_tcp"])):
            if (program, scheme) == ("coap-client-gnutls", "coaps+tcp"):
                continue  # its GnuTLS priorities have no suite of the TLS profile
            answer = coap(program, f"{scheme}://{where}/mef", COAP_ENROLEE, key, "", "cp1")
            checks.expect("2.05" in answer and "sec:mefb" in answer, f"{program} reads the MEFBase over {scheme}", answer)
            answer = coap(program, f"{scheme}://{where}/mef", COAP_ENROLEE, key, "//sp.example.com/Sadmin", "cp2")
            checks.expect("4.03" in answer, f"{program} over {scheme} cannot take another's name", answer)
            answer = coap(program, f"{scheme}://{where}/mef", COAP_ENROLEE, "00" * 16, "", "cp3")
            checks.expect("2.05" not in answer, f"{program} over {scheme} with a wrong key gets nothing", answer)


def listen_for_coap(realm):
    conf = realm / "gatehouse.conf"
    text = conf.read_text(encoding="utf-8")
    for name in ("coap_listen", "coaps_tcp_listen"):
        text = text.replace(f'{name} = "";', f'{name} = "127.0.0.1:0";')
    conf.write_text(text, encoding="utf-8")


def with_wrong_credentials(checks, where, key):
    wrong = openssl(where, ENROLEE, "00" * 32, REQUEST, "-tls1_2")
    unknown = openssl(where, "nobody@mef.sp.example.com", key, REQUEST, "-tls1_2")
    checks.expect("X-M2M-RSC" not in wrong and "alert" in wrong, "a wrong key is refused", wrong)
    alert = [line.split("alert")[1].split(":")[0] for line in wrong.splitlines() if "alert" in line]
    checks.expect(bool(alert) and alert[0] in unknown, "an unknown identity ends in the same alert", unknown)
    for bad in ("NULL-SHA256", "PSK-AES256-CBC-SHA384", "PSK-AES128-CBC-SHA", "RC4-SHA"):
        answer = openssl(where, ENROLEE, key, REQUEST, "-tls1_2", "-cipher", bad + ":@SECLEVEL=0")
        checks.expect("X-M2M-RSC" not in answer, f"{bad} is not offered", answer)
    answer = openssl(where, ENROLEE, key, REQUEST, "-tls1_1")
    checks.expect("X-M2M-RSC" not in answer, "TLS 1.1 is not offered", answer)
    code, answer = run(["curl", "-s", "-k", "-o", "/dev/null", "-w", "%{http_code}", f"https://{where}/mef"])
    checks.expect(code != 0 and answer == "000", "curl without a certificate gets no association", answer)
    code, answer = run(["curl", "-s", "-D", "-", f"http://{where}/mef"])
    checks.expect("403" in answer and "X-M2M-RSC: 4107" in answer, "curl in clear gets 4107", answer)


def main():
    gatehouse = pathlib.Path(sys.argv[1]).resolve()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-tp-"))
    checks = Checks()
    try:
        realm, key_file = folder / "realm", folder / "key"
        checks.expect(run([gatehouse, "init", realm, "--sp-id", "sp.example.com"])[0] == 0, "a realm is made")
        listen_for_coap(realm)
        with open(folder / "log", "wb") as log, subprocess.Popen(
            [gatehouse, "serve", "-c", realm, "mef", "--json"], stdout=subprocess.PIPE, stderr=log
        ) as server:
            try:
                ready = json.loads(server.stdout.readline())
                where = ready["mef"]
                code, text = run([gatehouse, "mef", "enrolee", "add", realm, "--id", ENROLEE, "--generate", key_file])
                checks.expect(code == 0, "an enrolee is added", text)
                key = key_in_hex(key_file)
                with_right_key(checks, where, key)
                with_coap(checks, gatehouse, realm, ready)
                with_wrong_credentials(checks, where, key)
                log_text = (folder / "log").read_text(encoding="utf-8").lower()
                checks.expect(key not in log_text, "the key is nowhere in the log")
            finally:
                server.terminate()
                checks.expect(server.wait(10) == 0, "the server stops on SIGTERM")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
