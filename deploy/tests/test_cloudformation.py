"""The CloudFormation templates: what they promise, and that they can be created. Everything runs on this machine:
network and server on moto, in this process, the user pool on ministack, on loopback."""

import base64
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from unittest import mock

import boto3
from cfnlint.decode import cfn_yaml
from moto import mock_aws

import moto_models  # noqa: F401 - moto finds what it declares
from log_queries import filter_pattern
from metricd_binary import BINARY

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "cloudformation"
GUIDE = ROOT / "docs" / "guide" / "aws.md"
REGION = "eu-central-1"
FOR_PIPELINES = {
    "EC2PublicIP", "EC2InstanceID", "RDSEndpoint", "UserPoolId", "UserPoolClientId", "HostedUITokenURL",
}
# No request of these tests is signed by anyone.
AWS_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "MOTO_ALLOW_NONEXISTENT_REGION": "false",
}


# Programs that were installed with this Python.
TOOLS = Path(sys.executable).parent


def load(name):
    """A template, with its functions in their long form."""
    return cfn_yaml.load(str(FOLDER / name))


TEMPLATES = NETWORK, IDENTITY, PARENT, PIPELINES = (
    "network-and-server.yaml", "identity.yaml", "metricd.yaml", "pipelines.yaml",
)


def of_type(template, kind):
    return {name: it for name, it in template["Resources"].items() if it["Type"] == kind}


def values(node):
    """All values within a template's part."""
    yield node
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from values(inner)


def as_list(value):
    return value if isinstance(value, list) else [value]


class Promises(unittest.TestCase):
    """What the templates say, read as a reviewer would."""

    @classmethod
    def setUpClass(cls):
        cls.network, cls.identity, cls.parent = load(NETWORK), load(IDENTITY), load(PARENT)

    def test_cfn_lint_has_no_finding(self):
        command = [str(TOOLS / "cfn-lint"), "--regions", REGION, "us-east-1", "--"]
        ran = subprocess.run(command + [str(FOLDER / name) for name in TEMPLATES], capture_output=True, text=True)
        self.assertEqual((ran.returncode, ran.stdout), (0, ""), ran.stdout + ran.stderr)

    def test_the_database_is_private_encrypted_backed_up_and_protected(self):
        (database,) = of_type(self.network, "AWS::RDS::DBInstance").values()
        is_set = database["Properties"]
        self.assertIs(is_set["PubliclyAccessible"], False)
        self.assertIs(is_set["StorageEncrypted"], True)
        self.assertIs(is_set["DeletionProtection"], True)
        self.assertEqual((database["DeletionPolicy"], database["UpdateReplacePolicy"]), ("Snapshot", "Snapshot"))
        self.assertGreaterEqual(self.network["Parameters"]["DBBackupRetention"]["MinValue"], 1)
        subnets = self.network["Resources"]["DatabaseSubnets"]["Properties"]["SubnetIds"]
        self.assertEqual(subnets, [{"Ref": "PrivateSubnetA"}, {"Ref": "PrivateSubnetB"}])
        for name in ("PrivateSubnetA", "PrivateSubnetB"):
            self.assertNotIn("MapPublicIpOnLaunch", self.network["Resources"][name]["Properties"])
        routes = of_type(self.network, "AWS::EC2::Route").values()
        self.assertEqual([route["Properties"]["RouteTableId"] for route in routes], [{"Ref": "PublicRoutes"}])
        (rule,) = self.network["Resources"]["DatabaseSecurityGroup"]["Properties"]["SecurityGroupIngress"]
        self.assertEqual(rule["SourceSecurityGroupId"], {"Fn::GetAtt": ["ServerSecurityGroup", "GroupId"]})
        self.assertNotIn("CidrIp", rule)
        # From 15 on RDS refuses connections without TLS, unless a parameter group says otherwise.
        self.assertGreaterEqual(min(map(int, self.network["Parameters"]["DBEngineVersion"]["AllowedValues"])), 15)
        self.assertNotIn("DBParameterGroupName", is_set)

    def test_the_password_is_in_the_secret_and_nowhere_else(self):
        self.assertIs(self.network["Parameters"]["DBPassword"]["NoEcho"], True)
        self.assertIs(self.parent["Parameters"]["DBPassword"]["NoEcho"], True)
        users = [
            name for name, it in self.network["Resources"].items() if "DBPassword" in json.dumps(it)
        ]
        self.assertEqual(sorted(users), ["Database", "DatabaseSecret"])
        for template in (self.network, self.parent):
            self.assertNotIn("DBPassword", json.dumps(template["Outputs"]))

    def test_the_metadata_service_wants_a_session_and_answers_over_one_hop(self):
        (template,) = of_type(self.network, "AWS::EC2::LaunchTemplate").values()
        options = template["Properties"]["LaunchTemplateData"]["MetadataOptions"]
        self.assertEqual((options["HttpTokens"], options["HttpPutResponseHopLimit"]), ("required", 1))
        for server in of_type(self.network, "AWS::EC2::Instance").values():
            self.assertEqual(server["Properties"]["LaunchTemplate"]["LaunchTemplateId"], {"Ref": "ServerTemplate"})

    def test_ssh_is_never_open_to_all(self):
        open_ports = set()
        for group in of_type(self.network, "AWS::EC2::SecurityGroup").values():
            for rule in values(group["Properties"]["SecurityGroupIngress"]):
                if isinstance(rule, dict) and rule.get("CidrIp") == "0.0.0.0/0":
                    self.assertEqual(rule["FromPort"], rule["ToPort"])
                    open_ports.add(rule["FromPort"])
        self.assertEqual(open_ports, {80, 443})
        (ssh,) = of_type(self.network, "AWS::EC2::SecurityGroupIngress").values()
        self.assertEqual((ssh["Properties"]["CidrIp"], ssh["Condition"]), ({"Ref": "SSHLocation"}, "AllowsSSH"))
        allowed = re.compile(self.network["Parameters"]["SSHLocation"]["AllowedPattern"])
        for network in ("", "203.0.113.7/32", "10.0.0.0/16"):
            self.assertRegex(network, allowed)
        for network in ("0.0.0.0/0", "0.0.0.0/1", "203.0.113.7", "203.0.113.7/8", "::/0"):
            self.assertNotRegex(network, allowed)

    def test_roles_name_their_actions_and_what_they_act_on(self):
        unnamed = set()
        for name, it in self.network["Resources"].items():
            for statement in values(it):
                if not isinstance(statement, dict) or "Effect" not in statement:
                    continue
                self.assertEqual(statement["Effect"], "Allow")
                actions = as_list(statement["Action"])
                self.assertFalse([action for action in actions if "*" in action], name)
                if actions == ["cloudwatch:PutMetricData"]:
                    # A namespace limits it in the place of a resource.
                    own = {"cloudwatch:namespace": {"Fn::Sub": "metricd/${AWS::StackName}"}}
                    self.assertEqual(statement["Condition"], {"StringEquals": own})
                elif statement.get("Resource") == "*":
                    unnamed.update(actions)
        # These have no resource that could be named.
        agent = {"CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel"}
        expected = {"ssm:UpdateInstanceInformation", "ecr:GetAuthorizationToken"} | {f"ssmmessages:{it}" for it in agent}
        self.assertEqual(unnamed, expected)

    def test_the_instance_comes_after_what_its_first_start_needs(self):
        server = self.network["Resources"]["Server"]
        self.assertEqual(server["DependsOn"], ["PublicRoute", "PublicRoutesA"])
        self.assertEqual(server["Metadata"]["MayPull"], {"Fn::If": ["HasRepository", {"Ref": "PullPolicy"}, ""]})
        self.assertEqual(self.network["Resources"]["PullPolicy"]["Condition"], "HasRepository")

    def test_logs_are_kept_for_a_time_and_counted_and_alarms_tell(self):
        (group,) = of_type(self.network, "AWS::Logs::LogGroup").values()
        self.assertEqual(group["Properties"]["RetentionInDays"], {"Ref": "LogRetention"})
        counted = set()
        for rule in of_type(self.network, "AWS::Logs::MetricFilter").values():
            self.assertEqual(rule["Properties"]["LogGroupName"], {"Ref": "LogGroup"})
            counted |= {it["MetricName"] for it in rule["Properties"]["MetricTransformations"]}
        alarms = of_type(self.network, "AWS::CloudWatch::Alarm")
        for name, alarm in alarms.items():
            self.assertIn({"Ref": "AlarmTopic"}, alarm["Properties"]["AlarmActions"], name)
        own = {it["Properties"]["MetricName"] for it in alarms.values() if "Dimensions" not in it["Properties"]}
        told = set(re.findall(r"--metric-name (\w+)", scripts()["metricd-watch"]))
        self.assertEqual(own, counted | told)
        # What says nothing is down.
        silent = {name for name, it in alarms.items() if it["Properties"].get("TreatMissingData") == "breaching"}
        self.assertEqual(silent, {"ServiceDownAlarm"})
        self.assertEqual(told, {alarms["ServiceDownAlarm"]["Properties"]["MetricName"]})

    def test_app_clients_are_made_after_the_scope_that_they_name(self):
        clients = of_type(self.identity, "AWS::Cognito::UserPoolClient")
        for name, client in clients.items():
            self.assertIn("api/backend_access", client["Properties"]["AllowedOAuthScopes"])
            self.assertEqual(as_list(client["DependsOn"]), ["ResourceServer"], name)
        program, dashboard = clients["UserPoolClient"]["Properties"], clients["DashboardClient"]["Properties"]
        self.assertEqual((program["AllowedOAuthFlows"], program["GenerateSecret"]), (["client_credentials"], True))
        self.assertEqual((dashboard["AllowedOAuthFlows"], dashboard["GenerateSecret"]), (["code"], False))

    def test_the_parent_hands_every_parameter_on_as_it_is_declared(self):
        parts = {"Identity": (IDENTITY, self.identity), "Server": (NETWORK, self.network)}
        from_parts = set()
        for name, (file, part) in parts.items():
            nested = self.parent["Resources"][name]["Properties"]
            self.assertEqual(nested["TemplateURL"], file)
            self.assertEqual(set(nested["Parameters"]), set(part["Parameters"]))
            for parameter, value in nested["Parameters"].items():
                if value == {"Ref": parameter}:
                    declared = {**part["Parameters"][parameter]}
                    # In the parent such a type would stand for what the parameter of SSM holds, and not for its name.
                    if declared["Type"].startswith("AWS::SSM::Parameter::Value<"):
                        declared["Type"] = "String"
                    self.assertEqual(self.parent["Parameters"][parameter], declared)
                else:
                    self.assertEqual(value, {"Fn::GetAtt": ["Identity", f"Outputs.{parameter}"]})
                    self.assertIn(parameter, self.identity["Outputs"])
                    from_parts.add(parameter)
        declared = set(self.network["Parameters"]) | set(self.identity["Parameters"])
        self.assertEqual(set(self.parent["Parameters"]), declared - from_parts)

    def test_jobs_take_roles_by_the_environments_of_one_repository(self):
        template = load(PIPELINES)
        trusted = {}
        for name, role in of_type(template, "AWS::IAM::Role").items():
            (statement,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
            told = {key.split(":")[1]: value for key, value in statement["Condition"]["StringEquals"].items()}
            self.assertEqual(told["aud"], "sts.amazonaws.com")
            trusted[name] = [it["Fn::Sub"].rpartition(":")[2] for it in as_list(told["sub"])]
        self.assertEqual(trusted, {"RegistryRole": ["production", "release"], "DeployRole": ["production"]})

    def test_what_the_templates_make_is_made_by_way_of_cloudformation_alone(self):
        policies = load(PIPELINES)["Resources"]["DeployRole"]["Properties"]["Policies"]
        own = {
            "cloudformation", "s3:ListBucket", "s3:GetObject", "s3:PutObject", "ec2:DescribeInstances",
            "ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer",
            "ec2-instance-connect:SendSSHPublicKey", "ssm:StartSession", "secretsmanager:GetSecretValue",
        }
        by_way_of = {"ForAnyValue:StringEquals": {"aws:CalledVia": "cloudformation.amazonaws.com"}}
        services = set()
        for statement in (it for policy in policies for it in policy["PolicyDocument"]["Statement"]):
            if statement.get("Condition") == by_way_of:
                services |= {action.split(":")[0] for action in statement["Action"]}
                continue
            for action in as_list(statement["Action"]):
                self.assertTrue(action in own or action.split(":")[0] in own, action)
        # Those of the templates' resources.
        made = {it["Type"].split("::")[1] for name in (NETWORK, IDENTITY) for it in load(name)["Resources"].values()}
        named = {it.lower() for it in made}
        self.assertEqual(services, named - {"cognito"} | {"cognito-idp"})

    def test_the_parent_has_the_outputs_that_pipelines_read(self):
        self.assertLessEqual(FOR_PIPELINES, set(self.parent["Outputs"]))
        parts = {"Identity": self.identity, "Server": self.network}
        for name, output in self.parent["Outputs"].items():
            part, attribute = output["Value"]["Fn::GetAtt"]
            self.assertEqual(attribute, f"Outputs.{name}")
            self.assertIn(name, parts[part]["Outputs"])

    def test_the_guide_lists_every_parameter_and_output(self):
        guide = GUIDE.read_text()
        for name, parameter in self.parent["Parameters"].items():
            default = parameter.get("Default")
            shown = "" if default is None else "empty" if default == "" else f"`{default}`"
            self.assertIn(f"| `{name}` | {shown} | ", guide)
        listed = re.search(r"### Outputs\n(.*?)\n\n`", guide, re.S).group(1)
        self.assertEqual(set(re.findall(r"^\| `(\w+)` \|", listed, re.M)), set(self.parent["Outputs"]))
        listed = re.search(r"### Parameters\n(.*?)\n### ", guide, re.S).group(1)
        self.assertEqual(set(re.findall(r"^\| `(\w+)` \|", listed, re.M)), set(self.parent["Parameters"]))
        alarms = of_type(self.network, "AWS::CloudWatch::Alarm")
        self.assertEqual(set(re.findall(r"`(\w+Alarm)`", guide)), set(alarms))


def user_data():
    """What the instance runs first, without what the stack fills in: `${DomainName}` is a variable of the shell then."""
    data = load(NETWORK)["Resources"]["ServerTemplate"]["Properties"]["LaunchTemplateData"]["UserData"]
    values_of_stack, script = data["Fn::Base64"]["Fn::Join"][1]
    return values_of_stack["Fn::Sub"][0] + script


def files():
    """What cfn-init writes before that, by path."""
    written = load(NETWORK)["Resources"]["Server"]["Metadata"]["AWS::CloudFormation::Init"]["config"]["files"]
    return {path: file["content"] for path, file in written.items()}


def scripts():
    """The commands among it, by name."""
    return {Path(path).name: text for path, text in files().items() if "/sbin/" in path}


STACK = {
    "STACK_REGION": REGION, "DATABASE_SECRET": "arn:secret", "DATABASE_HOST": "db.internal", "DATABASE_PORT": "5432",
    "DATABASE_NAME": "metricd", "DATABASE_USER": "metricd", "USER_POOL_ID": f"{REGION}_POOL",
    "USER_POOL_CLIENT_ID": "programs1", "DASHBOARD_CLIENT_ID": "browsers1", "ECR_REPOSITORY": "",
    "IMAGE_PARAMETER": "last-image", "LOG_GROUP": "/metricd/test", "METRIC_NAMESPACE": "metricd/test",
}


class Instance(unittest.TestCase):
    """The scripts of the instance, with stand-ins for what they call."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.etc, self.bin = self.folder / "etc", self.folder / "bin"
        self.etc.mkdir()
        self.bin.mkdir()
        self.write_stack({})
        self.calls = self.folder / "calls"
        self.stand_in("docker", '''
            case "$*" in
            "image inspect"*) exit 1 ;;
            # Such as there are before the start, and after the rename.
            "container inspect"*) cat "$CONTAINERS/${@: -1}" ;;
            rename*) mv "$CONTAINERS/$2" "$CONTAINERS/$3" ;;
            "rm --force --volumes "*) rm "$CONTAINERS/${@: -1}" ;;
            *" migrate") exit "${MIGRATION:-0}" ;;
            run*) echo "${@: -1}" >"$CONTAINERS/metricd" ;;
            login*) cat >/dev/null ;;
            esac
        ''')
        self.stand_in("aws", '''
            case "$*" in
            secretsmanager*) printf '{"username": "metricd", "password": "%s"}\n' "${PASSWORD:-pass-word_1}" ;;
            "ecr get-login-password") echo a-login ;;
            "ssm get-parameter --name last-image "*) cat "$LAST_IMAGE" ;;
            "ssm put-parameter "*) echo "${@: -1}" >"$LAST_IMAGE" ;;
            esac
        ''')
        # They take the time that they may, by a clock of their own.
        self.stand_in("curl", '[ "${READY:-0}" = 0 ] || { echo x >>"$CALLS.tries"; tick 5; exit "$READY"; }')
        self.stand_in("sleep", 'tick "$1"')
        self.stand_in("tick", 'echo $(($(cat "$CALLS.clock") + $1)) >"$CALLS.clock"')
        self.stand_in("date", '[ "$1" = +%s ] && cat "$CALLS.clock" || echo a-day')
        self.last_image = self.folder / "last-image"
        self.last_image.write_text("registry.example/metricd:1\n")
        for name, script in scripts().items():
            (self.folder / name).write_text(script)

    def write_stack(self, more):
        lines = (f"{name}={value}\n" for name, value in {**STACK, **more}.items())
        (self.etc / "stack.env").write_text("".join(lines))

    def stand_in(self, name, does):
        path = self.bin / name
        told = f'echo "{name} $*" >>"$CALLS"\n' if name in ("docker", "aws") else ""
        path.write_text("#!/bin/bash\n" + told + textwrap.dedent(does))
        path.chmod(0o755)

    def start(self, *arguments, runs=True, **told):
        self.calls.write_text("")
        Path(f"{self.calls}.clock").write_text("1000\n")
        Path(f"{self.calls}.tries").write_text("")
        containers = self.folder / "containers"
        shutil.rmtree(containers, ignore_errors=True)
        containers.mkdir()
        if runs:
            (containers / "metricd").write_text("registry.example/metricd:0\n")
        environment = {
            "PATH": f"{self.bin}:/usr/bin:/bin", "METRICD_ETC": str(self.etc), "CALLS": str(self.calls),
            "METRICD_STATE": str(self.folder / "state"), "CONTAINERS": str(containers),
            "LAST_IMAGE": str(self.last_image), **told,
        }
        command = ["bash", str(self.folder / "metricd-start"), *arguments]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True)
        did = [line.split() for line in self.calls.read_text().splitlines()]
        told = [line for line in did if line[0] == "docker" and line[1] not in ("image", "container")]
        return ran, [" ".join([*line[:2], line[-1]]) for line in told]

    def test_everything_fits_and_is_a_script(self):
        self.assertLess(len(user_data().encode()), 15_000, "EC2 takes 16 KiB, and the stack fills some in")
        commands = {"setup", "certificate", "watch", "start", "container"}
        self.assertEqual(set(scripts()), {f"metricd-{name}" for name in commands})
        written = load(NETWORK)["Resources"]["Server"]["Metadata"]["AWS::CloudFormation::Init"]["config"]["files"]
        for path, file in written.items():
            self.assertEqual(file["mode"], "000755" if "/sbin/" in path else "000644", path)
        whole = self.folder / "user-data"
        # What the stack fills in looks like variables that are never set.
        whole.write_text(re.sub(r"\$\{[A-Z]\w*(::\w+|\.\w+)*\}", "filled-in", user_data()))
        all_of_them = [whole, *(self.folder / name for name in scripts())]
        for file in all_of_them:
            checked = subprocess.run(["bash", "-n", str(file)], capture_output=True, text=True)
            self.assertEqual((checked.returncode, checked.stderr), (0, ""))
        command = [str(TOOLS / "shellcheck"), "--exclude=SC1091", *map(str, all_of_them)]
        checked = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual((checked.returncode, checked.stdout), (0, ""))

    def test_it_migrates_then_puts_the_new_container_in_the_place_of_the_old_one(self):
        ran, did = self.start("registry.example/metricd:2")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertEqual(did, [
            "docker pull registry.example/metricd:2",
            "docker run migrate",
            "docker stop metricd",
            "docker rename metricd-previous",
            "docker run registry.example/metricd:2",
            "docker logout registry.example",
        ])
        (serve,) = [line for line in self.calls.read_text().splitlines() if " --detach " in line]
        for option in ("--restart unless-stopped", "--read-only", "--publish 127.0.0.1:8000:8000", "--stop-timeout 45",
                       "--log-driver awslogs", "mode=non-blocking", "awslogs-group=/metricd/test", f"awslogs-region={REGION}"):
            self.assertIn(option, serve)
        self.assertNotIn("pass-word_1", self.calls.read_text())

    def test_without_an_image_it_stays_with_the_one_that_is_there(self):
        _, did = self.start()
        self.assertIn("docker pull registry.example/metricd:0", did)

    def test_a_new_machine_starts_the_last_image_of_the_stack(self):
        self.start("registry.example/metricd:2")
        self.assertEqual(self.last_image.read_text(), "registry.example/metricd:2\n")
        ran, did = self.start("--if-known", runs=False)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertIn("docker run registry.example/metricd:2", did)

    def test_a_new_machine_of_a_new_stack_waits_for_an_image(self):
        self.last_image.write_text("none\n")
        ran, did = self.start("--if-known", runs=False)
        self.assertEqual((ran.returncode, did), (0, []), ran.stderr)
        ran, did = self.start(runs=False)
        self.assertEqual((ran.returncode, did), (64, []))
        self.assertIn("name an image", ran.stderr)

    def test_the_container_is_told_of_the_database_and_the_user_pool(self):
        self.assertEqual(self.start(runs=False)[0].returncode, 0)
        told = dict(line.split("=", 1) for line in (self.etc / "metricd.env").read_text().splitlines())
        self.assertEqual(told["DATABASE_URL"], "postgres://metricd:pass-word_1@db.internal:5432/metricd"
                         "?sslmode=verify-full&sslrootcert=/etc/metricd/rds-ca.pem")
        self.assertEqual(told["USER_POOL_CLIENT_ID"], "browsers1,programs1")
        self.assertEqual(told["METRICD_ROLES__EDITOR"], "client_id=programs1,cognito:groups=editors")
        self.assertEqual((self.etc / "metricd.env").stat().st_mode & 0o777, 0o600)

    def test_a_password_may_hold_any_character(self):
        self.assertEqual(self.start(PASSWORD="a/b:c@d?e#f g%")[0].returncode, 0)
        self.assertIn("//metricd:a%2Fb%3Ac%40d%3Fe%23f%20g%25@db", (self.etc / "metricd.env").read_text())

    def test_the_container_is_put_in_its_place_by_the_pipelines_own_script(self):
        self.assertEqual(scripts()["metricd-container"], (ROOT / "deploy/scripts/on-instance").read_text())

    def test_nginx_has_the_configuration_that_is_tried(self):
        for name in ("nginx.conf", "proxy.conf", "metricd/upstream.conf"):
            written = files()[f"/usr/local/share/metricd/{Path(name).name}"]
            self.assertEqual(written, (ROOT / "deploy/nginx" / name).read_text())

    def test_it_is_told_what_the_pipeline_tells_it(self):
        self.assertEqual(self.start()[0].returncode, 0)
        written = self.folder / "environment"
        pipeline = {
            "PATH": os.environ["PATH"], "RDS_ENDPOINT": "db.internal", "DB_USERNAME": "metricd", "DB_NAME": "metricd",
            "DB_PASSWORD": "pass-word_1", "AWS_REGION": REGION, "USER_POOL_ID": STACK["USER_POOL_ID"],
            "USER_POOL_CLIENT_ID": STACK["USER_POOL_CLIENT_ID"], "DASHBOARD_CLIENT_ID": STACK["DASHBOARD_CLIENT_ID"],
        }
        subprocess.run([ROOT / "deploy/scripts/write-environment", written], env=pipeline, check=True)
        stack = sorted((self.etc / "metricd.env").read_text().splitlines())
        self.assertEqual(sorted(written.read_text().splitlines()), stack)

    def test_without_a_user_pool_none_is_told(self):
        self.write_stack({"USER_POOL_ID": "", "USER_POOL_CLIENT_ID": "", "DASHBOARD_CLIENT_ID": ""})
        self.assertEqual(self.start()[0].returncode, 0)
        self.assertNotIn("POOL", (self.etc / "metricd.env").read_text())

    def test_a_container_that_does_not_get_ready_is_taken_back(self):
        ran, did = self.start("registry.example/metricd:2", READY="22")
        self.assertEqual(ran.returncode, 1)
        self.assertEqual(did[-5:], [
            "docker stop metricd", "docker rename metricd-replaced", "docker rename metricd", "docker start metricd",
            "docker rm metricd-replaced",
        ])
        self.assertEqual(self.last_image.read_text(), "registry.example/metricd:1\n")

    def test_one_that_hangs_is_waited_for_by_the_clock(self):
        self.start(READY="28", runs=False)
        # Five seconds for each try and one before the next, for a minute and a half.
        self.assertEqual(len(Path(f"{self.calls}.tries").read_text().splitlines()), 90 // 6 + 1)

    def test_a_migration_that_fails_leaves_the_running_container_alone(self):
        ran, did = self.start(MIGRATION="70")
        self.assertEqual(ran.returncode, 1)
        self.assertEqual(did, [
            "docker pull registry.example/metricd:0", "docker run migrate", "docker logout registry.example",
        ])

    def test_an_image_of_ecr_is_pulled_by_the_role_of_the_instance(self):
        self.write_stack({"ECR_REPOSITORY": "metricd"})
        self.assertEqual(self.start()[0].returncode, 0)
        self.assertIn("docker login --username AWS --password-stdin registry.example", self.calls.read_text())


class SetUp(unittest.TestCase):
    """The set-up of the instance and its certificate, in a folder that stands for the machine's."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        for name in ("bin", "etc/metricd", "etc/systemd/system", "var/lib", "opt/certbot/bin", "usr/local/share/metricd"):
            (self.folder / name).mkdir(parents=True)
        for path, text in files().items():
            if "/share/" in path:
                (self.folder / path.removeprefix("/")).write_text(text)
        told = {**STACK, "DOMAIN_NAME": "metrics.example.com", "REGISTRAR_EMAIL": "ops@example.com"}
        text = "".join(f"{name}={value}\n" for name, value in told.items())
        (self.folder / "etc/metricd/stack.env").write_text(text)
        for name in ("dnf", "pip"):
            self.stand_in(name)
        self.stand_in("systemctl", f'echo "$*" >>{self.folder}/systemctl')
        # What differs on this machine is its user, and where it may write.
        self.stand_in("nginx", f"""
            sed -e 's/^user nginx;/user root;/' -e 's/^pid .*//' -e 's|/var/log/nginx/|{self.folder}/|' \\
                -e 's/listen 80;/listen 127.0.0.1:{free_port()};/' -e '/listen \\[::\\]:80;/d' \\
                -e 's/listen 443 /listen 127.0.0.1:{free_port()} /' -e '/listen \\[::\\]:443 /d' \\
                {self.folder}/etc/nginx/nginx.conf >{self.folder}/etc/nginx/tried.conf
            /usr/sbin/nginx "$@" -q -p {self.folder} -e stderr -g 'pid {self.folder}/nginx.pid;' \\
                -c {self.folder}/etc/nginx/tried.conf
        """)
        self.stand_in("curl", """
            case "$*" in
            *--output*) echo authorities >"$5" ;;
            *api/token*) echo key ;;
            *"token: key"*public-ipv4) echo 203.0.113.9 ;;
            esac
        """)
        self.stand_in("../opt/certbot/bin/pip")
        self.stand_in("../opt/certbot/bin/certbot", f"""
            echo "$*" >>{self.folder}/certbot
            [ ! -e {self.folder}/refuses ] || exit 1
            mkdir -p {self.folder}/etc/letsencrypt/live/metricd
            cp {self.folder}/new.pem {self.folder}/etc/letsencrypt/live/metricd/fullchain.pem
            cp {self.folder}/new.key {self.folder}/etc/letsencrypt/live/metricd/privkey.pem
        """)

    def stand_in(self, name, does=""):
        path = self.folder / "bin" / name
        path.write_text("#!/bin/bash\n" + textwrap.dedent(does) + "\n")
        path.chmod(0o755)

    def run_script(self, name, *arguments, status=0):
        here = re.sub(r"(?<![\w.])/(?=(etc|opt|var|usr/local/share)/)", f"{self.folder}/", scripts()[name])
        environment = {"PATH": f"{self.folder}/bin:/usr/bin:/bin"}
        command = ["bash", "-c", here, name, *arguments]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True)
        self.assertEqual(ran.returncode, status, ran.stdout + ran.stderr)
        return ran.stdout

    def reloads(self):
        return (self.folder / "systemctl").read_text().splitlines().count("reload nginx")

    def test_it_may_be_run_again_and_keeps_the_certificate(self):
        self.run_script("metricd-setup")
        certificate = self.folder / "etc/nginx/metricd/fullchain.pem"
        first = certificate.read_bytes()
        self.assertEqual((self.folder / "etc/metricd/rds-ca.pem").read_text(), "authorities\n")
        nginx = self.folder / "etc/nginx"
        self.assertIn("server_name metrics.example.com;", (nginx / "metricd/tls.conf").read_text())
        tried = (ROOT / "deploy/nginx/nginx.conf").read_text()
        self.assertEqual((nginx / "nginx.conf").read_text(), tried.replace("\nuser www-data;\n", "\nuser nginx;\n"))
        self.assertIn("\nuser nginx;\n", (nginx / "nginx.conf").read_text())
        self.assertEqual((self.folder / "etc/nginx/metricd/privkey.pem").stat().st_mode & 0o777, 0o600)
        self.run_script("metricd-setup")
        self.assertEqual(certificate.read_bytes(), first)

    def test_a_certificate_is_got_once_the_name_leads_here_and_given_to_nginx_once(self):
        self.run_script("metricd-setup")
        before = self.reloads()
        self.stand_in("getent", "echo 198.51.100.1 STREAM metrics.example.com")
        self.assertIn("waiting", self.run_script("metricd-certificate"))
        self.assertEqual(self.asked(), 0)
        self.lead_here()
        for _ in range(2):
            self.run_script("metricd-certificate")
        used = self.folder / "etc/nginx/metricd/fullchain.pem"
        self.assertEqual(used.read_bytes(), (self.folder / "new.pem").read_bytes())
        self.assertEqual(self.reloads(), before + 1)
        told = (self.folder / "certbot").read_text()
        for option in ("--domain metrics.example.com", "--email ops@example.com", "--keep-until-expiring"):
            self.assertIn(option, told)

    def asked(self):
        """How often the certificate authority was."""
        file = self.folder / "certbot"
        return len(file.read_text().splitlines()) if file.exists() else 0

    def lead_here(self):
        command = [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=metrics.example.com",
            "-keyout", str(self.folder / "new.key"), "-out", str(self.folder / "new.pem"),
        ]
        subprocess.run(command, check=True, capture_output=True)
        self.stand_in("getent", "echo 203.0.113.9 STREAM metrics.example.com")

    def hours_pass(self, hours):
        due = self.folder / "var/lib/metricd-certificate-due"
        then = due.stat().st_mtime - hours * 3600
        os.utime(due, (then, then))

    def test_the_authority_is_asked_again_an_hour_after_a_failure_and_twice_a_day_after_a_success(self):
        self.run_script("metricd-setup")
        self.lead_here()
        (self.folder / "refuses").touch()
        self.run_script("metricd-certificate", "when-due", status=1)
        self.run_script("metricd-certificate", "when-due")
        self.assertEqual(self.asked(), 1)
        (self.folder / "refuses").unlink()
        self.hours_pass(1)
        self.run_script("metricd-certificate", "when-due")
        self.assertEqual(self.asked(), 2)
        self.hours_pass(1)
        self.run_script("metricd-certificate", "when-due")
        self.assertEqual(self.asked(), 2)
        # By hand it is asked all the same.
        self.run_script("metricd-certificate")
        self.assertEqual(self.asked(), 3)
        self.hours_pass(12)
        self.run_script("metricd-certificate", "when-due")
        self.assertEqual(self.asked(), 4)

    def test_cloudwatch_is_told_whether_callers_reach_it(self):
        self.stand_in("aws", f'echo "$*" >>{self.folder}/told')
        for status, value in ((0, 1), (22, 0)):
            self.stand_in("curl", f'echo "$*" >{self.folder}/asked\nexit {status}')
            self.run_script("metricd-watch")
            expected = f"cloudwatch put-metric-data --region {REGION} --namespace metricd/test --metric-name Ready --value {value}"
            self.assertEqual((self.folder / "told").read_text().splitlines()[-1], expected)
            self.assertIn(" https://metrics.example.com/health/ready\n", (self.folder / "asked").read_text())


PLAIN = {"DomainName": "metrics.example.com", "RegistrarEmail": "ops@example.com"}
FULL = {
    **PLAIN, "DBPassword": "a-password-that-is-given", "KeyName": "ann", "SSHLocation": "203.0.113.7/32",
    "AlarmEmail": "ops@example.com", "DatabaseHost": "restored.example.com", "EcrRepository": "metricd", "ContainerImage": "registry.example/metricd:1",
    "UserPoolId": f"{REGION}_POOL", "UserPoolClientId": "programs1", "DashboardClientId": "browsers1", "DBPort": "6000",
}


def parameters(given):
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()]


def outputs_of(client, name):
    (stack,) = client.describe_stacks(StackName=name)["Stacks"]
    if stack["StackStatus"] != "CREATE_COMPLETE":
        events = client.describe_stack_events(StackName=name)["StackEvents"]
        raise AssertionError([it.get("ResourceStatusReason") for it in events if "FAILED" in it["ResourceStatus"]])
    return {it["OutputKey"]: it["OutputValue"] for it in stack["Outputs"]}


@mock.patch.dict(os.environ, AWS_ENVIRONMENT)
class NetworkAndServer(unittest.TestCase):
    """Network, server and database, on moto."""

    def create(self, given):
        cloudformation = boto3.client("cloudformation", region_name=REGION)
        body = (FOLDER / NETWORK).read_text()
        with self.assertNoLogs("moto", "WARNING"):
            cloudformation.create_stack(StackName="metricd", TemplateBody=body, Parameters=parameters(given))
        return outputs_of(cloudformation, "metricd")

    @mock_aws
    def test_the_least_that_must_be_given_is_enough(self):
        outputs = self.create(PLAIN)
        self.assertLessEqual({"EC2PublicIP", "EC2InstanceID", "RDSEndpoint"}, set(outputs))
        ec2 = boto3.client("ec2", region_name=REGION)
        (address,) = ec2.describe_addresses()["Addresses"]
        self.assertEqual(address["PublicIp"], outputs["EC2PublicIP"])
        self.assertEqual(address["InstanceId"], outputs["EC2InstanceID"])
        (database,) = boto3.client("rds", region_name=REGION).describe_db_instances()["DBInstances"]
        self.assertEqual(database["Endpoint"]["Address"], outputs["RDSEndpoint"])
        self.assertEqual((database["PubliclyAccessible"], database["StorageEncrypted"]), (False, True))
        secrets = boto3.client("secretsmanager", region_name=REGION)
        secret = json.loads(secrets.get_secret_value(SecretId=outputs["DatabaseSecretArn"])["SecretString"])
        self.assertEqual(secret["username"], "metricd")
        self.assertRegex(secret["password"], r"^[A-Za-z0-9]{40}$")
        groups = ec2.describe_security_groups()["SecurityGroups"]
        ports = {rule["FromPort"] for group in groups for rule in group["IpPermissions"] if "FromPort" in rule}
        self.assertEqual(ports, {80, 443, 5432})

    @mock_aws
    def test_everything_that_can_be_given_is_used(self):
        ec2 = boto3.client("ec2", region_name=REGION)
        ec2.create_key_pair(KeyName="ann")
        zone = boto3.client("route53").create_hosted_zone(Name="example.com", CallerReference="1")["HostedZone"]["Id"]
        zone = zone.removeprefix("/hostedzone/")
        outputs = self.create({**FULL, "HostedZoneId": zone})
        (ssh,) = [
            rule for group in ec2.describe_security_groups()["SecurityGroups"] for rule in group["IpPermissions"]
            if rule.get("FromPort") == 22
        ]
        self.assertEqual([it["CidrIp"] for it in ssh["IpRanges"]], ["203.0.113.7/32"])
        records = boto3.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
        (record,) = [it for it in records if it["Type"] == "A"]
        self.assertEqual(record["ResourceRecords"], [{"Value": outputs["EC2PublicIP"]}])
        secrets = boto3.client("secretsmanager", region_name=REGION)
        secret = json.loads(secrets.get_secret_value(SecretId=outputs["DatabaseSecretArn"])["SecretString"])
        self.assertEqual(secret, {"username": "metricd", "password": "a-password-that-is-given"})
        logs = boto3.client("logs", region_name=REGION)
        (group,) = logs.describe_log_groups()["logGroups"]
        self.assertEqual((group["logGroupName"], group["retentionInDays"]), (outputs["LogGroupName"], 30))
        (subscription,) = boto3.client("sns", region_name=REGION).list_subscriptions()["Subscriptions"]
        self.assertEqual(subscription["Endpoint"], "ops@example.com")
        launched = ec2.describe_launch_template_versions(Versions=["$Latest"])["LaunchTemplateVersions"][0]
        data = base64.b64decode(launched["LaunchTemplateData"]["UserData"]).decode()
        for line in ("DOMAIN_NAME=metrics.example.com", "DATABASE_PORT=6000", f"USER_POOL_ID={REGION}_POOL",
                     "DATABASE_HOST=restored.example.com"):
            self.assertIn(f"\n{line}\n", data)
        self.assertEqual(outputs["RDSEndpoint"], "restored.example.com")
        # Else CloudFormation would see no reason for another instance.
        self.assertIn("registry.example/metricd:1", data)
        (last,) = re.findall(r"^IMAGE_PARAMETER=(.*)", data, re.M)
        parameter = boto3.client("ssm", region_name=REGION).get_parameter(Name=last)["Parameter"]
        self.assertEqual(parameter["Value"], "registry.example/metricd:1")
        self.assertNotIn("a-password", data)


@mock.patch.dict(os.environ, AWS_ENVIRONMENT)
class Parent(unittest.TestCase):
    """All of it, on moto, with its parts out of a bucket as `aws cloudformation package` puts them there."""

    def packaged(self):
        s3 = boto3.client("s3", region_name=REGION)
        s3.create_bucket(Bucket="templates", CreateBucketConfiguration={"LocationConstraint": REGION})
        # moto takes the short form of `!GetAtt Part.Outputs.Name` for a name of three parts.
        template = load(PARENT)
        for part in of_type(template, "AWS::CloudFormation::Stack").values():
            name = part["Properties"]["TemplateURL"]
            s3.put_object(Bucket="templates", Key=name, Body=(FOLDER / name).read_bytes())
            part["Properties"]["TemplateURL"] = f"https://s3.{REGION}.amazonaws.com/templates/{name}"
        return json.dumps(template)

    @mock_aws
    def test_it_makes_its_parts_and_hands_their_outputs_on(self):
        cloudformation = boto3.client("cloudformation", region_name=REGION)
        body = self.packaged()
        with self.assertNoLogs("moto", "WARNING"):
            cloudformation.create_stack(StackName="metricd", TemplateBody=body, Parameters=parameters(PLAIN))
        outputs = outputs_of(cloudformation, "metricd")
        self.assertEqual(set(outputs), set(load(PARENT)["Outputs"]))
        ec2 = boto3.client("ec2", region_name=REGION)
        (reservation,) = ec2.describe_instances(InstanceIds=[outputs["EC2InstanceID"]])["Reservations"]
        ssm = boto3.client("ssm", region_name=REGION)
        newest = ssm.get_parameter(Name=load(PARENT)["Parameters"]["LatestImageId"]["Default"])["Parameter"]["Value"]
        self.assertEqual(reservation["Instances"][0]["ImageId"], newest)


@mock.patch.dict(os.environ, AWS_ENVIRONMENT)
class Pipelines(unittest.TestCase):
    @mock_aws
    def test_what_jobs_need_can_be_made(self):
        cloudformation = boto3.client("cloudformation", region_name=REGION)
        body = (FOLDER / PIPELINES).read_text()
        with self.assertNoLogs("moto", "WARNING"):
            cloudformation.create_stack(
                StackName="pipelines", TemplateBody=body, Parameters=parameters({"Repository": "ann/metricd"})
            )
        outputs = outputs_of(cloudformation, "pipelines")
        variables = {it["Description"].split()[-1] for it in load(PIPELINES)["Outputs"].values()}
        guide = GUIDE.with_name("pipelines.md").read_text()
        self.assertLessEqual(variables, set(re.findall(r"^\| `([A-Z_]+)` \|", guide, re.M)))
        self.assertTrue(outputs["ImageRepository"].endswith("/metricd"))
        (bucket,) = boto3.client("s3", region_name=REGION).list_buckets()["Buckets"]
        self.assertEqual(outputs["TemplateBucket"], bucket["Name"])


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def ask(url, headers=None, form=None, is_json=True, body=None):
    body = urllib.parse.urlencode(form).encode() if form else body
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers or {}), timeout=10) as response:
            text = response.read()
            return response.status, json.loads(text) if is_json else text
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read()


class Process:
    """A server that a test starts, and stops by its id."""

    def __init__(self, test, command, environment, folder, is_up):
        self.log = folder / f"{Path(command[0]).name}.out"
        with open(self.log, "wb") as log:
            self.child = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
        test.addCleanup(self.stop)
        for _ in range(600):
            if self.child.poll() is not None:
                break
            try:
                if ask(is_up, is_json=False)[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        test.fail(f"{command[0]} is not up: {self.log.read_text()[-3000:]}")

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(20)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def cognito_settings(outputs):
    """Those that `metricd-start` writes for a user pool."""
    written = re.search(r'^ *if \[ -n "\$USER_POOL_ID" \].*?^ *fi$', scripts()["metricd-start"], re.M | re.S).group()
    told = {
        "STACK_REGION": REGION, "USER_POOL_ID": outputs["UserPoolId"],
        "USER_POOL_CLIENT_ID": outputs["UserPoolClientId"], "DASHBOARD_CLIENT_ID": outputs["DashboardClientId"],
    }
    ran = subprocess.run(["bash", "-euc", written], env=told, capture_output=True, text=True, check=True)
    return dict(line.split("=", 1) for line in ran.stdout.splitlines())


class Identity(unittest.TestCase):
    """The user pool, on ministack: a token of its app client of programs opens the API."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def create(self):
        port = free_port()
        own = dict.fromkeys(["HOME", "TMPDIR", "STATE_DIR", "S3_DATA_DIR"], str(self.folder))
        environment = {
            "PATH": os.environ["PATH"], **own, **AWS_ENVIRONMENT, "GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1",
            # It would listen on all interfaces, and look for containers.
            "IOT_MTLS_ENABLED": "0", "DOCKER_HOST": f"unix://{self.folder}/none",
        }
        address = f"http://127.0.0.1:{port}"
        command = [str(Path(sys.executable).parent / "ministack")]
        Process(self, command, environment, self.folder, f"{address}/_ministack/health")
        cloudformation = boto3.client("cloudformation", endpoint_url=address)
        cloudformation.create_stack(
            StackName="identity", TemplateBody=(FOLDER / IDENTITY).read_text(),
            Parameters=parameters({"DomainName": "metrics.example.com", "UserPoolDomainPrefix": "metricd-test"}),
        )
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName="identity", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )
        return address, outputs_of(cloudformation, "identity")

    def serve(self, address, outputs):
        """metricd with the settings that the instance gives it, but for the database and where the keys are."""
        port = free_port()
        pool = outputs["UserPoolId"]
        environment = {
            "HOME": str(self.folder), "METRICD_DATA_DIR": str(self.folder / "data"),
            "METRICD_LISTEN": f"127.0.0.1:{port}",
            "METRICD_COGNITO__JWKS_URI": f"{address}/{pool}/.well-known/jwks.json",
            **cognito_settings(outputs),
        }
        process = Process(self, [BINARY, "serve"], environment, self.folder, f"http://127.0.0.1:{port}/health")
        return f"http://127.0.0.1:{port}", process.log

    def follow_guide(self, outputs, secret, metricd):
        """The guide's first call, with a stand-in for the AWS command line."""
        bin_folder = self.folder / "bin"
        bin_folder.mkdir()
        answers = {f"OutputKey=='{name}'": value for name, value in outputs.items()}
        answers["UserPoolClient.ClientSecret"] = secret
        lines = [f"*{shlex.quote(asked)}*) echo {shlex.quote(answer)} ;;" for asked, answer in answers.items()]
        aws = bin_folder / "aws"
        aws.write_text("\n".join(["#!/bin/bash", 'case "$*" in', *lines, "*) exit 64 ;;", "esac", ""]))
        aws.chmod(0o755)
        (script,) = [it for it in re.findall(r"^```\n(.*?)^```$", GUIDE.read_text(), re.M | re.S) if "TOKEN=" in it]
        script = script.replace("https://metrics.example.com", metricd)
        environment = {"PATH": f"{bin_folder}:/usr/bin:/bin", "HOME": str(self.folder)}
        ran = subprocess.run(["bash", "-euo", "pipefail", "-c", script], env=environment, capture_output=True, text=True)
        self.assertEqual((ran.returncode, json.loads(ran.stdout or "null")), (0, {"items": [], "next_cursor": None}), ran)

    def check_filters(self, log):
        """The patterns of the metric filters fit a line that metricd wrote, as far as they are about requests."""
        lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
        called = [line for line in lines if line["event"] == "Endpoint called"]
        self.assertIn(401, [line["status"] for line in called])
        patterns = [
            it["Properties"]["FilterPattern"] for it in of_type(load(NETWORK), "AWS::Logs::MetricFilter").values()
        ]
        counted = {pattern: sum(filter_pattern(pattern)(line) for line in lines) for pattern in patterns}
        of_requests = '{ $.event = "Endpoint called" && $.duration_ms >= 0 }'
        self.assertEqual(counted.pop(of_requests), len(called))
        # Nothing has failed, and a line that says so would be counted.
        self.assertEqual(set(counted.values()), {0}, counted)
        failed = {**called[0], "status": 500, "level": "ERROR"}
        self.assertTrue(all(filter_pattern(pattern)(failed) for pattern in counted))

    @mock.patch.dict(os.environ, AWS_ENVIRONMENT)
    def test_a_token_of_the_pool_opens_the_api(self):
        address, outputs = self.create()
        token_url = outputs["HostedUITokenURL"]
        self.assertEqual(token_url, f"https://metricd-test.auth.{REGION}.amazoncognito.com/oauth2/token")
        client = outputs["UserPoolClientId"]
        cognito = boto3.client("cognito-idp", endpoint_url=address)
        described = cognito.describe_user_pool_client(UserPoolId=outputs["UserPoolId"], ClientId=client)
        secret = described["UserPoolClient"]["ClientSecret"]
        basic = base64.b64encode(f"{client}:{secret}".encode()).decode()
        status, answer = ask(
            f"{address}/oauth2/token", {"Authorization": f"Basic {basic}"},
            {"grant_type": "client_credentials", "scope": "api/backend_access"},
        )
        self.assertEqual(status, 200, answer)
        token = answer["access_token"]
        metricd, log = self.serve(address, outputs)
        self.follow_guide({**outputs, "HostedUITokenURL": f"{address}/oauth2/token"}, secret, metricd)
        self.assertEqual(ask(f"{metricd}/metrics")[0], 401)
        status, answer = ask(f"{metricd}/metrics", {"Authorization": f"Bearer {token}"})
        self.assertEqual((status, answer), (200, {"items": [], "next_cursor": None}))
        # A program may change metrics: this is refused for what it says.
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self.assertEqual(ask(f"{metricd}/metrics", headers, body=b"{}")[0], 422)
        _, sign_in = ask(f"{metricd}/auth/config")
        self.assertIn(outputs["DashboardClientId"], json.dumps(sign_in))
        self.assertNotIn(client, json.dumps(sign_in))
        self.check_filters(log)


if __name__ == "__main__":
    unittest.main()
