"""The catalogue of faults as docs/faults.md."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby

from .catalogued_fault import OBSERVERS, CataloguedFault

_INTRODUCTION = """\
# What happens if …

<!-- Printed by `dsql-dr faults --markdown`. -->

{count} faults, each with the verdict of both monitors, who is notified of what, in what time, what to do, and how it
ends. In these tables the fault is in the **primary** Region, unless a row says something else; with the Regions
exchanged, the same happens. *From both* means that the monitors of both Regions send it. An alarm is called as in
[Notifications](notifications.md#which-alarms-there-are): `cluster-down-primary` is `cluster-down-us-east-1` where
the primary Region is us-east-1. Each alarm that is notified sends one OK when it is over.

*Within* is the longest time from the fault (with two faults, the first) to the last notification, with the default
schedule of 2 minutes. *Users leave* is for a pair with [`failover`](failover.md#how-long-it-takes): the Regions whose
Route 53 health check becomes unhealthy while the fault lasts, with a monitor that does not work after up to 16 minutes.
Where both are unhealthy at once, Route 53 answers as if both were healthy. Warnings are sent if the pair has [a topic
for them](notifications.md#warnings), within 15 minutes or, if that is later, before the last notification. Every row is
a test: the real code of the monitors, the alarms and the health checks as they are deployed, in simulated time, by the
documented rules of CloudWatch and Route 53 (`tests/faults` in the repository). Aurora DSQL itself is simulated by its
documentation: this version has not run against it. `dsql-dr faults NAME` makes a fault on the local AWS emulator, with
your own app.
"""

_NOT_IN_TABLES = """\
## Not in these tables

- Part of the connections or calls fail: verdicts and notifications come and go with the share; a run tries each
  twice or more. Your application's own alarms notice it.
- The quota of connections or of storage is used up: your application's errors. What the monitors get is not
  documented by AWS ([quotas](operations.md#quotas)).
- Data is deleted, which both Regions do at once: nobody is notified; [restore
  it](operations.md#data-destroyed-in-both-regions).
- A backup plan, a vault, its key or a copy is gone: `recovery-point-age`, after 26 hours ([a backup is
  missing](operations.md#a-backup-is-missing)).
- The role of a monitor is deleted, or its code is replaced: as when it does not run. Code that puts healthy metrics
  is believed, as its permissions are; CloudTrail has the call.
- A health check is deleted: AWS says that the status which records with its ID then see can't be predicted. Of a child
  it says nothing. Nobody is notified; CloudFormation shows the drift of the Region's failover stack.
- The dead-letter queue of a monitor is deleted: nobody is notified; CloudFormation shows the drift.
- Amazon SNS or the evaluation of alarms fails in a Region: the other Region notifies of clusters; of the first
  one's own monitor nobody is notified.
- A fault begins while the monitoring stack of a Region is deployed: the other Region notifies. This one is not
  tested.
- Another app deploys a pair of the same name: its peering is refused
  ([what happens in a failure](operations.md#what-happens-in-a-failure)).
"""


def markdown(faults: Sequence[CataloguedFault]) -> str:
    """docs/faults.md."""
    parts = [_INTRODUCTION.format(count=len(faults))]
    for group, rows in groupby(faults, key=lambda one: one.group):
        parts.append(f"## {group}\n\n{_table(list(rows))}\n")
    simulated = [one for one in faults if one.only_simulated]
    lines = "\n".join(f"- `{one.name}`: {one.only_simulated}" for one in simulated)
    parts.append(f"## What cannot be made on the local AWS emulator\n\n{lines}\n")
    parts.append(_NOT_IN_TABLES)
    return "\n".join(parts)


def _table(faults: Sequence[CataloguedFault]) -> str:
    rows = [
        (
            f"{_needs(one)}{one.title}<br>`{one.name}`",
            _verdicts(one.expected.verdicts),
            _notified(one),
            duration(one.expected.within) if one.expected.notified else "",
            " and ".join(one.expected.traffic_leaves),
            one.runbook,
            one.ends,
        )
        for one in faults
    ]
    head = ("What happens if …", "Verdict", "Notified", "Within", "Users leave", "Do", "It ends")
    return "\n".join(f"| {' | '.join(one)} |" for one in (head, ("---",) * len(head), *rows))


def _needs(fault: CataloguedFault) -> str:
    said = {
        "sql": "with the SQL probe",
        "without-sql": "without the SQL probe",
        "backup": "with backups",
        "cluster-keys": "with keys of yours for the clusters",
        "one-key": "with `encryption_keys`",
        "function-key": "with a key of yours for the monitors",
        "failover": "with `failover`",
    }
    return "".join(f"({said[one]}) " for one in sorted(fault.needs) if one in said)


def _verdicts(verdicts: Mapping[str, str | None]) -> str:
    shown = {
        role: " or ".join(f"`{one}`" for one in (verdicts[role] or "no answer").split(" or ")) for role in OBSERVERS
    }
    shown = {role: one.replace("`no answer`", "no answer") for role, one in shown.items()}
    if len(set(shown.values())) == 1:
        return shown["primary"]
    return "; ".join(f"{role}: {one}" for role, one in shown.items())


def _notified(fault: CataloguedFault) -> str:
    expected = fault.expected
    said = [_who(expected.notified) or "nobody"]
    if expected.deployment == "done":
        said.append("the deployment succeeds")
    elif expected.deployment:
        said.append(f"the deployment fails with `{expected.deployment.replace('.*', '…')}`")
    if expected.warnings:
        said.append(f"warnings: {_who(expected.warnings)}")
    if expected.afterwards:
        said.append(f"may also notify after recovery: {_who(expected.afterwards)}")
    return "; ".join(said)


def _who(alarms: Sequence[tuple[str, str]]) -> str:
    by_kind: dict[str, list[str]] = {}
    for kind, role in alarms:
        by_kind.setdefault(kind, []).append(role)
    parts = []
    for kind, roles in by_kind.items():
        times = roles.count(roles[0])
        where = "both" if set(roles) == set(OBSERVERS) else roles[0]
        often = {1: "", 2: " twice"}.get(times, f" {times} times")
        parts.append(f"`{kind}` from {where}{often}")
    return ", ".join(parts)


def duration(minutes: float) -> str:
    """As docs/notifications.md writes it, rounded up to 10 s."""
    whole, rest = divmod(10 * math.ceil(round(6 * minutes, 6)), 60)
    return f"{whole} min {rest:02d} s"
