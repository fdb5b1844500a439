"""`make bench`: every ratio, in one run; docs/performance.md has the figures."""

from __future__ import annotations

from . import client, monitor_start, synthesis

for name, value in (*monitor_start.main(), *synthesis.main(), *client.main()):
    print(f"| {name} | {value} |", flush=True)
