"""The Helm chart and the manifests that it renders to: rendered with every value changed and every part on and off,
linted by Helm, and validated against the schemas of Kubernetes' API."""

import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import unittest
from pathlib import Path

import helm_python as helm
import kubernetes_validate
import yaml

from metricd_binary import BINARY

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy/helm/metricd"
MANIFESTS = ROOT / "deploy/kubernetes/metricd.yaml"
GUIDE = ROOT / "docs/guide/kubernetes.md"
SETTINGS = ROOT / "docs/guide/settings.md"

# The oldest version that the chart takes, and the newest one that there are schemas of.
OLDEST, NEWEST = "1.30", "1.37"

ISSUER = '[{issuer="https://login.example.com/realms/main", audience="https://metrics.example.com"}]'
PEERS = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}]
INGRESS = {"ingress": {"enabled": True, "host": "metrics.example.com"}}
POLICY = {"networkPolicy": {"enabled": True}}
METRICS = {"metrics": {"enabled": True}}
MONITOR = {"metrics": {"enabled": True, "foundBy": "podMonitor"}}
ALERTS = {"metrics": {"enabled": True, "alerts": {"enabled": True}}}
POLICY_FILES = {
    "extraVolumes": [{"name": "policy", "configMap": {"name": "metricd-policy"}}],
    "extraVolumeMounts": [{"name": "policy", "mountPath": "/etc/metricd", "readOnly": True}],
}

# Another value for each that there is, and what else it takes for the value to matter.
CHANGES = {
    "nameOverride": ("figures", {}),
    "fullnameOverride": ("figures", {}),
    "image.repository": ("registry.example.com/metricd", {}),
    "image.tag": ("1.2.3", {}),
    "image.digest": ("sha256:" + "0" * 64, {}),
    "image.pullPolicy": ("Always", {}),
    "imagePullSecrets": ([{"name": "registry"}], {}),
    "settings": ({"METRICD_AUTH__ISSUERS": ISSUER, "METRICD_LIMITS__MAX_ROWS": "5000"}, {}),
    "settingsConfigMap": ("", {"settings": {"USER_POOL_ID": "eu-central-1_EXAMPLE"}}),
    "secret.name": ("database", {}),
    "secret.databaseUrlKey": ("uri", {}),
    "secret.readerDatabaseUrlKey": ("reader-uri", {}),
    "secretSettings": ({"METRICD_GENERATION__API_KEY": {"name": "model", "key": "token"}}, {}),
    "migrate.enabled": (False, {}),
    "migrate.backoffLimit": (0, {}),
    "migrate.deadlineSeconds": (3600, {}),
    "migrate.keptSeconds": (2_000_000, {}),
    "replicas": (5, {"autoscaling": {"enabled": False}}),
    "autoscaling.enabled": (False, {}),
    "autoscaling.minReplicas": (3, {}),
    "autoscaling.maxReplicas": (9, {}),
    "autoscaling.targetCpuPercent": (50, {}),
    "podDisruptionBudget.enabled": (False, {}),
    "podDisruptionBudget.maxUnavailable": ("50%", {}),
    "topologySpread.enabled": (False, {}),
    "resources.requests.cpu": ("1", {}),
    "resources.requests.memory": ("1Gi", {}),
    "resources.requests.ephemeral-storage": ("4Gi", {}),
    "resources.limits.memory": ("2Gi", {}),
    "spool.sizeLimit": ("8Gi", {}),
    "stop.drainSeconds": (0, {}),
    "stop.graceSeconds": (600, {}),
    "service.type": ("LoadBalancer", {}),
    "service.port": (8080, {}),
    "service.annotations": ({"example.com/scheme": "internal"}, {}),
    "ingress.enabled": (True, {"ingress": {"host": "metrics.example.com"}}),
    "ingress.className": ("nginx", INGRESS),
    "ingress.host": ("figures.example.com", INGRESS),
    "ingress.tlsSecretName": ("metrics-tls", INGRESS),
    "ingress.nginx": (False, INGRESS),
    "ingress.timeoutSeconds": (3_610_000, INGRESS),
    "ingress.annotations": ({"cert-manager.io/cluster-issuer": "letsencrypt"}, INGRESS),
    "metrics.enabled": (True, {}),
    "metrics.port": (9090, METRICS),
    "metrics.foundBy": ("podMonitor", METRICS),
    "metrics.interval": ("1m", MONITOR),
    "metrics.labels": ({"release": "prometheus"}, MONITOR),
    "metrics.alerts.enabled": (True, METRICS),
    "metrics.alerts.memoryBytes": (1_825_361_100, ALERTS),
    "metrics.alerts.source": ("https://git.example.com/metricd/blob/main/", ALERTS),
    "networkPolicy.enabled": (True, {}),
    "networkPolicy.from": (PEERS, POLICY),
    "networkPolicy.metricsFrom": (PEERS, {**POLICY, **METRICS}),
    "networkPolicy.databaseTo": ([{"ipBlock": {"cidr": "10.0.3.0/24"}}], POLICY),
    "networkPolicy.databasePort": (6432, POLICY),
    "networkPolicy.httpsTo": ([{"ipBlock": {"cidr": "0.0.0.0/0"}}], POLICY),
    "networkPolicy.egress": ([{"to": PEERS, "ports": [{"port": 4318, "protocol": "TCP"}]}], POLICY),
    "serviceAccountName": ("metricd", {}),
    "priorityClassName": ("business", {}),
    "nodeSelector": ({"kubernetes.io/arch": "amd64"}, {}),
    "tolerations": ([{"key": "reserved", "operator": "Exists"}], {}),
    "affinity": ({"podAffinity": {}}, {}),
    "podLabels": ({"team": "figures"}, {}),
    "podAnnotations": ({"example.com/note": "1"}, {}),
    "extraVolumes": (POLICY_FILES["extraVolumes"], {}),
    "extraVolumeMounts": (POLICY_FILES["extraVolumeMounts"], {"extraVolumes": POLICY_FILES["extraVolumes"]}),
}

# What the Prometheus operator adds to Kubernetes' API.
OF_PROMETHEUS = ["PodMonitor", "PrometheusRule"]

# Objects in the order in which Helm creates them; hooks are run before all of them, and stand at the end.
ORDER = ["NetworkPolicy", "PodDisruptionBudget", "Service", "Deployment", "HorizontalPodAutoscaler", "Ingress", "Job"]


def leaves(values, path=()):
    """The values that are not made of others, by their dotted paths."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, name))
        else:
            yield ".".join((*path, name)), value


def merged(*layers):
    result = {}
    for layer in layers:
        for name, value in layer.items():
            before = result.get(name)
            result[name] = merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return result


def at(path, value):
    for name in reversed(path.split(".")):
        value = {name: value}
    return value


def pods(objects):
    """The pods that objects make, each with the kind of its owner."""
    return [(one["kind"], one["spec"]["template"]) for one in objects if "template" in one.get("spec", {})]


def environment(container):
    return {one["name"]: one.get("value") for one in container["env"]}


class KubernetesTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.chart = helm.Chart.load(str(CHART))
        cls.addClassCleanup(cls.chart.close)
        cls.values = yaml.safe_load((CHART / "values.yaml").read_text())
        cls.documents = {}

    def texts(self, values=None, name="metricd"):
        rendered = self.chart.render(values or {}, name=name, namespace="figures")
        return {path: text.strip() for path, text in rendered.items() if text.strip()}

    def render(self, values=None, name="metricd"):
        """The objects of a release, each of which is valid."""
        texts = self.texts(values, name)
        return [self.object(text) for path, text in texts.items() if not path.endswith("NOTES.txt")]

    def object(self, text):
        """What a template makes. Most texts come again and again, and are looked at once."""
        if text not in self.documents:
            self.assertNotRegex(text, r"(?m)\s$")
            one = yaml.safe_load(text)
            self.assert_valid(one)
            self.assert_consistent(one)
            self.documents[text] = one
        return self.documents[text]

    def one(self, kind, values=None, name="metricd"):
        found = [one for one in self.render(values, name) if one["kind"] == kind]
        self.assertEqual(len(found), 1, kind)
        return found[0]

    def assert_valid(self, one):
        if one["kind"] in OF_PROMETHEUS:
            # By the operator's own schemas, below.
            self.assertEqual(one["apiVersion"], "monitoring.coreos.com/v1")
            return
        for version in (OLDEST, NEWEST):
            try:
                kubernetes_validate.validate(one, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                self.fail(f"{one['kind']} on {version}: {list(error.path)}: {error.message}")

    def assert_consistent(self, one):
        """What the schemas do not say."""
        self.assertRegex(one["metadata"]["name"], r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
        for name, value in one["metadata"]["labels"].items():
            self.assertRegex(value, r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$", name)
        for kind, pod in pods([one]):
            spec = pod["spec"]
            (container,) = spec["containers"]
            names = [one["name"] for one in container["env"]]
            self.assertEqual(len(names), len(set(names)), f"{kind} sets a variable twice")
            volumes = [one["name"] for one in spec.get("volumes", [])]
            self.assertEqual(len(volumes), len(set(volumes)))
            self.assertLessEqual({one["name"] for one in container.get("volumeMounts", [])}, set(volumes))

    def test_what_the_prometheus_operator_reads_is_valid(self):
        changed = merged(*(at(path, value) for path, (value, _) in CHANGES.items() if path.startswith("metrics.")))
        objects = [self.one(kind, values) for values in (merged(MONITOR, ALERTS), changed) for kind in OF_PROMETHEUS]
        script = """
            import * as v1 from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";
            import { readFileSync } from "node:fs";
            for (const one of JSON.parse(readFileSync(0))) new v1[one.kind](one).validate();
        """

        def check(objects):
            command = ["node", "--input-type=module", "--eval", script]
            return subprocess.run(command, cwd=Path(sys.prefix).parent, input=json.dumps(objects), capture_output=True, text=True)

        self.assertEqual(check(objects).returncode, 0, check(objects).stderr)
        objects[0]["spec"]["podMetricsEndpoints"][0]["interval"] = 30
        self.assertIn("interval must be string", check(objects).stderr)

    def test_helm_finds_nothing_to_say(self):
        for values in ({}, merged(INGRESS, POLICY, POLICY_FILES)):
            report = helm.lint(str(CHART), values, strict=True, kube_version=f"v{OLDEST}.0")
            # An icon is recommended, at the level of information.
            found = [one for one in report["messages"] if one["severity"] != 1]
            self.assertEqual((found, report["errors"]), ([], []))
            self.assertEqual(report["total_charts_linted"], 1)

    def test_every_value_has_another_one_here(self):
        self.assertEqual(sorted(CHANGES), sorted(path for path, _ in leaves(self.values)))

    def test_every_value_is_described_and_none_else_is_taken(self):
        def properties(schema, path=()):
            for name, one in schema["properties"].items():
                if "properties" in one:
                    self.assertIs(one["additionalProperties"], False, name)
                    yield from properties(one, (*path, name))
                else:
                    yield ".".join((*path, name))

        schema = self.chart.schema
        self.assertIs(schema["additionalProperties"], False)
        described = set(properties(schema)) - {"global"}
        known = {path.rsplit(".", 1)[0] if path.startswith("resources.") else path for path, _ in leaves(self.values)}
        self.assertEqual(described, known)

    def test_every_value_changes_what_is_rendered(self):
        for path, (value, needed) in CHANGES.items():
            with self.subTest(path):
                before = merged(self.values, needed)
                now = merged(before, at(path, value))
                self.assertNotEqual(before, now, "it is no change")
                self.assertNotEqual(self.render(before), self.render(now))

    def test_all_parts_in_every_combination(self):
        switches = [path for path, value in leaves(self.values) if isinstance(value, bool)]
        self.assertGreaterEqual(len(switches), 7)
        full = {path: value for path, (value, _) in CHANGES.items() if path not in switches}
        changed = merged(METRICS, ALERTS, *(at(path, value) for path, value in full.items()))
        # What is for Prometheus is on where all the rest is changed, too.
        without_metrics = [path for path in switches if not path.startswith("metrics.")]
        for others, varied in (({}, switches), (changed, without_metrics)):
            for choice in itertools.product([True, False], repeat=len(varied)):
                parts = (at(path, chosen) for path, chosen in zip(varied, choice, strict=True))
                values = merged({"ingress": {"host": "metrics.example.com"}}, others, *parts)
                if others:
                    # Without a ConfigMap the settings name an issuer.
                    self.assertEqual(values["settingsConfigMap"], "")
                kinds = {one["kind"] for one in self.render(values)}
                enabled = {
                    kind
                    for kind, part in {
                        "Job": "migrate",
                        "HorizontalPodAutoscaler": "autoscaling",
                        "PodDisruptionBudget": "podDisruptionBudget",
                        "Ingress": "ingress",
                        "NetworkPolicy": "networkPolicy",
                    }.items()
                    if values[part]["enabled"]
                }
                metrics = merged(self.values["metrics"], values["metrics"])
                if metrics["enabled"]:
                    enabled |= {"PodMonitor"} if metrics["foundBy"] == "podMonitor" else set()
                    enabled |= {"PrometheusRule"} if metrics["alerts"]["enabled"] else set()
                self.assertEqual(kinds, enabled | {"Deployment", "Service"})

    def test_names_of_releases(self):
        names = ["figures", "metricd-blue", "a" * 53]
        found = [self.one("Job", name=name)["metadata"]["name"] for name in names]
        self.assertEqual(found, ["figures-metricd-migrate", "metricd-blue-migrate", "a" * 53 + "-m-migrate"])

    def test_what_is_refused(self):
        refused = {
            "DATABASE_URL": {"settings": {"DATABASE_URL": "postgres://metricd:hunter2@db/shop"}},
            "METRICD_DATABASE__READER_URL": {"settings": {"METRICD_DATABASE__READER_URL": "postgres://db/shop"}},
            "METRICD_GENERATION__API_KEY": {"settings": {"METRICD_GENERATION__API_KEY": "hunter2"}},
            "METRICD_LISTEN": {"settings": {"METRICD_LISTEN": "127.0.0.1:8000"}},
            "METRICD_SHUTDOWN__GRACE": {"settings": {"METRICD_SHUTDOWN__GRACE": "1h"}},
            "METRICD_TELEMETRY__METRICS_LISTEN": {"settings": {"METRICD_TELEMETRY__METRICS_LISTEN": "0.0.0.0:9464"}},
            "METRICD_LIMITS__MAX_ROWS": {"settings": {"METRICD_LIMITS__MAX_ROWS": 5000}},
            "replicaCount": {"replicaCount": 3},
            "host": {"ingress": {"enabled": True}},
            "no issuer of tokens": {"settingsConfigMap": ""},
        }
        for part, values in refused.items():
            with self.subTest(part), self.assertRaises(helm.HelmError) as raised:
                self.texts(values)
            self.assertIn(part, str(raised.exception))
            self.assertNotIn("hunter2", str(raised.exception))

    def test_no_secret_is_taken_as_a_setting(self):
        rows = re.findall(r"^\| `[^`]+` \| ([^|]+) \| [^|]*\bsecret\b[^|]* \|", SETTINGS.read_text(), re.M)
        secrets = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
        self.assertGreaterEqual(len(secrets), 5)
        for name in secrets:
            with self.subTest(name), self.assertRaises(helm.HelmError):
                self.texts({"settings": {name: "hunter2"}})

    def test_a_part_of_the_defaults_can_be_taken_away(self):
        limits = at("resources.limits.memory", None)
        container = self.one("Deployment", limits)["spec"]["template"]["spec"]["containers"][0]
        self.assertNotIn("memory", container["resources"].get("limits") or {})

    def test_pods_may_do_what_the_image_needs_and_no_more(self):
        for kind, pod in pods(self.render(merged(INGRESS, POLICY))):
            with self.subTest(kind):
                spec = pod["spec"]
                (container,) = spec["containers"]
                self.assertEqual(
                    spec["securityContext"],
                    {
                        "runAsNonRoot": True,
                        "runAsUser": 10001,
                        "runAsGroup": 10001,
                        "fsGroup": 10001,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                )
                self.assertEqual(
                    container["securityContext"],
                    {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                )
                self.assertIs(spec["automountServiceAccountToken"], False)
                self.assertIs(spec["enableServiceLinks"], False)
                for forbidden in ("hostNetwork", "hostPID", "hostIPC", "initContainers"):
                    self.assertNotIn(forbidden, spec)

    def test_an_upload_can_be_spooled(self):
        spec = self.one("Deployment")["spec"]["template"]["spec"]
        self.assertEqual(spec["volumes"], [{"name": "spool", "emptyDir": {"sizeLimit": "2Gi"}}])
        self.assertEqual(spec["containers"][0]["volumeMounts"], [{"name": "spool", "mountPath": "/tmp"}])

    def test_secrets_come_by_reference(self):
        values = merged(
            at("secret.readerDatabaseUrlKey", "READER"),
            at("secretSettings", CHANGES["secretSettings"][0]),
        )
        objects = self.render(values)
        self.assertNotIn("Secret", {one["kind"] for one in objects})
        for _, pod in pods(objects):
            variables = {one["name"]: one for one in pod["spec"]["containers"][0]["env"]}
            for name, place in {
                "DATABASE_URL": {"name": "metricd", "key": "DATABASE_URL"},
                "READER_DATABASE_URL": {"name": "metricd", "key": "READER"},
                "METRICD_GENERATION__API_KEY": {"name": "model", "key": "token"},
            }.items():
                self.assertEqual(variables[name], {"name": name, "valueFrom": {"secretKeyRef": place}})

    def test_the_migration_sees_what_the_servers_see(self):
        values = merged(POLICY_FILES, {"settings": {"METRICD_POLICY__FILE": "/etc/metricd/rights.cedar"}})
        found = {kind: pod["spec"]["containers"][0] for kind, pod in pods(self.render(values))}
        server, migration = found["Deployment"], found["Job"]
        for part in ("image", "env", "envFrom", "resources", "securityContext"):
            self.assertEqual(server[part], migration[part])
        self.assertEqual((server["args"], migration["args"]), (["serve"], ["migrate"]))
        self.assertLessEqual(
            {one["name"] for one in migration["volumeMounts"]}, {one["name"] for one in server["volumeMounts"]}
        )

    def test_the_migration_comes_first(self):
        job = self.one("Job")
        annotations = job["metadata"]["annotations"]
        self.assertEqual(annotations["helm.sh/hook"], "pre-install,pre-upgrade,pre-rollback")
        self.assertEqual(job["spec"]["template"]["spec"]["restartPolicy"], "Never")
        # A hook is run before there is anything of the release: the pod may name nothing that the chart makes.
        made = {(one["kind"], one["metadata"]["name"]) for one in self.render()}
        self.assertFalse({kind for kind, _ in made} & {"ConfigMap", "Secret", "ServiceAccount"})

    def test_a_server_has_the_time_to_stop(self):
        for drain, grace in ((5, 35), (0, 35), (20, 600)):
            deployment = self.one("Deployment", {"stop": {"drainSeconds": drain, "graceSeconds": grace}})
            spec = deployment["spec"]["template"]["spec"]
            container = spec["containers"][0]
            self.assertEqual(spec["terminationGracePeriodSeconds"], drain + grace + 10)
            self.assertEqual(environment(container)["METRICD_SHUTDOWN__GRACE"], f"{grace}s")
            pause = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
            self.assertEqual(pause, drain)

    def test_the_probes_ask_what_metricd_answers(self):
        container = self.one("Deployment")["spec"]["template"]["spec"]["containers"][0]
        asked = {name: container[name]["httpGet"]["path"] for name in container if name.endswith("Probe")}
        live, ready = "/health/live", "/health/ready"
        self.assertEqual(asked, {"startupProbe": live, "livenessProbe": live, "readinessProbe": ready})
        for path in (live, ready):
            route = ROOT / "crates/web/src/routes" / f"{path.lstrip('/')}.rs"
            self.assertIn(f'get, path = "{path}"', route.read_text())
        self.assertIn({"name": "http", "containerPort": 8000}, container["ports"])
        self.assertEqual(environment(container)["METRICD_LISTEN"], "0.0.0.0:8000")

    def test_metrics_are_on_a_port_that_only_prometheus_is_told_of(self):
        setting = "METRICD_TELEMETRY__METRICS_LISTEN"
        for values in ({}, merged(INGRESS, POLICY)):
            objects = self.render(values)
            self.assertNotIn(setting, yaml.safe_dump(objects))
            self.assertNotIn("9464", yaml.safe_dump(objects))
        for found_by in ("annotations", "podMonitor", "none"):
            objects = self.render(merged(INGRESS, POLICY, METRICS, at("metrics.foundBy", found_by)))
            by_kind = {one["kind"]: one for one in objects}
            pod = by_kind["Deployment"]["spec"]["template"]
            (container,) = pod["spec"]["containers"]
            self.assertEqual(environment(container)[setting], "0.0.0.0:9464")
            self.assertIn({"name": "metrics", "containerPort": 9464}, container["ports"])
            for kind in ("Service", "Ingress"):
                text = yaml.safe_dump(by_kind[kind])
                self.assertNotIn("9464", text)
                self.assertNotIn("port: metrics", text)
                self.assertNotIn("name: metrics\n", text)
            opened = [rule for rule in by_kind["NetworkPolicy"]["spec"]["ingress"] if rule["ports"][0]["port"] == 9464]
            self.assertEqual(len(opened), 1)
            told = {name for name in pod["metadata"].get("annotations", {}) if name.startswith("prometheus.io/")}
            self.assertEqual(bool(told), found_by == "annotations")
            self.assertEqual("PodMonitor" in by_kind, found_by == "podMonitor")
        monitor = self.one("PodMonitor", MONITOR)["spec"]
        labels = self.one("Deployment", MONITOR)["spec"]["template"]["metadata"]["labels"]
        self.assertLessEqual(monitor["selector"]["matchLabels"].items(), labels.items())
        self.assertEqual(monitor["podMetricsEndpoints"], [{"port": "metrics", "path": "/metrics", "interval": "30s"}])

    def test_the_alerts_of_the_chart_are_those_of_prometheus(self):
        rules = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())
        self.assertEqual(self.one("PrometheusRule", ALERTS)["spec"], rules)
        values = merged(ALERTS, at("metrics.alerts", {"memoryBytes": 5_000_000_000, "source": "https://git.example.com/m/"}))
        (group,) = self.one("PrometheusRule", values)["spec"]["groups"]
        by_name = {rule["alert"]: rule for rule in group["rules"]}
        self.assertIn("> 5000000000 ", by_name["MetricdMemory"]["expr"])
        for rule in group["rules"]:
            url = rule["annotations"]["runbook_url"]
            self.assertRegex(url, r"^https://git\.example\.com/m/docs/guide/runbook\.md#metricd\w+$")

    def test_the_alert_for_memory_is_for_the_limit(self):
        limit = self.values["resources"]["limits"]["memory"]
        self.assertEqual((limit, self.values["metrics"]["alerts"]["memoryBytes"]), ("1Gi", round(0.85 * 2**30)))

    def test_servers_alone_are_selected(self):
        objects = self.render(POLICY)
        by_kind = {one["kind"]: one for one in objects}
        labels = {kind: pod["metadata"]["labels"] for kind, pod in pods(objects)}

        def selects(selector, kind):
            return selector.items() <= labels[kind].items()

        deployment = by_kind["Deployment"]["spec"]
        spread = deployment["template"]["spec"]["topologySpreadConstraints"]
        for selector in (
            deployment["selector"]["matchLabels"],
            by_kind["Service"]["spec"]["selector"],
            by_kind["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
            *(one["labelSelector"]["matchLabels"] for one in spread),
        ):
            self.assertTrue(selects(selector, "Deployment"))
            self.assertFalse(selects(selector, "Job"))
        policy = by_kind["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"]
        self.assertTrue(selects(policy, "Deployment") and selects(policy, "Job"))
        target = by_kind["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
        self.assertEqual(target["name"], by_kind["Deployment"]["metadata"]["name"])

    def test_the_autoscaler_alone_says_how_many_servers_there_are(self):
        self.assertNotIn("replicas", self.one("Deployment")["spec"])
        fixed = self.one("Deployment", {"autoscaling": {"enabled": False}})
        self.assertEqual(fixed["spec"]["replicas"], 2)

    def test_the_ingress_lets_through_what_metricd_takes(self):
        annotations = self.one("Ingress", INGRESS)["metadata"]["annotations"]
        told = {name.rsplit("/", 1)[1]: value for name, value in annotations.items()}
        self.assertEqual(
            told,
            {
                "proxy-buffering": "off",
                "proxy-request-buffering": "off",
                "proxy-body-size": default_of("limits.max_upload_bytes"),
                "proxy-read-timeout": "610",
                "proxy-send-timeout": "610",
                "proxy-next-upstream": "off",
            },
        )
        self.assertEqual({default_of(f"limits.{name}_timeout") for name in ("export", "upload")}, {"10m"})
        larger = merged(INGRESS, {"settings": {"METRICD_LIMITS__MAX_UPLOAD_BYTES": "1073741824"}})
        annotations = self.one("Ingress", larger)["metadata"]["annotations"]
        self.assertEqual(annotations["nginx.ingress.kubernetes.io/proxy-body-size"], "1073741824")

    def test_further_rules_let_out_more_and_close_nothing(self):
        more, _ = CHANGES["networkPolicy.egress"]
        before, after = (
            self.one("NetworkPolicy", values)["spec"]["egress"]
            for values in (POLICY, merged(POLICY, at("networkPolicy.egress", more)))
        )
        self.assertEqual(after, before + more)

    def test_the_notes_count_the_connections(self):
        def notes(values=None):
            return self.texts(values)["metricd/templates/NOTES.txt"]

        self.assertEqual(default_of("database.max_connections"), "10")
        self.assertIn("up to 4 servers take up to 104 connections", notes())
        self.assertIn("the ConfigMap metricd does", notes())
        settings = {"METRICD_AUTH__ISSUERS": ISSUER, "METRICD_DATABASE__MAX_CONNECTIONS": "5"}
        told = notes(merged(INGRESS, {"settings": settings}))
        self.assertIn("up to 4 servers take up to 64 connections", told)
        self.assertNotIn("name no issuer", told)
        self.assertIn("METRICD_HTTP__TRUSTED_PROXIES", told)

    def test_the_variables_are_settings_of_metricd(self):
        documented = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", SETTINGS.read_text()))
        files = [*CHART.rglob("*"), GUIDE]
        text = "\n".join(path.read_text() for path in files if path.is_file())
        named = set(re.findall(r"\b(?:METRICD_[A-Z0-9_]+|(?:READER_)?DATABASE_URL|USER_POOL_[A-Z_]+)\b", text))
        self.assertGreaterEqual(len(named), 8)
        self.assertLessEqual(named, documented)

    def test_metricd_takes_the_variables(self):
        def metricd(values, url, *arguments):
            container = self.one("Deployment", values)["spec"]["template"]["spec"]["containers"][0]
            variables = {name: value for name, value in environment(container).items() if value is not None}
            variables["DATABASE_URL"] = url
            with tempfile.TemporaryDirectory() as folder:
                return subprocess.run(
                    [BINARY, *arguments], env=variables, cwd=folder, capture_output=True, text=True, timeout=60
                )

        settings = {
            "METRICD_AUTH__ISSUERS": ISSUER,
            "METRICD_HTTP__TRUSTED_PROXIES": "10.244.0.0/16",
            "METRICD_LIMITS__MAX_ROWS": "5000",
        }
        # This reads the settings, and nothing else.
        reads = ["policy", "check", "--action", "read", "--role", "viewer"]
        checked = metricd({"settings": settings, **METRICS}, "postgres://db.example/shop", *reads)
        self.assertEqual((checked.returncode, checked.stderr.count("invalid settings")), (0, 0), checked.stderr)
        # What is no address ends every start, once the address to listen on was allowed.
        started = metricd({"settings": settings}, "nowhere", "serve")
        self.assertNotEqual(started.returncode, 0)
        self.assertNotIn("no issuer is configured", started.stderr)
        alone = metricd({}, "postgres://db.example/shop", "serve")
        self.assertNotEqual(alone.returncode, 0)
        self.assertIn("no issuer is configured", alone.stderr)

    def test_the_chart_has_the_version_of_metricd(self):
        version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
        metadata = self.chart.metadata
        self.assertEqual((metadata["version"], metadata["appVersion"]), (version, version))
        self.assertEqual(metadata["kubeVersion"], f">={OLDEST}.0-0")

    def test_the_manifests_are_what_the_chart_renders_to(self):
        texts = [text for path, text in self.texts().items() if not path.endswith("NOTES.txt")]
        texts.sort(key=lambda text: ORDER.index(yaml.safe_load(text)["kind"]))
        heading = (
            "# What the chart in deploy/helm/metricd renders to with its default values (docs/guide/kubernetes.md).\n"
            "# Generated: UPDATE_DOCS=1 python deploy/tests/run.py test_kubernetes.py writes it anew.\n"
        )
        expected = heading + "".join(f"---\n{text}\n" for text in texts)
        if os.environ.get("UPDATE_DOCS"):
            MANIFESTS.write_text(expected)
        self.assertEqual(MANIFESTS.read_text(), expected)

    def test_the_guide_names_values_that_there_are(self):
        text = GUIDE.read_text()
        known = {path for path, _ in leaves(self.values)}
        known |= {path.rsplit(".", 1)[0] for path in known if "." in path}
        tops = {path.split(".")[0] for path in known}
        named = {*re.findall(r"`([a-z][A-Za-z]*(?:\.[A-Za-z-]+)+)`", text), *re.findall(r"(?:--set |`)([\w.-]+)=", text)}
        named = {name for name in named if name.split(".")[0] in tops}
        self.assertGreaterEqual(len(named), 8)
        self.assertLessEqual(named, known)
        shown = re.findall(r"```\n# values.yaml\n(.*?)```", text, re.S)
        self.assertTrue(shown)
        for values in shown:
            self.render(yaml.safe_load(values))


def default_of(setting):
    """What the reference page says of a setting."""
    page = SETTINGS.read_text()
    row = re.search(rf"^\| `{re.escape(setting)}` \|(?:[^|]*\|){{2}} `?([^|`]*)`? \|", page, re.M)
    return row[1].strip()


if __name__ == "__main__":
    unittest.main()
