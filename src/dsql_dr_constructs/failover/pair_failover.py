"""The health checks of one pair: a stack in the Region of each cluster, deployed when all alarms are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_route53 as route53

from ..arguments import checked
from ..monitoring.monitored_pair import MonitoredPair
from ..monitoring.multi_region_monitoring import MultiRegionMonitoring
from .failover_options import FailoverOptions
from .region_health_check import RegionHealthCheck


class FailoverPair(MonitoredPair):
    """A pair with or without health checks."""

    health_checks: Mapping[str, RegionHealthCheck]
    """By the Region of the cluster that they are about; none without *failover*."""

    @checked
    def health_check(self, region: str) -> route53.IHealthCheck:
        """The Route 53 health check of *region*, for records of yours that send users there.

            route53.ARecord(stack, "Virginia", zone=zone, target=target, region="us-east-1",
                            health_check=pair.health_check("us-east-1"))

        It is in a stack of the pair in *region*. A stack of yours in another Region needs
        ``cross_region_references=True``, and in another Stage or app the ID, which is in the SSM parameter
        ``/dsql-dr/<deployment>/<region>/health-check-id`` there.

        Args:
            region: For example ``us-east-1``; one of the two that have a cluster.

        Raises:
            ValueError: *failover* is None, or *region* has no cluster of the pair.
        """
        if not self.health_checks:
            raise ValueError(
                f"region is {region!r}, and {self.node.path!r} has no health checks: give failover=FailoverOptions()."
            )
        if region not in self.health_checks:
            raise ValueError(
                f"region is {region!r}, and {self.node.path!r} has health checks of "
                f"{' and '.join(self.health_checks)}: give one of these."
            )
        return self.health_checks[region].health_check


def pair_failover(
    regional: Callable[[str, str, str], Stack],
    regions: Sequence[str],
    monitoring: MultiRegionMonitoring | None,
    options: FailoverOptions | None,
) -> dict[str, RegionHealthCheck]:
    """One for each of *regions*, in stacks of their own, on which nothing of the pair depends.

    Args:
        regional: Makes a stack with a name, in a Region, with a description.
        regions: Of the primary and of the secondary.
        monitoring: Of the pair.
        options: Of both health checks. None: there are none.

    Raises:
        ValueError: there is no *monitoring*, or as `RegionHealthCheck`.
    """
    if not options:
        return {}
    if not monitoring:
        raise ValueError(
            "failover is given and monitoring is None: a health check follows alarms of the monitoring; leave one of "
            "them out."
        )
    alarms = list(monitoring.alarms.values())
    checks = {}
    for region, role in zip(regions, ("Primary", "Secondary"), strict=True):
        stack = regional(f"{role}Failover", region, f"health check of {region}")
        checks[region] = RegionHealthCheck(stack, "HealthCheck", region=region, alarms=alarms, options=options)
        CfnOutput(stack, "HealthCheckId", value=checks[region].health_check_id)
    return checks
