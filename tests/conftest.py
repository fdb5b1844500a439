"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from dsql_dr_constructs.emulator.aws_emulator import node
from tests.named_checks import NamedChecks, covers_all

os.environ.setdefault("JSII_NODE", node())  # before aws_cdk is imported: jsii runs on the Node that tests bring along
os.environ.setdefault("JSII_DEPRECATED", "fail")  # what aws-cdk-lib deprecates, no construct of ours may use

settings.register_profile("steady", derandomize=True, deadline=None, database=None)  # the same walk for everybody
settings.load_profile("steady")


def pytest_configure(config: pytest.Config) -> None:
    if covers_all(config):
        config.pluginmanager.register(NamedChecks(Path(__file__).parents[1] / "SECURITY.md"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first, dealt out to the workers, each of which gets one run of the list.

    All else stays in its order, so that what a file sets up once is set up by few workers.
    """

    def takes_long(item: pytest.Item) -> bool:
        return "wheels" in getattr(item, "fixturenames", ()) or "end_to_end" in item.path.parts

    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    long, rest = [one for one in items if takes_long(one)], [one for one in items if not takes_long(one)]
    ends = [len(rest) * number // workers for number in range(workers + 1)]
    items[:] = [
        item for number in range(workers) for item in (*long[number::workers], *rest[ends[number] : ends[number + 1]])
    ]
