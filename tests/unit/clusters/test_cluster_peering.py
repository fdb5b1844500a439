from __future__ import annotations

from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions

from dsql_dr_constructs import ClusterPeering, RegionalCluster

HERE = {"Fn::GetAtt": ["ClusterEB0386A7", "ResourceArn"]}
PAIR_TAG = "b98e17be9fe75d46"
OWNED = {"StringEquals": {"aws:ResourceTag/dsql-dr:pair": PAIR_TAG}}
UPDATE = [
    "dsql:GetVpcEndpointServiceName",
    "dsql:UpdateCluster",
    "dsql:PutMultiRegionProperties",
]


class Pair:
    """Two stacks with a cluster each, not peered yet."""

    def __init__(
        self,
        app: cdk.App,
        removal_policy: cdk.RemovalPolicy = cdk.RemovalPolicy.RETAIN,
        *,
        first: str = "First",
        second: str = "Second",
        primary_region: str = "us-east-1",
    ) -> None:
        self.stacks = [
            cdk.Stack(app, name, env=cdk.Environment(account="111111111111", region=region))
            for name, region in ((first, primary_region), (second, "us-west-2"))
        ]
        self.peer, self.cluster = (
            RegionalCluster(stack, "Cluster", witness_region="us-east-2", removal_policy=removal_policy)
            for stack in self.stacks
        )
        self._removal_policy = removal_policy

    def peering(self, scope: cdk.Stack | None = None, **options: Any) -> ClusterPeering:
        given = {
            "cluster": self.cluster,
            "peer": self.peer,
            "witness_region": "us-east-2",
            "deployment_name": "Orders-production",
            "removal_policy": self._removal_policy,
            **options,
        }
        return ClusterPeering(scope or self.stacks[1], "Peering", **given)

    def properties(self) -> dict[str, Any]:
        template = assertions.Template.from_stack(self.stacks[1])
        [peering] = template.find_resources("Custom::DsqlClusterPeering").values()
        found: dict[str, Any] = peering["Properties"]
        return found

    def statements(self) -> list[dict[str, Any]]:
        policy = assertions.Template.from_stack(self.stacks[1]).to_json()["Resources"][
            "PeeringRoleDefaultPolicyC7F8EA87"
        ]
        found: list[dict[str, Any]] = policy["Properties"]["PolicyDocument"]["Statement"]
        return found


@pytest.fixture
def pair(app: cdk.App) -> Pair:
    return Pair(app)


def test_resource_has_everything_that_its_handler_needs(pair: Pair) -> None:
    pair.peering()
    properties = pair.properties()
    assert {key: properties[key] for key in properties if key not in ("ServiceToken", "Clusters")} == {
        "Deployment": "Orders-production",
        "ClusterArn": HERE,
        "PeerRegion": "us-east-1",
        "WitnessRegion": "us-east-2",
        "ParameterRegions": ["us-east-1", "us-west-2"],
        "RemovalPolicy": "retain",
        "TimeoutSeconds": 1800,
    }


def function(stack: cdk.Stack) -> dict[str, Any]:
    found = assertions.Template.from_stack(stack).find_resources("AWS::Lambda::Function")
    [ours] = [one["Properties"] for one in found.values() if "FunctionName" in one["Properties"]]
    properties: dict[str, Any] = ours
    return properties


def test_function_has_a_name_that_people_type_and_the_pair_in_its_environment(pair: Pair) -> None:
    pair.peering(parameter_regions=["us-east-2"])
    properties = function(pair.stacks[1])
    assert properties["FunctionName"] == "aurora-dsql-peering-Orders-production"
    assert properties["Environment"]["Variables"] == {
        "DEPLOYMENT": "Orders-production",
        "PAIR_TAG": PAIR_TAG,
        "CLUSTER_ARN": HERE,
        "STACK_ID": {"Ref": "AWS::StackId"},
        "RESOURCE": "Peering3EBF733F",
        "PEER_STACK": "First",
        "PEER_LOGICAL_ID": "ClusterEB0386A7",
        "REMOVAL_POLICY": "retain",
        "TIMEOUT_SECONDS": "1800",
        "PEER_REGION": "us-east-1",
        "WITNESS_REGION": "us-east-2",
        "PARAMETER_REGIONS": "us-east-1,us-west-2,us-east-2",
    }
    assert properties["Timeout"] == 300, "which the handler and the command's --cli-read-timeout count on"


def test_longest_deployment_name_fits_the_functions_name(app: cdk.App) -> None:
    pair = Pair(app)
    pair.peering(deployment_name="x" * 44)
    assert len(function(pair.stacks[1])["FunctionName"]) == 64


def test_peering_is_deleted_before_its_functions_permissions_are(pair: Pair) -> None:
    pair.peering()
    [resource] = assertions.Template.from_stack(pair.stacks[1]).find_resources("Custom::DsqlClusterPeering").values()
    assert "PeeringRoleDefaultPolicyC7F8EA87" in resource["DependsOn"]


def test_role_may_do_what_the_handler_calls_and_nothing_else(pair: Pair) -> None:
    pair.peering()
    entries = [
        _arn("ssm", registry, f"parameter/dsql-dr/Orders-production/{region}/{field}")
        for registry in ("us-east-1", "us-west-2")
        for region in ("us-east-1", "us-west-2")
        for field in ("arn", "identifier", "endpoint", "vpc-endpoint-service-name")
    ]
    former = [
        _arn("ssm", "us-east-2", f"parameter/dsql-dr/Orders-production/{region}/{field}")
        for region in ("us-east-1", "us-west-2")
        for field in ("arn", "identifier", "endpoint", "vpc-endpoint-service-name")
    ]
    assert pair.statements() == [
        {"Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Effect": "Allow", "Resource": _logs()},
        {
            "Action": "dsql:GetCluster",
            "Effect": "Allow",
            "Resource": [_arn("dsql", "us-west-2", "cluster/*"), _arn("dsql", "us-east-1", "cluster/*")],
        },
        {"Action": UPDATE, "Effect": "Allow", "Resource": HERE},
        {"Action": UPDATE, "Condition": OWNED, "Effect": "Allow", "Resource": _arn("dsql", "us-east-1", "cluster/*")},
        {
            "Action": ["dsql:AddPeerCluster", "dsql:RemovePeerCluster"],
            "Effect": "Allow",
            "Resource": [_arn("dsql", "us-east-1", "cluster/*"), _arn("dsql", "us-west-2", "cluster/*")],
        },
        {
            "Action": "dsql:PutWitnessRegion",
            "Condition": {"StringEquals": {"dsql:WitnessRegion": "us-east-2"}},
            "Effect": "Allow",
            "Resource": [
                HERE,
                _arn("dsql", "us-east-1", "cluster/*"),
                _arn("dsql", "us-east-2", "cluster/*"),
            ],
        },
        {"Action": "cloudformation:DescribeStacks", "Effect": "Allow", "Resource": {"Ref": "AWS::StackId"}},
        {
            "Action": "cloudformation:DescribeStackResource",
            "Effect": "Allow",
            "Resource": [{"Ref": "AWS::StackId"}, _arn("cloudformation", "us-east-1", "stack/First/*")],
        },
        {"Action": "ssm:PutParameter", "Effect": "Allow", "Resource": entries},
        {
            "Action": ["ssm:GetParameters", "ssm:DeleteParameters"],
            "Effect": "Allow",
            "Resource": [*entries, *former],
        },  # the witness Region's may be left from an observer
    ]


def test_only_destroy_may_delete_the_peer(app: cdk.App) -> None:
    pair = Pair(app, cdk.RemovalPolicy.DESTROY)
    pair.peering()
    deleting = [one for one in pair.statements() if "dsql:DeleteCluster" in one["Action"]]
    assert [(one["Resource"], one["Condition"]) for one in deleting] == [
        (_arn("dsql", "us-east-1", "cluster/*"), OWNED)
    ]
    assert pair.properties()["RemovalPolicy"] == "destroy"


def tags(stack: cdk.Stack) -> dict[str, str]:
    [cluster] = assertions.Template.from_stack(stack).find_resources("AWS::DSQL::Cluster").values()
    return {one["Key"]: one["Value"] for one in cluster["Properties"]["Tags"]}


def test_both_clusters_carry_the_tag_that_the_policy_asks_for(pair: Pair) -> None:
    pair.peering()
    for stack in pair.stacks:
        assert tags(stack) == {"dsql-dr:deployment": "Orders-production", "dsql-dr:pair": PAIR_TAG}


def test_tags_of_an_app_do_not_win_over_them(app: cdk.App, pair: Pair) -> None:
    pair.peering()
    for key in ("dsql-dr:deployment", "dsql-dr:pair"):
        cdk.Tags.of(app).add(key, "other")
        cdk.Tags.of(pair.peer).add(key, "other")
        cdk.Tags.of(pair.cluster).remove(key)
    for stack in pair.stacks:
        assert tags(stack) == {"dsql-dr:deployment": "Orders-production", "dsql-dr:pair": PAIR_TAG}


def test_no_two_pairs_of_an_account_have_the_same_tag_whatever_their_names() -> None:
    """Stacks of one name and Region are one stack, and so one pair; the deployment name may be the same by mistake."""

    def tag(deployment_name: str = "Orders-production", **changed: str) -> str:
        pair = Pair(cdk.App(), cdk.RemovalPolicy.RETAIN, **changed)
        pair.peering(deployment_name=deployment_name)
        return tags(pair.stacks[0])["dsql-dr:pair"]

    assert tag() == tag() == tag("Billing-production")
    others = [tag(first="Other"), tag(second="Other"), tag(primary_region="ca-central-1")]
    assert len({tag(), *others}) == 4


def test_peers_stack_is_deployed_first_and_has_nothing_but_its_cluster(pair: Pair) -> None:
    pair.peering()
    types = {one["Type"] for one in assertions.Template.from_stack(pair.stacks[0]).to_json()["Resources"].values()}
    assert types == {"AWS::DSQL::Cluster"}
    assert pair.stacks[1].dependencies == [pair.stacks[0]]


def test_nothing_of_one_region_is_exported_to_the_other(app: cdk.App, pair: Pair) -> None:
    pair.peering()
    for stack in pair.stacks:
        text = str(assertions.Template.from_stack(stack).to_json())
        assert "Export" not in text
        assert "ImportValue" not in text


def test_more_regions_can_have_the_parameters(pair: Pair) -> None:
    pair.peering(parameter_regions=["us-east-2", "us-west-2"])
    assert pair.properties()["ParameterRegions"] == ["us-east-1", "us-west-2", "us-east-2"]
    written, *_ = [one["Resource"] for one in pair.statements() if one["Action"] == "ssm:PutParameter"]
    assert len(written) == 3 * 8


def test_any_change_of_either_cluster_runs_the_peering_again() -> None:
    def fingerprint(*, protect: str = "", **tags: str) -> str:
        pair = Pair(cdk.App())
        pair.peering()
        for name, value in tags.items():
            cdk.Tags.of(getattr(pair, name)).add("team", value)
        if protect:
            getattr(pair, protect).resource.deletion_protection_enabled = False
        return str(pair.properties()["Clusters"])

    seen = [
        fingerprint(),
        fingerprint(peer="orders"),
        fingerprint(cluster="orders"),
        fingerprint(protect="peer"),
        fingerprint(protect="cluster"),
    ]
    assert len(set(seen)) == len(seen)
    assert fingerprint() == seen[0]


def test_every_deployment_repairs_the_pair_only_if_that_is_chosen(
    app: cdk.App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    repairing, quiet = Pair(app), Pair(cdk.App())
    repairing.peering(repair_on_deploy=True)
    quiet.peering()
    assert repairing.properties()["RepairedAt"] == "1700000000"
    assert "RepairedAt" not in quiet.properties()


def test_framework_gives_up_after_the_handler_has(pair: Pair) -> None:
    pair.peering(timeout=cdk.Duration.minutes(20))
    [machine] = (
        assertions.Template.from_stack(pair.stacks[1]).find_resources("AWS::StepFunctions::StateMachine").values()
    )
    definition = "".join(
        part for part in machine["Properties"]["DefinitionString"]["Fn::Join"][1] if isinstance(part, str)
    )
    assert pair.properties()["TimeoutSeconds"] == 1200
    assert '"IntervalSeconds":10,"MaxAttempts":150' in definition, "25 minutes, one poll in 10 seconds"


def test_functions_hold_the_runtime_and_no_byte_code(app: cdk.App, pair: Pair) -> None:
    pair.peering()
    assembly = Path(app.synth().directory)
    [asset] = [one for one in assembly.glob("asset.*") if (one / "runtime").exists()]
    modules = ["__init__", "adoption", "cluster", "handler", "pair", "pair_parameters", "peering", "polled_change"]
    modules += ["repair", "stack_records", "teardown"]
    assert {str(one.relative_to(asset / "runtime")) for one in asset.rglob("*") if one.is_file()} == {
        "__init__.py",
        "answer_time.py",
        "aws_errors.py",
        "evacuation.py",
        "full_jitter.py",
        "parameter_registry.py",
        "postgresql.py",
        "recovery_points.py",
        *(f"cluster_peering/{one}.py" for one in modules),
    }


def test_logs_are_kept_a_month_and_go_with_the_stack(pair: Pair) -> None:
    pair.peering()
    assertions.Template.from_stack(pair.stacks[1]).has_resource(
        "AWS::Logs::LogGroup", {"Properties": {"RetentionInDays": 30}, "DeletionPolicy": "Delete"}
    )


@pytest.mark.parametrize("minutes", [0.5, 51])
def test_timeout_that_cloudformation_cannot_keep_is_refused(pair: Pair, minutes: float) -> None:
    with pytest.raises(ValueError, match=r"1 to 50 minutes are allowed.*one hour at most"):
        pair.peering(timeout=cdk.Duration.seconds(int(minutes * 60)))


@pytest.mark.parametrize("minutes", [1, 50])
def test_timeout_within_cloudformations_hour_is_kept(pair: Pair, minutes: int) -> None:
    pair.peering(timeout=cdk.Duration.minutes(minutes))
    assert pair.properties()["TimeoutSeconds"] == minutes * 60


def test_peering_outside_of_its_clusters_stack_is_refused(pair: Pair) -> None:
    with pytest.raises(ValueError, match=r"'First/Peering' is in another stack than its cluster"):
        pair.peering(scope=pair.stacks[0])


def test_two_clusters_of_one_stack_are_refused(pair: Pair) -> None:
    with pytest.raises(ValueError, match=r"has both clusters in one stack: a pair has two Regions"):
        pair.peering(peer=RegionalCluster(pair.stacks[1], "Other", witness_region="us-east-2"))


@pytest.mark.parametrize("nested", ["peer", "cluster"])
def test_cluster_in_a_nested_stack_is_refused(pair: Pair, nested: str) -> None:
    stack = cdk.NestedStack(pair.stacks[nested == "cluster"], "Nested")
    cluster = RegionalCluster(stack, "Cluster", witness_region="us-east-2")
    with pytest.raises(ValueError, match=r"'\w+/Nested/Cluster' is in a nested stack, whose name is not known"):
        pair.peering(scope=stack if nested == "cluster" else None, **{nested: cluster})


def test_deployment_name_that_cannot_be_a_path_is_refused(pair: Pair) -> None:
    with pytest.raises(ValueError, match="deployment_name='Orders-EU'"):
        pair.peering(deployment_name="Orders/EU")


def _arn(service: str, region: str, resource: str) -> dict[str, Any]:
    return {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, f":{service}:{region}:111111111111:{resource}"]]}


def _logs() -> dict[str, Any]:
    return {"Fn::GetAtt": ["PeeringLogs4655BEE6", "Arn"]}
