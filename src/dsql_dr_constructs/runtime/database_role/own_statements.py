"""SQL of the users' own: each statement runs once for a role, and is taken back when nobody asks for it any more."""

from __future__ import annotations

from collections.abc import Callable

from ..database_session import SqlError
from .catalog import Run
from .role_ledger import RanStatement, RoleState
from .role_request import Asked, RoleError
from .serving_endpoint import may_pass


class OwnStatements:
    """Those of one role. That one is begun is saved before, so that it is taken back only then.

    Args:
        run: Of the session, as the administrator.
        state: What is asked for, and what was begun.
        save: Saves the state.
    """

    def __init__(self, run: Run, state: RoleState, save: Callable[[RoleState], None]) -> None:
        self._run = run
        self._state = state
        self._save = save

    def take_back(self, *, refused: Callable[[str], None] | None = None) -> list[str]:
        """Take back what was begun and nobody asks for, the last one first; which these were.

        Args:
            refused: Takes the reason of one that is refused, and the next one follows. Default: it is raised.

        Raises:
            RoleError: one is refused, and *refused* is not given.
        """
        unasked = [one for one in self._state.ran if one not in self._state.statements]
        for number, one in enumerate(reversed(unasked), 1):
            undo = self._state.ran[one].undo
            try:
                if undo:
                    _run_own(self._run, undo, f"undo of statement {number} of {len(unasked)}")
            except RoleError as error:
                if not refused:
                    raise
                refused(str(error))
            del self._state.ran[one]
            self._save(self._state)
        return [f"undo of {len(unasked)} statements"] * bool(unasked)

    def run_missing(self, asked: Asked, *, again: bool) -> list[str]:
        """Run what *asked* has and was not run, or all of it *again*; which these were.

        Raises:
            RoleError: one is refused.
        """
        ran = []
        for number, one in enumerate(asked.statements, 1):
            if not again and self._state.ran.get(one.sql) == RanStatement(one.undo, True):
                continue
            which = f"statement {number} of {len(asked.statements)}"
            known = self._state.ran.get(one.sql)
            self._state.ran[one.sql] = RanStatement(one.undo, False)
            if not (known and known.done and not again):  # only what takes it back is another
                self._save(self._state)
                _run_own(self._run, one.sql, which)
                ran.append(which)
            self._state.ran[one.sql] = RanStatement(one.undo, True)
            self._save(self._state)
        return ran


def _run_own(run: Run, statement: str, which: str) -> None:
    """The reason of a refusal has none of its text.

    Raises:
        RoleError: the server refuses it, and would refuse it again.
        SqlError: another try may succeed.
    """
    try:
        run(statement)
    except SqlError as error:
        if may_pass(error):
            raise
        raise RoleError(f"{which} was refused: {error.answer}.") from error
