"""What both Regions destroyed comes back: backups of an idle pair, their restore, and its adoption."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from dsql_dr_constructs import BackupOptions, MultiRegionDsqlDr
from dsql_dr_constructs.cli import survey
from dsql_dr_constructs.emulator import AwsEmulator, Fault
from tests.emulator.backup_pair import pass_until
from tests.end_to_end.drill import Drill
from tests.end_to_end.project import Project
from tests.postgresql import Postgresql

EAST, WEST = REGIONS = ("us-east-1", "us-west-2")
VAULT = "dsql-Orders-production"
ORDERS = 2_000
HOUR = 3_600
SQL = """
import sys
import boto3, psycopg
host, *statements = sys.argv[1:]
region = host.split(".")[2]
token = boto3.client("dsql", region_name=region).generate_db_connect_admin_auth_token(host, region)
tls = {"sslmode": "verify-full", "sslrootcert": "system"}
with psycopg.connect(host=host, user="admin", password=token, dbname="postgres", autocommit=True, **tls) as connection:
    for statement in statements:
        cursor = connection.execute(statement)
        print(cursor.fetchone()[0] if cursor.description else cursor.statusmessage)
"""


class Pair(Project):
    """A pair with backups, whose nights pass as fast as its functions need."""

    def __init__(self, aws: AwsEmulator) -> None:
        super().__init__(aws)
        self.options: dict[str, Any] = {
            "backup": BackupOptions(),
            "alert_emails": ["ops@example.com"],
            "schedule": cdk.Duration.minutes(60),
        }

    def deploy_pair(self, **options: Any) -> None:
        self.options |= options
        self.deploy(lambda app: MultiRegionDsqlDr(app, "Orders", **self.options))

    def says(self, endpoint: str, *statements: str) -> str:
        """What an administrator is answered."""
        environment = self.aws.environment() | self.aws.endpoint_variables()
        command = [sys.executable, "-c", SQL, endpoint, *statements]
        done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
        return done.stdout if done.returncode == 0 else done.stderr

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """``dsql-dr`` as a person runs it."""
        command = [str(Path(sys.executable).parent / "dsql-dr"), *arguments, "--region", EAST]
        return subprocess.run(command, env=self.aws.environment(), check=False, capture_output=True, text=True)

    def points(self, region: str) -> list[dict[str, Any]]:
        found = self.aws.client("backup", region).list_recovery_points_by_backup_vault(BackupVaultName=VAULT)
        return [one for one in found["RecoveryPoints"] if one["Status"] in ("COMPLETED", "AVAILABLE")]

    def pass_until(self, hour: int, minute: int = 0) -> None:
        pass_until(self.aws, hour, minute, second=30)

    def night(self, *, copied: bool = True) -> None:
        """Until the job of this night has ended, and its copy, unless that fails."""
        before = {region: len(self.points(region)) for region in REGIONS}
        self.pass_until(4, 30)
        assert {self.status(region) for region in REGIONS} == {"IDLE"}
        self.pass_until(5, 1)
        eventually(lambda: self.status(EAST) == "ACTIVE")
        self.pass_until(5, 12)
        eventually(lambda: len(self.points(EAST)) == before[EAST] + 1)
        if copied:
            eventually(lambda: len(self.points(WEST)) == before[WEST] + 1)

    def events(self, region: str) -> set[tuple[str, str]]:
        """Kind and state of each event of AWS Backup in its log."""
        group = "/aws/events/aurora-dsql-backups-Orders-production"
        found = self.aws.client("logs", region).filter_log_events(logGroupName=group)["events"]
        read = [json.loads(one["message"]) for one in found]
        return {(one["detail-type"], one["detail"].get("state") or one["detail"]["status"]) for one in read}

    def status(self, region: str) -> str:
        return str(self.clusters()[region]["status"])

    def ages(self) -> list[dict[str, Any]]:
        """What each monitor says of the backups."""
        return [one["backups"] for one in Drill(self.aws).verdicts()]


def eventually(happened: Callable[[], bool]) -> None:
    until = time.monotonic() + 90
    while not happened():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.1)


@pytest.fixture
def database() -> Iterator[Postgresql]:
    with tempfile.TemporaryDirectory() as folder:
        one = Postgresql(Path(folder), auth="trust", default_transaction_isolation="repeatable read", fsync="off")
        yield one
        one.stop()


@pytest.fixture
def pair(request: pytest.FixtureRequest, database: Postgresql) -> Iterator[Pair]:
    options = {"idle_after": HOUR, **getattr(request, "param", {})}
    with AwsEmulator(regions=REGIONS, postgresql=database.unix_socket, **options) as aws:
        one = Pair(aws)
        one.pass_until(12)  # so that the first night is hours away, at any time of day
        yield one


def test_dropped_table_comes_back_by_two_commands_and_one_changed_line(pair: Pair) -> None:
    pair.deploy_pair()
    old = pair.clusters()
    endpoints = {region: one["endpoint"] for region, one in old.items()}
    pair.says(endpoints[EAST], "CREATE TABLE orders (id integer PRIMARY KEY)")
    for number, region in enumerate(REGIONS):
        first = number * ORDERS // 2
        rows = f"SELECT generate_series({first}, {first + ORDERS // 2 - 1})"
        assert pair.says(endpoints[region], f"INSERT INTO orders {rows}") == f"INSERT 0 {ORDERS // 2}\n"
    pair.night()
    assert "INSERT" in pair.says(endpoints[EAST], "INSERT INTO orders VALUES (-1)")
    assert "DROP TABLE" in pair.says(endpoints[WEST], "DROP TABLE orders")
    assert "does not exist" in pair.says(endpoints[EAST], "SELECT count(*) FROM orders")

    listed = pair.command("backups", "Orders-production")
    assert listed.returncode == 0, listed.stdout + listed.stderr
    restored = pair.command("restore", "Orders-production", "--yes")
    assert restored.returncode == 0, restored.stdout + restored.stderr
    [line] = [one for one in restored.stdout.splitlines() if "cluster_arns=" in one]
    arns = json.loads(line.partition("cluster_arns=")[2].strip().rstrip(",").replace("'", '"'))
    assert [arn.split(":")[3] for arn in arns] == list(REGIONS)
    assert not set(arns) & {one["arn"] for one in old.values()}

    pair.deploy_pair(cluster_arns=arns)
    parameters = pair.parameters()
    for region, arn in zip(REGIONS, arns, strict=True):
        assert {one[f"/dsql-dr/Orders-production/{region}/arn"] for one in parameters} == {arn}
        endpoint = parameters[0][f"/dsql-dr/Orders-production/{region}/endpoint"]
        asked = "SELECT count(*) FROM orders", "SELECT count(*) FROM orders WHERE id < 0"
        assert pair.says(endpoint, *asked) == f"{ORDERS}\n0\n"
    assert [one["verdict"] for one in Drill(pair.aws).verdicts()] == ["HEALTHY", "HEALTHY"]
    everything = {one["arn"]: one for one in survey.clusters(pair.aws)}
    for region, other in (REGIONS, REGIONS[::-1]):
        kept = everything[old[region]["arn"]]
        assert (kept["peers"], kept["deletionProtectionEnabled"]) == ([old[other]["arn"]], True), "untouched"


def test_idle_pair_is_backed_up_each_night_and_copies_that_fail_are_warned_of_on_the_second(pair: Pair) -> None:
    pair.deploy_pair()
    for night in range(1, 4):
        pair.night()
        assert [one["healthy"] for one in pair.ages()] == [True, True]
        assert [len(pair.points(region)) for region in REGIONS] == [night, night]
    east, west = (
        sorted((one["ResourceArn"], one["CreationDate"]) for one in pair.points(region)) for region in REGIONS
    )
    assert east == west, "each is in both Regions"
    jobs = pair.aws.client("backup", EAST).list_backup_jobs()["BackupJobs"]
    assert {one["State"] for one in jobs} == {"COMPLETED"}

    pair.aws.inject(Fault("copies", "error", service="backup", call="CopyJob"))
    healthy = []
    for _ in range(3):
        pair.night(copied=False)
        found = pair.ages()
        assert len({one["healthy"] for one in found}) == 1, "both Regions see the same"
        healthy.append(found[0]["healthy"])
    assert healthy == [True, False, False]
    assert all("copy" in " ".join(one["problems"]).lower() for one in found), found
    logged = {("Backup Job State Change", "COMPLETED"), ("Copy Job State Change", "FAILED")}
    eventually(lambda: logged <= pair.events(EAST))
    assert pair.command("backups", "Orders-production").returncode == 0, "older ones are in both"
    pair.aws.clear_faults("copies")
    pair.night()
    assert [one["healthy"] for one in pair.ages()] == [True, True]


@pytest.mark.parametrize("pair", [{"idle_backup": "retry"}], indirect=True, ids=str)
def test_point_in_one_region_only_is_no_way_back_and_the_restore_says_so(pair: Pair) -> None:
    pair.deploy_pair(monitoring=None, alert_emails=())
    pair.aws.inject(Fault("copies", "error", service="backup", call="CopyJob"))
    pair.night(copied=False)
    for command in (("backups",), ("restore", "--yes")):
        said = pair.command(command[0], "Orders-production", *command[1:])
        assert said.returncode == 1
        assert WEST in said.stdout
        assert "copy" in said.stdout.lower(), said.stdout
    assert not pair.aws.client("backup", EAST).list_restore_jobs()["RestoreJobs"]
