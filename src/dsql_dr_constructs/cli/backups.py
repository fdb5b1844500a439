"""The command ``dsql-dr backups``: which recovery points both Regions hold, and what is missing where."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from botocore.exceptions import BotoCoreError
from rich.console import Console

from ..runtime.recovery_points import HeldByBoth
from . import aws_session, pair_backups
from .pair_backups import PairBackups, time_in_utc
from .status_tables import table

_SHOWN = 10
"""Missing copies in the table, the newest; JSON has all."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "backups",
        help="list the recovery points that both Regions of a pair hold",
        description="List the recovery points that both Regions of a pair hold, from which `dsql-dr restore` makes a "
        "new pair, and what is missing where. It exits with 0 if there is such a recovery point.",
    )
    aws_session.add_arguments(parser)
    add_vault_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=backups)


def add_vault_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the recovery points are."""
    parser.add_argument(
        "--vault",
        type=aws_session.not_empty,
        help="name of the vault in both Regions; default: that of the deployment's backup stacks",
    )
    parser.add_argument(
        "--peer-region",
        type=aws_session.not_empty,
        help="the pair's other Region, where its SSM parameters are gone; default: as they say",
    )


def backups(options: argparse.Namespace, console: Console) -> bool:
    """Whether a pair can be restored."""
    try:
        region, client = aws_session.region_and_clients(options)
        found = pair_backups.ask(
            options.deployment, region, client, peer_region=options.peer_region, vault=options.vault
        )
        missing = _missing(found, pair_backups.reasons(found, client))
        failed = pair_backups.failed_backups(found, client)
    except (aws_session.NoRegionError, pair_backups.BackupsError, BotoCoreError) as error:
        console.print(str(error), soft_wrap=True)
        return False
    if options.json:
        console.print(json.dumps(_document(found, missing, failed), indent=2), soft_wrap=True)
    else:
        _show(found, missing, failed, console)
    return _restorable(found)


def _restorable(found: PairBackups) -> bool:
    return found.owned and bool(found.pairs)


def age(found: PairBackups, pair: HeldByBoth) -> str:
    """In words of two units, as of AWS's own time."""
    return duration(found.now - pair.created)


def duration(given: timedelta) -> str:
    minutes = max(int(given.total_seconds() // 60), 0)
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def size(given: float | None) -> str:
    if given is None:
        return "unknown"
    for unit in ("bytes", "KiB", "MiB"):
        if given < 1024:
            return f"{given:.0f} {unit}" if unit == "bytes" else f"{given:.1f} {unit}"
        given /= 1024
    return f"{given:.1f} GiB"


def _missing(found: PairBackups, reasons: Mapping[str, str]) -> Sequence[dict[str, str]]:
    return [
        {
            "created": time_in_utc(one.point.created),
            "cluster": one.point.resource_arn,
            "recovery_point": one.point.arn,
            "missing_in": one.missing_in,
            "reason": reasons[one.point.arn],
        }
        for one in found.missing
    ]


def _document(found: PairBackups, missing: Sequence[dict[str, str]], failed: Sequence[str]) -> dict[str, Any]:
    return {
        "restorable": _restorable(found),
        "deployment": found.deployment,
        "vault": found.vault,
        "recovery_points": [
            {
                "created": time_in_utc(pair.created),
                "age_hours": round((found.now - pair.created).total_seconds() / 3600, 2),
                "size": pair.first.size,
                "expires": {one.region: one.expires and time_in_utc(one.expires) for one in (pair.first, pair.second)},
                "status": {one.region: one.status for one in (pair.first, pair.second)},
                "cluster": pair.resource_arn,
                "of_present_pair": found.is_present(pair.resource_arn),
                "whose": found.whose(pair.resource_arn),
                "arns": {one.region: one.arn for one in (pair.first, pair.second)},
            }
            for pair in found.pairs
        ],
        "missing": missing,
        "failed_backups": failed,
        "problems": found.problems,
    }


def _show(found: PairBackups, missing: Sequence[dict[str, str]], failed: Sequence[str], console: Console) -> None:
    if found.pairs:
        held = table("Created", "Age", "Size", "Status", "Expires", "Of cluster")
        for pair in found.pairs:
            expiries = [one.expires for one in (pair.first, pair.second) if one.expires]
            held.add_row(
                time_in_utc(pair.created),
                age(found, pair),
                size(pair.first.size),
                "\n".join(dict.fromkeys((pair.first.status, pair.second.status))),
                f"{min(expiries):%Y-%m-%d}" if expiries else "never",
                f"{pair.resource_arn.rpartition('/')[2]}"
                f"{'' if found.is_present(pair.resource_arn) else f' ({found.whose(pair.resource_arn)})'}",
            )
        console.print(held, width=min(console.width, 120))
    for region, points in found.points.items():
        if not found.complete:
            usable = [one for one in points if one.usable]
            last = f", the newest of {time_in_utc(max(one.created for one in usable))}" if usable else ""
            console.print(f"The vault in {region} has {len(usable)} recovery points{last}.", soft_wrap=True)
    if missing:
        lacking = table("Created", "Missing in", "Reason")
        for one in missing[:_SHOWN]:
            lacking.add_row(one["created"], one["missing_in"], one["reason"])
        console.print(lacking, width=min(console.width, 120))
        if len(missing) > _SHOWN:
            console.print(f"{len(missing) - _SHOWN} older ones are in only one Region, too: --json has them.")
    for sentence in (*failed, *found.problems):
        console.print(sentence, soft_wrap=True)
    console.print(_last_line(found), soft_wrap=True)


def _last_line(found: PairBackups) -> str:
    if found.pairs and not found.owned:
        return (
            f"Which of these recovery points are of {found.deployment} is not known: take one by its ARN, which --json "
            "has, and dsql-dr restore --recovery-point."
        )
    if found.pairs:
        count = len(found.pairs)
        return f"A pair can be restored from {count} recovery point{'s' if count > 1 else ''}: dsql-dr restore."
    if found.complete:
        return "No pair can be restored: no recovery point and its identical copy are in both Regions."
    return "Whether a pair can be restored is not known, since a Region did not answer."
