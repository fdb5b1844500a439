"""Aurora DSQL's clusters by account and Region, with their documented life cycle.

Where AWS does not document what happens, this file decides and says so with "assumed".

Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/cluster-lifecycle.html
"""

from __future__ import annotations

import secrets
import string
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .faults import Faults

_ALPHABET = string.ascii_lowercase + string.digits
SINGLE_REGION_QUOTA, MULTI_REGION_QUOTA = 20, 5
"""Clusters an account and Region. Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/CHAP_quotas.html"""

IN_TRANSITION = frozenset({"CREATING", "UPDATING"})
ON_THE_WAY_OUT = frozenset({"PENDING_DELETE", "DELETING"})


class DsqlError(Exception):
    """An error of the DSQL API."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


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
    multi_region: bool = False
    witness_region: str | None = None
    peers: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    policy: str | None = None
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


class Dsql:
    """The control plane of every account and Region. Time moves clusters on; each call first looks what is due.

    Args:
        faults: Asked for slow and stuck transitions.
        transition_seconds: How long CREATING, UPDATING and DELETING last.
        update_without_clusters: ``keep`` or ``drop``: what UpdateCluster does to the peers when the request has no
            ``clusters``. AWS does not document it, so a rehearsal should hold in both.
        clock: Seconds.
    """

    def __init__(
        self,
        faults: Faults,
        *,
        transition_seconds: float = 0.2,
        update_without_clusters: str = "keep",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._faults = faults
        self._transition_seconds = transition_seconds
        self._drops = update_without_clusters == "drop"
        self._clock = clock
        self._lock = threading.RLock()
        self._clusters: dict[str, Cluster] = {}
        self._by_client_token: dict[tuple[str, str, str], str] = {}

    # calls of the API

    def create_cluster(self, account: str, region: str, request: dict[str, Any]) -> Cluster:
        with self._lock:
            self._settle()
            token = (account, region, str(request.get("clientToken") or secrets.token_hex()))
            if token in self._by_client_token:
                return self._clusters[self._by_client_token[token]]
            asked = request.get("multiRegionProperties")
            self._check_quota(account, region, multi_region=bool(asked))
            cluster = Cluster(
                account=account,
                region=region,
                identifier="".join(secrets.choice(_ALPHABET) for _ in range(26)),
                created=time.time(),
                deletion_protection=request.get("deletionProtectionEnabled", True),
                kms_key=request.get("kmsEncryptionKey"),
                multi_region=bool(asked),
                tags=dict(request.get("tags") or {}),
                policy=request.get("policy"),
            )
            if asked:
                self._set_multi_region(cluster, asked)
            self._clusters[cluster.arn] = cluster
            self._by_client_token[token] = cluster.arn
            self._start(cluster, "CREATING", "CreateCluster")
            return cluster

    def get_cluster(self, account: str, region: str, identifier: str) -> Cluster:
        with self._lock:
            self._settle()
            arn = f"arn:aws:dsql:{region}:{account}:cluster/{identifier}"
            if arn not in self._clusters:
                raise DsqlError("ResourceNotFoundException", f"The cluster {identifier} does not exist.")
            return self._clusters[arn]

    def list_clusters(self, account: str, region: str) -> list[Cluster]:
        with self._lock:
            self._settle()
            return [one for one in self._clusters.values() if (one.account, one.region) == (account, region)]

    def update_cluster(self, account: str, region: str, identifier: str, request: dict[str, Any]) -> Cluster:
        with self._lock:
            cluster = self.get_cluster(account, region, identifier)
            self._refuse_in_transition(cluster)
            asked = request.get("multiRegionProperties")
            if asked is not None and not cluster.multi_region:
                raise DsqlError("ValidationException", "A single-Region cluster cannot become a multi-Region cluster.")
            if asked and asked.get("clusters") is not None:
                self._set_multi_region(cluster, asked)
            elif self._drops:
                cluster.peers = []
            if "deletionProtectionEnabled" in request:
                cluster.deletion_protection = request["deletionProtectionEnabled"]
            cluster.kms_key = request.get("kmsEncryptionKey", cluster.kms_key)
            self._start(cluster, "UPDATING", "UpdateCluster")
            return cluster

    def delete_cluster(self, account: str, region: str, identifier: str) -> Cluster:
        with self._lock:
            cluster = self.get_cluster(account, region, identifier)
            self._refuse_in_transition(cluster)
            if cluster.deletion_protection:
                raise DsqlError("ValidationException", f"Cluster {identifier} has deletion protection enabled.")
            partners = self._partners(cluster)
            if partners and not all(partner.status in ON_THE_WAY_OUT for partner in partners):
                cluster.status, cluster.due = "PENDING_DELETE", None
                return cluster
            for one in (cluster, *partners):
                self._start(one, "DELETING", "DeleteCluster")
            return cluster

    def status_at(self, endpoint: str) -> str:
        """Status of the cluster with *endpoint*, of any account; ``not found`` if there is none."""
        with self._lock:
            self._settle()
            return next((one.status for one in self._clusters.values() if one.endpoint == endpoint), "not found")

    def arn_at(self, endpoint: str) -> str | None:
        """ARN of the cluster with *endpoint*, of any account."""
        with self._lock:
            return next((one.arn for one in self._clusters.values() if one.endpoint == endpoint), None)

    # what only the rehearsal can do

    def set_status(self, account: str, region: str, identifier: str, status: str) -> None:
        """Let a cluster become IDLE, INACTIVE or FAILED, which AWS decides."""
        with self._lock:
            cluster = self.get_cluster(account, region, identifier)
            cluster.status, cluster.due = status, None

    # the life cycle

    def _settle(self) -> None:
        now = self._clock()
        for cluster in sorted(self._clusters.values(), key=lambda one: one.due or now):
            if cluster.due is None or cluster.due > now:
                continue
            cluster.due = None
            if cluster.status == "DELETING":
                del self._clusters[cluster.arn]
            else:
                self._finish(cluster)

    def _finish(self, cluster: Cluster) -> None:
        """Assumed: a cluster that has served before serves on without its peer; a new one waits for it."""
        partners = self._partners(cluster)
        stuck = partners and self._faults.strike(("stuck",), cluster.region, "dsql", "Peering")
        waiting = cluster.multi_region and not cluster.has_served and (not partners or stuck is not None)
        for one in (cluster, *partners):
            if one.status in ("CREATING", "UPDATING", "PENDING_SETUP") and one.due is None:
                one.status = "PENDING_SETUP" if waiting else "ACTIVE"
                one.has_served |= not waiting

    def _start(self, cluster: Cluster, status: str, call: str) -> None:
        cluster.status = status
        cluster.due = self._clock() + self._transition_seconds
        fault = self._faults.strike(("slow", "stuck"), cluster.region, "dsql", call)
        if fault:
            cluster.due = None if fault.effect == "stuck" else self._clock() + fault.seconds

    def _partners(self, cluster: Cluster) -> list[Cluster]:
        """Peers that exist and name *cluster* in their turn."""
        named = (self._clusters.get(arn) for arn in cluster.peers)
        return [peer for peer in named if peer and cluster.arn in peer.peers]

    # refusals

    def _refuse_in_transition(self, cluster: Cluster) -> None:
        if cluster.status in IN_TRANSITION or cluster.status in ON_THE_WAY_OUT:
            raise DsqlError("ConflictException", f"Cluster {cluster.identifier} is {cluster.status}: try again later.")

    def _check_quota(self, account: str, region: str, *, multi_region: bool) -> None:
        there = [one for one in self.list_clusters(account, region) if one.multi_region == multi_region]
        if len(there) >= (MULTI_REGION_QUOTA if multi_region else SINGLE_REGION_QUOTA):
            raise DsqlError("ServiceQuotaExceededException", "You have reached the cluster limit.")

    def _set_multi_region(self, cluster: Cluster, asked: dict[str, Any]) -> None:
        witness = asked.get("witnessRegion", cluster.witness_region)
        peers = [arn for arn in asked.get("clusters") or [] if arn != cluster.arn]
        if not witness:
            raise DsqlError("ValidationException", "witnessRegion is required for a multi-Region cluster.")
        if witness == cluster.region:
            raise DsqlError("ValidationException", f"The witness Region {witness} is the cluster's own Region.")
        if len(peers) > 1:
            raise DsqlError("ValidationException", f"A multi-Region cluster has one peer, and {len(peers)} were given.")
        for arn in peers:
            peer = self._clusters.get(arn)
            if peer is None:
                raise DsqlError("ValidationException", f"Peer cluster {arn} does not exist.")
            if peer.region in (cluster.region, witness):
                raise DsqlError(
                    "ValidationException", f"Peer cluster {arn} is in Region {peer.region} of {cluster.arn}."
                )
            if peer.witness_region != witness:
                raise DsqlError("ValidationException", f"Peer cluster {arn} has another witness Region.")
        cluster.witness_region, cluster.peers = witness, peers
