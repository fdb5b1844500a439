from __future__ import annotations

from typing import Any

import pytest

from dsql_dr_constructs.runtime.health_monitor import handler
from dsql_dr_constructs.runtime.health_monitor.watch import Settings

ENVIRONMENT = {
    "AWS_REGION": "us-west-2",
    "DEPLOYMENT": "Orders-production",
    "CLUSTERS": '[{"arn": "arn:1", "endpoint": "one.dsql"}, {"arn": "arn:2", "endpoint": "two.dsql"}]',
    "WITNESS_REGION": "us-east-2",
    "BUDGET_SECONDS": "20",
}


class Recorder:
    """Stands in for the watch and remembers how it was made."""

    made: list[dict[str, Any]]

    def __init__(self, settings: Settings, **options: Any) -> None:
        self.made.append({"settings": settings, **options})

    def run(self) -> dict[str, Any]:
        return {"verdict": "HEALTHY"}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    Recorder.made = []
    monkeypatch.setattr(handler, "Watch", Recorder)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return Recorder.made


def test_anyones_call_looks_at_what_the_environment_names(made: list[dict[str, Any]]) -> None:
    assert handler.handle({}, None) == {"verdict": "HEALTHY"}
    assert made[0]["settings"] == Settings(
        deployment="Orders-production",
        observer="us-west-2",
        clusters={"arn:1": "one.dsql", "arn:2": "two.dsql"},
        witness_region="us-east-2",
        budget=20.0,
    )
    assert made[0]["first"] is False


def test_deployment_looks_at_create_and_update_and_not_at_delete(made: list[dict[str, Any]]) -> None:
    assert handler.handle({"RequestType": "Delete"}, None) == {}
    assert made == []
    for request in ("Create", "Update"):
        handler.handle({"RequestType": request}, None)
    assert [one["first"] for one in made] == [True, True]


def test_client_tries_once_and_waits_less_than_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    config = handler._client("dsql", "us-east-1").meta.config
    assert config.retries["total_max_attempts"] == 1
    assert config.connect_timeout + config.read_timeout < 20
    assert handler._client("dsql", "us-east-1") is handler._client("dsql", "us-east-1")
