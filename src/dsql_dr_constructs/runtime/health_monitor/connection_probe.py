"""The connection probe: connects to a PostgreSQL endpoint as a client does, up to the request for authentication.

Source: https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from ..postgresql import SSL_REQUEST
from .retries import TransientlyUnreachable, Unreachable

CONNECT_SECONDS, ANSWER_SECONDS, TLS_SECONDS = 3.0, 5.0, 5.0
"""Longest waits of one try. The first connection to an idle cluster is slower than the next."""

_CLOSE_SECONDS = 1.0
_SHORTEST_WAIT = 0.05
_PROTOCOL_3_0 = struct.pack("!i", 196608)
_LONGEST_MESSAGE = 8192
_EXPIRED, _NOT_YET_VALID, _OTHER_NAME = 10, 9, 62
_UNKNOWN_ISSUER = (2, 18, 19, 20, 21)
_TRANSIENT_SQLSTATES = ("08", "53", "57P")
"""Classes of connection exceptions, insufficient resources, and a server that starts or stops.

Source: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""


def is_transient(sqlstate: str) -> bool:
    """Whether an endpoint that refuses a connection with *sqlstate* may accept the next one."""
    return sqlstate.startswith(_TRANSIENT_SQLSTATES)


Resolver = Callable[..., Sequence[tuple[Any, ...]]]
"""Gives addresses as `socket.getaddrinfo` does."""


def probe_connection(
    host: str,
    port: int,
    tls: ssl.SSLContext,
    time_left: Callable[[], float],
    *,
    resolve: Resolver = socket.getaddrinfo,
) -> None:
    """Return once the server has asked for authentication; nothing is ever sent that could authenticate.

    Args:
        host: Name that the certificate must have, sent as SNI, which DSQL requires.
        port: 5432, but in tests.
        tls: Whom to trust.
        time_left: Seconds that the run still has; no step takes longer.
        resolve: Gives the addresses of *host*.

    Raises:
        TransientlyUnreachable: the endpoint may answer the next connection probe.
        Unreachable: it will not.

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/troubleshooting.html
    """
    with _step("the connection", CONNECT_SECONDS, time_left) as left:
        seconds = left()
        addresses = resolve(host, port, type=socket.SOCK_STREAM)
        if left() <= 0:
            raise TransientlyUnreachable(f"no answer to the resolution of the name within {seconds:.1f} s")
        plain = _connect(addresses, seconds, left)
    with plain:
        with _step("the request for TLS", ANSWER_SECONDS, time_left) as left:
            _limit(plain, left)
            plain.sendall(SSL_REQUEST)
            _require_tls(plain.recv(1))
        with _step("the TLS handshake", TLS_SECONDS, time_left) as left:
            _limit(plain, left)
            encrypted = tls.wrap_socket(plain, server_hostname=host)
        with encrypted, _step("the StartupMessage", ANSWER_SECONDS, time_left) as left:
            _limit(encrypted, left)
            encrypted.sendall(_startup_message())
            _require_authentication_request(encrypted, left)
            _close(encrypted)


@contextmanager
def _step(name: str, longest: float, time_left: Callable[[], float]) -> Iterator[Callable[[], float]]:
    """Gives the seconds that are left of one step; what goes wrong in it becomes a reason that names it."""
    begun = time_left()
    seconds = max(_SHORTEST_WAIT, min(longest, begun))
    try:
        yield lambda: seconds - (begun - time_left())
    except socket.gaierror as error:
        transient = error.errno == socket.EAI_AGAIN
        raise (TransientlyUnreachable if transient else Unreachable)(f"name not found ({error.strerror})") from error
    except TimeoutError as error:
        raise TransientlyUnreachable(f"no answer to {name} within {seconds:.1f} s") from error
    except ssl.SSLCertVerificationError as error:
        raise Unreachable(_certificate_problem(error)) from error
    except (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
        raise TransientlyUnreachable(f"connection closed during {name}") from error
    except ssl.SSLError as error:
        raise Unreachable(f"TLS failed: {error.reason}") from error
    except OSError as error:
        raise TransientlyUnreachable(f"{name} failed: {error.strerror}") from error


def _limit(channel: socket.socket, time_left: Callable[[], float]) -> None:
    """Let the next call on *channel* take the time that is left, which settimeout takes only above 0."""
    seconds = time_left()
    if seconds <= 0:
        raise TimeoutError
    channel.settimeout(seconds)


def _connect(addresses: Sequence[tuple[Any, ...]], seconds: float, time_left: Callable[[], float]) -> socket.socket:
    """To the first of *addresses* that accepts; they share the time, so that each gets some of it."""
    if not addresses:
        raise TransientlyUnreachable("name has no address")
    failures = []
    for number, (*_, address) in enumerate(addresses):
        share = max(_SHORTEST_WAIT, time_left() / (len(addresses) - number))
        try:
            return socket.create_connection(address[:2], timeout=share)
        except ConnectionRefusedError:
            failures.append(f"{address[0]} refused it")
        except TimeoutError:
            failures.append(f"{address[0]} did not answer within {share:.1f} s")
        except OSError as error:
            failures.append(f"{address[0]} failed ({error.strerror})")
    raise TransientlyUnreachable(f"no connection within {seconds:.1f} s: {', '.join(failures)}")


def _require_tls(answer: bytes) -> None:
    if not answer:
        raise ConnectionResetError
    if answer == b"N":
        raise Unreachable("server answered N: it offers no TLS")
    if answer != b"S":
        raise Unreachable(f"server answered the request for TLS with {answer!r}, which is not PostgreSQL")


def _startup_message() -> bytes:
    body = _PROTOCOL_3_0 + b"user\0admin\0database\0postgres\0\0"
    return struct.pack("!i", len(body) + 4) + body


def _require_authentication_request(encrypted: ssl.SSLSocket, time_left: Callable[[], float]) -> None:
    kind, length = struct.unpack("!ci", _read(encrypted, 5, time_left))
    body = _read(encrypted, min(max(length - 4, 0), _LONGEST_MESSAGE), time_left)
    if kind == b"E":
        fields = {part[:1]: part[1:].decode("utf-8", "replace") for part in body.split(b"\0") if part}
        sqlstate = fields.get(b"C", "no code")
        kind_of_failure = TransientlyUnreachable if is_transient(sqlstate) else Unreachable
        raise kind_of_failure(f"server answered with an error: {fields.get(b'M', 'no message')[:200]} ({sqlstate})")
    if kind != b"R":
        raise Unreachable(f"server answered the StartupMessage with {kind!r} instead of a request for authentication")


def _read(encrypted: ssl.SSLSocket, count: int, time_left: Callable[[], float]) -> bytes:
    """All reads share the time: a server that sends byte by byte gets no more of it."""
    found = b""
    while len(found) < count:
        _limit(encrypted, time_left)
        more = encrypted.recv(count - len(found))
        if not more:
            raise ConnectionResetError
        found += more
    return found


def _close(encrypted: ssl.SSLSocket) -> None:
    """End TLS in good order, and send no Terminate: before authentication it is logged as FATAL (docs/adr/0007)."""
    encrypted.settimeout(_CLOSE_SECONDS)
    with suppress(OSError):
        encrypted.unwrap().close()


def _certificate_problem(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == _EXPIRED:
        return "certificate expired"
    if error.verify_code == _NOT_YET_VALID:
        return "certificate not valid yet"
    if error.verify_code == _OTHER_NAME:
        return f"certificate of another name ({error.verify_message})"
    if error.verify_code in _UNKNOWN_ISSUER:
        return f"certificate of an unknown issuer ({error.verify_message})"
    return f"certificate refused ({error.verify_message})"
