"""The pool for asyncio, on a real PostgreSQL: what is not as in the one for threads, and the same in short."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus
from psycopg_pool import PoolClosed, PoolTimeout

from dsql_dr_client import AllEndpointsFailed, AsyncFailoverPool, Event, NoAnswer
from dsql_dr_client._routing import State
from tests.client.pair_of_endpoints import EAST, HOSTS, WEST, PairOfEndpoints, pair_of_endpoints

pytestmark = pytest.mark.filterwarnings("error")

Body = Callable[[AsyncFailoverPool], Awaitable[None]]


@pytest.fixture(scope="module")
def of_module() -> Iterator[PairOfEndpoints]:
    with pair_of_endpoints() as one:
        yield one


@pytest.fixture
def pair(of_module: PairOfEndpoints) -> Iterator[PairOfEndpoints]:
    yield of_module
    of_module.recover()
    of_module.ask(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )


def connection_class(pair: PairOfEndpoints) -> type[psycopg.AsyncConnection[Any]]:
    ports = {HOSTS[region]: one.port for region, one in pair.endpoints.items()}
    regions = {host: region for region, host in HOSTS.items()}

    class ToTheProxy(psycopg.AsyncConnection[Any]):
        @classmethod
        async def connect(cls, conninfo: str = "", **given: Any) -> ToTheProxy:
            host = given.pop("host")
            given |= {"sslmode": "disable", "application_name": regions[host]}
            return await super().connect(conninfo, host="127.0.0.1", port=ports[host], **given)

    return ToTheProxy


def pool_of(pair: PairOfEndpoints, **options: Any) -> AsyncFailoverPool:
    options = {"user": "postgres", "region": EAST, "connection_class": connection_class(pair), **options}
    return AsyncFailoverPool(HOSTS, **options)


def run(pool: Callable[[], AsyncFailoverPool], body: Body) -> None:
    """In an event loop, at whose end no task of the pool may be left."""

    async def all_of_it() -> None:
        async with pool() as one:
            await body(one)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(all_of_it(), debug=True)


async def served_by(pool: AsyncFailoverPool) -> str:
    async with pool.connection() as connection:
        [(region,)] = await (await connection.execute("SELECT current_setting('application_name')")).fetchall()
        return str(region)


def test_refused_endpoint_is_left_and_returned_to(pair: PairOfEndpoints) -> None:
    home = asyncio.Event()

    def on_event(event: Event) -> None:
        if event.name == "dsql.failover" and event.attributes["to"] == EAST:
            home.set()

    async def body(pool: AsyncFailoverPool) -> None:
        assert await served_by(pool) == EAST
        pair.fail(EAST, "refused")
        assert await served_by(pool) == WEST
        pair.recover()
        await asyncio.wait_for(home.wait(), 20)
        assert await served_by(pool) == EAST

    run(lambda: pool_of(pair, on_event=on_event, return_after=0.2), body)


def test_black_hole_costs_one_time_out_for_all(pair: PairOfEndpoints) -> None:
    pair.fail(EAST, "black-hole")
    before = len(pair.endpoints[EAST].set("black-hole")["opened"])

    async def body(pool: AsyncFailoverPool) -> None:
        assert set(await asyncio.gather(*(served_by(pool) for _ in range(16)))) == {WEST}

    run(lambda: pool_of(pair, connect_timeout=2, return_after=1000), body)
    assert len(pair.endpoints[EAST].set("black-hole")["opened"]) - before <= 4


def test_ended_sessions_are_replaced_before_the_work_begins(pair: PairOfEndpoints) -> None:
    async def body(pool: AsyncFailoverPool) -> None:
        inside = 0
        all_of_them = asyncio.Event()

        async def together() -> None:
            nonlocal inside
            async with pool.connection():
                inside += 1
                if inside == 4:
                    all_of_them.set()
                await asyncio.wait_for(all_of_them.wait(), 20)

        await asyncio.gather(*(together() for _ in range(4)))
        pair.ask("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = %s", EAST)
        assert [await served_by(pool) for _ in range(8)] == [EAST] * 8

    run(lambda: pool_of(pair), body)


def test_two_dead_endpoints_are_both_named(pair: PairOfEndpoints) -> None:
    pair.fail(EAST, "refused")
    pair.fail(WEST, "refused")

    async def body(pool: AsyncFailoverPool) -> None:
        while not all(pool._router.state(region) is State.OPEN for region in HOSTS):
            with pytest.raises(psycopg.OperationalError):
                await served_by(pool)
        with pytest.raises(AllEndpointsFailed) as caught:
            await served_by(pool)
        assert re.search(rf"{EAST}: .*refused.*{WEST}: .*refused", str(caught.value))

    run(lambda: pool_of(pair, timeout=1), body)


def test_evacuated_region_is_left_at_once(pair: PairOfEndpoints) -> None:
    async def body(pool: AsyncFailoverPool) -> None:
        async with pool.connection() as in_use:
            pool._router.evacuate(EAST)
            assert await served_by(pool) == WEST
            await in_use.execute("SELECT 1")
        assert in_use.closed

    run(lambda: pool_of(pair), body)


def test_statement_without_an_answer_ends_its_connection(pair: PairOfEndpoints) -> None:
    async def body(pool: AsyncFailoverPool) -> None:
        with pytest.raises(NoAnswer):
            async with pool.connection() as connection:
                await connection.execute("SELECT pg_sleep(20)")
        assert connection.closed

    run(lambda: pool_of(pair, answer_timeout=0.2), body)


async def cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_cancelled_task_returns_its_connection(pair: PairOfEndpoints) -> None:
    async def body(pool: AsyncFailoverPool) -> None:
        inside = asyncio.Event()

        async def hold() -> None:
            async with pool.connection():
                inside.set()
                await asyncio.sleep(60)

        task = asyncio.create_task(hold())
        await inside.wait()
        await cancelled(task)
        assert await served_by(pool) == EAST
        assert pool.get_stats()[EAST]["connections_num"] == 1

    run(lambda: pool_of(pair, max_size=1), body)


def test_task_that_is_cancelled_within_a_statement_gives_back_its_place(pair: PairOfEndpoints) -> None:
    async def body(pool: AsyncFailoverPool) -> None:
        inside = asyncio.Event()

        async def wait_for_the_database() -> None:
            async with pool.connection() as connection:
                inside.set()
                await connection.execute("SELECT pg_sleep(60)")

        task = asyncio.create_task(wait_for_the_database())
        await inside.wait()
        await cancelled(task)
        assert await served_by(pool) == EAST

    run(lambda: pool_of(pair, max_size=1, answer_timeout=60), body)


def test_cancelled_statement_without_an_answer_leaves_the_endpoint(pair: PairOfEndpoints) -> None:
    async def body(pool: AsyncFailoverPool) -> None:
        begun = asyncio.Future[psycopg.AsyncConnection[Any]]()

        async def unanswered(connection: psycopg.AsyncConnection[Any]) -> None:
            await asyncio.to_thread(pair.fail, EAST, "black-hole")
            begun.set_result(connection)
            await connection.execute("SELECT 1")

        task = asyncio.create_task(pool.run_transaction(unanswered))
        connection = await begun
        while connection.pgconn.transaction_status != TransactionStatus.ACTIVE:
            await asyncio.sleep(0.01)
        await cancelled(task)
        assert pool.region_in_use == WEST

    run(lambda: pool_of(pair, answer_timeout=60), body)


def test_who_waits_at_an_endpoint_that_fails_is_sent_on_while_the_other_one_is_probed(pair: PairOfEndpoints) -> None:
    probing, served, events = asyncio.Event(), asyncio.Event(), list[Event]()
    plain: Any = connection_class(pair)

    class SlowProbe(plain):  # type: ignore[misc]
        @classmethod
        async def connect(cls, conninfo: str = "", **given: Any) -> Any:
            is_half_open = any(one.attributes.get("state") == "half-open" for one in events)
            if given["host"] == HOSTS[EAST] and is_half_open and not probing.is_set():
                probing.set()
                await served.wait()
            return await super().connect(conninfo, **given)

    async def body(pool: AsyncFailoverPool) -> None:
        await asyncio.to_thread(pair.fail, EAST, "refused")
        assert await served_by(pool) == WEST
        await asyncio.to_thread(pair.recover)
        await asyncio.wait_for(probing.wait(), 30)
        await asyncio.to_thread(pair.fail, WEST, "refused")
        assert await served_by(pool) == EAST, "the first probe has succeeded"
        served.set()

    options = {
        "connection_class": SlowProbe,
        "on_event": events.append,
        "timeout": 30,
        "connect_timeout": 30,
        "return_after": 1,
    }
    run(lambda: pool_of(pair, **options), body)


def test_task_that_is_cancelled_while_it_waits_takes_no_place(pair: PairOfEndpoints) -> None:
    async def body(pool: AsyncFailoverPool) -> None:
        async with pool.connection():
            waiting = asyncio.create_task(served_by(pool))
            while not pool.get_stats()[EAST]["requests_waiting"]:
                await asyncio.sleep(0)
            await cancelled(waiting)
            with pytest.raises(PoolTimeout):
                async with pool.connection(timeout=0.1):
                    pass
        assert await served_by(pool) == EAST

    run(lambda: pool_of(pair, max_size=1), body)


def test_task_that_is_cancelled_again_and_again_gives_back_its_place(pair: PairOfEndpoints) -> None:
    """As by the cancel scopes of anyio: each await is cancelled."""

    async def body(pool: AsyncFailoverPool) -> None:
        inside = asyncio.Event()

        async def hold() -> None:
            async with pool.connection() as connection:
                await connection.execute("SELECT 1")
                inside.set()
                await asyncio.sleep(60)

        task = asyncio.create_task(hold())
        await inside.wait()
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)
        assert task.cancelled()
        assert await served_by(pool) == EAST
        assert pool.get_stats()[EAST]["pool_size"] == 1

    run(lambda: pool_of(pair, max_size=1), body)


def test_pool_that_is_opened_again_comes_home(pair: PairOfEndpoints) -> None:
    home = asyncio.Event()

    def on_event(event: Event) -> None:
        if event.name == "dsql.failover" and event.attributes["to"] == EAST:
            home.set()

    async def body(pool: AsyncFailoverPool) -> None:
        pair.fail(EAST, "refused")
        assert await served_by(pool) == WEST
        await pool.close()
        pair.recover()
        await pool.open()
        await served_by(pool)
        await asyncio.wait_for(home.wait(), 20)
        assert await served_by(pool) == EAST

    run(lambda: pool_of(pair, on_event=on_event, return_after=0.2), body)


def test_configure_and_reset_are_awaited(pair: PairOfEndpoints) -> None:
    async def configure(connection: psycopg.AsyncConnection[Any]) -> None:
        await connection.execute("SET search_path TO configured")
        await connection.commit()

    async def reset(connection: psycopg.AsyncConnection[Any]) -> None:
        await connection.execute("SET search_path TO again")
        await connection.commit()

    async def body(pool: AsyncFailoverPool) -> None:
        async with pool.connection() as connection:
            assert await (await connection.execute("SHOW search_path")).fetchone() == ("configured",)
        async with pool.connection() as connection:
            assert await (await connection.execute("SHOW search_path")).fetchone() == ("again",)

    run(lambda: pool_of(pair, configure=configure, reset=reset, max_size=1), body)


def test_run_transaction(pair: PairOfEndpoints) -> None:
    async def one(connection: psycopg.AsyncConnection[Any]) -> object:
        return await (await connection.execute("SELECT 1")).fetchone()

    async def body(pool: AsyncFailoverPool) -> None:
        assert await pool.run_transaction(one) == (1,)

    run(lambda: pool_of(pair), body)


def test_pool_opens_with_its_first_request_if_it_was_made_open(pair: PairOfEndpoints) -> None:
    async def all_of_it() -> None:
        pool = pool_of(pair)
        assert await served_by(pool) == EAST
        await pool.close()
        with pytest.raises(PoolClosed):
            await served_by(pool)
        with pytest.raises(PoolClosed):
            await served_by(pool_of(pair, open=False))

    asyncio.run(all_of_it(), debug=True)


def test_token_is_made_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both endpoints are refused, since no name is known; that is after the token was made."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    made: list[Coroutine[Any, Any, Any]] = []
    to_thread = asyncio.to_thread

    def noted(make: Callable[..., Any], *given: Any, **options: Any) -> Any:
        made.append(to_thread(make, *given, **options))
        return made[-1]

    monkeypatch.setattr(asyncio, "to_thread", noted)

    async def body(pool: AsyncFailoverPool) -> None:
        with pytest.raises(AllEndpointsFailed, match="refused"):
            await served_by(pool)

    given: dict[str, Any] = {"user": "orders", "timeout": 8, "kwargs": {"hostaddr": "127.0.0.1", "port": 1}}
    run(lambda: AsyncFailoverPool(HOSTS, region=EAST, **given), body)
    assert len(made) >= len(HOSTS)
