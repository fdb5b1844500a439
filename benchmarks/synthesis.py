"""Imports and syntheses, against aws_cdk alone and the same resources in its constructs, and of many deployments."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from .turns import in_turns, ratio, spread

MODULES = (
    "cloudwatch",
    "cloudwatch_actions",
    "dsql",
    "ec2",
    "events",
    "events_targets",
    "iam",
    "kms",
    "lambda",
    "logs",
    "sns",
    "sns_subscriptions",
    "sqs",
    "ssm",
)
_NAMES = "; dsql_dr_constructs.MultiRegionDsqlDr"
_TIMED = "import time; began = time.perf_counter(); {}; print(time.perf_counter() - began)"
_COUNTED = """
import time, tempfile
import aws_cdk as cdk
from jsii._kernel.providers import process
count = 0
send = process._NodeProcess.send
def counted(self, request, response_type):
    global count
    count += 1
    return send(self, request, response_type)
process._NodeProcess.send = counted
{imports}
began = time.perf_counter()
app = cdk.App(outdir={outdir!r} or tempfile.mkdtemp())
{build}
app.synth()
print({result})
"""
_LIBRARY = "from dsql_dr_constructs import MultiRegionDsqlDr"
_SECONDS, _REQUESTS = "time.perf_counter() - began", "count"


def with_library(result: str, deployments: int = 1, outdir: str = "") -> str:
    build = f"for number in range({deployments}): MultiRegionDsqlDr(app, f'Pair{{number}}')"
    return _COUNTED.format(imports=_LIBRARY, build=build, result=result, outdir=outdir)


def by_hand(result: str, outdir: str = "") -> str:
    imports, build = "from benchmarks.by_hand import pair_by_hand", "pair_by_hand(app)"
    return _COUNTED.format(imports=imports, build=build, result=result, outdir=outdir)


def main() -> list[tuple[str, str]]:
    """Rows of the report."""
    return [*_imports(), *_same_resources(), *_against_by_hand(), *_growth()]


def _imports() -> list[tuple[str, str]]:
    cdk = "import aws_cdk, aws_cdk.custom_resources, " + ", ".join(f"aws_cdk.aws_{one}" for one in MODULES)
    ours = f"import dsql_dr_constructs{_NAMES}"
    found = in_turns({"cdk": _TIMED.format(cdk), "ours": _TIMED.format(ours)}, rounds=10)
    return [
        ("import of the aws_cdk modules", spread(found["cdk"], " s")),
        ("import of the library", spread(found["ours"], " s")),
        ("ratio, goal 1.05", ratio(found["ours"], found["cdk"])),
    ]


def _same_resources() -> list[tuple[str, str]]:
    """The comparison needs the same resources on both sides."""
    with TemporaryDirectory() as folder:
        in_turns(
            {"ours": with_library(_REQUESTS, outdir=f"{folder}/ours"), "hand": by_hand(_REQUESTS, f"{folder}/hand")},
            rounds=0,
        )
        ours, hand = (_types(Path(folder) / one) for one in ("ours", "hand"))
        if ours != hand:
            raise AssertionError(
                f"Not the same resources: {ours - hand} only in the library's, {hand - ours} only without it."
            )
        size = sum(one.stat().st_size for one in (Path(folder) / "ours").glob("*.template.json"))
    return [
        ("resources of MultiRegionDsqlDr, default configuration", str(sum(ours.values()))),
        ("its templates", f"{size / 1024:.0f} KiB"),
    ]


def _types(folder: Path) -> Counter[str]:
    return Counter(
        resource["Type"]
        for template in folder.glob("*.template.json")
        for resource in json.loads(template.read_text())["Resources"].values()
    )


def _against_by_hand() -> list[tuple[str, str]]:
    seconds = in_turns({"ours": with_library(_SECONDS), "hand": by_hand(_SECONDS)}, rounds=8)
    requests = in_turns({"ours": with_library(_REQUESTS), "hand": by_hand(_REQUESTS)}, rounds=1)
    return [
        ("synthesis of the same resources in aws_cdk's own constructs", spread(seconds["hand"], " s")),
        ("synthesis of MultiRegionDsqlDr", spread(seconds["ours"], " s")),
        ("ratio, goal 1.15", ratio(seconds["ours"], seconds["hand"])),
        (
            "jsii requests, MultiRegionDsqlDr / aws_cdk's own constructs",
            f"{requests['ours'][0]:.0f} / {requests['hand'][0]:.0f}",
        ),
        ("ratio, goal 1.15", f"{requests['ours'][0] / requests['hand'][0]:.2f}"),
    ]


def _growth() -> list[tuple[str, str]]:
    counts = (1, 10, 50)
    found = in_turns({str(one): with_library(_SECONDS, one) for one in counts}, rounds=2)
    each = {one: sum(found[str(one)]) / len(found[str(one)]) / one for one in counts}
    rows = [(f"synthesis, a deployment, of {one} in one app", f"{each[one]:.2f} s") for one in counts]
    return [*rows, ("50 against 10, a deployment, goal 1.15", f"{each[50] / each[10]:.2f}")]


if __name__ == "__main__":
    for name, value in main():
        print(f"{name:50} {value}")
