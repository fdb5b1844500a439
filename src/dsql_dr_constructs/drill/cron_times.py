"""When cron expressions of Amazon EventBridge Scheduler are due, and which are due too close to each other."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator, Mapping, Set
from datetime import date
from heapq import merge
from itertools import pairwise

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


def too_close(schedules: Mapping[str, str], minutes: int) -> tuple[str, str] | None:
    """Two Regions whose expressions are due less than *minutes* apart, or one Region twice, whose own one is.

    Every time is compared, until the last year that an expression can have.

    Raises:
        ValueError: EventBridge Scheduler would refuse an expression.
    """
    due = merge(*(_due(region, expression) for region, expression in schedules.items()))
    return next(((one, other) for (at, one), (later, other) in pairwise(due) if later - at < minutes), None)


def _due(region: str, expression: str) -> Iterator[tuple[int, str]]:
    """Minutes since the first day of the calendar, in order, each with *region*.

    Source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#cron-based
    """
    found = re.fullmatch(r"cron\((.*)\)", expression)
    try:
        minute, hour, days, month, weekdays, year = found[1].upper().split() if found else []
        times = [60 * one + other for one in _numbers(hour, 0, 23) for other in _numbers(minute, 0, 59)]
        months, years = _numbers(_named(month, _MONTHS), 1, 12), _numbers(year, 1970, 2199)
        weekdays = _named(weekdays, _DAYS)
        _days_of(2024, 1, days, weekdays)
    except ValueError as error:
        raise ValueError(
            f"schedules has {expression!r} for {region}: a cron expression of EventBridge Scheduler is needed, of "
            "minutes, hours, day of month, month, day of week and year, with ? for exactly one of the two days; "
            "for example 'cron(0 9 ? 1,7 TUE#2 *)'."
        ) from error
    dates = (date(y, m, day) for y in years for m in months for day in sorted(_days_of(y, m, days, weekdays)))
    return ((24 * 60 * one.toordinal() + time, region) for one in dates for time in times)


def _days_of(year: int, month: int, days: str, weekdays: str) -> Set[int]:
    """Days of this month, by the field of the days of the month, or of the week if that one is ``?``.

    Raises:
        ValueError: the field has no known form, or not exactly one of both is ``?``.
    """
    if (days == "?") == (weekdays == "?"):
        raise ValueError(days)
    first, length = monthrange(year, month)
    every = {day: (first + day) % 7 + 1 for day in range(1, length + 1)}
    working = [day for day, weekday in every.items() if 2 <= weekday <= 6]
    if days == "LW":
        return {working[-1]}
    if found := re.fullmatch(r"L(?:-(\d{1,2}))?", days):
        return {length - int(found[1] or 0)} & every.keys()
    if found := re.fullmatch(r"([1-9]|[12]\d|3[01])W", days):
        return {min(working, key=lambda day: abs(day - wanted))} if (wanted := int(found[1])) <= length else set()
    if days != "?":
        return every.keys() & set(_numbers(days, 1, 31))
    if re.fullmatch(r"[1-7]#[1-5]", weekdays):
        return {day for day in every if f"{every[day]}#{(day + 6) // 7}" == weekdays}
    if found := re.fullmatch(r"([1-7])L", weekdays):
        return {day for day in every if day + 7 > length and every[day] == int(found[1])}
    wanted_ones = _numbers("7" if weekdays == "L" else weekdays, 1, 7)
    return {day for day in every if every[day] in wanted_ones}


def _named(field: str, names: tuple[str, ...]) -> str:
    return re.sub("|".join(names), lambda name: str(names.index(name[0]) + 1), field)


def _numbers(field: str, first: int, last: int) -> list[int]:
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
    return sorted(found)
