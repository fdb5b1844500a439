"""What to do at each verdict: the text on the dashboard, and the first step in every page."""

from __future__ import annotations

from collections.abc import Sequence

from ..clusters.cluster_interface import IRegionalCluster
from ..clusters.existing_cluster import parameter_folder
from ..physical_names import dashboard_name, monitor_name, peering_name
from ..runtime.health_monitor import metric_names as names
from ..runtime.registry import IDENTIFIER

_BY_HAND = "by aws dsql update-cluster --multi-region-properties in both Regions, with witness and peer."
"""For a pair that was made elsewhere, and has no function of ours."""


def dashboard_url(deployment: str, region: str) -> str:
    """Where the runbook is: dashboards are seen in every Region, so the link leads to the one that still stands.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cross_region_dashboard.html
    """
    where = f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
    return f"{where}#dashboards/dashboard/{dashboard_name(deployment)}"


def ask_for_verdict(deployment: str, region: str) -> str:
    """The command that looks at both clusters now, from *region*."""
    return (
        f"aws lambda invoke --region {region} --function-name {monitor_name(deployment)} response.json "
        "&& cat response.json"
    )


def repair_command(deployment: str, region: str) -> str:
    """The command that peers and registers both clusters again, by the `ClusterPeering` in *region*."""
    return (
        f"aws lambda invoke --region {region} --function-name {peering_name(deployment)} "
        """--cli-binary-format raw-in-base64-out --payload '{"action":"repair"}' --cli-read-timeout 330 """
        "response.json && cat response.json"
    )


def repair_step(deployment: str, region: str | None) -> str:
    """What to do when the peering is lost; *region* is that of the pair's `ClusterPeering`, if it has one."""
    how = f": {repair_command(deployment, region)}" if region else f", {_BY_HAND}"
    return (
        f"Send the application to one Region. Find out who changed it (CloudTrail, UpdateCluster), then repair it{how}"
    )


def repair_parameters_step(deployment: str, region: str | None) -> str:
    """What to do when a parameter was changed; *region* is that of the pair's `ClusterPeering`, if it is known."""
    how = repair_command(deployment, region) if region else f"the repair of function {peering_name(deployment)}"
    return (
        f"Repair it: {how}. Then deploy or restart applications that have read it, and find out who wrote it "
        "(CloudTrail, PutParameter)."
    )


def notification_commands(region: str, alarm_name: str, notifying: Sequence[str], topic_arn: str | None) -> list[str]:
    """What repairs most of what keeps notifications of *region* away: actions switched on, an address subscribed.

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
) -> str:
    """Markdown with every command filled in.

    Args:
        deployment: The pair's name.
        clusters: Both clusters.
        observers: Regions with a monitor.
        witness_region: The pair's, if it is known.
        peering_region: Region of the pair's `ClusterPeering`, if it has one.
        repair_of_notifications: Commands of all Regions that notify, as `notification_commands` gives them.
    """
    verdicts = [ask_for_verdict(deployment, region) for region in observers]
    down = f"{names.LOCAL_DOWN} / {names.PEER_DOWN}"
    logs = [
        f'aws logs tail --since 15m --region {region} "$(aws lambda get-function-configuration --region '
        f'{region} --function-name {monitor_name(deployment)} --query LoggingConfig.LogGroup --output text)"'
        for region in observers
    ]
    return "\n".join(
        [
            f"# Runbook of {deployment}",
            "**1. Ask for the verdict, from each Region.** It says what is wrong, and why it thinks so.",
            *_code(verdicts),
            f"**{down}**: one cluster is down, the other one takes reads and writes. Send the application there; "
            "nothing has to be promoted. Look at https://health.aws.amazon.com, and at both clusters; the answers have "
            "the endpoints:",
            *_code([_describe(one, clusters) for one in clusters]),
            f"**{names.BOTH_DOWN}**: ask from every Region. If only one sees it, that Region's network or monitor is "
            "at fault. If all do, open a case with AWS; no write is possible until one of them is back.",
            "",
            f"**{names.UNPEERED}** / **{names.WITNESS_DRIFT}**: both serve, but somebody changed what binds them"
            f"{f' (the witness should be {witness_region})' if witness_region else ''}. What is written on one side of "
            f"an {names.UNPEERED} pair does not reach the other: send the application to one Region first. Find out "
            "who changed it (CloudTrail, `UpdateCluster`), then repair it"
            f"{'; the answer says what was changed:' if peering_region else f', {_BY_HAND}'}",
            *(_code([repair_command(deployment, peering_region)]) if peering_region else [""]),
            f"**{names.PARAMETERS_CHANGED}**: an SSM parameter does not say what the clusters say, and applications "
            "that read it may connect elsewhere; `parameters` in the verdict says which. Repair it"
            f"{' as above' if peering_region else ' by hand'}, then deploy or restart applications that have read it, "
            "then find out who wrote it (CloudTrail, `PutParameter`).",
            "",
            f"**{names.NOTIFICATIONS_BROKEN}**: another Region could not notify anybody; `notifications` in the "
            "verdict says why, a sentence for each broken part. Actions that are switched off: enable them. Nobody is "
            "notified: set `EMAIL`, subscribe it, and confirm, or only confirm. Anything else: bring that Region's "
            "monitoring stack back to its template by `aws cloudformation create-change-set --deployment-mode "
            "REVERT_DRIFT`; do not destroy it, since its subscriptions would go with it.",
            *(_code(repair_of_notifications) if repair_of_notifications else [""]),
            "**monitoring-not-working**: the monitor of that Region fails or puts no metrics. Why, is in its log:",
            *_code(logs),
        ]
    )


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
