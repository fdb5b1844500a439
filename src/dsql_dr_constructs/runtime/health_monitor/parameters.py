"""Whether the SSM parameters of the pair have what GetCluster returns, since applications connect by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ..parameter_registry import COMPARED
from . import metric_names as names
from .asking import Ask, Finding
from .observation import ControlPlane
from .retries import MonitorError, NotAllowedYet, Tries, Unreachable

_LONGEST_VALUE = 100

Read = Mapping[str, Mapping[str, Any]]
"""Entries of GetParameters' answer by the parameter's name."""


def named_at(read: Read) -> Sequence[datetime]:
    """When those that name the clusters were last written: at the latest, when these became the pair's."""
    named = [one for name, one in read.items() if name.rpartition("/")[2] in ("arn", "identifier")]
    return [one["LastModifiedDate"] for one in named if "LastModifiedDate" in one]


class ParameterCheck:
    """Reads the parameters in the observer's Region, and compares.

    Args:
        clusters: Endpoint of both clusters, by ARN, as the monitor was given them.
        folders: Folder of each cluster's parameters, by ARN.
        observer: Region of the parameters.
        ssm: Client there.
    """

    def __init__(self, clusters: Mapping[str, str], folders: Mapping[str, str], observer: str, ssm: Any) -> None:
        self._clusters = clusters
        self._folders = folders
        self._observer = observer
        self._ssm = ssm

    def read(self, ask: Ask, tries: Tries) -> Read | Finding:
        """All; a finding if SSM does not answer.

        Raises:
            MonitorError: reading is refused, and was so for as long as a new permission takes.
        """
        wanted = [f"{folder}/{field}" for folder in self._folders.values() for field in COMPARED]
        what = f"GetParameters in {self._observer}"
        try:
            answer = tries.of(lambda: ask(what, lambda: self._ssm.get_parameters(Names=wanted)))
        except NotAllowedYet as reason:
            raise MonitorError(f"{what} was refused: {reason}") from reason
        except Unreachable as reason:
            return Finding(None, unanswered=(f"{what}: {reason}",))
        return {one["Name"]: one for one in answer["Parameters"]}

    def compare(self, read: Read, control_planes: Mapping[str, ControlPlane]) -> Finding:
        """*read* with what GetCluster returned, and where that did not answer, with what the monitor was given.

        A cluster that is gone is a fault already, and its parameters are no second one.
        """
        judged = {
            arn: plane
            for arn in self._folders
            if (plane := control_planes.get(arn, ControlPlane(None))).status not in names.GONE_STATUSES
        }
        found = {name: one["Value"] for name, one in read.items()}
        problems = [problem for arn, plane in judged.items() for problem in self._problems(arn, plane, found)]
        return Finding(not problems if judged else None, tuple(problems))

    def _problems(self, arn: str, plane: ControlPlane, found: Mapping[str, str]) -> list[str]:
        region, given = arn.split(":")[3], {"arn": arn, "endpoint": self._clusters[arn]}
        current = {"arn": plane.arn, "identifier": plane.identifier, "endpoint": plane.endpoint}
        problems = [
            f"the monitor was deployed with {field} {_shown(value)} of the cluster in {region}, and GetCluster returns "
            f"{_shown(current[field])}: repair the pair, then deploy the monitoring again"
            for field, value in given.items()
            if current[field] not in (None, value)
        ]
        for field in COMPARED:
            name = f"{self._folders[arn]}/{field}"
            right = current[field] or {**given, "identifier": arn.rpartition("/")[2]}[field]
            if name not in found:
                problems.append(
                    f"SSM parameter {name} in {self._observer} does not exist: it should be {_shown(right)}"
                )
            elif found[name] != right:
                problems.append(
                    f"SSM parameter {name} in {self._observer} is {_shown(found[name])}: it should be {_shown(right)}"
                )
        return problems


def _shown(value: str | None) -> str:
    """What somebody may have written on purpose: no line of its own, and not without end."""
    return repr(value)[:_LONGEST_VALUE]
