"""What a pair's clusters and their peering can have beside Regions and removal."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Duration

from ..arguments import check_fields


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """The clusters of a `MultiRegionDsqlDr`, how they are peered, and who makes their database roles.

        ClusterOptions(name_prefix="orders", peering_timeout=Duration.minutes(45))

    Args:
        name_prefix: First part of the clusters' ``Name`` tags, which end with ``-primary`` and ``-secondary``.
            Default: dr-dsql.
        deletion_protection: As in `RegionalCluster`.
        peering_timeout: *timeout* of `ClusterPeering`. Default: 30 minutes.
        repair_on_deploy: As in `ClusterPeering`.
        database_roles: Whether the pair has the functions that make database roles, also where nothing of this app
            asks for one: for stacks of other apps, and for as long as one of them has a role. Whoever may invoke them
            can run any SQL. Default: False, they are created for *role* of `MultiRegionDsqlDr.grant_connect` and for
            *sql_probe*.

    Raises:
        ValueError: a field has a value of another type, or *name_prefix* is empty.
    """

    name_prefix: str = "dr-dsql"
    deletion_protection: bool | None = None
    peering_timeout: Duration | None = None
    repair_on_deploy: bool = False
    database_roles: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
