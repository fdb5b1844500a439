"""Which alarms of a Region are those of one pair."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..physical_names import ALARM_KINDS, alarm_prefix


def deployed_alarms(deployment: str, region: str, cloudwatch: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The alarms of *deployment* by what they are for, without those of others whose names begin with its name."""
    prefix = alarm_prefix(deployment)
    types = ["MetricAlarm", "CompositeAlarm"]
    for page in cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=prefix, AlarmTypes=types):
        for one in (*page["MetricAlarms"], *page["CompositeAlarms"]):
            if what := own_alarm(deployment, region, one["AlarmName"]):
                yield what, one


def own_alarm(deployment: str, region: str, name: str) -> str:
    """What the alarm called *name* in *region* is for; empty if it is none of *deployment*."""
    prefix = alarm_prefix(deployment)
    what, suffix, _ = name.removeprefix(prefix).partition(f"-from-{region}")
    return what if name.startswith(prefix) and suffix and what.startswith(ALARM_KINDS) else ""
