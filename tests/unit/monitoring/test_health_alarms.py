from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_kms as kms
from aws_cdk.aws_cloudwatch import CfnAlarm

from dsql_dr_constructs import (
    AlarmOptions,
    AlertingTopic,
    FailoverOptions,
    HealthAlarmOptions,
    HealthAlarms,
    HealthMonitor,
    MonitoringOptions,
    MultiRegionDsqlDr,
    RegionalCluster,
)
from dsql_dr_constructs.monitoring.alarm_description import notifications_broken
from dsql_dr_constructs.physical_names import ALARM_KINDS
from dsql_dr_constructs.runtime.health_monitor.alarm_digest import digest
from tests.unit.monitoring.monitored_pair import MonitoredPair

PREFIX = "aurora-dsql-Orders-production-"
REGIONS = ("us-east-1", "us-west-2")
CAUSES = {
    "peering-lost": {f"peering-{region}" for region in REGIONS},
    "monitoring-not-working": {"monitor-no-data", "data-without-runs", "monitor-errors"},
}
NOTIFYING = {*(f"cluster-down-{region}" for region in REGIONS), *CAUSES, "parameters-changed"}
FOR_ROUTE_53 = {f"cluster-health-{region}" for region in REGIONS}
OF_THE_MONITOR = {"monitor-throttles", "monitor-duration", "failed-invocations", "dead-letters"}
WARNINGS = OF_THE_MONITOR | {"query-timeouts", "occ-conflicts", "commit-latency"}
ALL = NOTIFYING | FOR_ROUTE_53 | WARNINGS | {one for causes in CAUSES.values() for one in causes}


class Monitoring(MonitoredPair):
    """With alarms."""

    def __init__(
        self,
        app: cdk.App,
        region: str = "us-east-1",
        schedule: cdk.Duration | None = None,
        sql_probe: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(app, region)
        self.region = region
        self.topic = AlertingTopic(self.stack, "Alerts", emails=["ops@example.com"])
        monitor = self.monitor(sql_probe=sql_probe, **({"schedule": schedule} if schedule else {}))
        self.health = HealthAlarms(self.stack, "Alarms", monitor=monitor, topic=self.topic, **options)

    def alarms(self) -> dict[str, dict[str, Any]]:
        """Metric and composite alarms by what they are about."""
        found = [*self.properties("AWS::CloudWatch::Alarm"), *self.properties("AWS::CloudWatch::CompositeAlarm")]
        assert all(one["AlarmName"].endswith(f"-from-{self.region}") for one in found)
        return {one["AlarmName"].removeprefix(PREFIX).removesuffix(f"-from-{self.region}"): one for one in found}

    def notifying(self, topic: AlertingTopic) -> set[str]:
        arn = [self.stack.resolve(topic.topic.topic_arn)]
        alarms = self.alarms()
        assert all(one.get("AlarmActions") == one.get("OKActions") for one in alarms.values())
        return {what for what, one in alarms.items() if one.get("AlarmActions") == arn}


def test_every_region_has_an_alarm_for_each_fault_and_each_warning(app: cdk.App) -> None:
    watch = Monitoring(app)
    assert set(watch.alarms()) == ALL == set(watch.health.alarms)
    assert watch.health.names == [f"{PREFIX}{what}-from-us-east-1" for what in watch.health.alarms]
    assert all(what.startswith(ALARM_KINDS) for what in ALL | {"dpu-budget", "notifications-broken"}), (
        "or dsql-dr status would not see it"
    )


def test_region_without_a_cluster_has_no_alarms_on_dsqls_own_signals(app: cdk.App) -> None:
    assert set(Monitoring(app, "us-east-2").alarms()) == ALL - (WARNINGS - OF_THE_MONITOR)


def test_one_alarm_notifies_of_each_kind_of_fault_and_of_its_end(app: cdk.App) -> None:
    watch = Monitoring(app)
    assert watch.notifying(watch.topic) == NOTIFYING


@pytest.mark.parametrize("composite", CAUSES)
def test_composite_alarm_stands_for_all_its_causes(app: cdk.App, composite: str) -> None:
    watch = Monitoring(app)
    rule = watch.alarms()[composite]["AlarmRule"]["Fn::Join"][1]
    named = {part["Fn::GetAtt"][0] for part in rule if isinstance(part, dict)}
    ids = watch.template().find_resources("AWS::CloudWatch::Alarm").items()
    names = {id: one["Properties"]["AlarmName"] for id, one in ids}
    assert {names[id] for id in named} == {f"{PREFIX}{what}-from-us-east-1" for what in CAUSES[composite]}
    assert {part for part in rule if isinstance(part, str)} == {'(ALARM("', '") OR ALARM("', '"))'}


def test_without_data_a_cluster_is_unhealthy_to_route_53_and_not_seen_down_by_people(app: cdk.App) -> None:
    alarms = Monitoring(app).alarms()
    for what, missing in (("cluster-health-us-west-2", "breaching"), ("cluster-down-us-west-2", "ignore")):
        alarm = alarms[what]
        assert "Metrics" not in alarm, "Route 53 health checks follow no metric math"
        assert {one["Name"]: one["Value"] for one in alarm["Dimensions"]} == {
            "Deployment": "Orders-production",
            "ClusterRegion": "us-west-2",
            "ObserverRegion": "us-east-1",
        }
        assert (alarm["MetricName"], alarm["Statistic"], alarm["TreatMissingData"]) == (
            "ClusterHealth",
            "Minimum",
            missing,
        )
        assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("LessThanThreshold", 1)
        assert (alarm["Period"], alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"]) == (120, 2, 2)


def test_periods_follow_the_schedule(app: cdk.App) -> None:
    alarms = Monitoring(app, schedule=cdk.Duration.minutes(1)).alarms()
    assert alarms["cluster-down-us-east-1"]["Period"] == 60
    assert alarms["monitor-no-data"]["Metrics"][1]["MetricStat"]["Period"] == 60
    assert alarms["commit-latency"]["Period"] == 300


def test_warnings_go_to_a_topic_of_their_own_if_there_is_one(app: cdk.App) -> None:
    watch = Monitoring(app)
    assert WARNINGS.isdisjoint(watch.notifying(watch.topic))
    other = cdk.App()
    pair = MonitoredPair(other)
    quiet = AlertingTopic(pair.stack, "Quiet")
    HealthAlarms(pair.stack, "Alarms", monitor=pair.monitor(), warning_topic=quiet)
    told = {
        one["AlarmName"].removeprefix(PREFIX).removesuffix("-from-us-east-1")
        for one in pair.properties("AWS::CloudWatch::Alarm")
        if one.get("AlarmActions") == [pair.stack.resolve(quiet.topic.topic_arn)]
    }
    assert told == WARNINGS
    assert all("AlarmActions" not in one for one in pair.properties("AWS::CloudWatch::CompositeAlarm"))


def test_alarms_come_after_the_first_probe(app: cdk.App) -> None:
    resources = Monitoring(app).template().to_json()["Resources"].values()
    alarms = [one for one in resources if one["Type"].startswith("AWS::CloudWatch::") and "Alarm" in one["Type"]]
    assert len(alarms) == len(ALL)
    assert all("MonitorFirstProbeC2F77E52" in one["DependsOn"] for one in alarms)


@pytest.mark.parametrize("sql_probe", [False, True], ids=["", "with the SQL probe"])
def test_every_description_says_what_is_wrong_what_to_do_and_links_the_runbook(app: cdk.App, sql_probe: bool) -> None:
    alarms = Monitoring(app, sql_probe=sql_probe).alarms()
    for alarm in alarms.values():
        fault, action, *rest, ok, runbook = alarm["AlarmDescription"].split("\n")
        assert re.fullmatch(r"ALARM: [A-Z].+\.", fault)
        assert re.fullmatch(r"OK: [A-Z].+\.", ok)
        assert action.startswith("What to do: ")
        actions, commands = [action, *rest[1::2]], rest[::2]
        assert all(one.startswith("aws ") for one in commands)
        assert [one[-1] for one in actions] == [":"] * len(commands) + ["."] * (len(actions) - len(commands))
        assert runbook.endswith("#dashboards/dashboard/Aurora-DSQL-DR-Dashboard-Orders-production")
    for what in NOTIFYING:
        assert "\naws " in alarms[what]["AlarmDescription"]


def test_with_the_sql_probe_a_notification_says_what_sql_adds_and_nothing_of_it_without(app: cdk.App) -> None:
    notes = {what: one["AlarmDescription"] for what, one in Monitoring(app, sql_probe=True).alarms().items()}
    assert notes["cluster-down-us-west-2"].startswith("ALARM: The cluster in us-west-2 is down or does not serve SQL, ")
    assert "begins with SQL:" in notes["cluster-down-us-west-2"]
    assert (
        "The monitor in us-east-1, or its SQL probe, does not work, so it may report" in notes["monitoring-not-working"]
    )
    assert "\nIf it is the SQL probe, somebody who may run SQL as admin repairs" in notes["monitoring-not-working"]
    without = [one["AlarmDescription"] for one in Monitoring(cdk.App()).alarms().values()]
    assert len(without) > 10
    assert [one for one in without if re.search(r"SQL(?!STATE)", one.replace("DSQL", ""))] == []


def test_cluster_down_says_which_cluster_works_and_how_to_ask_for_the_reason(app: cdk.App) -> None:
    fault, action, command, ok, _ = Monitoring(app).alarms()["cluster-down-us-west-2"]["AlarmDescription"].split("\n")
    assert fault == (
        "ALARM: The cluster in us-west-2 is down, as seen from us-east-1. The cluster in us-east-1 takes reads and "
        "writes, unless a notification says that it is down, too."
    )
    assert ok == "OK: The cluster in us-west-2 is healthy."
    assert "Send your application to the endpoint in us-east-1; nothing has to be promoted." in action
    assert "aws lambda invoke --region us-east-1 --function-name aurora-dsql-monitor-Orders-production" in command


def test_with_failover_cluster_down_says_that_users_leave_by_themselves(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders", failover=FailoverOptions())
    for region, other in (("us-east-1", "us-west-2"), ("us-west-2", "us-east-1")):
        for alarms in pair.alarms.values():
            alarm = alarms.alarms[f"cluster-down-{region}"].node.default_child
            assert isinstance(alarm, CfnAlarm)
            assert alarm.alarm_description
            assert (
                "Route 53 records with its health check leave it by themselves. Send what else connects to the "
                f"endpoint in {other}; nothing has to be promoted."
            ) in alarm.alarm_description


def test_lost_peering_is_notified_with_the_command_that_repairs_it(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders")
    command = (
        "then repair it:\naws lambda invoke --region us-west-2 --function-name aurora-dsql-peering-Orders-production "
        '--cli-binary-format raw-in-base64-out --payload \'{"action":"repair"}\' --cli-read-timeout 330 response.json'
    )
    for stack in pair.stacks[2:]:
        found = assertions.Template.from_stack(stack).find_resources("AWS::CloudWatch::CompositeAlarm").values()
        texts = {one["Properties"]["AlarmName"]: one["Properties"]["AlarmDescription"] for one in found}
        assert command in texts[f"{PREFIX}peering-lost-from-{stack.region}"]
    foreign = Monitoring(cdk.App()).alarms()["peering-lost"]["AlarmDescription"]
    assert "then repair it by aws dsql update-cluster --multi-region-properties" in foreign
    assert "peering-Orders" not in foreign, "a pair of somebody else has no such function"


@pytest.mark.parametrize("what", ["peering-lost", *sorted(CAUSES["peering-lost"])])
def test_lost_peering_and_another_witness_have_one_text_that_is_true_of_both(app: cdk.App, what: str) -> None:
    """The alarm cannot know which it is: only with a lost peering the application has to leave a Region."""
    fault, action, verdict, then, ok, _ = Monitoring(app, "us-west-2").alarms()[what]["AlarmDescription"].split("\n")
    assert fault == (
        "ALARM: A peer or witness Region of the clusters in us-east-1 and us-west-2 is not as configured. Both "
        "clusters still accept connections."
    )
    assert ok == "OK: The pair is as configured."
    assert action == "What to do: Get the verdict:"
    assert verdict.startswith(
        "aws lambda invoke --region us-west-2 --function-name aurora-dsql-monitor-Orders-production"
    )
    assert then.startswith(
        "PEERING_LOST: writes do not reach the other Region. Send your application to one Region; if both took "
        "writes, ask AWS Support first. WITNESS_MISMATCH: nothing is lost. "
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "us-east-1 cannot notify anybody of faults. us-west-2 still notifies"),
        (
            {"witness_observer": True},
            "us-east-1 or us-east-2 cannot notify anybody of faults; the command below says which. us-west-2 still",
        ),
    ],
)
def test_broken_notifications_are_notified_with_the_region(
    app: cdk.App, options: dict[str, Any], sentence: str
) -> None:
    west = MultiRegionDsqlDr(app, "Orders", monitoring=MonitoringOptions(**options)).stacks[3]
    alarms = assertions.Template.from_stack(west).find_resources("AWS::CloudWatch::Alarm").values()
    named = {one["Properties"]["AlarmName"]: one["Properties"]["AlarmDescription"] for one in alarms}
    assert named[f"{PREFIX}notifications-broken-from-us-west-2"].startswith(f"ALARM: {sentence}")


def test_region_that_is_not_known_at_synth_is_not_named(app: cdk.App) -> None:
    """It would be deployed as the name of the Region that notifies."""
    found = notifications_broken(Monitoring(app).health._monitor, "us-east-1", [cdk.Aws.REGION])
    assert found.fault.startswith("Another Region cannot notify anybody of faults. us-east-1 still notifies")


LEFT_OUT = {
    "cluster_down": {f"cluster-down-{region}" for region in REGIONS},
    "cluster_health": FOR_ROUTE_53,
    "peering": CAUSES["peering-lost"] | {"peering-lost"},
    "parameters_changed": {"parameters-changed"},
    "notifications_broken": set(),  # that alarm is of several Regions: see below
    "recovery_point_age": set(),  # only with backup vaults: tests/unit/monitoring/test_backup_vaults.py
}


@pytest.mark.parametrize("name", [one.name for one in fields(HealthAlarmOptions) if one.name != "dpu_budget"])
def test_none_leaves_an_alarm_out(app: cdk.App, name: str) -> None:
    watch = Monitoring(app, options=HealthAlarmOptions(**{name: None}))
    assert ALL - set(watch.alarms()) == LEFT_OUT.get(name, {name.replace("_", "-")})


def test_composite_without_causes_is_not_made(app: cdk.App) -> None:
    causes = ("peering", "monitor_no_data", "data_without_runs", "monitor_errors")
    watch = Monitoring(app, options=HealthAlarmOptions(**dict.fromkeys(causes)))
    assert watch.properties("AWS::CloudWatch::CompositeAlarm") == []


def test_thresholds_periods_and_m_of_n_can_be_chosen(app: cdk.App) -> None:
    budget = AlarmOptions(threshold=50_000, evaluation_periods=3)
    alarm = Monitoring(app, options=HealthAlarmOptions(dpu_budget=budget)).alarms()["dpu-budget"]
    queries = [one["MetricStat"] for one in alarm["Metrics"] if "MetricStat" in one]
    assert {one["Metric"]["Dimensions"][0]["Name"] for one in queries} == {"ClusterId", "ResourceId"}
    assert {(one["Metric"]["MetricName"], one["Stat"], one["Period"]) for one in queries} == {("TotalDPU", "Sum", 3600)}
    assert (alarm["Threshold"], alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]) == (50_000, 3, 1)


def test_periods_that_reach_back_too_far_are_refused(app: cdk.App) -> None:
    options = HealthAlarmOptions(cluster_down=AlarmOptions(evaluation_periods=50, datapoints_to_alarm=50))
    with pytest.raises(ValueError, match="cluster_down evaluates 50 periods of 30 minutes"):
        Monitoring(app, schedule=cdk.Duration.minutes(30), options=options)


def test_pair_that_is_not_read_from_parameters_has_no_alarm_on_them(app: cdk.App) -> None:
    stack = cdk.Stack(app, "Monitoring", env=cdk.Environment(region="us-east-1"))
    clusters = [
        RegionalCluster.from_cluster_attributes(stack, one, cluster_identifier="a" * 26, region=one) for one in REGIONS
    ]
    monitor = HealthMonitor(stack, "Monitor", deployment_name="Orders", clusters=clusters)
    assert "parameters-changed" not in HealthAlarms(stack, "Alarms", monitor=monitor).alarms


def test_changed_parameter_is_notified_with_the_command_that_repairs_it(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders")
    for region, alarms in pair.monitoring.alarms.items() if pair.monitoring else ():
        stack = cdk.Stack.of(alarms)
        name = f"{PREFIX}parameters-changed-from-{region}"
        [alarm] = (
            assertions.Template.from_stack(stack)
            .find_resources("AWS::CloudWatch::Alarm", {"Properties": {"AlarmName": name}})
            .values()
        )
        text = alarm["Properties"]["AlarmDescription"]
        assert "To repair it:\naws lambda invoke --region us-west-2 --function-name aurora-dsql-peering-" in text
        restart, find_out = "then restart or deploy again what has read it", "then find out who wrote it (CloudTrail"
        assert text.index("Repair the parameter") < text.index(restart) < text.index(find_out)
        assert alarm["Properties"]["TreatMissingData"] == "ignore"
    foreign = Monitoring(cdk.App()).alarms()["parameters-changed"]["AlarmDescription"]
    assert "by the repair action of function aurora-dsql-peering-Orders-production" in foreign


def monitored(template: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the monitor of a stack is configured with for the other Regions."""
    functions = [one["Properties"] for one in template["Resources"].values() if one["Type"] == "AWS::Lambda::Function"]
    [variables] = [one["Environment"]["Variables"] for one in functions if "CLUSTERS" in str(one.get("Environment"))]
    if "NOTIFICATION_PATHS" not in variables:
        return []
    written = variables["NOTIFICATION_PATHS"]
    parts = written["Fn::Join"][1] if isinstance(written, dict) else [written]
    found: list[dict[str, Any]] = json.loads("".join(one if isinstance(one, str) else one["Ref"] for one in parts))
    return found


def test_each_region_checks_the_alarms_topic_and_key_of_every_other_one(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders", monitoring=MonitoringOptions(witness_observer=True))
    templates = {stack.region: assertions.Template.from_stack(stack).to_json() for stack in pair.stacks[2:]}
    for region, template in templates.items():
        paths = {one["region"]: one for one in monitored(template)}
        assert set(paths) == set(templates) - {region}
        for other, path in paths.items():
            there = templates[other]["Resources"].values()
            named = [one["Properties"] for one in there if one["Type"].endswith("Alarm")]
            notifying = {one["AlarmName"] for one in named if one.get("AlarmActions")}
            assert {path["alarm_name"].replace("*", one) for one in path["alarms"]} == notifying
            assert any("notifications-broken" in one for one in notifying)
            [topic] = [one["Properties"] for one in there if one["Type"] == "AWS::SNS::Topic"]
            assert path["topic_arn"].endswith(f":sns:{other}:AWS::AccountId:{topic['TopicName']}")
            [alias] = [one["Properties"] for one in there if one["Type"] == "AWS::KMS::Alias"]
            assert alias["AliasName"] == path["key_alias"] == "alias/aurora-dsql-alerts-Orders-production"
            assert alias["TargetKeyId"] == topic["KmsMasterKeyId"]


@pytest.mark.parametrize(
    "options", [HealthAlarmOptions(), HealthAlarmOptions(cluster_down=AlarmOptions(threshold=0.5))]
)
def test_digest_of_each_alarm_that_notifies_and_of_its_causes_is_that_of_the_template(
    app: cdk.App, options: HealthAlarmOptions
) -> None:
    pair = MultiRegionDsqlDr(app, "Orders", monitoring=MonitoringOptions(alarm_options=options))
    east, west = (assertions.Template.from_stack(stack).to_json() for stack in pair.stacks[2:])
    [path] = monitored(east)
    alarms = {}
    for logical_id, one in west["Resources"].items():
        alarms[logical_id] = one["Properties"]
    for one in alarms.values():
        if "AlarmRule" in one:
            parts = one["AlarmRule"]["Fn::Join"][1]
            arns = [part if isinstance(part, str) else alarms[part["Fn::GetAtt"][0]]["AlarmName"] for part in parts]
            one["AlarmRule"] = "".join(arns)
    named = {one["AlarmName"]: one for one in alarms.values() if "AlarmName" in one}
    told = {path["alarm_name"].replace("*", what): told for what, told in {**path["alarms"], **path["causes"]}.items()}
    assert told == {name: digest(named[name]) for name in told}
    rules = " ".join(one["AlarmRule"] for one in named.values() if "AlarmRule" in one)
    causes = {path["alarm_name"].replace("*", what) for what in path["causes"]}
    assert causes == set(re.findall('ALARM."([^"]+)"', rules))
    assert len(causes) == 5


def pair_of_the_longest_names(
    app: cdk.App, *, sql_probe: bool = False, failover: FailoverOptions | None = None
) -> MultiRegionDsqlDr:
    """With as many observers as there can be."""
    return MultiRegionDsqlDr(
        app,
        "Orders",
        deployment_name="x" * 44,
        primary_region="ap-northeast-1",
        secondary_region="ap-northeast-2",
        witness_region="ap-northeast-3",
        monitoring=MonitoringOptions(witness_observer=True, sql_probe=sql_probe),
        failover=failover,
    )


def test_path_of_the_longest_names_of_three_regions_fits_a_functions_environment(app: cdk.App) -> None:
    """4 KB in all: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html."""
    for stack in pair_of_the_longest_names(app).stacks[2:]:
        assert len(json.dumps(monitored(assertions.Template.from_stack(stack).to_json()))) < 2000, "CLUSTERS needs 700"


def test_none_leaves_the_check_of_other_regions_out(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(
        app, "Orders", monitoring=MonitoringOptions(alarm_options=HealthAlarmOptions(notifications_broken=None))
    )
    for stack in pair.stacks[2:]:
        template = assertions.Template.from_stack(stack).to_json()
        assert monitored(template) == []
        assert "-notifications-broken-from-" not in str(template)
        assert "kms:DescribeKey" not in str([one for one in template["Resources"].values() if "Policy" in one["Type"]])


def test_period_of_the_check_is_never_shorter_than_the_schedule(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders", schedule=cdk.Duration.minutes(10))
    template = assertions.Template.from_stack(pair.stacks[2])
    name = f"{PREFIX}notifications-broken-from-us-east-1"
    template.has_resource_properties("AWS::CloudWatch::Alarm", {"AlarmName": name, "Period": 600})


def test_topics_of_the_users_own_are_checked_without_keys_and_those_of_other_accounts_not_at_all(app: cdk.App) -> None:
    arns = [f"arn:aws:sns:us-east-1:{'1' * 12}:ops", f"arn:aws:sns:us-west-2:{'2' * 12}:ops"]
    topics = MonitoringOptions(alert_topics=dict(zip(REGIONS, arns, strict=True)))
    pair = MultiRegionDsqlDr(app, "Orders", account="1" * 12, monitoring=topics)
    east, west = (monitored(assertions.Template.from_stack(stack).to_json())[0] for stack in pair.stacks[2:])
    assert (east["topic_arn"], east["asks_topic"], "key_alias" in east) == (arns[1], False, False)
    assert (west["topic_arn"], west["asks_topic"], "key_alias" in west) == (arns[0], True, False)


def test_imported_key_gets_no_alias_and_is_not_checked(app: cdk.App) -> None:
    keys = {}
    for one in REGIONS:
        stack = cdk.Stack(app, f"Keys-{one}", env=cdk.Environment(account="1" * 12, region=one))
        keys[one] = kms.Key.from_key_arn(stack, "Key", f"arn:aws:kms:{one}:{'1' * 12}:key/1234")
    pair = MultiRegionDsqlDr(app, "Orders", account="1" * 12, encryption_keys=keys)
    template = assertions.Template.from_stack(pair.stacks[3])
    template.resource_count_is("AWS::KMS::Alias", 0)
    [path] = monitored(template.to_json())
    assert (path["region"], "key_alias" in path) == ("us-east-1", False)


def test_topic_that_another_region_cannot_name_is_refused(app: cdk.App) -> None:
    watches = [Monitoring(app), Monitoring(cdk.App(), "us-west-2")]
    with pytest.raises(
        ValueError, match="'Monitoring/Alerts' has no physical name, by which a monitor in another Region can check it"
    ):
        HealthAlarms.check_each_other([one.health for one in watches])


# the user's own alarms


def own_alarm(stack: cdk.Stack, **options: Any) -> cloudwatch.Alarm:
    metric = cloudwatch.Metric(namespace="Orders", metric_name="Failed")
    return cloudwatch.Alarm(stack, "Own", metric=metric, threshold=1, evaluation_periods=1, **options)


def test_own_alarms_notify_as_the_pairs_do_and_have_a_row_on_the_dashboard(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders", monitoring=MonitoringOptions(warning_emails=["dev@example.com"]))
    service = cdk.Stack(app, "Service", env=cdk.Environment(region="us-west-2"))
    alarm = own_alarm(service, alarm_name="orders-failed")
    pair.add_alarms([alarm])
    pair.add_alarms([own_alarm(pair.stacks[2], alarm_name="orders-slow")], warnings=True)
    [found] = assertions.Template.from_stack(service).find_resources("AWS::CloudWatch::Alarm").values()
    assert found["Properties"]["AlarmActions"] == found["Properties"]["OKActions"]
    assert "AlertsTopic" in str(found["Properties"]["AlarmActions"])
    monitoring = assertions.Template.from_stack(pair.stacks[2])
    [slow] = monitoring.find_resources("AWS::CloudWatch::Alarm", {"Properties": {"AlarmName": "orders-slow"}}).values()
    assert "WarningsTopic" in str(slow["Properties"]["AlarmActions"])
    [dashboard] = monitoring.find_resources("AWS::CloudWatch::Dashboard").values()
    assert "cloudwatch:us-west-2:" in str(dashboard["Properties"]["DashboardBody"]).partition(":alarm:orders-failed")[0]
    assert ":alarm:orders-slow" in str(dashboard["Properties"]["DashboardBody"])
    for stack, own, other in (
        (pair.stacks[2], "orders-slow", "orders-failed"),
        (pair.stacks[3], "orders-failed", "orders-slow"),
    ):
        policies = assertions.Template.from_stack(stack).find_resources("AWS::SNS::TopicPolicy")
        assert ":alarm:aurora-dsql-Orders-production-*" in str(policies)
        assert f":alarm:{own}" in str(policies)
        assert f":alarm:{other}" not in str(policies)
        assert ":alarm:*" not in str(policies)


@pytest.mark.parametrize(
    ("region", "name", "warnings", "sentence"),
    [
        ("us-west-2", None, False, "has no name of its own, by which other stacks know it"),
        ("us-east-2", "x", False, "is in 'us-east-2': topics are in us-east-1, us-west-2"),
        ("us-west-2", "x", True, "has no topic to notify: give warning_emails first"),
    ],
)
def test_own_alarm_that_cannot_notify_is_refused(
    app: cdk.App, region: str, name: str | None, warnings: bool, sentence: str
) -> None:
    pair = MultiRegionDsqlDr(app, "Orders")
    service = cdk.Stack(app, "Service", env=cdk.Environment(region=region))
    with pytest.raises(ValueError, match=sentence):
        pair.add_alarms([own_alarm(service, alarm_name=name)], warnings=warnings)


def test_own_alarm_in_a_clusters_stack_or_one_without_the_account_is_refused(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders", account="111111111111")
    with pytest.raises(ValueError, match="'Orders-Primary-production/Own' is in a cluster's stack"):
        pair.add_alarms([own_alarm(pair.stacks[0], alarm_name="x")])
    service = cdk.Stack(app, "Service", env=cdk.Environment(region="us-west-2"))
    with pytest.raises(ValueError, match="is in a stack of no account, and the topic in one of account 111111111111"):
        pair.add_alarms([own_alarm(service, alarm_name="x")])


def test_imported_alarm_is_refused_with_what_to_do(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders")
    arn = "arn:aws:cloudwatch:us-west-2:111111111111:alarm:x"
    stack = cdk.Stack(app, "Service", env=cdk.Environment(region="us-west-2"))
    with pytest.raises(ValueError, match="'Service/Own' is imported, and its actions cannot be changed"):
        pair.add_alarms([cloudwatch.Alarm.from_alarm_arn(stack, "Own", arn)])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("minutes", "options"),
    [
        (5, HealthAlarmOptions(monitor_no_data=AlarmOptions(period=cdk.Duration.minutes(1)))),
        (2, HealthAlarmOptions(monitor_no_data=AlarmOptions(threshold=2))),
        (5, HealthAlarmOptions(cluster_health=AlarmOptions(period=cdk.Duration.minutes(1)))),
        (5, HealthAlarmOptions(cluster_down=AlarmOptions(period=cdk.Duration.minutes(1)))),
    ],
)
def test_alarm_that_counts_on_more_runs_than_there_are_is_refused(
    app: cdk.App, minutes: int, options: HealthAlarmOptions
) -> None:
    with pytest.raises(ValueError, match="so that the alarm would be in ALARM while the pair is healthy"):
        Monitoring(app, schedule=cdk.Duration.minutes(minutes), options=options)


def test_own_alarm_in_another_stage_is_refused(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(cdk.Stage(app, "Prod"), "Orders")
    service = cdk.Stack(app, "Service", env=cdk.Environment(region="us-west-2"))
    with pytest.raises(ValueError, match="of its own Region and its own Stage only"):
        pair.add_alarms([own_alarm(service, alarm_name="x")])


def test_own_alarms_of_a_pair_without_monitoring_are_refused(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders", monitoring=None)
    with pytest.raises(ValueError, match="'Orders' has monitoring=None, and so no topic"):
        pair.add_alarms([])


@pytest.mark.parametrize(
    "options",
    [{}, {"sql_probe": True, "failover": FailoverOptions()}],
    ids=["", "with the SQL probe and failover"],
)
def test_names_are_unique_in_all_regions_and_the_fault_fits_a_notifications_subject(
    app: cdk.App, options: dict[str, Any]
) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html"""
    names = []
    for stack in pair_of_the_longest_names(app, **options).stacks[2:]:
        template = assertions.Template.from_stack(stack).to_json()
        for one in template["Resources"].values():
            if one["Type"] in ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"):
                name = one["Properties"]["AlarmName"]
                names.append(name)
                assert len(name) <= 255
                assert len(one["Properties"]["AlarmDescription"]) <= 1024
                fault, _, region = name.partition("-from-")
                assert region == stack.region
                assert len(f'ALARM: "{fault}"') <= 100, "SNS takes no longer subject"
    assert len(names) == len(set(names)) > 40
