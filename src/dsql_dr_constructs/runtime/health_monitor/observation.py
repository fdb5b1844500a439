"""What one run observed, of a cluster and of all else, and the verdict on both clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from . import metric_names as names
from .asking import Finding

if TYPE_CHECKING:
    from .evacuation_check import Evacuation
    from .recovery_point_check import BackupFinding


@dataclass(frozen=True)
class ControlPlane:
    """GetCluster's answer; *status* is None where there was none, with the reason in *problem*.

    Any member but the status may be missing from an answer.
    """

    status: str | None
    encryption_status: str | None = None
    peers: frozenset[str] = frozenset()
    witness_region: str | None = None
    problem: str | None = None
    arn: str | None = None
    identifier: str | None = None
    endpoint: str | None = None
    created: datetime | None = None


@dataclass(frozen=True)
class ProbeResult:
    """What the connection probe found; *problem* is why the endpoint could not be reached."""

    latency_ms: float | None = None
    problem: str | None = None


@dataclass(frozen=True)
class SqlResult:
    """What the SQL probe found; *problem* is why the cluster does not serve SQL.

    Args:
        serves: Whether the cluster serves SQL.
        commit_latency_ms: Of the statement that writes and commits; None if none was committed.
        read_back_latency_ms: Of the statement that reads what was committed; None if none was answered.
    """

    serves: bool
    commit_latency_ms: float | None = None
    read_back_latency_ms: float | None = None
    problem: str | None = None


@dataclass(frozen=True)
class Observation:
    """One cluster as one run observed it.

    Args:
        region: The cluster's.
        identifier: The cluster's.
        status: As GetCluster returned it; None if it did not answer.
        healthy: Has a healthy status, its control plane answers, its endpoint can be reached, and *sql*, if it is
            known, serves.
        reachable: The endpoint answered with a request for authentication.
        peered: Has the other cluster as its peer; None if its status is not healthy, or the other one is deleted.
        witnessed: Has the witness Region that was configured; None if its status is not healthy.
        latency_ms: From opening the connection to the request for authentication; None if that never came.
        attempts: Tries of GetCluster and of the connection probe together.
        problems: A sentence for everything that is not as it should be.
        sql: What the SQL probe found. None: there is none, or it is at fault itself.
    """

    region: str
    identifier: str
    status: str | None
    healthy: bool
    reachable: bool
    peered: bool | None
    witnessed: bool | None
    latency_ms: float | None
    attempts: int
    problems: tuple[str, ...]
    sql: SqlResult | None = None

    def measures(self) -> list[tuple[str, float, str]]:
        """Metric, value and unit of everything that could be measured."""
        peering = (self.peered, self.witnessed)
        values = [
            (names.CLUSTER_HEALTH, self.healthy, "None"),
            (names.PEERING_HEALTH, False if False in peering else None if None in peering else True, "None"),
            (names.ENDPOINT_REACHABLE, self.reachable, "None"),
            (names.PROBE_LATENCY, self.latency_ms, "Milliseconds"),
            (names.PROBE_ATTEMPTS, self.attempts, "Count"),
        ]
        if self.sql:
            values += [
                (names.SQL_SERVES, self.sql.serves, "None"),
                (names.COMMIT_LATENCY, self.sql.commit_latency_ms, "Milliseconds"),
                (names.READ_BACK_LATENCY, self.sql.read_back_latency_ms, "Milliseconds"),
            ]
        return [(name, float(value), unit) for name, value, unit in values if value is not None]

    def to_json(self) -> dict[str, Any]:
        """As in docs/monitor-answer.schema.json: without SQL where it is not known."""
        found = asdict(self)
        if self.sql:
            del found["sql"]["problem"]  # which is in the problems
        else:
            del found["sql"]
        return found


@dataclass
class Observed:
    """What one run observed; None where it did not check, or could not."""

    clusters: list[Observation] = field(default_factory=list)
    parameters: Finding | None = None
    notifications: Finding | None = None
    backups: BackupFinding | None = None
    evacuation: Evacuation | None = None

    def of_the_observer(self) -> dict[str, float | None]:
        """Values of what is of no cluster, by metric."""
        return {
            names.PARAMETER_HEALTH: self.parameters.healthy if self.parameters else None,
            names.NOTIFICATION_HEALTH: self.notifications.healthy if self.notifications else None,
            names.RECOVERY_POINT_AGE: self.backups.age_hours if self.backups else None,
        }


def observe(
    arn: str,
    control_plane: ControlPlane,
    probe: ProbeResult,
    attempts: int,
    *,
    peer: str,
    witness_region: str | None,
    peer_status: str | None = None,
    sql: SqlResult | None = None,
) -> Observation:
    """Judge one cluster by all answers.

    Args:
        arn: The cluster's.
        control_plane: What GetCluster returned.
        probe: What the connection probe found.
        attempts: Tries that both took.
        peer: ARN of the cluster that it should have as its peer.
        witness_region: The witness Region that it should have. None: any.
        peer_status: Status of *peer* by GetCluster. None: it did not answer.
        sql: What the SQL probe found. None: there is none, or it is at fault itself.
    """
    status, problems = control_plane.status, []
    if control_plane.problem:
        problems.append(f"GetCluster: {control_plane.problem}")
    elif status not in names.HEALTHY_STATUSES:
        problems.append(f"status is {status}")
    if control_plane.encryption_status == names.LOST_KEY:
        problems.append(f"encryption status is {names.LOST_KEY}")
    if probe.problem:
        problems.append(f"endpoint: {probe.problem}")
    if sql and sql.problem and sql.problem != probe.problem:
        problems.append(f"SQL: {sql.problem}")
    healthy = not problems
    serves = status in names.HEALTHY_STATUSES
    peered = peer in control_plane.peers if serves and peer_status not in names.GONE_STATUSES else None
    witnessed = witness_region in (None, control_plane.witness_region) if serves else None
    if peered is False:
        problems.append("the other cluster is not its peer")
    if witnessed is False:
        problems.append(f"its witness Region is {control_plane.witness_region}, and {witness_region} is configured")
    return Observation(
        region=arn.split(":")[3],
        identifier=arn.rpartition("/")[2],
        status=status,
        healthy=healthy,
        reachable=probe.problem is None,
        peered=peered,
        witnessed=witnessed,
        latency_ms=probe.latency_ms,
        attempts=attempts,
        problems=tuple(problems),
        sql=sql,
    )


def verdict(
    observations: Sequence[Observation],
    *,
    parameters: bool | None = None,
    notifications: bool | None = None,
) -> str:
    """One word on the pair: the worst that holds. It does not depend on the Region that asks.

    Args:
        observations: Of both clusters.
        parameters: Whether the SSM parameters have what GetCluster returns. None: not known.
        notifications: Whether the other observing Regions can notify. None: not known.
    """
    down = [one for one in observations if not one.healthy]
    if len(down) == len(observations):
        return names.BOTH_DOWN
    if down:
        return names.CLUSTER_DOWN
    if not all(one.peered for one in observations):
        return names.PEERING_LOST
    if not all(one.witnessed for one in observations):
        return names.WITNESS_MISMATCH
    if parameters is False:
        return names.PARAMETERS_CHANGED
    if notifications is False:
        return names.NOTIFICATIONS_BROKEN
    return names.HEALTHY
