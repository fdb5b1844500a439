"""Whose fault it is when the SQL probe finds one, and what it takes from a run."""

from __future__ import annotations

import itertools
import json
import os
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from hypothesis import given, settings
from hypothesis import strategies as st

import dsql_dr_constructs
from dsql_dr_constructs.runtime.database_session import DatabaseSession, LoginRefusedError, NoConnectionError, SqlError
from dsql_dr_constructs.runtime.health_monitor import metric_names as names
from dsql_dr_constructs.runtime.health_monitor.monitoring_run import PERMISSION_SECONDS
from dsql_dr_constructs.runtime.health_monitor.observation import ControlPlane, ProbeResult, SqlResult, observe
from dsql_dr_constructs.runtime.health_monitor.retries import MonitorError
from tests.runtime.health_monitor.hand_made_aws import EAST, WEST, Aws, all_answered
from tests.runtime.health_monitor.hand_made_sql import REGIONS, Database, Fault, denied, no_connection, refused
from tests.runtime.health_monitor.tls_server import HOST, Visit, serving

TRUSTED = ssl.create_default_context()
OTHER = dict(zip(REGIONS, REGIONS[::-1], strict=True))


class OwnTime(threading.local):
    """Passes by waiting only, and in each thread on its own: what one endpoint takes, the other one keeps."""

    now = 1000.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Monitor(Aws):
    def __init__(self, fault: Fault = lambda region, what: None) -> None:
        super().__init__()
        self.database = Database(fault)
        self.sql = "dsql_dr_us_east_1", "beat_us_east_1"
        self.own_time = OwnTime()

    def run(self, observer: str = "us-east-1", **options: Any) -> dict[str, Any]:
        own = self.own_time
        surroundings = self.time.surroundings(clock=lambda: own.now, sleep=own.sleep, draw=lambda: 0.5)
        options = {
            "connect": self.database.connect,
            "surroundings": surroundings,
            "tls": lambda: TRUSTED,
            **options,
        }
        try:
            return super().run(observer, **options)
        finally:
            assert self.database.open == [], "a session is still open"

    def line(self) -> dict[str, Any]:
        """Of a run that may fail."""
        with suppress(MonitorError):
            self.run()
        line: dict[str, Any] = json.loads(self.lines[-1])
        return line


def test_pair_that_serves_has_a_metric_of_each_kind_for_each_cluster() -> None:
    monitor = Monitor()
    answer = monitor.run()
    assert answer["verdict"] == names.HEALTHY
    expected = {("SqlServes", "None"), ("CommitLatency", "Milliseconds"), ("ReadBackLatency", "Milliseconds")}
    for region in REGIONS:
        found = {(name, unit) for (name, where), (_, unit) in monitor.metrics().items() if where == region}
        assert expected < found
    served = {"serves": True, "commit_latency_ms": 0.0, "read_back_latency_ms": 0.0}
    assert [one["sql"] for one in answer["clusters"]] == [served, served]


def test_without_the_sql_probe_nothing_is_asked_put_or_answered() -> None:
    monitor = Monitor()
    monitor.sql = None
    answer = monitor.run()
    assert monitor.database.tokens == []
    assert [[one for one in cluster if "sql" in one] for cluster in answer["clusters"]] == [[], []]
    assert not {name for name, _ in monitor.metrics()} & {"SqlServes", "CommitLatency", "ReadBackLatency"}


@pytest.mark.parametrize("role", [None, "dsql_dr_us_east_1"])
def test_driver_is_imported_with_the_sql_probe_only(role: str | None) -> None:
    source = Path(dsql_dr_constructs.__file__).parent / "runtime"
    clusters = [{"arn": arn, "endpoint": "one.dsql"} for arn in (EAST, WEST)]
    environment = {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_REGION": "us-west-2",
        "DEPLOYMENT": "Orders-production",
        "CLUSTERS": json.dumps(clusters),
        "BUDGET_SECONDS": "20",
        **({"SQL_ROLE": role, "SQL_TABLE": "beat"} if role else {}),
    }
    program = (
        "import importlib, sys\n"
        f"sys.path.insert(0, {str(source.parent)!r})\n"  # as Lambda has it: without the package that imports the CDK
        "importlib.import_module('runtime.health_monitor.handler')\n"
        "print('pg8000' in sys.modules, 'aws_cdk' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(bool(role)), "False"]


# whose fault it is


def always(what: str, make: Callable[[], SqlError]) -> Callable[[str], None]:
    def fail(asked: str) -> None:
        if asked == what:
            raise make()

    return fail


SIDES: dict[str, Callable[[str], None]] = {
    "fine": lambda what: None,
    "stale": lambda what: None,
    "dead": always("login", no_connection),
    "hangs": always("write", lambda: NoConnectionError("no answer to STATEMENT in time")),
    "denied": always("login", denied),
    "full": always("login", lambda: LoginRefusedError("the login: too many connections (53300)", "53300")),
    "read-only": always("write", lambda: refused("25006")),
    "no table": always("write", lambda: refused("42P01")),
    "no privilege": always("write", lambda: refused("42501")),
    "wrong statement": always("write", lambda: refused("42601")),
    "fails to write": always("write", lambda: refused("XX000")),
    "conflicts": always("write", lambda: refused("40001")),
    "fails to read": always("reading", lambda: refused("XX000")),
    "may not read": always("reading", lambda: refused("42501")),
}
SAYS = {
    "stale": "the beat committed through {other} is not visible here",
    "dead": "the connection failed: Connection refused",
    "hangs": "no answer to STATEMENT in time",
    "denied": "the login was refused: unable to accept connection, access denied (08006)",
    "full": "the login was refused: too many connections (53300)",
    "read-only": "the side is read-only (STATEMENT: no (25006))",
    "no table": "the write was refused: STATEMENT: no (42P01)",
    "no privilege": "the write was refused: STATEMENT: no (42501)",
    "wrong statement": "the write was refused: STATEMENT: no (42601)",
    "fails to write": "the write was refused: STATEMENT: no (XX000)",
    "conflicts": "the write was refused: STATEMENT: no (40001)",
    "fails to read": "the reading was refused: STATEMENT: no (XX000)",
    "may not read": "the reading was refused: STATEMENT: no (42501)",
}
COMMITS = {"fine", "stale", "fails to read", "may not read"}
NO_LOGIN = {"dead", "denied", "full"}


def expected(side: str, other: str, *, peered: bool = True) -> str | None:
    """Whether *side* serves, or the monitor is at fault, by what both do: written apart from the code."""
    if side == "denied":
        return "monitor" if other in NO_LOGIN else "down"
    if side in ("no table", "no privilege", "wrong statement", "may not read"):
        return "down" if other in COMMITS else "monitor"
    if side == "stale":
        return "down" if other in COMMITS and peered else "serves"
    return "serves" if side == "fine" else "down"


@pytest.mark.parametrize("peered", [True, False])
@pytest.mark.parametrize("east", SIDES)
def test_fault_is_that_clusters_unless_it_may_be_the_monitors(east: str, peered: bool) -> None:
    for west in SIDES:
        sides = dict(zip(REGIONS, (east, west), strict=True))
        monitor = Monitor(lambda region, what, sides=sides: SIDES[sides[region]](what))  # type: ignore[misc]
        monitor.database.stale = {region for region in REGIONS if sides[region] == "stale"}
        if not peered:
            alone = {"multiRegionProperties": {"witnessRegion": "us-east-2", "clusters": []}}
            monitor.answers = dict.fromkeys(REGIONS, alone)
        line = monitor.line()
        assert [one["region"] for one in line["clusters"]] == [*REGIONS]
        accused = []
        for one in line["clusters"]:
            region = one["region"]
            side, other = sides[region], sides[OTHER[region]]
            wanted, case = expected(side, other, peered=peered), f"{side}, while the other one is {other}"
            assert ("sql" in one) == (wanted != "monitor"), case
            if wanted == "monitor":
                accused.append(region)
            else:
                assert one["sql"]["serves"] == (wanted == "serves"), case
            sql_says = [problem for problem in one["problems"] if problem.startswith("SQL")]
            says = [f"SQL: {SAYS[side].format(other=OTHER[region])}"] if wanted == "down" else []
            assert sql_says == says, case
            assert one["healthy"] == (not says), case
        assert len(line["errors"]) == bool(accused)
        assert not accused or f" as dsql_dr_us_east_1 in {' and '.join(accused)}: " in line["errors"][0]
        unhealthy = sum(not one["healthy"] for one in line["clusters"])
        verdicts = [names.HEALTHY if peered else names.PEERING_LOST, names.CLUSTER_DOWN, names.BOTH_DOWN]
        assert line["verdict"] == verdicts[unhealthy]


def test_every_expected_outcome_occurs() -> None:
    found = {expected(*pair) for pair in itertools.product(SIDES, repeat=2)}
    assert found == {"serves", "down", "monitor"}


@pytest.mark.parametrize("west", SIDES)
def test_what_was_measured_is_put_and_nothing_else(west: str) -> None:
    """What could not write for a lasting reason reads all the same; else no time may be left for it."""
    monitor = Monitor(lambda region, what: SIDES[west](what) if region == "us-west-2" else None)
    monitor.run()
    put = monitor.metrics()
    assert ("CommitLatency", "us-east-1") in put
    assert ("ReadBackLatency", "us-east-1") in put
    assert (("CommitLatency", "us-west-2") in put) == (west in COMMITS)
    reads = {"fine", "stale", "hangs", "read-only", "fails to write", "conflicts"}
    assert (("ReadBackLatency", "us-west-2") in put) == (west in reads)


def test_first_reason_stays() -> None:
    def fault(region: str, what: str) -> None:
        if region == "us-west-2" and what != "login":
            raise refused({"write": "25006", "reading": "42501"}[what])

    [_, west] = Monitor(fault).run()["clusters"]
    assert west["problems"] == ("SQL: the side is read-only (STATEMENT: no (25006))",)


def test_write_that_is_refused_stays_the_reason_where_the_other_ones_beat_is_not_there_either() -> None:
    monitor = Monitor(lambda region, what: SIDES["read-only" if region == "us-west-2" else "fine"](what))
    monitor.database.stale = {"us-west-2"}
    [_, west] = monitor.run()["clusters"]
    assert west["problems"] == ("SQL: the side is read-only (STATEMENT: no (25006))",)


def test_beat_that_is_not_there_is_a_fault_also_while_the_other_clusters_api_does_not_answer() -> None:
    monitor = Monitor()
    monitor.failures["us-east-1"] = [ReadTimeoutError(endpoint_url="https://dsql")] * 1000
    monitor.database.stale = {"us-west-2"}
    [_, west] = monitor.run()["clusters"]
    assert west["problems"] == ("SQL: the beat committed through us-east-1 is not visible here",)


def test_latencies_are_those_of_the_statements() -> None:
    monitor = Monitor()
    seconds = {"login": 1.0, "write": 0.25, "reading": 0.125}
    monitor.database.fault = lambda region, what: monitor.own_time.sleep(seconds[what])
    monitor.run()
    for region in REGIONS:
        assert monitor.metrics()["CommitLatency", region] == (250.0, "Milliseconds")
        assert monitor.metrics()["ReadBackLatency", region] == (125.0, "Milliseconds")


def test_own_beat_that_is_not_there_is_a_fault_also_of_a_cluster_without_a_peer() -> None:
    monitor = Monitor(lambda region, what: SIDES["dead" if region == "us-west-2" else "fine"](what))
    monitor.answers["us-east-1"] = {"multiRegionProperties": {"witnessRegion": "us-east-2", "clusters": []}}
    monitor.database.forgetful = {"us-east-1"}
    [east, _] = monitor.run()["clusters"]
    assert (east["peered"], east["sql"]["serves"]) == (False, False)
    assert east["problems"][0] == "SQL: the beat committed through us-east-1 is not visible here"


def test_reason_of_the_connection_probe_and_of_getcluster_stays_the_first() -> None:
    plane = ControlPlane("FAILED", peers=frozenset({WEST}))
    probe, sql = ProbeResult(problem="refused"), SqlResult(False, problem="no answer to the login in time")
    judge: dict[str, Any] = {"peer": WEST, "witness_region": None}
    assert observe(EAST, plane, probe, 2, sql=sql, **judge).problems == (
        "status is FAILED",
        "endpoint: refused",
        "SQL: no answer to the login in time",
    )
    late = "no answer within the run's 20 s"
    found = observe(EAST, plane, ProbeResult(problem=late), 2, sql=SqlResult(False, problem=late), **judge)
    assert found.problems == ("status is FAILED", f"endpoint: {late}"), "said once"
    assert {name: value for name, value, _ in found.measures()}["SqlServes"] == 0


# what is tried again


def failing(times: int, what: str, make: Callable[[], SqlError], region: str = "us-west-2") -> Fault:
    left = [times]

    def fault(where: str, asked: str) -> None:
        if (where, asked) == (region, what) and left[0]:
            left[0] -= 1
            raise make()

    return fault


@pytest.mark.parametrize("sqlstate", ["40001", "OC000", "OC001", "XX000", "53400", "57P01"])
@pytest.mark.parametrize("what", ["write", "reading"])
def test_statement_that_fails_in_passing_is_tried_again(what: str, sqlstate: str) -> None:
    monitor = Monitor(failing(3, what, lambda: refused(sqlstate)))
    assert monitor.run()["verdict"] == names.HEALTHY
    assert len(monitor.database.tokens) == 2, "in the same session"


@pytest.mark.parametrize("sqlstate", ["25006", "42601", "42501", "28000"])
def test_statement_that_is_refused_for_good_is_not(sqlstate: str) -> None:
    writes: list[str] = []

    def fault(region: str, what: str) -> None:
        if (region, what) == ("us-west-2", "write"):
            writes.append(region)
            raise refused(sqlstate)

    assert Monitor(fault).run()["regions_down"] == ["us-west-2"]
    assert len(writes) == 1


def test_reason_of_a_server_that_says_very_much_is_cut() -> None:
    monitor = Monitor(lambda region, what: always("write", lambda: SqlError("no" * 1000, "25001"))(what))
    problem = f"SQL: the write was refused: {'no' * 150}"
    assert [one["problems"] for one in monitor.run()["clusters"]] == [(problem,), (problem,)]


@pytest.mark.parametrize("what", ["login", "write", "reading"])
def test_connection_that_breaks_is_made_again_with_a_new_token(what: str) -> None:
    monitor = Monitor(failing(2, what, no_connection))
    made: list[str] = []
    monitor.token = lambda host, **asked: made.append(host) or f"token for {host}"  # type: ignore[func-returns-value]
    assert monitor.run()["verdict"] == names.HEALTHY
    assert sorted(made) == ["us-east-1.dsql", *["us-west-2.dsql"] * 3], "a token for each login"


def test_login_may_take_what_is_left_of_the_budget_as_a_cluster_that_wakes_does() -> None:
    monitor = Monitor()
    left: dict[str, float] = {}

    def connect(host: str, *where: Any, time_left: Callable[[], float], **options: Any) -> Any:
        region = host.partition(".")[0]
        left[region] = time_left()
        if region == "us-west-2":
            monitor.own_time.sleep(8.0)
        return monitor.database.connect(host, *where, time_left=time_left, **options)

    monitor.answers["us-west-2"] = {"status": "INACTIVE"}
    answer = monitor.run(connect=connect)
    assert answer["verdict"] == names.HEALTHY
    assert left == {"us-east-1": 20.0, "us-west-2": 20.0}
    assert monitor.metrics()["CommitLatency", "us-west-2"][0] == 0, "waking is no latency of a commit"


def test_endpoint_that_is_slow_takes_no_time_from_the_write_of_the_other_one() -> None:
    """West's login ends when east has written; one after the other, it never would."""
    monitor, east_wrote = Monitor(), threading.Event()

    def fault(region: str, what: str) -> None:
        if (region, what) == ("us-west-2", "login"):
            assert east_wrote.wait(60)
        if (region, what) == ("us-east-1", "write"):
            east_wrote.set()

    monitor.database.fault = fault
    assert monitor.run()["verdict"] == names.HEALTHY


def test_endpoint_that_does_not_end_leaves_the_other_ones_result() -> None:
    monitor, given_up = Monitor(), threading.Event()

    def fault(region: str, what: str) -> None:
        if (region, what) == ("us-west-2", "login"):
            given_up.wait(60)

    monitor.database.fault = fault

    def wait(questions: Any, seconds: float) -> None:
        """For the run until one is left; for the other endpoint not at all."""
        until = time.monotonic() + 60
        while len(questions) > 1 and sum(not one.done() for one in questions) > 1:
            assert time.monotonic() < until
            time.sleep(0.005)

    answer = monitor.run(surroundings=monitor.time.surroundings(wait=wait))
    given_up.set()
    assert answer["regions_down"] == ["us-west-2"]
    east, west = answer["clusters"]
    assert (east["sql"]["serves"], east["sql"]["read_back_latency_ms"] is not None) == (True, True)
    assert west["problems"] == ("SQL: no answer within the run's 20 s",)


def test_endpoint_waits_for_the_other_one_until_just_enough_time_is_left_to_read() -> None:
    monitor, waits = Monitor(), list[tuple[int, float]]()

    def wait(questions: Any, seconds: float) -> None:
        waits.append((len(questions), seconds))
        all_answered(questions, seconds)

    monitor.run(surroundings=monitor.time.surroundings(wait=wait, clock=lambda: 0.0))
    # of the run for six answers and for no permission, and of both endpoints
    assert sorted(waits) == [(0, 120.5), (1, 18.0), (1, 18.0), (6, 20.5)]


@pytest.mark.parametrize("first", [False, True])
def test_run_waits_beyond_its_budget_only_for_logins_that_are_denied_in_the_first_run(first: bool) -> None:
    monitor, waits = Monitor(failing(1, "login", denied)), list[tuple[int, float]]()

    def wait(questions: Any, seconds: float) -> None:
        waits.append((len(questions), seconds))
        all_answered(questions, seconds)

    monitor.run(first=first, surroundings=monitor.time.surroundings(wait=wait, clock=lambda: 0.0))
    assert ((1, 120.5) in waits, (0, 120.5) in waits) == (first, not first)


def test_login_that_is_denied_is_tried_again_for_two_minutes_in_the_first_run_only() -> None:
    """With pauses of up to 3 s, here of the half, 70 tries last a bit less and 100 a bit more."""
    assert Monitor(failing(70, "login", denied)).run(first=True)["verdict"] == names.HEALTHY
    monitor = Monitor(lambda region, what: SIDES["denied"](what))
    [refusal] = monitor.failing_run(first=True)["errors"]
    assert "access denied (08006). Repair the database roles" in refusal
    tries: list[float] = []

    def deny(region: str, what: str) -> None:
        tries.append(monitor.own_time.now)
        raise denied()

    monitor = Monitor(deny)
    monitor.failing_run()
    assert tries == [1000.0, 1000.0], "once at each"
    tries.clear()
    monitor.failing_run(first=True)
    assert 1000.0 + PERMISSION_SECONDS - 4 < max(tries) <= 1000.0 + PERMISSION_SECONDS


def test_later_run_of_the_same_monitor_is_not_taken_for_a_beat_that_is_not_there() -> None:
    """A person invokes the monitor while the schedule does."""
    monitor = Monitor()

    def fault(region: str, what: str) -> None:
        if what == "reading":
            for each in REGIONS:
                monitor.database.commit(each, "of the other run")

    monitor.database.fault = fault
    assert monitor.run()["verdict"] == names.HEALTHY


def test_older_beat_is_taken_for_one_that_is_not_there() -> None:
    monitor = Monitor()
    older = {region: ("older", monitor.database.commit(region, "older")) for region in REGIONS}

    def fault(region: str, what: str) -> None:
        if what == "reading":
            monitor.database.rows = dict(older)

    monitor.database.fault = fault
    assert monitor.run()["verdict"] == names.BOTH_DOWN


def test_token_that_cannot_be_signed_is_the_monitors_fault() -> None:
    monitor = Monitor()

    def no_credentials(host: str, **_: Any) -> str:
        raise RuntimeError("no credentials")

    monitor.token = no_credentials
    line = monitor.failing_run()
    assert line["verdict"] == names.HEALTHY, "without SQL"
    assert len(line["errors"]) == 2
    assert all(": no credentials (" in one for one in line["errors"])


STEP = st.sampled_from(["login", "write", "reading"])
FAILURE = st.sampled_from(
    [no_connection, denied, *(lambda one=one: refused(one) for one in ("40001", "25006", "42P01"))]
)


@settings(max_examples=80, deadline=None)
@given(faults=st.lists(st.tuples(st.sampled_from(REGIONS), STEP, FAILURE), max_size=12))
def test_whatever_fails_the_run_ends_with_its_line_and_a_reason_for_all_that_is_not_served(
    faults: list[tuple[str, str, Callable[[], SqlError]]],
) -> None:
    left = list(faults)

    def fault(region: str, what: str) -> None:
        for one in left:
            if one[:2] == (region, what):
                left.remove(one)
                raise one[2]()

    monitor = Monitor(fault)
    line = monitor.line()
    for one in line["clusters"]:
        assert one["healthy"] == (not one["problems"])
        if "sql" not in one:
            assert line["errors"]
        else:
            assert one["sql"]["serves"] == (not one["problems"])
    assert line["verdict"] is not None


def test_server_that_sends_byte_by_byte_gets_no_more_time_than_one_that_hangs() -> None:
    given_up = threading.Event()

    def drip(visit: Visit) -> None:
        visit.answer_ssl_request()
        visit.start_tls()
        visit.take_startup()
        assert visit.tls
        visit.tls.sendall(b"R" + struct.pack("!ii", 8, 0))
        while not given_up.wait(0.02):
            visit.tls.sendall(b"S" + struct.pack("!i", 4 + 4) + b"a\0b\0")  # a parameter's status, again and again

    with serving(drip) as server:
        trusting = server.trusting()
        until = time.monotonic() + 3.0
        with pytest.raises(NoConnectionError, match=r"^no answer to the login in time$"):
            DatabaseSession(
                HOST,
                server.port,
                role="a",
                token="b",
                tls=trusting,
                time_left=lambda: until - time.monotonic(),
            )
        given_up.set()
