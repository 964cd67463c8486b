"""The image and compose.yaml, as far as they can be tried without a container engine."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import unittest
from pathlib import Path

from ruamel.yaml import YAML

from edge import DEPLOY, HOST, Nginx, free_port
from metricd_binary import BINARY

ROOT = DEPLOY.parent
DOCKERFILE = DEPLOY / "Dockerfile"
COMPOSE = DEPLOY / "compose.yaml"
SHUTDOWN = ROOT / "crates/metricd/src/config/shutdown.rs"


def instructions():
    """The instructions of the Dockerfile, each on one line and with its stage."""
    text = re.sub(r"(?m)^\s*#.*\n", "", DOCKERFILE.read_text())
    stage = ""
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if not line.strip():
            continue
        name, _, rest = line.partition(" ")
        if name == "FROM":
            stage = rest.split(" AS ")[1] if " AS " in rest else "image"
        yield stage, name, rest.strip()


def of(stage, name):
    return [rest for found, instruction, rest in instructions() if (found, instruction) == (stage, name)]


def tool(name):
    """A program that was installed beside this Python."""
    return Path(sys.executable).parent / name


class Image(unittest.TestCase):
    def test_hadolint_finds_nothing(self):
        run = subprocess.run([tool("hadolint"), "--failure-threshold", "style", DOCKERFILE], capture_output=True, text=True)
        self.assertEqual((run.returncode, run.stdout, run.stderr), (0, "", ""))

    def test_what_is_copied_is_there_and_is_sent_to_the_builder(self):
        sent = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
        copied = [rest for _, name, rest in instructions() if name == "COPY" and not rest.startswith("--from")]
        self.assertTrue(copied)
        for sources in copied:
            for source in sources.split()[:-1]:
                self.assertTrue((ROOT / source).exists(), source)
                self.assertIn(f"!{source}", sent)

    def test_versions_are_those_of_the_repository(self):
        toolchain = tomllib.loads((ROOT / "rust-toolchain.toml").read_text())["toolchain"]["channel"]
        self.assertIn(f"RUST_IMAGE=rust:{toolchain}-slim-bookworm", of("", "ARG"))
        version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
        self.assertIn(f"VERSION={version}", of("image", "ARG"))

    def test_features_are_those_of_the_program(self):
        features = tomllib.loads((ROOT / "crates/metricd/Cargo.toml").read_text())["features"]
        self.assertIn("embedded", features)
        self.assertIn("FEATURES=embedded", DOCKERFILE.read_text())

    def test_settings_are_those_of_the_reference(self):
        settings = (ROOT / "docs/guide/settings.md").read_text()
        [line] = of("image", "ENV")
        variables = dict(part.split("=", 1) for part in line.split())
        for name in variables:
            if name.startswith("METRICD_"):
                self.assertIn(f"`{name}`", settings)
        self.assertEqual(variables["METRICD_LISTEN"], "0.0.0.0:8000")
        self.assertEqual(of("image", "EXPOSE"), ["8000"])
        self.assertIn(variables["METRICD_DATA_DIR"], of("image", "VOLUME")[0])

    def test_it_runs_as_a_user_who_is_not_root(self):
        self.assertEqual(of("image", "USER"), ["10001:10001"])
        self.assertIn("\nmetricd=10001\n", (DEPLOY / "compose/prepare.sh").read_text())

    def test_it_asks_metricd_for_its_health(self):
        [check] = of("image", "HEALTHCHECK")
        self.assertTrue(check.endswith('CMD ["/usr/bin/metricd", "health"]'), check)

    def manifests(self, change):
        """What the stage of the manifests makes of the repository, as paths and contents."""
        folder = Path(tempfile.mkdtemp(prefix="metricd-manifests-"))
        self.addCleanup(shutil.rmtree, folder)
        for sources in of("manifests", "COPY"):
            *paths, _ = sources.split()
            for path in paths:
                if (ROOT / path).is_dir():
                    shutil.copytree(ROOT / path, folder / path)
                else:
                    shutil.copy(ROOT / path, folder)
        change(folder)
        [command] = of("manifests", "RUN")
        subprocess.run(["sh", "-euc", command], cwd=folder, check=True)
        return folder, {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def test_a_change_of_the_sources_leaves_the_layer_of_the_dependencies_as_it_was(self):
        def change(folder):
            (folder / "crates/core/src/another.rs").write_text("pub fn another() {}")
            with open(folder / "crates/core/src/lib.rs", "a") as file:
                file.write("mod another;")

        folder, before = self.manifests(lambda _: None)
        self.assertEqual(self.manifests(change)[1], before)
        self.assertLess(sum(map(len, before.values())), 1_000_000)
        # Every target that a manifest names has its file.
        subprocess.run(["cargo", "metadata", "--offline", "--locked", "--no-deps", "--format-version=1"], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL)
        self.assertEqual(before["crates/metricd/src/main.rs"], b"fn main() {}\n")
        # What a dependency is built on is there.
        for path in (ROOT / "crates/native-tls/src").iterdir():
            self.assertEqual(before[str(path.relative_to(ROOT))], path.read_bytes())


class FileSystem(unittest.TestCase):
    """The file system of the image, laid into a folder by the Dockerfile's own commands, around a program that was built
    elsewhere and for tests."""

    @classmethod
    def setUpClass(cls):
        folder = Path(tempfile.mkdtemp(prefix="metricd-image-"))
        cls.addClassCleanup(shutil.rmtree, folder)
        cls.root = folder / "image"
        (folder / "target/release").mkdir(parents=True)
        (folder / "target/release/metricd").symlink_to(BINARY)
        (folder / "examples").symlink_to(ROOT / "examples")
        [_, command, _] = of("build", "RUN")
        command = command.replace("/image", str(cls.root)).replace("--recursive examples", "--recursive --dereference examples")
        if os.getuid() != 0:
            command = command.replace("-o 10001 -g 10001", "")
        subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=folder, check=True)

    def run_in_it(self, *arguments):
        chroot = shutil.which("chroot", path=f"{os.environ['PATH']}:/usr/sbin")
        enter = [chroot, "--userspec=10001:10001"] if os.getuid() == 0 else [shutil.which("unshare"), "--map-root-user", chroot]
        [line] = of("image", "ENV")
        variables = dict(part.split("=", 1) for part in line.split())
        [entry] = of("image", "ENTRYPOINT")
        command = [*enter, self.root, *json.loads(entry), *arguments]
        run = subprocess.run(command, env=variables, capture_output=True, text=True)
        return run.returncode, run.stdout + run.stderr

    def test_the_program_starts_with_the_libraries_that_are_there(self):
        self.assertEqual(self.run_in_it("--version"), (0, f"metricd {of('image', 'ARG')[0].removeprefix('VERSION=')}\n"))

    def test_the_sample_catalog_is_there(self):
        examples = "/usr/share/metricd/examples"
        code, said = self.run_in_it("validate", "--metrics", f"{examples}/metrics.json", "--queries", f"{examples}/queries.csv",
                                    "--records", f"{examples}/metric_records.json")
        self.assertEqual(code, 0, said)

    def test_without_an_issuer_it_says_why_it_does_not_listen_on_the_network(self):
        code, said = self.run_in_it("serve")
        self.assertEqual(code, 1, said)
        self.assertIn("refusing to listen on 0.0.0.0:8000: no issuer is configured", said)

    def measured(self, program_bytes, features):
        """What the Dockerfile's own measure says of the file system around a program of that size."""
        [*_, command] = of("build", "RUN")
        program, aside = self.root / "usr/bin/metricd", self.root.parent / "aside"
        program.rename(aside)
        try:
            with open(program, "wb") as file:
                file.truncate(program_bytes)
            environment = {**os.environ, "FEATURES": features}
            command = ["bash", "-euo", "pipefail", "-c", command.replace("/image", str(self.root))]
            run = subprocess.run(command, env=environment, capture_output=True, text=True)
        finally:
            aside.rename(program)
        return run.returncode, run.stdout + run.stderr

    def test_one_without_the_engine_is_under_80_megabytes_or_is_not_made(self):
        self.assertEqual(self.measured(60_000_000, "")[0], 0)
        code, said = self.measured(80_000_000, "")
        self.assertEqual(code, 1)
        self.assertIn("That is too much", said)
        self.assertEqual(self.measured(80_000_000, "embedded")[0], 0)

    def test_all_but_the_program_is_small(self):
        files = [path for path in self.root.rglob("*") if path.is_file() and not path.is_symlink()]
        size = sum(path.stat().st_size for path in files) - (self.root / "usr/bin/metricd").stat().st_size
        self.assertLess(size, 10_000_000)
        for path in ("etc/ssl/certs/ca-certificates.crt", "usr/share/zoneinfo/Europe/Berlin", "lib64/ld-linux-x86-64.so.2"):
            self.assertTrue((self.root / path).is_file(), path)


class Compose(unittest.TestCase):
    def setUp(self):
        self.compose = YAML(typ="safe", pure=True).load(COMPOSE)
        self.services = self.compose["services"]

    def address(self, service):
        return self.services[service]["networks"]["metricd"]["ipv4_address"]

    def test_it_fits_the_schema_of_compose(self):
        command = [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", COMPOSE]
        run = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)

    def test_what_is_mounted_is_there(self):
        volumes = set(self.compose["volumes"])
        for service in self.services.values():
            for mount in service.get("volumes", []):
                source = mount.split(":")[0]
                self.assertTrue((DEPLOY / source).exists() if source.startswith(".") else source in volumes, mount)

    def test_what_is_waited_for_is_there(self):
        for service in self.services.values():
            for name in service.get("depends_on", {}):
                self.assertIn(name, self.services)

    def test_a_server_is_given_its_grace_and_ten_seconds_more(self):
        grace = int(re.search(r'grace: Duration = duration\("(\d+)s"\)', SHUTDOWN.read_text()).group(1))
        for name in ("metricd-1", "metricd-2"):
            self.assertEqual(self.services[name]["stop_grace_period"], f"{grace + 10}s")

    def test_addresses_agree(self):
        upstream = (DEPLOY / "compose/nginx/upstream.conf").read_text()
        servers = re.findall(r"(?m)^server (\S+):8000 ", upstream)
        self.assertEqual(servers, [self.address("metricd-1"), self.address("metricd-2")])
        for name in ("metricd-1", "metricd-2"):
            self.assertEqual(self.services[name]["environment"]["METRICD_HTTP__TRUSTED_PROXIES"], self.address("nginx"))

    def test_settings_are_those_of_the_reference(self):
        settings = (ROOT / "docs/guide/settings.md").read_text()
        for name in self.services["metricd-1"]["environment"]:
            # The one that names the settings' file stands in the help.
            if name != "METRICD_CONFIG":
                self.assertIn(f"`{name}`", settings)

    def test_every_file_system_is_read_only_but_that_of_the_database(self):
        writable = {name for name, service in self.services.items() if not service.get("read_only")}
        self.assertEqual(writable, {"prepare", "postgres"})

    def test_only_nginx_is_reached_from_outside(self):
        self.assertEqual([name for name, service in self.services.items() if "ports" in service], ["nginx"])

    def test_no_secret_is_written_down(self):
        self.assertNotRegex(COMPOSE.read_text(), r"(?i)password: *\w|postgres://")


class Prepare(unittest.TestCase):
    """The first service of compose.yaml, on folders in place of its volumes."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="metricd-prepare-"))
        self.addCleanup(shutil.rmtree, self.folder)
        for name in ("settings", "password", "certificate"):
            (self.folder / name).mkdir()

    def prepare(self):
        subprocess.run(["bash", DEPLOY / "compose/prepare.sh", self.folder], check=True)
        return {path.name: path.read_text() for path in self.folder.rglob("*") if path.is_file()}

    def test_what_it_has_made_stays(self):
        made = self.prepare()
        self.assertEqual(set(made), {"password", "metricd.toml", "fullchain.pem", "privkey.pem"})
        self.assertEqual(self.prepare(), made)

    def test_metricd_is_given_the_password_of_the_database(self):
        made = self.prepare()
        url = tomllib.loads(made["metricd.toml"])["database"]["url"]
        self.assertEqual(url, f"postgres://metricd:{made['password'].strip()}@postgres/metricd")
        self.assertRegex(made["password"], r"^[0-9a-f]{48}\n$")

    def test_nobody_else_reads_it(self):
        self.prepare()
        for path in ("password/password", "settings/metricd.toml", "certificate/privkey.pem"):
            self.assertEqual((self.folder / path).stat().st_mode & 0o077, 0, path)

    def test_nginx_takes_the_certificate_and_the_files_of_compose(self):
        self.prepare()
        conf = self.folder / "conf"
        shutil.copytree(DEPLOY / "nginx", conf)
        for name in ("tls.conf", "upstream.conf"):
            text = (DEPLOY / "compose/nginx" / name).read_text()
            (conf / "metricd" / name).write_text(text.replace("/etc/nginx/certificate", str(self.folder / "certificate")))
        main = (conf / "nginx.conf").read_text()
        main = main.replace("/run/nginx.pid", f"{self.folder}/pid").replace("/var/log/nginx", str(self.folder))
        main = re.sub(r"listen \[::\].*;", "", main)
        for port in ("80", "443"):
            main = main.replace(f"listen {port}", f"listen {HOST}:{free_port()}")
        # Where one who is not root may write.
        main = main.replace("http {", f"http {{ client_body_temp_path {self.folder}/body; proxy_temp_path {self.folder}/proxy;")
        (conf / "nginx.conf").write_text(main)
        command = [Nginx.program(), "-t", "-q", "-c", conf / "nginx.conf", "-e", self.folder / "error.log"]
        run = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
        self.assertEqual(run.returncode, 0, run.stderr)


class Guide(unittest.TestCase):
    """What docs/guide/container.md names."""

    def test_it_names_what_is_there(self):
        guide = (ROOT / "docs/guide/container.md").read_text()
        for path in set(re.findall(r"\bdeploy/[\w./-]*\w", guide)):
            self.assertTrue((ROOT / path).exists(), path)
        services = YAML(typ="safe", pure=True).load(COMPOSE)["services"]
        for service in set(re.findall(r"(?m)docker compose -f deploy/compose.yaml (?:exec(?: -T)?|run --rm) (\S+)", guide)):
            self.assertIn(service, services)

    def edited(self, edits, upstream):
        """Which servers are down after each of the edits, which are lines of a shell."""
        folder = Path(tempfile.mkdtemp(prefix="metricd-edits-"))
        self.addCleanup(shutil.rmtree, folder)
        file = folder / "upstream.conf"
        file.write_text(upstream)
        for edit in edits:
            subprocess.run(["bash", "-euc", re.sub(r"\S+/upstream\.conf", str(file), edit)], check=True)
            yield re.findall(r"(?m)^server (\S+) .* down;$", file.read_text())
        self.assertEqual(file.read_text(), upstream)

    def test_its_edits_mark_one_server_after_the_other_down(self):
        guide = (ROOT / "docs/guide/container.md").read_text()
        edits = re.findall(r"(?m)^sed -i .* deploy/compose/nginx/upstream\.conf$", guide)
        upstream = (DEPLOY / "compose/nginx/upstream.conf").read_text()
        one, two = ([f"{address}:8000"] for address in ("172.30.80.11", "172.30.80.12"))
        self.assertEqual(list(self.edited(edits, upstream)), [one, two, []])
        down, up = re.findall(r"(?m)^    (sed -i .* /etc/nginx/metricd/upstream\.conf)$", guide)
        edits = [f"port=8001; {down}", up, f"port=8002; {down}", up]
        [written] = re.findall(r"(?m)^(printf 'server .*) >/etc/nginx/metricd/upstream\.conf$", guide)
        upstream = subprocess.run(["bash", "-c", written], capture_output=True, text=True, check=True).stdout
        self.assertEqual(list(self.edited(edits, upstream)), [["127.0.0.1:8001"], [], ["127.0.0.1:8002"], []])

    def test_the_first_metric_of_each_guide_is_one_of_the_sample(self):
        sample = {one["id"] for one in json.loads((ROOT / "examples/metrics.json").read_text())["items"]}
        for name in ("container.md", "kubernetes.md"):
            asked = set(re.findall(r"/metrics/([0-9a-f-]{36})", (ROOT / "docs/guide" / name).read_text()))
            self.assertTrue(asked and asked <= sample, name)

    def test_its_blocks_are_commands_of_a_shell(self):
        guide = (ROOT / "docs/guide/container.md").read_text()
        for block in re.findall(r"(?ms)^```\n(.*?)^```", guide):
            run = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True)
            self.assertEqual((run.returncode, run.stderr), (0, ""), block)


if __name__ == "__main__":
    unittest.main()
