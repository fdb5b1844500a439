"""Whether the other observing Regions can still notify people: their alarms, their topic and its key.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
Source: https://docs.aws.amazon.com/sns/latest/api/API_GetTopicAttributes.html
Source: https://docs.aws.amazon.com/kms/latest/APIReference/API_DescribeKey.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from .asking import Finding, NotFound
from .retries import MonitorError, NotAllowedYet, Tries, Unreachable
from .settings import NotificationPath

PERMISSION_SECONDS = 600.0
"""How long a refusal may last: a new alias takes up to five minutes to count in the permission for its key.

Source: https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html
"""

_CLOUDWATCH = "cloudwatch.amazonaws.com"
_PUBLISH = frozenset({"sns:publish", "sns:*", "*"})

Ask = Callable[[str, Callable[[], Any]], Any]


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
        self.paths = paths
        self._every = every
        self._runs_to_skip = 0
        self._now = now
        self._cloudwatch = {one: client("cloudwatch", one.region) for one in paths}
        self._sns = {one: client("sns", one.region) for one in paths}
        self._kms = {one: client("kms", one.region) for one in paths if one.key_alias}
        self._found_at = 0.0
        self._denied_since: float | None = None
        self.last: Finding | None = None
        """The finding of the last check; None before the first one."""

    def due(self) -> Sequence[NotificationPath]:
        """What this run checks: all after enough runs, or after a check that a Region did not answer, else nothing."""
        self._runs_to_skip -= 1
        return self.paths if self._runs_to_skip < 0 else ()

    def check(self, path: NotificationPath, ask: Ask, tries: Tries) -> Finding:
        """What is wrong in one Region; what gave no answer is not wrong."""
        problems: list[str] = []
        try:
            problems += self._of_alarms(path, ask, tries)
            if path.asks_topic:
                problems += self._of_topic(path, ask, tries)
        except Unreachable as reason:
            if isinstance(reason, NotAllowedYet):
                self._refuse_to_wait_for_ever(path, reason)
            return Finding(False if problems else None, tuple(problems), (f"{path.region}: {reason}",))
        return Finding(not problems, tuple(problems))

    def conclude(self, findings: Sequence[Finding]) -> Finding:
        """All Regions together: of those that answered, the worst."""
        answers = [one.healthy for one in findings if one.healthy is not None]
        problems = tuple(problem for one in findings for problem in one.problems)
        unanswered = tuple(reason for one in findings for reason in one.unanswered)
        self._found_at = self._now()
        self.last = Finding(all(answers) if answers else None, problems, unanswered)
        if not unanswered:
            self._runs_to_skip, self._denied_since = self._every - 1, None
        return self.last

    def to_json(self) -> dict[str, Any] | None:
        """The last finding, and when it was made."""
        if not self.last:
            return None
        at = datetime.fromtimestamp(self._found_at, timezone.utc)
        return {**vars(self.last), "checked_at": at.isoformat(timespec="seconds")}

    def _refuse_to_wait_for_ever(self, path: NotificationPath, reason: NotAllowedYet) -> None:
        """
        Raises:
            MonitorError: the refusal has lasted for longer than a new permission takes.
        """
        self._denied_since = self._denied_since or self._now()
        if self._now() - self._denied_since >= PERMISSION_SECONDS:
            raise MonitorError(f"The check of notifications in {path.region} was refused: {reason}") from reason

    def _of_alarms(self, path: NotificationPath, ask: Ask, tries: Tries) -> list[str]:
        answer = tries.of(
            lambda: ask(
                f"DescribeAlarms in {path.region}",
                lambda: self._cloudwatch[path].describe_alarms(
                    AlarmNames=list(path.alarms), AlarmTypes=["MetricAlarm", "CompositeAlarm"]
                ),
            )
        )
        found = (*answer.get("MetricAlarms", ()), *answer.get("CompositeAlarms", ()))
        alarms = {one["AlarmName"]: one for one in found}
        problems = []
        for name in path.alarms:
            if name not in alarms:
                problems.append(f"alarm {name} does not exist")
                continue
            if not alarms[name].get("ActionsEnabled", True):
                problems.append(f"the actions of alarm {name} are switched off")
            if path.topic_arn not in alarms[name].get("AlarmActions", ()):
                problems.append(f"alarm {name} does not notify topic {path.topic_arn}")
        return problems

    def _of_topic(self, path: NotificationPath, ask: Ask, tries: Tries) -> list[str]:
        what, arn = f"GetTopicAttributes in {path.region}", path.topic_arn
        try:
            topic = tries.of(lambda: ask(what, lambda: self._sns[path].get_topic_attributes(TopicArn=arn)))
        except NotFound:
            return [f"topic {arn} does not exist"]
        attributes: Mapping[str, str] = topic["Attributes"]
        problems = []
        if not int(attributes.get("SubscriptionsConfirmed", "0")):
            pending = int(attributes.get("SubscriptionsPending", "0"))
            waiting = f": {pending} subscribed, and have not confirmed" if pending else ""
            problems.append(f"nobody is notified by topic {arn}{waiting}")
        if not _admits_cloudwatch(attributes.get("Policy", "")):
            problems.append(f"the policy of topic {arn} does not allow {_CLOUDWATCH} to publish")
        if path.key_alias:
            problems += self._of_key(path, path.key_alias, attributes.get("KmsMasterKeyId", ""), ask, tries)
        return problems

    def _of_key(self, path: NotificationPath, alias: str, of_topic: str, ask: Ask, tries: Tries) -> list[str]:
        what = f"DescribeKey in {path.region}"
        try:
            answer = tries.of(lambda: ask(what, lambda: self._kms[path].describe_key(KeyId=alias)))
        except NotFound:
            return [f"{alias} of the topic's key does not exist in {path.region}"]
        key = answer["KeyMetadata"]
        if key["KeyState"] != "Enabled":
            return [f"key {key['Arn']} of topic {path.topic_arn} is {key['KeyState']}: CloudWatch cannot publish"]
        if of_topic.rpartition("/")[2] not in (key["KeyId"], alias.rpartition("/")[2]):
            return [f"topic {path.topic_arn} has key {of_topic[:100]!r}: it should be {key['Arn']}"]
        return []


def _admits_cloudwatch(policy: str) -> bool:
    """Conditions are not looked into, and a denial with one, as of plain HTTP, is none."""
    try:
        statements = _list(json.loads(policy)["Statement"])
    except (ValueError, KeyError):
        return False
    about_us = [one for one in statements if _is_about_publishing(one) and _is_about_cloudwatch(one)]
    denied = any(one.get("Effect") == "Deny" and not one.get("Condition") for one in about_us)
    return not denied and any(one.get("Effect") == "Allow" for one in about_us)


def _is_about_publishing(statement: Mapping[str, Any]) -> bool:
    return any(str(action).lower() in _PUBLISH for action in _list(statement.get("Action", ())))


def _is_about_cloudwatch(statement: Mapping[str, Any]) -> bool:
    principal = statement.get("Principal")
    if isinstance(principal, dict):
        named = [*_list(principal.get("Service", ())), *_list(principal.get("AWS", ()))]
        return not {_CLOUDWATCH, "*"}.isdisjoint(named)
    return principal == "*"


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
