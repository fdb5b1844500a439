"""What the commands that ask AWS have in common: the arguments that say where, and clients."""

from __future__ import annotations

import argparse
import functools
import re
from typing import Any, Final, Protocol

import boto3
from botocore.config import Config

_MONITORS_RUN: Final = 60
"""Seconds for the answer of a monitor, which waits for what does not answer it."""


class Client(Protocol):
    """Gives the client of a service in a Region."""

    def __call__(self, service: str, region: str, /, *, attempts: int = 2) -> Any:
        """*attempts*: how often a call is sent at most until it is answered."""


class NoRegionError(Exception):
    """Nothing says which Region to ask first."""


def add_arguments(parser: argparse.ArgumentParser, *, region: str = "") -> None:
    """The deployment, and how AWS is asked for it.

    Args:
        parser: Of the command.
        region: What --region is, where it has to be given. Default: one of the pair's, or the configured one.
    """
    parser.add_argument(
        "deployment", type=_deployment, help="name of the deployment, for example AuroraDsqlDR-production"
    )
    parser.add_argument(
        "--region",
        type=not_empty,
        required=bool(region),
        help=region or "one of the pair's Regions; default: as configured for the AWS CLI",
    )
    parser.add_argument(
        "--profile", type=not_empty, help="profile of the AWS CLI; default: as configured for the AWS CLI"
    )


def not_empty(given: str) -> str:
    """A variable of a script that is not set must not mean the default."""
    if not given.strip():
        raise argparse.ArgumentTypeError("the value is empty: give one, or leave the option out.")
    return given


def _deployment(given: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", given):
        raise argparse.ArgumentTypeError(
            f"{given!r} is not the name of a deployment: give letters, digits, '-' and '_', as in its stacks' names."
        )
    return given


def region_and_clients(
    options: argparse.Namespace, *, connect_timeout: float = 5, read_timeout: float = 60
) -> tuple[str, Client]:
    """The Region to ask first, and clients of the profile, each made once.

    Args:
        options: Of the command line.
        connect_timeout: Seconds for a connection to AWS.
        read_timeout: Seconds for an answer; a function has a minute at least.

    Raises:
        NoRegionError: none is given, and none is configured.
    """
    session = boto3.Session(profile_name=options.profile, region_name=options.region)
    if not session.region_name:
        raise NoRegionError("No Region is configured: give --region one of the pair's.")

    @functools.cache  # Python ignores a Ctrl-C that arrives while a client is finalized
    def client(service: str, region: str, /, *, attempts: int = 2) -> Any:
        retries = {"total_max_attempts": attempts}
        read = read_timeout if service != "lambda" else max(read_timeout, _MONITORS_RUN)
        config = Config(connect_timeout=connect_timeout, read_timeout=read, retries=retries)
        return session.client(service, region_name=region, config=config)

    return session.region_name, client
