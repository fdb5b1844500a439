"""The times that a drill measures, of the slowest Region."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ..physical_names import CLUSTER_DOWN
from ..runtime.health_monitor.metric_names import HEALTHY
from .drill_checks import Plan
from .drill_moments import Fault
from .drill_result import Measure
from .drill_sources import LOG, Seen, alarm_of
from .drill_times import DrillTime


def noticed(plan: Plan, experiment: Mapping[str, Any], seen: Seen) -> dict[str, float]:
    """When each monitor first reported the fault, by the observer."""
    began = Fault(experiment, seen).began
    if began is None:
        return {}
    return _first(
        (region, at)
        for region, runs in seen.verdicts.items()
        for at, verdict in runs
        if at >= began and plan.request.region in verdict.split()
    )


def measures(plan: Plan, experiment: Mapping[str, Any], seen: Seen, time: DrillTime) -> list[Measure]:
    """Each name once; a time that one Region did not see was not seen."""
    fault, what = Fault(experiment, seen), f"{CLUSTER_DOWN}{plan.request.region}"

    def notified(state: str) -> list[tuple[str, float]]:
        return [
            (one.region, one.at)
            for one in seen.notifications
            if one.state == state and alarm_of(plan.request.deployment, one.alarm, one.region) == what
        ]

    def slowest(found: Mapping[str, float], regions: Collection[str], since: float | None) -> float | None:
        if since is None or not regions or not set(regions) <= set(found):
            return None
        return max(0.0, *((found[one] - since) / time.scale for one in regions))

    saw = noticed(plan, experiment, seen)
    raised = _first((region, at) for at, (region, alarm), state in seen.changes if (alarm, state) == (what, "ALARM"))
    arrived = _first(notified("ALARM"))
    recovered = {region: _healthy_since(seen, region) for region in saw if (LOG, region) not in seen.unread}
    seconds = {
        "detection": slowest(saw, plan.observers, fault.began),
        "alarm": slowest(raised, list(plan.topics) or plan.observers, fault.began),
        "notification": slowest(arrived, list(plan.topics), fault.began),
        "recovery": slowest({one: at for one, at in recovered.items() if at is not None}, plan.observers, fault.ended),
        "all-clear": slowest(dict(sorted(notified("OK"), key=lambda one: one[1])), list(plan.topics), fault.ended),
    }
    objectives = plan.request.objectives
    return [Measure(name=name, seconds=found, objective=objectives.get(name)) for name, found in seconds.items()]


def _first(found: Iterable[tuple[str, float]]) -> dict[str, float]:
    times: dict[str, float] = {}
    for region, at in found:
        times.setdefault(region, at)
    return times


def _healthy_since(seen: Seen, region: str) -> float | None:
    """Of the last runs of the monitor in *region*, if these report it."""
    since = None
    for at, verdict in seen.verdicts[region]:
        since = (since or at) if verdict == HEALTHY else None
    return since
