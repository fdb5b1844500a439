"""`make bench`: every ratio, in one run; docs/performance.md has the figures."""

from __future__ import annotations

from . import monitor_start, synthesis

for name, value in (*monitor_start.main(), *synthesis.main()):
    print(f"| {name} | {value} |", flush=True)
