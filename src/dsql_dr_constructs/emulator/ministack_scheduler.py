"""ministack's EventBridge Scheduler: ``cron(...)`` on the emulator's clock, and AWS FIS as a target; names in `SEAMS`.

Source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html
"""

from __future__ import annotations

import importlib
import json
import logging
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any
from zoneinfo import ZoneInfo

from . import fis_api, ministack_cloudformation
from .backup_records import Check, Where
from .clock import Clock
from .fis import Fis
from .fis_records import SERVICE as FIS_SERVICE
from .fis_records import FisError
from .fis_roles import trusts
from .function_permissions import refusal
from .ministack_schedules import Schedules, is_cron, only_rates

SERVICE = "scheduler.amazonaws.com"
START_EXPERIMENT = "arn:aws:scheduler:::aws-sdk:fis:startExperiment"


def run_cron_schedules(clock: Clock, fis: Fis, *, enforce: bool) -> None:
    """Run schedules with ``cron(...)`` on *clock*, once for each minute they name, without flexible time windows.

    Args:
        fis: Starts the experiments of schedules with this target.
        enforce: Whether the policies of a schedule's role are checked; who may assume it always is.
    """
    scheduler: Any = importlib.import_module("ministack.services.scheduler")
    eventbridge: Any = importlib.import_module("ministack.services.eventbridge")
    by_zone: defaultdict[str, Schedules] = defaultdict(Schedules)
    plain = eventbridge._invoke_target
    scheduler._tick_schedules = only_rates(scheduler._tick_schedules)

    def invoke(target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: Any = None) -> None:
        if target.get("Arn") == START_EXPERIMENT:
            given = _completed(target.get("Input") or "{}", rule["Arn"], event["Time"])
            _start(fis, given, target["RoleArn"], rule["Arn"], enforce=enforce)
        else:
            plain(target, event, rule, view)

    def run(minute: float) -> None:
        for where, schedule in _enabled(scheduler):
            zone = schedule.get("ScheduleExpressionTimezone") or "UTC"
            if by_zone[zone].name(schedule["ScheduleExpression"], _shown_in(zone, minute)):
                _run(where, schedule, minute, invoke)

    eventbridge._invoke_target = invoke
    clock.each_minute(run)
    ministack_cloudformation.follow_resource_type("AWS::Scheduler::Schedule", _complete)


def _complete(name: str, properties: dict[str, Any]) -> None:
    """Refuse a new schedule as AWS does, and keep its time zone, which ministack's resource type does not."""
    scheduler: Any = importlib.import_module("ministack.services.scheduler")
    schedule = scheduler._schedules[f"{properties.get('GroupName', 'default')}/{name}"]
    schedule["ScheduleExpressionTimezone"] = properties.get("ScheduleExpressionTimezone", "UTC")
    expression = properties["ScheduleExpression"]
    if expression.startswith("cron(") and not is_cron(expression):
        raise RuntimeError(f"Invalid Schedule Expression {expression}.")
    if not trusts(properties["Target"]["RoleArn"], SERVICE, _source(schedule["Arn"])):
        raise RuntimeError("The execution role you provide must allow AWS EventBridge Scheduler to assume the role.")


def _source(schedule_arn: str) -> str:
    """The group's ARN, as whom EventBridge Scheduler assumes the role of a schedule.

    Source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
    """
    prefix, group, _ = schedule_arn.rsplit("/", 2)
    return f"{prefix}-group/{group}"


def _enabled(scheduler: Any) -> Iterator[tuple[Where, dict[str, Any]]]:
    for (account, region, _), schedule in list(scheduler._schedules._data.items()):
        if schedule.get("State") == "ENABLED":
            yield Where(account, region), schedule


def _shown_in(zone: str, minute: float) -> float:
    """*minute* as a clock in this time zone shows it, in seconds as if that were UTC."""
    if zone == "UTC":  # which a machine without a time zone database has, too
        return minute
    return datetime.fromtimestamp(minute, ZoneInfo(zone)).replace(tzinfo=timezone.utc).timestamp()


def _run(where: Where, schedule: dict[str, Any], minute: float, invoke: Callable[..., None]) -> None:
    event = {
        "EventId": str(uuid.uuid4()),
        "Source": "aws.scheduler",
        "DetailType": "Scheduled Event",
        "Detail": "{}",
        "Time": minute,
        "Resources": [schedule["Arn"]],
        "Account": where.account,
        "Region": where.region,
    }
    with importlib.import_module("ministack.core.responses").request_scope(*where):
        invoke(schedule["Target"], event, schedule)


def _completed(text: str, schedule_arn: str, minute: float) -> dict[str, Any]:
    """A target's input with the values of its context attributes.

    Source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
    """
    attributes = {
        "schedule-arn": schedule_arn,
        "scheduled-time": datetime.fromtimestamp(minute, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "execution-id": str(uuid.uuid4()),
        "attempt-number": "1",
    }
    for name, value in attributes.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    found: dict[str, Any] = json.loads(text)
    return found


def _start(fis: Fis, given: dict[str, Any], role: str, schedule_arn: str, *, enforce: bool) -> None:
    """Start an experiment as the schedule's role; what AWS would try again for a day is in the emulator's log."""
    region, account = schedule_arn.split(":")[3:5]
    asked = {name[0].lower() + name[1:]: one for name, one in given.items()}  # examples have both
    denied = None
    if not trusts(role, SERVICE, _source(schedule_arn)):
        denied = f"EventBridge Scheduler cannot assume the role {role}."
    for action, arn, context in _checks(fis, Where(account, region), asked) if enforce else ():
        denied = denied or refusal(role, action, arn, region, context)
    if not denied:
        try:
            with fis.settled():
                fis.experiments.start(Where(account, region), {"clientToken": str(uuid.uuid4()), **asked})
        except FisError as error:
            denied = str(error)
    if denied:
        logging.getLogger(__name__).warning("Schedule %s started no experiment: %s", schedule_arn, denied)


def _checks(fis: Fis, where: Where, asked: dict[str, Any]) -> Iterator[Check]:
    """What the role of a schedule needs; for the first experiment of an account, that is the role of AWS FIS as well.

    Source: https://docs.aws.amazon.com/fis/latest/userguide/using-service-linked-roles.html
    """
    yield from fis_api.permissions(fis_api.FisCall("StartExperiment", *where, asked))
    if not any(one.where.account == where.account for one in fis.experiments):
        arn = f"arn:aws:iam::{where.account}:role/aws-service-role/{FIS_SERVICE}/AWSServiceRoleForFIS"
        yield "iam:CreateServiceLinkedRole", arn, {"iam:AWSServiceName": FIS_SERVICE}
