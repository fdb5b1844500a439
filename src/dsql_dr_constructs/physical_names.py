"""Physical names; people and programs use them, so they never change."""

from __future__ import annotations

from typing import Final

MONITOR = "aurora-dsql-monitor-"


def monitor_name(deployment: str) -> str:
    """Physical name of the monitor's function and of the rule that invokes it; people type both."""
    return f"{MONITOR}{deployment}"


def peering_name(deployment: str) -> str:
    """Physical name of the peering's function, in the Region of the second cluster; people type it to repair a pair.

    Its first part is as long as the monitor's, so that a deployment name that is short enough for one fits both.
    """
    return f"aurora-dsql-peering-{deployment}"


def roles_name(deployment: str) -> str:
    """Physical name of the function for database roles, in each Region that has the SSM parameters."""
    return f"aurora-dsql-roles-{deployment}"


def role_requests_name(deployment: str) -> str:
    """Physical name of the function that takes CloudFormation's requests for database roles; stacks of yours name it.

    It is the CDK's, and calls the one of `roles_name`.
    """
    return f"aurora-dsql-grants-{deployment}"


VAULT_NAME: Final = "[A-Za-z0-9_-]{2,50}"
"""Form of the name of a backup vault.

Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/API_CreateBackupVault.html
"""


def backup_vault_name(deployment: str) -> str:
    """Physical name of the backup vault in the Region of each cluster, and of the backup plan.

    It has at most 50 characters, of which a deployment name leaves 6.
    """
    return f"dsql-{deployment}"


def backup_log_name(deployment: str) -> str:
    """Physical name of the log group for AWS Backup's events in the Region of each cluster.

    The console of EventBridge offers log groups of this beginning only.
    """
    return f"/aws/events/aurora-dsql-backups-{deployment}"


def restore_role_name(deployment: str) -> str:
    """Physical name of the role with which AWS Backup restores the pair; whoever restores it passes it on."""
    return f"aurora-dsql-restore-{deployment}"


def drill_name(deployment: str) -> str:
    """Name of what belongs to drills: tag ``Name`` of the experiment template, schedule, begin of a queue's."""
    return f"aurora-dsql-drill-{deployment}"


def drill_log_name(deployment: str) -> str:
    """Physical name of the log group for experiments in the Region of each cluster."""
    return f"/aws/fis/{drill_name(deployment)}"


def alerts_name(deployment: str) -> str:
    """Physical name of the topic for faults in each observing Region, and of its key's alias after ``alias/``.

    The monitors of the other Regions check the topic; their permissions have its name without a reference.
    """
    return f"aurora-dsql-alerts-{deployment}"


def dashboard_name(deployment: str) -> str:
    """Physical name of the dashboard; there is one for all Regions."""
    return f"Aurora-DSQL-DR-Dashboard-{deployment}"


CLUSTER_DOWN: Final = "cluster-down-"
PEERING_LOST: Final = "peering-lost"
MONITORING_NOT_WORKING: Final = "monitoring-not-working"
PARAMETERS_CHANGED: Final = "parameters-changed"
NOTIFICATIONS_BROKEN: Final = "notifications-broken"
RECOVERY_POINT_AGE: Final = "recovery-point-age"
EVACUATED: Final = "evacuated-"

ALARM_KINDS = (
    CLUSTER_DOWN,
    "cluster-health-",
    "peering-",
    MONITORING_NOT_WORKING,
    "monitor-",
    "data-without-runs",
    PARAMETERS_CHANGED,
    NOTIFICATIONS_BROKEN,
    RECOVERY_POINT_AGE,
    EVACUATED,
    "failed-invocations",
    "dead-letters",
    "query-timeouts",
    "occ-conflicts",
    "commit-latency",
    "dpu-budget",
)
"""What an alarm's name can have after its deployment: one deployment's name may begin with another's."""


def alarm_prefix(deployment: str) -> str:
    """First part of the names of all alarms of a deployment."""
    return f"aurora-dsql-{deployment}-"


def alarm_name(deployment: str, what: str, region: str) -> str:
    """Physical name of the alarm for *what* in *region*, unique in all Regions, since incident tools use it as a key.

    What happened comes before the Region, since SNS takes a subject of 100 characters at most.
    """
    return f"{alarm_prefix(deployment)}{what}-from-{region}"
