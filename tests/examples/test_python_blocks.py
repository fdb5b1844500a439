"""Every Python block of the README and the guides is run and synthesized, a part of an app after what is around it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from dsql_dr_constructs import MultiRegionDsqlDr

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ACCOUNT = "111122223333"
ENDPOINTS = {one: f"{'a' * 26}.dsql.{one}.on.aws" for one in ("us-east-1", "us-west-2")}


def blocks(document: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", document.read_text(), re.S)


BLOCKS = [
    pytest.param(block, id=f"{document.name}-{number}")
    for document in DOCUMENTS
    for number, block in enumerate(blocks(document), 1)
    if document.name != "client.md" or "pair." in block  # what is left of it runs in tests/client
    if '["cdk", ' not in block  # a deployment, as in tests/end_to_end
]


class OrdersService(cdk.Stack):
    """A stack of the reader's, with a function."""

    def __init__(self, scope: Construct, id: str, *, env: cdk.Environment) -> None:
        super().__init__(scope, id, env=env)
        self.function = lambda_.Function(
            self,
            "Function",
            runtime=lambda_.Runtime.PYTHON_3_13,
            handler="index.handle",
            code=lambda_.Code.from_inline("def handle(event, context): pass"),
        )


def around(block: str) -> dict[str, Any]:
    """What *block* names and the reader has: an app with a pair, and a stack with a function and a queue."""
    app = cdk.App()
    names: dict[str, Any] = {"cdk": cdk, "app": app}
    service = OrdersService(app, "Service", env=cdk.Environment(account=ACCOUNT, region="us-east-1"))
    names |= {"stack": service, "function": service.function}
    if re.search(r"\bqueue\b", block):
        names["queue"] = sqs.Queue(service, "Queue", enforce_ssl=True)
    if re.search(r"\bpair\b", block):
        names["pair"] = MultiRegionDsqlDr(app, "AuroraDsqlDR", account=ACCOUNT, alert_emails=["ops@example.com"])
    return names


@pytest.mark.parametrize("block", BLOCKS)
def test_block_is_synthesized(block: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if "app = cdk.App()" in block:
        synthesize(block, tmp_path)
        return
    monkeypatch.setenv("ENDPOINTS", json.dumps(ENDPOINTS))
    names = around(block)
    exec(compile(block, "block.py", "exec"), names)  # noqa: S102 - our own documents
    assert names["app"].synth().stacks


def test_stop_alarms_of_the_guide_to_drills_are_there_in_whichever_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """The local AWS emulator has one of its own, which the CDK CLI sets."""
    monkeypatch.setenv("CDK_DEFAULT_ACCOUNT", "000000000000")
    block = next(one for one in blocks(ROOT / "docs" / "drill.md") if "stop_alarm_arns" in one)
    names = around(block)
    exec(compile(block, "block.py", "exec"), names)  # noqa: S102 - our own documents
    drills = [one for one in names["app"].synth().stacks if "Drill-" in one.stack_name]
    assert [one.environment.account for one in drills] == ["000000000000"] * 2
    for one in drills:
        assert f"Errors-{one.environment.region}" in [other.id for other in one.dependencies]


def synthesize(app: str, folder: Path) -> None:
    """A whole app, in a folder with the function that it names."""
    (folder / "app.py").write_text(app)
    (folder / "service").mkdir()
    (folder / "service" / "handler.py").write_text("")
    environment = {**os.environ, "CDK_OUTDIR": str(folder / "cdk.out")}
    command = [sys.executable, "app.py"]
    done = subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (folder / "cdk.out" / "manifest.json").exists()


def test_function_has_both_clusters_and_prefers_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The module that docs/connect.md has for a Lambda function."""
    [block] = [one for one in blocks(ROOT / "docs" / "connect.md") if "def handle(" in one]
    monkeypatch.setenv("ENDPOINTS", json.dumps(ENDPOINTS))
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    names: dict[str, Any] = {}
    exec(compile(block, "handler.py", "exec"), names)  # noqa: S102 - our own document
    with names["pool"] as pool:
        assert pool.region_in_use == "us-west-2"
        monkeypatch.setattr(pool, "run_transaction", lambda work: work(Table()))
        assert names["handle"]({}, None) == 3


class Table:
    """In place of a connection."""

    def execute(self, statement: str) -> Table:
        assert statement == "SELECT count(*) FROM orders"
        return self

    def fetchone(self) -> tuple[int]:
        return (3,)
