"""The one function that connects as ``admin``, to make and remove database roles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from aws_cdk import Stack, custom_resources
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from ..accepted_findings import LAMBDA_CHECKS, LAMBDA_FINDINGS, LOG_CHECKS, accept, skip, versions_of
from ..physical_names import role_requests_name, roles_name
from ..runtime_function import deployment_function, function_log_group, function_role
from .cluster_interface import IRegionalCluster
from .cluster_peering import deploy_after
from .regional_cluster import RegionalCluster

_BUDGET_SECONDS = 240
"""Of the function's 300, so that it can still say why it failed."""


class DatabaseAdmin(Construct):
    """Connects as ``admin`` to *clusters*, and to nothing else. Whoever may invoke it can run any SQL (SECURITY.md).

    Args:
        clusters: One cluster, or both of a pair, that of this Region first.
        deployment_name: Name of the pair, for the physical names by which other stacks and people call it. Default:
            none, for a cluster of this app.
        encryption_key: Key of the log group. Default: a key of AWS.
        wakes: Whether it also keeps this Region's cluster awake until its backup has begun. Default: False.
    """

    function: lambda_.Function
    """What speaks SQL."""

    service_token: str
    """What a custom resource in this Region names."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        clusters: Sequence[IRegionalCluster],
        deployment_name: str | None = None,
        encryption_key: kms.IKey | None = None,
        wakes: bool = False,
    ) -> None:
        super().__init__(scope, id)
        log_group = function_log_group(self, "Logs", encryption_key=encryption_key)
        role = function_role(self, "Role", log_group)
        for cluster in clusters:
            cluster.grant(role, "dsql:DbConnectAdmin", "dsql:GetCluster")
        if wakes:
            role.add_to_policy(iam.PolicyStatement(actions=["backup:ListBackupJobs"], resources=["*"]))
        known = [{"arn": one.cluster_arn, "endpoint": one.cluster_endpoint} for one in clusters]
        self.function = deployment_function(
            self,
            package="database_role",
            function_name=roles_name(deployment_name) if deployment_name else None,
            description=f"Aurora DSQL {f'pair {deployment_name}' if deployment_name else 'cluster'}: database roles",
            environment={
                "CLUSTERS": Stack.of(self).to_json_string(known),
                "BUDGET_SECONDS": str(_BUDGET_SECONDS),
            },
            role=role,
            log_group=log_group,
            driver=True,
        )
        provider = custom_resources.Provider(
            self,
            "Provider",
            on_event_handler=self.function,
            provider_function_name=role_requests_name(deployment_name) if deployment_name else None,
            log_group=log_group,
            framework_on_event_role=function_role(self, "FrameworkOnEventRole", log_group),
        )
        self.service_token = provider.service_token
        self._accept_findings(encryption_key, wakes=wakes)

    def _accept_findings(self, encryption_key: kms.IKey | None, *, wakes: bool) -> None:
        jobs = {"IAM5[Resource::*]": "ListBackupJobs has no resource type."} if wakes else {}
        accept(self, {**LAMBDA_FINDINGS, **versions_of([self.function], Stack.of(self)), **jobs})
        skip(self, {lambda_.CfnFunction: LAMBDA_CHECKS, **({} if encryption_key else {logs.CfnLogGroup: LOG_CHECKS})})


def admin_beside(
    cluster: IRegionalCluster, *others: IRegionalCluster, encryption_key: kms.IKey | None
) -> DatabaseAdmin:
    """The one beside the construct of *cluster*, which connects to *others*, too, where it is created here."""
    found = cluster.node.try_find_child("DatabaseAdmin")
    if isinstance(found, DatabaseAdmin):
        return found
    return DatabaseAdmin(cluster, "DatabaseAdmin", clusters=[cluster, *others], encryption_key=encryption_key)


class DatabaseRoleStacks:
    """A stack with a `DatabaseAdmin` in each Region in which CloudFormation may have to call it, created when needed.

    They are apart from the clusters' stacks, so that they come and go without a change there, and know both ARNs.

    Args:
        regional: Makes a stack with a name, in a Region, with a description.
        deployment_name: Of the pair.
        regions: Of both clusters, and of the witness if that has the SSM parameters.
        encryption_keys: Keys of log groups, by Region.
        of_the_pair: The pair's stacks, primary and secondary first; these are added.
        needed: Whether they are needed already.
        wakes_in: Region whose function keeps its cluster awake for a backup. Default: none.
    """

    def __init__(
        self,
        regional: Callable[[str, str, str], Stack],
        deployment_name: str,
        regions: Sequence[str],
        encryption_keys: Mapping[str, kms.IKey],
        *,
        of_the_pair: list[Stack],
        needed: bool,
        wakes_in: str | None = None,
    ) -> None:
        self._wakes_in = wakes_in
        self._regional, self._deployment_name = regional, deployment_name
        self._regions, self._keys, self._of_the_pair = regions, encryption_keys, of_the_pair
        self._created: dict[str, Stack] = {}
        if needed:
            self.create()

    def create(self) -> None:
        """All of them, unless they are."""
        if not self._created:
            roles = zip(self._regions, ("Primary", "Secondary", "Witness"), strict=False)
            self._created = {region: self._stack(region, role) for region, role in roles}
            self._of_the_pair.extend(self._created.values())

    def deploy_before(self, stack: Stack) -> None:
        """Create them, and deploy *stack* after them."""
        self.create()
        for one in self._created.values():
            deploy_after(stack, one)

    def _stack(self, region: str, role: str) -> Stack:
        stack = self._regional(f"{role}DatabaseRoles", region, f"database roles in {region}")
        deploy_after(stack, self._of_the_pair[1])
        clusters = [
            RegionalCluster.from_parameters(stack, one, deployment_name=self._deployment_name, region=one)
            for one in sorted(self._regions[:2], key=lambda one: one != region)
        ]
        DatabaseAdmin(
            stack,
            "DatabaseAdmin",
            clusters=clusters,
            deployment_name=self._deployment_name,
            encryption_key=self._keys.get(region),
            wakes=region == self._wakes_in,
        )
        return stack
