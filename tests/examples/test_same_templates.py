"""Two syntheses of an example give the same bytes, so that `cdk diff`, change sets and snapshot tests are quiet."""

from __future__ import annotations

import json
import runpy
import time
from functools import partial
from pathlib import Path

import aws_cdk as cdk
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
GIVEN = {"orders_service": {"domain": "orders.example.com", "zone_id": "Z0123456789ABCDEFGHIJ"}}
"""Context values with which an example has most resources."""


def synthesize(example: Path, folder: Path, now: float) -> dict[str, str]:
    """Every template and every list of assets, whose names are hashes, with the clock at *now*."""
    context = json.loads((example / "cdk.json").read_text()).get("context", {}) | GIVEN.get(example.name, {})
    context["aws:cdk:bundling-stacks"] = []  # what pip installs is not ours
    with pytest.MonkeyPatch.context() as environment:
        environment.setattr(cdk, "App", partial(cdk.App, outdir=str(folder), context=context))
        environment.setattr(time, "time", lambda: now)
        environment.setenv("SOURCE_DATE_EPOCH", str(int(now)))
        environment.delenv("CDK_DEFAULT_ACCOUNT", raising=False)
        environment.syspath_prepend(str(example))
        environment.chdir(example)
        runpy.run_path("app.py", run_name="__main__")
    found = [*folder.rglob("*.template.json"), *folder.rglob("*.assets.json")]
    return {str(one.relative_to(folder)): one.read_text() for one in found}


@pytest.mark.parametrize("name", sorted(one.parent.name for one in EXAMPLES.glob("*/app.py")))
def test_example_synthesized_on_another_day_is_the_same_to_the_letter(name: str, tmp_path: Path) -> None:
    first = synthesize(EXAMPLES / name, tmp_path / "first", 1_000_000_000.0)
    assert first
    assert synthesize(EXAMPLES / name, tmp_path / "second", 1_100_000_000.0) == first
