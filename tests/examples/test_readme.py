"""A newcomer's walk: an empty directory, the README's app and the README's commands, in their order."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from dsql_dr_constructs.cli import survey
from dsql_dr_constructs.cli.cdk_cli import CDK_CLI
from dsql_dr_constructs.emulator import AwsEmulator
from dsql_dr_constructs.emulator.aws_emulator import ACCOUNT, node
from tests.tools import INDEX

README = (Path(__file__).parents[2] / "README.md").read_text()
OF_A_CHECKOUT = {"make demo", "make test"}
"""`make test` runs this, and `dsql-dr rehearse` is what `make demo` calls."""
BROUGHT_ALONG = "npm install --global aws-cdk"
"""Nothing is downloaded here: the same package stands beside this Python."""


def commands() -> list[str]:
    blocks = re.findall(r"```console\n(.*?)```", README, re.S)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]


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
            written.append(data)
            if b"(y/n)" in data:
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
    with AwsEmulator(regions=["us-east-1", "us-west-2"]) as aws:
        surroundings = aws.environment() | {
            "PATH": os.pathsep.join([str(environment / "bin"), str(Path(node()).parent), "/usr/bin", "/bin"]),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": f"{INDEX} {wheels}",
        }
        for command in commands():
            if command in OF_A_CHECKOUT:
                continue
            if command != BROUGHT_ALONG:
                status, said = in_a_terminal(command.replace("ACCOUNT", ACCOUNT), folder, surroundings)
                assert status == 0, f"{command}\n{said[-3000:]}"
            walked.append(command)
            if command.startswith("cdk deploy"):
                assert [one["status"] for one in survey.clusters(aws)] == ["ACTIVE", "ACTIVE"]
                assert "AuroraDsqlDR-Primary-production.ClusterEndpoint = " in said, "ends with the outputs"
        assert list(survey.leftovers(aws)) == ["AWS::DSQL::Cluster"], "the app does not ask for their end"
    assert (folder / "dashboard.png").read_bytes().startswith(b"\x89PNG")
    assert len(walked) >= 8


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", README, re.S))
def test_every_python_block_of_the_readme_is_python(code: str) -> None:
    compile(code, "README.md", "exec")
