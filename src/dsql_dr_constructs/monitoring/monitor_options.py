"""What a pair passes on to the monitor in one Region."""

from __future__ import annotations

from typing import TypedDict

from aws_cdk import Duration
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs

_ROOM_TO_REPORT_SECONDS = 20


class MonitorOptions(TypedDict, total=False):
    """Parameters of a `HealthMonitor` that the larger constructs pass on to the one in a Region."""

    probe_budget: Duration
    memory_size: int
    log_retention: logs.RetentionDays
    reserved_concurrent_executions: int
    tracing: bool
    vpc: ec2.IVpc
    vpc_subnets: ec2.SubnetSelection
    security_group: ec2.ISecurityGroup
    vpc_endpoints: bool


def longest_run(schedule: Duration, probe_budget: Duration) -> Duration:
    """Time that one run has on *schedule*: the budget, and room to report.

    Raises:
        ValueError: the schedule is none of EventBridge's and CloudWatch's, or a run would not end before the next one.
    """
    seconds = schedule.to_seconds(integral=False)
    if seconds % 60 or not 60 <= seconds <= 3600:
        raise ValueError(
            f"The monitor's schedule is {schedule.to_human_string()}: whole minutes from 1 to 60 are allowed, "
            "since EventBridge and CloudWatch count in minutes; Duration.minutes(2) is the default."
        )
    longest = seconds - _ROOM_TO_REPORT_SECONDS
    if not 5 <= probe_budget.to_seconds(integral=False) <= longest:
        raise ValueError(
            f"The monitor's probe_budget is {probe_budget.to_human_string()}: 5 to {longest:g} seconds are allowed "
            f"with a schedule of {schedule.to_human_string()}, so that a run ends before the next one."
        )
    return probe_budget.plus(Duration.seconds(_ROOM_TO_REPORT_SECONDS))
