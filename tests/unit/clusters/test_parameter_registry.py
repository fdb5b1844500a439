"""How stacks of other teams name the clusters of a pair."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from hypothesis import given
from hypothesis import strategies as st
from ministack.core.iam_evaluator import EvalContext, evaluate, parse_policy_document

from dsql_dr_constructs import FailoverOptions, MonitoringOptions, MonitorOptions, MultiRegionDsqlDr, RegionalCluster
from tests.unit.intrinsics import written_out

ACCOUNT, OTHER_ACCOUNT = "111111111111", "222222222222"


def consumer(app: cdk.App, region: str = "us-west-2") -> tuple[cdk.Stack, iam.Role]:
    stack = cdk.Stack(app, "Consumer", env=cdk.Environment(account=ACCOUNT, region=region))
    return stack, iam.Role(stack, "Reader", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))


def template(stack: cdk.Stack) -> Mapping[str, Any]:
    return assertions.Template.from_stack(stack).to_json()


def granted(stack: cdk.Stack) -> list[str]:
    """SSM parameters with the identifiers of the clusters that the stack's policies allow to connect to."""
    found = template(stack)
    policies = [one["Properties"] for one in found["Resources"].values() if one["Type"] == "AWS::IAM::Policy"]
    statements = [one for policy in policies for one in policy["PolicyDocument"]["Statement"]]
    connecting = [one for one in statements if one["Action"] == "dsql:DbConnect"]
    tag = {"StringEquals": {"aws:ResourceTag/dsql-dr:deployment": "Orders-production"}}
    assert [one for one in connecting if one["Condition"] != tag] == []
    return [identifier_of(arn, found) for one in connecting for arn in _as_list(one["Resource"])]


def identifier_of(arn: Any, template: Mapping[str, Any]) -> str:
    """The one part of *arn* that is read from SSM: by which parameter."""
    *literal, read = arn["Fn::Join"][1]
    plain = "".join(one if isinstance(one, str) else one["Ref"] for one in literal)
    assert re.fullmatch(rf"arn:AWS::Partition:dsql:us-(east-1|west-2):{ACCOUNT}:cluster/", plain)
    return str(template["Parameters"][before("]", read)["Ref"]]["Default"])


def before(marks: str, value: Mapping[str, Any]) -> Any:
    """What *value* is cut from, at each of *marks*."""
    for mark in reversed(marks):
        [first, parts] = value["Fn::Select"]
        assert (first, parts["Fn::Split"][0]) == (0, mark)
        value = parts["Fn::Split"][1]
    return value


BOTH = ["/dsql-dr/Orders-production/us-west-2/identifier", "/dsql-dr/Orders-production/us-east-1/identifier"]
"""The own Region's first."""


def test_grant_connect_names_both_clusters_as_the_parameters_have_them(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders")
    stack, role = consumer(app)
    assert len(pair.grant_connect(role)) == 2
    assert granted(stack) == BOTH
    assert stack.dependencies == [pair.stacks[1]]


@pytest.mark.parametrize("failover", [None, FailoverOptions()])
def test_parameters_are_granted_by_the_path_of_the_deployment_and_evacuations_with_failover(
    app: cdk.App, failover: FailoverOptions | None
) -> None:
    """The client knows the name of the deployment, and finds by it in which Regions the clusters are."""
    pair = MultiRegionDsqlDr(app, "Orders", account=ACCOUNT, failover=failover)
    stack, role = consumer(app)
    pair.grant_read_parameters(role)
    found = template(stack)
    [policy] = [one["Properties"] for one in found["Resources"].values() if one["Type"] == "AWS::IAM::Policy"]

    def arn(path: str) -> Any:
        return {
            "Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, f":ssm:us-west-2:{ACCOUNT}:parameter/dsql-dr/{path}"]]
        }

    path = "Orders-production"
    paths = {"Action": "ssm:GetParametersByPath", "Effect": "Allow", "Resource": [arn(path), arn(f"{path}/*")]}
    evacuation = {
        "Action": ["ssm:GetParameter", "ssm:GetParameterHistory"],
        "Effect": "Allow",
        "Resource": arn(f"{path}/evacuation"),
    }
    assert policy["PolicyDocument"]["Statement"] == ([paths, evacuation] if failover else [paths])


def test_grants_to_two_roles_of_a_stack_share_its_parameters(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders")
    stack, role = consumer(app)
    pair.grant_connect(role)
    pair.grant_connect(iam.Role(stack, "Writer", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com")))
    assert granted(stack) == BOTH * 2
    assert len([name for name in template(stack)["Parameters"] if "dsqldr" in name]) == 2


IMPORTED: dict[str, Callable[[cdk.Stack], Any]] = {
    "role by its ARN": lambda stack: iam.Role.from_role_arn(stack, "Own", f"arn:aws:iam::{ACCOUNT}:role/orders"),
    "role by its name": lambda stack: iam.Role.from_role_name(stack, "Own", "orders"),
    "user": lambda stack: iam.User.from_user_name(stack, "Own", "orders"),
}


@pytest.mark.parametrize("kind", IMPORTED)
def test_imported_grantee_gets_a_policy_of_its_own(app: cdk.App, kind: str) -> None:
    pair = MultiRegionDsqlDr(app, "Orders", account=ACCOUNT)
    stack, _ = consumer(app)
    pair.grant_connect(IMPORTED[kind](stack))
    assert granted(stack) == BOTH


def test_imported_role_that_cannot_be_changed_gets_a_warning_with_the_statement(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders", account=ACCOUNT)
    stack, _ = consumer(app)
    pair.grant_connect(iam.Role.from_role_arn(stack, "Own", f"arn:aws:iam::{ACCOUNT}:role/x", mutable=False))
    told = assertions.Annotations.from_stack(stack).find_warning("*", assertions.Match.any_value())
    assert len(told) == 2, "a statement for each cluster"
    for one in told:
        assert "'Consumer/Own' is imported, or its policy is not to be changed" in str(one.entry.data)
        assert '{"Action": "dsql:DbConnect", "Condition": {"StringEquals": {"aws:Resource' in str(one.entry.data)
        assert re.search(r"cluster/\$\{dsqldrOrdersproductionus(east1|west2)identifier\}", str(one.entry.data))


def test_function_whose_role_is_not_to_be_changed_gets_the_warning_too(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders", account=ACCOUNT)
    stack, role = consumer(app)
    pair.grant_connect(role.without_policy_updates())
    assert len(assertions.Annotations.from_stack(stack).find_warning("*", assertions.Match.any_value())) == 2
    assert granted(stack) == []


def test_consumer_in_another_account_or_nested_in_the_pairs_stack_is_refused(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders", account=ACCOUNT)
    other = cdk.Stack(app, "Other", env=cdk.Environment(account=OTHER_ACCOUNT, region="us-east-1"))
    sentence = f"is in account {OTHER_ACCOUNT}, and the pair and its SSM parameters are in {ACCOUNT}"
    with pytest.raises(ValueError, match=sentence):
        pair.endpoints(other)
    with pytest.raises(ValueError, match="is deployed before the SSM parameters are written"):
        pair.endpoints(cdk.NestedStack(pair.stacks[0], "Nested"))


def test_reference_from_another_account_is_refused_too(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders", account=ACCOUNT, monitoring=None)
    other = cdk.Stack(app, "Other", env=cdk.Environment(account=OTHER_ACCOUNT, region="us-east-1"))
    cdk.CfnOutput(other, "Endpoint", value=pair.primary.cluster_endpoint)
    by_the_cdk = "only supported for stacks deployed to the same account"  # of which older versions refuse more
    with pytest.raises(RuntimeError, match=f"of another Region or account refers to 'Orders-Primary|{by_the_cdk}"):
        app.synth()


def test_imported_function_without_its_role_gets_the_cdks_own_warning(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders", account=ACCOUNT)
    stack, _ = consumer(app)
    arn = f"arn:aws:lambda:us-west-2:{ACCOUNT}:function:orders"
    pair.grant_connect(lambda_.Function.from_function_arn(stack, "Own", arn))
    told = assertions.Annotations.from_stack(stack).find_warning("*", assertions.Match.any_value())
    assert "dsql:DbConnect" in str([one.entry.data for one in told])


@pytest.mark.parametrize("account", [ACCOUNT, None])
def test_grantee_of_another_account_is_refused_with_the_reason(app: cdk.App, account: str | None) -> None:
    pair = MultiRegionDsqlDr(app, "Orders", account=account)
    stack, _ = consumer(app)
    role = iam.Role.from_role_arn(stack, "Own", f"arn:aws:iam::{OTHER_ACCOUNT}:role/orders")
    with pytest.raises(ValueError, match=f"is in account {OTHER_ACCOUNT}, and .* in {ACCOUNT}: grant to a role of the"):
        pair.grant_connect(role)


def test_grant_in_the_pairs_own_stack_is_refused(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders")
    role = iam.Role(pair.stacks[0], "Reader", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    with pytest.raises(
        ValueError, match="is deployed before the SSM parameters are written: create it in a stack of its own"
    ):
        pair.grant_connect(role)


def test_grant_in_a_region_without_the_parameters_is_refused(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders")
    with pytest.raises(
        ValueError, match=r"'us-east-2', where the pair has no SSM parameters: create it in 'us-east-1' or"
    ):
        pair.grant_connect(consumer(app, "us-east-2")[1])


def test_parameters_of_the_witness_region_can_be_read_if_it_observes(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders", monitoring=MonitoringOptions(witness_observer=True))
    stack, role = consumer(app, "us-east-2")
    pair.grant_connect(role)
    assert granted(stack) == BOTH[::-1]


@pytest.mark.parametrize("grantee", [iam.ServicePrincipal("lambda.amazonaws.com"), iam.AccountRootPrincipal()])
def test_grantee_without_a_stack_is_refused(app: cdk.App, grantee: Any) -> None:
    pair = MultiRegionDsqlDr(app, "Orders")
    with pytest.raises(ValueError, match="which is in no stack and has no policy: give a role, a function or the like"):
        pair.grant_connect(grantee)


def test_grant_on_a_cluster_to_what_has_no_policy_is_refused(stack: cdk.Stack) -> None:
    with pytest.raises(ValueError, match=r"'Here/Cluster' cannot grant to .*, which has no policy of its own"):
        RegionalCluster(stack, "Cluster").grant_connect(iam.ServicePrincipal("lambda.amazonaws.com"))


@pytest.mark.parametrize("regions", [["us-east-1", "us-west-2"], ["us-west-2", "us-east-1"]])
def test_endpoints_of_both_clusters_are_read_from_ssm_parameters_the_own_regions_first(
    app: cdk.App, regions: list[str]
) -> None:
    pair = MultiRegionDsqlDr(app, "Orders")
    stack, _ = consumer(app, regions[0])
    endpoints = pair.endpoints(stack)
    assert list(endpoints) == regions
    for region, endpoint in endpoints.items():
        cdk.CfnOutput(stack, f"Endpoint{region}", value=endpoint)
    found = template(stack)
    hosts = [one["Value"]["Fn::Join"][1] for one in found["Outputs"].values()]
    assert [host for _, host in hosts] == [f".dsql.{region}.on.aws" for region in endpoints]
    read = [found["Parameters"][before("]/?#@:", identifier)["Ref"]]["Default"] for identifier, _ in hosts]
    assert read == [f"/dsql-dr/Orders-production/{region}/identifier" for region in endpoints]
    assert stack.dependencies == [pair.stacks[1]]
    assert all("Export" not in json.dumps(template(one)) for one in pair.stacks)


def test_reference_from_another_region_is_refused_with_what_to_use(app: cdk.App) -> None:
    """The CDK would put a custom resource into the pair's own stack for it."""
    pair = MultiRegionDsqlDr(app, "Orders", account=ACCOUNT, monitoring=None)
    env = cdk.Environment(account=ACCOUNT, region="us-east-1")
    stack = cdk.Stack(app, "Consumer", env=env, cross_region_references=True)
    cdk.CfnOutput(stack, "Endpoint", value=pair.secondary.cluster_endpoint)
    with pytest.raises(RuntimeError, match=r"refers to 'Orders-Secondary-production'.* use pair.endpoints\(stack\) or"):
        app.synth()


@pytest.mark.parametrize("call", ["endpoints", "clusters", "grant_connect"])
def test_consumer_in_another_stage_is_refused_with_from_parameters(app: cdk.App, call: str) -> None:
    pair = MultiRegionDsqlDr(cdk.Stage(app, "Data"), "Orders")
    stack, role = consumer(app)
    with pytest.raises(
        ValueError,
        match=r"in another Stage .* RegionalCluster.from_parameters\(stack, 'Pair', deployment_name='Data-Ord",
    ):
        getattr(pair, call)(role if call == "grant_connect" else stack)


# private access


def test_network_with_an_endpoint_and_a_service_beside_it_makes_no_cycle(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders", account=ACCOUNT, monitoring=None)
    stack, role = consumer(app, "us-east-1")
    vpc = ec2.Vpc(stack, "Vpc", max_azs=2)
    pair.primary.add_vpc_endpoint(vpc)
    pair.grant_connect(role)
    app.synth()
    [endpoint] = [
        one["Properties"] for one in template(stack)["Resources"].values() if one["Type"] == "AWS::EC2::VPCEndpoint"
    ]
    assert "VpcEndpointServiceName" in json.dumps(endpoint["ServiceName"])
    assert not [one for one in template(pair.stacks[0])["Resources"].values() if one["Type"].startswith("AWS::EC2::")]


def test_endpoint_of_a_registered_cluster_reads_its_service_name(stack: cdk.Stack) -> None:
    cluster = RegionalCluster.from_parameters(stack, "Pair", deployment_name="Orders-production", region="us-east-1")
    cluster.add_vpc_endpoint(ec2.Vpc(stack, "Vpc", max_azs=2))
    found = template(stack)
    [endpoint] = [one for one in found["Resources"].values() if one["Type"] == "AWS::EC2::VPCEndpoint"]
    _, [start, read] = endpoint["Properties"]["ServiceName"]["Fn::Join"]
    [last, parts] = read["Fn::Select"]
    separator, name = parts["Fn::Split"]
    assert (start, last, separator) == ("com.amazonaws.us-east-1.", 3, "."), "the last of four parts alone is read"
    default = found["Parameters"][name["Ref"]]["Default"]
    assert default == "/dsql-dr/Orders-production/us-east-1/vpc-endpoint-service-name"


def test_network_in_another_stage_is_refused_with_from_parameters(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(cdk.Stage(app, "Data"), "Orders")
    with pytest.raises(ValueError, match=r"is in another Stage than the cluster .* RegionalCluster.from_parameters"):
        pair.primary.add_vpc_endpoint(ec2.Vpc(consumer(app, "us-east-1")[0], "Vpc"))


def test_network_of_another_region_is_refused(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders", account=ACCOUNT)
    stack, _ = consumer(app, "us-west-2")
    with pytest.raises(ValueError, match=r"is in us-west-2, and the cluster .* in us-east-1: an endpoint leads"):
        pair.clusters(stack)["us-east-1"].add_vpc_endpoint(ec2.Vpc(stack, "Vpc"))
    options = MonitoringOptions(monitor_options={"us-east-1": MonitorOptions(vpc=ec2.Vpc(stack, "Own"))})
    with pytest.raises(ValueError, match="is in us-west-2, and the monitor in us-east-1"):
        MultiRegionDsqlDr(app, "Other", monitoring=options)


def test_imported_network_comes_with_word_of_private_dns(stack: cdk.Stack) -> None:
    vpc = ec2.Vpc.from_vpc_attributes(
        stack,
        "Vpc",
        vpc_id="vpc-0123456789abcdef0",
        availability_zones=["us-east-1a"],
        private_subnet_ids=["subnet-0123456789abcdef0"],
        vpc_cidr_block="10.0.0.0/16",
    )
    RegionalCluster(stack, "Cluster").add_vpc_endpoint(vpc)
    told = assertions.Annotations.from_stack(stack).find_warning("*", assertions.Match.any_value())
    assert [one for one in told if "private DNS works only if its enableDnsSupport" in str(one.entry.data)]


IDENTIFIER, STRANGER = "a" * 26, "b" * 26
FORGED = ["*", "?" * 26, f"*{IDENTIFIER}", STRANGER, f"{IDENTIFIER}*", "${aws:PrincipalTag/x}", "*/../*", "", "a b"]


@pytest.fixture(scope="module")
def consumers_policy() -> tuple[str, str]:
    """AllowedPattern of an identifier, and the policy's statements as JSON (what hypothesis shows of a failure)."""
    app = cdk.App()
    stack, role = consumer(app)
    MultiRegionDsqlDr(app, "Orders", monitoring=None).grant_connect(role)
    found = template(stack)
    [policy] = [one for one in found["Resources"].values() if one["Type"] == "AWS::IAM::Policy"]
    [pattern] = [one["AllowedPattern"] for one in found["Parameters"].values() if one["Default"] == BOTH[0]]
    return pattern, json.dumps(policy["Properties"]["PolicyDocument"]["Statement"])


@given(value=st.one_of(st.sampled_from(FORGED), st.text(max_size=40)))
def test_whatever_a_parameter_says_it_opens_no_cluster_but_the_pairs(
    consumers_policy: tuple[str, str], value: str
) -> None:
    """Where CloudFormation compares the pattern with the value, and where it compares it with the name only."""
    pattern, policy = consumers_policy
    assert (re.fullmatch(pattern, value) is not None) == (re.fullmatch("[a-z0-9]{26}", value) is not None)
    statements = deployed(policy, value)
    assert not _may_connect(statements, STRANGER, {})
    assert not _may_connect(statements, STRANGER, {"dsql-dr:deployment": "Other-production"})


def test_right_parameter_opens_the_pairs_cluster(consumers_policy: tuple[str, str]) -> None:
    statements = deployed(consumers_policy[1], IDENTIFIER)
    assert _may_connect(statements, IDENTIFIER, {"dsql-dr:deployment": "Orders-production"})


def deployed(policy: str, parameter: str) -> Any:
    return written_out(json.loads(policy), lambda name: "aws" if name == "AWS::Partition" else parameter)


def _may_connect(statements: Any, identifier: str, tags: Mapping[str, str]) -> bool:
    request = EvalContext(
        principal_arn=f"arn:aws:iam::{ACCOUNT}:role/orders",
        principal_type="AssumedRole",
        principal_account=ACCOUNT,
        action="dsql:DbConnect",
        resource_arn=f"arn:aws:dsql:us-east-1:{ACCOUNT}:cluster/{identifier}",
        region="us-east-1",
        service_context={f"aws:resourcetag/{key}": value for key, value in tags.items()},
    )
    return bool(evaluate(request, [parse_policy_document({"Statement": statements})]).decision == "Allow")


def _as_list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


def read_statements(stack: cdk.Stack) -> dict[tuple[str, ...], list[str]]:
    """ARNs of SSM parameters by the actions on them."""
    found = {}
    for one in template(stack)["Resources"].values():
        if one["Type"] == "AWS::IAM::Policy":
            for statement in one["Properties"]["PolicyDocument"]["Statement"]:
                names = tuple(_as_list(statement["Action"]))
                found[names] = [
                    written_out(arn, {"AWS::Partition": "aws"}.get) for arn in _as_list(statement["Resource"])
                ]
    return found


def test_what_reads_parameters_when_it_runs_may_read_those_of_the_pair_in_its_own_region_and_no_others(
    app: cdk.App,
) -> None:
    pair = MultiRegionDsqlDr(app, "Orders", account=ACCOUNT, failover=FailoverOptions())
    stack, role = consumer(app)
    assert len(pair.grant_read_parameters(role)) == 2
    folder = f"arn:aws:ssm:us-west-2:{ACCOUNT}:parameter/dsql-dr/Orders-production"
    assert read_statements(stack) == {
        ("ssm:GetParametersByPath",): [folder, f"{folder}/*"],
        ("ssm:GetParameter", "ssm:GetParameterHistory"): [f"{folder}/evacuation"],
    }
    assert stack.dependencies == [pair.stacks[1]]


def test_without_failover_there_is_no_evacuation_to_read(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders", account=ACCOUNT)
    stack, role = consumer(app)
    assert len(pair.grant_read_parameters(role)) == 1
    assert list(read_statements(stack)) == [("ssm:GetParametersByPath",)]


def test_parameters_are_granted_where_they_are_and_to_what_has_a_policy(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders", account=ACCOUNT)
    _, role = consumer(app, "eu-west-1")
    with pytest.raises(ValueError, match="is in Region 'eu-west-1', where the pair has no SSM parameters"):
        pair.grant_read_parameters(role)
    with pytest.raises(ValueError, match=r"^The grantee of grant_read_parameters is ServicePrincipal, which is in no"):
        pair.grant_read_parameters(iam.ServicePrincipal("lambda.amazonaws.com"))


def test_imported_role_gets_a_warning_with_each_statement_about_parameters(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders", account=ACCOUNT, failover=FailoverOptions())
    stack, _ = consumer(app)
    role = iam.Role.from_role_arn(stack, "Own", f"arn:aws:iam::{ACCOUNT}:role/x", mutable=False)
    pair.grant_read_parameters(role)
    warned = [
        str(one.entry.data)
        for one in assertions.Annotations.from_stack(stack).find_warning("*", assertions.Match.any_value())
    ]
    for action in ("ssm:GetParameters", "ssm:GetParameterHistory"):
        assert any(action in one and "'Consumer/Own' is imported" in one for one in warned), action
