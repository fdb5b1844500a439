"""What DSQL's SQL has about roles and PostgreSQL has not: their mapping to IAM roles, and grants that are refused.

Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/using-database-and-iam-roles.html
"""

from __future__ import annotations

import re
from typing import Any

INITIAL = """
CREATE ROLE admin LOGIN CREATEROLE;
GRANT CREATE ON DATABASE postgres TO admin;
GRANT CREATE ON SCHEMA public TO admin;
CREATE SCHEMA sys;
GRANT USAGE ON SCHEMA sys TO PUBLIC;
CREATE TABLE sys.iam_pg_role_mappings (
    iam_oid bigint GENERATED ALWAYS AS IDENTITY,
    arn text,
    pg_role_oid oid,
    pg_role_name text NOT NULL,
    grantor_pg_role_oid oid DEFAULT session_user::regrole,
    grantor_pg_role_name text DEFAULT session_user,
    PRIMARY KEY (arn, pg_role_oid)
);
GRANT SELECT ON sys.iam_pg_role_mappings TO PUBLIC;
CREATE TABLE sys.mapped_roles ();  -- PostgreSQL drops no role that a policy names

CREATE PROCEDURE sys.iam_grant(role regrole, iam_role text) LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE mapping bigint;
BEGIN
    IF NOT (SELECT rolcanlogin FROM pg_roles WHERE oid = role) THEN
        RAISE EXCEPTION 'role % must have LOGIN', role USING ERRCODE = 'invalid_role_specification';
    END IF;
    INSERT INTO sys.iam_pg_role_mappings (arn, pg_role_oid, pg_role_name)
    SELECT iam_role, oid, rolname FROM pg_roles WHERE oid = role ON CONFLICT DO NOTHING RETURNING iam_oid INTO mapping;
    IF mapping IS NULL THEN
        RAISE EXCEPTION 'role % is already granted to %', role, iam_role USING ERRCODE = 'duplicate_object';
    END IF;
    EXECUTE format('CREATE POLICY %I ON sys.mapped_roles TO %s', mapping, role);
END $$;

CREATE PROCEDURE sys.iam_revoke(role regrole, iam_role text) LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE mapping bigint;
BEGIN
    DELETE FROM sys.iam_pg_role_mappings WHERE arn = iam_role AND pg_role_oid = role RETURNING iam_oid INTO mapping;
    IF mapping IS NULL THEN
        RAISE EXCEPTION 'role % is not granted to %', role, iam_role USING ERRCODE = 'undefined_object';
    END IF;
    EXECUTE format('DROP POLICY %I ON sys.mapped_roles', mapping);
END $$;

REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA sys FROM PUBLIC;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA sys TO admin;
"""

DDL_KEYWORDS = frozenset({"GRANT", "REVOKE", "CALL"})
"""Statements that count as data definition besides PostgreSQL's own; CALL is what `translated` makes."""

_NAME = rb'"(?:[^"\0]|"")+"|\w+'
_IAM_STATEMENT = re.compile(
    rb"(?P<before>\A|\0)\s*AWS\s+IAM\s+(?:GRANT\s+(?P<granted>%b)\s+TO|REVOKE\s+(?P<revoked>%b)\s+FROM)"
    rb"\s+'(?P<arn>[^'\0]+)'\s*;?\s*(?=\0)" % (_NAME, _NAME),
    re.IGNORECASE,
)
_REFUSED = {
    r"\s*(GRANT|REVOKE)\b.*\bON\s+SCHEMA\s+((?-i:\"public\")|public)\s": "feature not supported on system entity",
    r"\s*(GRANT|REVOKE)\b.*\bON\s+DATABASE\b": "unsupported object type in GRANT",
    r"\s*DROP\s+OWNED\b": "DROP OWNED is not supported",
}


def translated(message: bytes) -> bytes:
    """A client's message with ``AWS IAM GRANT`` and ``AWS IAM REVOKE`` as PostgreSQL understands them."""
    return _IAM_STATEMENT.sub(_in_sql, message)


def refusal(proxy: Any, statement: str) -> Any:
    """The error of ministack's *proxy* for a statement about roles that DSQL refuses; None for any other."""
    for pattern, text in _REFUSED.items():
        if re.match(pattern, statement, re.IGNORECASE | re.DOTALL):
            return proxy.DsqlError("0A000", text)
    return None


def _in_sql(found: re.Match[bytes]) -> bytes:
    procedure, role = (b"iam_grant", found["granted"]) if found["granted"] else (b"iam_revoke", found["revoked"])
    return found["before"] + b"CALL sys.%b('%b', '%b')" % (procedure, role.replace(b"'", b"''"), found["arn"])
