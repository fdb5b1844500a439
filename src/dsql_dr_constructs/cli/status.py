"""The command ``dsql-dr status``: whether a deployed pair is healthy, and who is notified of its faults."""

from __future__ import annotations

import argparse

from botocore.exceptions import BotoCoreError
from rich.console import Console

from . import aws_session, pair_status, status_tables


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "status",
        help="show whether a deployed pair is healthy",
        description="Show the clusters of a deployed pair, their peering, the verdicts of its monitors, its alarms, "
        "and who is notified. It exits with 0 if the pair is healthy and somebody is notified.",
    )
    aws_session.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=status)


def status(options: argparse.Namespace, console: Console) -> bool:
    """Whether the pair is healthy and somebody is notified."""
    try:
        # a Region that is down must not cost minutes
        asked = aws_session.region_and_clients(options, connect_timeout=3, read_timeout=10)
        found = pair_status.ask(options.deployment, *asked)
    except (aws_session.NoRegionError, pair_status.StatusError, BotoCoreError) as error:
        console.print(str(error), soft_wrap=True)
        return False
    if options.json:
        console.print(pair_status.to_json(found), soft_wrap=True)
    else:
        status_tables.show(found, console)
    return found.healthy
