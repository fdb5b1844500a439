"""What a cold start of the monitor costs: its imports and clients against a bare `import boto3`.

`python -m benchmarks.monitor_start` prints it; each is timed inside a fresh interpreter, whose own start is in neither.
"""

from __future__ import annotations

import json

from .turns import ROOT, in_turns, ratio, spread

_TIMED = "import time; began = time.perf_counter(); import {}; print(1000 * (time.perf_counter() - began))"
_SQL = "import os; os.environ.update(SQL_ROLE='one', SQL_TABLE='one'); "
_BARE, _MONITOR, _PROBE = "import boto3", "monitor: imports and clients", "the same with the SQL probe and its driver"
_CLUSTERS = [
    {"arn": f"arn:aws:dsql:{one}:111111111111:cluster/one", "endpoint": "one"} for one in ("us-east-1", "us-west-2")
]
_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_REGION": "us-east-1",
    "DEPLOYMENT": "Orders-production",
    "CLUSTERS": json.dumps(_CLUSTERS),
    "BUDGET_SECONDS": "20",
}


def main() -> list[tuple[str, str]]:
    """Rows of the report."""
    monitor = _TIMED.format("runtime.health_monitor.handler")
    programs = {_BARE: _TIMED.format("boto3"), _MONITOR: monitor, _PROBE: _SQL + monitor}
    asset = ROOT / "src" / "dsql_dr_constructs"
    found = in_turns(programs, rounds=20, cwd=asset, environment=_ENVIRONMENT)
    rows = [(name, spread(values, " ms")) for name, values in found.items()]
    return [
        *rows,
        ("ratio, goal 1.3", ratio(found[_MONITOR], found[_BARE])),
        ("ratio with the SQL probe", ratio(found[_PROBE], found[_BARE])),
    ]


if __name__ == "__main__":
    for name, value in main():
        print(f"{name:30} {value}")
