"""What the function knows of a role from one deployment to the next: a row of a table in the database itself.

Two stacks of a pair are deployed at the same time, and one may leave while another arrives. So whoever changes a role
holds its row; a reader that finds nothing to change needs not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .catalog import Run
from .privileges import Target
from .role_request import Asked, RoleError

_PRESENT = """
SELECT c.oid, n.nspowner = me.oid AND COALESCE(c.relowner, me.oid) = me.oid
FROM pg_roles me, pg_namespace n
LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'database_roles'
WHERE n.nspname = 'dsql_dr' AND me.rolname = current_user
"""
_SCHEMA = "CREATE SCHEMA IF NOT EXISTS dsql_dr"
_TABLE = """
CREATE TABLE IF NOT EXISTS dsql_dr.database_roles
(role text PRIMARY KEY, state text NOT NULL, held_by text NOT NULL, held_until timestamptz NOT NULL)
"""
_READ = "SELECT state FROM dsql_dr.database_roles WHERE role = :role"
_ALL = "SELECT role, state FROM dsql_dr.database_roles ORDER BY role"
_HOLD = """
INSERT INTO dsql_dr.database_roles AS one (role, state, held_by, held_until)
VALUES (:role, '{}', :asker, now() + CAST(:seconds AS double precision) * interval '1 second')
ON CONFLICT (role) DO UPDATE SET held_by = excluded.held_by, held_until = excluded.held_until
WHERE one.held_by = excluded.held_by OR one.held_until < now()
RETURNING state
"""
_SAVE = "UPDATE dsql_dr.database_roles SET state = :state WHERE role = :role AND held_by = :asker RETURNING role"
_HAND_OVER = "UPDATE dsql_dr.database_roles SET state = :new WHERE role = :role AND state = :old RETURNING role"
_RELEASE = "UPDATE dsql_dr.database_roles SET held_until = now() WHERE role = :role AND held_by = :asker"
_FORGET = "DELETE FROM dsql_dr.database_roles WHERE role = :role AND held_by = :asker"


class HeldError(Exception):
    """Another deployment is changing the role."""


class RanStatement(NamedTuple):
    """What takes it back, and whether it is known to have succeeded."""

    undo: str
    done: bool


@dataclass
class RoleState:
    """Who asks for a role, and what was made for it: only that is ever taken away.

    Args:
        askers: What each wants; by asker.
        created: Whether the role was made.
        schemas: Those that were made.
        mappings: Principals that were mapped.
        grants: What was granted.
        found: What was not, and looks as if it came by default privileges that were granted.
        acting: Roles whose rights the administrator was given for the time of a change.
        ran: Statements of the users' own that were begun, by their SQL, in their order.
    """

    askers: dict[str, Asked] = field(default_factory=dict)
    created: bool = False
    schemas: frozenset[str] = frozenset()
    mappings: frozenset[str] = frozenset()
    grants: dict[Target, frozenset[str]] = field(default_factory=dict)
    found: dict[Target, frozenset[str]] = field(default_factory=dict)
    acting: frozenset[str] = frozenset()
    ran: dict[str, RanStatement] = field(default_factory=dict)

    @property
    def statements(self) -> dict[str, str]:
        """What takes each statement back that somebody asks for, by its SQL."""
        return {one.sql: one.undo for _, asked in sorted(self.askers.items()) for one in asked.statements}

    @classmethod
    def read(cls, text: str) -> RoleState:
        stored: dict[str, Any] = json.loads(text)
        return cls(
            askers={asker: Asked.read(one) for asker, one in stored.get("askers", {}).items()},
            created=stored.get("created", False),
            schemas=frozenset(stored.get("schemas", ())),
            mappings=frozenset(stored.get("mappings", ())),
            grants=_read(stored.get("grants", ())),
            found=_read(stored.get("found", ())),
            acting=frozenset(stored.get("acting", ())),
            ran={sql: RanStatement(undo, done) for sql, undo, done in stored.get("ran", ())},
        )

    def text(self) -> str:
        """Always in the same order."""
        return json.dumps(
            {
                "askers": {asker: one.stored() for asker, one in sorted(self.askers.items())},
                "created": self.created,
                "schemas": sorted(self.schemas),
                "mappings": sorted(self.mappings),
                "grants": _stored(self.grants),
                "found": _stored(self.found),
                "acting": sorted(self.acting),
                "ran": [[sql, *one] for sql, one in self.ran.items()],
            }
        )


def every_state(run: Run) -> dict[str, RoleState]:
    """Of all roles that somebody asks for, by name.

    Raises:
        RoleError: one cannot be read.
    """
    return {role: _state(role, state) for role, state in run(_ALL)} if _is_there(run) else {}


def hand_schema_over(run: Run, schema: str, *, of: str) -> str | None:
    """Another role than *of* that somebody asks for with *schema*, which is then its to drop; None if there is none.

    Raises:
        HeldError: that one has changed since it was read.
    """
    for role, state in every_state(run).items():
        if role != of and any(one.schema == schema for asked in state.askers.values() for one in asked.privileges):
            before = state.text()
            state.schemas |= {schema}
            if not run(_HAND_OVER, role=role, old=before, new=state.text()):
                raise HeldError
            return role
    return None


def _is_there(run: Run) -> bool:
    found = run(_PRESENT)
    if found and not found[0][1]:
        raise RoleError(
            "Schema dsql_dr or its table database_roles belongs to another role than admin, so what it says cannot be "
            "trusted: rename it, or give it to admin."
        )
    return any(table for table, _ in found)


def _state(role: str, text: str) -> RoleState:
    try:
        return RoleState.read(text)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise RoleError(
            f"The row of role {role!r} in dsql_dr.database_roles cannot be read ({type(error).__name__}: {error}). "
            "Delete it as admin; the role then counts as one that was there before."
        ) from error


def _read(stored: Iterable[Any]) -> dict[Target, frozenset[str]]:
    return {Target(*target): frozenset(granted) for target, granted in stored}


def _stored(grants: Mapping[Target, frozenset[str]]) -> list[tuple[list[str], list[str]]]:
    return [([one.kind, one.schema, one.name], sorted(grants[one])) for one in sorted(grants)]


class RoleLedger:
    """One role's row.

    Args:
        run: Of a session as the administrator.
        role: Name of the role.
        asker: Who holds the row. It is the same in every try of one resource, so that a try that was cut off does not
            keep the next one out.
    """

    def __init__(self, run: Run, role: str, asker: str) -> None:
        self._run = run
        self._row = {"role": role, "asker": asker}

    def read(self) -> RoleState | None:
        """Without holding it; None where nobody asks for the role.

        Raises:
            RoleError: it cannot be read, or is not the administrator's.
        """
        if not _is_there(self._run):
            return None
        role = self._row["role"]
        return next((_state(role, state) for (state,) in self._run(_READ, role=role)), None)

    def hold(self, seconds: float) -> RoleState:
        """For as long as *seconds*, or until `release` or `forget`.

        Raises:
            HeldError: another one holds it.
        """
        if not _is_there(self._run):
            self._run(_SCHEMA)
            self._run(_TABLE)
        for (state,) in self._run(_HOLD, **self._row, seconds=seconds):
            return _state(self._row["role"], state)
        raise HeldError

    def save(self, state: RoleState) -> None:
        """
        Raises:
            HeldError: it is not held any more.
        """
        if not self._run(_SAVE, **self._row, state=state.text()):
            raise HeldError

    def release(self) -> None:
        """Let others change the role."""
        self._run(_RELEASE, **self._row)

    def forget(self) -> None:
        """Delete the row: nobody asks for the role."""
        self._run(_FORGET, **self._row)
