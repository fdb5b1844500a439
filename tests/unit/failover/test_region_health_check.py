"""The health checks of both Regions, as CloudFormation makes them and Route 53 counts them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from itertools import product
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_route53 as route53
from aws_cdk.aws_cloudwatch import ComparisonOperator, TreatMissingData

from dsql_dr_constructs import (
    AlarmOptions,
    FailoverOptions,
    HealthAlarmOptions,
    HealthAlarms,
    HealthMonitor,
    MonitoringOptions,
    MultiRegionDsqlDr,
    MultiRegionMonitoring,
    RegionalCluster,
    RegionHealthCheck,
)

EAST, WEST, OHIO = "us-east-1", "us-west-2", "us-east-2"
ACCOUNT = "111111111111"
PREFIX = "aurora-dsql-Orders-production-"
Resources = Mapping[str, Mapping[str, Any]]


def resources(stack: cdk.Stack) -> Resources:
    found: Resources = assertions.Template.from_stack(stack).to_json()["Resources"]
    return found


@cache
def pair(witness: bool = False, **failover: Any) -> MultiRegionDsqlDr:
    monitoring = MonitoringOptions(witness_observer=witness)
    options = FailoverOptions(**failover)
    return MultiRegionDsqlDr(cdk.App(), "Orders", account=ACCOUNT, monitoring=monitoring, failover=options)


def checks(found: Resources) -> dict[str, Mapping[str, Any]]:
    """Configurations by logical id."""
    return {
        id: one["Properties"]["HealthCheckConfig"]
        for id, one in found.items()
        if one["Type"] == "AWS::Route53::HealthCheck"
    }


def of(made: MultiRegionDsqlDr, region: str = EAST) -> Resources:
    return resources(cdk.Stack.of(made.health_checks[region]))


def parent(found: Resources) -> Mapping[str, Any]:
    [calculated] = [one for one in checks(found).values() if one["Type"] == "CALCULATED"]
    return calculated


def followed(found: Resources) -> list[tuple[str, str, str]]:
    """What the name says, Region of the alarm and status without data, of each child that the parent counts."""
    every = checks(found)
    children = [every[one["Ref"]] for one in parent(found)["ChildHealthChecks"]]
    assert len(children) == len(every) - 1
    assert {one["Type"] for one in children} == {"CLOUDWATCH_METRIC"}
    return [
        (
            one["AlarmIdentifier"]["Name"].removeprefix(PREFIX),
            one["AlarmIdentifier"]["Region"],
            one["InsufficientDataHealthStatus"],
        )
        for one in children
    ]


def is_healthy(found: Resources, **seen: bool | None) -> bool:
    """As Route 53 counts: *seen* says of an alarm, with ``_`` for ``-``, whether it is in ALARM; None: without data."""
    states = {name.replace("_", "-"): alarm for name, alarm in seen.items()}
    children = followed(found)
    assert states.keys() <= {name for name, _, _ in children}
    healthy = 0
    for name, _, without_data in children:
        alarm = states.get(name, False)
        assert alarm is not None or without_data in ("Healthy", "Unhealthy")
        healthy += without_data == "Healthy" if alarm is None else not alarm
    return healthy >= int(parent(found)["HealthThreshold"])


def test_each_observer_and_what_is_declared_in_both_regions_is_followed() -> None:
    found = followed(of(pair()))
    assert sorted(set(found)) == [
        (f"cluster-health-{EAST}-from-{EAST}", EAST, "Unhealthy"),
        (f"cluster-health-{EAST}-from-{WEST}", WEST, "Unhealthy"),
        (f"evacuated-{EAST}-from-{EAST}", EAST, "Unhealthy"),
        (f"evacuated-{EAST}-from-{WEST}", WEST, "Healthy"),
    ]
    assert set(followed(of(pair(), WEST))) == {
        (f"cluster-health-{WEST}-from-{EAST}", EAST, "Unhealthy"),
        (f"cluster-health-{WEST}-from-{WEST}", WEST, "Unhealthy"),
        (f"evacuated-{WEST}-from-{WEST}", WEST, "Unhealthy"),
        (f"evacuated-{WEST}-from-{EAST}", EAST, "Healthy"),
    }


def test_every_followed_alarm_exists_under_that_name_in_that_region() -> None:
    made = pair(witness=True)
    names = {
        (one["Properties"]["AlarmName"].removeprefix(PREFIX), stack.region)
        for stack in made.stacks
        for one in resources(stack).values()
        if one["Type"] == "AWS::CloudWatch::Alarm"
    }
    for region in (EAST, WEST):
        assert {(name, where) for name, where, _ in followed(of(made, region))} <= names


SEEN = {f"cluster_health_us_east_1_from_{one}": True for one in ("us_east_1", "us_west_2", "us_east_2")}
OWN, OTHER = "evacuated_us_east_1_from_us_east_1", "evacuated_us_east_1_from_us_west_2"


@pytest.mark.parametrize("witness", [False, True])
def test_region_is_unhealthy_when_more_than_half_of_the_observers_see_it_down(witness: bool) -> None:
    found, observers = of(pair(witness)), list(SEEN)[: 3 if witness else 2]
    for seen in product((False, True, None), repeat=len(observers)):
        down = sum(one is not False for one in seen)
        assert is_healthy(found, **dict(zip(observers, seen, strict=True))) == (down < 2)


@pytest.mark.parametrize("witness", [False, True])
def test_either_region_can_say_alone_that_it_is_evacuated(witness: bool) -> None:
    found = of(pair(witness))
    assert is_healthy(found)
    assert not is_healthy(found, **{OWN: True})
    assert not is_healthy(found, **{OTHER: True})


def test_dead_region_is_unhealthy_and_says_nothing_about_the_other_one() -> None:
    silent = {"cluster_health_us_east_1_from_us_east_1": None, OWN: None}
    assert not is_healthy(of(pair()), **silent)
    about_the_other = {name.replace("us_east_1_from", "us_west_2_from"): seen for name, seen in silent.items()}
    assert is_healthy(of(pair(), WEST), **about_the_other)


def test_monitor_without_data_can_be_no_reason() -> None:
    made = pair(unhealthy_without_data=False)
    silent = {"cluster_health_us_east_1_from_us_east_1": None, OWN: None}
    assert is_healthy(of(made), **silent)
    assert not is_healthy(of(made), **{OWN: True})
    [own] = [
        one["Properties"]
        for one in resources(made.monitoring.stacks[0] if made.monitoring else cdk.Stack()).values()
        if one.get("Properties", {}).get("AlarmName") == f"{PREFIX}evacuated-{EAST}-from-{EAST}"
    ]
    assert own["TreatMissingData"] == "notBreaching", "so that both settings say the same"


WITHOUT_DATA = {
    "breaching": "Unhealthy",
    "notBreaching": "Healthy",
}


def alarms_of(made: MultiRegionDsqlDr) -> dict[str, Mapping[str, Any]]:
    return {
        one["Properties"]["AlarmName"].removeprefix(PREFIX): one["Properties"]
        for stack in made.stacks
        for one in resources(stack).values()
        if one["Type"] == "AWS::CloudWatch::Alarm"
    }


@pytest.mark.parametrize("unhealthy_without_data", [True, False])
def test_what_route_53_follows_says_the_same_without_data_as_the_alarm(unhealthy_without_data: bool) -> None:
    made = pair(unhealthy_without_data=unhealthy_without_data)
    alarms = alarms_of(made)
    for region in (EAST, WEST):
        found = followed(of(made, region))
        for name, _, without_data in found:
            assert without_data == WITHOUT_DATA[alarms[name]["TreatMissingData"]], name
        assert {status for name, _, status in found if name.startswith("cluster-health")} == {"Unhealthy"}


@pytest.mark.parametrize("missing", [one for one in TreatMissingData if one != TreatMissingData.BREACHING])
@pytest.mark.parametrize("unhealthy_without_data", [True, False])
def test_observer_that_would_hide_a_lost_region_is_refused(
    missing: TreatMissingData, unhealthy_without_data: bool
) -> None:
    options = FailoverOptions(unhealthy_without_data=unhealthy_without_data)
    with pytest.raises(
        ValueError,
        match=rf"^cluster_health has treat_missing_data {missing.name} in us-east-1, and users would not leave a",
    ):
        with_alarm(AlarmOptions(treat_missing_data=missing), options)
    assert with_alarm(AlarmOptions(treat_missing_data=TreatMissingData.BREACHING), options)


def test_followed_alarms_are_plain_and_notify_nobody() -> None:
    made = pair(witness=True)
    names = {name for region in (EAST, WEST) for name, _, _ in followed(of(made, region))}
    assert len(names) == 6 + 4
    for name, one in alarms_of(made).items():
        if name in names:
            assert "DatapointsToAlarm" not in one
            assert "Metrics" not in one
            assert one["Period"] % 60 == 0
            assert one["Statistic"] in ("Minimum", "Maximum")
            assert not one.get("AlarmActions")
        elif name.startswith("cluster-down"):
            assert one["DatapointsToAlarm"] == 2, "the others are as they were"


def with_alarm(options: AlarmOptions, failover: FailoverOptions | None = None) -> dict[str, Mapping[str, Any]]:
    made = MultiRegionDsqlDr(
        cdk.App(),
        "Orders",
        account=ACCOUNT,
        monitoring=MonitoringOptions(alarm_options=HealthAlarmOptions(cluster_health=options)),
        failover=failover or FailoverOptions(),
    )
    return checks(of(made))


@pytest.mark.parametrize(
    "changed",
    [
        AlarmOptions(evaluation_periods=3, datapoints_to_alarm=3),
        AlarmOptions(period=cdk.Duration.minutes(5)),
        AlarmOptions(threshold=0.5),
        AlarmOptions(comparison_operator=ComparisonOperator.LESS_THAN_OR_EQUAL_TO_THRESHOLD, threshold=0),
    ],
)
def test_changed_settings_of_an_alarm_replace_the_child_and_keep_the_id_of_records(changed: AlarmOptions) -> None:
    before, after = checks(of(pair())), with_alarm(changed)
    [kept] = [id for id, one in before.items() if one["Type"] == "CALCULATED"]
    assert kept in after
    of_the_cluster = {id for id in before if "clusterhealth" in id}
    assert len(of_the_cluster) == 2
    assert not of_the_cluster & after.keys(), "Route 53 would go on with the former settings"
    assert before.keys() - of_the_cluster <= after.keys()


def test_what_route_53_does_not_copy_replaces_nothing() -> None:
    before, after = checks(of(pair())), checks(of(pair(unhealthy_without_data=False)))
    assert before != after
    assert before.keys() == after.keys()


def test_logical_id_of_the_check_in_users_records_is_pinned() -> None:
    assert [id for id in checks(of(pair())) if "Calculated" in id] == ["HealthCheckCalculatedCE76C2AC"]


def test_stack_of_each_region_comes_after_all_monitoring_and_says_the_id() -> None:
    made = pair(witness=True)
    for region, role in ((EAST, "Primary"), (WEST, "Secondary")):
        stack = cdk.Stack.of(made.health_checks[region])
        assert (stack.stack_name, stack.region) == (f"Orders-{role}Failover-production", region)
        monitoring = {one.stack_name for one in made.monitoring.stacks} if made.monitoring else set()
        assert len(monitoring) == 3
        assert {one.stack_name for one in stack.dependencies} == monitoring
        template = assertions.Template.from_stack(stack)
        ref = {"Ref": "HealthCheckCalculatedCE76C2AC"}
        template.has_output("HealthCheckId", {"Value": ref})
        name = f"/dsql-dr/Orders-production/{region}/health-check-id"
        template.has_resource_properties("AWS::SSM::Parameter", {"Name": name, "Type": "String", "Value": ref})
    assert [one.stack_name for one in made.stacks[-2:]] == [
        "Orders-PrimaryFailover-production",
        "Orders-SecondaryFailover-production",
    ]


def test_records_in_the_same_region_and_elsewhere_use_the_check() -> None:
    app = cdk.App()
    app.node.set_context("@aws-cdk/core:defaultCrossStackReferences", "strong")
    made = MultiRegionDsqlDr(app, "Orders", account=ACCOUNT, failover=FailoverOptions())
    zone_stack = cdk.Stack(app, "Dns", env=cdk.Environment(account=ACCOUNT, region=EAST), cross_region_references=True)
    zone = route53.HostedZone(zone_stack, "Zone", zone_name="example.com")
    for region in (EAST, WEST):
        route53.CnameRecord(
            zone_stack,
            region,
            zone=zone,
            domain_name=f"orders-{region}.example.net",
            region=region,
            health_check=made.health_check(region),
        )
    app.synth()
    found = assertions.Template.from_stack(zone_stack).find_resources("AWS::Route53::RecordSet").values()
    ids = {one["Properties"]["Region"]: one["Properties"]["HealthCheckId"] for one in found}
    assert "Fn::ImportValue" in ids[EAST]
    assert "uswest2" in str(ids[WEST]), "by what the CDK's custom resource reads there"


def test_pair_in_a_stage_and_pair_that_was_adopted_have_health_checks() -> None:
    arns = [f"arn:aws:dsql:{region}:{ACCOUNT}:cluster/{'a' * 26}" for region in (EAST, WEST)]
    stage = cdk.Stage(cdk.App(), "Prod")
    made = MultiRegionDsqlDr(stage, "Orders", cluster_arns=arns, failover=FailoverOptions())
    assert [one.stack_name for one in made.stacks[-2:]] == [
        "Prod-Orders-PrimaryFailover-production",
        "Prod-Orders-SecondaryFailover-production",
    ]
    assert len(followed(of(made))) == 6


def monitored(app: cdk.App, **options: Any) -> MultiRegionMonitoring:
    given = {"deployment_name": "orders", "account": ACCOUNT, "evacuation": True, **options}
    return MultiRegionMonitoring(app, given["deployment_name"], **given)


def alone(app: cdk.App, alarms: list[HealthAlarms], account: str = ACCOUNT, **given: Any) -> RegionHealthCheck:
    stack = cdk.Stack(app, "Dns", env=cdk.Environment(account=account, region="eu-west-1"))
    return RegionHealthCheck(stack, "Check", **{"region": EAST, "alarms": alarms, **given})


def test_pair_that_this_app_only_monitors_has_health_checks_in_a_stack_of_any_region() -> None:
    app = cdk.App()
    monitoring = monitored(app)
    check = alone(app, list(monitoring.alarms.values()))
    stack = cdk.Stack.of(check)
    assert len(checks(resources(stack))) == 7
    assert {one.stack_name for one in stack.dependencies} == {one.stack_name for one in monitoring.stacks}


def test_in_the_stack_of_an_alarm_it_is_made_after_the_alarm() -> None:
    app = cdk.App()
    monitoring = monitored(app)
    scope = monitoring.stacks[0]
    RegionHealthCheck(scope, "Check", region=EAST, alarms=list(monitoring.alarms.values()))
    found = resources(scope)
    [alarm] = [
        id for id, one in found.items() if "cluster-health-us-east-1" in str(one.get("Properties", {}).get("AlarmName"))
    ]
    children = [id for id, one in checks(found).items() if one["Type"] == "CLOUDWATCH_METRIC"]
    assert children
    assert all(alarm in found[id]["DependsOn"] for id in children)


def both(**options: Any) -> list[HealthAlarms]:
    return list(monitored(cdk.App(), **options).alarms.values())


def of_two_pairs() -> list[HealthAlarms]:
    app = cdk.App()
    return [monitored(app).alarms[EAST], monitored(app, deployment_name="others").alarms[WEST]]


def without_a_region() -> list[HealthAlarms]:
    stack = cdk.Stack(cdk.App(), "Anywhere")
    clusters = [
        RegionalCluster.from_parameters(stack, one, deployment_name="orders", region=one) for one in (EAST, WEST)
    ]
    monitor = HealthMonitor(stack, "Monitor", deployment_name="orders", clusters=clusters)
    return [HealthAlarms(stack, "Alarms", monitor=monitor)]


@pytest.mark.parametrize(
    ("alarms", "given", "sentence"),
    [
        (of_two_pairs, {}, "Health check 'Dns/Check' has alarms of orders and others: it says whether one pair is"),
        (lambda: [], {}, "Health check 'Dns/Check' has alarms of no pair: it says whether one pair is healthy"),
        (lambda: both()[:1] * 2, {}, "Health check 'Dns/Check' has alarms of us-east-1 twice: give those of each"),
        (lambda: both()[1:], {}, "Health check 'Dns/Check' has no alarms of us-east-1 that say which Region is evacua"),
        (lambda: both()[:1], {}, "Health check 'Dns/Check' has no alarms of us-west-2 that say which Region is evacua"),
        (lambda: both(evacuation=False), {}, "Health check 'Dns/Check' has no alarms of us-east-1 that say which"),
        (both, {"region": OHIO}, "region is 'us-east-2', and the clusters of 'orders' are in us-east-1 and us-west-2"),
        (both, {"account": "222222222222"}, "Health check 'Dns/Check' is in account 222222222222, and the alarms of"),
        (both, {"region": cdk.Aws.REGION}, "Health check 'Dns/Check' needs a Region that is not known before the dep"),
        (without_a_region, {}, "Health check 'Dns/Check' needs a Region that is not known before the deployment"),
        (
            lambda: both(options=MonitoringOptions(alarm_options=HealthAlarmOptions(cluster_health=None))),
            {},
            "cluster_health is None for us-east-1, and a health check of Route 53 follows its alarm cluster-health-us",
        ),
        (
            lambda: both(
                options=MonitoringOptions(
                    alarm_options=HealthAlarmOptions(
                        cluster_health=AlarmOptions(evaluation_periods=3, datapoints_to_alarm=2)
                    )
                )
            ),
            {},
            "cluster_health asks for 2 of 3 datapoints in us-east-1, and Route 53 follows no such alarms",
        ),
    ],
)
def test_what_route_53_could_not_follow_is_a_sentence(alarms: Any, given: dict[str, Any], sentence: str) -> None:
    found = alarms()
    app = found[0].node.root if found else cdk.App()
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}"):
        alone(app, found, **given)


def test_alarms_of_another_stage_are_refused_since_it_is_deployed_after_them() -> None:
    app = cdk.App()
    alarms = list(monitored(app).alarms.values())
    with pytest.raises(ValueError, match=r"^Health check 'Prod/Dns/Check' is in another Stage than the alarms of"):
        alone(cdk.Stage(app, "Prod"), alarms)  # type: ignore[arg-type]


def test_second_health_check_of_a_region_is_refused_where_it_would_write_the_same_parameter() -> None:
    app = cdk.App()
    first = alone(app, list(monitored(app).alarms.values()))
    alarms = list(first._alarms.values())
    with pytest.raises(ValueError, match="are both the health check of 'orders' in us-east-1, and write one SSM param"):
        RegionHealthCheck(cdk.Stack.of(first), "Again", region=EAST, alarms=alarms)
    RegionHealthCheck(cdk.Stack.of(first), "Other", region=WEST, alarms=alarms)


def test_second_health_check_of_a_region_is_refused_where_it_would_change_the_alarms_of_the_first() -> None:
    app = cdk.App()
    alarms = list(alone(app, list(monitored(app).alarms.values()))._alarms.values())
    dns = cdk.Stack(app, "InAnotherRegion", env=cdk.Environment(region="ca-central-1"))
    with pytest.raises(ValueError, match="have other options, which are set at the alarms that both follow: give both"):
        RegionHealthCheck(
            dns, "Lenient", region=EAST, alarms=alarms, options=FailoverOptions(unhealthy_without_data=False)
        )
    cdk.Stack.of(dns).node.try_remove_child("Lenient")
    RegionHealthCheck(dns, "Same", region=EAST, alarms=alarms)


def test_pairs_of_one_name_in_two_accounts_have_health_checks_of_their_own() -> None:
    app = cdk.App()
    for name, account in (("Dev", ACCOUNT), ("Prod", "222222222222")):
        stage = cdk.Stage(app, name)
        made = MultiRegionDsqlDr(stage, "Orders", account=account, deployment_name="orders", failover=FailoverOptions())
        assert list(made.health_checks) == [EAST, WEST]


def test_without_monitoring_there_is_nothing_to_follow() -> None:
    with pytest.raises(ValueError, match=r"^failover is given and monitoring is None: a health check follows alarms"):
        MultiRegionDsqlDr(cdk.App(), "Orders", monitoring=None, failover=FailoverOptions())


def test_pair_says_which_health_checks_it_has() -> None:
    made = pair()
    assert list(made.health_checks) == [EAST, WEST]
    with pytest.raises(ValueError, match=r"^region is 'us-east-2', and 'Orders' has health checks of us-east-1 and"):
        made.health_check(OHIO)
    none = MultiRegionDsqlDr(cdk.App(), "Orders")
    assert none.health_checks == {}
    with pytest.raises(ValueError, match=r"^region is 'us-east-1', and 'Orders' has no health checks: give"):
        none.health_check(EAST)


def test_tags_of_the_pair_and_the_name_for_the_console_are_on_every_check() -> None:
    made = MultiRegionDsqlDr(cdk.App(), "Orders", account=ACCOUNT, tags={"team": "orders"}, failover=FailoverOptions())
    found = [one["Properties"] for one in of(made).values() if one["Type"] == "AWS::Route53::HealthCheck"]
    assert len(found) == 7
    for one in found:
        tags = {tag["Key"]: tag["Value"] for tag in one["HealthCheckTags"]}
        assert tags["Name"].startswith(PREFIX)
        assert tags["team"] == "orders"
