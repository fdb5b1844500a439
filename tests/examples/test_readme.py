"""A newcomer's walk: an empty directory, the README's app and the README's commands, in their order."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from dsql_dr_constructs.cli import survey
from dsql_dr_constructs.cli.cdk_cli import CDK_CLI
from dsql_dr_constructs.emulator import AwsEmulator
from dsql_dr_constructs.emulator.aws_emulator import ACCOUNT, node
from tests.tools import INDEX, ROOT

README = (ROOT / "README.md").read_text()
OF_A_CHECKOUT = {"make demo", "make test"}
"""Not run, but found in the Makefile: `make test` runs this, and `dsql-dr rehearse` is what `make demo` calls."""
CDK_VERSION = json.loads((CDK_CLI.locked / "package.json").read_text())["dependencies"][CDK_CLI.name]
BROUGHT_ALONG = f"npm install --global {CDK_CLI.name}@{CDK_VERSION}"
"""Not run, since it changes the machine: the same version stands beside this Python, and runs the next commands."""
UNTIL_ALARMS_HAVE_DATA = 120.0
"""Seconds that `dsql-dr status` may take to find all alarms OK, with minutes of two seconds."""


def commands() -> list[str]:
    """In their order: those of the blocks, and those in the text that no block has."""
    blocks = re.findall(r"```console\n(.*?)```", README, re.S)
    of_blocks = [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]
    found = re.findall(r"^\$ (.*)$|`((?:cdk|dsql-dr|make|npm|pip|aws) [^`\n]+)`", README, re.M)
    named = [of_block or in_text for of_block, in_text in found]
    return [one for one in named if one in of_blocks or not any(other.startswith(f"{one} ") for other in of_blocks)]


def in_a_terminal(command: str, folder: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """Exit status and output of *command* for somebody who says yes to what it asks."""
    ours, theirs = pty.openpty()
    written: list[bytes] = []

    def answer() -> None:
        while True:
            try:
                data = os.read(ours, 65536)
            except OSError:
                return
            asked = b"(y/n)" in b"".join(written)[-4:] + data  # which two reads may share
            written.append(data)
            if asked:
                os.write(ours, b"y\n")

    reader = threading.Thread(target=answer, daemon=True)
    reader.start()
    done = subprocess.run(
        ["/bin/sh", "-c", command], cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, check=False
    )
    os.close(theirs)
    reader.join(timeout=10)
    os.close(ours)
    return done.returncode, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", b"".join(written).decode(errors="replace"))


def test_commands_that_are_not_run_are_the_makefiles_and_the_version_that_runs() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
    assert {f"make {one}" for one in targets} >= OF_A_CHECKOUT
    assert OF_A_CHECKOUT | {BROUGHT_ALONG} <= set(commands())


def test_every_command_of_the_readme_works_for_a_newcomer(wheels: Path, tmp_path: Path) -> None:
    environment, folder = tmp_path / "environment", tmp_path / "empty"
    folder.mkdir()
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    (environment / "bin" / "cdk").symlink_to(CDK_CLI.folder / "bin" / "cdk")
    (environment / "lib" / "npm").symlink_to(Path(sys.prefix) / "lib" / "npm")  # what else would come from npm
    app = re.search(r"```python\n(import aws_cdk as cdk\n.*?app\.synth\(\)\n)```", README, re.S)
    assert app
    (folder / "app.py").write_text(app[1])
    walked = []
    with AwsEmulator(regions=["us-east-1", "us-west-2"], time_scale=1 / 30) as aws:
        surroundings = aws.environment() | {
            "PATH": os.pathsep.join([str(environment / "bin"), str(Path(node()).parent), "/usr/bin", "/bin"]),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": f"{INDEX} {wheels}",
        }
        for command in commands():
            if command in OF_A_CHECKOUT:
                continue
            if command != BROUGHT_ALONG:
                until = time.monotonic() + UNTIL_ALARMS_HAVE_DATA
                status, said = 1, ""
                while status and (not said or (command.startswith("dsql-dr status") and time.monotonic() < until)):
                    status, said = in_a_terminal(command.replace("ACCOUNT", ACCOUNT), folder, surroundings)
                assert status == 0, f"{command}\n{said[-3000:]}"
            walked.append(command)
            if command.startswith("cdk deploy"):
                assert [one["status"] for one in survey.clusters(aws)] == ["ACTIVE", "ACTIVE"]
                assert "AuroraDsqlDR-Primary-production.ClusterEndpoint = " in said, "ends with the outputs"
        assert list(survey.leftovers(aws)) == ["AWS::DSQL::Cluster"], "the app does not ask for their end"
    assert [one.split()[0] for one in walked] == [
        "echo",
        "pip",
        "npm",
        "cdk",
        "cdk",
        "dsql-dr",
        "cdk",
        "pip",
        "dsql-dr",
    ]
