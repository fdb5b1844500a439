"""A real TLS server on loopback that speaks the start of the PostgreSQL protocol, correctly or not."""

from __future__ import annotations

import datetime
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import trustme

HOST = "localhost"
AUTHENTICATION = b"R" + struct.pack("!ii", 8, 10)
SSL_REQUEST = struct.pack("!ii", 8, 80877103)

Behaviour = Callable[["Visit"], None]


@dataclass
class Server:
    """Where it listens, whom a client should trust, and what came in."""

    port: int
    authority: trustme.CA
    tls_answers: int = 0
    """Requests for TLS that it has answered, or is about to."""
    names: list[str | None] = field(default_factory=list)
    """Server names that clients sent (SNI)."""
    startups: list[bytes] = field(default_factory=list)
    afterwards: list[bytes] = field(default_factory=list)
    """What clients sent after the request for authentication."""
    visits: int = 0

    def trusting(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context


@dataclass
class Visit:
    """One connection; each method is a step that a correct server takes."""

    server: Server
    plain: socket.socket
    context: ssl.SSLContext
    number: int
    tls: ssl.SSLSocket | None = None

    def answer_ssl_request(self, answer: bytes = b"S") -> None:
        assert self.plain.recv(8, socket.MSG_WAITALL) == SSL_REQUEST
        self.server.tls_answers += 1
        self.plain.sendall(answer)

    def start_tls(self) -> None:
        self.tls = self.context.wrap_socket(self.plain, server_side=True)

    def take_startup(self) -> None:
        assert self.tls
        (length,) = struct.unpack("!i", self.tls.recv(4))
        self.server.startups.append(self.tls.recv(length - 4))

    def answer(self, message: bytes = AUTHENTICATION) -> None:
        assert self.tls
        self.tls.sendall(message)
        self.server.afterwards.append(self.tls.recv(64))

    def welcome(self) -> None:
        self.answer_ssl_request()
        self.start_tls()
        self.take_startup()
        self.answer()


def error_response(sqlstate: str, message: str) -> bytes:
    fields = f"SFATAL\0C{sqlstate}\0M{message}\0\0".encode()
    return b"E" + struct.pack("!i", len(fields) + 4) + fields


@contextmanager
def serving(
    behaviour: Behaviour = Visit.welcome, *, certificate_name: str = HOST, expired: bool = False
) -> Iterator[Server]:
    """A server that treats every visit with *behaviour*."""
    authority = trustme.CA()
    ended = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1) if expired else None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(certificate_name, not_after=ended).configure_cert(context)
    open_sockets: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(listener.getsockname()[1], authority)
        context.sni_callback = lambda _, name, __: server.names.append(name)

        def treat(plain: socket.socket, number: int) -> None:
            with suppress(OSError):
                visit = Visit(server, plain, context, number)
                behaviour(visit)
                (visit.tls or plain).close()

        def listen() -> None:
            with suppress(OSError):
                while True:
                    plain, _ = listener.accept()
                    open_sockets.append(plain)
                    server.visits += 1
                    threading.Thread(target=treat, args=(plain, server.visits), daemon=True).start()

        threading.Thread(target=listen, daemon=True).start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for one in open_sockets:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()


def never_answers(visit: Visit) -> None:
    time.sleep(60)


def after(seconds: float, behaviour: Behaviour = Visit.welcome) -> Behaviour:
    def slowly(visit: Visit) -> None:
        time.sleep(seconds)
        behaviour(visit)

    return slowly
