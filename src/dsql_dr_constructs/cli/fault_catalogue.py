"""What happens if: the faults that this library knows, in the order of docs/faults.md."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

from ..runtime.evacuation import NOTHING_DECLARED, Declaration
from ..runtime.health_monitor import metric_names as names
from ..runtime.parameter_registry import evacuation_path, health_check_path
from .catalogued_fault import OBSERVERS, Act, CataloguedFault, Expected, Pair, SimulatedAws

_BY_REGION_DOWN = 5 + 1 / 3

Kinds = Sequence[tuple[str, str]]


# how faults are made


def _each(*acts: Act) -> Act:
    """All of *acts*, in order."""

    def act(pair: Pair) -> None:
        for one in acts:
            one(pair)

    return act


def _nothing(pair: Pair) -> None:
    """It is over by itself."""


def _status(status: str, *roles: str) -> Act:
    """Give the clusters of *roles* that status."""

    def act(pair: Pair) -> None:
        for role in roles:
            region = pair.region(role)
            pair.aws.set_cluster_status(region, pair.identifiers[region], status)

    return act


def _inject(name: str, *roles: str, **fault: object) -> Act:
    """Inject one fault in the Region of each of *roles*, ``witness`` among them."""

    def act(pair: Pair) -> None:
        from ..emulator.faults import Fault  # which needs an extra that printing the catalogue does not

        for role in roles:
            region = pair.witness if role == "witness" else pair.region(role)
            pair.aws.inject(Fault(f"{name}-{role}", region=region, **fault))  # type: ignore[arg-type]

    return act


def _clear(pair: Pair) -> None:
    pair.aws.clear_faults()


def _call(service: str, role: str, operation: str, arguments: Callable[[Pair], dict[str, Any]]) -> Act:
    """One call of AWS's API in the Region of *role*."""

    def act(pair: Pair) -> None:
        getattr(pair.aws.client(service, pair.region(role)), operation)(**arguments(pair))

    return act


def _multi_region(role: str, *, peered: bool = True, witness: str | None = None) -> Act:
    """Give the cluster of *role* its peer or none, and a witness."""

    def arguments(pair: Pair) -> dict[str, Any]:
        region = pair.region(role)
        clusters = [pair.cluster_arn(pair.other(region))] if peered else []
        properties = {"witnessRegion": witness or pair.witness, "clusters": clusters}
        return {"identifier": pair.identifiers[region], "multiRegionProperties": properties}

    return _call("dsql", role, "update_cluster", arguments)


def _protected(pair: Pair) -> None:
    """Deletion protection refuses it."""
    client = pair.aws.client("dsql", pair.primary)
    try:
        client.delete_cluster(identifier=pair.identifiers[pair.primary])
    except Exception as refused:
        if "ValidationException" not in str(refused):
            raise
    else:
        raise AssertionError("the cluster is deleted, although it has deletion protection")


def _delete_cluster(pair: Pair) -> None:
    """As somebody does who switches deletion protection off before."""
    client, named = pair.aws.client("dsql", pair.primary), {"identifier": pair.identifiers[pair.primary]}
    pair.memory["protected"] = client.get_cluster(**named)["deletionProtectionEnabled"]
    client.update_cluster(**named, deletionProtectionEnabled=False)
    client.delete_cluster(**named)


def _protect_again(pair: Pair) -> None:
    pair.aws.client("dsql", pair.primary).update_cluster(
        identifier=pair.identifiers[pair.primary], deletionProtectionEnabled=pair.memory["protected"]
    )


def _rule(operation: str, role: str = "primary", **more: Any) -> Act:
    return _call("events", role, operation, lambda pair: {"Name": pair.monitor, **more})


def _without_targets(pair: Pair) -> None:
    events = pair.aws.client("events", pair.primary)
    pair.memory["targets"] = events.list_targets_by_rule(Rule=pair.monitor)["Targets"]
    events.remove_targets(Rule=pair.monitor, Ids=[one["Id"] for one in pair.memory["targets"]])


def _input_of_a_delete(pair: Pair) -> None:
    events = pair.aws.client("events", pair.primary)
    pair.memory["targets"] = events.list_targets_by_rule(Rule=pair.monitor)["Targets"]
    changed = [{**one, "Input": json.dumps({"RequestType": "Delete"})} for one in pair.memory["targets"]]
    events.put_targets(Rule=pair.monitor, Targets=changed)


def _former_targets(pair: Pair) -> None:
    pair.aws.client("events", pair.primary).put_targets(Rule=pair.monitor, Targets=pair.memory["targets"])


def _without_permission_to_invoke(pair: Pair) -> None:
    function = pair.aws.client("lambda", pair.primary)
    statements = json.loads(function.get_policy(FunctionName=pair.monitor)["Policy"])["Statement"]
    [statement] = [one for one in statements if ":rule/" in json.dumps(one)]
    pair.memory["source"] = next(iter(statement["Condition"]["ArnLike"].values()))
    function.remove_permission(FunctionName=pair.monitor, StatementId=statement["Sid"])


def _with_permission_to_invoke(pair: Pair) -> None:
    pair.aws.client("lambda", pair.primary).add_permission(
        FunctionName=pair.monitor,
        StatementId="AllowRule",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=pair.memory["source"],
    )


def _delete_function(pair: Pair) -> None:
    function = pair.aws.client("lambda", pair.primary)
    pair.memory["function"] = function.get_function_configuration(FunctionName=pair.monitor)
    _without_permission_to_invoke(pair)  # which goes with the function
    function.delete_function(FunctionName=pair.monitor)


def _create_function(pair: Pair) -> None:
    kept = ("FunctionName", "Role", "Environment", "DeadLetterConfig")
    properties = {key: pair.memory["function"][key] for key in kept}
    pair.aws.client("lambda", pair.primary).create_function(**properties, Code={"ZipFile": b"as deployed"})
    _with_permission_to_invoke(pair)


def _environment(**changes: str) -> Act:
    """Change variables of the primary's monitor."""

    def act(pair: Pair) -> None:
        function = pair.aws.client("lambda", pair.primary)
        variables = function.get_function_configuration(FunctionName=pair.monitor)["Environment"]["Variables"]
        pair.memory["variables"] = variables
        changed = {"Variables": {**variables, **changes}}
        function.update_function_configuration(FunctionName=pair.monitor, Environment=changed)

    return act


def _former_environment(pair: Pair) -> None:
    pair.aws.client("lambda", pair.primary).update_function_configuration(
        FunctionName=pair.monitor, Environment={"Variables": pair.memory["variables"]}
    )


def _concurrency(pair: Pair) -> dict[str, Any]:
    return {"FunctionName": pair.monitor, "ReservedConcurrentExecutions": 0}


def _queue(pair: Pair, region: str) -> tuple[Any, str]:
    """Client and URL of the monitor's dead-letter queue there."""
    function = pair.aws.client("lambda", region).get_function_configuration(FunctionName=pair.monitor)
    name = function["DeadLetterConfig"]["TargetArn"].rpartition(":")[2]
    sqs = pair.aws.client("sqs", region)
    return sqs, str(sqs.get_queue_url(QueueName=name)["QueueUrl"])


def _purge(role: str = "primary") -> Act:
    """Purge the monitor's dead-letter queue, as the notification says."""

    def act(pair: Pair) -> None:
        sqs, url = _queue(pair, pair.region(role))
        sqs.purge_queue(QueueUrl=url)

    return act


def _role(pair: Pair) -> str:
    """Name of the role of the primary's monitor."""
    function = pair.aws.client("lambda", pair.primary).get_function_configuration(FunctionName=pair.monitor)
    return str(function["Role"].rpartition("/")[2])


def _deny(*actions: str) -> Act:
    """Deny *actions* to the monitor in the primary Region."""
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Deny", "Action": [*actions], "Resource": "*"}],
    }
    policy = {"PolicyName": "denied", "PolicyDocument": json.dumps(document)}
    return _call("iam", "primary", "put_role_policy", lambda pair: {"RoleName": _role(pair), **policy})


_allow = _call("iam", "primary", "delete_role_policy", lambda pair: {"RoleName": _role(pair), "PolicyName": "denied"})


def _topics_key(pair: Pair, region: str) -> str:
    """Identifier of the key of the topic for faults there."""
    if "key" not in pair.memory:
        found = pair.aws.client("kms", region).describe_key(KeyId=pair.key_alias)
        pair.memory["key"] = found["KeyMetadata"]["KeyId"]
    return str(pair.memory["key"])


def _remember_topics_key(pair: Pair) -> None:
    _topics_key(pair, pair.primary)


def _on_topics_key(operation: str, **more: Any) -> Act:
    return _call("kms", "primary", operation, lambda pair: {"KeyId": _topics_key(pair, pair.primary), **more})


def _without_key_policy(pair: Pair) -> None:
    kms, key = pair.aws.client("kms", pair.primary), _topics_key(pair, pair.primary)
    pair.memory["key policy"] = kms.get_key_policy(KeyId=key)["Policy"]
    policy = json.loads(pair.memory["key policy"])
    statements = [one for one in policy["Statement"] if "Service" not in one["Principal"]]
    kms.put_key_policy(KeyId=key, Policy=json.dumps({**policy, "Statement": statements}))


def _former_key_policy(pair: Pair) -> None:
    key = _topics_key(pair, pair.primary)
    pair.aws.client("kms", pair.primary).put_key_policy(KeyId=key, Policy=pair.memory["key policy"])


def _clusters_key(operation: str, role: str = "primary") -> Act:
    def arguments(pair: Pair) -> dict[str, Any]:
        region = pair.region(role)
        found = pair.aws.client("dsql", region).get_cluster(identifier=pair.identifiers[region])
        return {"KeyId": found["encryptionDetails"]["kmsKeyArn"]}

    return _call("kms", role, operation, arguments)


def _functions_key(operation: str) -> Act:
    def arguments(pair: Pair) -> dict[str, Any]:
        function = pair.aws.client("lambda", pair.primary).get_function_configuration(FunctionName=pair.monitor)
        return {"KeyId": function["KMSKeyArn"]}

    return _call("kms", "primary", operation, arguments)


def _alias(operation: str) -> Act:
    def arguments(pair: Pair) -> dict[str, Any]:
        target = {"TargetKeyId": _topics_key(pair, pair.primary)}
        return {"AliasName": pair.key_alias, **(target if operation == "create_alias" else {})}

    return _call("kms", "primary", operation, arguments)


def _unsubscribe(*roles: str) -> Act:
    def act(pair: Pair) -> None:
        for role in roles:
            region = pair.region(role)
            sns, topic = pair.aws.client("sns", region), pair.topic_arn(region)
            found = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
            pair.memory[f"subscriptions {role}"] = [(one["Protocol"], one["Endpoint"]) for one in found]
            for one in found:
                sns.unsubscribe(SubscriptionArn=one["SubscriptionArn"])

    return act


def _subscribe(*roles: str) -> Act:
    def act(pair: Pair) -> None:
        for role in roles:
            region = pair.region(role)
            for protocol, endpoint in pair.memory[f"subscriptions {role}"]:
                pair.aws.client("sns", region).subscribe(
                    TopicArn=pair.topic_arn(region), Protocol=protocol, Endpoint=endpoint
                )

    return act


_SECOND = "second@example.com"


def _unsubscribe_one_of_two(pair: Pair) -> None:
    pair.memory["subscriptions primary"] = [("email", _SECOND)]
    _subscribe("primary")(pair)
    sns, topic = pair.aws.client("sns", pair.primary), pair.topic_arn(pair.primary)
    one = next(
        one for one in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] if one["Endpoint"] != _SECOND
    )
    pair.memory["subscriptions primary"] = [(one["Protocol"], one["Endpoint"])]
    sns.unsubscribe(SubscriptionArn=one["SubscriptionArn"])


def _subscribe_it_again(pair: Pair) -> None:
    _subscribe("primary")(pair)
    sns, topic = pair.aws.client("sns", pair.primary), pair.topic_arn(pair.primary)
    for one in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]:
        if one["Endpoint"] == _SECOND:
            sns.unsubscribe(SubscriptionArn=one["SubscriptionArn"])


def _delete_topic(pair: Pair) -> None:
    sns, topic = pair.aws.client("sns", pair.primary), pair.topic_arn(pair.primary)
    pair.memory["attributes"] = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    _unsubscribe("primary")(pair)
    sns.delete_topic(TopicArn=topic)


def _create_topic(pair: Pair) -> None:
    attributes = pair.memory["attributes"]
    kept = {name: attributes[name] for name in ("DisplayName", "Policy", "KmsMasterKeyId") if name in attributes}
    name = pair.topic_arn(pair.primary).rpartition(":")[2]
    pair.aws.client("sns", pair.primary).create_topic(Name=name, Attributes=kept)
    _subscribe("primary")(pair)


def _topic_policy(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Act:
    """Change the policy of the primary's topic."""

    def act(pair: Pair) -> None:
        sns, topic = pair.aws.client("sns", pair.primary), pair.topic_arn(pair.primary)
        policy = sns.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"]
        pair.memory["policy"] = policy
        changed = json.dumps(change(json.loads(policy)))
        sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=changed)

    return act


def _former_topic_policy(pair: Pair) -> None:
    pair.aws.client("sns", pair.primary).set_topic_attributes(
        TopicArn=pair.topic_arn(pair.primary), AttributeName="Policy", AttributeValue=pair.memory["policy"]
    )


def _denies_only(policy: dict[str, Any]) -> dict[str, Any]:
    return {**policy, "Statement": [one for one in policy["Statement"] if one["Effect"] == "Deny"]}


def _cause_kept(pair: Pair) -> None:
    """CloudWatch refuses to delete it.

    Source: https://github.com/ekristen/aws-nuke/issues/462 (has the answer of AWS)
    """
    try:
        _on_alarm("delete_alarms", "monitor-no-data")(pair)
    except Exception as refused:
        if "composite alarm(s) depending on it" not in str(refused):
            raise
    else:
        raise AssertionError("the alarm is deleted, although a composite alarm depends on it")


def _on_alarm(operation: str, what: str = "cluster-down-secondary") -> Act:
    return _call("cloudwatch", "primary", operation, lambda pair: {"AlarmNames": [pair.alarm(what, pair.primary)]})


_OF_PUT_METRIC_ALARM = [
    "AlarmName",
    "AlarmDescription",
    "ActionsEnabled",
    "OKActions",
    "AlarmActions",
    "InsufficientDataActions",
    "MetricName",
    "Namespace",
    "Statistic",
    "ExtendedStatistic",
    "Dimensions",
    "Period",
    "Unit",
    "EvaluationPeriods",
    "DatapointsToAlarm",
    "Threshold",
    "ComparisonOperator",
    "TreatMissingData",
    "EvaluateLowSampleCountPercentile",
    "Metrics",
]
"""What PutMetricAlarm takes of what DescribeAlarms gives."""


def _remember(what: str) -> Act:
    """What the primary's alarm is, to put it again."""

    def act(pair: Pair) -> None:
        cloudwatch = pair.aws.client("cloudwatch", pair.primary)
        [found] = cloudwatch.describe_alarms(AlarmNames=[pair.alarm(what, pair.primary)])["MetricAlarms"]
        pair.memory["alarm"] = {key: found[key] for key in _OF_PUT_METRIC_ALARM if found.get(key) not in (None, [])}

    return act


_remember_alarm = _remember("cluster-down-secondary")


def _put_alarm(**changes: Any) -> Act:
    return _call("cloudwatch", "primary", "put_metric_alarm", lambda pair: {**pair.memory["alarm"], **changes})


def _parameter(change: Callable[[Pair], str]) -> Act:
    """Write another endpoint of the secondary's cluster into the primary's SSM."""

    def arguments(pair: Pair) -> dict[str, Any]:
        name = pair.parameter(pair.secondary, "endpoint")
        return {"Name": name, "Value": change(pair), "Type": "String", "Overwrite": True}

    return _call("ssm", "primary", "put_parameter", arguments)


def _endpoint(pair: Pair) -> str:
    return f"{pair.identifiers[pair.secondary]}.dsql.{pair.secondary}.on.aws"


_former_parameter = _parameter(_endpoint)


def _parameters_of_another_pair(pair: Pair) -> None:
    """As another deployment of the same name would write them."""
    other = "anotherpair" + "0" * 15
    written = {
        "arn": pair.cluster_arn(pair.secondary).replace(pair.identifiers[pair.secondary], other),
        "identifier": other,
        "endpoint": _endpoint(pair).replace(pair.identifiers[pair.secondary], other),
    }
    _write_parameters(pair, written)


def _write_parameters(pair: Pair, written: dict[str, str]) -> None:
    for region in pair.regions:
        for field, value in written.items():
            name = pair.parameter(pair.secondary, field)
            pair.aws.client("ssm", region).put_parameter(Name=name, Value=value, Type="String", Overwrite=True)


def _former_parameters(pair: Pair) -> None:
    identifier = pair.identifiers[pair.secondary]
    written = {"arn": pair.cluster_arn(pair.secondary), "identifier": identifier, "endpoint": _endpoint(pair)}
    _write_parameters(pair, written)


def _forge(role: str, **values: float) -> Act:
    """Put metrics of the monitor in the Region of *role*, as somebody may who has cloudwatch:PutMetricData."""

    def act(pair: Pair) -> None:
        region = pair.region(role)
        data = [
            {
                "MetricName": name,
                "Value": value,
                "Dimensions": [
                    {"Name": "Deployment", "Value": pair.deployment},
                    {"Name": "ClusterRegion", "Value": cluster},
                    {"Name": "ObserverRegion", "Value": region},
                ],
            }
            for name, value in values.items()
            for cluster in (pair.regions if name == "ProbeAttempts" else pair.regions[:1])
        ]
        pair.aws.client("cloudwatch", region).put_metric_data(Namespace=names.NAMESPACE, MetricData=data)

    return act


def _write_evacuation(pair: Pair, role: str, value: str) -> None:
    name = evacuation_path(pair.deployment)
    pair.aws.client("ssm", pair.region(role)).put_parameter(Name=name, Value=value, Type="String", Overwrite=True)


def _evacuate(*roles: str, back: bool = False) -> Act:
    """Declare the primary evacuated, or no longer, as `dsql-dr evacuate` does it in the Regions of *roles*."""

    def act(pair: Pair) -> None:
        for role in roles:
            _write_evacuation(pair, role, Declaration.value(None if back else pair.primary, "a fault of the catalogue"))
            _forge(role, **{names.EVACUATED: 0.0 if back else 1.0})(pair)

    return act


def _take_users_again(pair: Pair) -> None:
    """And leave the parameters as they were deployed."""
    _evacuate(*OBSERVERS, back=True)(pair)
    for role in OBSERVERS:
        _write_evacuation(pair, role, NOTHING_DECLARED)


def _overwrite_evacuation(pair: Pair) -> None:
    for role in OBSERVERS:
        _write_evacuation(pair, role, Declaration.value("eu-west-1", "not of this pair"))


_delete_evacuation = _call(
    "ssm", "primary", "delete_parameters", lambda pair: {"Names": [evacuation_path(pair.deployment)]}
)


def _health_check(inverted: bool) -> Act:
    """Invert that of the primary, or no longer."""

    def arguments(pair: Pair) -> dict[str, Any]:
        name = health_check_path(pair.deployment, pair.primary)
        [found] = pair.aws.client("ssm", pair.primary).get_parameters(Names=[name])["Parameters"]
        return {"HealthCheckId": found["Value"], "Inverted": inverted}

    return _call("route53", "primary", "update_health_check", arguments)


def _sql(statement: str) -> Act:
    """Run SQL as admin, with ROLE, TABLE and IAM of the SQL probe of the primary's monitor."""

    def act(pair: Pair) -> None:
        function = pair.aws.client("lambda", pair.primary).get_function_configuration(FunctionName=pair.monitor)
        variables = function["Environment"]["Variables"]
        known = {"ROLE": variables["SQL_ROLE"], "TABLE": variables["SQL_TABLE"], "IAM": function["Role"]}
        whole = statement
        for name, value in known.items():
            whole = whole.replace(f"{{{name}}}", value)
        if pair.run_sql is None:
            raise ValueError("This fault needs SQL, and the pair has no database: give its Pair run_sql.")
        pair.run_sql(pair.primary, whole)

    return act


def _dead_letter(pair: Pair) -> None:
    sqs, url = _queue(pair, pair.primary)
    sqs.send_message(QueueUrl=url, MessageBody="{}")


def _simulated(act: Callable[[SimulatedAws, Pair], None]) -> Act:
    return lambda pair: act(cast("SimulatedAws", pair.aws), pair)


def _cut(*ways: tuple[str, str]) -> Act:
    """Cut the network from the monitor of one role to the Region of another."""

    def act(aws: SimulatedAws, pair: Pair) -> None:
        for observer, region in ways:
            aws.cut_network(pair.region(observer), pair.region(region))

    return _simulated(act)


def _own_metric(name: str, value: float) -> Act:
    """Let Aurora DSQL put a metric of the primary's cluster."""
    return _simulated(lambda aws, pair: aws.put_of_cluster(pair.primary, name, value))


_reconnect = _simulated(lambda aws, pair: aws.restore_network())


def _use_up_the_quota(pair: Pair) -> None:
    """Until AWS refuses one more multi-Region cluster."""
    client = pair.aws.client("dsql", pair.primary)
    made = pair.memory["made"] = []
    properties = {"witnessRegion": pair.witness}
    while len(made) < 100:
        try:
            created = client.create_cluster(deletionProtectionEnabled=False, multiRegionProperties=properties)
        except Exception as refused:
            if "ServiceQuotaExceededException" not in str(refused):
                raise
            return
        made.append(created["identifier"])
    raise AssertionError("there is no quota of clusters")


def _delete_what_was_made(pair: Pair) -> None:
    client = pair.aws.client("dsql", pair.primary)
    for identifier in pair.memory["made"]:
        client.delete_cluster(identifier=identifier)


# what users get


def _from_both(kind: str) -> Kinds:
    return [(kind, role) for role in OBSERVERS]


def _same(verdict: str | None) -> dict[str, str | None]:
    return dict.fromkeys(OBSERVERS, verdict)


def _unnoticed(verdict: str = "HEALTHY") -> Expected:
    return Expected(verdicts=_same(verdict))


_PRIMARY_DOWN = Expected(
    verdicts=_same("CLUSTER_DOWN primary"),
    notified=_from_both("cluster-down-primary"),
    within=_BY_REGION_DOWN,
    traffic_leaves=["primary"],
)
_FAILS = {"primary": None, "secondary": "HEALTHY"}


def _monitor(
    within: float,
    *warnings: str,
    secondary: str = "HEALTHY",
    primary: str | None = None,
    leaves: Sequence[str] = (),
) -> Expected:
    """The primary's monitor does not work."""
    return Expected(
        verdicts={"primary": primary, "secondary": secondary},
        notified=[("monitoring-not-working", "primary")],
        within=within,
        warnings=[(one, "primary") for one in warnings],
        traffic_leaves=leaves,
    )


_BROKEN = Expected(
    verdicts={"primary": "HEALTHY", "secondary": "NOTIFICATIONS_BROKEN"},
    notified=[("notifications-broken", "secondary")],
    within=10,
)

_SWITCH = "Send the application to the endpoint of the other Region; nothing has to be promoted."
_BACK = "AWS repairs it; then send the application back. Both clusters have the same data at once."
_ASK_OTHER = "Get the verdict from the other Region. Read in the log of the function why this monitor does not work"
_REPAIR_NOTIFICATIONS = "The verdict's answer names the broken part under notifications; repair it."
_REVERT = "Somebody reverts the drift of that Region's monitoring stack (a drift-aware change set)."
_REPAIR = "The repair command of the notification writes what was deployed; then find out who did it (CloudTrail)."
_METRICS_OF_AWS = "Only AWS writes metrics of its own namespaces."
_REAL_CLOCK = "The monitor gives a refused check ten minutes, and one without an answer thirty, by the real clock."
_MACHINES_CLOCK = "The emulator's functions have this machine's clock."
_BY_SECONDS = (
    "Whether a Region that is back notifies of its own monitor, which has not run yet, is a matter of seconds."
)
_COPY = (
    "Route 53 has a copy of the alarm's settings and reads the metric itself (AWS does not document what it does "
    "without the alarm)"
)
_FAILOVER = frozenset({"failover"})
_NO_ORIGIN = "The emulator's faults are the same for all callers, and this one is of one monitor only."

REGIONS = (
    CataloguedFault(
        name="region-lost",
        group="Regions",
        title="a Region is lost: nothing in it answers or runs",
        begin=_inject("lost", "primary", effect="timeout"),
        end=_clear,
        expected=Expected(
            verdicts={"primary": None, "secondary": "CLUSTER_DOWN primary"},
            notified=[("cluster-down-primary", "secondary")],
            within=_BY_REGION_DOWN,
            afterwards=[("monitoring-not-working", "primary")],
            traffic_leaves=["primary"],
        ),
        runbook=_SWITCH,
        ends="AWS repairs the Region; then send the application back. Its own alarm monitoring-not-working may notify "
        "when it is back, until its monitor has run.",
    ),
    CataloguedFault(
        name="region-lost-briefly",
        group="Regions",
        title="a Region is lost for less than two minutes: nothing in it answers or runs",
        begin=_nothing,
        then=[(1.5, _inject("short", "primary", effect="timeout"))],
        end=_clear,
        lasts=3,
        expected=Expected(verdicts={"primary": None, "secondary": "CLUSTER_DOWN primary"}),
        runbook="Nothing: one failed check notifies nobody; it is on the dashboard.",
        ends="By itself.",
    ),
    CataloguedFault(
        name="control-plane-fails",
        group="Regions",
        title="GetCluster fails in a Region (HTTP 500), and its endpoint serves",
        begin=_inject("control-plane", "primary", service="dsql"),
        end=_clear,
        expected=_PRIMARY_DOWN,
        runbook="The verdict has reachable: true and a problem of GetCluster only: the application can stay where it "
        "is while its own requests succeed.",
        ends=_BACK,
    ),
    CataloguedFault(
        name="get-cluster-throttled",
        group="Regions",
        title="AWS throttles GetCluster for as long as a run tries again",
        begin=_inject("throttled", "primary", service="dsql", call="GetCluster", error="ThrottlingException"),
        end=_clear,
        expected=_PRIMARY_DOWN,
        runbook="The verdict has reachable: true and the problem ThrottlingException: the cluster serves. Find out who "
        "calls the API so often (CloudTrail).",
        ends="When the account calls the API less.",
    ),
    CataloguedFault(
        name="witness-lost",
        group="Regions",
        title="the witness Region is lost",
        begin=_inject("witness", "witness", effect="timeout"),
        end=_clear,
        expected=_unnoticed(),
        runbook="Nothing: two of three Regions decide, and both clusters go on.",
        ends="AWS repairs it.",
    ),
    CataloguedFault(
        name="both-endpoints-fail",
        group="Regions",
        title="both clusters do not answer",
        begin=_inject("both", *OBSERVERS, service="postgresql"),
        end=_clear,
        expected=Expected(
            verdicts=_same("BOTH_DOWN"),
            notified=[*_from_both("cluster-down-primary"), *_from_both("cluster-down-secondary")],
            within=_BY_REGION_DOWN,
            traffic_leaves=OBSERVERS,
        ),
        runbook="Both Regions report both clusters: open a case with AWS. If one Region alone reports it, its own "
        "network is at fault.",
        ends="AWS repairs it; no write is possible until one cluster is back.",
    ),
    CataloguedFault(
        name="region-and-witness-lost",
        group="Regions",
        title="a Region and the witness are lost, and the remaining cluster, without a majority, answers no statement",
        begin=_each(
            _inject("lost", "primary", effect="timeout"),
            _inject("witness", "witness", effect="timeout"),
            _inject("alone", "secondary", service="postgresql", call="Query", effect="timeout"),
        ),
        end=_clear,
        needs=frozenset({"sql"}),
        expected=Expected(
            verdicts={"primary": None, "secondary": "BOTH_DOWN"},
            notified=[("cluster-down-primary", "secondary"), ("cluster-down-secondary", "secondary")],
            within=_BY_REGION_DOWN,
            afterwards=[("monitoring-not-working", "primary")],
            traffic_leaves=OBSERVERS,
        ),
        runbook="Open a case with AWS, which does not describe this case: nothing can be promoted. Without the SQL "
        "probe the verdict is CLUSTER_DOWN of the lost Region, so try a statement before you send the application.",
        ends="AWS repairs one of the two; expect that nothing can be written before.",
    ),
    CataloguedFault(
        name="drill-by-fis",
        group="Regions",
        title="AWS FIS lets every new connection to a cluster fail for ten minutes, as a drill does",
        begin=_inject("drill", "primary", service="postgresql", call="Connect"),
        end=_clear,
        lasts=10,
        expected=_PRIMARY_DOWN,
        runbook="The notification does not say that it is a drill. `dsql-dr status` names an experiment that is "
        "running, and the command that stops it.",
        ends="By itself, or when somebody stops the experiment.",
        only_simulated="`dsql-dr rehearse --drill` runs the experiment there.",
    ),
    CataloguedFault(
        name="both-regions-lost",
        group="Regions",
        title="both Regions are lost: nothing in them answers or runs",
        begin=_inject("lost", *OBSERVERS, effect="timeout"),
        end=_clear,
        expected=Expected(
            verdicts=_same(None), afterwards=_from_both("monitoring-not-working"), traffic_leaves=OBSERVERS
        ),
        runbook="Nobody is left to notify, unless a third Region monitors the pair (witness_observer=True): it "
        "notifies of both clusters. Your application's own alarms outside of these Regions notice it.",
        ends="AWS repairs it; no write is possible until one cluster is back.",
        only_simulated="Its alarms are raised after its end, when the emulator evaluates them again.",
    ),
    CataloguedFault(
        name="fault-comes-and-goes",
        group="Regions",
        title="a fault comes and goes: a cluster does not answer for three minutes, then answers for three, and so on",
        begin=_inject("flaps", "primary", service="postgresql"),
        then=[
            (minutes, _clear if minutes % 6 else _inject("flaps", "primary", service="postgresql"))
            for minutes in range(3, 30, 3)
        ],
        end=_clear,
        lasts=30,
        expected=Expected(verdicts=_same("CLUSTER_DOWN primary or HEALTHY")),
        runbook="Nobody is notified, however often it comes back: a fault of three minutes can be over before a second "
        "check has failed. Each failed check is on the dashboard, and your application's own alarms notice the errors.",
        ends="AWS repairs it.",
        only_simulated="It depends on seconds, and the emulator's times are not that exact.",
    ),
)

CLUSTERS = (
    CataloguedFault(
        name="cluster-failed",
        group="Clusters",
        title="a cluster is FAILED",
        begin=_status("FAILED", "primary"),
        end=_status("ACTIVE", "primary"),
        expected=_PRIMARY_DOWN,
        runbook=_SWITCH,
        ends=_BACK,
    ),
    CataloguedFault(
        name="cluster-in-setup",
        group="Clusters",
        title="a cluster that served is in PENDING_SETUP again",
        begin=_status("PENDING_SETUP", "primary"),
        end=_status("ACTIVE", "primary"),
        expected=_PRIMARY_DOWN,
        runbook=_SWITCH,
        ends="AWS finishes the setup; if a peer was removed, the repair command.",
    ),
    CataloguedFault(
        name="cluster-of-unknown-status",
        group="Clusters",
        title="a cluster has a status that AWS adds after this version",
        begin=_status("MAINTENANCE", "primary"),
        end=_status("ACTIVE", "primary"),
        expected=_PRIMARY_DOWN,
        runbook=f"{_SWITCH} Every status but ACTIVE, IDLE, INACTIVE and UPDATING is a fault.",
        ends=_BACK,
    ),
    CataloguedFault(
        name="cluster-pending-delete",
        group="Clusters",
        title="somebody switches deletion protection off and deletes a cluster",
        begin=_delete_cluster,
        end=_each(_status("ACTIVE", "primary"), _protect_again),
        expected=_PRIMARY_DOWN,
        runbook=f"{_SWITCH} It stays in PENDING_DELETE for as long as its peer exists.",
        ends="A deleted cluster does not come back: a new pair from a backup, or open a case with AWS at once.",
    ),
    CataloguedFault(
        name="cluster-not-found",
        group="Clusters",
        title="a cluster does not exist any more",
        begin=_inject("gone", "primary", service="dsql", call="GetCluster", error="ResourceNotFoundException"),
        end=_clear,
        expected=_PRIMARY_DOWN,
        runbook=_SWITCH,
        ends="A new pair from a backup (dsql-dr restore).",
    ),
    CataloguedFault(
        name="delete-refused",
        group="Clusters",
        title="somebody deletes a cluster that has deletion protection, the default",
        begin=_protected,
        end=_nothing,
        needs=frozenset({"deletion-protection"}),
        expected=_unnoticed(),
        runbook="Nothing: Aurora DSQL refuses it. CloudTrail has the call.",
        ends="At once.",
    ),
    CataloguedFault(
        name="cluster-idle",
        group="Clusters",
        title="nobody uses a cluster, and it becomes IDLE",
        begin=_status("IDLE", "primary"),
        end=_status("ACTIVE", "primary"),
        expected=_unnoticed(),
        runbook="Nothing: the next login wakes it.",
        ends="With the next login.",
    ),
    CataloguedFault(
        name="clusters-inactive",
        group="Clusters",
        title="nobody uses the pair for long, and both clusters become INACTIVE",
        begin=_status("INACTIVE", *OBSERVERS),
        end=_status("ACTIVE", *OBSERVERS),
        expected=_unnoticed(),
        runbook="Nothing: the next login wakes them, and takes longer.",
        ends="With the next login.",
    ),
    CataloguedFault(
        name="cluster-updating",
        group="Clusters",
        title="a cluster is UPDATING, by a deployment or in the console",
        begin=_status("UPDATING", "primary"),
        end=_status("ACTIVE", "primary"),
        expected=_unnoticed(),
        runbook="Nothing: it serves meanwhile.",
        ends="By itself.",
    ),
)

NETWORK = (
    CataloguedFault(
        name="endpoint-refuses",
        group="Network, names and certificates",
        title="the endpoint of a cluster answers connections with an error",
        begin=_inject("refuses", "primary", service="postgresql", call="Connect"),
        end=_clear,
        expected=_PRIMARY_DOWN,
        runbook=_SWITCH,
        ends=_BACK,
    ),
    CataloguedFault(
        name="endpoint-hangs",
        group="Network, names and certificates",
        title="the endpoint of a cluster does not answer, or so slowly that no try succeeds",
        begin=_inject("hangs", "primary", service="postgresql", call="Connect", effect="timeout"),
        end=_clear,
        expected=_PRIMARY_DOWN,
        runbook=_SWITCH,
        ends=_BACK,
    ),
    CataloguedFault(
        name="name-without-address",
        group="Network, names and certificates",
        title="DNS does not resolve the name of an endpoint",
        begin=_simulated(lambda aws, pair: aws.break_endpoint(pair.primary, "name")),
        end=_simulated(lambda aws, pair: aws.break_endpoint(pair.primary, None)),
        expected=_PRIMARY_DOWN,
        runbook=f"{_SWITCH} The problem says: name not found.",
        ends=_BACK,
        only_simulated="The emulator's functions resolve all endpoints to this machine.",
    ),
    CataloguedFault(
        name="certificate-expired",
        group="Network, names and certificates",
        title="the certificate of an endpoint is expired",
        begin=_simulated(lambda aws, pair: aws.break_endpoint(pair.primary, "certificate")),
        end=_simulated(lambda aws, pair: aws.break_endpoint(pair.primary, None)),
        expected=_PRIMARY_DOWN,
        runbook=f"{_SWITCH} The problem names the certificate. Do not switch the check of certificates off.",
        ends=_BACK,
        only_simulated="The emulator's own authority issues its certificates.",
    ),
    CataloguedFault(
        name="regions-disconnected",
        group="Network, names and certificates",
        title="the Regions lose the connection to each other",
        begin=_cut(("primary", "secondary"), ("secondary", "primary")),
        end=_reconnect,
        lasts=45,
        expected=Expected(
            verdicts={"primary": "CLUSTER_DOWN secondary", "secondary": "CLUSTER_DOWN primary"},
            notified=[("cluster-down-secondary", "primary"), ("cluster-down-primary", "secondary")],
            within=_BY_REGION_DOWN,
        ),
        runbook="Each Region reports the other cluster. The side that reaches the witness takes writes: send the "
        "application to the endpoint that commits: try a commit at each with psql, or, with the SQL probe, get the "
        "verdict in each Region, in which sql of its own cluster has serves.",
        ends=_BACK,
        only_simulated=_NO_ORIGIN,
    ),
    CataloguedFault(
        name="one-way-disconnected",
        group="Network, names and certificates",
        title="one Region does not reach the other, which reaches it",
        begin=_cut(("primary", "secondary")),
        end=_reconnect,
        expected=Expected(
            verdicts={"primary": "CLUSTER_DOWN secondary", "secondary": "HEALTHY"},
            notified=[("cluster-down-secondary", "primary")],
            within=_BY_REGION_DOWN,
        ),
        runbook="The other Region's verdict is HEALTHY: only applications in the Region that notified are affected.",
        ends=_BACK,
        only_simulated=_NO_ORIGIN,
    ),
    CataloguedFault(
        name="monitor-without-network",
        group="Network, names and certificates",
        title="the monitor of a Region has no network, for example by a route or a security group of its VPC",
        begin=_cut(("primary", "primary"), ("primary", "secondary")),
        end=_each(_reconnect, _purge()),
        expected=_monitor(6, "dead-letters", leaves=["primary"]),
        runbook=f"{_ASK_OTHER}: PutMetricData has no answer.",
        ends="Somebody repairs the monitor's network, and purges the dead-letter queue.",
        only_simulated=_NO_ORIGIN,
    ),
)

PEERING = (
    CataloguedFault(
        name="peer-removed",
        group="Peering and witness",
        title="somebody removes the peer of a cluster",
        begin=_multi_region("primary", peered=False),
        end=_multi_region("primary"),
        expected=Expected(verdicts=_same("PEERING_LOST"), notified=_from_both("peering-lost"), within=5),
        runbook="Send the application to ONE Region, since the data diverges. If both took writes, ask AWS Support "
        "first. Then the repair command.",
        ends=_REPAIR,
    ),
    CataloguedFault(
        name="witness-changed",
        group="Peering and witness",
        title="somebody changes the witness of a cluster",
        begin=_multi_region("primary", witness="us-west-1"),
        end=_multi_region("primary"),
        expected=Expected(verdicts=_same("WITNESS_MISMATCH"), notified=_from_both("peering-lost"), within=5),
        runbook="Nothing is lost: leave the application where it is, and run the repair command.",
        ends=_REPAIR,
    ),
)

SQL = (
    CataloguedFault(
        name="no-sql-without-probe",
        group="SQL",
        title="a cluster accepts connections and answers no statement",
        begin=_inject("no-sql", "primary", service="postgresql", call="Query"),
        end=_clear,
        needs=frozenset({"without-sql"}),
        expected=_unnoticed(),
        runbook="Your application's own alarms notice it. With sql_probe=True the monitors do, see the next row.",
        ends=_BACK,
    ),
    CataloguedFault(
        name="connections-break",
        group="SQL",
        title="a cluster accepts connections, and they break at the first statement",
        begin=_inject("breaks", "primary", service="postgresql", call="Query"),
        end=_clear,
        needs=frozenset({"sql"}),
        expected=_PRIMARY_DOWN,
        runbook=f"{_SWITCH} The problem begins with SQL:.",
        ends=_BACK,
    ),
    CataloguedFault(
        name="statements-hang",
        group="SQL",
        title="statements get no answer, or too slowly for the run",
        begin=_inject("slow", "primary", service="postgresql", call="Query", effect="timeout"),
        end=_clear,
        needs=frozenset({"sql"}),
        expected=_PRIMARY_DOWN,
        runbook=f"{_SWITCH} The problem begins with SQL:.",
        ends=_BACK,
    ),
    CataloguedFault(
        name="cluster-read-only",
        group="SQL",
        title="a cluster is read-only",
        begin=_simulated(lambda aws, pair: aws.refuse_sql(pair.primary, "25006")),
        end=_simulated(lambda aws, pair: aws.refuse_sql(pair.primary, "")),
        needs=frozenset({"sql"}),
        expected=_PRIMARY_DOWN,
        runbook=f"{_SWITCH} The problem says that the side is read-only.",
        ends=_BACK,
        only_simulated="The emulator has one database behind both endpoints.",
    ),
    CataloguedFault(
        name="probe-not-mapped",
        group="SQL",
        title="somebody revokes the database role of a monitor, so that both endpoints refuse its login",
        begin=_sql("AWS IAM REVOKE \"{ROLE}\" FROM '{IAM}'"),
        end=_each(_sql("AWS IAM GRANT \"{ROLE}\" TO '{IAM}'"), _purge()),
        needs=frozenset({"sql"}),
        expected=_monitor(6, "dead-letters"),
        runbook="No cluster is reported as down. The log says that the SQL probe cannot log in: somebody who may run "
        "SQL as admin repairs the database roles.",
        ends="The repair of the database roles maps it again. Purge the dead-letter queue.",
    ),
    CataloguedFault(
        name="probe-table-dropped",
        group="SQL",
        title="somebody drops the table of a monitor's SQL probe",
        begin=_sql('DROP TABLE dsql_dr."{TABLE}"'),
        end=_each(
            _sql('CREATE TABLE dsql_dr."{TABLE}" (endpoint text PRIMARY KEY, beat text, written_at timestamptz)'),
            _sql('GRANT SELECT, INSERT, UPDATE ON dsql_dr."{TABLE}" TO "{ROLE}"'),
            _purge(),
        ),
        needs=frozenset({"sql"}),
        expected=_monitor(6, "dead-letters"),
        runbook="No cluster is reported as down. The log says that the SQL probe cannot use its table: somebody who "
        "may run SQL as admin repairs the database roles.",
        ends="The repair of the database roles makes it again. Purge the dead-letter queue.",
    ),
    CataloguedFault(
        name="db-connect-denied",
        group="SQL",
        title="a policy denies dsql:DbConnect to a monitor",
        begin=_deny("dsql:DbConnect"),
        end=_each(_allow, _purge()),
        needs=frozenset({"sql"}),
        expected=_monitor(6, "dead-letters"),
        runbook=f"{_ASK_OTHER}: the SQL probe cannot log in.",
        ends=f"{_REVERT} Purge the dead-letter queue.",
    ),
)

MONITOR = (
    CataloguedFault(
        name="rule-disabled",
        group="The monitor and its schedule",
        title="somebody disables the rule of a monitor",
        begin=_rule("disable_rule"),
        end=_rule("enable_rule"),
        expected=_monitor(7, leaves=["primary"]),
        runbook=f"{_ASK_OTHER}: it has no new lines. Enable the rule, and find out who disabled it (CloudTrail).",
        ends="Somebody enables the rule.",
    ),
    CataloguedFault(
        name="targets-removed",
        group="The monitor and its schedule",
        title="somebody removes the rule's target",
        begin=_without_targets,
        end=_former_targets,
        expected=_monitor(7, leaves=["primary"]),
        runbook=f"{_ASK_OTHER}: it has no new lines.",
        ends=_REVERT,
    ),
    CataloguedFault(
        name="schedule-changed",
        group="The monitor and its schedule",
        title="somebody changes the schedule to once an hour",
        begin=_rule("put_rule", ScheduleExpression="rate(1 hour)"),
        end=_rule("put_rule", ScheduleExpression="rate(2 minutes)"),
        expected=_monitor(7, leaves=["primary"]),
        runbook=f"{_ASK_OTHER}: it has few lines. It notifies of OK and again of ALARM with each run, once an hour.",
        ends=_REVERT,
    ),
    CataloguedFault(
        name="rule-not-allowed",
        group="The monitor and its schedule",
        title="the rule may not invoke the function any more",
        begin=_without_permission_to_invoke,
        end=_each(_with_permission_to_invoke, _purge()),
        expected=_monitor(7, "failed-invocations", "dead-letters", leaves=["primary"]),
        runbook=f"{_ASK_OTHER}: it has no new lines. The dead-letter queue has the reason (ERROR_MESSAGE).",
        ends=f"{_REVERT} Purge the dead-letter queue.",
        only_simulated="The emulator's rules invoke a function whatever its policy says.",
    ),
    CataloguedFault(
        name="function-throttled",
        group="The monitor and its schedule",
        title="Lambda refuses all runs: no concurrency is left, or somebody reserved 0",
        begin=_call("lambda", "primary", "put_function_concurrency", _concurrency),
        end=_each(
            _call("lambda", "primary", "delete_function_concurrency", lambda pair: {"FunctionName": pair.monitor}),
            _purge(),
        ),
        expected=_monitor(7, "monitor-throttles", "dead-letters", leaves=["primary"]),
        runbook=f"{_ASK_OTHER}: it has no new lines. Raise the quota of concurrent executions, or reserve some for it.",
        ends="Somebody raises the quota or removes the limit, and purges the dead-letter queue.",
    ),
    CataloguedFault(
        name="environment-broken",
        group="The monitor and its schedule",
        title="somebody breaks the environment of a monitor, so that it cannot start",
        begin=_environment(CLUSTERS="no JSON"),
        end=_each(_former_environment, _purge()),
        expected=_monitor(6, "dead-letters", leaves=["primary"]),
        runbook=f"{_ASK_OTHER}.",
        ends=f"{_REVERT} Purge the dead-letter queue.",
    ),
    CataloguedFault(
        name="environment-of-another-pair",
        group="The monitor and its schedule",
        title="somebody gives a monitor another deployment's name, so that its metrics are of no alarm",
        begin=_environment(DEPLOYMENT="Other-production"),
        end=_former_environment,
        expected=_monitor(7, primary="HEALTHY", leaves=["primary"]),
        runbook=f"{_ASK_OTHER}: its runs succeed, with another deployment in each line.",
        ends=_REVERT,
    ),
    CataloguedFault(
        name="environment-with-another-witness",
        group="The monitor and its schedule",
        title="a monitor was deployed with another witness than the clusters have",
        begin=_environment(WITNESS_REGION="us-west-1"),
        end=_former_environment,
        expected=Expected(
            verdicts={"primary": "WITNESS_MISMATCH", "secondary": "HEALTHY"},
            notified=[("peering-lost", "primary")],
            within=5,
        ),
        runbook="The Regions do not agree, so the clusters are as before: compare the witness in both answers.",
        ends=_REVERT,
    ),
    CataloguedFault(
        name="input-of-a-delete",
        group="The monitor and its schedule",
        title="somebody gives the schedule the input of a deletion, with which a failure would be hidden",
        begin=_each(_input_of_a_delete, _deny("ssm:GetParameters")),
        end=_each(_former_targets, _allow, _purge()),
        expected=_monitor(8, "dead-letters"),
        runbook=f"{_ASK_OTHER}: only the first failure of a process is believed to be one of a deletion.",
        ends=f"{_REVERT} Purge the dead-letter queue.",
        only_simulated="The emulator ends a function's process after each failure; Lambda keeps it.",
    ),
    CataloguedFault(
        name="put-throttled",
        group="The monitor and its schedule",
        title="CloudWatch throttles or fails PutMetricData",
        begin=_inject("put", "primary", service="cloudwatch", call="PutMetricData", error="ThrottlingException"),
        end=_each(_clear, _purge()),
        expected=_monitor(6, "dead-letters", leaves=["primary"]),
        runbook=f"{_ASK_OTHER}: PutMetricData is throttled.",
        ends="When the account puts fewer metrics, or AWS repairs it. Purge the dead-letter queue.",
    ),
    CataloguedFault(
        name="clock-wrong",
        group="The monitor and its schedule",
        title="the clock of a monitor is wrong by an hour, so that AWS refuses its signatures",
        begin=_simulated(lambda aws, pair: aws.set_clock(pair.primary, 3600)),
        end=_each(_simulated(lambda aws, pair: aws.set_clock(pair.primary, 0)), _purge()),
        expected=_monitor(6, "dead-letters", leaves=["primary"]),
        runbook=f"{_ASK_OTHER}: signatures are refused. No cluster is reported as down.",
        ends="AWS repairs it; a new process of the function may be enough. Purge the dead-letter queue.",
        only_simulated=_MACHINES_CLOCK,
    ),
    CataloguedFault(
        name="clock-minutes-ahead",
        group="The monitor and its schedule",
        title="the clock of a monitor is four minutes ahead",
        begin=_simulated(lambda aws, pair: aws.set_clock(pair.primary, 240)),
        end=_simulated(lambda aws, pair: aws.set_clock(pair.primary, 0)),
        expected=_unnoticed(),
        runbook="Nothing: AWS takes its signatures, and the time of metrics is AWS's own.",
        ends="AWS repairs it; a new process of the function may be enough.",
        only_simulated=_MACHINES_CLOCK,
    ),
    CataloguedFault(
        name="clock-minutes-behind",
        group="The monitor and its schedule",
        title="the clock of a monitor is four minutes behind, and a cluster's endpoint refuses connections",
        begin=_each(
            _simulated(lambda aws, pair: aws.set_clock(pair.primary, -240)),
            _inject("refuses", "primary", service="postgresql", call="Connect"),
        ),
        end=_each(_simulated(lambda aws, pair: aws.set_clock(pair.primary, 0)), _clear),
        expected=_PRIMARY_DOWN,
        runbook=_SWITCH,
        ends=_BACK,
        only_simulated=_MACHINES_CLOCK,
    ),
    CataloguedFault(
        name="one-run-lost",
        group="The monitor and its schedule",
        title="a single run is lost",
        begin=_rule("disable_rule"),
        end=_rule("enable_rule"),
        lasts=2.5,
        expected=Expected(verdicts=_FAILS),
        runbook="Nothing: three missing or two failed runs in a row notify.",
        ends="By itself.",
    ),
    CataloguedFault(
        name="monitor-deleted",
        group="The monitor and its schedule",
        title="somebody deletes the function of a monitor",
        begin=_delete_function,
        end=_each(_create_function, _purge()),
        expected=_monitor(7, "failed-invocations", "dead-letters", leaves=["primary"]),
        runbook=f"{_ASK_OTHER}: it has no new lines, and there is no function to invoke.",
        ends=f"{_REVERT} Purge the dead-letter queue.",
        only_simulated="The function's code would be gone.",
    ),
    CataloguedFault(
        name="schedule-slower",
        group="The monitor and its schedule",
        title="somebody changes the schedule of both monitors to every 4 minutes, and after 28 minutes a cluster fails",
        begin=_each(*(_rule("put_rule", role, ScheduleExpression="rate(4 minutes)") for role in OBSERVERS)),
        then=[(28, _status("FAILED", "primary"))],
        end=_each(
            _status("ACTIVE", "primary"),
            *(_rule("put_rule", role, ScheduleExpression="rate(2 minutes)") for role in OBSERVERS),
        ),
        lasts=50,
        expected=Expected(
            verdicts=_same("CLUSTER_DOWN primary"),
            notified=_from_both("cluster-down-primary"),
            within=28 + 9 + 1 / 3,
            traffic_leaves=["primary"],
        ),
        runbook=f"{_SWITCH} Nobody is notified of a schedule that is at most twice as slow; a cluster that fails is "
        "reported after up to 9 min 20 s instead of 5 min 20 s.",
        ends=f"{_BACK} {_REVERT}",
    ),
)

FORGED = (
    CataloguedFault(
        name="healthy-metrics-forged",
        group="Forged metrics",
        title="a cluster is down, and somebody puts metrics that say it is healthy",
        begin=_each(
            _inject("refuses", "primary", service="postgresql", call="Connect"),
            *(_forge(role, ClusterHealth=1) for role in OBSERVERS),
        ),
        then=[(minutes, _each(*(_forge(role, ClusterHealth=1) for role in OBSERVERS))) for minutes in range(1, 19)],
        end=_clear,
        expected=_PRIMARY_DOWN,
        runbook=f"{_SWITCH} The lowest value of each period counts.",
        ends=_BACK,
    ),
    CataloguedFault(
        name="unhealthy-metrics-forged",
        group="Forged metrics",
        title="both clusters are healthy, and somebody puts metrics that say one is down",
        begin=_forge("primary", ClusterHealth=0),
        then=[(minutes, _forge("primary", ClusterHealth=0)) for minutes in range(1, 19)],
        end=_nothing,
        expected=Expected(verdicts=_same("HEALTHY"), notified=[("cluster-down-primary", "primary")], within=3),
        runbook="The verdict is HEALTHY in both Regions: leave the application where it is. Find out who may "
        "PutMetricData.",
        ends="When nobody puts them any more.",
    ),
    CataloguedFault(
        name="monitor-replaced-by-forged-metrics",
        group="Forged metrics",
        title="somebody disables a monitor's rule and puts healthy metrics in its place",
        begin=_each(_rule("disable_rule"), _forge("primary", ClusterHealth=1, ProbeAttempts=2)),
        then=[(minutes, _forge("primary", ClusterHealth=1, ProbeAttempts=2)) for minutes in range(1, 30)],
        end=_rule("enable_rule"),
        lasts=30,
        expected=_monitor(11, leaves=["primary"]),
        runbook="Find out who disabled the rule (CloudTrail), and who may PutMetricData.",
        ends="Somebody enables the rule, and nobody puts these metrics.",
    ),
)

PERMISSIONS = (
    CataloguedFault(
        name="get-cluster-denied",
        group="Permissions of a monitor",
        title="a policy denies dsql:GetCluster",
        begin=_deny("dsql:GetCluster"),
        end=_each(_allow, _purge()),
        expected=_monitor(6, "dead-letters"),
        runbook=f"{_ASK_OTHER}: GetCluster was refused. No cluster is reported as down.",
        ends=f"{_REVERT} Purge the dead-letter queue.",
    ),
    CataloguedFault(
        name="get-parameters-denied",
        group="Permissions of a monitor",
        title="a policy denies ssm:GetParameters",
        begin=_deny("ssm:GetParameters"),
        end=_each(_allow, _purge()),
        expected=_monitor(6, "dead-letters"),
        runbook=f"{_ASK_OTHER}: GetParameters was refused. Faults of the clusters are still notified.",
        ends=f"{_REVERT} Purge the dead-letter queue.",
    ),
    CataloguedFault(
        name="get-parameter-history-denied",
        group="Permissions of a monitor",
        title="a policy denies ssm:GetParameterHistory, with which evacuations are read",
        begin=_deny("ssm:GetParameterHistory"),
        end=_each(_allow, _purge()),
        needs=_FAILOVER,
        expected=_monitor(6, "dead-letters"),
        runbook=f"{_ASK_OTHER}: GetParameterHistory was refused. Faults of the clusters are still notified, and what "
        "was read last holds for as long as the function's process lives; without it, the Region leaves service.",
        ends=f"{_REVERT} Purge the dead-letter queue.",
    ),
    CataloguedFault(
        name="put-metric-data-denied",
        group="Permissions of a monitor",
        title="a policy denies cloudwatch:PutMetricData",
        begin=_deny("cloudwatch:PutMetricData"),
        end=_each(_allow, _purge()),
        expected=_monitor(6, "dead-letters", leaves=["primary"]),
        runbook=f"{_ASK_OTHER}: PutMetricData was refused.",
        ends=f"{_REVERT} Purge the dead-letter queue.",
    ),
    CataloguedFault(
        name="describe-alarms-denied",
        group="Permissions of a monitor",
        title="a policy denies cloudwatch:DescribeAlarms, with which the other Region's notifications are checked",
        begin=_deny("cloudwatch:DescribeAlarms"),
        end=_each(_allow, _purge()),
        lasts=40,
        expected=_monitor(18, "dead-letters"),
        runbook=f"{_ASK_OTHER}: the check of notifications was refused.",
        ends=f"{_REVERT} Purge the dead-letter queue.",
        only_simulated=_REAL_CLOCK,
    ),
    CataloguedFault(
        name="get-topic-attributes-denied",
        group="Permissions of a monitor",
        title="a policy denies sns:GetTopicAttributes on the other Region's topic",
        begin=_deny("sns:GetTopicAttributes"),
        end=_each(_allow, _purge()),
        lasts=40,
        expected=_monitor(18, "dead-letters"),
        runbook=f"{_ASK_OTHER}: the check of notifications was refused.",
        ends=f"{_REVERT} Purge the dead-letter queue.",
        only_simulated=_REAL_CLOCK,
    ),
    CataloguedFault(
        name="describe-key-denied",
        group="Permissions of a monitor",
        title="a policy denies kms:DescribeKey on the key of the other Region's topic",
        begin=_deny("kms:DescribeKey"),
        end=_allow,
        expected=Expected(
            verdicts={"primary": "NOTIFICATIONS_BROKEN", "secondary": "HEALTHY"},
            notified=[("notifications-broken", "primary")],
            within=10,
        ),
        runbook="The answer says that the key's alias does not exist, or that the monitor may not describe its key: "
        "KMS does not say which.",
        ends=_REVERT,
    ),
    CataloguedFault(
        name="list-recovery-points-denied",
        group="Permissions of a monitor",
        title="a policy denies backup:ListRecoveryPointsByBackupVault",
        begin=_deny("backup:ListRecoveryPointsByBackupVault"),
        end=_each(_allow, _purge()),
        needs=frozenset({"backup"}),
        lasts=60,
        expected=_monitor(16, "dead-letters"),
        runbook=f"{_ASK_OTHER}: the check of recovery points was refused. Faults of the clusters are still notified.",
        ends=f"{_REVERT} Purge the dead-letter queue.",
    ),
    CataloguedFault(
        name="list-jobs-denied",
        group="Permissions of a monitor",
        title="a policy denies backup:ListBackupJobs and backup:ListCopyJobs, and the last recovery point is old",
        begin=_each(
            _simulated(lambda aws, pair: aws.age_recovery_points(27.0)),
            _deny("backup:ListBackupJobs", "backup:ListCopyJobs"),
        ),
        end=_each(_simulated(lambda aws, pair: aws.age_recovery_points(1.0)), _allow, _purge()),
        needs=frozenset({"backup"}),
        lasts=120,
        expected=Expected(
            verdicts=_same("HEALTHY"), warnings=[*_from_both("recovery-point-age"), ("dead-letters", "primary")]
        ),
        runbook="The age is notified as always. Only the reason is missing: run `dsql-dr backups`. One run in about "
        "seven fails, too seldom for `monitoring-not-working`.",
        ends=f"{_REVERT} With the next backup and its copy. Purge the dead-letter queue.",
        only_simulated="A day of the emulator's clock would have to pass.",
    ),
    CataloguedFault(
        name="describe-vault-denied",
        group="Permissions of a monitor",
        title="a policy denies backup:DescribeBackupVault",
        begin=_deny("backup:DescribeBackupVault"),
        end=_allow,
        needs=frozenset({"backup"}),
        lasts=40,
        expected=_unnoticed(),
        runbook="Nothing: it is asked only while the vaults have no recovery point in common.",
        ends=_REVERT,
    ),
    CataloguedFault(
        name="logs-denied",
        group="Permissions of a monitor",
        title="a policy denies logs:CreateLogStream and logs:PutLogEvents",
        begin=_deny("logs:CreateLogStream", "logs:PutLogEvents"),
        end=_allow,
        expected=_unnoticed(),
        runbook="Nothing depends on the log. The verdict is the answer of an invocation, too.",
        ends=_REVERT,
    ),
    CataloguedFault(
        name="send-message-denied",
        group="Permissions of a monitor",
        title="a policy denies sqs:SendMessage to the dead-letter queue, and nothing else is wrong",
        begin=_deny("sqs:SendMessage"),
        end=_allow,
        expected=_unnoticed(),
        runbook="Nothing: the queue is for runs that fail, and these notify without it.",
        ends=_REVERT,
    ),
)

KEYS = (
    CataloguedFault(
        name="clusters-key-disabled",
        group="Keys",
        title="somebody disables the key of a cluster",
        begin=_clusters_key("disable_key"),
        end=_clusters_key("enable_key"),
        needs=frozenset({"cluster-keys"}),
        expected=_PRIMARY_DOWN,
        runbook=f"{_SWITCH} The problem says KMS_KEY_INACCESSIBLE: enable the key.",
        ends="Somebody enables the key, or cancels its deletion; AWS then needs some minutes.",
    ),
    CataloguedFault(
        name="regions-key-disabled",
        group="Keys",
        title="somebody disables the key of a Region, which is that of cluster, monitor and topics",
        begin=_clusters_key("disable_key"),
        end=_each(_clusters_key("enable_key"), _purge()),
        needs=frozenset({"one-key"}),
        expected=Expected(
            verdicts={"primary": None, "secondary": "CLUSTER_DOWN primary"},
            notified=[("cluster-down-primary", "secondary"), ("notifications-broken", "secondary")],
            within=10,
            afterwards=[("monitoring-not-working", "primary"), ("dead-letters", "primary")],
            traffic_leaves=["primary"],
        ),
        runbook=f"{_SWITCH} The problem says KMS_KEY_INACCESSIBLE: enable the key. Nothing comes from that "
        "Region, whose topics and monitor need the key, too.",
        ends="Somebody enables the key; AWS then needs some minutes. Then that Region's alarms notify of OK. Purge the "
        "dead-letter queue.",
    ),
    CataloguedFault(
        name="keys-of-both-regions-disabled",
        group="Keys",
        title="somebody disables the keys of both Regions, each that of cluster, monitor and topics",
        begin=_each(*(_clusters_key("disable_key", role) for role in OBSERVERS)),
        end=_each(*(_each(_clusters_key("enable_key", role), _purge(role)) for role in OBSERVERS)),
        needs=frozenset({"one-key"}),
        expected=Expected(
            verdicts=_same(None),
            afterwards=[*_from_both("monitoring-not-working"), *_from_both("dead-letters")],
            traffic_leaves=OBSERVERS,
        ),
        runbook="Nobody gets it: run `dsql-dr status` every day, which exits with 1, and let an alarm of your own "
        "follow your application's errors. With `alert_topics` under another key, `monitoring-not-working` notifies.",
        ends="Somebody enables the keys; the alarms then notify of OK. Purge the dead-letter queues.",
    ),
    CataloguedFault(
        name="functions-key-disabled",
        group="Keys",
        title="somebody disables the key of a monitor's environment",
        begin=_functions_key("disable_key"),
        end=_each(_functions_key("enable_key"), _purge()),
        needs=frozenset({"function-key"}),
        expected=_monitor(7, "dead-letters", leaves=["primary"]),
        runbook=f"{_ASK_OTHER}: it has no new lines, since Lambda cannot start it.",
        ends="Somebody enables the key, and purges the dead-letter queue.",
    ),
    CataloguedFault(
        name="topics-key-disabled",
        group="Keys",
        title="somebody disables the key of a Region's topic",
        begin=_on_topics_key("disable_key"),
        end=_on_topics_key("enable_key"),
        expected=_BROKEN,
        runbook=f"{_REPAIR_NOTIFICATIONS} By `aws kms enable-key`.",
        ends="Somebody enables the key.",
    ),
    CataloguedFault(
        name="topics-key-deleted",
        group="Keys",
        title="somebody schedules the deletion of the key of a Region's topic",
        begin=_on_topics_key("schedule_key_deletion", PendingWindowInDays=7),
        end=_each(_on_topics_key("cancel_key_deletion"), _on_topics_key("enable_key")),
        expected=_BROKEN,
        runbook=f"{_REPAIR_NOTIFICATIONS} By `aws kms cancel-key-deletion`, then `aws kms enable-key`.",
        ends="Somebody cancels the deletion within the waiting time, and enables the key.",
    ),
    CataloguedFault(
        name="topics-key-alias-deleted",
        group="Keys",
        title="somebody deletes the alias of the topic's key",
        begin=_each(_remember_topics_key, _alias("delete_alias")),
        end=_alias("create_alias"),
        expected=_BROKEN,
        runbook=f"{_REPAIR_NOTIFICATIONS} Notifications still arrive; the other Region cannot check the key.",
        ends=_REVERT,
    ),
    CataloguedFault(
        name="topics-key-policy-changed",
        group="Keys",
        title="somebody takes CloudWatch out of the policy of the topic's key",
        begin=_without_key_policy,
        end=_former_key_policy,
        expected=_unnoticed(),
        runbook="Not seen by the other Region. The quarterly test of notifications finds it (`dsql-dr "
        "test-notifications`).",
        ends=_REVERT,
    ),
)

NOTIFICATIONS = (
    CataloguedFault(
        name="topic-deleted",
        group="Topics and alarms",
        title="somebody deletes the topic of a Region",
        begin=_delete_topic,
        end=_create_topic,
        expected=_BROKEN,
        runbook=_REPAIR_NOTIFICATIONS,
        ends=f"{_REVERT} Each address has to be confirmed again.",
    ),
    CataloguedFault(
        name="subscription-gone",
        group="Topics and alarms",
        title="nobody is subscribed to the topic of a Region any more, or has never confirmed",
        begin=_unsubscribe("primary"),
        end=_subscribe("primary"),
        expected=_BROKEN,
        runbook=f"{_REPAIR_NOTIFICATIONS} Subscribe an address, and confirm it.",
        ends="Somebody subscribes and confirms.",
    ),
    CataloguedFault(
        name="topic-policy-changed",
        group="Topics and alarms",
        title="somebody takes CloudWatch out of the policy of a topic",
        begin=_topic_policy(_denies_only),
        end=_former_topic_policy,
        expected=_BROKEN,
        runbook=_REPAIR_NOTIFICATIONS,
        ends=_REVERT,
    ),
    CataloguedFault(
        name="alarm-actions-disabled",
        group="Topics and alarms",
        title="somebody disables the actions of an alarm that notifies",
        begin=_on_alarm("disable_alarm_actions"),
        end=_on_alarm("enable_alarm_actions"),
        expected=_BROKEN,
        runbook=f"{_REPAIR_NOTIFICATIONS} By `aws cloudwatch enable-alarm-actions`.",
        ends="Somebody enables the actions.",
    ),
    CataloguedFault(
        name="alarm-deleted",
        group="Topics and alarms",
        title="somebody deletes an alarm that notifies",
        begin=_each(_remember_alarm, _on_alarm("delete_alarms")),
        end=_put_alarm(),
        expected=replace(_BROKEN, afterwards=[("cluster-down-secondary", "primary")]),
        runbook=_REPAIR_NOTIFICATIONS,
        ends=f"{_REVERT} The new alarm's first OK is notified.",
    ),
    CataloguedFault(
        name="alarm-changed",
        group="Topics and alarms",
        title="somebody changes the threshold of an alarm, so that it never notifies",
        begin=_each(_remember_alarm, _put_alarm(Threshold=-1.0)),
        end=_put_alarm(),
        expected=_BROKEN,
        runbook=_REPAIR_NOTIFICATIONS,
        ends=_REVERT,
    ),
    CataloguedFault(
        name="all-subscriptions-gone",
        group="Topics and alarms",
        title="nobody is subscribed to any topic of the pair for faults",
        begin=_unsubscribe(*OBSERVERS),
        end=_subscribe(*OBSERVERS),
        lasts=30,
        expected=Expected(verdicts=_same("NOTIFICATIONS_BROKEN"), afterwards=_from_both("notifications-broken")),
        runbook="Nobody gets it: run `dsql-dr status` every day, which exits with 1.",
        ends="Somebody subscribes and confirms; the alarms then notify of OK.",
    ),
    CataloguedFault(
        name="one-subscription-of-two-gone",
        group="Topics and alarms",
        title="somebody deletes one of several subscriptions of a topic",
        begin=_unsubscribe_one_of_two,
        end=_subscribe_it_again,
        expected=_unnoticed(),
        runbook="Not seen: one confirmed subscription is enough for the check. `dsql-dr test-notifications` shows who "
        "is subscribed to each topic: compare that with your list.",
        ends="Somebody subscribes and confirms.",
    ),
    CataloguedFault(
        name="other-region-throttles-the-check",
        group="Topics and alarms",
        title="CloudWatch of a Region throttles the check of its notifications for an hour",
        begin=_inject("check", "primary", service="cloudwatch", call="DescribeAlarms", error="ThrottlingException"),
        end=_each(_clear, _purge("secondary")),
        lasts=60,
        expected=Expected(
            verdicts={"primary": "HEALTHY", "secondary": None},
            notified=[("monitoring-not-working", "secondary")],
            within=38,
            warnings=[("dead-letters", "secondary")],
        ),
        runbook=f"{_ASK_OTHER}: notifications there could not be checked for 30 minutes. Test them.",
        ends="When the account calls CloudWatch less. Purge the dead-letter queue.",
        only_simulated=_REAL_CLOCK,
    ),
    CataloguedFault(
        name="cause-deleted",
        group="Topics and alarms",
        title="somebody deletes an alarm that is a cause of a composite one, such as monitor-no-data",
        begin=_cause_kept,
        end=_nothing,
        expected=_unnoticed(),
        runbook="Nothing: CloudWatch refuses it for as long as the composite alarm is there.",
        ends="At once.",
        only_simulated="The emulator deletes such an alarm.",
    ),
    CataloguedFault(
        name="warning-actions-disabled",
        group="Topics and alarms",
        title="somebody disables the actions of a warning, and then a message is left in a dead-letter queue",
        begin=_each(_on_alarm("disable_alarm_actions", "dead-letters"), _dead_letter),
        then=[(15, _purge())],
        end=_on_alarm("enable_alarm_actions", "dead-letters"),
        lasts=30,
        expected=_unnoticed(),
        runbook="Nobody checks warnings on schedule. The quarterly test of notifications finds it (`dsql-dr "
        "test-notifications`).",
        ends=_REVERT,
    ),
)

PARAMETERS = (
    CataloguedFault(
        name="parameter-changed",
        group="SSM parameters",
        title="somebody changes an SSM parameter of the pair in one Region",
        begin=_parameter(lambda pair: "evil.example"),
        end=_former_parameter,
        expected=Expected(
            verdicts={"primary": "PARAMETERS_CHANGED", "secondary": "HEALTHY"},
            notified=[("parameters-changed", "primary")],
            within=5,
        ),
        runbook="Repair it at once: an application that reads it connects elsewhere. Then restart what has read it.",
        ends=_REPAIR,
    ),
    CataloguedFault(
        name="parameter-deleted",
        group="SSM parameters",
        title="somebody deletes an SSM parameter of the pair in one Region",
        begin=_call(
            "ssm",
            "primary",
            "delete_parameters",
            lambda pair: {"Names": [pair.parameter(pair.secondary, "endpoint")]},
        ),
        end=_former_parameter,
        expected=Expected(
            verdicts={"primary": "PARAMETERS_CHANGED", "secondary": "HEALTHY"},
            notified=[("parameters-changed", "primary")],
            within=5,
        ),
        runbook="Repair it: a deployment that reads it fails.",
        ends=_REPAIR,
    ),
    CataloguedFault(
        name="parameters-of-another-pair",
        group="SSM parameters",
        title="another deployment writes its clusters into the pair's SSM parameters in both Regions",
        begin=_parameters_of_another_pair,
        end=_former_parameters,
        expected=Expected(verdicts=_same("PARAMETERS_CHANGED"), notified=_from_both("parameters-changed"), within=5),
        runbook="Repair them at once; give the other deployment another name.",
        ends=_REPAIR,
    ),
    CataloguedFault(
        name="ssm-fails",
        group="SSM parameters",
        title="SSM does not answer in one Region",
        begin=_inject("ssm", "primary", service="ssm", call="GetParameters"),
        end=_clear,
        expected=_unnoticed(),
        runbook="Nothing: the clusters do not depend on it, and the alarm keeps its state.",
        ends="AWS repairs it.",
    ),
    CataloguedFault(
        name="ssm-fails-in-both",
        group="SSM parameters",
        title="SSM does not answer in either Region, or not to the monitor, when it reads evacuations",
        begin=_inject("ssm", *OBSERVERS, service="ssm", call="GetParameterHistory"),
        end=_each(_clear, _purge(), _purge("secondary")),
        needs=_FAILOVER,
        expected=Expected(
            verdicts=_same(None),
            notified=_from_both("monitoring-not-working"),
            within=6,
            warnings=_from_both("dead-letters"),
        ),
        runbook="Read in the log of the function that evacuations could not be read. A monitor in a network needs a "
        "way to SSM. What was read last holds for as long as the function's process lives; without it, the Region "
        "leaves service. Faults of the clusters are still notified.",
        ends="AWS repairs it, or you repair the network. Purge the dead-letter queue.",
    ),
)

BACKUPS = (
    CataloguedFault(
        name="dead-letter-left",
        group="Backups, dead letters and Aurora DSQL's own metrics",
        title="a message is left in a monitor's dead-letter queue",
        begin=_dead_letter,
        end=_purge(),
        expected=Expected(verdicts=_same("HEALTHY"), warnings=[("dead-letters", "primary")]),
        runbook="Read the message: it is the event of a run that failed or did not start. Then purge the queue.",
        ends="Somebody purges the queue.",
    ),
    CataloguedFault(
        name="commits-slow",
        group="Backups, dead letters and Aurora DSQL's own metrics",
        title="commits through one cluster take a second",
        begin=_own_metric("CommitLatency", 1000),
        end=_own_metric("CommitLatency", 20),
        lasts=30,
        expected=Expected(verdicts=_same("HEALTHY"), warnings=[("commit-latency", "primary")]),
        runbook="Compare with the other Region. If both are slow, look at the network between them and the witness.",
        ends="By itself, or AWS repairs it.",
        only_simulated=_METRICS_OF_AWS,
    ),
    CataloguedFault(
        name="queries-time-out",
        group="Backups, dead letters and Aurora DSQL's own metrics",
        title="queries through one cluster time out",
        begin=_own_metric("QueryTimeouts", 10),
        end=_own_metric("QueryTimeouts", 0),
        expected=Expected(verdicts=_same("HEALTHY"), warnings=[("query-timeouts", "primary")]),
        runbook="Look for a new query or a missing index.",
        ends="When the query is changed.",
        only_simulated=_METRICS_OF_AWS,
    ),
    CataloguedFault(
        name="recovery-point-old",
        group="Backups, dead letters and Aurora DSQL's own metrics",
        title="both vaults have had no new recovery point in common for 26 hours",
        begin=_simulated(lambda aws, pair: aws.age_recovery_points(26.0)),
        end=_simulated(lambda aws, pair: aws.age_recovery_points(1.0)),
        needs=frozenset({"backup"}),
        lasts=120,
        expected=Expected(verdicts=_same("HEALTHY"), warnings=_from_both("recovery-point-age")),
        runbook="The command `dsql-dr backups` shows what is missing, and why. Without a topic for warnings, the topic "
        "for faults is notified.",
        ends="With the next backup and its copy: start a backup job, or wait for the next day.",
        only_simulated="A day of the emulator's clock would have to pass: tests/end_to_end/test_backups.py does it.",
    ),
)

TWO_AT_ONCE = (
    CataloguedFault(
        name="monitor-stopped-then-region-lost",
        group="Two at once, one after the other, flapping",
        title="a monitor's rule is disabled, and later the other Region is lost",
        begin=_rule("disable_rule", "secondary"),
        then=[(15, _inject("lost", "primary", effect="timeout"))],
        end=_each(_clear, _rule("enable_rule", "secondary")),
        lasts=35,
        expected=Expected(
            verdicts=_same(None),
            notified=[("monitoring-not-working", "secondary")],
            within=7,
            afterwards=[("monitoring-not-working", "primary")],
            traffic_leaves=OBSERVERS,
        ),
        runbook="Nobody reports the loss of the Region: repair a monitor the day it fails, or use "
        "witness_observer=True.",
        ends="AWS repairs the Region, and somebody enables the rule.",
    ),
    CataloguedFault(
        name="witness-changed-then-cluster-down",
        group="Two at once, one after the other, flapping",
        title="the witness of a cluster is changed, and ten minutes later the other cluster fails",
        begin=_multi_region("primary", witness="us-west-1"),
        then=[(10, _inject("refuses", "secondary", service="postgresql", call="Connect"))],
        end=_each(_clear, _multi_region("primary")),
        lasts=30,
        expected=Expected(
            verdicts=_same("CLUSTER_DOWN secondary"),
            notified=[*_from_both("peering-lost"), *_from_both("cluster-down-secondary")],
            within=10 + _BY_REGION_DOWN,
            traffic_leaves=["secondary"],
        ),
        runbook=f"{_SWITCH} The verdict names the worst; each fault has its own notification, and its own OK.",
        ends=_REPAIR,
    ),
    CataloguedFault(
        name="subscription-gone-then-cluster-down",
        group="Two at once, one after the other, flapping",
        title="somebody keeps the notifications of a Region away, and then a cluster fails",
        begin=_unsubscribe("primary"),
        then=[(15, _status("FAILED", "primary"))],
        end=_each(_status("ACTIVE", "primary"), _subscribe("primary")),
        lasts=35,
        expected=Expected(
            verdicts=_same("CLUSTER_DOWN primary"),
            notified=[("notifications-broken", "secondary"), ("cluster-down-primary", "secondary")],
            within=15 + _BY_REGION_DOWN,
            afterwards=[("cluster-down-primary", "primary")],
            traffic_leaves=["primary"],
        ),
        runbook=f"{_SWITCH} The other Region notifies.",
        ends=_BACK,
    ),
    CataloguedFault(
        name="key-policy-changed-then-cluster-down",
        group="Two at once, one after the other, flapping",
        title="the key of a Region's topic does not admit CloudWatch, and a cluster fails",
        begin=_without_key_policy,
        then=[(10, _status("FAILED", "primary"))],
        end=_each(_status("ACTIVE", "primary"), _former_key_policy),
        lasts=30,
        expected=Expected(
            verdicts=_same("CLUSTER_DOWN primary"),
            notified=[("cluster-down-primary", "secondary")],
            within=10 + _BY_REGION_DOWN,
            afterwards=[("cluster-down-primary", "primary")],
            traffic_leaves=["primary"],
        ),
        runbook=f"{_SWITCH} The other Region notifies.",
        ends=_BACK,
    ),
    CataloguedFault(
        name="flapping-every-run",
        group="Two at once, one after the other, flapping",
        title="a cluster fails and recovers every two minutes",
        begin=_status("FAILED", "primary"),
        then=[(2.0 * n, _status("FAILED" if n % 2 == 0 else "ACTIVE", "primary")) for n in range(1, 12)],
        end=_status("ACTIVE", "primary"),
        lasts=24,
        expected=_unnoticed("CLUSTER_DOWN primary or HEALTHY"),
        runbook="Nobody is notified, since two checks in a row have to fail: the dashboard shows it, and your "
        "application's own alarms notice it.",
        ends=_BACK,
    ),
    CataloguedFault(
        name="flapping-connections",
        group="Two at once, one after the other, flapping",
        title="the endpoint of a cluster refuses connections every other two minutes",
        begin=_inject("refuses", "primary", service="postgresql", call="Connect"),
        then=[
            (2.0 * n, _clear if n % 2 else _inject("refuses", "primary", service="postgresql", call="Connect"))
            for n in range(1, 12)
        ],
        end=_clear,
        lasts=24,
        expected=_unnoticed("CLUSTER_DOWN primary or HEALTHY"),
        runbook="Nobody is notified, as above.",
        ends=_BACK,
    ),
    CataloguedFault(
        name="flapping-slowly",
        group="Two at once, one after the other, flapping",
        title="a cluster fails for ten minutes, recovers for ten, and fails again",
        begin=_status("FAILED", "primary"),
        then=[(10, _status("ACTIVE", "primary")), (20, _status("FAILED", "primary"))],
        end=_status("ACTIVE", "primary"),
        lasts=32,
        expected=Expected(
            verdicts=_same("CLUSTER_DOWN primary"),
            notified=[*_from_both("cluster-down-primary"), *_from_both("cluster-down-primary")],
            within=20 + _BY_REGION_DOWN,
            traffic_leaves=["primary"],
        ),
        runbook=f"{_SWITCH} Each time is notified, and each OK: send the application back only when it is over.",
        ends=_BACK,
    ),
    CataloguedFault(
        name="both-monitors-stopped",
        group="Two at once, one after the other, flapping",
        title="somebody disables the rules of both monitors",
        begin=_each(*(_rule("disable_rule", role) for role in OBSERVERS)),
        end=_each(*(_rule("enable_rule", role) for role in OBSERVERS)),
        expected=Expected(
            verdicts=_same(None), notified=_from_both("monitoring-not-working"), within=7, traffic_leaves=OBSERVERS
        ),
        runbook="Nobody monitors the clusters now: enable both rules at once, and find out who disabled them "
        "(CloudTrail).",
        ends="Somebody enables the rules.",
    ),
    CataloguedFault(
        name="regions-lost-one-after-the-other",
        group="Two at once, one after the other, flapping",
        title="a Region is lost, comes back after 20 minutes, and then the other one is lost",
        begin=_inject("lost", "primary", effect="timeout"),
        then=[(20, _each(_clear, _inject("lost", "secondary", effect="timeout")))],
        end=_clear,
        lasts=45,
        expected=Expected(
            verdicts={"primary": "CLUSTER_DOWN secondary", "secondary": None},
            notified=[
                ("cluster-down-primary", "secondary"),
                ("monitoring-not-working", "primary"),
                ("cluster-down-secondary", "primary"),
            ],
            within=20 + _BY_REGION_DOWN,
            afterwards=[("monitoring-not-working", "secondary")],
            traffic_leaves=OBSERVERS,
        ),
        runbook=f"{_SWITCH} The Region that is back may notify of its own monitor until that has run.",
        ends=_BACK,
        only_simulated=_BY_SECONDS,
    ),
    CataloguedFault(
        name="region-flapping",
        group="Two at once, one after the other, flapping",
        title="a Region is lost three times for six minutes, with six minutes between",
        begin=_inject("lost", "primary", effect="timeout"),
        then=[(6.0 * n, _clear if n % 2 else _inject("lost", "primary", effect="timeout")) for n in range(1, 6)],
        end=_clear,
        lasts=33,
        expected=Expected(
            verdicts={"primary": "HEALTHY", "secondary": "CLUSTER_DOWN primary or HEALTHY"},
            notified=[*[("cluster-down-primary", "secondary")] * 3, *[("monitoring-not-working", "primary")] * 3],
            within=31,
        ),
        runbook=f"{_SWITCH} Each time is notified, and each OK: send the application back only when it is over. "
        "A Region that is back may notify of its own monitor until that has run.",
        ends=_BACK,
        only_simulated=_BY_SECONDS,
    ),
)

_NEEDS_DEPLOYMENT = "It is of a deployment, which dsql-dr faults does not run."

DEPLOYMENTS = (
    CataloguedFault(
        name="quota-used-up",
        group="During a deployment",
        title="the quota of multi-Region clusters is used up",
        begin=_use_up_the_quota,
        end=_delete_what_was_made,
        expected=_unnoticed(),
        runbook="A first deployment of one more pair fails with `You have reached the cluster limit.` Raise the quota. "
        "The pairs that exist go on.",
        ends="AWS raises the quota, or a cluster is deleted.",
    ),
    CataloguedFault(
        name="first-deployment-while-region-lost",
        group="During a deployment",
        title="the other Region does not answer during the first deployment",
        begin=_inject("lost", "primary", service="dsql", effect="timeout"),
        end=_clear,
        lasts=40,
        during="create",
        expected=Expected(verdicts=_same(None), deployment="Peering of .* failed: still not done after 30 minutes"),
        runbook="The stack is rolled back; there is no monitoring yet. Deploy again when the Region answers.",
        ends="AWS repairs the Region, and somebody deploys again.",
        only_simulated=_NEEDS_DEPLOYMENT,
    ),
    CataloguedFault(
        name="first-deployment-never-active",
        group="During a deployment",
        title="the new pair never becomes ACTIVE during the first deployment",
        begin=_inject("stuck", *OBSERVERS, service="dsql", call="Peering", effect="stuck"),
        end=_clear,
        lasts=40,
        during="create",
        expected=Expected(verdicts=_same(None), deployment="Peering of .* failed: still not done after 30 minutes"),
        runbook="The stack is rolled back, and both clusters are separated. Deploy again, or open a case with AWS.",
        ends="Somebody deploys again.",
        only_simulated=_NEEDS_DEPLOYMENT,
    ),
    CataloguedFault(
        name="first-deployment-throttled",
        group="During a deployment",
        title="AWS throttles UpdateCluster for five minutes of the first deployment",
        begin=_inject("throttled", *OBSERVERS, service="dsql", call="UpdateCluster", error="ThrottlingException"),
        end=_clear,
        lasts=5,
        during="create",
        expected=Expected(verdicts=_same(None), deployment="done"),
        runbook="Nothing: the peering tries again until its time is up (30 minutes).",
        ends="By itself; the deployment takes five minutes longer.",
        only_simulated=_NEEDS_DEPLOYMENT,
    ),
    CataloguedFault(
        name="update-while-region-lost",
        group="During a deployment",
        title="a Region is lost, and somebody deploys a change of a cluster",
        begin=_inject("lost", "primary", effect="timeout"),
        end=_clear,
        lasts=40,
        during="update",
        expected=Expected(
            verdicts={"primary": None, "secondary": "CLUSTER_DOWN primary"},
            notified=[("cluster-down-primary", "secondary")],
            within=_BY_REGION_DOWN,
            afterwards=[("monitoring-not-working", "primary")],
            deployment="Peering of .* failed: still not done after 30 minutes",
            traffic_leaves=["primary"],
        ),
        runbook=f"{_SWITCH} Deploy the monitoring stack of the other Region only, until the Region is back.",
        ends="AWS repairs the Region, and somebody deploys again.",
        only_simulated=_NEEDS_DEPLOYMENT,
    ),
    CataloguedFault(
        name="update-repairs-peering",
        group="During a deployment",
        title="somebody removes the peer of a cluster, and a change of a cluster is deployed at the same time",
        begin=_multi_region("primary", peered=False),
        end=_nothing,
        during="update",
        expected=Expected(verdicts=_same("HEALTHY"), deployment="done"),
        runbook="Nothing: the deployment peers the clusters again before the second check.",
        ends="By the deployment. Find out who did it (CloudTrail, UpdateCluster).",
        only_simulated=_NEEDS_DEPLOYMENT,
    ),
    CataloguedFault(
        name="update-denied",
        group="During a deployment",
        title="somebody removes the peer of a cluster, and a policy denies UpdateCluster to the deployment",
        begin=_each(
            _multi_region("primary", peered=False),
            _inject("denied", *OBSERVERS, service="dsql", call="UpdateCluster", error="AccessDeniedException"),
        ),
        end=_each(_clear, _multi_region("primary")),
        during="update",
        expected=Expected(
            verdicts=_same("PEERING_LOST"),
            notified=_from_both("peering-lost"),
            within=5,
            deployment="Peering of .* failed: UpdateCluster on .* was denied",
        ),
        runbook="Send the application to ONE Region. The stack is rolled back; give the permission, then repair.",
        ends=_REPAIR,
        only_simulated=_NEEDS_DEPLOYMENT,
    ),
    CataloguedFault(
        name="destroy-of-protected-pair",
        group="During a deployment",
        title="somebody destroys the pair with DESTROY, and a cluster has deletion protection",
        begin=_nothing,
        end=_nothing,
        during="destroy",
        expected=Expected(
            verdicts=_same("HEALTHY"), deployment="Removal of .* failed: .* has deletion protection enabled"
        ),
        runbook="Nothing was deleted. Decide, then the command in the stack's own message.",
        ends="Somebody switches the protection off and destroys again, or keeps the pair.",
        only_simulated=_NEEDS_DEPLOYMENT,
    ),
    CataloguedFault(
        name="destroy-while-region-lost",
        group="During a deployment",
        title="the other Region does not answer while somebody destroys the pair with DESTROY",
        begin=_inject("lost", "primary", service="dsql", effect="timeout"),
        end=_clear,
        lasts=40,
        during="destroy",
        expected=Expected(
            verdicts=_same("CLUSTER_DOWN primary"),
            notified=_from_both("cluster-down-primary"),
            within=_BY_REGION_DOWN,
            deployment="Removal of .* failed: still not done after 30 minutes",
            traffic_leaves=["primary"],
        ),
        runbook="The stack is in DELETE_FAILED, and no cluster was deleted. Monitoring that is not destroyed yet "
        "reports the cluster.",
        ends="AWS repairs the Region, and somebody destroys again.",
        only_simulated=_NEEDS_DEPLOYMENT,
    ),
)

FAILOVER = (
    CataloguedFault(
        name="region-evacuated",
        group="Evacuations and health checks",
        title="somebody evacuates a Region",
        begin=_evacuate(*OBSERVERS),
        end=_take_users_again,
        needs=_FAILOVER,
        expected=Expected(verdicts=_same("HEALTHY"), traffic_leaves=["primary"]),
        runbook="Nothing: `dsql-dr status` says who did it, when, and why.",
        ends="Somebody runs `dsql-dr evacuate --back`; users return within 7 minutes.",
    ),
    CataloguedFault(
        name="lost-region-evacuated",
        group="Evacuations and health checks",
        title="a Region is lost, and somebody evacuates it from the other one",
        begin=_each(_inject("lost", "primary", effect="timeout"), _evacuate("secondary")),
        end=_each(_clear, _take_users_again),
        needs=_FAILOVER,
        expected=Expected(
            verdicts={"primary": None, "secondary": "CLUSTER_DOWN primary"},
            notified=[("cluster-down-primary", "secondary")],
            within=_BY_REGION_DOWN,
            afterwards=[("monitoring-not-working", "primary")],
            traffic_leaves=["primary"],
        ),
        runbook="Nothing: users left a minute after the command, before the notification. One Region's SSM parameter "
        "is enough.",
        ends="AWS repairs the Region; then somebody runs `dsql-dr evacuate --back`.",
    ),
    CataloguedFault(
        name="evacuation-overwritten",
        group="Evacuations and health checks",
        title="a Region is evacuated, and somebody overwrites its SSM parameters with a Region that is not the pair's",
        begin=_evacuate(*OBSERVERS),
        then=[(4, _overwrite_evacuation)],
        end=_take_users_again,
        needs=_FAILOVER,
        expected=Expected(verdicts=_same("HEALTHY"), traffic_leaves=["primary"]),
        runbook="Nothing: what is no declaration about the pair is passed over, and the one before it holds. Find out "
        "who did it (CloudTrail).",
        ends="Somebody runs `dsql-dr evacuate --back`.",
    ),
    CataloguedFault(
        name="evacuation-parameter-deleted",
        group="Evacuations and health checks",
        title="a Region is evacuated, and somebody deletes the SSM parameter of one Region",
        begin=_evacuate(*OBSERVERS),
        then=[(4, _delete_evacuation)],
        end=_take_users_again,
        needs=_FAILOVER,
        expected=Expected(verdicts=_same("HEALTHY"), traffic_leaves=["primary"]),
        runbook="Nothing: the other Region's one holds. Without both, nothing is declared, and users return.",
        ends=f"{_REVERT} Somebody runs `dsql-dr evacuate --back`.",
    ),
    CataloguedFault(
        name="evacuation-forged",
        group="Evacuations and health checks",
        title="somebody puts the metric of an evacuation that nobody declared",
        begin=_forge("secondary", **{names.EVACUATED: 1.0}),
        end=_nothing,
        needs=_FAILOVER,
        expected=Expected(verdicts=_same("HEALTHY"), traffic_leaves=["primary"]),
        runbook="Run `dsql-dr status`, which has no evacuation then: find out who may PutMetricData.",
        ends="When nobody puts it any more; users return within 7 minutes.",
    ),
    CataloguedFault(
        name="evacuated-alarm-deleted",
        group="Evacuations and health checks",
        title="somebody deletes an alarm that a health check follows for evacuations, and then evacuates the Region",
        begin=_each(_remember("evacuated-primary"), _on_alarm("delete_alarms", "evacuated-primary")),
        then=[(4, _evacuate(*OBSERVERS))],
        end=_each(_take_users_again, _put_alarm()),
        needs=_FAILOVER,
        expected=Expected(verdicts=_same("HEALTHY"), traffic_leaves=["primary"]),
        runbook=f"Nothing: {_COPY}, and there are more than one for an evacuation.",
        ends=f"{_REVERT} Somebody runs `dsql-dr evacuate --back`.",
    ),
    CataloguedFault(
        name="cluster-health-alarm-deleted",
        group="Evacuations and health checks",
        title="somebody deletes an alarm that a health check follows, and 10 minutes later a cluster fails",
        begin=_each(_remember("cluster-health-primary"), _on_alarm("delete_alarms", "cluster-health-primary")),
        then=[(10, _status("FAILED", "primary"))],
        end=_each(_status("ACTIVE", "primary"), _put_alarm()),
        lasts=30,
        needs=_FAILOVER,
        expected=Expected(
            verdicts=_same("CLUSTER_DOWN primary"),
            notified=_from_both("cluster-down-primary"),
            within=10 + _BY_REGION_DOWN,
            traffic_leaves=["primary"],
        ),
        runbook=f"{_SWITCH} Of the alarm nobody is notified: {_COPY}.",
        ends=f"{_BACK} {_REVERT}",
    ),
    CataloguedFault(
        name="health-check-inverted",
        group="Evacuations and health checks",
        title="somebody inverts the health check of a Region in the console",
        begin=_health_check(inverted=True),
        end=_health_check(inverted=False),
        needs=_FAILOVER,
        expected=Expected(verdicts=_same("HEALTHY"), traffic_leaves=["primary"]),
        runbook="The monitors do not see it: CloudFormation shows the drift of the Region's failover stack, and your "
        "own monitoring shows that its requests end.",
        ends="Somebody reverts the drift of that Region's failover stack.",
    ),
)

FAULTS = (
    *REGIONS,
    *CLUSTERS,
    *NETWORK,
    *PEERING,
    *SQL,
    *MONITOR,
    *FORGED,
    *PERMISSIONS,
    *KEYS,
    *NOTIFICATIONS,
    *PARAMETERS,
    *FAILOVER,
    *BACKUPS,
    *DEPLOYMENTS,
    *TWO_AT_ONCE,
)
"""All, grouped."""
