"""What the monitor in one Region can have beside its pair and its schedule."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs

from ..arguments import check_fields
from ..asked_once import seconds
from ..runtime_function import refuse_other_sizes

_SECONDS_TO_REPORT = 20


@dataclass(frozen=True, kw_only=True)
class MonitorOptions:
    """Time, size, logs and network of one `HealthMonitor`.

        MonitorOptions(vpc=network, tracing=True)

    Args:
        probe_timeout: Time that one run has for its checks, retries included; 5 seconds up to 20 seconds less than the
            schedule. Default: 20 seconds.
        memory_size: Memory of the function in MiB, 128 to 10240. Default: 256.
        log_retention: How long logs are kept. Default: 1 month.
        reserved_concurrent_executions: Concurrency that Lambda reserves for the function. Default: none, since the
            quota of a new account is too low to reserve any.
        tracing: Whether AWS X-Ray records each run. Default: False.
        vpc: Network that the function runs in. Default: none.
        vpc_subnets: Subnets in *vpc*; they need a NAT, since the other Region's cluster is outside of the network.
            Default: private subnets with egress.
        security_group: Security group of the function. Default: a new one, with egress to ports 443 and 5432 only.
        vpc_endpoints: Whether *vpc* gets interface endpoints for CloudWatch metrics and the DSQL API, and for SSM where
            a Region can be evacuated, so that the checks of the own Region do not depend on the NAT. False if it has
            them. Default: True.

    Raises:
        ValueError: a field has a value of another type or out of bounds, or *vpc_subnets* or *security_group* is given
            without *vpc*.
    """

    probe_timeout: Duration | None = None
    memory_size: int = 256
    log_retention: logs.RetentionDays = logs.RetentionDays.ONE_MONTH
    reserved_concurrent_executions: int | None = None
    tracing: bool = False
    vpc: ec2.IVpc | None = None
    vpc_subnets: ec2.SubnetSelection | None = None
    security_group: ec2.ISecurityGroup | None = None
    vpc_endpoints: bool = True

    def __post_init__(self) -> None:
        check_fields(self)
        refuse_other_sizes(self.memory_size, self.reserved_concurrent_executions)
        if (self.security_group or self.vpc_subnets) and not self.vpc:
            raise ValueError("MonitorOptions has vpc_subnets or security_group and no vpc: give the vpc that has them.")


def refuse_other_schedules(schedule: Duration) -> None:
    """
    Raises:
        ValueError: EventBridge or CloudWatch has no such schedule.
    """
    length = seconds(schedule)
    if length % 60 or not 60 <= length <= 3600:
        raise ValueError(
            f"The monitor's schedule is {schedule.to_human_string()}: whole minutes from 1 to 60 are allowed, "
            "since EventBridge and CloudWatch count in minutes; Duration.minutes(2) is the default."
        )


def longest_run(schedule: Duration, probe_timeout: Duration) -> Duration:
    """Time that one run has on *schedule*: *probe_timeout*, and 20 seconds to report.

    Raises:
        ValueError: as `refuse_other_schedules`, or a run would not end before the next one.
    """
    refuse_other_schedules(schedule)
    longest = seconds(schedule) - _SECONDS_TO_REPORT
    if not 5 <= seconds(probe_timeout) <= longest:
        raise ValueError(
            f"The monitor's probe_timeout is {probe_timeout.to_human_string()}: 5 to {longest:g} seconds are allowed "
            f"with a schedule of {schedule.to_human_string()}, so that a run ends before the next one."
        )
    return Duration.seconds(seconds(probe_timeout) + _SECONDS_TO_REPORT)
