"""When a rule of a backup plan is due."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from datetime import datetime, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .backup_records import invalid
from .clock import MINUTE


@dataclass(frozen=True)
class Schedule:
    """A cron expression in a time zone; AWS Backup takes no other.

    Raises:
        BackupError: it is not one, or the zone is unknown.

    Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/API_BackupRule.html
    """

    expression: str
    zone: str = "Etc/UTC"

    def __post_init__(self) -> None:
        if self._fields() is None:
            raise invalid(
                f"ScheduleExpression is {self.expression}: cron(minutes hours day-of-month month day-of-week year) is "
                "required, with ? for one of the two days."
            )
        try:
            self._zone()
        except (ZoneInfoNotFoundError, ValueError):
            raise invalid(f"ScheduleExpressionTimezone is {self.zone}, which is unknown.") from None

    def is_due(self, minute: float) -> bool:
        """Whether it is due in the minute that begins at *minute*, in seconds since the epoch."""
        begin, end = _SEARCHED.get(self, (0.0, 0.0))
        if not begin <= minute <= end:
            begin, end = minute, self._next(minute - MINUTE)
            _SEARCHED[self] = begin, end
        return minute == end

    def is_due_between(self, after: float, before: float) -> bool:
        """Whether it is due after the one time and before the other."""
        return self._next(after) < before

    def _next(self, after: float) -> float:
        """The first minute after *after* in which it is due; infinity for none."""
        found = _eventbridge()._cron_next_fire(self._fields(), datetime.fromtimestamp(after, self._zone()))
        return found.timestamp() if found else float("inf")

    def _zone(self) -> tzinfo:
        return timezone.utc if self.zone in ("Etc/UTC", "UTC") else ZoneInfo(self.zone)

    def _fields(self) -> Any:
        return _eventbridge()._parse_cron_fields(self.expression)


_SEARCHED: dict[Schedule, tuple[float, float]] = {}
"""From which minute each was searched, and when it was due, as a search every minute would take most of the time."""


def _eventbridge() -> Any:
    return importlib.import_module("ministack.services.eventbridge")
