"""Aurora DSQL's clusters by account and Region, with their documented life cycle.

Behaviour that AWS does not document is marked with "assumed".

Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/cluster-lifecycle.html
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from typing import Any

from .dsql_cluster import Cluster, DsqlError, invalid, new_identifier, not_found
from .faults import Faults
from .undocumented import Undocumented

SINGLE_REGION_QUOTA, MULTI_REGION_QUOTA = 20, 5
"""Clusters an account and Region. Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/CHAP_quotas.html"""

IN_TRANSITION = frozenset({"CREATING", "UPDATING"})
ASLEEP = frozenset({"IDLE", "INACTIVE"})
ON_THE_WAY_OUT = frozenset({"PENDING_DELETE", "DELETING"})
AWS_OWNED_KEY = "AWS_OWNED_KMS_KEY"


class Dsql:
    """The control plane of every account and Region. Each call first completes the transitions that are due.

    Args:
        faults: Those of them that make transitions slow or stuck are applied here.
        transition_seconds: How long CREATING, UPDATING and DELETING last.
        undocumented: Choices for behaviour that AWS does not document.
        use_key: Gives the ARN of a customer's key for the cluster with an ARN.
            Raises DsqlError if DSQL may not use it. Default: every key is as it is given.
        clock: Seconds.
        now: Seconds since the epoch.
    """

    def __init__(
        self,
        faults: Faults,
        *,
        transition_seconds: float = 0.2,
        undocumented: Undocumented | None = None,
        use_key: Callable[[str, str], str] = lambda cluster_arn, key: key,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._faults = faults
        self.transition_seconds = transition_seconds
        self.undocumented = undocumented or Undocumented()
        self._use_key = use_key
        self.clock = clock
        self._now = now
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
                identifier=new_identifier(),
                created=self._now(),
                deletion_protection=request.get("deletionProtectionEnabled", True),
                multi_region=bool(asked),
                tags=dict(request.get("tags") or {}),
            )
            cluster.kms_key = self._key(cluster, request)
            if asked:
                self._set_multi_region(cluster, asked)
            if request.get("policy"):
                cluster.change_policy(request["policy"])
            self._clusters[cluster.arn] = cluster
            self._by_client_token[token] = cluster.arn
            self._start(cluster, "CREATING", "CreateCluster")
            return cluster

    def get_cluster(self, account: str, region: str, identifier: str) -> Cluster:
        with self._lock:
            self._settle()
            arn = f"arn:aws:dsql:{region}:{account}:cluster/{identifier}"
            if arn not in self._clusters:
                raise not_found("cluster", identifier)
            return self._clusters[arn]

    def list_clusters(self, account: str, region: str) -> list[Cluster]:
        with self._lock:
            self._settle()
            return [one for one in self._clusters.values() if (one.account, one.region) == (account, region)]

    def update_cluster(self, account: str, region: str, identifier: str, request: dict[str, Any]) -> Cluster:
        """The change is visible at once, while the cluster is still UPDATING; AWS's sample programs assert both.

        Source: https://github.com/aws-samples/aurora-dsql-samples (cluster_management)
        """
        with self._lock:
            cluster = self.get_cluster(account, region, identifier)
            cluster.refuse_while(IN_TRANSITION | ON_THE_WAY_OUT)
            asked = request.get("multiRegionProperties")
            if asked is not None and not cluster.multi_region:
                raise invalid("A single-Region cluster cannot become a multi-Region cluster.")
            key = self._key(cluster, request)
            if cluster.multi_region:
                self._set_multi_region(cluster, asked or {})
            if "deletionProtectionEnabled" in request:
                cluster.deletion_protection = request["deletionProtectionEnabled"]
            cluster.changes_key, cluster.kms_key = key != cluster.kms_key, key
            self._start(cluster, "UPDATING", "UpdateCluster")
            return cluster

    def delete_cluster(self, account: str, region: str, identifier: str) -> Cluster:
        """It waits neither for an update nor for the removal from its peers, as those programs show."""
        with self._lock:
            cluster = self.get_cluster(account, region, identifier)
            cluster.refuse_while({"CREATING"} | ON_THE_WAY_OUT)
            if cluster.deletion_protection:
                sentence = f"Cluster {identifier} has deletion protection enabled."
                raise invalid(sentence, "deletionProtectionEnabled")
            partners = self._partners(cluster)
            if partners and not all(partner.status in ON_THE_WAY_OUT for partner in partners):
                cluster.status, cluster.due = "PENDING_DELETE", None
                return cluster
            for one in (cluster, *partners):
                self._start(one, "DELETING", "DeleteCluster")
            return cluster

    def find(self, arn: str) -> Cluster | None:
        """The cluster with *arn*, of any account and Region."""
        with self._lock:
            return self._clusters.get(arn)

    def tags_seen(self, arn: str, region: str) -> dict[str, str]:
        """What IAM in *region* sees of the tags of the cluster with *arn*, as condition keys."""
        cluster = self.find(arn)
        if not cluster or (cluster.region != region and not self.undocumented.tags_across_regions):
            return {}
        return {f"aws:ResourceTag/{key}": value for key, value in cluster.tags.items()}

    def shows_endpoint(self, cluster: Cluster) -> bool:
        return cluster.has_served or self.undocumented.endpoint_before_active

    def encryption_status(self, cluster: Cluster) -> str:
        """Assumed: a change of the key's policy takes effect at once; the guide documents 15 minutes.

        Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/data-encryption.html
        """
        if not cluster.kms_key:
            return "ENABLED"
        try:
            self._use_key(cluster.arn, cluster.kms_key)
        except DsqlError:
            return "KMS_KEY_INACCESSIBLE"
        return "UPDATING" if cluster.changes_key and cluster.status == "UPDATING" else "ENABLED"

    def status_at(self, endpoint: str) -> str:
        """Status of the cluster with *endpoint*, of any account, or what its key keeps it from."""
        with self._lock:
            self._settle()
            cluster = self._clusters.get(self.arn_at(endpoint) or "")
            if not cluster:
                return "not found"
            encryption = self.encryption_status(cluster)
            return encryption if encryption == "KMS_KEY_INACCESSIBLE" else cluster.status

    def arn_at(self, endpoint: str) -> str | None:
        """ARN of the cluster with *endpoint*, of any account."""
        with self._lock:
            return next((one.arn for one in self._clusters.values() if one.endpoint == endpoint), None)

    # what only the emulator can do

    def active(self) -> list[str]:
        """ARNs of the clusters that are ACTIVE, of every account and Region."""
        with self._lock:
            self._settle()
            return [one.arn for one in self._clusters.values() if one.status == "ACTIVE"]

    def let_idle(self, arn: str) -> None:
        """Let a cluster become IDLE, if it is ACTIVE."""
        with self._lock:
            if arn in self.active():
                self._clusters[arn].status = "IDLE"

    def wake(self, arn: str) -> str:
        """Status of the cluster with *arn*; one that is IDLE or INACTIVE begins to become ACTIVE."""
        with self._lock:
            self._settle()
            cluster = self._clusters.get(arn)
            if not cluster:
                return "not found"
            if cluster.status in ASLEEP and cluster.due is None:
                cluster.due = self.clock() + self.transition_seconds
            return cluster.status

    def set_status(self, account: str, region: str, identifier: str, status: str) -> None:
        """Let a cluster become IDLE, INACTIVE or FAILED, which AWS decides, or ACTIVE again."""
        with self._lock:
            cluster = self.get_cluster(account, region, identifier)
            cluster.status, cluster.due = status, None

    # the life cycle

    def _settle(self) -> None:
        now = self.clock()
        for cluster in sorted(self._clusters.values(), key=lambda one: one.due or now):
            if cluster.due is None or cluster.due > now:
                continue
            cluster.due = None
            if cluster.status == "DELETING":
                del self._clusters[cluster.arn]
            elif cluster.status in ASLEEP:
                cluster.status = "ACTIVE"
            else:
                self._finish(cluster)

    def _finish(self, cluster: Cluster) -> None:
        """Assumed: a cluster that was ACTIVE before serves without its peer; a new one waits for it."""
        partners = self._partners(cluster)
        stuck = partners and self._faults.affecting(("stuck",), cluster.region, "dsql", "Peering")
        agreed = partners and all(one.witness_region == cluster.witness_region for one in partners)
        waiting = cluster.multi_region and not cluster.has_served and (not agreed or stuck is not None)
        for one in (cluster, *partners):
            if one.status in ("CREATING", "UPDATING", "PENDING_SETUP") and one.due is None:
                one.status = "PENDING_SETUP" if waiting else "ACTIVE"
                one.has_served |= not waiting

    def _start(self, cluster: Cluster, status: str, call: str) -> None:
        cluster.status = status
        cluster.due = self.clock() + self.transition_seconds
        fault = self._faults.affecting(("slow", "stuck"), cluster.region, "dsql", call)
        if fault:
            cluster.due = None if fault.effect == "stuck" else self.clock() + fault.seconds

    def _partners(self, cluster: Cluster) -> list[Cluster]:
        """Peers that exist and name *cluster* as their peer."""
        named = (self._clusters.get(arn) for arn in cluster.peers)
        return [peer for peer in named if peer and cluster.arn in peer.peers]

    # refusals

    def _check_quota(self, account: str, region: str, *, multi_region: bool) -> None:
        there = [one for one in self.list_clusters(account, region) if one.multi_region == multi_region]
        if len(there) >= (MULTI_REGION_QUOTA if multi_region else SINGLE_REGION_QUOTA):
            of = {"resourceId": "*", "resourceType": "cluster", "serviceCode": "dsql", "quotaCode": "clusters"}
            raise DsqlError("ServiceQuotaExceededException", "You have reached the cluster limit.", **of)

    def _key(self, cluster: Cluster, request: dict[str, Any]) -> str | None:
        """The key that *cluster* has once *request* is done."""
        asked = request.get("kmsEncryptionKey")
        if asked is None:
            return cluster.kms_key
        return None if asked == AWS_OWNED_KEY else self._use_key(cluster.arn, asked)

    def _set_multi_region(self, cluster: Cluster, asked: dict[str, Any]) -> None:
        """Assumed: a pair goes on serving while the witness was changed on one cluster only."""
        witness = asked.get("witnessRegion", cluster.witness_region)
        peers = self._peers(cluster, asked.get("clusters"))
        if not witness:
            raise invalid("witnessRegion is required for a multi-Region cluster.")
        if witness == cluster.region:
            raise invalid(f"The witness Region {witness} is the cluster's own Region.")
        changes = cluster.witness_region not in (None, witness)
        if changes and self.undocumented.witness_change == "refuse":
            raise invalid(f"The witness Region {cluster.witness_region} of cluster {cluster.arn} cannot be changed.")
        if len(peers) > 1:
            raise invalid(f"A multi-Region cluster has one peer, and {len(peers)} were given.")
        for arn in peers:
            peer = self._clusters.get(arn)
            if peer is None:
                if arn in (asked.get("clusters") or []):
                    raise invalid(f"Peer cluster {arn} does not exist.")
            elif peer.region in (cluster.region, witness):
                raise invalid(f"Peer cluster {arn} is in Region {peer.region} of {cluster.arn}.")
            elif peer.witness_region != witness and arn not in cluster.peers:
                raise invalid(f"Peer cluster {arn} has another witness Region.")
        cluster.witness_region, cluster.peers = witness, peers

    def _peers(self, cluster: Cluster, asked: list[str] | None) -> list[str]:
        """The peers that *cluster* has after an update with *asked*, which may list the cluster itself."""
        if asked is None:
            return [] if self.undocumented.update_without_clusters == "drop" else cluster.peers
        if not asked and cluster.peers and self.undocumented.empty_clusters != "remove":
            if self.undocumented.empty_clusters == "refuse":
                raise invalid(f"clusters is empty, and cluster {cluster.arn} has a peer.")
            return cluster.peers
        return [arn for arn in asked if arn != cluster.arn]
