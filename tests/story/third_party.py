#!/usr/bin/env python3
"""Clients that we did not write, against served functions: openssl s_client and gnutls-cli with a pre-shared key, speaking
HTTP by hand, and the coap-client of libcoap.

usage: third_party.py GATEHOUSE   (exit code 0: every check held)
"""
import json
import pathlib
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

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


def note_crash(name, code):
    """A program that crashed is a fault whatever a second run says: tools/run_tests.py looks for these words."""
    if -code in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL):
        print(f"{name} ended by signal {-code}", flush=True)


def run(command, text="", limit=60):
    done = subprocess.run([str(c) for c in command], input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=limit, check=False)
    note_crash(command[0], done.returncode)
    return done.returncode, done.stdout.decode(errors="replace")


def openssl(where, identity, key, request, *more, name="mef.sp.example.com"):
    return run(["openssl", "s_client", "-connect", where, "-servername", name, "-psk_identity", identity, "-psk", key,
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
        answer = openssl(where, ENROLEE, key, REQUEST, "-tls1_2", "-cipher", suite + ":@SECLEVEL=0")  # or 3.5 has no CCM_8
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


def with_certificates(checks, call, realm, where, folder):
    """TS-0003 8.2.2.2 with curl: HTTP/1.1 and HTTP/2, one name and no other."""
    cert, key = folder / "valve.pem", folder / "valve.key"
    code, text = call("ca", "issue", realm, "--ae-id", "//sp.example.com/in-cse/Cvalve", "--cert", cert, "--key", key)
    checks.expect(code == 0, "the CA issues an AE-ID certificate", text)
    name = "in-cse.sp.example.com"

    def curl(*more):
        return run(["curl", "-s", "-i", "--cacert", realm / "ca.pem", "--cert", cert, "--key", key, "--connect-to", f"{name}:443:{where}",
                    "-H", "X-M2M-RI: c1", "-H", "X-M2M-RVI: 3", *more])[1]

    ae = '{"m2m:ae":{"api":"N.tp","rr":false,"srv":["3"]}}'
    answer = curl("-H", "X-M2M-Origin: C", "-H", "Content-Type: application/json;ty=2", "-d", ae, f"https://{name}/cse-in")
    checks.expect('"aei":"Cvalve"' in answer, "curl registers as the AE that its certificate names", answer)
    for version in ("--http1.1", "--http2"):
        answer = curl(version, "-H", "X-M2M-Origin: Cvalve", f"https://{name}/cse-in/Cvalve")
        expected = "HTTP/2 200" if version == "--http2" else "HTTP/1.1 200"
        checks.expect(expected in answer and '"ri":"Cvalve"' in answer, f"curl {version} reads it", answer)
        answer = curl(version, "-H", "X-M2M-Origin: Cpump1", f"https://{name}/cse-in/Cvalve")
        checks.expect("4106" in answer, f"curl {version} is nobody else", answer)


KPSA = "pump1@keys.example.com"


def cse_request(sender, body):
    return ("POST /cse-in HTTP/1.1\r\nHost: in-cse.sp.example.com\r\nX-M2M-RI: tp3\r\nX-M2M-RVI: 3\r\n"
            f"X-M2M-Origin: {sender}\r\nContent-Type: application/json;ty=2\r\nContent-Length: {len(body)}\r\n"
            f"Connection: close\r\n\r\n{body}")


def with_provisioned_key(checks, call, realm, where, folder):
    """TS-0003 8.2.2.1: Kpsa given to the CSE and to a device beforehand, no MEF and no MAF."""
    key_file, device = folder / "kpsa", folder / "pump"
    code, text = call("cse", "key", "add", realm, "--id", KPSA, "--peer", "//sp.example.com/in-cse/Cpump1", "--generate", key_file)
    checks.expect(code == 0 and KPSA in text, "a provisioned key is added", text)
    key = key_in_hex(key_file)
    body = '{"m2m:ae":{"api":"N.tp","rr":false,"srv":["3"]}}'
    name = "in-cse.sp.example.com"
    answer = openssl(where, KPSA, key, cse_request("Cother", body), "-tls1_2", name=name)
    checks.expect("X-M2M-RSC: 4106" in answer, "openssl s_client with Kpsa cannot take another name", answer)
    answer = openssl(where, KPSA, "00" * 32, cse_request("Cpump1", body), "-tls1_2", name=name)
    checks.expect("X-M2M-RSC" not in answer, "a wrong Kpsa is refused", answer)
    call("device", "new", device, "--realm", realm, "--kpm-id", "pump1", "--generate", folder / "kpm")
    code, text = call("device", "psk", device, "--id", KPSA, "--key-file", key_file)
    checks.expect(code == 0, "a device is given Kpsa", text)
    code, text = call("register", device, "--app-id", "N.tp")
    checks.expect(code == 0 and "Cpump1" in text, "and registers with it", text)
    answer = openssl(where, KPSA, key, "GET /cse-in/Cpump1 HTTP/1.1\r\nHost: x\r\nX-M2M-RI: tp4\r\nX-M2M-RVI: 3\r\n"
                     "X-M2M-Origin: Cpump1\r\nConnection: close\r\n\r\n", "-tls1_3", name=name)
    checks.expect("X-M2M-RSC: 2000" in answer, "openssl s_client with Kpsa is the AE", answer)
    code, text = call("cse", "key", "list", realm)
    checks.expect(code == 0 and KPSA in text and key not in text.lower(), "the key is listed, not shown", text)
    code, text = call("cse", "key", "delete", realm, KPSA)
    checks.expect(code == 0, "the key is deleted", text)
    code, text = call("get", device, "cse-in/Cpump1")
    checks.expect(code == 1 and "alert" in text, "and opens nothing any more", text)
    return key


def log_says(path, event, function, limit=60):
    until = time.monotonic() + limit
    while not any(event in line and function in line for line in path.read_text(encoding="utf-8").splitlines()):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def with_further_name(checks, call, realm, where, folder, server):
    """TS-0003 10.2.1: a second name of the CSE, chosen by SNI; nobody else's name is answered."""
    first, further, strange = "in-cse.sp.example.com", "doors.sp.example.com", "windows.sp.example.com"
    credential = ["-cert", folder / "valve.pem", "-key", folder / "valve.key", "-CAfile", realm / "ca.pem"]
    request = "GET /cse-in/Cvalve HTTP/1.1\r\nHost: x\r\nX-M2M-RI: n1\r\nX-M2M-RVI: 3\r\nX-M2M-Origin: Cvalve\r\nConnection: close\r\n\r\n"

    def ask(name, *more):
        sni = ["-servername", name] if name else ["-noservername"]
        command = ["openssl", "s_client", "-connect", where, *sni, "-ign_eof", *credential, *more]
        return run(command, request)[1]

    answer = ask(strange)
    checks.expect("X-M2M-RSC: 2000" in answer, "a CSE of one name answers whatever name it is called", answer)
    code, text = call("ca", "name", realm, "cse", "Doors.sp.example.com")
    checks.expect(code == 0 and (realm / f"{further}.pem").exists() or further in text, "a further name gets key and certificate", text)
    code, text = call("ca", "name", realm, "cse", "doors.example.org")
    checks.expect(code != 0, "not one outside the service provider's domain", text)
    code, text = call("ca", "name", realm, "cse", further)
    checks.expect(code != 0, "and not twice", text)
    conf = realm / "gatehouse.conf"
    text = conf.read_text(encoding="utf-8")
    at = text.index("names = [ ]", text.index(f'fqdn = "{first}"'))
    conf.write_text(text[:at] + f'names = [ "{further}" ]' + text[at + len("names = [ ]"):], encoding="utf-8")
    server.send_signal(signal.SIGHUP)
    checks.expect(log_says(folder / "log", "credentials-renewed", "function=cse"), "it is taken up on SIGHUP")
    for name in (further, first, None):
        for version in ("-tls1_2", "-tls1_3"):
            bears = ["-verify_hostname", name or first, "-verify_return_error"]
            answer = ask(name, version, *bears)
            checks.expect("X-M2M-RSC: 2000" in answer, f"openssl s_client {version} meets {name or 'no name: ' + first}", answer)
    answer = ask(further, "-verify_hostname", first, "-verify_return_error")
    checks.expect("X-M2M-RSC" not in answer, "the further name's certificate is not the first's", answer)
    answer = ask(strange)
    checks.expect("X-M2M-RSC" not in answer and "unrecognized name" in answer, "now a strange name is refused", answer)
    code, text = call("ca", "renew", realm, "cse")
    checks.expect(code == 0, "certificates of both names are renewed", text)


PROFILE = """[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, digitalSignature, keyCertSign
subjectKeyIdentifier = hash
[node]
keyUsage = critical, digitalSignature
subjectAltName = URI:urn:gsma:imei:90420156-025763-0
[ae]
keyUsage = critical, digitalSignature
subjectAltName = URI:m2m://sp.example.com/in-cse/Cvalve
"""


def make_vendor(folder):
    """Another's CA by openssl: a certificate with a Node-ID, and one with the AE-ID of our own valve."""
    (folder / "profile").write_text(PROFILE, encoding="ascii")
    made = []
    for name in ("vendor", "node", "ae"):
        made.append(run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", folder / f"v-{name}.key"])[0])
        made.append(run(["openssl", "req", "-new", "-key", folder / f"v-{name}.key", "-subj", f"/CN={name}", "-out", folder / "csr"])[0])
        signer = ["-signkey", folder / "v-vendor.key"] if name == "vendor" else \
            ["-CA", folder / "v-vendor.pem", "-CAkey", folder / "v-vendor.key", "-CAcreateserial"]
        made.append(run(["openssl", "x509", "-req", "-sha256", "-days", "2", "-in", folder / "csr", *signer, "-extfile", folder / "profile",
                         "-extensions", "ca" if name == "vendor" else name, "-out", folder / f"v-{name}.pem"])[0])
    (folder / "v-vendor.pem").chmod(0o600)
    return not any(made)


def with_a_vendor(checks, realm, where, folder, server):
    """TS-0003 8.1.2.4: an anchor that vouches for Node-IDs vouches for nothing else, least of all for our AEs."""
    name = "in-cse.sp.example.com"
    checks.expect(make_vendor(folder), "openssl makes another's CA and two certificates")

    def ask(which):
        return run(["curl", "-s", "-S", "-i", "--cacert", realm / "ca.pem", "--cert", folder / f"v-{which}.pem", "--key", folder / f"v-{which}.key",
                    "--connect-to", f"{name}:443:{where}", "-H", "X-M2M-RI: v1", "-H", "X-M2M-RVI: 3", "-H", "X-M2M-Origin: Cvalve",
                    f"https://{name}/cse-in/Cvalve"])[1]

    checks.expect("HTTP/" not in ask("node"), "nobody knows that CA")
    conf = realm / "gatehouse.conf"
    text = conf.read_text(encoding="utf-8")
    at = text.index('node = ""', text.index("anchors_for"))
    conf.write_text(text[:at] + f'node = "{folder}/v-vendor.pem"' + text[at + len('node = ""'):], encoding="utf-8")
    server.send_signal(signal.SIGHUP)
    until = time.monotonic() + 60
    answer = ask("node")
    while "HTTP/" not in answer and time.monotonic() < until:
        answer = ask("node")
    checks.expect("X-M2M-RSC: 4106" in answer or "x-m2m-rsc: 4106" in answer, "then a node comes in, and is not the valve", answer)
    answer = ask("ae")
    checks.expect("HTTP/" not in answer, "who bears the valve's AE-ID from there does not come in", answer)
    checks.expect(log_says(folder / "log", "does not vouch for AE-ID", "handshake-failed"), "and the log says why")


def main():
    gatehouse = pathlib.Path(sys.argv[1]).resolve()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-tp-"))
    checks = Checks()
    try:
        realm, key_file = folder / "realm", folder / "key"
        checks.expect(run([gatehouse, "init", realm, "--sp-id", "sp.example.com"])[0] == 0, "a realm is made")
        listen_for_coap(realm)
        with open(folder / "log", "wb") as log, subprocess.Popen(
            [gatehouse, "serve", "-c", realm, "--json"], stdout=subprocess.PIPE, stderr=log
        ) as server:
            try:
                places = json.loads(server.stdout.readline())
                where = places["mef"]
                code, text = run([gatehouse, "mef", "enrolee", "add", realm, "--id", ENROLEE, "--generate", key_file])
                checks.expect(code == 0, "an enrolee is added", text)
                key = key_in_hex(key_file)
                with_right_key(checks, where, key)
                with_coap(checks, gatehouse, realm, places)
                with_wrong_credentials(checks, where, key)
                kpsa = with_provisioned_key(checks, lambda *words: run([gatehouse, *words, "--json"]), realm, places["cse"], folder)
                with_certificates(checks, lambda *words: run([gatehouse, *words, "--json"]), realm, places["cse"], folder)
                with_further_name(checks, lambda *words: run([gatehouse, *words, "--json"]), realm, places["cse"], folder, server)
                with_a_vendor(checks, realm, places["cse"], folder, server)
                log_text = (folder / "log").read_text(encoding="utf-8").lower()
                checks.expect(key not in log_text and kpsa not in log_text, "the keys are nowhere in the log")
            finally:
                server.terminate()
                checks.expect(server.wait(30) == 0, "the server stops on SIGTERM")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
