"""The command ``dsql-dr``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from rich.console import Console

from ..emulator.aws_emulator import AwsEmulator, node
from . import cost, dashboard_picture, status, status_tables, survey
from .browser import BrowserError
from .cdk_cli import CdkCli, CdkError
from .prices import AS_OF, BY_REGION
from .rehearse import Rehearsal, stacks

_DRILL_TIME_SCALE = 1 / 30
"""Nobody waits six minutes for the page of a drill."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Exit with 0 if everything that was asked for came true."""
    options = _parser().parse_args(arguments)
    os.environ.setdefault("JSII_NODE", node())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that what was started is stopped
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, emoji=False, width=200)
    try:
        sys.exit(0 if options.command(options, console) else 1)
    except KeyboardInterrupt:
        console.print("Stopped.")
        sys.exit(128 + signal.SIGINT)


def rehearse(options: argparse.Namespace, console: Console) -> bool:
    """The command ``dsql-dr rehearse``."""
    with AwsEmulator(regions=["us-east-1"], time_scale=_DRILL_TIME_SCALE if options.drill else 1.0) as aws:
        rehearsal = Rehearsal(aws, options.folder.resolve(), app=options.app, console=console)
        try:
            rehearsal.deploy()
            rehearsal.show()
            if options.keep:
                _keep(aws, console)
                return True
            drilled = rehearsal.drill() if options.drill else True
            healed = rehearsal.heal() if options.heal else True
            return rehearsal.destroy() and drilled and healed
        except CdkError as error:
            reasons = survey.failures(aws)
            console.print("Failed. What CloudFormation says:" if reasons else "Failed. What the CDK CLI says:")
            for line in reasons or _without_trace(str(error)):
                console.print(f"  {line}", soft_wrap=True)
            return False


def estimate(options: argparse.Namespace, console: Console) -> bool:
    """The command ``dsql-dr cost``."""
    synthesized = _synthesized(options, console)
    if synthesized is None:
        return False
    prices = BY_REGION[options.region]
    lines = cost.monitoring((template for _, template in synthesized), prices)
    notes = cost.notes(synthesized, options.region)
    if options.tx_per_second is None:
        notes.append("What Aurora DSQL bills depends on your load: give --tx-per-second.")
    else:
        load = {field.name: getattr(options, field.name) for field in fields(cost.Load)}
        lines += cost.dsql(cost.Load(**load), prices)
        notes.append(
            "Aurora DSQL's own work (statistics, indexes) and change streams are not counted; see the metric TotalDPU."
        )
    if options.json:
        console.print(cost.to_json(lines, notes, options.region), soft_wrap=True)
        return True
    console.print(cost.markdown(lines), soft_wrap=True)
    console.print(f"\nList prices of {options.region}, {AS_OF}. Notes:")
    for sentence in notes:
        console.print(f"- {sentence}", soft_wrap=True)
    return True


def draw(options: argparse.Namespace, console: Console) -> bool:
    """The command ``dsql-dr dashboard``."""
    if options.output.suffix not in (".html", ".png"):
        console.print(f"--output is {str(options.output)!r}: a file that ends with .html or .png is wanted.")
        return False
    synthesized = _synthesized(options, console)
    if synthesized is None:
        return False
    found = dashboard_picture.dashboards(synthesized)
    if not found:
        console.print("The app has no dashboard.")
        return False
    for number, (name, body) in enumerate(found.items()):
        output = options.output.with_stem(f"{options.output.stem}-{number + 1}") if number else options.output
        html = dashboard_picture.to_html(name, body)
        if output.suffix == ".html":
            output.write_text(html)
        else:
            try:
                dashboard_picture.to_png(html, output)
            except BrowserError as error:
                console.print(str(error), soft_wrap=True)
                return False
        console.print(f"{name}: {output}", soft_wrap=True)
    return True


def _synthesized(options: argparse.Namespace, console: Console) -> list[tuple[str, dict[str, Any]]] | None:
    """Region and template of each stack; None if the app could not be synthesized, which is told."""
    with AwsEmulator(regions=["us-east-1"]) as aws:  # so that the app's look-ups, if it has any, reach no account
        source = CdkCli(aws, options.folder.resolve(), app=options.app)
        try:
            source.run("synth", "--quiet")
        except CdkError as error:
            console.print("Failed. What the CDK CLI says:")
            for line in _without_trace(str(error)):
                console.print(f"  {line}", soft_wrap=True)
            return None
        return list(stacks(source.output))


def tell_status(options: argparse.Namespace, console: Console) -> bool:
    """The command ``dsql-dr status``."""
    try:
        session = boto3.Session(profile_name=options.profile, region_name=options.region)
        if not session.region_name:
            console.print("No Region is configured: give --region one of the pair's.")
            return False
        patience = Config(connect_timeout=5, read_timeout=60, retries={"total_max_attempts": 2})
        found = status.ask(
            options.deployment,
            session.region_name,
            lambda service, region: session.client(service, region_name=region, config=patience),
        )
    except (status.StatusError, BotoCoreError) as error:
        console.print(str(error), soft_wrap=True)
        return False
    if options.json:
        console.print(status.to_json(found), soft_wrap=True)
    else:
        status_tables.show(found, console)
    return found.healthy


def _keep(aws: AwsEmulator, console: Console) -> None:
    console.print("It keeps running. In another shell, for the AWS CLI, boto3 and the CDK CLI:\n")
    for name, value in aws.variables().items():
        console.print(f"export {name}={value}", soft_wrap=True)
    console.print("\nCtrl-C stops it.")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print("Stopped.")


def _without_trace(text: str) -> list[str]:
    """The lines of *text*; of a Python trace only the last, which is the error's sentence."""
    lines, in_trace = [], False
    for line in text.splitlines():
        if line.startswith("Traceback "):
            in_trace = True
        elif in_trace and line and not line[0].isspace():
            in_trace = False
        if not in_trace and line.strip():
            lines.append(line)
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dsql-dr", description="Aurora DSQL across Regions.")
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser(
        "rehearse",
        help="deploy, show and destroy an app on an embedded AWS",
        description="Deploy, show and destroy an app on an embedded AWS, with the real CDK CLI; all on this machine.",
    )
    _add_app(one, rehearse)
    one.add_argument("--heal", action="store_true", help="also take peers and registry away and repair the pair")
    one.add_argument(
        "--drill", action="store_true", help="also make one cluster unreachable, and show the verdicts and the page"
    )
    one.add_argument("--keep", action="store_true", help="leave it running until Ctrl-C, and print how to talk to it")
    two = commands.add_parser(
        "cost",
        help="what an app's monitoring costs a month",
        description="What an app's monitoring costs a month, by its templates, and what Aurora DSQL adds for a load.",
    )
    _add_app(two, estimate)
    two.add_argument(
        "--region",
        choices=BY_REGION,
        default="us-east-1",
        help=f"whose prices: {' or '.join(BY_REGION)}, the only ones known here ({AS_OF}); for a pair in other Regions "
        "take the nearer one, as an estimate; default: %(default)s",
    )
    two.add_argument("--tx-per-second", type=float, help="transactions, averaged over the month")
    for name, default, what in (
        ("--written-bytes", cost.Load.written_bytes, "a transaction's, in tables and indexes"),
        ("--read-bytes", cost.Load.read_bytes, "a transaction's, scanned"),
        ("--compute-ms", cost.Load.compute_ms, "a transaction's processing time"),
        ("--storage-gb", cost.Load.storage_gb, "size of the database"),
    ):
        two.add_argument(name, type=float, default=default, help=f"{what}; default: {default}")
    two.add_argument("--json", action="store_true", help="for programs")
    four = commands.add_parser(
        "dashboard",
        help="an app's dashboard as a picture",
        description="An app's dashboard as a picture: layout and texts of its template, with sample data.",
    )
    _add_app(four, draw)
    four.add_argument("--output", type=Path, default=Path("dashboard.html"), help=".html or .png; default: %(default)s")
    three = commands.add_parser(
        "status",
        help="how a deployed pair is",
        description="How a deployed pair is: clusters, peering, verdicts, alarms, and who is notified. It exits with 0 "
        "if the pair is healthy and somebody is notified.",
    )
    three.add_argument("deployment", help="its name, for example AuroraDsqlDR-production")
    three.add_argument("--region", help="one of the pair's; default: as the AWS CLI has it")
    three.add_argument("--profile", help="as the AWS CLI has it")
    three.add_argument("--json", action="store_true", help="for programs")
    three.set_defaults(command=tell_status)
    return parser


def _add_app(parser: argparse.ArgumentParser, command: Callable[[argparse.Namespace, Console], bool]) -> None:
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="the app's folder; default: this one")
    parser.add_argument("--app", help='how the app is run, for example "python app.py"; default: as in cdk.json')
    parser.set_defaults(command=command)
