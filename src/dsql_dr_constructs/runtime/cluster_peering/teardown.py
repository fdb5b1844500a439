"""Delete: the registry goes, and the peer with it only if the user asked for that twice."""

from __future__ import annotations

from .pair import Cluster, PeeringError, TryAgain, ask
from .polled_change import PolledChange
from .registry import registry_path, registry_paths


class Teardown(PolledChange):
    """Undoes what this stack did, and never more than CloudFormation was asked for.

    - The stack is being deleted, with DESTROY: the peer is deleted before CloudFormation deletes the local cluster.
      DSQL keeps a deleted cluster in PENDING_DELETE until its peer is deleted too, so stacks that are deleted one after
      the other would wait for each other without end.
    - The first deployment is being rolled back: both sides forget each other, so that the next try finds a fresh pair.
    - Anything else (RETAIN, or the resource left the template): both clusters and their peering stay as they are.

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/cluster-lifecycle.html
    """

    doing = "Removal"

    def advance(self) -> dict[str, str]:
        stack = self._stack_status()
        if stack == "DELETE_IN_PROGRESS" and self._event["ResourceProperties"]["RemovalPolicy"] == "destroy":
            self._delete_peer()
        elif stack == "ROLLBACK_IN_PROGRESS":
            self._unpeer()
        self._empty_registry()
        return {}

    def _stack_status(self) -> str:
        cloudformation = self.pair.client("cloudformation", self.pair.local_region)
        answer = ask("DescribeStacks", cloudformation.describe_stacks, StackName=self._event["StackId"])
        return str(answer["Stacks"][0]["StackStatus"])

    def _both(self) -> tuple[Cluster, Cluster] | None:
        """Peer and local cluster, if one of them still names the other."""
        arn = self.pair.peer_arn()
        if not arn:
            return None
        peer, local = self.pair.describe(arn), self.pair.local()
        return (peer, local) if local.arn in peer.peers or peer.arn in local.peers else None

    def _delete_peer(self) -> None:
        pair = self._both()
        if not pair or not pair[0].remains:
            return
        for cluster in pair:
            if cluster.deletion_protection:
                raise PeeringError(
                    f"cluster {cluster.identifier} in {cluster.region} has deletion protection on, so neither was "
                    f"touched. To delete the pair, deploy with deletion_protection=False first, or run: aws dsql "
                    f"update-cluster --region {cluster.region} --identifier {cluster.identifier} "
                    "--no-deletion-protection-enabled"
                )
        peer = pair[0]
        what = f"DeleteCluster on {peer.identifier} in {peer.region}"
        ask(what, self.pair.dsql(peer.region).delete_cluster, identifier=peer.identifier)
        raise TryAgain(f"{peer.identifier} in {peer.region} is being deleted")

    def _unpeer(self) -> None:
        named = [one for one in self._both() or () if one.peers and one.remains]
        for cluster in named:
            ask(
                f"UpdateCluster on {cluster.identifier} in {cluster.region}",
                self.pair.dsql(cluster.region).update_cluster,
                identifier=cluster.identifier,
                multiRegionProperties={"witnessRegion": self.pair.witness_region, "clusters": []},
            )
        if named:
            raise TryAgain("the clusters are being told to forget each other")

    def _empty_registry(self) -> None:
        """Delete the entries, except the one that the peer's own stack holds."""
        kept = registry_path(self.pair.deployment, self.pair.peer_region, "arn")
        names = registry_paths(self.pair.deployment, self.pair.peer_region, self.pair.local_region)
        for region in self.pair.registry_regions:
            here = [name for name in names if name != kept or region != self.pair.peer_region]
            ask(f"DeleteParameters in {region}", self.pair.ssm(region).delete_parameters, Names=here)
