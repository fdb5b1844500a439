"""The environment of the monitor's function, parsed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

STALE_HOURS: Final = 26.0
"""Age from which the newest recovery point is a problem: a day, an hour to begin, and an hour to back up and copy."""


@dataclass(frozen=True)
class NotificationPath:
    """What notifies people in another Region.

    Args:
        region: That Region.
        alarm_name: Of its alarms, with ``*`` for what they are about: written once, since the environment of a
            function has room for 4 KB.
        alarms: Digest of each alarm that notifies, by what it is about. Empty: not known.
        topic_arn: What they notify.
        causes: The same as *alarms* of the children of composite alarms, which notify by these.
        asks_topic: Whether it can be asked: a topic of another account cannot.
        key_alias: Alias of the topic's key. None: the key is not this library's to check.
    """

    region: str
    alarm_name: str
    alarms: Mapping[str, str]
    topic_arn: str
    causes: Mapping[str, str] = field(default_factory=dict)
    key_alias: str | None = None
    asks_topic: bool = True

    def name_of(self, what: str) -> str:
        """Name of the alarm for *what*."""
        return self.alarm_name.replace("*", what)


@dataclass(frozen=True)
class Settings:
    """
    Args:
        deployment: Name of the pair.
        observer: Region that the function runs in.
        clusters: Endpoint of both clusters, by ARN: a name, or a name with a port, which is 5432 else.
        witness_region: The witness that both should have. None: any.
        budget: Seconds for the check of the clusters.
        parameters: Folder of each cluster's SSM parameters, by ARN. Empty: the pair has none.
        notification_paths: Those of the other observing Regions, which are checked from here.
        notifications_every: How many runs there are for each check of these.
        sql_role: Database role of the SQL probe. None: there is no SQL probe.
        sql_table: Its table in the schema ``dsql_dr``.
        backup_vaults: Name of the backup vault, by Region. Empty: recovery points are not checked.
        backups_every: How many runs there are for each check of these.
        stale_hours: Age from which the newest recovery point is a problem, as of the alarm on it.
        evacuation_regions: Regions of both clusters, of which one may be evacuated. Empty: that is not checked.
    """

    deployment: str
    observer: str
    clusters: Mapping[str, str]
    witness_region: str | None
    budget: float
    parameters: Mapping[str, str] = field(default_factory=dict)
    notification_paths: tuple[NotificationPath, ...] = ()
    notifications_every: int = 1
    sql_role: str | None = None
    sql_table: str = ""
    backup_vaults: Mapping[str, str] = field(default_factory=dict)
    backups_every: int = 1
    stale_hours: float = STALE_HOURS
    evacuation_regions: tuple[str, ...] = ()

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Settings:
        clusters = json.loads(environment["CLUSTERS"])
        paths = json.loads(environment.get("NOTIFICATION_PATHS", "[]"))
        return cls(
            deployment=environment["DEPLOYMENT"],
            observer=environment["AWS_REGION"],
            clusters={one["arn"]: one["endpoint"] for one in clusters},
            witness_region=environment.get("WITNESS_REGION"),
            budget=float(environment["BUDGET_SECONDS"]),
            parameters={one["arn"]: one["parameters"] for one in clusters if "parameters" in one},
            notification_paths=tuple(NotificationPath(**one) for one in paths),
            notifications_every=int(environment.get("NOTIFICATIONS_EVERY", "1")),
            sql_role=environment.get("SQL_ROLE"),
            sql_table=environment.get("SQL_TABLE", ""),
            backup_vaults=json.loads(environment.get("BACKUP_VAULTS", "{}")),
            backups_every=int(environment.get("BACKUPS_EVERY", "1")),
            stale_hours=float(environment.get("STALE_HOURS", STALE_HOURS)),
            evacuation_regions=tuple(json.loads(environment.get("EVACUATION_REGIONS", "[]"))),
        )
