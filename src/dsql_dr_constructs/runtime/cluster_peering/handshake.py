"""Create and Update: both clusters name each other as peers, reach ACTIVE, and stand in the registry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .pair import SERVING, ClientFactory, Cluster, Denied, NotFound, PeeringError, TryAgain, ask
from .polled_change import PolledChange
from .registry import registry_path, registry_paths


class Handshake(PolledChange):
    """Converges whatever differs from a peered pair, and writes nothing where nothing differs.

    The order is DSQL's own: each side is created with a witness, then told of the other.

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/multi-region-aws-cli.html
    """

    doing = "Peering"

    changed: list[str]
    """What was written so far, in sentences."""

    def __init__(self, event: dict[str, Any], *, client: ClientFactory, clock: Callable[[], float]) -> None:
        super().__init__(event, client=client, clock=clock)
        self.changed = []

    def advance(self) -> dict[str, str]:
        peer, local = self._find_peer(), self.pair.local()
        for cluster in (peer, local):
            self._refuse_if_lost(cluster)
        told = [self._tell(peer, of=local), self._tell(local, of=peer)]
        if any(told) or not {peer.status, local.status} <= SERVING:
            raise TryAgain(f"waiting for both clusters to be ACTIVE{_strangers(peer, local)}")
        self._write_registry(self._with_service_name(peer), self._with_service_name(local))
        self._leave_former_registries()
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
                    self.changed.append(f"{region}: wrote {name}")

    def _leave_former_registries(self) -> None:
        """Delete the entries in Regions that the update took out; the policy allows it in the witness Region only."""
        before = self._event.get("OldResourceProperties", {}).get("RegistryRegions", [])
        names = registry_paths(self.pair.deployment, self.pair.peer_region, self.pair.local_region)
        for region in set(before) - set(self.pair.registry_regions):
            try:
                ask(f"DeleteParameters in {region}", self.pair.ssm(region).delete_parameters, Names=names)
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
