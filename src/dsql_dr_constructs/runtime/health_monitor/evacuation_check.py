"""Whether somebody declared a Region evacuated, as the SSM parameters in both Regions say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from ..evacuation import Declaration, newest
from ..parameter_registry import evacuation_path
from .asking import Ask, NotFound, kept, result
from .retries import MonitorError, NotAllowedYet, Tries, Unreachable
from .settings import Settings

Versions = Sequence[Mapping[str, Any]]
"""Entries of GetParameterHistory's answer."""

_PAGE = 50
"""The most that SSM returns at once, of 100 versions that it keeps.

Source: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameterHistory.html
"""


@dataclass(frozen=True)
class Evacuation:
    """What is declared.

    Args:
        metrics: 1 for the evacuated Region, and 0 for one that is not.
        declaration: That of the evacuated Region. None: no Region is.
    """

    metrics: Mapping[str, float]
    declaration: Declaration | None

    def to_json(self) -> dict[str, str | None] | None:
        """As in docs/monitor-answer.schema.json."""
        return self.declaration.to_json() if self.declaration else None


class EvacuationCheck:
    """Reads the declarations in both Regions, since either may be the one that is down, and remembers them.

    Args:
        settings: The pair.
        client: Gives the client of a service in a Region; asked before any thread starts.
    """

    def __init__(self, settings: Settings, client: Callable[[str, str], Any]) -> None:
        self._name = evacuation_path(settings.deployment)
        self._ssm = {region: client("ssm", region) for region in settings.evacuation_regions}
        self._known: dict[str, Versions] = {}

    def read(self, region: str, ask: Ask, tries: Tries) -> Versions | str:
        """All versions in *region*, of which there are none before it is deployed; a text if SSM does not answer.

        Raises:
            MonitorError: reading is refused, and was so for as long as a new permission takes.
        """
        what, versions, next_page = f"GetParameterHistory in {region}", list[Mapping[str, Any]](), dict[str, str]()
        while True:
            request = {"Name": self._name, "MaxResults": _PAGE, **next_page}
            try:
                answer = tries.of(lambda: ask(what, lambda: self._ssm[region].get_parameter_history(**request)))  # noqa: B023 - called at once
            except NotFound:
                return versions
            except NotAllowedYet as reason:
                raise MonitorError(f"{what} was refused: {reason}") from reason
            except Unreachable as reason:
                return str(reason)
            versions += answer["Parameters"]
            if not answer.get("NextToken"):
                return versions
            next_page = {"NextToken": answer["NextToken"]}

    def conclude(
        self, read: Mapping[str, Future[Versions | str]], late: str, errors: list[MonitorError]
    ) -> Evacuation | None:
        """What the newest declaration says; of a Region that does not answer, what was read there last counts.

        None if no Region has ever answered: then the metric is not put, and users leave a Region that may serve. So it
        is an error of each run in which none answers, which is notified, also while what was read is still known.

        Args:
            read: By Region.
            late: The reason where there is no answer yet.
            errors: Takes what went wrong.
        """
        unanswered = []
        for region, question in read.items():
            what = f"The check of evacuations in {region}"
            with kept(errors, what):
                found = result(what, question, late)
                if isinstance(found, str):
                    unanswered.append(f"{region}: {found}")
                else:
                    self._known[region] = found
        with kept(errors, "The check of evacuations"):
            if len(unanswered) == len(self._ssm):
                reasons = "; ".join(unanswered)
                raise MonitorError(f"Evacuations could not be read, since no Region's SSM answers: {reasons}")
        if not self._known:
            return None
        declaration = newest((version for versions in self._known.values() for version in versions), self._ssm)
        evacuated = declaration.region if declaration else None
        metrics = {region: float(region == evacuated) for region in self._ssm}
        return Evacuation(metrics, declaration if evacuated else None)
