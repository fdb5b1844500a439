from __future__ import annotations

import socket
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsql_dr_constructs.emulator import AwsEmulator
from tests.postgresql import Postgresql
from tests.runtime.database_role.emulated_pair import REGIONS, EmulatedPair


@pytest.fixture(scope="module")
def pair() -> Iterator[EmulatedPair]:
    """Two clusters with one real PostgreSQL behind both endpoints, which are found by name from this process."""
    resolve = socket.getaddrinfo
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        settings = {"default_transaction_isolation": "repeatable read", "log_statement": "all"}
        postgresql = Postgresql(Path(folder), auth="trust", **settings)
        with AwsEmulator(regions=REGIONS, postgresql=postgresql.unix_socket) as aws:
            variables = aws.endpoint_variables()

            def to_loopback(host: str, port: int, *rest: object, **options: object) -> object:
                here = ("127.0.0.1", int(variables["PGPORT"])) if str(host).endswith(".on.aws") else (host, port)
                return resolve(*here, *rest, **options)  # type: ignore[arg-type]

            patch.setattr(socket, "getaddrinfo", to_loopback)
            tls = ssl.create_default_context(cafile=variables["SSL_CERT_FILE"])
            yield EmulatedPair(aws, postgresql, tls)
        postgresql.stop()


@pytest.fixture(autouse=True)
def everything_works(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "pair" in request.fixturenames:
        request.getfixturevalue("pair").aws.clear_faults()
