"""What dsql-dr-client costs on a healthy pair, against AWS's connector with its pool.

`python -m benchmarks.client` prints it. Both connect to a cluster of the local AWS emulator as applications do, by a
token and TLS, and store a row of a real PostgreSQL in each transaction. They take turns in one process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dsql_dr_constructs.emulator import AwsEmulator
from tests.postgresql import Postgresql

from .turns import ROOT, ratio, spread

ROUNDS, TRANSACTIONS = 40, 100


def main() -> list[tuple[str, str]]:
    """Rows of the report."""
    with tempfile.TemporaryDirectory() as folder:
        database = Postgresql(Path(folder), auth="trust", fsync="off")
        with AwsEmulator(regions=["us-east-1", "us-west-2"], postgresql=database.unix_socket) as aws:
            made = {one: aws.client("dsql", one).create_cluster() for one in ("us-east-1", "us-west-2")}
            for region, one in made.items():
                aws.client("dsql", region).get_waiter("cluster_active").wait(identifier=one["identifier"])
            hosts = {region: f"{one['identifier']}.dsql.{region}.on.aws" for region, one in made.items()}
            command = [sys.executable, "-m", "benchmarks.client", json.dumps(hosts)]
            environment = aws.environment() | aws.endpoint_variables()
            environment["PYTHONPATH"] = f"{ROOT}:{environment['PYTHONPATH']}"
            done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        database.stop()
    below, above = json.loads(done.stdout)
    return [
        ("a transaction by AWS's connector with its pool", spread([1000 * one for one in below], " ms")),
        ("a transaction by dsql-dr-client", spread([1000 * one for one in above], " ms")),
        ("**ratio, goal 1.05**", ratio(above, below)),
    ]


def in_turns(hosts: dict[str, str]) -> list[list[float]]:
    """Seconds of a transaction of each, by round; the first round only warms up."""
    from aurora_dsql_psycopg import create_pool

    from dsql_dr_client import FailoverPool

    own, host = next(iter(hosts.items()))
    verified = {"host": host, "user": "admin", "sslmode": "verify-full", "sslrootcert": "system"}
    bare = create_pool(kwargs=verified, min_size=1, max_size=1, open=True)
    failover = FailoverPool(hosts, region=own, user="admin", min_size=1, max_size=1)
    found: list[list[float]] = [[], []]
    with bare, failover:
        failover.run_transaction(lambda connection: connection.execute("CREATE TABLE orders (item text)"))
        for _ in range(ROUNDS + 1):
            for seconds, run_transaction in zip(found, (bare.run_transaction, failover.run_transaction), strict=True):
                seconds.append(_seconds(run_transaction))
    return [one[1:] for one in found]


def _seconds(run_transaction: Callable[[Callable[[Any], object]], object]) -> float:
    began = time.perf_counter()
    for _ in range(TRANSACTIONS):
        run_transaction(lambda connection: connection.execute("INSERT INTO orders VALUES ('apple')"))
    return (time.perf_counter() - began) / TRANSACTIONS


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(in_turns(json.loads(sys.argv[1]))))
    else:
        for name, value in main():
            print(f"{name:50} {value}")
