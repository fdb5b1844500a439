"""The registry's entries: parameters that anybody with ssm:PutParameter could have written.

So what they say decides nothing over the pair. It is compared with the clusters, and written over where it differs;
only one that names another cluster which lives makes the peering stop, before it has changed anything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from .pair import Cluster, Pair, PeeringError, ask
from .registry import FIELDS, registry_path, registry_paths


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
        found = self._of_others(self._pair.registry_regions, {one.arn for one in clusters})
        if not found:
            return
        (region, name), arn = next(iter(found.items()))
        ours = next(one.arn for one in clusters if one.region == _cluster_region(name))
        names = {at: [one for there, one in found if there == at] for at, _ in found}
        commands = [f"aws ssm delete-parameters --region {at} --names {' '.join(names[at])}" for at in names]
        raise PeeringError(
            f"SSM parameter {name} in {region} names {arn}, which lives, and this deployment's cluster is {ours}: "
            f"another deployment has the name {self._pair.deployment}, so nothing was changed. Give this one another "
            f"deployment_name. If there is no other, run {' and '.join(commands)}, then try again."
        )

    def write(self, *clusters: Cluster) -> Iterator[str]:
        """Write what differs from *clusters*, and say what that was; nothing stands for what is not known."""
        pair = self._pair
        entries = {
            registry_path(pair.deployment, cluster.region, field): str(getattr(cluster, attribute))
            for cluster in clusters
            for field, attribute in FIELDS.items()
        }
        for region in pair.registry_regions:
            found = self._read(region)
            for name, value in entries.items():
                if value and found.get(name) != value:
                    what, put = f"PutParameter of {name} in {region}", pair.ssm(region).put_parameter
                    ask(what, put, Name=name, Value=value, Type="String", Overwrite=True)
                    yield f"{region}: wrote {name}"

    def delete(self, regions: Iterable[str], ours: Collection[str]) -> None:
        """Delete the entries in *regions*, but those about a living cluster that is none of *ours*."""
        for region in regions:
            kept = {_cluster_region(name) for _, name in self._of_others([region], ours)}
            names = [name for name in self._names if _cluster_region(name) not in kept]
            if names:
                ask(f"DeleteParameters in {region}", self._pair.ssm(region).delete_parameters, Names=names)
            for one in sorted(kept):
                print(f"Entries in {region} are left: they are about another deployment's cluster in {one}.")  # noqa: T201

    def _of_others(self, regions: Iterable[str], ours: Collection[str]) -> dict[tuple[str, str], str]:
        """Region and name of entries that name a living cluster which is none of *ours*, and its ARN."""
        named = {
            (region, name): arn
            for region in regions
            for name, value in self._read(region).items()
            if name.endswith(("/arn", "/identifier"))
            and (arn := self._pair.arn_in(value, _cluster_region(name)))
            and arn not in ours
        }
        lives = {arn: self._pair.describe(arn).remains for arn in dict.fromkeys(named.values())}
        return {entry: arn for entry, arn in named.items() if lives[arn]}

    def _read(self, region: str) -> Mapping[str, str]:
        answer = ask(f"GetParameters in {region}", self._pair.ssm(region).get_parameters, Names=self._names)
        return {parameter["Name"]: parameter["Value"] for parameter in answer["Parameters"]}


def _cluster_region(name: str) -> str:
    return name.split("/")[3]
