"""Tables, role and its mapping to the service's IAM roles: python schema.py <cluster endpoint> <role ARN>...

Run it once, against either endpoint, with credentials that have dsql:DbConnectAdmin. Aurora DSQL takes one statement of
data definition in a transaction: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/working-with-ddl.html
"""

from __future__ import annotations

import re
import sys

import aurora_dsql_psycopg as dsql
from psycopg import sql

TABLES = (
    "CREATE TABLE IF NOT EXISTS orders (id uuid PRIMARY KEY, item text NOT NULL, quantity integer NOT NULL)",
    "CREATE TABLE IF NOT EXISTS sold (item text PRIMARY KEY, quantity bigint NOT NULL)",
)
ITEMS = ("apple", "pear", "plum")
ROLE = (
    "CREATE ROLE orders WITH LOGIN",
    "GRANT SELECT, INSERT ON orders TO orders",
    "GRANT SELECT, UPDATE ON sold TO orders",
)
ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+")
"""Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html"""


def main(endpoint: str, *role_arns: str) -> None:
    for arn in role_arns:
        if not ROLE_ARN.fullmatch(arn):
            raise ValueError(f"{arn!r} is no ARN of an IAM role: give the outputs RoleArn of the stacks Orders-….")
    with dsql.connect(host=endpoint, user="admin", sslmode="verify-full", sslrootcert="system") as connection:
        connection.autocommit = True
        for statement in TABLES:
            connection.execute(statement)
        for item in ITEMS:
            connection.execute("INSERT INTO sold (item, quantity) VALUES (%s, 0) ON CONFLICT DO NOTHING", (item,))
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'orders'").fetchone():
            for statement in ROLE:
                connection.execute(statement)
        mapped = connection.execute("SELECT arn FROM sys.iam_pg_role_mappings WHERE pg_role_name = 'orders'").fetchall()
        for arn in set(role_arns) - {one for (one,) in mapped}:
            connection.execute(sql.SQL("AWS IAM GRANT orders TO {}").format(sql.Literal(arn)))


if __name__ == "__main__":
    main(*sys.argv[1:])
