"""What a cold start of the monitor costs: its imports and clients against a bare `import boto3`, side by side.

    python -m benchmarks.monitor_start

Each measurement is of a fresh interpreter, taken inside it, so that the start of Python itself is in neither; the two
take turns, so that what else the machine does meets both.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

ROUNDS = 21
RUNTIME = Path(__file__).parents[1] / "src" / "dsql_dr_constructs" / "runtime"

_TIMED = "import time; began = time.perf_counter(); import {}; print(time.perf_counter() - began)"
BARE = _TIMED.format("boto3")
MONITOR = _TIMED.format("health_monitor.handler")  # which makes its clients when it is imported
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_REGION": "us-east-1",
    "DEPLOYMENT": "Orders-production",
    "CLUSTERS": json.dumps(
        [
            {"arn": f"arn:aws:dsql:{one}:111111111111:cluster/one", "endpoint": "one"}
            for one in ("us-east-1", "us-west-2")
        ]
    ),
    "BUDGET_SECONDS": "20",
}


def milliseconds(program: str) -> float:
    """How long *program* says it took."""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=RUNTIME, env=ENVIRONMENT, check=True, capture_output=True, text=True
    )
    return 1000 * float(done.stdout)


def main() -> None:
    pairs = [(milliseconds(BARE), milliseconds(MONITOR)) for _ in range(ROUNDS)][1:]  # the first writes byte code
    for name, values in zip(("import boto3", "monitor: imports and clients"), zip(*pairs, strict=True), strict=True):
        print(f"{name:30} {_spread(values, ' ms')}")
    print(f"{'ratio':30} {_spread([monitor / bare for bare, monitor in pairs])}")


def _spread(values: list[float] | tuple[float, ...], unit: str = "") -> str:
    low, median, high = statistics.quantiles(values, n=4)
    return f"median {median:.2f}{unit}, half of all between {low:.2f} and {high:.2f}"


if __name__ == "__main__":
    main()
