"""AWS Backup and Aurora DSQL as the commands see them: answers made for a test, in the shapes of botocore's model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from functools import cache
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.model import ServiceModel, StructureShape
from botocore.validate import validate_parameters

EAST, WEST, WITNESS = "us-east-1", "us-west-2", "us-east-2"
REGIONS = (EAST, WEST)
ACCOUNT = "111122223333"
VAULT = "dsql-Orders-production"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/aurora-dsql-restore-Orders-production"
NOW = datetime(2026, 11, 26, 9, 0, tzinfo=timezone.utc)
ORCHESTRATED = {"useMultiRegionOrchestration": "true"}
LAST_NIGHT = datetime(2026, 11, 26, 3, 10, 5, 250_000, tzinfo=timezone.utc)


def cluster_arn(region: str, letter: str = "a") -> str:
    return f"arn:aws:dsql:{region}:{ACCOUNT}:cluster/{letter * 26}"


def point_arn(region: str, name: str) -> str:
    return f"arn:aws:backup:{region}:{ACCOUNT}:recovery-point:{name}"


def point(region: str, name: str, created: datetime = LAST_NIGHT, **changed: Any) -> dict[str, Any]:
    return {
        "RecoveryPointArn": point_arn(region, name),
        "BackupVaultName": VAULT,
        "BackupVaultArn": f"arn:aws:backup:{region}:{ACCOUNT}:backup-vault:{VAULT}",
        "ResourceArn": cluster_arn(EAST),
        "ResourceType": "DSQL",
        "CreationDate": created,
        "Status": "COMPLETED",
        "BackupSizeInBytes": 36_635_253,
        "CalculatedLifecycle": {"DeleteAt": created + timedelta(days=35)},
        **changed,
    }


def error(code: str, message: str = "No.") -> Callable[[str], Exception]:
    return lambda operation: ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 400}},
        operation,
    )


def no_answer(operation: str) -> Exception:
    raised: Exception = EndpointConnectionError(endpoint_url=f"https://{operation}.example")
    return raised


@dataclass
class Aws:
    """A pair with last night's recovery point in both Regions, and restores that take three checks."""

    points: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {region: [point(region, "last-night")] for region in REGIONS}
    )
    clusters: dict[str, dict[str, Any]] = field(default_factory=dict)
    jobs: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: {region: {} for region in REGIONS})
    copy_jobs: list[dict[str, Any]] = field(default_factory=list)
    backup_jobs: list[dict[str, Any]] = field(default_factory=list)
    parameters: bool = True
    now: datetime = NOW
    vault: str = VAULT
    ends: Mapping[str, Any] = field(default_factory=lambda: {"Status": "COMPLETED"})
    """How a restore job ends."""
    faults: dict[tuple[str, str], Callable[[str], Exception]] = field(default_factory=dict)
    """By operation and Region."""
    on_call: Callable[[str, str], None] = lambda operation, region: None
    calls: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    attempts: dict[str, int] = field(default_factory=dict)
    """How often each operation may be sent until it is answered."""
    actions: set[str] = field(default_factory=set)
    """What IAM checks for the calls."""
    tokens: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)
    """By job, as AWS Backup gives it back."""

    def __post_init__(self) -> None:
        self.add_pair("a")

    def add_pair(self, letter: str, *, tag: str = "Orders-production", keys: Mapping[str, str] | None = None) -> None:
        for region in REGIONS:
            own = {"encryptionType": "CUSTOMER_MANAGED_KMS_KEY", "kmsKeyArn": keys[region]} if keys else {}
            self.clusters[cluster_arn(region, letter)] = {
                "identifier": letter * 26,
                "arn": cluster_arn(region, letter),
                "status": "ACTIVE",
                "creationTime": NOW,
                "deletionProtectionEnabled": True,
                "multiRegionProperties": {
                    "witnessRegion": WITNESS,
                    "clusters": [cluster_arn(one, letter) for one in REGIONS],
                },
                "encryptionDetails": {
                    "encryptionType": "AWS_OWNED_KMS_KEY",
                    "encryptionStatus": "ENABLED",
                    **own,
                },
                "tags": {"dsql-dr:deployment": tag},
            }

    def move_to(self, vault: str) -> None:
        """All recovery points, and the restores from them."""
        self.vault = vault
        for one in [one for points in self.points.values() for one in points]:
            one["BackupVaultName"] = vault

    def client(self, service: str, region: str, /, *, attempts: int = 2) -> Any:
        return AwsClient(self, service, region, attempts)

    def asked(self, operation: str) -> list[tuple[str, dict[str, Any]]]:
        """Region and request of each call of *operation*."""
        return [(region, request) for name, region, request in self.calls if name == operation]

    def list_recovery_points_by_backup_vault(self, region: str, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        found = [one for one in self.points[region] if one["BackupVaultName"] == request["BackupVaultName"]]
        yield {"RecoveryPoints": found[:1]}
        yield {"RecoveryPoints": found[1:]}

    def list_copy_jobs(self, region: str, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        yield {"CopyJobs": [one for one in self.copy_jobs if one["SourceBackupVaultArn"].split(":")[3] == region]}

    def list_backup_jobs(self, region: str, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        yield {"BackupJobs": [one for one in self.backup_jobs if one["BackupVaultArn"].split(":")[3] == region]}

    def list_restore_jobs(self, region: str, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        parent = request.get("ByParentJobId")
        yield {
            "RestoreJobs": [one for one in self.jobs[region].values() if one.get("ParentJobId") == parent or not parent]
        }

    def get_parameters_by_path(self, region: str, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        arns = [cluster_arn(one) for one in REGIONS] if self.parameters else []
        yield {
            "Parameters": [{"Name": f"{request['Path']}/{arn.split(':')[3]}/arn", "Value": arn} for arn in arns],
        }

    def get_cluster(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        for arn, found in self.clusters.items():
            if arn.split(":")[3] == region and found["identifier"] == request["identifier"]:
                return found
        raise error("ResourceNotFoundException")("GetCluster")

    def start_restore_job(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        job_id = self.tokens.setdefault(request["IdempotencyToken"], f"job-{len(self.tokens) + 1}")
        self.metadata[job_id] = {name.lower(): value for name, value in request.get("Metadata", ORCHESTRATED).items()}
        self.jobs[region].setdefault(
            job_id,
            {
                "RestoreJobId": job_id,
                "RecoveryPointArn": request["RecoveryPointArn"],
                "SourceResourceArn": cluster_arn(EAST),
                "BackupVaultArn": f"arn:aws:backup:{region}:{ACCOUNT}:backup-vault:{self.vault}",
                "IamRoleArn": request["IamRoleArn"],
                "CreationDate": NOW,
                "Status": "PENDING",
                "PercentDone": "0.00%",
            },
        )
        return {"RestoreJobId": job_id}

    def get_restore_job_metadata(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"RestoreJobId": request["RestoreJobId"], "Metadata": self.metadata[request["RestoreJobId"]]}

    def describe_restore_job(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        job = self.jobs[region].get(request["RestoreJobId"])
        if not job:
            raise error("ResourceNotFoundException")("DescribeRestoreJob")
        before = dict(job)
        if job["Status"] == "PENDING":
            job.update(Status="RUNNING", PercentDone="50.00%")
        elif job["Status"] == "RUNNING":
            job.update(self.ends)
            if job["Status"] == "COMPLETED" and "CreatedResourceArn" not in job:
                self.add_pair("n", tag="")
                for one in REGIONS:
                    together = self.clusters[cluster_arn(one, "n")]["multiRegionProperties"]
                    together["witnessRegion"] = self.metadata[job["RestoreJobId"]].get("witnessregion", WITNESS)
                job["CreatedResourceArn"] = cluster_arn(region, "n")
        return before


@dataclass
class AwsClient:
    aws: Any
    service: str
    region: str
    attempts: int

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        def call(**request: Any) -> dict[str, Any]:
            return next(self.answers(name, request))

        return call

    def get_paginator(self, name: str) -> Any:
        return type("Pages", (), {"paginate": lambda _, **request: self.answers(name, request)})()

    def answers(self, name: str, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        model = _models(self.service)
        operation = next(one for one in model.operation_names if xform_name(one) == name)
        validate_parameters(request, model.operation_model(operation).input_shape)
        self.aws.attempts[operation] = self.attempts
        self.aws.calls.append((operation, self.region, json.loads(json.dumps(request, default=str))))
        self.aws.actions.add(f"{self.service}:{operation}")
        self.aws.on_call(operation, self.region)
        fault = self.aws.faults.get((operation, self.region))
        if fault:
            raise fault(operation)
        answer = getattr(self.aws, name)(self.region, request)
        for one in [answer] if isinstance(answer, dict) else answer:
            validate_parameters(one, model.operation_model(operation).output_shape or _NOTHING)
            yield {**one, "ResponseMetadata": {"HTTPHeaders": {"date": format_datetime(self.aws.now, usegmt=True)}}}


_NOTHING = StructureShape("Nothing", {"type": "structure", "members": {}})


@cache
def _models(service: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(service)
