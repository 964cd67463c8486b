"""The unit of deploy/systemd: systemd takes every line of it, and how exposed it leaves metricd."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from metricd_binary import BINARY

DEPLOY = Path(__file__).parent.parent
UNIT = DEPLOY / "systemd/metricd.service"
# As `systemd-analyze security` counts, from 0 to 10. docs/guide/container.md says it.
EXPOSURE = 1.1


def systemd_analyze(*arguments):
    run = subprocess.run(["systemd-analyze", "--no-pager", *arguments], capture_output=True, text=True)
    return run.returncode, run.stdout + run.stderr


class Unit(unittest.TestCase):
    def setUp(self):
        folder = Path(tempfile.mkdtemp(prefix="metricd-unit-"))
        self.addCleanup(shutil.rmtree, folder)
        self.unit = folder / UNIT.name
        # A program that is there: systemd looks.
        self.unit.write_text(UNIT.read_text().replace("ExecStart=/usr/bin/metricd serve", "ExecStart=/bin/true serve"))

    def test_systemd_takes_every_line(self):
        self.assertEqual(systemd_analyze("verify", "--man=no", self.unit), (0, ""))

    def test_a_server_for_each_port_is_made_of_it_as_the_guide_says(self):
        guide = (DEPLOY.parent / "docs/guide/container.md").read_text()
        [written] = re.findall(r"(?m)^(printf '\[Service\].*) >/etc/systemd/system/metricd@.service.d/listen.conf$", guide)
        folder = self.unit.parent
        shutil.copy(self.unit, folder / "metricd@.service")
        (folder / "metricd@.service.d").mkdir()
        drop_in = subprocess.run(["bash", "-c", written], capture_output=True, text=True, check=True).stdout
        (folder / "metricd@.service.d/listen.conf").write_text(drop_in)
        self.assertEqual(drop_in, "[Service]\nEnvironment=METRICD_LISTEN=127.0.0.1:%i\n")
        self.assertEqual(systemd_analyze("verify", "--man=no", folder / "metricd@8001.service"), (0, ""))

    def test_a_misspelt_line_would_be_seen(self):
        self.unit.write_text(self.unit.read_text().replace("ProtectSystem=", "NoSuchSetting="))
        _, said = systemd_analyze("verify", "--man=no", self.unit)
        self.assertIn("NoSuchSetting", said)

    def test_it_is_exposed_as_little_as_the_guide_says(self):
        code, said = systemd_analyze("security", "--offline=true", f"--threshold={EXPOSURE * 10:.0f}", self.unit)
        self.assertEqual(code, 0, said)
        self.assertIn(f"{EXPOSURE}", (DEPLOY.parent / "docs/guide/container.md").read_text())

    def test_it_is_given_the_grace_and_ten_seconds_more(self):
        shutdown = (DEPLOY.parent / "crates/metricd/src/config/shutdown.rs").read_text()
        grace = int(re.search(r'grace: Duration = duration\("(\d+)s"\)', shutdown).group(1))
        self.assertIn(f"\nTimeoutStopSec={grace + 10}\n", UNIT.read_text())


class ServiceUser(unittest.TestCase):
    # No user has it.
    USER = 64321

    def test_the_embedded_engine_runs_for_a_user_without_a_home_and_an_environment(self):
        folder = Path(tempfile.mkdtemp(prefix="md-user-"))
        self.addCleanup(shutil.rmtree, folder)
        if os.getuid() == 0:
            os.chown(folder, self.USER, self.USER)
            rights = {"user": self.USER, "group": self.USER, "extra_groups": []}
            command = []
        else:
            rights = {}
            command = ["unshare", "--user", f"--map-user={self.USER}", f"--map-group={self.USER}"]
        # Where it was built, that user may not look: as installed, everybody may run it.
        installed = shutil.copy(BINARY, folder / "metricd")
        command += [installed, "migrate", "--data-dir", folder / "data"]
        run = subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True, **rights)
        self.assertEqual((run.returncode, run.stdout), (0, "The database is up to date.\n"), run.stderr)
        self.assertTrue((folder / "data/cache").is_dir())


if __name__ == "__main__":
    unittest.main()
