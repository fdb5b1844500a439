"""One session with a cluster's endpoint: TLS verified, as one database role, by a token made for this login.

Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/authentication-authorization.html
"""

from __future__ import annotations

import io
import socket
import ssl
from collections.abc import Callable
from typing import Any

from pg8000.exceptions import DatabaseError, Error
from pg8000.native import Connection

from .postgresql import PORT, SSL_REQUEST

ADMIN = "admin"

TOKEN_SECONDS = 60
"""How long a token is valid, which is checked at login only: time for a login, and for clocks that differ a little."""

CONFLICTS = frozenset({"40001", "OC000", "OC001"})
"""SQLSTATEs of a transaction that another one was faster than: it changed nothing, and can be run again.

Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/working-with-concurrency-control.html
"""

_CONNECT_SECONDS = 3.0
_CLOSE_SECONDS = 1.0


class SqlError(Exception):
    """A login or a statement failed; the text says why, and has no token and no values.

    Args:
        text: Why.
        sqlstate: Of the server's answer. None: there was none.
        answer: The server's message, without the statement. Default: the text.
        detail: More of it, which can have values and is in no text. Default: none.
    """

    def __init__(self, text: str, sqlstate: str | None = None, answer: str = "", detail: str = "") -> None:
        super().__init__(text)
        self.sqlstate, self.answer, self.detail = sqlstate, answer or text, detail

    @property
    def conflict(self) -> bool:
        """Whether another transaction was faster."""
        return self.sqlstate in CONFLICTS


class NoConnectionError(SqlError):
    """There was no connection, or it ended: whether the last statement did anything is not known."""


class LoginRefusedError(SqlError):
    """The endpoint answered the login with an error."""


def login_token(dsql: Any, host: str, region: str, role: str) -> str:
    """A password for one login as *role* at *host*; it is made without a call to AWS.

    Args:
        dsql: Client of Aurora DSQL, whose credentials sign it.
        host: Host name of the endpoint.
        region: The cluster's.
        role: Database role.

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/SECTION_authentication-token.html
    """
    kind = "admin_auth_token" if role == ADMIN else "auth_token"
    token: str = getattr(dsql, f"generate_db_connect_{kind}")(host, Region=region, ExpiresIn=TOKEN_SECONDS)
    return token


class DatabaseSession:
    """Logs in, and runs statements, each of which is a transaction of its own.

        with DatabaseSession(host, role="orders", token=token, tls=tls, time_left=left) as session:
            session.run("SELECT item FROM orders WHERE id = :id", id=one)

    Args:
        host: Host name of the endpoint, which the certificate must have; sent as SNI, which DSQL requires.
        port: 5432, but in tests.
        role: Database role to log in as.
        token: From `login_token`.
        tls: Whom to trust.
        time_left: Seconds that the caller still has: no wait for an answer takes longer.

    Raises:
        NoConnectionError: no connection, no TLS, or no answer in time.
        LoginRefusedError: the endpoint refused the login.
    """

    def __init__(
        self, host: str, port: int = PORT, *, role: str, token: str, tls: ssl.SSLContext, time_left: Callable[[], float]
    ) -> None:
        self._time_left = time_left
        self._channel = self._encrypted(host, port, tls)
        try:
            wire = _Wire(self._channel, self._seconds)
            self._connection = Connection(
                role, host=host, database="postgres", password=token, sock=wire, ssl_context=False
            )
        except (Error, OSError) as error:
            self._channel.close()
            raise _failure(error, "the login", LoginRefusedError) from None  # whose context may have the token

    def __enter__(self) -> DatabaseSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, statement: str, **values: Any) -> list[list[Any]]:
        """The rows that *statement* returns; *values* are sent apart from it, for ``:name`` in it.

        Raises:
            NoConnectionError: the connection ended, or there was no answer in time.
            SqlError: the server refused the statement.
        """
        try:
            rows: list[list[Any]] | None = self._connection.run(statement, **values)
        except (Error, OSError) as error:
            raise _failure(error, statement.strip().partition("\n")[0][:100], SqlError) from error
        return rows or []

    def close(self) -> None:
        """End the session, if the connection still is there."""
        self._time_left = lambda: _CLOSE_SECONDS
        try:
            self._connection.close()
        except (Error, OSError):
            pass
        finally:
            self._channel.close()

    def _encrypted(self, host: str, port: int, tls: ssl.SSLContext) -> ssl.SSLSocket:
        try:
            plain = socket.create_connection((host, port), timeout=min(_CONNECT_SECONDS, self._seconds()))
        except OSError as error:
            raise _failure(error, "the connection", NoConnectionError) from error
        try:
            plain.settimeout(self._seconds())
            plain.sendall(SSL_REQUEST)
            answer = plain.recv(1)
            if answer == b"S":
                return tls.wrap_socket(plain, server_hostname=host)
        except OSError as error:
            plain.close()
            raise _failure(error, "the TLS handshake", NoConnectionError) from error
        plain.close()
        raise NoConnectionError(f"no TLS: the server answered {answer!r}")

    def _seconds(self) -> float:
        seconds = self._time_left()
        if seconds <= 0:
            raise TimeoutError
        return seconds


class _Wire(io.RawIOBase):
    """What pg8000 reads and writes: all waits share the time, so that a server that sends byte by byte gets no more.

    Args:
        channel: To the server.
        seconds: That are left.
    """

    def __init__(self, channel: ssl.SSLSocket, seconds: Callable[[], float]) -> None:
        self._channel = channel
        self._seconds = seconds

    def makefile(self, mode: str) -> io.BufferedRWPair:
        return io.BufferedRWPair(self, self)

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._channel.settimeout(self._seconds())
        return self._channel.recv_into(buffer)

    def write(self, data: Any) -> int:
        self._channel.settimeout(self._seconds())
        return self._channel.send(data)


def _failure(error: BaseException, doing: str, kind: type[SqlError]) -> SqlError:
    """*error* as one of ours. pg8000 closes a connection that failed, and a failure of that can hide the answer."""
    if isinstance(error, SqlError):
        return error
    seen: BaseException | None = error
    while seen and not isinstance(seen, DatabaseError):
        seen = seen.__context__
    if seen and seen.args and isinstance(seen.args[0], dict):
        fields = seen.args[0]
        said = ". ".join(fields[one] for one in "MH" if fields.get(one)) + f" ({fields.get('C', 'no code')})"
        return kind(f"{doing}: {said}", fields.get("C"), said, fields.get("D", ""))
    reason = next((one for one in _chain(error) if isinstance(one, OSError)), error)
    if isinstance(reason, TimeoutError):
        return NoConnectionError(f"no answer to {doing} in time")
    if isinstance(reason, ssl.SSLCertVerificationError):
        return NoConnectionError(f"certificate refused ({reason.verify_message})")
    return NoConnectionError(f"{doing} failed: {getattr(reason, 'strerror', None) or reason}")


def _chain(error: BaseException | None) -> list[BaseException]:
    found = []
    while error:
        found.append(error)
        error = error.__context__
    return found
