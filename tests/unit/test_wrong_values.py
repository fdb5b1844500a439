"""Whatever is given, to whichever parameter: it is taken, or a sentence names the parameter."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from enum import Enum
from functools import cache
from itertools import count
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

import dsql_dr_constructs as library
from dsql_dr_constructs import (
    AlarmOptions,
    AlertingTopic,
    BackupOptions,
    ClusterOptions,
    DatabasePrivilege,
    DatabaseRole,
    DrDashboard,
    HealthAlarmOptions,
    HealthAlarms,
    HealthMonitor,
    MonitoringOptions,
    MonitorOptions,
    MultiRegionBackup,
    MultiRegionDsqlDr,
    MultiRegionMonitoring,
    RegionalCluster,
    StackOptions,
)

ARNS = [f"arn:aws:dsql:{region}:111111111111:cluster/{'a' * 26}" for region in ("us-east-1", "us-west-2")]
WRONG: tuple[Any, ...] = (
    2,
    -1,
    float("nan"),
    True,
    None,
    "x",
    "",
    b"x",
    ["a"],
    {"a": 1},
    {"a": "b"},
    object(),
    lambda: 1,
)

FITS: dict[str, Callable[[Any], bool]] = {
    "str": lambda value: isinstance(value, str),
    "int": lambda value: value == 2 and value is not True,
    "float": lambda value: value in (2, -1),
    "bool": lambda value: value is True,
    "None": lambda value: value is None,
    "Sequence[str]": lambda value: value == ["a"],
    "Mapping[str, str]": lambda value: value == {"a": "b"},
    "Mapping[str, sns.ITopic": lambda value: value == {"a": "b"},  # the Regions are compared by who has the stacks
    "Mapping[str, backup.IBackupVault": lambda value: value == {"a": "b"},
    "Duration": lambda value: isinstance(value, cdk.Duration),
}
"""What an annotation lets through, said a second time and without the library; all others let nothing through."""


@pytest.fixture(scope="module")
def things() -> Things:
    return Things()


class Things:
    """Right values for what a parameter needs, by its name or its annotation, each made once and when it is used."""

    def __init__(self) -> None:
        self._numbers = count()
        self.app, self.apart = cdk.App(), cdk.App()
        self.stack, self.other = (
            cdk.Stack(self.app, region, env=cdk.Environment(account="111111111111", region=region))
            for region in ("us-east-1", "us-west-2")
        )

    def value(self, name: str, annotation: str, owner: str) -> Any:
        if name == "scope":
            if self.apart.node.children:  # each pair in an app of its own
                self.apart = cdk.App()
            return self.apart if owner.startswith("MultiRegion") else Construct(self.stack, f"T{next(self._numbers)}")
        named: dict[str, Callable[[], Any]] = {
            "id": lambda: f"T{next(self._numbers)}",
            "deployment_name": lambda: f"t{next(self._numbers)}",
            "witness_region": lambda: "us-east-2",
            "cluster_identifier": lambda: "a" * 26,
            "peer": lambda: RegionalCluster(self.other, f"T{next(self._numbers)}", witness_region="us-east-2"),
            "name": lambda: f"t{next(self._numbers)}",
            "role_name": lambda: f"t{next(self._numbers)}",
            "grantees": lambda: [self.one("role")],
            "privileges": DatabasePrivilege.read,
            "alarms": list,
            "clusters": lambda: [self.one("cluster"), self.one("peer")],
            "address": lambda: "ops@example.com",
            "url": lambda: "https://example.com",
            "primary_region": lambda: "us-east-1",
            "secondary_region": lambda: "us-west-2",
            "actions": lambda: "dsql:GetCluster",
            "metric_name": lambda: "ParameterHealth",  # of a monitor, it needs no Region
        }
        if owner == "DatabaseRole" and name == "cluster":
            return self.one("single")
        if owner == "DrDrill" and name == "alarms":
            return self.instance(HealthAlarms)
        if owner == "RegionHealthCheck" and name == "alarms":
            return self.one("followed")
        if name in named:
            return named[name]()
        by_annotation = {"str": "us-east-1", "float": 1, "iam.IGrantable": iam.ServicePrincipal("lambda.amazonaws.com")}
        return by_annotation[annotation] if annotation in by_annotation else self.one(name)

    @cache  # noqa: B019 - lives as long as the module
    def one(self, what: str) -> Any:
        stack = self.stack
        made: dict[str, Callable[[], Any]] = {
            "cluster": lambda: RegionalCluster(stack, "Cluster", witness_region="us-east-2"),
            "single": lambda: RegionalCluster(stack, "Single"),
            "peer": lambda: RegionalCluster(self.other, "Peer", witness_region="us-east-2"),
            "monitor": lambda: HealthMonitor(
                stack, "Monitor", deployment_name="m", clusters=[self.one("cluster"), self.one("peer")]
            ),
            "followed": lambda: list(
                MultiRegionMonitoring(
                    self.app, "Followed", deployment_name="f", account="111111111111", evacuation=True
                ).alarms.values()
            ),
            "queue": lambda: sqs.Queue(stack, "Queue"),
            "role": lambda: iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com")),
            "function": lambda: lambda_.Function.from_function_arn(
                stack, "Function", f"arn:aws:lambda:us-east-1:{stack.account}:function:f"
            ),
            "vpc": lambda: ec2.Vpc(stack, "Vpc"),
            "alarm": lambda: next(iter(self.instance(HealthAlarms).alarms.values())),
        }
        return made[what]()

    @cache  # noqa: B019
    def instance(self, owner: type) -> Any:
        pair: dict[str, Any] = {"deployment_name": "i", "clusters": [self.one("cluster"), self.one("peer")]}
        made: dict[type, Callable[[], Any]] = {
            AlertingTopic: lambda: AlertingTopic(self.stack, "Topic"),
            DatabasePrivilege: DatabasePrivilege.read,
            DatabaseRole: lambda: DatabaseRole(
                self.stack, "DatabaseRole", cluster=self.one("single"), role_name="one", grantees=[self.one("role")]
            ),
            DrDashboard: lambda: DrDashboard(self.stack, "Dashboard", **pair),
            HealthAlarms: lambda: HealthAlarms(
                self.stack, "Alarms", monitor=self.one("monitor"), topic=self.instance(AlertingTopic)
            ),
            HealthMonitor: lambda: self.one("monitor"),
            MultiRegionDsqlDr: lambda: MultiRegionDsqlDr(cdk.App(), "Orders"),
            BackupOptions: BackupOptions,
            MultiRegionBackup: lambda: MultiRegionBackup(cdk.App(), "Orders", deployment_name="orders"),
            MultiRegionMonitoring: lambda: MultiRegionMonitoring(cdk.App(), "Orders", deployment_name="orders"),
        }
        return made.get(owner, lambda: self.one("cluster"))()


def callables() -> Iterator[tuple[type | None, str]]:
    """Every public callable of the package that this library defines, once."""
    seen = set()
    for name in library.__all__:
        found = getattr(library, name)
        if inspect.isclass(found):
            for attribute in sorted({name for one in found.__mro__ for name in vars(one)}):
                function = inspect.unwrap(getattr(found, attribute, None))  # type: ignore[arg-type]
                public = attribute == "__init__" or not attribute.startswith("_")
                if public and inspect.isfunction(function) and _ours(found, function) and function not in seen:
                    seen.add(function)
                    yield found, attribute
        elif inspect.isfunction(found):
            yield None, name


def _ours(found: type, function: Any) -> bool:
    return function.__module__.startswith("dsql_dr_constructs") or hasattr(found, "__dataclass_fields__")


def calls(things: Things, owner: type | None, name: str) -> Iterator[tuple[str, str, Any, Callable[[], Any]]]:
    """Each parameter with each wrong value, all others right; with what makes the call."""
    function = getattr(owner or library, name)
    parameters = [one for one in inspect.signature(function).parameters.values() if one.name != "self"]
    for under_test in parameters:
        annotation = str(under_test.annotation)
        for value in [*WRONG, *odd(annotation, under_test.default)]:
            if (value is None is under_test.default) or (value is True and annotation == "bool"):
                continue  # nothing to find out

            def call(under_test: inspect.Parameter = under_test, value: Any = value) -> Any:
                arguments = {
                    one.name: things.value(one.name, str(one.annotation), owner.__name__ if owner else name)
                    for one in parameters
                    if one.default is one.empty
                }
                if owner is MultiRegionDsqlDr and name == "__init__":
                    arguments["monitoring"] = None  # MultiRegionMonitoring has the same parameters, in half the time
                arguments[under_test.name] = value
                rest = [arguments.pop(one.name) for one in parameters if one.kind is one.VAR_POSITIONAL]
                positional = [arguments.pop(one.name) for one in parameters if rest and one.name in arguments]
                made = owner if name == "__init__" else None
                bound = made or (getattr(things.instance(owner), name) if owner else function)
                found = bound(*positional, *rest, **arguments)
                return (
                    HealthAlarmOptions(commit_latency=found) if made is AlarmOptions else found
                )  # which knows its bounds

            yield under_test.name, annotation, value, call


def odd(annotation: str, default: Any) -> Iterator[Any]:
    """Of the right type, and often no value that AWS or the CDK would take."""
    if "Duration" in annotation:
        yield from (cdk.Duration.millis(1), cdk.Duration.seconds(7), cdk.Duration.days(1000))
    if isinstance(default, Enum):
        yield from list(type(default))[:8]


def fits(value: Any, annotation: str, name: str) -> bool:
    if isinstance(value, Enum):
        return type(value).__name__ in annotation
    return any(FITS.get(one, lambda _: False)(value) for one in annotation.split(" | "))


def names(sentence: str, parameter: str) -> bool:
    """Whether the words of the parameter stand in the sentence: ``timeout`` of a peering, an ``email`` of emails."""
    said = re.sub(r"'s\b|[^a-z0-9]+", " ", sentence.lower())
    return all(word.removesuffix("s") in said for word in parameter.split("_"))


@pytest.mark.parametrize(
    ("owner", "name"),
    [pytest.param(*one, id=".".join([one[0].__name__ if one[0] else "", one[1]])) for one in callables()],
)
def test_whatever_is_given_is_taken_or_a_sentence_names_the_parameter(
    things: Things, owner: type | None, name: str
) -> None:
    wrong = []
    for parameter, annotation, value, call in calls(things, owner, name):
        try:
            call()
        except ValueError as error:
            if not (names(str(error), parameter) and str(error).endswith(".")):
                wrong.append(f"{parameter}={value!r}: {error}")
        except Exception as error:  # what must not be
            wrong.append(f"{parameter}={value!r}: {type(error).__name__}: {str(error)[:300]}")
        else:
            if not fits(value, annotation, parameter):
                wrong.append(f"{parameter}={value!r} was taken")
    assert not wrong, "\n".join(wrong)


PAIR: list[tuple[dict[str, Any], str]] = [
    ({"schedule": 2}, "schedule is 2: a Duration is needed, for example Duration.minutes(2)."),
    (
        {"monitoring": True},
        "monitoring is True: a MonitoringOptions is needed, for example MonitoringOptions(witness_observer=True).",
    ),
    ({"witness_region": None}, "witness_region is None: a string is needed."),
    ({"primary_region": ""}, "primary_region is '': a string that is not empty is needed."),
    ({"deployment_name": ""}, "deployment_name is '': a string that is not empty is needed."),
    ({"account": ""}, "account is '': a string that is not empty is needed."),
    ({"tags": ["a"]}, "tags is ['a']: a mapping of strings to strings is needed."),
    ({"tags": {"a": 1}}, "tags['a'] is 1: a string is needed."),
    ({"tags": {1: "a"}}, "a key of tags is 1: a string is needed."),
    (
        {"alert_emails": "ops@example.com"},
        "alert_emails is 'ops@example.com': a list of strings is needed; give ['ops@example.com'].",
    ),
    ({"alert_emails": ["ops@example.com", 2]}, "alert_emails[1] is 2: a string is needed."),
    (
        {"removal_policy": "destroy"},
        "removal_policy is 'destroy': a RemovalPolicy is needed, for example RemovalPolicy.DESTROY.",
    ),
    (
        {"encryption_keys": {"us-east-1": "arn:aws:kms:us-east-1:111111111111:key/a"}},
        "encryption_keys['us-east-1'] is 'arn:aws:kms:us-east-1:111111111111:key/a': a kms.Key is needed; import it "
        "with kms.Key.from_key_arn.",
    ),
]


@pytest.mark.parametrize(("given", "sentence"), PAIR)
def test_wrong_type_is_answered_with_what_is_needed(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=rf"^In MultiRegionDsqlDr 'Orders', {re.escape(sentence)}$"):
        MultiRegionDsqlDr(cdk.App(), "Orders", **given)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"account": "1234"}, r"account is '1234': 12 digits are needed"),
        ({"tags": {"AWS:team": "a"}}, r"tags has the key 'AWS:team': keys that begin with 'aws:' are reserved"),
        ({"tags": {"k" * 129: "a"}}, r"tags has the key 'k+': 1 to 128 letters"),
        ({"tags": {"team": "a" * 257}}, r"tags has the value 'a+': 1 to 256 letters"),
        ({"tags": {"team": "Zürich"}}, r"tags has the value 'Zürich': 1 to 256 letters from A to z"),
        ({"tags": {"team": ""}}, r"tags has the value '': 1 to 256 letters"),
        ({"cluster_arns": ARNS[:1]}, r"cluster_arns is \[.*\]: two clusters of one account in two Regions are needed"),
        ({"cluster_arns": []}, r"cluster_arns is \[\]: two clusters of one account in two Regions are needed"),
        ({"cluster_arns": ARNS, "account": "222222222222"}, r"account is 222222222222, and cluster_arns are of 111111"),
        ({"cluster_arns": ARNS, "primary_region": "us-west-2"}, r"primary_region is 'us-west-2', and its ARN"),
        ({"cluster_arns": ARNS, "witness_region": "us-west-2"}, r"us-west-2"),
        (
            {"cluster_arns": ARNS, "removal_policy": cdk.RemovalPolicy.DESTROY},
            r"removal_policy is DESTROY, and cluster_",
        ),
        (
            {"cluster_arns": ARNS, "removal_policy": cdk.RemovalPolicy.SNAPSHOT},
            r"removal_policy is SNAPSHOT, and cluster",
        ),
        ({"removal_policy": cdk.RemovalPolicy.SNAPSHOT}, r"removal_policy SNAPSHOT, which CloudFormation does not"),
    ],
)
def test_wrong_value_is_answered_with_what_is_allowed(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        MultiRegionDsqlDr(cdk.App(), "Orders", **given)


def test_bounds_belong_to_what_is_allowed(things: Things) -> None:
    clusters = things.value("clusters", "", "")
    for size in (128, 10240):
        scope = Construct(things.stack, f"Bounds{size}")
        HealthMonitor(
            scope,
            "Monitor",
            deployment_name="bounds",
            clusters=clusters,
            options=MonitorOptions(memory_size=size, reserved_concurrent_executions=0),
        )
    RegionalCluster(things.stack, "Tagged", tags={"k" * 128: "Team a_b.c:d/e=f+g-h@i", "team": "a" * 256})


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: AlarmOptions(threshold="1"), "In AlarmOptions, threshold is '1': a number is needed."),  # type: ignore[arg-type]
        (
            lambda: HealthAlarmOptions(commit_latency=200),  # type: ignore[arg-type]
            "In HealthAlarmOptions, commit_latency is 200: an AlarmOptions is needed, for example "
            "AlarmOptions(threshold=200).",
        ),
        (
            lambda: HealthAlarmOptions(commit_latency=AlarmOptions(period=cdk.Duration.seconds(7))),
            "commit_latency evaluates 3 periods of 7 seconds: a period is whole minutes, and all periods together are "
            "one day at most, or seven days with periods of an hour or more.",
        ),
        (
            lambda: ClusterOptions(peering_timeout=30),  # type: ignore[arg-type]
            "In ClusterOptions, peering_timeout is 30: a Duration is needed, for example Duration.minutes(30).",
        ),
        (
            lambda: ClusterOptions(name_prefix=""),
            "In ClusterOptions, name_prefix is '': a string that is not empty is needed.",
        ),
        (
            lambda: MonitoringOptions(alert_topics=["arn:1"]),  # type: ignore[arg-type]
            "In MonitoringOptions, alert_topics is ['arn:1']: a mapping of strings to sns.Topic objects or strings is "
            "needed.",
        ),
        (
            lambda: MonitoringOptions(monitor_options={"us-east-1": {"tracing": True}}),  # type: ignore[dict-item]
            "In MonitoringOptions, monitor_options['us-east-1'] is {'tracing': True}: a MonitorOptions is needed, for "
            "example MonitorOptions(probe_timeout=...).",
        ),
        (
            lambda: MonitorOptions(log_retention="1 month"),  # type: ignore[arg-type]
            "In MonitorOptions, log_retention is '1 month': a logs.RetentionDays is needed, for example "
            "logs.RetentionDays.ONE_MONTH.",
        ),
        (
            lambda: MonitorOptions(memory_size=10241),
            "memory_size is 10241: 128 to 10240 MiB are allowed; 256 is the default.",
        ),
        (
            lambda: MonitorOptions(reserved_concurrent_executions=-1),
            "reserved_concurrent_executions is -1: 0 or more are allowed; leave it out for none.",
        ),
        (
            lambda: StackOptions(synthesizer="orders"),  # type: ignore[arg-type]
            "In StackOptions, synthesizer is 'orders': a StackSynthesizer is needed.",
        ),
    ],
)
def test_wrong_field_is_answered_with_what_is_needed(make: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=rf"^{re.escape(sentence)}$"):
        make()


def test_what_is_imported_is_taken_for_what_it_is_only(things: Things) -> None:
    """jsii hands over a proxy for each; its class says nothing, and asking it would be a call to Node."""
    stack, cluster = cdk.Stack(cdk.App(), "S"), things.one("cluster")
    key = kms.Key.from_key_arn(stack, "Key", "arn:aws:kms:us-east-1:111111111111:key/a")
    assert AlertingTopic(stack, "Good", encryption_key=key).encryption_key is key
    cluster.grant_connect(iam.Role.from_role_arn(stack, "Role", "arn:aws:iam::111111111111:role/orders"))
    with pytest.raises(ValueError, match=r"existing_topic is <imported construct>: an sns.Topic is needed\.$"):
        AlertingTopic(stack, "Bad", existing_topic=key)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"grantee is <imported construct>: an iam.IGrantable is needed, for example"):
        cluster.grant_connect(key)


def test_token_is_taken_for_what_it_stands_for(things: Things) -> None:
    clusters = things.value("clusters", "", "")
    number: Any = cdk.Token.as_number({"Ref": "Memory"})
    scope = Construct(things.stack, "Tokens")
    options = MonitorOptions(memory_size=number)
    monitor = HealthMonitor(scope, "M", deployment_name="tokens", clusters=clusters, options=options)
    function: Any = monitor.function.node.default_child
    assert things.stack.resolve(function.memory_size) == {"Ref": "Memory"}
    MultiRegionDsqlDr(cdk.App(), "Orders", account=cdk.Aws.ACCOUNT_ID, monitoring=None, tags={"id": cdk.Aws.STACK_ID})
    half: Any = 256.5
    with pytest.raises(ValueError, match=r"memory_size is 256\.5: a whole number is needed\.$"):
        MonitorOptions(memory_size=half)
    with pytest.raises(ValueError, match=r"metric_name is <Intrinsic>: a string is needed; give Token.as_string"):
        things.one("cluster").metric(cdk.Token.as_any({"Ref": "Name"}))


def test_construct_outside_of_a_stack_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^In AlertingTopic 'Alerts', scope is <App>: a Stack, or a construct in one"):
        AlertingTopic(cdk.App(), "Alerts")


def test_period_that_no_metric_has_is_refused(things: Things) -> None:
    with pytest.raises(ValueError, match=r"^In ClusterMetrics.metric, period is 7 seconds: 1, 5, 10, 20, 30 or a mul"):
        things.one("cluster").metric_total_dpu(period=cdk.Duration.seconds(7))


def test_other_errors_of_the_cdk_stay_what_they_are() -> None:
    stack = cdk.Stack(cdk.App(), "S")
    AlertingTopic(stack, "Alerts")
    with pytest.raises(RuntimeError, match=r"already a [Cc]onstruct with name 'Alerts'"):
        AlertingTopic(stack, "Alerts")


def test_long_value_is_shortened() -> None:
    schedule: Any = "x" * 200
    with pytest.raises(ValueError, match=r"schedule is 'x{76}\.\.\.: a Duration is needed, for example Duration.minu"):
        MultiRegionDsqlDr(cdk.App(), "Orders", schedule=schedule)


def test_signature_stays_what_it_was() -> None:
    parameters = inspect.signature(AlertingTopic.add_slack_channel).parameters
    assert list(parameters) == ["self", "name", "workspace_id", "channel_id"]
    with pytest.raises(TypeError, match="unexpected keyword argument 'schedul'"):
        MultiRegionDsqlDr(cdk.App(), "Orders", schedul=2)  # type: ignore[call-arg]
