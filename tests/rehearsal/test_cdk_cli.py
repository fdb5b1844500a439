"""The CDK CLI on the local AWS emulator."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dsql_dr_constructs.rehearsal.cdk_cli import CdkCli, CdkError
from dsql_dr_constructs.rehearsal.embedded_aws import ACCOUNT, EmbeddedAws


def test_account_that_the_cli_remembers_elsewhere_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    other = {"accountId": "123456789012", "partition": "aws"}
    monkeypatch.setenv("CDK_HOME", str(tmp_path))
    with EmbeddedAws(regions=["us-east-1"]) as aws:
        key = aws.variables()["AWS_ACCESS_KEY_ID"]
        (cache / "accounts_partitions.json").write_text(json.dumps({key: other}))
        app = CdkCli(aws, tmp_path, app="echo account is $CDK_DEFAULT_ACCOUNT; exit 1")
        with pytest.raises(CdkError, match=f"account is {ACCOUNT}"):
            app.run("synth")
