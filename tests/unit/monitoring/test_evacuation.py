"""What monitoring has for evacuations: the SSM parameter, who reads it, and the alarms that Route 53 follows."""

from __future__ import annotations

import json
import re
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions

from dsql_dr_constructs import (
    FailoverOptions,
    HealthAlarmOptions,
    HealthMonitor,
    MonitoringOptions,
    MultiRegionDsqlDr,
    MultiRegionMonitoring,
    RegionalCluster,
)
from dsql_dr_constructs.runtime.evacuation import NOTHING_DECLARED, newest
from tests.unit.monitoring.monitored_pair import REGIONS, MonitoredPair

NAME = "/dsql-dr/Orders-production/evacuation"


def resources(stack: cdk.Stack, kind: str) -> dict[str, dict[str, Any]]:
    every = assertions.Template.from_stack(stack).to_json()["Resources"]
    return {id: one for id, one in every.items() if one["Type"] == kind}


def test_parameter_is_created_with_nothing_declared_before_the_first_run(app: cdk.App) -> None:
    pair = MonitoredPair(app)
    pair.monitor(evacuation=True)
    [(id, found)] = resources(pair.stack, "AWS::SSM::Parameter").items()
    properties = found["Properties"]
    assert (properties["Name"], properties["Type"], properties["Value"]) == (NAME, "String", NOTHING_DECLARED)
    assert newest([{"Value": properties["Value"], "LastModifiedDate": None}], REGIONS) is None
    [probe] = resources(pair.stack, "Custom::DsqlFirstProbe").values()
    assert id in probe["DependsOn"]
    assert probe["Properties"]["EvacuationRegions"], "so that switching it on runs the monitor once"


@pytest.mark.parametrize("region", REGIONS)
def test_monitor_knows_both_regions_its_own_first_and_may_read_the_history_there(app: cdk.App, region: str) -> None:
    pair = MonitoredPair(app, region)
    pair.monitor(evacuation=True)
    [function] = [one for one in pair.properties("AWS::Lambda::Function") if "FunctionName" in one]
    regions = json.loads(function["Environment"]["Variables"]["EVACUATION_REGIONS"])
    assert regions == sorted(REGIONS, key=lambda one: one != region)
    policies = pair.properties("AWS::IAM::Policy")
    [allowed] = [
        one["Resource"]
        for policy in policies
        for one in policy["PolicyDocument"]["Statement"]
        if one["Action"] == "ssm:GetParameterHistory"
    ]
    assert [pair.written_out(one) for one in allowed] == [
        f"arn:aws:ssm:{one}:111111111111:parameter{NAME}" for one in REGIONS
    ]


def test_without_it_nothing_is_created_read_or_permitted(app: cdk.App) -> None:
    monitoring = MultiRegionMonitoring(app, "Orders", deployment_name="orders")
    for stack in monitoring.stacks:
        text = json.dumps(assertions.Template.from_stack(stack).to_json())
        assert not re.search("evacuat|GetParameterHistory", text, re.I)


def test_witness_monitors_as_before_and_reads_nothing_of_it(app: cdk.App) -> None:
    options = MonitoringOptions(witness_observer=True)
    pair = MultiRegionDsqlDr(app, "Orders", monitoring=options, failover=FailoverOptions())
    assert [one.evacuation for one in pair.monitors.values()] == [True, True, False]
    [witness] = [one for one in pair.stacks if "WitnessMonitoring" in one.stack_name]
    assert not re.search("evacuat", json.dumps(assertions.Template.from_stack(witness).to_json()), re.I)


@pytest.mark.parametrize(
    ("region", "said"), [("us-east-2", "us-east-2"), (None, "no Region")], ids=["the witness's", "unknown"]
)
def test_monitor_of_another_region_is_refused(app: cdk.App, region: str | None, said: str) -> None:
    stack = cdk.Stack(app, "Monitoring", env=cdk.Environment(region=region))
    clusters = [RegionalCluster.from_parameters(stack, one, deployment_name="o", region=one) for one in REGIONS]
    with pytest.raises(ValueError, match=f"^evacuation is True for a monitor in {said}: what declares one of the"):
        HealthMonitor(stack, "Monitor", deployment_name="o", clusters=clusters, evacuation=True)


def alarms(schedule: cdk.Duration | None, options: HealthAlarmOptions | None = None) -> dict[str, dict[str, Any]]:
    """Those of the first Region, by the middle of their names."""
    monitoring = MultiRegionMonitoring(
        cdk.App(),
        "Orders",
        deployment_name="orders",
        evacuation=True,
        schedule=schedule,
        options=MonitoringOptions(alarm_options=options or HealthAlarmOptions()),
    )
    found = resources(monitoring.stacks[0], "AWS::CloudWatch::Alarm").values()
    names = {one["Properties"]["AlarmName"]: one["Properties"] for one in found}
    return {
        name.removeprefix("aurora-dsql-orders-").removesuffix("-from-us-east-1"): one
        for name, one in names.items()
        if "-evacuated-" in name
    }


@pytest.mark.parametrize(("minutes", "period"), [(1, 300), (2, 300), (3, 360), (60, 7200)])
def test_alarms_have_periods_that_always_have_a_run_and_need_one_datapoint(minutes: int, period: int) -> None:
    found = alarms(cdk.Duration.minutes(minutes))
    assert list(found) == ["evacuated-us-east-1", "evacuated-us-west-2"]
    for region, one in zip(REGIONS, found.values(), strict=True):
        dimensions = {each["Name"]: each["Value"] for each in one["Dimensions"]}
        assert dimensions == {"Deployment": "orders", "ClusterRegion": region, "ObserverRegion": "us-east-1"}
        assert (one["MetricName"], one["Statistic"], one["Period"]) == ("Evacuated", "Maximum", period)
        assert (one["ComparisonOperator"], one["Threshold"]) == ("GreaterThanOrEqualToThreshold", 1)
        assert one["EvaluationPeriods"] == 1
        assert not {"DatapointsToAlarm", "AlarmActions", "OKActions"} & one.keys()


def test_missing_data_is_an_evacuation_of_the_own_region_only() -> None:
    treated = {name: one["TreatMissingData"] for name, one in alarms(None).items()}
    assert treated == {"evacuated-us-east-1": "breaching", "evacuated-us-west-2": "notBreaching"}
