"""The one question that a command asks before it changes something."""

from __future__ import annotations

import sys

from rich.console import Console


class NoTerminalError(Exception):
    """Nobody can be asked."""


def confirmed(
    console: Console, what: str, *, question: str = "Start it?", nothing: str = "Nothing was started."
) -> bool:
    """Whether a person says yes.

    Args:
        console: Where the question is shown.
        what: What ``--yes`` would do, for example ``start this restore``.
        question: Asks for it.
        nothing: What is said of a no.

    Raises:
        NoTerminalError: there is no terminal on which to ask.
    """
    if not sys.stdin.isatty():
        raise NoTerminalError(f"There is no terminal on which to ask: give --yes to {what}. {nothing}")
    try:
        answer = console.input(f"{question} [yes/no] ", markup=False)
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        console.print(nothing)
        return False
    return True
