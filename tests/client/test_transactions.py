"""What run_transaction does after each error, on a real PostgreSQL that answers COMMIT as the test wants."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import psycopg
import pytest

from dsql_dr_client._connection import GuardedAsyncConnection, GuardedConnection
from dsql_dr_client._errors import AllEndpointsFailed, CommitUnknown, ConflictBudgetExceeded, NoAnswer
from dsql_dr_client._events import RETRIES, Event
from dsql_dr_client._transactions import FIRST_PAUSE, LONGEST_PAUSE, run_transaction, run_transaction_async
from tests.postgresql import Postgresql

T = TypeVar("T")


Connection = psycopg.Connection[Any]


ENDPOINT: Any = SimpleNamespace(region="us-east-1")


class PooledConnection(GuardedConnection):
    """As a pool makes it."""

    endpoint = ENDPOINT

    @classmethod
    def to(cls, conninfo: str, **options: Any) -> PooledConnection:
        return super(GuardedConnection, cls).connect(conninfo, **options)


class AsyncConnection(GuardedAsyncConnection):
    endpoint = ENDPOINT

    @classmethod
    async def to(cls, conninfo: str) -> AsyncConnection:
        return await super(GuardedAsyncConnection, cls).connect(conninfo)


SCHEMA = """
CREATE TABLE stored (id text PRIMARY KEY);
CREATE TABLE counted (name text PRIMARY KEY, number int);
INSERT INTO counted VALUES ('all', 0);
CREATE TABLE answers (id serial, sqlstate text);
CREATE FUNCTION answer_of_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.id = '57P01' THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
    IF NEW.id ~ '^[0-9A-Z]{5}$' THEN RAISE EXCEPTION 'at COMMIT (OC000)' USING ERRCODE = NEW.id; END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER answer AFTER INSERT ON stored DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION answer_of_commit();
"""
"""Whoever stores a SQLSTATE as an id gets it as the answer to COMMIT."""


class Pool:
    """As the transactions see a pool: one connection for each attempt, and a clock that pauses set on."""

    def __init__(self, conninfo: str, **options: Any) -> None:
        self.conninfo, self.options = conninfo, options
        self.now, self.pauses, self.events = 0.0, list[float](), list[Event]()
        self.connections: Iterator[type[PooledConnection] | Exception] = itertools.repeat(PooledConnection)
        self.deadlines: list[tuple[float, float | None]] = []

    @contextmanager
    def _acquire(self, deadline: float, answer_timeout: float | None = None) -> Iterator[PooledConnection]:
        self.deadlines.append((deadline, answer_timeout))
        kind = next(self.connections)
        if isinstance(kind, Exception):
            raise kind
        with closing(kind.to(self.conninfo, **self.options)) as connection:
            connection.begin()
            yield connection

    def _report(self, event: Event) -> None:
        self.events.append(event)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)

    def run(self, fn: Callable[[Connection], T], **options: Any) -> T:
        return run_transaction(self, fn, clock=lambda: self.now, sleep=self.sleep, **options)

    def ask(self, query: str) -> list[Any]:
        with psycopg.connect(self.conninfo) as connection:
            return [row[0] for row in connection.execute(query.encode())]


class LosesAnswerOfCommit(PooledConnection):
    """COMMIT arrives, and its answer does not."""

    error: type[psycopg.OperationalError] = psycopg.OperationalError

    def send_commit(self) -> str:
        super().send_commit()
        self.close()
        raise self.error("server closed the connection unexpectedly")


class WaitsForAnswerOfCommit(LosesAnswerOfCommit):
    error = NoAnswer


class LosesCommit(PooledConnection):
    """COMMIT does not arrive."""

    def send_commit(self) -> str:
        self.close()
        raise psycopg.OperationalError("could not send data to server")


class LosesStatement(PooledConnection):
    """The server ends the session when a statement arrives."""

    def execute(self, query: Any, *rest: Any, **options: Any) -> psycopg.Cursor[Any]:
        super().execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return super().execute(query, *rest, **options)


class IsInterruptedAtCommit(PooledConnection):
    def send_commit(self) -> str:
        raise KeyboardInterrupt


@pytest.fixture(scope="module")
def conninfo() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        one = Postgresql(Path(folder), auth="trust", default_transaction_isolation="repeatable read", fsync="off")
        where = psycopg.conninfo.make_conninfo(
            host=folder, port=one.port, user="postgres", dbname="postgres", connect_timeout=10
        )
        with psycopg.connect(where, autocommit=True) as connection:
            connection.execute(SCHEMA)
        yield where
        one.stop()


@pytest.fixture
def pool(conninfo: str) -> Pool:
    return Pool(conninfo)


@pytest.fixture
def key() -> str:
    return uuid.uuid4().hex


def store(id: str) -> Callable[[Connection], str]:
    def fn(connection: Connection) -> str:
        connection.execute("INSERT INTO stored VALUES (%s) ON CONFLICT DO NOTHING", (id,))
        return id

    return fn


def is_stored(pool: Pool, id: str) -> bool:
    return id in pool.ask("SELECT id FROM stored")


def several(*kinds: type[PooledConnection] | Exception) -> Iterator[type[PooledConnection] | Exception]:
    return itertools.chain(kinds, itertools.repeat(PooledConnection))


def test_what_the_function_returns_is_returned_and_what_it_wrote_is_committed(pool: Pool, key: str) -> None:
    assert pool.run(store(key)) == key
    assert is_stored(pool, key)
    assert pool.pauses == []
    assert pool.events == []


def test_deadline_and_answer_timeout_reach_the_pool(pool: Pool, key: str) -> None:
    pool.now = 100.0
    pool.run(store(key), budget=7.0, answer_timeout=60.0)
    assert pool.deadlines == [(107.0, 60.0)]


# conflicts


@pytest.mark.parametrize("sqlstate", ["40001", "OC000", "OC001"])
def test_conflict_at_commit_is_tried_again_until_the_budget_is_used_up(pool: Pool, sqlstate: str) -> None:
    with pytest.raises(ConflictBudgetExceeded, match="nothing is stored") as raised:
        pool.run(store(sqlstate), budget=10.0)
    assert raised.value.attempts == len(pool.pauses) + 1 > 20
    assert raised.value.region == "us-east-1"
    assert isinstance(raised.value.__cause__, psycopg.Error)
    assert raised.value.__cause__.sqlstate == sqlstate
    assert raised.value.sqlstate == "40001", "who catches psycopg's SerializationFailure catches it, too"
    assert sum(pool.pauses) < 10.0
    assert not is_stored(pool, sqlstate)


def test_pauses_are_spread_over_what_doubles_until_its_limit(pool: Pool) -> None:
    with pytest.raises(ConflictBudgetExceeded):
        pool.run(store("40001"), budget=20.0)
    limits = [min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt) for attempt in range(1, len(pool.pauses) + 1)]
    assert len(limits) > 40
    assert all(0 <= pause <= limit for pause, limit in zip(pool.pauses, limits, strict=True))
    late = pool.pauses[10:]
    assert min(late) < LONGEST_PAUSE * 0.2
    assert max(late) > LONGEST_PAUSE * 0.8


def test_conflict_in_the_function_is_tried_again_and_counted_once(pool: Pool) -> None:
    """The second attempt reads what the first one's opponent wrote."""
    before = pool.ask("SELECT number FROM counted")[0]
    opponents = [1]

    def count(connection: Connection) -> None:
        connection.execute("SELECT number FROM counted")
        if opponents:
            opponents.pop()
            with psycopg.connect(pool.conninfo) as other:
                other.execute("UPDATE counted SET number = number + 1")
        connection.execute("UPDATE counted SET number = number + 1")

    pool.run(count)
    assert pool.ask("SELECT number FROM counted") == [before + 2]
    [event] = pool.events
    assert event.name == RETRIES
    assert event.attributes["reason"] == "conflict"
    assert event.attributes["attempt"] == 1
    assert event.attributes["cloud.region"] == "us-east-1"


def test_without_a_budget_a_conflict_is_not_tried_again(pool: Pool) -> None:
    with pytest.raises(ConflictBudgetExceeded) as raised:
        pool.run(store("40001"), budget=0)
    assert raised.value.attempts == 1


# other errors of the database


@pytest.mark.parametrize("sqlstate", ["23505", "42501", "53100", "40P01", "54000"])
def test_other_error_at_commit_is_raised_once_and_nothing_is_stored(pool: Pool, sqlstate: str) -> None:
    with pytest.raises(psycopg.Error) as raised:
        pool.run(store(sqlstate), idempotent=True)
    assert raised.value.sqlstate == sqlstate
    assert not isinstance(raised.value, CommitUnknown)
    assert pool.pauses == []


def test_other_error_in_the_function_is_raised_once(pool: Pool, key: str) -> None:
    pool.run(store(key))
    with pytest.raises(psycopg.errors.UniqueViolation):
        pool.run(lambda connection: connection.execute("INSERT INTO stored VALUES (%s)", (key,)), idempotent=True)
    assert pool.pauses == []


# outcomes that are unknown


@pytest.mark.parametrize("sqlstate", ["08006", "08007", "40003", "57014", "57P01", "58030", "XX000"])
def test_error_at_commit_that_says_nothing_of_its_outcome_is_commit_unknown(pool: Pool, sqlstate: str) -> None:
    with pytest.raises(CommitUnknown, match="not known whether the transaction is committed") as raised:
        pool.run(store(sqlstate))
    assert raised.value.attempts == 1
    assert raised.value.region == "us-east-1"
    assert isinstance(raised.value.__cause__, psycopg.Error)
    assert raised.value.__cause__.sqlstate == sqlstate
    assert pool.pauses == []


@pytest.mark.parametrize("kind", [LosesAnswerOfCommit, WaitsForAnswerOfCommit])
def test_connection_that_is_lost_at_commit_is_commit_unknown(
    pool: Pool, key: str, kind: type[PooledConnection]
) -> None:
    pool.connections = several(kind)
    with pytest.raises(CommitUnknown):
        pool.run(store(key))
    assert is_stored(pool, key), "and the caller cannot know"


def test_unknown_outcome_is_the_same_error_when_nothing_was_committed(pool: Pool, key: str) -> None:
    pool.connections = several(LosesCommit)
    with pytest.raises(CommitUnknown):
        pool.run(store(key))
    assert not is_stored(pool, key)


@pytest.mark.parametrize("kind", [LosesAnswerOfCommit, LosesCommit, LosesStatement])
def test_idempotent_transaction_runs_again_after_a_lost_connection(
    pool: Pool, key: str, kind: type[PooledConnection]
) -> None:
    pool.connections = several(kind)
    assert pool.run(store(key), idempotent=True) == key
    assert is_stored(pool, key)
    assert len(pool.pauses) == 1
    [event] = pool.events
    assert event.attributes["reason"] == ("connection lost" if kind is LosesStatement else "commit unknown")


def test_budget_of_an_idempotent_transaction_ends_with_what_is_known(pool: Pool, key: str) -> None:
    pool.connections = itertools.repeat(LosesStatement)
    with pytest.raises(psycopg.OperationalError) as raised:
        pool.run(store(key), idempotent=True, budget=1.0)
    assert not isinstance(raised.value, CommitUnknown), "no COMMIT was sent"
    pool.connections = itertools.repeat(LosesCommit)
    with pytest.raises(CommitUnknown):
        pool.run(store(key), idempotent=True, budget=1.0)


@pytest.mark.parametrize("then", [LosesStatement, AllEndpointsFailed({"us-east-1": "refused"}, 10.0)])
def test_after_an_unknown_outcome_no_later_failure_says_that_nothing_is_stored(
    pool: Pool, key: str, then: type[PooledConnection] | Exception
) -> None:
    pool.connections = itertools.chain([LosesAnswerOfCommit], itertools.repeat(then))
    with pytest.raises(CommitUnknown):
        pool.run(store(key), idempotent=True, budget=1.0)
    assert is_stored(pool, key)


def test_after_an_unknown_outcome_conflicts_do_not_say_that_nothing_is_stored(pool: Pool, key: str) -> None:
    pool.connections = several(LosesAnswerOfCommit)
    ids = itertools.chain([key], itertools.repeat("40001"))
    with pytest.raises(CommitUnknown):
        pool.run(lambda connection: store(next(ids))(connection), idempotent=True, budget=1.0)


def test_after_an_unknown_outcome_no_error_of_the_database_says_that_nothing_is_stored(pool: Pool, key: str) -> None:
    """Such as the one that the first attempt's own row causes."""
    pool.connections = several(LosesAnswerOfCommit)
    with pytest.raises(CommitUnknown) as raised:
        pool.run(lambda connection: connection.execute("INSERT INTO stored VALUES (%s)", (key,)), idempotent=True)
    assert isinstance(raised.value.__cause__, psycopg.errors.UniqueViolation)
    assert is_stored(pool, key)


def test_after_an_unknown_outcome_the_functions_own_error_is_its_own(pool: Pool, key: str) -> None:
    pool.connections = several(LosesAnswerOfCommit)

    def only_once(connection: Connection) -> None:
        if not connection.execute("INSERT INTO stored VALUES (%s) ON CONFLICT DO NOTHING", (key,)).rowcount:
            raise LookupError(key)

    with pytest.raises(LookupError):
        pool.run(only_once, idempotent=True)


# connections that are lost before COMMIT


def test_connection_that_is_lost_in_the_function_is_raised_as_it_is(pool: Pool, key: str) -> None:
    pool.connections = several(LosesStatement)
    with pytest.raises(psycopg.OperationalError) as raised:
        pool.run(store(key))
    assert not isinstance(raised.value, CommitUnknown)
    assert pool.pauses == []
    assert not is_stored(pool, key)


def test_endpoint_that_is_read_only_is_left_by_an_idempotent_transaction(pool: Pool, key: str) -> None:
    read_only = [True, False]

    def write(connection: Connection) -> None:
        if read_only.pop(0):
            connection.execute("SET TRANSACTION READ ONLY")
        store(key)(connection)

    pool.run(write, idempotent=True)
    assert [one.attributes["reason"] for one in pool.events] == ["connection lost"]
    read_only[:] = [True]
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        pool.run(write)


def test_no_endpoint_is_raised_as_it_is(pool: Pool, key: str) -> None:
    pool.connections = several(AllEndpointsFailed({"us-east-1": "refused"}, 10.0))
    with pytest.raises(AllEndpointsFailed):
        pool.run(store(key), idempotent=True)
    assert pool.pauses == []


# what the function itself does


def test_exception_of_the_function_rolls_back_and_is_raised(pool: Pool, key: str) -> None:
    def fn(connection: Connection) -> None:
        store(key)(connection)
        raise LookupError(key)

    with pytest.raises(LookupError):
        pool.run(fn, idempotent=True)
    assert not is_stored(pool, key)
    assert pool.pauses == []


def test_error_of_the_database_that_the_function_catches_is_no_success(pool: Pool, key: str) -> None:
    """PostgreSQL answers COMMIT with ROLLBACK then, and that is no error of its own."""

    def fn(connection: Connection) -> None:
        store(key)(connection)
        with suppress(psycopg.Error):
            connection.execute("SELECT 1 / 0")

    with pytest.raises(psycopg.errors.InFailedSqlTransaction, match="nothing is stored"):
        pool.run(fn, idempotent=True)
    assert not is_stored(pool, key)


def test_lost_connection_that_the_function_hides_is_no_success(pool: Pool, key: str) -> None:
    pool.connections = several(LosesStatement)

    def fn(connection: Connection) -> None:
        with suppress(psycopg.Error):
            store(key)(connection)

    with pytest.raises(psycopg.errors.InFailedSqlTransaction, match="nothing is stored"):
        pool.run(fn)


@pytest.mark.parametrize("method", ["commit", "rollback", "__exit__"])
def test_function_cannot_end_the_transaction_by_a_method(pool: Pool, key: str, method: str) -> None:
    def fn(connection: Connection) -> None:
        store(key)(connection)
        if method == "__exit__":
            with connection:
                pass
        getattr(connection, method)()

    with pytest.raises(psycopg.ProgrammingError, match="leave COMMIT to run_transaction"):
        pool.run(fn)
    assert not is_stored(pool, key)


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_function_that_ends_the_transaction_itself_is_an_error(pool: Pool, key: str, end: str) -> None:
    def fn(connection: Connection) -> None:
        store(key)(connection)
        connection.execute(end.encode())

    with pytest.raises(psycopg.ProgrammingError, match="by a statement of its own"):
        pool.run(fn, idempotent=True)
    assert is_stored(pool, key) == (end == "COMMIT")
    assert pool.pauses == []


CONFLICT = "DO $$ BEGIN RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END $$"


def then_a_statement(connection: Connection) -> None:
    connection.execute("SELECT 1")


def then_a_statement_whose_error_is_caught(connection: Connection) -> None:
    with suppress(psycopg.Error):
        connection.execute("SELECT 1")


def then_a_conflict_in_transaction(connection: Connection) -> None:
    with connection.transaction():
        connection.execute(CONFLICT)


def then_a_conflict_in_autocommit(connection: Connection) -> None:
    connection.autocommit = True
    connection.execute(CONFLICT)


def then_an_exception(connection: Connection) -> None:
    raise LookupError


@pytest.mark.parametrize(
    "then",
    [
        then_a_statement,
        then_a_statement_whose_error_is_caught,
        then_a_conflict_in_transaction,
        then_a_conflict_in_autocommit,
        then_an_exception,
    ],
)
@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_function_that_goes_on_after_the_end_of_its_transaction_is_an_error(
    pool: Pool, key: str, end: str, then: Callable[[Connection], None]
) -> None:
    """psycopg would begin another transaction, which is kept or lost without the first, and repeated with it."""
    runs: list[PooledConnection] = []

    def fn(connection: Connection) -> None:
        assert isinstance(connection, PooledConnection)
        runs.append(connection)
        store(key)(connection)
        connection.execute(end.encode())
        then(connection)

    with pytest.raises(psycopg.ProgrammingError, match="by a statement of its own"):
        pool.run(fn, idempotent=True)
    [connection] = runs
    assert connection._num_transactions == 0, "or commit() would be refused to who has it next"
    assert is_stored(pool, key) == (end == "COMMIT")


def test_conflict_after_a_commit_in_the_same_pipeline_does_not_run_the_function_again(pool: Pool) -> None:
    ids: list[str] = []

    def fn(connection: Connection) -> None:
        ids.append(uuid.uuid4().hex)
        with connection.pipeline():
            store(ids[-1])(connection)
            connection.execute("COMMIT")
            connection.execute(CONFLICT)

    with pytest.raises(psycopg.ProgrammingError, match="by a statement of its own"):
        pool.run(fn, idempotent=True)
    [id] = ids
    assert is_stored(pool, id)


def test_autocommit_in_which_nothing_could_be_rolled_back_is_refused(pool: Pool, key: str) -> None:
    pool.options = {"autocommit": True}
    with pytest.raises(psycopg.ProgrammingError, match="autocommit is on"):
        pool.run(store(key))
    assert not is_stored(pool, key)


def test_pipeline_is_part_of_the_transaction(pool: Pool, key: str) -> None:
    def fn(connection: Connection) -> None:
        with connection.pipeline():
            store(key)(connection)

    pool.run(fn)
    assert is_stored(pool, key)


@pytest.mark.parametrize("is_sent", [True, False])
def test_pipeline_that_is_still_open_is_an_error_and_commits_nothing(pool: Pool, key: str, is_sent: bool) -> None:
    left: list[Any] = []
    when_returned: list[tuple[bool, bool]] = []

    class Returned(PooledConnection):
        def close(self) -> None:
            when_returned.append((self.closed, self.broken))
            super().close()

    def fn(connection: Connection) -> None:
        left.append(connection.pipeline())
        inner = left[0].__enter__()
        store(key)(connection)
        if is_sent:
            inner.sync()

    pool.connections = several(Returned)
    with pytest.raises(psycopg.ProgrammingError, match="a pipeline is still open"):
        pool.run(fn, idempotent=True)
    assert when_returned == [(True, False)], "nobody else gets it, and its endpoint is not to blame"
    assert not is_stored(pool, key)


def test_rows_that_were_not_read_to_the_end_are_an_error(pool: Pool) -> None:
    left: list[Any] = []

    def fn(connection: Connection) -> None:
        rows = connection.cursor().stream("SELECT generate_series(1, 100)")
        next(rows)
        left.append(rows)

    with pytest.raises(psycopg.ProgrammingError, match="still running"):
        pool.run(fn)


def test_function_that_has_not_run_when_it_returns_is_an_error(pool: Pool, key: str) -> None:
    async def later(connection: Connection) -> None:
        store(key)(connection)

    def one_by_one(connection: Connection) -> Iterator[str]:
        yield store(key)(connection)

    async def one_by_one_and_later(connection: Connection) -> AsyncIterator[str]:
        yield store(key)(connection)

    for fn in (later, one_by_one, one_by_one_and_later):
        with pytest.raises(psycopg.ProgrammingError, match="would run after COMMIT"):
            pool.run(fn)
    assert not is_stored(pool, key)


def test_transaction_in_the_function_of_another_one_is_an_error(pool: Pool, key: str) -> None:
    with pytest.raises(psycopg.ProgrammingError, match="hand the connection on"):
        pool.run(lambda _: pool.run(store(key)))
    assert not is_stored(pool, key)
    pool.run(store(key))
    assert is_stored(pool, key)


def test_transaction_of_another_pool_is_none_of_this_ones(pool: Pool, key: str) -> None:
    other = Pool(pool.conninfo)
    assert pool.run(lambda _: other.run(store(key))) == key


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_interrupt_in_the_function_rolls_back_and_goes_on(pool: Pool, key: str, interrupt: type[BaseException]) -> None:
    def fn(connection: Connection) -> None:
        store(key)(connection)
        raise interrupt

    with pytest.raises(interrupt):
        pool.run(fn, idempotent=True)
    assert not is_stored(pool, key)
    assert pool.pauses == []
    assert pool.run(store(key)) == key, "and it is not taken for a nested one"


def test_interrupt_at_commit_goes_on(pool: Pool, key: str) -> None:
    pool.connections = several(IsInterruptedAtCommit)
    with pytest.raises(KeyboardInterrupt):
        pool.run(store(key), idempotent=True)


def test_error_while_the_connection_is_returned_does_not_hide_a_commit(pool: Pool, key: str) -> None:
    class Broken(Pool):
        @contextmanager
        def _acquire(self, deadline: float, answer_timeout: float | None = None) -> Iterator[PooledConnection]:
            with super()._acquire(deadline, answer_timeout) as connection:
                yield connection
            raise psycopg.OperationalError("reset failed")

    assert Broken(pool.conninfo).run(store(key)) == key
    assert is_stored(pool, key)


# the async pool


class AsyncPool:
    def __init__(self, conninfo: str) -> None:
        self.conninfo = conninfo
        self.now, self.pauses, self.events = 0.0, list[float](), list[Event]()

    @asynccontextmanager
    async def _acquire(self, deadline: float, answer_timeout: float | None = None) -> AsyncIterator[AsyncConnection]:
        connection = await AsyncConnection.to(self.conninfo)
        try:
            await connection.begin()
            yield connection
        finally:
            await connection.close()

    def _report(self, event: Event) -> None:
        self.events.append(event)

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)

    async def store(self, id: str, **options: Any) -> str:
        async def fn(connection: psycopg.AsyncConnection[Any]) -> str:
            await connection.execute("INSERT INTO stored VALUES (%s)", (id,))
            return id

        return str(await self.run(fn, **options))

    async def run(self, fn: Callable[[psycopg.AsyncConnection[Any]], Any], **options: Any) -> Any:
        return await run_transaction_async(self, fn, clock=lambda: self.now, sleep=self.sleep, **options)


def test_async_transaction_commits(conninfo: str, pool: Pool, key: str) -> None:
    assert asyncio.run(AsyncPool(conninfo).store(key)) == key
    assert is_stored(pool, key)


def test_async_transaction_says_the_same_of_conflicts_and_unknown_outcomes(conninfo: str) -> None:
    one = AsyncPool(conninfo)
    with pytest.raises(ConflictBudgetExceeded) as raised:
        asyncio.run(one.store("40001", budget=1.0))
    assert raised.value.attempts == len(one.pauses) + 1 == len(one.events) + 1 > 2
    with pytest.raises(CommitUnknown):
        asyncio.run(one.store("57P01"))


@pytest.mark.parametrize("method", ["commit", "rollback"])
def test_async_function_cannot_end_the_transaction_either(conninfo: str, pool: Pool, key: str, method: str) -> None:
    async def by_method(connection: psycopg.AsyncConnection[Any]) -> None:
        await connection.execute("INSERT INTO stored VALUES (%s)", (key,))
        await getattr(connection, method)()

    async def by_statement(connection: psycopg.AsyncConnection[Any]) -> None:
        await connection.execute("INSERT INTO stored VALUES (%s)", (key,))
        await connection.execute("ROLLBACK")
        await connection.execute("SELECT 1")

    for fn in (by_method, by_statement):
        with pytest.raises(psycopg.ProgrammingError, match="leave COMMIT to run_transaction"):
            asyncio.run(AsyncPool(conninfo).run(fn))
    assert not is_stored(pool, key)


def test_async_transaction_that_is_cancelled_rolls_back(conninfo: str, pool: Pool, key: str) -> None:
    async def cancelled() -> None:
        stored = asyncio.Event()

        async def fn(connection: psycopg.AsyncConnection[Any]) -> None:
            await connection.execute("INSERT INTO stored VALUES (%s)", (key,))
            stored.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(AsyncPool(conninfo).run(fn, idempotent=True))
        await stored.wait()
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    assert not is_stored(pool, key)


def test_async_transactions_side_by_side_are_not_nested(conninfo: str, pool: Pool) -> None:
    one = AsyncPool(conninfo)
    ids = [uuid.uuid4().hex for _ in range(5)]

    async def all_of_them() -> list[str]:
        return list(await asyncio.gather(*(one.store(id) for id in ids)))

    assert asyncio.run(all_of_them()) == ids

    async def within(_: object) -> None:
        await asyncio.gather(one.store(uuid.uuid4().hex))

    with pytest.raises(psycopg.ProgrammingError, match="hand the connection on"):
        asyncio.run(one.run(within))
