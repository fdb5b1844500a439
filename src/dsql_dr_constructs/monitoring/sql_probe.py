"""What the SQL probe of a monitor needs in the database: a role of its own, which may use a table of its own only."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from ..asked_once import unresolved
from ..clusters.cluster_interface import IRegionalCluster
from ..clusters.database_admin import admin_beside
from ..clusters.database_privilege import DatabasePrivilege
from ..clusters.database_role import DatabaseRole
from ..clusters.existing_cluster import RegisteredCluster
from ..runtime.postgresql import SCHEMA


def probe_environment(deployment: str, region: str) -> Mapping[str, str]:
    """Names for the function's environment; no other monitor of the database has them, whatever its pair is called.

    Raises:
        ValueError: the Region is not known at synth.
    """
    if unresolved(region):
        raise ValueError(
            "sql_probe is on in a stack without a Region, and the monitor's database role is named after it: give the "
            "stack env with a Region."
        )
    suffix = f"{region.replace('-', '_')}_{hashlib.sha256(deployment.encode()).hexdigest()[:8]}"
    return {"SQL_ROLE": f"dsql_dr_{suffix}", "SQL_TABLE": f"beat_{suffix}"}


def probe_role(
    scope: Construct,
    clusters: Sequence[IRegionalCluster],
    role: iam.Role,
    names: Mapping[str, str],
    encryption_key: kms.IKey | None,
) -> DatabaseRole:
    """The database role that *role* connects as, to both *clusters*, and its table."""
    own, peer = sorted(clusters, key=lambda one: one.cluster_region != Stack.of(scope).region)
    if not isinstance(own, RegisteredCluster):  # a pair that has no function for this
        admin_beside(own, peer, encryption_key=encryption_key)
    peer.grant_connect(role)
    database_role, table = f'"{names["SQL_ROLE"]}"', f'{SCHEMA}."{names["SQL_TABLE"]}"'
    return DatabaseRole(
        scope,
        "DatabaseRole",
        cluster=own,
        role_name=names["SQL_ROLE"],
        grantees=[role],
        privileges=[
            DatabasePrivilege.sql(
                f"CREATE TABLE IF NOT EXISTS {table} "
                "(endpoint text PRIMARY KEY, beat text NOT NULL, written_at timestamptz NOT NULL)",
                undo=f"DROP TABLE IF EXISTS {table}",
            ),
            DatabasePrivilege.sql(f"GRANT USAGE ON SCHEMA {SCHEMA} TO {database_role}"),
            DatabasePrivilege.sql(f"GRANT SELECT, INSERT, UPDATE ON {table} TO {database_role}"),
        ],
    )
