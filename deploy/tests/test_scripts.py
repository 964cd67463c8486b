"""The scripts of the pipelines, against stand-ins on this machine."""

import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import tarfile
import tempfile
import unittest
from pathlib import Path

import yaml
from cfnlint.decode import cfn_yaml

from metricd_binary import BINARY
from stand_ins import ROOT, SCRIPTS, Commands, Instance, wait_until

METRICD = str(BINARY)
IMAGE = "registry.example/metricd@sha256:" + "1" * 64
OLDER = "registry.example/metricd@sha256:" + "0" * 64
NEWER = "registry.example/metricd@sha256:" + "2" * 64


class ScriptCase(unittest.TestCase):
    """A runner with a folder of its own, whose commands are stand-ins."""

    def setUp(self):
        # Short: sockets are made below it.
        self.folder = Path(tempfile.mkdtemp(prefix="m", dir="/tmp"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.runner = Commands(self.folder / "runner")
        self.output = self.folder / "output"

    def environment(self, **settings):
        kept = ("HOME", "USER", "LANG", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN")
        environment = {name: os.environ[name] for name in kept if name in os.environ}
        environment |= {"PATH": self.runner.path, "TMPDIR": str(self.folder), "GITHUB_OUTPUT": str(self.output)}
        return environment | {name: str(value) for name, value in settings.items()}

    def start(self, script, *arguments, cwd=None, **settings):
        return subprocess.Popen(
            [SCRIPTS / script, *arguments], cwd=cwd or self.folder, env=self.environment(**settings), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )

    def run_script(self, script, *arguments, status=0, **settings):
        process = self.start(script, *arguments, **settings)
        self.out, self.err = process.communicate(timeout=120)
        self.assertEqual(process.returncode, status, self.out + self.err)
        return self.out

    def outputs(self):
        lines = self.output.read_text().splitlines() if self.output.exists() else []
        return dict(line.split("=", 1) for line in lines)


class InstanceCase(ScriptCase):
    """A runner beside an instance, which all tests of a class share."""

    @classmethod
    def setUpClass(cls):
        # Short, as above.
        folder = tempfile.mkdtemp(prefix="i", dir="/tmp")
        cls.addClassCleanup(shutil.rmtree, folder)
        cls.instance = Instance(folder)
        cls.addClassCleanup(cls.instance.close)

    def setUp(self):
        super().setUp()
        self.config = None
        self.addCleanup(self.close)
        self.instance.reset({})
        self.instance.authorized_keys.write_text("")

    def close(self):
        if self.config:
            self.run_script("connect", "close", SSH_CONFIG=self.config)

    def connect(self, status=0, **settings):
        key = self.instance.folder / "key"
        if not key.exists():
            self.instance.make_key("key")
        self.instance.admit(key)
        defaults = {
            "SSH_PRIVATE_KEY": key.read_text(),
            "INSTANCE_ADDRESS": "127.0.0.1",
            "INSTANCE_ID": "i-0123456789abcdef0",
            "SSH_HOST_KEYS": self.instance.host_key,
            "SSH_USER": self.instance.user,
            "SSH_PORT": self.instance.port,
            "SSH_FOLDER": self.folder,
        }
        self.run_script("connect", status=status, **(defaults | settings))
        self.config = self.outputs().get("config")
        return self.config

    def on_instance(self, *command):
        asked = subprocess.run(["ssh", "-F", self.config, "metricd", *command], capture_output=True, text=True, check=True)
        return asked.stdout


class Connecting(InstanceCase):
    def test_a_job_has_one_connection_until_it_closes_it(self):
        self.connect()
        self.assertEqual(self.on_instance("echo there"), "there\n")
        # Another one would be refused from here on.
        self.instance.authorized_keys.write_text("")
        self.assertEqual(self.on_instance("echo there"), "there\n")
        self.close()
        self.assertFalse(Path(self.config).parent.exists())
        self.config = None

    def test_keys_are_for_the_jobs_user_alone(self):
        folder = Path(self.connect()).parent
        self.assertEqual(stat.S_IMODE(folder.stat().st_mode), 0o700)
        self.assertEqual(stat.S_IMODE((folder / "key").stat().st_mode), 0o600)

    def test_no_host_key_is_taken_on_trust(self):
        for keys in ("", "no key at all"):
            self.connect(status=1, SSH_HOST_KEYS=keys)
            self.assertIn("SSH_HOST_KEYS holds no host key of i-0123456789abcdef0", self.err)

    def test_a_machine_with_another_host_key_is_refused(self):
        other = self.instance.make_key("other").with_suffix(".pub").read_text()
        self.connect(status=1, SSH_HOST_KEYS=other)
        self.assertIn("Host key verification failed", self.err)
        self.assertEqual(self.instance.calls(), [])

    def test_host_keys_may_be_lines_of_known_hosts(self):
        kind, key = self.instance.host_key.split()[:2]
        self.connect(SSH_HOST_KEYS=f"# of the console\n203.0.113.7 {kind} {key} comment\n")
        self.assertEqual(self.on_instance("echo there"), "there\n")

    def test_without_a_key_the_job_makes_one_that_the_instance_admits(self):
        self.runner.add("aws", f"""
            record()
            file = arguments[arguments.index("--ssh-public-key") + 1].removeprefix("file://")
            Path({str(self.instance.authorized_keys)!r}).write_text(Path(file).read_text())
        """)
        self.connect(SSH_PRIVATE_KEY="")
        self.assertEqual(self.on_instance("echo there"), "there\n")
        [call] = self.runner.calls("aws")
        self.assertEqual(call[:2], ["ec2-instance-connect", "send-ssh-public-key"])
        self.assertIn("i-0123456789abcdef0", call)

    def test_session_manager_needs_no_address(self):
        self.runner.add("aws", f"""
            record()
            import socket, threading
            server = socket.create_connection(("127.0.0.1", {self.instance.port}))
            def back():
                while data := server.recv(65536):
                    os.write(1, data)
            threading.Thread(target=back, daemon=True).start()
            while data := os.read(0, 65536):
                server.sendall(data)
        """)
        self.connect(SSH_OVER="session-manager", INSTANCE_ADDRESS="203.0.113.7", SSH_PORT=22)
        self.assertEqual(self.on_instance("echo there"), "there\n")
        [call] = self.runner.calls("aws")
        self.assertEqual(call[:4], ["ssm", "start-session", "--target", "i-0123456789abcdef0"])
        self.assertEqual(call[-2:], ["--parameters", "portNumber=22"])


class Restarting(InstanceCase):
    def setUp(self):
        super().setUp()
        self.connect()
        self.file = self.folder / "environment"
        self.file.write_text("DATABASE_URL=postgres://db/one\n")
        self.instance.ready_images = {IMAGE, NEWER}

    def has_started(self, image, before=None):
        self.instance.reset({"metricd": image} | ({"metricd-previous": before} if before else {}))

    def settings(self, image):
        return {"SSH_CONFIG": self.config, "ENVIRONMENT_FILE": self.file, "IMAGE": image}

    def restart(self, image, status=0, **more):
        return self.run_script("restart-container", "start", status=status, **self.settings(image), **more)

    def roll_back(self, status=0):
        return self.run_script("restart-container", "rollback", status=status, SSH_CONFIG=self.config)

    def verbs(self):
        calls = self.instance.calls("docker")
        return ["migrate" if "migrate" in call else call[0] for call in calls if call[1] != "inspect"]

    def running(self):
        return {name: it["image"] for name, it in self.instance.containers().items() if it["running"]}

    def test_the_first_start_migrates_and_waits_until_it_is_ready(self):
        self.assertIn(f"{IMAGE} serves", self.restart(IMAGE))
        self.assertEqual(self.verbs(), ["pull", "migrate", "run", "logout"])
        self.assertIn(["logout", "registry.example"], self.instance.calls("docker"))
        migration, run = [record for record in self.instance.records("docker") if record["arguments"][0] == "run"]
        self.assertIn("--rm", migration["arguments"])
        text = " ".join(run["arguments"])
        for option in (
            "--detach", "--name metricd", "--restart unless-stopped", "--publish 127.0.0.1:8000:8000", "--read-only",
            "--cap-drop ALL", "--security-opt no-new-privileges", "--stop-timeout 45",
        ):
            self.assertIn(option, text)
        self.assertNotIn("log-driver", text)
        self.assertEqual(migration["environment"], "DATABASE_URL=postgres://db/one\n")
        self.assertEqual(run["environment"], "DATABASE_URL=postgres://db/one\n")
        # Neither the script nor the settings stay there.
        self.assertEqual(list(self.instance.temporary.iterdir()), [])
        self.assertEqual([it.name for it in (self.instance.folder / "state").iterdir()], ["lock"])

    def test_what_the_set_up_made_is_used(self):
        etc = self.instance.folder / "etc"
        etc.mkdir()
        (etc / "local.env").write_text("METRICD_LOG=debug\n")
        (etc / "rds-ca.pem").touch()
        self.restart(IMAGE)
        run = self.instance.records("docker")[-2]
        self.assertEqual(run["environment"], "DATABASE_URL=postgres://db/one\nMETRICD_LOG=debug\n")
        self.assertIn(f"--volume {etc}/rds-ca.pem:/etc/metricd/rds-ca.pem:ro", " ".join(run["arguments"]))

    def in_a_stack(self):
        etc = self.instance.folder / "etc"
        etc.mkdir()
        (etc / "stack.env").write_text("STACK_REGION=eu-central-1\nIMAGE_PARAMETER=/shop/image\n")

    def noted(self):
        return [" ".join(call) for call in self.instance.calls("aws")]

    def test_the_last_image_that_was_ready_is_noted_for_new_machines(self):
        note = "ssm put-parameter --region eu-central-1 --name /shop/image --overwrite --value "
        self.in_a_stack()
        self.restart(IMAGE)
        self.assertEqual(self.noted(), [note + IMAGE])
        self.instance.ready_images = {IMAGE}
        self.restart(NEWER, status=1)
        self.assertEqual(self.noted(), [note + IMAGE] * 2)

    def test_an_image_that_cannot_be_noted_serves_all_the_same(self):
        self.in_a_stack()
        self.instance.behave(aws_status=254)
        self.assertIn("was not noted", self.restart(IMAGE))
        self.assertEqual(self.running(), {"metricd": IMAGE})

    def test_logs_go_to_the_group_that_is_named(self):
        self.restart(IMAGE, LOG_GROUP="/metricd/prod", AWS_REGION="eu-central-1")
        text = " ".join(self.instance.calls("docker")[-2])
        self.assertIn("--log-driver awslogs --log-opt awslogs-group=/metricd/prod", text)
        self.assertIn("awslogs-region=eu-central-1", text)

    def test_another_image_takes_the_place_of_the_one_before_it(self):
        self.has_started(IMAGE)
        self.restart(NEWER)
        self.assertEqual(self.verbs(), ["pull", "migrate", "stop", "rename", "run", "logout"])
        self.assertIn(["stop", "-t", "45", "metricd"], self.instance.calls("docker"))
        self.assertEqual(self.running(), {"metricd": NEWER})
        self.assertEqual(self.instance.containers()["metricd-previous"], {"image": IMAGE, "running": False})

    def test_the_one_before_the_last_goes_with_its_image(self):
        self.has_started(IMAGE, before=OLDER)
        self.restart(NEWER)
        self.assertIn(["image", "rm", f"id of {OLDER}"], self.instance.calls("docker"))
        self.assertEqual(self.instance.containers()["metricd-previous"]["image"], IMAGE)

    def test_an_image_that_is_there_is_not_pulled(self):
        self.instance.behave(images_there=[IMAGE])
        self.restart(IMAGE)
        self.assertEqual(self.verbs(), ["migrate", "run", "logout"])

    def test_an_image_that_is_not_there_changes_nothing(self):
        self.has_started(IMAGE)
        self.instance.behave(missing_images=[NEWER])
        self.restart(NEWER, status=1)
        self.assertEqual(self.verbs(), ["pull", "logout"])
        self.assertEqual(self.running(), {"metricd": IMAGE})

    def test_a_failed_migration_changes_nothing(self):
        self.has_started(IMAGE)
        self.instance.behave(failing_migrations=[NEWER])
        self.restart(NEWER, status=1)
        self.assertIn("the migration failed: nothing else was changed", self.err)
        self.assertEqual(self.verbs(), ["pull", "migrate", "logout"])
        self.assertEqual(self.running(), {"metricd": IMAGE})

    def test_one_that_is_not_ready_gives_its_place_back(self):
        self.has_started(IMAGE)
        self.instance.ready_images = {IMAGE}
        out = self.restart(NEWER, status=1)
        self.assertIn(f"rolled back: {IMAGE} serves again", out)
        self.assertIn(f"{NEWER} is not ready", self.err)
        self.assertIn(["logs", "--tail", "50", "metricd"], self.instance.calls("docker"))
        self.assertEqual(self.instance.containers(), {"metricd": {"image": IMAGE, "running": True}})

    def test_one_that_does_not_start_gives_its_place_back(self):
        self.has_started(IMAGE)
        self.instance.behave(failing_images=[NEWER])
        self.assertIn(f"rolled back: {IMAGE} serves again", self.restart(NEWER, status=1))
        self.assertEqual(self.instance.containers(), {"metricd": {"image": IMAGE, "running": True}})

    def test_the_first_one_has_nothing_to_go_back_to(self):
        self.instance.ready_images = set()
        self.restart(IMAGE, status=1)
        self.assertIn(f"{IMAGE} is not ready", self.err)

    def test_what_is_ready_can_be_rolled_back_by_hand(self):
        self.has_started(IMAGE)
        self.roll_back(status=1)
        self.assertIn("there is no container before this one", self.err)
        self.assertEqual(self.running(), {"metricd": IMAGE})
        self.has_started(NEWER, before=IMAGE)
        self.assertIn(f"rolled back: {IMAGE} serves again", self.roll_back())
        self.assertEqual(self.instance.containers(), {"metricd": {"image": IMAGE, "running": True}})

    def test_a_ready_one_serves_on_where_the_one_before_it_is_not_ready(self):
        both = {"metricd": {"image": NEWER, "running": True}, "metricd-previous": {"image": IMAGE, "running": False}}
        self.has_started(NEWER, before=IMAGE)
        self.instance.ready_images = {NEWER}
        self.roll_back(status=1)
        self.assertIn(f"{IMAGE} is not ready: {NEWER} serves on", self.err)
        self.assertEqual(self.instance.containers(), both)
        # Neither is, as without a database.
        self.instance.ready_images = set()
        self.roll_back(status=1)
        self.assertEqual(self.instance.containers(), both)

    def test_where_neither_is_ready_the_one_before_it_stays(self):
        self.has_started(IMAGE)
        self.instance.ready_images = set()
        self.restart(NEWER, status=1)
        self.assertIn(f"{IMAGE} was started again, and is not ready either", self.err)
        self.assertEqual(self.instance.containers(), {"metricd": {"image": IMAGE, "running": True}})

    def test_a_deployment_that_was_broken_off_is_put_right_by_the_next(self):
        self.instance.reset({"metricd-previous": IMAGE})
        self.instance.behave(failing_migrations=[NEWER])
        self.restart(NEWER, status=1)
        self.assertEqual(self.running(), {"metricd": IMAGE})

    def is_free(self):
        with open(self.instance.folder / "state/lock") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    def lose_the_connection_while_migrating(self):
        self.has_started(IMAGE)
        self.instance.behave(migration_waits=True)
        process = self.start("restart-container", "start", **self.settings(NEWER))
        wait_until(lambda: self.verbs()[-1:] == ["migrate"], "no migration")
        self.close()
        self.config = None
        process.communicate()
        self.assertNotEqual(process.returncode, 0)
        # As the runner does where it gets through once more.
        for left in self.instance.temporary.iterdir():
            shutil.rmtree(left)
        (self.instance.folder / "go").touch()
        wait_until(self.is_free, "it still runs")

    def test_what_was_begun_ends_without_its_connection(self):
        self.lose_the_connection_while_migrating()
        self.assertEqual(self.running(), {"metricd": NEWER})

    def test_what_fails_without_its_connection_is_rolled_back(self):
        self.instance.ready_images = {IMAGE}
        self.lose_the_connection_while_migrating()
        self.assertEqual(self.instance.containers(), {"metricd": {"image": IMAGE, "running": True}})

    def test_there_is_one_deployment_at_a_time(self):
        self.has_started(IMAGE)
        state = self.instance.folder / "state"
        state.mkdir(exist_ok=True)
        with open(state / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.restart(NEWER, status=1)
        self.assertIn("another deployment is under way", self.err)
        self.assertEqual(self.running(), {"metricd": IMAGE})

    def test_the_set_up_runs_again_when_asked(self):
        self.run_script("restart-container", "reinit", SSH_CONFIG=self.config)
        call = ["single", "--name", "scripts_user", "--frequency", "always"]
        self.assertEqual(self.instance.calls("cloud-init"), [call])
        self.instance.behave(cloud_init_status=1)
        self.run_script("restart-container", "reinit", status=1, SSH_CONFIG=self.config)

    def test_the_instance_signs_in_to_the_registry(self):
        login = {"SSH_CONFIG": self.config, "IMAGE_REPOSITORY": "registry.example/metricd"}
        self.run_script("registry-login", "instance", REGISTRY_USER="a b", REGISTRY_PASSWORD="s e'cret", **login)
        [record] = self.instance.records("docker")
        self.assertEqual(record["arguments"], ["login", "--username", "a b", "--password-stdin", "registry.example"])
        self.assertEqual(record["stdin"], "s e'cret")


class Images(ScriptCase):
    def setUp(self):
        super().setUp()
        self.runner.add_docker()

    def test_the_role_signs_in_where_no_password_is_given(self):
        self.runner.add("aws", "record()\nprint('of the role', end='')")
        self.run_script("registry-login", IMAGE_REPOSITORY="registry.example/team/metricd")
        self.assertEqual(self.runner.calls("aws"), [["ecr", "get-login-password"]])
        [record] = self.runner.records("docker")
        self.assertEqual(record["arguments"], ["login", "--username", "AWS", "--password-stdin", "registry.example"])
        self.assertEqual(record["stdin"], "of the role")

    def test_a_sign_in_that_is_half_given_is_refused(self):
        for half in ({"REGISTRY_USER": "a"}, {"REGISTRY_PASSWORD": "b"}):
            self.run_script("registry-login", status=1, IMAGE_REPOSITORY="registry.example/metricd", **half)
        self.run_script("registry-login", status=1, IMAGE_REPOSITORY="metricd")
        self.assertEqual(self.runner.calls("docker"), [])

    def test_an_image_is_known_by_its_digest(self):
        image = {"IMAGE_REPOSITORY": "registry.example/metricd", "IMAGE_TAG": "v1.2.0"}
        self.run_script("build-image", **image)
        self.assertEqual(self.outputs(), {"image": "registry.example/metricd@sha256:" + "5" * 64})
        call = " ".join(self.runner.calls("docker")[-1])
        for part in ("--file deploy/Dockerfile", "--sbom=true", "--provenance=mode=max", "--push",
                     "--tag registry.example/metricd:v1.2.0", "--build-arg VERSION=1.2.0", "--build-arg REVISION="):
            self.assertIn(part, call)
        self.assertNotIn("cache", call)
        self.run_script("build-image", IMAGE_CACHE="true", **image)
        call = " ".join(self.runner.calls("docker")[-1])
        self.assertIn("--cache-to type=registry,ref=registry.example/metricd:cache,mode=max", call)


class Stack(ScriptCase):
    def stack(self):
        """The settings of one whose CloudFormation is a stand-in."""
        self.runner.add("aws", """
            given = [it.removeprefix("file://") for it in arguments if it.startswith("file://")]
            record(parameters=[json.loads(Path(file).read_text()) for file in given])
            status = behaviour("status")
            if arguments[1] == "describe-stacks" and not status:
                sys.exit(f"An error occurred (ValidationError): {behaviour('error', 'Stack with id shop does not exist')}")
            if arguments[1] == "describe-stacks":
                outputs = [{"OutputKey": "EC2InstanceID", "OutputValue": "i-1"}]
                print(json.dumps({"Stacks": [{"StackStatus": status, "Outputs": behaviour("outputs", outputs)}]}))
            if arguments[1] == "describe-instances":
                assert "Name=instance-id,Values=i-1" in arguments
                there = [{"Instances": [{"ImageId": behaviour("machine_image")}]}]
                print(json.dumps({"Reservations": there if behaviour("machine_image") else []}))
        """)
        template = self.folder / "template.yaml"
        template.touch()
        return {"STACK_NAME": "shop", "TEMPLATE_BUCKET": "templates", "STACK_TEMPLATE": template}

    def deployed(self, **more):
        """The arguments and the parameters that CloudFormation got."""
        self.run_script("deploy-stack", **self.stack(), **more)
        deploy = self.runner.records("aws")[-1]
        self.assertEqual(deploy["arguments"][:2], ["cloudformation", "deploy"])
        [parameters] = deploy["parameters"]
        return deploy["arguments"], {it["ParameterKey"]: it["ParameterValue"] for it in parameters}

    def machine_image(self, parameters, newest):
        """That of the template's instance."""
        resources = cfn_yaml.load(str(ROOT / "deploy/cloudformation/network-and-server.yaml"))
        self.assertEqual(resources["Conditions"]["StaysAtImage"], {"Fn::Not": [{"Fn::Equals": [{"Ref": "ImageId"}, ""]}]})
        (condition, *choice) = resources["Resources"]["Server"]["Properties"]["ImageId"]["Fn::If"]
        self.assertEqual((condition, *choice), ("StaysAtImage", {"Ref": "ImageId"}, {"Ref": "LatestImageId"}))
        return parameters["ImageId"] or newest

    def test_a_new_machine_image_makes_a_new_machine_only_on_request(self):
        self.runner.behave(status="UPDATE_COMPLETE", machine_image="ami-00000001")
        _, first = self.deployed()
        _, second = self.deployed()
        self.assertEqual(first, second)
        at = {self.machine_image(first, "ami-00000001"), self.machine_image(second, "ami-00000002")}
        self.assertEqual(at, {"ami-00000001"})
        _, refreshed = self.deployed(REFRESH_IMAGE="true")
        self.assertEqual(self.machine_image(refreshed, "ami-00000002"), "ami-00000002")
        # From then on it stays at that.
        self.runner.behave(status="UPDATE_COMPLETE", machine_image="ami-00000002")
        _, third = self.deployed(REFRESH_IMAGE="false")
        self.assertEqual(self.machine_image(third, "ami-00000003"), "ami-00000002")
        # One that is chosen is obeyed, and one that is gone is not asked for.
        self.assertEqual(self.deployed(STACK_PARAMETERS="ImageId=ami-00000009")[1]["ImageId"], "ami-00000009")
        self.runner.behave(status="UPDATE_COMPLETE")
        self.assertEqual(self.deployed()[1]["ImageId"], "")

    def test_a_stack_that_was_never_made_is_not_rolled_back(self):
        for status, keeps in {
            None: True, "REVIEW_IN_PROGRESS": True, "CREATE_FAILED": True, "UPDATE_FAILED": True,
            "CREATE_COMPLETE": False, "UPDATE_COMPLETE": False, "UPDATE_ROLLBACK_COMPLETE": False,
        }.items():
            self.runner.behave(status=status, outputs=None if status == "CREATE_FAILED" else [])
            arguments, parameters = self.deployed()
            self.assertEqual("--disable-rollback" in arguments, keeps, status)
            self.assertEqual(parameters, {"ImageId": ""})

    def test_a_stack_that_cannot_be_looked_at_is_not_deployed(self):
        self.runner.behave(error="AccessDenied")
        self.run_script("deploy-stack", status=1, **self.stack())
        self.assertIn("AccessDenied", self.err)
        self.assertEqual(len(self.runner.calls("aws")), 1)

    def test_the_stack_gets_the_parameters_that_are_given(self):
        stack = self.stack()
        self.run_script(
            "deploy-stack", DB_USERNAME="metricd", DB_PASSWORD="p w$=`'\"", DOMAIN_NAME="metrics.example.com",
            STACK_PARAMETERS="SshCidr=203.0.113.0/24\n\nInstanceType=t3.small=\n", **stack)
        _, package, deploy = self.runner.records("aws")
        self.assertEqual(package["arguments"][:2], ["cloudformation", "package"])
        self.assertEqual(deploy["arguments"][:2], ["cloudformation", "deploy"])
        self.assertIn("--no-fail-on-empty-changeset", deploy["arguments"])
        [parameters] = deploy["parameters"]
        self.assertEqual({it["ParameterKey"]: it["ParameterValue"] for it in parameters}, {
            "DBUsername": "metricd", "DBPassword": "p w$=`'\"", "DomainName": "metrics.example.com",
            "SshCidr": "203.0.113.0/24", "InstanceType": "t3.small=", "ImageId": "",
        })
        self.assertNotIn("p w$", " ".join(deploy["arguments"]))
        # Nothing is left that holds the password.
        self.assertEqual(sorted(it.name for it in self.folder.iterdir()), ["runner", "template.yaml"])
        self.run_script("deploy-stack", status=5, STACK_PARAMETERS="Ssh Cidr", **stack)
        self.assertIn("a line is not NAME=VALUE", self.err)

    def test_a_template_that_is_not_there_is_named(self):
        self.run_script("deploy-stack", status=1, STACK_NAME="shop", TEMPLATE_BUCKET="templates", STACK_TEMPLATE="none.yaml")
        self.assertIn("there is no template none.yaml", self.err)

    def test_the_outputs_of_the_stack_are_handed_on(self):
        expected = {
            "EC2PublicIP": "203.0.113.7", "EC2InstanceID": "i-0123456789abcdef0", "RDSEndpoint": "db.example.com",
            "UserPoolId": "eu-central-1_EXAMPLE", "UserPoolClientId": "abc123",
            "HostedUITokenURL": "https://shop.auth.example.com/oauth2/token",
        }
        more = {"DashboardClientId": "def456", "DatabaseSecretArn": "arn:aws:secretsmanager:…", "LogGroupName": "/metricd"}
        made = {**expected, **more, "Other": "x"}
        listed = [{"OutputKey": key, "OutputValue": value} for key, value in made.items()]
        self.runner.add("aws", f"record()\nprint({json.dumps(listed)!r})")
        self.run_script("stack-outputs", STACK_NAME="shop")
        self.assertEqual(self.outputs(), {**expected, **more})
        self.output.unlink()
        self.runner.add("aws", f"record()\nprint({json.dumps(listed[:6])!r})")
        self.run_script("stack-outputs", STACK_NAME="shop")
        self.assertEqual(self.outputs(), expected)
        self.assertIn("describe-stacks --stack-name shop", " ".join(self.runner.calls("aws")[0]))
        self.runner.add("aws", f"print({json.dumps(listed[1:])!r})")
        self.run_script("stack-outputs", status=1, STACK_NAME="shop")
        self.assertIn("the stack shop has no output EC2PublicIP", self.err)
        self.runner.add("aws", "print('null')")
        self.run_script("stack-outputs", status=1, STACK_NAME="shop")

    STACK = {
        "RDS_ENDPOINT": "db.example.com", "DB_USERNAME": "metricd", "DB_PASSWORD": "a/b:c@d?e#f g%", "DB_NAME": "shop",
        "AWS_REGION": "eu-central-1", "USER_POOL_ID": "eu-central-1_EXAMPLE", "USER_POOL_CLIENT_ID": "abc123",
    }

    def written(self, **more):
        self.run_script("write-environment", "environment", **{**self.STACK, **more})
        lines = (self.folder / "environment").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def test_the_environment_holds_what_the_stack_made(self):
        self.assertEqual(self.written(), {
            "AWS_REGION": "eu-central-1",
            "DATABASE_URL": "postgres://metricd:a%2Fb%3Ac%40d%3Fe%23f%20g%25@db.example.com:5432/shop"
            "?sslmode=verify-full&sslrootcert=/etc/metricd/rds-ca.pem",
            "METRICD_HTTP__TRUSTED_PROXIES": "172.17.0.1",
            "METRICD_LISTEN": "0.0.0.0:8000",
            "USER_POOL_CLIENT_ID": "abc123",
            "USER_POOL_ID": "eu-central-1_EXAMPLE",
        })
        self.assertEqual(stat.S_IMODE((self.folder / "environment").stat().st_mode), 0o600)
        self.assertIn("@db.example.com:5433/", self.written(DB_PORT="5433")["DATABASE_URL"])
        self.assertIn("@db.example.com:5434/", self.written(RDS_ENDPOINT="db.example.com:5434")["DATABASE_URL"])

    def test_the_password_may_stay_in_secrets_manager(self):
        self.runner.add("aws", """record()\nprint('{"username": "metricd", "password": "a b"}')""")
        written = self.written(DB_PASSWORD="", DATABASE_SECRET="arn:shop")
        self.assertIn("//metricd:a%20b@", written["DATABASE_URL"])
        self.assertIn("arn:shop", self.runner.calls("aws")[0])
        self.run_script("write-environment", "environment", status=1, **{**self.STACK, "DB_PASSWORD": ""})
        self.assertIn("DATABASE_SECRET", self.err)

    def test_the_groups_of_people_say_who_may_write(self):
        written = self.written(DASHBOARD_CLIENT_ID="def456")
        self.assertEqual(written["USER_POOL_CLIENT_ID"], "def456,abc123")
        self.assertEqual(written["METRICD_ROLES__EDITOR"], "client_id=abc123,cognito:groups=editors")
        self.assertEqual(written["METRICD_ROLES__VIEWER"], "scope=api/backend_access")

    def test_further_settings_win(self):
        written = self.written(CONTAINER_SETTINGS="METRICD_LOG=debug\nUSER_POOL_CLIENT_ID=abc123,def=\n")
        self.assertEqual(written["METRICD_LOG"], "debug")
        self.assertEqual(written["USER_POOL_CLIENT_ID"], "abc123,def=")
        self.run_script("write-environment", "environment", status=1, **self.STACK, CONTAINER_SETTINGS="secret word")
        self.assertNotIn("word", self.err)
        self.run_script("write-environment", "environment", status=1, **{**self.STACK, "AWS_REGION": "a\nEVIL=1"})
        self.assertIn("AWS_REGION has more than one line", self.err)

    def test_metricd_takes_the_environment(self):
        """Each command reads all settings first, also one that needs no database."""
        files = ["--metrics", ROOT / "examples/metrics.json", "--queries", ROOT / "examples/queries.csv"]

        def validate(settings):
            command = [METRICD, "validate", *files]
            return subprocess.run(command, env=settings, cwd=self.folder, capture_output=True, text=True)

        written = self.written(DASHBOARD_CLIENT_ID="def456")
        process = validate(written)
        self.assertEqual(process.returncode, 0, process.stderr)
        del written["USER_POOL_CLIENT_ID"]
        process = validate(written)
        self.assertIn("invalid settings", process.stderr)


class HealthGate(InstanceCase):
    def test_it_waits_for_the_address(self):
        self.instance.ready_images = {IMAGE}
        gate = {"HEALTH_TRIES": 2, "HEALTH_PAUSE": 0}
        self.run_script("health-gate", self.instance.ready_url, status=1, **gate)
        self.assertIn("was not ready at 2 tries", self.err)
        self.instance.reset({"metricd": IMAGE})
        self.assertIn("is ready", self.run_script("health-gate", self.instance.ready_url, **gate))


class Validating(ScriptCase):
    def setUp(self):
        super().setUp()
        shutil.copytree(ROOT / "examples", self.folder / "catalog")
        self.files = {
            "CATALOG_METRICS": "catalog/metrics.json",
            "CATALOG_QUERIES": "catalog/queries.csv",
            "CATALOG_RECORDS": "catalog/metric_records.json",
        }
        self.summary = self.folder / "summary"

    def validate(self, status=0, **more):
        settings = {"CATALOG_PROGRAM": METRICD, "GITHUB_STEP_SUMMARY": self.summary, **self.files, **more}
        return self.run_script("validate-catalog", status=status, **settings)

    def report(self):
        return Path(self.outputs()["report"]).read_text()

    def test_a_good_catalog_is_accepted(self):
        self.validate()
        self.assertEqual(self.outputs()["verdict"], "accepted")
        self.assertIn("### metricd: the catalog is accepted", self.report())
        self.assertIn("│ metrics ┆       8 ┆", self.report())
        self.assertEqual(self.summary.read_text(), self.report())

    def test_a_fault_is_annotated_where_it_is(self):
        queries = self.folder / "catalog/queries.csv"
        queries.write_text(queries.read_text() + 'bad,"SELECT 1; ```` <!-- ::error::x\n::stop-commands::y"\n')
        out = self.validate(status=2)
        self.assertEqual(self.outputs()["verdict"], "rejected")
        self.assertRegex(out, r"(?m)^::error file=catalog/queries.csv,line=\d+::\S")
        self.assertIn("### metricd: the catalog is rejected", self.report())

    def test_what_a_catalog_says_is_neither_a_command_nor_markdown(self):
        said = "```\n::error::x\n@team <img> %\r````"
        finding = {"severity": "rejection", "file": "a,b:c.csv", "line": 3, "path": None, "message": said, "advice": "no"}
        self.runner.add("metricd", f"""
            print({json.dumps({"findings": [finding]})!r} if "json" in arguments else {said!r})
            sys.exit(2)
        """)
        out = self.validate(status=2, CATALOG_PROGRAM="metricd")
        self.assertIn("::error file=a%2Cb%3Ac.csv,line=3::```%0A::error::x%0A@team <img> %25%0D```` no\n", out)
        fence = "`" * 5
        self.assertIn(f"\n{fence}text\n{said}\n{fence}\n", Path(self.outputs()["report"]).read_bytes().decode())

    def test_a_long_report_is_cut_to_what_a_comment_holds(self):
        self.runner.add("metricd", """
            print('{"findings": []}' if "json" in arguments else "x" + "é" * 70000)
        """)
        self.validate(CATALOG_PROGRAM="metricd")
        self.assertTrue(self.report().endswith("é\n… the log has the rest\n```\n"))
        self.assertLess(len(self.report()), 65536)

    def test_strict_and_settings_are_handed_on(self):
        self.runner.add("metricd", "record()\nprint('{\"findings\": []}')")
        self.validate(CATALOG_PROGRAM="metricd", CATALOG_STRICT="true", CATALOG_SETTINGS="catalog/metricd.toml")
        for call in self.runner.calls("metricd"):
            self.assertEqual(call[:4], ["--config", "catalog/metricd.toml", "validate", "--metrics"])
            self.assertIn("--strict", call)

    def test_an_image_sees_the_workspace_alone(self):
        self.runner.add("docker", f"""
            record()
            os.execv({METRICD!r}, [{METRICD!r}, *arguments[arguments.index({IMAGE!r}) + 1:]])
        """)
        self.validate(CATALOG_IMAGE=IMAGE)
        self.assertEqual(self.outputs()["verdict"], "accepted")
        call = " ".join(self.runner.calls("docker")[0])
        self.assertIn(f"--volume {self.folder}:/catalog:ro", call)
        self.assertIn("--network none", call)

    def test_what_is_no_file_of_the_workspace_is_refused(self):
        for file in ("/etc/passwd", "../metrics.json", "catalog/none.json"):
            self.validate(status=1, CATALOG_METRICS=file)
        self.files = {}
        self.validate(status=1)
        self.assertIn("no file is named", self.err)

    def test_a_command_that_fails_is_no_verdict(self):
        self.runner.add("metricd", "sys.exit(1)")
        self.validate(status=1, CATALOG_PROGRAM="metricd")
        self.assertIn("ended with exit code 1", self.err)
        self.assertEqual(self.outputs(), {})


class Action(ScriptCase):
    """The steps of the action, as a runner takes them."""

    FOLDER = ROOT / ".github/actions/validate"

    def setUp(self):
        super().setUp()
        self.action = yaml.load((self.FOLDER / "action.yml").read_text(), Loader=yaml.BaseLoader)
        shutil.copytree(ROOT / "examples", self.folder / "catalog")
        self.runner.add("gh", """
            record(body=json.loads(Path(arguments[-1]).read_text())["body"] if "--input" in arguments else None)
        """)

    def step(self, name, inputs, more):
        [step] = [step for step in self.action["runs"]["steps"] if step["name"] == name]
        values = {f"inputs.{key}": value["default"] for key, value in self.action["inputs"].items()}
        values |= {f"inputs.{key}": value for key, value in inputs.items()} | more
        expand = lambda text: re.sub(r"\$\{\{ (\S+) \}\}", lambda found: values[found[1]], text)
        settings = {key: expand(value) for key, value in step["env"].items()}
        return subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", step["run"]], cwd=self.folder, capture_output=True, text=True,
            env=self.environment(GITHUB_ACTION_PATH=self.FOLDER, GITHUB_REPOSITORY="ann/shop", **settings))

    def test_a_catalog_is_validated_and_commented(self):
        files = {"metrics": "catalog/metrics.json", "queries": "catalog/queries.csv", "program": METRICD}
        process = self.step("Validate", files, {})
        self.assertEqual(process.returncode, 0, process.stderr)
        pull_request = {
            "github.event.pull_request.number": "7", "github.token": "token",
            "steps.validate.outputs.report": self.outputs()["report"],
        }
        process = self.step("Comment", files, pull_request)
        self.assertEqual((process.returncode, process.stdout), (0, ""), process.stderr)
        self.assertIn("the catalog is accepted", self.runner.records("gh")[-1]["body"])

    def test_a_catalog_that_is_rejected_fails_the_step(self):
        (self.folder / "catalog/queries.csv").write_text("id,query\nbad,SELEC\n")
        process = self.step("Validate", {"queries": "catalog/queries.csv", "program": METRICD}, {})
        self.assertEqual(process.returncode, 2, process.stderr)
        self.assertEqual(self.outputs()["verdict"], "rejected")


class Commenting(ScriptCase):
    def setUp(self):
        super().setUp()
        # What is there already: a person who quotes the marker, another catalog, and what `--jq` picks.
        self.runner.add("gh", """
            import subprocess
            record(body=json.loads(Path(arguments[-1]).read_text())["body"] if "--input" in arguments else None)
            if behaviour("refuses"):
                sys.exit("HTTP 403: Resource not accessible by integration")
            if "user" in arguments:
                print(behaviour("login", '{"message": "Resource not accessible by integration"}'))
                sys.exit(0 if behaviour("login") else 1)
            if "--jq" in arguments:
                found = json.dumps(behaviour("comments", []))
                subprocess.run(["jq", arguments[-1]], input=found, text=True, check=True)
        """)
        self.report = self.folder / "report.md"
        self.report.write_text("### accepted\n")

    def comment(self):
        return self.run_script(
            "comment-report", REPORT=self.report, PULL_REQUEST=7, GITHUB_REPOSITORY="ann/shop", COMMENT_NAME="sales")

    def test_the_first_report_is_a_new_comment(self):
        self.runner.behave(comments=[
            {"id": 1, "user": {"type": "User"}, "body": "<!-- metricd validate: sales -->"},
            {"id": 2, "user": {"type": "Bot"}, "body": "<!-- metricd validate: catalog -->"},
        ])
        self.comment()
        written = self.runner.records("gh")[-1]
        self.assertEqual(written["arguments"][1:5], ["--silent", "--method", "POST", "repos/ann/shop/issues/7/comments"])
        self.assertEqual(written["body"], "<!-- metricd validate: sales -->\n### accepted\n")

    def test_later_ones_change_it(self):
        marked = {"user": {"type": "Bot"}, "body": "<!-- metricd validate: sales -->\nold"}
        self.runner.behave(comments=[{"id": 31, **marked}, {"id": 32, **marked}])
        self.comment()
        written = self.runner.calls("gh")[-1]
        self.assertEqual(written[1:5], ["--silent", "--method", "PATCH", "repos/ann/shop/issues/comments/31"])

    def test_a_persons_token_finds_its_own_comment(self):
        body = "<!-- metricd validate: sales -->\nold"
        users = [{"login": "bob", "type": "User"}, {"login": "metrics[bot]", "type": "Bot"}, {"login": "ann", "type": "User"}]
        self.runner.behave(login="ann", comments=[{"id": 30 + at, "user": user, "body": body} for at, user in enumerate(users)])
        self.comment()
        written = self.runner.calls("gh")[-1]
        self.assertEqual(written[1:5], ["--silent", "--method", "PATCH", "repos/ann/shop/issues/comments/32"])

    def test_a_token_that_may_not_comment_is_warned_of(self):
        self.runner.behave(refuses=True)
        self.assertIn("::warning::", self.comment())


class Namespaces(ScriptCase):
    """What a hosted runner has to allow before the tests."""

    def allow(self, status=0):
        self.run_script("allow-namespaces", status=status, SYSCTL_ROOT=self.folder)

    def setUp(self):
        super().setUp()
        self.runner.add("sudo", "record()")
        self.runner.add("unshare", "record()\nsys.exit(behaviour('status', 0))")

    def test_where_apparmor_forbids_them_they_are_allowed(self):
        (self.folder / "kernel").mkdir()
        (self.folder / "kernel/apparmor_restrict_unprivileged_userns").touch()
        self.allow()
        [call] = self.runner.calls("sudo")
        self.assertEqual(call, ["-n", "sysctl", "--quiet", "--write", "kernel.apparmor_restrict_unprivileged_userns=0"])

    def test_elsewhere_nothing_is_changed_and_one_is_tried(self):
        self.allow()
        self.assertEqual(self.runner.calls(), [["--user", "--map-root-user", "true"]])
        self.runner.behave(status=1)
        self.allow(status=1)


class Releasing(ScriptCase):
    def setUp(self):
        super().setUp()
        cargo = shutil.which("cargo")
        self.runner.add("cargo", f"""
            record(build=os.environ.get("METRICD_BUILD"))
            if arguments[0] != "build":
                os.execv({cargo!r}, [{cargo!r}, *arguments, "--offline"])
            import shutil
            made = Path(os.environ["CARGO_TARGET_DIR"]) / "release"
            made.mkdir(parents=True, exist_ok=True)
            shutil.copy("/bin/true", made / "metricd")
        """)
        self.version = next(
            line.split('"')[1] for line in (ROOT / "Cargo.toml").read_text().splitlines() if line.startswith("version"))

    def package(self, variant, folder, status=0, tag=None):
        self.run_script("package-release", variant, tag or f"v{self.version}", self.folder / folder, status=status,
                        CARGO_TARGET_DIR=self.folder / "target")
        return sorted((self.folder / folder).iterdir()) if status == 0 else None

    def test_an_archive_is_the_same_each_time_and_has_its_bill_of_materials(self):
        archive, bill = self.package("metricd", "one")[::-1]
        self.assertRegex(archive.name, rf"^metricd-{self.version}-.*-linux-gnu\.tar\.gz$")
        again = self.package("metricd", "two")[-1]
        self.assertEqual(hashlib.sha256(archive.read_bytes()).digest(), hashlib.sha256(again.read_bytes()).digest())
        with tarfile.open(archive) as packed:
            names = {name.split("/", 1)[-1] for name in packed.getnames()}
        self.assertLessEqual({"metricd", "README.md", "LICENSE-MIT", "LICENSE-APACHE", "examples/metrics.json"}, names)
        build = next(record for record in self.runner.records("cargo") if record["arguments"][0] == "build")
        self.assertIn("--locked", build["arguments"])
        self.assertRegex(build["build"], r"^[0-9a-f]{40}$")

        bill = json.loads(bill.read_text())
        self.assertEqual(bill["bomFormat"], "CycloneDX")
        self.assertEqual(bill["metadata"]["component"]["name"], "metricd")
        parts = {part["name"]: part for part in bill["components"]}
        self.assertRegex(parts["axum"]["hashes"][0]["content"], r"^[0-9a-f]{64}$")
        self.assertIn("MIT", parts["axum"]["licenses"][0]["expression"])
        self.assertIn("pglite-oxide", parts)
        # What tests need is not in the binary.
        self.assertNotIn("cucumber", parts)
        references = {bill["metadata"]["component"]["bom-ref"], *(part["bom-ref"] for part in bill["components"])}
        self.assertEqual({edge["ref"] for edge in bill["dependencies"]}, references)
        self.assertLessEqual({to for edge in bill["dependencies"] for to in edge["dependsOn"]}, references)

    def test_the_slim_one_has_no_engine(self):
        archive, bill = self.package("metricd-slim", "slim")[::-1]
        self.assertTrue(archive.name.startswith(f"metricd-slim-{self.version}-"))
        build = next(call for call in self.runner.calls("cargo") if call[0] == "build")
        self.assertIn("--no-default-features", build)
        parts = {part["name"] for part in json.loads(bill.read_text())["components"]}
        self.assertNotIn("pglite-oxide", parts)
        self.assertIn("axum", parts)

    def test_a_tag_of_another_version_is_refused_before_the_build(self):
        self.package("metricd", "none", status=1, tag="v99.0.0")
        self.assertIn(f"the tag is v99.0.0, and the version in Cargo.toml {self.version}", self.err)
        self.assertNotIn("build", [call[0] for call in self.runner.calls("cargo")])

    def test_a_release_has_the_sums_of_its_files(self):
        folder = self.folder / "release"
        folder.mkdir()
        (folder / "metricd-1.2.0.tar.gz").write_text("one")
        (folder / "metricd-1.2.0.cdx.json").write_text("two")
        self.runner.add("gh", "record()")
        release = {"GITHUB_REPOSITORY": "ann/metricd"}
        self.run_script("publish-release", "v1.2.0", folder, **release)
        checked = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, capture_output=True, text=True)
        self.assertEqual(checked.returncode, 0, checked.stderr)
        [call] = self.runner.calls("gh")
        self.assertEqual(call[:3], ["release", "create", "v1.2.0"])
        self.assertIn("--verify-tag", call)
        self.assertNotIn("--prerelease", call)
        self.assertEqual(call[call.index("--") + 1:], ["SHA256SUMS", "metricd-1.2.0.cdx.json", "metricd-1.2.0.tar.gz"])
        self.run_script("publish-release", "v1.2.0-rc.1", folder, **release)
        self.assertIn("--prerelease", self.runner.calls("gh")[-1])


if __name__ == "__main__":
    unittest.main()
