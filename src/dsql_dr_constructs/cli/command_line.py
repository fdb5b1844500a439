"""The command ``dsql-dr``: it parses the arguments and calls one of its commands."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Final

from ..extras import MissingExtraError, require_extra

_SENT_AGAIN_AFTER: Final = 0.05
"""Seconds, in which a finalizer has ended."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Exit with 0 if everything that was asked for succeeded."""
    for one in (signal.SIGTERM, signal.SIGHUP):  # so that what was started is stopped
        if signal.getsignal(one) != signal.SIG_IGN:  # nohup
            signal.signal(one, _exit)
    try:
        require_extra("cli", "boto3", "rich", for_what="The command dsql-dr")
        with _no_lost_signal():
            succeeded = _run(arguments)
    except MissingExtraError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.stdout.write("Stopped.\n")
        sys.exit(128 + signal.SIGINT)
    sys.exit(0 if succeeded else 1)


def _exit(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


@contextmanager
def _no_lost_signal() -> Iterator[None]:
    """Send a signal again that arrived while an object was finalized, since Python ignores what is raised there.

    Clients of boto3 have finalizers: a program that made many of them lost one Ctrl-C in eleven without this.
    """
    before = sys.unraisablehook

    def send_again(ignored: sys.UnraisableHookArgs) -> None:
        error = ignored.exc_value
        if isinstance(error, KeyboardInterrupt):
            _later(signal.SIGINT)
        elif isinstance(error, SystemExit) and error.code in (128 + signal.SIGTERM, 128 + signal.SIGHUP):
            _later(signal.Signals(error.code - 128))
        else:
            before(ignored)

    sys.unraisablehook = send_again
    try:
        yield
    finally:
        sys.unraisablehook = before


def _later(number: signal.Signals) -> None:
    """Send the signal to the main thread, once this finalizer has ended."""
    again = threading.Timer(_SENT_AGAIN_AFTER, signal.pthread_kill, (threading.main_thread().ident, number))
    again.daemon = True
    again.start()


def _run(arguments: Sequence[str] | None) -> bool:
    from rich.console import Console  # of the extra, as what the commands import

    from . import backups, cost, dashboard, drill, evacuate, faults, notification_test, rehearse, restore, status

    parser = argparse.ArgumentParser(prog="dsql-dr", description="Aurora DSQL across Regions.")
    commands = parser.add_subparsers(required=True)
    for one in (rehearse, cost, dashboard, status, notification_test, drill, evacuate, faults, backups, restore):
        one.add_parser(commands)
    options = parser.parse_args(arguments)
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, emoji=False, width=200)
    succeeded: bool = options.command(options, console)
    return succeeded
