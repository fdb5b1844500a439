"""Whether a drill can begin, and what it will do: nothing is changed before somebody agreed to the plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from ..physical_names import CLUSTER_DOWN
from . import drill_clean_up, drill_template, subscriber
from .aws_session import Client
from .drill_template import DrillError, Template
from .drill_times import DrillTime, in_words
from .pair_alarms import deployed_alarms
from .pair_backups import present_witnesses
from .pair_status import Status, ask, cluster_arns

LONGEST = 12 * 3600.0
"""Seconds that FIS lets an action take.

Source: https://docs.aws.amazon.com/fis/latest/userguide/fis-actions-reference.html
"""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked for.

    Args:
        deployment: Name of the pair.
        region: Region whose cluster is to fail.
        seconds: Of the fault; whole minutes. None: as deployed.
        share: Percentage of connections that fail. None: as deployed.
        strict: Whether a drill is refused that no alarm of the user's stops.
        objectives: Seconds, by the name of a measure.
    """

    deployment: str
    region: str
    seconds: float | None = None
    share: int | None = None
    strict: bool = False
    objectives: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A drill that can begin.

    Args:
        request: That it is for.
        template: Deployed experiment template.
        seconds: Of the fault.
        share: Percentage of connections that fail.
        expects_alarm: Whether the experiment fails unless an alarm is raised.
        account: Of the pair.
        caller: ARN of who runs the drill.
        observers: Regions with a monitor.
        clusters: ARN of each cluster, by Region.
        topics: ARN of the topic for faults, by observing Region.
        copies: Temporary templates that killed drills have left.
        queues: What else they have left.
        warnings: Sentences.
    """

    request: Request
    template: Template
    seconds: float
    share: int
    expects_alarm: bool
    account: str
    caller: str
    observers: Sequence[str]
    clusters: Mapping[str, str]
    topics: Mapping[str, str]
    copies: Sequence[drill_clean_up.Copy]
    queues: Sequence[subscriber.Queue]
    warnings: Sequence[str]

    @property
    def is_changed(self) -> bool:
        """Whether the drill needs a template of its own."""
        return (self.seconds, self.share) != (self.template.seconds, self.template.share)

    def lines(self) -> Iterator[str]:
        """The plan for people."""
        region, others = self.request.region, [one for one in self.clusters if one != self.request.region]
        yield (
            f"In {region}, {self.share} % of the connections to the cluster of {self.request.deployment} fail for "
            f"{in_words(self.seconds)}. The cluster in {' and '.join(others)} is not touched, and no data changes."
        )
        copy = ", by a temporary copy of it with this duration and share" if self.is_changed else ""
        yield f"AWS FIS does it with template {self.template.id}{copy}, as role {self.template.role}."
        yield (
            "It fails unless the alarm of this cluster is raised."
            if self.expects_alarm
            else "Whether an alarm is raised is reported, and not required."
        )
        stops = [one.rpartition(":")[2] for one in self.template.stop_alarms]
        if stops:
            yield f"It stops when one of these alarms is raised: {', '.join(stops)}."
        yield (
            f"Notifications go to everybody who is subscribed in {' and '.join(self.topics) or 'no Region'}, and to a "
            "temporary queue of this drill. Announce it to those on call. Ctrl-C ends the fault."
        )
        left = [*map(str, self.copies), *map(str, self.queues)]
        if left:
            yield f"An earlier drill has left {', '.join(left)}. The next drill removes it when it starts."
        yield from (f"Warning: {one}" for one in self.warnings)


def check(request: Request, client: Client, time: DrillTime) -> Plan:
    """Check everything, by AWS's own *time* from then on.

    Raises:
        DrillError: the drill cannot begin; with every reason.
        StatusError: the pair was not found.
    """
    arns = {arn.split(":")[3]: arn for arn in cluster_arns(request.deployment, request.region, client)}
    if request.region not in arns:
        raise DrillError(
            f"{request.deployment} has no cluster in {request.region}: give --region one of {' and '.join(arns)}."
        )
    refuse_while_running(request, arns, client)
    caller = client("sts", request.region).get_caller_identity()
    time.follow(caller)
    template = drill_template.find(request.deployment, arns[request.region], client)
    status = ask(request.deployment, request.region, client)
    observers = list(status.verdicts)
    topics = notified_topics(request.deployment, observers, client)
    reasons = [*_unhealthy(status), *_stop_alarms(template, client)]
    warnings = [
        f"No alarm in {one} notifies an SNS topic of a cluster that is down, so what arrives there is not seen."
        for one in observers
        if one not in topics
    ]
    if not template.stop_alarms_of_users(request.deployment):
        no_stop = (
            "No alarm of your application stops the experiment: give DrillOptions stop_alarm_arns with an alarm on its "
            "errors, and the fault ends when users suffer from it."
        )
        (reasons if request.strict else warnings).append(no_stop)
    if reasons:
        raise DrillError("\n".join(["The drill was not started:", *(f"- {one}" for one in reasons)]))
    seconds, share = request.seconds or template.seconds, request.share or template.share
    return Plan(
        request=request,
        template=template,
        seconds=seconds,
        share=share,
        expects_alarm=template.still_expects(seconds, share),
        account=arns[request.region].split(":")[4],
        caller=caller["Arn"],
        observers=observers,
        clusters=arns,
        topics=topics,
        copies=list(drill_clean_up.copies(request.deployment, arns, client)),
        queues=subscriber.leftovers(request.deployment, topics, client),
        warnings=warnings,
    )


def refuse_while_running(request: Request, regions: Iterable[str], client: Client) -> None:
    """Two experiments could fail both clusters.

    Raises:
        DrillError: one is running.
    """
    running = [one for region in regions for one in drill_clean_up.running(region, client)]
    if running:
        raise DrillError(
            f"An experiment of AWS FIS is running: {', '.join(map(str, running))}. Wait until it has ended. If it is "
            f"that of a killed drill, stop it: dsql-dr drill {request.deployment} --region {request.region} --clean-up"
        )


def observing(deployment: str, region: str, client: Client) -> list[str]:
    """Regions that can have a monitor: the clusters', and the witness Region."""
    regions = [arn.split(":")[3] for arn in cluster_arns(deployment, region, client)]
    return list(dict.fromkeys([*regions, *filter(None, present_witnesses(deployment, region, client))]))


def notified_topics(deployment: str, regions: Sequence[str], client: Client) -> dict[str, str]:
    """ARN of the topic that the alarms of clusters that are down notify, by observing Region."""
    found = {}
    for region in regions:
        alarms = deployed_alarms(deployment, region, client("cloudwatch", region))
        actions = [arn for what, one in alarms if what.startswith(CLUSTER_DOWN) for arn in one["AlarmActions"]]
        for arn in [one for one in actions if one.split(":")[2] == "sns"][:1]:
            found[region] = arn
    return found


def _unhealthy(status: Status) -> Iterator[str]:
    """Why the pair is not healthy, or nobody is notified."""
    yield from (f"Failed call: {one}" for one in status.problems)
    yield from (*status.wrong_clusters, *status.not_monitored)
    if status.evacuation:
        region = status.evacuation["region"]
        yield (
            f"{region} is evacuated, so that all users are in the other Region. End that first: dsql-dr evacuate "
            f"{status.deployment} {region} --back"
        )
    for one in status.clusters:
        if not one.healthy:
            peered = "" if one.peered else ", without its peer"
            yield f"Cluster {one.identifier} in {one.region} is {one.status}{peered}."
    for region, verdict in status.verdicts.items():
        if verdict != "HEALTHY":
            yield f"The monitor in {region} reports {verdict}."
    for alarm, state in status.alarms.items():
        if state != "OK":
            region, _, what = alarm.partition(" ")
            yield f"Alarm {what} in {region} is in {state}."
    yield from (f"Nobody is notified: {one}" for one in status.nobody_notified)
    yield from (f"Nobody receives warnings: {one}" for one in status.warnings_lost)


def _stop_alarms(template: Template, client: Client) -> Iterator[str]:
    """FIS fails an experiment whose stop alarms are not OK when it begins."""
    for arn in template.stop_alarms:
        region, name = arn.split(":")[3], arn.split(":", 6)[6]
        try:
            found = client("cloudwatch", region).describe_alarms(
                AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"]
            )
        except (BotoCoreError, ClientError) as error:
            yield f"Stop alarm {name} in {region} could not be read: {error}"
            continue
        states = [one["StateValue"] for one in (*found.get("MetricAlarms", ()), *found.get("CompositeAlarms", ()))]
        if states != ["OK"]:
            state = f"in {states[0]}, and AWS FIS starts only while it is OK" if states else "not there"
            yield f"Stop alarm {name} in {region} is {state}."
