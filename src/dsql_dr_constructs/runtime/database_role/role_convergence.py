"""A role, its mappings and its privileges become what all its askers want together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from ..database_session import NoConnectionError, SqlError
from . import privileges as sql
from .catalog import Catalog, Run, grants_on_its_future_objects, other_grants, owned
from .own_statements import OwnStatements
from .privileges import Target, both
from .role_ledger import RanStatement, RoleLedger, RoleState, hand_schema_over
from .role_plan import RolePlan, needs_rights_of
from .role_request import OWNER, Asked, RoleError

_MOST_NAMES = 10
_NOT_SUPPORTED, _NOT_ALLOWED, _STILL_NEEDED = "0A000", "42501", "2BP01"


@dataclass
class RoleChanges:
    """What was done, for the log and for CloudFormation.

    Args:
        statements: Those that changed something, in their order.
        notes: Sentences for a person.
        run_again: Which of the users' own statements a repair ran.
    """

    statements: list[str] = field(default_factory=list)
    run_again: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)


class RoleConvergence:
    """One asker's part of one role, in one session.

    What holds, whoever deploys, and wherever a deployment is cut off:

    - A role has what all its askers want together. What one does not want any more goes if nobody else wants it.
    - Only what the function made is taken away: a role, a mapping, a schema or a privilege that was there before stays,
      also after a rollback. What is made is in the ledger before it is made.
    - The role goes with its last asker, if the function made it. It stays if it owns something, or if somebody mapped
      another IAM role to it; it belongs to whoever did that from then on. A schema that was made goes if it is empty.
    - Where nothing differs, nothing is written. Everything else can be done again, so a statement whose outcome is not
      known does no harm.

    Args:
        run: Of the session, as the administrator.
        role: Name of the role.
        asker: Who asks.
        changes: Gets what is done.
        time_left: Seconds until this gives up, at the latest.
    """

    def __init__(
        self, run: Run, *, role: str, asker: str, changes: RoleChanges, time_left: Callable[[], float]
    ) -> None:
        self._run = run
        self._role = role
        self._asker = asker
        self._changes = changes
        self._time_left = time_left
        self._ledger = RoleLedger(run, role, asker)

    def ask(self, asked: Asked, *, again: bool = False) -> None:
        """The asker wants *asked*, and nothing else.

        Args:
            asked: What it wants.
            again: Whether its own statements run again.

        Raises:
            RoleError: it cannot have that.
            HeldError: another one changes the role now.
            SqlError: a statement was refused, or there is no connection.
        """
        state = self._ledger.read()
        if state and state.askers.get(self._asker) == asked and not (again and asked.statements):
            catalog = self._catalog(state, asked)
            self._refuse(asked, catalog)
            done = {one.sql: RanStatement(one.undo, True) for one in asked.statements}
            if RolePlan.of(state, catalog, self._role).is_empty and done.items() <= state.ran.items():
                return

        def arrive(state: RoleState) -> None:
            catalog = self._catalog(state, asked)
            self._refuse(asked, catalog)
            state.askers[self._asker] = asked
            own = OwnStatements(self._run, state, self._ledger.save)
            self._changes.statements += own.take_back()
            self._converge(state, catalog)
            ran = own.run_missing(asked, again=again)
            if ran:
                self._converge(state, self._catalog(state, asked))  # for what they made
                if again:
                    self._changes.run_again += [f"role {self._role!r}: {one}" for one in ran]
                else:
                    self._changes.statements += ran
            self._ledger.save(state)
            self._ledger.release()

        self._while_held(arrive)

    def asked(self) -> Asked | None:
        """What the asker wants already."""
        state = self._ledger.read()
        return state.askers.get(self._asker) if state else None

    def leave(self, *, refused: Callable[[str], None] | None = None) -> None:
        """The asker wants nothing any more.

        Args:
            refused: As in `OwnStatements.take_back`.

        Raises:
            RoleError: something cannot be taken back.
            HeldError: another one changes the role now.
            SqlError: a statement was refused, or there is no connection.
        """
        state = self._ledger.read()
        if not state or (state.askers and self._asker not in state.askers):
            return

        def depart(state: RoleState) -> None:
            asked = state.askers.pop(self._asker, None)
            own = OwnStatements(self._run, state, self._ledger.save)
            self._changes.statements += own.take_back(refused=refused)
            catalog = self._catalog(state, asked)
            self._converge(state, catalog)
            if state.askers:
                self._ledger.save(state)
                self._ledger.release()
            else:
                if state.created and catalog.oid is not None:
                    self._drop_role(catalog.oid, state)
                elif catalog.oid is not None and asked:
                    self._changes.note(f"Role {self._role!r} stays, since it was there before.")
                self._ledger.forget()

        self._while_held(depart)

    def _while_held(self, change: Callable[[RoleState], None]) -> None:
        state = self._ledger.hold(self._time_left() + 5)
        try:
            change(state)
        except (SqlError, RoleError) as error:
            if not isinstance(error, NoConnectionError):
                with suppress(SqlError):
                    self._ledger.release()
            raise

    def _catalog(self, state: RoleState, asked: Asked | None) -> Catalog:
        known = [*state.askers.values(), *([asked] if asked else [])]
        schemas = {privilege.schema for one in known for privilege in one.privileges}
        return Catalog.read(self._run, self._role, schemas | state.schemas)

    def _refuse(self, asked: Asked, catalog: Catalog) -> None:
        if catalog.oid is not None and not catalog.can_login:
            raise RoleError(
                f"Role {self._role!r} was there before, without LOGIN, and nobody can log in as it: run ALTER ROLE … "
                "WITH LOGIN as admin, or choose another name."
            )
        owns = {one.schema for one in asked.privileges if one.access == OWNER}
        missing = {one.schema for one in asked.privileges} - owns - catalog.schemas
        if missing:
            raise RoleError(
                f"There is no schema {', '.join(map(repr, sorted(missing)))} for role {self._role!r} to use: create "
                "it, or ask for the access owner, which creates it."
            )

    def _converge(self, state: RoleState, catalog: Catalog) -> None:
        plan = RolePlan.of(state, catalog, self._role)
        plan.before(state)
        self._ledger.save(state)
        self._act_as(plan.acting, {**plan.grant, **plan.revoke})
        if plan.create_role:
            self._do(sql.create_role(self._role))
        for schema in sorted(plan.create_schemas):
            self._do(sql.create_schema(schema))
        for arn in sorted(plan.unmap):
            self._do(sql.unmap_principal(self._role, arn))
        for target, privileges in sorted(plan.revoke.items()):
            self._change_privilege(target, sql.revoke(target, privileges, self._role))
        for target, privileges in sorted(plan.grant.items()):
            self._change_privilege(target, sql.grant(target, privileges, self._role))
        for arn in sorted(plan.map):
            self._do(sql.map_principal(self._role, arn))
        for schema in sorted(plan.drop_schemas & catalog.schemas):
            if hand_schema_over(self._run, schema, of=self._role):
                continue
            self._do(
                sql.drop_schema(schema), but={_STILL_NEEDED: f"Schema {schema!r} stays, since something is in it."}
            )
        self._stop_acting_as(plan.acting | plan.acting_still)
        plan.after(state)

    def _change_privilege(self, target: Target, statement: str) -> None:
        creator = repr(target.name) if target.name else "admin"
        sentence = (
            f"This cluster refuses default privileges for what {creator} creates in schema {target.schema!r}: each "
            "time, it needs another deployment, with a change of the role, before the role may use it."
        )
        self._do(statement, but=dict.fromkeys((_NOT_SUPPORTED, _NOT_ALLOWED), sentence) if target.is_future else {})

    def _drop_role(self, oid: int, state: RoleState) -> None:
        catalog = Catalog.read(self._run, self._role, ())
        reasons = [*owned(self._run, oid), *(f"the mapping to {arn}" for arn in sorted(catalog.mappings))]
        if reasons:
            self._stays(f"it has {', '.join(reasons)}")
            return
        grants = both(catalog.grants, other_grants(self._run, oid))
        to_others = grants_on_its_future_objects(self._run, oid)
        acting = needs_rights_of(both(grants, {target: given for target, given, _ in to_others}), catalog)
        state.acting |= acting
        self._ledger.save(state)
        self._act_as(acting, grants)
        for target, privileges in sorted(grants.items()):
            self._do(sql.revoke(target, privileges, self._role))
        for target, privileges, grantee in to_others:
            self._do(sql.revoke(target, privileges, grantee))
        self._stop_acting_as(acting)
        try:
            self._do(sql.drop_role(self._role))
        except SqlError as error:
            if error.sqlstate != _STILL_NEEDED:
                raise
            self._stays(f"{error.answer}: {error.detail}")

    def _stays(self, why: str) -> None:
        self._changes.note(
            f"Role {self._role!r} stays, since {why}. It is yours from now on: when it is not needed, drop it as admin."
        )

    def _act_as(self, owners: Iterable[str], targets: Iterable[Target]) -> None:
        """The right of an administrator to give itself the rights of a role that it made, for the time of a change.

        Source: https://www.postgresql.org/docs/16/role-attributes.html (CREATEROLE)
        """
        for owner in sorted(owners):
            try:
                self._do(sql.act_as(owner))
            except SqlError as error:
                if error.sqlstate != _NOT_ALLOWED:
                    raise
                names = [str(one) for one in sorted(targets) if one.acting == owner]
                theirs = ", ".join(names[:_MOST_NAMES]) + (" and more" if len(names) > _MOST_NAMES else "")
                raise RoleError(
                    f"Admin may not use the rights of role {owner!r} ({error}), which are needed for {theirs}: grant "
                    f"the privileges to {self._role!r} as {owner!r}, or make admin a member of {owner!r}, with INHERIT."
                ) from error

    def _stop_acting_as(self, owners: Iterable[str]) -> None:
        for owner in sorted(owners):
            self._do(sql.stop_acting_as(owner))

    def _do(self, statement: str, but: Mapping[str, str] | None = None) -> None:
        """Run *statement*; an SQLSTATE of *but* is noted instead of raised."""
        try:
            self._run(statement)
        except SqlError as error:
            if error.sqlstate not in (but or {}):
                raise
            self._changes.note((but or {})[error.sqlstate or ""])
        else:
            self._changes.statements.append(statement)
