"""Create and Update: both clusters have each other as peers, reach ACTIVE, and are in the SSM parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .cluster import SERVING, Cluster, Denied, NotFound, PeeringError, TryAgain, ask
from .pair import Pair
from .pair_parameters import PairParameters
from .polled_change import PolledChange


class Peering(PolledChange):
    """Converges whatever differs from a peered pair, and writes nothing where nothing differs.

    The order is DSQL's own: each cluster is created with a witness Region, then gets the other as its peer.

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/multi-region-aws-cli.html
    """

    doing = "Peering"

    changed: list[str]
    """What was written so far, in sentences."""

    def __init__(self, event: dict[str, Any], *, pair: Pair, clock: Callable[[], float]) -> None:
        super().__init__(event, pair=pair, clock=clock)
        self.changed = []
        self._parameters = PairParameters(pair)

    def advance(self) -> dict[str, str]:
        if not self.pair.peer_arn and self.pair.stack_status() == "UPDATE_ROLLBACK_IN_PROGRESS":
            # the peer's stack adopted its cluster, and this one could not; that one goes on with the next deployment
            print("Nothing is peered: this stack is rolled back, and the peer's stack has no cluster any more.")  # noqa: T201
            return {}
        peer, local = self._find_peer(), self.pair.local()
        for cluster in (peer, local):
            self._refuse_if_lost(cluster)
        if peer.peers != {local.arn} or local.peers != {peer.arn}:
            self._refuse_existing_pair(peer, local)
            self._refuse_existing_pair(local, peer)
            self._parameters.refuse_another_deployment(peer, local)
        updated = [self._set_peer(peer, of=local), self._set_peer(local, of=peer)]
        if any(updated) or not {peer.status, local.status} <= SERVING:
            raise TryAgain(f"waiting for both clusters to be ACTIVE{_foreign_peers(peer, local)}")
        for change in self._parameters.write(self._with_service_name(peer), self._with_service_name(local)):
            self.changed.append(change)  # one by one, since the next may fail
        self._clean_former_regions(peer, local)
        return {"PeerArn": peer.arn, "PeerEndpoint": peer.endpoint}

    def _find_peer(self) -> Cluster:
        peer = self.pair.peer()
        if not peer:
            raise PeeringError(
                f"There is no cluster in stack {self.pair.peer_stack} in {self.pair.peer_region}, so the peer is not "
                "known. Deploy that stack, then this one."
            )
        return peer

    def _refuse_existing_pair(self, cluster: Cluster, other: Cluster) -> None:
        """An existing pair is never broken to make this one: its two databases would diverge."""
        for named in self.pair.existing_peers(cluster, beside=other):
            raise PeeringError(
                f"cluster {cluster.arn} is peered with {named.arn}, and to peer it with {other.arn} would break "
                "that pair, so nothing was changed. If it is another app's, give this pair another id or "
                f"environment_name. If nobody needs {named.arn}, delete it; if this error comes again after that, run "
                f"{cluster.remove_peers_command}. Then try again."
            )

    def _refuse_if_lost(self, cluster: Cluster) -> None:
        if cluster.status == "not found" and not self.settled:
            raise TryAgain(f"{cluster}")
        if not cluster.remains or cluster.status == "FAILED":
            raise PeeringError(f"{cluster}, so it cannot be peered. Remove or replace it, then deploy again.")

    def _set_peer(self, cluster: Cluster, *, of: Cluster) -> bool:
        """Make *of* the one peer of *cluster*; False if it is already."""
        if cluster.peers == {of.arn} and cluster.witness_region == self.pair.witness_region:
            return False
        if cluster.status in ("CREATING", "UPDATING"):
            raise TryAgain(f"{cluster}")
        try:
            ask(
                f"UpdateCluster on {cluster.identifier} in {cluster.region}",
                self.pair.dsql(cluster.region).update_cluster,
                identifier=cluster.identifier,
                multiRegionProperties={"witnessRegion": self.pair.witness_region, "clusters": [of.arn]},
            )
        except PeeringError as error:
            raise type(error)(f"{error}{_foreign_peers(cluster, of)}") from error
        if cluster.peers != {of.arn}:
            self.changed.append(f"{cluster.region}: peer of {cluster.identifier} set to {of.arn}")
        if cluster.witness_region != self.pair.witness_region:
            self.changed.append(f"{cluster.region}: witness of {cluster.identifier} set to {self.pair.witness_region}")
        return True

    def _with_service_name(self, cluster: Cluster) -> Cluster:
        """*cluster*, with the name if AWS gives it: a pair without it serves, so that is no reason to fail."""
        try:
            return replace(cluster, vpc_endpoint_service_name=self.pair.vpc_endpoint_service_name(cluster))
        except (NotFound, PeeringError) as error:
            if isinstance(error, Denied) and not self.settled:
                raise
            print(f"No SSM parameter has the VPC endpoint service of {cluster.identifier}: {error}")  # noqa: T201
            return cluster

    def _clean_former_regions(self, *clusters: Cluster) -> None:
        """Delete the parameters in Regions that the update removed; the policy allows it in the witness Region only."""
        before = self._event.get("OldResourceProperties", {}).get("ParameterRegions", [])
        for region in sorted(set(before) - set(self.pair.parameter_regions)):
            if region != self.pair.witness_region:
                print(f"SSM parameters are left in {region!r}: the function may not delete them there.")  # noqa: T201
                continue
            try:
                self._parameters.delete([region], {one.arn for one in clusters})
            except (NotFound, PeeringError) as error:
                if isinstance(error, Denied) and not self.settled:
                    raise
                print(f"SSM parameters are left in {region}: {error}")  # noqa: T201


def _foreign_peers(*clusters: Cluster) -> str:
    """Which of *clusters* still has a peer that is none of them, for example of an earlier try; empty if none has."""
    pair = {one.arn for one in clusters}
    named = [(one, arn) for one in clusters for arn in sorted(one.peers - pair)]
    return "".join(
        f" ({one.identifier} in {one.region} still has the peer {arn}, which is not of this pair: if that is left from "
        "an earlier deployment and nobody needs it, delete it)"
        for one, arn in named
    )
