"""Which Region of a pair is declared evacuated: the SSM parameters of both Regions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from ..physical_names import EVACUATED
from ..runtime.evacuation import Declaration, newest, order
from ..runtime.parameter_registry import evacuation_path
from .aws_session import Client

_SEEN_AFTER_THE_PERIOD: Final = timedelta(minutes=2)
"""A run of a monitor that had read the parameter before the evacuation ended, and Route 53's evaluation."""


@dataclass(frozen=True)
class Declared:
    """What was read.

    Args:
        regions: Both.
        versions: Of the parameter, by Region that has it.
        failures: Why it could not be read, by Region.
    """

    regions: Sequence[str]
    versions: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    failures: Mapping[str, Exception] = field(default_factory=dict)

    @property
    def newest(self) -> Declaration | None:
        """That holds; one without a Region has ended an evacuation."""
        return newest((version for versions in self.versions.values() for version in versions), self.regions)

    @property
    def evacuation(self) -> Declaration | None:
        """That of the Region that is evacuated now."""
        return self.newest if self.newest and self.newest.region else None

    def by_region(self) -> set[str | None]:
        """Which Region is evacuated, as each Region that was read says it alone; more than one if they differ."""
        found = [newest(versions, self.regions) for versions in self.versions.values()]
        return {one.region if one else None for one in found}

    def between(self, before: Declared, written: Mapping[str, int]) -> Sequence[Declaration]:
        """Evacuations of another Region than what holds, declared since *before* by somebody else.

        Args:
            before: What was read then.
            written: Versions that are not somebody else's, by Region.
        """
        known = {region: {one["Version"] for one in versions} for region, versions in before.versions.items()}
        new = [
            version
            for region, versions in self.versions.items()
            for version in versions
            if version["Version"] not in known.get(region, ()) and version["Version"] != written.get(region)
        ]
        found = [one for one in (newest([version], self.regions) for version in new) if one]
        holds = self.evacuation.region if self.evacuation else None
        return list({one.region: one for one in found if one.region and one.region != holds}.values())

    def seen_until(self, region: str, alarm: Mapping[str, Any], now: datetime) -> datetime | None:
        """Until when Route 53 may see an evacuation of *region* that has ended; None: it does not, or none has ended.

        Args:
            region: One of the two.
            alarm: For Route 53, on evacuations of *region*, as DescribeAlarms returns it.
            now: By AWS's clock.
        """
        every = sorted((one for versions in self.versions.values() for one in versions), key=order)
        declared = [one for one in (newest([version], self.regions) for version in every) if one]
        ends = [after.when for one, after in pairwise(declared) if one.region == region != after.region]
        # one that is OK since before the end may not have seen the evacuation yet
        if not ends or (alarm["StateValue"] == "OK" and alarm["StateUpdatedTimestamp"] > ends[-1]):
            return None
        until = ends[-1] + timedelta(seconds=alarm["Period"]) + _SEEN_AFTER_THE_PERIOD
        return until if now < until else None

    def end(self, deployment: str, region: str | None) -> str:
        """The command that ends the evacuation of *region*, by the other one, which may be the only one that works."""
        [other] = (one for one in self.regions if one != region)
        return f"dsql-dr evacuate {deployment} {region} --back --region {other}"


def read(deployment: str, regions: Sequence[str], client: Client) -> Declared:
    """What is declared of *deployment*; a Region without the parameter has neither versions nor a failure."""
    versions, failures = dict[str, list[Mapping[str, Any]]](), dict[str, Exception]()
    for region in regions:
        try:
            pages = client("ssm", region).get_paginator("get_parameter_history")
            found = [one for page in pages.paginate(Name=evacuation_path(deployment)) for one in page["Parameters"]]
        except (BotoCoreError, ClientError) as error:
            if not (isinstance(error, ClientError) and error.response["Error"]["Code"] == "ParameterNotFound"):
                failures[region] = error
            continue
        versions[region] = found
    return Declared(regions, versions, failures)


def said(one: Declaration) -> str:
    """Who, when and why; the reason is somebody's text, and stays on its line."""
    return f"{one.region} is evacuated: {one.who} declared it at {one.when:%Y-%m-%d %H:%M:%S} UTC, because {one.why!r}."


def notes(deployment: str, declared: Declared, alarms: Mapping[str, str]) -> Iterator[str]:
    """Sentences for `dsql-dr status`.

    Args:
        deployment: Name of the pair.
        declared: What was read.
        alarms: State of the pair's alarms, by Region and name.
    """
    holds = declared.evacuation
    if holds:
        yield f"{said(holds)} To end it: {declared.end(deployment, holds.region)}"
    for region, error in declared.failures.items():
        yield f"Whether a Region is evacuated could not be read in {region}: {error}"
    said_alone = declared.by_region()
    if len(said_alone) > 1:
        again = f"dsql-dr evacuate {deployment} {holds.region} --why …" if holds else ""
        again = again or declared.end(deployment, max(filter(None, said_alone)))
        yield (
            "The SSM parameters of both Regions do not say the same of evacuations. The newest declaration holds; run "
            f"it again, so that it is in both: {again}"
        )
    for one in raised(alarms):
        region, _, what = one.partition(" ")
        evacuated = what.removeprefix(EVACUATED)
        if not (holds and holds.region == evacuated):
            yield (
                f"Alarm {what} in {region} is in ALARM, and {evacuated} is not declared evacuated: an evacuation has "
                "ended minutes ago, or the monitor puts no data. Until it is OK, Route 53 sends no users to "
                f"{evacuated}."
            )


def raised(alarms: Mapping[str, str]) -> Iterable[str]:
    """Those of *alarms*, by Region and name, that take a Region out of service."""
    return [one for one, state in alarms.items() if is_of_evacuations(one) and state == "ALARM"]


def is_of_evacuations(alarm: str) -> bool:
    """*alarm* has its Region before its name."""
    return alarm.partition(" ")[2].startswith(EVACUATED)
