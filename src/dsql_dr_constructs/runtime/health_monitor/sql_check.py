"""The SQL probe: writes a beat through each endpoint, and reads it through the other one.

Aurora DSQL is strongly consistent: what was committed through one endpoint is there at once through the other.

Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/what-is-aurora-dsql.html
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import uuid4

from pg8000.native import identifier, literal

from ..database_session import DatabaseSession
from ..postgresql import PORT, SCHEMA
from .asking import kept, result
from .observation import ControlPlane, SqlResult
from .retries import MonitorError, NotAllowedYet, Surroundings, Tries, Unreachable
from .settings import Settings
from .sql_session import Connect, LoginDenied, NotSetUp, SqlSession

_READ_SECONDS = 2.0
"""Of the budget, what stays to read through an endpoint whose peer has not committed until then."""


class _Beat(NamedTuple):
    region: str
    value: str
    written_at: datetime


@dataclass
class Evidence:
    """What one endpoint answered; whose fault a problem is, both show together.

    Args:
        region: The cluster's.
        problem: What went wrong first.
        logged_in: Whether a login was accepted.
        denied: Whether the problem is a login refused as it is without mapping, permission or the right time.
        not_set_up: Whether the problem is a statement refused as it is without table or privilege.
        parted: Whether the problem is that the other cluster's beat is not there.
        commit_ms: Of the statement that committed. None: none did.
        read_ms: Of the statement that read. None: it was not answered.
    """

    region: str
    problem: str | None = None
    logged_in: bool = False
    denied: bool = False
    not_set_up: bool = False
    parted: bool = False
    commit_ms: float | None = None
    read_ms: float | None = None

    def failed(self, reason: Unreachable) -> None:
        """The first reason stays."""
        if not self.problem:
            self.problem = str(reason)
            self.denied = isinstance(reason, LoginDenied | NotAllowedYet)
            self.not_set_up = isinstance(reason, NotSetUp)

    def is_of_the_cluster(self, other: Evidence | None) -> bool:
        """Whether a problem is the cluster's: the *other* one accepts what this one refuses."""
        if self.denied:
            return bool(other and other.logged_in)
        if self.not_set_up:
            return bool(other and other.commit_ms is not None)
        return True


class SqlCheck:
    """One run of the SQL probe.

    Args:
        settings: The clusters, and the database role and table of the SQL probe.
        client: Gives the client of a service in a Region; asked before any thread starts.
        surroundings: Clock and waits.
        first: Whether a login that is refused may be accepted at the next try.
        connect: Logs in.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        client: Callable[[str, str], Any],
        surroundings: Surroundings,
        first: bool,
        connect: Connect = DatabaseSession,
    ) -> None:
        self._settings = settings
        self._clients = {arn: client("dsql", _region(arn)) for arn in settings.clusters}
        self._surroundings = surroundings
        self._first = first
        self._connect = connect
        self._committed: dict[str, Future[_Beat | None]] = {arn: Future() for arn in settings.clusters}

    def check(self, arn: str, tls: ssl.SSLContext, tries: Tries) -> Evidence:
        """Log in to the endpoint of *arn*, write its beat at once, and read the other one's when that is committed.

        The check of the other endpoint has to run at the same time, in another thread.
        """
        found = Evidence(_region(arn))
        with closing(self._session(arn, tls, tries)) as session:
            mine = self._written(arn, session, tries, found)
            found.logged_in = session.logged_in
            if found.logged_in and not found.not_set_up:
                self._read(arn, mine, session, tries, found)
        return found

    def conclude(
        self,
        checked: Mapping[str, Future[Evidence]],
        control_planes: Mapping[str, ControlPlane],
        late: str,
        errors: list[MonitorError],
    ) -> dict[str, SqlResult]:
        """Result by ARN of each cluster that can be judged; what is the SQL probe's own fault goes to *errors*.

        Args:
            checked: Of `check`, by ARN.
            control_planes: What GetCluster returned, by ARN.
            late: Problem of a check that has not ended.
            errors: Takes an error.
        """
        found = dict[str, Evidence]()
        for arn, question in checked.items():
            what = f"The SQL probe of {_region(arn)}"
            with kept(errors, what):
                found[arn] = result(what, question, Evidence(_region(arn), late))
        peered = all(
            plane.status is None or any(arn != peer for peer in plane.peers & checked.keys())
            for arn, plane in control_planes.items()
        )
        results, ours = dict[str, SqlResult](), list[Evidence]()
        for arn, one in found.items():
            [other] = [found.get(each) for each in checked if each != arn]
            if one.is_of_the_cluster(other):
                problem = None if one.parted and not peered else one.problem  # a lost peering is no second fault
                results[arn] = SqlResult(problem is None, one.commit_ms, one.read_ms, problem)
            else:
                ours.append(one)
        with kept(errors, "The SQL probe"):
            if ours:
                self._refuse_to_judge(ours)
        return results

    def _refuse_to_judge(self, ours: list[Evidence]) -> None:
        role, where, problem = self._settings.sql_role, " and ".join(one.region for one in ours), ours[0].problem
        if any(one.denied for one in ours):
            raise MonitorError(
                f"The SQL probe cannot log in as {role} in {where}: {problem}. Repair the database roles "
                '({"action":"repair"} for their function), which maps this one to the monitor\'s role; if that does '
                "not help, the monitor lacks dsql:DbConnect, or its clock is wrong"
            )
        raise MonitorError(
            f"The SQL probe cannot use its table as {role} in {where}: {problem}. Repair the database roles "
            '({"action":"repair"} for their function), which makes the table of the SQL probe and its privileges'
        )

    def _written(self, arn: str, session: SqlSession, tries: Tries, found: Evidence) -> _Beat | None:
        region, value, beat = found.region, uuid4().hex, None
        statement = (  # values on lines of their own, which no message has
            f"INSERT INTO {self._table} (endpoint, beat, written_at)\n"
            f"VALUES ({literal(region)}, {literal(value)}, now())\n"
            "ON CONFLICT (endpoint) DO UPDATE SET beat = EXCLUDED.beat, written_at = EXCLUDED.written_at\n"
            "RETURNING written_at"
        )
        try:
            [[written_at]], found.commit_ms = tries.of(lambda: session.run("write", statement))
            beat = _Beat(region, value, written_at)
        except Unreachable as reason:
            found.failed(reason)
        finally:
            self._committed[arn].set_result(beat)
        return beat

    def _read(self, arn: str, mine: _Beat | None, session: SqlSession, tries: Tries, found: Evidence) -> None:
        """The other one's beat; its own if the other one has none, since its reading is judged all the same."""
        [other] = [one for each, one in self._committed.items() if each != arn]
        self._surroundings.wait([other], max(0.0, tries.time_left - _READ_SECONDS))
        beat = (other.result() if other.done() else None) or mine
        if not beat:
            return
        statement = f"SELECT beat, written_at FROM {self._table}\nWHERE endpoint = {literal(beat.region)}"  # noqa: S608 - quoted
        try:
            rows, found.read_ms = tries.of(lambda: session.run("reading", statement))
        except Unreachable as reason:
            found.failed(reason)
            return
        # another run of this monitor may have written a later beat since
        if not any(value == beat.value or written_at > beat.written_at for value, written_at in rows):
            found.parted = beat is not mine and not found.problem
            found.problem = found.problem or f"the beat committed through {beat.region} is not visible here"

    @property
    def _table(self) -> str:
        return f"{SCHEMA}.{identifier(self._settings.sql_table)}"

    def _session(self, arn: str, tls: ssl.SSLContext, tries: Tries) -> SqlSession:
        host, _, port = self._settings.clusters[arn].partition(":")
        return SqlSession(
            host,
            int(port or PORT),
            _region(arn),
            self._settings.sql_role or "",
            self._clients[arn],
            tls,
            time_left=lambda: tries.time_left,
            clock=self._surroundings.clock,
            permissions_are_new=self._first,
            connect=self._connect,
        )


def _region(arn: str) -> str:
    return arn.split(":")[3]
