from __future__ import annotations

import pytest

from dsql_dr_constructs.runtime.database_role import privileges
from dsql_dr_constructs.runtime.database_role.privileges import Target, both, grant, revoke, shared, wanted, without
from dsql_dr_constructs.runtime.database_role.role_request import SchemaAccess

TABLE = Target("TABLE", "app", "t", owner="admin")
SEQUENCE = Target("SEQUENCE", "app", "s", owner="admin")
VIEW = Target("TABLE", "app", "v", owner="admin", is_view=True)
SCHEMA = Target("SCHEMA", "app", owner="admin")
SELECT, WRITE = frozenset({"SELECT"}), frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})


@pytest.mark.parametrize(
    ("target", "sql"),
    [
        (SCHEMA, 'GRANT USAGE ON SCHEMA "app" TO "r"'),
        (TABLE, 'GRANT USAGE ON TABLE "app"."t" TO "r"'),
        (SEQUENCE, 'GRANT USAGE ON SEQUENCE "app"."s" TO "r"'),
        (Target("ROUTINE", "", 'app."f, g"(integer)'), 'GRANT USAGE ON ROUTINE app."f, g"(integer) TO "r"'),
        (Target("TABLES", "app"), 'ALTER DEFAULT PRIVILEGES IN SCHEMA "app" GRANT USAGE ON TABLES TO "r"'),
        (Target("TYPES", "", "o"), 'ALTER DEFAULT PRIVILEGES FOR ROLE "o" GRANT USAGE ON TYPES TO "r"'),
    ],
)
def test_grant_says_on_what(target: Target, sql: str) -> None:
    assert grant(target, {"USAGE"}, "r") == sql
    assert revoke(target, {"USAGE"}, "r") == sql.replace("GRANT", "REVOKE").replace(" TO ", " FROM ")


def test_everybody_is_not_a_role() -> None:
    assert revoke(TABLE, SELECT, "").endswith(" FROM PUBLIC")


def test_names_are_quoted() -> None:
    assert privileges.create_role('a"b') == 'CREATE ROLE "a""b" WITH LOGIN'
    assert privileges.map_principal('a"', "x'y") == "AWS IAM GRANT \"a\"\"\" TO 'x''y'"


def test_reader_reads_and_writer_writes_tables_only() -> None:
    present, creators = (SCHEMA, TABLE, SEQUENCE, VIEW), {("app", "")}
    assert wanted({SchemaAccess("read", "app")}, "r", present, creators) == {
        SCHEMA: {"USAGE"},
        TABLE: SELECT,
        VIEW: SELECT,
        SEQUENCE: SELECT,
        Target("TABLES", "app"): SELECT,
        Target("SEQUENCES", "app"): SELECT,
    }
    assert wanted({SchemaAccess("read_write", "app")}, "r", present, creators) == {
        SCHEMA: {"USAGE"},
        TABLE: WRITE,
        VIEW: SELECT,
        SEQUENCE: {"SELECT", "USAGE"},
        Target("TABLES", "app"): WRITE,
        Target("SEQUENCES", "app"): {"SELECT", "USAGE"},
    }


def test_schema_that_comes_is_granted_too_and_public_never() -> None:
    assert wanted({SchemaAccess("owner", "new")}, "r", (), ()) == {Target("SCHEMA", "new"): {"USAGE", "CREATE"}}
    public = Target("SCHEMA", "public", owner="admin")
    assert wanted({SchemaAccess("read_write", "public")}, "r", [public], ()) == {}


def test_role_needs_nothing_on_what_is_its_own() -> None:
    own = (Target("SCHEMA", "app", owner="r"), Target("TABLE", "app", "mine", owner="r"))
    assert wanted({SchemaAccess("owner", "app")}, "r", own, {("app", "r")}) == {}


def test_accesses_add_up_and_other_schemas_stay_out() -> None:
    asked = {SchemaAccess("read", "app"), SchemaAccess("read_write", "app")}
    assert wanted(asked, "r", [SCHEMA, TABLE, Target("TABLE", "b", "t")], {("b", "")}) == {
        SCHEMA: {"USAGE"},
        TABLE: WRITE,
    }


def test_what_is_read_from_the_catalog_keeps_its_owner() -> None:
    stored = Target("TABLE", "app", "t")
    assert [one.owner for one in shared({TABLE: WRITE}, {stored: SELECT})] == ["admin"]
    assert [one.owner for one in both({TABLE: WRITE}, {stored: SELECT})] == ["admin"]
    assert shared({TABLE: WRITE}, {stored: SELECT}) == {stored: SELECT}
    assert without({TABLE: WRITE}, {stored: WRITE}) == {}
    assert both({TABLE: SELECT}, {stored: WRITE, SCHEMA: SELECT}) == {TABLE: WRITE, SCHEMA: SELECT}
