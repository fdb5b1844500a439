"""The command ``dsql-dr cost``: what an app's monitoring costs a month, and what Aurora DSQL adds for a load."""

from __future__ import annotations

import argparse
from dataclasses import fields

from rich.console import Console

from . import monthly_cost, synthesized_app
from .monthly_cost import Load
from .prices import AS_OF, BY_REGION

_LARGEST = 1e15
"""Of what describes a load: the cost of more would be no number."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "cost",
        help="show what an app's monitoring costs a month",
        description="Show what an app's monitoring costs a month, calculated from its templates, and what Aurora DSQL "
        "costs for a load.",
    )
    synthesized_app.add_arguments(parser)
    parser.add_argument(
        "--region",
        choices=BY_REGION,
        default="us-east-1",
        help=f"Region whose prices are used: {' or '.join(BY_REGION)}, the only ones known here ({AS_OF}); for a pair "
        "in other Regions take the nearer one, as an estimate; default: %(default)s",
    )
    parser.add_argument("--tx-per-second", type=_amount, help="transactions a second, averaged over the month")
    for name, default, what in (
        ("--written-bytes", Load.written_bytes, "bytes that a transaction writes, in tables and indexes"),
        ("--read-bytes", Load.read_bytes, "bytes that a transaction scans"),
        ("--compute-ms", Load.compute_ms, "processing time of a transaction, in milliseconds"),
        ("--storage-gb", Load.storage_gb, "size of the database, in GB"),
    ):
        parser.add_argument(name, type=_amount, default=default, help=f"{what}; default: {default}")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=cost)


def _amount(given: str) -> float:
    try:
        amount = float(given)
    except ValueError:
        amount = -1
    if not 0 <= amount <= _LARGEST:  # nor is nan
        raise argparse.ArgumentTypeError(f"{given!r} is not an amount: give a number from 0 to {_LARGEST:g}.")
    return amount


def cost(options: argparse.Namespace, console: Console) -> bool:
    """Whether the app could be synthesized."""
    templates = synthesized_app.templates(options, console)
    if templates is None:
        return False
    prices = BY_REGION[options.region]
    lines = monthly_cost.monitoring((template for _, template in templates), prices)
    notes = monthly_cost.notes(templates, options.region)
    if options.tx_per_second is None:
        notes.append("The cost of Aurora DSQL depends on your load: give --tx-per-second to include it.")
    else:
        load = {field.name: getattr(options, field.name) for field in fields(Load)}
        lines += monthly_cost.dsql(Load(**load), prices)
        notes.append(
            "Aurora DSQL's own work (statistics, indexes) and change streams are not counted; see the metric TotalDPU."
        )
    if options.json:
        console.print(monthly_cost.to_json(lines, notes, options.region), soft_wrap=True)
        return True
    console.print(monthly_cost.markdown(lines), soft_wrap=True)
    console.print(f"\nList prices of {options.region}, {AS_OF}. Notes:")
    for sentence in notes:
        console.print(f"- {sentence}", soft_wrap=True)
    return True
