"""Evacuations: what the SSM parameter of each Region says, and which of the two holds."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Final

NOTHING_DECLARED: Final = "{}"
"""Value with which CloudFormation creates the parameter, and which it may write again with a later deployment."""

LONGEST_WHY: Final = 300
"""Characters of a reason: in JSON each may become 12, and a parameter takes 4,096.

Source: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
"""


@dataclass(frozen=True)
class Declaration:
    """What somebody declared: *region* is evacuated, or, without one, none is.

    Args:
        region: The evacuated Region. None: an evacuation was ended.
        why: The reason that was given.
        who: ARN of who wrote it, as AWS recorded it.
        when: When it was written, as AWS recorded it.
    """

    region: str | None
    why: str
    who: str
    when: datetime

    @staticmethod
    def value(region: str | None, why: str) -> str:
        """Value of the parameter for such a declaration; SSM refuses ``{{`` in values, which only *why* can have.

        Source: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
        """
        return json.dumps({"evacuated": region, "why": why}).replace("{{", "{\\u007b")

    def to_json(self) -> dict[str, str | None]:
        """As in docs/monitor-answer.schema.json; somebody else may have written a longer reason."""
        when = self.when.astimezone(timezone.utc).isoformat(timespec="seconds")
        return {"region": self.region, "who": self.who, "when": when, "why": self.why[:LONGEST_WHY]}


def newest(versions: Iterable[Mapping[str, Any]], regions: Collection[str]) -> Declaration | None:
    """The newest declaration among *versions*, entries of GetParameterHistory of one Region or of both.

    Who and when come from AWS, not from the value. What is no declaration about *regions*, such as
    `NOTHING_DECLARED`, is passed over, so that a deployment that writes the parameter again ends no evacuation.

    Source: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_ParameterHistory.html
    """
    found = [one for one in (_parsed(version, regions) for version in sorted(versions, key=order)) if one]
    return found[-1] if found else None


def order(version: Mapping[str, Any]) -> tuple[datetime, int]:
    """What sorts versions; those of one Region that AWS wrote at the same time, too."""
    return version["LastModifiedDate"], version.get("Version", 0)


def _parsed(version: Mapping[str, Any], regions: Collection[str]) -> Declaration | None:
    try:
        value = json.loads(version["Value"])
        region = value["evacuated"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if region is not None and not (isinstance(region, str) and region in regions):
        return None
    return Declaration(
        region, str(value.get("why", "")), version.get("LastModifiedUser", ""), version["LastModifiedDate"]
    )
