"""A PostgreSQL server of a test's own, from Debian's programs: in a temporary folder, over a Unix socket alone."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from edge import end, wait_until


def programs():
    """The folder of the newest server's programs."""
    found = {int(path.parent.parent.name): path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")}
    return found[max(found)]


class Postgres:
    """Started when made."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="md-pg-"))
        # The server refuses to run as root.
        self.user = {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}
        if self.user:
            shutil.chown(self.folder, "postgres", "postgres")
        data = self.folder / "data"
        self.run(
            programs() / "initdb", "--pgdata", data, "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8",
            "--no-sync", "--no-instructions",
        )
        with open(self.folder / "log", "w") as log:
            self.process = subprocess.Popen(
                [programs() / "postgres", "-D", data, "-k", self.folder, "-c", "listen_addresses=", "-c", "fsync=off"],
                stderr=log, cwd="/", **self.user,
            )
        wait_until(self.is_ready, "PostgreSQL is ready")

    def run(self, *command):
        subprocess.run(command, check=True, capture_output=True, cwd="/", **self.user)

    def is_ready(self):
        return subprocess.run([programs() / "pg_isready", "-h", self.folder], capture_output=True).returncode == 0

    def url(self, role, database):
        return f"postgres:///{database}?host={str(self.folder).replace('/', '%2F')}&user={role}"

    def environment(self):
        """What PostgreSQL's own programs need to work as the administrator."""
        return {"PATH": f"{programs()}:{os.environ['PATH']}", "PGHOST": str(self.folder), "PGUSER": "postgres"}

    def ask(self, database, statement):
        command = ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1", "--command", statement, database]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=self.environment()).stdout.strip()

    def stop(self):
        end(self.process)
        shutil.rmtree(self.folder)
