"""What has to be done, so that a role has what its askers want: nothing, where nothing differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .catalog import Catalog
from .privileges import Target, both, shared, wanted, without
from .role_ledger import RoleState
from .role_request import OWNER


@dataclass(frozen=True)
class RolePlan:
    """Only what the state says was made is taken away.

    Args:
        create_role: Whether it is missing.
        create_schemas: Schemas that are missing, and whose owner the role is to be.
        drop_schemas: Schemas that nobody asks for any more.
        map: Principals.
        unmap: Principals.
        grant: Privileges.
        revoke: Privileges.
        wanted: All privileges that it then has because somebody asks for them.
        found: Privileges that were there before default privileges that will give the same on later objects.
        acting: Roles whose rights the administrator needs for that.
        acting_still: Roles whose rights it has since a change that was cut off.
    """

    create_role: bool
    create_schemas: frozenset[str]
    drop_schemas: frozenset[str]
    map: frozenset[str]
    unmap: frozenset[str]
    grant: Mapping[Target, frozenset[str]]
    revoke: Mapping[Target, frozenset[str]]
    wanted: Mapping[Target, frozenset[str]] = field(compare=False)
    found: Mapping[Target, frozenset[str]] = field(compare=False)
    acting: frozenset[str]
    acting_still: frozenset[str]

    @classmethod
    def of(cls, state: RoleState, catalog: Catalog, role: str) -> RolePlan:
        """From what is asked for and was made, and what there is."""
        asked = {privilege for one in state.askers.values() for privilege in one.privileges}
        principals = frozenset[str]().union(*(one.principals for one in state.askers.values()))
        owned = frozenset(one.schema for one in asked if one.access == OWNER)
        there = catalog.schemas | owned
        needed = wanted((one for one in asked if one.schema in there), role, catalog.present, catalog.creators)
        grant = without(needed, catalog.grants)
        came = without(by_default(state.grants, catalog), state.found)
        revoke = shared(catalog.grants, without(both(state.grants, came), needed))
        return cls(
            create_role=bool(state.askers) and catalog.oid is None,
            create_schemas=owned - catalog.schemas,
            drop_schemas=state.schemas - owned,
            map=principals - catalog.mappings,
            unmap=(state.mappings - principals) & catalog.mappings,
            grant=grant,
            revoke=revoke,
            wanted=needed,
            found=without(shared(catalog.grants, by_default(grant, catalog)), state.grants),
            acting=needs_rights_of({**grant, **revoke}, catalog),
            acting_still=state.acting & catalog.inherited,
        )

    @property
    def is_empty(self) -> bool:
        rest = (self.create_schemas, self.drop_schemas, self.map, self.unmap, self.grant, self.revoke)
        return not (self.create_role or self.acting_still or any(rest))

    def before(self, state: RoleState) -> None:
        """What is about to be made is in the state first, so that it is taken away also if the function is cut off."""
        state.created |= self.create_role
        state.schemas |= self.create_schemas
        state.mappings |= self.map
        state.grants = both(state.grants, self.grant)
        state.found = both(state.found, self.found)
        state.acting |= self.acting

    def after(self, state: RoleState) -> None:
        """What was taken away is not in the state any more, nor what went otherwise."""
        state.schemas -= self.drop_schemas
        state.mappings -= self.unmap
        state.grants = shared(state.grants, self.wanted)
        state.acting = frozenset()


def by_default(grants: Mapping[Target, frozenset[str]], catalog: Catalog) -> dict[Target, frozenset[str]]:
    """What default privileges among *grants* gave on objects that were created after them, or would have given."""
    future = {(one.kind, one.schema, one.name or catalog.administrator): granted for one, granted in grants.items()}
    on_objects = {one: future.get((f"{one.kind}S", one.schema, one.owner)) for one in catalog.grants}
    return {one: granted for one, granted in on_objects.items() if granted}


def needs_rights_of(grants: Mapping[Target, frozenset[str]], catalog: Catalog) -> frozenset[str]:
    """Roles whose rights the administrator does not have, and needs to change *grants*."""
    return frozenset(one.acting for one in grants) - {"", catalog.administrator} - catalog.inherited
