"""A database role: both halves of a permission to connect, that of IAM and that of the database."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import cast

from aws_cdk import ArnFormat, CfnResource, CustomResource, Duration, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from ..arguments import checked
from ..asked_once import unresolved
from ..physical_names import role_requests_name
from ..resource_policies import differ, named
from ..runtime.postgresql import RESERVED_ROLES, ROLE_ARN
from .adopted_cluster import AdoptedCluster
from .cluster_interface import IRegionalCluster
from .database_admin import admin_beside
from .database_privilege import DatabasePrivilege, as_properties, check_name
from .existing_cluster import RegisteredCluster
from .regional_cluster import RegionalCluster


class DatabaseRole(Construct):
    """A database role that IAM roles can connect as, with its privileges.

        DatabaseRole(stack, "OrdersRole", cluster=cluster, role_name="orders", grantees=[function],
                     privileges=[DatabasePrivilege.read_write("public")])

    It allows *grantees* to connect to *cluster* (``dsql:DbConnect``), and a custom resource does in the database what
    an admin would type: ``CREATE ROLE``, ``AWS IAM GRANT``, ``GRANT``. A pair is one database, so one of these holds at
    both endpoints; use `MultiRegionDsqlDr.grant_connect` there, which allows both clusters.

    Several stacks can ask for one role: it maps all their grantees and has the privileges that any of them asks for.
    With the last of them it is dropped, unless it was there before or owns something; then it stays, and the log of the
    function says what it owns.

    A pair has a function of its own that connects as ``admin`` (*database_roles* of `ClusterOptions`). For another
    cluster it is created beside the cluster's construct.

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/using-database-and-iam-roles.html
    """

    role_name: str
    """Name of the database role, to connect as."""

    resource: CustomResource
    """What depends on it is deployed after the role can be used."""

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster: IRegionalCluster,
        role_name: str,
        grantees: Sequence[iam.IGrantable],
        privileges: Sequence[DatabasePrivilege] | None = None,
    ) -> None:
        """
        Args:
            cluster: The cluster, or one of a pair, as this stack knows it.
            role_name: Name of the database role, as it is stored; it is created if it does not exist.
            grantees: Roles, functions and the like that may connect as it; exact IAM roles.
            privileges: What the role may do. Default: read and write in the schema ``public``.

        Raises:
            ValueError: a name that Aurora DSQL has for itself, a grantee without an IAM role, or a stack in another
                Region than the function that connects as ``admin``.
        """
        super().__init__(scope, id)
        check_name("role_name", role_name, reserved=RESERVED_ROLES)
        self.role_name = role_name
        self._cluster = cluster
        self._principals: dict[str, None] = {}  # in their order, each once
        self._privileges: dict[DatabasePrivilege, None] = {}
        self.resource = CustomResource(
            self,
            "Resource",
            resource_type="Custom::DsqlDatabaseRole",
            service_token=self._service_token(),
            service_timeout=Duration.minutes(10),
            properties={"Role": role_name, **self._database()},
        )
        for one in grantees:
            self.add_grantee(one)
        self.add_privileges(*([DatabasePrivilege.read_write()] if privileges is None else privileges))

    @checked
    def add_grantee(self, grantee: iam.IGrantable) -> None:
        """Let one more connect as this role.

        Args:
            grantee: As *grantees* of the construct.

        Raises:
            ValueError: *grantee* has no IAM role.
        """
        arn = getattr(grantee.grant_principal, "role_arn", None)
        if not arn or (not unresolved(arn) and not re.fullmatch(ROLE_ARN, arn)):
            raise ValueError(
                f"{named(grantee)} cannot be mapped to the database role {self.role_name!r}, since it has no IAM role "
                "of its own: give a role by its exact name, or what has one, such as a function."
            )
        grant = self._cluster.grant_connect(grantee)
        self.resource.node.add_dependency(grant)
        self._principals[arn] = None
        self._set("Principals", list(self._principals))

    @checked
    def add_privileges(self, *privileges: DatabasePrivilege) -> None:
        """Let the role do more.

        Args:
            privileges: As *privileges* of the construct.
        """
        self._privileges.update(dict.fromkeys(privileges))
        for name, value in as_properties(list(self._privileges)).items():
            self._set(name, value)

    def _uses(self, access: Sequence[str | None]) -> set[str | None]:
        return {one.schema for one in self._privileges if one.access in access}

    def _deploy_after_owner(self, other: DatabaseRole) -> None:
        """Of a schema that this one uses: only then what the owner creates in it can be for this one, too."""
        used, theirs = self._uses(("read", "read_write")), other._uses(("owner",))
        back = self._uses(("owner",)) & other._uses(("read", "read_write"))
        if used & theirs and not back:  # else each waits for the other
            self.resource.node.add_dependency(other.resource)

    def _set(self, name: str, value: object) -> None:
        cast("CfnResource", self.resource.node.default_child).add_property_override(name, value)

    def _database(self) -> dict[str, str]:
        """The cluster of an adopted pair, so that the role is asked for again when another one is adopted."""
        cluster = self._cluster
        adopted = isinstance(cluster, RegisteredCluster) and cluster.is_adopted
        return {"Cluster": cluster.cluster_identifier} if adopted else {}

    def _service_token(self) -> str:
        """Of the function in this stack's Region: that of the pair, else one beside the cluster's construct.

        Raises:
            ValueError: it is in another Region, or the cluster is a side of a pair.
        """
        stack, cluster = Stack.of(self), self._cluster
        if isinstance(cluster, RegisteredCluster):
            cluster.before_roles(stack)
            return stack.format_arn(
                service="lambda",
                resource="function",
                resource_name=role_requests_name(cluster.deployment_name),
                arn_format=ArnFormat.COLON_RESOURCE_NAME,
            )
        if isinstance(cluster, (RegionalCluster, AdoptedCluster)) and cluster.witness_region:
            raise ValueError(
                f"The cluster {cluster.node.path!r} of the database role {self.node.path!r} is one side of a pair, and "
                "takes no connections before both are peered: use pair.grant_connect(..., role=...), or give a cluster "
                "of pair.clusters(stack)."
            )
        beside = Stack.of(cluster)
        if differ(beside.region, stack.region):
            raise ValueError(
                f"The database role {self.node.path!r} is in {stack.region}, and its cluster {cluster.node.path!r} in "
                f"a stack of {beside.region}, where the function is that CloudFormation has to call: create the role "
                "in a stack there, or read the cluster here with RegionalCluster.from_cluster_attributes."
            )
        return admin_beside(cluster, encryption_key=None).service_token
