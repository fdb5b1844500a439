from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions

from dsql_dr_constructs import AlarmSetting, AlarmSettings, AlertingTopic, HealthAlarms, MultiRegionDsqlDr
from tests.unit.watched_pair import WatchedPair

PREFIX = "aurora-dsql-Orders-production-"
PAGING = {"health-us-east-1", "health-us-west-2", "peering", "monitor-silent", "monitor-errors"}
WARNINGS = {
    "monitor-throttles",
    "monitor-duration",
    "monitor-not-invoked",
    "monitor-dead-letters",
    "query-timeouts",
    "occ-conflicts",
    "commit-latency",
}


class Watch(WatchedPair):
    """With alarms."""

    def __init__(self, app: cdk.App, region: str = "us-east-1", schedule: cdk.Duration | None = None, **options: Any):
        super().__init__(app, region)
        self.topic = AlertingTopic(self.stack, "Alerts")
        monitor = self.monitor(**({"schedule": schedule} if schedule else {}))
        self.health = HealthAlarms(self.stack, "Alarms", monitor=monitor, topic=self.topic, **options)

    def alarms(self) -> dict[str, dict[str, Any]]:
        return {one["AlarmName"].removeprefix(PREFIX): one for one in self.properties("AWS::CloudWatch::Alarm")}

    def page(self) -> dict[str, Any]:
        [found] = self.properties("AWS::CloudWatch::CompositeAlarm")
        return found

    def topic_arn(self) -> Any:
        return self.stack.resolve(self.topic.topic.topic_arn)


def test_every_region_has_an_alarm_on_each_cluster_their_peering_and_the_monitor(app: cdk.App) -> None:
    watch = Watch(app)
    assert set(watch.alarms()) == PAGING | WARNINGS == set(watch.health.alarms)
    assert watch.health.names == [PREFIX + "unhealthy", *(PREFIX + what for what in watch.health.alarms)]


def test_region_without_a_cluster_has_no_alarms_on_dsqls_own_signals(app: cdk.App) -> None:
    found = set(Watch(app, "us-east-2").alarms())
    assert found == PAGING | {what for what in WARNINGS if what.startswith("monitor")}


def test_health_is_a_plain_metric_alarm_that_takes_silence_for_the_worst(app: cdk.App) -> None:
    alarm = Watch(app).alarms()["health-us-west-2"]
    assert "Metrics" not in alarm, "Route 53 health checks follow no metric math"
    assert {one["Name"]: one["Value"] for one in alarm["Dimensions"]} == {
        "Deployment": "Orders-production",
        "ClusterRegion": "us-west-2",
        "ObserverRegion": "us-east-1",
    }
    assert (alarm["MetricName"], alarm["Statistic"], alarm["TreatMissingData"]) == (
        "ClusterHealth",
        "Minimum",
        "breaching",
    )
    assert (alarm["Period"], alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"]) == (120, 2, 2)


def test_periods_follow_the_schedule(app: cdk.App) -> None:
    alarms = Watch(app, schedule=cdk.Duration.minutes(1)).alarms()
    assert alarms["health-us-east-1"]["Period"] == 60
    assert alarms["monitor-silent"]["Metrics"][1]["MetricStat"]["Period"] == 60
    assert alarms["commit-latency"]["Period"] == 300


def test_one_alarm_pages_for_all_and_tells_recovery(app: cdk.App) -> None:
    watch = Watch(app)
    page = watch.page()
    assert page["AlarmName"] == PREFIX + "unhealthy"
    assert page["AlarmActions"] == page["OKActions"] == [watch.topic_arn()]
    rule = page["AlarmRule"]["Fn::Join"][1]
    named = {part["Fn::GetAtt"][0] for part in rule if isinstance(part, dict)}
    logical_ids = {
        one["Properties"]["AlarmName"].removeprefix(PREFIX): id
        for id, one in watch.template().find_resources("AWS::CloudWatch::Alarm").items()
    }
    assert named == {logical_ids[what] for what in PAGING}
    assert {part for part in rule if isinstance(part, str)} == {'(ALARM("', '") OR ALARM("', '"))'}
    assert all("AlarmActions" not in one for one in watch.alarms().values())


def test_each_alarm_pages_for_itself_if_asked(app: cdk.App) -> None:
    watch = Watch(app, paging="each")
    assert watch.properties("AWS::CloudWatch::CompositeAlarm") == []
    assert watch.health.page is None
    for what, alarm in watch.alarms().items():
        told = [watch.topic_arn()] if what in PAGING else None
        assert (alarm.get("AlarmActions"), alarm.get("OKActions")) == (told, told)


def test_warnings_go_to_a_topic_of_their_own_if_there_is_one(app: cdk.App) -> None:
    pair = WatchedPair(app)
    quiet = AlertingTopic(pair.stack, "Quiet")
    HealthAlarms(pair.stack, "Alarms", monitor=pair.monitor(), warning_topic=quiet)
    told = {
        one["AlarmName"].removeprefix(PREFIX)
        for one in pair.properties("AWS::CloudWatch::Alarm")
        if one.get("AlarmActions") == [pair.stack.resolve(quiet.topic.topic_arn)]
    }
    assert told == WARNINGS
    assert "AlarmActions" not in pair.properties("AWS::CloudWatch::CompositeAlarm")[0]


def test_alarms_come_after_the_first_probe(app: cdk.App) -> None:
    resources = Watch(app).template().to_json()["Resources"].values()
    alarms = [one for one in resources if one["Type"].startswith("AWS::CloudWatch::") and "Alarm" in one["Type"]]
    assert len(alarms) == 13
    assert all("MonitorFirstProbeC2F77E52" in one["DependsOn"] for one in alarms)


def test_every_description_says_what_happened_and_what_comes_first_and_links_the_runbook(app: cdk.App) -> None:
    watch = Watch(app)
    for alarm in [*watch.alarms().values(), watch.page()]:
        happened, first, verdict, runbook = alarm["AlarmDescription"].split("\n")
        assert happened.endswith("Seen from us-east-1, Aurora DSQL pair Orders-production.")
        assert first.startswith("First: ")
        assert "aws lambda invoke --region us-east-1 --function-name aurora-dsql-monitor-Orders-production" in verdict
        assert runbook.endswith("#dashboards/dashboard/Aurora-DSQL-DR-Dashboard-Orders-production")
        assert len(alarm["AlarmDescription"]) <= 1024


@pytest.mark.parametrize("name", [one.name for one in fields(AlarmSettings) if one.name != "dpu_budget"])
def test_none_leaves_an_alarm_out(app: cdk.App, name: str) -> None:
    watch = Watch(app, settings=replace(AlarmSettings(), **{name: None}))
    gone = (PAGING | WARNINGS) - set(watch.alarms())
    assert len(gone) == (2 if name == "cluster_health" else 1)
    assert name.split("_")[0] in str(gone) or name in ("cluster_health", "failed_invocations", "dead_letters")


def test_nothing_to_page_makes_no_page(app: cdk.App) -> None:
    nothing = AlarmSettings(cluster_health=None, peering=None, monitor_silent=None, monitor_errors=None)
    watch = Watch(app, settings=nothing)
    assert watch.health.page is None
    assert watch.properties("AWS::CloudWatch::CompositeAlarm") == []


def test_thresholds_periods_and_m_of_n_can_be_chosen(app: cdk.App) -> None:
    day = AlarmSetting(threshold=50_000, period=cdk.Duration.hours(1), evaluation_periods=3, datapoints_to_alarm=1)
    alarm = Watch(app, settings=AlarmSettings(dpu_budget=day)).alarms()["dpu-budget"]
    assert (alarm["MetricName"], alarm["Statistic"], alarm["Threshold"]) == ("TotalDPU", "Sum", 50_000)
    assert (alarm["Period"], alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]) == (3600, 3, 1)


def test_more_datapoints_than_periods_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot ask for 3 of 2 datapoints"):
        AlarmSetting(threshold=1, datapoints_to_alarm=3)


def test_other_paging_is_refused(app: cdk.App) -> None:
    with pytest.raises(ValueError, match="paging is 'all': 'composite' or 'each' is needed"):
        Watch(app, paging="all")


def test_every_text_fits_cloudwatch_with_the_longest_names(app: cdk.App) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html"""
    pair = MultiRegionDsqlDr(
        app,
        "Orders",
        deployment_name="x" * 44,
        primary_region="ap-northeast-1",
        secondary_region="ap-northeast-2",
        witness_region="ap-northeast-3",
        witness_observer=True,
    )
    for stack in pair.stacks[2:]:
        template = assertions.Template.from_stack(stack).to_json()
        for one in template["Resources"].values():
            if one["Type"] in ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"):
                assert len(one["Properties"]["AlarmName"]) <= 255
                assert len(one["Properties"]["AlarmDescription"]) <= 1024
                assert len(f'ALARM: "{one["Properties"]["AlarmName"]}"') <= 100, "SNS cuts a subject there"
