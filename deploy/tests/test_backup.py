"""The guide's way to back up a server and to restore it on another, followed as it stands there."""

import json
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from edge import DEPLOY
from metricd_binary import BINARY
from postgres import Postgres

ROOT = DEPLOY.parent
GUIDE = ROOT / "docs/guide/backup.md"
FLAGGED = "SELECT parts_flagged, (SELECT sum(total) FROM orders) AS total FROM metrics ORDER BY 1"


def steps():
    """The three blocks of commands for a server: the dump, the administrator's, and the role's."""
    text = GUIDE.read_text().split("## A PostgreSQL server")[1]
    return re.findall(r"(?ms)^```\n(.*?)^```$", text)[:3]


class Server(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="metricd-backup-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.old, self.new = Postgres(), None
        self.addCleanup(self.old.stop)
        (self.folder / "bin").mkdir()
        (self.folder / "bin/metricd").symlink_to(BINARY)

    def shell(self, script, server, **variables):
        environment = {**server.environment(), **variables, "HOME": str(self.folder)}
        environment["PATH"] = f"{self.folder}/bin:{environment['PATH']}"
        run = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], cwd=self.folder, env=environment, capture_output=True, text=True
        )
        self.assertEqual(run.returncode, 0, f"{script}{run.stdout}{run.stderr}")
        return run.stdout

    def metricd(self, server, url, *arguments):
        return self.shell(f"metricd {' '.join(arguments)}", server, DATABASE_URL=url)

    def test_roles_then_the_dump_then_metricd(self):
        dump, admin, restore = steps()
        self.shell(admin, self.old)
        old = self.old.url("shop", "metricd")
        (self.folder / "orders.csv").write_text("id,total\n1,9.90\n2,0.10\n")
        (self.folder / "queries.csv").write_text(f'id,query\nflagged,"{FLAGGED}"\n')
        metric = {"id": "421d0584-0156-4737-91d0-1daba5eae531", "queryId": "flagged", "isEditable": True}
        (self.folder / "metrics.json").write_text(json.dumps({"items": [metric], "layouts": {}}))
        record = {"id": "flagged", "date": "2025-06-01T08:00:00", "parts_flagged": 7}
        (self.folder / "records.json").write_text(json.dumps([record]))
        self.metricd(self.old, old, "load orders.csv --table orders")
        self.metricd(self.old, old, "watch orders")
        files = "--queries queries.csv --metrics metrics.json --records records.json"
        self.metricd(self.old, old, "import", files)
        query = f"query {metric['id']} --format json"
        answer = self.metricd(self.old, old, query)
        self.assertEqual(json.loads(answer), [{"parts_flagged": 7, "total": 10.00}])
        audit = "SELECT count(*), max(sequence) FROM metricd.audit_events"
        events = self.old.psql(audit, "shop")
        # Its transactions are far ahead of those of a new server.
        self.old.psql("DO $$ BEGIN FOR i IN 1..2000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$", "shop")

        self.shell(dump, self.old, OLD=old)
        new_server = Postgres()
        self.addCleanup(new_server.stop)
        self.shell(admin, new_server)
        new = new_server.url("shop", "metricd")
        self.shell(restore, new_server, NEW=new)

        self.assertEqual(self.metricd(new_server, new, query), answer)
        self.assertEqual(new_server.psql(audit, "shop"), events)
        self.assertEqual(new_server.psql("SELECT count(*) FROM metricd.changes", "shop"), [["0"]])
        # The reader reads what it read, as another role with another password, and the table is watched.
        readers = "SELECT role, password FROM metricd.reader_roles"
        self.assertNotEqual(new_server.psql(readers, "shop"), self.old.psql(readers, "shop"))
        self.assertEqual(new_server.psql("SELECT has_table_privilege('metricd_reader', 'orders', 'SELECT')", "shop"), [["t"]])
        new_server.psql("INSERT INTO orders VALUES (3, 1.00)", "shop")
        self.assertEqual(new_server.psql("SELECT table_name FROM metricd.changes", "shop"), [["orders"]])
        again = json.loads(self.metricd(new_server, new, "import", files, "--format json"))
        self.assertEqual({what: counts["created"] for what, counts in again["counts"].items()}, dict.fromkeys(again["counts"], 0))


if __name__ == "__main__":
    unittest.main()
