"""On demand, where nothing is deployed: every role has again what its askers want, or one of these is forgotten."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from .catalog import Run
from .role_convergence import RoleChanges, RoleConvergence
from .role_ledger import RoleState, every_state
from .role_request import RoleError
from .serving_endpoint import ServingEndpoint


class RoleRepair:
    """Makes what was removed or changed since, and runs the askers' own statements again.

    Role by role, so that one that cannot be repaired keeps no other from it.

    Args:
        endpoint: Where the database is.
        seconds: The budget.
        forget: An asker, as the answer has it, that is gone without saying so. Default: none.
    """

    def __init__(self, endpoint: ServingEndpoint, seconds: float, *, forget: str | None = None) -> None:
        self._endpoint = endpoint
        self._until = endpoint.surroundings.clock() + seconds
        self._forget = forget
        self._changes = RoleChanges()

    def run(self) -> dict[str, Any]:
        """Whether all is done, the askers of each role, what was changed, run again, noted, and what failed."""
        errors: dict[str, str] = {}
        askers: dict[str, list[str]] = {}
        try:
            for role, state in self._endpoint.run(every_state, until=self._until).items():
                askers[role] = sorted({*state.askers} - {self._forget})
                try:
                    self._endpoint.run(partial(self._one, role=role, state=state), until=self._until)
                except RoleError as error:
                    errors[role] = str(error)
        except RoleError as error:
            errors["dsql_dr.database_roles"] = str(error)
        answer = {
            "done": not errors,
            "roles": askers,
            "changed": self._changes.statements,
            "run_again": self._changes.run_again,
            "notes": self._changes.notes,
        }
        answer |= {"errors": errors} if errors else {}
        print(json.dumps(answer))  # noqa: T201 - for the log
        return answer

    def _one(self, run: Run, *, role: str, state: RoleState) -> None:
        for asker, asked in sorted(state.askers.items()):
            one = RoleConvergence(run, role=role, asker=asker, changes=self._changes, time_left=self._time_left)
            if asker == self._forget:
                one.leave()
            else:
                one.ask(asked, again=True)

    def _time_left(self) -> float:
        return self._until - self._endpoint.surroundings.clock()
