"""Runs features of the acceptance suite through NGINX, with the configuration of deploy/nginx and TLS:

    behind_nginx.py PROGRAM…

PROGRAM is the suite (crates/acceptance) with its own arguments. It calls this file back, by ACCEPTANCE_EDGE, for each
start of metricd: `behind_nginx.py --edge CERTIFICATE ADDRESS…`. Scenarios with the tag @direct are left out.
"""

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from edge import HOST, Nginx

HERE = Path(__file__).resolve()
# Before two servers on one database. NGINX sends each request to the other one; neither keeps anything in its memory,
# so that a request does not depend on how soon the one before it is known to both.
OF_TWO = {
    "servers": 2,
    "settings": {"METRICD_CACHE__TTL": "0s", "METRICD_CACHE__MAX_DEFINITION_BYTES": "1"},
    "features": ["changing", "exporting", "idempotency", "records"],
}
# Before one server, which has its caches, and takes what it is told.
OF_ONE = {"servers": 1, "settings": {}, "features": ["caching", "rights"]}


def certificate(folder):
    """Makes one that is trusted by itself, and is no authority: clients differ in whether they take that."""
    (folder / "config").write_text(
        "[req]\ndistinguished_name = name\nx509_extensions = extensions\nprompt = no\n[name]\nCN = localhost\n"
        "[extensions]\nbasicConstraints = critical, CA:FALSE\nsubjectAltName = DNS:localhost\n")
    subprocess.run(
        ["openssl", "req", "-x509", "-config", folder / "config", "-days", "2", "-nodes", "-newkey", "ec",
         "-pkeyopt", "ec_paramgen_curve:prime256v1", "-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"],
        check=True, stderr=subprocess.DEVNULL)


def run(program, of, folder):
    edge = folder / "edge"
    edge.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, str(HERE), "--edge", str(folder)])} "$@"\n')
    edge.chmod(0o755)
    settings = {"METRICD_HTTP__TRUSTED_PROXIES": HOST, **of["settings"]}
    environment = {
        "ACCEPTANCE_EDGE": str(edge),
        "ACCEPTANCE_EDGE_CA": str(folder / "fullchain.pem"),
        "ACCEPTANCE_EDGE_SERVERS": str(of["servers"]),
        "ACCEPTANCE_SETTINGS": " ".join(f"{name}={value}" for name, value in settings.items()),
    }
    features = ["--input", f"features/{{{','.join(of['features'])}}}.feature", "--tags", "not @direct"]
    return subprocess.run([*program, *features], env={**os.environ, **environment}).returncode


def stand_before(folder, addresses):
    """Starts NGINX, says where, and ends it with the standard input."""
    ports = [int(address.rpartition(":")[2]) for address in addresses]
    for tries_left in (2, 1, 0):
        try:
            nginx = Nginx(folder, ports)
            break
        except AssertionError as error:
            # A port that was free a moment ago.
            if not tries_left or "Address already in use" not in str(error):
                raise
    print(f"https://localhost:{nginx.https}", flush=True)
    sys.stdin.read()
    nginx.stop()


def main():
    if sys.argv[1] == "--edge":
        stand_before(Path(sys.argv[2]), sys.argv[3:])
        return 0
    with tempfile.TemporaryDirectory(prefix="metricd-behind-") as folder:
        folder = Path(folder)
        certificate(folder)
        return int(any([run(sys.argv[1:], of, folder) for of in (OF_TWO, OF_ONE)]))


if __name__ == "__main__":
    sys.exit(main())
