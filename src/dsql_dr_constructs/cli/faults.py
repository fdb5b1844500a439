"""The command ``dsql-dr faults``: what happens if, as a list, as a document, or on the local AWS emulator."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Column, Table

from . import synthesized_app
from .catalogued_fault import CataloguedFault
from .fault_catalogue import FAULTS
from .fault_outcome import Outcome

if TYPE_CHECKING:
    from .emulated_fault import EmulatedFaults


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "faults",
        help="list what happens if, or make faults on an app on the local AWS emulator",
        description="Without arguments, list the faults that the library knows, and what happens. With names or --all, "
        "deploy an app on the local AWS emulator, make these faults there one after the other, and compare verdicts "
        "and notifications with the list. It exits with 0 if no fault contradicts it. Nothing leaves this machine.",
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="faults to make; the last one can be the app's folder; default: none"
    )
    parser.add_argument("--all", action="store_true", help="make all faults, one after the other; takes an hour")
    parser.add_argument("--app", help='how the app is run, for example "python app.py"; default: as in cdk.json')
    parser.add_argument(
        "--keep-going",
        action="store_true",
        help="go on after a fault that contradicts the list, or after which the pair is not as before; then the app is "
        "deployed again",
    )
    synthesized_app.add_postgresql_argument(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="print the list as Markdown, as docs/faults.md has it")
    form.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=faults, refuse=parser.error)


def faults(options: argparse.Namespace, console: Console) -> bool:
    """Whether no fault contradicted the catalogue."""
    try:
        chosen, folder = _chosen(options)
    except ValueError as error:
        options.refuse(str(error))
    if options.markdown:
        from .fault_table import markdown

        console.file.write(markdown(FAULTS))
        return True
    if not chosen:
        _list(options, console)
        return True
    progress = Console(stderr=True, highlight=False, markup=False, width=200) if options.json else console
    outcomes = make(
        chosen,
        lambda: _deployed(options, folder, progress),
        keep_going=options.keep_going,
        say=lambda line: progress.print(line, soft_wrap=True),
    )
    if options.json:
        console.print(json.dumps([one.to_json() for one in outcomes], indent=2), soft_wrap=True)
    else:
        console.print(_outcomes(outcomes))
    return len(outcomes) == len(chosen) and all(one.passed for one in outcomes)


def _chosen(options: argparse.Namespace) -> tuple[list[CataloguedFault], Path]:
    """
    Raises:
        ValueError: a name is neither that of a fault nor, as the last one, of a folder.
    """
    by_name = {one.name: one for one in FAULTS}
    names: list[str] = options.names
    given = [one for one in names if one in by_name]
    rest = [one for one in names if one not in by_name]
    if len(rest) > 1 or (rest and (rest[0] != names[-1] or not Path(rest[0]).is_dir())):
        raise ValueError(f"{rest[0]!r} is neither a fault nor a folder: dsql-dr faults lists the faults.")
    if rest and not given and not options.all:
        raise ValueError(f"No fault is given for the app in {rest[0]!r}: name some, or give --all.")
    chosen = list(FAULTS) if options.all else [by_name[one] for one in dict.fromkeys(given)]
    return chosen, Path(*rest)


def _list(options: argparse.Namespace, console: Console) -> None:
    if options.json:
        fields = ("name", "group", "title", "only_simulated")
        console.print(json.dumps([{one: getattr(fault, one) for one in fields} for fault in FAULTS], indent=2))
        return
    table = _table("What happens if …", "Name", "Group", "What happens if …", "Notified")
    for fault in FAULTS:
        notified = ", ".join(f"{kind} by the {role}" for kind, role in fault.expected.notified) or "nobody"
        table.add_row(fault.name, fault.group, fault.title, notified)
    console.print(table)
    for fault in FAULTS:
        if fault.only_simulated:
            console.print(f"{fault.name} is not made on the emulator: {fault.only_simulated}", soft_wrap=True)


def make(
    chosen: Sequence[CataloguedFault],
    deployed: Callable[[], AbstractContextManager[EmulatedFaults | None]],
    *,
    keep_going: bool,
    say: Callable[[str], object],
) -> list[Outcome]:
    """What came of each, one after the other; fewer if it could not go on, and then *say* was given the reason.

    Args:
        chosen: The faults.
        deployed: Deploys the app, again after a fault that has spoiled it. None: it cannot be deployed.
        keep_going: Whether to go on after a fault that contradicts the catalogue, or has spoiled the pair.
        say: Takes a line on what happens.
    """
    outcomes: list[Outcome] = []
    while len(outcomes) < len(chosen):
        with deployed() as pair:
            if pair is None:
                return outcomes
            if pair.wait_until_ok() is None:
                say(f"Before any fault, not every alarm that notifies is OK: {', '.join(pair.not_ok())}.")
                return outcomes
            for fault in chosen[len(outcomes) :]:
                outcome, spoiled = _made(pair, fault, say)
                outcomes.append(outcome)
                if (spoiled or not outcome.passed) and not keep_going:
                    return outcomes
                if spoiled:
                    break
    return outcomes


def _made(pair: EmulatedFaults, fault: CataloguedFault, say: Callable[[str], object]) -> tuple[Outcome, list[str]]:
    """And sentences: what is not as before."""
    if reason := pair.missing(fault):
        return Outcome(name=fault.name, result="skipped", reasons=[reason]), []
    say(f"{fault.name}: what happens if {fault.title} ...")
    outcome, spoiled = pair.run(fault)
    for line in (f"{fault.name}: {outcome.result}", *outcome.reasons):
        say(line)
    if spoiled:
        say("The pair is not as before, so the app has to be deployed again:")
    for line in spoiled:
        say(line)
    return outcome, spoiled


@contextmanager
def _deployed(options: argparse.Namespace, folder: Path, console: Console) -> Iterator[EmulatedFaults | None]:
    from ..emulator.aws_emulator import AwsEmulator  # of another extra, as what the next ones import
    from . import survey
    from .cdk_cli import CdkError
    from .deployed_pair import NotReadyError
    from .emulated_app import EmulatedApp
    from .emulated_fault import TIME_SCALE, EmulatedFaults
    from .pair_status import StatusError

    with AwsEmulator(regions=["us-east-1"], time_scale=TIME_SCALE, postgresql=options.postgresql) as aws:
        try:
            EmulatedApp(aws, folder.resolve(), app=options.app, console=console).deploy()
            pair = EmulatedFaults(aws)
        except CdkError as error:
            reasons = survey.failures(aws) or synthesized_app.without_trace(str(error))
            synthesized_app.show_failure("the deployment", reasons, console)
            yield None
        except (NotReadyError, StatusError) as error:
            console.print(str(error), soft_wrap=True)
            yield None
        else:
            with pair:
                yield pair


def _outcomes(outcomes: Sequence[Outcome]) -> Table:
    table = _table("Faults on the local AWS emulator", "Fault", "Verdicts", "Notified after minutes", "OK", "Result")
    for one in outcomes:
        seen = one.seen
        verdicts = [f"{role}: {verdict or 'none'}" for role, verdict in (seen.verdicts if seen else {}).items()]
        notified = [
            f"{notification.kind} by the {notification.observer}: {notification.minutes:.1f}"
            for notification in (seen.during if seen else ())
            if notification.state == "ALARM"
        ]
        recovered = "" if not seen else "not seen" if seen.recovered is None else f"after {seen.recovered:.1f} minutes"
        nobody = "nobody" if seen else ""
        result = " ".join([f"{one.result}.".capitalize(), *one.reasons])
        table.add_row(one.name, "\n".join(verdicts), "\n".join(notified) or nobody, recovered, result)
    return table


def _table(title: str, *columns: str) -> Table:
    return Table(*(Column(column, overflow="fold") for column in columns), title=title)
