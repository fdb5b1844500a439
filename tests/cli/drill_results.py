"""Drills as `dsql-dr drill` would find them; the first one is in the documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

from dsql_dr_constructs.cli.drill_result import DrillResult, Kind, Measure, Moment
from dsql_dr_constructs.physical_names import CLUSTER_DOWN, alarm_name

BEGAN = 1_795_687_512.0
"""2026-11-26 10:05:12 UTC"""
DEPLOYMENT, ACCOUNT, FAILED, OTHER, WITNESS = "Orders-production", "111122223333", "us-west-2", "us-east-1", "us-east-2"
NOT_PROVEN = (
    "Whether your application went to the other Region is in its own figures: this drill measures the pair, its "
    "monitors and its notifications.",
    "A Region that does not answer at all, a cluster that is lost, a lost peer and damaged data are other faults. "
    "Connections that were open before the fault may have gone on.",
    "Notifications were received by a queue of the drill; whether people read theirs, they have to say.",
)


def passed() -> DrillResult:
    """All objectives met."""
    moments = [
        moment(-31, "started", FAILED, "Experiment EXPaBcDeFgHiJkLmN began."),
        moment(0, "fault", FAILED, "100 % of the connections to the cluster in us-west-2 begin to fail."),
        *seen_from(OTHER, verdict=48, point=49, alarm=168, recovered=648, ok=768),
        *seen_from(FAILED, verdict=71, point=72, alarm=191, recovered=671, ok=791),
        moment(600, "fault-ended", FAILED, "Connections to the cluster in us-west-2 fail no longer."),
        moment(794, "ended", FAILED, "Everything is as before."),
    ]
    measures = measured(
        detection=(71, 300), alarm=(191, None), notification=(194, 360), recovery=(71, 600), all_clear=(194, None)
    )
    return result(moments, measures)


def failed() -> DrillResult:
    """Notified too late by one monitor, never by the other; not recovered; a queue is left."""
    late = seen_from(OTHER, verdict=161, point=162, alarm=421)
    moments = [one for one in passed().moments if one.region == FAILED and one.kind in ("started", "fault")]
    moments += [*late, moment(601, "fault-ended", FAILED, "Connections to the cluster in us-west-2 fail no longer.")]
    moments += [moment(1802, "ended", FAILED, "The drill ended.")]
    return replace(
        result(
            moments, measured(detection=(161, 300), alarm=(421, None), notification=(424, 360), recovery=(None, 600))
        ),
        state="failed",
        reason="Action alarm-raised failed: alarm state is OK, expected ALARM.",
        failures=[
            "No notification arrived in us-west-2 within 30 minutes of the fault.",
            "The monitor in us-east-1 still reports CLUSTER_DOWN us-west-2, 20 minutes after the end of the fault.",
        ],
        left=["Queue aurora-dsql-drill-Orders-production in us-east-1: AccessDenied. Remove it with --clean-up."],
    )


def refused() -> DrillResult:
    """Before anything was done."""
    return replace(
        result([], measured()),
        experiment="",
        state="not started",
        reason="",
        failures=["The pair is not healthy: the monitor in us-east-1 reports PEERING_LOST. Repair the pair first."],
    )


def halted() -> DrillResult:
    """By its stop condition, half-way through the fault."""
    moments = [one for one in passed().moments if one.at < BEGAN + 170 and one.kind != "alarm"]
    moments += [
        moment(170, "fault-ended", FAILED, "Connections to the cluster in us-west-2 fail no longer."),
        moment(240, "recovered", OTHER, "The monitor in us-east-1 reports HEALTHY."),
        moment(251, "recovered", FAILED, "The monitor in us-west-2 reports HEALTHY."),
        moment(251, "ended", FAILED, "Everything is as before."),
    ]
    reason = "Experiment halted by stop condition."
    measures = measured(detection=(71, 300), recovery=(81, 600))
    return replace(result(moments, measures), state="stopped", reason=reason, failures=[f"It was stopped: {reason}"])


def three_observers() -> DrillResult:
    """Passed, with the witness Region's monitor; another verdict on the way, and an alarm that was raised twice."""
    moments = [
        *passed().moments[:-1],
        moment(818, "ended", FAILED, "Everything is as before."),
        *seen_from(WITNESS, verdict=95, point=97, alarm=214, recovered=345, ok=400),
        moment(50, "verdict", WITNESS, "The monitor in us-east-2 reports NOTIFICATIONS_BROKEN."),
        *seen_from(WITNESS, verdict=405, point=406, alarm=525, recovered=695, ok=815),
    ]
    return replace(result(moments, passed().measures), observers=[OTHER, FAILED, WITNESS])


def one_observer() -> DrillResult:
    """Whose monitor never saw anything."""
    moments = [one for one in passed().moments if one.kind in ("started", "fault", "fault-ended", "ended")]
    return replace(
        result(moments, measured(detection=(None, 300))), observers=[OTHER], failures=["No monitor reported the fault."]
    )


def twelve_hours() -> DrillResult:
    """The longest that FIS allows."""
    early = [one for one in passed().moments if one.at < BEGAN + 500]
    late = [replace(one, at=one.at + 42_600) for one in passed().moments if one.at >= BEGAN + 500]
    return replace(result([*early, *late], passed().measures), duration_seconds=43_200)


def within_seconds() -> DrillResult:
    """On the local AWS emulator, without a time scale in between."""
    moments = [replace(one, at=BEGAN + (one.at - BEGAN) / 50) for one in passed().moments]
    measures = [replace(one, seconds=one.seconds and one.seconds / 50) for one in passed().measures]
    return replace(result(moments, measures), emulated=True, duration_seconds=12)


def at_once() -> DrillResult:
    """All moments at one time."""
    return replace(passed(), moments=[replace(one, at=BEGAN) for one in passed().moments])


def hostile() -> DrillResult:
    """Texts that are no HTML, and names without an end."""
    script, long = '<script>document.title = "hostile"</script><img src="http://192.0.2.1/x.png">', "x" * 300
    found = three_observers()
    moments = [replace(one, text=f"{one.text} {script} {long}\u202e\ud800\0") for one in found.moments]
    return replace(
        found,
        deployment=f"Orders{'-production' * 8}",
        caller=f"arn:aws:sts::{ACCOUNT}:assumed-role/{long}/{script}",
        reason=f"{script} & {long}",
        moments=moments,
        failures=[f"{script} {long}"] * 3,
        not_proven=[f"{long} {script}"] * 6,
        left=[script],
        templates={f"Stack{number}-{long} <b>{number}</b>": "f" * 64 for number in range(8)},
    )


def moment(since: float, kind: Kind, region: str, text: str) -> Moment:
    return Moment(at=BEGAN + since, kind=kind, region=region, text=text)


def seen_from(
    region: str,
    *,
    verdict: float,
    point: float,
    alarm: float,
    recovered: float | None = None,
    ok: float | None = None,
) -> list[Moment]:
    """What one observer saw; notifications arrive 3 seconds after their alarm."""
    what = f"{CLUSTER_DOWN}{FAILED}"
    found = [
        moment(verdict, "verdict", region, f"The monitor in {region} reports CLUSTER_DOWN {FAILED}."),
        moment(point, "datapoint", region, f"The first bad datapoint of {FAILED} in {region}."),
        moment(alarm, "alarm", region, f"Alarm {what} in {region} is in ALARM."),
        moment(alarm + 3, "notification", region, f"Notification in {region}: ALARM of {what}."),
    ]
    if recovered is not None and ok is not None:
        found += [
            moment(recovered, "recovered", region, f"The monitor in {region} reports HEALTHY."),
            moment(ok, "ok", region, f"Alarm {what} in {region} is in OK."),
            moment(ok + 3, "ok-notification", region, f"Notification in {region}: OK of {what}."),
        ]
    return found


def measured(**seconds: tuple[float | None, float | None]) -> list[Measure]:
    """Seconds and objective of each."""
    names = ("detection", "alarm", "notification", "recovery", "all_clear")
    found = [(name.replace("_", "-"), *seconds.get(name, (None, None))) for name in names]
    return [Measure(name=name, seconds=took, objective=objective) for name, took, objective in found]


def result(moments: Sequence[Moment], measures: Sequence[Measure]) -> DrillResult:
    stacks = ("Primary", "Secondary", "PrimaryMonitoring", "SecondaryMonitoring", "PrimaryDrill", "SecondaryDrill")
    regions = (OTHER, FAILED) * 3
    names = [f"Orders-{one}-production ({region})" for one, region in zip(stacks, regions, strict=True)]
    return DrillResult(
        deployment=DEPLOYMENT,
        region=FAILED,
        observers=[OTHER, FAILED],
        account=ACCOUNT,
        caller=f"arn:aws:sts::{ACCOUNT}:assumed-role/DrillPipeline/drill",
        role=f"arn:aws:iam::{ACCOUNT}:role/Orders-SecondaryDrill-production-DrillRole-1A2B3C4D5E6F",
        experiment=f"arn:aws:fis:{FAILED}:{ACCOUNT}:experiment/EXPaBcDeFgHiJkLmN",
        template="EXT1a2b3c4d5e6f7",
        clusters={
            one: f"arn:aws:dsql:{one}:111122223333:cluster/abcdefghijklmnopqrstuvwxy{number}"
            for number, one in enumerate((OTHER, FAILED), 1)
        },
        stop_alarms=[
            f"arn:aws:cloudwatch:{FAILED}:{ACCOUNT}:alarm:{one}"
            for one in (alarm_name(DEPLOYMENT, f"{CLUSTER_DOWN}{OTHER}", FAILED), "orders-errors")
        ],
        alarm_required=True,
        actions={
            "all-alarms-ok": "completed: Action was completed.",
            "connection-failure": "completed: Action was completed.",
            "until-noticed": "completed: Action was completed.",
            "alarm-raised": "completed: Action was completed.",
        },
        log_group=f"arn:aws:logs:{FAILED}:111122223333:log-group:/aws/fis/aurora-dsql-drill-Orders-production",
        duration_seconds=600,
        share=100,
        state="completed",
        reason="Experiment completed.",
        moments=sorted(moments, key=lambda one: one.at),
        measures=measures,
        failures=[],
        not_proven=NOT_PROVEN,
        left=[],
        templates={name: sha256(name.encode()).hexdigest() for name in names},
        version="0.1.0",
        emulated=False,
    )


CASES = {
    one.__name__: one()
    for one in (
        passed,
        failed,
        refused,
        halted,
        three_observers,
        one_observer,
        twelve_hours,
        within_seconds,
        at_once,
        hostile,
    )
}
