"""What the tests of NGINX are made of: NGINX with the repository's configuration on ports of its own, a stand-in for
metricd that does what no metricd does yet (events, upgraded connections), metricd itself, and callers."""

import http.client
import json
import os
import select
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

DEPLOY = Path(__file__).parent.parent
HOST = "127.0.0.1"
# How long anything here may take that is waited for. Nothing is asserted about it.
PATIENCE_SECONDS = 60


def free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def wait_until(condition, what):
    """Waits until `condition()` is true, and returns what it returned."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain until {what}")
        time.sleep(0.02)
    return value


def listens(port):
    with suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False


def end(process):
    """Ends a process that a test has started."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


class Nginx:
    """Debian's NGINX with deploy/nginx, as it is but for ports, paths and the servers."""

    def __init__(self, certificate, ports):
        self.folder = Path(tempfile.mkdtemp(prefix="metricd-nginx-"))
        self.folder.chmod(0o755)
        self.http, self.https = free_port(), free_port()
        shutil.copytree(DEPLOY / "nginx", self.folder / "conf")
        self.rewrite("nginx.conf", [
            ("pid /run/nginx.pid;", f"pid {self.folder}/nginx.pid;"),
            ("http {\n", f"http {{\n    client_body_temp_path {self.folder}/body;\n    proxy_temp_path {self.folder}/proxy;\n"),
            ("/var/log/nginx/", f"{self.folder}/"),
            ("listen 80;", f"listen {HOST}:{self.http};"),
            ("        listen [::]:80;\n", ""),
            ("listen 443 ssl", f"listen {HOST}:{self.https} ssl"),
            ("        listen [::]:443 ssl http2;\n", ""),
        ])
        self.rewrite("metricd/tls.conf", [
            ("metrics.example.com;", "localhost;"),
            ("/etc/letsencrypt/live/metrics.example.com", str(certificate)),
        ])
        self.certificate = certificate / "fullchain.pem"
        self.route(ports)
        self.process = subprocess.Popen(
            [self.program(), "-c", self.folder / "conf/nginx.conf", "-p", self.folder, "-e", self.folder / "error.log",
             "-g", "daemon off;"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: listens(self.https) or self.process.poll() is not None, "NGINX listens")
            if self.process.poll() is not None:
                raise AssertionError(f"NGINX has ended:\n{self.log()}")
        except BaseException:
            self.stop()
            raise

    @staticmethod
    def program():
        return shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")

    def rewrite(self, name, changes):
        path = self.folder / "conf" / name
        text = path.read_text()
        for old, new in changes:
            assert old in text, f"{name} has no {old!r}"
            text = text.replace(old, new)
        path.write_text(text)

    def route(self, ports, down=(), max_fails=1):
        """Writes the list of servers, with what the repository's says of each but for shorter times."""
        line = "server 127.0.0.1:8000 max_fails=1 fail_timeout=5s;"
        assert line in (DEPLOY / "nginx/metricd/upstream.conf").read_text()
        options = f"max_fails={max_fails} fail_timeout=1s"
        lines = [f"server {HOST}:{port} {options}{' down' if port in down else ''};\n" for port in ports]
        (self.folder / "conf/metricd/upstream.conf").write_text("".join(lines))

    def log(self):
        return (self.folder / "error.log").read_text()

    def answered_by(self, port):
        """How many requests it has sent to the server of that port that were answered."""
        lines = (self.folder / "access.log").read_text().splitlines()
        # With two servers in it, the last is the one that answered.
        return sum(json.loads(line)["upstream"].endswith(f":{port}") for line in lines)

    def workers(self):
        with suppress(OSError):
            return set(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split())
        return set()

    def reload(self, wait_for_old=True):
        """Has the configuration read anew, and waits until new workers are there and, unless something is to keep them,
        the old ones gone."""
        old = self.workers()
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.workers() - old, "there are new workers")
        if wait_for_old:
            wait_until(lambda: not self.workers() & old, "the old workers are gone")

    def curl(self, *arguments, path="/", scheme="https"):
        """Runs curl; returns what it printed."""
        port = self.https if scheme == "https" else self.http
        command = ["curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", str(PATIENCE_SECONDS),
                   "--cacert", self.certificate, *arguments, f"{scheme}://localhost:{port}{path}"]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode:
            raise AssertionError(f"curl: {run.returncode}: {run.stderr}\n{self.log()}")
        return run.stdout

    def connect(self, source=None):
        """Opens a TLS connection."""
        context = ssl.create_default_context(cafile=self.certificate)
        plain = socket.create_connection((HOST, self.https), PATIENCE_SECONDS, (source, 0) if source else None)
        return context.wrap_socket(plain, server_hostname="localhost")

    def ask(self, method, path, headers=(), body=None, source=None):
        """Sends one request on a connection of its own; returns status, headers and body."""
        connection = http.client.HTTPConnection(HOST)
        connection.sock = self.connect(source)
        with connection.sock:
            connection.request(method, path, body, {"Host": "localhost", "Connection": "close", **dict(headers)})
            response = connection.getresponse()
            return response.status, response.headers, response.read()

    def stop(self):
        end(self.process)
        shutil.rmtree(self.folder, ignore_errors=True)


class StandIn:
    """A server that says what it was sent, and stops as metricd does: no more connections, idle ones closed, requests in
    flight finished."""

    def __init__(self, name):
        self.name, self.port = name, free_port()
        self.requests = 0
        # What answers wait for that are to come in two parts.
        self.release = threading.Event()
        self.server = None

    def start(self):
        stand_in = self
        self.idle, self.lock, self.stopping = set(), threading.Lock(), False

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def setup(self):
                super().setup()
                stand_in.is_idle(self, True)

            def finish(self):
                stand_in.is_idle(self, False)
                with suppress(OSError):
                    super().finish()

            def parse_request(self):
                stand_in.is_idle(self, False)
                return super().parse_request()

            def handle_one_request(self):
                with suppress(OSError):
                    super().handle_one_request()
                    stand_in.is_idle(self, True)
                    return
                self.close_connection = True

            def body(self):
                if "chunked" in self.headers.get("Transfer-Encoding", ""):
                    length = 0
                    while size := int(self.rfile.readline(), 16):
                        self.rfile.read(size + 2)
                        length += size
                    self.rfile.readline()
                    return length
                length = left = int(self.headers.get("Content-Length", 0))
                while left:
                    left -= len(self.rfile.read(min(left, 1 << 20)))
                return length

            def answer(self):
                with stand_in.lock:
                    stand_in.requests += 1
                if self.path == "/upgrade":
                    return self.upgrade()
                length = self.body()
                if self.path == "/dies":
                    # The request was read, and perhaps executed; there is no answer.
                    self.close_connection = True
                    return
                if self.path == "/silent":
                    self.close_connection = True
                    stand_in.release.wait(PATIENCE_SECONDS)
                    return
                if self.path == "/events":
                    return self.events()
                said = {"server": stand_in.name, "length": length, "headers": {k.lower(): v for k, v in self.headers.items()}}
                text = json.dumps(said).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                if stand_in.stopping:
                    self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer

            def events(self):
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(b"data: first\n\n")
                self.wfile.flush()
                stand_in.release.wait(PATIENCE_SECONDS)
                self.wfile.write(b"data: second\n\n")

            def upgrade(self):
                self.close_connection = True
                assert self.headers["Connection"].lower() == "upgrade", self.headers["Connection"]
                self.send_response(101)
                self.send_header("Upgrade", self.headers["Upgrade"])
                self.send_header("Connection", "Upgrade")
                self.end_headers()
                while line := self.rfile.readline():
                    self.wfile.write(line)
                    self.wfile.flush()

        class Server(ThreadingHTTPServer):
            request_queue_size = 128
            # Of those that break a connection off, nothing is printed.
            handle_error = lambda *_: None

        self.server = Server((HOST, self.port), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()
        return self

    def is_idle(self, handler, idle):
        with self.lock:
            (self.idle.add if idle else self.idle.discard)(handler.connection)
            if idle and self.stopping:
                with suppress(OSError):
                    handler.connection.shutdown(socket.SHUT_RDWR)

    def stop(self):
        if self.server is None:
            return
        self.server.shutdown()
        self.server.socket.close()
        with self.lock:
            self.stopping = True
            for connection in self.idle:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        # Waits for the requests in flight.
        self.server.server_close()
        self.thread.join()
        self.server = None


class LostMachine:
    """An address that neither takes a connection nor refuses it: its queue of connections is full."""

    def __init__(self):
        self.listener = socket.create_server((HOST, 0), backlog=0)
        self.port = self.listener.getsockname()[1]
        self.queued = []
        while self.queue():
            pass

    def queue(self):
        connection = socket.socket()
        self.queued.append(connection)
        connection.setblocking(False)
        connection.connect_ex((HOST, self.port))
        # On loopback, what is taken is taken at once.
        return select.select([], [connection], [], 0.2)[1]

    def stop(self):
        for connection in [self.listener, *self.queued]:
            connection.close()


class Metricd:
    """metricd itself, with the embedded engine in a data folder of its own unless the settings name a database."""

    def __init__(self, binary, folder, settings=()):
        self.binary, self.folder, self.port = binary, Path(folder), free_port()
        self.settings = dict(settings)
        self.process = None

    def environment(self):
        # No setting of the caller's.
        kept = {name: value for name, value in os.environ.items() if name in ("HOME", "PATH", "TMPDIR", "XDG_CACHE_HOME")}
        # As many requests as a test likes, and NGINX tells who sends them.
        return {**kept, "METRICD_LIMITS__REQUESTS_PER_SECOND": "0", "METRICD_HTTP__TRUSTED_PROXIES": HOST, **self.settings}

    def run(self, *arguments):
        command = [self.binary, "--data-dir", self.folder, *arguments]
        run = subprocess.run(command, env=self.environment(), cwd=self.folder.parent, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        return run.stdout.strip()

    def start(self):
        command = [self.binary, "--data-dir", self.folder, "serve", "--listen", f"{HOST}:{self.port}"]
        with open(f"{self.folder}.log", "ab") as log:
            self.process = subprocess.Popen(command, env=self.environment(), cwd=self.folder.parent, stdout=log, stderr=log)
        wait_until(lambda: listens(self.port) or self.process.poll() is not None, "metricd listens")
        assert self.process.poll() is None, Path(f"{self.folder}.log").read_text()
        return self

    def stop(self):
        if self.process is not None:
            end(self.process)


class Load:
    """Callers who send one request after the other, each on a connection of its own, while a test does something."""

    def __init__(self, nginx, method="GET", path="/", headers=(), body=None, callers=4):
        self.nginx, self.request = nginx, (method, path, headers, body)
        self.answered, self.failures = 0, []
        self.lock, self.ended = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self.call) for _ in range(callers)]

    def call(self):
        while not self.ended.is_set():
            try:
                status, _, body = self.nginx.ask(*self.request)
                failure = None if status == 200 else f"{status}: {body[:300]}"
            except (OSError, http.client.HTTPException) as error:
                failure = repr(error)
            with self.lock:
                if failure:
                    self.failures.append(failure)
                else:
                    self.answered += 1

    def goes_on(self, more=20):
        """Waits until some more requests were answered."""
        goal = self.answered + more
        wait_until(lambda: self.answered >= goal or self.failures, "more requests are answered")

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        self.goes_on()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()
