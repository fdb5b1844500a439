"""What backup_vaults adds to the monitoring, and that nothing changes without it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions

from dsql_dr_constructs import (
    AlarmOptions,
    HealthAlarmOptions,
    HealthAlarms,
    MonitoringOptions,
    MultiRegionMonitoring,
)
from dsql_dr_constructs.runtime.health_monitor import metric_names as names
from dsql_dr_constructs.runtime.health_monitor.settings import STALE_HOURS, Settings
from tests.unit.monitoring.monitored_pair import DEPLOYMENT, MonitoredPair
from tests.unit.monitoring.replay import AlarmSet, Replay, Run, see

REGIONS = ("us-east-1", "us-west-2")
VAULTS = dict.fromkeys(REGIONS, "dsql-Orders-production")
ALARM = "recovery-point-age"
HOUR, DAY = 3600.0, 86400.0


def monitoring(app: cdk.App | None = None, **options: Any) -> MultiRegionMonitoring:
    return MultiRegionMonitoring(app or cdk.App(), "Orders", deployment_name=DEPLOYMENT, **options)


def template(stack: cdk.Stack) -> Mapping[str, Any]:
    return assertions.Template.from_stack(stack).to_json()


def environment(stack: cdk.Stack) -> dict[str, Any]:
    [found] = [
        one["Properties"]["Environment"]["Variables"]
        for one in template(stack)["Resources"].values()
        if "BUDGET_SECONDS" in one["Properties"].get("Environment", {}).get("Variables", {})
    ]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("schedule", "every"),
    [(None, 7), (cdk.Duration.minutes(1), 15), (cdk.Duration.minutes(15), 1), (cdk.Duration.minutes(60), 1)],
)
def test_every_monitor_checks_both_vaults_about_every_quarter_of_an_hour(
    app: cdk.App, schedule: cdk.Duration | None, every: int
) -> None:
    for stack in monitoring(app, backup_vaults=VAULTS, schedule=schedule).stacks:
        given = environment(stack)
        settings = Settings.of({**given, "AWS_REGION": stack.region, "CLUSTERS": "[]", "NOTIFICATION_PATHS": "[]"})
        assert (settings.backup_vaults, settings.backups_every) == (VAULTS, every)


def test_vault_of_the_app_is_named_by_reference(app: cdk.App) -> None:
    pair = MonitoredPair(app)
    pair.monitor(backup_vaults={"us-east-1": cdk.Fn.import_value("Vault"), "us-west-2": "dsql-orders"})
    assert {"Fn::ImportValue": "Vault"} in environment(pair.stack)["BACKUP_VAULTS"]["Fn::Join"][1]


def test_without_vaults_nothing_of_backups_is_in_the_templates(app: cdk.App) -> None:
    for stack in monitoring(app, backup_vaults=None).stacks:
        text = json.dumps(template(stack)).lower()
        assert "backup" not in text
        assert "recovery-point" not in text
        assert "recoverypoint" not in text


@pytest.mark.parametrize(
    ("vaults", "sentence"),
    [
        ({}, "backup_vaults has no Region: the name of one vault is needed for each of us-east-1, us-west-2, by the"),
        (
            {"us-east-1": "one"},
            "backup_vaults has us-east-1: the name of one vault is needed for each of us-east-1, us",
        ),
        ({**VAULTS, "us-east-2": "one"}, "backup_vaults has us-east-1, us-east-2, us-west-2: the name of one vault is"),
        ({**VAULTS, "us-east-1": "a"}, "backup_vaults has 'a' for us-east-1: the name of a vault has 2 to 50 letters"),
        (
            {**VAULTS, "us-west-2": "arn:aws:backup:us-west-2:111111111111:backup-vault:orders"},
            "for us-west-2: the name of a vault has .* give the name, not an ARN",
        ),
    ],
)
def test_vaults_that_are_none_of_the_pair_are_refused(vaults: Mapping[str, str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        monitoring(backup_vaults=vaults)


def test_each_observer_warns_of_an_old_recovery_point(app: cdk.App) -> None:
    options = MonitoringOptions(witness_observer=True, warning_emails=["dev@example.com"])
    found = monitoring(app, backup_vaults=VAULTS, witness_region="us-east-2", options=options)
    assert set(found.alarms) == {*REGIONS, "us-east-2"}
    for stack in found.stacks:
        [alarm] = [
            one["Properties"]
            for one in template(stack)["Resources"].values()
            if one["Type"] == "AWS::CloudWatch::Alarm" and ALARM in one["Properties"]["AlarmName"]
        ]
        assert alarm["AlarmName"] == f"aurora-dsql-{DEPLOYMENT}-{ALARM}-from-{stack.region}"
        assert alarm["Threshold"] == STALE_HOURS, "as in the monitor's answer"
        assert alarm["Dimensions"] == [
            {"Name": "Deployment", "Value": DEPLOYMENT},
            {"Name": "ObserverRegion", "Value": stack.region},
        ]
        assert alarm["AlarmActions"] == [
            {"Ref": next(one for one in template(stack)["Resources"] if "Warnings" in one)}
        ]
        text = alarm["AlarmDescription"]
        assert f"\ndsql-dr backups {DEPLOYMENT} --region us-east-1\n" in text
        assert len(text) <= 1024


def test_threshold_can_be_chosen_and_the_alarm_left_out(app: cdk.App) -> None:
    pair = MonitoredPair(app)
    monitor = pair.monitor(backup_vaults=VAULTS)
    options = HealthAlarmOptions(recovery_point_age=AlarmOptions(threshold=50))
    chosen = HealthAlarms(pair.stack, "Chosen", monitor=monitor, options=options)
    assert pair.stack.resolve(chosen.alarms[ALARM].node.default_child.threshold) == 50  # type: ignore[union-attr]
    assert environment(pair.stack)["STALE_HOURS"] == "50", "the monitor's answer is of the same age"
    apart = MonitoredPair(cdk.App())
    left_out = HealthAlarms(
        apart.stack,
        "Alarms",
        monitor=apart.monitor(backup_vaults=VAULTS),
        options=HealthAlarmOptions(recovery_point_age=None),
    )
    assert ALARM not in left_out.alarms
    assert "STALE_HOURS" not in environment(apart.stack)


def test_monitor_is_given_no_age_where_the_alarm_has_the_default_or_is_of_no_vault(app: cdk.App) -> None:
    [alarmed, _] = monitoring(app, backup_vaults=VAULTS).stacks
    assert "STALE_HOURS" not in environment(alarmed)
    without = MonitoredPair(cdk.App())
    options = HealthAlarmOptions(recovery_point_age=AlarmOptions(threshold=50))
    HealthAlarms(without.stack, "Alarms", monitor=without.monitor(), options=options)
    assert "STALE_HOURS" not in environment(without.stack)


def test_dashboard_has_a_line_for_each_observer_and_the_runbook_its_command(app: cdk.App) -> None:
    [body] = [
        one["Properties"]["DashboardBody"]
        for one in template(monitoring(app, backup_vaults=VAULTS).stacks[0])["Resources"].values()
        if one["Type"] == "AWS::CloudWatch::Dashboard"
    ]
    text = json.dumps(body)
    for region in REGIONS:
        assert f"Seen from {region}" in text
    assert text.count(names.RECOVERY_POINT_AGE) == len(REGIONS)
    assert f"dsql-dr backups {DEPLOYMENT} --region us-east-1" in text


@pytest.fixture(scope="module")
def alarms() -> AlarmSet:
    """That one alarm, of one Region, as synthesized."""
    options = MonitoringOptions(warning_emails=["dev@example.com"])
    found = AlarmSet.of(monitoring(backup_vaults=VAULTS, options=options).stacks[1])
    ours = [one for one in found.metric_alarms if ALARM in one.name]
    return replace(found, metric_alarms=ours, rules={}, notifying={one.name for one in ours})


def replayed(alarms: AlarmSet, good: Mapping[float, float], days: float, phase: float, stopped: float = 0) -> Any:
    """Notifications of *days*, in hours.

    Args:
        alarms: What is replayed.
        good: When each recovery point was created, and when its copy is complete, in seconds.
        days: How long.
        phase: Second of the minute at which alarms are evaluated.
        stopped: For how many seconds from hour 10 on no monitor runs.
    """

    def world(at: float) -> Run | None:
        if at and (at // alarms.schedule) % alarms.backups_every:
            return see()
        if 10 * HOUR <= at < 10 * HOUR + stopped:
            return None
        newest = max(created for created, complete in good.items() if complete <= at)
        return see(recovery_point_age=(at - newest) / HOUR)

    notified = Replay(alarms, world, phase=phase).until(days * DAY).notified
    return [(at / HOUR, kind, state) for at, kind, state in notified]


def nightly(days: int, *, failed: range = range(0), late: float = 0.0) -> dict[float, float]:
    """A recovery point at midnight of each day, or up to an hour later, whose copy takes 40 minutes."""
    return {
        DAY * day + late * (day % 2): DAY * day + late * (day % 2) + 40 * 60
        for day in range(-1, days)
        if day not in failed
    }


@pytest.mark.parametrize("phase", [0.5, 31.0])
def test_copy_that_fails_for_three_days_warns_once_and_is_over_with_the_next_good_one(
    alarms: AlarmSet, phase: float
) -> None:
    """The last good one is of day 0, those of days 1, 2 and 3 fail, that of day 4 is good."""
    (warned, _, state), (over, _, ok) = replayed(alarms, nightly(6, failed=range(1, 4)), 5, phase)
    assert (state, ok) == ("ALARM", "OK")
    assert 26 < warned < 26.5, "on the second day, two hours after the backup that should have been there"
    assert 4 * 24 + 40 / 60 < over < 4 * 24 + 2.25


def test_nights_that_begin_an_hour_later_every_other_day_warn_nobody(alarms: AlarmSet) -> None:
    assert replayed(alarms, nightly(5, late=HOUR - 60), 4, 0.5) == []


def test_monitor_that_does_not_run_changes_nothing_about_this_alarm(alarms: AlarmSet) -> None:
    assert replayed(alarms, nightly(3), 2, 0.5, stopped=9 * HOUR) == []
