"""What all tests share."""

from __future__ import annotations

import os
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import settings

from dsql_dr_constructs.emulator.aws_emulator import node
from tests.named_checks import NamedChecks, covers_all

os.environ.setdefault("JSII_NODE", node())  # before aws_cdk is imported: jsii runs on the Node that tests bring along
os.environ.setdefault("JSII_DEPRECATED", "fail")  # what aws-cdk-lib deprecates, no construct of ours may use

settings.register_profile("steady", derandomize=True, deadline=None, database=None)  # the same walk for everybody
settings.load_profile("steady")


LONGEST = (
    "test_every_command_of_the_readme_",
    "test_no_order_is_lost_",
    "test_pipeline_is_deployed_",
    "test_checkov_",
    "test_a_region_without_notifications_",
    "test_pair_that_somebody_else_made_",
    "test_release_goes_through_",
)
"""A minute and more; one that began last would run alone."""


def pytest_configure(config: pytest.Config) -> None:
    if covers_all(config):
        config.pluginmanager.register(NamedChecks(Path(__file__).parents[1] / "SECURITY.md"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first, the longest before all, dealt out to the workers, each of which gets one run.

    What shares a deployed pair stays together. All else stays in its order, so that what a file sets up once is set up
    by few workers.
    """

    def takes_long(item: pytest.Item) -> bool:
        is_long = "wheels" in getattr(item, "fixturenames", ()) or "end_to_end" in item.path.parts
        return is_long or item.name.startswith(LONGEST)

    def shared(item: pytest.Item) -> object:
        """The file, where a fixture of the file's own is set up once."""
        fixtures = item._fixtureinfo.name2fixturedefs.values()  # type: ignore[attr-defined]
        own = [one for of_a_name in fixtures for one in of_a_name if one.baseid and one.scope == "module"]
        return item.path if own else item

    def weight(group: list[pytest.Item]) -> int:
        return sum(3 if one.name.startswith(LONGEST) else 1 for one in group)

    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    long, rest = [one for one in items if takes_long(one)], [one for one in items if not takes_long(one)]
    together = [list(group) for _, group in groupby(long, shared)]
    dealt: list[list[pytest.Item]] = [[] for _ in range(workers)]
    for group in sorted(together, key=weight, reverse=True):
        min(dealt, key=weight).extend(group)
    ends = [len(rest) * number // workers for number in range(workers + 1)]
    items[:] = [item for number in range(workers) for item in (*dealt[number], *rest[ends[number] : ends[number + 1]])]
