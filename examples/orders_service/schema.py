"""Tables of the service: python schema.py <cluster endpoint>

Run it once, against either endpoint, with credentials that have dsql:DbConnectAdmin. Aurora DSQL takes one statement of
data definition in a transaction: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/working-with-ddl.html
"""

from __future__ import annotations

import sys

import aurora_dsql_psycopg as dsql

TABLES = (
    "CREATE TABLE IF NOT EXISTS orders (id uuid PRIMARY KEY, item text NOT NULL, quantity integer NOT NULL)",
    "CREATE TABLE IF NOT EXISTS sold (item text PRIMARY KEY, quantity bigint NOT NULL)",
)
ITEMS = ("apple", "pear", "plum")


def main(endpoint: str) -> None:
    with dsql.connect(host=endpoint, user="admin", sslmode="verify-full", sslrootcert="system") as connection:
        connection.autocommit = True
        for statement in TABLES:
            connection.execute(statement)
        for item in ITEMS:
            connection.execute("INSERT INTO sold (item, quantity) VALUES (%s, 0) ON CONFLICT DO NOTHING", (item,))


if __name__ == "__main__":
    main(sys.argv[1])
