"""The command ``dsql-dr``: it parses the arguments and calls one of its commands."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence

from ..extras import MissingExtraError, require_extra


def main(arguments: Sequence[str] | None = None) -> None:
    """Exit with 0 if everything that was asked for succeeded."""
    for one in (signal.SIGTERM, signal.SIGHUP):  # so that what was started is stopped
        if signal.getsignal(one) != signal.SIG_IGN:  # nohup
            signal.signal(one, lambda number, _: sys.exit(128 + number))
    try:
        require_extra("cli", "boto3", "rich", for_what="The command dsql-dr")
        succeeded = _run(arguments)
    except MissingExtraError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.stdout.write("Stopped.\n")
        sys.exit(128 + signal.SIGINT)
    sys.exit(0 if succeeded else 1)


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
