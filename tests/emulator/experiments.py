"""AWS FIS without the emulator's process: time passes by `World.pass_time` only; alarms and roles are of the test."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from dsql_dr_constructs.emulator.backup_records import Check, Where
from dsql_dr_constructs.emulator.dsql import Dsql
from dsql_dr_constructs.emulator.dsql_cluster import Cluster
from dsql_dr_constructs.emulator.faults import Faults
from dsql_dr_constructs.emulator.fis import Fis
from dsql_dr_constructs.emulator.fis_notices import Notice, Record, StateChange
from dsql_dr_constructs.emulator.fis_records import FisError
from dsql_dr_constructs.emulator.undocumented import Undocumented

ACCOUNT, EAST = "000000000000", Where("000000000000", "us-east-1")
ROLE = f"arn:aws:iam::{ACCOUNT}:role/drill"
MINUTE = 60.0
DOWN, ERRORS = (f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:{name}" for name in ("cluster-down", "orders-errors"))
GROUP = "/aws/fis/drill"
LOGS = {
    "logSchemaVersion": 2,
    "cloudWatchLogsConfiguration": {"logGroupArn": f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{GROUP}:*"},
}


class Roles:
    """A role may be used for everything, except what a test gives a reason against."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}
        self.checks: list[Check] = []

    def untrusted(self, role: str, experiment_arn: str) -> str | None:
        return self.reasons.get(role)

    def denied(self, role: str, checks: Iterable[Check]) -> str | None:
        asked = list(checks)
        self.checks += asked
        return next((self.reasons[action] for action, _, _ in asked if action in self.reasons), None)


class Alarms:
    """Alarms by ARN, with their state."""

    def __init__(self) -> None:
        self.states = {DOWN: "OK", ERRORS: "OK"}
        self.composite: set[str] = set()

    def state(self, arn: str) -> str | None:
        return self.states.get(arn)

    def is_composite(self, arn: str) -> bool:
        return arn in self.composite


class World:
    """A cluster in the east, two alarms that are OK, and a time that stands still until `pass_time`."""

    def __init__(self, **undocumented: Any) -> None:
        self.time = 1_000_000.0
        self.faults, self.roles, self.alarms = Faults(), Roles(), Alarms()
        self.sent: list[Notice] = []
        choices = Undocumented(**undocumented)
        self.dsql = Dsql(self.faults, transition_seconds=0, undocumented=choices)
        self.cluster: Cluster = self.dsql.create_cluster(*EAST, {"tags": {"team": "orders"}})
        self.fis = Fis(
            self.dsql,
            self.faults,
            roles=self.roles,
            alarms=self.alarms,
            send=self.sent.append,
            now=lambda: self.time,
        )

    def ask(self, call: Callable[[Where, dict[str, Any]], Any], where: Where = EAST, **asked: Any) -> Any:
        with self.fis.settled():
            return call(where, copy.deepcopy(asked))

    def refused(self, call: Callable[[Where, dict[str, Any]], Any], code: str = "Validation", **asked: Any) -> str:
        """The sentence with which *call* is refused."""
        with pytest.raises(FisError) as error:
            self.ask(call, **asked)
        assert error.value.code == f"{code}Exception"
        return error.value.message

    def pass_time(self, seconds: float, step: float = 1.0) -> None:
        """In steps, after each of which everything is where it has come."""
        until = self.time + seconds
        while self.time < until:
            self.time = min(until, self.time + step)
            with self.fis.settled():
                pass

    def template(self, **changes: Any) -> dict[str, Any]:
        """Parameters of a template: the alarm is OK, connections fail for 10 minutes, and the alarm is raised."""
        return {
            "clientToken": f"token {len(list(self.fis.templates))}".replace(" ", "-"),
            "description": "Connections to the cluster fail",
            "roleArn": ROLE,
            "stopConditions": [{"source": "aws:cloudwatch:alarm", "value": ERRORS}],
            "targets": {"cluster": self.target()},
            "actions": {
                "all-ok": asserting("OK"),
                "failure": self.failing(startAfter=["all-ok"]),
                "until-noticed": waiting("PT6M", startAfter=["all-ok"]),
                "raised": asserting("ALARM", startAfter=["until-noticed"]),
            },
            "logConfiguration": LOGS,
            **changes,
        }

    def target(self, **changes: Any) -> dict[str, Any]:
        named = {"resourceArns": [self.cluster.arn]} if "resourceTags" not in changes else {}
        return {"resourceType": "aws:dsql:cluster", **named, "selectionMode": "ALL", **changes}

    def failing(self, duration: str = "PT10M", percentage: str = "100", **changes: Any) -> dict[str, Any]:
        return {
            "actionId": "aws:dsql:cluster-connection-failure",
            "parameters": {"duration": duration, "percentage": percentage},
            "targets": {"Clusters": "cluster"},
            **changes,
        }

    def create(self, **changes: Any) -> str:
        """Id of a template."""
        made = self.ask(self.fis.templates.create, **self.template(**changes))
        return str(made["experimentTemplate"]["id"])

    def start(self, template: str | None = None, **asked: Any) -> str:
        """Id of an experiment that runs."""
        token = {"clientToken": f"start-{len(list(self.fis.experiments))}"}
        asked = {**token, "experimentTemplateId": template or self.create(), **asked}
        started = self.ask(self.fis.experiments.start, **asked)["experiment"]
        assert started["state"] == {"status": "initiating", "reason": "Experiment is initiating."}
        self.pass_time(5)
        return str(started["id"])

    def experiment(self, identifier: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask(self.fis.experiments.get, id=identifier)["experiment"]
        return found

    def states(self, identifier: str) -> dict[str, str]:
        """Status of each action, and of the experiment as ``whole``."""
        found = self.experiment(identifier)
        actions = {name: one["state"]["status"] for name, one in found["actions"].items()}
        return {"whole": found["state"]["status"], **actions}

    def fails(self, times: int = 1, call: str = "Connect", cluster: str | None = None) -> int:
        """How many of some new connections to the cluster fail."""
        named = ("us-east-1", "postgresql", call, cluster or self.cluster.identifier)
        return sum(self.faults.affecting(("error",), *named) is not None for _ in range(times))

    def changes(self) -> list[tuple[str, str]]:
        """Status of the experiment before and after each event, in their order."""
        self.fis.flush()
        return [(one.old[0], one.new[0]) for one in self.sent if isinstance(one, StateChange)]

    def records(self) -> list[dict[str, Any]]:
        """The log's records in their order."""
        self.fis.flush()
        return [json.loads(one.text) for one in self.sent if isinstance(one, Record)]


def asserting(states: str, alarms: str = DOWN, **changes: Any) -> dict[str, Any]:
    parameters = {"alarmArns": alarms, "alarmStates": states}
    return {"actionId": "aws:cloudwatch:assert-alarm-state", "parameters": parameters, **changes}


def waiting(duration: str, **changes: Any) -> dict[str, Any]:
    return {"actionId": "aws:fis:wait", "parameters": {"duration": duration}, **changes}
