from __future__ import annotations

import json
import re
from typing import Any

import aws_cdk as cdk
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsql_dr_constructs import DrDashboard, FailoverOptions, MonitoringOptions, MultiRegionDsqlDr, RegionalCluster
from dsql_dr_constructs.runtime.health_monitor import metric_names as names
from tests.unit.intrinsics import written_out
from tests.unit.monitoring.monitored_pair import DEPLOYMENT, MonitoredPair

OURS = {names.CLUSTER_HEALTH, names.PEERING_HEALTH, names.ENDPOINT_REACHABLE, names.PROBE_LATENCY, names.PROBE_ATTEMPTS}
OURS |= set(names.OF_THE_OBSERVER)
OF_SQL = (names.SQL_SERVES, names.COMMIT_LATENCY, names.READ_BACK_LATENCY)
EXISTING = {
    names.NAMESPACE: OURS,
    "AWS/Lambda": {"Invocations", "Errors", "Duration", "Throttles"},
    "AWS/Events": {"Invocations", "FailedInvocations"},
    "AWS/AuroraDSQL": {
        "TotalTransactions",
        "ReadOnlyTransactions",
        "OccConflicts",
        "QueryTimeouts",
        "CommitLatency",
        "WriteDPU",
        "ReadDPU",
        "ComputeDPU",
        "MultiRegionWriteDPU",
    },
}


def body(stack: cdk.Stack) -> list[dict[str, Any]]:
    """The dashboard's widgets, with template parameters written as their names."""
    found: list[dict[str, Any]] = json.loads(deployed(template_of(stack)))["widgets"]
    return found


def template_of(stack: cdk.Stack) -> Any:
    template = cdk.assertions.Template.from_stack(stack)
    [dashboard] = template.find_resources("AWS::CloudWatch::Dashboard").values()
    return dashboard["Properties"]["DashboardBody"]


def deployed(value: Any, parameter: str | None = None) -> str:
    """*value* as CloudFormation makes a text of it, where each parameter is *parameter*, or else its own name."""

    def ref(name: str) -> str:
        known = {"AWS::Partition": "aws", "AWS::AccountId": "1" * 12}
        return known.get(name) or (name if parameter is None else parameter)

    found: str = written_out(value, ref)
    return found


NOTIFICATIONS = (
    "cluster-down",
    "peering-lost",
    "parameters-changed",
    "notifications-broken",
    "monitoring-not-working",
)
INJECTED = [
    'a"]]}},{"type":"text","properties":{"markdown":"# Runbook"}},{"type":"metric","properties":{"metrics":[["x","y"',
    "a\\",
    "a\\u0022]]",
    "a\nb",
    'a","b',
    "a`b",
]


@pytest.fixture(scope="module")
def dashboard_body() -> Any:
    return template_of(
        MultiRegionDsqlDr(cdk.App(), "Orders", monitoring=MonitoringOptions(witness_observer=True)).stacks[2]
    )


@pytest.fixture(scope="module")
def widgets(dashboard_body: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(deployed(dashboard_body))["widgets"]
    return found


@given(text=st.one_of(st.sampled_from(INJECTED), st.text(max_size=30)))
def test_whatever_a_parameter_says_the_dashboard_has_no_other_widgets(
    dashboard_body: Any, widgets: list[dict[str, Any]], text: str
) -> None:
    try:
        found = json.loads(deployed(dashboard_body, text))["widgets"]
    except ValueError:
        assert re.search(r"""[\x00-\x1f"\\]""", text), "it is no JSON, so CloudWatch refuses it"
        return
    assert [one["type"] for one in found] == [one["type"] for one in widgets]
    assert [one["properties"].get("markdown") for one in found] == [
        one["properties"].get("markdown") for one in widgets
    ]


def metrics(widgets: list[dict[str, Any]]) -> list[tuple[str, str, dict[str, str], dict[str, Any]]]:
    """Namespace, name, dimensions and rendering of every metric."""
    found = []
    for widget in widgets:
        for metric in widget["properties"].get("metrics", []):
            if isinstance(metric[0], dict):  # metric math, whose metrics come by themselves
                assert metric[0]["expression"]
                continue
            namespace, name, *rest = metric
            rendering = rest.pop() if isinstance(rest[-1], dict) else {}
            rendering.setdefault("region", widget["properties"]["region"])
            found.append((namespace, name, dict(zip(rest[::2], rest[1::2], strict=True)), rendering))
    return found


def test_it_has_the_name_that_people_look_for(app: cdk.App) -> None:
    pair = MonitoredPair(app)
    DrDashboard(pair.stack, "Dashboard", deployment_name=DEPLOYMENT, clusters=pair.clusters)
    [dashboard] = pair.properties("AWS::CloudWatch::Dashboard")
    assert dashboard["DashboardName"] == "Aurora-DSQL-DR-Dashboard-Orders-production"


def test_first_row_has_the_health_of_each_cluster_by_observer_and_all_alarms(widgets: list[dict[str, Any]]) -> None:
    health, alarms = [one for one in widgets if one["y"] == 0]
    seen = {(d["ClusterRegion"], d["ObserverRegion"], r["region"]) for _, _, d, r in metrics([health])}
    observers = ("us-east-1", "us-west-2", "us-east-2")
    assert seen == {(cluster, one, one) for cluster in ("us-east-1", "us-west-2") for one in observers}
    assert alarms["type"] == "alarm"
    assert alarms["properties"]["sortBy"] == "stateUpdatedTimestamp"
    of_region = {arn.split(":")[3] for arn in alarms["properties"]["alarms"]}
    assert of_region == set(observers)
    for region in observers:
        assert sum(arn.endswith(f"-peering-lost-from-{region}") for arn in alarms["properties"]["alarms"]) == 1


def test_widgets_fit_the_grid_and_do_not_overlap(widgets: list[dict[str, Any]]) -> None:
    cells: set[tuple[int, int]] = set()
    for one in widgets:
        assert one["x"] + one["width"] <= 24
        mine = {
            (x, y) for x in range(one["x"], one["x"] + one["width"]) for y in range(one["y"], one["y"] + one["height"])
        }
        assert not cells & mine
        cells |= mine
    assert len(cells) == 24 * max(y + 1 for _, y in cells), "and leave no gaps"


def test_every_metric_on_it_exists(widgets: list[dict[str, Any]]) -> None:
    shown = metrics(widgets)
    for namespace, name, dimensions, _ in shown:
        assert name in EXISTING[namespace]
        wanted = {
            names.NAMESPACE: set(names.DIMENSIONS),
            "AWS/Lambda": {"FunctionName"},
            "AWS/Events": {"RuleName"},
            "AWS/AuroraDSQL": {"ClusterId"},
        }
        if name in names.OF_THE_OBSERVER:
            wanted[names.NAMESPACE] = {names.DEPLOYMENT, names.OBSERVER_REGION}
        assert set(dimensions) == wanted[namespace] or (name.endswith("DPU") and set(dimensions) == {"ResourceId"})
    assert {namespace for namespace, *_ in shown} == set(EXISTING)


def test_parameters_and_notifications_are_lines_of_the_graph_of_the_peering(widgets: list[dict[str, Any]]) -> None:
    [peering] = [one for one in widgets if "SSM parameters" in one["properties"].get("title", "")]
    shown = [(name, rendering["region"]) for _, name, _, rendering in metrics([peering])]
    for name in (names.PARAMETER_HEALTH, names.NOTIFICATION_HEALTH):
        assert [region for one, region in shown if one == name] == ["us-east-1", "us-west-2", "us-east-2"]


def test_with_failover_it_shows_which_region_is_evacuated_as_both_regions_see_it() -> None:
    options = MonitoringOptions(witness_observer=True)
    app = cdk.App()
    widgets = body(MultiRegionDsqlDr(app, "Orders", monitoring=options, failover=FailoverOptions()).stacks[2])
    [shown] = [one for one in widgets if one["properties"].get("title", "").startswith("Evacuated Regions (1: ")]
    regions = ("us-east-1", "us-west-2")
    found = metrics([shown])
    assert {(name, d["ClusterRegion"], d["ObserverRegion"], r["region"]) for _, name, d, r in found} == {
        (names.EVACUATED, cluster, observer, observer) for cluster in regions for observer in regions
    }, "and not as the witness Region, which reads no declarations"
    assert {one["label"] for *_, one in found} == {f"{a}, seen from {b}" for a in regions for b in regions}
    assert {one["stat"] for *_, one in found} == {"Maximum"}
    [text] = [one["properties"]["markdown"] for one in widgets if one["type"] == "text"]
    for region, other in (regions, regions[::-1]):
        assert f'dsql-dr evacuate Orders-production {region} --region {other} --why "$REASON"\n' in text


def test_without_failover_it_has_no_graph_of_evacuations(widgets: list[dict[str, Any]]) -> None:
    assert names.EVACUATED not in {name for _, name, *_ in metrics(widgets)}
    assert "evacuate" not in json.dumps(widgets)


def test_both_clusters_stand_side_by_side(widgets: list[dict[str, Any]]) -> None:
    of_dsql = [
        one for one in widgets if one["type"] == "metric" and "AWS/AuroraDSQL" in str(one["properties"]["metrics"])
    ]
    for left, right in zip(of_dsql[::2], of_dsql[1::2], strict=True):
        assert (left["y"], left["properties"]["region"]) == (right["y"], "us-east-1")
        assert right["properties"]["region"] == "us-west-2"
        assert [one[1:2] for one in left["properties"]["metrics"]] == [
            one[1:2] for one in right["properties"]["metrics"]
        ]


def test_runbook_has_a_step_for_every_verdict_and_commands_that_are_filled_in(widgets: list[dict[str, Any]]) -> None:
    [text] = [one["properties"]["markdown"] for one in widgets if one["type"] == "text"]
    places = [text.index(f"**{one}**") for one in NOTIFICATIONS]
    assert places == sorted(places), "in the order of the notifications, by their names"
    for verdict in set(names.VERDICTS) - {names.HEALTHY}:
        assert verdict in text
    for region in ("us-east-1", "us-west-2", "us-east-2"):
        assert f"aws lambda invoke --region {region} --function-name aurora-dsql-monitor-Orders-production" in text
    for region, other in (("us-east-1", "us-west-2"), ("us-west-2", "us-east-1")):
        read = f"aws ssm get-parameter --region {other} --name /dsql-dr/Orders-production/{region}/identifier"
        asked = f"\"$({read} --query Parameter.Value --output text | grep -Ex '[a-z0-9]{{26}}')\""
        assert f"aws dsql get-cluster --region {region} --identifier {asked}\n" in text
    assert "the witness Region (configured: us-east-2)" in text
    assert "With PEERING_LOST, writes in one Region do not reach the other: send" in text
    assert "With WITNESS_MISMATCH, nothing is lost." in text
    for region in ("us-east-1", "us-west-2", "us-east-2"):
        faults = "cluster-down-us-east-1,cluster-down-us-west-2,parameters-changed,peering-lost,monitoring-not-working"
        named = f"aurora-dsql-Orders-production-{{{faults},notifications-broken}}-from-{region}"
        assert f"aws cloudwatch enable-alarm-actions --region {region} --alarm-names {named}\n" in text
        topic = f":sns:{region}:{'1' * 12}:aurora-dsql-alerts-Orders-production"
        assert re.search(rf"aws sns subscribe --region {region} --topic-arn arn:\S+{topic} .*\$EMAIL", text)
    assert "<" not in text, "nothing is left for the reader to fill in"


def test_runbook_of_clusters_that_are_known_names_them(app: cdk.App) -> None:
    pair = MonitoredPair(app)
    clusters = [
        RegionalCluster.from_cluster_attributes(pair.stack, one, cluster_identifier="a" * 26, region=one)
        for one in ("eu-west-1", "eu-west-2")
    ]
    DrDashboard(pair.stack, "Dashboard", deployment_name=DEPLOYMENT, clusters=clusters)
    [text] = [one["properties"]["markdown"] for one in body(pair.stack) if one["type"] == "text"]
    assert f"aws dsql get-cluster --region eu-west-1 --identifier {'a' * 26}\n" in text


def test_without_alarms_the_first_row_is_the_health_alone(app: cdk.App) -> None:
    pair = MonitoredPair(app)
    DrDashboard(pair.stack, "Dashboard", deployment_name=DEPLOYMENT, clusters=pair.clusters)
    [health] = [one for one in body(pair.stack) if one["y"] == 0]
    assert health["width"] == 24


def put_by_monitors(widgets: list[dict[str, Any]]) -> set[str]:
    return {name for namespace, name, *_ in metrics(widgets) if namespace == names.NAMESPACE}


@pytest.fixture(scope="module")
def widgets_with_sql() -> list[dict[str, Any]]:
    pair = MultiRegionDsqlDr(cdk.App(), "Orders", monitoring=MonitoringOptions(sql_probe=True))
    [stack] = [one for one in pair.stacks if "PrimaryMonitoring" in one.stack_name]
    return body(stack)


def test_sql_probe_has_a_row_of_its_own_by_cluster_and_observer(widgets_with_sql: list[dict[str, Any]]) -> None:
    test_widgets_fit_the_grid_and_do_not_overlap(widgets_with_sql)
    row = [one for one in widgets_with_sql if put_by_monitors([one]) & set(OF_SQL)]
    assert [put_by_monitors([one]) for one in row] == [{one} for one in OF_SQL]
    assert len({one["y"] for one in row}) == 1
    pairs = [(cluster, observer) for cluster in ("us-east-1", "us-west-2") for observer in ("us-east-1", "us-west-2")]
    for one in row:
        shown = metrics([one])
        assert [(d["ClusterRegion"], d["ObserverRegion"]) for _, _, d, _ in shown] == pairs
        assert [rendering["region"] for *_, rendering in shown] == [observer for _, observer in pairs]
    assert [one["properties"]["metrics"][0][-1]["stat"] for one in row] == ["Minimum", "Maximum", "Maximum"]


def test_without_the_sql_probe_nothing_speaks_of_it(widgets: list[dict[str, Any]]) -> None:
    assert not put_by_monitors(widgets) & set(OF_SQL)
    [text] = [one["properties"]["markdown"] for one in widgets if one["type"] == "text"]
    assert "SQL" not in text.replace("DSQL", "")


def test_runbook_with_the_sql_probe_has_the_command_that_makes_its_role_again(
    widgets_with_sql: list[dict[str, Any]],
) -> None:
    [text] = [one["properties"]["markdown"] for one in widgets_with_sql if one["type"] == "text"]
    assert text.index("**cluster-down**") < text.index("begins with `SQL:`") < text.index("**peering-lost**")
    for region in ("us-east-1", "us-west-2"):
        repair = f"aws lambda invoke --region {region} --function-name aurora-dsql-roles-Orders-production "
        assert text.index("**monitoring-not-working**") < text.index(repair)


def test_runbook_of_a_pair_made_elsewhere_says_what_to_invoke_for_the_sql_probe(app: cdk.App) -> None:
    pair = MonitoredPair(app)
    clusters = [
        RegionalCluster.from_cluster_attributes(pair.stack, one, cluster_identifier="a" * 26, region=one)
        for one in ("eu-west-1", "eu-west-2")
    ]
    DrDashboard(pair.stack, "Dashboard", deployment_name=DEPLOYMENT, clusters=clusters, sql_probe=True)
    [text] = [one["properties"]["markdown"] for one in body(pair.stack) if one["type"] == "text"]
    assert 'invoke the function for database roles of that stack with `{"action":"repair"}`' in text
    assert "aurora-dsql-roles" not in text
