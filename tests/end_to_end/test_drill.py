"""Drills of a deployed pair by the real command: measured against what was injected, refused, stopped, killed."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_cloudwatch as cloudwatch

from dsql_dr_constructs import DrillOptions, MonitoringOptions, MonitorOptions, MultiRegionDsqlDr
from dsql_dr_constructs.emulator import AwsEmulator, Fault
from tests.emulator.sessions import probe
from tests.end_to_end.project import DESTROY, Project

EAST, WEST = "us-east-1", "us-west-2"
SCALE = 1 / 15
"""A monitor runs every 8 s then. One that notices the fault takes 5 s of them, in which it tries again."""
PERIOD = 120
DEPLOYMENT, TOPIC, STOP = "Orders-production", "aurora-dsql-alerts-Orders-production", "orders-errors"
COMMAND = f"""
import functools, signal
from dsql_dr_constructs.cli import command_line, drill, drill_run
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # one of nohup ignores this
drill.DrillTime = functools.partial(drill.DrillTime, {SCALE})
drill_run.RECOVERY = 420.0
command_line.main()
"""


def drilled(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(
        app,
        "Orders",
        removal_policy=DESTROY,
        alert_emails=["ops@example.com"],
        # a run that fails takes its whole time by the real clock, and has to end before the next one
        monitoring=MonitoringOptions(
            monitor_options={region: MonitorOptions(probe_timeout=cdk.Duration.seconds(5)) for region in (EAST, WEST)}
        ),
        drill=DrillOptions(
            stop_alarm_arns={one: [f"arn:aws:cloudwatch:{one}:000000000000:alarm:{STOP}"] for one in (EAST, WEST)},
        ),
    )
    for stack in pair.stacks[2:4]:
        cloudwatch.Alarm(
            stack,
            "Errors",
            alarm_name=STOP,
            metric=cloudwatch.Metric(namespace="Orders", metric_name="Errors", period=cdk.Duration.minutes(1)),
            threshold=1,
            evaluation_periods=1,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )


class DrilledPair:
    """A pair with drills, which several tests use one after the other."""

    def __init__(self, aws: AwsEmulator) -> None:
        self.aws = aws
        self.project = Project(aws)
        self.project.deploy(drilled)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """``dsql-dr drill``, with the emulator's minutes."""
        return subprocess.Popen(
            [sys.executable, "-c", COMMAND, "drill", DEPLOYMENT, *arguments],
            env=self.aws.environment(),
            cwd=self.aws.directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        with self.start(*arguments) as process:
            text, _ = process.communicate()
        return process.returncode, text

    def states(self) -> dict[str, set[str]]:
        """Of all alarms, by Region."""
        found: dict[str, set[str]] = {}
        for region in (EAST, WEST):
            answer = self.aws.client("cloudwatch", region).describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
            alarms = [*answer["MetricAlarms"], *answer["CompositeAlarms"]]
            found[region] = {f"{one['AlarmName']}: {one['StateValue']}" for one in alarms if one["StateValue"] != "OK"}
        return found

    def wait_until_well(self) -> None:
        """All alarms are OK, so that a drill may begin."""
        until = time.monotonic() + 90
        while any(found := self.states().values()):
            assert time.monotonic() < until, found
            time.sleep(0.2)

    def everything(self) -> dict[str, Any]:
        """All that a drill could leave behind."""
        found: dict[str, Any] = {}
        for region in (EAST, WEST):
            fis, sns = self.aws.client("fis", region), self.aws.client("sns", region)
            found[region] = {
                "queues": self.aws.client("sqs", region).list_queues().get("QueueUrls", []),
                "subscriptions": sorted(one["Endpoint"] for one in sns.list_subscriptions()["Subscriptions"]),
                "templates": [one["id"] for one in fis.list_experiment_templates()["experimentTemplates"]],
                "running": [
                    one["id"]
                    for one in fis.list_experiments()["experiments"]
                    if one["state"]["status"] in ("pending", "initiating", "running", "stopping")
                ],
                "answers": probe(self.aws, self.project.clusters()[region]["endpoint"]),
            }
        return {**found, "clusters": self.project.clusters()}

    def wait_until_failing(self, region: str) -> None:
        endpoint, until = self.project.clusters()[region]["endpoint"], time.monotonic() + 60
        while probe(self.aws, endpoint) == "authentication":
            assert time.monotonic() < until, f"no connection to {region} fails"
            time.sleep(0.1)

    @contextmanager
    def queue(self, region: str) -> Iterator[Callable[[], list[tuple[float, str]]]]:
        """When each notification arrived at a queue of the test's own, and the alarm's new state."""
        sqs, sns = self.aws.client("sqs", region), self.aws.client("sns", region)
        url = sqs.create_queue(QueueName="of-the-test")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        topic = f"arn:aws:sns:{region}:000000000000:{TOPIC}"
        subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)["SubscriptionArn"]

        def arrived() -> list[tuple[float, str]]:
            found = []
            while messages := sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["SentTimestamp"]
            ).get("Messages"):
                for one in messages:
                    body = json.loads(json.loads(one["Body"])["Message"])
                    found.append((int(one["Attributes"]["SentTimestamp"]) / 1000, body["NewStateValue"]))
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
            return sorted(found)

        try:
            yield arrived
        finally:
            sns.unsubscribe(SubscriptionArn=subscription)
            sqs.delete_queue(QueueUrl=url)


@contextmanager
def connecting(aws: AwsEmulator, endpoint: str) -> Iterator[list[tuple[float, str]]]:
    """What a client sees that connects again and again: when, and the endpoint's answer."""
    seen: list[tuple[float, str]] = []
    done = threading.Event()

    def connect() -> None:
        while not done.wait(0.1):
            with suppress(OSError):
                answer = probe(aws, endpoint)
                seen.append((time.time(), answer))

    thread = threading.Thread(target=connect)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


@pytest.fixture(scope="module")
def pair() -> Iterator[DrilledPair]:
    with AwsEmulator(regions=[EAST, WEST], time_scale=SCALE) as aws:
        yield DrilledPair(aws)


@pytest.mark.parametrize(("region", "other"), [(EAST, WEST), (WEST, EAST)])
def test_drill_measures_what_was_injected_and_leaves_the_pair_as_it_was(
    pair: DrilledPair, region: str, other: str, tmp_path: Path
) -> None:
    pair.wait_until_well()
    before = pair.everything()
    endpoint, report = before["clusters"][region]["endpoint"], tmp_path / "drill.html"
    with connecting(pair.aws, endpoint) as seen, pair.queue(region) as here, pair.queue(other) as there:
        code, text = pair.run(
            *("--region", region, "--yes", "--strict", "--report", str(report)),
            *("--objective", "notification=10m", "--objective", "recovery=10m"),
        )
        arrived = {region: here(), other: there()}
    assert code == 0, text
    assert pair.everything() == before
    assert not any(pair.states().values())
    assert "The drill passed: the pair is as before." in text

    found = json.loads(report.with_suffix(".json").read_text())
    assert (found["passed"], found["state"], found["region"], found["failures"], found["left"]) == (
        True,
        "completed",
        region,
        [],
        [],
    )
    failing = [at for at, answer in seen if answer != "authentication"]
    began, ended = failing[0], failing[-1]
    measured = {one["name"]: one["seconds"] for one in found["measures"]}
    assert [(state, len(arrived[one])) for one in (region, other) for _, state in arrived[one]] == [
        ("ALARM", 2),
        ("OK", 2),
    ] * 2
    slowest = [max(arrived[one][number][0] for one in arrived) for number in (0, 1)]
    assert abs(measured["notification"] - (slowest[0] - began) / SCALE) < PERIOD
    assert abs(measured["all-clear"] - (slowest[1] - ended) / SCALE) < PERIOD
    assert abs((ended - began) / SCALE - 10 * 60) < PERIOD, "the fault lasts as long as asked"
    assert measured["detection"] <= measured["alarm"] <= measured["notification"] <= 10 * 60
    order = [one["kind"] for one in found["moments"]]
    assert order.index("fault") < order.index("verdict") < order.index("alarm") < order.index("notification")
    assert order.index("notification") < order.index("fault-ended") < order.index("recovered") < order.index("ended")
    role = pair.aws.client("fis", region).get_experiment(id=found["experiment"].rpartition("/")[2])["experiment"]
    assert found["role"] == role["roleArn"]
    assert len(found["templates"]) == 6, "of clusters, monitoring and drills"
    page = report.read_text()
    for fact in (DEPLOYMENT, found["experiment"], found["role"], region, other):
        assert fact in page


def test_drill_is_refused_before_anything_is_started(pair: DrilledPair) -> None:
    pair.wait_until_well()
    before = pair.everything()
    code, text = pair.run("--region", EAST, "--dry-run")
    assert (code, "All checks passed. Nothing was started." in text) == (0, True)
    code, text = pair.run("--region", EAST)
    assert (code, "--yes" in text) == (1, True), "nobody can be asked"

    sns = pair.aws.client("sns", WEST)
    [subscription] = sns.list_subscriptions()["Subscriptions"]
    sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
    code, text = pair.run("--region", EAST, "--yes")
    assert (code, "Nobody is notified" in text) == (1, True)
    sns.subscribe(TopicArn=subscription["TopicArn"], Protocol="email", Endpoint="ops@example.com")

    fis = pair.aws.client("fis", EAST)
    [template] = fis.list_experiment_templates()["experimentTemplates"]
    stops = fis.get_experiment_template(id=template["id"])["experimentTemplate"]["stopConditions"]
    of_the_pair = [one for one in stops if not one["value"].endswith(STOP)]
    fis.update_experiment_template(id=template["id"], stopConditions=of_the_pair)
    code, text = pair.run("--region", EAST, "--yes", "--strict")
    assert (code, "No alarm of your application stops the experiment" in text) == (1, True)
    fis.update_experiment_template(id=template["id"], stopConditions=stops)

    pair.aws.inject(Fault("down", service="postgresql", region=WEST))
    code, text = pair.run("--region", EAST, "--yes")
    pair.aws.clear_faults()
    assert (code, "reports CLUSTER_DOWN us-west-2" in text) == (1, True)
    assert pair.everything() == before
    time.sleep(2 * PERIOD * SCALE)  # in which an alarm may still be raised by what was put meanwhile


def test_drill_is_stopped_by_its_stop_condition(pair: DrilledPair) -> None:
    pair.wait_until_well()
    before = pair.everything()
    with pair.start("--region", WEST, "--yes") as process:
        pair.wait_until_failing(WEST)
        pair.aws.client("cloudwatch", WEST).set_alarm_state(
            AlarmName=STOP, StateValue="ALARM", StateReason="Users see errors."
        )
        text, _ = process.communicate()
    assert process.returncode == 1
    assert "stopped by its stop condition" in text
    assert pair.everything() == before


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_drill_that_is_interrupted_ends_the_fault_and_leaves_nothing(pair: DrilledPair, end: signal.Signals) -> None:
    pair.wait_until_well()
    before = pair.everything()
    with pair.start("--region", EAST, "--yes", "--duration", "9m", "--share", "99") as process:
        pair.wait_until_failing(EAST)
        assert len(pair.everything()[EAST]["templates"]) == 2, "a temporary copy, of this duration and share"
        process.send_signal(end)
        text, _ = process.communicate()
    assert process.returncode == 128 + end, text
    assert "The drill was stopped before its end." in text
    assert pair.everything() == before


def test_what_a_killed_drill_has_left_is_removed(pair: DrilledPair) -> None:
    pair.wait_until_well()
    before = pair.everything()
    with pair.start("--region", EAST, "--yes", "--duration", "12m") as process:
        pair.wait_until_failing(EAST)
        process.kill()
    left = pair.everything()
    assert left[EAST]["queues"] != before[EAST]["queues"]
    assert left[EAST]["running"]
    code, text = pair.run("--region", EAST, "--yes")
    assert (code, "--clean-up" in text) == (1, True), "it may be somebody else's, which is running"
    code, text = pair.run("--region", EAST, "--clean-up")
    assert code == 0, text
    assert pair.everything() == before


def test_role_that_may_not_inject_errors_fails_the_drill_with_iams_sentence(pair: DrilledPair) -> None:
    pair.wait_until_well()
    iam, fis = pair.aws.client("iam", EAST), pair.aws.client("fis", EAST)
    [template] = fis.list_experiment_templates()["experimentTemplates"]
    role = fis.get_experiment_template(id=template["id"])["experimentTemplate"]["roleArn"].rpartition("/")[2]
    deny = {"Effect": "Deny", "Action": "dsql:InjectError", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    iam.put_role_policy(RoleName=role, PolicyName="guard", PolicyDocument=policy)
    before = pair.everything()
    code, text = pair.run("--region", EAST, "--yes")
    iam.delete_role_policy(RoleName=role, PolicyName="guard")
    assert code == 1
    assert re.search(r"action connection-failure failed: .*not authorized to perform: dsql:InjectError", text), text
    assert pair.everything() == before


def test_pair_that_does_not_recover_fails_the_drill_with_a_sentence(pair: DrilledPair, tmp_path: Path) -> None:
    pair.wait_until_well()
    before = pair.everything()
    report = tmp_path / "drill.html"
    with pair.start("--region", WEST, "--yes", "--duration", "1m", "--report", str(report)) as process:
        pair.wait_until_failing(WEST)
        pair.aws.inject(Fault("really", service="postgresql", region=WEST))
        text, _ = process.communicate()
    pair.aws.clear_faults()
    assert process.returncode == 1
    assert "The pair did not recover within" in text
    found = json.loads(report.with_suffix(".json").read_text())
    assert (found["passed"], found["left"]) == (False, [])
    assert any("did not recover" in one for one in found["failures"])
    assert pair.everything() == before


def test_test_of_notifications_raises_every_alarm_and_leaves_all_ok(pair: DrilledPair) -> None:
    pair.wait_until_well()
    before = pair.everything()
    command = COMMAND.replace(
        "command_line.main()",
        "from dsql_dr_constructs.cli import notification_test as test\n"
        "test.Times = functools.partial(test.Times, hold=2, every=0.2, returns=30, arrives=20)\n"
        "command_line.main()",
    )
    with pair.queue(EAST) as here, pair.queue(WEST) as there:
        done = subprocess.run(
            [sys.executable, "-c", command, "test-notifications", DEPLOYMENT, "--region", EAST, "--yes", "--json"],
            env=pair.aws.environment(),
            check=False,
            capture_output=True,
            text=True,
        )
        arrived = {EAST: here(), WEST: there()}
    assert done.returncode == 0, done.stdout + done.stderr
    for found in arrived.values():
        states = [state for _, state in found]
        assert len(states) > 8
        assert states == ["ALARM", "OK"] * (len(states) // 2), "one alarm after the other"
    assert pair.everything() == before
    assert not any(pair.states().values())
