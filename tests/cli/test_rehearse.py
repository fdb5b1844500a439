"""The command `dsql-dr rehearse`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.emulator.sessions import connect
from tests.postgresql import Postgresql

QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart"
COMMAND = [sys.executable, "-c", "from dsql_dr_constructs.cli.command_line import main; main()", "rehearse"]
FAILING_APP = """
import aws_cdk as cdk
from aws_cdk import aws_dsql as dsql
app = cdk.App()
stack = cdk.Stack(app, "Orders", env=cdk.Environment(region="us-east-1"))
witness = dsql.CfnCluster.MultiRegionPropertiesProperty(witness_region="us-east-1")
dsql.CfnCluster(stack, "Cluster", multi_region_properties=witness)
app.synth()
"""


@pytest.fixture(scope="module")
def database() -> Iterator[Postgresql]:
    with tempfile.TemporaryDirectory() as folder:
        running = Postgresql(Path(folder), auth="trust", default_transaction_isolation="repeatable read")
        yield running
        running.stop()


def rehearse(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *map(str, arguments)], check=False, capture_output=True, text=True)


def test_quickstart_is_deployed_shown_drilled_repaired_and_destroyed(tmp_path: Path) -> None:
    report = tmp_path / "drill.html"
    objective = ("--objective", "notification=6m")
    done = rehearse("--drill", "--repair", "--report", report, *objective, QUICKSTART)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    shown = [line for line in lines if "│ ACTIVE │" in line]
    assert [region in line for region, line in zip(("us-east-1", "us-west-2"), shown, strict=True)] == [True, True]
    assert all("us-east-2" in line and ".on.aws" in line for line in shown)
    entry = "/dsql-dr/AuroraDsqlDR-production/us-west-2/endpoint"
    assert sum(entry in line and "wrote" not in line for line in lines) == 2, "as each Region reads it"
    assert "The drill passed: the pair is as before." in lines
    found = json.loads(report.with_suffix(".json").read_text())
    assert (found["passed"], found["state"], found["emulated"], found["region"]) == (
        True,
        "completed",
        True,
        "us-east-1",
    )
    kinds = [one["kind"] for one in found["moments"]]
    assert [kinds.count(one) for one in ("verdict", "alarm", "notification", "recovered", "ok-notification")] == [2] * 5
    assert "<svg" in report.read_text()
    assert "Repaired: peers and SSM parameters are as before." in lines
    assert lines[-1] == "Nothing is left in us-east-1 and us-west-2."
    assert "\x1b" not in done.stdout, "plain lines where there is no terminal"


def test_report_without_a_drill_is_refused(tmp_path: Path) -> None:
    done = rehearse("--report", tmp_path / "drill.html", tmp_path)
    assert (done.returncode, done.stdout.partition(":")[0]) == (1, "--report and --objective are of the drill")


def test_app_whose_stacks_are_in_a_stage_is_deployed_and_destroyed_and_has_no_pair_to_drill(tmp_path: Path) -> None:
    staged = FAILING_APP.replace("cdk.Stack(app,", 'cdk.Stack(cdk.Stage(app, "Production"),')
    staged = staged.replace("multi_region_properties=witness", "deletion_protection_enabled=False")
    (tmp_path / "app.py").write_text(staged)
    done = rehearse("--drill", "--app", f"{sys.executable} app.py", tmp_path)
    assert "Destroying all stacks: done" in done.stdout, done.stdout + done.stderr
    assert "us-east-1 │" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("Nothing is left")
    assert (done.returncode, "No drill: this app has no pair of Aurora DSQL clusters." in done.stdout) == (1, True)


def test_app_for_another_account_is_explained_by_the_emulators(tmp_path: Path) -> None:
    other = FAILING_APP.replace("Environment(", 'Environment(account="111122223333", ')
    (tmp_path / "app.py").write_text(other)
    done = rehearse("--app", f"{sys.executable} app.py", tmp_path)
    assert done.returncode == 1
    sentence = "The stack Orders is for account 111122223333, and the local AWS emulator has 000000000000 only"
    assert sentence in done.stdout


def test_failure_is_explained_by_cloudformations_events(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(FAILING_APP)
    done = rehearse("--app", f"{sys.executable} app.py", tmp_path)
    assert done.returncode == 1
    explained = done.stdout.partition("Failed. The error of CloudFormation:\n")[2]
    assert "Orders / Cluster: Resource handler returned message" in explained
    assert "The witness Region us-east-1 is the cluster's own Region" in explained
    assert "Traceback" not in done.stdout + done.stderr


def test_app_that_does_not_synthesize_is_explained_by_its_sentence(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import aws_cdk as cdk\nfrom dsql_dr_constructs import MultiRegionDsqlDr\n"
        "MultiRegionDsqlDr(cdk.App(), 'Orders', witness_region='us-east-1')"
    )
    done = rehearse("--app", f"{sys.executable} app.py", tmp_path)
    assert done.returncode == 1
    explained = done.stdout.partition("Failed. The error of the CDK CLI:\n")[2]
    assert "ValueError: witness_region and primary_region are both 'us-east-1'" in explained
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_kept_emulator_can_be_used_by_other_programs_and_is_then_stopped(
    tmp_path: Path, database: Postgresql, end: signal.Signals
) -> None:
    (tmp_path / "app.py").write_text(FAILING_APP.replace(", multi_region_properties=witness", ""))
    options = ["--app", f"{sys.executable} app.py", "--postgresql", database.unix_socket]
    command = [*COMMAND, "--keep", *options, str(tmp_path)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background ignores it
    ) as kept:
        assert kept.stdout
        variables: dict[str, str] = {}
        for line in kept.stdout:
            if line.startswith("export "):
                name, _, value = line.removeprefix("export ").strip().partition("=")
                variables[name] = value.strip("'\"")
            if "Ctrl-C" in line:
                break
        credentials = [variables[f"AWS_{one}"] for one in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")]
        session = boto3.Session(*credentials, region_name=variables["AWS_REGION"])
        client = session.client("dsql", endpoint_url=variables["AWS_ENDPOINT_URL"])
        try:
            [cluster] = client.list_clusters()["clusters"]
            endpoint = client.get_cluster(identifier=cluster["identifier"])["endpoint"]
            token = client.generate_db_connect_admin_auth_token(endpoint, "us-east-1")
            with connect(variables, endpoint, token) as connection:
                assert connection.execute("SELECT 'served'").fetchone() == ("served",)
            kept.send_signal(end)
            assert kept.wait(timeout=60) == (0 if end == signal.SIGINT else 128 + end)
        finally:
            kept.kill()  # or the block would wait for one that does not end
    with pytest.raises((BotoCoreError, ClientError)):  # another emulator that has its port now refuses its credentials
        client.list_clusters()
