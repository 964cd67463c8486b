"""Four servers on one PostgreSQL, behind NGINX with the configuration of deploy/nginx, of which one is killed."""

import http.client
import json
import shutil
import tempfile
import threading
import time
import unittest
from pathlib import Path

from edge import PATIENCE_SECONDS, Metricd, Nginx, wait_until
from metricd_binary import BINARY
from postgres import Postgres
from test_nginx import made_by_prepare

WRITERS = 6
READERS = 2


class Callers:
    """Writers, who send each record until it is acknowledged, by one `Idempotency-Key`, and readers, while a test does
    something."""

    def __init__(self, ask, metric):
        self.ask, self.metric = ask, metric
        self.acknowledged, self.failed_writes, self.failed_reads = [], [], []
        self.numbers = iter(range(1, 1_000_000))
        self.lock, self.ended = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self.write) for _ in range(WRITERS)]
        self.threads += [threading.Thread(target=self.read) for _ in range(READERS)]

    def said(self, method, path, headers=(), body=None):
        try:
            return self.ask(method, path, dict(headers), body)[0]
        except (OSError, http.client.HTTPException) as error:
            return repr(error)

    def write(self):
        while not self.ended.is_set():
            with self.lock:
                number = next(self.numbers)
            headers = {"Content-Type": "application/json", "Idempotency-Key": f"record-{number}"}
            body = json.dumps({"parts_flagged": number})
            deadline = time.monotonic() + PATIENCE_SECONDS
            while (status := self.said("POST", f"/metrics/{self.metric}/metric-records", headers, body)) != 201:
                if status == 409 and time.monotonic() < deadline:
                    # What was begun at the server that is gone has not ended at the database yet.
                    time.sleep(0.02)
                    continue
                with self.lock:
                    self.failed_writes.append((number, status))
                if time.monotonic() > deadline:
                    return
            with self.lock:
                self.acknowledged.append(number)

    def read(self):
        while not self.ended.is_set():
            if (status := self.said("GET", f"/metrics/{self.metric}")) != 200:
                with self.lock:
                    self.failed_reads.append(status)

    def go_on(self, more=60):
        goal = len(self.acknowledged) + more
        wait_until(lambda: len(self.acknowledged) >= goal, "more records are acknowledged")

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        self.go_on()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()


class FourServers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = Path(tempfile.mkdtemp(prefix="metricd-four-"))
        cls.addClassCleanup(shutil.rmtree, folder, ignore_errors=True)
        cls.postgres = Postgres()
        cls.addClassCleanup(cls.postgres.stop)
        settings = {"DATABASE_URL": cls.postgres.url(), "METRICD_DATABASE__MAX_CONNECTIONS": "4"}
        # The key of the development issuer, in one folder for all of them.
        cls.servers = [Metricd(BINARY, folder / "data", settings) for _ in range(4)]
        cls.servers[0].run("migrate")
        cls.token = cls.servers[0].run("token", "--role", "admin")
        for server in cls.servers:
            cls.addClassCleanup(server.stop)
            server.start()
        cls.nginx = Nginx(made_by_prepare(cls) / "certificate", [server.port for server in cls.servers])
        cls.addClassCleanup(cls.nginx.stop)

    def ask(self, method, path, headers=(), body=None):
        return self.nginx.ask(method, path, {"Authorization": f"Bearer {self.token}", **dict(headers)}, body)

    def test_a_killed_server_takes_with_it_what_was_in_flight_and_nothing_that_was_acknowledged(self):
        body = json.dumps({"is_editable": True, "layouts": [], "query": "SELECT count(*) AS n FROM metrics"})
        status, _, made = self.ask("POST", "/metrics", {"Content-Type": "application/json"}, body)
        self.assertEqual(status, 201, made)
        metric = json.loads(made)["id"]
        killed = self.servers[1]
        with Callers(self.ask, metric) as callers:
            killed.process.kill()
            killed.process.wait()
            callers.go_on()
            killed.start()
            before = self.nginx.answered_by(killed.port)
            wait_until(lambda: self.nginx.answered_by(killed.port) > before, "the server is asked again")
            callers.go_on()
        # A read is tried at another server. Of the writes, those that had been sent to the killed one fail: each writer
        # had one in flight at most.
        self.assertEqual(callers.failed_reads, [])
        self.assertLessEqual(len(callers.failed_writes), WRITERS, callers.failed_writes)
        self.assertLessEqual({status for _, status in callers.failed_writes}, {502})
        rows = self.postgres.psql("SELECT parts_flagged, count(*) FROM metrics GROUP BY 1 ORDER BY 1")
        self.assertEqual(rows, [[str(number), "1"] for number in sorted(callers.acknowledged)])
        # All four say the same.
        for server in self.servers:
            connection = http.client.HTTPConnection("127.0.0.1", server.port)
            connection.request("GET", f"/metrics/{metric}", headers={"Authorization": f"Bearer {self.token}",
                                                                    "Cache-Control": "no-cache"})
            records = json.loads(connection.getresponse().read())["records"]
            connection.close()
            self.assertEqual(records, [{"n": len(rows)}])


if __name__ == "__main__":
    unittest.main()
