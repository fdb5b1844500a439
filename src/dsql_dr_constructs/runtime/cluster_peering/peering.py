"""Create and Update: both clusters name each other as peers, reach ACTIVE, and stand in the registry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .entries import Entries
from .pair import SERVING, Cluster, Denied, NotFound, Pair, PeeringError, TryAgain, ask
from .polled_change import PolledChange


class Peering(PolledChange):
    """Converges whatever differs from a peered pair, and writes nothing where nothing differs.

    The order is DSQL's own: each side is created with a witness, then told of the other.

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/multi-region-aws-cli.html
    """

    doing = "Peering"

    changed: list[str]
    """What was written so far, in sentences."""

    def __init__(self, event: dict[str, Any], *, pair: Pair, clock: Callable[[], float]) -> None:
        super().__init__(event, pair=pair, clock=clock)
        self.changed = []
        self._entries = Entries(pair)

    def advance(self) -> dict[str, str]:
        peer, local = self._find_peer(), self.pair.local()
        for cluster in (peer, local):
            self._refuse_if_lost(cluster)
        if peer.peers != {local.arn} or local.peers != {peer.arn}:
            self._refuse_living_pair(peer, local)
            self._refuse_living_pair(local, peer)
            self._entries.refuse_another_deployment(peer, local)
        told = [self._tell(peer, of=local), self._tell(local, of=peer)]
        if any(told) or not {peer.status, local.status} <= SERVING:
            raise TryAgain(f"waiting for both clusters to be ACTIVE{_strangers(peer, local)}")
        for change in self._entries.write(self._with_service_name(peer), self._with_service_name(local)):
            self.changed.append(change)  # one by one, since the next may fail
        self._leave_former_registries(peer, local)
        return {"PeerArn": peer.arn, "PeerEndpoint": peer.endpoint}

    def _find_peer(self) -> Cluster:
        peer = self.pair.peer()
        if not peer:
            raise PeeringError(
                f"There is no cluster in stack {self.pair.peer_stack} in {self.pair.peer_region}, and so nothing says "
                "which cluster is the peer. Deploy that stack, then this one."
            )
        return peer

    def _refuse_living_pair(self, cluster: Cluster, other: Cluster) -> None:
        """A pair that lives is never taken apart to make this one: its two databases would go on as two."""
        for named in self.pair.living_peers(cluster, beside=other):
            raise PeeringError(
                f"cluster {cluster.arn} is peered with {named.arn}, and to peer it with {other.arn} would take "
                "that pair apart, so nothing was changed. If it is another app's, give this pair another id or "
                f"environment_name. If nobody needs {named.arn}, delete it; if this comes again after that, run "
                f"{cluster.forget_command}. Then try again."
            )

    def _refuse_if_lost(self, cluster: Cluster) -> None:
        if cluster.status == "not found" and not self.settled:
            raise TryAgain(f"{cluster}")
        if not cluster.remains or cluster.status == "FAILED":
            raise PeeringError(f"{cluster}, and no peering can come of that. Remove or replace it, then deploy again.")

    def _tell(self, cluster: Cluster, *, of: Cluster) -> bool:
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
            raise type(error)(f"{error}{_strangers(cluster, of)}") from error
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
            print(f"The registry goes without the VPC endpoint service of {cluster.identifier}: {error}")  # noqa: T201
            return cluster

    def _leave_former_registries(self, *clusters: Cluster) -> None:
        """Delete the entries in Regions that the update took out; the policy allows it in the witness Region only."""
        before = self._event.get("OldResourceProperties", {}).get("RegistryRegions", [])
        for region in sorted(set(before) - set(self.pair.registry_regions)):
            if region != self.pair.witness_region:
                print(f"Registry entries are left in {region!r}: the policy lets nobody delete them.")  # noqa: T201
                continue
            try:
                self._entries.delete([region], {one.arn for one in clusters})
            except (NotFound, PeeringError) as error:
                if isinstance(error, Denied) and not self.settled:
                    raise
                print(f"Registry entries are left in {region}: {error}")  # noqa: T201


def _strangers(*clusters: Cluster) -> str:
    """Which of *clusters* still names one that is none of them, for example of an earlier try; empty if none does."""
    pair = {one.arn for one in clusters}
    named = [(one, arn) for one in clusters for arn in sorted(one.peers - pair)]
    return "".join(
        f" ({one.identifier} in {one.region} still names {arn}, which is not of this pair: if that is left from an "
        "earlier deployment and nobody needs it, delete it)"
        for one, arn in named
    )
