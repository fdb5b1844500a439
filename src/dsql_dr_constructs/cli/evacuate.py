"""The command ``dsql-dr evacuate``: declare that a Region takes no users, or that it does again."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from ..runtime.evacuation import LONGEST_WHY, Declaration
from ..runtime.health_monitor import metric_names as names
from ..runtime.parameter_registry import evacuation_path
from . import aws_session, pair_evacuation
from .aws_session import Client
from .confirmation import NoTerminalError, confirmed
from .evacuation_target import EvacuationTarget
from .pair_evacuation import Declared, said
from .pair_status import StatusError, cluster_arns


class EvacuationError(Exception):
    """Nothing was declared, or whether it holds is not known; the text says why, and what to do."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "evacuate",
        help="declare that a Region takes no users, or that it does again",
        description="Declare one Region of a deployed pair evacuated: its Route 53 health check becomes unhealthy, so "
        "that users are sent to the other Region. With --back it takes users again. Nobody is notified, and nothing of "
        "the clusters changes. It exits with 0 if what was declared holds, and replaced no evacuation that somebody "
        "else declared at the same time.",
    )
    aws_session.add_arguments(parser)
    parser.add_argument("evacuated", metavar="REGION", type=aws_session.not_empty, help="the Region to evacuate")
    parser.add_argument("--why", type=_reason, help="the reason, for everybody who sees it; not needed with --back")
    parser.add_argument("--back", action="store_true", help="end the evacuation of REGION")
    parser.add_argument(
        "--force", action="store_true", help="evacuate REGION although the other one is not known to be healthy"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="print JSON; the rest goes to stderr")
    parser.set_defaults(command=evacuate)


def _reason(given: str) -> str:
    if len(aws_session.not_empty(given)) > LONGEST_WHY:
        raise argparse.ArgumentTypeError(f"the reason has {len(given)} characters: give {LONGEST_WHY} at most.")
    return given


def evacuate(options: argparse.Namespace, console: Console) -> bool:
    """Whether what was declared holds, and replaced nothing that was declared at the same time."""
    people = Console(stderr=True, highlight=False, markup=False, emoji=False) if options.json else console
    try:
        # a Region that is down must not cost minutes
        region, client = aws_session.region_and_clients(options, connect_timeout=3, read_timeout=5)
        regions = _regions(options, region, client)
        found = _Evacuation(options, regions, client, people).declare()
    except (aws_session.NoRegionError, StatusError, EvacuationError, NoTerminalError, BotoCoreError) as error:
        people.print(str(error), soft_wrap=True)
        return False
    if found and options.json:
        console.print(json.dumps(found, indent=2), soft_wrap=True)
    return bool(found and found["holds"] and not found["replaced"])


def _regions(options: argparse.Namespace, region: str, client: Client) -> list[str]:
    """Both of the pair.

    Raises:
        EvacuationError: they are not known, or something is missing on the command line.
        StatusError: they are not known.
    """
    if not (options.why or options.back):
        raise EvacuationError("A reason is missing: give --why, which everybody sees who sees the evacuation.")
    try:
        regions = [arn.split(":")[3] for arn in cluster_arns(options.deployment, region, client)]
    except StatusError as error:
        if region != options.evacuated:
            raise
        raise EvacuationError(f"{error} If {region} is down, give --region the pair's other Region.") from error
    if options.evacuated not in regions:
        raise EvacuationError(
            f"{options.deployment} has no cluster in {options.evacuated}: give one of {' and '.join(regions)}."
        )
    return regions


class _Evacuation:
    """
    Args:
        options: Of the command line.
        regions: Both of the pair.
        client: Gives the client of a service in a Region.
        console: For people.
    """

    def __init__(self, options: argparse.Namespace, regions: Sequence[str], client: Client, console: Console) -> None:
        self._deployment: str = options.deployment
        self._region: str = options.evacuated
        [self._other] = (one for one in regions if one != self._region)
        self._regions = [self._other, self._region]
        self._options = options
        self._client = client
        self._console = console
        self._target = EvacuationTarget(self._deployment, self._other, client)

    def declare(self) -> dict[str, Any] | None:
        """What holds then, as JSON; None if it was not wanted.

        Raises:
            EvacuationError: nothing was declared, or it is not known whether it holds.
            NoTerminalError: there is nobody to ask.
        """
        before = pair_evacuation.read(self._deployment, self._regions, self._client)
        self._refuse(before)
        for line in self._plan(before):
            self._say(line)
        what = f"end the evacuation of {self._region}" if self._options.back else f"evacuate {self._region}"
        if not self._options.yes and not confirmed(
            self._console, what, question="Declare it?", nothing="Nothing was declared."
        ):
            return None
        before = self._unchanged(before)
        written, problems = self._write(before)
        after = self._read_again(before, written)
        now = after.evacuation
        holds = (now.region if now else None) == (None if self._options.back else self._region)
        replaced = after.between(before, written) if holds else []
        problems += self._put(now, written)
        if now and holds:
            problems += self._target.still_evacuated(after)
        problems += [
            f"What somebody else declared at the same time is replaced, and does not hold: {said(one)}"
            for one in replaced
        ]
        for line in self._result(now, holds, problems, [one for one in self._regions if one not in written]):
            self._say(line)
        return {
            "deployment": self._deployment,
            "holds": holds,
            "replaced": [one.to_json() for one in replaced],
            "evacuation": now.to_json() if now else None,
            "written_in": list(written),
            "problems": problems,
        }

    def _unchanged(self, before: Declared) -> Declared:
        """What is declared after somebody has thought about the question.

        Raises:
            EvacuationError: something else was declared meanwhile.
        """
        if self._options.yes:
            return before
        again = pair_evacuation.read(self._deployment, self._regions, self._client)
        found = Declared(self._regions, {**before.versions, **again.versions}, again.failures)
        if found.newest != before.newest:
            now = said(found.evacuation) if found.evacuation else "No Region is evacuated."
            raise EvacuationError(
                f"Somebody else declared something while the question stood. {now} Nothing was declared: run the "
                "command again, if it is still what you want."
            )
        return found

    def _read_again(self, before: Declared, written: Mapping[str, int]) -> Declared:
        """With what AWS recorded of it, and what somebody else may have declared at the same time."""
        for pause in (0, 1, 2):  # an answer may be older than what was written
            time.sleep(pause)
            after = pair_evacuation.read(self._deployment, list(written), self._client)
            found = [one for one, versions in after.versions.items() if _has(versions, written[one])]
            if found:
                return Declared(self._regions, {**before.versions, **after.versions})
        raise EvacuationError(
            f"It was declared in {' and '.join(written)}, and whether it holds could not be read: see dsql-dr status "
            f"{self._deployment} --region {self._other}"
        )

    def _refuse(self, found: Declared) -> None:
        if not found.versions:
            failed = "".join(f" {region}: {error}" for region, error in found.failures.items())
            if failed:
                raise EvacuationError(f"Nothing was declared, since no Region's SSM parameter could be read:{failed}")
            raise EvacuationError(
                f"{self._deployment} has no SSM parameter {evacuation_path(self._deployment)}, since it has no health "
                "checks that would follow it: give MultiRegionDsqlDr failover=FailoverOptions(), and deploy it."
            )
        holds = found.evacuation
        if holds and holds.region == self._other:
            raise EvacuationError(
                f"{said(holds)} Nothing was declared of {self._region}, since no Region would be left. End that one "
                f"first: {found.end(self._deployment, self._other)}"
            )
        reasons = [] if self._options.back or self._options.force else list(self._target.doubts(found))
        if reasons:
            raise EvacuationError(
                f"{self._other}, which would take all users, is not known to be healthy. Nothing was declared: give "
                f"--force to evacuate {self._region} all the same. {' '.join(reasons)}"
            )

    def _plan(self, before: Declared) -> Iterator[str]:
        for region, error in before.failures.items():
            yield f"What {region} has of evacuations could not be read, and is replaced if this is newer: {error}"
        if before.evacuation:
            yield said(before.evacuation)
        if self._options.back:
            yield (
                f"{self._region} of {self._deployment} takes users again: as soon as its health check is healthy, "
                "Route 53 sends users to it."
            )
        else:
            yield (
                f"{self._region} of {self._deployment} takes no users: its health check becomes unhealthy, and Route "
                f"53 sends users to {self._other} only. Connections and answers of DNS that clients have stay until "
                "they end."
            )
        yield "Nobody is notified, and nothing of the clusters changes."

    def _write(self, found: Declared) -> tuple[dict[str, int], list[str]]:
        """Regions that took the declaration, with the version that it has there, and sentences about the others.

        Raises:
            EvacuationError: none took it.
        """
        region = None if self._options.back else self._region
        value = Declaration.value(region, self._options.why or "")
        failed = {one: str(error) for one, error in found.failures.items()}
        written = {}
        for one in self._regions:
            if one in failed:
                continue
            if one not in found.versions:  # made here, it would keep CloudFormation from making it
                failed[one] = "the parameter does not exist. Deploy the monitoring stack of that Region."
                continue
            try:
                ssm = self._client("ssm", one)
                name = evacuation_path(self._deployment)
                written[one] = ssm.put_parameter(Name=name, Value=value, Overwrite=True)["Version"]
            except (BotoCoreError, ClientError) as error:
                failed[one] = str(error)
        problems = [f"{one} did not take the declaration: {error}" for one, error in failed.items()]
        if not written:
            raise EvacuationError(f"Nothing was declared. {' '.join(problems)}")
        return written, problems

    def _put(self, now: Declaration | None, written: Iterable[str]) -> list[str]:
        """Puts the metric, so that Route 53 need not wait for a monitor; returns sentences of what failed.

        A Region's own monitor puts its 0 itself: to Route 53, one that does not run would look like one that does.
        """
        problems = []
        for observer in written:
            values = {one: float(bool(now and now.region == one)) for one in self._regions}
            data = [
                {
                    "MetricName": names.EVACUATED,
                    "Value": value,
                    "Unit": "None",
                    "Dimensions": [
                        {"Name": names.DEPLOYMENT, "Value": self._deployment},
                        {"Name": names.CLUSTER_REGION, "Value": region},
                        {"Name": names.OBSERVER_REGION, "Value": observer},
                    ],
                }
                for region, value in values.items()
                if value or region != observer
            ]
            try:
                self._client("cloudwatch", observer).put_metric_data(Namespace=names.NAMESPACE, MetricData=data)
            except (BotoCoreError, ClientError) as error:
                problems.append(f"PutMetricData in {observer} failed, so its monitor's next run puts it: {error}")
        return problems

    def _result(self, now: Declaration | None, holds: bool, problems: list[str], missed: list[str]) -> Iterator[str]:
        yield from problems
        if missed:
            yield "One Region is enough. Run the same command again when the other one takes it, so that both have it."
        if self._options.back and self._other in missed:
            yield (
                f"Until {self._other} takes it, Route 53 may see what its monitor put last, and send no users to "
                f"{self._region}: for 16 minutes at most, or for six times the schedule if that is longer."
            )
        if not holds:
            yield "Somebody else declared something at the same time, which is newer and holds:"
        yield said(now) if now else f"{self._region} takes users again, as far as it is healthy."
        if now:
            yield f"To end it: {Declared(self._regions).end(self._deployment, now.region)}"

    def _say(self, line: str) -> None:
        self._console.print(line, soft_wrap=True)


def _has(versions: Iterable[Mapping[str, Any]], number: int) -> bool:
    return any(one["Version"] == number for one in versions)
