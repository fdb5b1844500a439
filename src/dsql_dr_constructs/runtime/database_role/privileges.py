"""Which privileges an access stands for, on what the catalog has, and the SQL for them.

Every name in SQL of the database role's function is quoted here; nothing else in this folder makes SQL from names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pg8000.native import identifier, literal

from .role_request import OWNER, READ, SchemaAccess

_READ = {"TABLE": {"SELECT"}, "SEQUENCE": {"SELECT"}}
_WRITE = {"TABLE": {"SELECT", "INSERT", "UPDATE", "DELETE"}, "SEQUENCE": {"SELECT", "USAGE"}}
_FUTURE = {"TABLE": "TABLES", "SEQUENCE": "SEQUENCES"}
FUTURE_KINDS = {"r": "TABLES", "S": "SEQUENCES", "f": "FUNCTIONS", "T": "TYPES", "n": "SCHEMAS"}
"""As pg_default_acl has them, and as ALTER DEFAULT PRIVILEGES calls them."""


@dataclass(frozen=True, order=True)
class Target:
    """What a privilege is on.

    Args:
        kind: SCHEMA, TABLE (a view, too), SEQUENCE or ROUTINE; or one of `FUTURE_KINDS`.
        schema: Its schema; empty for default privileges in every schema.
        name: The object; of future objects, the role that will create them, empty for the administrator; of a routine,
            quoted, with its schema and arguments.
        owner: The object's.
        is_view: Whether it is a view.
    """

    kind: str
    schema: str
    name: str = ""
    owner: str = field(default="", compare=False)
    is_view: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        if self.is_future:
            return f"future {self.kind.lower()} of {self.name or 'admin'} in schema {self.schema or 'of any name'}"
        return f"{self.kind.lower()} {self.schema}{'.' if self.schema and self.name else ''}{self.name}"

    @property
    def is_future(self) -> bool:
        return self.kind in FUTURE_KINDS.values()

    @property
    def acting(self) -> str:
        """The role whose right it is to grant on this; empty for the administrator."""
        return self.name if self.is_future else self.owner


Grants = Mapping[Target, frozenset[str]]
"""What a role may do, by what it is on."""


def both(one: Grants, other: Grants) -> dict[Target, frozenset[str]]:
    """All of either."""
    targets = {**one, **other}  # the keys of *one* stay, with their owners
    return {target: one.get(target, frozenset()) | other.get(target, frozenset()) for target in targets}


def without(one: Grants, other: Grants) -> dict[Target, frozenset[str]]:
    """All of *one* that is not of *other*."""
    left = {target: granted - other.get(target, frozenset()) for target, granted in one.items()}
    return {target: granted for target, granted in left.items() if granted}


def shared(one: Grants, other: Grants) -> dict[Target, frozenset[str]]:
    """All of *one* that is of *other*, too."""
    return without(one, without(one, other))


def wanted(
    privileges: Iterable[SchemaAccess], role: str, present: Iterable[Target], creators: Iterable[tuple[str, str]]
) -> dict[Target, frozenset[str]]:
    """The privileges that *role* needs; what it owns needs none.

    Args:
        privileges: What is asked for.
        role: Name of the role.
        present: Schemas, tables, views and sequences that exist.
        creators: Each schema with each role that may create in it.
    """
    needed: dict[Target, frozenset[str]] = {}
    for one in privileges:
        on = dict(_READ if one.access == READ else _WRITE)
        if one.schema != "public":  # where everybody has USAGE, and Aurora DSQL refuses to grant it
            on["SCHEMA"] = {"USAGE", "CREATE"} if one.access == OWNER else {"USAGE"}
        there = [target for target in present if target.schema == one.schema]
        now = [target for target in there or [Target("SCHEMA", one.schema)] if target.owner != role]  # or it is created
        grants = [(target, _READ["TABLE"] if target.is_view else on.get(target.kind, set())) for target in now]
        later = [creator for schema, creator in creators if schema == one.schema and creator != role]
        grants += [(Target(_FUTURE[kind], one.schema, creator), on[kind]) for creator in later for kind in _FUTURE]
        for target, granted in grants:
            needed[target] = needed.get(target, frozenset()) | granted
    return {target: granted for target, granted in needed.items() if granted}


def grant(target: Target, privileges: Iterable[str], role: str) -> str:
    """SQL."""
    return _privilege("GRANT", target, privileges, f"TO {identifier(role)}")


def revoke(target: Target, privileges: Iterable[str], role: str) -> str:
    """SQL; *role* may be empty, for everybody."""
    return _privilege("REVOKE", target, privileges, f"FROM {identifier(role) if role else 'PUBLIC'}")


def _privilege(verb: str, target: Target, privileges: Iterable[str], whom: str) -> str:
    what = f"{verb} {', '.join(sorted(privileges))} ON"
    if target.is_future:
        schema = f" IN SCHEMA {identifier(target.schema)}" if target.schema else ""
        of = f" FOR ROLE {identifier(target.name)}" if target.name else ""
        return f"ALTER DEFAULT PRIVILEGES{of}{schema} {what} {target.kind} {whom}"
    if target.kind == "SCHEMA":
        return f"{what} SCHEMA {identifier(target.schema)} {whom}"
    if target.kind == "ROUTINE":
        return f"{what} ROUTINE {target.name} {whom}"
    return f"{what} {target.kind} {identifier(target.schema)}.{identifier(target.name)} {whom}"


def create_role(role: str) -> str:
    """SQL."""
    return f"CREATE ROLE {identifier(role)} WITH LOGIN"


def drop_role(role: str) -> str:
    """SQL."""
    return f"DROP ROLE {identifier(role)}"


def create_schema(schema: str) -> str:
    """SQL."""
    return f"CREATE SCHEMA {identifier(schema)}"


def drop_schema(schema: str) -> str:
    """SQL, which is refused unless the schema is empty."""
    return f"DROP SCHEMA {identifier(schema)}"


def map_principal(role: str, arn: str) -> str:
    """SQL.

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/using-database-and-iam-roles.html
    """
    return f"AWS IAM GRANT {identifier(role)} TO {literal(arn)}"


def unmap_principal(role: str, arn: str) -> str:
    """SQL."""
    return f"AWS IAM REVOKE {identifier(role)} FROM {literal(arn)}"


def act_as(owner: str) -> str:
    """SQL after which the administrator has the rights of *owner*: to create a role gives the right to do this only."""
    return f"GRANT {identifier(owner)} TO CURRENT_USER WITH INHERIT TRUE"


def stop_acting_as(owner: str) -> str:
    """SQL."""
    return f"REVOKE INHERIT OPTION FOR {identifier(owner)} FROM CURRENT_USER"
