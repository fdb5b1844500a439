"""Connections of this process to the endpoints of an emulator."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Mapping

import psycopg

from dsql_dr_constructs.emulator import AwsEmulator
from dsql_dr_constructs.runtime.postgresql import SSL_REQUEST

_KINDS = {b"R": "authentication", b"E": "error"}


def login(aws: AwsEmulator, endpoint: str, *, user: str = "admin") -> psycopg.Connection:
    """A session as *user*, in autocommit mode."""
    region = endpoint.split(".")[2]
    dsql = aws.client("dsql", region)
    sign = dsql.generate_db_connect_admin_auth_token if user == "admin" else dsql.generate_db_connect_auth_token
    return connect(aws.endpoint_variables(), endpoint, sign(endpoint, region), user=user)


def connect(variables: Mapping[str, str], endpoint: str, token: str, *, user: str = "admin") -> psycopg.Connection:
    """A session with *token*."""
    return psycopg.connect(
        host=endpoint,
        hostaddr=variables["PGHOSTADDR"],
        port=variables["PGPORT"],
        sslmode="verify-full",
        sslrootcert=variables["SSL_CERT_FILE"],
        user=user,
        password=token,
        dbname="postgres",
        autocommit=True,
    )


def probe(aws: AwsEmulator, endpoint: str) -> str:
    """What an endpoint answers before it has received a password: ``authentication`` or ``error``."""
    variables = aws.endpoint_variables()
    context = ssl.create_default_context(cafile=variables["SSL_CERT_FILE"])
    with socket.create_connection((variables["PGHOSTADDR"], int(variables["PGPORT"]))) as plain:
        plain.sendall(SSL_REQUEST)
        assert plain.recv(1) == b"S"
        with context.wrap_socket(plain, server_hostname=endpoint) as encrypted:
            startup = struct.pack("!i", 196608) + b"user\0admin\0database\0postgres\0\0"
            encrypted.sendall(struct.pack("!i", len(startup) + 4) + startup)
            return _KINDS[encrypted.recv(1)]
