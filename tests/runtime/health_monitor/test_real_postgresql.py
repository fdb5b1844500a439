"""The connection probe of a real PostgreSQL with TLS: it is understood, and the log has only connections that ended."""

from __future__ import annotations

import socket
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsql_dr_constructs.runtime.health_monitor.connection_probe import probe_connection
from dsql_dr_constructs.runtime.health_monitor.retries import Unreachable
from tests.postgresql import Postgresql
from tests.runtime.health_monitor.tls_server import HOST, SSL_REQUEST


@pytest.fixture
def server() -> Iterator[Postgresql]:
    with tempfile.TemporaryDirectory() as folder:
        one = Postgresql(Path(folder))
        yield one
        one.stop()


def test_connection_probe_is_understood_and_leaves_nothing_in_the_log_but_its_connection(server: Postgresql) -> None:
    tls = ssl.create_default_context()
    server.authority.configure_trust(tls)
    for _ in range(3):
        probe_connection(HOST, server.port, tls, lambda: 5.0)
    with socket.create_connection((HOST, server.port)) as other:
        other.sendall(SSL_REQUEST)
        other.recv(1)
    with pytest.raises(Unreachable, match="certificate of an unknown issuer"):
        probe_connection(HOST, server.port, ssl.create_default_context(), lambda: 5.0)
    lines = server.log_after(visits=5)
    assert sum("connection received" in line for line in lines) == 5
    others = [line for line in lines if "connection received" not in line]
    assert [line for line in others if "SSL" not in line] == []
    assert len(others) <= 2, "of the client that hung up and of the one that did not trust; none of the probes"
