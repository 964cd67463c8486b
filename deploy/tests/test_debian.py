"""The Debian package: what is in it, and what installing it into a folder does."""

import os
import re
import shutil
import stat
import subprocess
import tempfile
import tomllib
import unittest
from pathlib import Path

from edge import DEPLOY
from metricd_binary import BINARY

ROOT = DEPLOY.parent


def run(*command, **more):
    return subprocess.run(command, check=True, capture_output=True, text=True, **more).stdout


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="metricd-deb-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        # To compress a program for tests takes longer than all that is tested.
        environment = {**os.environ, "DEB_COMPRESSION": "none"}
        cls.package = Path(run(DEPLOY / "scripts/build-deb", BINARY, cls.folder, env=environment).strip())
        cls.root = cls.folder / "root"
        (cls.root / "var/lib/dpkg/updates").mkdir(parents=True)
        (cls.root / "var/lib/dpkg/info").mkdir()
        (cls.root / "var/lib/dpkg/status").touch()
        cls.dpkg("--install", cls.package)

    @classmethod
    def dpkg(cls, *arguments):
        """dpkg in the folder, as root of at least its own users."""
        rights = [] if os.getuid() == 0 else ["unshare", "--user", "--map-root-user"]
        # The folder has none of the packages that this one depends on.
        options = [f"--root={cls.root}", "--force-script-chrootless", "--force-depends"]
        run(*rights, "dpkg", *options, *arguments, env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"})

    def test_it_says_what_it_is(self):
        field = lambda name: run("dpkg-deb", "--field", self.package, name).strip()  # noqa: E731
        self.assertEqual(f"metricd {field('Version')}", run(BINARY, "--version").strip())
        self.assertEqual(field("Architecture"), run("dpkg", "--print-architecture").strip())
        self.assertRegex(field("Depends"), r"^libc6 \(>= 2\.\d+\), ")
        listed = run("dpkg-deb", "--contents", self.package).splitlines()
        self.assertEqual({line.split()[1] for line in listed}, {"root/root"})

    def test_what_is_needed_is_there(self):
        self.assertEqual(run(self.root / "usr/bin/metricd", "--version"), run(BINARY, "--version"))
        for name in [
            "etc/metricd/metricd.toml", "usr/share/metricd/examples/metrics.json", "usr/share/doc/metricd/README.md",
            "usr/share/doc/metricd/guide/operating.md", "usr/share/doc/metricd/copyright", "usr/share/doc/metricd/changelog.gz",
        ]:
            self.assertTrue((self.root / name).stat().st_size, name)
        # Every setting of the example is one, once it is no comment any more.
        example = (self.root / "etc/metricd/metricd.toml").read_text()
        settings = self.folder / "metricd.toml"
        lines = [line.removeprefix("# ") for line in example.splitlines()]
        settings.write_text("\n".join(line for line in lines if line.startswith("[") or " = " in line))
        run(BINARY, "policy", "check", "--action", "read", "--role", "viewer", "--config", settings, env={})

    def test_what_the_guide_takes_from_it_is_there(self):
        guide = (ROOT / "docs/guide/container.md").read_text()
        vm = guide.split("## One VM with systemd and NGINX")[1]
        named = set(re.findall(r"(?<![\w/])/usr/share/metricd/[\w/-]*\w", vm))
        self.assertEqual(named, {"/usr/share/metricd/examples", "/usr/share/metricd/nginx"})
        for path in named:
            self.assertTrue((self.root / path.lstrip("/")).is_dir(), path)
        for path in (DEPLOY / "nginx").rglob("*.conf"):
            packed = self.root / "usr/share/metricd" / path.relative_to(DEPLOY)
            self.assertEqual(packed.read_text(), path.read_text())
        # Where it says that NGINX is a proxy, the file of settings takes it.
        [written] = re.findall(r"(?m)^(printf .*) >>/etc/metricd/metricd\.toml$", vm)
        added = run("bash", "-c", written)
        settings = self.folder / "behind-nginx.toml"
        settings.write_text((self.root / "etc/metricd/metricd.toml").read_text() + added)
        self.assertEqual(tomllib.loads(settings.read_text()), {"http": {"trusted_proxies": ["127.0.0.1"]}})
        run(BINARY, "policy", "check", "--action", "read", "--role", "viewer", "--config", settings, env={})

    def script(self, name, argument):
        """The commands by which a script of the package works on the services of a machine that has two servers."""
        folder = Path(tempfile.mkdtemp(prefix="metricd-script-", dir=self.folder))
        for command, does in {
            "systemctl": 'case $1 in list-units) printf "%s loaded active\\n" metricd@8001.service metricd@8002.service;; esac',
            # Not at once.
            "metricd": f'[ -e "{folder}/$3" ] || {{ touch "{folder}/$3"; exit 69; }}',
            "systemd-sysusers": "", "install": "", "sleep": "", "rm": "",
        }.items():
            (folder / command).write_text(f'#!/bin/sh\necho "${{0##*/}} $*" >>"{folder}/calls"\n{does}\n')
            (folder / command).chmod(0o755)
        # As on a machine that systemd has started.
        machine = 'mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system && exec "$@"'
        run("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", machine, "sh", DEPLOY / "debian" / name, argument,
            env={"PATH": f"{folder}:{os.environ['PATH']}"})
        calls = (folder / "calls").read_text().splitlines()
        return [call for call in calls if re.match(r"systemctl (?!list-units)|metricd ", call)]

    def test_servers_that_run_are_started_again_one_after_the_other(self):
        health = [f"metricd health --listen 127.0.0.1:{port}" for port in (8001, 8002)]
        self.assertEqual(self.script("postinst", "configure"), [
            "systemctl daemon-reload", "systemctl try-restart metricd.service",
            "systemctl restart metricd@8001.service", health[0], health[0],
            "systemctl restart metricd@8002.service", health[1], health[1],
        ])

    def test_servers_that_run_are_stopped_when_it_goes(self):
        units = ["metricd.service", "metricd@8001.service", "metricd@8002.service"]
        self.assertEqual(self.script("prerm", "remove"), [f"systemctl disable --now {unit}" for unit in units])
        self.assertEqual(self.script("postrm", "purge"), ["systemctl daemon-reload"])

    def test_its_user_and_its_secrets_are_its_own(self):
        users = (self.root / "etc/passwd").read_text()
        self.assertRegex(users, r"(?m)^metricd:.*:/var/lib/metricd:/usr/sbin/nologin$")
        secrets = self.root / "etc/metricd/environment"
        self.assertEqual(stat.S_IMODE(secrets.stat().st_mode), 0o600)

    def test_its_unit_is_the_one_of_the_guide_and_finds_its_program(self):
        unit = self.root / "lib/systemd/system/metricd.service"
        self.assertEqual(unit.read_text(), (DEPLOY / "systemd/metricd.service").read_text())
        program = unit.read_text().split("ExecStart=")[1].split()[0]
        self.assertTrue(os.access(self.root / program.lstrip("/"), os.X_OK), program)

    def test_installed_again_it_leaves_what_was_changed(self):
        settings, secrets = self.root / "etc/metricd/metricd.toml", self.root / "etc/metricd/environment"
        before = settings.read_text()
        settings.write_text(before + "log = 'debug'\n")
        secrets.write_text("DATABASE_URL=postgres://db/shop\n")
        self.addCleanup(settings.write_text, before)
        self.dpkg("--force-confold", "--install", self.package)
        self.assertTrue(settings.read_text().endswith("log = 'debug'\n"))
        self.assertEqual(secrets.read_text(), "DATABASE_URL=postgres://db/shop\n")

    def test_scripts_are_clean(self):
        for name in ["postinst", "prerm", "postrm"]:
            run("sh", "-n", DEPLOY / "debian" / name)

    def test_zz_removed_it_leaves_what_was_stored(self):
        stored = self.root / "var/lib/metricd/postgres"
        stored.mkdir(parents=True)
        self.dpkg("--purge", "metricd")
        self.assertTrue(stored.is_dir())
        for gone in ["usr/bin/metricd", "etc/metricd/metricd.toml", "etc/metricd/environment", "lib/systemd/system/metricd.service"]:
            self.assertFalse((self.root / gone).exists(), gone)


if __name__ == "__main__":
    unittest.main()
