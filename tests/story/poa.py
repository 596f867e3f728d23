#!/usr/bin/env python3
"""A CSE that the configuration of the IN-CSE does not know, played by curl and Python's TLS: it registers, and the IN-CSE
comes to the point of access that it wrote down, over an association in which it must prove its CSE-ID (SA2).

usage: poa.py GATEHOUSE   (exit code 0: every check held)
"""
import http.server
import json
import pathlib
import shutil
import signal
import ssl
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from third_party import Checks, run  # noqa: E402
from transit import SP, Realm  # noqa: E402

ANSWER = b'{"m2m:cnt":{"rn":"box"}}'


class Registree:
    """An HTTPS server with the certificate of a CSE, one connection for each request."""

    def __init__(self, realm, name):
        self.realm, self.name, self.seen = realm, name, []
        self.cert, self.key = realm.folder / f"{name}.pem", realm.folder / f"{name}.key"
        code, answer = realm.call("ca", "issue", realm.dir, "--fqdn", f"{name}.in-cse.{SP}", "--cert", self.cert, "--key", self.key)
        if code != 0:
            raise SystemExit(f"ca issue: {answer}")
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # pylint: disable=invalid-name
                names = dict(self.connection.getpeercert()).get("subjectAltName", ())
                owner.seen.append((self.path, self.headers["X-M2M-Origin"], [value for _, value in names]))
                self.send_response(200)
                for name, value in (("X-M2M-RSC", "2000"), ("X-M2M-RI", self.headers["X-M2M-RI"]), ("X-M2M-RVI", "3"),
                                    ("Content-Type", "application/json"), ("Content-Length", str(len(ANSWER)))):
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(ANSWER)

            def log_message(self, *_):  # pylint: disable=arguments-differ
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # handshakes that the IN-CSE gives up
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        context.load_verify_locations(realm.dir / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.at = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def ask(self, method, path, content, ty=None):
        """Sends a request with curl as this CSE; the response status code."""
        host, port = (self.realm.dir / "run" / "cse.endpoint").read_text().strip().split(":")
        name = f"in-cse.{SP}"
        command = ["curl", "-s", "-S", "--cert", self.cert, "--key", self.key, "--cacert", self.realm.dir / "ca.pem",
                   "--resolve", f"{name}:{port}:{host}", "-D", "-", "-X", method, f"https://{name}:{port}{path}",
                   "-H", f"X-M2M-Origin: /{self.name}", "-H", "X-M2M-RI: r1", "-H", "X-M2M-RVI: 3",
                   "-H", "Content-Type: application/json" + (f";ty={ty}" if ty else ""), "-d", json.dumps(content)]
        text = run(command)[1]
        found = [line.split(":")[1].strip() for line in text.splitlines() if line.lower().startswith("x-m2m-rsc")]
        return int(found[0]) if found else text

    def place(self, points, reachable=True):
        return self.ask("PUT", f"/-/{self.name}", {"m2m:csr": {"poa": points, "rr": reachable}})


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-poa-"))
    realm, checks = Realm(pathlib.Path(sys.argv[1]).resolve(), folder), Checks()
    try:
        code, answer = realm.call("init", realm.dir, "--sp-id", SP)
        checks.expect(code == 0, "a realm", str(answer))
        for name in ("mef", "maf", "cse"):
            realm.start(name)
        near = realm.device("near", "in-cse")
        mine, other = Registree(realm, "mn7"), Registree(realm, "mn8")

        def asked():
            return realm.rsc("get", near, "/mn7/cse-far/box")

        checks.expect(asked() == 4004, "before it registers nobody knows it")
        content = {"rn": "mn7", "cb": "/mn7/cse-far", "srv": ["3"], "rr": True,
                   "poa": ["http://127.0.0.1:1", f"wss://{mine.at}", "https://127.0.0.1:1", f"https://{mine.at}"]}
        checks.expect(mine.ask("POST", "/cse-in", {"m2m:csr": content}, 16) == 2001, "it registers, with several points of access")
        checks.expect(asked() == 2000, "the IN-CSE finds the one that is there")
        checks.expect(mine.seen[-1:] == [("/~/mn7/cse-far/box", "/in-cse/Cnear", [f"in-cse.{SP}"])], "and has proven itself", str(mine.seen))
        seen = len(mine.seen)
        refused = [([f"http://{mine.at}"], True, "in clear text it does not go"), ([f"https://{other.at}"], True, "who is not mn7 is not mn7"),
                   ([f"https://{mine.at}"], False, "who says that it cannot be reached is not"), ([], True, "nor who says no place"),
                   ([f"https://localhost:{mine.at.split(':')[1]}"], True, "names of others are not looked up"),
                   (["https://127.0.0.1:1"], True, "nobody is there")]
        for points, reachable, title in refused:
            checks.expect(mine.place(points, reachable) == 2004 and asked() == 5103, f"5103: {title}")
        checks.expect(len(mine.seen) == seen and not other.seen, "no request went astray", str(other.seen))
        checks.expect(other.place([f"https://{other.at}"]) in (4103, 4004) and
                      other.ask("PUT", "/-/mn7", {"m2m:csr": {"poa": [f"https://{other.at}"]}}) == 4103, "nobody places another")
        checks.expect(mine.place([f"https://{mine.at}/"]) == 2004 and asked() == 2000, "it comes back")
        checks.expect(realm.call("ca", "renew", realm.dir, "cse")[0] == 0, "the certificate of the IN-CSE is renewed")
        realm.processes["cse"].send_signal(signal.SIGHUP)
        checks.expect(realm.log_says("cse", "credentials-renewed") and asked() == 2000, "also for those that were found later")
        realm.kill("cse")
        realm.start("cse")
        checks.expect(asked() == 2000, "after a restart it knows where")
        for name in list(realm.processes):
            checks.expect(realm.kill(name, signal.SIGTERM) == 0, f"{name} stops on SIGTERM")
    finally:
        for name in list(realm.processes):
            realm.kill(name)
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
