"""The command ``dsql-dr drill``: the connections to one cluster of a pair fail for some minutes, and it is measured."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from . import aws_session, drill_clean_up, drill_template, status_tables, subscriber
from .aws_session import Client
from .confirmation import NoTerminalError, confirmed
from .drill_checks import LONGEST, Request, check, notified_topics, observing, refuse_while_running
from .drill_result import MEASURES, DrillResult, to_json
from .drill_run import DrillRun
from .drill_sources import refuse_unreadable
from .drill_times import DrillTime, duration, in_words
from .pair_status import StatusError, cluster_arns

_BROKEN_PIPE = 1
"""With it, rich ends a program whose output nobody reads any more."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "drill",
        help="let connections to one cluster of a pair fail on purpose, and measure what follows",
        description="Let connections to the pair's cluster in --region fail by AWS FIS, follow the monitors, alarms "
        "and notifications until all is as before, and measure the times. It exits with 0 if the drill passed.",
    )
    aws_session.add_arguments(parser, region="Region whose cluster is to fail")
    parser.add_argument("--duration", type=_minutes, metavar="10m", help="of the fault; default: as deployed")
    parser.add_argument("--share", type=_percent, metavar="100", help="percentage of connections; default: as deployed")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--dry-run", action="store_true", help="check everything, show the plan, and start nothing")
    instead.add_argument(
        "--clean-up", action="store_true", help="stop a killed drill's experiment, remove what it left"
    )
    parser.add_argument("--strict", action="store_true", help="refuse to start if no alarm of yours stops it")
    add_report_arguments(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask before the drill is started")
    parser.set_defaults(command=drill)


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    """What is measured, and where it is written."""
    parser.add_argument(
        "--objective",
        type=_objective,
        action="append",
        default=[],
        metavar="NAME=6m",
        help=f"the drill fails if this time is longer or was not seen; NAME is one of {', '.join(MEASURES)}",
    )
    parser.add_argument(
        "--report", type=_report, metavar="FILE.html", help="write the report there, and as JSON beside it"
    )


def _minutes(given: str) -> float:
    with suppress(ValueError):
        found = duration(given)
        if found % 60 == 0 and 60 <= found <= LONGEST:
            return found
    raise argparse.ArgumentTypeError(
        f"{given!r} is not the duration of a fault: give whole minutes from 1m to 12h, such as 10m."
    )


def _percent(given: str) -> int:
    if not (given.isdecimal() and given.isascii() and 1 <= int(given) <= 100):
        raise argparse.ArgumentTypeError(f"{given!r} is not a percentage: give a whole number from 1 to 100.")
    return int(given)


def _objective(given: str) -> tuple[str, float]:
    name, _, time = given.partition("=")
    if name in MEASURES:
        with suppress(ValueError):
            return name, duration(time)
    raise argparse.ArgumentTypeError(
        f"{given!r} is not an objective: give NAME=6m, where NAME is one of {', '.join(MEASURES)}, and the time a "
        "whole number with s, m or h."
    )


def _report(given: str) -> Path:
    path = Path(given)
    if path.suffix != ".html":
        raise argparse.ArgumentTypeError(f"{given!r} is not the name of a report: give one that ends with .html.")
    for one in _files(path):
        if one.exists() and not (one.is_file() and os.access(one, os.W_OK)):
            raise argparse.ArgumentTypeError(f"{str(one)!r} is no file, or cannot be written: give another --report.")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"The folder of the report {given!r} is not there or cannot be written.")
    return path


def _files(report: Path) -> tuple[Path, Path]:
    """The report, and the JSON beside it."""
    return report, report.with_suffix(".json")


def drill(options: argparse.Namespace, console: Console) -> bool:
    """Whether the drill passed, or what was asked for instead."""
    try:
        region, client = aws_session.region_and_clients(options)
        if options.clean_up:
            return clean_up(options.deployment, region, client, say=_said(console))
        request = Request(
            deployment=options.deployment,
            region=region,
            seconds=options.duration,
            share=options.share,
            strict=options.strict,
            objectives=objectives(options),
        )
        return run(request, client, console, report=options.report, dry_run=options.dry_run, yes=options.yes)
    except (
        aws_session.NoRegionError,
        StatusError,
        drill_template.DrillError,
        NoTerminalError,
        BotoCoreError,
        ClientError,
    ) as error:
        console.print(str(error), soft_wrap=True)
        return False


def objectives(options: argparse.Namespace) -> dict[str, float]:
    """Seconds, by the name of a measure.

    Raises:
        DrillError: a name is given twice.
    """
    found: dict[str, float] = {}
    for name, seconds in options.objective:
        if name in found:
            raise drill_template.DrillError(f"--objective names {name} twice: give one time for it.")
        found[name] = seconds
    return found


def run(
    request: Request,
    client: Client,
    console: Console,
    *,
    report: Path | None = None,
    dry_run: bool = False,
    yes: bool = False,
    time: DrillTime | None = None,
) -> bool:
    """Check, ask once, drill, report; whether it passed.

    Args:
        request: What to do.
        client: Gives clients.
        console: Where it is shown.
        report: Where the report is written, and JSON beside it. Default: nowhere.
        dry_run: Whether nothing is started.
        yes: Whether nobody is asked.
        time: The drill's clock. Default: real time.

    Raises:
        DrillError: it cannot begin.
        StatusError: the pair was not found.
        NoTerminalError: there is nobody to ask.
        KeyboardInterrupt: it was stopped; all is removed, and the report is written.
        SystemExit: the same, by a signal.
    """
    time = time or DrillTime()
    plan = check(request, client, time)
    refuse_unreadable(plan, client, time)
    for line in plan.lines():
        console.print(line, soft_wrap=True)
    overwritten = [str(one) for one in (_files(report) if report else ()) if one.exists()]
    if overwritten:
        console.print(f"Warning: {' and '.join(overwritten)} will be overwritten.", soft_wrap=True)
    if dry_run:
        console.print("All checks passed. Nothing was started.")
        return True
    if not yes and not confirmed(console, "start this drill"):
        return False
    refuse_while_running(request, plan.clusters, client)
    say = _said(console)
    one = DrillRun(plan, client, time=time, say=say)
    result = one.run()
    with _without_a_reader():
        _show(result, console)
    written = _write(result, report, say)
    if one.ended_by is not None and not isinstance(
        one.ended_by, (BotoCoreError, ClientError, drill_template.DrillError)
    ):
        raise one.ended_by
    return result.passed and written


@contextmanager
def _without_a_reader() -> Iterator[None]:
    """A drill goes on, and cleans up, where its terminal or its pipe is gone."""
    try:
        yield
    except OSError:
        pass
    except SystemExit as ended:
        if ended.code != _BROKEN_PIPE:
            raise


def _said(console: Console) -> Callable[[str], object]:
    def say(line: str) -> None:
        with _without_a_reader():
            console.print(line, soft_wrap=True)

    return say


def _show(result: DrillResult, console: Console) -> None:
    table = status_tables.table("Time", "Measured", "Objective", "")
    for one in result.measures:
        verdict = {None: "", True: "passed", False: "FAILED"}[one.passed]
        measured, objective = ("" if time is None else in_words(time) for time in (one.seconds, one.objective))
        table.add_row(one.name, measured or "not seen", objective, verdict)
    console.print(table)
    for title, sentences in (
        ("Not proven", result.not_proven),
        ("Left", result.left),
        ("Failed", result.failures),
    ):
        for sentence in sentences:
            console.print(f"{title}: {sentence}", soft_wrap=True)
    if not result.left:
        console.print("Queues, subscriptions and temporary templates of the drill are removed.")
    console.print("The drill passed: the pair is as before." if result.passed else "The drill failed.")


def _write(result: DrillResult, report: Path | None, say: Callable[[str], object]) -> bool:
    """Whether it is where it was to be."""
    if report is None:
        return True
    from . import drill_report

    page, data = _files(report)
    try:
        data.write_text(to_json(result), encoding="utf-8")
        page.write_text(drill_report.html(result), encoding="utf-8")
    except OSError as error:
        say(f"The report could not be written: {error}")
        say(to_json(result))
        return False
    say(f"Report: {page} and {data}")
    return True


def clean_up(
    deployment: str, region: str, client: Client, *, say: Callable[[str], object], time: DrillTime | None = None
) -> bool:
    """Stop experiments of *deployment*, and remove what its drills have left; whether nothing is left."""
    regions = [arn.split(":")[3] for arn in cluster_arns(deployment, region, client)]
    left = []
    for one in (one for where in regions for one in drill_clean_up.running(where, client)):
        if one.is_of(deployment):
            problem = drill_clean_up.stop(one.id, one.region, client, time or DrillTime())
            say(problem or f"Experiment {one} was stopped, and has ended.")
            left.append(problem)
    copies = list(drill_clean_up.copies(deployment, regions, client))
    topics = notified_topics(deployment, observing(deployment, region, client), client)
    queues = subscriber.leftovers(deployment, topics, client)
    found = [*map(str, copies), *map(str, queues)]
    left += [*drill_clean_up.delete_copies(copies, client), *subscriber.remove(queues, client)]
    problems = [one for one in left if one]
    say(f"Found: {', '.join(found)}." if found else "Nothing else was left.")
    for sentence in problems:
        say(sentence)
    if found and not problems:
        say("It was removed.")
    return not problems
