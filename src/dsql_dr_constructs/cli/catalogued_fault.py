"""What a fault of the catalogue consists of: how it is made, what users get of it, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ..physical_names import alarm_name, alerts_name, monitor_name, peering_name
from ..runtime.parameter_registry import parameter_path

if TYPE_CHECKING:
    from ..emulator.faults import Fault

OBSERVERS = ("primary", "secondary")
"""Roles of the Regions; a fault gives its alarms and verdicts by role, such as ``cluster-down-primary``."""


class Aws(Protocol):
    """Where a fault is made: `AwsEmulator` is one, and tests have one in simulated time."""

    regions: list[str]

    def client(self, service: str, region: str) -> Any:
        """A boto3 client, with the permissions of an administrator."""

    def inject(self, fault: Fault) -> None:
        """Inject *fault*, until it is cleared."""

    def clear_faults(self, name: str | None = None) -> None:
        """Clear the fault with this name, or all."""

    def set_cluster_status(self, region: str, identifier: str, status: str) -> None:
        """Give a cluster a status that only AWS itself can give it."""


class SimulatedAws(Aws, Protocol):
    """What faults with *only_simulated* need besides."""

    def cut_network(self, observer: str, region: str) -> None:
        """Let no answer of *region* come to the monitor in *observer*."""

    def restore_network(self) -> None:
        """End all cuts."""

    def set_clock(self, observer: str, seconds: float) -> None:
        """Let the clock of the monitor's function in *observer* be wrong by *seconds*."""

    def break_endpoint(self, region: str, what: Literal["name", "certificate"] | None) -> None:
        """Let the endpoint in *region* have no address, or an expired certificate. None: neither."""

    def refuse_sql(self, region: str, sqlstate: str) -> None:
        """Let the endpoint in *region* refuse statements with *sqlstate*; empty: no longer."""

    def put_of_cluster(self, region: str, name: str, value: float) -> None:
        """Let Aurora DSQL put that value of one of its own metrics of the cluster in *region*, every minute."""

    def age_recovery_points(self, hours: float) -> None:
        """Let the newest recovery point that both vaults hold be *hours* old."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A deployed pair, and the names of what belongs to it.

    Args:
        aws: Where it is deployed.
        deployment: Name of the pair.
        primary: Region.
        secondary: Region.
        witness: Region.
        account: Number.
        identifiers: Of both clusters, by Region.
        run_sql: Runs one statement as ``admin`` through the endpoint in a Region. Default: that is not possible.
        memory: What `begin` has to keep for `end`.
    """

    aws: Aws
    deployment: str
    primary: str
    secondary: str
    witness: str
    account: str
    identifiers: Mapping[str, str]
    run_sql: Callable[[str, str], None] | None = None
    memory: dict[str, Any] = field(default_factory=dict)

    @property
    def regions(self) -> tuple[str, str]:
        """Both, primary first."""
        return self.primary, self.secondary

    @property
    def monitor(self) -> str:
        """Name of the monitor's function and of the rule that invokes it, in each Region."""
        return monitor_name(self.deployment)

    @property
    def peering(self) -> str:
        """Name of the peering's function in the secondary's Region."""
        return peering_name(self.deployment)

    @property
    def key_alias(self) -> str:
        """Alias of the topic's key in each Region."""
        return f"alias/{alerts_name(self.deployment)}"

    def region(self, role: str) -> str:
        """Of ``primary`` or ``secondary``."""
        return {"primary": self.primary, "secondary": self.secondary}[role]

    def other(self, region: str) -> str:
        """The other Region of the pair."""
        return self.secondary if region == self.primary else self.primary

    def cluster_arn(self, region: str) -> str:
        """ARN of the cluster there."""
        return f"arn:aws:dsql:{region}:{self.account}:cluster/{self.identifiers[region]}"

    def topic_arn(self, region: str) -> str:
        """ARN of the topic for faults there."""
        return f"arn:aws:sns:{region}:{self.account}:{alerts_name(self.deployment)}"

    def kind(self, what: str) -> str:
        """Part of the alarm's name for a kind that names roles: ``cluster-down-primary`` is ``…-us-east-1``."""
        return what.replace("primary", self.primary).replace("secondary", self.secondary)

    def alarm(self, what: str, region: str) -> str:
        """Name of the alarm for *what*, which names roles, in *region*."""
        return alarm_name(self.deployment, self.kind(what), region)

    def parameter(self, region: str, field: str) -> str:
        """Name of the SSM parameter for *field* of the cluster in *region*; each Region has it."""
        return parameter_path(self.deployment, region, field)


Act = Callable[[Pair], None]


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What users get of a fault.

    Args:
        verdicts: Of the monitor in each Region while the fault lasts, such as ``CLUSTER_DOWN primary``, by the role of
            the Region. None: no verdict, since the run fails or does not begin.
        notified: Kind of the alarm and role of the Region that notifies, exactly these, once each, followed by one OK
            each when the fault is over. Empty: nobody is notified.
        within: Minutes from the beginning to the last of *notified* with the default schedule, at most; 0 if there is
            none.
        warnings: The same of warnings, which notify if the pair has a topic for them. Default: none.
        afterwards: What may be notified after the end, ALARM and OK, since CloudWatch had no data. Default: nothing.
        traffic_leaves: Roles of the Regions that Route 53's health checks find unhealthy at some time, if the pair has
            *failover*. With both at once, Route 53 answers as if both were healthy. Default: neither.
        deployment: What the deployment ends with that runs meanwhile: ``done``, or its error as a regular expression.
            Default: none runs.
    """

    verdicts: Mapping[str, str | None]
    notified: Sequence[tuple[str, str]] = ()
    within: float = 0.0
    warnings: Sequence[tuple[str, str]] = ()
    afterwards: Sequence[tuple[str, str]] = ()
    traffic_leaves: Sequence[str] = ()
    deployment: str = ""


@dataclass(frozen=True, kw_only=True)
class CataloguedFault:
    """One row of docs/faults.md.

    Args:
        name: Unique, in kebab case.
        group: Heading of its table.
        title: Completes "What happens if …".
        begin: Makes the fault.
        end: Ends it.
        expected: What users get.
        runbook: What the notification or the documents say to do.
        ends: How it ends, and who has to do what.
        then: What happens minutes after the beginning, in order. Default: nothing.
        lasts: Minutes from the beginning to the end. Default: 20.
        during: The deployment that runs meanwhile: ``create``, ``update`` or ``destroy``. Default: none.
        needs: Options that the app must have: ``sql`` (the SQL probe), ``without-sql``, ``backup``, ``cluster-keys``
            (keys of the user's for the clusters), ``function-key`` (one for the function's environment), ``one-key``
            (``encryption_keys``), ``deletion-protection``, ``failover``. Default: none.
        only_simulated: Why it cannot be made on the local AWS emulator. Default: it can.
    """

    name: str
    group: str
    title: str
    begin: Act
    end: Act
    expected: Expected
    runbook: str
    ends: str
    then: Sequence[tuple[float, Act]] = ()
    lasts: float = 20.0
    during: Literal["", "create", "update", "destroy"] = ""
    needs: frozenset[str] = frozenset()
    only_simulated: str = ""
