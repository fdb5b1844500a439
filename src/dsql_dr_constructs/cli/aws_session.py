"""What the commands that ask AWS have in common: the arguments that say where, and clients."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config

Client = Callable[[str, str], Any]
"""Gives the client of a service in a Region."""


class NoRegionError(Exception):
    """Nothing says which Region to ask first."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The deployment, and how AWS is asked for it."""
    parser.add_argument(
        "deployment", type=_deployment, help="name of the deployment, for example AuroraDsqlDR-production"
    )
    parser.add_argument("--region", help="one of the pair's Regions; default: as configured for the AWS CLI")
    parser.add_argument("--profile", help="profile of the AWS CLI; default: as configured for the AWS CLI")


def _deployment(given: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", given):
        raise argparse.ArgumentTypeError(
            f"{given!r} is not the name of a deployment: give letters, digits, '-' and '_', as in its stacks' names."
        )
    return given


def region_and_clients(options: argparse.Namespace) -> tuple[str, Client]:
    """The Region to ask first, and clients of the profile.

    Raises:
        NoRegionError: none is given, and none is configured.
    """
    session = boto3.Session(profile_name=options.profile, region_name=options.region)
    if not session.region_name:
        raise NoRegionError("No Region is configured: give --region one of the pair's.")
    config = Config(connect_timeout=5, read_timeout=60, retries={"total_max_attempts": 2})
    return session.region_name, lambda service, region: session.client(service, region_name=region, config=config)
