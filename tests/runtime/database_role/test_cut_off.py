"""A change that is cut off, or answered with errors, at any statement ends as it would have without."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from dsql_dr_constructs.runtime.database_role.role_request import RoleError
from dsql_dr_constructs.runtime.database_session import NoConnectionError, SqlError
from tests.runtime.database_role.emulated_pair import PRINCIPAL, EmulatedPair, access, sessions, statements

ASKED = {
    "Role": "cut",
    "Principals": [PRINCIPAL],
    "Privileges": [access("read_write", "cutting"), access("owner", "cut_own")],
}


class CutOffError(BaseException):
    """As if the function's time were up."""


@pytest.fixture
def schema(pair: EmulatedPair) -> Iterator[None]:
    pair.sql("CREATE ROLE cutter LOGIN", "CREATE SCHEMA cutting", "CREATE TABLE cutting.a (id int)")
    pair.sql("GRANT CREATE ON SCHEMA cutting TO cutter")
    pair.sql("CREATE SCHEMA own AUTHORIZATION cutter", "CREATE TABLE cutting.b (id int)", user="postgres")
    pair.sql("ALTER TABLE cutting.b OWNER TO cutter", user="postgres")
    yield
    given = "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = 'admin'::regrole AND inherit_option"
    assert pair.sql(given) == [], "the rights of owners are given back"
    pair.sql("DROP SCHEMA cutting CASCADE", "DROP SCHEMA own", "DROP OWNED BY cutter", user="postgres")
    pair.sql("DROP ROLE cutter")


def reads(statement: str) -> bool:
    return statement.strip().startswith("SELECT")


def state(pair: EmulatedPair) -> list[Any]:
    """All that a change could leave, but for the schema of the function's table."""
    return [
        pair.sql("SELECT rolname FROM pg_roles ORDER BY 1"),
        pair.sql("SELECT nspname, nspacl::text FROM pg_namespace WHERE nspname <> 'dsql_dr' ORDER BY 1"),
        pair.sql("SELECT relname, relacl::text FROM pg_class WHERE relname IN ('a', 'b') ORDER BY 1"),
        pair.sql("SELECT defaclacl::text FROM pg_default_acl ORDER BY 1"),
        pair.sql("SELECT pg_role_name, arn FROM sys.iam_pg_role_mappings ORDER BY 1, 2"),
        pair.sql("SELECT member::regrole::text FROM pg_auth_members WHERE inherit_option ORDER BY 1"),
        pair.askers("cut"),
    ]


def complete(pair: EmulatedPair) -> bool:
    all_of_them = {"SELECT", "INSERT", "UPDATE", "DELETE"}
    return (
        pair.mappings("cut") == {PRINCIPAL}
        and pair.may("cut", "cutting.a") == pair.may("cut", "cutting.b") == all_of_them
    )


@pytest.mark.parametrize("kind", ["Create", "Delete"])
def test_change_that_is_cut_off_anywhere_can_be_done_again(pair: EmulatedPair, schema: None, kind: str) -> None:
    pair.change("Create", ASKED)  # so that GRANT and REVOKE have been there: they leave an empty list of privileges
    assert complete(pair)
    pair.change("Delete", ASKED)
    before = state(pair)
    for number in range(100):
        count = iter(range(number, -1, -1))

        def dies(statement: str, count: Iterator[int] = count) -> BaseException | None:
            return CutOffError() if not reads(statement) and next(count, 0) == 0 else None

        if kind == "Delete":
            pair.change("Create", ASKED)
        try:
            pair.change(kind, ASKED, connect=sessions(dies))
        except CutOffError:
            pass
        else:
            assert number >= 15, "it has not been cut off much"
            break
        if kind == "Create":
            pair.change("Create", ASKED)
            assert complete(pair)
        pair.change("Delete", ASKED)
        assert state(pair) == before, number
    else:
        raise AssertionError("it was always cut off")
    pair.change("Delete", ASKED)
    assert state(pair) == before


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_connections_that_end_in_any_statement_change_nothing(
    pair: EmulatedPair, schema: None, after: bool, seed: int
) -> None:
    draw = random.Random(seed)  # noqa: S311

    def breaks(_: str) -> BaseException | None:
        return NoConnectionError("the connection ended") if draw.random() < 0.05 else None

    before = state(pair)
    pair.change("Create", ASKED, connect=sessions(breaks, after=after), seconds=60)
    assert complete(pair)
    pair.change("Delete", ASKED, connect=sessions(breaks, after=after), seconds=60)
    assert state(pair)[0] == before[0]
    assert state(pair)[-1] == 0


@pytest.mark.parametrize("code", ["40001", "42710", "57P03", "25006"])
def test_answers_that_another_try_may_not_get_are_tried_again(pair: EmulatedPair, schema: None, code: str) -> None:
    refused: set[str] = set()

    def once(statement: str) -> BaseException | None:
        if reads(statement) or statement in refused:
            return None
        refused.add(statement)
        return SqlError(f"{statement}: not now ({code})", code)

    pair.change("Create", ASKED, connect=sessions(once), seconds=60)
    assert complete(pair)
    assert len(refused) > 8
    pair.change("Delete", ASKED)
    assert not pair.exists("cut")


@pytest.mark.parametrize("code", ["42501", "53100", "0A000", "42601"])
def test_other_answers_are_final_and_say_which_statement(pair: EmulatedPair, schema: None, code: str) -> None:
    def refuses(statement: str) -> BaseException | None:
        return SqlError(f"{statement}: no ({code})", code) if statement.startswith("GRANT SELECT") else None

    before = state(pair)[0]
    with pytest.raises(RoleError, match=rf"Database role 'cut': .*us-east-1.on.aws: GRANT .*no \({code}\)"):
        pair.change("Create", {**ASKED, "Privileges": [access("read", "cutting")]}, connect=sessions(refuses))
    assert state(pair)[0] == before


@pytest.mark.parametrize("code", ["0A000", "42501"])
def test_default_privileges_that_are_refused_are_noted(pair: EmulatedPair, schema: None, code: str) -> None:
    def refuses(statement: str) -> BaseException | None:
        return SqlError(f"refused ({code})", code) if statement.startswith("ALTER DEFAULT") else None

    made = [{**ASKED, **statements(("CREATE TABLE cut_own.later (id int)", "DROP TABLE cut_own.later"))}]
    answer = pair.change("Create", made[0], connect=sessions(refuses))
    for creator in ("admin", "'cutter'"):
        said = f"This cluster refuses default privileges for what {creator} creates in schema 'cutting'"
        assert said in answer["Data"]["Notes"]
    assert complete(pair)
    assert pair.may("cut", "cut_own.later") == {"SELECT", "INSERT", "UPDATE", "DELETE"}
    pair.change("Delete", made[0], connect=sessions(refuses))
    assert not pair.exists("cut")


def test_own_statements_go_on_where_they_were(pair: EmulatedPair, schema: None) -> None:
    refused: set[str] = set()

    def once(statement: str) -> BaseException | None:
        if not statement.startswith("INSERT INTO cutting.a") or statement in refused:
            return None
        refused.add(statement)
        return SqlError("no (57P03)", "57P03") if len(refused) == 1 else NoConnectionError("the connection ended")

    own = [f"INSERT INTO cutting.a VALUES ({number})" for number in range(3)]  # noqa: S608
    pair.change("Create", {**ASKED, **statements(*own)}, connect=sessions(once))
    assert pair.sql("SELECT id FROM cutting.a ORDER BY id") == [(0,), (1,), (2,)]
    assert len(refused) == 3
    pair.change("Delete", ASKED)


def test_role_goes_where_routines_cannot_be_read(pair: EmulatedPair, schema: None) -> None:
    def refuses(statement: str) -> BaseException | None:
        return SqlError("pg_proc is not supported (0A000)", "0A000") if "pg_proc" in statement else None

    pair.change("Create", ASKED)
    pair.sql("CREATE FUNCTION cutting.f() RETURNS int LANGUAGE sql RETURN 1")
    pair.change("Delete", ASKED, connect=sessions(refuses))
    assert not pair.exists("cut")
    pair.change("Create", ASKED)
    pair.sql(
        "CREATE FUNCTION cutting.g() RETURNS int LANGUAGE sql RETURN 1", "GRANT EXECUTE ON FUNCTION cutting.g TO cut"
    )
    answer = pair.change("Delete", ASKED, connect=sessions(refuses))
    assert "Role 'cut' stays, since role \"cut\" cannot be dropped" in answer["Data"]["Notes"]
    assert "cutting.g" in answer["Data"]["Notes"]
    pair.sql("DROP FUNCTION cutting.g", "DROP ROLE cut")


def test_failed_create_takes_back_in_the_time_that_is_left(pair: EmulatedPair, schema: None) -> None:
    def hangs(statement: str) -> BaseException | None:
        return NoConnectionError("no answer in time") if statement.startswith("AWS IAM GRANT") else None

    before = state(pair)[0]
    with pytest.raises(RoleError, match="no answer in time"):
        pair.change("Create", ASKED, connect=sessions(hangs), seconds=4)
    assert state(pair)[0] == before
    assert pair.askers("cut") == 0
