"""The knock at a real PostgreSQL with TLS: what it expects, and nothing in its log but what a hang-up leaves."""

from __future__ import annotations

import socket
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsql_dr_constructs.runtime.health_monitor.connection_probe import knock
from dsql_dr_constructs.runtime.health_monitor.retries import Unreachable
from tests.postgresql import Postgresql
from tests.runtime.health_monitor.tls_server import HOST, SSL_REQUEST


@pytest.fixture
def server() -> Iterator[Postgresql]:
    with tempfile.TemporaryDirectory() as folder:
        one = Postgresql(Path(folder))
        yield one
        one.stop()


def test_knock_is_what_the_server_expects_and_leaves_what_a_hang_up_leaves(server: Postgresql) -> None:
    tls = ssl.create_default_context()
    server.authority.configure_trust(tls)
    for _ in range(3):
        knock(HOST, server.port, tls, lambda: 5.0)
    with socket.create_connection((HOST, server.port)) as hangs_up:
        hangs_up.sendall(SSL_REQUEST)
        hangs_up.recv(1)
    with pytest.raises(Unreachable, match="certificate of an unknown issuer"):
        knock(HOST, server.port, ssl.create_default_context(), lambda: 5.0)
    lines = server.log_after(visits=5)
    assert sum("connection received" in line for line in lines) == 5
    others = [line for line in lines if "connection received" not in line]
    assert [line for line in others if "SSL" not in line] == []
    assert len(others) <= 2, "of the client that hung up and of the one that did not trust; none of the knocks"
