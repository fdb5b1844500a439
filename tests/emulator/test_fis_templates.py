"""What AWS FIS refuses of an experiment template, without the emulator's process."""

from __future__ import annotations

from typing import Any

import pytest

from dsql_dr_constructs.emulator.cloudformation_fis import ExperimentTemplateHandler
from dsql_dr_constructs.emulator.fis_actions import action_type, resource_type
from dsql_dr_constructs.emulator.fis_records import FisError
from tests.emulator.experiments import ACCOUNT, DOWN, EAST, ERRORS, LOGS, ROLE, World, asserting, waiting


@pytest.fixture
def world() -> World:
    return World()


def without(found: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: one for key, one in found.items() if key != name}


def alarm(number: int) -> dict[str, str]:
    return {"source": "aws:cloudwatch:alarm", "value": f"{ERRORS}-{number}"}


OTHER_REGION = f"arn:aws:dsql:us-west-2:{ACCOUNT}:cluster/abc"
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "long description": ({"description": "d" * 513}, "Member must have length less than or equal to 512"),
    "no role": ({"roleArn": f"arn:aws:iam::{ACCOUNT}:user/somebody"}, "the ARN of an IAM role is needed"),
    "no stop condition": ({"stopConditions": []}, "0 stop conditions: 1 to 5 are allowed"),
    "six alarms": ({"stopConditions": [alarm(one) for one in range(6)]}, "6 stop conditions: 1 to 5 are allowed"),
    "none and an alarm": ({"stopConditions": [{"source": "none"}, alarm(1)]}, "is the only one"),
    "other source": ({"stopConditions": [{"source": "aws:s3"}]}, "none and aws:cloudwatch:alarm are allowed"),
    "no alarm": ({"stopConditions": [{"source": "aws:cloudwatch:alarm", "value": ROLE}]}, "CloudWatch alarm is needed"),
    "no action": ({"actions": {}}, "0 actions: 1 to 20 are allowed"),
    "unknown action": ({"actions": {"a": {"actionId": "aws:rds:failover"}}}, "aws:dsql:cluster-connection-failure are"),
    "unknown parameter": ({"actions": {"a": waiting("PT1M") | {"parameters": {"length": "1"}}}}, "takes ['duration']"),
    "no duration": ({"actions": {"a": waiting("10m")}}, "duration is 10m: a duration in ISO 8601 format"),
    "too short": ({"actions": {"a": waiting("PT59S")}}, "from one minute (PT1M) to 12 hours (PT12H)"),
    "too long": ({"actions": {"a": waiting("PT12H1M")}}, "from one minute (PT1M) to 12 hours (PT12H)"),
    "six asserted": ({"actions": {"a": asserting("OK", ",".join([DOWN] * 6))}}, "6 alarms: up to 5 are allowed"),
    "no alarm asserted": ({"actions": {"a": asserting("OK", "cluster-down")}}, "ARNs of CloudWatch alarms are allowed"),
    "no state": ({"actions": {"a": asserting("RED")}}, "OK, ALARM, INSUFFICIENT_DATA are allowed"),
    "unknown before": ({"actions": {"a": waiting("PT1M", startAfter=["b"])}}, "startAfter b, which the template does"),
    "circle": (
        {"actions": {"a": waiting("PT1M", startAfter=["b"]), "b": waiting("PT1M", startAfter=["a"])}},
        "a, b start after one another",
    ),
    "no log group": (
        {
            "logConfiguration": {
                **LOGS,
                "cloudWatchLogsConfiguration": {"logGroupArn": f"arn:aws:logs:us-east-1:{ACCOUNT}"},
            }
        },
        "in cloudWatchLogsLogConfiguration is not valid",
    ),
    "log group without star": (
        {
            "logConfiguration": {
                **LOGS,
                "cloudWatchLogsConfiguration": {"logGroupArn": f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/fis"},
            }
        },
        f'The logGroupArn "arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/fis" in cloudWatchLogsLogConfiguration is',
    ),
    "schema": ({"logConfiguration": LOGS | {"logSchemaVersion": 3}}, "1 and 2 are allowed"),
    "accounts": ({"experimentOptions": {"accountTargeting": "multi-account"}}, "has one account"),
    "other mode": ({"experimentOptions": {"emptyTargetResolutionMode": "warn"}}, "enum value set: [fail, skip]"),
    "unknown member": ({"region": "us-east-1"}, 'Unknown parameter in input: "region"'),
}


@pytest.mark.parametrize(("changes", "sentence"), WRONG.values(), ids=WRONG)
def test_template_is_refused_with_a_sentence(world: World, changes: dict[str, Any], sentence: str) -> None:
    assert sentence in world.refused(world.fis.templates.create, **world.template(**changes))
    assert world.ask(world.fis.templates.list) == {"experimentTemplates": []}


@pytest.mark.parametrize("name", ["description", "roleArn", "stopConditions", "actions"])
def test_template_without_what_is_required_is_refused(world: World, name: str) -> None:
    refused = world.refused(world.fis.templates.create, **without(world.template(), name))
    assert refused == f'Missing required parameter in input: "{name}"'


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"resourceType": "aws:rds:cluster"}, "aws:dsql:cluster is known here"),
        ({"resourceArns": []}, "either resourceArns or resourceTags"),
        ({"resourceArns": [OTHER_REGION], "resourceTags": {"a": "b"}}, "either resourceArns or resourceTags"),
        ({"resourceArns": [OTHER_REGION]}, "an Aurora DSQL cluster of this account in us-east-1 is needed"),
        ({"resourceArns": [OTHER_REGION] * 6}, "length less than or equal to 5"),
        ({"filters": [{"path": "Status", "values": ["ACTIVE"]}]}, "AWS none with resourceArns"),
        ({"parameters": {"a": "b"}}, "aws:dsql:cluster has none"),
        ({"selectionMode": "SOME"}, "ALL, COUNT(n) or PERCENT(n)"),
        ({"selectionMode": "PERCENT(101)"}, "ALL, COUNT(n) or PERCENT(n)"),
    ],
    ids=str,
)
def test_target_is_refused_with_a_sentence(world: World, changes: dict[str, Any], sentence: str) -> None:
    targets = {"cluster": world.target() | changes}
    assert sentence in world.refused(world.fis.templates.create, **world.template(targets=targets))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"targets": {"clusters": "cluster"}}, "targets ['clusters']: aws:dsql:cluster-connection-failure takes"),
        ({"targets": {}}, "targets []: aws:dsql:cluster-connection-failure takes ['Clusters']"),
        ({"targets": {"Clusters": "other"}}, "target other, which the template does not define"),
        ({"parameters": {"duration": "PT1M"}}, "takes ['duration', 'percentage'], all required"),
        ({"parameters": {"duration": "PT1M", "percentage": "0"}}, "percentage is 0: 1 to 100 is allowed"),
        ({"parameters": {"duration": "PT1M", "percentage": "101"}}, "percentage is 101: 1 to 100 is allowed"),
        ({"parameters": {"duration": "PT1M", "percentage": "9.5"}}, "percentage is 9.5: 1 to 100 is allowed"),
        ({"parameters": {"duration": "PT1M", "percentage": 50}}, "Invalid type for parameter"),
    ],
    ids=str,
)
def test_failure_is_refused_with_a_sentence(world: World, changes: dict[str, Any], sentence: str) -> None:
    actions = {"failure": world.failing(**changes)}
    assert sentence in world.refused(world.fis.templates.create, **world.template(actions=actions))


def test_target_key_is_as_chosen() -> None:
    world = World(fis_target_key="clusters")
    assert "takes ['clusters']" in world.refused(world.fis.templates.create, **world.template())
    action = action_type("aws:dsql:cluster-connection-failure").described(EAST, world.fis.target_key)
    assert action["targets"] == {"clusters": {"resourceType": "aws:dsql:cluster"}}
    assert action["parameters"]["percentage"]["required"] is True


def test_unknown_actions_and_types_are_not_found() -> None:
    with pytest.raises(FisError, match="The action aws:rds:failover does not exist"):
        action_type("aws:rds:failover")
    with pytest.raises(FisError, match="type aws:rds:cluster does not exist"):
        resource_type("aws:rds:cluster")


def test_update_changes_what_it_names_and_is_checked(world: World) -> None:
    template = world.create()
    changed = world.ask(world.fis.templates.update, id=template, description="Shorter", logConfiguration={})
    assert changed["experimentTemplate"]["description"] == "Shorter"
    assert "logConfiguration" not in changed["experimentTemplate"]
    assert set(changed["experimentTemplate"]["actions"]) == {"all-ok", "failure", "until-noticed", "raised"}
    assert "0 actions" in world.refused(world.fis.templates.update, id=template, actions={})
    options = {"emptyTargetResolutionMode": "skip"}
    kept = world.ask(world.fis.templates.update, id=template, experimentOptions=options)["experimentTemplate"]
    assert kept["experimentOptions"] == options | {"accountTargeting": "single-account"}


def test_same_client_token_makes_one_template(world: World) -> None:
    asked = world.template(tags={"Name": "drill"})
    made, again = (world.ask(world.fis.templates.create, **asked)["experimentTemplate"] for _ in range(2))
    assert made == again
    world.refused(world.fis.templates.create, "Conflict", **asked | {"description": "another"})


# CloudFormation

PROPERTIES = {
    "Description": "Connections fail",
    "RoleArn": ROLE,
    "StopConditions": [{"Source": "none"}],
    "Targets": {
        "cluster": {"ResourceType": "aws:dsql:cluster", "ResourceTags": {"Team": "Orders"}, "SelectionMode": "ALL"}
    },
    "Actions": {
        "failure": {
            "ActionId": "aws:dsql:cluster-connection-failure",
            "Parameters": {"duration": "PT1M", "percentage": 100},
            "Targets": {"Clusters": "cluster"},
        }
    },
    "LogConfiguration": {
        "LogSchemaVersion": "2",
        "CloudWatchLogsConfiguration": {"LogGroupArn": f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/fis/x:*"},
    },
    "ExperimentReportConfiguration": {"Outputs": {"ExperimentReportS3Configuration": {"BucketName": "reports"}}},
    "Tags": {"Name": "drill"},
}


def test_stack_makes_changes_and_deletes_a_template(world: World) -> None:
    handler = ExperimentTemplateHandler(world.fis, lambda: EAST)
    identifier, attributes = handler.create("Template", PROPERTIES, "stack")
    assert attributes == {"Id": identifier}
    made = world.ask(world.fis.templates.get, id=identifier)["experimentTemplate"]
    assert made["targets"]["cluster"]["resourceTags"] == {"Team": "Orders"}, "names of the user keep their case"
    assert made["logConfiguration"]["logSchemaVersion"] == 2
    assert made["experimentReportConfiguration"]["outputs"]["s3Configuration"] == {"bucketName": "reports"}
    new = without(PROPERTIES, "LogConfiguration") | {"Description": "Less", "Tags": {"team": "orders"}}
    assert handler.update(identifier, PROPERTIES, new, "stack") == (identifier, {"Id": identifier})
    changed = world.ask(world.fis.templates.get, id=identifier)["experimentTemplate"]
    assert (changed["description"], changed["tags"]) == ("Less", {"team": "orders"})
    assert "logConfiguration" not in changed
    for _ in range(2):
        handler.delete(identifier, new)
    assert list(world.fis.templates) == []


@pytest.mark.parametrize(
    ("properties", "sentence"),
    [
        (without(PROPERTIES, "Targets"), r"#: required key \[Targets\] not found"),
        (PROPERTIES | {"TargetS": {}}, r"#: extraneous key \[TargetS\] is not permitted"),
        (PROPERTIES | {"Actions": {}}, r'message: "The template has 0 actions.*HandlerErrorCode: Validation'),
    ],
)
def test_stack_fails_with_what_is_wrong(world: World, properties: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RuntimeError, match=sentence):
        ExperimentTemplateHandler(world.fis, lambda: EAST).create("Template", properties, "stack")
