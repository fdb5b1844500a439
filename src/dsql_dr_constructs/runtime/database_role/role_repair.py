"""Repair on demand: every role has again what its askers want, also where nothing is deployed."""

from __future__ import annotations

import json
from typing import Any

from .catalog import Run
from .role_change import run_own
from .role_convergence import RoleChanges, RoleConvergence
from .role_ledger import every_state
from .role_request import RoleError
from .serving_endpoint import ServingEndpoint


class RoleRepair:
    """Makes what was removed or changed since, and runs the askers' own statements again.

    Args:
        endpoint: Where the database is.
        seconds: The budget.
    """

    def __init__(self, endpoint: ServingEndpoint, seconds: float) -> None:
        self._endpoint = endpoint
        self._until = endpoint.surroundings.clock() + seconds
        self._changes = RoleChanges()

    def run(self) -> dict[str, Any]:
        """Whether all is done, the roles, the statements that changed something, notes, and what failed."""
        answer: dict[str, Any] = {"done": True}
        try:
            answer["roles"] = self._endpoint.run(self._repair, until=self._until)
        except RoleError as error:
            answer = {"done": False, "error": f"The repair of the database roles failed: {error}"}
        answer |= {"changed": self._changes.statements, "notes": self._changes.notes}
        print(json.dumps(answer))  # noqa: T201 - for the log
        return answer

    def _repair(self, run: Run) -> list[str]:
        states = every_state(run)
        for role, state in states.items():
            for asker, asked in sorted(state.askers.items()):
                one = RoleConvergence(run, role=role, asker=asker, changes=self._changes, time_left=self._time_left)
                one.ask(asked)
                for number, statement in enumerate(asked.statements, 1):
                    run_own(run, statement, f"statement {number} of {len(asked.statements)} of role {role!r}")
                one.ask(asked)  # for what they made
        return list(states)

    def _time_left(self) -> float:
        return self._until - self._endpoint.surroundings.clock()
