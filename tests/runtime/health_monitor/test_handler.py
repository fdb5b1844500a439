from __future__ import annotations

import gc
import importlib
import json
import os
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

from dsql_dr_constructs.runtime.health_monitor import monitoring_run
from dsql_dr_constructs.runtime.health_monitor.monitoring_run import FailedRunError
from dsql_dr_constructs.runtime.health_monitor.settings import NotificationPath, Settings

EAST, WEST = (f"arn:aws:dsql:{region}:111111111111:cluster/one" for region in ("us-east-1", "us-west-2"))
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "x",
    "AWS_SECRET_ACCESS_KEY": "x",
    "AWS_REGION": "us-west-2",
    "DEPLOYMENT": "Orders-production",
    "CLUSTERS": f'[{{"arn": "{EAST}", "endpoint": "one.dsql"}}, {{"arn": "{WEST}", "endpoint": "two.dsql"}}]',
    "WITNESS_REGION": "us-east-2",
    "BUDGET_SECONDS": "20",
}


class Recorder:
    """Stands in for `MonitoringRun` and records how each run was made."""

    made: list[dict[str, Any]]
    error: FailedRunError | None

    def __init__(self, settings: Settings, **options: Any) -> None:
        self._options = {"settings": settings, "first": False, **options}

    def run(self) -> dict[str, Any]:
        self.made.append(self._options)
        if self.error:
            raise self.error
        return {"verdict": "HEALTHY"}


BACKUPS = {"BACKUP_VAULTS": '{"us-east-1": "one", "us-west-2": "two"}', "BACKUPS_EVERY": "7"}


def load(monkeypatch: pytest.MonkeyPatch, **environment: str) -> ModuleType:
    """The module, started as Lambda starts it."""
    for name, value in {**ENVIRONMENT, **environment}.items():
        monkeypatch.setenv(name, value)
    module = "dsql_dr_constructs.runtime.health_monitor.handler"
    monkeypatch.delitem(sys.modules, module, raising=False)
    return importlib.import_module(module)


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    Recorder.made, Recorder.error = [], None
    monkeypatch.setattr(monitoring_run, "MonitoringRun", Recorder)
    return load(monkeypatch)


def test_every_invocation_checks_what_the_environment_names(handler: ModuleType) -> None:
    for event in ({}, None, {"source": "aws.events"}):
        assert handler.handle(event, None) == {"verdict": "HEALTHY"}
    assert Recorder.made[0]["settings"] == Settings(
        deployment="Orders-production",
        observer="us-west-2",
        clusters={EAST: "one.dsql", WEST: "two.dsql"},
        witness_region="us-east-2",
        budget=20.0,
    )
    assert [one["first"] for one in Recorder.made] == [False, False, False]
    assert [one["on_demand"] for one in Recorder.made] == [True, True, False]
    assert len({id(one["notifications"]) for one in Recorder.made}) == 1, "it remembers when it checked"


def test_environment_may_name_parameters_and_what_notifies_in_other_regions() -> None:
    clusters = json.dumps([{"arn": EAST, "endpoint": "one.dsql", "parameters": "/dsql-dr/Orders/us-east-1"}])
    alarms = {"alarm_name": "a-*-b", "alarms": {"one": "0123"}, "causes": {"two": ""}}
    path = {"region": "us-east-1", **alarms, "topic_arn": "arn:t", "key_alias": None}
    given = {"CLUSTERS": clusters, "NOTIFICATION_PATHS": json.dumps([path]), "NOTIFICATIONS_EVERY": "2"}
    found = Settings.of({**ENVIRONMENT, **given})
    assert found.notifications_every == 2
    assert found.parameters == {EAST: "/dsql-dr/Orders/us-east-1"}
    assert found.notification_paths == (
        NotificationPath("us-east-1", "a-*-b", {"one": "0123"}, "arn:t", causes={"two": ""}),
    )
    assert found.notification_paths[0].name_of("one") == "a-one-b"


def test_environment_names_the_sql_probe_if_there_is_one() -> None:
    without, given = Settings.of(ENVIRONMENT), {"SQL_ROLE": "dsql_dr_us_west_2", "SQL_TABLE": "beat_us_west_2"}
    found = Settings.of({**ENVIRONMENT, **given})
    assert (without.sql_role, without.sql_table) == (None, "")
    assert (found.sql_role, found.sql_table) == ("dsql_dr_us_west_2", "beat_us_west_2")


def test_environment_names_the_backup_vaults_if_there_are_any() -> None:
    without, found = Settings.of(ENVIRONMENT), Settings.of({**ENVIRONMENT, **BACKUPS})
    assert without.backup_vaults == {}
    assert (found.backup_vaults, found.backups_every) == ({"us-east-1": "one", "us-west-2": "two"}, 7)
    assert (found.stale_hours, Settings.of({**ENVIRONMENT, "STALE_HOURS": "30.5"}).stale_hours) == (26, 30.5)


def test_recovery_points_are_remembered_from_run_to_run_and_their_clients_made_at_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handler = load(monkeypatch, **BACKUPS)
    assert handler._client.cache_info().currsize == 3 + 2, "AWS Backup in both Regions"
    assert handler._monitoring_run.keywords["recovery_points"] is handler._recovery_points is not None


def test_evacuations_are_remembered_from_run_to_run_and_their_clients_made_at_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handler = load(monkeypatch, EVACUATION_REGIONS='["us-west-2", "us-east-1"]')
    assert handler._client.cache_info().currsize == 3 + 2, "SSM in both Regions"
    assert handler._monitoring_run.keywords["evacuation"] is handler._evacuation is not None


def test_without_vaults_and_failover_a_start_loads_nothing_of_recovery_points_and_evacuations() -> None:
    modules = "'recovery_point_check', 'failed_jobs', 'recovery_points', 'evacuation_check', 'evacuation'"
    code = (
        "import sys, dsql_dr_constructs.runtime.health_monitor.handler as handler\n"
        "assert handler._recovery_points is None\n"
        "assert handler._evacuation is None\n"
        f"print([one for one in sys.modules if one.rpartition('.')[2] in ({modules})])"
    )
    environment = {**os.environ, **ENVIRONMENT}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=False, capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_every_event_of_a_deployment_checks_and_a_deletion_does_not_wait_for_permissions(handler: ModuleType) -> None:
    """Whoever may invoke it has no event with which Lambda counts a run that checked nothing."""
    for request in ("Create", "Update", "Delete"):
        assert handler.handle({"RequestType": request}, None) == {"verdict": "HEALTHY"}
    assert [(one["first"], one["on_demand"]) for one in Recorder.made] == [(True, False), (True, False), (False, False)]


def test_failure_stops_a_deployment_and_not_the_first_deletion(handler: ModuleType) -> None:
    """Of deletions one: whoever may change the schedule's input could call every run a deletion."""
    line = {"verdict": None, "errors": ["refused"]}
    Recorder.error = FailedRunError(line)
    assert handler.handle({"RequestType": "Delete"}, None) == line
    for event in ({"RequestType": "Create"}, {}, {"RequestType": "Delete"}):
        with pytest.raises(FailedRunError, match="refused"):
            handler.handle(event, None)


def test_start_makes_the_clients_of_all_runs_which_try_once_and_wait_less_than_the_budget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handler = load(monkeypatch)
    assert handler._client.cache_info().currsize == 3, "CloudWatch here, DSQL in both Regions"
    config = handler._client("dsql", "us-east-1").meta.config
    assert config.retries["total_max_attempts"] == 1
    assert config.connect_timeout + config.read_timeout < 20
    assert gc.isenabled(), "from the first run on, garbage is collected again"
