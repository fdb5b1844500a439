"""What a test of notifications found, as data, as JSON and as tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Literal

from rich.console import Console
from rich.table import Table

from .notified_topics import Action
from .status_tables import table

NOT_PROVEN = (
    "that anybody has read an email, or that a telephone rang: ask those who are on call.",
    "that a subscription with a filter policy was sent each of these, which SNS does not count for each subscription.",
    "alarms of your own (add_alarms), which were not raised.",
)


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """Of one state of one alarm.

    Args:
        action: ARN of the topic, or of another action.
        seen: It arrived at the test's own subscription; or CloudWatch's history says that it was published, or that it
            failed, where there is no such subscription. Empty: neither.
        at: When it arrived, in seconds since 1970.
    """

    action: str
    seen: Literal["", "arrived", "published", "failed"] = ""
    at: float | None = None


@dataclass(kw_only=True)
class AlarmResult:
    """One alarm that was raised.

    Args:
        region: Where it is.
        alarm: What it is for.
        name: Its whole name.
        sent_at: When it was raised, in seconds since 1970.
        raised: Deliveries of ALARM.
        ok: Deliveries of OK.
        state: At the end of the test; empty: not known.
    """

    region: str
    alarm: str
    name: str
    sent_at: float
    raised: list[Delivery] = field(default_factory=list)
    ok: list[Delivery] = field(default_factory=list)
    state: str = ""

    def line(self) -> str:
        return f"{self.region} {self.alarm}: ALARM {_how(self.raised)}, OK {_how(self.ok)}."


@dataclass(kw_only=True)
class NotificationReport:
    """A test from its first alarm to its clean-up.

    Args:
        deployment: Name of the pair.
        caller: ARN of whoever ran it.
        actions: What the alarms notify.
        alarms: In the order in which they were raised.
        failures: Sentences: why the test failed.
        notes: Sentences: what has to be known, and is no failure.
        left: Sentences: what could not be taken away again.
    """

    deployment: str
    caller: str
    actions: list[Action]
    alarms: list[AlarmResult] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return bool(self.alarms) and not self.failures and not self.left

    def conclude(self) -> None:
        """Add to the failures what follows from states, subscriptions and counts."""
        for alarm in self.alarms:
            if alarm.state != "OK":
                self.failures.append(f"Alarm {alarm.alarm} in {alarm.region} is not OK: {alarm.state or 'not known'}.")
        for one in self.actions:
            self.failures += one.unconfirmed()
            if one.failed:
                self.failures.append(
                    f"SNS could not deliver {one.failed} messages of topic {one.name} in {one.region}: see who of its "
                    "subscribers has none, and remove subscriptions of those who no longer exist."
                )
            if not one.observed:
                self.notes.append(
                    f"What arrived from {one.arn} is not known. That CloudWatch could publish to it is what the "
                    "history of each alarm says."
                )


def to_json(report: NotificationReport) -> str:
    """All of it, with ``passed``."""
    return json.dumps({"passed": report.passed, **asdict(report), "not_proven": NOT_PROVEN}, indent=2)


def show_actions(actions: Sequence[Action], console: Console) -> None:
    """Who is notified, or will be."""
    for action in actions:
        console.print(f"{action.region} {action.name if not action.unknown else action.arn}", soft_wrap=True)
        for one in action.subscriptions:
            console.print(f"    {one}{'' if one.confirmed else ', NOT CONFIRMED'}", soft_wrap=True)
        if action.unknown:
            console.print(f"    {action.unknown}", soft_wrap=True)
        if action.counted:
            console.print(
                f"    SNS, with this test's own subscription: delivered {_count(action.delivered)}, "
                f"failed {_count(action.failed)}",
                soft_wrap=True,
            )


def show(report: NotificationReport, console: Console) -> None:
    """Tables for a terminal of 80 columns."""
    console.print(_alarms(report), width=80)
    show_actions(report.actions, console)
    for title, sentences in (
        ("", report.notes),
        ("Failed: ", [*report.failures, *report.left]),
        ("Not proven: ", NOT_PROVEN),
    ):
        for sentence in sentences:
            console.print(f"{title}{sentence}", soft_wrap=True)
    console.print("All notifications arrived." if report.passed else "The test of notifications failed.")


def _alarms(report: NotificationReport) -> Table:
    alarms = table("Alarm", "Region", "Raised", "ALARM", "OK", "State")
    for one in report.alarms:
        alarms.add_row(one.alarm, one.region, _clock(one.sent_at), _how(one.raised), _how(one.ok), one.state)
    return alarms


def _how(deliveries: Sequence[Delivery]) -> str:
    """The last one's time; one that is missing counts most."""
    if not deliveries:
        return "no action"
    if any(one.seen in ("", "failed") for one in deliveries):
        return "MISSING"
    at = [one.at for one in deliveries if one.at]
    return _clock(max(at)) if at else "published"


def _count(found: int | None) -> str:
    return "not known" if found is None else str(found)


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, timezone.utc).strftime("%H:%M:%S")
