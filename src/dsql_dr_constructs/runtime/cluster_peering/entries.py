"""The registry's entries: parameters that anybody with ssm:PutParameter could have written.

So what they say decides nothing over the pair. It is compared with the clusters, and written over where it differs;
only one that names another cluster which lives makes the peering stop: any such cluster before this pair is peered, and
after that one of another pair with the same deployment name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from ..registry import DEPLOYMENT_TAG, FIELDS, PAIR_TAG, registry_path, registry_paths
from .pair import Cluster, Pair, PeeringError, ask

Found = Mapping[str, Mapping[str, str]]
"""By Region, what each entry says there."""


class Entries:
    """Those of one pair, in every Region of its registry."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self._names = registry_paths(pair.deployment, pair.peer_region, pair.local_region)

    def refuse_another_deployment(self, *clusters: Cluster) -> None:
        """
        Raises:
            PeeringError: entries name a living cluster that is none of *clusters*.
        """
        self._refuse(self._read(self._pair.registry_regions), clusters, _lives)

    def _refuse(self, found: Found, clusters: Collection[Cluster], is_anothers: Callable[[Cluster], bool]) -> None:
        theirs = self._of_others(found, {one.arn for one in clusters}, is_anothers)
        if not theirs:
            return
        (region, name), arn = next(iter(theirs.items()))
        ours = next(one.arn for one in clusters if one.region == _cluster_region(name))
        names = {at: [one for there, one in theirs if there == at] for at, _ in theirs}
        commands = [f"aws ssm delete-parameters --region {at} --names {' '.join(names[at])}" for at in names]
        raise PeeringError(
            f"SSM parameter {name} in {region} names {arn}, which lives, and this deployment's cluster is {ours}: "
            f"another deployment has the name {self._pair.deployment}, so no parameter was written. Give this one "
            f"another deployment_name. If there is no other, run {' and '.join(commands)}, then try again."
        )

    def write(self, *clusters: Cluster) -> Iterator[str]:
        """Write what differs from *clusters*, and say what that was; nothing stands for what is not known.

        Raises:
            PeeringError: entries name a cluster of another pair with this deployment name.
        """
        pair = self._pair
        entries = {
            registry_path(pair.deployment, cluster.region, field): str(getattr(cluster, attribute))
            for cluster in clusters
            for field, attribute in FIELDS.items()
        }
        found = self._read(pair.registry_regions)
        self._refuse(found, clusters, self._is_of_another_pair)
        for region, there in found.items():
            for name, value in entries.items():
                if value and there.get(name) != value:
                    what, put = f"PutParameter of {name} in {region}", pair.ssm(region).put_parameter
                    # of two deployments that begin with one name at once, SSM lets one write, and the other is refused
                    ask(what, put, Name=name, Value=value, Type="String", Overwrite=name in there)
                    yield f"{region}: wrote {name}"

    def delete(self, regions: Iterable[str], ours: Collection[str]) -> None:
        """Delete the entries in *regions*, but those about a living cluster that is none of *ours*."""
        for region in regions:
            kept = {_cluster_region(name) for _, name in self._of_others(self._read([region]), ours, _lives)}
            names = [name for name in self._names if _cluster_region(name) not in kept]
            if names:
                ask(f"DeleteParameters in {region}", self._pair.ssm(region).delete_parameters, Names=names)
            for one in sorted(kept):
                print(f"Entries in {region} are left: they are about another deployment's cluster in {one}.")  # noqa: T201

    def _of_others(
        self, found: Found, ours: Collection[str], is_anothers: Callable[[Cluster], bool]
    ) -> dict[tuple[str, str], str]:
        """Region and name of entries that name a cluster which is none of *ours* and *is_anothers*, and its ARN."""
        named = {
            (region, name): arn
            for region, entries in found.items()
            for name, value in entries.items()
            if name.endswith(("/arn", "/identifier"))
            and (arn := self._pair.arn_in(value, _cluster_region(name)))
            and arn not in ours
        }
        judged = {arn: is_anothers(self._pair.describe(arn)) for arn in dict.fromkeys(named.values())}
        return {entry: arn for entry, arn in named.items() if judged[arn]}

    def _is_of_another_pair(self, cluster: Cluster) -> bool:
        """An entry that names such a cluster is that pair's; one that names another is tampering, and written over."""
        return (
            cluster.remains
            and cluster.tags.get(DEPLOYMENT_TAG) == self._pair.deployment
            and cluster.tags.get(PAIR_TAG, self._pair.pair_tag) != self._pair.pair_tag
            and bool(self._pair.living_peers(cluster, beside=None))
        )

    def _read(self, regions: Iterable[str]) -> Found:
        found = {}
        for region in regions:
            answer = ask(f"GetParameters in {region}", self._pair.ssm(region).get_parameters, Names=self._names)
            found[region] = {parameter["Name"]: parameter["Value"] for parameter in answer["Parameters"]}
        return found


def _lives(cluster: Cluster) -> bool:
    return cluster.remains


def _cluster_region(name: str) -> str:
    return name.split("/")[3]
