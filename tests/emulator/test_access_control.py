"""The emulator runs code for its callers: which requests are admitted, on which path, and with what credentials."""

from __future__ import annotations

import asyncio
import io
import json
import os
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials as Signer
from botocore.exceptions import ClientError

from dsql_dr_constructs.emulator import AwsEmulator
from dsql_dr_constructs.emulator.access_control import AccessControl, Caller, RefusedError
from dsql_dr_constructs.emulator.credentials import ACCOUNT, Credentials
from dsql_dr_constructs.emulator.gateway import Gateway
from tests.emulator import processes
from tests.emulator.test_cloudformation import Stack

REGION = "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/function"
CODE = """
import json, os, urllib.request
def handler(event, context):
    if "ResponseURL" in event:
        same = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
        answer = {**same, "Status": "SUCCESS", "PhysicalResourceId": "here", "Data": {"Said": "yes"}}
        asked = urllib.request.Request(event["ResponseURL"], json.dumps(answer).encode(), method="PUT")
        urllib.request.urlopen(asked).close()
    return dict(os.environ)
"""
USERS = {"SECRET": "x", "GITHUB_TOKEN": "secret", "AWS_SESSION_TOKEN": "secret"}


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Emulator:
    """One that runs, with a function in it that everybody may call at its URL, and one that wants a signature."""

    aws: AwsEmulator
    owner: Credentials
    open_url: str
    signed_url: str

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str | None] | None = None,
        *,
        signed_with: Credentials | None = None,
        service: str = "lambda",
        body: str = "",
    ) -> Answer:
        """What is answered; a header can be another than a client's, or be left out with None."""
        host = urlsplit(self.aws.endpoint).netloc
        request = AWSRequest(method, f"http://{host}{path}", data=body, headers={"Host": host})
        if signed_with:
            signer = Signer(signed_with.access_key, signed_with.secret_key, signed_with.session_token)
            SigV4Auth(signer, service, REGION).add_auth(request)
        sent = {name.lower(): value for name, value in request.headers.items()} | dict(headers or {})
        with closing(HTTPConnection(host)) as connection:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                if value is not None:
                    connection.putheader(name, value)
            connection.putheader("content-length", str(len(body)))
            connection.endheaders(body.encode())
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with pytest.MonkeyPatch.context() as user:
        for name, value in USERS.items():
            user.setenv(name, value)
        with AwsEmulator(regions=[REGION], transition_seconds=0.05) as aws:
            owner = aws._credentials
            client = aws.client("lambda", REGION)
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w") as file:
                file.writestr("index.py", CODE)
            for name in ("open", "signed"):
                client.create_function(
                    FunctionName=name,
                    Runtime="python3.13",
                    Role=ROLE,
                    Handler="index.handler",
                    Code={"ZipFile": packed.getvalue()},
                )
            urls = [
                client.create_function_url_config(FunctionName=name, AuthType=kind)["FunctionUrl"]
                for name, kind in (("open", "NONE"), ("signed", "AWS_IAM"))
            ]
            paths = [f"/_aws/lambda-url/{urlsplit(url).netloc.partition('.')[0]}/orders" for url in urls]
            yield Emulator(aws, owner, *paths)


CREATE = json.dumps({"FunctionName": "theirs", "Runtime": "python3.13", "Role": ROLE, "Handler": "index.handler"})
PATHS = {
    "create a function": ("POST", "/2015-03-31/functions", CREATE),
    "invoke a function": ("POST", "/2015-03-31/functions/open/invocations", "{}"),
    "call in the Query protocol": ("POST", "/", "Action=CreateTopic&Name=theirs&Version=2010-03-31"),
    "control": ("GET", "/_emulator/calls", ""),
    "control, to change": ("DELETE", "/_emulator/calls", ""),
    "S3": ("PUT", "/theirs", ""),
    "function URL": ("GET", "open_url", ""),
    "answer to CloudFormation": ("PUT", f"/_ministack/cfn-response/{uuid4()}", "{}"),
    "wait condition": ("PUT", f"/_ministack/cfn-signal/{uuid4()}", "{}"),
    "reset": ("POST", "/_ministack/reset", ""),
    "health": ("GET", "/health", ""),
    "preflight": ("OPTIONS", "/2015-03-31/functions", ""),
    "something else": ("GET", "/nothing/here", ""),
}
NEED_NO_CREDENTIALS = {"function URL", "answer to CloudFormation", "wait condition"}


def asked(emulator: Emulator, what: str, headers: Mapping[str, str | None], **signed: Any) -> Answer:
    method, path, body = PATHS[what]
    path = emulator.open_url if path == "open_url" else path
    answer = emulator.ask(method, path, headers, body=body, **signed)
    assert [name for name in answer.headers if name.startswith("access-control-")] == []
    return answer


def assert_refused(answer: Answer, sentence: str) -> None:
    assert answer.status == 403
    assert sentence in json.loads(answer.body)["message"]


# web pages


@pytest.mark.parametrize(
    ("headers", "sentence"),
    [
        ({"host": "evil.example"}, "the request's Host is 'evil.example'"),
        ({"host": "evil.example:{port}"}, "the request's Host is 'evil.example:"),
        ({"host": "127.0.0.1"}, "the request's Host is '127.0.0.1'"),
        ({"host": "0.0.0.0:{port}"}, "the request's Host is '0.0.0.0:"),
        ({"host": "0123456789abcdef0123456789abcdef.lambda-url.us-east-1.on.aws"}, "the request's Host is"),
        ({"origin": "https://evil.example"}, "answers programs only, and no web page"),
        ({"origin": "http://127.0.0.1:{port}"}, "answers programs only, and no web page"),
        ({"sec-fetch-site": "none"}, "answers programs only, and no web page"),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else "",
)
def test_web_page_is_refused_whatever_it_knows(emulator: Emulator, headers: dict[str, str], sentence: str) -> None:
    port = str(urlsplit(emulator.aws.endpoint).port)
    filled = {name: value.replace("{port}", port) for name, value in headers.items()}
    for what in PATHS:
        assert_refused(asked(emulator, what, filled, signed_with=emulator.owner), sentence)


def test_web_page_that_asks_without_a_preflight_makes_no_function(emulator: Emulator) -> None:
    page = {"host": "evil.example", "origin": "https://evil.example", "content-type": "text/plain"}
    assert_refused(asked(emulator, "create a function", page), "the request's Host is 'evil.example'")
    functions = emulator.aws.client("lambda", REGION).list_functions()["Functions"]
    assert {one["FunctionName"] for one in functions} == {"open", "signed"}


def test_owner_by_either_name_is_answered(emulator: Emulator) -> None:
    host = f"localhost:{urlsplit(emulator.aws.endpoint).port}"
    assert asked(emulator, "invoke a function", {}, signed_with=emulator.owner).status == 200
    assert asked(emulator, "function URL", {"host": host}).status == 200


@pytest.mark.parametrize("what", ["preflight", "S3", "call in the Query protocol"])
def test_answers_to_the_owner_have_nothing_for_a_web_page_to_read(emulator: Emulator, what: str) -> None:
    """ministack's own answers have ``Access-Control-Allow-Origin: *`` here."""
    assert asked(emulator, what, {}, signed_with=emulator.owner, service="s3").status != 403


# credentials


def test_who_signs_nothing_is_refused(emulator: Emulator) -> None:
    for what in sorted(set(PATHS) - NEED_NO_CREDENTIALS):
        assert_refused(asked(emulator, what, {}), "has no credentials of this local AWS emulator")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda owner: Credentials(ACCOUNT, "test", ""),
        lambda owner: Credentials.random(),
        lambda owner: replace(owner, session_token=owner.session_token[:-1]),
        lambda owner: replace(owner, access_key=ACCOUNT),
        lambda owner: replace(owner, session_token=owner.of_role(ROLE).session_token),
        lambda owner: replace(owner.of_role(ROLE), session_token=owner.session_token),
        lambda owner: replace(owner.of_role(ROLE), session_token=f"function-role:{ROLE}"),
        lambda owner: replace(owner.of_role(ROLE), session_token=f"function-role:{ROLE}:{'0' * 64}"),
        lambda owner: replace(owner, session_token=f"function-role:{'x' * 64}"),
    ],
    ids=["emulators", "random", "shorter", "other key", "role's token", "role's key", "unsealed", "forged", "no role"],
)
def test_wrong_credentials_are_refused_also_where_none_are_needed(emulator: Emulator, wrong: Any) -> None:
    for what in PATHS:
        answer = asked(emulator, what, {}, signed_with=wrong(emulator.owner))
        assert_refused(answer, "has no credentials of this local AWS emulator")


def test_each_run_has_credentials_of_its_own(emulator: Emulator) -> None:
    another = AwsEmulator(regions=[REGION])._credentials
    assert len({emulator.owner.access_key, another.access_key}) == 2
    assert len({emulator.owner.session_token, another.session_token}) == 2
    assert another.session_token not in repr(another)
    assert another.secret_key not in repr(another)


def test_nobody_reads_the_credentials_from_a_process(emulator: Emulator) -> None:
    assert emulator.aws._server.process
    emulator.aws.client("lambda", REGION).invoke(FunctionName="open")
    seen = [
        (process / file).read_text()
        for process in processes.of_group(emulator.aws._server.process.pid)
        for file in ("cmdline", "environ")
    ]
    assert len(seen) >= 4, "the server's, and a function's"
    assert [one for one in seen if emulator.owner.session_token in one or emulator.owner.secret_key in one] == []
    files = [one.read_bytes() for one in emulator.aws.directory.rglob("*") if one.is_file()]
    assert [one for one in files if emulator.owner.session_token.encode() in one] == []


@pytest.mark.parametrize("version", [None, "s3v4"])
def test_presigned_url_works_and_no_other_does(emulator: Emulator, version: str | None) -> None:
    s3 = boto3.client("s3", config=Config(signature_version=version), **client_of(emulator, emulator.owner))
    bucket = f"ours-{version or 's3'}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="key", Body=b"body")
    url = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "key"})
    with urllib.request.urlopen(url) as answer:  # noqa: S310 - loopback
        assert answer.read() == b"body"
    _, _, path, query, _ = urlsplit(url)
    token = next(one for one in query.split("&") if one.lower().startswith("x-amz-security-token="))
    for less in (
        query.replace(token, ""),
        query.replace(token, f"{token}x"),
        query.replace(emulator.owner.access_key, ACCOUNT),
    ):
        assert emulator.ask("GET", f"{path}?{less}").status == 403


def test_session_of_a_role_that_was_assumed_works_in_its_account(emulator: Emulator) -> None:
    given = emulator.aws.client("sts", REGION).assume_role(
        RoleArn="arn:aws:iam::111122223333:role/deploys", RoleSessionName="cdk"
    )["Credentials"]
    session = Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    created = boto3.client("dsql", **client_of(emulator, session)).create_cluster()
    assert created["arn"].split(":")[4] == "111122223333"
    wrong = replace(session, session_token=emulator.owner.of_role(ROLE).session_token)
    assert_refused(asked(emulator, "S3", {}, signed_with=wrong), "has no credentials of this local AWS emulator")
    assert_refused(asked(emulator, "control", {}, signed_with=session), "Only the owner of this local AWS emulator")


def client_of(emulator: Emulator, credentials: Credentials) -> dict[str, str]:
    return {
        "region_name": REGION,
        "endpoint_url": emulator.aws.endpoint,
        "aws_access_key_id": credentials.access_key,
        "aws_secret_access_key": credentials.secret_key,
        "aws_session_token": credentials.session_token,
    }


# functions


def in_function(emulator: Emulator) -> dict[str, str]:
    """The environment that a function finds."""
    answer = emulator.aws.client("lambda", REGION).invoke(FunctionName="open")
    found: dict[str, str] = json.load(answer["Payload"])
    return found


def test_function_sees_nothing_of_the_users_environment(emulator: Emulator) -> None:
    found = in_function(emulator)
    assert set(USERS) & set(found) == {"AWS_SESSION_TOKEN"}, "its own"
    assert [name for name, value in found.items() if value in USERS.values()] == []
    assert found["HOME"] == found["TMPDIR"] == str(emulator.aws.directory)
    inherited = {name for name in found if name in os.environ and found[name] == os.environ[name]}
    assert inherited <= {"LANG", "LANGUAGE", "TZ", "LD_LIBRARY_PATH"} | {
        name for name in os.environ if name.startswith(("LC_", "PYTHON"))
    }


def test_function_has_credentials_of_its_role_and_makes_no_others_from_them(emulator: Emulator) -> None:
    found = in_function(emulator)
    own = Credentials(*(found[f"AWS_{one}"] for one in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")))
    assert own == emulator.owner.of_role(ROLE)
    emulator.aws.clear_calls()
    with pytest.raises(ClientError, match=r"role/function is not authorized to perform: dsql:ListClusters"):
        boto3.client("dsql", **client_of(emulator, own)).list_clusters()
    assert [one["role"] for one in emulator.aws.calls()] == [ROLE]
    other = f"arn:aws:iam::{ACCOUNT}:role/other"
    turned = [own.session_token.replace(ROLE, other), own.of_role(other).session_token, emulator.owner.access_key]
    for token in turned:
        answer = asked(emulator, "invoke a function", {}, signed_with=replace(own, session_token=token))
        assert_refused(answer, "has no credentials of this local AWS emulator")
    assert_refused(asked(emulator, "control", {}, signed_with=own), "Only the owner of this local AWS emulator")


# what a function's role may do


@pytest.fixture
def role(emulator: Emulator) -> Credentials:
    """Of a function that may read one parameter and publish; the same forms that attack work within that."""
    iam, name = emulator.aws.client("iam", REGION), f"reads-{uuid4()}"
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    allowed = {
        "Effect": "Allow",
        "Action": ["ssm:GetParameter", "sns:Publish", "lambda:InvokeFunction"],
        "Resource": "*",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document)
    return emulator.owner.of_role(arn)


def test_role_reads_parameters_by_the_path_that_its_policy_has_and_by_no_other(emulator: Emulator) -> None:
    iam, name = emulator.aws.client("iam", REGION), f"reads-{uuid4()}"
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    path = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/dsql-dr/Own"
    allowed = {"Effect": "Allow", "Action": "ssm:GetParametersByPath", "Resource": [path, f"{path}/*"]}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document)
    ssm = boto3.client("ssm", **client_of(emulator, emulator.owner.of_role(arn)))
    assert ssm.get_parameters_by_path(Path="/dsql-dr/Own", Recursive=True)["Parameters"] == []
    for other in ("/dsql-dr/Other", "/dsql-dr", "/"):
        with pytest.raises(ClientError, match=r"is not authorized to perform: ssm:GetParametersByPath"):
            ssm.get_parameters_by_path(Path=other, Recursive=True)


def put(name: str) -> str:
    return json.dumps({"Name": name, "Value": "forged", "Type": "String"})


JSON, FORM = "application/x-amz-json-1.1", "application/x-www-form-urlencoded"
PUT = {"x-amz-target": "AmazonSSM.PutParameter", "content-type": JSON}
TOPIC = "Action=CreateTopic&Name=forged"
ATTACKS = {
    "plainly": ("/", "ssm", PUT, put("/forged"), "is not authorized to perform: ssm:PutParameter"),
    "for S3": ("/", "s3", PUT, put("/forged"), "is signed for s3 and asks for another service"),
    "for S3, in a form": ("/", "s3", {"content-type": FORM}, TOPIC, "is signed for s3 and asks for another service"),
    "for S3, in the query": (f"/?{TOPIC}", "s3", {}, "", "is signed for s3 and asks for another service"),
    "for another service": ("/", "sns", PUT, put("/forged"), "should be scoped to correct service: 'ssm'"),
    "for none": ("/2015-03-31/functions", "fantasy", {}, CREATE, "to perform: lambda:CreateFunction"),
    "by two names": ("/?Action=GetParameter", "ssm", PUT, put("/forged"), "names its operation more than once"),
    "by path and name": (
        "/2015-03-31/functions?Action=InvokeFunction",
        "lambda",
        {},
        CREATE,
        "names its operation more than once",
    ),
    "in query and body": (
        "/?Action=Publish",
        "sns",
        {"content-type": "text/plain"},
        TOPIC,
        "names its operation more than once",
    ),
    "packed": ("/?Action=Publish", "sns", {"content-encoding": "gzip"}, "packed", "names its operation more than once"),
    "by no name": ("/", "ssm", {}, "", "is not authorized to perform: ssm:POST /"),
}


@pytest.mark.parametrize("way", ATTACKS)
def test_role_does_what_its_policies_allow_and_nothing_else_by_another_form(
    emulator: Emulator, role: Credentials, way: str
) -> None:
    path, service, headers, body, sentence = ATTACKS[way]
    answer = emulator.ask("POST", path, headers, signed_with=role, service=service, body=body)
    assert answer.status == 403
    assert sentence in answer.body.decode().replace("&apos;", "'")


def test_role_does_what_its_policies_allow(emulator: Emulator, role: Credentials) -> None:
    emulator.aws.client("ssm", REGION).put_parameter(Name="/there", Value="&Action=here", Type="String", Overwrite=True)
    topic = emulator.aws.client("sns", REGION).create_topic(Name="ours")["TopicArn"]
    client = client_of(emulator, role)
    assert boto3.client("ssm", **client).get_parameter(Name="/there")["Parameter"]["Value"] == "&Action=here"
    boto3.client("sns", **client).publish(TopicArn=topic, Message="x&Action=Subscribe")
    assert boto3.client("lambda", **client).invoke(FunctionName="open", Payload=b'"&Action=x"')["StatusCode"] == 200
    bucket = f"of-{uuid4()}"
    boto3.client("s3", **client).create_bucket(Bucket=bucket)
    boto3.client("s3", **client).put_object(Bucket=bucket, Key="key", Body=b"body")


@pytest.mark.parametrize("signs", ["owner", "role"])
@pytest.mark.parametrize(
    "credential",
    [
        "{key}/",
        "{key}",
        "{key}/20260101/us-east-1/ssm",
        "{key}/today/us-east-1/ssm/aws4_request",
        "{key}//us//aws4_request",
    ],
)
def test_signature_without_a_full_scope_is_refused(
    emulator: Emulator, role: Credentials, signs: str, credential: str
) -> None:
    own = role if signs == "role" else emulator.owner
    parts = [
        f"AWS4-HMAC-SHA256 Credential={credential.format(key=own.access_key)}",
        "SignedHeaders=host",
        "Signature=0",
    ]
    for authorization in (", ".join(parts), parts[0]):
        headers = {**PUT, "authorization": authorization, "x-amz-security-token": own.session_token}
        assert_refused(emulator.ask("POST", "/", headers, body=put("/forged")), "signature has no full scope")


@pytest.mark.parametrize(
    ("service", "sentence"),
    [("ssm", "accepts presigned URLs for S3 only"), ("s3", "is signed for s3 and asks for another service")],
)
def test_presigned_url_reaches_s3_only(emulator: Emulator, role: Credentials, service: str, sentence: str) -> None:
    scope = f"{role.access_key}/20260101/{REGION}/{service}/aws4_request"
    own = {"X-Amz-Credential": scope, "X-Amz-Security-Token": role.session_token}
    assert_refused(emulator.ask("POST", f"/?{urlencode(own)}", PUT, body=put("/forged")), sentence)
    older = {"AWSAccessKeyId": role.access_key, "X-Amz-Security-Token": role.session_token, "Action": "CreateTopic"}
    for query in (older, older | {"Action": "ListTopics"}):
        assert_refused(emulator.ask("GET", f"/?{urlencode(query)}"), "is signed for s3 and asks for another service")
    twice = f"{urlencode(own)}&{urlencode(own)}"
    assert_refused(emulator.ask("GET", f"/bucket/key?{twice}"), "the query parameter x-amz-credential more than once")


@pytest.mark.parametrize("path", ["/_ministack/reset", "/_ministack/config", "/_localstack/init", "/_emulator/calls"])
@pytest.mark.parametrize("service", ["ssm", "s3"])
def test_controls_are_the_owners_only(emulator: Emulator, role: Credentials, path: str, service: str) -> None:
    given = emulator.aws.client("sts", REGION).assume_role(RoleArn=ROLE, RoleSessionName="cdk")["Credentials"]
    session = Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    for other in (role, session):
        assert_refused(
            emulator.ask("POST", path, signed_with=other, service=service), "Only the owner of this local AWS emulator"
        )
    assert emulator.ask("GET", "/_ministack/health", signed_with=emulator.owner).status == 200
    answer = emulator.ask("PUT", f"/_ministack/cfn-response/{uuid4()}", signed_with=role, body="{}")
    assert answer.status != 403, "a custom resource may sign its answer"


# what needs no credentials


def test_function_url_asks_for_what_its_auth_type_says(emulator: Emulator) -> None:
    assert emulator.ask("GET", emulator.open_url).status == 200
    assert emulator.ask("GET", emulator.open_url, {"authorization": "Bearer of-the-app"}).status == 200
    assert emulator.ask("GET", emulator.signed_url).status == 403
    assert emulator.ask("GET", emulator.signed_url, {"authorization": "Bearer of-the-app"}).status == 403
    assert emulator.ask("GET", f"{emulator.signed_url}?X-Amz-Signature=0").status == 403
    assert emulator.ask("GET", emulator.signed_url, signed_with=emulator.owner).status == 200
    assert emulator.ask("OPTIONS", emulator.open_url).status == 403, "a preflight"


def test_unknown_function_url_leads_nowhere_else(emulator: Emulator) -> None:
    target = {"x-amz-target": "AmazonSSM.PutParameter", "content-type": "application/x-amz-json-1.1"}
    unknown = f"/_aws/lambda-url/{'0' * 32}"
    for path in (unknown, f"{unknown}/2015-03-31/functions", f"{unknown}/../../2015-03-31/functions"):
        answer = emulator.ask("POST", path, target, body=CREATE)
        assert (answer.status, json.loads(answer.body)["message"]) == (404, "Not Found")
    for path in ("/_aws/lambda-url/", "/_aws/lambda-url/short/orders", f"/x{unknown}"):
        assert_refused(emulator.ask("POST", path, body=CREATE), "has no credentials")


def test_custom_resource_answers_and_nothing_beside_it(emulator: Emulator) -> None:
    stack = Stack(emulator.aws)
    arn = emulator.aws.client("lambda", REGION).get_function(FunctionName="open")["Configuration"]["FunctionArn"]
    asks = {"Asks": {"Type": "Custom::Question", "Properties": {"ServiceToken": arn}}}
    assert stack.run("create", asks, {"Said": {"Fn::GetAtt": ["Asks", "Said"]}}) == "CREATE_COMPLETE"
    assert stack.outputs() == {"Said": "yes"}
    assert stack.run("delete") == "gone"
    for path in (f"/_ministack/cfn-response/{uuid4()}/more", "/_ministack/cfn-response/", "/_ministack/cfn-other"):
        assert_refused(emulator.ask("PUT", path, body="{}"), "has no credentials")
    assert_refused(emulator.ask("GET", f"/_ministack/cfn-response/{uuid4()}"), "has no credentials")


def test_wait_condition_is_signalled_at_its_url(emulator: Emulator) -> None:
    client = emulator.aws.client("cloudformation", REGION)
    waits = {"Handle": {"Ref": "Handle"}, "Timeout": "60"}
    resources = {
        "Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
        "Wait": {"Type": "AWS::CloudFormation::WaitCondition", "Properties": waits},
    }
    client.create_stack(StackName="Waits", TemplateBody=json.dumps({"Resources": resources}))
    url = ""
    while not url.startswith("http"):
        found = client.describe_stack_resources(StackName="Waits")["StackResources"]
        url = next((one.get("PhysicalResourceId", "") for one in found if one["LogicalResourceId"] == "Handle"), "")
    signal = json.dumps({"Status": "SUCCESS", "UniqueId": "1", "Reason": "done", "Data": "none"})
    assert emulator.ask("PUT", urlsplit(url).path, body=signal).status == 200
    client.get_waiter("stack_create_complete").wait(StackName="Waits", WaiterConfig={"Delay": 1, "MaxAttempts": 60})


# sockets


def test_every_socket_is_on_loopback(emulator: Emulator) -> None:
    in_function(emulator)
    assert emulator.aws._server.process
    found = processes.listening(emulator.aws._server.process.pid)
    ports = {int(emulator.aws.endpoint_variables()["PGPORT"]), urlsplit(emulator.aws.endpoint).port}
    assert ports <= {port for _, port in found}
    assert [address for address, _ in found if not address.is_loopback] == []
    health = json.loads(emulator.ask("GET", "/health", signed_with=emulator.owner).body)
    assert health["iot_mtls"] == "disabled"


# without an emulator


def scope(*headers: tuple[str, str], kind: str = "http", query: str = "") -> dict[str, Any]:
    return {
        "type": kind,
        "method": "GET",
        "path": "/",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }


def signed(credentials: Credentials) -> list[tuple[str, str]]:
    authorization = f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/20260101/us-east-1/dsql/aws4_request"
    authorization += ", SignedHeaders=host, Signature=0"
    return [("Authorization", authorization), ("X-Amz-Security-Token", credentials.session_token)]


@pytest.mark.parametrize("twice", ["Host", "Authorization", "X-Amz-Security-Token", "X-Amz-Target", "Content-Type"])
def test_header_that_decides_is_sent_once(twice: str) -> None:
    owner = Credentials.random()
    named = [("X-Amz-Target", "AmazonSSM.GetParameter"), ("Content-Type", JSON)]
    access_control, headers = AccessControl(1234, owner), [("Host", "127.0.0.1:1234"), *signed(owner), *named]
    assert access_control.admit(scope(*headers)) == Caller(ACCOUNT, is_owner=True)
    again = [one for one in headers if one[0] == twice]
    with pytest.raises(RefusedError, match=f"has the header {twice.lower()} more than once"):
        access_control.admit(scope(*headers, *again))


def test_web_socket_needs_the_same() -> None:
    owner, reached, sent = Credentials.random(), [], []

    async def inner(*_: Any) -> None:
        reached.append("inside")

    async def send(message: dict[str, Any]) -> None:
        sent.append(message["type"])

    nothing: Any = None
    gateway = Gateway(inner, AccessControl(1234, owner), *[nothing] * 6, enforce=True)
    host = ("Host", "127.0.0.1:1234")
    for headers in (
        [host],
        [host, *signed(Credentials.random())],
        [host, *signed(owner), ("Origin", "null")],
        [host, *signed(owner.of_role(ROLE))],
    ):
        asyncio.run(gateway(scope(*headers, kind="websocket"), nothing, send))
    assert (reached, sent) == ([], ["websocket.close"] * 4)
    asyncio.run(gateway(scope(host, *signed(owner), kind="websocket"), nothing, send))
    assert reached == ["inside"]
