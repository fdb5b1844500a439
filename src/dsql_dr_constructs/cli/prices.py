"""AWS's list prices in US dollars, as of November 2026. AWS changes them: check one before you rely on it.

They were copied from the web pages that are named beside them. Free tiers are left out, except for Aurora DSQL's, since
an account that runs this has usually used them up.
"""

from __future__ import annotations

from dataclasses import dataclass

AS_OF = "November 2026"


@dataclass(frozen=True)
class Prices:
    """Of one Region; the defaults are us-east-1's."""

    # https://aws.amazon.com/cloudwatch/pricing/
    alarm_metric_month: float = 0.10
    """Each metric that an alarm evaluates."""
    composite_alarm_month: float = 0.50
    custom_metric_month: float = 0.30
    dashboard_month: float = 3.00
    metric_request: float = 0.01 / 1000
    """One call of PutMetricData or DescribeAlarms."""
    log_gb: float = 0.50

    # https://aws.amazon.com/lambda/pricing/
    function_request: float = 0.20 / 1e6
    function_gb_second_arm: float = 0.0000133334
    function_gb_second_x86: float = 0.0000166667

    # https://aws.amazon.com/kms/pricing/
    key_month: float = 1.00
    key_rotation_month: float = 1.00
    """Each of a key's first two rotations; later ones add nothing."""
    key_request: float = 0.03 / 10_000

    # https://aws.amazon.com/fis/pricing/
    fault_action_minute: float = 0.10
    """Each minute of each action of an experiment, also of those that run at the same time."""

    # https://aws.amazon.com/route53/pricing/
    health_check_month: float = 0.50
    """Each health check, calculated ones too; without the 50 that are free for endpoints within AWS."""

    # https://aws.amazon.com/rds/aurora/dsql/pricing/
    dpu: float = 8.00 / 1e6
    free_dpus_month: float = 100_000
    storage_gb_month: float = 0.33
    free_storage_gb: float = 1.0


BY_REGION = {
    "us-east-1": Prices(),
    "ap-northeast-1": Prices(log_gb=0.76, dpu=10.00 / 1e6, storage_gb_month=0.40),
}
"""Those that could be confirmed; in other Regions, most prices except those of logs and Aurora DSQL are us-east-1's.

Source, ap-northeast-1: https://dev.classmethod.jp/articles/amazon-aurora-dsql-ga-pricing-analysis
"""
