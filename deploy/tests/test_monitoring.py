"""What tells of a metricd that runs: the table of metrics, the alerts, the dashboard, the runbook, and the queries over log
lines. promtool looks at what is for Prometheus, Grafana's own types at the dashboard; the queries and the metric filters
are applied to the lines of a metricd that has had a bad day."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import yaml
from cfnlint.decode import cfn_yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from edge import HOST, PATIENCE_SECONDS, end, free_port, listens, wait_until
from log_queries import InsightsQuery, filter_pattern
from metricd_binary import BINARY
from postgres import Postgres

ROOT = Path(__file__).resolve().parents[2]
ALERTS = ROOT / "deploy/prometheus/alerts.yaml"
DASHBOARD = ROOT / "deploy/grafana/metricd.json"
STACK = ROOT / "deploy/cloudformation/network-and-server.yaml"
GUIDE = ROOT / "docs/guide"
PAGES = {name: (GUIDE / f"{name}.md").read_text() for name in ("monitoring", "runbook", "aws")}

# What Prometheus knows of a target, and what every histogram has.
OF_TARGETS = {"job", "instance", "namespace", "pod"}
OF_HISTOGRAMS = {"_bucket": {"le"}, "_sum": set(), "_count": set()}
WORDS = {"and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right", "bool", "offset"}


def blocks(page):
    """The fenced blocks of a page that are in no language, a query or a group of commands each."""
    return [it.strip() for it in re.findall(r"^```\n(.*?)^```$", page, re.M | re.S)]


def kind(block):
    first = block.split()[0]
    if first in InsightsQuery.COMMANDS:
        return "insights"
    if first == "SELECT":
        return "sql"
    return "promql" if re.match(r"metricd_|process_|sum |histogram_quantile\(", block) else "other"


def of_kind(wanted):
    found = [(name, block) for name, page in PAGES.items() for block in blocks(page) if kind(block) == wanted]
    if wanted == "insights":
        return [(name, query) for name, block in found for query in block.split("\n\n")]
    return [(name, line) for name, block in found for line in (block.splitlines() if wanted == "promql" else [block])]


def documented():
    """The rows of the table: the type of each metric, and what its labels may be, if that is listed."""
    rows = re.findall(r"^\| `((?:metricd|process)_\w+)` \| (\w+) \| ([^|]*) \| (\w*) \| (.+) \|$", PAGES["monitoring"], re.M)
    found = {}
    for name, of_type, labels, unit, meaning in rows:
        assert name not in found, name
        values = {}
        for label, listed in re.findall(r"`(\w+)`(?:: (`\w+`(?:, `\w+`)*))?", labels.replace("; ", " ; ")):
            listed = re.findall(r"`(\w+)`", listed)
            # `version`, `build`: names without values.
            values[label] = set(listed)
        found[name] = {"type": of_type, "labels": values, "unit": unit, "meaning": meaning}
    return found


def rules():
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    return {it["alert"]: it for it in group["rules"]}


def targets():
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [(panel, target) for panel in panels for target in panel.get("targets", [])]


def filled_in(expression):
    """An expression of the dashboard, with its variables in the place of which Grafana puts something."""
    return expression.replace("$__rate_interval", "5m").replace("$job", ".+").replace("$instance", ".+")


def expressions():
    """All that is for Prometheus to compute, by where it stands."""
    for name, rule in rules().items():
        yield name, rule["expr"]
    for panel, target in targets():
        yield f"panel {panel['title']}", filled_in(target["expr"])
    for name, expression in of_kind("promql"):
        yield name, expression


def promtool(*arguments):
    # Beside the folder that this Python was installed into.
    where = os.pathsep.join([os.environ["PATH"], str(Path(sys.prefix).parents[1] / "bin")])
    program = shutil.which("promtool", path=where)
    assert program, "there is no promtool: scripts/setup test"
    ran = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    return ran.returncode, ran.stdout + ran.stderr


class MonitoringTest(unittest.TestCase):
    maxDiff = None

    def folder(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return Path(folder.name)


class Names(MonitoringTest):
    """What is named anywhere is in the table."""

    def test_the_table_follows_prometheus_rules_for_names(self):
        self.assertGreater(len(documented()), 25)
        for name, row in documented().items():
            self.assertIn(row["type"], ("counter", "gauge", "histogram"))
            self.assertEqual(row["type"] == "counter", name.endswith("_total"), name)
            for unit in ("seconds", "bytes"):
                in_name = re.search(rf"_{unit}(_|$)", name)
                self.assertEqual(bool(in_name), row["unit"] == unit, name)

    def test_expressions_name_metrics_and_labels_of_the_table(self):
        table, named = documented(), set()
        for place, expression in expressions():
            with self.subTest(place, expression=expression):
                named |= self.check(table, expression)
        # Whatever is measured is shown.
        on_dashboard = {name for name in table for _, target in targets() if name in target["expr"]}
        self.assertEqual(set(table) - on_dashboard, {"metricd_degraded"})

    def check(self, table, expression):
        selectors = re.findall(r"\b([a-z_][a-z0-9_]*)\{([^}]*)\}", expression)
        bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|\"[^\"]*\"", " ", expression)
        grouped = [list_ for list_ in re.findall(r"\b(?:by|without|on|ignoring) *\(([^)]*)\)", bare)]
        bare = re.sub(r"\b(?:by|without|on|ignoring) *\([^)]*\)", " ", bare)
        names = set(re.findall(r"\b[a-z_][a-z0-9_]*\b(?! *\()", bare)) - WORDS - {"up"}
        labels = dict.fromkeys(OF_TARGETS, set())
        for name in names:
            base, suffix = self.base(table, name)
            labels |= table[base]["labels"] | dict.fromkeys(OF_HISTOGRAMS.get(suffix, ()), set())
        for name, inner in selectors:
            base, _ = self.base(table, name)
            for label, value in re.findall(r'(\w+) *[=!]~?"([^"]*)"', inner):
                known = {**dict.fromkeys(OF_TARGETS, set()), **table[base]["labels"]}
                self.assertIn(label, known)
                self.assertTrue(not known[label] or value in known[label], f"{label}={value}")
        for label in re.findall(r"\w+", " ".join(grouped)):
            self.assertIn(label, labels)
        return names

    def base(self, table, name):
        """The metric that a series is of."""
        for suffix in OF_HISTOGRAMS:
            of = name.removesuffix(suffix)
            if of != name and table.get(of, {}).get("type") == "histogram":
                return of, suffix
        self.assertIn(name, table)
        self.assertNotEqual(table[name]["type"], "histogram", name)
        return name, ""

    def test_texts_name_metrics_of_the_table(self):
        # A role, and a crate.
        known = {*documented(), "metricd_reader", "metricd_web"}
        for text in PAGES.values():
            for metric in set(re.findall(r"\bmetricd_[a-z_]+\b", text)) - known:
                self.base(documented(), metric)

    def test_promtool_understands_every_expression(self):
        all_of_them = list(expressions())
        self.assertGreater(len(all_of_them), 60)
        records = [{"record": f"check:{at}", "expr": expression} for at, (_, expression) in enumerate(all_of_them)]
        file = self.folder() / "rules.yaml"
        file.write_text(yaml.safe_dump({"groups": [{"name": "expressions", "rules": records}]}))
        self.assertEqual(promtool("check", "rules", file)[0], 0, promtool("check", "rules", file)[1])

    def test_prometheus_takes_the_settings_that_are_shown(self):
        (shown,) = [it for it in blocks(PAGES["monitoring"]) if it.startswith("# prometheus.yml")]
        folder = self.folder()
        path = "/etc/prometheus/metricd.yaml"
        self.assertIn(path, shown)
        (folder / "prometheus.yml").write_text(shown.replace(path, str(ALERTS.resolve())))
        code, said = promtool("check", "config", folder / "prometheus.yml")
        self.assertEqual(code, 0, said)
        self.assertIn(f"SUCCESS: {len(rules())} rules found", said)


# What sets each alert off, what it then says and of what, and what does not set it off. Samples are a minute apart: `a+bxn`
# is a, and then n more, each b above the one before.
SERVER = {"job": "metricd", "instance": "a:9464"}
RUNS = {"metricd_build_info": "1x60", "up": "1x60"}
MET = "metricd_http_request_duration_seconds_bucket"
CASES = {
    "MetricdDown": (
        {"metricd_build_info": "1x10 _x20", "up": "1x10 0x20"}, SERVER,
        "The server a:9464 has not been scraped for two minutes.",
        # Another program's target that is down, and a server that answers.
        [{"up": "0x60"}, RUNS],
    ),
    "MetricdNotReady": (
        {"metricd_ready": "1x10 0x20"}, SERVER,
        "The server a:9464 answers GET /health/ready with 503 for two minutes: its database is not reachable, or it does "
        "not stop.",
        [{"metricd_ready": "1x60"}, {"metricd_ready": "1x28 0x1 1x20"}],
    ),
    "MetricdErrors": (
        {'metricd_http_requests_total{outcome="server_error"}': "0+6x30", 'metricd_http_requests_total{outcome="ok"}': "0+54x30"},
        {"job": "metricd"}, "10% of the requests were answered with 500 or above in five minutes.",
        [
            {'metricd_http_requests_total{outcome="server_error"}': "0+2x30", 'metricd_http_requests_total{outcome="ok"}': "0+58x30"},
            # One of two in an idle night.
            {'metricd_http_requests_total{outcome="server_error"}': "0x28 1x2", 'metricd_http_requests_total{outcome="ok"}': "0x28 1x2"},
            {'metricd_http_requests_total{outcome="client_error"}': "0+60x30", 'metricd_http_requests_total{outcome="ok"}': "0+1x30"},
        ],
    ),
    "MetricdSlow": (
        {MET + '{cache="miss", le="5"}': "0+90x30", MET + '{cache="miss", le="10"}': "0+100x30", MET + '{cache="miss", le="+Inf"}': "0+100x30"},
        {"job": "metricd"}, "The 95th percentile of the requests of five minutes is 7.5s.",
        [{MET + '{cache="miss", le="5"}': "0+96x30", MET + '{cache="miss", le="10"}': "0+100x30", MET + '{cache="miss", le="+Inf"}': "0+100x30"}],
    ),
    "MetricdOverloaded": (
        {"metricd_http_overloads_total": "0+6x30", 'metricd_http_requests_total{outcome="ok"}': "0+300x30"},
        {"job": "metricd"}, "2% of the requests of five minutes were refused with 503.",
        [
            {"metricd_http_overloads_total": "0+1x30", 'metricd_http_requests_total{outcome="ok"}': "0+300x30"},
            {"metricd_http_overloads_total": "0x30", 'metricd_http_requests_total{outcome="ok"}': "0x30"},
        ],
    ),
    "MetricdQueueFull": (
        {'metricd_query_queue_rejections_total{reason="full"}': "0+3x30", 'metricd_query_queue_rejections_total{reason="timeout"}': "0+1x30"},
        SERVER,
        "The server a:9464 has turned away 20 queries in five minutes, which found the queue full or waited for longer than "
        "database.acquire_timeout.",
        [{'metricd_query_queue_rejections_total{reason="full"}': "0x27 4x3"}],
    ),
    "MetricdUnendedQueries": (
        {"metricd_unended_queries": "0x10 2x20"}, SERVER,
        "2 queries of the server a:9464 go on at the database and keep their permits.",
        [{"metricd_unended_queries": "0x26 1x4"}, {"metricd_unended_queries": "0x30"}],
    ),
    "MetricdPermitsLost": (
        {f'metricd_query_permits{{state="{state}"}}': f"{n}x30" for state, n in (("running", 3), ("free", 2), ("kept_by_unended", 5))},
        SERVER,
        "50% of the permits of the server a:9464 are kept by queries that were told to end and go on.",
        [{f'metricd_query_permits{{state="{state}"}}': f"{n}x30" for state, n in (("running", 8), ("free", 0), ("kept_by_unended", 2))}],
    ),
    "MetricdChangeFeedStale": (
        {"metricd_change_feed_age_seconds": "0.5x20 60+60x10"}, SERVER,
        "The server a:9464 knew 10m 0s ago for the last time that it has read every change; past three seconds it serves "
        "nothing from its caches.",
        [{"metricd_change_feed_age_seconds": "0.5x30"}, {"metricd_change_feed_age_seconds": "0.5x28 60x1"}],
    ),
    "MetricdPoolExhausted": (
        {
            'metricd_database_connections{pool="store",state="in_use"}': "10x30",
            'metricd_database_connections{pool="store",state="idle"}': "0x30",
            'metricd_database_connections_max{pool="store"}': "10x30",
            'metricd_database_connections{pool="reader",state="in_use"}': "9x30",
            'metricd_database_connections_max{pool="reader"}': "10x30",
        },
        {**SERVER, "pool": "store"}, "The pool store of the server a:9464 has had no connection free for five minutes.",
        [{
            # All are open, and half are idle.
            'metricd_database_connections{pool="store",state="in_use"}': "5x30",
            'metricd_database_connections{pool="store",state="idle"}': "5x30",
            'metricd_database_connections_max{pool="store"}': "10x30",
        }],
    ),
    "MetricdEngineRestarts": (
        {"metricd_engine_restarts_total": "0x20 1 2 3 3x7"}, SERVER,
        "The embedded PostgreSQL of the server a:9464 was started again 3 times in a quarter of an hour.",
        [{"metricd_engine_restarts_total": "0x20 1x10"}],
    ),
    "MetricdMemory": (
        {**RUNS, "process_resident_memory_bytes": "966367641x30"}, SERVER,
        "The server a:9464 takes 921.6MiB; at its limit the system ends it.",
        # Another program's memory is its own matter.
        [{"process_resident_memory_bytes": "966367641x30"}, {**RUNS, "process_resident_memory_bytes": "536870912x30"}],
    ),
}


def series(samples):
    """Series as promtool reads them, each of the same target."""
    target = ", ".join(f'{name}="{value}"' for name, value in SERVER.items())
    found = []
    for name, values in samples.items():
        bare, _, labels = name.partition("{")
        more = labels.rstrip("}")
        found.append({"series": f"{bare}{{{target}{', ' + more if more else ''}}}", "values": values})
    return found


class Alerts(MonitoringTest):
    def test_each_goes_off_when_it_should_and_only_then(self):
        self.assertEqual(set(CASES), set(rules()))
        tests = []
        for name, (firing, of, description, quiet) in CASES.items():
            rule = rules()[name]
            annotations = {**rule["annotations"], "description": description}
            fired = {"exp_labels": {**of, "severity": rule["labels"]["severity"]}, "exp_annotations": annotations}
            for samples, expected in [(firing, [fired]), *((samples, []) for samples in quiet)]:
                tests.append({
                    "interval": "1m", "input_series": series(samples),
                    "alert_rule_test": [{"eval_time": "30m", "alertname": name, "exp_alerts": expected}],
                })
        file = self.folder() / "tests.yaml"
        file.write_text(yaml.safe_dump({"rule_files": [str(ALERTS.resolve())], "evaluation_interval": "1m", "tests": tests}))
        code, said = promtool("test", "rules", file)
        self.assertEqual(code, 0, said)

    def test_each_waits_for_as_long_as_the_guide_says(self):
        rows = re.findall(r"^\| \[`(Metricd\w+)`\]\(runbook\.md#(\w+)\) \| (\w+) \| (.+) \|$", PAGES["monitoring"], re.M)
        self.assertEqual([row[0] for row in rows], list(rules()))
        for name, anchor, severity, when in rows:
            rule = rules()[name]
            self.assertEqual((anchor, severity), (name.lower(), rule["labels"]["severity"]))
            if "for" in rule:
                self.assertIn(f"for {rule['for'].removesuffix('m')} minutes", when, name)

    def test_each_says_what_where_and_what_to_do(self):
        for name, rule in rules().items():
            self.assertEqual(set(rule["annotations"]), {"summary", "description", "runbook_url"}, name)
            self.assertIn(rule["labels"], ({"severity": "warning"}, {"severity": "critical"}))
            self.assertEqual(rule["annotations"]["runbook_url"], f"docs/guide/runbook.md#{name.lower()}")


class Runbook(MonitoringTest):
    def alarms(self):
        resources = cfn_yaml.load(str(STACK))["Resources"]
        return [name for name, it in resources.items() if it["Type"] == "AWS::CloudWatch::Alarm"]

    def test_each_alarm_has_a_part_with_its_four_answers(self):
        parts = re.split(r"^### (\w+)$", PAGES["runbook"], flags=re.M)[1:]
        by_name = dict(zip(parts[::2], parts[1::2], strict=True))
        self.assertEqual(list(by_name), [*rules(), *self.alarms()])
        for name, text in by_name.items():
            self.assertEqual(re.findall(r"\*\*(Means|Look|Do|Worry)\*\*", text), ["Means", "Look", "Do", "Worry"], name)

    def test_lines_of_the_log_that_are_named_are_written(self):
        sources = "\n".join(path.read_text() for path in ROOT.glob("crates/*/src/**/*.rs"))
        named = set()
        for page in PAGES.values():
            inline = re.findall(r"(?<!`)`([^`]+)`(?!`)", re.sub(r"^```.*?^```$", "", page, flags=re.M | re.S).replace("\n", " "))
            named |= {it for it in inline if re.match(r"[A-Z][a-z]+ \w", it)}
        compared = [value for _, query in of_kind("insights") for value in InsightsQuery(query).values]
        named |= {value for field, value in compared if field == "event"}
        self.assertGreater(len(named), 15)
        for event in named:
            self.assertIn(event, sources)


class Board(MonitoringTest):
    """The dashboard."""

    def setUp(self):
        self.dashboard = json.loads(DASHBOARD.read_text())
        self.panels = self.dashboard["panels"]

    def test_grafana_knows_every_key(self):
        again = json.loads(json.dumps(Dashboard.from_json(self.dashboard), cls=JSONEncoder))
        self.assertEqual(missing(self.dashboard, again), [])

    def test_panels_have_ids_and_places_of_their_own(self):
        ids = [panel["id"] for panel in self.panels]
        self.assertEqual(len(ids), len(set(ids)))
        taken = set()
        for panel in self.panels:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            self.assertLessEqual(at["x"] + at["w"], 24)
            self.assertFalse(cells & taken, panel["title"])
            taken |= cells
        # Nor is anything left empty.
        height = max(y for _, y in taken) + 1
        self.assertEqual(len(taken), 24 * height)

    def test_the_data_source_and_the_server_are_chosen_at_the_top(self):
        chosen = {"type": "prometheus", "uid": "${datasource}"}
        self.assertEqual([it["name"] for it in self.dashboard["templating"]["list"]], ["datasource", "job", "instance"])
        for panel in self.panels:
            if panel["type"] == "row":
                continue
            self.assertEqual(panel["datasource"], chosen, panel["title"])
            self.assertTrue(panel["description"] and panel["targets"], panel["title"])
        for panel, target in targets():
            self.assertEqual(target["datasource"], chosen)
            for selector in re.findall(r"\b(?:metricd|process)_\w+(\{[^}]*\})?", target["expr"]):
                self.assertIn('{job=~"$job", instance=~"$instance"', selector, panel["title"])

    def test_rows_have_titles(self):
        rows = [panel["title"] for panel in self.panels if panel["type"] == "row"]
        self.assertEqual(rows, [
            "At a glance", "Traffic", "Cache", "Queries and their queue", "Database", "Change feed and generation", "Process",
        ])


def missing(part, whole, path="dashboard"):
    """What of `part` is not in `whole`."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return [lost for key, value in part.items() for lost in (
            missing(value, whole[key], f"{path}.{key}") if key in whole else [f"{path}.{key}"])]
    if isinstance(part, list) and isinstance(whole, list) and len(part) == len(whole):
        return [lost for at, value in enumerate(part) for lost in missing(value, whole[at], f"{path}[{at}]")]
    return [] if part == whole else [f"{path}: {part!r} is {whole!r}"]


class Metricd:
    """A metricd on a PostgreSQL server, whose log is read."""

    def __init__(self, folder, postgres):
        self.binary = BINARY
        self.folder, self.log, self.policy = folder, folder / "log", folder / "policy.cedar"
        self.port, self.metrics_port = free_port(), free_port()
        self.environment = {
            "METRICD_TELEMETRY__METRICS_LISTEN": f"{HOST}:{self.metrics_port}",
            "HOME": str(folder), "METRICD_DATA_DIR": str(folder / "data"), "DATABASE_URL": postgres.url(),
            "METRICD_LISTEN": f"{HOST}:{self.port}",
            # Soon refused, soon given up. Two, because the one before may not be closed yet.
            "METRICD_HTTP__MAX_CONNECTIONS": "2", "METRICD_DATABASE__ACQUIRE_TIMEOUT": "2s",
        }
        self.policy.write_text(self.run("policy", "show"))
        self.environment["METRICD_POLICY__FILE"] = str(self.policy)
        self.token = self.run("token", "--role", "admin", "--subject", "ann").strip()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([self.binary, "serve"], env=self.environment, cwd=folder, stdout=log, stderr=log)
        wait_until(self.is_up, "metricd listens")

    def run(self, *arguments):
        command = [self.binary, *arguments]
        return subprocess.run(command, env=self.environment, cwd=self.folder, capture_output=True, text=True, check=True).stdout

    def is_up(self):
        assert self.process.poll() is None, self.log.read_text()
        return listens(self.port)

    def connection(self):
        return http.client.HTTPConnection(HOST, self.port, timeout=PATIENCE_SECONDS)

    def headers(self, more):
        return {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json", **more}

    def ask(self, method, path, body=None, **headers):
        connection = self.connection()
        with contextlib.closing(connection):
            connection.request(method, path, body and json.dumps(body), self.headers({"Connection": "close", **headers}))
            response = connection.getresponse()
            return response.status, json.loads(response.read())

    def scrape(self):
        """What Prometheus gets, read by its own strict reader."""
        connection = http.client.HTTPConnection(HOST, self.metrics_port, timeout=PATIENCE_SECONDS)
        with contextlib.closing(connection):
            connection.request("GET", "/metrics", headers={"Accept": "application/openmetrics-text"})
            response = connection.getresponse()
            text = response.read().decode()
        assert response.status == 200 and response.headers["Content-Type"].startswith("application/openmetrics-text"), text
        return list(text_string_to_metric_families(text))

    def hold(self):
        """A connection with a request whose body is awaited, if there was room for it."""
        connection = self.connection()
        connection.putrequest("POST", "/metrics")
        for name, value in self.headers({"Content-Length": "100", "Expect": "100-continue"}).items():
            connection.putheader(name, value)
        connection.endheaders()
        if connection.sock.recv(64).startswith(b"HTTP/1.1 100 "):
            return connection
        connection.close()
        return None

    def lines(self):
        # The last one may not be whole yet.
        whole = self.log.read_text().rpartition("\n")[0].splitlines()
        return [json.loads(line) for line in whole]

    def wait_for(self, event):
        wait_until(lambda: any(line["event"] == event for line in self.lines()), f"the log says {event!r}")


class LogLines(MonitoringTest):
    """What a metricd writes on a bad day, and what is made of it."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        folder = Path(folder.name)
        folder.chmod(0o755)
        cls.postgres = Postgres()
        cls.addClassCleanup(cls.postgres.stop)
        cls.metricd = metricd = Metricd(folder, cls.postgres)
        cls.addClassCleanup(end, metricd.process)
        cls.statuses = [*cls.work(metricd), *cls.refuse(metricd)]
        cls.scraped = metricd.scrape()
        # While the database is there.
        cls.postgres.psql("CREATE ROLE watcher LOGIN IN ROLE pg_read_all_stats")
        cls.found = {statements: cls.postgres.psql(statements, user="watcher") for _, statements in of_kind("sql")}
        cls.statuses += cls.fail(metricd)
        cls.lines = metricd.lines()

    @classmethod
    def work(cls, metricd):
        made = {}
        for name, query in {
            "records": "SELECT count(*) AS records FROM metrics WHERE date BETWEEN :start_date AND :end_date",
            "quotient": "SELECT 1 / (CAST(:end_date AS date) - CAST(:start_date AS date)) AS quotient",
        }.items():
            status, answer = metricd.ask("POST", "/metrics", {"is_editable": True, "layouts": [], "name": name, "query": query})
            assert status == 201, answer
            made[name] = answer["id"]
            yield status
        yield metricd.ask("GET", f"/metrics/{made['records']}?start_date=2025-06-01&end_date=2025-06-30")[0]
        # A division by zero.
        yield metricd.ask("GET", f"/metrics/{made['quotient']}?start_date=2025-06-01&end_date=2025-06-01")[0]

    @classmethod
    def refuse(cls, metricd):
        yield metricd.ask("GET", "/metrics", Authorization="Bearer of.no.token")[0]
        # There is room for two, and those go on.
        with contextlib.ExitStack() as held:
            for _ in range(2):
                held.enter_context(contextlib.closing(wait_until(metricd.hold, "a request is under way")))
            yield metricd.ask("GET", "/metrics")[0]
        metricd.wait_for("Overloaded; requests are refused")

    @classmethod
    def fail(cls, metricd):
        metricd.policy.write_text("permit (")
        metricd.process.send_signal(signal.SIGHUP)
        metricd.wait_for("Policy reload failed; the previous policies stay in force")
        cls.postgres.stop()
        yield metricd.ask("GET", "/metrics")[0]
        metricd.wait_for("Service unavailable")
        metricd.wait_for("Change feed unavailable; cache bypassed")

    def test_the_day_was_as_bad_as_meant(self):
        self.assertEqual(self.statuses, [201, 201, 200, 422, 401, 503, 503])

    def test_prometheus_gets_what_the_table_lists(self):
        table, found = documented(), {}
        for family in self.scraped:
            ending = {"counter": "_total", "info": "_info"}.get(family.type, "")
            name = family.name + ending
            found[name] = {"info": "gauge"}.get(family.type, family.type)
            for sample in family.samples:
                known = {**table[name]["labels"], **({"le": set()} if sample.name.endswith("_bucket") else {})}
                self.assertEqual(set(sample.labels), set(known), sample.name)
                for label, value in sample.labels.items():
                    self.assertTrue(not known[label] or value in known[label], sample)
        # The embedded engine does not run here.
        listed = {name: row["type"] for name, row in table.items() if name != "metricd_engine_restarts_total"}
        self.assertEqual(found, listed)
        self.assertLessEqual(sum(len(family.samples) for family in self.scraped), 200)

    def test_what_prometheus_gets_is_what_was_done(self):
        values = {(it.name, *sorted(it.labels.values())): it.value for family in self.scraped for it in family.samples}
        for outcome, least in (("ok", 3), ("client_error", 2), ("server_error", 1)):
            counted = sum(value for (name, *labels), value in values.items()
                          if name == "metricd_http_requests_total" and outcome in labels)
            self.assertGreaterEqual(counted, least, outcome)
        self.assertGreaterEqual(values["metricd_http_overloads_total",], 1)
        self.assertGreaterEqual(values["metricd_queries_total", "failed"], 1)
        self.assertEqual((values["metricd_ready",], values["metricd_degraded",]), (1, 0))

    def test_every_query_finds_lines_that_have_its_fields(self):
        queries = of_kind("insights")
        self.assertGreater(len(queries), 15)
        ids = re.findall(r'request_id = "([^"]+)"', PAGES["monitoring"])
        self.assertEqual(len(ids), 1)
        (refused, *_) = [line for line in self.lines if line["event"] == "Service unavailable"]
        for page, text in queries:
            with self.subTest(page, query=text):
                query = InsightsQuery(text.replace(ids[0], refused["request_id"]).replace("status = 504", "status = 503"))
                found = [line for line in self.lines if query.selects(line)]
                self.assertTrue(found)
                self.assertLess(len(found), len(self.lines))
                self.assertEqual(query.fields - set().union(*found), set())

    def test_every_metric_filter_counts_what_it_is_meant_to(self):
        resources = cfn_yaml.load(str(STACK))["Resources"]
        filters = {name: it["Properties"] for name, it in resources.items() if it["Type"] == "AWS::Logs::MetricFilter"}
        called = [line for line in self.lines if line["event"] == "Endpoint called"]
        meant = {
            "ErrorsFilter": [line for line in self.lines if line["level"] == "ERROR"],
            "FailedRequestsFilter": [line for line in called if line["status"] in (500, 503, 504)],
            "RequestsFilter": called,
        }
        self.assertEqual(set(filters), set(meant))
        for name, properties in filters.items():
            selects = filter_pattern(properties["FilterPattern"])
            self.assertEqual([line for line in self.lines if selects(line)], meant[name], name)
            self.assertTrue(meant[name] and len(meant[name]) < len(self.lines), name)
            (told,) = properties["MetricTransformations"]
            value = told["MetricValue"]
            if value.startswith("$."):
                self.assertTrue(all(line[value.removeprefix("$.")] >= 0 for line in meant[name]))

    def test_lines_have_the_fields_that_the_guide_lists(self):
        (table,) = re.findall(r"^\| field \| is \|\n(.*?)\n\n", PAGES["monitoring"], re.M | re.S)
        listed = re.findall(r"`(\w+)`", "\n".join(row.split("|")[1] for row in table.splitlines()))
        of_requests = set().union(*(line for line in self.lines if line["event"] == "Endpoint called"))
        own = {"timestamp", "level", "event", "status", "duration_ms"}
        self.assertEqual(of_requests - own, set(listed) - {"day_range", "timezone"})
        for line in self.lines:
            self.assertLessEqual({"timestamp", "level", "event"}, set(line))

    def test_no_line_holds_a_token_or_a_row(self):
        text = self.metricd.log.read_text()
        self.assertNotIn(self.metricd.token, text)
        self.assertNotIn("of.no.token", text)

    def test_the_statements_of_the_runbook_run(self):
        self.assertGreaterEqual(len(self.found), 4)
        # What other roles run is seen, too.
        (of_pools,) = [found for statements, found in self.found.items() if "LIKE 'metricd%'" in statements]
        self.assertIn("metricd reader", of_pools)

    def test_the_filters_of_jq_that_are_shown_run(self):
        shown = [it for page in PAGES.values() for it in re.findall(r"\| jq -c '([^']+)'", page)]
        self.assertGreaterEqual(len(shown), 2)
        for text in shown:
            ran = subprocess.run(["jq", "-c", text, self.metricd.log], capture_output=True, text=True)
            self.assertEqual((ran.returncode, ran.stderr), (0, ""), text)


if __name__ == "__main__":
    unittest.main()
