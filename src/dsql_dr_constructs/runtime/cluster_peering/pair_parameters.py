"""The pair's SSM parameters, which anybody with ssm:PutParameter could have written.

So their values decide nothing about the clusters. They are compared with the clusters, and overwritten where they
differ; only one that names another cluster which exists makes the peering stop: any such cluster before this pair is
peered (but one that this pair had before it adopted its clusters), and after that one of another pair with the same
deployment name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from ..parameter_registry import DEPLOYMENT_TAG, FIELDS, PAIR_TAG, parameter_path, parameter_paths
from .cluster import Cluster, PeeringError, ask, region_of
from .pair import Pair

Found = Mapping[str, Mapping[str, str]]
"""By Region, the value of each SSM parameter there."""


class PairParameters:
    """Those of one pair, in every Region that has them."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self._names = parameter_paths(pair.deployment, pair.peer_region, pair.local_region)

    def refuse_another_deployment(self, *clusters: Cluster) -> None:
        """
        Raises:
            PeeringError: SSM parameters name an existing cluster that is none of *clusters*.
        """
        is_anothers = self._is_not_former if self._pair.is_adopted else _exists
        self._refuse(self._read(self._pair.parameter_regions), clusters, is_anothers)

    def _refuse(self, found: Found, clusters: Collection[Cluster], is_anothers: Callable[[Cluster], bool]) -> None:
        theirs = self._of_others(found, {one.arn for one in clusters}, is_anothers)
        if not theirs:
            return
        (region, name), arn = next(iter(theirs.items()))
        ours = next(one.arn for one in clusters if one.region == _cluster_region(name))
        names = {at: [one for there, one in theirs if there == at] for at, _ in theirs}
        commands = [f"aws ssm delete-parameters --region {at} --names {' '.join(names[at])}" for at in names]
        former = [one for one in dict.fromkeys(theirs.values()) if self._is_former(self._pair.describe(one))]
        if sorted(map(region_of, former)) == sorted((self._pair.peer_region, self._pair.local_region)):
            in_order = sorted(former, key=lambda one: region_of(one) == self._pair.local_region)
            raise PeeringError(
                f"SSM parameter {name} in {region} names {arn}, which exists and has this pair's tags, and the cluster "
                f"is now {ours}, so no parameter was written. To go on with the pair that applications use, give "
                f"cluster_arns={in_order}. To go on without its data, run {' and '.join(commands)}, then try again."
            )
        raise PeeringError(
            f"SSM parameter {name} in {region} names {arn}, which exists, and this deployment's cluster is {ours}: "
            f"another deployment uses the name {self._pair.deployment}, so no parameter was written. Give this one "
            f"another deployment_name. If there is no other, run {' and '.join(commands)}, then try again."
        )

    def write(self, *clusters: Cluster) -> Iterator[str]:
        """Write what differs from *clusters*, and yield what that was; what is not known is not written.

        Raises:
            PeeringError: SSM parameters name a cluster of another pair with this deployment name.
        """
        pair = self._pair
        wanted = {
            parameter_path(pair.deployment, cluster.region, field): str(getattr(cluster, attribute))
            for cluster in clusters
            for field, attribute in FIELDS.items()
        }
        found = self._read(pair.parameter_regions)
        self._refuse(found, clusters, self._is_of_another_pair)
        for region, there in found.items():
            for name, value in wanted.items():
                if value and there.get(name) != value:
                    what, put = f"PutParameter of {name} in {region}", pair.ssm(region).put_parameter
                    # of two deployments that begin with one name at once, SSM lets one write, and the other is refused
                    ask(what, put, Name=name, Value=value, Type="String", Overwrite=name in there)
                    yield f"{region}: wrote {name}"

    def delete(self, regions: Iterable[str], ours: Collection[str]) -> None:
        """Delete the SSM parameters in *regions*, but those of an existing cluster that is none of *ours*."""
        for region in regions:
            kept = {_cluster_region(name) for _, name in self._of_others(self._read([region]), ours, _exists)}
            names = [name for name in self._names if _cluster_region(name) not in kept]
            if names:
                ask(f"DeleteParameters in {region}", self._pair.ssm(region).delete_parameters, Names=names)
            for one in sorted(kept):
                print(f"SSM parameters in {region} are left: another deployment's cluster in {one} has them.")  # noqa: T201

    def _of_others(
        self, found: Found, ours: Collection[str], is_anothers: Callable[[Cluster], bool]
    ) -> dict[tuple[str, str], str]:
        """Region and name of parameters that name a cluster which is none of *ours* and *is_anothers*, and its ARN."""
        named = {
            (region, name): arn
            for region, there in found.items()
            for name, value in there.items()
            if name.endswith(("/arn", "/identifier"))
            and (arn := self._pair.arn_in(value, _cluster_region(name)))
            and arn not in ours
        }
        judged = {arn: is_anothers(self._pair.describe(arn)) for arn in dict.fromkeys(named.values())}
        return {parameter: arn for parameter, arn in named.items() if judged[arn]}

    def _is_former(self, cluster: Cluster) -> bool:
        """Whether it has the tags of these stacks, by which it was created or adopted."""
        ours = {DEPLOYMENT_TAG: self._pair.deployment, PAIR_TAG: self._pair.pair_tag}
        return ours.items() <= cluster.tags.items()

    def _is_not_former(self, cluster: Cluster) -> bool:
        return cluster.remains and not self._is_former(cluster)

    def _is_of_another_pair(self, cluster: Cluster) -> bool:
        """A parameter that names such a cluster is that pair's; any other that differs is overwritten."""
        return (
            cluster.remains
            and cluster.tags.get(DEPLOYMENT_TAG) == self._pair.deployment
            and cluster.tags.get(PAIR_TAG, self._pair.pair_tag) != self._pair.pair_tag
            and bool(self._pair.existing_peers(cluster, beside=None))
        )

    def _read(self, regions: Iterable[str]) -> Found:
        found = {}
        for region in regions:
            answer = ask(f"GetParameters in {region}", self._pair.ssm(region).get_parameters, Names=self._names)
            found[region] = {parameter["Name"]: parameter["Value"] for parameter in answer["Parameters"]}
        return found


def _exists(cluster: Cluster) -> bool:
    return cluster.remains


def _cluster_region(name: str) -> str:
    return name.split("/")[3]
