"""Adoption: a cluster that exists becomes one of the stack's pair, and the one that the stack had before is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from ..parameter_registry import DEPLOYMENT_TAG, IDENTIFIER, PAIR_TAG
from .cluster import (
    ClientFactory,
    Cluster,
    Denied,
    NotFound,
    PeeringError,
    TryAgain,
    ask,
    describe,
    vpc_endpoint_service_name,
)
from .stack_records import stack_resource, stack_status

_SETTLES_WITHIN = 120.0
"""As `PolledChange.settles_within`."""
_POLL_SECONDS = 2.0
_LONGEST_HISTORY = 30
"""Identifiers in a physical id, which CloudFormation limits to 1 KB.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
"""


class Adoption:
    """Compares both clusters with what the app says, and changes nothing but tags of the one in this Region.

    It can be repeated, lost or run by a new process at any time. The clusters that this stack had, the adopted one
    last, are in the physical id. Delete does nothing: an adopted cluster is never a stack's to delete.

    Args:
        event: CloudFormation's. Whoever may invoke the function can send one, so it says nothing about the clusters.
        environment: The function's, which does.
        client: Gives the boto3 client for a service and a Region.
        clock: Seconds since the epoch.
        sleep: Waits so many seconds.
        seconds: Time that it has.
    """

    def __init__(
        self,
        event: Mapping[str, Any],
        environment: Mapping[str, str],
        client: ClientFactory,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        seconds: float,
    ) -> None:
        self._event = event
        self._arn = environment["CLUSTER_ARN"]
        self._peer_arn = environment["PEER_ARN"]
        self._witness_region = environment["WITNESS_REGION"]
        self._tags: dict[str, str] = json.loads(environment["TAGS"])
        self._stack_id = environment["STACK_ID"]
        self._former_logical_id = environment["FORMER_LOGICAL_ID"]
        self._folder, _, self._identifier = self._arn.rpartition("/")
        self._region = self._arn.split(":")[3]
        self._client, self._clock, self._sleep = client, clock, sleep
        self._began, self._seconds = clock(), seconds

    def run(self) -> dict[str, Any]:
        """The answer for CloudFormation.

        Raises:
            PeeringError: the cluster cannot be adopted; the sentence says why, and what to do.
        """
        if self._event["RequestType"] == "Delete":
            return {"PhysicalResourceId": self._event["PhysicalResourceId"]}
        while True:
            try:
                return self._adopt()
            except TryAgain as wait:
                if self._elapsed + _POLL_SECONDS > self._seconds:
                    raise PeeringError(f"{self._failed}: still not done after {self._seconds:g} s: {wait}.") from wait
            except PeeringError as error:
                if not isinstance(error, Denied) or self._elapsed > _SETTLES_WITHIN:
                    raise PeeringError(f"{self._failed}: {error}") from error
            self._sleep(_POLL_SECONDS)

    @property
    def _elapsed(self) -> float:
        return self._clock() - self._began

    @property
    def _failed(self) -> str:
        return f"Adoption of {self._arn} failed"

    def _adopt(self) -> dict[str, Any]:
        cluster = describe(self._client, self._arn)
        for one in (cluster, describe(self._client, self._peer_arn)):
            self._refuse(one)
        created = self._created_here()
        self._refuse_unprotected(created)
        history = self._history(created)
        self._tag(cluster)
        former = history[-2:-1]
        return {
            "PhysicalResourceId": "/".join(history),
            "Data": {
                "FormerClusterArn": f"{self._folder}/{former[0]}" if former else "none",
                "VpcEndpointServiceName": self._service_name(cluster),
            },
        }

    def _refuse(self, cluster: Cluster) -> None:
        if cluster.status == "CREATING":
            raise TryAgain(f"{cluster}")
        what = f"cluster_arns has {cluster.arn}"
        if not cluster.remains or cluster.status == "FAILED":
            raise PeeringError(
                f"{what}, and {cluster}. Give the ARNs of two clusters of this account that exist (aws dsql "
                f"list-clusters --region {cluster.region} shows their identifiers), then deploy again."
            )
        if not cluster.witness_region:
            raise PeeringError(
                f"{what}, which is a single-Region cluster, and Aurora DSQL cannot make it one of a pair. Give two "
                "clusters that were created with a witness Region; a restored backup can be made one (dsql-dr restore)."
            )
        if cluster.witness_region != self._witness_region:
            raise PeeringError(
                f"{what}, whose witness is {cluster.witness_region}, and the app's is {self._witness_region}. Give "
                f'witness_region="{cluster.witness_region}", then deploy again.'
            )
        self._refuse_third(cluster)
        ours = self._tags[DEPLOYMENT_TAG]
        theirs = cluster.tags.get(DEPLOYMENT_TAG, ours)
        if theirs != ours and cluster.tags.get(PAIR_TAG) != self._tags[PAIR_TAG]:  # else these stacks were renamed
            raise PeeringError(
                f"{what}, whose tag {DEPLOYMENT_TAG} says that it is one of pair {theirs[:100]!r}, and this pair is "
                f"{ours!r}. If it is no longer that pair's, run aws dsql untag-resource --region {cluster.region} "
                f"--resource-arn {cluster.arn} --tag-keys {DEPLOYMENT_TAG}, then deploy again."
            )

    def _refuse_third(self, cluster: Cluster) -> None:
        """A pair that serves is not taken apart; one in a third Region, where no call is allowed, is taken to exist."""
        for arn in sorted(cluster.peers - {self._arn, self._peer_arn}):
            folders = [one.rpartition("/")[0] for one in (self._arn, self._peer_arn)]
            third = describe(self._client, arn) if arn.rpartition("/")[0] in folders else None
            if third is None or (third.remains and cluster.arn in third.peers):
                raise PeeringError(
                    f"cluster_arns has {cluster.arn}, which is peered with {arn}, and that is not in cluster_arns. "
                    "Give the ARNs of two clusters that are peered with each other or with none. If nobody needs "
                    f"{arn}, delete it; if this error comes again after that, run {cluster.remove_peers_command}. Then "
                    "deploy again."
                )

    def _created_here(self) -> str | None:
        """Identifier of the cluster that this stack created, and that CloudFormation removes from it after this.

        What is recorded of it later is not documented: nothing, or a status of its removal.

        Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-update-behaviors.html
        """
        record = stack_resource(self._client, self._region, self._stack_id, self._former_logical_id)
        identifier = str(record.get("PhysicalResourceId") or "")
        removed = str(record.get("ResourceStatus")).startswith("DELETE_")
        return identifier if re.fullmatch(IDENTIFIER, identifier) and not removed else None

    def _refuse_unprotected(self, identifier: str | None) -> None:
        """Whether CloudFormation keeps it is in the template from before; where it is protected, it stays anyway."""
        if not identifier:
            return
        cluster = describe(self._client, f"{self._folder}/{identifier}")
        if cluster.remains and not cluster.deletion_protection:
            raise PeeringError(
                f"cluster {cluster.arn}, which this stack created, has deletion protection disabled, so CloudFormation "
                "could delete it when it leaves the stack, and nothing was changed. Run aws dsql update-cluster "
                f"--region {cluster.region} --identifier {cluster.identifier} --deletion-protection-enabled, then "
                "deploy again. If neither stack has adopted a cluster yet, you can instead deploy once without "
                "cluster_arns and with removal_policy=RemovalPolicy.RETAIN, which enables it."
            )

    def _history(self, created: str | None) -> list[str]:
        """Identifiers of the clusters that this stack had, the adopted one last."""
        before = [one for one in str(self._event.get("PhysicalResourceId", "")).split("/") if one]
        if not before:
            before = [created] if created else []
        elif before[-1] != self._identifier and self._identifier in before and self._rolled_back():
            return before[: before.index(self._identifier) + 1]  # what could not be adopted is no former one
        return [*(one for one in before if one != self._identifier), self._identifier][-_LONGEST_HISTORY:]

    def _rolled_back(self) -> bool:
        return "ROLLBACK" in stack_status(self._client, self._region, self._stack_id)

    def _tag(self, cluster: Cluster) -> None:
        """Other tags stay, also those that an earlier deployment set."""
        if self._tags.items() <= cluster.tags.items():
            return
        tag = self._client("dsql", self._region).tag_resource
        ask(f"TagResource on {self._arn}", tag, resourceArn=self._arn, tags=self._tags)

    def _service_name(self, cluster: Cluster) -> str:
        """A pair serves without it, so that is no reason to fail."""
        try:
            return vpc_endpoint_service_name(self._client, cluster)
        except (NotFound, PeeringError) as error:
            if isinstance(error, Denied) and self._elapsed <= _SETTLES_WITHIN:
                raise
            print(f"The VPC endpoint service of {cluster.identifier} is not known: {error}")  # noqa: T201 - for the log
            return "unknown"
