"""Who is notified when SQL fails, and that nobody is when single statements do: real SQL probe, real alarms."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from functools import cache
from types import SimpleNamespace
from typing import Any

import aws_cdk as cdk
import pytest

from dsql_dr_constructs.runtime.database_session import LoginRefusedError
from dsql_dr_constructs.runtime.health_monitor.observation import ControlPlane, SqlResult
from dsql_dr_constructs.runtime.health_monitor.retries import MonitorError, Surroundings, Tries
from dsql_dr_constructs.runtime.health_monitor.settings import Settings
from dsql_dr_constructs.runtime.health_monitor.sql_check import Evidence, SqlCheck
from tests.runtime.health_monitor.hand_made_sql import Database, no_connection, refused
from tests.unit.monitoring import notification_times
from tests.unit.monitoring.notification_times import BUDGET, notification_time
from tests.unit.monitoring.replay import ARNS, GOOD, REGIONS, AlarmSet, Replay, Run, alarm_sets, see

EAST, WEST = REGIONS
DAY = 86400.0
DEAD = SqlResult(False, problem="no answer to the login in time")
ENDPOINTS = {arn: f"{region}.dsql" for region, arn in ARNS.items()}
SETTINGS = Settings("Orders", EAST, ENDPOINTS, None, BUDGET, sql_role="dsql_dr_us_east_1", sql_table="beat_us_east_1")
SIGNER = SimpleNamespace(generate_db_connect_auth_token=lambda host, **_: f"token for {host}")


@cache
def alarms(minutes: int = 2) -> dict[str, AlarmSet]:
    return alarm_sets(schedule=cdk.Duration.minutes(minutes))


@pytest.mark.parametrize("minutes", [2, 1])
@pytest.mark.parametrize("seconds", [1.0, BUDGET], ids=["fails", "hangs"])
def test_sql_that_is_dead_behind_a_living_endpoint_is_notified_as_soon_as_a_dead_cluster(
    monkeypatch: pytest.MonkeyPatch, minutes: int, seconds: float
) -> None:
    dead = {EAST: ControlPlane(None, problem="no answer")}
    monkeypatch.setitem(notification_times.FAULTS, "SQL is dead", lambda: see(sql={EAST: DEAD}, seconds=seconds))
    monkeypatch.setitem(notification_times.FAULTS, "cluster is dead", lambda: see(dead, seconds=seconds))
    found, wanted = (notification_time(alarms(minutes)[WEST], one) for one in ("SQL is dead", "cluster is dead"))
    assert 0 < found == wanted


@pytest.mark.parametrize("phase", [0.5, 31.0])
@pytest.mark.parametrize("region", REGIONS)
def test_sql_that_is_dead_is_notified_once_from_each_region_and_once_when_it_serves_again(
    region: str, phase: float
) -> None:
    serves = dict.fromkeys(REGIONS, SqlResult(True, 5.0, 2.0))

    def world(at: float) -> Run:
        return see(sql={**serves, EAST: DEAD}, seconds=BUDGET) if 600 < at < 3000 else see(sql=serves)

    [(began, *alarm), (ended, *ok)] = Replay(alarms()[region], world, phase=phase).until(6000).notified
    assert (alarm, ok) == ([f"cluster-down-{EAST}", "ALARM"], [f"cluster-down-{EAST}", "OK"])
    assert (600 < began < 960, 3000 < ended < 3360) == (True, True)


class Unsteady(Database):
    """Of its logins and statements 1 % fail, and of its commits another 1 % conflict; a cluster that is idle wakes in
    8 s."""

    def __init__(self, seed: str) -> None:
        super().__init__(self._fail)
        self.draw = random.Random(seed)  # noqa: S311 - no secret
        self.now = 0.0
        self.idle = False
        self.failed = 0
        self.down = 0
        """Runs that found a cluster down."""

    def _fail(self, region: str, what: str) -> None:
        self.now += 8.0 if self.idle and what == "login" else 0.05
        chance = self.draw.random()
        self.failed += chance < 0.02 and (chance < 0.01 or what == "write")
        if chance < 0.005:
            raise no_connection()
        if chance < 0.01:
            raise LoginRefusedError("the login: no", "53300") if what == "login" else refused("XX000")
        if chance < 0.02 and what == "write":
            raise refused("40001")

    def probed(self, *, budget: float = BUDGET) -> tuple[Mapping[str, SqlResult], list[MonitorError]]:
        """One run of the SQL probe: the first endpoint's wait for the other one is the time in which that is checked,
        by a clock of its own, so that no threads are needed."""
        checked: dict[str, Future[Evidence]] = {arn: Future() for arn in ENDPOINTS}
        errors: list[MonitorError] = []

        def check(arn: str) -> None:
            self.now = 0.0
            checked[arn].set_result(probe.check(arn, None, Tries(budget, surroundings)))  # type: ignore[arg-type]

        def wait(questions: Collection[Future[Any]], seconds: float) -> None:
            mine = self.now
            for arn, question in checked.items():
                if arn != first and not question.done() and not all(one.done() for one in questions):
                    check(arn)
            self.now = mine + min(seconds, max(0.0, self.now - mine))

        def sleep(seconds: float) -> None:
            self.now += seconds

        surroundings = Surroundings(clock=lambda: self.now, sleep=sleep, draw=self.draw.random, wait=wait)
        client = lambda service, region: SIGNER  # noqa: E731
        probe = SqlCheck(SETTINGS, client=client, surroundings=surroundings, first=False, connect=self.connect)
        first = self.draw.choice([*ENDPOINTS])
        check(first)
        for arn in ENDPOINTS:  # the first one was not let in, and waited for nobody
            if not checked[arn].done():
                check(arn)
        assert self.open == []
        found = probe.conclude(checked, dict.fromkeys(ENDPOINTS, GOOD), "late", errors)
        self.down += not all(one.serves for one in found.values())
        return found, errors


@pytest.mark.parametrize("region", REGIONS)
def test_a_month_of_single_failing_statements_conflicts_and_idle_nights_notifies_nobody(region: str) -> None:
    """Each of the 21,600 runs is one of the real SQL probe; GetCluster and the connection probe do not fail in it."""
    database = Unsteady(region)

    def world(at: float) -> Run:
        database.idle = (at % DAY) / 3600 < 6
        status = ControlPlane("IDLE" if database.idle else "ACTIVE", "ENABLED", GOOD.peers, "us-east-2")
        sql, errors = database.probed()
        return see(dict.fromkeys(REGIONS, status), sql=sql, failed=bool(errors))

    assert Replay(alarms()[region], world, phase=0.5).until(30 * DAY).notified == []
    assert database.failed > 1500, "failures did happen"
    assert database.transactions > 40_000


def test_without_another_try_the_same_failures_would_be_found_in_many_runs() -> None:
    with_tries, without = Unsteady("a"), Unsteady("a")
    for database, budget in ((with_tries, BUDGET), (without, 0.0)):
        for _ in range(1000):
            database.probed(budget=budget)
    assert with_tries.down == 0
    assert without.down > 50, "of 1000 runs with six calls each"
