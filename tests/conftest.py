"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from dsql_dr_constructs.rehearsal.embedded_aws import node
from tests.named_checks import NamedChecks, covers_all

os.environ.setdefault("JSII_NODE", node())  # before aws_cdk is imported: jsii runs on the Node that tests bring along
os.environ.setdefault("JSII_DEPRECATED", "fail")  # what aws-cdk-lib deprecates, no construct of ours may use

settings.register_profile("steady", derandomize=True, deadline=None, database=None)  # the same walk for everybody
settings.load_profile("steady")


def pytest_configure(config: pytest.Config) -> None:
    if covers_all(config):
        config.pluginmanager.register(NamedChecks(Path(__file__).parents[1] / "SECURITY.md"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is installed from the wheel takes longest and begins first, then what waits; else one worker ends alone."""
    items.sort(
        key=lambda item: ("wheels" not in getattr(item, "fixturenames", ()), "end_to_end" not in item.path.parts)
    )
