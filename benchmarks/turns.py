"""Programs that take turns: each round runs every one once, in a fresh interpreter, so that noise meets all alike."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from dsql_dr_constructs.emulator.aws_emulator import node

ROOT = Path(__file__).parents[1]


def in_turns(
    programs: Mapping[str, str], *, rounds: int, cwd: Path = ROOT, environment: Mapping[str, str] | None = None
) -> dict[str, list[float]]:
    """The number that each program prints last, by round; the first round only warms up.

    Byte code is written and used, as users have it.
    """
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    given = {**inherited, "JSII_NODE": node(), **(environment or {})}
    found: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(rounds + 1):
        for name, program in programs.items():
            done = subprocess.run(
                [sys.executable, "-c", program], cwd=cwd, env=given, check=True, capture_output=True, text=True
            )
            found[name].append(float(done.stdout.split()[-1]))
    return {name: values[1:] for name, values in found.items()}


def spread(values: Sequence[float], unit: str = "") -> str:
    low, median, high = statistics.quantiles(values, n=4)
    return f"{median:.2f}{unit} ({low:.2f} to {high:.2f})"


def ratio(above: Sequence[float], below: Sequence[float]) -> str:
    return spread([one / other for one, other in zip(above, below, strict=True)])
