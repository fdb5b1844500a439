"""What came of a fault of the catalogue, compared with what the catalogue says and the app's options allow."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ..physical_names import NOTIFICATIONS_BROKEN, RECOVERY_POINT_AGE
from ..runtime.health_monitor import metric_names as names
from ..runtime.health_monitor.settings import STALE_HOURS
from .catalogued_fault import OBSERVERS, CataloguedFault

Result = Literal["as the catalogue says", "as the app's options allow", "different", "skipped"]

DEFAULT_SCHEDULE = 2.0
"""Minutes between two runs of a monitor for which the catalogue's times are."""

TOLERANCE = 2
"""Runs by which a notification may be late: schedules and alarms of the local AWS emulator do not keep exact time."""


@dataclass(frozen=True, kw_only=True)
class Notified:
    """A notification as a subscriber receives it.

    Args:
        kind: Of the alarm, with roles for the Regions in it.
        observer: Role of the Region that notifies, or its name if it has no cluster.
        state: That the alarm went into.
        minutes: Since the fault began, or ended.
    """

    kind: str
    observer: str
    state: str
    minutes: float


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a fault did.

    Args:
        verdicts: Of the last run on schedule of each monitor while the fault lasted, by the observer's role. None:
            that run failed, or there was none. Empty: it did not last long enough for one.
        during: Notifications while it lasted.
        after: Notifications from its end until all alarms that notify were OK again.
        recovered: Minutes from its end until then. None: that was not seen.
    """

    verdicts: Mapping[str, str | None]
    during: Sequence[Notified]
    after: Sequence[Notified]
    recovered: float | None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One fault's row.

    Args:
        name: Of the fault.
        result: How it compares.
        seen: What it did. None: it was not made.
        reasons: Sentences: what differs from the catalogue, and why where that is known.
    """

    name: str
    result: Result
    seen: Seen | None = None
    reasons: Sequence[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether nothing contradicts the catalogue."""
        return self.result != "different"

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)


Alarms = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""As CloudWatch describes each before the fault, by the observer's role and its kind with roles in it."""


def compare(fault: CataloguedFault, seen: Seen, alarms: Alarms, topics: Mapping[str, str], schedule: float) -> Outcome:
    """
    Args:
        fault: As the catalogue has it.
        seen: What it did.
        alarms: Those that the app has.
        topics: ARN of the topic for faults, by the observer's role.
        schedule: Minutes between two runs of a monitor in the app.
    """
    comparison = _Comparison(fault, seen, alarms, topics, schedule)
    wrong, allowed = list(comparison.wrong()), list(comparison.allowed)
    result: Result = "different" if wrong else "as the app's options allow" if allowed else "as the catalogue says"
    return Outcome(name=fault.name, result=result, seen=seen, reasons=[*wrong, *allowed])


def longest_wait(fault: CataloguedFault, alarms: Alarms, schedule: float) -> float:
    """Minutes from the fault's beginning after which a notification that the catalogue has comes too late."""
    slowest = max((_evaluated_minutes(alarms, *one) for one in fault.expected.notified), default=0.0)
    scaled = fault.expected.within * max(1.0, schedule / DEFAULT_SCHEDULE)
    return max(scaled, slowest) + TOLERANCE * schedule


class _Comparison:
    def __init__(
        self, fault: CataloguedFault, seen: Seen, alarms: Alarms, topics: Mapping[str, str], schedule: float
    ) -> None:
        self._fault, self._seen = fault, seen
        self._alarms, self._topics = alarms, topics
        self._schedule = schedule
        self.allowed: list[str] = []
        """Sentences: what is different since the app's options are."""

    def wrong(self) -> Iterator[str]:
        """Sentences: what contradicts the catalogue. Fills `allowed` on the way."""
        yield from self._verdicts()
        expected = [one for one in self._fault.expected.notified if self._can_notify(*one)]
        warnings = [one for one in self._fault.expected.warnings if self._notifies(*one)]
        yield from self._alarm_notifications(expected, warnings)
        yield from self._ok_notifications()
        if self._seen.recovered is None:
            yield "After its end, not every alarm that notifies went back to OK."

    def _verdicts(self) -> Iterator[str]:
        for role, expected in self._fault.expected.verdicts.items():
            if role not in self._alarms:
                self.allowed.append(f"The {role} Region has no monitor, so there is no verdict.")
            elif role in self._seen.verdicts and not _is_verdict(found := self._seen.verdicts[role], expected):
                sentence = f"The verdict in the {role} Region is {found or 'none'}, not {expected or 'none'}."
                if expected == names.NOTIFICATIONS_BROKEN and NOTIFICATIONS_BROKEN not in self._alarms[role]:
                    self.allowed.append(f"{sentence} The app leaves alarm {NOTIFICATIONS_BROKEN} out.")
                else:
                    yield sentence

    def _alarm_notifications(
        self, expected: Sequence[tuple[str, str]], warnings: Sequence[tuple[str, str]]
    ) -> Iterator[str]:
        latest = longest_wait(self._fault, self._alarms, self._schedule)
        wanted = Counter([*expected, *warnings])
        for what, times in wanted.items():
            came = [one.minutes for one in self._seen.during if _is(one, what, "ALARM")]
            if not came and (reason := self._other_threshold(*what)):
                self.allowed.append(f"{_named(what)} did not notify: {reason}")
            elif len(came) != times:
                yield f"{_named(what)} notified {_times(len(came))}, not {_times(times)}."
            elif what in expected and came[-1] > latest:
                yield f"{_named(what)} notified after {came[-1]:.1f} minutes, and {latest:.1f} are allowed here."
        for what in dict.fromkeys((one.kind, one.observer) for one in self._seen.during if one.state == "ALARM"):
            if what in wanted:
                continue
            if what[1] in OBSERVERS:
                yield f"{_named(what)} notified, which the catalogue does not have."
            else:
                self.allowed.append(f"{_named(what)} notified, too: the catalogue has no third observing Region.")

    def _ok_notifications(self) -> Iterator[str]:
        """One for each of ALARM."""
        every = [one for one in (*self._seen.during, *self._seen.after) if one.observer in OBSERVERS]
        may_follow = set(self._fault.expected.afterwards)
        for what in dict.fromkeys((one.kind, one.observer) for one in every):
            begun, over = (sum(_is(one, what, state) for one in every) for state in ("ALARM", "OK"))
            if begun != over and what not in may_follow:
                yield f"{_named(what)} sent {begun} notifications of ALARM and {over} of OK."
            if what not in may_follow and any(_is(one, what, "ALARM") for one in self._seen.after):
                yield f"{_named(what)} notified after the fault was over."

    def _can_notify(self, kind: str, role: str) -> bool:
        """And why not, in `allowed`."""
        if self._notifies(kind, role):
            return True
        there = kind in self._alarms.get(role, {})
        why = "does not notify the topic for faults" if there else "is left out"
        self.allowed.append(f"{_named((kind, role))} {why} in this app.")
        return False

    def _notifies(self, kind: str, role: str) -> bool:
        alarm = self._alarms.get(role, {}).get(kind, {})
        return bool(alarm.get("ActionsEnabled")) and self._topics.get(role) in alarm.get("AlarmActions", ())

    def _other_threshold(self, kind: str, role: str) -> str:
        """Why the alarm, or one of its causes, needs more than the catalogue's fault makes; empty: it does not."""
        for cause, alarm in _causes(self._alarms, kind, role):
            default = STALE_HOURS if cause == RECOVERY_POINT_AGE else 1
            if alarm["Threshold"] != default:
                return f"alarm {cause} has threshold {alarm['Threshold']:g} in this app, and {default:g} by default."
        return ""


def _causes(alarms: Alarms, kind: str, role: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The metric alarms by which *kind* notifies."""
    there = alarms.get(role, {})
    alarm = there.get(kind, {})
    named = set(re.findall(r'ALARM\("?([^")]+)"?\)', alarm.get("AlarmRule", "")))
    for cause, one in there.items():
        if "Threshold" in one and (cause == kind or {one["AlarmName"], one.get("AlarmArn")} & named):
            yield cause, one


def _evaluated_minutes(alarms: Alarms, kind: str, role: str) -> float:
    """Of the slowest metric alarm behind it; of metric math, the period is that of its metrics."""
    return max((_minutes(one) for _, one in _causes(alarms, kind, role)), default=0.0)


def _minutes(alarm: Mapping[str, Any]) -> float:
    periods = [one["MetricStat"]["Period"] for one in alarm.get("Metrics", ()) if "MetricStat" in one]
    period = float(max(periods, default=alarm.get("Period") or 0))
    return (
        period * int(alarm["DatapointsToAlarm"] if alarm.get("DatapointsToAlarm") else alarm["EvaluationPeriods"]) / 60
    )


def _is(one: Notified, what: tuple[str, str], state: str) -> bool:
    return (one.kind, one.observer, one.state) == (*what, state)


def _is_verdict(found: str | None, expected: str | None) -> bool:
    """*expected* may leave a choice, such as ``HEALTHY or no verdict``."""
    return found in [None if one == "no verdict" else one for one in (expected or "no verdict").split(" or ")]


def _times(count: int) -> str:
    return {0: "never", 1: "once"}.get(count, f"{count} times")


def _named(what: tuple[str, str]) -> str:
    kind, observer = what
    return f"Alarm {kind} of the {observer} Region"
