from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dsql_dr_constructs.runtime.cluster_peering import handler
from tests.runtime.cluster_peering.hand_made_aws import HandMadeAws

ASSET = Path(handler.__file__).parents[2]


@pytest.mark.parametrize("request_type", ["Create", "Update", "Delete"])
def test_on_event_asks_aws_nothing_and_answers_what_the_framework_keeps(request_type: str) -> None:
    event = {**HandMadeAws().event(request_type), "PhysicalResourceId": "dsql-dr/Orders-production"}
    answer = handler.on_event(event, None)
    assert set(answer) == {"PhysicalResourceId", "StartedAt"}
    assert json.loads(json.dumps(answer)) == answer


def test_handler_loads_as_lambda_loads_it() -> None:
    """From the asset's folder alone, in an environment that names no Region."""
    code = "import runtime.cluster_peering.handler as h; print(h.on_event.__name__, h.is_complete.__name__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ASSET, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["on_event", "is_complete"]


def test_region_that_answers_nothing_leaves_time_to_report() -> None:
    """A step asks at most six times in a row: 6 calls x 2 tries x 15 s is within the function's five minutes."""
    config = handler._CONFIG
    longest = (config.connect_timeout + config.read_timeout) * config.retries["total_max_attempts"]
    assert 6 * longest < 300
