from __future__ import annotations

import socket
import ssl
from collections.abc import Callable

import pytest
import trustme

from dsql_dr_constructs.runtime.health_monitor.knock import knock
from dsql_dr_constructs.runtime.health_monitor.retries import TransientlyUnreachable, Unreachable
from tests.runtime.health_monitor.tls_server import (
    HOST,
    Behaviour,
    Server,
    Visit,
    after,
    error_response,
    never_answers,
    serving,
)

UNPARSABLE = b"Z\0\0\0\5I"


def knock_at(server: Server, *, host: str = HOST, seconds: float = 5.0, tls: ssl.SSLContext | None = None) -> None:
    knock(host, server.port, tls or server.trusting(), lambda: seconds)


def refusal(behaviour: Behaviour, *, seconds: float = 5.0) -> Unreachable:
    with serving(behaviour) as server, pytest.raises(Unreachable) as caught:
        knock_at(server, seconds=seconds)
    return caught.value


def test_server_that_asks_for_authentication_is_reachable() -> None:
    with serving() as server:
        knock_at(server)
        assert server.names == [HOST], "DSQL refuses connections without SNI"
        assert server.startups == [b"\0\3\0\0user\0admin\0database\0postgres\0\0"]
        knock_at(server)
        assert server.afterwards[0] == b"", "nothing that could authenticate is ever sent"


def test_server_that_is_slow_within_the_time_out_is_reachable() -> None:
    with serving(after(0.3)) as server:
        knock_at(server)


def cut_after_ssl_request(visit: Visit) -> None:
    visit.plain.recv(8)


def cut_in_the_handshake(visit: Visit) -> None:
    visit.answer_ssl_request()
    visit.plain.recv(16)


def cut_after_startup(visit: Visit) -> None:
    visit.answer_ssl_request()
    visit.shake_hands()
    visit.take_startup()


def silent_after_s(visit: Visit) -> None:
    visit.answer_ssl_request()
    never_answers(visit)


def silent_after_startup(visit: Visit) -> None:
    visit.answer_ssl_request()
    visit.shake_hands()
    visit.take_startup()
    never_answers(visit)


def answers(message: bytes) -> Behaviour:
    def behaviour(visit: Visit) -> None:
        visit.answer_ssl_request()
        visit.shake_hands()
        visit.take_startup()
        visit.answer(message)

    return behaviour


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (never_answers, "no answer to the request for TLS within 0.3 s"),
        (silent_after_s, "no answer to the TLS handshake within 0.3 s"),
        (silent_after_startup, "no answer to the StartupMessage within 0.3 s"),
        (after(2), "no answer to the request for TLS within 0.3 s"),
        (cut_after_ssl_request, "connection closed during the request for TLS"),
        (cut_in_the_handshake, "connection closed during the TLS handshake"),
        (cut_after_startup, "connection closed during the StartupMessage"),
        (
            answers(error_response("53300", "too many connections")),
            "server answered with an error: too many connections (53300)",
        ),
    ],
)
def test_what_may_pass_is_transient_and_named(behaviour: Behaviour, reason: str) -> None:
    caught = refusal(behaviour, seconds=0.3)
    assert str(caught) == reason
    assert isinstance(caught, TransientlyUnreachable)


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (lambda visit: visit.answer_ssl_request(b"N"), "server answered N: it offers no TLS"),
        (
            lambda visit: visit.answer_ssl_request(b"H"),
            "server answered the request for TLS with b'H', as no PostgreSQL would",
        ),
        (
            answers(error_response("28000", "unable to accept connection, sni was not received")),
            "server answered with an error: unable to accept connection, sni was not received (28000)",
        ),
        (answers(UNPARSABLE), "server answered the StartupMessage with b'Z' instead of a request for authentication"),
    ],
)
def test_what_will_not_pass_is_named_and_not_transient(behaviour: Behaviour, reason: str) -> None:
    caught = refusal(behaviour)
    assert str(caught) == reason
    assert not isinstance(caught, TransientlyUnreachable)


@pytest.mark.parametrize(
    ("options", "trust", "reason"),
    [
        ({"expired": True}, Server.trusting, "certificate expired"),
        ({"certificate_name": "other.example"}, Server.trusting, "certificate of another name"),
        ({}, lambda _: ssl.create_default_context(), "certificate of an unknown issuer"),
    ],
    ids=["expired", "other name", "unknown issuer"],
)
def test_bad_certificate_is_named(
    options: dict[str, object], trust: Callable[[Server], ssl.SSLContext], reason: str
) -> None:
    with serving(**options) as server, pytest.raises(Unreachable, match=f"^{reason}") as caught:  # type: ignore[arg-type]
        knock_at(server, tls=trust(server))
    assert not isinstance(caught.value, TransientlyUnreachable)
    assert server.startups == []


def test_closed_port_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(TransientlyUnreachable, match=r"^connection refused$"):
        knock_at(Server(port, trustme.CA()))


def test_name_that_does_not_exist_is_not_found() -> None:
    with serving() as server, pytest.raises(Unreachable, match=r"^name not found"):
        knock_at(server, host="cluster.invalid")
