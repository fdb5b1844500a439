"""Sessions as admin with the endpoint that serves: the own Region's, then the peer's, in turn until the time is up."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from ..database_session import ADMIN, DatabaseSession, LoginRefusedError, NoConnectionError, SqlError, login_token
from ..full_jitter import SHORTEST_TRY, Surroundings, pause_after
from .catalog import Run
from .role_ledger import HeldError
from .role_request import RoleError

T = TypeVar("T")

_LONGEST_WAIT = 30.0
"""Seconds for one answer, after which it is the other endpoint's turn."""
_SETTLES_WITHIN = 120.0
"""Seconds that a permission just given may need to hold, or a change of somebody else to be seen.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
"""
_GONE = frozenset({"deleted", "DELETING", "PENDING_DELETE", "DELETED"})
_NOT_SERVING = ("08", "25006", "53", "57P", "58", "XX")
"""How the SQLSTATE begins of an answer that another try or the other endpoint may not give.

Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/troubleshooting.html
"""
_STORAGE_IS_FULL = "53100"
_CHANGED_MEANWHILE = frozenset({"23505", "3F000", "42704", "42710", "42P01", "42P06", "42P07"})
"""Something that was just read as missing is there, or the other way round; and an IAM role that is not seen yet."""


class ClustersGoneError(Exception):
    """Both clusters are deleted, or are being deleted; the text says so."""


@dataclass(frozen=True)
class Cluster:
    """Where to log in.

    Args:
        arn: Of the cluster.
        endpoint: Host name.
    """

    arn: str
    endpoint: str

    @property
    def region(self) -> str:
        return self.arn.split(":")[3]

    @property
    def identifier(self) -> str:
        return self.arn.rpartition("/")[2]


@dataclass
class ServingEndpoint:
    """Runs a piece of work that can be done again, until it is done.

    Args:
        clusters: Own Region's first.
        client: By service and Region.
        tls: Whom to trust.
        surroundings: Clock, pauses and random numbers.
        connect: Makes a session.
        then: What to do once the cause of an error is gone.
    """

    clusters: Sequence[Cluster]
    client: Callable[[str, str], Any]
    tls: ssl.SSLContext
    surroundings: Surroundings = field(default_factory=Surroundings)
    connect: Callable[..., DatabaseSession] = DatabaseSession
    then: str = "Deploy again"
    tries: int = field(default=0, init=False)
    """Sessions that were begun, or tried to."""
    used: str = field(default="", init=False)
    """The endpoint of the last one that was begun."""

    def run(self, work: Callable[[Run], T], *, until: float, unless_gone: bool = False) -> T:
        """What *work* returns. It is begun again, mostly at the other endpoint, where it can succeed then.

        Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/

        Args:
            work: Gets a function that runs one statement, and tries conflicts again itself: they changed nothing.
            until: When to give up, by the clock.
            unless_gone: Whether to ask for the clusters' status before that, where nobody can log in.

        Raises:
            RoleError: it cannot succeed, or the time is up; the sentence says what each endpoint answered.
            ClustersGoneError: *unless_gone*, and there is no cluster any more.
        """
        began, attempt = self.surroundings.clock(), 0
        said: dict[Cluster, str] = {}
        out: set[Cluster] = set()
        while True:
            cluster = self.clusters[attempt % len(self.clusters)]
            attempt += 1
            out.add(cluster)
            try:
                with self._session(cluster, until) as session:
                    out.discard(cluster)
                    return work(_trying_conflicts_again(session, until, self.surroundings))
            except HeldError:
                said[cluster], last = "another deployment is changing this role", None
            except SqlError as error:
                last = error
                if self._left(until) > 0:
                    said[cluster] = str(error)
                else:
                    said.setdefault(cluster, "it took longer than there was time for")
            if unless_gone and len(out) == len(self.clusters):
                self._raise_if_gone()
            pause = pause_after(attempt, self.surroundings.draw())
            limit = until if last is None else _worth_trying_until(last, began, until)
            if limit - self.surroundings.clock() < pause + SHORTEST_TRY:
                raise RoleError(self._sentence(said, nobody_can_log_in=len(out) == len(self.clusters))) from last
            self.surroundings.sleep(pause)

    def _session(self, cluster: Cluster, until: float) -> DatabaseSession:
        self.tries += 1
        token = login_token(self.client("dsql", cluster.region), cluster.endpoint, cluster.region, ADMIN)
        session = self.connect(
            cluster.endpoint,
            role=ADMIN,
            token=token,
            tls=self.tls,
            time_left=lambda: min(_LONGEST_WAIT, self._left(until)),
        )
        self.used = cluster.endpoint
        return session

    def _left(self, until: float) -> float:
        return until - self.surroundings.clock()

    def _raise_if_gone(self) -> None:
        statuses = self._statuses()
        if set(statuses.values()) <= _GONE:
            said = ", ".join(
                f"cluster {one.identifier} in {one.region} is {status}" for one, status in statuses.items()
            )
            raise ClustersGoneError(said)

    def _statuses(self) -> Mapping[Cluster, str]:
        return {one: self._status(one) for one in self.clusters}

    def _status(self, cluster: Cluster) -> str:
        try:
            answer = self.client("dsql", cluster.region).get_cluster(identifier=cluster.identifier)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            return "deleted" if code == "ResourceNotFoundException" else f"unknown (GetCluster: {code})"
        except BotoCoreError:
            return "unknown (GetCluster: no answer)"
        return str(answer["status"])

    def _sentence(self, said: Mapping[Cluster, str], *, nobody_can_log_in: bool) -> str:
        statuses = self._statuses() if nobody_can_log_in else {}
        each = [
            f"{one.endpoint}{f' (status {statuses[one]})' if one in statuses else ''}: {text}"
            for one, text in said.items()
        ]
        if any(_is_denied(text) for text in said.values()):
            do = (
                "The function that did this needs dsql:DbConnectAdmin on the cluster; a new permission can take "
                f"minutes to hold: {self.then[0].lower()}{self.then[1:]}."
            )
        elif nobody_can_log_in:
            do = f"{self.then} when one of the endpoints serves."
        else:
            do = f"{self.then} when the cause is gone."
        return f"{'; '.join(each)}. {do}"


def _trying_conflicts_again(session: DatabaseSession, until: float, surroundings: Surroundings) -> Run:
    def run(statement: str, **values: Any) -> list[list[Any]]:
        attempt = 0
        while True:
            try:
                return session.run(statement, **values)
            except SqlError as error:
                pause = pause_after(attempt + 1, surroundings.draw())
                if not error.conflict or until - surroundings.clock() < pause + SHORTEST_TRY:
                    raise
                attempt += 1
                surroundings.sleep(pause)

    return run


def may_pass(error: SqlError) -> bool:
    """Whether the same statement may succeed at another time, or at the other endpoint, whatever it is."""
    state = error.sqlstate or ""
    return (
        isinstance(error, NoConnectionError)
        or error.conflict
        or (state.startswith(_NOT_SERVING) and state != _STORAGE_IS_FULL)
    )


def _is_denied(text: str) -> bool:
    return "access denied" in text


def _worth_trying_until(error: SqlError, began: float, until: float) -> float:
    """Until when the same work may succeed after *error*."""
    state = error.sqlstate or ""
    if isinstance(error, LoginRefusedError):
        return min(until, began + _SETTLES_WITHIN) if _is_denied(str(error)) else until
    if state in _CHANGED_MEANWHILE or "IAM role" in str(error):
        return min(until, began + _SETTLES_WITHIN)
    return until if may_pass(error) else began
