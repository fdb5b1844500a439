"""A test of notifications: one alarm after the other is raised, its notifications arrive, and it is OK again."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from botocore.exceptions import BotoCoreError, ClientError

from .aws_session import Client
from .notification_report import AlarmResult, Delivery, NotificationReport
from .notified_topics import Action, published
from .notifying_alarms import TEST, NotifyingAlarm, is_set, notifying_alarms, raise_hidden_fault, set_back, set_state
from .subscriber import Notification, Subscriber


@dataclass(frozen=True, kw_only=True)
class Times:
    """How long a test waits, in seconds.

    Args:
        hold: That a composite alarm stays in ALARM, as a metric alarm does until its next evaluation.
        returns: Until CloudWatch has evaluated a metric alarm.
        arrives: Until a notification has arrived.
        every: Between two calls.
    """

    hold: float = 60.0
    returns: float = 180.0
    arrives: float = 60.0
    every: float = 2.0


class NotificationRun:
    """One test.

    Args:
        deployment: Name of the pair.
        alarms: What is raised, in this order.
        actions: What these alarms notify.
        caller: ARN of whoever runs it.
        client: Gives clients.
        say: Takes a line for people.
        times: How long it waits.
        pause: Waits some seconds.
        now: Seconds of any clock.
    """

    def __init__(
        self,
        deployment: str,
        alarms: Sequence[NotifyingAlarm],
        actions: Sequence[Action],
        *,
        caller: str,
        client: Client,
        say: Callable[[str], object],
        times: Times,
        pause: Callable[[float], object],
        now: Callable[[], float],
    ) -> None:
        self._deployment, self._alarms, self._client = deployment, alarms, client
        self._say, self._pause, self._now = say, pause, now
        self._times = times
        at = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.reason = f"{TEST}: {caller} runs dsql-dr test-notifications since {at}."
        self.report = NotificationReport(deployment=deployment, caller=caller, actions=list(actions))
        self._subscribers: dict[str, Subscriber] = {}
        """By ARN of the topic."""
        self._received: list[tuple[str, Notification]] = []
        self._tested: list[NotifyingAlarm] = []
        self._raised: NotifyingAlarm | None = None
        self._raised_at = 0.0

    def run(self) -> NotificationReport:
        """Raise every alarm; whatever ends this, no alarm stays in ALARM by it, and no queue is left."""
        try:
            self._subscribe()
            for index, alarm in enumerate(self._alarms):
                if self._real_fault():
                    rest = ", ".join(map(str, self._alarms[index:]))
                    self.report.failures.append(
                        f"The test was stopped, since a real fault comes first. Not tested: {rest}."
                    )
                    break
                self._test(alarm)
        except (BotoCoreError, ClientError) as error:
            self.report.failures.append(f"The test ended early: {error}")
        finally:
            with _undisturbed():
                self._end()
        self._conclude()
        return self.report

    def _subscribe(self) -> None:
        """A queue for each topic, since a Region may have one for faults and one for warnings."""
        for index, action in enumerate(self.report.actions):
            if not action.observed:
                continue
            own = Subscriber(
                f"{self._deployment}-test-{index}", {action.region: action.arn}, self._client, pause=self._pause
            )
            self._subscribers[action.arn] = own
            own.__enter__()
            if own.problems:
                self.report.actions[index] = replace(action, observed=False)

    def _real_fault(self) -> bool:
        """Whether an alarm of theirs is in ALARM, none of which a test may hide."""
        self._raise_hidden_faults()
        regions = dict.fromkeys(one.region for one in self._alarms)
        raised = [
            one
            for region in regions
            for one in notifying_alarms(self._deployment, region, self._client)
            if one.state == "ALARM"
        ]
        self.report.failures += [f"Alarm {one} is in ALARM, not by this test: {one.reason}" for one in raised]
        return bool(raised)

    def _raise_hidden_faults(self) -> None:
        self.report.failures += filter(None, [raise_hidden_fault(one, self._client) for one in self._tested])

    def _test(self, alarm: NotifyingAlarm) -> None:
        received, began = len(self._received), self._now()
        self._raised, self._raised_at = alarm, time.time()
        sent_at = self._raised_at = set_state(alarm, "ALARM", self.reason, self._client)
        result = AlarmResult(region=alarm.region, alarm=alarm.what, name=alarm.name, sent_at=sent_at)
        self.report.alarms.append(result)
        result.raised = self._deliveries(alarm, "ALARM", alarm.alarm_actions, received, sent_at)
        self._hold(alarm, began)
        self._set_back(alarm)
        result.ok = self._deliveries(alarm, "OK", alarm.ok_actions, received, sent_at)
        self._say(result.line())

    def _hold(self, alarm: NotifyingAlarm, began: float) -> None:
        """Until CloudWatch has evaluated a metric alarm again; of a composite alarm for as long as that would take."""
        until = began + (self._times.hold if alarm.composite else self._times.returns)
        while self._now() < until:
            if not alarm.composite and not is_set(alarm, self.reason, self._client):
                return
            self._pause(self._times.every)
        if not alarm.composite:
            self.report.notes.append(
                f"CloudWatch did not set alarm {alarm} back within {self._times.returns:g} s, so this test did. If its "
                "fault is real, CloudWatch raises it again."
            )

    def _set_back(self, alarm: NotifyingAlarm) -> None:
        real = set_back(alarm, self.reason, self._raised_at, self._client)
        self._raised = None
        if real:
            self.report.failures.append(real)
        else:
            self._tested.append(alarm)

    def _deliveries(
        self, alarm: NotifyingAlarm, state: str, actions: Sequence[str], received: int, sent_at: float
    ) -> list[Delivery]:
        """Of *state* to each of *actions*, of what arrived after the first *received* notifications."""
        until = self._now() + self._times.arrives
        found: dict[str, Delivery] = {}
        while True:
            self._receive()
            for one in (one for one in actions if one not in found):
                if seen := self._seen(alarm, state, one, received, sent_at):
                    found[one] = seen
            if len(found) == len(actions) or self._now() >= until:
                break
            self._pause(self._times.every)
        for one in (one for one in actions if one not in found or found[one].seen == "failed"):
            entries = self._published(alarm, state, one, sent_at)
            said = f"The alarm's history says: {entries}" if entries else "The alarm's history does not have it."
            self.report.failures.append(
                f"{state} of alarm {alarm} did not arrive at {one} within {self._times.arrives:g} s. {said}"
            )
        return [found.get(one, Delivery(action=one)) for one in actions]

    def _receive(self) -> None:
        for topic, own in self._subscribers.items():
            self._received += [(topic, one) for one in own.arrived()]

    def _seen(self, alarm: NotifyingAlarm, state: str, action: str, received: int, sent_at: float) -> Delivery | None:
        if any(one.arn == action and not one.observed for one in self.report.actions):
            summary = self._published(alarm, state, action, sent_at)
            succeeded = summary.startswith("Successfully")
            return Delivery(action=action, seen="published" if succeeded else "failed") if summary else None
        for topic, one in self._received[received:]:
            if (topic, one.alarm, one.state) == (action, alarm.name, state):
                return Delivery(action=action, seen="arrived", at=one.at)
        return None

    def _published(self, alarm: NotifyingAlarm, state: str, action: str, sent_at: float) -> str:
        """What the alarm's history says of it; ALARM was its first change, and OK the second."""
        entries = published(alarm, action, sent_at, self._client)[0 if state == "ALARM" else 1 :]
        return entries[0] if entries else ""

    def _end(self) -> None:
        """Set back what is raised, and remove the queues; say so last, since there may be no terminal any more."""
        said, alarm = [], self._raised
        if alarm:
            try:
                self._set_back(alarm)
                said.append(f"Alarm {alarm} is no longer in ALARM by this test.")
            except (BotoCoreError, ClientError) as error:
                self.report.left.append(
                    f"Alarm {alarm} may still be in ALARM by this test: {error}. Set it back: aws cloudwatch "
                    f"set-alarm-state --region {alarm.region} --alarm-name {alarm.name} --state-value OK "
                    "--state-reason Test"
                )
        for topic, one in self._subscribers.items():
            one.__exit__()
            self.report.left += one.left
            self.report.notes += [f"{topic}: {problem}" for problem in one.problems]
        said += self.report.left or ["The queues and subscriptions of this test were removed."]
        with suppress(OSError):
            for line in said:
                self._say(line)

    def _conclude(self) -> None:
        try:
            self._raise_hidden_faults()
            for region in dict.fromkeys(one.region for one in self.report.alarms):
                states = {one.name: one for one in notifying_alarms(self._deployment, region, self._client)}
                for result in (one for one in self.report.alarms if one.region == region):
                    result.state = states[result.name].state if result.name in states else "gone"
            if self.report.alarms:
                since = self.report.alarms[0].sent_at
                self.report.actions = [one.with_counts(since, self._client) for one in self.report.actions]
        except (BotoCoreError, ClientError) as error:
            self.report.failures.append(f"How the test ended is not known: {error}")
        self.report.conclude()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C, or the end of the terminal, must not keep an alarm in ALARM."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {one: signal.signal(one, signal.SIG_IGN) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
