"""Route 53 as clients and stacks use it: health checks that follow alarms of CloudWatch, records and a resolver."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from dsql_dr_constructs.emulator import AwsEmulator, Fault
from tests.emulator.test_cloudformation import Stack

EAST, WEST = "us-east-1", "us-west-2"
ALARM = {
    "Namespace": "Orders",
    "MetricName": "Up",
    "Statistic": "Minimum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 1,
    "ComparisonOperator": "LessThanThreshold",
    "Dimensions": [{"Name": "Observer", "Value": WEST}],
}
OTHER = {"Region": WEST, "Name": "other"}
FOLLOWS = {"Type": "CLOUDWATCH_METRIC", "AlarmIdentifier": {"Region": WEST, "Name": "west-up"}}


@pytest.fixture(scope="module")
def aws() -> Iterator[AwsEmulator]:
    with AwsEmulator(regions=[EAST, WEST], time_scale=1 / 120) as aws:
        aws.client("cloudwatch", WEST).put_metric_alarm(AlarmName="west-up", **ALARM)
        yield aws


def until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def becomes(aws: AwsEmulator, check: str, status: str, value: float) -> None:
    """Put *value* to the alarm's metric until the health check has *status*; without data it keeps it."""

    def reached() -> bool:
        datum = {"MetricName": "Up", "Dimensions": ALARM["Dimensions"], "Value": value}
        aws.client("cloudwatch", WEST).put_metric_data(Namespace="Orders", MetricData=[datum])
        return aws.health_check_status(check) == status

    until(reached)


def create(aws: AwsEmulator, reference: str, **config: Any) -> str:
    made = aws.client("route53", WEST).create_health_check(
        CallerReference=reference, HealthCheckConfig={**FOLLOWS, **config}
    )
    return str(made["HealthCheck"]["Id"])


def update(route53: Any, check: str, **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = route53.update_health_check(HealthCheckId=check, **changes)["HealthCheck"]
    return found


def test_health_check_follows_the_data_and_shows_the_alarms_settings_that_it_copied(aws: AwsEmulator) -> None:
    route53 = aws.client("route53", WEST)
    check = create(aws, "follows", Inverted=False, Disabled=False)
    assert aws.health_check_status(check) == "Healthy"
    becomes(aws, check, "Unhealthy", 0)
    aws.client("cloudwatch", WEST).set_alarm_state(AlarmName="west-up", StateValue="OK", StateReason="a test")
    assert aws.health_check_status(check) == "Unhealthy"
    becomes(aws, check, "Healthy", 1)

    found = route53.get_health_check(HealthCheckId=check)["HealthCheck"]
    assert found["CloudWatchAlarmConfiguration"] == {**ALARM, "Threshold": 1.0}
    assert found["HealthCheckConfig"] == {**FOLLOWS, "Inverted": False, "Disabled": False}
    turned = update(route53, check, HealthCheckVersion=1, Inverted=True)
    assert (turned["HealthCheckConfig"]["Inverted"], turned["HealthCheckVersion"]) == (True, 2)
    assert aws.health_check_status(check) == "Unhealthy"
    listed = {one["Id"]: one["CallerReference"] for one in route53.list_health_checks()["HealthChecks"]}
    assert listed[check] == "follows"
    route53.delete_health_check(HealthCheckId=check)
    with pytest.raises(ValueError, match=f"No health check exists with the specified ID {check}"):
        aws.health_check_status(check)


def test_status_is_a_metric_in_the_control_planes_region_only(aws: AwsEmulator) -> None:
    check = create(aws, "metric", Inverted=True)

    def names(region: str) -> list[str]:
        asked = {"Namespace": "AWS/Route53", "Dimensions": [{"Name": "HealthCheckId", "Value": check}]}
        return [one["MetricName"] for one in aws.client("cloudwatch", region).list_metrics(**asked)["Metrics"]]

    until(lambda: names(EAST) == ["HealthCheckStatus"])
    assert names(WEST) == []


def test_refusals_have_route_53s_codes(aws: AwsEmulator) -> None:
    route53, check = aws.client("route53", EAST), create(aws, "child")
    cases: list[tuple[str, str, Callable[[], Any]]] = [
        ("InvalidInput", "other does not exist in us-west-2", lambda: create(aws, "new", AlarmIdentifier=OTHER)),
        ("HealthCheckAlreadyExists", "other settings", lambda: create(aws, "child", Disabled=True)),
        ("NoSuchHealthCheck", "ID nobody", lambda: route53.get_health_check(HealthCheckId="nobody")),
        ("HealthCheckVersionMismatch", "version 1", lambda: update(route53, check, HealthCheckVersion=7)),
    ]
    for code, reason, call in cases:
        with pytest.raises(ClientError, match=reason) as error:
            call()
        assert error.value.response["Error"]["Code"] == code


def test_calculated_check_is_made_listed_and_updated_by_the_api(aws: AwsEmulator) -> None:
    route53 = aws.client("route53", EAST)
    children = [create(aws, "healthy"), create(aws, "unhealthy", Inverted=True)]
    config = {"Type": "CALCULATED", "HealthThreshold": 2, "ChildHealthChecks": children}
    made = route53.create_health_check(CallerReference="calculated", HealthCheckConfig=config)["HealthCheck"]
    assert made["HealthCheckConfig"]["ChildHealthChecks"] == children
    assert aws.health_check_status(made["Id"]) == "Unhealthy"
    assert update(route53, made["Id"], ChildHealthChecks=children[:1], HealthThreshold=1)["HealthCheckVersion"] == 2
    assert aws.health_check_status(made["Id"]) == "Healthy"
    found = route53.get_health_check(HealthCheckId=made["Id"])["HealthCheck"]["HealthCheckConfig"]
    assert found["ChildHealthChecks"] == children[:1]
    update(route53, made["Id"], ResetElements=["ChildHealthChecks"])
    assert aws.health_check_status(made["Id"]) == "Unhealthy"

    endpoint = {"Type": "HTTP", "IPAddress": "192.0.2.1", "Regions": [WEST, EAST, "eu-west-1"]}
    made = route53.create_health_check(CallerReference="http", HealthCheckConfig=endpoint)["HealthCheck"]
    assert made["HealthCheckConfig"]["Regions"] == endpoint["Regions"]


def test_tags_of_several_health_checks_are_listed(aws: AwsEmulator) -> None:
    route53, (one, two) = aws.client("route53", EAST), (create(aws, "one"), create(aws, "two"))
    route53.change_tags_for_resource(
        ResourceType="healthcheck", ResourceId=one, AddTags=[{"Key": "Name", "Value": "orders"}]
    )
    found = route53.list_tags_for_resources(ResourceType="healthcheck", ResourceIds=[one, two])["ResourceTagSets"]
    assert [(each["ResourceId"], each["Tags"]) for each in found] == [
        (one, [{"Key": "Name", "Value": "orders"}]),
        (two, []),
    ]


def test_record_needs_its_health_check_when_it_is_made_and_not_when_it_is_deleted(aws: AwsEmulator) -> None:
    route53, check = aws.client("route53", EAST), create(aws, "of a record")
    zone = route53.create_hosted_zone(Name="example.org", CallerReference="zone")["HostedZone"]["Id"]
    record = {"Name": "a.example.org", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    record |= {"SetIdentifier": "a", "Region": EAST, "HealthCheckId": check}

    def change(action: str, **more: str) -> None:
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": {**record, **more}}]}
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)

    with pytest.raises(ClientError, match="No health check exists with the specified ID nobody") as error:
        change("CREATE", HealthCheckId="nobody")
    assert error.value.response["Error"]["Code"] == "NoSuchHealthCheck"
    change("CREATE")
    assert aws.resolve("a.example.org", region=WEST) == ["192.0.2.1"]
    for name, to in (("b", "c"), ("c", "b")):
        circle = {"Name": f"{name}.example.org", "Type": "CNAME", "TTL": 60}
        circle |= {"ResourceRecords": [{"Value": f"{to}.example.org"}]}
        batch = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": circle}]}
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)
    with pytest.raises(ValueError, match=r"The records of b\.example\.org lead in a circle"):
        aws.resolve("b.example.org", region=WEST)
    route53.delete_health_check(HealthCheckId=check)
    change("DELETE")
    assert aws.resolve("a.example.org", region=WEST) == []


def health_check(*, tag: str = "orders", **config: Any) -> dict[str, Any]:
    tags = [{"Key": "Name", "Value": tag}]
    return {
        "Type": "AWS::Route53::HealthCheck",
        "Properties": {"HealthCheckConfig": {**FOLLOWS, **config}, "HealthCheckTags": tags},
    }


def records(**changes: dict[str, Any]) -> dict[str, Any]:
    """A hosted zone with records of every policy, and what each has beside its name and type."""
    zone = {"Type": "AWS::Route53::HostedZone", "Properties": {"Name": "example.com"}}
    contents: dict[str, dict[str, Any]] = {
        "LatencyEast": {"Name": "api.example.com", "SetIdentifier": "east", "Region": EAST, "ResourceRecords": ["1"]},
        "LatencyWest": {
            "Name": "api.example.com",
            "SetIdentifier": "west",
            "Region": WEST,
            "ResourceRecords": ["2"],
            "HealthCheckId": {"Ref": "Calculated"},
        },
        "First": {
            "Name": "orders.example.com",
            "SetIdentifier": "first",
            "Failover": "PRIMARY",
            "HealthCheckId": {"Fn::GetAtt": ["Calculated", "HealthCheckId"]},
            "AliasTarget": {
                "HostedZoneId": "Z1",
                "DNSName": "one.elb.us-west-2.amazonaws.com",
                "EvaluateTargetHealth": True,
            },
        },
        "Second": {
            "Name": "orders.example.com",
            "SetIdentifier": "second",
            "Failover": "SECONDARY",
            "AliasTarget": {"HostedZoneId": {"Ref": "Zone"}, "DNSName": "api.example.com"},
        },
        "Weighted": {"Name": "w.example.com", "SetIdentifier": "all", "Weight": 7, "ResourceRecords": ["3"]},
        "Multi": {"Name": "m.example.com", "SetIdentifier": "m", "MultiValueAnswer": True, "ResourceRecords": ["4"]},
    }
    found = {"Zone": zone}
    for name, content in contents.items():
        ttl = {} if "AliasTarget" in content else {"TTL": "60"}
        properties = {"HostedZoneId": {"Ref": "Zone"}, "Type": "A", **ttl, **content, **changes.get(name, {})}
        found[name] = {"Type": "AWS::Route53::RecordSet", "Properties": properties}
    return found


CALCULATED = {"Type": "CALCULATED", "HealthThreshold": "1", "ChildHealthChecks": [{"Ref": "Child"}]}


def test_deployed_records_and_checks_send_users_elsewhere_and_home_again(aws: AwsEmulator) -> None:
    stack, route53 = Stack(aws, WEST), aws.client("route53", EAST)
    calculated = {"Type": "AWS::Route53::HealthCheck", "Properties": {"HealthCheckConfig": CALCULATED}}
    template = {"Child": health_check(), "Calculated": calculated, **records()}
    outputs = {"Child": {"Ref": "Child"}, "Same": {"Fn::GetAtt": ["Child", "HealthCheckId"]}, "Zone": {"Ref": "Zone"}}
    outputs["Calculated"] = {"Ref": "Calculated"}
    assert stack.run("create", template, outputs) == "CREATE_COMPLETE"
    given = stack.outputs()
    assert given["Child"] == given["Same"]
    kept = {
        one["SetIdentifier"]: one
        for one in route53.list_resource_record_sets(HostedZoneId=given["Zone"])["ResourceRecordSets"]
        if "SetIdentifier" in one
    }
    assert (kept["west"]["Region"], kept["west"]["HealthCheckId"]) == (WEST, given["Calculated"])
    assert (kept["first"]["Failover"], kept["first"]["HealthCheckId"]) == ("PRIMARY", given["Calculated"])
    assert kept["first"]["AliasTarget"]["EvaluateTargetHealth"] is True
    assert (kept["all"]["Weight"], kept["m"]["MultiValueAnswer"]) == (7, True)

    def answers(name: str) -> list[list[str]]:
        return [aws.resolve(f"{name}.example.com", region=region) for region in (EAST, WEST)]

    assert answers("api") == [["1"], ["2"]]
    assert answers("orders") == [["one.elb.us-west-2.amazonaws.com"]] * 2
    assert (answers("w"), answers("m"), answers("nothing")) == ([["3"]] * 2, [["4"]] * 2, [[], []])
    becomes(aws, given["Calculated"], "Unhealthy", 0)
    assert answers("api") == answers("orders") == [["1"], ["1"]]
    becomes(aws, given["Calculated"], "Healthy", 1)
    assert answers("api") == [["1"], ["2"]]

    wrong = {**template, **records(LatencyWest={"HealthCheckId": "nobody"})}
    assert stack.run("update", wrong) == "UPDATE_ROLLBACK_COMPLETE"
    assert any("No health check exists with the specified ID nobody" in one for one in stack.reasons())
    assert stack.run("delete") == "gone"
    assert given["Child"] not in [one["Id"] for one in route53.list_health_checks()["HealthChecks"]]


def test_health_check_of_a_stack_is_updated_in_place_and_replaced_by_another_type(aws: AwsEmulator) -> None:
    stack, route53, cloudwatch = Stack(aws, WEST), aws.client("route53", EAST), aws.client("cloudwatch", WEST)
    cloudwatch.put_metric_alarm(AlarmName="changing", **ALARM)
    follows: dict[str, Any] = {"AlarmIdentifier": {"Region": WEST, "Name": "changing"}, "Inverted": "true"}
    outputs = {"Id": {"Ref": "Child"}}

    def run(call: str, resource: dict[str, Any]) -> tuple[str, dict[str, Any], list[dict[str, str]]]:
        assert stack.run(call, {"Child": resource}, outputs) == f"{call.upper()}_COMPLETE"
        identifier = stack.outputs()["Id"]
        tags = route53.list_tags_for_resource(ResourceType="healthcheck", ResourceId=identifier)["ResourceTagSet"]
        return identifier, route53.get_health_check(HealthCheckId=identifier)["HealthCheck"], tags["Tags"]

    first, found, tags = run("create", health_check(**follows))
    assert (found["HealthCheckConfig"]["Inverted"], tags) == (True, [{"Key": "Name", "Value": "orders"}])

    cloudwatch.put_metric_alarm(AlarmName="changing", **{**ALARM, "Threshold": 5})
    same, found, tags = run("update", health_check(tag="other", **follows))
    assert (same, found["CloudWatchAlarmConfiguration"]["Threshold"]) == (first, 1)
    assert tags == [{"Key": "Name", "Value": "other"}]

    more: dict[str, Any] = {**follows, "Inverted": "false", "InsufficientDataHealthStatus": "Healthy"}
    same, found, _ = run("update", health_check(**more))
    assert (same, found["CloudWatchAlarmConfiguration"]["Threshold"]) == (first, 5)
    assert found["HealthCheckConfig"]["Inverted"] is False

    replacing = {"HealthCheckConfig": {"Type": "CALCULATED", "HealthThreshold": 0}}
    other, _, tags = run("update", {"Type": "AWS::Route53::HealthCheck", "Properties": replacing})
    assert (other != first, tags) == (True, [])
    assert first not in [one["Id"] for one in route53.list_health_checks()["HealthChecks"]]
    assert stack.run("delete") == "gone"


def impatient(aws: AwsEmulator) -> Any:
    """A client of the western Region that waits for no answer for long."""
    given = aws.variables()
    return boto3.client(
        "route53",
        region_name=WEST,
        endpoint_url=aws.endpoint,
        aws_access_key_id=given["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=given["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=given["AWS_SESSION_TOKEN"],
        config=Config(read_timeout=0.5, retries={"total_max_attempts": 1}),
    )


def test_without_its_control_plane_nothing_can_be_changed_and_checks_and_answers_go_on(aws: AwsEmulator) -> None:
    stack, zone = Stack(aws, WEST), records()
    for name in ("LatencyWest", "First", "Second"):
        zone.pop(name)
    assert stack.run("create", {"Child": health_check(), **zone}, {"Id": {"Ref": "Child"}}) == "CREATE_COMPLETE"
    check = stack.outputs()["Id"]
    aws.inject(Fault("stopped", "timeout", region=EAST))
    try:
        becomes(aws, check, "Unhealthy", 0)
        assert aws.resolve("api.example.com", region=WEST) == ["1"]
        with pytest.raises(ReadTimeoutError):
            impatient(aws).get_health_check(HealthCheckId=check)
        assert stack.run("update", {"Child": health_check(Inverted=True), **zone}) == "UPDATE_ROLLBACK_COMPLETE"
        assert any("Route 53's control plane, in us-east-1, does not answer" in one for one in stack.reasons())
    finally:
        aws.clear_faults()
    assert stack.run("delete") == "gone"


def test_calls_are_recorded_and_fail_by_their_names(aws: AwsEmulator) -> None:
    aws.inject(Fault("refused", region=EAST, service="route53", call="ListHealthChecks", error="InvalidInput"))
    try:
        with pytest.raises(ClientError, match=r"InvalidInput.*A fault of the test"):
            aws.client("route53", WEST).list_health_checks()
    finally:
        aws.clear_faults()
    assert (EAST, "ListHealthChecks") in [(one["region"], one["name"]) for one in aws.calls()]


def test_functions_role_is_checked_for_each_call(aws: AwsEmulator) -> None:
    check, other = create(aws, "allowed"), create(aws, "forbidden")
    iam, arn = aws.client("iam", EAST), "arn:aws:route53:::healthcheck"
    role = iam.create_role(RoleName="reader", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    allow = '{"Statement": [{"Effect": "Allow", "Action": "route53:GetHealthCheck", "Resource": "%s/%s"}]}'
    iam.put_role_policy(RoleName="reader", PolicyName="read", PolicyDocument=allow % (arn, check))
    owner = aws._credentials
    aws._credentials = owner.of_role(role)  # as a function has them
    try:
        route53 = aws.client("route53", WEST)
    finally:
        aws._credentials = owner
    assert route53.get_health_check(HealthCheckId=check)["HealthCheck"]["Id"] == check
    with pytest.raises(ClientError, match=f"route53:GetHealthCheck on resource: {arn}/{other}") as error:
        route53.get_health_check(HealthCheckId=other)
    assert error.value.response["Error"]["Code"] == "AccessDeniedException"
    with pytest.raises(ClientError, match=r"route53:ListHealthChecks on resource: \*"):
        route53.list_health_checks()
