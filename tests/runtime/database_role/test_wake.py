"""How long the cluster is kept awake: sessions, jobs and a clock made for the test; and one login on the emulator."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from types import TracebackType
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dsql_dr_constructs.runtime.database_role.role_request import RoleError
from dsql_dr_constructs.runtime.database_role.serving_endpoint import Cluster, ServingEndpoint
from dsql_dr_constructs.runtime.database_role.wake import Wake
from dsql_dr_constructs.runtime.database_session import LoginRefusedError, NoConnectionError
from dsql_dr_constructs.runtime.full_jitter import Surroundings
from tests.runtime.database_role.emulated_pair import EmulatedPair
from tests.runtime.judge import judged

OWN = Cluster("arn:aws:dsql:us-east-1:111122223333:cluster/own", "own.dsql.us-east-1.on.aws")
WAKING = LoginRefusedError(
    "the login: unable to accept connection, waking up cluster, please retry later (57P03)", "57P03"
)
REFUSED = NoConnectionError("the connection failed: Connection refused")
FIVE_O_CLOCK = datetime(2026, 3, 1, 5, 0, tzinfo=timezone.utc)
"""By AWS's clock, when the test begins."""
DENIED = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "ListBackupJobs")


def job(state: str, *, minutes: float = 10, plan: str | None = "plan", id: str = "one") -> dict[str, Any]:
    """Created so many *minutes* after five."""
    created_by = {"CreatedBy": {"BackupPlanId": plan}} if plan else {}
    created = FIVE_O_CLOCK + timedelta(minutes=minutes)
    return {"BackupJobId": id, "State": state, "ResourceArn": OWN.arn, "CreationDate": created, **created_by}


def answer_of(jobs: list[dict[str, Any]], now: datetime, **more: Any) -> dict[str, Any]:
    headers = {"date": format_datetime(now, usegmt=True)}
    return {"BackupJobs": jobs, "ResponseMetadata": {"HTTPHeaders": headers}, **more}


@dataclass
class Night:
    """A cluster, AWS Backup, and a clock that only pauses and logins move."""

    jobs: Callable[[float], list[dict[str, Any]]] = lambda _: []
    """By the second."""
    login: Callable[[float], Exception | None] = lambda _: None
    now: float = 1000.0
    calls: int = 0
    logins: list[float] = field(default_factory=list)
    statements: list[float] = field(default_factory=list)
    connected: bool = False
    page: int = 100
    began: datetime = FIVE_O_CLOCK + timedelta(minutes=15)
    """By AWS's clock."""

    def wake(self, seconds: float = 240, **night: Any) -> dict[str, Any]:
        around = Surroundings(lambda: self.now, self._sleep, lambda: 0.5)
        endpoint = ServingEndpoint(
            [OWN], self._client, ssl.create_default_context(), around, self._connect, "Invoke the function again"
        )
        return Wake(endpoint, seconds, **night).run()

    def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def _client(self, service: str, region: str) -> Any:
        assert region == "us-east-1"
        if service == "dsql":
            known = {"identifier": "own", "arn": OWN.arn, "creationTime": FIVE_O_CLOCK, "status": "IDLE"}
            client = judged("dsql", {"get_cluster": lambda **_: {**known, "deletionProtectionEnabled": True}})
            client.generate_db_connect_admin_auth_token = lambda host, **_: f"token for {host}"
            return client

        def list_backup_jobs(**asked: Any) -> dict[str, Any]:
            assert asked["ByResourceArn"] == OWN.arn
            self.calls += 1
            elapsed = self.now - 1000
            jobs, begin = self.jobs(elapsed), int(asked.get("NextToken", 0))
            end = begin + self.page
            more = {"NextToken": str(end)} if end < len(jobs) else {}
            return answer_of(jobs[begin:end], self.began + timedelta(seconds=elapsed), **more)

        return _with_headers(list_backup_jobs)

    def _connect(self, host: str, *, role: str, token: str, tls: object, time_left: Callable[[], float]) -> Any:
        assert (host, role, token) == (OWN.endpoint, "admin", f"token for {OWN.endpoint}")
        assert time_left() > 0
        self.logins.append(self.now - 1000)
        self.now += 0.1
        if error := self.login(self.now - 1000):
            raise error
        self.connected = True
        return self

    def __enter__(self) -> Night:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.connected = False

    def run(self, statement: str) -> list[list[Any]]:
        assert statement == "SELECT 1"
        self.statements.append(self.now - 1000)
        return [[1]]


def _with_headers(list_backup_jobs: Callable[..., dict[str, Any]]) -> Any:
    """The model has no headers: what is in it is judged without them."""
    answers: list[dict[str, Any]] = []

    def judged_part(**asked: Any) -> dict[str, Any]:
        answers.append(list_backup_jobs(**asked))
        return {key: value for key, value in answers[-1].items() if key != "ResponseMetadata"}

    client = judged("backup", {"list_backup_jobs": judged_part})
    ask = client.list_backup_jobs

    def call(**asked: Any) -> dict[str, Any]:
        ask(**asked)
        return answers[-1]

    client.list_backup_jobs = call
    return client


def test_cluster_is_kept_awake_until_the_job_has_begun() -> None:
    def jobs(now: float) -> list[dict[str, Any]]:
        return [job("CREATED")] if now < 62 else [job("RUNNING")]

    night = Night(jobs)
    assert night.wake() == {"awake": True, "job": {"id": "one", "state": "RUNNING"}, "seconds": 65.1}
    assert night.logins == [0.0], "one connection all the time"
    assert night.statements == pytest.approx([0.1, 20.1, 40.1, 60.1]), "so that it is not ended as unused"
    assert not night.connected


def test_cluster_is_awake_before_there_is_a_job() -> None:
    night = Night(lambda now: [] if now < 100 else [job("COMPLETED")])
    assert night.wake()["job"] == {"id": "one", "state": "COMPLETED"}
    assert night.logins == [0.0]


def test_invocation_ends_in_its_time_and_the_next_goes_on() -> None:
    night = Night(lambda _: [job("PENDING")])
    answer = night.wake()
    assert (answer["awake"], answer["job"]) == (True, None)
    assert 230 <= answer["seconds"] <= 240
    assert len(night.logins) == 1


@pytest.mark.parametrize("state", ["RUNNING", "COMPLETED", "FAILED", "ABORTED", "EXPIRED", "PARTIAL"])
def test_once_the_job_has_begun_or_ended_the_cluster_may_sleep(state: str) -> None:
    night = Night(lambda _: [job(state)])
    assert night.wake() == {"awake": False, "job": {"id": "one", "state": state}, "seconds": 0.0}
    assert (night.logins, night.calls) == ([], 1)


@pytest.mark.parametrize(
    "other",
    [job("COMPLETED", plan=None), job("COMPLETED", minutes=-24 * 60), job("COMPLETED", minutes=-166)],
    ids=["by hand", "yesterday's", "three hours and one minute old"],
)
def test_job_that_is_not_this_nights_by_a_plan_does_not_count(other: dict[str, Any]) -> None:
    night = Night(lambda now: [other] if now < 30 else [other, job("RUNNING", id="tonight's")])
    assert night.wake()["job"] == {"id": "tonight's", "state": "RUNNING"}


EARLIER = {
    "another plan's": job("COMPLETED", plan="of the organization"),
    "another plan's that waits": job("CREATED", plan="of the organization"),
    "of the hour that was given yesterday": job("COMPLETED", minutes=-110),
    "that failed before": job("FAILED", minutes=-1),
    "by hand": job("COMPLETED", plan=None),
}


@pytest.mark.parametrize("which", EARLIER)
def test_for_a_plan_only_its_own_jobs_of_this_night_count(which: str) -> None:
    other = EARLIER[which]
    night = Night(lambda now: [other] if now < 30 else [other, job("RUNNING", id="tonight's")])
    assert night.wake(plan="plan", hour=5)["job"] == {"id": "tonight's", "state": "RUNNING"}
    assert night.logins == [0.0]


@pytest.mark.parametrize(
    ("hour", "minutes", "counts"), [(5, 0, True), (5, -1, False), (23, -360, True), (23, -361, False)]
)
def test_night_begins_with_its_hour_and_goes_on_after_midnight(hour: int, minutes: float, counts: bool) -> None:
    night = Night(lambda _: [job("COMPLETED", minutes=minutes)])
    assert bool(night.wake(plan="plan", hour=hour)["job"]) is counts


def test_every_job_of_the_night_has_to_begin() -> None:
    """The weekly rule's, for example, where AWS Backup makes one of its own for it."""
    daily = job("COMPLETED", id="daily")

    def jobs(now: float) -> list[dict[str, Any]]:
        return [daily, job("PENDING" if now < 50 else "RUNNING", minutes=11, id="weekly")]

    night = Night(jobs)
    assert night.wake()["job"] == {"id": "weekly", "state": "RUNNING"}
    assert night.now - 1000 >= 50


def test_every_part_of_the_list_is_read() -> None:
    old = [job("COMPLETED", minutes=-24 * 60 * day, id=f"{day} days ago") for day in range(1, 30)]
    night = Night(lambda _: [*old, job("RUNNING")], page=10)
    assert night.wake()["job"] == {"id": "one", "state": "RUNNING"}
    assert night.calls == 3


@pytest.mark.parametrize("error", [WAKING, REFUSED])
def test_cluster_that_wakes_up_is_tried_again(error: Exception) -> None:
    night = Night(lambda now: [job("CREATED" if now < 120 else "RUNNING")], lambda now: error if now < 60 else None)
    assert night.wake()["job"] == {"id": "one", "state": "RUNNING"}
    assert len(night.logins) > 10
    assert night.statements[0] >= 60


def test_cluster_that_does_not_wake_up_is_a_failure_with_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    night = Night(lambda _: [job("CREATED")], lambda _: WAKING)
    with pytest.raises(RoleError) as failed:
        night.wake()
    assert str(failed.value) == (
        "Cluster own, to be woken for its backup: own.dsql.us-east-1.on.aws (status IDLE): the login: unable to accept "
        "connection, waking up cluster, please retry later (57P03). Invoke the function again when one of the "
        "endpoints serves."
    )
    log = json.loads(capsys.readouterr().out)
    assert (log["action"], log["awake"], log["job"], log["failure"]) == ("wake", False, None, str(failed.value))
    assert 235 < night.now - 1000 <= 240


def test_cluster_is_kept_awake_where_aws_backup_does_not_answer(capsys: pytest.CaptureFixture[str]) -> None:
    def jobs(_: float) -> list[dict[str, Any]]:
        raise DENIED

    night = Night(jobs)
    with pytest.raises(RoleError, match=r"AccessDeniedException.*needs backup:ListBackupJobs"):
        night.wake()
    assert len(night.statements) > 10
    assert json.loads(capsys.readouterr().out)["awake"]


def test_answer_that_comes_late_is_enough() -> None:
    def jobs(now: float) -> list[dict[str, Any]]:
        if now < 100:
            raise DENIED
        return [job("RUNNING")]

    assert Night(jobs).wake()["job"] == {"id": "one", "state": "RUNNING"}


def test_it_logs_in_as_admin_on_the_emulator(pair: EmulatedPair) -> None:
    own, _ = pair.clusters
    sent: list[str] = []

    def list_backup_jobs(**_: Any) -> dict[str, Any]:
        sent.append("look")
        begun = [job("RUNNING")] if len(sent) > 3 else []
        return answer_of(begun, FIVE_O_CLOCK)

    def client(service: str, region: str) -> Any:
        return _with_headers(list_backup_jobs) if service == "backup" else pair.client(service, region)

    around = Surroundings(sleep=lambda seconds: None)
    log = pair.log()
    answer = Wake(ServingEndpoint([own], client, pair.tls, around), 60).run()
    assert (answer["awake"], answer["job"]) == (True, {"id": "one", "state": "RUNNING"})
    assert "SELECT 1" in pair.log()[len(log) :]
