"""Whether the other observing Regions can notify people: their alarms, their topic and its key.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
Source: https://docs.aws.amazon.com/sns/latest/api/API_GetTopicAttributes.html
Source: https://docs.aws.amazon.com/kms/latest/APIReference/API_DescribeKey.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from .alarm_digest import digest
from .asking import Ask, Finding, NotFound
from .retries import MonitorError, NoAnswer, NotAllowedYet, Tries, Unreachable
from .settings import NotificationPath
from .topic_policy import CLOUDWATCH, may_publish

PERMISSION_SECONDS = 600.0
"""How long a refusal may last: a new alias takes up to five minutes to count in the permission for its key.

Source: https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html
"""

UNCHECKED_SECONDS = 1800.0
"""How long a Region that answers other calls may stay unchecked."""

Alarms = Mapping[str, Mapping[str, Any]]
"""By name, as DescribeAlarms gives them."""


class _Refused(MonitorError):  # noqa: N818 - an answer, of a key's alias
    """A refusal that lasts for longer than a new permission takes."""


class NotificationCheck:
    """Kept by the process from run to run, since not every run checks.

    Args:
        paths: Those of the other Regions.
        every: How many runs there are for each check.
        client: Gives the client of a service in a Region.
        now: Seconds since 1970.
    """

    def __init__(
        self,
        paths: Sequence[NotificationPath],
        every: int,
        *,
        client: Callable[[str, str], Any],
        now: Callable[[], float],
    ) -> None:
        self._paths = paths
        self._every = every
        self._runs_to_skip = 0
        self._has_run = False
        self._now = now
        self._cloudwatch = {one.region: client("cloudwatch", one.region) for one in paths}
        self._sns = {one.region: client("sns", one.region) for one in paths}
        self._kms = {one.region: client("kms", one.region) for one in paths if one.key_alias}
        self._found_at = 0.0
        self._answering: set[str] = set()
        """Regions that gave any answer in the last check."""
        self._unchecked_since: dict[str, float] = {}
        self._keys_described: set[str] = set()
        """Regions where DescribeKey was allowed once."""
        self._denied_since: dict[str, float] = {}
        self.last: Finding | None = None
        """The finding of the last check; None before the first one."""
        self.held: Finding | None = None
        """What runs put that do not check: the last finding, but a fault only when two checks in a row have found one.

        So one lost run leaves no period of the alarm empty, in which an older value would count and notify twice; and
        what a single check finds counts in one period.
        """

    def due(self, *, first: bool, on_demand: bool) -> Sequence[NotificationPath]:
        """What this run checks: all after enough runs, or after a check that a Region did not answer, else nothing.

        Args:
            first: Whether the event says that the run is the first one of a deployment. This counts in the process's
                first run only: whoever may change the schedule's input could always say so.
            on_demand: Whether a person invoked the monitor.
        """
        may_be_first, self._has_run = not self._has_run, True
        if first and may_be_first:
            return ()
        self._runs_to_skip -= 1
        return self._paths if on_demand or self._runs_to_skip < 0 else ()

    def check(self, path: NotificationPath, ask: Ask, tries: Tries) -> Finding:
        """What is wrong in one Region; a missing answer is not."""
        problems: list[str] = []
        self._answering.discard(path.region)
        try:
            alarms = self._alarms(path, ask, tries)
            problems += _of_alarms(path, alarms)
            if path.asks_topic:
                problems += self._of_topic(path, alarms, ask, tries)
        except Unreachable as reason:
            return Finding(False if problems else None, tuple(problems), (f"{path.region}: {reason}",))
        return Finding(not problems, tuple(problems))

    def refuse_to_stay_unchecked(self, path: NotificationPath, finding: Finding, *, answers: bool | None) -> None:
        """
        Args:
            path: What was checked.
            finding: What came of it.
            answers: Whether the Region's cluster did. None: there is none, and any answer of the Region counts.

        Raises:
            MonitorError: that was not possible for `UNCHECKED_SECONDS`, and the Region is not down.
        """
        region = path.region
        if not finding.unanswered or not (region in self._answering if answers is None else answers):
            self._unchecked_since.pop(region, None)
        elif self._now() - self._unchecked_since.setdefault(region, self._now()) >= UNCHECKED_SECONDS:
            raise MonitorError(
                f"Notifications in {region} could not be checked for {UNCHECKED_SECONDS / 60:g} minutes, while the "
                f"Region answers other calls: {'; '.join(finding.unanswered)}"
            )

    def conclude(self, findings: Sequence[Finding]) -> Finding:
        """All Regions together: of those that answered, the worst."""
        answers = [one.healthy for one in findings if one.healthy is not None]
        problems = tuple(problem for one in findings for problem in one.problems)
        unanswered = tuple(reason for one in findings for reason in one.unanswered)
        self._found_at = self._now()
        before = self.last
        self.last = Finding(all(answers) if answers else None, problems, unanswered)
        is_new = self.last.healthy is False and not (before and before.healthy is False)
        self.held = None if is_new else self.last
        if not unanswered:
            self._runs_to_skip = self._every - 1
        return self.last

    def to_json(self) -> dict[str, Any] | None:
        """The last finding, and when it was made."""
        if not self.last:
            return None
        at = datetime.fromtimestamp(self._found_at, timezone.utc)
        return {**vars(self.last), "checked_at": at.isoformat(timespec="seconds")}

    def _answer(self, what: str, region: str, call: Callable[[], Any], ask: Ask, tries: Tries) -> Any:
        """What *call* gives; remembers whether the Region answers, and since when it refuses.

        Raises:
            Unreachable: there was none, or none yet.
            _Refused: the refusal has lasted for longer than a new permission takes.
        """
        what = f"{what} in {region}"
        try:
            answer = tries.of(lambda: ask(what, call))
        except NotAllowedYet as reason:
            self._answering.add(region)
            if self._now() - self._denied_since.setdefault(what, self._now()) >= PERMISSION_SECONDS:
                raise _Refused(f"The check of notifications in {region} was refused: {reason}") from reason
            raise
        except (Unreachable, MonitorError) as reason:
            if not isinstance(reason, NoAnswer):
                self._answering.add(region)
            raise
        self._answering.add(region)
        self._denied_since.pop(what, None)
        return answer

    def _alarms(self, path: NotificationPath, ask: Ask, tries: Tries) -> Alarms:
        wanted = [path.name_of(what) for what in (*path.alarms, *path.causes)]
        client = self._cloudwatch[path.region]
        answer = self._answer(
            "DescribeAlarms",
            path.region,
            lambda: client.describe_alarms(AlarmNames=wanted, AlarmTypes=["MetricAlarm", "CompositeAlarm"]),
            ask,
            tries,
        )
        found = (*answer.get("MetricAlarms", ()), *answer.get("CompositeAlarms", ()))
        return {one["AlarmName"]: one for one in found}

    def _of_topic(self, path: NotificationPath, alarms: Alarms, ask: Ask, tries: Tries) -> list[str]:
        arn, client = path.topic_arn, self._sns[path.region]
        try:
            topic = self._answer(
                "GetTopicAttributes", path.region, lambda: client.get_topic_attributes(TopicArn=arn), ask, tries
            )
        except NotFound:
            return [f"topic {arn} does not exist"]
        attributes: Mapping[str, str] = topic["Attributes"]
        problems = []
        if not int(attributes.get("SubscriptionsConfirmed", "0")):
            pending = int(attributes.get("SubscriptionsPending", "0"))
            waiting = "1 address has" if pending == 1 else f"{pending} addresses have"
            problems.append(
                f"topic {arn} has no confirmed subscription{f': {waiting} not confirmed yet' if pending else ''}"
            )
        problems += _of_policy(path, alarms, attributes.get("Policy", ""))
        if path.key_alias:
            problems += self._of_key(path, path.key_alias, attributes.get("KmsMasterKeyId", ""), ask, tries)
        return problems

    def _of_key(self, path: NotificationPath, alias: str, of_topic: str, ask: Ask, tries: Tries) -> list[str]:
        """Where the alias is gone, so is the permission that names it: KMS may say the one or the other."""
        client = self._kms[path.region]
        gone = f"{alias}, the alias of the topic's key, does not exist in {path.region}"
        try:
            answer = self._answer("DescribeKey", path.region, lambda: client.describe_key(KeyId=alias), ask, tries)
        except NotFound:
            return [gone]
        except (NotAllowedYet, _Refused) as reason:
            if isinstance(reason, NotAllowedYet) and path.region not in self._keys_described:
                raise
            return [
                f"{gone}, or the monitor may not describe its key: revert the drift of that Region's monitoring stack"
            ]
        self._keys_described.add(path.region)
        key = answer["KeyMetadata"]
        if key["KeyState"] != "Enabled":
            return [f"key {key['Arn']} of topic {path.topic_arn} is {key['KeyState']}: CloudWatch cannot publish"]
        if of_topic.rpartition("/")[2] not in (key["KeyId"], alias.rpartition("/")[2]):
            return [f"topic {path.topic_arn} has key {of_topic[:100]!r}: it should be {key['Arn']}"]
        return []


def _of_alarms(path: NotificationPath, alarms: Alarms) -> list[str]:
    problems = []
    for what, deployed in {**path.alarms, **path.causes}.items():
        name = path.name_of(what)
        alarm = alarms.get(name)
        if alarm is None:
            problems.append(f"alarm {name} does not exist")
            continue
        if deployed and digest(alarm) != deployed:
            problems.append(f"alarm {name} does not have the metric, threshold and rule that were deployed")
        if what in path.alarms:
            problems += _of_actions(name, alarm, path.topic_arn)
    return problems


def _of_actions(name: str, alarm: Mapping[str, Any], topic_arn: str) -> list[str]:
    problems = []
    if not alarm.get("ActionsEnabled", True):
        problems.append(f"the actions of alarm {name} are disabled")
    if alarm.get("ActionsSuppressor"):
        problems.append(f"the actions of alarm {name} are suppressed by alarm {alarm['ActionsSuppressor']}")
    if topic_arn not in alarm.get("AlarmActions", ()):
        problems.append(f"alarm {name} does not notify topic {topic_arn}")
    return problems


def _of_policy(path: NotificationPath, alarms: Alarms, policy: str) -> list[str]:
    is_ours, arn = path.key_alias is not None, path.topic_arn
    if not may_publish(policy, None, is_ours=is_ours):
        return [f"the policy of topic {arn} does not allow {CLOUDWATCH} to publish"]
    notifying = [one for what in path.alarms if (one := alarms.get(path.name_of(what)))]
    return [
        f"the policy of topic {arn} does not allow alarm {one['AlarmName']} to publish"
        for one in notifying
        if not may_publish(policy, one.get("AlarmArn"), is_ours=is_ours)
    ]
