"""The command `dsql-dr evacuate`, with answers of AWS that the tests make."""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from dsql_dr_constructs.cli import aws_session, command_line
from dsql_dr_constructs.cli import evacuate as command
from dsql_dr_constructs.runtime.evacuation import LONGEST_WHY, NOTHING_DECLARED, Declaration
from tests.cli.backup_answers import EAST, NOW, REGIONS, WEST, AwsClient, cluster_arn, error, no_answer
from tests.tools import ROOT

ALICE, BOB = (f"arn:aws:sts::111122223333:assumed-role/ops/{one}" for one in ("alice", "bob"))
PATH = "/dsql-dr/Orders-production/evacuation"
WHY = ("--why", "planned work")


@dataclass
class Aws:
    """A healthy pair with health checks for failover, which was just deployed."""

    now: datetime = NOW
    history: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Versions of the parameter, by Region that has it."""
    alarms: dict[tuple[str, str], str] = field(default_factory=dict)
    """State of the alarm on the health of a Region's cluster, by that Region and observer."""
    evacuated: dict[tuple[str, str], tuple[str, datetime]] = field(default_factory=dict)
    """State of the alarm on evacuations of a Region, by that Region and observer, and since when it has it."""
    put: list[tuple[str, str, float]] = field(default_factory=list)
    """Observer, Region of the cluster, and value of the metric."""
    faults: dict[tuple[str, str], Callable[[str], Exception]] = field(default_factory=dict)
    on_call: Callable[[str, str], None] = lambda operation, region: None
    calls: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    attempts: dict[str, int] = field(default_factory=dict)
    actions: set[str] = field(default_factory=set)
    who: str = ALICE

    def __post_init__(self) -> None:
        for region in REGIONS:
            self.history[region] = []
            self.write(region, NOTHING_DECLARED, "arn:aws:sts::111122223333:assumed-role/cdk/AWSCloudFormation")
            for observer in REGIONS:
                self.alarms[region, observer] = "OK"
                self.evacuated[region, observer] = "OK", NOW

    def client(self, service: str, region: str, /, *, attempts: int = 2) -> Any:
        return AwsClient(self, service, region, attempts)

    def write(self, region: str, value: str, who: str) -> int:
        self.now += timedelta(seconds=1)
        number = len(self.history[region]) + 1
        one = {"Value": value, "LastModifiedUser": who, "LastModifiedDate": self.now, "Version": number}
        self.history[region].append(one)
        return number

    def declare(self, region: str | None, *where: str, why: str = "earlier") -> None:
        for one in where:
            self.write(one, Declaration.value(region, why), BOB)

    def declared(self, where: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.history[where][-1]["Value"])
        return found

    def down(self, region: str) -> None:
        """Nothing in it answers."""
        for operation in ("GetParametersByPath", "GetParameterHistory", "PutParameter", "DescribeAlarms"):
            self.faults[operation, region] = no_answer
        self.faults["PutMetricData", region] = no_answer

    def get_parameters_by_path(self, region: str, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        names = {f"{request['Path']}/{one}/arn": cluster_arn(one) for one in REGIONS}
        yield {"Parameters": [{"Name": name, "Value": value} for name, value in names.items()]}

    def get_parameter_history(self, region: str, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        assert request["Name"] == PATH
        if region not in self.history:
            raise error("ParameterNotFound")("GetParameterHistory")
        for one in self.history[region]:
            yield {"Parameters": [one]}

    def put_parameter(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        assert (request["Name"], request["Overwrite"]) == (PATH, True)
        return {"Version": self.write(region, request["Value"], self.who)}

    def describe_alarms(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        [name] = request["AlarmNames"]
        alarms = {("cluster-health", *key): (state, NOW) for key, state in self.alarms.items()}
        alarms |= {("evacuated", *key): alarm for key, alarm in self.evacuated.items()}
        return {
            "MetricAlarms": [
                {"AlarmName": name, "StateValue": state, "StateUpdatedTimestamp": since, "Period": 300}
                for (kind, of, observer), (state, since) in alarms.items()
                if (name, region) == (f"aurora-dsql-Orders-production-{kind}-{of}-from-{observer}", observer)
            ]
        }

    def put_metric_data(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        assert request["Namespace"] == "Aurora/DSQL/DisasterRecovery"
        for one in request["MetricData"]:
            assert "Timestamp" not in one, "the clock of this machine may be wrong"
            dimensions = {each["Name"]: each["Value"] for each in one["Dimensions"]}
            assert (one["MetricName"], dimensions["Deployment"]) == ("Evacuated", "Orders-production")
            self.put.append((dimensions["ObserverRegion"], dimensions["ClusterRegion"], one["Value"]))
            assert dimensions["ObserverRegion"] == region
        return {}


class Run:
    """Runs the command line."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.errors = ""
        monkeypatch.setenv("COLUMNS", "200")

    def __call__(
        self, aws: Aws, *arguments: str, answer: str | None = None, deployment: str = "Orders-production"
    ) -> tuple[int, str]:
        """Exit status and what is printed; with *answer* there is a terminal for the question."""
        given = self._monkeypatch.setattr
        given(aws_session, "region_and_clients", lambda options, **_: (options.region or WEST, aws.client))
        given(command, "time", SimpleNamespace(sleep=lambda seconds: None))
        given(sys, "stdin", SimpleNamespace(isatty=lambda: answer is not None))
        given(Console, "input", lambda console, prompt, *, markup: console.print(prompt) or answer)
        before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGHUP)}
        try:
            with pytest.raises(SystemExit) as ended:
                command_line.main(["evacuate", deployment, *arguments])
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)
        printed = self._capsys.readouterr()
        self.errors = printed.err
        return int(ended.value.code or 0), printed.out


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(monkeypatch, capsys)


def written(aws: Aws) -> list[str]:
    """Regions in which the command wrote."""
    return [region for operation, region, _ in aws.calls if operation == "PutParameter"]


def test_region_is_declared_in_both_regions_and_the_metric_is_put_at_once(run: Run) -> None:
    aws = Aws()
    status, printed = run(aws, EAST, *WHY, "--yes")
    assert status == 0, printed
    assert [aws.declared(one) for one in REGIONS] == [{"evacuated": EAST, "why": "planned work"}] * 2
    assert sorted(aws.put) == [(EAST, EAST, 1.0), (EAST, WEST, 0.0), (WEST, EAST, 1.0)]
    assert f"{EAST} is evacuated: {ALICE} declared it at 2026-11-26 09:00:0" in printed
    assert f"To end it: dsql-dr evacuate Orders-production {EAST} --back --region {WEST}" in printed


def test_region_that_is_down_is_evacuated_by_the_other_one(run: Run) -> None:
    aws = Aws()
    aws.down(EAST)
    status, printed = run(aws, EAST, *WHY, "--yes")
    assert status == 0, printed
    assert aws.declared(WEST)["evacuated"] == EAST
    assert aws.put == [(WEST, EAST, 1.0)]
    assert f"{EAST} did not take the declaration: Could not connect" in printed
    assert "One Region is enough." in printed
    assert [region for operation, region, _ in aws.calls if region == EAST] == [EAST], "and is asked once only"


def test_where_the_region_that_is_asked_first_is_the_dead_one_the_command_says_which_to_give(run: Run) -> None:
    aws = Aws()
    aws.down(EAST)
    status, printed = run(aws, EAST, *WHY, "--yes", "--region", EAST)
    assert status == 1
    assert f"If {EAST} is down, give --region the pair's other Region." in printed


def test_region_that_lives_and_refuses_is_no_obstacle_if_it_is_forced(run: Run) -> None:
    aws = Aws()
    aws.faults["GetParameterHistory", WEST] = error("InternalServerError")
    status, printed = run(aws, EAST, *WHY, "--yes")
    assert (status, written(aws)) == (1, [])
    assert f"SSM in {WEST} could not be read: An error occurred (InternalServerError)" in printed
    status, printed = run(aws, EAST, *WHY, "--yes", "--force")
    assert (status, written(aws)) == (0, [EAST])
    assert f"{WEST} did not take the declaration" in printed


@pytest.mark.parametrize("operation", ["GetParameterHistory", "PutParameter"])
def test_where_no_region_takes_it_nothing_is_declared(run: Run, operation: str) -> None:
    aws = Aws()
    for region in REGIONS:
        aws.faults[operation, region] = error("ExpiredTokenException", "The security token is expired")
    status, printed = run(aws, EAST, *WHY, "--yes", "--force")
    assert (status, aws.put) == (1, [])
    assert printed.count("The security token is expired") == 2
    assert "Nothing was declared" in printed


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_both_regions_cannot_be_evacuated(run: Run, force: list[str]) -> None:
    aws = Aws()
    aws.declare(WEST, EAST)
    status, printed = run(aws, EAST, *WHY, "--yes", *force)
    assert (status, written(aws)) == (1, [])
    assert f"{WEST} is evacuated: {BOB} declared it at" in printed
    assert f"End that one first: dsql-dr evacuate Orders-production {WEST} --back" in printed


def swap(run: Run, aws: Aws, *options: str) -> tuple[int, str]:
    """One Region is evacuated by mistake, and then the other one."""
    assert run(aws, WEST, *WHY, "--yes")[0] == 0
    assert run(aws, WEST, "--back", "--yes")[0] == 0
    aws.put.clear()
    return run(aws, EAST, *WHY, "--yes", *options)


def until(aws: Aws) -> str:
    """The alarm's period and two minutes after the end of the evacuation, which the first write of it is."""
    return f"{aws.history[EAST][-1]['LastModifiedDate'] + timedelta(minutes=7):%Y-%m-%d %H:%M:%S} UTC"


@pytest.mark.parametrize("raised", [[], [WEST], REGIONS], ids=len)
def test_users_are_not_sent_to_a_region_whose_evacuation_route_53_still_sees(run: Run, raised: list[str]) -> None:
    """As its alarm says, or will say, which is evaluated every minute only."""
    aws = Aws()
    aws.evacuated.update({(WEST, one): ("ALARM", NOW) for one in raised})
    status, printed = swap(run, aws)
    assert (status, aws.put) == (1, [])
    assert aws.declared(WEST)["evacuated"] is None
    ended = f"The evacuation of {WEST} has just ended, and Route 53 may see it until {until(aws)}"
    assert printed.count(ended) == 1
    assert "give --force to evacuate us-east-1 all the same" in printed


def test_until_when_route_53_answers_with_both_is_said_to_who_forces_that(run: Run) -> None:
    aws = Aws()
    ends = f"and Route 53 may see it until {until(aws)[:14]}"
    status, printed = swap(run, aws, "--force")
    assert status == 0
    assert aws.declared(WEST)["evacuated"] == EAST
    assert printed.count(f"The evacuation of {WEST} has just ended, {ends}") == 1


def test_region_whose_evacuation_is_over_takes_all_users(run: Run) -> None:
    aws = Aws()
    assert run(aws, WEST, *WHY, "--yes")[0] == 0
    assert run(aws, WEST, "--back", "--yes")[0] == 0
    before = aws.now
    aws.evacuated.update({(WEST, one): ("OK", aws.now + timedelta(seconds=1)) for one in REGIONS})
    assert run(aws, EAST, *WHY, "--yes")[0] == 0, "its alarms have been OK since"
    assert run(aws, EAST, "--back", "--yes")[0] == 0
    aws.now = before + timedelta(days=1)
    aws.evacuated.update(dict.fromkeys(aws.evacuated, ("OK", NOW)))
    assert run(aws, WEST, *WHY, "--yes")[0] == 0, "its alarms never saw it"


@pytest.mark.parametrize("observer", REGIONS)
def test_alarm_on_an_evacuation_that_nobody_declared_is_a_doubt(run: Run, observer: str) -> None:
    """The monitor there puts no data, or somebody else put them."""
    aws = Aws()
    aws.evacuated[WEST, observer] = "ALARM", NOW
    status, printed = run(aws, EAST, *WHY, "--yes")
    assert (status, written(aws)) == (1, [])
    assert f"Alarm aurora-dsql-Orders-production-evacuated-{WEST}-from-{observer} in {observer} is ALARM." in printed
    aws.evacuated = {(EAST, one): ("ALARM", NOW) for one in REGIONS}
    assert run(aws, EAST, *WHY, "--yes")[0] == 0, "of the Region to leave it is none"


def at_call(aws: Aws, number: int, wanted: str, do: Callable[[], None]) -> None:
    """Before the call of that number of the operation *wanted*."""
    seen: list[str] = []

    def count(operation: str, region: str) -> None:
        seen.append(operation)
        if operation == wanted and seen.count(wanted) == number:
            do()

    aws.on_call = count


def by_somebody_else(aws: Aws) -> Callable[[], None]:
    return lambda: aws.declare(WEST, *REGIONS, why="maintenance")


@pytest.mark.parametrize("arguments", [WHY, ("--back",)])
def test_what_is_declared_while_the_question_stands_is_not_replaced(run: Run, arguments: tuple[str, ...]) -> None:
    aws = Aws()
    at_call(aws, 3, "GetParameterHistory", by_somebody_else(aws))
    status, printed = run(aws, EAST, *arguments, answer="yes")
    assert (status, written(aws), aws.put) == (1, [], [])
    assert f"Somebody else declared something while the question stood. {WEST} is evacuated: {BOB}" in printed


def test_region_that_dies_while_the_question_stands_is_left_all_the_same(run: Run) -> None:
    aws = Aws()
    aws.declare(None, EAST)
    at_call(aws, 3, "GetParameterHistory", lambda: aws.down(EAST))
    status, printed = run(aws, EAST, *WHY, answer="yes")
    assert (status, written(aws)) == (0, [WEST]), printed


@pytest.mark.parametrize(("arguments", "holds"), [(WHY, EAST), (("--back",), None)])
def test_what_is_declared_at_the_same_time_and_replaced_is_said(
    run: Run, arguments: tuple[str, ...], holds: str | None
) -> None:
    aws = Aws()
    at_call(aws, 1, "PutParameter", by_somebody_else(aws))
    status, printed = run(aws, EAST, *arguments, "--yes", "--json")
    assert (status, aws.declared(WEST)["evacuated"]) == (1, holds)
    found = json.loads(printed)
    assert [(one["region"], one["who"], one["why"]) for one in found["replaced"]] == [(WEST, BOB, "maintenance")]
    *both, replaced = found["problems"]
    assert replaced.startswith(f"What somebody else declared at the same time is replaced, and does not hold: {WEST}")
    assert [one.partition(" has just ended")[0] for one in both] == ([f"The evacuation of {WEST}"] if holds else [])


def test_what_a_dead_region_may_know_of_evacuations_is_said_before_the_question(run: Run) -> None:
    aws = Aws()
    aws.down(EAST)
    _, printed = run(aws, EAST, *WHY, answer="no")
    assert f"What {EAST} has of evacuations could not be read, and is replaced if this is newer: Could not" in printed


@pytest.mark.parametrize("observer", REGIONS)
def test_users_are_not_sent_to_a_region_that_is_down_unless_it_is_forced(run: Run, observer: str) -> None:
    aws = Aws()
    aws.alarms[WEST, observer] = "ALARM"
    status, printed = run(aws, EAST, *WHY, "--yes")
    assert (status, written(aws)) == (1, [])
    assert (
        f"Alarm aurora-dsql-Orders-production-cluster-health-{WEST}-from-{observer} in {observer} is ALARM." in printed
    )
    assert "give --force to evacuate us-east-1 all the same" in printed
    assert run(aws, EAST, *WHY, "--yes", "--force")[0] == 0


def test_health_of_the_region_that_is_left_does_not_matter(run: Run) -> None:
    aws = Aws()
    for observer in REGIONS:
        aws.alarms[EAST, observer] = "ALARM"
    assert run(aws, EAST, *WHY, "--yes")[0] == 0


def gone(aws: Aws) -> None:
    del aws.alarms[WEST, WEST]


def unread(aws: Aws) -> None:
    aws.faults["DescribeAlarms", WEST] = error("AccessDenied")


def without_data(aws: Aws) -> None:
    aws.alarms[WEST, WEST] = "INSUFFICIENT_DATA"


@pytest.mark.parametrize("change", [gone, unread, without_data])
def test_what_the_other_region_does_not_say_of_itself_is_a_doubt(run: Run, change: Callable[[Aws], None]) -> None:
    aws = Aws()
    change(aws)
    status, printed = run(aws, EAST, *WHY, "--yes")
    assert (status, written(aws)) == (1, [])
    assert f"cluster-health-{WEST}-from-{WEST}" in printed
    assert run(aws, EAST, *WHY, "--yes", "--force")[0] == 0


def test_the_region_to_leave_may_say_nothing_of_the_other_one(run: Run) -> None:
    aws = Aws()
    aws.faults["DescribeAlarms", EAST] = error("AccessDenied")
    assert run(aws, EAST, *WHY, "--yes")[0] == 0


def test_evacuation_is_ended_whatever_is_healthy_and_wherever_it_was_written(run: Run) -> None:
    aws = Aws()
    aws.declare(EAST, EAST)
    aws.alarms = dict.fromkeys(aws.alarms, "ALARM")
    status, printed = run(aws, EAST, "--back", "--yes")
    assert status == 0, printed
    assert f"{EAST} is evacuated: {BOB}" in printed, "who declared what is ended"
    assert f"{EAST} takes users again" in printed
    assert [aws.declared(one)["evacuated"] for one in REGIONS] == [None, None]
    assert aws.put == [(WEST, EAST, 0.0), (EAST, WEST, 0.0)], "of each, its own monitor has to say it"
    assert "put last" not in printed


def test_region_that_took_no_end_of_an_evacuation_may_be_seen_longer(run: Run) -> None:
    aws = Aws()
    aws.declare(EAST, EAST)
    aws.declare(EAST, WEST)
    aws.down(WEST)
    status, printed = run(aws, EAST, "--back", "--yes", "--region", EAST)
    assert status == 0, printed
    assert (
        f"Until {WEST} takes it, Route 53 may see what its monitor put last, and send no users to {EAST}: for 16"
        in printed
    )


def test_evacuation_of_the_other_region_is_not_ended_by_mistake(run: Run) -> None:
    aws = Aws()
    aws.declare(WEST, WEST)
    status, printed = run(aws, EAST, "--back", "--yes")
    assert (status, written(aws)) == (1, [])
    assert f"{WEST} is evacuated" in printed


@pytest.mark.parametrize("arguments", [WHY, ("--back",)])
def test_declaration_can_be_repeated(run: Run, arguments: tuple[str, ...]) -> None:
    aws = Aws()
    for _ in range(2):
        status, printed = run(aws, EAST, *arguments, "--yes")
        assert status == 0, printed
    assert written(aws) == [WEST, EAST] * 2


def test_newer_declaration_of_somebody_else_is_said_and_is_what_the_metric_says(run: Run) -> None:
    aws = Aws()

    def another(operation: str, region: str) -> None:
        if operation == "PutParameter" and region == EAST:
            aws.on_call = lambda operation, region: None
            aws.now += timedelta(minutes=1)
            aws.declare(WEST, WEST, why="by somebody else")
            aws.now -= timedelta(minutes=1)

    aws.on_call = another
    status, printed = run(aws, EAST, *WHY, "--yes")
    assert status == 1
    assert "Somebody else declared something at the same time" in printed
    assert f"{WEST} is evacuated: {BOB} declared it at" in printed
    assert {(region, value) for _, region, value in aws.put} == {(EAST, 0.0), (WEST, 1.0)}


def test_answer_that_is_older_than_what_was_written_is_asked_for_again(run: Run) -> None:
    aws, asked = Aws(), []
    history = aws.get_parameter_history

    def old(region: str, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        asked.append(region)
        pages = list(history(region, request))
        return iter(pages[:1] if len(asked) <= 4 else pages)

    aws.get_parameter_history = old  # type: ignore[method-assign]
    status, printed = run(aws, EAST, *WHY, "--yes")
    assert (status, len(asked)) == (0, 6), printed


def test_what_cannot_be_read_again_is_not_called_declared(run: Run) -> None:
    aws = Aws()

    def expire(operation: str, region: str) -> None:
        if operation == "PutParameter" and region == EAST:
            aws.faults.update({("GetParameterHistory", one): error("ExpiredTokenException") for one in REGIONS})

    aws.on_call = expire
    status, printed = run(aws, EAST, *WHY, "--yes")
    assert (status, aws.put) == (1, [])
    assert f"see dsql-dr status Orders-production --region {WEST}" in printed


def test_metric_that_cannot_be_put_is_said_and_the_declaration_holds(run: Run) -> None:
    aws = Aws()
    aws.faults["PutMetricData", WEST] = error("AccessDenied")
    status, printed = run(aws, EAST, *WHY, "--yes")
    assert status == 0
    assert f"PutMetricData in {WEST} failed, so its monitor's next run puts it: An error occurred" in printed
    assert {observer for observer, _, _ in aws.put} == {EAST}


def test_for_a_pair_without_failover_it_says_what_to_add(run: Run) -> None:
    aws = Aws(history={})
    aws.history.clear()
    status, printed = run(aws, EAST, *WHY, "--yes")
    assert (status, written(aws)) == (1, [])
    assert f"Orders-production has no SSM parameter {PATH}" in printed
    assert "give MultiRegionDsqlDr failover=FailoverOptions(), and deploy it." in printed


def test_for_a_pair_without_parameters_of_its_clusters_it_says_why(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    aws = Aws()
    monkeypatch.setattr(aws, "get_parameters_by_path", lambda region, request: iter([{"Parameters": []}]))
    status, printed = run(aws, EAST, *WHY, "--yes")
    assert (status, written(aws)) == (1, [])
    assert "A pair that MultiRegionMonitoring monitors by cluster_arns has none." in printed


def test_parameter_that_only_one_region_has_is_not_made_in_the_other_one(run: Run) -> None:
    """CloudFormation could not make it any more."""
    aws = Aws()
    del aws.history[EAST]
    status, printed = run(aws, EAST, *WHY, "--yes")
    assert (status, written(aws)) == (0, [WEST])
    assert f"{EAST} did not take the declaration: the parameter does not exist." in printed


def test_region_that_is_not_of_the_pair_is_refused(run: Run) -> None:
    aws = Aws()
    status, printed = run(aws, "eu-west-1", *WHY, "--yes")
    assert (status, written(aws)) == (1, [])
    assert "Orders-production has no cluster in eu-west-1: give one of us-east-1 and us-west-2." in printed


def test_reason_is_required_and_has_a_length(run: Run) -> None:
    aws = Aws()
    assert run(aws, EAST, "--yes") == (
        1,
        "A reason is missing: give --why, which everybody sees who sees the evacuation.\n",
    )
    for reason in ("", "  ", "x" * (LONGEST_WHY + 1)):
        assert run(aws, EAST, "--yes", "--why", reason)[0] == 2
    assert f"the reason has {LONGEST_WHY + 1} characters: give {LONGEST_WHY} at most." in run.errors
    assert aws.calls == []
    assert run(aws, EAST, "--yes", "--why", "\N{GRINNING FACE}" * LONGEST_WHY)[0] == 0


def test_reason_of_somebody_else_stays_on_its_line(run: Run) -> None:
    aws = Aws()
    aws.declare(EAST, WEST, why="\x1b[2J\nIt is over. {{ssm:x}}\u202e")
    assert "{{" not in aws.history[WEST][-1]["Value"], "which SSM refuses"
    _, printed = run(aws, EAST, "--back", "--yes")
    assert "because '\\x1b[2J\\nIt is over. {{ssm:x}}\\u202e'." in printed
    assert "\x1b" not in printed


def test_person_is_asked_and_may_say_no(run: Run) -> None:
    aws = Aws()
    status, printed = run(aws, EAST, *WHY, answer="no")
    assert (status, written(aws)) == (1, [])
    assert f"{EAST} of Orders-production takes no users" in printed
    assert "Declare it? [yes/no]" in printed
    assert printed.endswith("Nothing was declared.\n")
    assert run(aws, EAST, *WHY, answer="yes")[0] == 0


def test_without_a_terminal_yes_has_to_be_given(run: Run) -> None:
    aws = Aws()
    status, printed = run(aws, EAST, *WHY)
    assert (status, written(aws)) == (1, [])
    assert "There is no terminal on which to ask: give --yes to evacuate us-east-1. Nothing was declared." in printed


def test_json_is_all_of_stdout(run: Run) -> None:
    aws = Aws()
    aws.faults["PutParameter", EAST] = error("TooManyUpdates")
    status, printed = run(aws, EAST, *WHY, "--yes", "--json")
    assert status == 0
    found = json.loads(printed)
    [problem] = found.pop("problems")
    assert problem.startswith(f"{EAST} did not take the declaration: An error occurred (TooManyUpdates)")
    when = found["evacuation"].pop("when")
    assert datetime.fromisoformat(when) > NOW
    assert found == {
        "deployment": "Orders-production",
        "holds": True,
        "replaced": [],
        "evacuation": {"region": EAST, "who": ALICE, "why": "planned work"},
        "written_in": [WEST],
    }
    assert "is evacuated" in run.errors


def test_json_of_what_was_refused_is_empty(run: Run) -> None:
    aws = Aws()
    aws.declare(WEST, EAST)
    assert run(aws, EAST, *WHY, "--yes", "--json") == (1, "")
    assert f"{WEST} is evacuated" in run.errors


def test_policy_to_copy_allows_what_the_command_calls_and_nothing_more(run: Run) -> None:
    document = (ROOT / "docs" / "permissions.md").read_text()
    policies = [json.loads(one) for one in re.findall(r"```json\n(.*?)```", document, re.S)]
    [policy] = [one for one in policies if "ssm:PutParameter" in json.dumps(one)]
    aws = Aws()
    assert run(aws, EAST, *WHY, "--yes")[0] == 0
    assert {action for one in policy["Statement"] for action in one["Action"]} == aws.actions
    [put] = [one for one in policy["Statement"] if one["Action"] == ["cloudwatch:PutMetricData"]]
    assert put["Condition"] == {"StringEquals": {"cloudwatch:namespace": "Aurora/DSQL/DisasterRecovery"}}
    [declares] = [one for one in policy["Statement"] if "ssm:PutParameter" in one["Action"]]
    path = PATH.replace("Orders", "AuroraDsqlDR")
    assert declares["Resource"] == f"arn:aws:ssm:*:111122223333:parameter{path}"
