"""What a drill found: facts with their times, measured against objectives; the report and JSON are made of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

Kind = Literal[
    "started",  # the experiment
    "fault",  # connections begin to fail
    "verdict",  # a monitor's verdict is another than before
    "datapoint",  # the first one that is bad
    "alarm",  # an alarm that notifies went into ALARM
    "notification",  # it arrived at the drill's own subscription
    "fault-ended",
    "recovered",  # a monitor's verdict is HEALTHY again
    "ok",  # an alarm that notifies went back to OK
    "ok-notification",
    "ended",  # the drill: everything is as before, or was given up
]


@dataclass(frozen=True, kw_only=True)
class Moment:
    """One thing that happened.

    Args:
        at: Seconds since 1970 by AWS's own timestamp where it gives one. On the local AWS emulator with a time scale,
            as if its minutes were real ones.
        kind: What it is.
        region: Where it was seen; the Region that the fault is in for the experiment's own.
        text: A sentence for people.
    """

    at: float
    kind: Kind
    region: str
    text: str


MEASURES = ("detection", "alarm", "notification", "recovery", "all-clear")
"""Names of what is measured."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One time that the drill measured.

    Args:
        name: ``detection`` (fault to the first verdict that reports it), ``alarm``, ``notification`` (both from the
            fault), ``recovery`` (end of the fault until all monitors are HEALTHY) or ``all-clear`` (end of the fault to
            the last notification of OK). Of several Regions, the slowest counts.
        seconds: None: it was not seen.
        objective: Seconds; None: none was given.
    """

    name: str
    seconds: float | None
    objective: float | None = None

    @property
    def passed(self) -> bool | None:
        """None without an objective."""
        return None if self.objective is None else self.seconds is not None and self.seconds <= self.objective


@dataclass(frozen=True, kw_only=True)
class DrillResult:
    """A drill from its first check to its clean-up.

    Args:
        deployment: Name of the pair.
        region: Region whose cluster was failed.
        observers: Regions with a monitor.
        account: Of the pair.
        caller: ARN of whoever ran it.
        role: ARN of the role that FIS used.
        experiment: ARN; empty if none was started.
        template: Id of the deployed experiment template.
        clusters: ARN of each cluster, by Region.
        stop_alarms: ARNs of the alarms that would have stopped the experiment.
        alarm_required: Whether the experiment fails unless an alarm is raised.
        actions: Of the experiment, by name: their state, and why, as FIS gives it.
        log_group: ARN of the log group that FIS writes to; empty if there is none.
        duration_seconds: Of the fault, as asked.
        share: Percentage of connections that fail, as asked.
        state: Of the experiment, as FIS gives it; ``not started`` if it was refused.
        reason: Why the experiment is in that state, as FIS gives it.
        moments: In the order of their times.
        measures: Each of the five names of `Measure` once.
        failures: Sentences: why the drill failed. Empty: it passed.
        not_proven: Sentences: what this drill does not show.
        left: Sentences: what could not be taken away again.
        templates: SHA-256 of each stack's template, by stack name with its Region.
        version: Of this library.
        emulated: Whether it ran on the local AWS emulator.
    """

    deployment: str
    region: str
    observers: Sequence[str]
    account: str
    caller: str
    role: str
    experiment: str
    template: str
    clusters: Mapping[str, str]
    stop_alarms: Sequence[str]
    alarm_required: bool
    actions: Mapping[str, str]
    log_group: str
    duration_seconds: float
    share: int
    state: str
    reason: str
    moments: Sequence[Moment]
    measures: Sequence[Measure]
    failures: Sequence[str]
    not_proven: Sequence[str]
    left: Sequence[str]
    templates: Mapping[str, str] = field(default_factory=dict)
    version: str
    emulated: bool = False

    @property
    def passed(self) -> bool:
        """Whether nothing failed, no objective was missed, and nothing is left."""
        return not self.failures and not self.left and all(one.passed is not False for one in self.measures)


def to_json(result: DrillResult) -> str:
    """All of it, with ``passed``."""
    measures = [{**asdict(one), "passed": one.passed} for one in result.measures]
    return json.dumps({"passed": result.passed, **asdict(result), "measures": measures}, indent=2)
