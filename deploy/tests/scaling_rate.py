"""Measures answers from memory of one server, of one behind NGINX and of four, on this machine, in turns:

    scaling_rate.py METRICD [ROUNDS [SECONDS]]

METRICD is a release build. Nothing is asserted: figures of a machine that does all at once say how the parts share it,
not what four machines do. Needs wrk, nginx and PostgreSQL of Debian."""

import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from behind_nginx import certificate
from edge import Metricd, Nginx
from postgres import Postgres

QUERY = "SELECT d::date AS day, 1.5 AS amount FROM generate_series(date '2025-06-01', date '2025-06-30', interval '1 day') d"


def rate(url, token, seconds):
    command = ["wrk", "-t1", "-c64", f"-d{seconds}s", "-H", f"Authorization: Bearer {token}", url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in said and "Socket errors" not in said, said
    return float(re.search(r"Requests/sec: +(\S+)", said).group(1))


def main():
    binary, rounds, seconds = sys.argv[1], *map(int, [*sys.argv[2:], 3, 5][:2])
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="metricd-rate-"))
        stack.callback(shutil.rmtree, folder)
        certificate(folder)
        postgres = Postgres()
        stack.callback(postgres.stop)
        settings = {"DATABASE_URL": postgres.url(), "METRICD_DATABASE__MAX_CONNECTIONS": "4", "METRICD_LOG": "error",
                    "METRICD_LIMITS__CONCURRENT_REQUESTS_PER_CALLER": "1000", "METRICD_CACHE__TTL": "1h"}
        servers = [Metricd(Path(binary).resolve(), folder / "data", settings) for _ in range(4)]
        servers[0].run("migrate")
        token = servers[0].run("token", "--role", "admin")
        for server in servers:
            stack.callback(server.stop)
            server.start()
        ports = [server.port for server in servers]
        nginx = Nginx(folder, ports)
        stack.callback(nginx.stop)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        body = json.dumps({"is_editable": True, "layouts": [], "query": QUERY})
        path = "/metrics/" + json.loads(nginx.ask("POST", "/metrics", headers, body)[2])["id"]
        behind = f"https://localhost:{nginx.https}"
        contenders = {"one": (1, f"http://127.0.0.1:{ports[0]}"), "one behind NGINX": (1, behind), "four behind it": (4, behind)}
        rates = {name: [] for name in contenders}
        for _ in range(rounds):
            for name, (count, url) in contenders.items():
                nginx.route(ports[:count])
                nginx.reload()
                # Each has the answer in its memory.
                for _ in range(2 * count):
                    nginx.ask("GET", path, headers)
                rates[name].append(rate(f"{url}{path}", token, seconds))
                print(f"{name}: {rates[name][-1]:,.0f} answers/s", flush=True)
        alone, one, four = (statistics.median(measured) for measured in rates.values())
        print(f"medians of {rounds}: four beside one behind NGINX {four / one:.2f}; one behind NGINX beside one {one / alone:.2f}")


if __name__ == "__main__":
    main()
