"""One event of CloudFormation: a role is asked for, asked for differently, or not asked for any more."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..database_session import SqlError
from .catalog import Run
from .role_convergence import RoleChanges, RoleConvergence
from .role_request import RoleError, RoleRequest
from .serving_endpoint import ClustersGoneError, ServingEndpoint, may_pass

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

    The user's own statements run at Create, and all of them at Update if one changed or the role did, after its
    privileges and mappings. They need to do no harm when they are run again, since the outcome of one may not be known,
    and each has 30 s. The undo statements run when the last asker leaves; an Update that changes them runs none. One
    that is refused stops the Delete.

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
        self._statements_done = 0
        self._own_began = False

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
                self._leave(role, properties)
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
        statements = request.asked.statements
        if not is_new and list(statements) == (before.get("Statements") or []):
            statements = ()
        until = self._until - self._reserved if is_new else self._until

        def work(run: Run) -> None:
            convergence = self._convergence(run, request.role, until)
            convergence.ask(request.asked)
            if statements:
                self._run_own(run, statements)
                convergence.ask(request.asked)  # for what they made

        try:
            self._endpoint.run(work, until=until)
        except RoleError as error:
            if not is_new:
                raise
            raise RoleError(f"{error}{self._take_back(request)}") from error

    def _take_back(self, request: RoleRequest) -> str:
        """What could not be taken back, as sentences; mostly none."""
        undo = request.undo_statements if self._own_began else ()
        left = []

        def work(run: Run) -> None:
            convergence = self._convergence(run, request.role, self._until)
            if undo and convergence.is_last():
                try:
                    self._run_own(run, undo)
                except RoleError as error:
                    left.append(f" It was not undone: {error}")
            convergence.leave()

        self._statements_done = 0
        try:
            self._endpoint.run(work, until=self._until)
        except RoleError as error:
            left.append(
                f" What had been done could not be taken back: {error} The request stays in dsql_dr.database_roles, "
                "and so does the role: when it is not needed, drop it as admin, and delete its row there."
            )
        return "".join(left)

    def _leave(self, role: str, properties: Mapping[str, Any]) -> None:
        undo = (properties.get("UndoStatements") or []) if properties.get("Role") == role else []

        def work(run: Run) -> None:
            convergence = self._convergence(run, role, self._until)
            if undo and convergence.is_last():
                self._run_own(run, undo)
            convergence.leave()

        try:
            self._endpoint.run(work, until=self._until, unless_gone=True)
        except ClustersGoneError as gone:
            self._changes.note(f"Nothing is left to do: {gone}.")

    def _convergence(self, run: Run, role: str, until: float) -> RoleConvergence:
        return RoleConvergence(
            run,
            role=role,
            asker=self._asker,
            changes=self._changes,
            time_left=lambda: until - self._endpoint.surroundings.clock(),
        )

    def _run_own(self, run: Callable[[str], object], statements: Sequence[str]) -> None:
        """Goes on, after a connection that ended, with the statement whose outcome is not known."""
        self._own_began = True
        while self._statements_done < len(statements):
            which = f"statement {self._statements_done + 1} of {len(statements)}"
            run_own(run, statements[self._statements_done], which)
            self._statements_done += 1
            self._changes.statements.append(which)

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


def run_own(run: Callable[[str], object], statement: str, which: str) -> None:
    """Run a statement of the user's own.

    Args:
        run: Runs one.
        statement: SQL.
        which: What it is called in the reason, which has none of its text.

    Raises:
        RoleError: the server refuses it, and would refuse it again.
        SqlError: another try may succeed.
    """
    try:
        run(statement)
    except SqlError as error:
        if may_pass(error):
            raise
        answer = str(error).replace(statement.partition("\n")[0][:100] + ": ", "", 1)
        raise RoleError(f"{which} was refused: {answer}.") from error
