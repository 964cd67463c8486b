"""A program over the client that openapi-python-client generates: url and token are its arguments."""

import sys

from metricd_client import AuthenticatedClient
from metricd_client.api.metrics import (
    create_metrics_configuration,
    delete_metrics_configuration,
    get_metrics,
    list_metrics,
    preview_metric,
    update_metrics_configuration,
)
from metricd_client.api.records import create_metric_record
from metricd_client.models import (
    Chart,
    CreatedMetric,
    DisplayInput,
    LayoutItemInput,
    MetricAnswer,
    MetricPatch,
    NewMetricFromSql,
    NewRecord,
    PreviewRequestFromSql,
    Problem,
    ProblemType,
)

url, token = sys.argv[1:]
client = AuthenticatedClient(base_url=url, token=token)

new = NewMetricFromSql(
    is_editable=True,
    layouts=[LayoutItemInput(breakpoint_="lg", x=0, y=0, w=6, h=8)],
    query="SELECT 1 AS one, 'a' AS letter",
    name="From Python",
    display=DisplayInput(chart=Chart.BAR, unit="€"),
)
made = create_metrics_configuration.sync(client=client, body=new)
assert isinstance(made, CreatedMetric), made

read = get_metrics.sync_detailed(made.id, client=client, day_range=7)
answer = read.parsed
assert isinstance(answer, MetricAnswer), read
assert [dict(row.additional_properties) for row in answer.records] == [{"one": 1, "letter": "a"}]
assert answer.display.chart is Chart.BAR and answer.params.ignored == ["day_range"]

etag = read.headers["ETag"]
for name, expected in [("Changed", None), ("Changed again", ProblemType.URNMETRICDPROBLEMMETRIC_MODIFIED)]:
    changed = update_metrics_configuration.sync(
        made.id, client=client, body=MetricPatch(name=name, description=None), if_match=etag
    )
    if expected is None:
        assert not isinstance(changed, Problem) and changed.name == name, changed
    else:
        assert isinstance(changed, Problem) and changed.type_ is expected, changed

added = create_metric_record.sync_detailed(made.id, client=client, body=NewRecord(parts_flagged=1))
assert added.status_code == 201, added

page = list_metrics.sync(client=client, limit=1)
assert page is not None and len(page.items) == 1, page

tried = preview_metric.sync(client=client, body=PreviewRequestFromSql(query="SELECT 2 AS two"))
assert not isinstance(tried, Problem) and tried.records[0]["two"] == 2, tried

removed = delete_metrics_configuration.sync_detailed(made.id, client=client)
assert removed.status_code == 204, removed
print("all calls are answered")
