"""NGINX in front of two servers, with the configuration of deploy/nginx: TLS, what passes and what does not, the caller's
address, and that nothing is lost while NGINX is reloaded or a server restarted."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from edge import DEPLOY, PATIENCE_SECONDS, Load, LostMachine, Metricd, Nginx, StandIn, wait_until
from metricd_binary import BINARY

ROOT = DEPLOY.parent
MEGABYTE = 1_000_000


def made_by_prepare(case):
    """What compose's first service makes: the certificate among it. It goes with the class of tests."""
    folder = Path(tempfile.mkdtemp(prefix="metricd-edge-"))
    case.addClassCleanup(shutil.rmtree, folder, ignore_errors=True)
    for name in ("settings", "password", "certificate"):
        (folder / name).mkdir()
    subprocess.run(["bash", DEPLOY / "compose/prepare.sh", folder], check=True)
    return folder


class BeforeStandIns(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = made_by_prepare(cls)
        cls.servers = [StandIn(name).start() for name in ("one", "two")]
        for server in cls.servers:
            cls.addClassCleanup(server.stop)
        cls.nginx = Nginx(cls.folder / "certificate", [server.port for server in cls.servers])
        cls.addClassCleanup(cls.nginx.stop)

    def said(self, *arguments, **more):
        return json.loads(self.nginx.curl(*arguments, **more))

    def test_http_is_sent_to_https_with_method_and_query(self):
        head = self.nginx.curl("--head", path="/metrics?limit=1", scheme="http")
        self.assertRegex(head, r"^HTTP/1.1 308 ")
        self.assertIn("Location: https://localhost/metrics?limit=1\n", head)

    def test_challenges_of_certbot_are_not(self):
        head = self.nginx.curl("--head", path="/.well-known/acme-challenge/none", scheme="http")
        self.assertRegex(head, r"^HTTP/1.1 404 ")

    def test_http_2_is_spoken(self):
        self.assertEqual(self.nginx.curl("--http2", "--output", os.devnull, "--write-out", "%{http_version}"), "2")

    def test_old_tls_is_refused(self):
        with self.assertRaisesRegex(AssertionError, "curl: 35"):
            self.nginx.curl("--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0")

    def test_the_callers_address_replaces_what_the_caller_writes(self):
        for protocol in ("--http1.1", "--http2"):
            headers = self.said(protocol, "--interface", "127.0.0.9", "--header", "X-Forwarded-For: 198.51.100.7")["headers"]
            self.assertEqual(headers["x-forwarded-for"], "127.0.0.9")
            self.assertEqual(headers["x-forwarded-proto"], "https")
            self.assertEqual(headers["host"], "localhost")
            self.assertNotIn("connection", headers)

    def test_a_connection_is_upgraded_and_outlives_a_reload(self):
        with self.nginx.connect() as connection, connection.makefile("rwb", buffering=0) as stream:
            stream.write(b"GET /upgrade HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            self.assertIn(b" 101 ", stream.readline())
            while stream.readline() != b"\r\n":
                pass
            stream.write(b"before\n")
            self.assertEqual(stream.readline(), b"before\n")
            self.nginx.reload(wait_for_old=False)
            stream.write(b"after\n")
            self.assertEqual(stream.readline(), b"after\n")

    def test_an_event_arrives_before_the_next_one_is_there(self):
        for protocol in ("--http1.1", "--http2"):
            for server in self.servers:
                server.release.clear()
            command = ["curl", "--silent", "--no-buffer", protocol, "--noproxy", "*", "--cacert", self.nginx.certificate,
                       "--max-time", str(PATIENCE_SECONDS), f"https://localhost:{self.nginx.https}/events"]
            with subprocess.Popen(command, stdout=subprocess.PIPE) as curl:
                self.assertEqual(curl.stdout.readline(), b"data: first\n")
                # Only now, so that the first one did not wait for it.
                for server in self.servers:
                    server.release.set()
                self.assertEqual(curl.stdout.read(), b"\ndata: second\n\n")

    def upload(self, length, *arguments):
        """Uploads a file of as many bytes; returns the status and the answer."""
        path = self.folder / "body"
        with open(path, "wb") as file:
            file.truncate(length)
        answer = self.nginx.curl("--upload-file", path, "--request", "POST", "--write-out", "\n%{http_code} %{content_type}",
                                 *arguments)
        body, _, status = answer.rstrip().rpartition("\n")
        return status, json.loads(body)

    def test_a_body_of_200_megabytes_passes(self):
        for protocol, length in (("--http1.1", 20 * MEGABYTE), ("--http2", 200 * MEGABYTE)):
            status, said = self.upload(length, protocol)
            self.assertEqual((status, said["length"]), ("200 application/json", length))

    def test_a_body_over_the_limit_is_a_problem_document(self):
        for protocol in ("--http1.1", "--http2"):
            status, said = self.upload(256 * 1024 * 1024 + 1, protocol)
            self.assertEqual((status, said["status"]), ("413 application/problem+json", 413))

    def test_a_head_within_the_servers_limit_passes_and_a_longer_field_is_a_problem_document(self):
        for protocol in ("--http1.1", "--http2"):
            said = self.said(protocol, "--header", f"X-Long: {'x' * 32_000}")
            self.assertEqual(len(said["headers"]["x-long"]), 32_000)
        refused = self.nginx.curl("--http1.1", "--header", f"X-Long: {'x' * 33_000}", "--write-out", "\n%{http_code}")
        body, _, status = refused.rpartition("\n")
        self.assertEqual((status, json.loads(body)["status"]), ("431", 431))

    def test_a_read_without_an_answer_is_tried_at_the_other_server_and_a_write_is_not(self):
        ports = [server.port for server in self.servers]
        # Neither counts as failed afterwards.
        self.nginx.route(ports, max_fails=0)
        self.nginx.reload()
        for method, tries in {"GET": 2, "POST": 1, "PATCH": 1, "PUT": 1, "DELETE": 1}.items():
            before = sum(server.requests for server in self.servers)
            status, headers, body = self.nginx.ask(method, "/dies")
            self.assertEqual((status, json.loads(body)["status"]), (502, 502), method)
            self.assertEqual(headers["Content-Type"], "application/problem+json")
            self.assertEqual(sum(server.requests for server in self.servers) - before, tries, method)
        self.nginx.route(ports)
        self.nginx.reload()

    def test_put_and_delete_pass_with_their_bodies(self):
        self.both_are_asked()
        for method in ("PUT", "DELETE", "PATCH", "POST"):
            status, _, body = self.nginx.ask(method, "/", body=b"x" * 1000)
            self.assertEqual((status, json.loads(body)["length"]), (200, 1000), method)

    def both_are_asked(self):
        asked = set()

        def ask():
            status, _, body = self.nginx.ask("GET", "/")
            if status == 200:
                asked.add(json.loads(body)["server"])
            return len(asked) == 2

        wait_until(ask, "both servers are asked")

    def test_no_request_fails_while_nginx_is_reloaded(self):
        self.both_are_asked()
        with Load(self.nginx) as load:
            for _ in range(3):
                self.nginx.reload()
                load.goes_on()
        self.assertEqual(load.failures, [])

    def test_no_read_fails_while_both_servers_are_restarted(self):
        self.both_are_asked()
        with Load(self.nginx) as load:
            for server in self.servers:
                server.stop()
                load.goes_on()
                server.start()
                before = server.requests
                wait_until(lambda: server.requests > before, "the server is asked again")
        self.assertEqual(load.failures, [])

    def test_no_write_fails_while_both_servers_are_restarted_one_marked_down_at_a_time(self):
        self.both_are_asked()
        ports = [server.port for server in self.servers]
        with Load(self.nginx, "POST", body=b"x") as load:
            for server in self.servers:
                self.nginx.route(ports, down=[server.port])
                self.nginx.reload()
                server.stop()
                load.goes_on()
                server.start()
                self.nginx.route(ports)
                self.nginx.reload()
                load.goes_on()
        self.assertEqual(load.failures, [])


class BesideALostMachine(unittest.TestCase):
    """One server, and the address of another one from which nothing comes back. Times are shorter, in the same order."""

    @classmethod
    def setUpClass(cls):
        cls.server = StandIn("one").start()
        cls.addClassCleanup(cls.server.stop)
        cls.lost = LostMachine()
        cls.addClassCleanup(cls.lost.stop)
        cls.nginx = Nginx(made_by_prepare(cls) / "certificate", [cls.server.port])
        cls.addClassCleanup(cls.nginx.stop)
        cls.nginx.rewrite("proxy.conf", [
            ("proxy_connect_timeout 3s;", "proxy_connect_timeout 100ms;"),
            ("proxy_read_timeout 615s;", "proxy_read_timeout 1s;"),
        ])
        cls.nginx.rewrite("nginx.conf", [("proxy_next_upstream_timeout 10s;", "proxy_next_upstream_timeout 500ms;")])

    def route(self, ports):
        # Each is asked in turn, whatever became of the request before.
        self.nginx.route(ports, max_fails=0)
        self.nginx.reload()

    def test_what_was_not_sent_goes_to_the_other_server_but_for_put_and_delete(self):
        self.route([self.server.port, self.lost.port])
        for method in ("GET", "POST", "PATCH"):
            self.assertEqual([self.nginx.ask(method, "/")[0] for _ in range(4)], [200] * 4, method)
        for method in ("PUT", "DELETE"):
            self.assertEqual(sorted(self.nginx.ask(method, "/")[0] for _ in range(4)), [200, 200, 504, 504], method)

    def test_a_read_that_was_long_under_way_is_not_done_again(self):
        self.addCleanup(self.server.release.set)
        self.server.release.clear()
        other = StandIn("two").start()
        self.addCleanup(other.stop)
        other.release = self.server.release
        self.route([self.server.port, other.port])
        before = self.server.requests
        self.assertEqual(self.nginx.ask("GET", "/silent")[0], 504)
        self.assertEqual(self.server.requests - before + other.requests, 1)


class BeforeMetricd(unittest.TestCase):
    """The same in front of two real servers. Each has an embedded engine of its own, and both one key for tokens."""

    @classmethod
    def setUpClass(cls):
        folder = made_by_prepare(cls)
        cls.servers = [Metricd(BINARY, folder / name) for name in ("one", "two")]
        cls.tokens = {role: cls.servers[0].run("token", "--role", role) for role in ("viewer", "admin")}
        shutil.copytree(cls.servers[0].folder, cls.servers[1].folder)
        for server in cls.servers:
            cls.addClassCleanup(server.stop)
            server.start()
        cls.nginx = Nginx(folder / "certificate", [server.port for server in cls.servers])
        cls.addClassCleanup(cls.nginx.stop)

    def headers(self, role):
        return {"Authorization": f"Bearer {self.tokens[role]}"}

    def test_a_caller_is_answered_and_refused_through_it(self):
        status, headers, body = self.nginx.ask("GET", "/metrics", self.headers("viewer"))
        self.assertEqual((status, json.loads(body)["items"]), (200, []))
        self.assertIn("X-Request-Id", headers)
        status, headers, _ = self.nginx.ask("GET", "/metrics")
        self.assertEqual((status, headers["WWW-Authenticate"]), (401, "Bearer"))

    def test_the_servers_own_limits_answer(self):
        status, _, body = self.nginx.ask("POST", "/metrics", self.headers("admin"), b" " * 1_048_577)
        self.assertEqual((status, json.loads(body)["status"]), (413, 413))
        many = {f"X-Long-{number}": "x" * 8_000 for number in range(5)}
        status, _, body = self.nginx.ask("GET", "/metrics", {**self.headers("viewer"), **many})
        self.assertEqual((status, json.loads(body)["status"]), (431, 431))

    def test_the_audit_has_the_callers_address(self):
        forged = {**self.headers("viewer"), "X-Forwarded-For": "198.51.100.7"}
        # At each of the two servers, one after the other: each has a database of its own.
        for _ in self.servers:
            status, *_ = self.nginx.ask("GET", "/audit", forged, source="127.0.0.9")
            self.assertEqual(status, 403)

        def denied():
            status, _, body = self.nginx.ask("GET", "/audit?outcome=denied", self.headers("admin"))
            return status == 200 and json.loads(body)["items"]

        # An event of a denial is written after the answer.
        events = wait_until(denied, "the denial is in the audit")
        self.assertEqual({event["address"] for event in events}, {"127.0.0.9"})

    def test_no_read_fails_while_both_servers_are_restarted(self):
        with Load(self.nginx, path="/metrics", headers=self.headers("viewer")) as load:
            for server in self.servers:
                server.stop()
                load.goes_on()
                server.start()
                # NGINX asks it again once it was left alone for fail_timeout.
                before = self.nginx.answered_by(server.port)
                wait_until(lambda: self.nginx.answered_by(server.port) > before, "the server is asked again")
        self.assertEqual(load.failures, [])


class Figures(unittest.TestCase):
    """What NGINX and metricd have to agree on."""

    def setUp(self):
        self.nginx = "".join((DEPLOY / "nginx" / name).read_text() for name in ("nginx.conf", "proxy.conf"))
        self.settings = (ROOT / "docs/guide/settings.md").read_text()

    def default(self, key):
        return re.search(rf"^\| `{re.escape(key)}` \|.*?\|.*?\| `([^`]*)` \|", self.settings, re.M).group(1)

    def directive(self, name):
        return re.search(rf"^\s*{name} (.*);", self.nginx, re.M).group(1)

    def seconds(self, text):
        number, unit = re.fullmatch(r"(\d+)([sm])", text).groups()
        return int(number) * {"s": 1, "m": 60}[unit]

    def test_sizes_agree(self):
        self.assertEqual(self.directive("client_max_body_size"), "256m")
        self.assertEqual(int(self.default("limits.max_upload_bytes")), 256 * 1024 * 1024)
        self.assertEqual(self.directive("large_client_header_buffers"), "4 32k")
        self.assertEqual(int(self.default("limits.max_header_bytes")), 32 * 1024)

    def test_what_is_done_again_was_not_long_under_way(self):
        times = ("proxy_connect_timeout", "proxy_next_upstream_timeout", "proxy_read_timeout")
        connect, again, read = (self.seconds(self.directive(name)) for name in times)
        self.assertLess(connect, again)
        self.assertLess(again, read)
        self.assertLess(again, self.seconds(self.directive("proxy_send_timeout")))

    def test_times_agree(self):
        serve = (ROOT / "crates/metricd/src/cli/serve.rs").read_text()
        head = int(re.search(r"HEAD_TIMEOUT: Duration = Duration::from_secs\((\d+)\)", serve).group(1))
        self.assertEqual(self.directive("client_header_timeout"), f"{head}s")
        # Of idle connections, NGINX closes those to the server first.
        to_clients, to_server = re.findall(r"^\s*keepalive_timeout (.*);", self.nginx, re.M)
        self.assertEqual(self.seconds(to_clients), head)
        self.assertLess(self.seconds(to_server), head)
        for name in ("client_body_timeout", "send_timeout"):
            self.assertGreater(self.seconds(self.directive(name)), self.seconds(self.default("limits.request_timeout")))
            self.assertGreater(self.seconds(self.directive(name)), self.seconds(self.default("http.write_timeout")))
        for key in ("limits.upload_timeout", "limits.export_timeout"):
            for name in ("proxy_read_timeout", "proxy_send_timeout", "worker_shutdown_timeout"):
                self.assertGreater(self.seconds(self.directive(name)), self.seconds(self.default(key)))


if __name__ == "__main__":
    unittest.main()
