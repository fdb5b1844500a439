"""Which endpoint is tried when, and for how long: sessions and a clock made for the test."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from dsql_dr_constructs.runtime.database_role.role_ledger import HeldError
from dsql_dr_constructs.runtime.database_role.role_request import RoleError
from dsql_dr_constructs.runtime.database_role.serving_endpoint import (
    Cluster,
    ClustersGoneError,
    ServingEndpoint,
)
from dsql_dr_constructs.runtime.database_session import LoginRefusedError, NoConnectionError, SqlError
from dsql_dr_constructs.runtime.full_jitter import Surroundings
from tests.runtime.judge import judged

OWN = Cluster("arn:aws:dsql:us-east-1:111122223333:cluster/own", "own.dsql.us-east-1.on.aws")
PEER = Cluster("arn:aws:dsql:us-west-2:111122223333:cluster/peer", "peer.dsql.us-west-2.on.aws")
DENIED = LoginRefusedError("the login: unable to accept connection, access denied (08006)", "08006")
WAKING = LoginRefusedError(
    "the login: unable to accept connection, waking up cluster, please retry later (57P03)", "57P03"
)
UNREACHABLE = NoConnectionError("no answer to the connection in time")


@dataclass
class Region:
    """An endpoint; *answer* says what a login gets at a time."""

    answer: Callable[[float], Exception | None] = lambda _: None
    status: str = "ACTIVE"


@dataclass
class Pair:
    """Both endpoints, a clock that only pauses and logins move, and what was tried."""

    own: Region = field(default_factory=Region)
    peer: Region = field(default_factory=Region)
    now: float = 1000.0
    tried: list[tuple[float, str]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    run: Callable[..., list[list[Any]]] = lambda *_, **__: [[1]]
    draw: float = 0.5

    def endpoint(self, *clusters: Cluster) -> ServingEndpoint:
        around = Surroundings(lambda: self.now, self._sleep, lambda: self.draw)
        return ServingEndpoint(clusters or (OWN, PEER), self._client, ssl.create_default_context(), around, self._login)

    def work(self, seconds: float = 240, *, unless_gone: bool = False) -> Any:
        return self.endpoint().run(lambda run: run("SELECT 1"), until=self.now + seconds, unless_gone=unless_gone)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def _login(self, host: str, *, role: str, token: str, tls: object, time_left: Callable[[], float]) -> Any:
        assert (role, token) == ("admin", f"token for {host}")
        assert 0 < time_left() <= 30
        self.tried.append((self.now - 1000, host.partition(".")[0]))
        self.now += 0.1
        region = self.own if host == OWN.endpoint else self.peer
        error = region.answer(self.now - 1000)
        if error:
            raise error
        return Session(self.run)

    def _client(self, service: str, region: str) -> Any:
        def get_cluster(identifier: str) -> dict[str, Any]:
            self.calls.append(f"{region} {identifier}")
            status = (self.own if region == "us-east-1" else self.peer).status
            if status == "unreachable":
                raise ConnectTimeoutError(endpoint_url="https://dsql")
            if status.endswith("Exception"):
                raise ClientError({"Error": {"Code": status, "Message": "no"}}, "GetCluster")
            now = "2026-01-01T00:00:00Z"
            cluster = {"identifier": identifier, "arn": OWN.arn, "creationTime": now}
            return {**cluster, "status": status, "deletionProtectionEnabled": True}

        client = judged(service, {"get_cluster": get_cluster})
        client.generate_db_connect_admin_auth_token = lambda host, **_: f"token for {host}"
        return client


class Session(SimpleNamespace):
    def __init__(self, run: Callable[..., Any]) -> None:
        super().__init__(run=run)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        return


def until(second: float, error: Exception) -> Callable[[float], Exception | None]:
    return lambda now: error if now < second else None


def always(error: Exception) -> Callable[[float], Exception]:
    return lambda _: error


def test_own_region_comes_first() -> None:
    pair = Pair()
    assert pair.work() == [[1]]
    assert [one for _, one in pair.tried] == ["own"]
    assert pair.calls == []


@pytest.mark.parametrize("error", [UNREACHABLE, WAKING, DENIED, SqlError("no (53300)", "53300")])
def test_peer_is_tried_next(error: Exception) -> None:
    pair = Pair(Region(always(error)))
    assert pair.work() == [[1]]
    assert [one for _, one in pair.tried] == ["own", "peer"]
    assert pair.calls == []


def test_endpoints_are_tried_in_turn_with_full_jitter() -> None:
    pair = Pair(Region(until(30, WAKING)), Region(always(UNREACHABLE)))
    assert pair.work() == [[1]]
    assert [one for _, one in pair.tried][:5] == ["own", "peer", "own", "peer", "own"]
    pauses = [later - sooner - 0.1 for (sooner, _), (later, _) in zip(pair.tried, pair.tried[1:], strict=False)]
    assert pauses[:6] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.5, 1.5])
    assert max(pauses) == pytest.approx(1.5), "half of 3 s, as the random number is"


def test_cluster_that_wakes_up_is_waited_for_until_the_budget_ends() -> None:
    pair = Pair(Region(always(WAKING), "INACTIVE"), Region(always(WAKING), "INACTIVE"))
    with pytest.raises(RoleError, match=r"own\.dsql\S+ \(status INACTIVE\): .*waking up.*Deploy again when one of the"):
        pair.work()
    assert 235 < pair.now - 1000 < 241
    assert pair.calls == ["us-east-1 own", "us-west-2 peer"]


@pytest.mark.parametrize("seconds", [10, 100])
def test_permission_that_was_just_given_is_waited_for(seconds: float) -> None:
    pair = Pair(Region(until(seconds, DENIED)), Region(until(seconds, DENIED)))
    assert pair.work() == [[1]]


def test_permission_that_is_not_there_after_two_minutes_is_said() -> None:
    pair = Pair(Region(always(DENIED)), Region(always(DENIED)))
    with pytest.raises(RoleError, match=r"access denied .*needs dsql:DbConnectAdmin on the cluster"):
        pair.work()
    assert 115 < pair.now - 1000 < 122


def test_cluster_alone_has_no_peer_to_try() -> None:
    pair = Pair(Region(until(5, UNREACHABLE)))
    assert pair.endpoint(OWN).run(lambda run: run("SELECT 1"), until=pair.now + 60) == [[1]]
    assert {one for _, one in pair.tried} == {"own"}


@pytest.mark.parametrize("code", ["40001", "OC000", "OC001"])
def test_conflict_is_tried_again_in_the_same_session(code: str) -> None:
    answers: Iterator[Any] = iter([SqlError("conflict", code), SqlError("conflict", code), [[2]]])

    def run(*_: object) -> Any:
        answer = next(answers)
        if isinstance(answer, SqlError):
            raise answer
        return answer

    pair = Pair(run=run)
    assert pair.work() == [[2]]
    assert len(pair.tried) == 1
    assert pair.now - 1000 == pytest.approx(0.1 + 0.1 + 0.2)


def test_conflicts_without_end_are_said_when_the_budget_ends() -> None:
    def run(*_: object) -> Any:
        raise SqlError("SELECT 1: change conflicts (OC000) (40001)", "40001")

    pair = Pair(run=run)
    with pytest.raises(RoleError, match=r"change conflicts .*Deploy again when the cause is gone"):
        pair.work(60)
    assert 55 < pair.now - 1000 < 61
    assert pair.calls == []


@pytest.mark.parametrize("code", ["42710", "42704", "23505", "42P01"])
def test_something_that_changed_meanwhile_is_tried_for_two_minutes(code: str) -> None:
    def run(*_: object) -> Any:
        raise SqlError(f"no ({code})", code)

    pair = Pair(run=run)
    with pytest.raises(RoleError, match="no"):
        pair.work()
    assert 115 < pair.now - 1000 < 122
    assert {one for _, one in pair.tried} == {"own", "peer"}


def test_work_that_takes_longer_than_there_is_time_for_is_said() -> None:
    pair = Pair()

    def run(*_: object) -> Any:
        pair.now += 7
        raise NoConnectionError("no answer to SELECT 1 in time" if pair.now < 1020 else "no time is left")

    pair.run = run
    with pytest.raises(RoleError, match="no answer to SELECT 1 in time"):
        pair.work(20)
    pair.now = 1015
    with pytest.raises(
        RoleError, match=r"own\S+: it took longer than there was time for\. Deploy again when the cause"
    ):
        pair.work(6)


def test_iam_role_that_is_not_seen_yet_is_waited_for() -> None:
    def run(*_: object) -> Any:
        if pair.now < 1060:
            raise SqlError("AWS IAM GRANT: IAM role arn:aws:iam::1:role/x does not exist (22023)", "22023")
        return [[3]]

    pair = Pair(run=run)
    assert pair.work() == [[3]]


@pytest.mark.parametrize("code", ["42501", "42601", "53100", None])
def test_refusal_is_final(code: str | None) -> None:
    def run(*_: object) -> Any:
        raise SqlError("SELECT 1: refused", code)

    pair = Pair(run=run)
    with pytest.raises(RoleError, match=r"own\.dsql\.us-east-1\.on\.aws: SELECT 1: refused"):
        pair.work()
    assert len(pair.tried) == 1


def test_role_that_another_deployment_changes_is_waited_for() -> None:
    def work(_: object) -> str:
        if pair.now < 1050:
            raise HeldError
        return "done"

    pair = Pair()
    assert pair.endpoint().run(work, until=pair.now + 240) == "done"
    with pytest.raises(RoleError, match="another deployment is changing this role"):
        pair.endpoint().run(lambda _: (_ for _ in ()).throw(HeldError()), until=pair.now + 20)


@pytest.mark.parametrize("status", ["DELETING", "PENDING_DELETE", "DELETED", "ResourceNotFoundException"])
def test_clusters_that_are_gone_are_no_failure_of_a_delete(status: str) -> None:
    pair = Pair(Region(always(UNREACHABLE), status), Region(always(UNREACHABLE), "ResourceNotFoundException"))
    said = r"cluster own in us-east-1 is \w+, cluster peer in us-west-2 is deleted"
    with pytest.raises(ClustersGoneError, match=said):
        pair.work(unless_gone=True)
    assert pair.now - 1000 < 1
    with pytest.raises(RoleError, match="status deleted"):
        pair.work()


@pytest.mark.parametrize("status", ["ACTIVE", "unreachable", "AccessDeniedException"])
def test_delete_fails_where_a_cluster_may_still_be_there(status: str) -> None:
    pair = Pair(Region(always(UNREACHABLE), "DELETED"), Region(always(UNREACHABLE), status))
    with pytest.raises(RoleError, match=r"status (ACTIVE|unknown \(GetCluster: (no answer|AccessDeniedException)\))"):
        pair.work(unless_gone=True)
    assert 235 < pair.now - 1000 < 241


def test_status_is_not_asked_for_where_one_endpoint_let_somebody_in() -> None:
    def run(*_: object) -> Any:
        raise SqlError("SELECT 1: server unavailable (XX000)", "XX000")

    pair = Pair(peer=Region(always(UNREACHABLE)), run=run)
    with pytest.raises(RoleError, match="server unavailable"):
        pair.work(20)
    assert pair.calls == []
