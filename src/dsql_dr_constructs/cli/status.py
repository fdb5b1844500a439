"""The command ``dsql-dr status``: whether a deployed pair is healthy, and who is notified of its faults."""

from __future__ import annotations

import argparse
import re

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from rich.console import Console

from . import pair_status, status_tables


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "status",
        help="show whether a deployed pair is healthy",
        description="Show the clusters of a deployed pair, their peering, the verdicts of its monitors, its alarms, "
        "and who is notified. It exits with 0 if the pair is healthy and somebody is notified.",
    )
    parser.add_argument(
        "deployment", type=_deployment, help="name of the deployment, for example AuroraDsqlDR-production"
    )
    parser.add_argument("--region", help="one of the pair's Regions; default: as configured for the AWS CLI")
    parser.add_argument("--profile", help="profile of the AWS CLI; default: as configured for the AWS CLI")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=status)


def _deployment(given: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", given):
        raise argparse.ArgumentTypeError(
            f"{given!r} is not the name of a deployment: give letters, digits, '-' and '_', as in its stacks' names."
        )
    return given


def status(options: argparse.Namespace, console: Console) -> bool:
    """Whether the pair is healthy and somebody is notified."""
    try:
        session = boto3.Session(profile_name=options.profile, region_name=options.region)
        if not session.region_name:
            console.print("No Region is configured: give --region one of the pair's.")
            return False
        config = Config(connect_timeout=5, read_timeout=60, retries={"total_max_attempts": 2})
        found = pair_status.ask(
            options.deployment,
            session.region_name,
            lambda service, region: session.client(service, region_name=region, config=config),
        )
    except (pair_status.StatusError, BotoCoreError) as error:
        console.print(str(error), soft_wrap=True)
        return False
    if options.json:
        console.print(pair_status.to_json(found), soft_wrap=True)
    else:
        status_tables.show(found, console)
    return found.healthy
