"""A `Status` as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table

from .pair_status import Status


def show(status: Status, console: Console) -> None:
    """Tables for a terminal of 80 columns."""
    for one in _tables(status):
        if isinstance(one, Table):
            console.print(one, width=80)
        else:
            console.print(one, soft_wrap=True)  # it may have a command to copy
    for problem in status.problems:
        console.print(f"Failed call: {problem}")
    for sentence in status.wrong_clusters:
        console.print(f"Wrong cluster: {_lower(sentence)}")
    console.print("The pair is healthy." if status.healthy else "The pair is not healthy.")


def _tables(status: Status) -> Iterator[Table | str]:
    clusters = table("Region", "Cluster", "Status", "Peered", "Witness")
    for one in status.clusters:
        clusters.add_row(one.region, one.identifier, one.status, "yes" if one.peered else "NO", one.witness_region)
    yield clusters
    unprotected = [one.region for one in status.clusters if not one.deletion_protection]
    if unprotected:
        yield f"Deletion protection is off in {' and '.join(unprotected)}."
    if status.verdicts:
        seen = table("Observer", "Verdict")
        for region, verdict in status.verdicts.items():
            seen.add_row(region, verdict)
        yield seen
    raised = table("Region", "Alarm", "State")
    for name, state in status.alarms.items():
        if state != "OK":
            raised.add_row(*name.split(" ", 1), state)
    if raised.row_count:
        yield raised
    yield f"{sum(state == 'OK' for state in status.alarms.values())} of {len(status.alarms)} alarms are OK."
    if status.destinations:
        notified = table("Region", "Notifies", "Confirmed", "Not yet confirmed")
        for to in status.destinations:
            confirmed = "" if to.confirmed is None else str(to.confirmed)
            notified.add_row(to.region, to.arn.rpartition(":")[2], confirmed, "\n".join(to.pending))
        yield notified
    yield from status.not_monitored
    yield from status.notes
    for sentence in status.nobody_notified:
        yield f"Nobody is notified: {_lower(sentence)}"
    for sentence in status.warnings_lost:
        yield f"Nobody receives warnings: {_lower(sentence)}"


def _lower(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for one in columns:
        table.add_column(one, overflow="fold")
    return table
