"""What a pool does while its endpoints fail, on a real PostgreSQL."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus
from psycopg_pool import PoolClosed, PoolTimeout

from dsql_dr_client import AllEndpointsFailed, Event, FailoverPool, NoAnswer, _failover
from dsql_dr_client._routing import State
from tests.client.pair_of_endpoints import EAST, HOSTS, WEST, PairOfEndpoints, pair_of_endpoints

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(scope="module")
def of_module() -> Iterator[PairOfEndpoints]:
    with pair_of_endpoints() as one:
        one.ask("CREATE ROLE few LOGIN CONNECTION LIMIT 1")
        one.ask("CREATE ROLE reader LOGIN")
        one.ask("ALTER ROLE reader SET default_transaction_read_only TO on")
        yield one


@pytest.fixture
def pair(of_module: PairOfEndpoints) -> Iterator[PairOfEndpoints]:
    yield of_module
    of_module.recover()
    end_sessions(of_module)  # in which a statement may be running that nobody waits for


class Events:
    """What a pool reports."""

    def __init__(self) -> None:
        self.all: list[Event] = []
        self._new = threading.Condition()

    def __call__(self, event: Event) -> None:
        with self._new:
            self.all.append(event)
            self._new.notify_all()

    def wait_for(self, name: str, **attributes: str) -> None:
        def seen() -> bool:
            return any(one.name == name and attributes.items() <= one.attributes.items() for one in self.all)

        with self._new:
            assert self._new.wait_for(seen, 20), self.all

    def names(self) -> list[str]:
        return [one.name for one in self.all]


def served_by(pool: FailoverPool) -> str:
    with pool.connection() as connection:
        [(region,)] = connection.execute("SELECT current_setting('application_name')")
        return str(region)


def end_sessions(pair: PairOfEndpoints) -> None:
    pair.ask(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )


def logins(pair: PairOfEndpoints, region: str) -> int:
    return len(pair.endpoints[region].set(pair.endpoints[region].mode)["opened"])


def test_own_region_serves_with_one_connection(pair: PairOfEndpoints) -> None:
    before = logins(pair, EAST)
    with pair.pool(EAST) as pool:
        assert {served_by(pool) for _ in range(20)} == {EAST}
        assert pool.region_in_use == EAST
    assert logins(pair, EAST) == before + 1


def test_refused_endpoint_costs_no_request(pair: PairOfEndpoints) -> None:
    events = Events()
    with pair.pool(EAST, on_event=events) as pool:
        assert served_by(pool) == EAST
        pair.fail(EAST, "refused")
        assert served_by(pool) == WEST
        assert pool.region_in_use == WEST
    assert events.names().count("dsql.failover") == 1


def test_pool_comes_home(pair: PairOfEndpoints) -> None:
    events = Events()
    with pair.pool(EAST, on_event=events, return_after=0.2) as pool:
        pair.fail(EAST, "refused")
        assert served_by(pool) == WEST
        pair.recover()
        events.wait_for("dsql.circuit.state", **{"cloud.region": EAST, "state": "half-open"})
        events.wait_for("dsql.failover", to=EAST)
        assert served_by(pool) == EAST


def test_pool_that_is_opened_again_comes_home(pair: PairOfEndpoints) -> None:
    events = Events()
    pool = pair.pool(EAST, on_event=events, return_after=0.2)
    pair.fail(EAST, "refused")
    assert served_by(pool) == WEST
    pool.close()
    pair.recover()
    with pool:
        served_by(pool)
        events.wait_for("dsql.failover", to=EAST)


def test_thread_that_could_not_be_started_is_started_by_the_next_request(
    pair: PairOfEndpoints, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    start, refused = threading.Thread.start, threading.Event()

    def start_one_less(thread: threading.Thread) -> None:
        if thread.name.endswith("probe") and not refused.is_set():
            refused.set()
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_one_less)
    events = Events()
    with pair.pool(EAST, on_event=events, return_after=0.2, timeout=2) as pool:
        pair.fail(EAST, "refused")
        with suppress(psycopg.OperationalError):
            served_by(pool)
        assert refused.is_set()
        assert served_by(pool) == WEST
        pair.recover()
        events.wait_for("dsql.failover", to=EAST)
    assert "No thread could be started" in caplog.text


def test_addresses_of_an_endpoint_share_one_time_out(pair: PairOfEndpoints) -> None:
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        ports = [one.getsockname()[1] for one in (first, second)]  # both accept, and never answer
        connection_class = pair.connection_class(host="127.0.0.1,127.0.0.1", port=",".join(map(str, ports)))
        with pair.pool(EAST, connection_class=connection_class) as pool:
            assert served_by(pool) == WEST
        first.accept()[0].close()
        second.setblocking(False)
        with pytest.raises(BlockingIOError):
            second.accept()


def test_who_waits_at_an_endpoint_that_fails_is_sent_on_while_the_other_one_is_probed(pair: PairOfEndpoints) -> None:
    probing, served = threading.Event(), threading.Event()
    events, plain = Events(), pair.connection_class()

    class SlowProbes(plain):  # type: ignore[misc, valid-type]
        @classmethod
        def connect(cls, conninfo: str = "", **given: Any) -> Any:
            is_probe = threading.current_thread().name.endswith("probe")
            if is_probe and any(one.attributes.get("state") == "half-open" for one in events.all):
                probing.set()
                served.wait(60)
            return super().connect(conninfo, **given)

    with pair.pool(EAST, connection_class=SlowProbes, on_event=events, timeout=30, return_after=1) as pool:
        pair.fail(EAST, "refused")
        assert served_by(pool) == WEST
        pair.recover()
        assert probing.wait(30)
        pair.fail(WEST, "refused")
        assert served_by(pool) == EAST, "the first probe has succeeded"
        served.set()


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Where these tests run in the background, SIGINT is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_interrupted_statement_without_an_answer_leaves_the_endpoint(pair: PairOfEndpoints) -> None:
    def interrupt(connection: psycopg.Connection[Any]) -> None:
        while connection.pgconn.transaction_status != TransactionStatus.ACTIVE:
            time.sleep(0.01)
        signal.raise_signal(signal.SIGINT)

    def interrupted(connection: psycopg.Connection[Any]) -> None:
        pair.fail(EAST, "black-hole")
        threading.Thread(target=interrupt, args=[connection], daemon=True).start()
        connection.execute("SELECT 1")

    with pair.pool(EAST, answer_timeout=60) as pool:
        assert served_by(pool) == EAST
        with pytest.raises(KeyboardInterrupt):
            pool.run_transaction(interrupted)
        assert pool.region_in_use == WEST


def test_black_hole_costs_one_time_out_and_then_nothing(pair: PairOfEndpoints) -> None:
    pair.fail(EAST, "black-hole")
    before = logins(pair, EAST)
    with pair.pool(EAST, connect_timeout=2, return_after=1000) as pool:
        assert served_by(pool) == WEST
        of_first = logins(pair, EAST)
        assert {served_by(pool) for _ in range(50)} == {WEST}
        probes = logins(pair, EAST) - of_first
    assert of_first - before <= 2, "the request's own, and a probe that came before it was served"
    assert probes <= 2


def test_many_requests_wait_for_the_same_time_out(pair: PairOfEndpoints) -> None:
    pair.fail(EAST, "black-hole")
    before = logins(pair, EAST)
    with pair.pool(EAST, connect_timeout=2, return_after=1000) as pool, ThreadPoolExecutor(16) as threads:
        assert set(threads.map(lambda _: served_by(pool), range(16))) == {WEST}
    assert logins(pair, EAST) - before <= 4


def test_sessions_that_the_server_has_ended_are_replaced_before_the_work_begins(pair: PairOfEndpoints) -> None:
    with pair.pool(EAST, max_size=4, min_size=4) as pool:
        begun = threading.Barrier(4)

        def together(_: int) -> None:
            with pool.connection():
                begun.wait(20)

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(together, range(4)))
        end_sessions(pair)
        assert [served_by(pool) for _ in range(8)] == [EAST] * 8
        assert pool.region_in_use == EAST


def test_many_old_connections_without_an_answer_cost_one_time_out(pair: PairOfEndpoints) -> None:
    """As after a process was frozen, where a network has forgotten its connections."""
    events, pids, all_of_them = Events(), set[int](), threading.Barrier(4)

    def note(_: int) -> None:
        with pool.connection() as connection:
            pids.add(connection.info.backend_pid)
            all_of_them.wait(20)

    with pair.pool(EAST, on_event=events, answer_timeout=1.5) as pool:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(note, range(4)))
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            assert served_by(pool) == WEST
            events.wait_for("dsql.circuit.state", **{"cloud.region": EAST, "state": "closed"})
            assert [served_by(pool) for _ in range(8)] == [EAST] * 8
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
    assert len(pids) == 4
    assert [one.attributes["state"] for one in events.all if one.name == "dsql.circuit.state"] == [
        "half-open",
        "closed",
    ]


def test_two_dead_endpoints_are_both_named(pair: PairOfEndpoints) -> None:
    pair.fail(EAST, "refused")
    pair.fail(WEST, "refused")
    with pair.pool(EAST, timeout=1) as pool:
        while not all(pool._router.state(region) is State.OPEN for region in HOSTS):
            with pytest.raises(psycopg.OperationalError):
                served_by(pool)
        with pytest.raises(AllEndpointsFailed) as caught:
            served_by(pool)
        assert re.search(rf"{EAST}: .*refused.*{WEST}: .*refused", str(caught.value))
        assert set(caught.value.reasons) == {EAST, WEST}
        pair.recover()
        assert pool.run_transaction(lambda connection: connection.info.status.name, budget=20) == "OK"


def test_endpoint_that_answers_again_is_used_although_both_circuits_are_open(pair: PairOfEndpoints) -> None:
    pair.fail(EAST, "refused")
    pair.fail(WEST, "refused")
    with pair.pool(EAST, timeout=1) as pool:
        while not all(pool._router.state(region) is State.OPEN for region in HOSTS):
            with pytest.raises(psycopg.OperationalError):
                served_by(pool)
        pair.endpoints[WEST].set("healthy")
        assert pool.run_transaction(lambda connection: connection.info.status.name) == "OK"


def test_login_that_is_refused_is_a_failure_of_the_endpoint(pair: PairOfEndpoints) -> None:
    pool = FailoverPool(HOSTS, region=EAST, user="nobody", connection_class=pair.connection_class(), timeout=4)
    with pool, pytest.raises(AllEndpointsFailed, match='role "nobody" does not exist'):
        served_by(pool)


def test_token_that_cannot_be_made_is_a_failure_of_the_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    pool = FailoverPool(HOSTS, region=EAST, user="orders", timeout=6)
    with pool, pytest.raises(AllEndpointsFailed, match="Unable to locate credentials"):
        served_by(pool)


def test_endpoint_at_its_limit_is_waited_for(pair: PairOfEndpoints) -> None:
    events = Events()
    few = FailoverPool(HOSTS, region=EAST, user="few", connection_class=pair.connection_class(), on_event=events)
    with few as pool, pool.connection() as first:
        with pytest.raises(AllEndpointsFailed, match="too many connections"), pool.connection(timeout=3):
            pass
        assert pool.region_in_use == EAST
        assert first.execute("SELECT 1").fetchone() == (1,)
    assert "dsql.circuit.state" not in events.names()


def test_probe_that_meets_a_limit_is_not_the_last_one(pair: PairOfEndpoints) -> None:
    """An endpoint that failed is not healthy again before it takes connections."""
    with pair.pool(EAST, return_after=0.2) as pool:
        router, endpoint = pool._router, pool._endpoints[EAST]
        pair.fail(EAST, "refused")
        assert served_by(pool) == WEST
        endpoint.refused(psycopg.OperationalError("FATAL: unable to accept connection, rate exceeded"))
        assert router.region == WEST
        assert "rate exceeded" in router.reason(EAST)
        assert not endpoint.limit


def test_all_connections_in_use_is_no_failure_of_an_endpoint(pair: PairOfEndpoints) -> None:
    with pair.pool(EAST, max_size=1) as pool, pool.connection():
        with pytest.raises(PoolTimeout) as caught, pool.connection(timeout=0.1):
            pass
        assert caught.value.__cause__ is not caught.value
        assert pool.region_in_use == EAST


def test_request_within_a_request_that_finds_no_connection_ends_both(pair: PairOfEndpoints) -> None:
    with pair.pool(EAST, max_size=1) as pool:
        with pytest.raises(PoolTimeout), pool.connection(), pool.connection(timeout=0.1):
            pass
        assert served_by(pool) == EAST


def test_exception_that_is_its_own_cause_ends_the_transaction(pair: PairOfEndpoints) -> None:
    def fails() -> None:
        with suppress(ZeroDivisionError), pool.connection():
            error = ZeroDivisionError()
            raise error from error

    with pair.pool(EAST, max_size=1) as pool:
        thread = threading.Thread(target=fails, daemon=True)
        thread.start()
        thread.join(20)
        assert not thread.is_alive()
        assert served_by(pool) == EAST


def test_interrupt_while_a_transaction_is_rolled_back_frees_its_place(pair: PairOfEndpoints) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    def fails(pool: FailoverPool) -> None:
        with pool._acquire(time.monotonic() + 20) as connection:
            vars(connection)["rollback"] = interrupted
            raise ZeroDivisionError

    with pair.pool(EAST, max_size=1) as pool:
        with pytest.raises(KeyboardInterrupt):
            fails(pool)
        assert served_by(pool) == EAST


def test_rollback_without_an_answer_is_a_suspicion(pair: PairOfEndpoints) -> None:
    def fails(pool: FailoverPool) -> None:
        with pool._acquire(time.monotonic() + 20):
            pair.fail(EAST, "black-hole")
            raise ZeroDivisionError

    events = Events()
    with pair.pool(EAST, answer_timeout=1.5, on_event=events) as pool:
        with pytest.raises(ZeroDivisionError):
            fails(pool)
        assert [one.attributes["state"] for one in events.all if one.name == "dsql.circuit.state"] == ["half-open"]
        assert served_by(pool) == WEST


def test_who_waits_at_an_endpoint_without_answers_is_sent_on_before_its_login_timed_out(pair: PairOfEndpoints) -> None:
    began = threading.Event()

    def waits(pool: FailoverPool) -> tuple[str, State]:
        began.wait(20)
        return served_by(pool), pool._router.state(EAST)

    def asks_in_vain(pool: FailoverPool) -> None:
        with pool.connection() as connection:
            pair.fail(EAST, "black-hole")
            began.set()
            connection.execute("SELECT 1")

    pool = pair.pool(EAST, max_size=1, answer_timeout=1.5, connect_timeout=5)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(waits, pool)
        with pytest.raises(NoAnswer):
            asks_in_vain(pool)
        assert waiting.result() == (WEST, State.HALF_OPEN), "a probe is still waiting for its login"
    pool.close()


def test_begin_leaves_the_peer_half_of_the_time(pair: PairOfEndpoints) -> None:
    with pair.pool(EAST, answer_timeout=60, timeout=4) as pool:
        assert served_by(pool) == EAST
        pair.fail(EAST, "black-hole")
        assert served_by(pool) == WEST


def test_endpoint_that_does_not_write_is_left(pair: PairOfEndpoints) -> None:
    with pair.pool(EAST, return_after=1000) as pool:
        assert served_by(pool) == EAST
        pair.fail(EAST, "read-only")

        def write(connection: psycopg.Connection[Any]) -> None:
            connection.execute("INSERT INTO transfers VALUES (gen_random_uuid(), '', '', '')")

        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            pool.run_transaction(write)
        pool.run_transaction(write)
        assert served_by(pool) == WEST


def test_transaction_that_asked_to_be_read_only_is_its_own_fault(pair: PairOfEndpoints) -> None:
    def only_read(connection: psycopg.Connection[Any]) -> None:
        connection.read_only = True

    with pair.pool(EAST, configure=only_read) as pool:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), pool.connection() as connection:
            connection.execute("INSERT INTO transfers VALUES (gen_random_uuid(), '', '', '')")
        assert pool.region_in_use == EAST


def test_sessions_that_are_read_only_are_seen_at_login(pair: PairOfEndpoints) -> None:
    given: dict[str, Any] = {
        "region": EAST,
        "user": "reader",
        "connection_class": pair.connection_class(),
        "timeout": 1,
    }
    with FailoverPool(HOSTS, **given) as pool, pytest.raises(AllEndpointsFailed, match="read-only"):
        served_by(pool)
    with FailoverPool(HOSTS, **given, kwargs={"options": "-c default_transaction_read_only=on"}) as pool:
        assert served_by(pool) == EAST


def test_evacuated_region_is_left_at_once(pair: PairOfEndpoints) -> None:
    with pair.pool(EAST) as pool:
        assert served_by(pool) == EAST
        with pool.connection() as in_use:
            pool._router.evacuate(EAST)
            assert served_by(pool) == WEST
            assert in_use.execute("SELECT 1").fetchone() == (1,), "what is running comes to its end"
        assert in_use.closed
        pool._router.evacuate(None)
        assert served_by(pool) == EAST


def test_statement_without_an_answer_ends_its_connection_and_a_probe_decides(pair: PairOfEndpoints) -> None:
    events = Events()
    with pair.pool(EAST, on_event=events, answer_timeout=1) as pool:
        with pytest.raises(NoAnswer, match=r"within 1 s"), pool.connection() as connection:
            connection.execute("SELECT pg_sleep(20)")
        assert connection.closed
        events.wait_for("dsql.circuit.state", **{"cloud.region": EAST, "state": "closed"})
        assert served_by(pool) == EAST


def test_transaction_may_wait_longer_than_others(pair: PairOfEndpoints) -> None:
    with pair.pool(EAST, answer_timeout=1) as pool:
        pool.run_transaction(lambda connection: connection.execute("SELECT pg_sleep(1.5)"), answer_timeout=20)
        with pytest.raises(NoAnswer):
            pool.run_transaction(lambda connection: connection.execute("SELECT pg_sleep(20)"))


def test_exception_rolls_back_and_returns_the_connection(pair: PairOfEndpoints) -> None:
    pair.ask("DELETE FROM transfers")

    def write_and_fail(pool: FailoverPool) -> None:
        with pool.connection() as connection:
            connection.execute("INSERT INTO transfers VALUES (gen_random_uuid(), '', '', '')")
            raise ZeroDivisionError

    with pair.pool(EAST, max_size=1) as pool:
        with pytest.raises(ZeroDivisionError):
            write_and_fail(pool)
        assert served_by(pool) == EAST
        with pool.connection() as connection:
            connection.execute("INSERT INTO transfers VALUES (gen_random_uuid(), '', '', '')")
    assert pair.ask("SELECT count(*) FROM transfers") == [1]


def test_never_more_connections_than_its_size(pair: PairOfEndpoints) -> None:
    with pair.pool(EAST, max_size=3) as pool, ThreadPoolExecutor(12) as threads:
        assert set(threads.map(lambda _: served_by(pool), range(100))) == {EAST}
        assert 1 <= pool.get_stats()[EAST]["connections_num"] <= 3


def test_configure_that_fails_is_what_the_caller_reads(pair: PairOfEndpoints) -> None:
    def fails(connection: psycopg.Connection[Any]) -> None:
        raise RuntimeError("no such setting")

    pool = pair.pool(EAST, configure=fails, timeout=4)
    with pool, pytest.raises(AllEndpointsFailed, match="no such setting"):
        served_by(pool)


def test_configure_must_end_its_transaction(pair: PairOfEndpoints) -> None:
    pool = pair.pool(EAST, configure=lambda connection: connection.execute("SELECT 1"), timeout=4)
    with pool, pytest.raises(AllEndpointsFailed, match="end it there with commit"):
        served_by(pool)


def test_autocommit_has_no_transaction(pair: PairOfEndpoints) -> None:
    with pair.pool(EAST, kwargs={"autocommit": True}) as pool, pool.connection() as connection:
        assert connection.info.transaction_status.name == "IDLE"
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_hook_that_raises_disturbs_nobody(pair: PairOfEndpoints, caplog: pytest.LogCaptureFixture) -> None:
    def fails(event: Event) -> None:
        raise RuntimeError("hook")

    with pair.pool(EAST, on_event=fails) as pool:
        assert served_by(pool) == EAST
    assert "on_event failed" in caplog.text


def test_closed_pool_has_no_threads_and_takes_no_requests(pair: PairOfEndpoints) -> None:
    before = set(threading.enumerate())
    pool = pair.pool(EAST)
    pair.fail(EAST, "refused")
    assert served_by(pool) == WEST
    pool.close()
    assert set(threading.enumerate()) <= before
    with pytest.raises(PoolClosed, match="not open"):
        served_by(pool)
    with pool:
        assert served_by(pool) == WEST, "and it can be opened again"


def test_pool_that_is_not_opened_takes_no_requests(pair: PairOfEndpoints) -> None:
    with pytest.raises(PoolClosed, match=r"call open\(\)"):
        served_by(pair.pool(EAST, open=False))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"endpoints": None}, "Give either endpoints"),
        ({"deployment": "orders"}, "Give either endpoints"),
        ({"endpoints": {}}, "There are no endpoints by Region"),
        ({"endpoints": ",".join(HOSTS.values())}, "There are no endpoints by Region"),
        ({"region": "eu-west-1"}, "There is no endpoint in eu-west-1"),
        ({"endpoints": {EAST: HOSTS[WEST]}}, "none of Aurora DSQL there"),
        ({"endpoints": {EAST: "db.example.com"}}, "none of Aurora DSQL there"),
        ({"min_size": 5}, "min_size is 5 and max_size is 4"),
        ({"max_size": 0}, "max_size is 0"),
        ({"connect_timeout": 1}, "connect_timeout is 1 s"),
        ({"max_lifetime": 3600}, "max_lifetime is 3600 s"),
        ({"timeout": 0}, "timeout is 0"),
        ({"answer_timeout": -1}, "answer_timeout is -1"),
        ({"return_after": 0}, "return_after is 0"),
        ({"max_connection_rate": 0}, "max_connection_rate is 0"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        FailoverPool(**{"endpoints": HOSTS, "user": "orders", **given})


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_own_region_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.setenv(name, WEST)
    assert FailoverPool(HOSTS, user="orders", open=False).region_in_use == WEST
    monkeypatch.setenv(name, "eu-west-1")
    assert FailoverPool(HOSTS, user="orders", open=False).region_in_use == EAST


def test_region_must_be_known_to_read_a_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    with pytest.raises(ValueError, match="own Region is not known"):
        FailoverPool(deployment="orders", user="orders")


class OfSsm:
    """A deployment as SSM has it."""

    def __init__(self) -> None:
        self.region: str | None = None

    def endpoints(self) -> dict[str, str]:
        return {WEST: HOSTS[WEST], EAST: HOSTS[EAST]}

    def evacuated(self) -> str | None:
        return self.region


def test_endpoints_and_evacuation_of_a_deployment(pair: PairOfEndpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    of_ssm = OfSsm()
    monkeypatch.setattr(_failover, "Deployment", lambda *given, **options: of_ssm)
    given: dict[str, Any] = {"user": "postgres", "connection_class": pair.connection_class()}
    with FailoverPool(deployment="orders", region=EAST, **given) as pool:
        assert served_by(pool) == EAST
        of_ssm.region = EAST
        assert served_by(pool) == WEST
        of_ssm.region = None
        assert served_by(pool) == EAST
