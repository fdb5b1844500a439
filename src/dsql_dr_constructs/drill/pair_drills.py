"""The drills of one pair: a stack in the Region of each cluster, deployed when everything else is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from aws_cdk import Stack
from aws_cdk import aws_kms as kms

from ..clusters.cluster_peering import deploy_after
from ..clusters.regional_cluster import RegionalCluster
from ..monitoring.multi_region_monitoring import MultiRegionMonitoring
from .dr_drill import DrDrill
from .drill_options import DrillOptions, refuse_drills_elsewhere


def pair_drills(
    regional: Callable[[str, str, str], Stack],
    regions: Sequence[str],
    monitoring: MultiRegionMonitoring | None,
    encryption_keys: Mapping[str, kms.IKey],
    options: DrillOptions | None,
) -> dict[str, DrDrill]:
    """One for each of *regions*, in stacks of their own, so that what AWS refuses of a drill fails nothing else.

    Args:
        regional: Makes a stack with a name, in a Region, with a description.
        regions: Of the primary and of the secondary.
        monitoring: Of the pair.
        encryption_keys: Keys of log groups, by Region.
        options: Of both drills. None: there are none.

    Raises:
        ValueError: there is no *monitoring*, or *options* are for other Regions.
    """
    if not options:
        return {}
    if not monitoring:
        raise ValueError(
            "drill is given and monitoring is None: a drill asserts alarms of the monitoring; leave one of them out."
        )
    refuse_drills_elsewhere(options, regions)
    drills = {}
    for region, role in zip(regions, ("Primary", "Secondary"), strict=True):
        stack = regional(f"{role}Drill", region, f"drill in {region}")
        for one in monitoring.stacks:
            deploy_after(stack, one)
        name = monitoring.deployment_name
        drills[region] = DrDrill(
            stack,
            "Drill",
            cluster=RegionalCluster.from_parameters(stack, region, deployment_name=name, region=region),
            alarms=monitoring.alarms[region],
            encryption_key=encryption_keys.get(region),
            options=options,
        )
    return drills
