"""What the functions that speak PostgreSQL's protocol, and the constructs, have to agree on."""

from __future__ import annotations

import struct

PORT = 5432

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
"""Source: https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-SSLREQUEST"""

LONGEST_NAME = 63
"""Bytes. PostgreSQL would shorten a longer one, with a notice only.

Source: https://www.postgresql.org/docs/16/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
"""

SCHEMA = "dsql_dr"
"""Where this library keeps its tables in a user's database."""

RESERVED_ROLES = ("admin", "dbowner", "public", "none")
"""DSQL's own, and what GRANT takes for everybody and nobody, in quotes too."""

RESERVED_SCHEMAS = ("sys", "information_schema", SCHEMA)

ROLE_ARN = r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+"
"""Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html"""
