"""Alarms of the local AWS emulator are evaluated every minute of real time, which can be shortened."""

from __future__ import annotations

import logging
import threading
import time

from . import ministack_alarms
from .alarm_evaluation import AlarmDefinition, MetricQuery, statistic
from .faults import Faults

_MINUTE = 60.0


def start(time_scale: float, faults: Faults) -> None:
    """Evaluate alarms from now on, instead of ministack's evaluation, which has neither dimensions nor missing data.

    Args:
        time_scale: Length of a minute of alarms, in minutes.
        faults: A Region in which no call of CloudWatch is answered evaluates no alarm.
    """
    ministack_alarms.disable_alarm_evaluation()
    threading.Thread(target=_run, args=(time_scale, faults), daemon=True, name="alarm-clock").start()


def _run(time_scale: float, faults: Faults) -> None:
    while True:
        time.sleep(_MINUTE * time_scale)
        for alarm in ministack_alarms.metric_alarms():
            if faults.affecting(("timeout",), alarm["AlarmArn"].split(":")[3], "cloudwatch", "Alarms"):
                continue
            try:
                _evaluate(alarm, time_scale)
            except Exception:  # one alarm that cannot be understood must not stop the clock
                logging.getLogger(__name__).exception("Alarm %s cannot be evaluated", alarm["AlarmName"])


def _evaluate(alarm: ministack_alarms.Alarm, time_scale: float) -> None:
    definition = AlarmDefinition.of(alarm)
    datapoints = definition.datapoints(fetch, time.time(), scale=time_scale)
    state = definition.state(datapoints, alarm["StateValue"])
    if state != alarm["StateValue"]:
        reason = (
            f"Datapoints, oldest first: {datapoints}; threshold {definition.threshold:g} ({definition.comparison})."
        )
        ministack_alarms.change_alarm(alarm, state, reason)


def fetch(query: MetricQuery, start: float, end: float) -> float | None:
    """A query's value, in the account and Region at work."""
    points = ministack_alarms.metric_values(query.namespace, query.metric_name, dict(query.dimensions))
    return statistic(query.statistic, (value for at, value in points if start <= at < end))
