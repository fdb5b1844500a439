"""What the notification of an alarm says: what is wrong and what still works, what to do, the command, the runbook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..asked_once import unresolved
from ..physical_names import MONITORING_NOT_WORKING, PEERING_LOST, peering_name
from ..runtime.health_monitor import metric_names as names
from .health_monitor import HealthMonitor
from .runbook import UPDATE_CLUSTER, ask_for_verdict, backups_command, dashboard_url, log_command, repair_command


@dataclass(frozen=True, kw_only=True)
class AlarmDescription:
    """CloudWatch sends the same text at ALARM and at OK, and takes 1,024 characters of it.

    Args:
        fault: What is wrong in the state ALARM, and what still works.
        action: What to do then.
        command: What to run for that. None: nothing.
        next_action: What to do after that. None: nothing.
        next_command: What to run for *next_action*. None: nothing.
        ok: What the state OK means.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
    """

    fault: str
    action: str
    command: str | None = None
    next_action: str | None = None
    next_command: str | None = None
    ok: str = "There is no such problem."

    def text(self, deployment: str, observer: str) -> str:
        """The lines of the notification from Region *observer*."""
        lines = (
            f"ALARM: {self.fault}",
            f"What to do: {self.action}",
            self.command,
            self.next_action,
            self.next_command,
            f"OK: {self.ok}",
            f"Runbook: {dashboard_url(deployment, observer)}",
        )
        return "\n".join(line for line in lines if line)


def cluster_down(monitor: HealthMonitor, region: str, observer: str) -> AlarmDescription:
    """Of the cluster in *region*, as *monitor* in *observer* sees it."""
    [other] = [one.cluster_region for one in monitor.clusters if one.cluster_region != region]
    down = "is down or does not serve SQL" if monitor.sql_probe else "is down"
    reason = " (a reason of the SQL probe begins with SQL:)" if monitor.sql_probe else ""
    itself = "Route 53 records with its health check leave it by themselves. " if monitor.evacuation else ""
    what = "what else connects" if monitor.evacuation else "your application"
    return AlarmDescription(
        fault=f"The cluster in {region} {down}, as seen from {observer}. The cluster in {other} takes reads and "
        "writes, unless a notification says that it is down, too.",
        ok=f"The cluster in {region} is healthy.",
        action=f"{itself}Send {what} to the endpoint in {other}; nothing has to be promoted. This command says why "
        f"the cluster in {region} {down}{reason}:",
        command=ask_for_verdict(monitor.deployment_name, observer),
    )


def peering_lost(monitor: HealthMonitor, peering_region: str | None, observer: str) -> AlarmDescription:
    """*peering_region* is that of the pair's `ClusterPeering`, if it has one.

    The metric is one for peer and witness, so only the verdict says which of them it is, and whether data diverges.
    """
    regions = " and ".join(one.cluster_region for one in monitor.clusters)
    deployment = monitor.deployment_name
    return AlarmDescription(
        fault=f"A peer or witness Region of the clusters in {regions} is not as configured. Both clusters still "
        "accept connections.",
        ok="The pair is as configured.",
        action="Get the verdict:",
        command=ask_for_verdict(deployment, observer),
        next_action=f"{names.PEERING_LOST}: writes do not reach the other Region. Send your application to one Region; "
        f"if both took writes, ask AWS Support first. {names.WITNESS_MISMATCH}: nothing is lost. Find out who changed "
        f"it (CloudTrail), then repair it{':' if peering_region else f' by {UPDATE_CLUSTER}.'}",
        next_command=repair_command(deployment, peering_region) if peering_region else None,
    )


def parameters_changed(monitor: HealthMonitor, peering_region: str | None, observer: str) -> AlarmDescription:
    """*peering_region* is that of the pair's `ClusterPeering`, if it is known."""
    deployment = monitor.deployment_name
    how = "" if peering_region else f" (by the repair action of function {peering_name(deployment)})"
    return AlarmDescription(
        fault=f"Somebody changed an SSM parameter of the pair in {observer}: it is not what the cluster reports. The "
        "clusters are not affected, but an application that reads the parameter may connect to another endpoint.",
        ok="The SSM parameters are what the clusters report.",
        action=f"Repair the parameter{how}, then restart or deploy again what has read it, then find out who wrote it "
        f"(CloudTrail, PutParameter). {'To repair it:' if peering_region else 'Which one it is:'}",
        command=repair_command(deployment, peering_region) if peering_region else ask_for_verdict(deployment, observer),
    )


def recovery_point_age(monitor: HealthMonitor, observer: str) -> AlarmDescription:
    """The same in each observing Region, since all ask the same vaults."""
    regions = " and ".join(monitor.backup_vaults)
    return AlarmDescription(
        fault=f"The backup vaults in {regions} have had no new recovery point in common for too long, as seen from "
        f"{observer}. What is lost in both Regions now comes back only as of the last one. The clusters are not "
        "affected.",
        ok="Both vaults have a new recovery point.",
        action="See which recovery points there are, and what is missing in which Region:",
        command=backups_command(monitor.deployment_name, next(iter(monitor.backup_vaults))),
        next_action="The answer of this command names under backups the last backup or copy job that failed:",
        next_command=ask_for_verdict(monitor.deployment_name, observer),
    )


def notifications_broken(monitor: HealthMonitor, observer: str, others: Sequence[str]) -> AlarmDescription:
    """As *observer* sees *others*, which are the other Regions that notify."""
    which = "Another Region" if any(map(unresolved, others)) else " or ".join(others)
    says_which = "; the command below says which" if len(others) > 1 else ""
    return AlarmDescription(
        fault=f"{which} cannot notify anybody of faults{says_which}. {observer} still notifies, and the clusters are "
        "not affected.",
        ok="Every Region can notify.",
        action="Repair each part that the answer of this command names under notifications; the runbook has the "
        "commands:",
        command=ask_for_verdict(monitor.deployment_name, observer),
    )


def composite_descriptions(
    monitor: HealthMonitor, peering_region: str | None, observer: str
) -> dict[str, AlarmDescription]:
    """Of the composite alarms, by what they are about."""
    which, what = (f"{observer}, or its SQL probe,", "may report") if monitor.sql_probe else (observer, "reports")
    return {
        PEERING_LOST: peering_lost(monitor, peering_region, observer),
        MONITORING_NOT_WORKING: AlarmDescription(
            fault=f"The monitor in {which} does not work, so it {what} no fault of the clusters. They do not "
            "depend on it, and the monitors of other Regions still report faults.",
            ok=f"The monitor in {observer} works.",
            action="Get the verdict from another Region, with the command in the runbook. Then read in the log why "
            "this monitor does not work:",
            command=log_command(monitor.deployment_name, observer),
            next_action="If it is the SQL probe, somebody who may run SQL as admin repairs its database role: the "
            "runbook has the command."
            if monitor.sql_probe
            else None,
        ),
    }
