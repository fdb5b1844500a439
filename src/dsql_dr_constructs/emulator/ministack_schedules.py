"""ministack's scheduled rules: ``rate(...)`` in real time, ``cron(...)`` on the emulator's clock; names in `SEAMS`."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

from .clock import Clock
from .faults import Faults

_SECONDS_FOR_FUNCTIONS = 5.0


def scale_rates(factor: float) -> None:
    """Multiply the time of each ``rate(...)`` by *factor*."""
    eventbridge = _eventbridge()
    plain = eventbridge._parse_rate_seconds

    def scaled(expression: str) -> float | None:
        seconds = plain(expression)
        return None if seconds is None else float(seconds) * factor

    eventbridge._parse_rate_seconds = scaled
    eventbridge._SCHEDULER_TICK_INTERVAL = max(0.1, eventbridge._SCHEDULER_TICK_INTERVAL * factor)


def stop_rules_of_lost_regions(faults: Faults) -> None:
    """Run no rule of a Region in which no call of EventBridge is answered."""
    eventbridge = _eventbridge()
    plain = eventbridge._invoke_target

    def invoke(target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: Any = None) -> None:
        if not faults.affecting(("timeout",), rule["Arn"].split(":")[3], "events", "Rules"):
            plain(target, event, rule, view)

    eventbridge._invoke_target = invoke


def run_cron_rules(clock: Clock) -> None:
    """Run rules with ``cron(...)`` on *clock*, once for each minute they name, and no more in real time.

    While the clock is moved, functions that a rule invokes would have no time before the next minute: they are waited
    for, up to 5 seconds of real time, unless one that the same rule invoked before still runs.
    """
    eventbridge = _eventbridge()
    schedules = Schedules()
    running: dict[str, list[threading.Thread]] = {}
    eventbridge._tick_scheduled_rules = only_rates(eventbridge._tick_scheduled_rules)

    def run(minute: float) -> None:
        due = [one for one in _enabled_rules(eventbridge) if schedules.name(one[2]["ScheduleExpression"], minute)]
        new: list[threading.Thread] = []
        for account, region, rule, targets in due:
            before = set(threading.enumerate())
            _invoke(eventbridge, account, region, rule, targets, minute)
            # what a thread runs is in its name; others may have begun at the same time
            begun = [one for one in set(threading.enumerate()) - before if "_execute_function" in one.name]
            earlier = [one for one in running.get(rule["Arn"], ()) if one.is_alive()]
            new += [] if earlier else begun
            running[rule["Arn"]] = earlier + begun
        if clock.is_moved:
            until = time.monotonic() + _SECONDS_FOR_FUNCTIONS
            for one in new:
                one.join(max(0.0, until - time.monotonic()))

    clock.each_minute(run)


def only_rates(tick: Callable[[], None]) -> Callable[[], None]:
    """A loop's *tick* of ministack, for which there is no ``cron(...)``."""
    eventbridge, at_work = _eventbridge(), threading.local()
    next_time = eventbridge._cron_next_fire

    def tick_rates() -> None:
        at_work.ticks = True
        try:
            tick()
        finally:
            at_work.ticks = False

    eventbridge._cron_next_fire = lambda fields, after: None if vars(at_work).get("ticks") else next_time(fields, after)
    return tick_rates


class Schedules:
    """When each expression is next due, as searching for it every minute would take most of the time."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}

    def name(self, expression: str, minute: float) -> bool:
        """Whether *expression* is a ``cron(...)`` that names *minute*."""
        if self._next.get(expression, 0.0) < minute:
            self._next[expression] = _next_time(expression, minute)
        return self._next[expression] == minute


def is_cron(expression: str) -> bool:
    """Whether EventBridge understands *expression*."""
    return _eventbridge()._parse_cron_fields(expression) is not None


def _next_time(expression: str, minute: float) -> float:
    """The first minute, *minute* included, that *expression* names; infinity for none and for a ``rate(...)``."""
    eventbridge = _eventbridge()
    fields = eventbridge._parse_cron_fields(expression)
    before = datetime.fromtimestamp(minute, timezone.utc) - timedelta(minutes=1)
    found = eventbridge._cron_next_fire(fields, before) if fields else None
    return found.timestamp() if found else float("inf")


def _enabled_rules(eventbridge: Any) -> Iterator[tuple[str, str, dict[str, Any], list[Any]]]:
    """Account, Region, rule and targets of each rule with a schedule."""
    for (account, region, key), rule in list(eventbridge._rules._data.items()):
        if rule.get("State") == "ENABLED" and rule.get("ScheduleExpression"):
            yield account, region, rule, eventbridge._targets._data.get((account, region, key), [])


def _invoke(
    eventbridge: Any, account: str, region: str, rule: dict[str, Any], targets: list[Any], minute: float
) -> None:
    event = {
        "EventId": str(uuid4()),
        "Source": "aws.events",
        "DetailType": "Scheduled Event",
        "Detail": "{}",
        "EventBusName": rule.get("EventBusName", "default"),
        "Time": minute,
        "Resources": [rule["Arn"]],
        "Account": account,
        "Region": region,
    }
    with importlib.import_module("ministack.core.responses").request_scope(account, region):
        for target in targets:
            eventbridge._invoke_target(target, event, rule)  # which logs its errors


def _eventbridge() -> Any:
    return importlib.import_module("ministack.services.eventbridge")
