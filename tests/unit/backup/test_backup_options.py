from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_backup as backup

from dsql_dr_constructs import BackupOptions

DAYS = cdk.Duration.days
DESTROY = cdk.RemovalPolicy.DESTROY
VAULTS: dict[str, backup.IBackupVault | str] = {"us-east-1": "mine", "us-west-2": "mine"}


def lock(shortest: int = 7, **more: cdk.Duration) -> backup.LockConfiguration:
    return backup.LockConfiguration(min_retention=DAYS(shortest), **more)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"hour": 24}, "hour is 24: an hour of the day, UTC, is needed, 0 to 23."),
        ({"hour": -1}, "hour is -1: an hour of the day"),
        ({"retention": cdk.Duration.hours(36)}, "retention is 1 day 12 hours: whole days are needed, 1 to 36500"),
        ({"retention": DAYS(1)}, "retention is 1 day: 2 days at least are needed, or a recovery point expires before"),
        ({"weekly_retention": DAYS(0)}, "weekly_retention is .*: whole days are needed"),
        ({"monthly_retention": DAYS(36501)}, "monthly_retention is 36501 days: whole days are needed"),
        (
            {"removal_policy": cdk.RemovalPolicy.SNAPSHOT},
            "removal_policy is SNAPSHOT, which CloudFormation does not offer for backup vaults: give",
        ),
        (
            {"delete_recovery_points": True},
            "delete_recovery_points is on, and the vaults are kept: give removal_policy=RemovalPolicy.DESTROY too",
        ),
        (
            {"delete_recovery_points": True, "removal_policy": DESTROY, "lock": lock()},
            "delete_recovery_points is given with lock, which keeps recovery points from being deleted",
        ),
        (
            {"deletion_principals": ["arn:aws:iam::111111111111:user/me"]},
            "deletion_principals has 'arn:aws:iam::111111111111:user/me': the ARN of an IAM role is needed",
        ),
        ({"deletion_principals": ["*"]}, "deletion_principals has '[*]': the ARN of an IAM role is needed"),
        (
            {"deletion_principals": ["arn:aws:iam::111111111111:role/*"]},
            "deletion_principals has 'arn:aws:iam::111111111111:role/[*]'",
        ),
        ({"lock": lock(36)}, "retention is 35 days, and lock allows 36 to 36500: AWS Backup would fail every job"),
        (
            {"lock": lock(max_retention=DAYS(60)), "monthly_retention": DAYS(365)},
            "monthly_retention is 365 days, and lock allows 7 to 60",
        ),
        ({"lock": lock(30, max_retention=DAYS(10))}, "lock has min_retention 30 days and max_retention 10 days"),
        ({"lock": lock(changeable_for=DAYS(2))}, "lock has changeable_for 2 days: 3 days at least are needed, or none"),
        (
            {"lock": backup.LockConfiguration(min_retention=cdk.Duration.hours(5))},
            "lock.min_retention is 5 hours: whole days",
        ),
        ({"vaults": VAULTS, "lock": lock()}, "lock is given with vaults, which have their own: leave one of them out."),
        ({"vaults": VAULTS, "removal_policy": DESTROY}, "removal_policy is given with vaults"),
        (
            {"vaults": VAULTS, "deletion_principals": ["arn:aws:iam::111111111111:role/admin"]},
            "deletion_principals is given with vaults",
        ),
        ({"lock": {"min_retention": DAYS(7)}}, "lock is {'min_retention': .*: a backup.LockConfiguration is needed"),
    ],
)
def test_what_aws_backup_would_refuse_is_refused_with_a_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        BackupOptions(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"hour": 0},
        {"hour": 23},
        {"retention": DAYS(2), "weekly_retention": DAYS(1), "monthly_retention": DAYS(1)},
        {"retention": cdk.Duration.hours(48)},
        {"retention": DAYS(36500)},
        {"lock": lock(35, max_retention=DAYS(35), changeable_for=DAYS(3))},
        {"removal_policy": DESTROY, "delete_recovery_points": True},
        {"vaults": VAULTS},
        {"deletion_principals": ["arn:aws-cn:iam::111111111111:role/path/admin"]},
    ],
)
def test_what_aws_backup_takes_is_taken(options: dict[str, Any]) -> None:
    assert BackupOptions(**options).retention_days["retention"] >= 2
