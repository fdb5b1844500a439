"""AWS FIS as clients of the emulator use it, with roles, endpoints, alarms, stacks and schedules."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dsql_dr_constructs.emulator import AwsEmulator
from dsql_dr_constructs.runtime.postgresql import SSL_REQUEST
from tests.emulator.backup_pair import pass_until

ACCOUNT, REGION = "000000000000", "us-east-1"
FIS = f"arn:aws:fis:{REGION}:{ACCOUNT}"
GROUP = "/aws/fis/drill"
GROUP_ARN = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{GROUP}:*"
FAILURE = "aws:dsql:cluster-connection-failure"


class Drills:
    """A cluster, an alarm without data that is OK, and a role for experiments on this cluster."""

    def __init__(self, aws: AwsEmulator) -> None:
        self.aws = aws
        self.fis, self.cloudwatch = aws.client("fis", REGION), aws.client("cloudwatch", REGION)
        self.iam, self.logs, self.sqs = (aws.client(one, REGION) for one in ("iam", "logs", "sqs"))
        made = aws.client("dsql", REGION).create_cluster()
        self.cluster, self.endpoint = made["arn"], made["endpoint"]
        while aws.client("dsql", REGION).get_cluster(identifier=made["identifier"])["status"] != "ACTIVE":
            time.sleep(0.02)
        self.alarm = self.new_alarm("orders-errors")
        source = {"ArnLike": {"aws:SourceArn": f"{FIS}:experiment/*"}}
        self.role = self.new_role("drill", "fis.amazonaws.com", source, *allowed(self.cluster))
        self.logs.create_log_group(logGroupName=GROUP)

    def new_alarm(self, name: str, **more: Any) -> str:
        """ARN of an alarm that is OK, as it has no data."""
        self.cloudwatch.put_metric_alarm(
            AlarmName=name,
            Namespace="Orders",
            MetricName=name,
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
            TreatMissingData="notBreaching",
            **more,
        )
        until(lambda: self.state_of(name) == "OK")
        return f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}"

    def new_role(self, name: str, service: str, condition: dict[str, Any], *statements: dict[str, Any]) -> str:
        condition = {"StringEquals": {"aws:SourceAccount": ACCOUNT}, **condition}
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sts:AssumeRole",
            "Condition": condition,
        }
        made = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))
        self.iam.put_role_policy(RoleName=name, PolicyName="drill", PolicyDocument=document(*statements))
        return str(made["Role"]["Arn"])

    def template(self, minutes: int = 60, **changes: Any) -> str:
        asked = {
            "description": "Connections fail",
            "roleArn": self.role,
            "stopConditions": [{"source": "aws:cloudwatch:alarm", "value": self.alarm}],
            "targets": {
                "cluster": {"resourceType": "aws:dsql:cluster", "resourceArns": [self.cluster], "selectionMode": "ALL"}
            },
            "actions": {
                "failure": {
                    "actionId": FAILURE,
                    "parameters": {"duration": f"PT{minutes}M", "percentage": "100"},
                    "targets": {"Clusters": "cluster"},
                }
            },
            "logConfiguration": {"logSchemaVersion": 2, "cloudWatchLogsConfiguration": {"logGroupArn": GROUP_ARN}},
            **changes,
        }
        return str(self.fis.create_experiment_template(**asked)["experimentTemplate"]["id"])

    def start(self, template: str, wanted: str = "running") -> dict[str, Any]:
        """An experiment, once it has the wanted status."""
        identifier = self.fis.start_experiment(experimentTemplateId=template)["experiment"]["id"]
        return self.experiment(identifier, wanted)

    def experiment(self, identifier: str, wanted: str) -> dict[str, Any]:
        until(lambda: self.fis.get_experiment(id=identifier)["experiment"]["state"]["status"] == wanted)
        found: dict[str, Any] = self.fis.get_experiment(id=identifier)["experiment"]
        return found

    def state_of(self, alarm: str) -> str:
        found = self.cloudwatch.describe_alarms(AlarmNames=[alarm], AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        return str((found["MetricAlarms"] + found["CompositeAlarms"])[0]["StateValue"])

    def history(self, alarm: str, kind: str = "StateUpdate") -> list[dict[str, Any]]:
        """Oldest first."""
        types = ["MetricAlarm", "CompositeAlarm"]
        found = self.cloudwatch.describe_alarm_history(
            AlarmName=alarm, HistoryItemType=kind, AlarmTypes=types, ScanBy="TimestampAscending"
        )
        items: list[dict[str, Any]] = found["AlarmHistoryItems"]
        return items

    def is_asked_for_a_password(self) -> bool:
        """Whether a new connection comes as far as authentication."""
        variables = self.aws.endpoint_variables()
        context = ssl.create_default_context(cafile=variables["SSL_CERT_FILE"])
        with socket.create_connection(("127.0.0.1", int(variables["PGPORT"])), timeout=10) as plain:
            plain.sendall(SSL_REQUEST)
            assert plain.recv(1) == b"S"
            with context.wrap_socket(plain, server_hostname=self.endpoint) as encrypted:
                startup = struct.pack("!i", 196608) + b"user\0admin\0\0"
                encrypted.sendall(struct.pack("!i", len(startup) + 4) + startup)
                return encrypted.recv(1) == b"R"


def allowed(cluster: str) -> list[dict[str, Any]]:
    """What the role of an experiment needs."""
    logs = [
        f"logs:{one}"
        for one in ("CreateLogDelivery", "PutResourcePolicy", "DescribeResourcePolicies", "DescribeLogGroups")
    ]
    condition = {
        "StringEquals": {"dsql:FisActionId": FAILURE},
        "ForAllValues:ArnLike": {"dsql:FisTargetArns": cluster},
    }
    return [
        {"Effect": "Allow", "Action": "dsql:InjectError", "Resource": "*", "Condition": condition},
        {"Effect": "Allow", "Action": "dsql:GetCluster", "Resource": cluster},
        {"Effect": "Allow", "Action": ["tag:GetResources", "cloudwatch:DescribeAlarms", *logs], "Resource": "*"},
    ]


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 120
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def drills() -> Iterator[Drills]:
    with AwsEmulator(regions=[REGION], time_scale=1 / 60) as aws:
        yield Drills(aws)


def test_connections_fail_while_the_action_runs_and_not_after(drills: Drills) -> None:
    queue = drills.sqs.create_queue(QueueName="changes")["QueueUrl"]
    events = drills.aws.client("events", REGION)
    pattern = {"source": ["aws.fis"], "detail-type": ["FIS Experiment State Change"]}
    events.put_rule(Name="changes", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="changes", Targets=[{"Id": "1", "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:changes"}])
    assert drills.is_asked_for_a_password()
    drill = drills.start(drills.template(minutes=4))
    assert not drills.is_asked_for_a_password()
    done = drills.experiment(drill["id"], "completed")
    assert drills.is_asked_for_a_password()
    assert done["endTime"] > done["actions"]["failure"]["startTime"]
    until(lambda: "experiment-end" in [one["log_type"] for one in records(drills, drill["id"])])
    [resolved] = [one for one in records(drills, drill["id"]) if one["log_type"] == "target-resolution-end"]
    assert resolved["details"]["resolved_targets"] == [{"arn": drills.cluster}]
    states = []
    while "completed" not in states:
        for one in drills.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            event = json.loads(one["Body"])
            assert event["resources"] == [f"{FIS}:experiment/{drill['id']}"]
            states.append(event["detail"]["new-state"]["status"])
    assert states == ["initiating", "running", "completed"]


def records(drills: Drills, experiment: str) -> list[dict[str, Any]]:
    found = [json.loads(one["message"]) for one in drills.logs.filter_log_events(logGroupName=GROUP)["events"]]
    return [one for one in found if one["id"] == experiment]


def test_alarm_that_is_set_for_a_moment_stops_the_experiment(drills: Drills) -> None:
    drill = drills.start(drills.template())
    for state in ("ALARM", "OK"):
        drills.cloudwatch.set_alarm_state(AlarmName="orders-errors", StateValue=state, StateReason="a test")
    stopped = drills.experiment(drill["id"], "stopped")
    assert stopped["state"]["reason"] == "Experiment halted by stop condition."
    assert drills.is_asked_for_a_password()


def test_experiment_is_stopped_by_a_call(drills: Drills) -> None:
    drill = drills.start(drills.template())
    assert drills.fis.stop_experiment(id=drill["id"])["experiment"]["state"]["status"] == "stopping"
    assert drills.is_asked_for_a_password()
    assert drills.experiment(drill["id"], "stopped")["actions"]["failure"]["state"]["status"] == "stopped"


@pytest.mark.parametrize(
    ("name", "missing", "sentence"),
    [
        ("no-fault", 0, "is not authorized to perform: dsql:InjectError on resource: *"),
        ("no-cluster", 1, "does not have sufficient privileges to perform dsql:GetCluster."),
        ("nothing-else", 2, "does not have sufficient privileges to perform logs:CreateLogDelivery."),
    ],
)
def test_role_needs_each_of_its_permissions(drills: Drills, name: str, missing: int, sentence: str) -> None:
    statements = [one for number, one in enumerate(allowed(drills.cluster)) if number != missing]
    role = drills.new_role(name, "fis.amazonaws.com", {}, *statements)
    failed = drills.start(drills.template(roleArn=role), "failed")
    assert sentence in failed["state"]["reason"]
    assert drills.is_asked_for_a_password()


def test_role_for_another_cluster_or_service_injects_nothing(drills: Drills) -> None:
    other = allowed(drills.cluster)
    other[0]["Condition"]["ForAllValues:ArnLike"] = {"dsql:FisTargetArns": f"{drills.cluster}-other"}
    role = drills.new_role("other-cluster", "fis.amazonaws.com", {}, *other)
    assert "dsql:InjectError" in drills.start(drills.template(roleArn=role), "failed")["state"]["reason"]
    role = drills.new_role("other-service", "backup.amazonaws.com", {}, *allowed(drills.cluster))
    failed = drills.start(drills.template(roleArn=role), "failed")
    assert failed["state"]["reason"] == f"AWS FIS cannot assume the role {role}."


def test_api_answers_as_its_model_says(drills: Drills) -> None:
    template = drills.template(tags={"Name": "drill", "team": "orders"})
    arn = f"{FIS}:experiment-template/{template}"
    drills.fis.tag_resource(resourceArn=arn, tags={"a": "b"})
    drills.fis.untag_resource(resourceArn=arn, tagKeys=["team"])
    assert drills.fis.list_tags_for_resource(resourceArn=arn)["tags"] == {"Name": "drill", "a": "b"}
    listed = {one["id"]: one for one in drills.fis.list_experiment_templates()["experimentTemplates"]}
    assert (listed[template]["arn"], listed[template]["tags"]["a"]) == (arn, "b")
    action = drills.fis.get_action(id=FAILURE)["action"]
    assert action["targets"] == {"Clusters": {"resourceType": "aws:dsql:cluster"}}
    assert FAILURE in [one["id"] for one in drills.fis.list_actions()["actions"]]
    kind = drills.fis.get_target_resource_type(resourceType="aws:dsql:cluster")["targetResourceType"]
    assert kind["resourceType"] == "aws:dsql:cluster"
    assert (
        drills.fis.update_experiment_template(id=template, description="x")["experimentTemplate"]["description"] == "x"
    )
    drills.fis.delete_experiment_template(id=template)
    for code, call, asked in (
        ("ResourceNotFoundException", drills.fis.get_experiment_template, {"id": template}),
        ("ValidationException", drills.template, {"actions": {}}),
        ("UnknownOperationException", drills.fis.list_target_resource_types, {}),
    ):
        with pytest.raises(ClientError) as error:
            call(**asked)
        assert error.value.response["Error"]["Code"] == code


def test_functions_role_is_checked_for_each_call(drills: Drills) -> None:
    template = drills.template()
    allow = {"Effect": "Allow", "Action": "fis:StartExperiment", "Resource": f"{FIS}:experiment-template/*"}
    role = drills.new_role("starter", "lambda.amazonaws.com", {}, allow)
    owner = drills.aws._credentials
    drills.aws._credentials = owner.of_role(role)  # as a function has them
    try:
        fis = drills.aws.client("fis", REGION)
    finally:
        drills.aws._credentials = owner
    with pytest.raises(ClientError, match=r"fis:StartExperiment on resource: \S+:experiment/\*"):
        fis.start_experiment(experimentTemplateId=template)


# alarms that are set


def test_metric_alarm_that_is_set_returns_and_notifies_at_its_next_evaluation(drills: Drills) -> None:
    topic = drills.aws.client("sns", REGION).create_topic(Name="alerts")["TopicArn"]
    drills.new_alarm("set", OKActions=[topic])
    drills.cloudwatch.set_alarm_state(AlarmName="set", StateValue="ALARM", StateReason="a test")
    until(lambda: len(drills.history("set", "Action")) == 2)
    changes = [one["HistorySummary"].partition("updated ")[2] for one in drills.history("set")]
    assert changes == ["from INSUFFICIENT_DATA to OK", "from OK to ALARM", "from ALARM to OK"]
    times = [one["Timestamp"] for one in drills.history("set")]
    assert any(one.microsecond for one in times)
    [alarm] = drills.cloudwatch.describe_alarms(AlarmNames=["set"])["MetricAlarms"]
    assert alarm["StateUpdatedTimestamp"] == alarm["StateTransitionedTimestamp"] >= times[-1]
    sent = [one["HistorySummary"] for one in drills.history("set", "Action")]
    assert sent == [f"Successfully executed action {topic}"] * 2
    reason = json.loads(drills.history("set")[1]["HistoryData"])["newState"]["stateReason"]
    assert reason == "a test"


def test_composite_alarm_that_is_set_returns_when_a_child_changes(drills: Drills) -> None:
    child = drills.new_alarm("child")
    drills.cloudwatch.put_composite_alarm(AlarmName="parent", AlarmRule=f'ALARM("{child}")')
    until(lambda: drills.state_of("parent") == "OK")
    drills.cloudwatch.set_alarm_state(AlarmName="parent", StateValue="ALARM", StateReason="a test")
    drills.new_alarm("evaluated")  # returns after an evaluation of all alarms
    assert drills.state_of("parent") == "ALARM"
    drills.cloudwatch.set_alarm_state(AlarmName="child", StateValue="INSUFFICIENT_DATA", StateReason="a test")
    assert drills.state_of("parent") == "OK"


# stacks and schedules


def test_schedule_of_a_stack_starts_the_experiment_of_its_template(drills: Drills) -> None:
    started = [
        {"Effect": "Allow", "Action": "fis:StartExperiment", "Resource": f"{FIS}:{one}/*"}
        for one in ("experiment-template", "experiment")
    ]
    tagged = {
        "Effect": "Allow",
        "Action": "fis:TagResource",
        "Resource": f"{FIS}:experiment/*",
        "Condition": {"StringEquals": {"aws:RequestTag/dsql-dr:deployment": "Orders"}},
    }
    first = {"Effect": "Allow", "Action": "iam:CreateServiceLinkedRole", "Resource": "*"}  # of an account
    role = drills.new_role("schedule", "scheduler.amazonaws.com", {}, *started, tagged, first)
    stack = json.dumps({"Resources": {"Template": experiment_template(drills), "Schedule": schedule(role)}})
    pass_until(drills.aws, 12)
    cloudformation = drills.aws.client("cloudformation", REGION)
    cloudformation.create_stack(StackName="Drill", TemplateBody=stack)
    cloudformation.get_waiter("stack_create_complete").wait(StackName="Drill", WaiterConfig={"Delay": 1})
    resource = cloudformation.describe_stack_resource(StackName="Drill", LogicalResourceId="Template")
    template = resource["StackResourceDetail"]["PhysicalResourceId"]
    assert drills.fis.list_experiments(experimentTemplateId=template)["experiments"] == []
    pass_until(drills.aws, 23, 1)  # after 8:00 in Tokyo
    drills.aws.advance_clock(24 * 3_600)
    found = [one["id"] for one in drills.fis.list_experiments(experimentTemplateId=template)["experiments"]]
    assert len(found) == 2
    for one in found:
        running = drills.experiment(one, "running")
        assert (running["roleArn"], running["tags"]) == (drills.role, {"dsql-dr:deployment": "Orders"})
        drills.fis.stop_experiment(id=one)
    cloudformation.delete_stack(StackName="Drill")
    until(lambda: template not in [one["id"] for one in drills.fis.list_experiment_templates()["experimentTemplates"]])


def test_schedule_whose_role_cannot_be_assumed_is_refused(drills: Drills) -> None:
    cloudformation = drills.aws.client("cloudformation", REGION)
    role = drills.new_role("no-schedule", "lambda.amazonaws.com", {}, *allowed(drills.cluster))
    stack = json.dumps({"Resources": {"Template": experiment_template(drills), "Schedule": schedule(role)}})
    cloudformation.create_stack(StackName="Refused", TemplateBody=stack, OnFailure="DO_NOTHING")
    until(lambda: any(one.startswith("The execution role you provide must allow") for one in reasons(cloudformation)))


def reasons(cloudformation: Any) -> list[str]:
    events = cloudformation.describe_stack_events(StackName="Refused")["StackEvents"]
    return [one.get("ResourceStatusReason", "") for one in events]


def experiment_template(drills: Drills) -> dict[str, Any]:
    failure = {
        "ActionId": FAILURE,
        "Parameters": {"duration": "PT1H", "percentage": "100"},
        "Targets": {"Clusters": "cluster"},
    }
    target = {"ResourceType": "aws:dsql:cluster", "ResourceArns": [drills.cluster], "SelectionMode": "ALL"}
    properties = {
        "Description": "Connections fail",
        "RoleArn": drills.role,
        "StopConditions": [{"Source": "none"}],
        "Targets": {"cluster": target},
        "Actions": {"failure": failure},
    }
    return {"Type": "AWS::FIS::ExperimentTemplate", "Properties": properties}


def schedule(role: str) -> dict[str, Any]:
    """At 8:00 in Tokyo, which is 23:00 UTC."""
    started = (
        '{"ExperimentTemplateId": "${Template}", "ClientToken": "<aws.scheduler.execution-id>", '
        '"Tags": {"dsql-dr:deployment": "Orders"}}'
    )
    template = {"Fn::Sub": started}
    target = {"Arn": "arn:aws:scheduler:::aws-sdk:fis:startExperiment", "RoleArn": role, "Input": template}
    properties = {
        "ScheduleExpression": "cron(0 8 * * ? *)",
        "ScheduleExpressionTimezone": "Asia/Tokyo",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": target,
    }
    return {"Type": "AWS::Scheduler::Schedule", "Properties": properties}
