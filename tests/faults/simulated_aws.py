"""AWS in simulated time, as `Aws` of the catalogue: both Regions, their clusters, and what goes wrong on the way."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from email.utils import formatdate
from fnmatch import fnmatch
from typing import Any, Literal

from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

from dsql_dr_constructs.emulator import dsql_api
from dsql_dr_constructs.emulator.dsql import Dsql
from dsql_dr_constructs.emulator.dsql_cluster import DsqlError
from dsql_dr_constructs.emulator.faults import Fault, Faults
from dsql_dr_constructs.emulator.route53_rules import HealthCheck
from dsql_dr_constructs.runtime.database_session import LoginRefusedError, NoConnectionError, SqlError
from dsql_dr_constructs.runtime.evacuation import NOTHING_DECLARED
from dsql_dr_constructs.runtime.health_monitor import metric_names as names
from dsql_dr_constructs.runtime.health_monitor.retries import TransientlyUnreachable, Unreachable
from dsql_dr_constructs.runtime.parameter_registry import (
    COMPARED,
    DEPLOYMENT_TAG,
    PAIR_TAG,
    evacuation_path,
    health_check_path,
    parameter_path,
)
from tests.faults.simulated_region import ACCOUNT, SimulatedRegion, refusal
from tests.faults.simulated_time import SimulatedTime
from tests.runtime.health_monitor.hand_made_sql import Database
from tests.runtime.judge import judged, operation_name
from tests.unit.monitoring.replay import DEPLOYMENT, REGIONS

WITNESS = "us-east-2"
TAGS = {DEPLOYMENT_TAG: DEPLOYMENT, PAIR_TAG: "ours"}
STACK = f"arn:aws:cloudformation:{REGIONS[1]}:{ACCOUNT}:stack/Orders-Secondary-production/1"
MINUTE = 60.0
_DENIED = {"cloudwatch": "AccessDenied", "sns": "AuthorizationError"}
"""Code of a refusal, where it is not AccessDeniedException."""

Put = Callable[[str, str, "str | None", float, float], None]
"""Takes a metric: Region, name, cluster's Region, time and value."""


class SimulatedAws:
    """
    Args:
        templates: Of the monitoring stacks, by Region.
        put: Takes each metric that is put.
        cluster_keys: Whether each cluster has a customer's key of its own.
        is_new: Whether the clusters are created, and nothing else is.
    """

    def __init__(
        self,
        templates: Mapping[str, Mapping[str, Any]],
        put: Put,
        *,
        cluster_keys: bool = False,
        is_new: bool = False,
    ) -> None:
        self.regions = [*REGIONS]
        self.time = SimulatedTime()
        self.put = put
        self.faults = Faults()
        self.dsql = Dsql(
            self.faults,
            transition_seconds=20.0,
            clock=lambda: self.time.main,
            now=lambda: self.time.epoch,
            use_key=self._use_key,
        )
        self.identifiers: dict[str, str] = {}
        self.time.main = -600.0
        for region in REGIONS:
            request: dict[str, Any] = {"multiRegionProperties": {"witnessRegion": WITNESS}, "tags": TAGS}
            self.identifiers[region] = self.dsql.create_cluster(ACCOUNT, region, request).identifier
        self.of = {region: SimulatedRegion(region, templates[region], self.identifiers) for region in REGIONS}
        if cluster_keys:
            for region in REGIONS:
                self.of[region].keys["cluster"] = {"Policy": "{}", "KeyState": "Enabled"}
                self.dsql.find(self.arn(region)).kms_key = f"arn:aws:kms:{region}:{ACCOUNT}:key/cluster"  # type: ignore[union-attr]
        self.parameters: dict[tuple[str, str], str] = {}
        self.history: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        """Versions of what is written when everything is deployed, and later."""
        self.health_checks: dict[str, HealthCheck] = {}
        """By the Region that they are about; a Region is their ID, too."""
        if not is_new:
            self._peer()
        self.time.main = 0.0
        for region in REGIONS if not is_new else ():
            self._ssm_put_parameter(region, evacuation_path(DEPLOYMENT), NOTHING_DECLARED)
            self._ssm_put_parameter(region, health_check_path(DEPLOYMENT, region), region)
        self.stack_status = "UPDATE_IN_PROGRESS"
        self.recovery_points = dict.fromkeys(REGIONS, 3.0)
        """Hours of age at second 0."""
        self.own_metrics: dict[tuple[str, str], float] = {}
        """What Aurora DSQL puts every minute."""
        self._cut: set[tuple[str, str]] = set()
        self._clocks: dict[str, float] = {}
        self._broken: dict[str, str] = {}
        self._sql_refused: dict[str, str] = {}
        self._database = Database()
        self.revoked: set[str] = set()
        """Database roles whose mapping is gone, and tables that are."""

    def arn(self, region: str) -> str:
        """Of the cluster there."""
        return f"arn:aws:dsql:{region}:{ACCOUNT}:cluster/{self.identifiers[region]}"

    def share_keys(self) -> None:
        """Let clusters, monitors and topics of a Region have one key, as with ``encryption_keys``."""
        for region, there in self.of.items():
            [id] = {there.aliases[one] for one in there.aliases if one.endswith(f"alerts-{DEPLOYMENT}")}
            arn = f"arn:aws:kms:{region}:{ACCOUNT}:key/{id}"
            for topic in there.topics.values():
                topic["KmsMasterKeyId"] = arn
            there.keys["function"] = there.keys[id]
            there.function["KMSKeyArn"] = arn
            self.dsql.find(self.arn(region)).kms_key = arn  # type: ignore[union-attr]

    # as `Aws`

    def client(self, service: str, region: str) -> Any:
        """An administrator's, whose requests and answers are judged by AWS's models."""
        return _Client(lambda method: judged(service, {method: self._method(service, region, method)}))

    def inject(self, fault: Fault) -> None:
        self.faults.inject(fault)

    def clear_faults(self, name: str | None = None) -> None:
        self.faults.clear(name)

    def set_cluster_status(self, region: str, identifier: str, status: str) -> None:
        self.dsql.set_status(ACCOUNT, region, identifier, status)

    # as `SimulatedAws` of the catalogue

    def cut_network(self, observer: str, region: str) -> None:
        self._cut.add((observer, region))

    def restore_network(self) -> None:
        self._cut.clear()

    def set_clock(self, observer: str, seconds: float) -> None:
        self._clocks[observer] = seconds

    def break_endpoint(self, region: str, what: Literal["name", "certificate"] | None) -> None:
        self._broken[region] = {"name": "name not found", "certificate": "certificate expired", None: ""}[what]

    def refuse_sql(self, region: str, sqlstate: str) -> None:
        self._sql_refused[region] = sqlstate

    def age_recovery_points(self, hours: float) -> None:
        self.recovery_points = dict.fromkeys(REGIONS, hours - self.time.main / 3600)

    def put_of_cluster(self, region: str, name: str, value: float) -> None:
        self.own_metrics[region, name] = value

    def run_sql(self, region: str, statement: str) -> None:
        """What the catalogue runs as admin, which both clusters have at once."""
        first, *words = statement.replace('"', "").split()
        if first == "GRANT":
            return
        name = words[2] if first == "AWS" else words[1]
        (self.revoked.discard if first == "CREATE" or words[1] == "GRANT" else self.revoked.add)(name)

    # as the monitor in *observer* has it

    def clock_of(self, observer: str) -> float:
        """Seconds since 1970."""
        return self.time.epoch + self.time.now() + self._clocks.get(observer, 0.0)

    def monitors_client(self, observer: str) -> Callable[[str, str], Any]:
        """Gives clients with the role of the monitor in *observer*."""

        def client(service: str, region: str) -> Any:
            def method(name: str) -> Callable[..., Any]:
                call = self._method(service, region, name)
                operation = operation_name(service, name)

                def answer(**arguments: Any) -> Any:
                    self._travel(observer, region, service, operation)
                    answered = call(**arguments)
                    return {**answered, "ResponseMetadata": self._dated()} if service == "dsql" else answered

                return answer

            made = _Client(method)
            setattr(made, "generate_db_connect_auth_token", lambda *_, **__: str(self.clock_of(observer)))  # noqa: B010
            return made

        return client

    def _dated(self) -> dict[str, Any]:
        now = self.time.epoch + self.time.now()
        return {"HTTPHeaders": {"date": formatdate(now, usegmt=True)}}

    def peerings_client(self, service: str, region: str) -> Any:
        """As the function of the peering has it in the secondary's Region."""
        return self.monitors_client("")(service, region)

    def probe(self, observer: str) -> Callable[..., None]:
        """The connection probe from there."""

        def connect(host: str, port: int, tls: Any, time_left: Callable[[], float]) -> None:
            region = host.split(".")[2]
            if self._is_cut(observer, region) or self._fault("timeout", region, "Connect"):
                self.time.sleep(min(3.0, time_left()))
                raise TransientlyUnreachable("no answer to the connection within 3.0 s")
            self.time.sleep(0.02)
            if self._broken.get(region):
                raise Unreachable(self._broken[region])
            if fault := self._fault("error", region, "Connect"):
                raise Unreachable(f"server answered with an error: {fault.message} (XX000)")
            status = self.dsql.status_at(host)
            if status not in names.HEALTHY_STATUSES:
                raise TransientlyUnreachable(f"server answered with an error: cluster is {status} (57P03)")

        return connect

    def connect(self, observer: str) -> Callable[..., Any]:
        """The login of the SQL probe from there."""
        probe = self.probe(observer)

        def log_in(host: str, port: int, *, role: str, token: str, tls: Any, time_left: Callable[[], float]) -> Any:
            region = host.split(".")[2]
            try:
                probe(host, port, tls, time_left)
            except Unreachable as reason:
                raise NoConnectionError(str(reason)) from reason
            skew = abs(float(token) - self.time.epoch - self.time.now())
            if skew > 900 or role in self.revoked or self.denies(observer, "dsql:DbConnect"):
                raise LoginRefusedError("the login: unable to accept connection, access denied (08006)", "08006")
            return _Session(self, observer, region)

        return log_in

    # inside

    def _method(self, service: str, region: str, name: str) -> Callable[..., Any]:
        own = getattr(self, f"_{service}_{name}", None)
        if own:
            return lambda **arguments: own(region, **arguments)
        if service == "dsql":
            return lambda **arguments: self._dsql(operation_name(service, name), region, arguments)
        found: Callable[..., Any] = getattr(self.of[region], f"{service}_{name}")
        return found

    def _dsql(self, operation: str, region: str, arguments: dict[str, Any]) -> dict[str, Any]:
        identifier = arguments.pop("identifier", "")
        call = dsql_api.DsqlCall(operation, ACCOUNT, region, identifier, arguments, {})
        status, _, body = dsql_api.answer(call, self.dsql)
        found: dict[str, Any] = json.loads(body)
        if status != 200:
            raise refusal(found["__type"], found["message"], status)
        if "creationTime" in found:
            found["creationTime"] = datetime.fromtimestamp(found["creationTime"], timezone.utc)
        return found

    def _ssm_get_parameters(self, region: str, Names: list[str]) -> dict[str, Any]:  # noqa: N803 - botocore's
        found = [(one, self.parameters[region, one]) for one in Names if (region, one) in self.parameters]
        return {"Parameters": [{"Name": name, "Value": value} for name, value in found]}

    def _ssm_put_parameter(
        self,
        region: str,
        Name: str,  # noqa: N803
        Value: str,  # noqa: N803
        Type: str = "String",  # noqa: N803
        Overwrite: bool = False,  # noqa: N803
    ) -> dict[str, Any]:
        self.parameters[region, Name] = Value
        versions = self.history[region, Name]
        written = datetime.fromtimestamp(self.time.epoch + self.time.now(), timezone.utc)
        by = {"LastModifiedDate": written, "LastModifiedUser": f"arn:aws:iam::{ACCOUNT}:user/somebody"}
        versions.append({"Name": Name, "Value": Value, "Version": len(versions) + 1, **by})
        return {"Version": len(versions)}

    def _ssm_get_parameter_history(self, region: str, Name: str, MaxResults: int = 50) -> dict[str, Any]:  # noqa: N803
        if (region, Name) not in self.parameters:
            raise refusal("ParameterNotFound")
        return {"Parameters": self.history[region, Name][:MaxResults]}

    def _ssm_delete_parameters(self, region: str, Names: list[str]) -> dict[str, Any]:  # noqa: N803
        for one in Names:
            self.parameters.pop((region, one), None)
            self.history.pop((region, one), None)
        return {}

    def _route53_update_health_check(self, _: str, HealthCheckId: str, Inverted: bool) -> dict[str, Any]:  # noqa: N803
        """Of the one that is about the Region."""
        self.health_checks[HealthCheckId] = replace(self.health_checks[HealthCheckId], inverted=Inverted)
        config = {"Type": "CALCULATED", "Inverted": Inverted}
        shown = {"Id": HealthCheckId, "CallerReference": "x", "HealthCheckConfig": config, "HealthCheckVersion": 2}
        return {"HealthCheck": shown}

    def _cloudwatch_put_metric_data(self, region: str, Namespace: str, MetricData: list[dict[str, Any]]) -> None:  # noqa: N803
        assert Namespace == names.NAMESPACE
        for one in MetricData:
            dimensions = {each["Name"]: each["Value"] for each in one.get("Dimensions", ())}
            if dimensions.get(names.DEPLOYMENT) == DEPLOYMENT:
                assert dimensions[names.OBSERVER_REGION] == region
                cluster = dimensions.get(names.CLUSTER_REGION)
                at = one["Timestamp"].timestamp() - self.time.epoch if "Timestamp" in one else self.time.now()
                self.put(region, one["MetricName"], cluster, at, one["Value"])

    def _backup_list_recovery_points_by_backup_vault(
        self,
        region: str,
        BackupVaultName: str,  # noqa: N803
        ByResourceArn: str,  # noqa: N803
    ) -> dict[str, Any]:
        if region not in self.recovery_points:
            raise refusal("ResourceNotFoundException", "Backup vault not found.")
        made = datetime.fromtimestamp(self.time.epoch, timezone.utc) - timedelta(hours=self.recovery_points[region])
        point = {
            "RecoveryPointArn": f"arn:aws:backup:{region}:{ACCOUNT}:recovery-point:{made:%Y%m%d%H%M}",
            "ResourceArn": self.arn(REGIONS[0]),
            "BackupVaultName": BackupVaultName,
            "CreationDate": made,
            "Status": "COMPLETED",
        }
        found = [point] if ByResourceArn == point["ResourceArn"] else []
        return {"RecoveryPoints": found, "ResponseMetadata": self._dated()}

    def _cloudformation_describe_stacks(self, region: str, StackName: str) -> dict[str, Any]:  # noqa: N803
        assert StackName == STACK
        return {"Stacks": [{"StackName": StackName, "StackStatus": self.stack_status}]}

    def _cloudformation_describe_stack_resource(
        self,
        region: str,
        StackName: str,  # noqa: N803
        LogicalResourceId: str,  # noqa: N803
    ) -> dict[str, Any]:
        """Of the primary's cluster, and of a peering that CloudFormation has made."""
        recorded = f"dsql-dr/{DEPLOYMENT}" if StackName == STACK else self.identifiers[region]
        return {"StackResourceDetail": {"PhysicalResourceId": recorded, "ResourceStatus": self.stack_status}}

    def _dsql_get_vpc_endpoint_service_name(self, region: str, identifier: str) -> dict[str, Any]:
        return {"serviceName": f"com.amazonaws.{region}.dsql-{identifier[:6]}"}

    def _backup_list_backup_jobs(self, region: str, **_: Any) -> dict[str, Any]:
        return {"BackupJobs": []}

    def _backup_list_copy_jobs(self, region: str, **_: Any) -> dict[str, Any]:
        return {"CopyJobs": []}

    def is_stopped(self, region: str) -> bool:
        """Whether nothing in *region* answers, or runs."""
        return any(
            (one.effect, one.region, one.service) == ("timeout", region, None) for one in self.faults._active.values()
        )

    def _is_cut(self, observer: str, region: str) -> bool:
        return (observer, region) in self._cut or self.is_stopped(region)

    def _fault(self, effect: str, region: str, call: str) -> Fault | None:
        return self.faults.affecting((effect,), region, "postgresql", call)

    def _travel(self, observer: str, region: str, service: str, operation: str) -> None:
        """
        Raises:
            ClientError: the call is refused, or a fault says so.
            BotoCoreError: there is no answer.
        """
        if self._is_cut(observer, region):
            self.time.sleep(3.0)
            raise ConnectTimeoutError(endpoint_url=f"https://{service}.{region}.amazonaws.com")
        if self.faults.affecting(("timeout",), region, service, operation):
            self.time.sleep(5.0)
            raise ReadTimeoutError(endpoint_url=f"https://{service}.{region}.amazonaws.com")
        self.time.sleep(0.05)
        if fault := self.faults.affecting(("error",), region, service, operation):
            raise refusal(fault.error, fault.message, fault.status_code)
        if abs(self._clocks.get(observer, 0.0)) > 300:
            raise refusal("InvalidSignatureException", "Signature expired", 403)
        if self.denies(observer, f"{service}:{operation}"):
            raise refusal(_DENIED.get(service, "AccessDeniedException"), "explicit deny", 403)

    def denies(self, observer: str, action: str) -> bool:
        """Whether a policy that somebody added to the monitor's role denies it; nobody does to the peering's."""
        if not observer:
            return False
        statements = [one for policy in self.of[observer].role_policies.values() for one in policy["Statement"]]
        return any(
            one["Effect"] == "Deny" and any(fnmatch(action, each) for each in _list(one["Action"]))
            for one in statements
        )

    def _use_key(self, cluster_arn: str, key: str) -> str:
        region = cluster_arn.split(":")[3]
        if self.of[region].keys[key.rpartition("/")[2]]["KeyState"] != "Enabled":
            raise DsqlError("ValidationException", "key is not enabled")
        return key

    def _sql_fault(self, region: str) -> None:
        if fault := self._fault("error", region, "Query"):
            raise NoConnectionError(f"the connection failed: {fault.message}")
        if sqlstate := self._sql_refused.get(region):
            raise SqlError(f"STATEMENT: no ({sqlstate})", sqlstate)

    def _said(self) -> dict[str, str]:
        clusters = {one: self.dsql.get_cluster(ACCOUNT, one, self.identifiers[one]) for one in REGIONS}
        return {
            parameter_path(DEPLOYMENT, region, field): str(getattr(cluster, field))
            for region, cluster in clusters.items()
            for field in COMPARED
        }

    def _peer(self) -> None:
        for region, other in (REGIONS, REGIONS[::-1]):
            self._let_pass(60)
            peered = {"witnessRegion": WITNESS, "clusters": [self.arn(other)]}
            self.dsql.update_cluster(ACCOUNT, region, self.identifiers[region], {"multiRegionProperties": peered})
        self._let_pass(60)
        assert len(self.dsql.active()) == len(REGIONS)
        self.parameters = {(there, name): value for there in REGIONS for name, value in self._said().items()}

    def _let_pass(self, seconds: float) -> None:
        self.time.main += seconds
        self.dsql.active()


class _Session:
    """Of the SQL probe, with the table as it is by now."""

    def __init__(self, aws: SimulatedAws, observer: str, region: str) -> None:
        self._aws, self._observer, self._region = aws, observer, region

    def run(self, statement: str) -> list[list[Any]]:
        aws, what = self._aws, "write" if statement.startswith("INSERT") else "reading"
        aws.time.sleep(0.02)
        if aws._fault("timeout", self._region, "Query"):
            aws.time.sleep(20.0)
            raise NoConnectionError("no answer to the statement")
        aws._sql_fault(self._region)
        table = aws.of[self._observer].function["Environment"]["Variables"]["SQL_TABLE"]
        if f"dsql_dr.{table}" in aws.revoked:
            raise SqlError("the statement: relation does not exist (42P01)", "42P01")
        quoted = [one for one in statement.split("'") if one]
        if what == "write":
            return [[aws._database.commit(f"{self._observer} {quoted[1]}", quoted[3])]]
        return [list(aws._database.rows[f"{self._observer} {quoted[1]}"])]

    def close(self) -> None:
        """Nothing is left open."""


class _Client:
    """Makes each method when it is first asked for."""

    def __init__(self, method: Callable[[str], Any]) -> None:
        self._make = method

    def __getattr__(self, name: str) -> Any:
        made = self._make(name)
        made = getattr(made, name, made)
        setattr(self, name, made)
        return made


def _list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
