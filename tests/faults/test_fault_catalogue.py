"""What happens if: each fault of the catalogue, with the verdicts and exactly the notifications that it promises."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions

from dsql_dr_constructs import BackupOptions, FailoverOptions, MonitoringOptions, MultiRegionDsqlDr
from dsql_dr_constructs.cli.catalogued_fault import OBSERVERS, CataloguedFault
from dsql_dr_constructs.cli.fault_catalogue import FAULTS
from dsql_dr_constructs.cli.fault_table import duration, markdown
from tests.faults.simulation import PHASES, Notification, Outcome, simulated
from tests.unit.monitoring.health_check_replay import RegionCheck, region_checks

ROOT = Path(__file__).parents[2]
LATE = 0.25
"""Minutes between two of the seconds at which alarms are evaluated here."""
WARNED = 15.0
"""Minutes in which warnings come, or before the last notification if that is later, as docs/faults.md has it."""
NEEDLESS = 1.0
"""Minutes that the catalogue may promise more than the worst that comes out, rounded up."""


@cache
def _pair() -> MultiRegionDsqlDr:
    return MultiRegionDsqlDr(
        cdk.App(),
        "Orders",
        alert_emails=["ops@example.com"],
        backup=BackupOptions(),
        failover=FailoverOptions(),
        monitoring=MonitoringOptions(warning_emails=["team@example.com"], sql_probe=True),
    )


@cache
def checks() -> Mapping[str, RegionCheck]:
    """Route 53's health checks, by Region."""
    return region_checks(_pair())


@cache
def templates() -> Mapping[str, Mapping[str, Any]]:
    """Of the monitoring stacks, by Region; what a fault does not need is left out of the functions' environment."""
    stacks = [one for one in _pair().stacks if "Monitoring" in one.stack_name]
    return {one.region: assertions.Template.from_stack(one).to_json() for one in stacks}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_fault_has_the_verdicts_and_exactly_the_notifications_of_the_catalogue(fault: CataloguedFault) -> None:
    _hold(fault, simulated(templates(), fault, checks()))


@pytest.mark.parametrize("fault", [one for one in FAULTS if not one.during], ids=lambda fault: fault.name)
def test_fault_of_the_other_region_is_the_same_with_the_regions_exchanged(fault: CataloguedFault) -> None:
    _hold(fault, simulated(templates(), fault, checks(), exchanged=True))


def test_monitor_that_runs_once_an_hour_notifies_of_it_each_hour_and_of_ok_between() -> None:
    [changed] = [one for one in FAULTS if one.name == "schedule-changed"]
    outcome = simulated(templates(), replace(changed, lasts=200.0), checks())
    for phase in PHASES:
        said = [one for one in outcome.notifications if one.phase == phase]
        assert {(one.kind, one.observer) for one in said} == {("monitoring-not-working", "primary")}
        assert [one.state for one in said] == ["ALARM", "OK"] * 4
        alarms = [one.minutes for one in said if one.state == "ALARM"]
        assert all(60 <= later - earlier <= 61 for earlier, later in itertools.pairwise(alarms[1:]))


def _hold(fault: CataloguedFault, outcome: Outcome) -> None:
    expected = fault.expected
    assert {role: outcome.verdicts[role] or {None} for role in OBSERVERS} == {
        role: _either(expected.verdicts[role]) for role in OBSERVERS
    }
    assert outcome.last == ({} if fault.during == "create" else dict.fromkeys(OBSERVERS, "HEALTHY")), "it is over"
    assert re.match(expected.deployment, outcome.deployment)
    assert bool(outcome.deployment) is bool(fault.during) is bool(expected.deployment)
    for world, left in outcome.left.items():
        assert left == {*expected.traffic_leaves}, f"what Route 53 finds unhealthy, {world}"
    assert outcome.unhealthy_at_last == set(), "it is over for Route 53, too"
    for phase in PHASES:
        _hold_notifications(fault, [one for one in outcome.notifications if one.phase == phase])
    _hold_times(fault, outcome)


def _hold_notifications(fault: CataloguedFault, notifications: Iterable[Notification]) -> None:
    expected, said = fault.expected, list(notifications)
    allowed = Counter(expected.afterwards)
    for promised, warning in ((expected.notified, False), (expected.warnings, True)):
        sent = [one for one in said if one.warning is warning]
        alarms = Counter((one.kind, one.observer) for one in sent if one.state == "ALARM" and one.minutes < fault.lasts)
        assert alarms == Counter(promised), f"{fault.name}, while it lasts"
        after = Counter((one.kind, one.observer) for one in sent if one.state == "ALARM" and one.minutes >= fault.lasts)
        assert after - allowed == Counter(), f"{fault.name}, when it is over"
        ok = Counter((one.kind, one.observer) for one in sent if one.state == "OK")
        assert ok - allowed == Counter(promised) - allowed, f"{fault.name}, one OK for each"
        assert {one.state for one in sent} <= {"ALARM", "OK"}


def _hold_times(fault: CataloguedFault, outcome: Outcome) -> None:
    alarms = [one for one in outcome.notifications if one.state == "ALARM" and one.minutes < fault.lasts]
    assert all(one.minutes <= max(fault.expected.within, WARNED) for one in alarms if one.warning)
    worst = max((one.minutes for one in alarms if not one.warning), default=0.0)
    assert worst <= fault.expected.within, "not later than the catalogue says"
    assert fault.expected.within <= math.ceil(worst + LATE) + (NEEDLESS if worst else 0), "nor needlessly more"


def _either(verdict: str | None) -> set[str | None]:
    return {*verdict.split(" or ")} if verdict else {None}


def test_catalogue_has_at_least_forty_faults_each_with_a_name_of_its_own() -> None:
    names = [one.name for one in FAULTS]
    assert len(names) >= 40
    assert len({*names}) == len(names)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in names)


def test_each_permission_of_a_monitor_is_denied_by_a_fault() -> None:
    [policy] = [
        one["Properties"]["PolicyDocument"]
        for id, one in templates()["us-east-1"]["Resources"].items()
        if one["Type"] == "AWS::IAM::Policy" and id.startswith("MonitorRole")
    ]
    actions = {action for one in policy["Statement"] for action in _list(one["Action"])}
    assert len(actions) > 10
    denied = {action for action in actions for fault in FAULTS if re.search(rf"denies .*\b{action}\b", fault.title)}
    assert denied == actions


def _list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def test_every_group_of_faults_stands_together() -> None:
    groups = [one.group for one in FAULTS]
    assert [one for at, one in enumerate(groups) if at == 0 or groups[at - 1] != one] == [*dict.fromkeys(groups)]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_fault_says_what_to_do_and_how_it_ends(fault: CataloguedFault) -> None:
    assert not fault.title.endswith(".")
    for sentence in (fault.runbook, fault.ends):
        assert sentence[0].isupper()
        assert sentence.endswith((".", ":"))
        assert "|" not in sentence
    assert bool(fault.expected.notified) is bool(fault.expected.within)


def test_documents_have_the_catalogue() -> None:
    assert (ROOT / "docs" / "faults.md").read_text() == markdown(FAULTS), "dsql-dr faults --markdown > docs/faults.md"


@pytest.mark.parametrize(
    ("minutes", "said"), [(5, "5 min 00 s"), (5 + 1 / 3, "5 min 20 s"), (10.5, "10 min 30 s"), (4.751, "4 min 50 s")]
)
def test_duration_is_rounded_up(minutes: float, said: str) -> None:
    assert duration(minutes) == said
