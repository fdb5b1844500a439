"""An app's dashboards as a person sees them: layout and texts of their templates, with sample data.

The data is of one fault: the endpoint of the first cluster cannot be reached for the last half hour.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

from ..runtime.health_monitor import metric_names as names
from .browser import in_browser

_ROW_PIXELS, _WIDTH = 46, 1440
_COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b")
_POINTS, _FAULT_AT = 90, 75
"""Datapoints of 2 minutes, and the first one of the fault."""
_TIMES = ("00:30", "02:00", "03:30")
_TYPICAL = {
    names.PROBE_LATENCY: 25.0,
    names.COMMIT_LATENCY: 30.0,
    names.READ_BACK_LATENCY: 4.0,
    "Duration": 400.0,
    "TotalTransactions": 1200.0,
    "ReadOnlyTransactions": 700.0,
    "OccConflicts": 6.0,
    "Invocations": 1.0,
}
_CONSTANT = frozenset({"Invocations"})
_NEVER = frozenset({"Errors", "FailedInvocations", "QueryTimeouts"})
_RUN_OF_A_FAULT = 20_400.0
"""Milliseconds that a run takes which probes the endpoint until its time is over."""
_PSEUDO = {"AWS::Partition": "aws", "AWS::AccountId": "111122223333", "AWS::URLSuffix": "amazonaws.com"}
_STYLE = """
body { margin: 0; padding: 16px; width: 1408px; background: #f2f3f3; color: #16191f; }
body { font: 13px "Open Sans", sans-serif; }
h1 { font-size: 20px; margin: 0 0 4px; }
.note { color: #545b64; margin: 0 0 12px; }
.grid { position: relative; }
.widget { position: absolute; box-sizing: border-box; padding: 8px 10px; overflow: hidden; }
.widget { background: #fff; border: 1px solid #d5dbdb; }
.widget h2 { font-size: 13px; line-height: 18px; margin: 0 0 4px; font-weight: 600; }
.sample { float: right; color: #879596; font-weight: 400; }
.legend { display: flex; flex-wrap: wrap; gap: 0 12px; font-size: 11px; line-height: 15px; }
.legend i { display: inline-block; width: 10px; height: 3px; margin-right: 4px; vertical-align: middle; }
.alarms { display: grid; grid-template-columns: 1fr 1fr 1fr; gap: 3px; font-size: 10.5px; line-height: 13px; }
.alarms .red { border-color: #d13212; background: #fdf3f1; font-weight: 600; }
.alarms div { border-left: 4px solid #1d8102; background: #f2f8f0; padding: 1px 5px; overflow-wrap: anywhere; }
svg text { font: 10px "Open Sans", sans-serif; fill: #545b64; }
.text { line-height: 1.4; font-size: 14px; }
.text h1, .text h2, .text h3 { font-size: 16px; margin: 2px 0; }
.text p { margin: 4px 0; }
.text pre { margin: 3px 0; white-space: pre-wrap; background: #f2f3f3; padding: 4px; }
.text code { font-size: 12px; overflow-wrap: anywhere; }
.text table { border-collapse: collapse; }
.text td, .text th { border: 1px solid #eaeded; padding: 2px 6px; text-align: left; vertical-align: top; }
"""


class _Markdown(MarkdownIt):
    """As CloudWatch has it: no HTML. A picture would be another host's, and a link leads to a web page."""

    def __init__(self) -> None:
        super().__init__("commonmark", {"html": False})
        self.enable("table").disable("image")

    def validateLink(self, url: str) -> bool:  # noqa: N802 - markdown-it's name
        return url.lower().startswith(("https://", "http://"))


def dashboards(templates: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Body of each dashboard by its name, from *templates*, each after its stack's Region."""
    found = {}
    for region, template in templates:
        for one in template.get("Resources", {}).values():
            if one["Type"] == "AWS::CloudWatch::Dashboard":
                properties = one["Properties"]
                name = _text(properties.get("DashboardName", "Dashboard"), template, region)
                found[name] = json.loads(_text(properties["DashboardBody"], template, region))
    return found


def _text(value: Any, template: Mapping[str, Any], region: str) -> str:
    """*value* with names for what only AWS knows."""
    if isinstance(value, str):
        return value
    if "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return str(separator).join(_text(one, template, region) for one in parts)
    if "Fn::Select" in value:
        return _text(value["Fn::Select"][1]["Fn::Split"][1], template, region)
    if "Fn::GetAtt" in value:
        return "-".join(value["Fn::GetAtt"])
    if "Ref" not in value:  # of another stack, say
        return "-".join(map(str, value.values()))
    reference = value["Ref"]
    default = template.get("Parameters", {}).get(reference, {}).get("Default", reference)
    known = {**_PSEUDO, "AWS::Region": region}
    return known.get(reference, str(default).rpartition("/dsql-dr/")[2].replace("/", "-"))


def to_html(name: str, body: Mapping[str, Any]) -> str:
    """One document that asks no other host."""
    widgets = list(body["widgets"])
    down = _first_cluster(widgets)
    story = f" The cluster in {down} is down since 03:00." if down else ""
    height = max(one["y"] + one["height"] for one in widgets) * _ROW_PIXELS
    return "\n".join(
        [
            "<!doctype html>",
            f'<html lang="en"><head><meta charset="utf-8"><title>{escape(name)}</title><style>{_STYLE}</style></head>',
            f"<body><h1>{escape(name)}</h1>",
            f'<p class="note">Layout, titles and metrics are the template\'s. All data is a sample.{story}</p>',
            f'<div class="grid" style="height:{height}px">',
            *(_widget(one, down) for one in widgets),
            "</div></body></html>",
        ]
    )


def to_png(html: str, output: Path, width: int = _WIDTH) -> None:
    """As Chromium draws it, without a network and without running anything that the HTML has.

    Raises:
        BrowserError: there is no browser here.
    """
    in_browser(
        """const viewport = { width: values.width, height: 800 };
        const tab = await browser.newPage({ viewport, javaScriptEnabled: false, offline: true });
        await tab.setContent(values.html);
        await tab.screenshot({ path: values.output, fullPage: true });""",
        html=html,
        output=str(output),
        width=width,
    )


def _widget(widget: Mapping[str, Any], down: str | None) -> str:
    unit = (_WIDTH - 32) / 24
    width, height = widget["width"] * unit - 8, widget["height"] * _ROW_PIXELS - 8
    place = f"left:{widget['x'] * unit:.0f}px;top:{widget['y'] * _ROW_PIXELS}px;width:{width:.0f}px;height:{height}px"
    properties = widget["properties"]
    if widget["type"] == "text":
        inside = f'<div class="text">{_Markdown().render(properties["markdown"])}</div>'
        return f'<section class="widget" style="{place}">{inside}</section>'
    title = f'<h2><span class="sample">sample</span>{escape(properties.get("title", ""))}</h2>'
    if widget["type"] == "alarm":
        inside = f'<div class="alarms">{"".join(_alarms(properties["alarms"], down))}</div>'
    else:
        inside = "".join(_graph(properties, down, width - 22, height - 42))
    return f'<section class="widget" style="{place}">{title}{inside}</section>'


def _first_cluster(widgets: Iterable[Mapping[str, Any]]) -> str | None:
    """Region of the first cluster whose health is shown."""
    metrics = (one for widget in widgets for one in widget["properties"].get("metrics", []))
    found = (_after(names.CLUSTER_REGION, one) for one in metrics if names.CLUSTER_HEALTH in one)
    return next(found, None)


def _after(word: str, metric: list[Any]) -> str | None:
    """The value of the dimension *word*."""
    return metric[metric.index(word) + 1] if word in metric else None


def _alarms(arns: Iterable[str], down: str | None) -> Iterator[str]:
    """Those of the fault first, as the last ones that changed."""
    for arn in sorted(arns, key=lambda one: not _is_of_fault(one, down)):
        region, name = arn.split(":", 6)[3::3]
        where = "" if name.endswith(region) else f" in {region}"
        kind, state = (' class="red"', "In alarm") if _is_of_fault(arn, down) else ("", "OK")
        yield f"<div{kind}>{state}: {escape(name + where)}</div>"


def _is_of_fault(arn: str, down: str | None) -> bool:
    return any(f"-{what}-{down}-from-" in arn for what in ("cluster-down", "cluster-health"))


def _graph(properties: Mapping[str, Any], down: str | None, width: float, height: float) -> Iterator[str]:
    shown = [one for one in properties.get("metrics", []) if _is_shown(one)]
    axis = properties.get("yAxis", {}).get("left", {})
    lines = [(_label(one), _sample(one, properties.get("region"), down, axis.get("max"))) for one in shown]
    legend_rows = _rows([len(label) * 6.4 + 26 for label, _ in lines], width)
    plot = max(30.0, height - 15 * legend_rows - 18)
    low, unit = float(axis.get("min", 0)), " ms" if axis.get("label") == "ms" else ""
    high = float(axis.get("max") or _round_up(max((max(values, default=0.0) for _, values in lines), default=1.0)))
    yield f'<svg width="{width:.0f}" height="{plot + 14:.0f}">'
    for share in (0.0, 0.5, 1.0):
        y = 8 + (plot - 12) * (1 - share)
        yield f'<line x1="40" x2="{width:.0f}" y1="{y:.1f}" y2="{y:.1f}" stroke="#eaeded"/>'
        yield f'<text x="0" y="{y + 4:.1f}">{low + (high - low) * share:g}{escape(unit)}</text>'
    for number, (_, values) in enumerate(lines):
        points = " ".join(
            f"{40 + (width - 46) * at / (_POINTS - 1):.1f},{8 + (plot - 12) * (1 - value / high) + number:.1f}"
            for at, value in enumerate(values)
        )
        yield f'<polyline fill="none" stroke="{_COLOURS[number % 6]}" stroke-width="1.5" points="{points}"/>'
    for share, anchor, when in zip((0.0, 0.5, 1.0), ("start", "middle", "end"), _TIMES, strict=True):
        yield f'<text x="{40 + (width - 46) * share:.0f}" y="{plot + 12:.0f}" text-anchor="{anchor}">{when}</text>'
    yield '</svg><div class="legend">'
    for number, (label, _) in enumerate(lines):
        yield f'<span><i style="background:{_COLOURS[number % 6]}"></i>{escape(label)}</span>'
    yield "</div>"


def _rows(widths: Iterable[float], width: float) -> int:
    """Lines that entries of these *widths* take."""
    rows, left = 1, width
    for one in widths:
        if one > left:
            rows, left = rows + 1, width
        left -= one
    return rows


def _is_shown(metric: list[Any]) -> bool:
    return not (isinstance(metric[-1], dict) and metric[-1].get("visible") is False)


def _label(metric: list[Any]) -> str:
    options = metric[-1] if isinstance(metric[-1], dict) else {}
    return str(options.get("label") or (metric[1] if len(metric) > 1 else options.get("expression", "")))


def _round_up(value: float) -> float:
    """To one digit, with some room above."""
    step = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return step * math.ceil(1.1 * value / step)


def _sample(metric: list[Any], region: str | None, down: str | None, high: float | None) -> list[float]:
    """The same at every drawing, and of one fault; without data it ends where the fault begins."""
    name = metric[1] if len(metric) > 1 else _label(metric)
    options = metric[-1] if isinstance(metric[-1], dict) else {}
    is_down = down is not None and (_after(names.CLUSTER_REGION, metric) or options.get("region") or region) == down
    if high == 1:
        falls = is_down and name in (names.CLUSTER_HEALTH, names.ENDPOINT_REACHABLE, names.SQL_SERVES)
        return [0.0 if falls and at >= _FAULT_AT else 1.0 for at in range(_POINTS)]
    if name in _NEVER:
        return [0.0] * _POINTS
    shift = sum(map(ord, f"{metric}")) % 17
    typical = _TYPICAL.get(name, 40.0 + 3 * shift)
    waves = [typical * (1 + (name not in _CONSTANT) * 0.15 * math.sin((at + 4 * shift) / 6)) for at in range(_POINTS)]
    before, after = waves[:_FAULT_AT], waves[_FAULT_AT:]
    if down is None or name in _CONSTANT:
        return waves
    if name == "Duration":
        return [*before, *([_RUN_OF_A_FAULT] * len(after))]
    if name in (names.PROBE_LATENCY, names.COMMIT_LATENCY, names.READ_BACK_LATENCY):
        return before if is_down else waves
    return [*before, *(0.0 if is_down else 1.9 * one for one in after)]  # the application went to the other cluster
