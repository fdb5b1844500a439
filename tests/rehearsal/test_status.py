"""The command `dsql-dr status`, of a pair on the embedded AWS."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aws_cdk as cdk
import pytest

from dsql_dr_constructs import MultiRegionDsqlDr
from dsql_dr_constructs.rehearsal import EmbeddedAws, Fault, survey
from dsql_dr_constructs.rehearsal.cdk_cli import CdkCli
from dsql_dr_constructs.rehearsal.drill import Drill

COMMAND = [sys.executable, "-c", "from dsql_dr_constructs.rehearsal.command_line import main; main()", "status"]
REGIONS = ["us-east-1", "us-west-2"]


def status(aws: EmbeddedAws, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        env=aws.environment() | {"COLUMNS": "80"},
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def aws() -> Iterator[EmbeddedAws]:
    with EmbeddedAws(regions=REGIONS, time_scale=1 / 30) as one:
        app = cdk.App(outdir=str(one.directory / "cdk.out"))
        MultiRegionDsqlDr(app, "Orders")
        app.synth()
        cli = CdkCli(one, one.directory, app=app.outdir, output=Path(app.outdir))
        cli.bootstrap()
        cli.deploy()
        Drill(one).wait_until_well()
        yield one


def test_pair_that_is_well_exits_with_0_and_fits_a_terminal(aws: EmbeddedAws) -> None:
    done = status(aws, "Orders-production")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "All is well."
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in done.stdout
    for one in survey.clusters(aws):
        [line] = [line for line in lines if one["identifier"] in line]
        assert line.split() == [one["region"], one["identifier"], "ACTIVE", "yes", "us-east-2"]
    assert sum("HEALTHY" in line for line in lines) == 2


def test_it_is_found_from_either_region_and_speaks_json(aws: EmbeddedAws) -> None:
    found = json.loads(status(aws, "Orders-production", "--region=us-west-2", "--json").stdout)
    assert found["well"] is True
    assert [one["region"] for one in found["clusters"]] == REGIONS
    assert found["verdicts"] == dict.fromkeys(REGIONS, "HEALTHY")
    assert {one.split()[0] for one in found["alarms"]} == set(REGIONS)
    assert found["problems"] == []


def test_fault_is_told_and_exits_with_1(aws: EmbeddedAws) -> None:
    aws.inject(Fault("down", service="postgresql", region="us-west-2"))
    try:
        done = status(aws, "Orders-production")
    finally:
        aws.clear_faults("down")
    assert done.returncode == 1
    assert "PEER_DOWN" in done.stdout
    assert "LOCAL_DOWN" in done.stdout
    assert done.stdout.splitlines()[-1] == "Not all is well."


def test_region_that_does_not_answer_is_told_beside_the_one_that_does(aws: EmbeddedAws) -> None:
    aws.inject(Fault("denied", service="dsql", region="us-west-2", error="AccessDeniedException"))
    try:
        done = status(aws, "Orders-production", "--json")
    finally:
        aws.clear_faults("denied")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert [one["region"] for one in found["clusters"]] == ["us-east-1"]
    assert "us-west-2: An error occurred (AccessDeniedException)" in found["problems"][0]


def test_unknown_deployment_is_a_sentence(aws: EmbeddedAws) -> None:
    done = status(aws, "Nothing")
    assert done.returncode == 1
    assert "us-east-1 has no registry of a deployment 'Nothing': give --region one of the pair's" in done.stdout
    assert "Traceback" not in done.stderr
