"""Create and Update: both clusters name each other as peers, reach ACTIVE, and stand in the registry."""

from __future__ import annotations

from .pair import SERVING, Cluster, PeeringError, TryAgain, ask
from .polled_change import PolledChange
from .registry import registry_path

_VISIBLE_WITHIN = 120
"""Seconds that a cluster just created may take to be seen by GetCluster."""


class Handshake(PolledChange):
    """Converges whatever differs from a peered pair, and writes nothing where nothing differs.

    The order is DSQL's own: each side is created with a witness, then told of the other.

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/multi-region-aws-cli.html
    """

    doing = "Peering"

    def advance(self) -> dict[str, str]:
        peer, local = self._find_peer(), self.pair.local()
        for cluster in (peer, local):
            self._refuse_if_lost(cluster)
        told = [self._tell(peer, of=local), self._tell(local, of=peer)]
        if any(told) or not {peer.status, local.status} <= SERVING:
            raise TryAgain("waiting for both clusters to be ACTIVE")
        self._write_registry(peer, local)
        return {"PeerArn": peer.arn, "PeerEndpoint": peer.endpoint}

    def _find_peer(self) -> Cluster:
        arn = self.pair.peer_arn()
        if not arn:
            name = registry_path(self.pair.deployment, self.pair.peer_region, "arn")
            raise PeeringError(
                f"SSM parameter {name} in {self.pair.peer_region} is missing, and so nothing says which cluster is the "
                "peer. Deploy the peer's stack again, which writes it, then this one."
            )
        return self.pair.describe(arn)

    def _refuse_if_lost(self, cluster: Cluster) -> None:
        if cluster.status == "not found" and self.elapsed < _VISIBLE_WITHIN:
            raise TryAgain(f"{cluster}")
        if not cluster.remains or cluster.status == "FAILED":
            raise PeeringError(f"{cluster}, and no peering can come of that. Remove or replace it, then deploy again.")

    def _tell(self, cluster: Cluster, *, of: Cluster) -> bool:
        """Make *of* the one peer of *cluster*; False if it is already."""
        if cluster.peers == {of.arn} and cluster.witness_region == self.pair.witness_region:
            return False
        if cluster.status in ("CREATING", "UPDATING"):
            raise TryAgain(f"{cluster}")
        ask(
            f"UpdateCluster on {cluster.identifier} in {cluster.region}",
            self.pair.dsql(cluster.region).update_cluster,
            identifier=cluster.identifier,
            multiRegionProperties={"witnessRegion": self.pair.witness_region, "clusters": [of.arn]},
        )
        return True

    def _write_registry(self, *clusters: Cluster) -> None:
        wanted = self.pair.registry(*clusters)
        for region in self.pair.registry_regions:
            ssm = self.pair.ssm(region)
            answer = ask(f"GetParameters in {region}", ssm.get_parameters, Names=list(wanted))
            found = {parameter["Name"]: parameter["Value"] for parameter in answer["Parameters"]}
            for name, value in wanted.items():
                if found.get(name) != value:
                    what = f"PutParameter of {name} in {region}"
                    ask(what, ssm.put_parameter, Name=name, Value=value, Type="String", Overwrite=True)
