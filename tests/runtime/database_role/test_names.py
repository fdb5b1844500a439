"""No name changes what a statement means, whatever is in it: real statements on a real PostgreSQL."""
# ruff: noqa: S608 - the names in its SQL are quoted

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pg8000.native import identifier, literal

from dsql_dr_constructs.runtime.database_role.role_request import RoleError
from tests.runtime.database_role.emulated_pair import PRINCIPAL, EmulatedPair, access

TRIES = (
    'x" WITH LOGIN SUPERUSER; --',
    'x"; DROP TABLE "kept"."gold"; --',
    "x'; DROP TABLE kept.gold; --",
    "x\" TO 'arn:aws:iam::1:role/x'; GRANT x TO PUBLIC; --",
    '"',
    "''",
    "$$; DROP TABLE kept.gold; $$",
    "/* x",
    "-- x",
    "x\n; DROP TABLE kept.gold",
    ":role $1 %s {x} \\",
    "E'\\'",
    "PUBLIC",
    "current_user",
    "ÄÖ ß 漢字",
)
ALPHABET = st.one_of(st.sampled_from("\"'\\;-$:%/* \n\tAa_é"), st.characters(exclude_characters="\0", codec="utf-8"))
NAMES = st.text(ALPHABET, min_size=1, max_size=40).filter(lambda one: len(one.encode()) <= 63)
USABLE = NAMES.filter(lambda one: one not in ("admin", "public", "none", "sys", "kept") and not one.startswith("pg_"))


def others(pair: EmulatedPair, role: str, schema: str) -> list[Any]:
    """All that is neither the role's nor in the schema."""
    but = f"<> {literal(schema)}"
    return [
        pair.sql(f"SELECT rolname, rolsuper, rolcreaterole FROM pg_roles WHERE rolname <> {literal(role)} ORDER BY 1"),
        pair.sql(f"SELECT nspname, nspacl::text FROM pg_namespace WHERE nspname NOT IN ('dsql_dr', {literal(schema)})"),
        pair.sql(
            "SELECT n.nspname, c.relname, c.relacl::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            f"WHERE n.nspname NOT IN ('dsql_dr', 'pg_toast') AND n.nspname {but} ORDER BY 1, 2"
        ),
        pair.sql(f"SELECT arn, pg_role_name FROM sys.iam_pg_role_mappings WHERE pg_role_name <> {literal(role)}"),
    ]


def all_examples(test: Any) -> Any:
    for one in TRIES:
        test = example(role=one, schema=f"{one[:50]} s", table=one)(test)
    return test


@all_examples
@given(role=USABLE, schema=USABLE, table=NAMES)
@settings(max_examples=10, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_name_is_itself_and_nothing_else_changes(pair: EmulatedPair, role: str, schema: str, table: str) -> None:
    pair.sql("CREATE SCHEMA IF NOT EXISTS kept", "CREATE TABLE IF NOT EXISTS kept.gold (id int)")
    on = f"{identifier(schema)}.{identifier(table)}"
    pair.sql(f"CREATE SCHEMA {identifier(schema)}", f"CREATE TABLE {on} (id int)")
    asked = {
        "Role": role,
        "Principals": [PRINCIPAL],
        "Privileges": [access("read_write", schema), access("owner", f"{schema[:10]}'\" 2")],
    }
    own = identifier(f"{schema[:10]}'\" 2")
    pair.sql(f"CREATE SCHEMA {own}")  # so that it is there before and after
    try:
        before = others(pair, role, schema)
        pair.change("Create", asked)
        [(privileges,)] = pair.sql(f"SELECT has_table_privilege({literal(role)}, {literal(on)}, 'INSERT')")
        assert privileges
        assert pair.mappings(role.replace("'", "''")) == {PRINCIPAL}
        [_, schemas, *rest] = others(pair, role, schema)
        assert [before[0], *before[2:]] == [_, *rest]
        assert len(schemas) == len(before[1])
        pair.change("Delete", asked)
        assert not pair.exists(role.replace("'", "''"))
    finally:
        pair.sql(f"DROP SCHEMA {identifier(schema)} CASCADE", f"DROP SCHEMA {own}")


@pytest.mark.parametrize("name", TRIES)
def test_principal_is_an_arn_or_refused(pair: EmulatedPair, name: str) -> None:
    def nobody(*_: object, **__: object) -> Any:
        raise AssertionError("something was sent")

    for principal in (name, f"{PRINCIPAL} {name}"):
        with pytest.raises(RoleError, match="give the exact ARN of an IAM role"):
            pair.change("Create", {"Role": "plain", "Principals": [principal]}, connect=nobody)
