"""A PostgreSQL server of a test's own, from the server programs installed on this machine: in a folder of its own, on a
Unix socket alone. It does not wait for the disk: no test ends it but at its end."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

from edge import PATIENCE_SECONDS, end, wait_until


def programs():
    """The folder of the newest server programs."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    found = installed[-1] if installed else shutil.which("initdb")
    assert found, "no PostgreSQL server programs on this machine; on Debian: apt-get install postgresql"
    return Path(found).parent


class Postgres:
    def __init__(self, **settings):
        # As another user than root, which initdb refuses; the path of a socket is short.
        user = pwd.getpwnam("postgres") if os.getuid() == 0 else None
        self.owner = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
        self.folder = Path(tempfile.mkdtemp(prefix="metricd-pg-", dir="/tmp"))
        if user:
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        data = self.folder / "data"
        self.run("initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync", "-D", data)
        given = {"listen_addresses": "", "fsync": "off", "max_connections": "200", **settings}
        options = [part for name, value in given.items() for part in ("-c", f"{name}={value}")]
        command = [programs() / "postgres", "-D", data, "-k", self.folder, *options]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, **self.owner)
        try:
            wait_until(lambda: self.answers() or self.process.poll() is not None, "PostgreSQL answers")
            assert self.process.poll() is None, (self.folder / "log").read_text()
        except BaseException:
            self.stop()
            raise

    def run(self, program, *arguments):
        command = [programs() / program, *arguments]
        run = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, **self.owner)
        assert run.returncode == 0, f"{program}: {run.stdout}{run.stderr}"
        return run.stdout

    def psql(self, sql, database="postgres", user="postgres"):
        """The rows of a statement, each a list of texts."""
        options = ["-X", "-v", "ON_ERROR_STOP=1", "-qAtF", "\t", "-h", self.folder, "-U", user, "-d", database]
        printed = self.run("psql", *options, "-c", sql)
        return [line.split("\t") for line in printed.splitlines()]

    def environment(self):
        """What PostgreSQL's own programs need to work as the administrator."""
        return {"PATH": f"{programs()}:{os.environ['PATH']}", "PGHOST": str(self.folder), "PGUSER": "postgres"}

    def answers(self):
        command = [programs() / "pg_isready", "-q", "-h", self.folder, "-U", "postgres"]
        return subprocess.run(command, cwd=self.folder).returncode == 0

    def url(self, database="postgres", user="postgres"):
        return f"postgres:///{database}?host={quote(str(self.folder), safe='')}&user={user}"

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                end(self.process)
        shutil.rmtree(self.folder, ignore_errors=True)
