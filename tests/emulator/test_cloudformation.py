"""The resource types that the emulator adds, as a stack uses them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions

from dsql_dr_constructs import RegionalCluster
from dsql_dr_constructs.emulator import AwsEmulator, Fault
from dsql_dr_constructs.emulator.cloudformation_failures import STILL_NEEDED

GROUP = {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 1}}
ATTRIBUTES = ("Identifier", "ResourceArn", "Endpoint", "Status", "VpcEndpointServiceName", "CreationTime")


class Stack:
    """A stack of one Region, made of a template without the CDK."""

    def __init__(self, aws: AwsEmulator, region: str = "us-east-1") -> None:
        self.client = aws.client("cloudformation", region)

    def run(self, call: str, resources: dict[str, Any] | None = None, outputs: dict[str, Any] | None = None) -> str:
        """Status after *call*: create, update or delete."""
        body = {"Resources": resources, "Outputs": {name: {"Value": value} for name, value in (outputs or {}).items()}}
        arguments = {"TemplateBody": json.dumps(body)} if resources else {}
        getattr(self.client, f"{call}_stack")(StackName="Here", **arguments)
        while True:
            found = [one for one in self._all() if one["StackName"] == "Here"]
            if not found or not found[0]["StackStatus"].endswith("_IN_PROGRESS"):
                return str(found[0]["StackStatus"]) if found else "gone"

    def outputs(self) -> dict[str, str]:
        [stack] = [one for one in self._all() if one["StackName"] == "Here"]
        return {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}

    def reasons(self) -> list[str]:
        events = self.client.describe_stack_events(StackName="Here")["StackEvents"]
        return [one.get("ResourceStatusReason", "") for one in events if one["ResourceStatus"].endswith("_FAILED")]

    def _all(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client.describe_stacks()["Stacks"]
        return [one for one in found if one["StackStatus"] != "DELETE_COMPLETE"]


@pytest.fixture
def aws(request: pytest.FixtureRequest) -> Iterator[AwsEmulator]:
    with AwsEmulator(
        regions=["us-east-1", "us-west-2"], transition_seconds=0.05, **getattr(request, "param", {})
    ) as aws:
        yield aws


def cluster(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::DSQL::Cluster", "Properties": {"DeletionProtectionEnabled": False, **properties}}


def test_cluster_has_its_real_attributes_and_is_updated_in_place(aws: AwsEmulator) -> None:
    stack, dsql = Stack(aws), aws.client("dsql", "us-east-1")
    outputs = {name: {"Fn::GetAtt": ["One", name]} for name in ATTRIBUTES}
    tags = [{"Key": "Name", "Value": "orders"}]
    assert stack.run("create", {"One": cluster(Tags=tags)}, outputs) == "CREATE_COMPLETE"
    given = stack.outputs()
    found = dsql.get_cluster(identifier=given["Identifier"])
    assert [given[one] for one in ("ResourceArn", "Endpoint", "Status")] == [found["arn"], found["endpoint"], "ACTIVE"]
    service = dsql.get_vpc_endpoint_service_name(identifier=given["Identifier"])["serviceName"]
    assert given["VpcEndpointServiceName"] == service
    assert found["tags"]["Name"] == "orders"

    assert stack.run("update", {"One": cluster(DeletionProtectionEnabled=True)}, outputs) == "UPDATE_COMPLETE"
    found = dsql.get_cluster(identifier=given["Identifier"])
    assert found["deletionProtectionEnabled"] is True
    assert "Name" not in found["tags"]

    assert stack.run("delete") == "DELETE_FAILED"
    assert any("deletion protection" in reason for reason in stack.reasons())
    assert dsql.get_cluster(identifier=given["Identifier"])["status"] == "ACTIVE"


def test_side_of_a_pair_counts_as_created_while_it_waits_for_its_setup(aws: AwsEmulator) -> None:
    stack = Stack(aws)
    sides = {"One": cluster(MultiRegionProperties={"WitnessRegion": "us-east-2"})}
    assert stack.run("create", sides, {"Status": {"Fn::GetAtt": ["One", "Status"]}}) == "CREATE_COMPLETE"
    assert stack.outputs() == {"Status": "PENDING_SETUP"}


@pytest.mark.parametrize("aws", [{"endpoint_before_active": False}], indirect=True)
def test_endpoint_attribute_can_be_missing_before_the_cluster_is_active(aws: AwsEmulator) -> None:
    stack, endpoint = Stack(aws), {"Endpoint": {"Fn::GetAtt": ["One", "Endpoint"]}}
    sides = {"One": cluster(MultiRegionProperties={"WitnessRegion": "us-east-2"})}
    assert stack.run("create", sides, endpoint) == "ROLLBACK_COMPLETE"
    assert any("no Endpoint attribute before it is ACTIVE for the first time" in one for one in stack.reasons())
    assert stack.run("delete") == "gone"
    entry = {
        "Type": "AWS::SSM::Parameter",
        "Properties": {"Name": "e", "Type": "String", "Value": endpoint["Endpoint"]},
    }
    assert stack.run("create", {**sides, "Entry": entry}) == "ROLLBACK_COMPLETE"
    assert stack.run("delete") == "gone"

    assert stack.run("create", sides, {"Id": {"Ref": "One"}}) == "CREATE_COMPLETE"
    identifier = stack.outputs()["Id"]
    assert "endpoint" not in aws.client("dsql", "us-east-1").get_cluster(identifier=identifier)
    assert stack.run("delete") == "gone"
    assert stack.run("create", {"One": cluster()}, endpoint) == "CREATE_COMPLETE"
    [one] = aws.client("dsql", "us-east-1").list_clusters()["clusters"]
    assert stack.outputs()["Endpoint"] == f"{one['identifier']}.dsql.us-east-1.on.aws"


def test_policy_of_a_cluster_follows_its_template(aws: AwsEmulator) -> None:
    stack, dsql = Stack(aws), aws.client("dsql", "us-east-1")
    outputs = {"Id": {"Ref": "One"}, "Version": {"Fn::GetAtt": ["One", "PolicyVersion"]}}
    assert stack.run("create", {"One": cluster(PolicyDocument='{"Id": "a"}')}, outputs) == "CREATE_COMPLETE"
    identifier, found = stack.outputs()["Id"], dsql.get_cluster_policy(identifier=stack.outputs()["Id"])
    assert (found["policy"], found["policyVersion"], stack.outputs()["Version"]) == ('{"Id": "a"}', "1", "1")
    assert stack.run("update", {"One": cluster(PolicyDocument='{"Id": "b"}')}, outputs) == "UPDATE_COMPLETE"
    assert dsql.get_cluster_policy(identifier=identifier)["policy"] == '{"Id": "b"}'
    assert stack.outputs() == {"Id": identifier, "Version": "2"}
    assert stack.run("update", {"One": cluster()}, outputs) == "UPDATE_COMPLETE"
    with pytest.raises(dsql.exceptions.ResourceNotFoundException):
        dsql.get_cluster_policy(identifier=identifier)


@pytest.mark.parametrize("aws", [{"empty_clusters": "refuse", "witness_change": "refuse"}], indirect=True)
def test_empty_clusters_and_another_witness_are_refused_through_a_stack_too(aws: AwsEmulator) -> None:
    stack, west = Stack(aws), aws.client("dsql", "us-west-2")
    peer = west.create_cluster(deletionProtectionEnabled=False, multiRegionProperties={"witnessRegion": "us-east-2"})[
        "arn"
    ]

    def side(**properties: Any) -> dict[str, Any]:
        return {"One": cluster(MultiRegionProperties={"WitnessRegion": "us-east-2", **properties})}

    assert stack.run("create", side(Clusters=[peer])) == "CREATE_COMPLETE"
    assert stack.run("update", side(Clusters=[])) == "UPDATE_ROLLBACK_COMPLETE"
    assert any("clusters is empty, and cluster" in one for one in stack.reasons())
    assert stack.run("update", side(Clusters=[peer], WitnessRegion="ca-central-1")) == "UPDATE_ROLLBACK_COMPLETE"
    assert any("cannot be changed" in one for one in stack.reasons())


def test_refusal_of_dsql_fails_the_stack_with_its_sentence(aws: AwsEmulator) -> None:
    stack = Stack(aws)
    wrong = {"One": cluster(MultiRegionProperties={"WitnessRegion": "us-east-1"})}
    assert stack.run("create", wrong) == "ROLLBACK_COMPLETE"
    assert any("The witness Region us-east-1 is the cluster's own Region" in reason for reason in stack.reasons())


@pytest.mark.parametrize(
    ("aws", "left"),
    [
        pytest.param({"delete_mode": "return"}, ["PENDING_DELETE"], id="return"),
        pytest.param({"delete_mode": "wait"}, [], id="wait"),
    ],
    indirect=["aws"],
)
def test_delete_of_a_side_waits_until_it_is_gone_or_returns_at_pending_delete(
    aws: AwsEmulator, left: list[str]
) -> None:
    """With *wait* the delete lasts until the peer is deleted, too; here its deletion comes from the outside."""
    stack, east, west = Stack(aws), aws.client("dsql", "us-east-1"), aws.client("dsql", "us-west-2")
    peer = with_one_side_of_a_pair(aws, stack)
    if not left:
        west.delete_cluster(identifier=peer)
    assert stack.run("delete") == "gone"
    statuses = [east.get_cluster(identifier=one["identifier"])["status"] for one in east.list_clusters()["clusters"]]
    assert statuses == left


def with_one_side_of_a_pair(aws: AwsEmulator, stack: Stack) -> str:
    """*stack* gets a cluster "One" and a log group; the identifier is of its peer, which is in no stack."""
    west, witness = aws.client("dsql", "us-west-2"), {"witnessRegion": "us-east-2"}
    peer = west.create_cluster(deletionProtectionEnabled=False, multiRegionProperties=witness)
    identifier = str(peer["identifier"])
    while west.get_cluster(identifier=identifier)["status"] == "CREATING":
        pass
    sides = {"One": cluster(MultiRegionProperties={"WitnessRegion": "us-east-2", "Clusters": [peer["arn"]]})}
    outputs = {"Arn": {"Fn::GetAtt": ["One", "ResourceArn"]}}
    assert stack.run("create", {**sides, "Group": GROUP}, outputs) == "CREATE_COMPLETE"
    west.update_cluster(identifier=identifier, multiRegionProperties={**witness, "clusters": [stack.outputs()["Arn"]]})
    while west.get_cluster(identifier=identifier)["status"] != "ACTIVE":
        pass
    return identifier


@pytest.mark.parametrize("aws", [{"delete_mode": "wait"}], indirect=True)
@pytest.mark.parametrize("change", ["delete", "update"])
def test_what_is_deleted_is_recorded_so_until_it_is_gone(aws: AwsEmulator, change: str) -> None:
    """With its stack, and because it left the template."""
    stack = Stack(aws)
    peer = with_one_side_of_a_pair(aws, stack)
    body = {"TemplateBody": json.dumps({"Resources": {"Group": GROUP}})} if change == "update" else {}
    getattr(stack.client, f"{change}_stack")(StackName="Here", **body)
    while (record := recorded(stack, "One")) != "DELETE_IN_PROGRESS":
        assert record == "CREATE_COMPLETE"
    aws.client("dsql", "us-west-2").delete_cluster(identifier=peer)
    while recorded(stack, "One") == "DELETE_IN_PROGRESS":
        pass
    assert recorded(stack, "One") is None


def recorded(stack: Stack, logical_id: str) -> str | None:
    """None once there is no such resource, or no such stack."""
    try:
        answer = stack.client.describe_stack_resource(StackName="Here", LogicalResourceId=logical_id)
    except stack.client.exceptions.ClientError:
        return None
    return str(answer["StackResourceDetail"]["ResourceStatus"])


def test_what_a_resource_depends_on_stays_while_it_cannot_be_deleted(aws: AwsEmulator) -> None:
    stack = Stack(aws)
    depending = {**cluster(), "DependsOn": "Entry"}
    entry = {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "entry", "Type": "String", "Value": "1"}}
    free = {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "free", "Type": "String", "Value": "1"}}
    assert stack.run("create", {"One": depending, "Entry": entry, "Free": free}) == "CREATE_COMPLETE"
    dsql, ssm = aws.client("dsql", "us-east-1"), aws.client("ssm", "us-east-1")
    [one] = dsql.list_clusters()["clusters"]
    dsql.update_cluster(identifier=one["identifier"], deletionProtectionEnabled=True)
    while dsql.get_cluster(identifier=one["identifier"])["status"] == "UPDATING":
        pass

    assert stack.run("delete") == "DELETE_FAILED"
    assert [one["Name"] for one in ssm.describe_parameters()["Parameters"]] == ["entry"]
    assert any(reason.startswith(f"{STILL_NEEDED}One") for reason in stack.reasons())

    dsql.update_cluster(identifier=one["identifier"], deletionProtectionEnabled=False)
    while dsql.get_cluster(identifier=one["identifier"])["status"] == "UPDATING":
        pass
    assert stack.run("delete") == "gone"
    assert ssm.describe_parameters()["Parameters"] == []


def test_roles_of_stacks_of_one_name_in_two_regions_are_two(aws: AwsEmulator) -> None:
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "*"}]}
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust}}
    stacks = [Stack(aws, region) for region in aws.regions]
    names = []
    for stack in stacks:
        assert stack.run("create", {"One": role}, {"Name": {"Ref": "One"}}) == "CREATE_COMPLETE"
        names.append(stack.outputs()["Name"])
    assert stacks[0].run("delete") in ("gone", "DELETE_COMPLETE")
    left = {one["RoleName"] for one in aws.client("iam", "us-east-1").list_roles()["Roles"]}
    assert left & set(names) == {names[1]}


def test_composite_alarm_is_put_changed_and_deleted(aws: AwsEmulator) -> None:
    stack, cloudwatch = Stack(aws), aws.client("cloudwatch", "us-east-1")

    def alarm(rule: str) -> dict[str, Any]:
        topic = "arn:aws:sns:us-east-1:000000000000:alerts"
        properties = {
            "AlarmName": "any",
            "AlarmRule": rule,
            "AlarmActions": [topic],
            "Tags": [{"Key": "team", "Value": "orders"}],
        }
        return {"Any": {"Type": "AWS::CloudWatch::CompositeAlarm", "Properties": properties}}

    def found() -> list[dict[str, Any]]:
        answer = cloudwatch.describe_alarms(AlarmTypes=["CompositeAlarm"])
        alarms: list[dict[str, Any]] = answer["CompositeAlarms"]
        return alarms

    for name in ("one", "other"):
        cloudwatch.put_metric_alarm(
            AlarmName=name,
            Namespace="Orders",
            MetricName="Errors",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
        )
    assert stack.run("create", alarm('ALARM("one")'), {"Arn": {"Fn::GetAtt": ["Any", "Arn"]}}) == "CREATE_COMPLETE"
    [put] = found()
    assert (put["AlarmRule"], put["AlarmActions"]) == ('ALARM("one")', ["arn:aws:sns:us-east-1:000000000000:alerts"])
    assert stack.outputs() == {"Arn": put["AlarmArn"]}
    assert stack.run("update", alarm('ALARM("other")')) == "UPDATE_COMPLETE"
    assert [one["AlarmRule"] for one in found()] == ['ALARM("other")']
    assert stack.run("delete") == "gone"
    assert found() == []


def test_what_is_only_recorded_has_its_names_and_no_two_have_the_same(aws: AwsEmulator) -> None:
    slack = {
        "Type": "AWS::Chatbot::SlackChannelConfiguration",
        "Properties": {
            "ConfigurationName": "alerts",
            "IamRoleArn": "a",
            "SlackChannelId": "C",
            "SlackWorkspaceId": "T",
        },
    }
    kind, properties = "AWS::CodePipeline::Pipeline", {"RoleArn": "a", "Stages": [{}]}
    pipeline = {"Type": kind, "Properties": properties}
    stack = Stack(aws)
    shown = {"Channel": {"Fn::GetAtt": ["Channel", "Arn"]}, "Pipeline": {"Ref": "Pipeline"}}
    assert stack.run("create", {"Channel": slack, "Pipeline": pipeline}, shown) == "CREATE_COMPLETE"
    assert stack.outputs()["Channel"].endswith(":chat-configuration/slack-channel/alerts")
    assert stack.outputs()["Pipeline"].startswith("Here-Pipeline-")
    renamed = {"Type": kind, "Properties": {**properties, "Name": "orders"}}
    assert stack.run("update", {"Channel": slack, "Pipeline": renamed}, shown) == "UPDATE_COMPLETE"
    assert stack.outputs()["Pipeline"] == "orders"
    assert stack.run("update", {"Channel": slack, "Pipeline": renamed, "Second": renamed}) == "UPDATE_ROLLBACK_COMPLETE"
    assert any("'AWS::CodePipeline::Pipeline' with name 'orders' exists" in one for one in stack.reasons())
    assert stack.run("delete") == "gone"
    without = {"Type": kind, "Properties": {"RoleArn": "a"}}
    assert stack.run("create", {"Pipeline": without}) == "ROLLBACK_COMPLETE"
    assert any("['Stages'] are required" in one for one in stack.reasons())


def test_slow_cluster_is_waited_for(aws: AwsEmulator) -> None:
    aws.inject(Fault("slow", "slow", call="CreateCluster", seconds=1))
    stack = Stack(aws)
    assert stack.run("create", {"One": cluster()}, {"Status": {"Fn::GetAtt": ["One", "Status"]}}) == "CREATE_COMPLETE"
    assert stack.outputs() == {"Status": "ACTIVE"}

    cli = aws.client("cloudformation", "us-east-1")
    cli.meta.events.register("before-send", lambda request, **_: request.headers.update({"User-Agent": "aws-cdk/2"}))
    cli.create_stack(StackName="Other", TemplateBody=json.dumps({"Resources": {"One": cluster()}}))
    [other] = cli.describe_stacks(StackName="Other")["Stacks"]
    assert other["StackStatus"] == "CREATE_COMPLETE", "the CDK is answered when it is done"


@pytest.mark.parametrize(
    ("aws", "forged"),
    [({"allowed_pattern": "value"}, "refused"), ({"allowed_pattern": "name"}, "deployed")],
    indirect=["aws"],
)
def test_consumers_stack_is_deployed_whatever_a_pattern_is_compared_with(aws: AwsEmulator, forged: str) -> None:
    consumer = cdk.Stack(cdk.App(), "Consumer", synthesizer=cdk.LegacyStackSynthesizer())
    cluster = RegionalCluster.from_parameters(consumer, "Pair", deployment_name="Orders", region="us-west-2")
    cdk.CfnOutput(consumer, "Endpoint", value=cluster.cluster_endpoint)
    body = json.dumps({**assertions.Template.from_stack(consumer).to_json(), "Resources": {"One": GROUP}})
    ssm, cloudformation = aws.client("ssm", "us-east-1"), aws.client("cloudformation", "us-east-1")
    name, right = "/dsql-dr/Orders/us-west-2/identifier", "abcdefghijklmnopqrstuvwxyz"
    ssm.put_parameter(Name=name, Value=right, Type="String")
    cloudformation.create_stack(StackName="Here", TemplateBody=body)
    cloudformation.get_waiter("stack_create_complete").wait(StackName="Here", WaiterConfig={"Delay": 1})
    assert Stack(aws).outputs() == {"Endpoint": f"{right}.dsql.us-west-2.on.aws"}
    ssm.put_parameter(Name=name, Value="*", Type="String", Overwrite=True)
    changed = {"StackName": "Here", "TemplateBody": body}
    if forged == "refused":
        with pytest.raises(
            cloudformation.exceptions.ClientError, match=f"is read from SSM parameter {name}, which has"
        ):
            cloudformation.update_stack(**changed)
    else:
        cloudformation.update_stack(**changed)
