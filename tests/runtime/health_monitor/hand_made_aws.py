"""Two clusters, their SSM parameters and what notifies in other Regions, as AWS would answer."""

from __future__ import annotations

import concurrent.futures
import json
import ssl
import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future
from datetime import datetime, timezone
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dsql_dr_constructs.runtime.health_monitor.alarm_digest import digest
from dsql_dr_constructs.runtime.health_monitor.evacuation_check import EvacuationCheck
from dsql_dr_constructs.runtime.health_monitor.metric_names import NAMESPACE
from dsql_dr_constructs.runtime.health_monitor.monitoring_run import MonitoringRun
from dsql_dr_constructs.runtime.health_monitor.notifications import NotificationCheck
from dsql_dr_constructs.runtime.health_monitor.recovery_point_check import RecoveryPointCheck
from dsql_dr_constructs.runtime.health_monitor.retries import MonitorError, Surroundings
from dsql_dr_constructs.runtime.health_monitor.settings import NotificationPath, Settings
from tests.runtime.health_monitor.hand_made_backup import VAULTS, AwsBackup
from tests.runtime.judge import judged

EAST, WEST = (f"arn:aws:dsql:{region}:111111111111:cluster/{region}" for region in ("us-east-1", "us-west-2"))


def error(code: str, status: int = 400) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "x")


def all_answered(questions: Collection[Future[Any]], seconds: float) -> None:
    """However slow this machine is."""
    assert not concurrent.futures.wait(questions, timeout=60).not_done


class Time:
    """Passes by waiting only, and for all threads."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._lock = threading.Lock()

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.now += seconds

    def surroundings(self, **options: Any) -> Surroundings:
        return Surroundings(**{"clock": lambda: self.now, "sleep": self.sleep, "wait": all_answered, **options})


FOLDERS = {arn: f"/dsql-dr/Orders-production/{arn.split(':')[3]}" for arn in (EAST, WEST)}


def said_of(arn: str) -> dict[str, str]:
    """What GetCluster says, and so the parameters."""
    region = arn.split(":")[3]
    return {"arn": arn, "identifier": region, "endpoint": f"{region}.dsql"}


class OtherRegion:
    """Alarms, topic and key as the library makes them; the attributes are AWS's answers, to be changed."""

    def __init__(self, region: str) -> None:
        self.topic_arn = f"arn:aws:sns:{region}:111111111111:aurora-dsql-alerts-Orders-production"
        self.key_arn = f"arn:aws:kms:{region}:111111111111:key/1234"
        down, lost, cause = (f"{what}-from-{region}" for what in ("cluster-down", "peering-lost", "peering"))
        arn = f"arn:aws:cloudwatch:{region}:111111111111:alarm:"
        how = {
            "Namespace": NAMESPACE,
            "MetricName": "ClusterHealth",
            "Dimensions": [{"Name": "ClusterRegion", "Value": "us-east-1"}, {"Name": "Deployment", "Value": "Orders"}],
            "Statistic": "Minimum",
            "Period": 120,
            "EvaluationPeriods": 2,
            "DatapointsToAlarm": 2,
            "Threshold": 1.0,
            "ComparisonOperator": "LessThanThreshold",
            "TreatMissingData": "missing",
        }
        acts = {"ActionsEnabled": True, "AlarmActions": [self.topic_arn]}
        self.alarms: dict[str, dict[str, Any]] = {
            down: {"AlarmName": down, "AlarmArn": arn + down, **acts, **how},
            lost: {"AlarmName": lost, "AlarmArn": arn + lost, **acts, "AlarmRule": f'(ALARM("{arn}{cause}"))'},
            cause: {"AlarmName": cause, "AlarmArn": arn + cause, **how, "MetricName": "PeeringHealth"},
        }
        self.path = NotificationPath(
            region,
            f"*-from-{region}",
            {"cluster-down": digest(self.alarms[down]), "peering-lost": digest(self.alarms[lost])},
            self.topic_arn,
            causes={"peering": digest(self.alarms[cause])},
            key_alias="alias/aurora-dsql-alerts-Orders-production",
        )
        publish = {"Action": "sns:Publish", "Resource": self.topic_arn}
        over_tls = {"Effect": "Deny", "Principal": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
        allow = {
            "Effect": "Allow",
            "Principal": {"Service": "cloudwatch.amazonaws.com"},
            "Condition": {"ArnLike": {"aws:SourceArn": [f"{arn}cluster-*", f"{arn}peering-*"]}},
        }
        self.policy: list[dict[str, Any]] = [{**over_tls, **publish}, {**allow, **publish}]
        self.topic: dict[str, str] | None = {
            "SubscriptionsConfirmed": "1",
            "SubscriptionsPending": "0",
            "KmsMasterKeyId": self.key_arn,
        }
        self.key: dict[str, Any] | None = {"KeyId": "1234", "Arn": self.key_arn, "KeyState": "Enabled"}
        self.failures: dict[str, list[Any]] = {"cloudwatch": [], "sns": [], "kms": []}
        self.asked = 0

    def client(self, service: str) -> Any:
        answers: dict[str, tuple[str, Callable[..., Any]]] = {
            "cloudwatch": ("describe_alarms", self._describe_alarms),
            "sns": ("get_topic_attributes", self._get_topic_attributes),
            "kms": ("describe_key", self._describe_key),
        }
        method, answer = answers[service]

        def call(**arguments: Any) -> Any:
            self.asked += service == "cloudwatch"
            if self.failures[service]:
                raise self.failures[service].pop()
            return answer(**arguments)

        return judged(service, {method: call})

    def _describe_alarms(self, *, AlarmNames: list[str], AlarmTypes: list[str]) -> dict[str, Any]:  # noqa: N803
        assert AlarmTypes == ["MetricAlarm", "CompositeAlarm"], "else there are no composite alarms in the answer"
        found = [self.alarms[name] for name in AlarmNames if name in self.alarms]
        return {
            "MetricAlarms": [one for one in found if "AlarmRule" not in one],
            "CompositeAlarms": [one for one in found if "AlarmRule" in one],
        }

    def _get_topic_attributes(self, *, TopicArn: str) -> dict[str, Any]:  # noqa: N803
        assert TopicArn == self.topic_arn
        if self.topic is None:
            raise error("NotFound", 404)
        return {"Attributes": {**self.topic, "Policy": json.dumps({"Statement": self.policy})}}

    def _describe_key(self, *, KeyId: str) -> dict[str, Any]:  # noqa: N803
        assert KeyId == "alias/aurora-dsql-alerts-Orders-production", "the permission is for the alias only"
        if self.key is None:
            raise error("NotFoundException")
        return {"KeyMetadata": self.key}


class Aws:
    """Two clusters that answer, or fail as set up, and a CloudWatch that records."""

    def __init__(self) -> None:
        self.time = Time()
        self.endpoints = {EAST: "us-east-1.dsql", WEST: "us-west-2.dsql"}
        self.answers: dict[str, dict[str, Any]] = {"us-east-1": {}, "us-west-2": {}}
        """What GetCluster says otherwise than of a healthy pair."""
        self.dates: dict[str, float | None] = {"us-east-1": 0.0, "us-west-2": 0.0}
        """Seconds by which a Region's own time is wrong; None: its answers have none."""
        self.malformed: set[str] = set()
        """Regions whose answers are not what AWS's model promises."""
        self.failures: dict[str, list[Any]] = {"us-east-1": [], "us-west-2": [], "put": [], "ssm": []}
        self.endpoint_does: dict[str, Callable[[], None]] = {}
        self.put: list[dict[str, Any]] = []
        self.lines: list[str] = []
        self.asked_of: list[tuple[str, str]] = []
        self.folders: dict[str, str] = {}
        """Of SSM parameters, by ARN; empty for a pair without."""
        self.parameters = {f"{FOLDERS[arn]}/{name}": value for arn in FOLDERS for name, value in said_of(arn).items()}
        self.written: dict[str, datetime] = {}
        """When SSM parameters were last written, by name."""
        self.evacuation_regions: tuple[str, ...] = ()
        """Empty for a pair without health checks for failover."""
        self.declared: dict[str, list[dict[str, Any]]] = {}
        """Versions of the SSM parameter of evacuations, by Region; a Region without has no such parameter."""
        self.history_fails: dict[str, list[Any]] = {"us-east-1": [], "us-west-2": []}
        self.paths: tuple[NotificationPath, ...] = ()
        self.others: dict[str, OtherRegion] = {}
        """What notifies in each other Region."""
        self.notifications: NotificationCheck | None = None
        self.backup: AwsBackup | None = None
        """None: recovery points are not checked."""
        self.recovery_points: RecoveryPointCheck | None = None
        self.evacuations: dict[str, EvacuationCheck] = {}
        self.sql: tuple[str, str] | None = None
        """Role and table of the SQL probe."""
        self.token: Callable[..., str] = lambda host, **_: f"token for {host}"
        """Signs a token for a database role."""

    def put_of_the_observer(self, metric: str) -> list[float]:
        """What the last run put of *metric*, which is of no cluster and has these dimensions."""
        data = [one for one in self.put[-1]["MetricData"] if one["MetricName"] == metric]
        for one in data:
            assert one["Dimensions"] == [
                {"Name": "Deployment", "Value": "Orders-production"},
                {"Name": "ObserverRegion", "Value": "us-east-1"},
            ]
        return [one["Value"] for one in data]

    def client(self, service: str, region: str) -> Any:
        self.asked_of.append((service, region))
        if service == "cloudwatch" and region not in self.others:
            return judged(service, {"put_metric_data": self._put})
        if service == "ssm":
            methods = {"get_parameters": self._get_parameters, "get_parameter_history": self._history(region)}
            return judged(service, methods)
        if service == "backup" and self.backup:
            return self.backup.client(region)
        if service != "dsql":
            return self.others[region].client(service)

        def get_cluster(*, identifier: str) -> dict[str, Any]:
            return self.get_cluster(region, identifier)

        if region in self.malformed:
            return SimpleNamespace(get_cluster=get_cluster)
        client = judged(service, {"get_cluster": get_cluster})
        client.generate_db_connect_auth_token = self.token
        return client

    def get_cluster(self, region: str, identifier: str) -> dict[str, Any]:
        if self.failures[region]:
            raise self.failures[region].pop()
        answer = {
            "identifier": identifier,
            "arn": f"arn:aws:dsql:{region}:111111111111:cluster/{identifier}",
            "creationTime": datetime(2026, 1, 1, tzinfo=timezone.utc),
            "deletionProtectionEnabled": True,
            "status": "ACTIVE",
            "encryptionDetails": {"encryptionType": "AWS_OWNED_KMS_KEY", "encryptionStatus": "ENABLED"},
            "multiRegionProperties": {"witnessRegion": "us-east-2", "clusters": [EAST, WEST]},
            "endpoint": f"{region}.dsql",
            **self.answers[region],
        }
        dated = {"ResponseMetadata": {"HTTPHeaders": self.date(region)}}
        return {name: value for name, value in answer.items() if value is not None} | dated

    def date(self, region: str) -> dict[str, str]:
        """Of an answer's headers; it counts whole seconds."""
        wrong = self.dates[region]
        return {} if wrong is None else {"date": formatdate(int(self.time.now + wrong), usegmt=True)}

    def _put(self, **request: Any) -> None:
        if self.failures["put"]:
            raise self.failures["put"].pop()
        self.put.append(request)

    def _get_parameters(self, *, Names: list[str]) -> dict[str, Any]:  # noqa: N803 - botocore's
        if self.failures["ssm"]:
            raise self.failures["ssm"].pop()
        found = [one for one in Names if one in self.parameters]
        return {
            "Parameters": [
                {
                    "Name": one,
                    "Value": self.parameters[one],
                    **({"LastModifiedDate": self.written[one]} if one in self.written else {}),
                }
                for one in found
            ]
        }

    def declare(self, where: str, value: str, *, at: float, who: str = "arn:aws:iam::1:user/alice") -> None:
        """Somebody, or CloudFormation, wrote *value* in Region *where*."""
        when = datetime.fromtimestamp(at, timezone.utc)
        version = {"Value": value, "LastModifiedUser": who, "LastModifiedDate": when}
        self.declared.setdefault(where, []).append(version)

    def _history(self, region: str) -> Callable[..., Any]:
        def get_parameter_history(*, Name: str, MaxResults: int, NextToken: str = "0") -> dict[str, Any]:  # noqa: N803
            assert Name == "/dsql-dr/Orders-production/evacuation"
            if self.history_fails[region]:
                raise self.history_fails[region].pop()
            if region not in self.declared:
                raise error("ParameterNotFound")
            rest = self.declared[region][int(NextToken) :]
            more = {"NextToken": str(int(NextToken) + MaxResults)} if rest[MaxResults:] else {}
            return {"Parameters": rest[:MaxResults], **more}

        return get_parameter_history

    def _probe(self, host: str, port: int, tls: ssl.SSLContext, time_left: Callable[[], float]) -> None:
        self.time.sleep(0.02)
        self.endpoint_does.get(host.partition(".")[0], lambda: None)()

    def _log(self, line: str) -> None:
        assert "AssertionError" not in line, "a judge's word is a test's failure"
        self.lines.append(line)

    def run(self, observer: str = "us-east-1", *, budget: float = 20.0, **options: Any) -> dict[str, Any]:
        role, table = self.sql or (None, "")
        settings = Settings(
            "Orders-production",
            observer,
            self.endpoints,
            "us-east-2",
            budget,
            self.folders,
            self.paths,
            2,
            role,
            table,
            evacuation_regions=self.evacuation_regions,
        )
        surroundings = self.time.surroundings()
        self.notifications = self.notifications or NotificationCheck(
            settings.notification_paths, settings.notifications_every, client=self.client, now=lambda: self.time.now
        )
        if self.backup and not self.recovery_points:
            self.recovery_points = RecoveryPointCheck(
                self.endpoints, VAULTS, 2, client=self.client, now=lambda: self.time.now
            )
        if self.evacuation_regions and observer not in self.evacuations:
            self.evacuations[observer] = EvacuationCheck(settings, self.client)
        options = {
            "recovery_points": self.recovery_points,
            "evacuation": self.evacuations.get(observer),
            "tls": ssl.create_default_context,
            "surroundings": surroundings,
            "notifications": self.notifications,
            "probe": self._probe,
            **options,
        }
        return MonitoringRun(settings, client=self.client, log=self._log, **options).run()

    def failing_run(self, **options: Any) -> dict[str, Any]:
        """The line that a run logs before it fails with the same errors."""
        with pytest.raises(MonitorError) as caught:
            self.run(**options)
        entry: dict[str, Any] = json.loads(self.lines[-1])
        assert str(caught.value) == "; ".join(entry["errors"])
        return entry

    def metrics(self) -> dict[tuple[str, str | None], tuple[float, str]]:
        """Value and unit of each metric put, by name and cluster's Region."""
        found: dict[tuple[str, str | None], tuple[float, str]] = {}
        for datum in self.put[-1]["MetricData"]:
            dimensions = {one["Name"]: one["Value"] for one in datum.get("Dimensions", [])}
            found[datum["MetricName"], dimensions.get("ClusterRegion")] = (datum["Value"], datum["Unit"])
        return found
