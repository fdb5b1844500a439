"""Whether users can be sent to one Region of a pair, for Route 53."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aws_cdk import Stack, Stage
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_ssm as ssm
from aws_cdk.aws_cloudwatch import TreatMissingData
from constructs import Construct

from ..arguments import checked
from ..asked_once import unresolved
from ..clusters.cluster_peering import deploy_after
from ..monitoring.health_alarms import HealthAlarms
from ..physical_names import EVACUATED, alarm_prefix
from ..resource_policies import differ
from ..runtime.parameter_registry import health_check_path
from .failover_options import FailoverOptions
from .followed_alarm import FollowedAlarm, follow

_CONFIG = route53.CfnHealthCheck.HealthCheckConfigProperty


class RegionHealthCheck(Construct):
    """A Route 53 health check of one Region, for your records: it needs no person, and no control plane in a fault.

        check = RegionHealthCheck(stack, "Check", region="us-east-1", alarms=list(monitoring.alarms.values()))
        route53.ARecord(stack, "Virginia", zone=zone, target=target, region="us-east-1",
                        health_check=check.health_check)

    It is a calculated one over health checks that follow CloudWatch alarms. The Region is unhealthy while more
    than half of the observers see its cluster down, while its own monitor puts no data, and while it is evacuated.
    `MultiRegionDsqlDr` creates one for each Region with *failover*.

    Source: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html
    """

    region: str
    """As given."""

    health_check: route53.IHealthCheck
    """The calculated one, for records; its ID never changes."""

    children: Sequence[route53.CfnHealthCheck]
    """Those that follow alarms. Route 53 keeps an alarm's settings as they were, so changed ones replace the child."""

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        region: str,
        alarms: Sequence[HealthAlarms],
        options: FailoverOptions | None = None,
    ) -> None:
        """
        Args:
            scope: A stack in any Region of the alarms' account. It is deployed after theirs, so the health checks of
                both Regions cannot each be in the stack of its own Region's alarms. It gets the SSM parameter
                ``/dsql-dr/<deployment>/<region>/health-check-id``.
            region: As in `FailoverPair.health_check`.
            alarms: As in `HealthAlarms.check_each_other`; the monitors beside the clusters need *evacuation*.
            options: What no data means. Default: as `FailoverOptions` says.

        Raises:
            ValueError: *alarms* are of several pairs, another account or Stage, or lack an observer beside a cluster,
                Route 53 cannot follow one of them, or *region* has no cluster of the pair.
        """
        super().__init__(scope, id)
        self._alarms, self.region = {one.region: one for one in alarms}, region
        self._options = options or FailoverOptions()
        self._refuse_unknown_regions(alarms)
        self._deployment = self._of_one_pair()
        self._refuse_missing_observers()
        self._deploy_after_alarms()
        self._refuse_second()
        needed = len(alarms) // 2 + 1
        self.children = [
            self._child(one, copy) for one, copies in self._followed(needed) for copy in range(1, copies + 1)
        ]
        calculated = route53.CfnHealthCheck(
            self,
            "Calculated",
            health_check_config=_CONFIG(
                type="CALCULATED",
                child_health_checks=[one.ref for one in self.children],
                health_threshold=len(self.children) - (needed - 1),
            ),
            health_check_tags=[_name(f"{alarm_prefix(self._deployment)}{region}")],
        )
        self.health_check = route53.HealthCheck.from_health_check_id(self, "HealthCheck", calculated.ref)
        ssm.CfnParameter(
            self,
            "Parameter",
            name=health_check_path(self._deployment, region),
            type="String",
            value=calculated.ref,
            description=f"Aurora DSQL pair {self._deployment}: ID of the Route 53 health check of {region}",
        )

    @property
    def health_check_id(self) -> str:
        """ID of the calculated health check."""
        return self.health_check.health_check_id

    def _refuse_unknown_regions(self, alarms: Sequence[HealthAlarms]) -> None:
        observers = [one.region for one in alarms]
        if any(map(unresolved, [self.region, *observers])):
            raise ValueError(
                f"Health check {self.node.path!r} needs a Region that is not known before the deployment: give region "
                "as text, and the stacks of the alarms env with a Region, since Route 53 has to know where they are."
            )
        for one in sorted({one for one in observers if observers.count(one) > 1}):
            raise ValueError(
                f"Health check {self.node.path!r} has alarms of {one} twice: give those of each observing Region once."
            )

    def _of_one_pair(self) -> str:
        deployments = sorted({one._monitor.deployment_name for one in self._alarms.values()})
        if len(deployments) != 1:
            raise ValueError(
                f"Health check {self.node.path!r} has alarms of {' and '.join(deployments) or 'no pair'}: it says "
                "whether one pair is healthy in a Region; give the alarms of its observing Regions."
            )
        return deployments[0]

    def _refuse_missing_observers(self) -> None:
        clusters = [one.cluster_region for one in next(iter(self._alarms.values()))._monitor.clusters]
        if self.region not in clusters:
            raise ValueError(
                f"region is {self.region!r}, and the clusters of {self._deployment!r} are in {' and '.join(clusters)}: "
                "give one of these."
            )
        for one in clusters:
            observer = self._alarms.get(one)
            if not observer or not observer._monitor.evacuation:
                raise ValueError(
                    f"Health check {self.node.path!r} has no alarms of {one} that say which Region is evacuated: give "
                    f"alarms those of both {' and '.join(clusters)}, and their monitors evacuation=True."
                )

    def _deploy_after_alarms(self) -> None:
        """Route 53 reads their settings when the health checks are made.

        Raises:
            ValueError: they are in another account or Stage.
        """
        stack = Stack.of(self)
        for region, one in self._alarms.items():
            theirs = Stack.of(one)
            if differ(stack.account, theirs.account):
                raise ValueError(
                    f"Health check {self.node.path!r} is in account {stack.account}, and the alarms of {region} in "
                    f"{theirs.account}: Route 53 follows alarms of its own account only; create it there."
                )
            if Stage.of(self) is not Stage.of(one):
                raise ValueError(
                    f"Health check {self.node.path!r} is in another Stage than the alarms of {region}, and has to be "
                    "deployed after them: create it in theirs."
                )
            if theirs is stack:
                self.node.add_dependency(one)
            else:
                deploy_after(stack, theirs)

    def _refuse_second(self) -> None:
        stack, path = Stack.of(self), health_check_path(self._deployment, self.region)
        for other in self.node.root.node.find_all():
            if not isinstance(other, RegionHealthCheck) or other is self:
                continue
            theirs, elsewhere = health_check_path(other._deployment, other.region), Stack.of(other)
            if theirs != path or differ(elsewhere.account, stack.account):
                continue
            if not differ(elsewhere.region, stack.region):
                raise ValueError(
                    f"{self.node.path!r} and {other.node.path!r} are both the health check of {self._deployment!r} in "
                    f"{self.region}, and write one SSM parameter: leave one of them out."
                )
            if other._options != self._options:
                raise ValueError(
                    f"{self.node.path!r} and {other.node.path!r} are both the health check of {self._deployment!r} in "
                    f"{self.region}, and have other options, which are set at the alarms that both follow: give both "
                    "the same."
                )

    def _followed(self, needed: int) -> Iterator[tuple[FollowedAlarm, int]]:
        """Each with the number of health checks that follow it.

        Route 53 only counts healthy children, and calculated ones can't be such: what decides alone is there as often
        as the number of observers that are *needed* together.
        """
        down, evacuated = f"cluster-health-{self.region}", f"{EVACUATED}{self.region}"
        for one in self._alarms.values():
            yield follow(one, down), 1
        # as the alarm does, unless its observer shall not be missed
        lenient = None if self._options.unhealthy_without_data else TreatMissingData.NOT_BREACHING
        for cluster in self._alarms[self.region]._monitor.clusters:
            one = self._alarms[cluster.cluster_region]
            yield follow(one, evacuated, without_data=lenient if one.region == self.region else None), needed

    def _child(self, alarm: FollowedAlarm, copy: int) -> route53.CfnHealthCheck:
        number = f"-{copy}" if alarm.what.startswith(EVACUATED) else ""
        return route53.CfnHealthCheck(
            self,
            f"{alarm.what}-from-{alarm.region}{number}-{alarm.fingerprint}",
            health_check_config=_CONFIG(
                type="CLOUDWATCH_METRIC",
                alarm_identifier=route53.CfnHealthCheck.AlarmIdentifierProperty(name=alarm.name, region=alarm.region),
                insufficient_data_health_status=alarm.without_data,
            ),
            health_check_tags=[_name(alarm.name)],
        )


def _name(name: str) -> route53.CfnHealthCheck.HealthCheckTagProperty:
    """What the console shows."""
    return route53.CfnHealthCheck.HealthCheckTagProperty(key="Name", value=name)
