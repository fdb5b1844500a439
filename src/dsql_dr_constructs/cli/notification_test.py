"""The command ``dsql-dr test-notifications``: raise each alarm that notifies, and see what arrives."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from . import aws_session, notification_report, pair_status, status_tables
from .aws_session import Client
from .confirmation import NoTerminalError, confirmed
from .notification_run import NotificationRun, Times
from .notified_topics import action_of
from .notifying_alarms import NotifyingAlarm, notifying_alarms, set_back, silent_alarms

_OVER = timedelta(minutes=10)
"""No test holds one alarm for as long, so one that a test raised before that was left by it."""


class NotificationTestError(Exception):
    """Nothing was raised; the text says why, and what to do."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "test-notifications",
        help="raise each alarm that notifies, and show what arrived",
        description="Raise each alarm of a deployed pair that notifies, one after the other, and show what arrived and "
        "who was not notified. Everybody who is subscribed is notified. It exits with 0 if each notification arrived, "
        "each alarm is OK again, and each subscription is confirmed.",
    )
    aws_session.add_arguments(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask before the first alarm is raised")
    parser.add_argument("--json", action="store_true", help="print JSON; the rest goes to stderr")
    parser.set_defaults(command=notification_test)


def notification_test(options: argparse.Namespace, console: Console, times: Times | None = None) -> bool:
    """Whether each notification arrived, each alarm is OK again, and each subscription is confirmed.

    Args:
        options: Of the command line.
        console: Where the result is printed.
        times: How long it waits. Default: as AWS needs it.
    """
    people = Console(stderr=True, highlight=False, markup=False, emoji=False) if options.json else console
    try:
        region, client = aws_session.region_and_clients(options)
        run = _prepared(options, region, client, people, times)
        if run is None:
            return False
        report = run.run()
    except (
        aws_session.NoRegionError,
        pair_status.StatusError,
        NotificationTestError,
        NoTerminalError,
        BotoCoreError,
        ClientError,
    ) as error:
        people.print(str(error), soft_wrap=True)
        return False
    if options.json:
        console.print(notification_report.to_json(report), soft_wrap=True)
    else:
        notification_report.show(report, console)
    return report.passed


def _prepared(
    options: argparse.Namespace, region: str, client: Client, console: Console, times: Times | None
) -> NotificationRun | None:
    """None if it was not wanted."""
    deployment = options.deployment
    status = pair_status.ask(deployment, region, client)
    observers = dict.fromkeys(name.split(" ")[0] for name in status.alarms)
    alarms = [one for observer in observers for one in notifying_alarms(deployment, observer, client)]
    left = _left(alarms)
    back = dict.fromkeys((f"{one.region} {one.what}" for one in left), "OK")
    status = replace(status, alarms={**status.alarms, **back})
    if not status.healthy:
        status_tables.show(status, console)
        raise NotificationTestError(
            "The pair is not healthy, and a test of notifications could hide that. Nothing was raised: repair the pair "
            "first."
        )
    identity = client("sts", region).get_caller_identity()
    notified = dict.fromkeys((one.region, arn) for one in alarms for arn in (*one.alarm_actions, *one.ok_actions))
    actions = [action_of(where, arn, identity["Account"], client) for where, arn in notified]
    notification_report.show_actions(actions, console)
    wrong, notes = silent_alarms(deployment, observers, client)
    for sentence in (*wrong, *notes):
        console.print(sentence, soft_wrap=True)
    for one in left:
        console.print(f"Alarm {one} was left in ALARM by a test, and is set back to OK first.", soft_wrap=True)
    if not options.yes and not _confirmed(len(alarms), console):
        return None
    for one in left:
        if real := set_back(one, one.reason, one.since.timestamp() if one.since else 0.0, client):
            raise NotificationTestError(real)
    run = NotificationRun(
        deployment,
        alarms,
        actions,
        caller=identity["Arn"],
        client=client,
        say=lambda line: console.print(line, soft_wrap=True),
        times=times or Times(),
        pause=time.sleep,
        now=time.monotonic,
    )
    run.report.failures += wrong
    run.report.notes += notes
    return run


def _left(alarms: list[NotifyingAlarm]) -> list[NotifyingAlarm]:
    """Those that a test which was killed has left in ALARM.

    Raises:
        NotificationTestError: a test may be running.
    """
    raised, now = [one for one in alarms if one.left_by_a_test], datetime.now(timezone.utc)
    for one in raised:
        if one.since and now - one.since < _OVER:
            raise NotificationTestError(
                f"Alarm {one} was raised by a test less than {_OVER.seconds // 60} minutes ago. Let that test end; if "
                f"it was killed, run this command again after that. {one.reason}"
            )
    return raised


def _confirmed(number: int, console: Console) -> bool:
    question = (
        f"{number} alarms are raised, one after the other, for about a minute each. Each one notifies everybody who is "
        "named above of ALARM and of OK, and runs the actions that are named. Inform those who are on call first.\n"
        "Raise them?"
    )
    return confirmed(console, "raise the alarms", question=question, nothing="Nothing was raised.")
