from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from dsql_dr_constructs.emulator import AwsEmulator, Fault, control, ministack_seams
from dsql_dr_constructs.emulator.credentials import Credentials
from tests.emulator import processes
from tests.emulator.test_cloudformation import Stack


@pytest.fixture(scope="module")
def running() -> Iterator[AwsEmulator]:
    with AwsEmulator(regions=["us-east-1", "us-west-2"], transition_seconds=0.05) as aws:
        yield aws


@pytest.fixture
def aws(running: AwsEmulator) -> Iterator[AwsEmulator]:
    """Shared by this file's tests, without faults and clusters."""
    yield running
    running.clear_faults()
    for region in running.regions:
        dsql = running.client("dsql", region)
        for one in dsql.list_clusters()["clusters"]:
            dsql.delete_cluster(identifier=one["identifier"])
            dsql.get_waiter("cluster_not_exists").wait(
                identifier=one["identifier"], WaiterConfig={"Delay": 1, "MaxAttempts": 10}
            )


def answers(aws: AwsEmulator) -> bool:
    """Another one that has its port now refuses its credentials."""
    try:
        control.call(aws.endpoint, aws._credentials, "GET", "health")
    except (OSError, ValueError):
        return False
    return True


PROGRAM = """
import io, json, signal, time, zipfile
from dsql_dr_constructs.emulator import AwsEmulator
code = io.BytesIO()
with zipfile.ZipFile(code, "w") as file:
    file.writestr("index.py", "def handler(event, context): return event")
signal.signal(signal.SIGINT, signal.default_int_handler)  # where these tests run in the background, both are ignored
signal.signal(signal.SIGHUP, signal.SIG_DFL)
options = {"Runtime": "python3.13", "Role": "arn:aws:iam::000000000000:role/one", "Handler": "index.handler"}
with AwsEmulator(regions=["us-east-1"]) as aws:
    client = aws.client("lambda", "us-east-1")
    client.create_function(FunctionName="one", Code={"ZipFile": code.getvalue()}, **options)
    client.invoke(FunctionName="one")
    started_with = {"folder": str(aws.directory), "group": aws._server.process.pid}
    print(json.dumps(started_with), flush=True)
    time.sleep(600)
"""


NODE = """
const { SSM, SSMClient, PutParameterCommand } = require("@aws-sdk/client-ssm");
exports.handler = async (event) => {
  const parameter = { Name: event.name, Value: process.env.AWS_REGION, Type: "String", Overwrite: true };
  await %s;
};
"""


def active_cluster(dsql: Any, **options: Any) -> str:
    identifier = str(dsql.create_cluster(deletionProtectionEnabled=False, **options)["identifier"])
    while dsql.get_cluster(identifier=identifier)["status"] == "CREATING":
        time.sleep(0.02)
    return identifier


# start and stop


def test_it_stops_when_the_block_ends_and_takes_its_folder_along() -> None:
    with AwsEmulator(regions=["us-east-1"]) as aws:
        directory = aws.directory
        assert answers(aws)
        assert aws.endpoint.startswith("http://127.0.0.1:")
    assert not answers(aws)
    assert not directory.exists()
    aws.stop()
    with pytest.raises(RuntimeError, match="use it inside its with block"):
        _ = aws.directory


def test_it_stops_when_the_block_fails() -> None:
    with pytest.raises(KeyError), AwsEmulator(regions=["us-east-1"]) as aws:
        raise KeyError
    assert not answers(aws)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_it_ends_with_the_program_that_started_it_and_leaves_nothing(end: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as started:
        assert started.stdout
        started_with = json.loads(started.stdout.readline())
        folder, group = Path(started_with["folder"]), int(started_with["group"])
        assert (folder / "endpoints.json").exists()
        assert len(processes.of_group(group)) == 2, "the server, and a function of its"
        started.send_signal(end)
    until = time.monotonic() + 60
    while (folder.exists() or processes.of_group(group)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not folder.exists()
    assert processes.of_group(group) == []


KILLED = """
import os, signal
from dsql_dr_constructs.emulator import AwsEmulator, emulator_process
aws = AwsEmulator(regions=["us-east-1"])
end = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
%s
with aws:
    %s
"""
BEFORE_CREDENTIALS = KILLED % ("emulator_process.asdict = end", "pass")
BEFORE_AN_ANSWER = KILLED % ("aws._server._wait_until_it_answers = end", "pass")
AT_THE_END = KILLED % ("", "stop = aws._server.process.wait; aws._server.process.wait = lambda timeout: end(stop())")
WITHOUT_SERVER = KILLED % ("", "aws._server.process.kill(); aws._server.process.wait(); end()")


@pytest.mark.parametrize(
    "program",
    [BEFORE_CREDENTIALS, BEFORE_AN_ANSWER, AT_THE_END, WITHOUT_SERVER],
    ids=["before it has credentials", "before it answers", "when it has just ended", "when its server was killed"],
)
def test_it_leaves_nothing_whenever_its_program_is_killed(program: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | {"TMPDIR": str(tmp_path)}, check=False, capture_output=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    until = time.monotonic() + 60
    while list(tmp_path.iterdir()) and time.monotonic() < until:
        time.sleep(0.05)
    assert list(tmp_path.iterdir()) == []


def test_it_leaves_nothing_when_its_end_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    with AwsEmulator(regions=["us-east-1"]) as aws:
        directory = aws.directory

        def interrupted(timeout: float) -> None:
            monkeypatch.undo()
            raise KeyboardInterrupt

        monkeypatch.setattr(aws._server.process, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            aws.stop()
        assert not directory.exists()


def test_server_that_was_killed_leaves_nothing_when_its_block_ends() -> None:
    with AwsEmulator(regions=["us-east-1"]) as aws:
        directory = aws.directory
        assert aws._server.process
        aws._server.process.kill()
    assert not directory.exists()


def test_one_that_cannot_start_says_why_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    broken = AwsEmulator(regions=["us-east-1"], time_scale="soon")  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match=r"did not start. Its output:\n(?s:.*)invalid float value: 'soon'"):
        broken.__enter__()
    assert list(tmp_path.iterdir()) == []


def test_option_that_is_none_is_refused_before_anything_starts() -> None:
    with pytest.raises(ValueError, match="delete_mode is 'never': one of wait, return is allowed"):
        AwsEmulator(regions=["us-east-1"], delete_mode="never")  # type: ignore[arg-type]


def test_nothing_of_another_ministack_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("STATE_DIR", "S3_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    for name in ("PERSIST_STATE", "S3_PERSIST"):
        monkeypatch.setenv(name, "1")
    with AwsEmulator(regions=["us-east-1"]) as one:
        one.client("s3", "us-east-1").create_bucket(Bucket="left-behind")
        one.client("s3", "us-east-1").put_object(Bucket="left-behind", Key="key", Body=b"body")
        one.client("cognito-idp", "us-east-1").create_user_pool(PoolName="left-behind")
    assert list(tmp_path.iterdir()) == []


def test_connection_that_its_client_ends_is_closed_here_too(aws: AwsEmulator) -> None:
    host = urlsplit(aws.endpoint)
    with socket.create_connection((str(host.hostname), int(host.port or 0)), timeout=30) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 ")
        client.shutdown(socket.SHUT_WR)
        while client.recv(65536):
            pass  # an open one would time out


def test_history_of_a_parameter_says_who_put_it(aws: AwsEmulator) -> None:
    role = aws.client("iam", "us-east-1").create_role(RoleName="on-call", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    given = aws.client("sts", "us-east-1").assume_role(RoleArn=role, RoleSessionName="mary")["Credentials"]
    session = Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    owners = aws.client("ssm", "us-east-1")
    owners.put_parameter(Name="/said", Value="one", Type="String")
    for value, credentials in (("two", session), ("three", aws._credentials)):
        ssm = boto3.client("ssm", **where(aws, credentials))
        ssm.put_parameter(Name="/said", Value=value, Type="String", Overwrite=True)
    found = owners.get_parameter_history(Name="/said")["Parameters"]
    assert [(one["Value"], one["LastModifiedUser"]) for one in found] == [
        ("one", "arn:aws:iam::000000000000:root"),
        ("two", "arn:aws:sts::000000000000:assumed-role/on-call/mary"),
        ("three", "arn:aws:iam::000000000000:root"),
    ]


def test_several_do_not_disturb_each_other(aws: AwsEmulator) -> None:
    with AwsEmulator(regions=["us-east-1"]) as other:
        other.client("dsql", "us-east-1").create_cluster()
        other.inject(Fault("all", service="dsql"))
        assert aws.client("dsql", "us-east-1").list_clusters()["clusters"] == []


def test_environment_leads_every_client_here_and_nowhere_else(
    aws: AwsEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "secret")
    environment = aws.environment("us-west-2")
    assert {name: value for name, value in environment.items() if name.startswith("AWS_")} == aws.variables("us-west-2")
    program = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"
    done = subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "000000000000"


# DSQL as boto3 sees it


def test_clusters_differ_by_region(aws: AwsEmulator) -> None:
    identifier = active_cluster(aws.client("dsql", "us-east-1"))
    west = aws.client("dsql", "us-west-2")
    assert west.list_clusters()["clusters"] == []
    with pytest.raises(west.exceptions.ResourceNotFoundException):
        west.get_cluster(identifier=identifier)


def test_errors_are_those_of_the_api(aws: AwsEmulator) -> None:
    dsql = aws.client("dsql", "us-east-1")
    with pytest.raises(dsql.exceptions.ValidationException, match="own Region"):
        dsql.create_cluster(multiRegionProperties={"witnessRegion": "us-east-1"})
    identifier = active_cluster(dsql, multiRegionProperties={"witnessRegion": "us-east-2"})
    aws.inject(Fault("slow", "slow", service="dsql", call="UpdateCluster", first=1, seconds=2))
    dsql.update_cluster(identifier=identifier, deletionProtectionEnabled=True)
    with pytest.raises(dsql.exceptions.ConflictException):
        dsql.update_cluster(identifier=identifier, deletionProtectionEnabled=False)
    while dsql.get_cluster(identifier=identifier)["status"] == "UPDATING":
        time.sleep(0.02)
    with pytest.raises(dsql.exceptions.ValidationException, match="deletion protection"):
        dsql.delete_cluster(identifier=identifier)
    dsql.update_cluster(identifier=identifier, deletionProtectionEnabled=False)
    while dsql.get_cluster(identifier=identifier)["status"] == "UPDATING":
        time.sleep(0.02)


def test_cluster_is_described_tagged_and_protected_by_its_policy(aws: AwsEmulator) -> None:
    dsql = aws.client("dsql", "us-east-1")
    identifier = active_cluster(dsql, tags={"Name": "orders"}, policy="{}")
    found = dsql.get_cluster(identifier=identifier)
    assert found["endpoint"] == f"{identifier}.dsql.us-east-1.on.aws"
    dsql.tag_resource(resourceArn=found["arn"], tags={"team": "orders"})
    dsql.untag_resource(resourceArn=found["arn"], tagKeys=["Name"])
    assert dsql.list_tags_for_resource(resourceArn=found["arn"])["tags"] == {"team": "orders"}
    assert dsql.get_cluster_policy(identifier=identifier)["policy"] == "{}"
    assert dsql.get_vpc_endpoint_service_name(identifier=identifier)["serviceName"].startswith(
        "com.amazonaws.us-east-1"
    )


def test_status_that_aws_decides_on_can_be_set(aws: AwsEmulator) -> None:
    dsql = aws.client("dsql", "us-east-1")
    identifier = active_cluster(dsql)
    for status in ("FAILED", "ACTIVE"):
        aws.set_cluster_status("us-east-1", identifier, status)
        assert dsql.get_cluster(identifier=identifier)["status"] == status
    with pytest.raises(ValueError, match="does not exist"):
        aws.set_cluster_status("us-west-2", identifier, "FAILED")


# topics


@pytest.mark.parametrize("made_by", ["a client", "a stack"])
def test_subscription_is_confirmed_at_once_whatever_its_protocol(aws: AwsEmulator, made_by: str) -> None:
    sns, name = aws.client("sns", "us-east-1"), f"alerts-{made_by.replace(' ', '-')}"
    topic = sns.create_topic(Name=name)["TopicArn"]
    wanted = [("https", "https://pager.example.com/hook"), ("email", "me@example.com")]
    if made_by == "a client":
        for protocol, endpoint in wanted:
            sns.subscribe(TopicArn=topic, Protocol=protocol, Endpoint=endpoint)
    else:
        properties = [{"TopicArn": topic, "Protocol": protocol, "Endpoint": endpoint} for protocol, endpoint in wanted]
        resources = {
            f"One{number}": {"Type": "AWS::SNS::Subscription", "Properties": one}
            for number, one in enumerate(properties)
        }
        assert Stack(aws).run("create", resources) == "CREATE_COMPLETE"
    attributes = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert (attributes["SubscriptionsPending"], attributes["SubscriptionsConfirmed"]) == ("0", "2")
    listed = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert {(one["Protocol"], one["Endpoint"]) for one in listed} == set(wanted)
    everywhere = [one["SubscriptionArn"] for one in sns.list_subscriptions()["Subscriptions"]]
    for one in listed:
        assert one["SubscriptionArn"].startswith(f"{topic}:")
        assert one["SubscriptionArn"] in everywhere
        found = sns.get_subscription_attributes(SubscriptionArn=one["SubscriptionArn"])["Attributes"]
        assert found["PendingConfirmation"] == "false"


def test_notification_is_delivered_on_this_machine_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    sns: Any = importlib.import_module("ministack.services.sns")
    sent: list[str] = []
    monkeypatch.setattr(sns, "_topic_by_arn_any_scope", sns._topic_by_arn_any_scope)  # what is installed is taken back
    monkeypatch.setattr(sns, "_http_post_sync", lambda endpoint, *_: sent.append(endpoint))
    ministack_seams.confirm_subscriptions()
    here = ["http://127.0.0.1:1/a", "https://user:word@localhost/b", "http://[::1]:1/c"]
    away = ["https://pager.example.com/hook", "https://127.0.0.1@example.com/", "https://127.0.0.1.example.com", "x"]
    for endpoint in (*here, *away):
        sns._http_post_sync(endpoint, "{}", "Notification")
    assert sent == here


# IAM across Regions


@pytest.mark.parametrize("seen", [True, False])
def test_iam_sees_tags_of_a_cluster_in_another_region_or_does_not(seen: bool) -> None:
    """A role may do everything on clusters with its tag, and only on these."""
    with AwsEmulator(regions=["us-east-1", "us-west-2"], transition_seconds=0.05, tags_across_regions=seen) as aws:
        tag = {"StringEquals": {"aws:ResourceTag/pair": "orders"}}
        statements = [
            {"Effect": "Allow", "Action": "dsql:*", "Resource": "*", "Condition": tag},
            {"Effect": "Allow", "Action": "dsql:PutWitnessRegion", "Resource": "*"},
        ]
        iam = aws.client("iam", "us-east-1")
        role = iam.create_role(RoleName="peering", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_role_policy(RoleName="peering", PolicyName="ours", PolicyDocument=document)
        ours, theirs, peer = (
            aws.client("dsql", region).create_cluster(
                deletionProtectionEnabled=False, multiRegionProperties={"witnessRegion": "us-east-2"}, tags=tags
            )
            for region, tags in (
                ("us-east-1", {"pair": "orders"}),
                ("us-east-1", {"pair": "other"}),
                ("us-west-2", {"pair": "orders"}),
            )
        )
        dsql = boto3.client("dsql", **where(aws, aws._credentials.of_role(role)))
        while dsql.get_cluster(identifier=ours["identifier"])["status"] == "CREATING":
            time.sleep(0.02)
        add = {"multiRegionProperties": {"witnessRegion": "us-east-2", "clusters": [peer["arn"]]}}
        denied = pytest.raises(dsql.exceptions.AccessDeniedException, match=f"dsql:AddPeerCluster.*{peer['arn']}")
        with contextlib.nullcontext() if seen else denied:
            dsql.update_cluster(identifier=ours["identifier"], **add)
        with pytest.raises(dsql.exceptions.AccessDeniedException, match=f"dsql:UpdateCluster.*{theirs['arn']}"):
            dsql.update_cluster(identifier=theirs["identifier"], **add)
        assert dsql.delete_cluster(identifier=ours["identifier"])["status"] == "DELETING"


# faults


def test_api_error_affects_the_first_calls(aws: AwsEmulator) -> None:
    aws.inject(Fault("throttled", service="dsql", call="ListClusters", error="ThrottlingException", first=2))
    once = Config(retries={"total_max_attempts": 1})
    dsql = boto3.client("dsql", config=once, **where(aws, aws._credentials))
    for _ in range(2):
        with pytest.raises(dsql.exceptions.ThrottlingException):
            dsql.list_clusters()
    assert dsql.list_clusters()["clusters"] == []


@pytest.mark.parametrize("service", ["ssm", "cloudformation"])
def test_denied_action_is_denied_in_every_protocol(aws: AwsEmulator, service: str) -> None:
    aws.inject(Fault("denied", service=service, region="us-east-1", error="AccessDeniedException", message="denied"))
    client = aws.client(service, "us-east-1")
    with pytest.raises(ClientError, match=r"AccessDeniedException.*denied"):
        client.describe_parameters() if service == "ssm" else client.describe_stacks()


def test_region_can_stop_answering_while_the_other_answers(aws: AwsEmulator) -> None:
    aws.inject(Fault("east", "timeout", region="us-east-1"))
    impatient = Config(read_timeout=0.5, retries={"total_max_attempts": 1})
    with pytest.raises(ReadTimeoutError):
        boto3.client("dsql", config=impatient, **where(aws, aws._credentials)).list_clusters()
    assert aws.client("dsql", "us-west-2").list_clusters()["clusters"] == []


@pytest.mark.parametrize(
    "call",
    [
        "new SSM({ region: event.region }).putParameter(parameter)",
        "new SSMClient({ region: event.region }).send(new PutParameterCommand(parameter))",
    ],
)
def test_node_function_calls_the_region_that_its_client_is_made_for(
    aws: AwsEmulator, call: str, request: pytest.FixtureRequest
) -> None:
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("index.js", NODE % call)
    name = f"node-{request.node.callspec.indices['call']}"
    role = aws.client("iam", "us-west-2").create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    may_put = {"Effect": "Allow", "Action": "ssm:PutParameter", "Resource": "arn:aws:ssm:us-east-1:*:parameter/*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [may_put]})
    aws.client("iam", "us-west-2").put_role_policy(RoleName=name, PolicyName="ssm", PolicyDocument=document)
    function = aws.client("lambda", "us-west-2")
    function.create_function(
        FunctionName=name, Runtime="nodejs22.x", Role=role, Handler="index.handler", Code={"ZipFile": code.getvalue()}
    )
    for region, puts in (("us-east-1", True), ("us-west-2", False), (None, False), ("us-east-1", True)):
        answer = function.invoke(FunctionName=name, Payload=json.dumps({"region": region, "name": f"/{name}"}))
        assert ("FunctionError" not in answer) is puts, answer["Payload"].read()
    assert aws.client("ssm", "us-east-1").get_parameter(Name=f"/{name}")["Parameter"]["Value"] == "us-west-2"
    with pytest.raises(ClientError, match="ParameterNotFound"):
        aws.client("ssm", "us-west-2").get_parameter(Name=f"/{name}")


def test_unknown_fault_is_refused(aws: AwsEmulator) -> None:
    fault = Fault("fine")
    object.__setattr__(fault, "effect", "unheard of")
    with pytest.raises(ValueError, match="one of error, timeout, slow, stuck is allowed"):
        aws.inject(fault)


def test_calls_are_recorded_until_they_are_cleared(aws: AwsEmulator) -> None:
    aws.clear_calls()
    aws.client("dsql", "us-west-2").list_clusters()
    assert [(one["service"], one["region"], one["name"], one["role"]) for one in aws.calls()] == [
        ("dsql", "us-west-2", "ListClusters", None)
    ]
    aws.clear_calls()
    assert aws.calls() == []


def where(aws: AwsEmulator, credentials: Credentials) -> dict[str, str]:
    """For a client of somebody's."""
    return {
        "region_name": "us-east-1",
        "endpoint_url": aws.endpoint,
        "aws_access_key_id": credentials.access_key,
        "aws_secret_access_key": credentials.secret_key,
        "aws_session_token": credentials.session_token,
    }
