"""One Aurora DSQL cluster as the control plane keeps it, and the errors of its API."""

from __future__ import annotations

import json
import secrets
import string
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any


class DsqlError(Exception):
    """An error of the DSQL API; *members* are what its model has besides the message."""

    def __init__(self, code: str, message: str, **members: str) -> None:
        super().__init__(message)
        self.code, self.message, self.members = code, message, members


def not_found(kind: str, identifier: str) -> DsqlError:
    sentence = f"The {kind} {identifier} does not exist."
    return DsqlError("ResourceNotFoundException", sentence, resourceId=identifier, resourceType=kind)


def invalid(message: str, reason: str = "other") -> DsqlError:
    return DsqlError("ValidationException", message, reason=reason)


def new_identifier() -> str:
    """As clusters and streams have it."""
    return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(26))


@dataclass
class Cluster:
    """One cluster and what it is on its way to."""

    account: str
    region: str
    identifier: str
    created: float
    status: str = "CREATING"
    deletion_protection: bool = True
    kms_key: str | None = None
    changes_key: bool = False
    multi_region: bool = False
    witness_region: str | None = None
    peers: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    policy: str | None = None
    policy_version: int = 0
    streams: dict[str, Any] = field(default_factory=dict)
    due: float | None = None
    has_served: bool = False

    @property
    def arn(self) -> str:
        return f"arn:aws:dsql:{self.region}:{self.account}:cluster/{self.identifier}"

    @property
    def endpoint(self) -> str:
        return f"{self.identifier}.dsql.{self.region}.on.aws"

    @property
    def vpc_endpoint_service_name(self) -> str:
        return f"com.amazonaws.{self.region}.dsql-{self.identifier[:6]}"

    @property
    def vpc_endpoint(self) -> str:
        return f"{self.identifier}.dsql-{self.identifier[:6]}.{self.region}.on.aws"

    def refuse_while(self, statuses: AbstractSet[str]) -> None:
        if self.status in statuses:
            raise DsqlError("ConflictException", f"Cluster {self.identifier} is {self.status}: try again later.")

    def change_policy(self, policy: str | None, expected: str | None = None) -> str:
        """Put *policy*, or take the policy away; the version of what was put or taken. Assumed: versions count up."""
        if policy is None and self.policy is None:
            raise not_found("policy of cluster", self.identifier)
        if expected is not None and expected != str(self.policy_version):
            raise DsqlError("ConflictException", f"The policy's version is {self.policy_version}, and not {expected}.")
        if policy is not None:
            try:
                json.loads(policy)
            except ValueError:
                raise invalid("The policy is no JSON.", "cannotParse") from None
            self.policy_version += 1
        self.policy = policy
        return str(self.policy_version)
