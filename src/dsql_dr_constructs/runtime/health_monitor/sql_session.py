"""Statements of the SQL probe through one endpoint, and what their failures mean."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..database_session import DatabaseSession, LoginRefusedError, NoConnectionError, SqlError, login_token
from .connection_probe import is_transient
from .retries import NotAllowedYet, TransientlyUnreachable, Unreachable

_LONGEST_REASON = 300

_PERMANENT = ("25", "28")
"""Classes of SQLSTATEs that the next try would see again: read-only, not authorized.

Source: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""
_READ_ONLY = "25006"
_NOT_SET_UP = ("42", "3F", "23")
"""No privilege, no table or another one, no schema."""


class Session(Protocol):
    """What is used of `DatabaseSession`."""

    def run(self, statement: str) -> list[list[Any]]: ...

    def close(self) -> None: ...


Connect = Callable[..., Session]
"""Logs in, as `DatabaseSession` does."""


class LoginDenied(Unreachable):
    """Refused as it is without mapping, permission or the right time."""


class NotSetUp(Unreachable):
    """Refused as it is without table or privilege."""


@dataclass
class SqlSession:
    """Logs in with the first statement, and again with the next one if the connection broke.

    Args:
        host: Host name of the endpoint.
        port: 5432, but in tests.
        region: The cluster's.
        role: Database role.
        dsql: Client whose credentials sign a token for each login.
        tls: Whom to trust.
        time_left: Seconds; a login may take all of them, since a cluster that is IDLE or INACTIVE has to wake.
        clock: Seconds.
        permissions_are_new: Whether a login that is refused may be accepted at the next try.
        connect: Logs in.
    """

    host: str
    port: int
    region: str
    role: str
    dsql: Any
    tls: ssl.SSLContext
    time_left: Callable[[], float]
    clock: Callable[[], float]
    permissions_are_new: bool
    connect: Connect = DatabaseSession
    logged_in: bool = False
    """Whether a login was accepted."""
    _session: Session | None = field(default=None, init=False)

    def run(self, what: str, statement: str) -> tuple[list[list[Any]], float]:
        """Rows and milliseconds of *statement*.

        Args:
            what: The statement's purpose, for the reason.
            statement: Its first line can be in the reason, so values are not in that line.

        Raises:
            TransientlyUnreachable: the next try may succeed.
            Unreachable: it will not.
        """
        try:
            session = self._session = self._session or self._login()
            began = self.clock()
            rows = session.run(statement)
            return rows, round(1000 * (self.clock() - began), 1)
        except LoginRefusedError as error:
            raise self._login_refused(error) from error
        except NoConnectionError as error:
            self.close()
            raise TransientlyUnreachable(_short(error)) from error
        except SqlError as error:
            raise _statement_refused(what, error) from error

    def close(self) -> None:
        """End the session, if there is one."""
        if self._session:
            self._session.close()
        self._session = None

    def _login(self) -> Session:
        token = login_token(self.dsql, self.host, self.region, self.role)
        where = {"role": self.role, "token": token, "tls": self.tls, "time_left": self.time_left}
        session = self.connect(self.host, self.port, **where)
        self.logged_in = True
        return session

    def _login_refused(self, error: LoginRefusedError) -> Unreachable:
        reason = f"the login was refused: {_short(error).removeprefix('the login: ')}"
        if (error.sqlstate or "").startswith("28") or "access denied" in str(error):
            return NotAllowedYet(reason) if self.permissions_are_new else LoginDenied(reason)
        return (TransientlyUnreachable if is_transient(error.sqlstate or "") else Unreachable)(reason)


def _statement_refused(what: str, error: SqlError) -> Unreachable:
    sqlstate, reason = error.sqlstate or "", f"the {what} was refused: {_short(error)}"
    if sqlstate == _READ_ONLY:
        return Unreachable(f"the side is read-only ({_short(error)})")
    if sqlstate.startswith(_NOT_SET_UP):
        return NotSetUp(reason)
    return (Unreachable if sqlstate.startswith(_PERMANENT) else TransientlyUnreachable)(reason)


def _short(error: SqlError) -> str:
    return str(error)[:_LONGEST_REASON]
