"""What the database has: the role, its mappings and privileges, and what is in the schemas. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ..database_session import NoConnectionError, SqlError
from .privileges import FUTURE_KINDS, Target, both

Run = Callable[..., list[list[Any]]]
"""As `DatabaseSession.run`."""

_ROLE = "SELECT oid, rolcanlogin FROM pg_roles WHERE rolname = :role"
_MAPPINGS = "SELECT arn FROM sys.iam_pg_role_mappings WHERE pg_role_name = :role"
_ADMINISTRATOR = """
SELECT current_user, r.rolname FROM pg_roles me
LEFT JOIN pg_auth_members m ON m.member = me.oid AND m.inherit_option
LEFT JOIN pg_roles r ON r.oid = m.roleid
WHERE me.rolname = current_user
"""
_SCHEMA = """
SELECT COALESCE(o.rolname, '') FROM pg_namespace n LEFT JOIN pg_roles o ON o.oid = n.nspowner WHERE n.nspname = :schema
"""
_RELATIONS = """
SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.relname, o.rolname, c.relkind IN ('v', 'm')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles o ON o.oid = c.relowner
WHERE n.nspname = :schema AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
"""
_MAY_CREATE = """
SELECT o.rolname FROM pg_namespace n CROSS JOIN LATERAL aclexplode(n.nspacl) a JOIN pg_roles o ON o.oid = a.grantee
WHERE n.nspname = :schema AND a.privilege_type = 'CREATE' AND o.rolcanlogin
"""
_ON_SCHEMAS = """
SELECT 'SCHEMA', n.nspname, '', o.rolname, a.privilege_type
FROM pg_namespace n JOIN pg_roles o ON o.oid = n.nspowner CROSS JOIN LATERAL aclexplode(n.nspacl) a
WHERE a.grantee = :oid AND n.nspowner <> :oid
"""
_ON_RELATIONS = """
SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, n.nspname, c.relname, o.rolname, a.privilege_type
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles o ON o.oid = c.relowner
CROSS JOIN LATERAL aclexplode(c.relacl) a
WHERE a.grantee = :oid AND c.relowner <> :oid
"""
_ON_COLUMNS = """
SELECT 'TABLE', n.nspname, c.relname, o.rolname, a.privilege_type
FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles o ON o.oid = c.relowner
CROSS JOIN LATERAL aclexplode(t.attacl) a
WHERE a.grantee = :oid AND c.relowner <> :oid
"""
_ON_ROUTINES = """
SELECT 'ROUTINE', '', CAST(CAST(p.oid AS regprocedure) AS text), o.rolname, a.privilege_type
FROM pg_proc p JOIN pg_roles o ON o.oid = p.proowner CROSS JOIN LATERAL aclexplode(p.proacl) a
WHERE a.grantee = :oid AND p.proowner <> :oid
"""
_ON_FUTURE = """
SELECT d.defaclobjtype, COALESCE(n.nspname, ''), CASE o.rolname WHEN current_user THEN '' ELSE o.rolname END, '',
    a.privilege_type, COALESCE(g.rolname, '')
FROM pg_default_acl d JOIN pg_roles o ON o.oid = d.defaclrole LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
CROSS JOIN LATERAL aclexplode(d.defaclacl) a LEFT JOIN pg_roles g ON g.oid = a.grantee
WHERE a.grantee <> d.defaclrole AND
"""
_OWNED = """
SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relowner = :oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspowner = :oid
ORDER BY 1 LIMIT 20
"""
_OWNED_ROUTINES = (
    "SELECT CAST(CAST(oid AS regprocedure) AS text) FROM pg_proc WHERE proowner = :oid ORDER BY 1 LIMIT 20"
)


@dataclass(frozen=True)
class Catalog:
    """One reading.

    Args:
        administrator: Whom the function logs in as.
        inherited: Roles whose rights the administrator has.
        oid: The role's. None: there is no such role.
        can_login: Whether it has LOGIN.
        mappings: ARNs of the IAM roles that may log in as it.
        grants: Its privileges on what it does not own, but for columns and routines.
        present: Those of the schemas asked about that exist, and their tables, views and sequences.
        creators: Each schema with each other role that may create in it, or did, and with the administrator as empty.
    """

    administrator: str
    inherited: frozenset[str]
    oid: int | None
    can_login: bool
    mappings: frozenset[str]
    grants: dict[Target, frozenset[str]]
    present: tuple[Target, ...]
    creators: frozenset[tuple[str, str]]

    @property
    def schemas(self) -> frozenset[str]:
        """Those that exist."""
        return frozenset(one.schema for one in self.present if one.kind == "SCHEMA")

    @classmethod
    def read(cls, run: Run, role: str, schemas: Iterable[str]) -> Catalog:
        """What there is now about *role*, and in *schemas*."""
        administrator = run(_ADMINISTRATOR)
        name = str(administrator[0][0])
        oid, can_login = next(iter(run(_ROLE, role=role)), (None, False))
        grants: dict[Target, frozenset[str]] = {}
        if oid is not None:
            for query in (_ON_SCHEMAS, _ON_RELATIONS):
                grants = both(grants, _grants(run(query, oid=oid)))
            grants = both(grants, _grants(run(f"{_ON_FUTURE} a.grantee = :oid", oid=oid)))
        present, creators = list[Target](), set[tuple[str, str]]()
        for schema in sorted(schemas):
            present += [Target("SCHEMA", schema, owner=owner) for (owner,) in run(_SCHEMA, schema=schema)]
            found = [Target(kind, schema, *rest) for kind, *rest in run(_RELATIONS, schema=schema)]
            present += found
            others = {one for (one,) in run(_MAY_CREATE, schema=schema)} | {one.owner for one in found}
            creators |= {(schema, one) for one in others - {name} | {""}}
        return cls(
            administrator=name,
            inherited=frozenset(one for _, one in administrator if one),
            oid=oid,
            can_login=bool(can_login),
            mappings=frozenset(one for (one,) in run(_MAPPINGS, role=role)),
            grants=grants,
            present=tuple(present),
            creators=frozenset(creators),
        )


def owned(run: Run, oid: int) -> list[str]:
    """What the role with *oid* owns; 20 relations and schemas at most, and 20 routines."""
    routines = _about_routines(run, _OWNED_ROUTINES, oid)
    return [str(one) for (one,) in run(_OWNED, oid=oid)] + [f"routine {one}" for (one,) in routines]


def other_grants(run: Run, oid: int) -> dict[Target, frozenset[str]]:
    """Its privileges on columns, which go with the table's, and on routines."""
    return both(_grants(run(_ON_COLUMNS, oid=oid)), _grants(_about_routines(run, _ON_ROUTINES, oid)))


def grants_on_its_future_objects(run: Run, oid: int) -> list[tuple[Target, frozenset[str], str]]:
    """What others, or everybody (empty), get on what it creates."""
    rows = run(f"{_ON_FUTURE} d.defaclrole = :oid", oid=oid)
    return [
        (target, granted, grantee)
        for grantee in sorted({row[5] for row in rows})
        for target, granted in _grants([row for row in rows if row[5] == grantee]).items()
    ]


def _about_routines(run: Run, query: str, oid: int) -> list[list[Any]]:
    """Nothing, where pg_proc cannot be read: it is in DSQL's list of catalog tables that are not supported.

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/working-with-systems-tables.html
    """
    try:
        return run(query, oid=oid)
    except NoConnectionError:
        raise
    except SqlError:
        return []


def _grants(rows: list[list[Any]]) -> dict[Target, frozenset[str]]:
    grants: dict[Target, frozenset[str]] = {}
    for kind, schema, name, owner, privilege, *_ in rows:
        target = Target(FUTURE_KINDS.get(kind, kind), schema, name, owner)
        grants[target] = grants.get(target, frozenset()) | {privilege}
    return grants
