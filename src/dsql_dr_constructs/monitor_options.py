"""What a pair passes on to the monitor in one Region."""

from __future__ import annotations

from typing import TypedDict

from aws_cdk import Duration
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs


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
