"""When a cron expression of Amazon EventBridge Scheduler is due, as far as two of them can be compared."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_DAY_MINUTES = 24 * 60
_WEEKS = range(1, 6)


@dataclass(frozen=True)
class CronTimes:
    """The times of one expression.

    Args:
        expression: As given.
        times: Minutes of the day.
        days: Days of the month. None: the days of the week decide.
        months: 1 to 12.
        weekdays: Day of the week, 1 for Sunday, and which of the month it is, 1 to 5.
        years: Of the calendar.

    Source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#cron-based
    """

    expression: str
    times: frozenset[int]
    days: frozenset[int] | None
    months: frozenset[int]
    weekdays: frozenset[tuple[int, int]]
    years: frozenset[int]

    @classmethod
    def of(cls, region: str, expression: str) -> CronTimes:
        """
        Raises:
            ValueError: EventBridge Scheduler would refuse *expression*, which is given for *region*.
        """
        found = re.fullmatch(r"cron\((.*)\)", expression)
        fields = found[1].upper().split() if found else []
        try:
            minutes, hours, days, months, weekdays, years = fields
            return cls(
                expression,
                frozenset(60 * hour + minute for hour in _numbers(hours, 0, 23) for minute in _numbers(minutes, 0, 59)),
                None if days == "?" else _days(days),
                _numbers(_named(months, _MONTHS), 1, 12),
                _weekdays(_named(weekdays, _DAYS), days),
                _numbers(years, 1970, 2199),
            )
        except ValueError as error:
            raise ValueError(
                f"schedules has {expression!r} for {region}: a cron expression of EventBridge Scheduler is needed, of "
                "minutes, hours, day of month, month, day of week and year, with ? for exactly one of the two days; "
                "for example 'cron(0 9 ? 1,7 TUE#2 *)'."
            ) from error

    def meets(self, other: CronTimes, minutes: int) -> bool:
        """Whether both can be due within less than *minutes*; True where it cannot be excluded."""
        if not (self.months & other.months and self.years & other.years):
            return False
        apart = [abs(one - another) for one in self.times for another in other.times]
        if any(_DAY_MINUTES - one < minutes for one in apart):  # around midnight, so on different days
            return True
        return min(apart) < minutes and self._same_day(other)

    def _same_day(self, other: CronTimes) -> bool:
        if self.days is not None and other.days is not None:
            return bool(self.days & other.days)
        if self.days is None and other.days is None:
            return bool(self.weekdays & other.weekdays)
        return bool(self._weeks() & other._weeks())

    def _weeks(self) -> frozenset[int]:
        """Which ones of the month its days of the week can be."""
        if self.days is None:
            return frozenset(week for _, week in self.weekdays)
        return frozenset((day + 6) // 7 for day in self.days)


def _named(field: str, names: tuple[str, ...]) -> str:
    return re.sub("|".join(names), lambda name: str(names.index(name[0]) + 1), field)


def _days(field: str) -> frozenset[int]:
    """All, where the length of the month or the days of the week decide."""
    if re.fullmatch(r"L(W|-\d{1,2})?|([1-9]|[12]\d|3[01])W", field):
        return frozenset(range(1, 32))
    return _numbers(field, 1, 31)


def _weekdays(field: str, days: str) -> frozenset[tuple[int, int]]:
    """
    Raises:
        ValueError: *field* is none, or not exactly one of *days* and *field* is ``?``.
    """
    if (field == "?") == (days == "?"):
        raise ValueError(field)
    if field == "?":
        return frozenset()
    if found := re.fullmatch(r"([1-7])#([1-5])", field):
        return frozenset({(int(found[1]), int(found[2]))})
    if found := re.fullmatch(r"([1-7]?)L", field):
        last = _WEEKS[-2:] if found[1] else _WEEKS
        return frozenset((int(found[1] or 7), week) for week in last)
    return frozenset((day, week) for day in _numbers(field, 1, 7) for week in _WEEKS)


def _numbers(field: str, first: int, last: int) -> frozenset[int]:
    """
    Raises:
        ValueError: *field* has no numbers of this range.
    """
    found: set[int] = set()
    for part in field.split(","):
        match = re.fullmatch(r"(\*|\d+(?:-\d+)?)(?:/(\d+))?", part)
        if not match:
            raise ValueError(part)
        low, _, high = (f"{first}-{last}" if match[1] == "*" else match[1]).partition("-")
        end = int(high) if high else last if match[2] else int(low)
        if not first <= int(low) <= end <= last or match[2] == "0":
            raise ValueError(part)
        found.update(range(int(low), end + 1, int(match[2] or 1)))
    return frozenset(found)
