"""ministack's scheduled rules: ``rate(...)`` in real time, ``cron(...)`` on the emulator's clock; names in `SEAMS`."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

from .clock import Clock

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


def run_cron_rules(clock: Clock) -> None:
    """Run rules with ``cron(...)`` on *clock*, once for each minute they name, and no more in real time.

    While the clock is moved, functions that a rule invokes would have no time before the next minute: they are waited
    for, up to 5 seconds of real time, unless one that the same rule invoked before still runs.
    """
    eventbridge = _eventbridge()
    schedules = _Schedules()
    running: dict[str, list[threading.Thread]] = {}
    _leave_cron_rules_out(eventbridge)

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


def _leave_cron_rules_out(eventbridge: Any) -> None:
    """Let ministack's own loop run ``rate(...)`` only; its EventBridge Scheduler, which shares a function, is left."""
    tick, next_time = eventbridge._tick_scheduled_rules, eventbridge._cron_next_fire
    at_work = threading.local()

    def tick_rates() -> None:
        at_work.rules = True
        try:
            tick()
        finally:
            at_work.rules = False

    eventbridge._tick_scheduled_rules = tick_rates
    eventbridge._cron_next_fire = lambda fields, after: None if vars(at_work).get("rules") else next_time(fields, after)


class _Schedules:
    """When each expression is next due, as searching for it every minute would take most of the time."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}

    def name(self, expression: str, minute: float) -> bool:
        """Whether *expression* is a ``cron(...)`` that names *minute*."""
        if self._next.get(expression, 0.0) < minute:
            self._next[expression] = _next_time(expression, minute)
        return self._next[expression] == minute


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
