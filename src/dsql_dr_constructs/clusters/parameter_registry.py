"""The parameter registry: SSM parameters that a peering writes, and by which other stacks name its clusters."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import cast

import jsii
from aws_cdk import Stack, Stage
from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct, IValidation

from ..asked_once import unresolved
from ..resource_policies import differ, named, refuse_lost_grant, refuse_other_account
from ..runtime.parameter_registry import evacuation_path, parameter_path
from .cluster_interface import IRegionalCluster
from .cluster_peering import deploy_after
from .database_admin import DatabaseRoleStacks
from .database_privilege import DatabasePrivilege
from .database_role import DatabaseRole
from .existing_cluster import RegisteredCluster
from .regional_cluster import RegionalCluster

_OF_THE_CDK = re.compile(r"Exports(Writer|Reader).*|Publish")
"""Ids of what the CDK adds to a stack which another Region or account refers to."""


@jsii.implements(IValidation)
class ParameterRegistry:
    """The SSM parameters of one pair, as other stacks of its app read them.

    When the app is synthesized it refuses a reference from another Region, for which the CDK would add a custom
    resource to the pair's own stack (docs/adr/0002).

    Args:
        pair: The construct that the stacks belong to.
        deployment_name: Name of the pair.
        regions: Regions that have the SSM parameters.
        stacks: The pair's own stacks, primary and secondary first.
        roles: Those of the functions that make database roles.
        adopted: Whether the pair's clusters are adopted.
        evacuation: Whether an SSM parameter says which Region is evacuated.
    """

    def __init__(
        self,
        pair: Construct,
        deployment_name: str,
        regions: Sequence[str],
        stacks: Sequence[Stack],
        roles: DatabaseRoleStacks,
        adopted: bool,
        evacuation: bool,
    ) -> None:
        self._pair = pair
        self._deployment_name = deployment_name
        self._regions = regions
        self._stacks = stacks
        self._roles = roles
        self._adopted = adopted
        self._evacuation = evacuation
        self._database_roles: dict[Stack, dict[str, DatabaseRole]] = {}

    def clusters(self, scope: Construct) -> Mapping[str, IRegionalCluster]:
        """Both clusters by Region, that of the stack of *scope* first; that stack is deployed after the pair.

        Raises:
            ValueError: the stack is one of the pair's own, in a Region without the SSM parameters, or in another Stage.
        """
        stack = Stack.of(scope)
        self._refuse_without_parameters(scope, stack)
        deploy_after(stack, self._stacks[1])
        regions = sorted((one.region for one in self._stacks[:2]), key=lambda region: region != stack.region)
        return {region: self._cluster(stack, region) for region in regions}

    def grant_connect(
        self,
        grantee: iam.IGrantable,
        account: str | None,
        role: str | None,
        privileges: Sequence[DatabasePrivilege] | None,
    ) -> Sequence[iam.Grant]:
        """Allow *grantee* to connect to both clusters, which are in *account*, as *role* if that is given.

        Raises:
            ValueError: *grantee* is in no stack or in another account, or where `clusters` cannot be read.
        """
        scope = self._scope_of("grant_connect", grantee, account)
        grants = [one.grant_connect(grantee) for one in self.clusters(scope).values()]
        if role is not None:
            self._map(grantee, role, privileges)
        return grants

    def grant_read(self, grantee: iam.IGrantable, account: str | None) -> Sequence[iam.Grant]:
        """Allow *grantee*, in *account*, to read both endpoints, and which Region is evacuated, in its own Region.

        Raises:
            ValueError: as `grant_connect`.
        """
        scope = self._scope_of("grant_read_parameters", grantee, account)
        stack = Stack.of(scope)
        self._refuse_without_parameters(scope, stack)
        deploy_after(stack, self._stacks[1])
        name = self._deployment_name
        # the client knows the deployment's name, and finds by it in which Regions the clusters are
        read = [(["ssm:GetParametersByPath"], [parameter_path(name), parameter_path(name, "*")])]
        if self._evacuation:
            read.append((["ssm:GetParameter", "ssm:GetParameterHistory"], [evacuation_path(name)]))
        arn = partial(stack.format_arn, service="ssm", resource="parameter")
        grants = [
            iam.Grant.add_to_principal(
                grantee=grantee, actions=actions, resource_arns=[arn(resource_name=path.strip("/")) for path in paths]
            )
            for actions, paths in read
        ]
        for one in grants:
            refuse_lost_grant(stack, grantee, one)
        return grants

    def _scope_of(self, method: str, grantee: iam.IGrantable, account: str | None) -> Construct:
        if not hasattr(grantee, "node"):  # imported ones are proxies of no class of the CDK's
            raise ValueError(
                f"The grantee of {method} is {named(grantee)}, which is in no stack and has no policy: give a role, a "
                "function or the like; iam.Role.from_role_arn(stack, ...) imports one."
            )
        refuse_other_account(self._pair, grantee, account)
        return cast("Construct", grantee)

    def _map(self, grantee: iam.IGrantable, role: str, privileges: Sequence[DatabasePrivilege] | None) -> None:
        """Let *grantee* connect as a database role, of which there is one construct for each name and stack."""
        scope = cast("Construct", grantee)
        stack = Stack.of(scope)
        of_the_stack = self._database_roles.setdefault(stack, {})
        if role in of_the_stack:
            of_the_stack[role].add_grantee(grantee)
            of_the_stack[role].add_privileges(*privileges or ())
        else:
            cluster, _ = self.clusters(scope).values()
            named = role if re.fullmatch(r"\w+", role, re.ASCII) else hashlib.sha256(role.encode()).hexdigest()[:16]
            of_the_stack[role] = DatabaseRole(
                stack,
                f"{self._deployment_name}-role-{named}",
                cluster=cluster,
                role_name=role,
                grantees=[grantee],
                privileges=privileges,
            )
        for one, other in itertools.permutations(of_the_stack.values(), 2):
            if of_the_stack[role] in (one, other):
                one._deploy_after_owner(other)

    def refuse_in_a_clusters_stack(self, constructs: Sequence[IConstruct]) -> None:
        """
        Raises:
            ValueError: one of *constructs*, alarms, is in a stack that is deployed before the topics are created.
        """
        for one in constructs:
            if Stack.of(one) in self._stacks[:2]:
                raise ValueError(
                    f"Alarm {one.node.path!r} is in a cluster's stack, which is deployed before the topics are "
                    "created: create it in one of pair.monitoring.stacks, or in a stack of your own."
                )

    def validate(self) -> list[str]:
        """A sentence for each of the pair's stacks that a stack of another Region refers to."""
        # what the CDK adds is of no other class in Python; to read the id of every child is two jsii requests for each
        ids = [(one, child.node.id) for one in self._stacks for child in one.node.children if type(child) is Construct]
        return [
            f"A stack of another Region or account refers to {stack.stack_name!r}, for example by "
            "pair.primary.cluster_endpoint, and the CDK would add resources of its own to the pair's stack for it: use "
            "pair.endpoints(stack) or pair.clusters(stack) there instead."
            for stack, id in ids
            if _OF_THE_CDK.fullmatch(id)
        ]

    def _refuse_without_parameters(self, scope: Construct, stack: Stack) -> None:
        path, outermost = scope.node.path, stack
        while outermost.nested_stack_parent:
            outermost = outermost.nested_stack_parent
        if outermost in self._stacks:
            raise ValueError(
                f"{path!r} is in {stack.stack_name!r}, which is deployed before the SSM parameters are written: "
                "create it in a stack of its own."
            )
        if Stage.of(scope) is not Stage.of(self._pair):
            raise ValueError(
                f"{path!r} is in another Stage than the pair, and the CDK orders the stacks of one Stage only: read "
                "the cluster with RegionalCluster.from_parameters(stack, 'Pair', "
                f"deployment_name={self._deployment_name!r}, region=...), and deploy the pair's Stage first."
            )
        account = self._stacks[0].account
        if differ(stack.account, account):
            raise ValueError(
                f"{path!r} is in account {stack.account}, and the pair and its SSM parameters are in {account}: create "
                "it there."
            )
        if not unresolved(stack.region) and stack.region not in self._regions:
            raise ValueError(
                f"{path!r} is in Region {stack.region!r}, where the pair has no SSM parameters: create it in "
                f"{' or '.join(map(repr, self._regions))}, or use RegionalCluster.from_cluster_attributes."
            )

    def _cluster(self, stack: Stack, region: str) -> IRegionalCluster:
        id = f"{self._deployment_name}-{region}"
        found = stack.node.try_find_child(id)
        if isinstance(found, IRegionalCluster):
            return found
        made = RegionalCluster.from_parameters(stack, id, deployment_name=self._deployment_name, region=region)
        if isinstance(made, RegisteredCluster):
            made.before_roles = self._roles.deploy_before
            made.is_adopted = self._adopted
        return made
