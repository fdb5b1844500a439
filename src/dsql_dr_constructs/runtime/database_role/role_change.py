"""One event of CloudFormation: a role is asked for, asked for differently, or not asked for any more."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .catalog import Run
from .role_convergence import RoleChanges, RoleConvergence
from .role_ledger import every_state
from .role_request import OWNER, Asked, RoleError, RoleRequest
from .serving_endpoint import ClustersGoneError, ServingEndpoint

_RESERVED_SHARE = 0.25
"""Of the budget, to take a first request back that failed."""
_LONGEST_NOTES = 800
"""Characters, of up to four bytes: CloudFormation takes an answer of 4,096 bytes.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
"""


class RoleChange:
    """Does what the event asks for, within the budget.

    A request that is new for its role, and fails, is taken back here: CloudFormation sends no Delete for what has never
    answered with its physical id. An Update that fails is followed by another one with the properties from before.

    The user's own statements run after the role's privileges and mappings, each once for a role, and have 30 s. They
    need to do no harm when they are run again, since the outcome of one may not be known. One that nobody asks for any
    more is taken back, and that stops the change where it is refused.

    Args:
        event: CloudFormation's.
        endpoint: Where the database is.
        seconds: The budget.
    """

    def __init__(self, event: Mapping[str, Any], *, endpoint: ServingEndpoint, seconds: float) -> None:
        self._event = event
        self._endpoint = endpoint
        self._asker = f"{event['StackId']} {event['LogicalResourceId']}"
        self._until = endpoint.surroundings.clock() + seconds
        self._reserved = seconds * _RESERVED_SHARE
        self._changes = RoleChanges()
        self._before: Asked | None = None
        self._began = False

    def run(self) -> dict[str, Any]:
        """The answer for CloudFormation: the physical id is the role's name, so that another name is another resource.

        Raises:
            RoleError: the change failed; the sentence says why, what to do, and what could not be taken back.
        """
        kind, properties = self._event["RequestType"], self._event["ResourceProperties"]
        role = str(self._event["PhysicalResourceId"] if kind == "Delete" else properties.get("Role"))
        failure = ""
        try:
            if kind == "Delete":
                self._leave(role)
            else:
                self._ask(RoleRequest.of(properties))
        except RoleError as error:
            failure = f"Database role {role!r}: {error}"
            raise RoleError(failure) from error
        finally:
            self._log(role, failure)
        notes = " ".join(self._changes.notes)
        return {"PhysicalResourceId": role, "Data": {"Role": role, "Notes": notes[:_LONGEST_NOTES]}}

    def _ask(self, request: RoleRequest) -> None:
        before: Mapping[str, Any] = self._event.get("OldResourceProperties") or {}
        is_new = before.get("Role") != request.role
        until = self._until - self._reserved if is_new else self._until

        def work(run: Run) -> None:
            convergence = self._convergence(run, request.role, until)
            if not self._began:
                self._before, self._began = convergence.asked(), True
            convergence.ask(request.asked)
            self._refresh_others(run, request, until)

        try:
            self._endpoint.run(work, until=until)
        except RoleError as error:
            if not is_new:
                raise
            raise RoleError(f"{error}{self._take_back(request)}") from error

    def _refresh_others(self, run: Run, request: RoleRequest, until: float) -> None:
        """Other roles in a schema that this one may create in: what it creates is for them, too."""
        owned = {one.schema for one in request.asked.privileges if one.access == OWNER}
        if not owned:
            return
        for role, state in every_state(run).items():
            for asker, asked in sorted(state.askers.items()):
                if role != request.role and owned & {one.schema for one in asked.privileges}:
                    self._convergence(run, role, until, asker=asker).ask(asked)

    def _take_back(self, request: RoleRequest) -> str:
        """What could not be taken back, as sentences; mostly none."""
        left = []

        def work(run: Run) -> None:
            convergence = self._convergence(run, request.role, self._until)
            if self._before:  # of a name that it had before, to which a rollback went back
                convergence.ask(self._before)
            else:
                convergence.leave(refused=lambda why: left.append(f" It was not taken back: {why}"))

        try:
            self._endpoint.run(work, until=self._until)
        except RoleError as error:
            left.append(
                f" What had been done could not be taken back: {error} The request stays in dsql_dr.database_roles, "
                "and so does the role: when it is not needed, drop it as admin, and delete its row there."
            )
        return "".join(left)

    def _leave(self, role: str) -> None:
        try:
            self._endpoint.run(
                lambda run: self._convergence(run, role, self._until).leave(), until=self._until, unless_gone=True
            )
        except ClustersGoneError as gone:
            self._changes.note(f"Nothing is left to do: {gone}.")

    def _convergence(self, run: Run, role: str, until: float, asker: str | None = None) -> RoleConvergence:
        return RoleConvergence(
            run,
            role=role,
            asker=asker or self._asker,
            changes=self._changes,
            time_left=lambda: until - self._endpoint.surroundings.clock(),
        )

    def _log(self, role: str, failure: str) -> None:
        entry = {
            "role": role,
            "request": self._event["RequestType"],
            "asker": self._asker,
            "endpoint": self._endpoint.used,
            "sessions": self._endpoint.tries,
            "changed": self._changes.statements,
            "notes": self._changes.notes,
            **({"failure": failure} if failure else {}),
        }
        print(json.dumps(entry))  # noqa: T201 - for the log
