"""Stand-ins for what the scripts of a deployment talk to: commands on PATH that record how they were called, a Docker
that keeps its containers in a file, the address that tells whether metricd is ready, and an SSH server on loopback."""

import contextlib
import http.server
import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "deploy/scripts"

RECORDER = """
    #!{python} -IS
    import json, os, sys
    from pathlib import Path

    folder = Path({folder!r})
    arguments = sys.argv[1:]

    def record(**more):
        with open(folder / "calls", "a") as calls:
            calls.write(json.dumps({{"command": {name!r}, "arguments": arguments, **more}}) + "\\n")

    def behaviour(key, default=None):
        file = folder / "behaviour.json"
        return json.loads(file.read_text()).get(key, default) if file.exists() else default
"""

DOCKER = """
    import fcntl, time

    def fail(text):
        print(text, file=sys.stderr)
        sys.exit(1)

    def value(option):
        return arguments[arguments.index(option) + 1]

    more = {}
    if "--password-stdin" in arguments:
        more["stdin"] = sys.stdin.read()
    if "--env-file" in arguments:
        files = [arguments[at + 1] for at, option in enumerate(arguments) if option == "--env-file"]
        more["environment"] = "".join(Path(file).read_text() for file in files)
    record(**more)
    lock = open(folder / "docker.lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    file = folder / "containers.json"
    containers = json.loads(file.read_text()) if file.exists() else {}
    verb = arguments[0]
    name = arguments[-1]
    if verb == "pull":
        if name in behaviour("missing_images", []):
            fail("no such image")
    elif arguments[:2] == ["image", "inspect"]:
        if name not in behaviour("images_there", []):
            fail("no such image")
    elif verb == "run" and "migrate" in arguments:
        while behaviour("migration_waits") and not (folder / "go").exists():
            time.sleep(0.02)
        if arguments[-2] in behaviour("failing_migrations", []):
            fail("the migration failed")
    elif verb == "run":
        if value("--name") in containers:
            fail("the name is taken")
        if name in behaviour("failing_images", []):
            fail("it does not start")
        containers[value("--name")] = {"image": name, "running": True}
    elif arguments[:2] == ["container", "inspect"]:
        if name not in containers:
            fail("no such container")
        print({"{{.Config.Image}}": containers[name]["image"], "{{.Image}}": "id of " + containers[name]["image"]}.get(
            arguments[3] if len(arguments) > 3 else "", "{}"))
    elif verb in ("stop", "start"):
        containers[name]["running"] = verb == "start"
    elif verb == "rename":
        if name in containers:
            fail("the name is taken")
        containers[name] = containers.pop(arguments[1])
    elif verb == "rm":
        del containers[name]
    elif arguments[:2] == ["buildx", "build"]:
        Path(value("--metadata-file")).write_text(json.dumps({"containerimage.digest": "sha256:" + "5" * 64}))
    elif arguments[:2] == ["buildx", "inspect"]:
        fail("no such builder")
    file.write_text(json.dumps(containers))
"""


def wait_until(condition, what):
    """Polls; the deadline only ends what hangs."""
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.02)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Commands:
    """A folder for PATH whose commands record how they were called."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.bin = self.folder / "bin"
        self.bin.mkdir(parents=True)
        self.path = f"{self.bin}:{os.environ['PATH']}"

    def add(self, name, body):
        recorder = textwrap.dedent(RECORDER).strip().format(python=sys.executable, folder=str(self.folder), name=name)
        file = self.bin / name
        file.write_text(f"{recorder}\n{textwrap.dedent(body)}")
        file.chmod(0o755)

    def add_docker(self):
        self.add("docker", DOCKER)

    def behave(self, **behaviour):
        (self.folder / "behaviour.json").write_text(json.dumps(behaviour))

    def records(self, command=None):
        file = self.folder / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        return [record for record in map(json.loads, lines) if command in (None, record["command"])]

    def calls(self, command=None):
        return [record["arguments"] for record in self.records(command)]

    def containers(self):
        file = self.folder / "containers.json"
        # Docker is writing it.
        with contextlib.suppress(json.JSONDecodeError):
            return json.loads(file.read_text()) if file.exists() else {}
        return {}


class Instance(Commands):
    """A machine with SSH, Docker and cloud-init, and NGINX's way to the container."""

    def __init__(self, folder):
        super().__init__(folder)
        self.add_docker()
        self.add("cloud-init", "record()\nsys.exit(behaviour('cloud_init_status', 0))")
        self.add("aws", "record()\nsys.exit(behaviour('aws_status', 0))")
        # With a path of its own, as sudo has it: a shell's start-up files may have put other commands before these.
        self.add("sudo", f"""
            record()
            os.environ["PATH"] = {self.path!r}
            os.execvp(arguments[1], arguments[1:])
        """)
        self.temporary = self.folder / "tmp"
        self.temporary.mkdir()
        self.ready_images = set()
        self._serve_readiness()
        self._serve_ssh()

    def _serve_readiness(self):
        instance = self

        class Readiness(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                container = instance.containers().get("metricd", {})
                ready = container.get("running") and container["image"] in instance.ready_images
                self.send_response(200 if ready and self.path == "/health/ready" else 503)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.readiness = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Readiness)
        threading.Thread(target=self.readiness.serve_forever, args=(0.02,), daemon=True).start()
        self.ready_url = f"http://127.0.0.1:{self.readiness.server_port}/health/ready"

    def _serve_ssh(self):
        program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
        if program is None:
            raise FileNotFoundError("sshd: scripts/setup test installs openssh-server")
        if os.getuid() == 0:
            # What the service's own start would make.
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self.authorized_keys = self.folder / "authorized_keys"
        self.authorized_keys.touch()
        host_key = self.make_key("host_key")
        self.host_key = host_key.with_suffix(".pub").read_text()
        self.port = free_port()
        settings = {
            "PATH": self.path,
            "TMPDIR": self.temporary,
            "METRICD_STATE": self.folder / "state",
            "METRICD_ETC": self.folder / "etc",
            "METRICD_READY_URL": self.ready_url,
            # One try.
            "METRICD_READY_SECONDS": 0,
        }
        config = self.folder / "sshd_config"
        config.write_text(
            f"ListenAddress 127.0.0.1:{self.port}\n"
            f"HostKey {host_key}\n"
            f"AuthorizedKeysFile {self.authorized_keys}\n"
            "PidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin prohibit-password\n"
            "AuthenticationMethods publickey\nSubsystem sftp internal-sftp\n"
            f"SetEnv {' '.join(f'{name}={value}' for name, value in settings.items())}\n"
        )
        self.log = open(self.folder / "sshd.log", "w")
        self.sshd = subprocess.Popen([program, "-D", "-e", "-f", config], stdout=self.log, stderr=self.log)

        def listens():
            if self.sshd.poll() is not None:
                raise RuntimeError((self.folder / "sshd.log").read_text())
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port)).close()
                return True

        wait_until(listens, "sshd does not listen")

    def make_key(self, name):
        file = self.folder / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", file], check=True)
        return file

    def admit(self, key):
        with open(self.authorized_keys, "a") as keys:
            keys.write(key.with_suffix(".pub").read_text())

    def reset(self, containers):
        """Forgets what was called, and has these containers: their names with their images, `metricd` running."""
        for name in ("calls", "behaviour.json", "go"):
            (self.folder / name).unlink(missing_ok=True)
        shutil.rmtree(self.folder / "etc", ignore_errors=True)
        made = {name: {"image": image, "running": name == "metricd"} for name, image in containers.items()}
        (self.folder / "containers.json").write_text(json.dumps(made))

    def close(self):
        self.sshd.terminate()
        self.sshd.wait()
        self.log.close()
        self.readiness.shutdown()
        self.readiness.server_close()
