"""Faults of the catalogue on the local AWS emulator, one after the other, as a subscriber sees them."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from types import TracebackType
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..emulator.aws_emulator import AwsEmulator
from ..emulator.faults import Fault
from ..physical_names import alarm_prefix
from ..runtime.health_monitor.metric_names import CLUSTER_DOWN
from . import deployed_pair, pair_snapshot
from .catalogued_fault import OBSERVERS, CataloguedFault, Pair
from .fault_outcome import Notified, Outcome, Seen, compare, longest_wait
from .subscriber import Subscriber

TIME_SCALE = 1 / 40
"""A monitor runs every 3 seconds then, which a machine with two cores keeps up with."""

_RECOVERY_MINUTES = 40.0
_SETTLED_MINUTES = 4.1
"""After that long every check has been made once more; a shorter fault has no verdict of its own."""
_NEEDS = {
    "sql": "an app with the SQL probe, MonitoringOptions(sql_probe=True)",
    "without-sql": "an app without the SQL probe",
    "backup": "an app with backups, backup=BackupOptions()",
    "cluster-keys": "an app with KMS keys for its clusters that its topics do not share",
    "deletion-protection": "an app whose clusters have deletion protection",
    "one-key": "an app with encryption_keys, one for clusters, monitors and topics of a Region",
    "failover": "an app with health checks, failover=FailoverOptions()",
    "function-key": "an app whose monitors have a KMS key for their environment that its topics do not share",
}


class _OfFunctions:
    """The emulator, where injected faults spare the calls of whoever observes; and clients that are made once."""

    def __init__(self, aws: AwsEmulator) -> None:
        self._aws = aws
        self.regions = aws.regions
        self.client: Callable[[str, str], Any] = cache(aws.client)

    def inject(self, fault: Fault) -> None:
        self._aws.inject(replace(fault, functions_only=True))

    def clear_faults(self, name: str | None = None) -> None:
        self._aws.clear_faults(name)

    def set_cluster_status(self, region: str, identifier: str, status: str) -> None:
        self._aws.set_cluster_status(region, identifier, status)


class EmulatedFaults:
    """A deployed pair with a subscriber of its own, until the block ends.

    Args:
        aws: Where an app is deployed, with monitoring.

    Raises:
        NotReadyError: as `deployed_pair`.
    """

    def __init__(self, aws: AwsEmulator) -> None:
        self._emulator = aws
        self._aws = _OfFunctions(aws)
        self._minute = 60 * aws.time_scale
        self._pair = deployed_pair.find(self._aws, self._run_sql)
        self._monitors = deployed_pair.monitors(self._pair)
        self._schedule = deployed_pair.schedule_minutes(self._pair, next(iter(self._monitors)))
        self._topics = deployed_pair.topics(self._pair, self._monitors)
        self._subscriber = Subscriber(self._pair.deployment, self._topics, deployed_pair.clients(self._aws))

    def __enter__(self) -> EmulatedFaults:
        self._hurry()
        self._subscriber.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._subscriber.__exit__()  # else the emulator is about to be stopped, with all that is in it

    def missing(self, fault: CataloguedFault) -> str:
        """Why *fault* cannot be made on this app, as a sentence; empty: it can."""
        if fault.only_simulated:
            return f"It is in simulated time only. {fault.only_simulated}"
        missing = [one for one in sorted(fault.needs) if not self._has(one)]
        return f"It needs {' and '.join(_NEEDS.get(one, one) for one in missing)}." if missing else ""

    def wait_until_ok(self, minutes: float = _RECOVERY_MINUTES) -> float | None:
        """Minutes until every alarm that notifies is OK; None if that takes longer than *minutes*."""
        began = time.monotonic()
        while True:
            if not self.not_ok():
                return (time.monotonic() - began) / self._minute
            if time.monotonic() - began > minutes * self._minute:
                return None
            time.sleep(0.2)

    def not_ok(self) -> list[str]:
        """Name and state of every alarm that notifies and is not OK."""
        return [
            f"{one['AlarmName']}: {one['StateValue']}"
            for region, topic in self._topics.items()
            for one in pair_snapshot.alarms(self._aws.client("cloudwatch", region), self._pair.deployment)
            if topic in one["AlarmActions"] and one["StateValue"] != "OK"
        ]

    def run(self, fault: CataloguedFault) -> tuple[Outcome, list[str]]:
        """What came of *fault*, and sentences about what is not as before it; all that notifies is OK before."""
        pair = replace(self._pair, memory={})
        before = pair_snapshot.snapshot(self._aws, pair.deployment)
        alarms = {self._role(region): self._alarms(region) for region in self._monitors}
        self._subscriber.arrived()
        try:
            began = time.time()
            fault.begin(pair)
            during = self._follow(fault, pair, began, longest_wait(fault, alarms, self._schedule))
            lasted = (time.time() - began) / self._minute
            verdicts = {self._role(one): self._verdict(one, began) for one in self._monitors}
            ended = time.time()
            fault.end(pair)
        except (BotoCoreError, ClientError, OSError, LookupError, ValueError, RuntimeError, AssertionError) as error:
            self._aws.clear_faults()
            sentence = f"It could not be made on the local AWS emulator: {type(error).__name__}: {error}"
            return Outcome(name=fault.name, result="different", reasons=[sentence]), [sentence]
        recovered = self.wait_until_ok()
        time.sleep(self._schedule * self._minute)  # for what must not follow
        seen = Seen(
            verdicts=verdicts if lasted > _SETTLED_MINUTES else {},
            during=during,
            after=self._arrived(ended),
            recovered=recovered,
        )
        topics = {self._role(region): arn for region, arn in self._topics.items()}
        left = self._differences(before)
        return compare(fault, seen, alarms, topics, self._schedule), [*left, *(self.not_ok() if not left else ())]

    def _follow(self, fault: CataloguedFault, pair: Pair, began: float, latest: float) -> list[Notified]:
        """Notifications until the expected ones have come, and none has followed for two evaluation periods."""
        waiting = Counter(fault.expected.notified)
        found: list[Notified] = []
        acts = list(fault.then)
        quiet_since = 0.0
        while True:
            now = (time.time() - began) / self._minute
            while acts and acts[0][0] <= now:
                acts.pop(0)[1](pair)
            new = self._arrived(began)
            found += new
            quiet_since = max([quiet_since, *(one.minutes for one in new)])
            waiting -= Counter((one.kind, one.observer) for one in new if one.state == "ALARM")
            if fault.then or not fault.expected.notified:
                done = now >= fault.lasts
            else:
                done = not waiting and now - quiet_since > 2 * self._schedule
            if done or now > max(fault.lasts, latest):
                return found
            time.sleep(0.1)

    def _arrived(self, since: float) -> list[Notified]:
        return [
            Notified(
                kind=self._kind(one.alarm, one.region),
                observer=self._role(one.region),
                state=one.state,
                minutes=(one.at - since) / self._minute,
            )
            for one in self._subscriber.arrived()
            if one.alarm.startswith(alarm_prefix(self._pair.deployment))
        ]

    def _verdict(self, region: str, began: float) -> str | None:
        """Of the last run on schedule, by its line in the log; an invocation would be a run more."""
        events = self._log_events(region, began)
        if not events or time.time() - events[-1]["timestamp"] / 1000 > 2.5 * self._schedule * self._minute:
            return None
        last = [one["message"] for one in events if one["logStreamName"] == events[-1]["logStreamName"]]
        answers = [json.loads(one) for one in last if one.startswith("{")]
        answer = next((one for one in answers if "verdict" in one), None)
        if not answer or answer["errors"] or not answer["verdict"]:
            return None
        down = map(self._role, answer["regions_down"] if answer["verdict"] == CLUSTER_DOWN else ())
        return " ".join([answer["verdict"], *down])

    def _log_events(self, region: str, since: float) -> list[dict[str, Any]]:
        group = self._monitors[region].get("LoggingConfig", {}).get("LogGroup", f"/aws/lambda/{self._pair.monitor}")
        logs = self._aws.client("logs", region)
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=int(1000 * since))
        return sorted((one for page in pages for one in page["events"]), key=lambda one: float(one["timestamp"]))

    def _differences(self, before: Mapping[str, str]) -> list[str]:
        """After the transitions of clusters and functions, which take seconds."""
        until = time.monotonic() + 5
        while left := pair_snapshot.differences(before, pair_snapshot.snapshot(self._aws, self._pair.deployment)):
            if time.monotonic() > until:
                return left
            time.sleep(0.5)
        return []

    def _alarms(self, region: str) -> dict[str, dict[str, Any]]:
        found = pair_snapshot.alarms(self._aws.client("cloudwatch", region), self._pair.deployment)
        return {self._kind(one["AlarmName"], region): one for one in found}

    def _kind(self, alarm: str, region: str) -> str:
        """With roles in place of Regions."""
        kind = alarm.removeprefix(alarm_prefix(self._pair.deployment)).removesuffix(f"-from-{region}")
        for role in OBSERVERS:
            kind = kind.replace(self._pair.region(role), role)
        return kind

    def _role(self, region: str) -> str:
        return {self._pair.region(role): role for role in OBSERVERS}.get(region, region)

    def _has(self, need: str) -> bool:
        function = self._monitors[self._pair.primary]
        variables = function.get("Environment", {}).get("Variables", {})
        identifier = self._pair.identifiers[self._pair.primary]
        cluster = self._aws.client("dsql", self._pair.primary).get_cluster(identifier=identifier)
        return {
            "cluster-keys": cluster["encryptionDetails"].get("kmsKeyArn") not in (None, self._topics_key()),
            "one-key": {cluster["encryptionDetails"].get("kmsKeyArn"), function.get("KMSKeyArn")}
            == {self._topics_key()},
            "deletion-protection": bool(cluster["deletionProtectionEnabled"]),
            "sql": "SQL_ROLE" in variables,
            "without-sql": "SQL_ROLE" not in variables,
            "backup": "BACKUP_VAULTS" in variables,
            "failover": "EVACUATION_REGIONS" in variables,
            "function-key": (function.get("KMSKeyArn") or None) not in (None, self._topics_key()),
        }.get(need, False)

    def _topics_key(self) -> str:
        """ARN: with ``encryption_keys``, clusters, monitors and topics of a Region have one key."""
        region, topic = next(iter(self._topics.items()))
        attributes = self._aws.client("sns", region).get_topic_attributes(TopicArn=topic)["Attributes"]
        found = self._aws.client("kms", region).describe_key(KeyId=attributes["KmsMasterKeyId"])
        return str(found["KeyMetadata"]["Arn"])

    def _hurry(self) -> None:
        """Let a run's time for its checks be as much shorter as the schedule is: it may be the time between two."""
        for region, function in self._monitors.items():
            variables = function["Environment"]["Variables"]
            budget = min(float(variables["BUDGET_SECONDS"]), 0.5 * self._schedule * self._minute)
            changed = {**variables, "BUDGET_SECONDS": f"{budget:.2f}"}
            client = self._aws.client("lambda", region)
            client.update_function_configuration(FunctionName=self._pair.monitor, Environment={"Variables": changed})

    def _run_sql(self, region: str, statement: str) -> None:
        from pg8000.native import Connection  # of an extra that only apps with SQL need

        endpoint = f"{self._pair.identifiers[region]}.dsql.{region}.on.aws"
        variables = self._emulator.endpoint_variables()
        token = self._aws.client("dsql", region).generate_db_connect_admin_auth_token(endpoint, region)
        with (
            socket.create_connection((variables["PGHOSTADDR"], int(variables["PGPORT"]))) as plain,
            Connection(
                "admin",
                host=endpoint,
                database="postgres",
                password=token,
                sock=plain,
                ssl_context=ssl.create_default_context(cafile=variables["SSL_CERT_FILE"]),
            ) as connection,
        ):
            connection.run(statement)
