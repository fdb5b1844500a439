"""docs/images, from the templates of the default configuration and a sample drill: python -m docs.pictures."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from dsql_dr_constructs.cli import dashboard_picture, drill_report
from dsql_dr_constructs.emulator.aws_emulator import node
from tests.cli.drill_results import passed

IMAGES = Path(__file__).parent / "images"
Stacks = list[tuple[str, str, Mapping[str, Any]]]
"""Name, Region and template of each."""

_STYLE = """
text { font: 13px "Open Sans", "Segoe UI", sans-serif; fill: #16191f; }
.region { fill: #f7f9fa; stroke: #545b64; stroke-dasharray: 6 4; } .stack { fill: #fff; stroke: #879596; }
.part { fill: #eef4fb; stroke: #9cb8d8; } .people { fill: #fff7e6; stroke: #d9a441; }
.name { font-weight: 600; } .small { font-size: 12px; fill: #545b64; }
.data { stroke: #1d6fb8; stroke-width: 2.5; fill: none; } .checks { stroke: #2e7d32; stroke-width: 1.6; fill: none; }
.notifies { stroke: #b26a00; stroke-width: 1.6; fill: none; } .peers { stroke: #6b4fa0; stroke-width: 1.6; fill: none; }
"""
_ARROWS = {"data": "#1d6fb8", "checks": "#2e7d32", "notifies": "#b26a00", "peers": "#6b4fa0"}


def default_configuration() -> Stacks:
    """The stacks of the README's app."""
    import aws_cdk as cdk
    from aws_cdk import assertions

    from dsql_dr_constructs import MultiRegionDsqlDr

    pair = MultiRegionDsqlDr(cdk.App(), "AuroraDsqlDR", alert_emails=["ops@example.com"])
    return [(one.stack_name, one.region, assertions.Template.from_stack(one).to_json()) for one in pair.stacks]


def architecture(stacks: Stacks) -> str:
    """Regions as boxes, with their stacks; who calls whom, and where notifications come from."""
    regions = list(dict.fromkeys(region for _, region, _ in stacks))
    [witness] = {
        one["Properties"]["MultiRegionProperties"]["WitnessRegion"]
        for _, _, template in stacks
        for one in _of_type(template, "AWS::DSQL::Cluster")
    }
    return "\n".join(
        [
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1200 700" role="img" aria-label="Architecture">',
            f"<style>{_STYLE}</style>",
            "<defs>",
            *(
                f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" orient="auto-start-reverse" '
                f'markerUnits="userSpaceOnUse" markerWidth="10" markerHeight="10">'
                f'<path d="M0 0 8 4 0 8z" fill="{colour}"/></marker>'
                for name, colour in _ARROWS.items()
            ),
            "</defs>",
            '<rect width="1200" height="700" fill="#fff"/>',
            *_region(20, regions[0], [(name, one) for name, region, one in stacks if region == regions[0]]),
            *_region(770, regions[1], [(name, one) for name, region, one in stacks if region == regions[1]]),
            *_between(witness),
            *_people([320 + _height(one) for name, _, one in stacks if _of_type(one, "AWS::Events::Rule")]),
            "</svg>\n",
        ]
    )


def _of_type(template: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    return [one for one in template["Resources"].values() if one["Type"] == kind]


def _region(x: int, region: str, stacks: list[tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    yield f'<rect class="region" x="{x}" y="20" width="410" height="560" rx="6"/>'
    yield _label(x + 14, 44, region, "name")
    for y, (name, template) in zip((60, 320), stacks, strict=True):
        yield f'<rect class="stack" x="{x + 14}" y="{y}" width="382" height="{_height(template)}" rx="4"/>'
        yield _label(x + 26, y + 24, name, "name")
        for number, (title, what) in enumerate(_parts(template)):
            top = y + 36 + 44 * number
            yield f'<rect class="part" x="{x + 26}" y="{top}" width="358" height="38" rx="3"/>'
            yield _label(x + 36, top + 16, title)
            yield _label(x + 36, top + 32, what, "small")


def _height(template: Mapping[str, Any]) -> int:
    return 44 + 44 * len(list(_parts(template)))


def _parts(template: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a person should know of a stack, with what AWS calls it."""
    if _of_type(template, "AWS::DSQL::Cluster"):
        yield "Aurora DSQL cluster", "takes reads and writes; kept and protected by default"
    if _of_type(template, "Custom::DsqlClusterPeering"):
        yield "Parameter registry", "SSM, in both Regions: where both clusters are"
        yield "Peering", "peers both clusters, and repairs it on demand"
    for rule in _of_type(template, "AWS::Events::Rule"):
        every = rule["Properties"]["ScheduleExpression"].removeprefix("rate(").removesuffix(")")
        yield "Health monitor", f"Lambda, every {every}, at both clusters"
    if _of_type(template, "AWS::CloudWatch::Alarm"):
        composites = _of_type(template, "AWS::CloudWatch::CompositeAlarm")
        every_alarm = [*_of_type(template, "AWS::CloudWatch::Alarm"), *composites]
        notifying = [one for one in every_alarm if one["Properties"].get("AlarmActions")]
        yield f"{len(every_alarm)} alarms; {len(notifying)} notify", "CloudWatch: clusters, peering, the monitor"
    if _of_type(template, "AWS::SNS::Topic"):
        yield "Topic", "SNS, under a key of its own"
    if _of_type(template, "AWS::CloudWatch::Dashboard"):
        yield "Dashboard", "both Regions, with the runbook"


def _between(witness: str) -> Iterator[str]:
    yield _arrow("data", "M416 112 H784", both=True)
    yield _label(600, 94, "one database, strongly consistent", "small", "middle")
    yield '<rect class="region" x="500" y="132" width="200" height="62" rx="6"/>'
    yield _label(600, 156, witness, "name", "middle")
    yield _label(600, 178, "witness: the log, no endpoint", "small", "middle")
    yield _arrow("data", "M600 113 V130")
    yield _arrow("peers", "M794 204 H470 V122 H418")
    yield _label(600, 222, "peering makes each the other's peer", "small", "middle")
    yield _arrow("checks", "M416 370 H450 L750 250 V130 H782")
    yield _arrow("checks", "M784 370 H750 L450 250 V130 H418")
    yield _label(600, 396, "each monitor checks both", "small", "middle")
    yield _arrow("checks", "M46 375 H27 V115 H44")
    yield _arrow("checks", "M1154 375 H1173 V115 H1156")


def _people(bottoms: list[int]) -> Iterator[str]:
    yield '<rect class="people" x="450" y="620" width="300" height="50" rx="6"/>'
    yield _label(600, 641, "People", "name", "middle")
    yield _label(600, 659, "email, chat, on-call: one per fault and Region", "small", "middle")
    yield _arrow("notifies", f"M225 {bottoms[0]} V645 H448")
    yield _arrow("notifies", f"M975 {bottoms[1]} V645 H752")


def _label(x: int, y: int, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def _arrow(kind: str, path: str, *, both: bool = False) -> str:
    start = f' marker-start="url(#{kind})"' if both else ""
    return f'<path class="{kind}" d="{path}" marker-end="url(#{kind})"{start}/>'


def main() -> None:
    os.environ.setdefault("JSII_NODE", node())
    stacks = default_configuration()
    IMAGES.mkdir(exist_ok=True)
    (IMAGES / "architecture.svg").write_text(architecture(stacks))
    [(name, body)] = dashboard_picture.dashboards((region, one) for _, region, one in stacks).items()
    html = dashboard_picture.to_html(name, body)
    (IMAGES / "dashboard.html").write_text(html)
    dashboard_picture.to_png(html, IMAGES / "dashboard.png")
    report = drill_report.html(passed())
    (IMAGES / "drill-report.html").write_text(report)
    dashboard_picture.to_png(report, IMAGES / "drill-report.png", width=960)


if __name__ == "__main__":
    main()
