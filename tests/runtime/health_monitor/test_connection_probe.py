from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from dsql_dr_constructs.runtime.health_monitor import connection_probe
from dsql_dr_constructs.runtime.health_monitor.connection_probe import Resolver, probe_connection
from dsql_dr_constructs.runtime.health_monitor.retries import TransientlyUnreachable, Unreachable
from tests.runtime.health_monitor.tls_server import (
    AUTHENTICATION,
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


def probe_server(server: Server, *, host: str = HOST, tls: ssl.SSLContext | None = None) -> None:
    probe_connection(host, server.port, tls or server.trusting(), lambda: 60.0)


def refusal(behaviour: Behaviour, *, hurry: Callable[[Server], object] = lambda server: False) -> Unreachable:
    """From *hurry* on steps have 0.3 s, and before it all the time that a slow machine may need."""
    with serving(behaviour) as server, pytest.raises(Unreachable) as caught:
        probe_connection(HOST, server.port, server.trusting(), lambda: 0.3 if hurry(server) else 60.0)
    return caught.value


def test_server_that_asks_for_authentication_is_reachable() -> None:
    with serving() as server:
        probe_server(server)
        assert server.names == [HOST], "DSQL refuses connections without SNI"
        assert server.startups == [b"\0\3\0\0user\0admin\0database\0postgres\0\0"]
        probe_server(server)
        assert server.afterwards[0] == b"", "nothing that could authenticate is ever sent"


def test_server_that_is_slow_within_the_time_out_is_reachable() -> None:
    with serving(after(0.3)) as server:
        probe_server(server)


def cut_after_ssl_request(visit: Visit) -> None:
    visit.plain.recv(8)


def cut_in_the_tls_handshake(visit: Visit) -> None:
    visit.answer_ssl_request()
    visit.plain.recv(16)


def cut_after_startup(visit: Visit) -> None:
    visit.answer_ssl_request()
    visit.start_tls()
    visit.take_startup()


def no_answer_after_s(visit: Visit) -> None:
    visit.answer_ssl_request()
    never_answers(visit)


def no_answer_after_startup(visit: Visit) -> None:
    visit.answer_ssl_request()
    visit.start_tls()
    visit.take_startup()
    never_answers(visit)


def answers(message: bytes) -> Behaviour:
    def behaviour(visit: Visit) -> None:
        visit.answer_ssl_request()
        visit.start_tls()
        visit.take_startup()
        visit.answer(message)

    return behaviour


@pytest.mark.parametrize(
    ("behaviour", "hurry", "reason"),
    [
        (never_answers, lambda server: True, "no answer to the request for TLS within 0.3 s"),
        (no_answer_after_s, lambda server: server.tls_answers, "no answer to the TLS handshake within 0.3 s"),
        (no_answer_after_startup, lambda server: server.names, "no answer to the StartupMessage within 0.3 s"),
        (after(2), lambda server: True, "no answer to the request for TLS within 0.3 s"),
    ],
)
def test_server_that_does_not_answer_is_transient_and_its_step_named(
    behaviour: Behaviour, hurry: Callable[[Server], object], reason: str
) -> None:
    caught = refusal(behaviour, hurry=hurry)
    assert str(caught) == reason
    assert isinstance(caught, TransientlyUnreachable)


def test_server_that_answers_byte_by_byte_gets_the_time_of_one_step() -> None:
    now = [0.0]

    def a_byte_a_second(visit: Visit) -> None:
        visit.answer_ssl_request()
        visit.start_tls()
        visit.take_startup()
        assert visit.tls
        for byte in AUTHENTICATION:
            now[0] += 1
            visit.tls.sendall(bytes([byte]))

    with serving(a_byte_a_second) as server, pytest.raises(TransientlyUnreachable) as caught:
        probe_connection(HOST, server.port, server.trusting(), lambda: 60.0 - now[0])
    assert str(caught.value) == "no answer to the StartupMessage within 5.0 s"


def test_step_whose_time_is_over_before_its_first_call_is_transient_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the process is held up: each reading of the clock takes 0.1 s."""
    monkeypatch.setattr(connection_probe, "ANSWER_SECONDS", 0.06)
    readings = iter(range(600))
    with serving(never_answers) as server, pytest.raises(TransientlyUnreachable) as caught:
        probe_connection(HOST, server.port, server.trusting(), lambda: 60.0 - next(readings) / 10)
    assert str(caught.value) == "no answer to the request for TLS within 0.1 s"


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (cut_after_ssl_request, "connection closed during the request for TLS"),
        (cut_in_the_tls_handshake, "connection closed during the TLS handshake"),
        (cut_after_startup, "connection closed during the StartupMessage"),
        (
            answers(error_response("53300", "too many connections")),
            "server answered with an error: too many connections (53300)",
        ),
    ],
)
def test_what_may_pass_is_transient_and_named(behaviour: Behaviour, reason: str) -> None:
    caught = refusal(behaviour)
    assert str(caught) == reason
    assert isinstance(caught, TransientlyUnreachable)


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (lambda visit: visit.answer_ssl_request(b"N"), "server answered N: it offers no TLS"),
        (
            lambda visit: visit.answer_ssl_request(b"H"),
            "server answered the request for TLS with b'H', which is not PostgreSQL",
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
        probe_server(server, tls=trust(server))
    assert not isinstance(caught.value, TransientlyUnreachable)
    assert server.startups == []


@contextmanager
def unanswering_address(host: str) -> Iterator[tuple[str, int]]:
    """Its queue of connections is full, so that the kernel drops new ones."""
    with socket.create_server((host, 0), backlog=0) as listener, ExitStack() as visitors:
        for _ in range(2):
            visitor = visitors.enter_context(socket.socket())
            visitor.setblocking(False)
            visitor.connect_ex(listener.getsockname())
        yield listener.getsockname()


def closed_address(host: str) -> tuple[str, int]:
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as closed:
        address: tuple[str, int] = closed.getsockname()[:2]
        return address


def resolver(*addresses: tuple[str, int]) -> Resolver:
    return lambda *_, **__: [(socket.AF_UNSPEC, socket.SOCK_STREAM, 6, "", one) for one in addresses]


def probe_addresses(*addresses: tuple[str, int]) -> None:
    """A connection probe of a name with *addresses*, while time stands still."""
    probe_connection(HOST, 5432, ssl.create_default_context(), lambda: 0.2, resolve=resolver(*addresses))


def test_every_address_that_refuses_is_named() -> None:
    refusing = [closed_address(host) for host in ("127.0.0.1", "127.0.0.2", "::1")]
    reason = "no connection within 0.2 s: 127.0.0.1 refused it, 127.0.0.2 refused it, ::1 refused it"
    with pytest.raises(TransientlyUnreachable, match=f"^{re.escape(reason)}$"):
        probe_addresses(*refusing)


def test_addresses_share_the_time_of_the_step_and_each_is_named() -> None:
    refusing = closed_address("127.0.0.1")
    with (
        unanswering_address("127.0.0.2") as first,
        unanswering_address("127.0.0.3") as second,
        pytest.raises(TransientlyUnreachable) as caught,
    ):
        probe_addresses(refusing, first, second)
    assert str(caught.value) == (
        "no connection within 0.2 s: 127.0.0.1 refused it, 127.0.0.2 did not answer within 0.1 s, "
        "127.0.0.3 did not answer within 0.2 s"
    )


def test_time_that_the_name_took_is_taken_from_the_addresses() -> None:
    now = [0.0]

    def resolve(*_: object, **__: object) -> Any:
        now[0] += 2.9
        return resolver(unanswering)()

    with unanswering_address("127.0.0.2") as unanswering, pytest.raises(TransientlyUnreachable) as caught:
        probe_connection(HOST, 5432, ssl.create_default_context(), lambda: 10.0 - now[0], resolve=resolve)
    assert str(caught.value) == "no connection within 3.0 s: 127.0.0.2 did not answer within 0.1 s"


def test_name_that_takes_the_whole_time_is_transient_and_no_address_is_tried() -> None:
    now = [0.0]

    def resolve(*_: object, **__: object) -> Any:
        now[0] += 3.0
        return resolver(("127.0.0.1", server.port))()

    with serving() as server, pytest.raises(TransientlyUnreachable) as caught:
        probe_connection(HOST, 5432, server.trusting(), lambda: 10.0 - now[0], resolve=resolve)
    assert str(caught.value) == "no answer to the resolution of the name within 3.0 s"
    assert server.visits == 0


def test_address_that_answers_is_found_behind_those_that_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_probe, "CONNECT_SECONDS", 0.2)
    with serving() as server, unanswering_address("127.0.0.2") as unanswering:
        resolve = resolver(closed_address("127.0.0.1"), unanswering, ("127.0.0.1", server.port))
        probe_connection(HOST, 5432, server.trusting(), lambda: 60.0, resolve=resolve)
        assert server.names == [HOST]


def test_address_that_the_network_does_not_know_is_named_in_the_systems_words() -> None:
    with pytest.raises(TransientlyUnreachable) as caught:
        probe_addresses(("255.255.255.255", 5432))
    assert re.fullmatch(r"no connection within 0\.2 s: 255\.255\.255\.255 failed \(.+\)", str(caught.value))


def test_name_is_resolved_for_its_port() -> None:
    asked: list[object] = []

    def resolve(*arguments: object, **options: object) -> list[tuple[object, ...]]:
        asked.append((arguments, options))
        return []

    with pytest.raises(TransientlyUnreachable, match=r"^name has no address$"):
        probe_connection(HOST, 5432, ssl.create_default_context(), lambda: 5.0, resolve=resolve)
    assert asked == [((HOST, 5432), {"type": socket.SOCK_STREAM})]


def test_name_that_does_not_exist_is_not_found() -> None:
    with serving() as server, pytest.raises(Unreachable, match=r"^name not found"):
        probe_server(server, host="cluster.invalid")
