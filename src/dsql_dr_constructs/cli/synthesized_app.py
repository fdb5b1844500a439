"""The app that a command is about: its arguments, its templates, and what to show when it fails."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add those that name the app."""
    parser.add_argument("folder", nargs="?", type=_folder, default=Path(), help="the app's folder; default: this one")
    parser.add_argument("--app", help='how the app is run, for example "python app.py"; default: as in cdk.json')


def add_postgresql_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--postgresql``, for a database behind the emulator's endpoints."""
    parser.add_argument(
        "--postgresql",
        type=_postgresql,
        metavar="FOLDER:PORT",
        help="unix socket of a PostgreSQL, version 16 or newer, that takes every role without a password, for apps "
        "with database roles or the SQL probe",
    )


def _postgresql(given: str) -> str:
    from ..emulator.private_socket import check_postgresql  # of another extra

    try:
        check_postgresql(given)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return given


def _folder(given: str) -> Path:
    if not Path(given).is_dir():
        raise argparse.ArgumentTypeError(
            f"{given!r} is not a folder: give the one that has the app, with its cdk.json."
        )
    return Path(given)


def templates(options: argparse.Namespace, console: Console) -> list[tuple[str, dict[str, Any]]] | None:
    """Region and template of each stack; None if the app could not be synthesized, and then *console* shows why."""
    from ..emulator.aws_emulator import AwsEmulator  # of another extra
    from .cdk_cli import CdkCli, CdkError

    with AwsEmulator(regions=["us-east-1"]) as aws:  # so that context lookups of the app reach no account
        try:
            source = CdkCli(aws, options.folder.resolve(), app=options.app)
            source.run("synth", "--quiet")
        except CdkError as error:
            show_failure("the CDK CLI", without_trace(str(error)), console)
            return None
        return list(stacks(source.output))


def stacks(assembly: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Region and template of each stack of a cloud assembly, its Stages included."""
    for folder, artifact in _stack_artifacts(assembly):
        template = folder / artifact["properties"]["templateFile"]
        yield artifact["environment"].rpartition("/")[2], json.loads(template.read_text())


def accounts(assembly: Path) -> Iterator[tuple[str, str]]:
    """Name and account of each stack that names an account."""
    for _, artifact in _stack_artifacts(assembly):
        account = artifact["environment"].split("/")[-2]
        if account != "unknown-account":
            yield artifact["displayName"], account


def _stack_artifacts(assembly: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    artifacts = json.loads((assembly / "manifest.json").read_text()).get("artifacts", {})
    for artifact in artifacts.values():
        if artifact["type"] == "aws:cloudformation:stack":
            yield assembly, artifact
        elif artifact["type"] == "cdk:cloud-assembly":
            yield from _stack_artifacts(assembly / artifact["properties"]["directoryName"])


def show_failure(source: str, lines: Iterable[str], console: Console) -> None:
    """Show why the app failed, in the words of *source*."""
    console.print(f"Failed. The error of {source}:")
    for line in lines:
        console.print(f"  {line}", soft_wrap=True)


def without_trace(text: str) -> list[str]:
    """The lines of *text*; of a Python traceback only the last, which is the error's sentence."""
    lines, in_trace = [], False
    for line in text.splitlines():
        if line.startswith("Traceback "):
            in_trace = True
        elif in_trace and line and not line[0].isspace():
            in_trace = False
        if not in_trace and line.strip():
            lines.append(line)
    return lines
