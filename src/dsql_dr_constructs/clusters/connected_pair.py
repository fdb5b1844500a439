"""How other stacks reach the clusters of a pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import aws_iam as iam
from constructs import Construct

from ..arguments import checked
from .cluster_interface import IRegionalCluster
from .database_privilege import DatabasePrivilege
from .parameter_registry import ParameterRegistry


class ConnectedPair(Construct):
    """A pair whose SSM parameters other stacks read."""

    account: str | None
    """12 digits; None if it is the account of whoever deploys."""

    _registry: ParameterRegistry

    @checked
    def clusters(self, scope: Construct) -> Mapping[str, IRegionalCluster]:
        """Both clusters by Region, for endpoints, grants, metrics and VPC endpoints in a stack of yours.

            endpoint = pair.clusters(stack)["us-west-2"].cluster_endpoint

        Attributes of `primary` and `secondary` are for the pair's own stacks. These are read from SSM parameters when
        your stack is deployed, which is after the pair.

        Args:
            scope: Your stack or a construct in it, in a Region that has the SSM parameters: those of both clusters, and
                with *witness_observer* that of the witness.

        Raises:
            ValueError: *scope* is in one of the pair's own stacks, in a Region without the SSM parameters, or in
                another Stage.
        """
        return self._registry.clusters(scope)

    @checked
    def endpoints(self, scope: Construct) -> Mapping[str, str]:
        """Host names of both clusters by Region, that of *scope*'s own Region first, read as by `clusters`."""
        return {region: one.cluster_endpoint for region, one in self.clusters(scope).items()}

    @checked
    def grant_connect(
        self,
        grantee: iam.IGrantable,
        *,
        role: str | None = None,
        privileges: Sequence[DatabasePrivilege] | None = None,
    ) -> Sequence[iam.Grant]:
        """Allow *grantee* to connect to both clusters as a database role, so that it can fail over.

            pair.grant_connect(function, role="orders", privileges=[DatabasePrivilege.read_write("public")])

        Its policy has both ARNs, which its stack reads from SSM parameters; so that stack is deployed after the pair.

        Args:
            grantee: A role, function or the like in a stack of yours, as for `clusters`. It may be imported: then a
                warning has the statement to add to its policy.
            role: Database role that is created and mapped to it by a `DatabaseRole` in its stack. The pair gets stacks
                with the functions that do it; the CDK does not delete them when the last role leaves the app, so
                destroy them then. Default: none, an admin maps a role with ``AWS IAM GRANT``.
            privileges: As in `DatabaseRole`.

        Raises:
            ValueError: *grantee* is in no stack, such as a service, or in another account, or where `clusters` cannot
                be read; *privileges* without *role*, or a name that Aurora DSQL has for itself.
        """
        if privileges is not None and role is None:
            raise ValueError("privileges are given without role: give the name of the database role that gets them.")
        return self._registry.grant_connect(grantee, self.account, role, privileges)

    @checked
    def grant_read_parameters(self, grantee: iam.IGrantable) -> Sequence[iam.Grant]:
        """Allow *grantee* to read the endpoints of both clusters from SSM parameters of its own Region when it runs.

            pair.grant_read_parameters(function)

        With *failover* it may also read which Region is evacuated. The package ``dsql-dr-client`` needs this where it
        is given the deployment name and not the endpoints.

        Args:
            grantee: As in `grant_connect`.

        Raises:
            ValueError: as `grant_connect`.
        """
        return self._registry.grant_read(grantee, self.account)
