from __future__ import annotations

from typing import Any

import pytest

from dsql_dr_constructs.runtime.database_role.role_request import (
    Asked,
    OwnStatement,
    RoleError,
    RoleRequest,
    SchemaAccess,
)
from tests.runtime.database_role.emulated_pair import PRINCIPAL, access

GOOD = {
    "Role": "orders",
    "Principals": [PRINCIPAL],
    "Privileges": [access("read")],
    "Statements": [{"Sql": "SELECT 1"}],
}


def test_request_has_what_cloudformation_sent() -> None:
    request = RoleRequest.of({"ServiceToken": "arn", **GOOD})
    assert request.role == "orders"
    privileges = frozenset({SchemaAccess("read", "public")})
    assert request.asked == Asked(frozenset({PRINCIPAL}), privileges, (OwnStatement("SELECT 1", ""),))
    assert Asked.read(request.asked.stored()) == request.asked


def test_only_the_role_is_needed() -> None:
    assert RoleRequest.of({"Role": "r"}).asked == Asked(frozenset(), frozenset())


@pytest.mark.parametrize("role", ["a", "é" * 31, 'x" TO y; --', "A b", "public_", "current_user", "a" * 63])
def test_any_other_name_is_a_role(role: str) -> None:
    assert RoleRequest.of({**GOOD, "Role": role}).role == role


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"Role": ""}, "The name of the role is '': give 1 to 63 bytes"),
        ({"Role": None}, "The name of the role is None"),
        ({"Role": "é" * 32}, "give 1 to 63 bytes"),
        ({"Role": "a\0b"}, "without a zero byte"),
        ({"Role": "admin"}, "The role is 'admin', which Aurora DSQL has for itself: choose another name."),
        ({"Role": "dbowner"}, "The role is 'dbowner'"),
        ({"Role": "public"}, "The role is 'public'"),
        ({"Role": "none"}, "The role is 'none'"),
        ({"Role": "pg_monitor"}, "The role is 'pg_monitor'"),
        ({"Principals": PRINCIPAL}, "Principals is 'arn:.*give a list"),
        ({"Principals": [""]}, "without an empty value"),
        ({"Principals": ["*"]}, "The principal of role 'orders' is '\\*': give the exact ARN of an IAM role."),
        ({"Principals": ["arn:aws:iam::111122223333:user/x"]}, "give the exact ARN of an IAM role"),
        ({"Principals": [PRINCIPAL + "' TO 'x"]}, "give the exact ARN of an IAM role"),
        ({"Principals": [PRINCIPAL + "\n"]}, "give the exact ARN of an IAM role"),
        ({"Principals": [PRINCIPAL.replace("orders", "*")]}, "give the exact ARN of an IAM role"),
        ({"Privileges": ["read"]}, "Privileges is \\['read'\\]: give a list"),
        (
            {"Privileges": [access("write")]},
            "The access to schema 'public' is 'write': give read, read_write or owner.",
        ),
        ({"Privileges": [{"Access": "read"}]}, "The name of the schema is None"),
        ({"Privileges": [access("read", "pg_catalog")]}, "which is no schema of yours"),
        ({"Privileges": [access("read", "sys")]}, "which is no schema of yours"),
        ({"Privileges": [access("read_write", "dsql_dr")]}, "which is no schema of yours"),
        ({"Privileges": [access("owner")]}, "Aurora DSQL allows nobody but admin to create in it: give another schema"),
        ({"Statements": [""]}, "Statements is \\[''\\]: give a list, without an empty value."),
        ({"Statements": "DROP"}, "Statements is 'DROP'"),
        ({"Statements": [{"Sql": " "}]}, "A statement is {'Sql': ' '}: give SQL"),
        ({"Statements": [{"Sql": "a", "Undo": 1}]}, "give SQL, and SQL that takes it back or none"),
    ],
)
def test_what_is_not_allowed_is_said(change: dict[str, Any], said: str) -> None:
    with pytest.raises(RoleError, match=said):
        RoleRequest.of({**GOOD, **change})
