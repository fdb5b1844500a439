from __future__ import annotations

from collections.abc import Callable

import aws_cdk as cdk
import pytest

from dsql_dr_constructs import DatabasePrivilege
from dsql_dr_constructs.clusters.database_privilege import as_properties


def test_each_form_becomes_what_the_function_reads() -> None:
    given = [
        DatabasePrivilege.read("audit"),
        DatabasePrivilege.sql("one", undo="not one"),
        DatabasePrivilege.owner("orders"),
        DatabasePrivilege.sql("two"),
        DatabasePrivilege.sql("three", undo="not three"),
        DatabasePrivilege.read_write(),
    ]
    assert as_properties(given) == {
        "Privileges": [
            {"Access": "read", "Schema": "audit"},
            {"Access": "owner", "Schema": "orders"},
            {"Access": "read_write", "Schema": "public"},
        ],
        "Statements": [
            {"Sql": "one", "Undo": "not one"},
            {"Sql": "two", "Undo": ""},
            {"Sql": "three", "Undo": "not three"},
        ],
    }


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: DatabasePrivilege.owner("public"), "lets admin alone create"),
        (lambda: DatabasePrivilege.read("pg_catalog"), "none of the names that are taken"),
        (lambda: DatabasePrivilege.read("sys"), "none of the names that are taken"),
        (lambda: DatabasePrivilege.read_write("dsql_dr"), "none of the names that are taken"),
        (lambda: DatabasePrivilege.read("a\0b"), "1 to 63 bytes are allowed"),
        (lambda: DatabasePrivilege.read("\N{SNOWMAN}" * 22), "1 to 63 bytes are allowed"),
        (lambda: DatabasePrivilege.read(cdk.Token.as_string({"Ref": "X"})), "is a token"),
        (lambda: DatabasePrivilege.read(""), "schema is ''"),
        (lambda: DatabasePrivilege.sql(""), "statement is ''"),
        (lambda: DatabasePrivilege.sql(" "), "is no privilege"),
        (lambda: DatabasePrivilege(access="all", schema="public"), "is no privilege: use DatabasePrivilege.read"),
        (lambda: DatabasePrivilege(), "is no privilege"),
        (lambda: DatabasePrivilege(access="read", schema="a", statement="b"), "is no privilege"),
        (lambda: DatabasePrivilege(undo="b"), "is no privilege"),
        (lambda: DatabasePrivilege(access="read", schema="a", undo="b"), "is no privilege"),
    ],
)
def test_what_the_database_would_refuse_is_refused_at_synth(make: Callable[[], object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()


def test_longest_name_is_taken() -> None:
    assert DatabasePrivilege.read("a" * 63).schema == "a" * 63
