"""The runbook on the dashboard, in the order of the notifications, and the commands that notifications have, too."""

from __future__ import annotations

from collections.abc import Sequence

from ..clusters.cluster_interface import IRegionalCluster
from ..clusters.existing_cluster import parameter_folder
from ..physical_names import dashboard_name, monitor_name, peering_name, roles_name
from ..runtime.health_monitor import metric_names as names
from ..runtime.parameter_registry import IDENTIFIER

UPDATE_CLUSTER = "aws dsql update-cluster --multi-region-properties in both Regions, with witness Region and peer"
"""For a pair that was not made by this library, and has no repair command."""

_SQL_PROBLEMS = (
    "A problem that begins with `SQL:` is one of the SQL probe: the cluster does not let its database role log in, "
    "does not commit, or does not show what the other cluster committed. "
)


def dashboard_url(deployment: str, region: str) -> str:
    """Where the runbook is: every Region shows all dashboards, so the link is to the Region that notifies.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cross_region_dashboard.html
    """
    where = f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
    return f"{where}#dashboards/dashboard/{dashboard_name(deployment)}"


def ask_for_verdict(deployment: str, region: str) -> str:
    """The command that checks both clusters now, from *region*."""
    return (
        f"aws lambda invoke --region {region} --function-name {monitor_name(deployment)} response.json "
        "&& cat response.json"
    )


def repair_command(deployment: str, region: str) -> str:
    """The command that repairs peering and SSM parameters, by the `ClusterPeering` in *region*."""
    return _repair(peering_name(deployment), region)


def repair_roles_command(deployment: str, region: str) -> str:
    """The command that makes database roles and their privileges again, by the function in *region*."""
    return _repair(roles_name(deployment), region)


def _repair(function: str, region: str) -> str:
    return (
        f"aws lambda invoke --region {region} --function-name {function} "
        """--cli-binary-format raw-in-base64-out --payload '{"action":"repair"}' --cli-read-timeout 330 """
        "response.json && cat response.json"
    )


def log_command(deployment: str, region: str) -> str:
    """The command that shows the log of the monitor in *region*."""
    return (
        f'aws logs tail --since 15m --region {region} "$(aws lambda get-function-configuration --region {region} '
        f'--function-name {monitor_name(deployment)} --query LoggingConfig.LogGroup --output text)"'
    )


def backups_command(deployment: str, region: str) -> str:
    """The command that lists the recovery points of both vaults, one of which is in *region*."""
    return f"dsql-dr backups {deployment} --region {region}"


def notification_commands(region: str, alarm_name: str, notifying: Sequence[str], topic_arn: str | None) -> list[str]:
    """The commands for the most common causes: disabled actions, and a topic without a confirmed subscription.

    Args:
        region: That Region.
        alarm_name: Of its alarms, with ``*`` for what they are about.
        notifying: What those are about that notify.
        topic_arn: What they notify. None: not known.
    """
    names_of_alarms = alarm_name.replace("*", f"{{{','.join(notifying)}}}" if len(notifying) > 1 else notifying[0])
    commands = [f"aws cloudwatch enable-alarm-actions --region {region} --alarm-names {names_of_alarms}"]
    if topic_arn:
        commands.append(
            f"aws sns subscribe --region {region} --topic-arn {topic_arn} --protocol email "
            '--notification-endpoint "$EMAIL"'
        )
    return commands


def runbook(
    deployment: str,
    clusters: Sequence[IRegionalCluster],
    observers: Sequence[str],
    witness_region: str | None,
    peering_region: str | None,
    repair_of_notifications: Sequence[str],
    backup_regions: Sequence[str],
    *,
    sql_probe: bool,
    evacuation: bool,
) -> str:
    """Markdown with every command filled in.

    Args:
        deployment: The pair's name.
        clusters: Both clusters.
        observers: Regions with a monitor.
        witness_region: The pair's, if it is known.
        peering_region: Region of the pair's `ClusterPeering`, if it has one.
        repair_of_notifications: Commands of all Regions that notify, as `notification_commands` gives them.
        backup_regions: Regions of the backup vaults whose recovery points are checked.
        sql_probe: Whether the monitors have one.
        evacuation: Whether a Region can be evacuated.
    """
    witness = f" (configured: {witness_region})" if witness_region else ""
    how = "repair it; the answer lists what was changed:" if peering_region else f"repair it by {UPDATE_CLUSTER}."
    return "\n".join(
        [
            f"# Runbook of {deployment}",
            "**Get the verdict from each Region.** The answer says what is wrong, with the reasons under `problems`:",
            *_code([ask_for_verdict(deployment, region) for region in observers]),
            f"**cluster-down** (verdict {names.CLUSTER_DOWN}): the cluster of the Region in `regions_down` is down, "
            "and the other one takes reads and writes. Send your application to the endpoint of the other one; nothing "
            f"has to be promoted. {_SQL_PROBLEMS if sql_probe else ''}See https://health.aws.amazon.com, and status "
            "and endpoint of both clusters:",
            *_code([_describe(one, clusters) for one in clusters]),
            *(_on_evacuations(deployment, clusters) if evacuation else []),
            f"Verdict {names.BOTH_DOWN}: get the verdict from every Region. If only one Region reports it, that "
            "Region's network or monitor is at fault. If all do, no cluster takes writes: open a case with AWS.",
            "",
            f"**peering-lost** (verdict {names.PEERING_LOST} or {names.WITNESS_MISMATCH}): both clusters accept "
            f"connections, but a peer or the witness Region{witness} is not as configured. With {names.PEERING_LOST}, "
            "writes in one Region do not reach the other: send your application to one Region, and if both took "
            f"writes, ask AWS Support before you repair it. With {names.WITNESS_MISMATCH}, nothing is lost. Find out "
            "who changed it (CloudTrail, `UpdateCluster`), then "
            f"{how}",
            *(_code([repair_command(deployment, peering_region)]) if peering_region else [""]),
            f"**parameters-changed** (verdict {names.PARAMETERS_CHANGED}): an SSM parameter is not what the cluster "
            "reports, so an application that reads it may connect to another endpoint. `parameters` in the answer "
            f"names it. {'Repair it by the command above' if peering_region else 'Write the right value'}, then "
            "restart or deploy again what has read it, then find out who wrote it (CloudTrail, `PutParameter`).",
            "",
            f"**notifications-broken** (verdict {names.NOTIFICATIONS_BROKEN}): another Region cannot notify anybody. "
            "`notifications` in the answer names each broken part. If actions of alarms are disabled, enable them. If "
            "a topic has no confirmed subscription, set `EMAIL`, subscribe it, and confirm the email. For all else, "
            "revert the drift of that Region's monitoring stack (`aws cloudformation create-change-set "
            "--deployment-mode REVERT_DRIFT`). Do not delete the stack: its subscriptions would be deleted with it.",
            *(_code(repair_of_notifications) if repair_of_notifications else [""]),
            "**monitoring-not-working**: the monitor of that Region reports nothing. The alarm that is red beside it "
            "says how: monitor-no-data, monitor-errors or data-without-runs. The log says why:",
            *_code([log_command(deployment, region) for region in observers]),
            *(_repair_of_roles(deployment, clusters, observers) if sql_probe else []),
            *(_on_backups(deployment, backup_regions[0]) if backup_regions else []),
        ]
    )


def _repair_of_roles(deployment: str, clusters: Sequence[IRegionalCluster], observers: Sequence[str]) -> list[str]:
    """A pair that was made elsewhere has functions without a physical name, in the monitoring stacks."""
    fault = "If it says that the SQL probe cannot log in or cannot use its table,"
    if not all(map(parameter_folder, clusters)):
        return ["", f'{fault} invoke the function for database roles of that stack with `{{"action":"repair"}}`.']
    commands = [repair_roles_command(deployment, region) for region in observers]
    do = "make its database role again, in that Region, as somebody who may run SQL as admin:"
    return ["", f"{fault} {do}", *_code(commands)]


def _on_backups(deployment: str, region: str) -> list[str]:
    return [
        "**recovery-point-age** (a warning): the backup vaults of both Regions have had no new recovery point in "
        "common for too long. `backups` in the answer names the last backup or copy job that failed. An idle cluster "
        "cannot be backed up, and a copy needs the key of the vault that it goes to. See which recovery points there "
        "are:",
        *_code([backups_command(deployment, region)]),
    ]


def _on_evacuations(deployment: str, clusters: Sequence[IRegionalCluster]) -> list[str]:
    regions = [one.cluster_region for one in clusters]
    other = dict(zip(regions, reversed(regions), strict=True))
    return [
        "Route 53 records with its health check leave that Region by themselves. To take its users away although the "
        "check is healthy, evacuate it; with `--back` in place of `--why` they return:",
        *_code([f'dsql-dr evacuate {deployment} {one} --region {other[one]} --why "$REASON"' for one in regions]),
    ]


def _describe(cluster: IRegionalCluster, clusters: Sequence[IRegionalCluster]) -> str:
    """GetCluster by its identifier, which the shell reads: no text of a parameter is part of what a person pastes, and
    none of another form reaches the AWS CLI, which would take ``file://…`` for the file.
    """
    identifier, folder = cluster.cluster_identifier, parameter_folder(cluster)
    if folder:
        [other] = [one.cluster_region for one in clusters if one is not cluster]  # this one's Region may be down
        read = f"aws ssm get-parameter --region {other} --name {folder}/identifier --query Parameter.Value"
        identifier = f"\"$({read} --output text | grep -Ex '{IDENTIFIER}')\""
    return f"aws dsql get-cluster --region {cluster.cluster_region} --identifier {identifier}"


def _code(lines: Sequence[str]) -> list[str]:
    return ["```", *lines, "```"]
