"""What a drill has shown, what failed, and what it does not show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from .aws_session import Client
from .drill_checks import Plan
from .drill_clean_up import ENDED
from .drill_measures import measures, noticed
from .drill_result import DrillResult, Moment
from .drill_sources import LOG, Seen, new_state
from .drill_stacks import template_hashes
from .drill_template import Template
from .drill_times import DrillTime, clock, in_words

_ACCOUNT_OF_THE_EMULATOR = "000000000000"
"""No account of AWS has this number. The emulator is of another extra, and is not imported here."""


def line(moment: Moment, moments: Sequence[Moment]) -> str:
    """Of *moment*, with its time since the fault began."""
    fault = next((one.at for one in moments if one.kind == "fault"), None)
    since = f", {in_words(moment.at - fault)} after the fault" if fault is not None and moment.at > fault else ""
    return f"{clock(moment.at)} UTC{since}: {moment.text}"


def did_not_recover(missing: Sequence[str]) -> str:
    """The sentence for a pair that is not as before."""
    return (
        f"The pair did not recover within 15 minutes after the fault ended. {' '.join(missing)} Ask for the verdict "
        "(dsql-dr status), and follow docs/operations.md, 'When you are notified'."
    )


def result(
    plan: Plan,
    experiment: Mapping[str, Any],
    seen: Seen,
    moments: Sequence[Moment],
    client: Client,
    *,
    time: DrillTime,
    failures: Sequence[str],
    stopped: bool,
    left: Sequence[str],
) -> DrillResult:
    """Of a drill that has ended.

    Args:
        plan: What was agreed to.
        experiment: As GetExperiment had it last; empty if none was started.
        seen: All that has happened.
        moments: The same in the order of their times.
        client: Gives clients.
        time: The drill's clock.
        failures: Sentences: what the drill itself found.
        stopped: Whether the drill itself stopped the experiment.
        left: Sentences: what could not be removed.
    """
    emulated = plan.account == _ACCOUNT_OF_THE_EMULATOR
    state = experiment.get("state", {})
    hashes, unknown = _hashes(plan, client)
    text = "The drill ended." if failures or left else "Everything is as before."
    now = max([time.of_aws(time.now()), *(one.at for one in moments)])  # AWS's time is known to the second
    ended = Moment(at=now, kind="ended", region=plan.request.region, text=text)
    return DrillResult(
        deployment=plan.request.deployment,
        region=plan.request.region,
        observers=plan.observers,
        account=plan.account,
        caller=plan.caller,
        role=plan.template.role,
        experiment=experiment.get("arn", ""),
        template=plan.template.id,
        clusters=plan.clusters,
        stop_alarms=plan.template.stop_alarms,
        alarm_required=plan.expects_alarm,
        actions={name: _state_of(one) for name, one in experiment.get("actions", {}).items()},
        log_group=plan.template.log_group,
        duration_seconds=plan.seconds,
        share=plan.share,
        state=state.get("status", "not started"),
        reason=state.get("reason", ""),
        moments=[*moments, ended],
        measures=measures(plan, experiment, seen, time),
        failures=[*failures, *_of_experiment(plan, experiment, client, stopped=stopped)],
        not_proven=[
            *_not_seen(plan, experiment, seen, moments),
            *seen.unread.values(),
            *unknown,
            *_never_shown(plan, seen, emulated),
        ],
        left=left,
        templates=hashes,
        version=version("dsql-dr-constructs"),
        emulated=emulated,
    )


def _state_of(action: Mapping[str, Any]) -> str:
    state = action.get("state", {})
    return ": ".join(one for one in (state.get("status", "not known"), state.get("reason")) if one)


def _of_experiment(plan: Plan, experiment: Mapping[str, Any], client: Client, *, stopped: bool) -> Iterator[str]:
    """Why it is not completed."""
    state = experiment.get("state", {"status": "not started"})
    reason = f" AWS FIS says: {state['reason']}" if state.get("reason") else ""
    if state["status"] == "stopped":
        raised = _raised(plan.template, experiment["startTime"], client)
        if "stop condition" in state.get("reason", "") or (raised and not stopped):
            yield (
                f"The experiment was stopped by its stop condition: alarm {', '.join(raised) or 'not known'}. Find out "
                f"why before the next drill: the pair, or your application, did not stand the fault.{reason}"
            )
        elif not stopped:
            yield f"Somebody stopped the experiment.{reason}"
    elif state["status"] == "failed":
        yield f"The experiment failed: {_why(plan, experiment)}{reason}"
    elif state["status"] not in ("completed", "not started"):
        yield f"The experiment is {state['status']}.{reason}"


def _why(plan: Plan, experiment: Mapping[str, Any]) -> str:
    for name, one in experiment.get("actions", {}).items():
        if one["state"]["status"] != "failed":
            continue
        alarms = [arn.rpartition(":alarm:")[2] for arn in one.get("parameters", {}).get("alarmArns", "").split(",")]
        if one.get("parameters", {}).get("alarmStates") == "ALARM":
            return (
                f"alarm {', '.join(alarms)} was not raised while {plan.share} % of the connections to the cluster in "
                f"{plan.request.region} failed, so nobody would have been notified of it in time. See the verdicts: if "
                "no monitor saw the fault, deploy with sql_probe=True."
            )
        if one.get("parameters", {}).get("alarmStates") == "OK":
            return f"not all of these alarms were OK when it began, so no connection failed: {', '.join(alarms)}."
        return f"action {name} failed: {one['state'].get('reason', '')}"
    return "see its log, and whether its role may do what the drill stack gave it."


def _raised(template: Template, since: datetime, client: Client) -> list[str]:
    """Names of its stop alarms that were in ALARM; they may be OK again."""
    found = []
    for arn in template.stop_alarms:
        name = arn.split(":", 6)[6]
        try:
            pages = list(
                client("cloudwatch", arn.split(":")[3])
                .get_paginator("describe_alarm_history")
                .paginate(
                    AlarmName=name,
                    AlarmTypes=["MetricAlarm", "CompositeAlarm"],
                    HistoryItemType="StateUpdate",
                    StartDate=since,
                )
            )
        except (BotoCoreError, ClientError):
            continue
        if any(new_state(one) == "ALARM" for page in pages for one in page["AlarmHistoryItems"]):
            found.append(name)
    return found


def _not_seen(plan: Plan, experiment: Mapping[str, Any], seen: Seen, moments: Sequence[Moment]) -> Iterator[str]:
    region, saw = plan.request.region, noticed(plan, experiment, seen)
    read = [one for one in plan.observers if (LOG, one) not in seen.unread]
    if not any(one.kind == "fault" for one in moments):
        if experiment and experiment["state"]["status"] not in ENDED:
            yield "The end of the experiment is not known, and neither is whether connections failed."
        else:
            yield "No connection failed, so this drill shows nothing of the pair."
    elif not saw and read == list(plan.observers):
        yield (
            "No monitor noticed the fault. A connection probe ends before the login, and whether connections fail "
            "before it is not documented; deploy with MonitoringOptions(sql_probe=True), which logs in and commits. So "
            f"this drill does not show that a failure of the cluster in {region} is notified."
        )
    else:
        for one in read:
            if one not in saw:
                yield f"The monitor in {one} did not notice the fault."
    if saw and not any(one.kind == "alarm" for one in moments):
        yield "No alarm that notifies was raised, so this drill does not show that anybody is notified."


def _never_shown(plan: Plan, seen: Seen, emulated: bool) -> Iterator[str]:
    """What holds for every drill."""
    if emulated:
        yield "It ran on the local AWS emulator, and shows nothing of an account of yours."
    if plan.share < 100:
        yield f"Only {plan.share} % of the connections failed: a monitor tries again, and may not notice that."
    if not plan.expects_alarm:
        yield "The experiment did not require that an alarm is raised."
    for one in plan.observers:
        if one not in plan.topics:
            yield f"No SNS topic is notified in {one}, so what arrives there was not seen."
    if not plan.template.stop_alarms_of_users(plan.request.deployment):
        yield "No alarm of your application would have stopped the experiment."
    yield (
        "Whether your application went to the other Region is in its own figures: this drill measures the pair, its "
        "monitors and its notifications."
    )
    yield (
        "A Region that does not answer at all, a cluster that is lost, a lost peer and damaged data are other faults. "
        "Connections that were open before the fault may have gone on."
    )
    if seen.notifications:
        yield "Notifications were received by a queue of the drill; whether people read theirs, they have to say."


def _hashes(plan: Plan, client: Client) -> tuple[Mapping[str, str], list[str]]:
    regions = dict.fromkeys([*plan.clusters, *plan.observers])
    try:
        found = dict(template_hashes(plan.request.deployment, plan.template.stack, regions, client))
    except (BotoCoreError, ClientError) as error:
        return {}, [f"From which templates the pair was deployed could not be read: {error}"]
    return found, [] if found else ["The stacks of this pair have other names, so their templates are not known."]
