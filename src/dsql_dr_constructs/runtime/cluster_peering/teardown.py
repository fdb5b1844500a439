"""Delete: the SSM parameters are deleted, and the peer with them only where the stack is deleted with DESTROY."""

from __future__ import annotations

from contextlib import suppress

from .cluster import Cluster, Denied, NotFound, PeeringError, TryAgain, ask
from .pair_parameters import PairParameters
from .polled_change import UNFINISHED, PolledChange


class Teardown(PolledChange):
    """Undoes what this stack did, and never more than CloudFormation was asked for.

    - The stack is being deleted, with DESTROY: the peer is deleted before CloudFormation deletes the local cluster.
      DSQL keeps a deleted cluster in PENDING_DELETE until its peer is deleted too, so stacks that are deleted one after
      the other would wait for each other without end.
    - The first deployment is being rolled back, or deleted after that failed: the peers are removed from both clusters,
      so that the next try finds them unpeered. Where AWS refuses that, RETAIN leaves them peered and goes on; DESTROY
      stops with an error, since the local cluster, deleted while its peer exists, would stay in PENDING_DELETE.
    - Anything else (RETAIN, the resource left the template, or clusters that were adopted): both clusters and their
      peering stay as they are.

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/cluster-lifecycle.html
    """

    doing = "Removal"

    def advance(self) -> dict[str, str]:
        stack, record = self.pair.stack_status(), self.pair.own_record()
        self._refuse_event_of_somebody_else(stack, record.get("ResourceStatus") or "unknown")
        deleted = stack == "DELETE_IN_PROGRESS"
        # From the record: an event that says "finished" of a failed creation would delete the peer.
        unfinished = (record.get("PhysicalResourceId") or UNFINISHED).endswith(UNFINISHED)
        if not self.pair.is_adopted:
            if stack == "ROLLBACK_IN_PROGRESS" or (deleted and unfinished):
                self._unpeer()
            elif deleted and self.pair.destroys:
                self._delete_peer()
        self._delete_parameters()
        return {}

    def _refuse_event_of_somebody_else(self, stack: str, recorded: str) -> None:
        """Where the stack stays, the peering has to be what CloudFormation deletes.

        Where all of the stack goes, the event asks for what comes anyway. What is recorded of a resource that left the
        template is not documented while it is deleted; if nothing, it left.

        Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html (the statuses)
        """
        if stack in ("DELETE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"):
            return
        if not stack.endswith("_IN_PROGRESS") or recorded not in ("DELETE_IN_PROGRESS", "unknown"):
            raise PeeringError(
                f"The stack is {stack} and the peering in it {recorded}, so this Delete does not come from "
                "CloudFormation, and nothing was changed. To delete the pair, delete its stacks."
            )

    def _both(self) -> tuple[Cluster, Cluster] | None:
        """Peer and local cluster, if one of them still has the other as its peer.

        Raises:
            PeeringError: the local cluster has another peer, and so could not be deleted after this.
        """
        peer, local = self.pair.peer(), self.pair.local()
        for named in self.pair.named_by(local, beside=peer):
            if named.remains:
                raise PeeringError(
                    f"cluster {local.arn} is peered with {named.arn}, and stack {self.pair.peer_stack} in "
                    f"{self.pair.peer_region} has {peer.arn if peer else 'no cluster'}. A cluster whose peer "
                    f"exists cannot be deleted, so none was. To delete it, run {local.remove_peers_command}, then try "
                    "again. To keep both, deploy with RETAIN."
                )
        return (peer, local) if peer and (local.arn in peer.peers or peer.arn in local.peers) else None

    def _delete_peer(self) -> None:
        pair = self._both()
        if not pair or not pair[0].remains:
            return
        for cluster in pair:
            if cluster.deletion_protection:
                raise PeeringError(
                    f"cluster {cluster.identifier} in {cluster.region} has deletion protection enabled, so neither "
                    f"was deleted. To delete the pair, deploy with deletion_protection=False first, or run: aws dsql "
                    f"update-cluster --region {cluster.region} --identifier {cluster.identifier} "
                    "--no-deletion-protection-enabled"
                )
        peer = pair[0]
        what = f"DeleteCluster on {peer.identifier} in {peer.region}"
        with suppress(NotFound):  # gone since it was described
            ask(what, self.pair.dsql(peer.region).delete_cluster, identifier=peer.identifier)
        raise TryAgain(f"{peer.identifier} in {peer.region} is being deleted")

    def _unpeer(self) -> None:
        try:
            pair = self._both()
        except PeeringError as error:
            if isinstance(error, Denied) or self.pair.destroys:
                raise
            print(f"{error} Both clusters are kept, since the removal policy is RETAIN.")  # noqa: T201
            return
        named = [one for one in pair or () if one.remains and one.peers & {other.arn for other in pair or ()}]
        if not pair or not named:
            return
        try:
            self._remove_peers(named)
        except PeeringError as error:
            if isinstance(error, Denied) and not self.settled:
                raise
            self._leave_peered(pair, error)
        else:
            raise TryAgain("the peers are being removed from the clusters")

    def _remove_peers(self, clusters: list[Cluster]) -> None:
        if self.settled:
            if any(one.status == "UPDATING" for one in clusters):
                raise TryAgain("the peers are being removed from the clusters")
            raise PeeringError("UpdateCluster was to remove the peers, and the clusters still have them.")
        for cluster in clusters:
            with suppress(NotFound):  # gone since it was described
                ask(
                    f"UpdateCluster on {cluster.identifier} in {cluster.region}",
                    self.pair.dsql(cluster.region).update_cluster,
                    identifier=cluster.identifier,
                    multiRegionProperties={"witnessRegion": self.pair.witness_region, "clusters": []},
                )

    def _leave_peered(self, pair: tuple[Cluster, Cluster], reason: PeeringError) -> None:
        named = [
            f"{one.identifier} in {one.region} still has the peer {arn}" for one in pair for arn in sorted(one.peers)
        ]
        sentence = f"{' and '.join(named)}: {reason}"
        if not self.pair.destroys:
            print(f"{sentence} Both clusters are kept, since the removal policy is RETAIN.")  # noqa: T201
            return
        commands = [f"aws dsql delete-cluster --region {one.region} --identifier {one.identifier}" for one in pair]
        raise PeeringError(
            f"{sentence} A cluster whose peer exists cannot be deleted, so neither was. If they hold no data, run "
            f"{' and '.join(commands)}, then cdk destroy --all, and deploy again."
        )

    def _delete_parameters(self) -> None:
        """Where a first deployment was refused because of another one, the other one's parameters are left."""
        peer, local = self.pair.peer(), self.pair.local()
        ours = {local.arn, *local.peers}
        if peer and peer.peers <= {local.arn}:
            ours.add(peer.arn)
        PairParameters(self.pair).delete(self.pair.parameter_regions, ours)
