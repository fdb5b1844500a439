"""The function's changes, on a real PostgreSQL behind both emulated endpoints."""
# ruff: noqa: S608 - the names in its SQL are the tests' own

from __future__ import annotations

import re
import time
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest

from dsql_dr_constructs.emulator import Fault
from dsql_dr_constructs.runtime.database_role.role_request import RoleError
from tests.runtime.database_role.emulated_pair import (
    PRINCIPAL,
    REGIONS,
    EmulatedPair,
    access,
    event,
    sessions,
    statements,
)

OTHER = "arn:aws:iam::111122223333:role/path/Other_role"
ALL = {"SELECT", "INSERT", "UPDATE", "DELETE"}


def wants(role: str, *privileges: dict[str, str], principals: Any = (PRINCIPAL,), **rest: Any) -> dict[str, Any]:
    return {"Role": role, "Principals": list(principals), "Privileges": list(privileges), **rest}


@pytest.mark.parametrize("own", [0, 1])
def test_role_is_created_used_changed_and_removed_through_either_endpoint(pair: EmulatedPair, own: int) -> None:
    role, schema, table = f"seller{own}", f"shop{own}", f"shop{own}.sales"
    arn = pair.iam_role(role)
    pair.sql(f"CREATE SCHEMA {schema}", f"CREATE TABLE {table} (id int PRIMARY KEY)")
    writes = wants(role, access("read_write", schema), principals=[arn])
    answer = pair.change("Create", writes, own=own)
    assert answer == {"PhysicalResourceId": role, "Data": {"Role": role, "Notes": ""}}
    for side in (0, 1):
        write = f"INSERT INTO {table} VALUES ({side})"
        assert pair.as_function(arn, role, write, f"SELECT max(id) FROM {table}", side=side) == [[side]]
        assert "access denied" in pair.as_function(arn, "admin", "SELECT 1", side=side)
        assert "access denied" in pair.as_function(arn, "nobody", "SELECT 1", side=side)
        assert "permission denied" in pair.as_function(arn, role, f"CREATE TABLE {schema}.own (id int)", side=side)
        assert "permission denied" in pair.as_function(arn, role, "SELECT * FROM dsql_dr.database_roles", side=side)
    reads = wants(role, access("read", schema), principals=[arn])
    pair.change("Update", reads, own=own, old=writes)
    assert pair.as_function(arn, role, f"SELECT count(*) FROM {table}") == [[2]]
    assert "permission denied" in pair.as_function(arn, role, f"INSERT INTO {table} VALUES (9)")
    pair.change("Delete", reads, own=own)
    assert not pair.exists(role)
    assert pair.askers(role) == 0
    assert "access denied" in pair.as_function(arn, role, "SELECT 1")


def test_second_create_reads_only(pair: EmulatedPair) -> None:
    pair.sql("CREATE SCHEMA again", "CREATE TABLE again.t (id int)", "CREATE SEQUENCE again.s")
    twice = wants("twice", access("read_write"), access("owner", "again"), access("owner", "again2"))
    log = pair.log()
    pair.change("Create", twice)
    assert any(one.startswith("CREATE ROLE") for one in pair.writes_since(log))
    log = pair.log()
    pair.change("Create", twice)
    pair.change("Update", twice, old=twice)
    assert pair.writes_since(log) == []


def test_only_calls_of_aws_are_made_where_nobody_can_log_in(pair: EmulatedPair) -> None:
    pair.calls.clear()
    pair.change("Create", wants("quiet"))
    assert pair.calls == []
    pair.aws.inject(Fault("both", "error", service="postgresql"))
    with pytest.raises(RoleError, match=r"us-west-2\.on\.aws \(status ACTIVE\)"):
        pair.change("Update", wants("quiet", access("read")), old=wants("quiet"), seconds=2)
    assert set(pair.calls) == {"GetCluster"}


def test_privileges_hold_for_what_is_there_and_for_what_comes(pair: EmulatedPair) -> None:
    pair.sql("CREATE SCHEMA stock", "CREATE TABLE stock.old (id int)", "CREATE SEQUENCE stock.numbers")
    pair.sql("CREATE VIEW stock.seen AS SELECT * FROM stock.old", "CREATE TABLE public.other (id int)")
    pair.change("Create", wants("reader", access("read", "stock")))
    pair.change("Create", wants("writer", access("read_write", "stock")))
    pair.sql("CREATE TABLE stock.new (id int)", "CREATE SEQUENCE stock.more")
    for table in ("stock.old", "stock.new"):
        assert pair.may("reader", table) == {"SELECT"}
        assert pair.may("writer", table) == ALL
    assert pair.may("writer", "stock.seen") == {"SELECT"}
    assert pair.may("writer", "public.other") == set()
    for one in ("stock.numbers", "stock.more"):
        said = pair.sql(f"SELECT has_sequence_privilege('writer', '{one}', 'USAGE')")
        assert said == [(True,)]
        said = pair.sql(f"SELECT has_sequence_privilege('reader', '{one}', x) FROM (VALUES ('SELECT'), ('USAGE')) v(x)")
        assert said == [(True,), (False,)]
    for role, kind in (("reader", "read"), ("writer", "read_write")):
        pair.change("Delete", wants(role, access(kind, "stock")))
        assert not pair.exists(role)


def test_privileges_that_came_by_default_go_with_the_default(pair: EmulatedPair) -> None:
    pair.sql("CREATE ROLE cousin LOGIN", "CREATE SCHEMA late", "CREATE TABLE late.old (id int)")
    pair.sql("GRANT INSERT ON late.old TO cousin")
    before, after = (wants("cousin", access(one, "late")) for one in ("read_write", "read"))
    pair.change("Create", before)
    pair.sql("CREATE TABLE late.new (id int)")
    assert pair.may("cousin", "late.new") == ALL
    pair.change("Update", after, old=before)
    assert pair.may("cousin", "late.new") == {"SELECT"}
    assert pair.may("cousin", "late.old") == {"SELECT", "INSERT"}, "which somebody granted before"
    pair.change("Delete", after)
    assert pair.may("cousin", "late.new") == set()
    assert pair.may("cousin", "late.old") == {"INSERT"}


def test_what_was_changed_since_is_repaired(pair: EmulatedPair) -> None:
    pair.sql("CREATE SCHEMA fix", "CREATE TABLE fix.t (id int)")
    own = statements("CREATE TABLE IF NOT EXISTS fix.own (id int)", "GRANT SELECT ON fix.own TO broken")
    pair.change("Create", wants("broken", access("read_write", "fix"), **own))
    pair.change("Create", wants("broken", principals=[OTHER]), stack="two")
    pair.sql("REVOKE SELECT ON fix.t FROM broken", "DROP TABLE fix.own")
    pair.sql(f"CALL sys.iam_revoke('broken', '{OTHER}')")
    answer = pair.repair()
    assert answer["done"]
    assert "broken" in answer["roles"]
    assert [one for one in answer["changed"] if "broken" in one]
    assert pair.may("broken", "fix.t") == ALL
    assert "SELECT" in pair.may("broken", "fix.own")
    assert pair.mappings("broken") == {PRINCIPAL, OTHER}
    assert "role 'broken': statement 1 of 2" in answer["run_again"]
    assert pair.repair()["changed"] == [], "and it can be repeated"


def test_repair_says_what_failed(pair: EmulatedPair) -> None:
    pair.sql("CREATE SCHEMA gone")
    pair.change("Create", wants("aaa_stuck", **statements("CREATE TABLE public.once (id int)")))
    pair.change("Create", wants("bbb_lost", access("read", "gone")))
    pair.change("Create", wants("zzz_fine"))
    pair.sql("DROP SCHEMA gone", f"CALL sys.iam_revoke('zzz_fine', '{PRINCIPAL}')")
    answer = pair.repair()
    for one in ("aaa_stuck", "bbb_lost", "zzz_fine"):
        pair.change("Delete", wants(one))
    assert not answer["done"]
    assert 'statement 1 of 1 was refused: relation "once" already exists' in answer["errors"]["aaa_stuck"]
    assert "There is no schema 'gone'" in answer["errors"]["bbb_lost"]
    assert any("zzz_fine" in one for one in answer["changed"]), "which the others do not keep from it"


def test_asker_that_is_gone_is_forgotten_on_demand(pair: EmulatedPair) -> None:
    pair.change("Create", wants("left_behind"), stack="killed")
    pair.change("Create", wants("left_behind", principals=[OTHER]), stack="two")
    [*askers] = pair.repair()["roles"]["left_behind"]
    assert len(askers) == 2
    answer = pair.repair(forget=next(one for one in askers if "/killed " in one))
    assert [one for one in answer["roles"]["left_behind"] if "/killed " in one] == []
    assert pair.mappings("left_behind") == {OTHER}
    pair.change("Delete", wants("left_behind"), stack="two")
    assert not pair.exists("left_behind")


def test_take_back_undoes_only_what_was_begun(pair: EmulatedPair) -> None:
    pair.sql("CREATE TABLE precious (id int)")
    asked = statements("GRANT nonsense", ("CREATE TABLE IF NOT EXISTS precious (id int)", "DROP TABLE precious"))
    with pytest.raises(RoleError, match=r"statement 1 of 2 was refused"):
        pair.change("Create", wants("careful", **asked))
    assert pair.sql("SELECT count(*) FROM precious") == [(0,)]
    assert not pair.exists("careful")


def test_schema_that_another_role_asks_for_stays_and_goes_with_that_one(pair: EmulatedPair) -> None:
    first, second = (wants(one, access("owner", "shared")) for one in ("first_owner", "second_owner"))
    pair.change("Create", first)
    pair.change("Create", second)
    pair.change("Delete", first)
    assert pair.sql("SELECT 1 FROM pg_namespace WHERE nspname = 'shared'") == [(1,)]
    pair.change("Delete", second)
    assert pair.sql("SELECT 1 FROM pg_namespace WHERE nspname = 'shared'") == []


def test_rollback_of_another_name_that_fails_leaves_the_role_in_service(pair: EmulatedPair) -> None:
    own = statements("CREATE TABLE public.only_once (id int)")
    before, after = wants("in_service", **own), wants("renamed")
    pair.change("Create", before)
    pair.change("Update", after, old=before)
    broken = wants("in_service", **statements("CREATE TABLE public.only_once (id int)", "SELECT 1/0"))
    with pytest.raises(RoleError, match="division by zero"):
        pair.change("Update", broken, old=after)
    assert pair.mappings("in_service") == {PRINCIPAL}
    for one in (before, after):
        pair.change("Delete", one)


def test_reader_that_came_first_reads_what_the_owner_creates_later(pair: EmulatedPair) -> None:
    pair.sql("CREATE SCHEMA early")
    pair.change("Create", wants("early_reader", access("read", "early")))
    arn = pair.iam_role("late_owner")
    owner = wants("late_owner", access("owner", "early"), principals=[arn])
    pair.change("Create", owner)
    pair.as_function(arn, "late_owner", "CREATE TABLE early.bird (id int)")
    assert pair.may("early_reader", "early.bird") == {"SELECT"}


@pytest.mark.parametrize("row", ["no JSON", "[]", '{"askers": {"a": {}}}', '{"ran": [1]}'])
def test_row_that_cannot_be_read_is_named(pair: EmulatedPair, row: str) -> None:
    pair.change("Create", wants("smudged"))
    pair.sql(f"UPDATE dsql_dr.database_roles SET state = '{row}' WHERE role = 'smudged'")
    for kind in ("Update", "Delete"):
        with pytest.raises(RoleError, match=r"The row of role 'smudged' in dsql_dr\.database_roles cannot be read"):
            pair.change(kind, wants("smudged"), old=wants("smudged"))
    pair.sql("DELETE FROM dsql_dr.database_roles WHERE role = 'smudged'")


def test_table_that_is_not_admins_is_not_believed(pair: EmulatedPair) -> None:
    pair.sql("CREATE ROLE intruder")
    pair.sql("ALTER TABLE dsql_dr.database_roles OWNER TO intruder", user="postgres")
    try:
        with pytest.raises(RoleError, match="belongs to another role than admin"):
            pair.change("Create", wants("trusting"))
    finally:
        pair.sql("ALTER TABLE dsql_dr.database_roles OWNER TO admin", user="postgres")


def test_value_of_a_row_is_in_no_reason_and_no_log(pair: EmulatedPair, capsys: pytest.CaptureFixture[str]) -> None:
    pair.sql("CREATE TABLE people (email text PRIMARY KEY)", "INSERT INTO people VALUES ('alice@example.com')")
    with pytest.raises(RoleError, match="statement 1 of 1 was refused: duplicate key") as failed:
        pair.change("Create", wants("discreet", **statements("INSERT INTO people VALUES ('alice@example.com')")))
    assert "alice" not in str(failed.value) + capsys.readouterr().out


def test_owner_gets_a_schema_and_what_it_makes_there_is_its_own_and_for_others_who_ask(pair: EmulatedPair) -> None:
    arn = pair.iam_role("builder")
    builder = wants("builder", access("owner", "yard"), principals=[arn])
    pair.change("Create", builder)
    pair.change("Create", wants("visitor", access("read", "yard")))
    assert pair.as_function(arn, "builder", "CREATE TABLE yard.wall (id int)", "TABLE yard.wall") == []
    assert pair.may("visitor", "yard.wall") == {"SELECT"}, "its future tables, too"
    pair.sql("REVOKE SELECT ON yard.wall FROM visitor", user="builder")
    pair.change("Update", wants("visitor", access("read_write", "yard")), old=wants("visitor", access("read", "yard")))
    assert pair.may("visitor", "yard.wall") == ALL
    inherited = "SELECT count(*) FROM pg_auth_members WHERE member = 'admin'::regrole AND inherit_option"
    assert pair.sql(inherited) == [(0,)], "the rights of the owner are given back"
    answer = pair.change("Delete", builder)
    assert "Role 'builder' stays, since it has yard.wall. It is yours from now on" in answer["Data"]["Notes"]
    assert pair.mappings("builder") == set()
    assert pair.askers("builder") == 0


def test_schema_that_was_made_goes_if_it_is_empty(pair: EmulatedPair) -> None:
    both = wants("tenant", access("owner", "empty"), access("owner", "full"))
    pair.change("Create", both)
    pair.sql('CREATE TABLE "full".t (id int)')
    answer = pair.change("Delete", both)
    assert answer["Data"]["Notes"] == "Schema 'full' stays, since something is in it."
    schemas = {one for (one,) in pair.sql("SELECT nspname FROM pg_namespace WHERE nspname IN ('empty', 'full')")}
    assert schemas == {"full"}
    assert not pair.exists("tenant")


def test_table_whose_owner_admin_may_not_act_as_is_named(pair: EmulatedPair) -> None:
    pair.sql("CREATE ROLE stranger LOGIN", "CREATE SCHEMA foreign_ AUTHORIZATION stranger", user="postgres")
    pair.sql("CREATE TABLE foreign_.secret (id int)", user="stranger")
    with pytest.raises(RoleError, match=r"the rights of role 'stranger' .*needed for .*table foreign_\.secret"):
        pair.change("Create", wants("curious", access("read", "foreign_")))
    assert not pair.exists("curious")
    assert pair.askers("curious") == 0


def test_role_that_owns_something_stays(pair: EmulatedPair) -> None:
    pair.change("Create", wants("keeper"))
    pair.sql("CREATE SCHEMA vault AUTHORIZATION keeper", "CREATE TABLE vault.gold (id int)", user="postgres")
    pair.sql("ALTER TABLE vault.gold OWNER TO keeper", user="postgres")
    answer = pair.change("Delete", wants("keeper"))
    assert "Role 'keeper' stays, since it has schema vault, vault.gold." in answer["Data"]["Notes"]
    assert pair.exists("keeper")
    assert pair.mappings("keeper") == set()


def test_role_that_somebody_else_mapped_stays(pair: EmulatedPair) -> None:
    pair.change("Create", wants("lent"))
    pair.map("lent", OTHER)
    answer = pair.change("Delete", wants("lent"))
    assert f"stays, since it has the mapping to {OTHER}" in answer["Data"]["Notes"]
    assert pair.mappings("lent") == {OTHER}


def test_role_goes_with_privileges_that_it_got_otherwise(pair: EmulatedPair) -> None:
    pair.change("Create", wants("magpie"))
    pair.change("Create", wants("nest"))
    pair.sql(
        "CREATE SCHEMA shiny",
        "GRANT USAGE, CREATE ON SCHEMA shiny TO magpie",
        "CREATE TABLE shiny.spoon (id int, silver int)",
        "GRANT UPDATE (silver) ON shiny.spoon TO magpie",
        "GRANT SELECT, TRUNCATE ON shiny.spoon TO magpie WITH GRANT OPTION",
        'CREATE FUNCTION shiny."a, b"(int, text) RETURNS int LANGUAGE sql RETURN 1',
        'GRANT EXECUTE ON FUNCTION shiny."a, b" TO magpie',
        "ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO magpie",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA shiny GRANT ALL ON SEQUENCES TO magpie",
    )
    pair.sql("ALTER DEFAULT PRIVILEGES IN SCHEMA shiny GRANT SELECT ON TABLES TO nest", user="magpie")
    assert pair.change("Delete", wants("magpie"))["Data"]["Notes"] == ""
    assert not pair.exists("magpie")
    pair.change("Delete", wants("nest"))
    assert not pair.exists("nest")


def test_endpoint_of_the_own_region_is_down_while_a_role_is_deployed(pair: EmulatedPair) -> None:
    pair.aws.inject(Fault("down", "error", service="postgresql", region=REGIONS[0]))
    pair.change("Create", wants("survivor", access("read")))
    assert pair.mappings("survivor") == {PRINCIPAL}
    pair.change("Delete", wants("survivor", access("read")))
    assert not pair.exists("survivor")


def test_connection_that_breaks_in_the_middle_is_taken_up_at_the_peer(pair: EmulatedPair) -> None:
    pair.sql("CREATE SCHEMA middle", *(f"CREATE TABLE middle.t{number} (id int)" for number in range(5)))
    pauses: list[float] = []

    def breaks(statement: str) -> None:
        if "t2" in statement:
            pair.aws.inject(Fault("broken", "error", service="postgresql", call="Query", region=REGIONS[0]))

    asked = wants("traveller", access("read", "middle"))
    pair.change("Create", asked, connect=sessions(breaks), sleep=pauses.append)
    assert len(pauses) == 1
    assert all(pair.may("traveller", f"middle.t{number}") == {"SELECT"} for number in range(5))


@pytest.mark.parametrize("leaving", [("one", "two"), ("two", "one")])
def test_role_goes_with_the_last_stack_that_asks_for_it(pair: EmulatedPair, leaving: tuple[str, str]) -> None:
    role = f"shared_{leaving[0]}"
    pair.sql(f"CREATE SCHEMA s_{role}", f"CREATE TABLE s_{role}.t (id int)")
    asks = {
        "one": wants(role, access("read", f"s_{role}")),
        "two": wants(role, access("read_write", f"s_{role}"), principals=[OTHER]),
    }
    for own, (stack, asked) in enumerate(asks.items()):
        pair.change("Create", asked, stack=stack, own=own)
    assert pair.mappings(role) == {PRINCIPAL, OTHER}
    assert pair.may(role, f"s_{role}.t") == ALL
    first, last = leaving
    pair.change("Delete", asks[first], stack=first)
    assert pair.mappings(role) == set(asks[last]["Principals"])
    assert pair.may(role, f"s_{role}.t") == ({"SELECT"} if last == "one" else ALL)
    pair.change("Delete", asks[last], stack=last)
    assert not pair.exists(role)


def test_stacks_that_come_and_go_at_the_same_time_get_what_they_ask_for(pair: EmulatedPair) -> None:
    pair.sql("CREATE SCHEMA crowd", *(f"CREATE TABLE crowd.t{number} (id int)" for number in range(5)))
    asks = {
        "one": wants("crowded", access("read", "crowd")),
        "two": wants("crowded", access("read_write", "crowd"), principals=[OTHER]),
    }
    for round_ in range(3):
        with ThreadPoolExecutor(2) as stacks:
            made = [
                stacks.submit(pair.change, "Create", asked, stack=stack, own=own)
                for own, (stack, asked) in enumerate(asks.items())
            ]
            assert [one.result()["PhysicalResourceId"] for one in made] == ["crowded", "crowded"]
        assert pair.mappings("crowded") == {PRINCIPAL, OTHER}
        assert all(pair.may("crowded", f"crowd.t{number}") == ALL for number in range(5))
        with ThreadPoolExecutor(2) as stacks:
            leaves = stacks.submit(pair.change, "Delete", asks["two"], stack="two")
            again = stacks.submit(pair.change, "Update", wants("crowded"), stack="one", own=1, old=asks["one"])
            assert [leaves.result(), again.result()]
        assert pair.mappings("crowded") == {PRINCIPAL}
        assert pair.may("crowded", "crowd.t1") == set()
        with ThreadPoolExecutor(2) as stacks:  # one leaves while a new one arrives
            leaves = stacks.submit(pair.change, "Delete", wants("crowded"), stack="one")
            arrives = stacks.submit(pair.change, "Create", asks["two"], stack=f"new{round_}", own=1)
            assert [leaves.result(), arrives.result()]
        assert pair.mappings("crowded") == {OTHER}
        assert all(pair.may("crowded", f"crowd.t{number}") == ALL for number in range(5))
        pair.change("Delete", asks["two"], stack=f"new{round_}")
        assert not pair.exists("crowded")


def test_role_is_changed_by_one_deployment_at_a_time(pair: EmulatedPair) -> None:
    pair.sql("CREATE SCHEMA turns", "CREATE TABLE turns.t (id int)")
    leaving, arriving = (
        wants("turn", access("read", "turns")),
        wants("turn", access("read", "turns"), principals=[OTHER]),
    )
    pair.change("Create", leaving)
    waits = Event()

    def sleep(seconds: float) -> None:
        waits.set()
        time.sleep(seconds)

    with ThreadPoolExecutor(1) as another:
        began: list[Future[Any]] = []

        def let_another_arrive(statement: str) -> None:
            if statement.startswith("AWS IAM REVOKE"):
                began.append(another.submit(pair.change, "Create", arriving, stack="two", own=1, sleep=sleep))
                while not waits.is_set() and not began[0].done():
                    time.sleep(0.01)

        pair.change("Delete", leaving, connect=sessions(let_another_arrive))
        began[0].result()
    assert waits.is_set()
    assert pair.mappings("turn") == {OTHER}
    assert pair.may("turn", "turns.t") == {"SELECT"}


def test_deployment_that_was_cut_off_keeps_others_out_until_its_time_is_up(pair: EmulatedPair) -> None:
    pair.change("Create", wants("held"))

    def cut_off(stack: str, left: str) -> None:
        asker = event("Update", wants("held"), stack=stack)["StackId"] + " Role"
        row = f"held_by = '{asker}', held_until = now() + interval '{left}'"
        pair.sql(f"UPDATE dsql_dr.database_roles SET {row} WHERE role = 'held'")

    cut_off("two", "1 hour")
    with pytest.raises(RoleError, match="another deployment is changing this role"):
        pair.change("Update", wants("held", principals=[OTHER]), old=wants("held"), seconds=4)
    assert pair.mappings("held") == {PRINCIPAL}
    cut_off("one", "1 hour")  # its own
    pair.change("Update", wants("held", principals=[OTHER]), old=wants("held"))
    assert pair.mappings("held") == {OTHER}
    cut_off("two", "-1 s")
    pair.change("Update", wants("held"), old=wants("held", principals=[OTHER]))
    assert pair.mappings("held") == {PRINCIPAL}


def test_first_roles_of_a_database_are_made_at_the_same_time(pair: EmulatedPair) -> None:
    pair.sql("DROP SCHEMA IF EXISTS dsql_dr CASCADE")
    roles = [f"first{number}" for number in range(4)]
    with ThreadPoolExecutor(4) as stacks:
        made = [stacks.submit(pair.change, "Create", wants(role), own=n % 2) for n, role in enumerate(roles)]
        assert [one.result()["PhysicalResourceId"] for one in made] == roles
    assert [pair.mappings(role) for role in roles] == [{PRINCIPAL}] * 4


def test_what_was_there_before_stays(pair: EmulatedPair) -> None:
    pair.sql(
        "CREATE ROLE elder LOGIN",
        "CREATE SCHEMA home",
        "CREATE TABLE home.old (id int)",
        "GRANT SELECT ON home.old TO elder",
    )
    pair.map("elder", PRINCIPAL)
    asked = wants("elder", access("read_write", "home"), principals=[PRINCIPAL, OTHER])
    pair.change("Create", asked)
    assert pair.mappings("elder") == {PRINCIPAL, OTHER}
    assert pair.may("elder", "home.old") == ALL
    answer = pair.change("Delete", asked)
    assert answer["Data"]["Notes"] == "Role 'elder' stays, since it was there before."
    assert pair.mappings("elder") == {PRINCIPAL}
    assert pair.may("elder", "home.old") == {"SELECT"}
    assert pair.sql("SELECT has_schema_privilege('elder', 'home', 'USAGE')") == [(False,)]
    assert pair.sql(
        "SELECT count(*) FROM pg_default_acl d, pg_namespace n WHERE n.nspname = 'home' AND n.oid = d.defaclnamespace"
    ) == [(0,)]


def test_role_without_login_is_not_changed(pair: EmulatedPair) -> None:
    pair.sql("CREATE ROLE mute")
    with pytest.raises(RoleError, match="Role 'mute' was there before, without LOGIN"):
        pair.change("Create", wants("mute"))
    assert pair.exists("mute")


def test_statement_runs_once_and_is_undone_when_nobody_asks_for_it(pair: EmulatedPair) -> None:
    pair.sql("CREATE TABLE public.ran (what text)")

    def ran() -> list[str]:
        return [one for (one,) in pair.sql("SELECT what FROM ran")]

    def asks(*texts: str) -> dict[str, Any]:
        told = [(f"INSERT INTO ran VALUES ('{one}')", f"INSERT INTO ran VALUES ('not {one}')") for one in texts]
        make = ("CREATE TABLE IF NOT EXISTS made (id int)", "DROP TABLE IF EXISTS made")
        return wants("scribe", access("read", "public"), **statements(*told, make))

    first, second = asks("a", "b"), asks("b", "c")
    pair.change("Create", first)
    assert ran() == ["a", "b"]
    assert pair.may("scribe", "made") == {"SELECT"}
    pair.change("Update", first | {"Principals": [OTHER]}, old=first)
    assert ran() == ["a", "b"]
    pair.change("Update", second, old=first)
    assert ran() == ["a", "b", "not a", "c"]
    pair.change("Create", asks("c"), stack="two")
    assert ran() == ["a", "b", "not a", "c"], "it has run"
    pair.change("Delete", second)
    assert ran() == ["a", "b", "not a", "c", "not b"], "somebody still asks for the other"
    assert pair.may("scribe", "made") == {"SELECT"}
    pair.change("Delete", asks("c"), stack="two")
    assert ran() == ["a", "b", "not a", "c", "not b", "not c"]
    assert not pair.exists("scribe")
    assert pair.sql("SELECT to_regclass('made')") == [(None,)]


def test_create_that_fails_is_taken_back(pair: EmulatedPair) -> None:
    pair.sql("CREATE SCHEMA tried", "CREATE TABLE tried.t (id int)")
    schemas = pair.sql("SELECT nspname FROM pg_namespace ORDER BY 1")
    asked = wants(
        "unlucky",
        access("read", "tried"),
        access("owner", "tried2"),
        **statements(("CREATE TABLE tried2.t (id int)", "DROP TABLE tried2.t"), "SELECT 'p4ssw0rd' / 0"),
    )
    with pytest.raises(RoleError) as failed:
        pair.change("Create", asked)
    assert str(failed.value).startswith("Database role 'unlucky': statement 2 of 2 was refused: ")
    assert "p4ssw0rd'" not in str(failed.value)
    assert "taken back" not in str(failed.value)
    assert not pair.exists("unlucky")
    assert pair.askers("unlucky") == 0
    assert pair.sql("SELECT nspname FROM pg_namespace ORDER BY 1") == schemas


def test_create_that_fails_says_what_is_left(pair: EmulatedPair, capsys: pytest.CaptureFixture[str]) -> None:
    asked = wants("sticky", **statements(("SELECT 1", "DROP TABLE never_was"), "SELECT 1/0"))
    with pytest.raises(
        RoleError, match=r"It was not taken back: undo of statement 2 of 2 was refused: .*never_was"
    ) as failed:
        pair.change("Create", asked)
    assert not pair.exists("sticky")
    assert str(failed.value) in capsys.readouterr().out.replace('\\"', '"')


def test_update_that_fails_is_rolled_back_by_the_update_that_follows(pair: EmulatedPair) -> None:
    pair.sql("CREATE SCHEMA up", "CREATE TABLE up.t (id int)")
    before = wants("climber", access("read", "up"))
    pair.change("Create", before)
    after = wants("climber", access("read_write", "up"), principals=[OTHER], **statements("SELECT 1/0"))
    with pytest.raises(RoleError, match=re.escape("division by zero")):
        pair.change("Update", after, old=before)
    assert pair.mappings("climber") == {OTHER}
    pair.change("Update", before, old=after)
    assert pair.mappings("climber") == {PRINCIPAL}
    assert pair.may("climber", "up.t") == {"SELECT"}


def test_another_name_is_another_role(pair: EmulatedPair) -> None:
    old, new = wants("maiden"), wants("married")
    pair.change("Create", old)
    assert pair.change("Update", new, old=old)["PhysicalResourceId"] == "married"
    assert pair.exists("maiden")
    pair.change("Delete", old)
    assert (pair.exists("maiden"), pair.exists("married")) == (False, True)
    with pytest.raises(RoleError, match="division by zero"):
        pair.change("Update", wants("third", **statements("SELECT 1/0")), old=new)
    assert not pair.exists("third")


def test_schema_that_is_not_there_is_named(pair: EmulatedPair) -> None:
    with pytest.raises(RoleError, match="There is no schema 'nowhere' for role 'lost' to use"):
        pair.change("Create", wants("lost", access("read", "nowhere")))
    assert not pair.exists("lost")


def test_delete_of_a_role_that_is_not_there_succeeds(pair: EmulatedPair) -> None:
    assert pair.change("Delete", wants("never"))["PhysicalResourceId"] == "never"
    pair.change("Create", wants("vanished", access("read")))
    pair.sql(f"CALL sys.iam_revoke('vanished', '{PRINCIPAL}')")
    pair.sql("DROP OWNED BY vanished", "DROP ROLE vanished", user="postgres")
    pair.change("Delete", wants("vanished", access("read")))
    assert pair.askers("vanished") == 0


def test_role_that_was_dropped_meanwhile_is_made_again(pair: EmulatedPair) -> None:
    pair.change("Create", wants("phoenix"))
    pair.sql(f"CALL sys.iam_revoke('phoenix', '{PRINCIPAL}')", "DROP ROLE phoenix")
    pair.change("Update", wants("phoenix"), old=wants("phoenix"))
    assert pair.mappings("phoenix") == {PRINCIPAL}
    pair.change("Delete", wants("phoenix"))
    assert not pair.exists("phoenix")


@pytest.mark.parametrize("is_copy", [True, False])
def test_role_is_there_again_after_another_database_was_adopted(pair: EmulatedPair, is_copy: bool) -> None:
    """A copy has the role and the table, and maybe no mapping; another database has nothing of it."""
    role = f"moved{is_copy}".lower()
    before, after = (wants(role, access("owner", role), Cluster=one) for one in ("a" * 26, "b" * 26))
    pair.change("Create", before)
    if is_copy:
        pair.sql(f"CALL sys.iam_revoke('{role}', '{PRINCIPAL}')")
    else:
        pair.sql(f"DELETE FROM dsql_dr.database_roles WHERE role = '{role}'", f"DROP SCHEMA {role} CASCADE")
        pair.sql(f"CALL sys.iam_revoke('{role}', '{PRINCIPAL}')", f"DROP ROLE {role}")
    pair.change("Update", after, old=before)
    assert pair.mappings(role) == {PRINCIPAL}
    assert pair.askers(role) == 1
    assert pair.sql(f"SELECT has_schema_privilege('{role}', '{role}', 'CREATE')") == [(True,)]


def test_delete_by_somebody_who_does_not_ask_for_the_role_changes_nothing(pair: EmulatedPair) -> None:
    pair.change("Create", wants("guarded"))
    pair.change("Delete", wants("guarded"), stack="unknown")
    assert pair.mappings("guarded") == {PRINCIPAL}


def test_delete_without_a_cluster_succeeds(pair: EmulatedPair) -> None:
    gone = []
    for cluster in pair.clusters:
        dsql = pair.aws.client("dsql", cluster.region)
        made = dsql.create_cluster(deletionProtectionEnabled=False)
        dsql.get_waiter("cluster_active").wait(identifier=made["identifier"])
        dsql.delete_cluster(identifier=made["identifier"])
        gone.append(type(cluster)(made["arn"], f"{made['identifier']}.dsql.{cluster.region}.on.aws"))
    answer = pair.change("Delete", wants("orphan"), clusters=gone)
    assert answer["Data"]["Notes"].startswith("Nothing is left to do: cluster ")
    with pytest.raises(RoleError, match="status"):
        pair.change("Create", wants("orphan"), clusters=gone, seconds=2)
