"""The command `dsql-dr faults`: its list, what it refuses, and how it compares what it sees with the catalogue."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest

from dsql_dr_constructs.cli import deployed_pair, faults
from dsql_dr_constructs.cli.catalogued_fault import CataloguedFault, Expected, Pair
from dsql_dr_constructs.cli.command_line import main
from dsql_dr_constructs.cli.fault_catalogue import FAULTS
from dsql_dr_constructs.cli.fault_outcome import Notified, Outcome, Result, Seen, compare, longest_wait
from dsql_dr_constructs.cli.fault_table import markdown

TOPICS = {"primary": "arn:aws:sns:us-east-1:0:alerts", "secondary": "arn:aws:sns:us-west-2:0:alerts"}
DOWN, BROKEN = "cluster-down-primary", "notifications-broken"
HEALTHY = {"primary": "HEALTHY", "secondary": "HEALTHY"}
PRIMARY_DOWN = dict.fromkeys(HEALTHY, "CLUSTER_DOWN primary")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(["faults", *arguments])
    assert isinstance(ended.value.code, int)
    captured = capsys.readouterr()
    return ended.value.code, captured.out + captured.err


def test_every_fault_is_listed_with_what_happens_and_who_is_notified(capsys: pytest.CaptureFixture[str]) -> None:
    code, shown = run(capsys)
    assert code == 0
    assert len(FAULTS) >= 40
    words = shown.replace("\n", " ")
    assert all(fault.name in words for fault in FAULTS)
    assert "cluster-down-primary by the secondary" in words
    simulated = [fault for fault in FAULTS if fault.only_simulated]
    assert simulated
    assert all(f"{one.name} is not made on the emulator: {one.only_simulated}" in words for one in simulated)


def test_list_in_json_has_every_fault_once(capsys: pytest.CaptureFixture[str]) -> None:
    code, shown = run(capsys, "--json")
    assert code == 0
    assert [one["name"] for one in json.loads(shown)] == [fault.name for fault in FAULTS]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["cluster-lost"], "'cluster-lost' is neither a fault nor a folder: dsql-dr faults lists the faults."),
        (["no/such/folder", "cluster-failed"], "'no/such/folder' is neither a fault nor a folder"),
        ([".", "cluster-failed"], "'.' is neither a fault nor a folder"),
        (["."], "No fault is given for the app in '.': name some, or give --all."),
    ],
)
def test_what_is_neither_fault_nor_folder_is_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    code, shown = run(capsys, *arguments)
    assert code == 2
    assert sentence in shown


def test_markdown_is_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--markdown") == (0, markdown(FAULTS))


class Answers:
    """A client of each service that answers what it is given, in pages where that is asked for."""

    def __init__(self, **answers: Any) -> None:
        self.regions = ["us-east-1", "us-west-2"]
        self._answers = answers

    def client(self, service: str, region: str) -> Any:
        return self

    def get_paginator(self, call: str) -> Any:
        return Answers(paginate=[self._answers[call]])

    def inject(self, fault: object) -> None:
        raise AssertionError("no fault is made on an app that is refused")

    clear_faults = set_cluster_status = inject

    def __getattr__(self, call: str) -> Any:
        return lambda **_: self._answers[call]


def deployed(*functions: str) -> Any:
    return Answers(list_functions={"Functions": [{"FunctionName": one} for one in functions]})


@pytest.mark.parametrize(
    ("functions", "found"),
    [
        ([], "none"),
        (["service"], "none"),
        (["aurora-dsql-monitor-B", "aurora-dsql-monitor-A"], "A, B"),
    ],
)
def test_app_without_exactly_one_monitored_pair_is_refused(functions: list[str], found: str) -> None:
    sentence = f"Faults are made on one pair with monitoring, and this app has {found}: give an app with one."
    with pytest.raises(deployed_pair.NotReadyError, match=sentence):
        deployed_pair.find(deployed(*functions), lambda region, statement: None)


@pytest.mark.parametrize(
    ("actions", "sentence"),
    [
        ([], "No alarm of this app notifies a topic of Amazon SNS, so nobody would get anything of a fault"),
        (["arn:aws:sns:us-east-1:0:ours"], "The alarms of this app notify arn:aws:sns:us-east-1:0:ours, and faults"),
    ],
)
def test_app_that_notifies_nobody_or_another_topic_is_refused(actions: list[str], sentence: str) -> None:
    there = [{"AlarmName": "aurora-dsql-Orders-cluster-down-us-east-1-from-us-east-1", "AlarmActions": actions}]
    aws: Any = Answers(describe_alarms={"MetricAlarms": there, "CompositeAlarms": []})
    pair = Pair(
        aws=aws,
        deployment="Orders",
        primary="us-east-1",
        secondary="us-west-2",
        witness="us-east-2",
        account="0",
        identifiers={},
    )
    with pytest.raises(deployed_pair.NotReadyError, match=sentence):
        deployed_pair.topics(pair, ["us-east-1"])


# one after the other


class Pairs:
    """Pairs that are deployed one after the other, on which nothing is made: what comes of a fault is given by name."""

    def __init__(self, *, outcomes: dict[str, Result], spoiling: str = "", ok: bool = True) -> None:
        self._outcomes, self._spoiling, self._ok = outcomes, spoiling, ok
        self.made: list[list[str]] = []
        """Of each deployment, in order."""
        self.said: list[str] = []

    def make(self, *, keep_going: bool) -> list[str]:
        chosen = [replace(fault(), name=one) for one in self._outcomes]
        outcomes = faults.make(chosen, self._deploy, keep_going=keep_going, say=self.said.append)
        return [one.name for one in outcomes]

    def _deploy(self) -> Any:
        self.made.append([])
        return nullcontext(self)

    def wait_until_ok(self) -> float | None:
        return 0.0 if self._ok else None

    def not_ok(self) -> list[str]:
        return ["cluster-down: ALARM"]

    def missing(self, one: CataloguedFault) -> str:
        return "It needs an app with backups." if self._outcomes[one.name] == "skipped" else ""

    def run(self, one: CataloguedFault) -> tuple[Outcome, list[str]]:
        self.made[-1].append(one.name)
        left = ["The topic is not as before."] if one.name == self._spoiling else []
        return Outcome(name=one.name, result=self._outcomes[one.name]), left


def test_faults_are_made_on_one_deployment() -> None:
    pairs = Pairs(outcomes={"a": "as the catalogue says", "b": "skipped", "c": "as the app's options allow"})
    assert pairs.make(keep_going=False) == ["a", "b", "c"]
    assert pairs.made == [["a", "c"]]


def test_a_difference_stops_unless_it_is_to_go_on() -> None:
    pairs = Pairs(outcomes={"a": "different", "b": "as the catalogue says"})
    assert pairs.make(keep_going=False) == ["a"]
    assert pairs.make(keep_going=True) == ["a", "b"]
    assert pairs.made == [["a"], ["a", "b"]]


def test_spoiled_pair_stops_or_is_deployed_again() -> None:
    pairs = Pairs(outcomes={"a": "as the catalogue says", "b": "as the catalogue says"}, spoiling="a")
    assert pairs.make(keep_going=False) == ["a"]
    assert "The topic is not as before." in pairs.said
    assert pairs.make(keep_going=True) == ["a", "b"]
    assert pairs.made == [["a"], ["a"], ["b"]]


def test_no_fault_is_made_on_a_pair_that_is_not_healthy() -> None:
    pairs = Pairs(outcomes={"a": "as the catalogue says"}, ok=False)
    assert pairs.make(keep_going=True) == []
    assert pairs.said == ["Before any fault, not every alarm that notifies is OK: cluster-down: ALARM."]


# how outcomes are compared


def fault(**expected: Any) -> CataloguedFault:
    whole = {"verdicts": PRIMARY_DOWN, "notified": [(DOWN, "primary"), (DOWN, "secondary")], "within": 5, **expected}
    return CataloguedFault(
        name="cluster-failed",
        group="Clusters",
        title="a cluster is FAILED",
        begin=lambda pair: None,
        end=lambda pair: None,
        expected=Expected(**whole),
        runbook="",
        ends="",
    )


def alarm(observer: str, **changes: Any) -> dict[str, Any]:
    return {
        "AlarmName": observer,
        "ActionsEnabled": True,
        "AlarmActions": [TOPICS[observer]],
        "Threshold": 1.0,
        "Period": 120,
        "EvaluationPeriods": 2,
        **changes,
    }


def alarms(**changes: Any) -> dict[str, dict[str, dict[str, Any]]]:
    """Of both Regions; *changes* are those of the secondary's alarm on the primary's cluster."""
    return {
        "primary": {DOWN: alarm("primary")},
        "secondary": {DOWN: alarm("secondary", **changes), BROKEN: alarm("secondary")},
    }


def notified(observer: str, state: str = "ALARM", minutes: float = 4.0, kind: str = DOWN) -> Notified:
    return Notified(kind=kind, observer=observer, state=state, minutes=minutes)


BOTH = [notified("primary"), notified("secondary")]
BOTH_OK = [notified("primary", "OK"), notified("secondary", "OK")]


def compared(
    *,
    expected: CataloguedFault | None = None,
    verdicts: dict[str, str | None] | None = None,
    during: list[Notified] = BOTH,
    after: list[Notified] = BOTH_OK,
    recovered: float | None = 3.0,
    there: dict[str, dict[str, dict[str, Any]]] | None = None,
) -> Outcome:
    seen = Seen(verdicts={**PRIMARY_DOWN, **(verdicts or {})}, during=during, after=after, recovered=recovered)
    return compare(expected or fault(), seen, there or alarms(), TOPICS, 2.0)


def test_exactly_what_the_catalogue_has_is_as_it_says() -> None:
    outcome = compared()
    assert (outcome.result, outcome.passed, outcome.reasons) == ("as the catalogue says", True, [])


@pytest.mark.parametrize(
    ("seen", "sentence"),
    [
        (
            {"verdicts": {"secondary": "HEALTHY"}},
            "The verdict in the secondary Region is HEALTHY, not CLUSTER_DOWN primary.",
        ),
        ({"verdicts": {"primary": None}}, "The verdict in the primary Region is none, not CLUSTER_DOWN primary."),
        (
            {"during": BOTH[:1], "after": BOTH_OK[:1]},
            "Alarm cluster-down-primary of the secondary Region notified never, not once.",
        ),
        (
            {"during": [*BOTH, *BOTH[:1]], "after": [*BOTH_OK, *BOTH_OK[:1]]},
            "Alarm cluster-down-primary of the primary Region notified 2 times, not once.",
        ),
        (
            {"during": [*BOTH, notified("secondary", kind=BROKEN)], "after": [*BOTH_OK]},
            "Alarm notifications-broken of the secondary Region notified, which the catalogue does not have.",
        ),
        (
            {"during": [BOTH[0], notified("secondary", minutes=9.5)]},
            "Alarm cluster-down-primary of the secondary Region notified after 9.5 minutes, and 9.0 are allowed here.",
        ),
        (
            {"after": BOTH_OK[:1]},
            "Alarm cluster-down-primary of the secondary Region sent 1 notifications of ALARM and 0 of OK.",
        ),
        (
            {"after": [*BOTH_OK, notified("primary"), notified("primary", "OK")]},
            "Alarm cluster-down-primary of the primary Region notified after the fault was over.",
        ),
        ({"recovered": None}, "After its end, not every alarm that notifies went back to OK."),
    ],
)
def test_what_contradicts_the_catalogue_is_said(seen: dict[str, Any], sentence: str) -> None:
    outcome = compared(**seen)
    assert (outcome.result, outcome.passed) == ("different", False)
    assert sentence in outcome.reasons


@pytest.mark.parametrize(
    ("there", "sentence"),
    [
        (
            {"ActionsEnabled": False},
            "Alarm cluster-down-primary of the secondary Region does not notify the topic for faults in this app.",
        ),
        (
            {"Threshold": 0.5},
            "Alarm cluster-down-primary of the secondary Region did not notify: alarm cluster-down-primary has "
            "threshold 0.5 in this app, and 1 by default.",
        ),
    ],
)
def test_alarm_that_the_app_has_otherwise_is_reported_and_does_not_fail(there: dict[str, Any], sentence: str) -> None:
    outcome = compared(during=BOTH[:1], after=BOTH_OK[:1], there=alarms(**there))
    assert (outcome.result, outcome.passed, outcome.reasons) == ("as the app's options allow", True, [sentence])


def test_alarm_that_the_app_leaves_out_is_reported_and_does_not_fail() -> None:
    there = {"primary": {DOWN: alarm("primary")}, "secondary": dict[str, Any]()}
    outcome = compared(during=BOTH[:1], after=BOTH_OK[:1], there=there)
    assert outcome.passed
    assert outcome.reasons == ["Alarm cluster-down-primary of the secondary Region is left out in this app."]


def test_verdict_that_an_alarm_left_out_would_have_made_does_not_fail() -> None:
    broken = fault(verdicts={"primary": "NOTIFICATIONS_BROKEN"}, notified=[], within=0)
    outcome = compared(expected=broken, verdicts={"primary": "HEALTHY"}, during=[], after=[])
    assert outcome.passed
    assert outcome.reasons == [
        "The verdict in the primary Region is HEALTHY, not NOTIFICATIONS_BROKEN. "
        "The app leaves alarm notifications-broken out."
    ]


def test_third_observing_region_is_reported_and_does_not_fail() -> None:
    outcome = compared(during=[*BOTH, notified("us-east-2")], after=[*BOTH_OK, notified("us-east-2", "OK")])
    assert outcome.passed
    assert [one for one in outcome.reasons if "no third observing Region" in one]


def test_longer_schedule_and_longer_periods_give_a_notification_more_time() -> None:
    assert longest_wait(fault(), alarms(), 2.0) == 5 + 4
    assert longest_wait(fault(), alarms(), 5.0) == 12.5 + 10
    assert longest_wait(fault(), alarms(Period=600), 2.0) == 20 + 4


def test_choice_of_verdicts_and_notifications_afterwards_are_allowed() -> None:
    expected = fault(
        verdicts={"primary": "HEALTHY or no verdict"}, notified=[], within=0, afterwards=[(DOWN, "primary")]
    )
    for verdict in ("HEALTHY", None):
        outcome = compared(expected=expected, verdicts={"primary": verdict}, during=[], after=[notified("primary")])
        assert outcome.result == "as the catalogue says"
    assert not compared(expected=expected, during=[], after=[]).passed


def test_fault_too_short_for_a_verdict_has_none_to_compare() -> None:
    seen = Seen(verdicts={}, during=[], after=[], recovered=0.0)
    assert compare(fault(verdicts=HEALTHY, notified=[], within=0), seen, alarms(), TOPICS, 2.0).passed
