"""An app's dashboards as a person sees them: layout and texts of their templates, with data that is a sample."""

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
_POINTS = 90
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
    """One page that asks no other host."""
    widgets = list(body["widgets"])
    height = max(one["y"] + one["height"] for one in widgets) * _ROW_PIXELS
    return "\n".join(
        [
            "<!doctype html>",
            f'<html lang="en"><head><meta charset="utf-8"><title>{escape(name)}</title><style>{_STYLE}</style></head>',
            f"<body><h1>{escape(name)}</h1>",
            '<p class="note">Layout, titles and metrics are the template\'s. All data is a sample.</p>',
            f'<div class="grid" style="height:{height}px">',
            *(_widget(one) for one in widgets),
            "</div></body></html>",
        ]
    )


def to_png(html: str, output: Path) -> None:
    """As Chromium draws it, without a network and without running what a page may bring along.

    Raises:
        BrowserError: there is no browser here.
    """
    in_browser(
        """const viewport = { width: values.width, height: 800 };
        const page = await browser.newPage({ viewport, javaScriptEnabled: false, offline: true });
        await page.setContent(values.html);
        await page.screenshot({ path: values.output, fullPage: true });""",
        html=html,
        output=str(output),
        width=_WIDTH,
    )


def _widget(widget: Mapping[str, Any]) -> str:
    unit = (_WIDTH - 32) / 24
    width, height = widget["width"] * unit - 8, widget["height"] * _ROW_PIXELS - 8
    place = f"left:{widget['x'] * unit:.0f}px;top:{widget['y'] * _ROW_PIXELS}px;width:{width:.0f}px;height:{height}px"
    properties = widget["properties"]
    if widget["type"] == "text":
        inside = f'<div class="text">{_Markdown().render(properties["markdown"])}</div>'
        return f'<section class="widget" style="{place}">{inside}</section>'
    title = f'<h2><span class="sample">sample</span>{escape(properties.get("title", ""))}</h2>'
    if widget["type"] == "alarm":
        alarms = "".join(f"<div>{escape(_alarm(arn))}</div>" for arn in properties["alarms"])
        inside = f'<div class="alarms">{alarms}</div>'
    else:
        inside = "".join(_graph(properties, width - 22, height - 42))
    return f'<section class="widget" style="{place}">{title}{inside}</section>'


def _alarm(arn: str) -> str:
    parts = arn.split(":", 6)
    return f"{parts[6]} in {parts[3]}"


def _graph(properties: Mapping[str, Any], width: float, height: float) -> Iterator[str]:
    lines = [(_label(one), _label(one, full=True)) for one in properties.get("metrics", []) if _is_shown(one)]
    legend_rows = _rows([len(label) * 6.4 + 26 for label, _ in lines], width)
    plot = max(30.0, height - 15 * legend_rows - 18)
    low, high, unit = _axis(properties)
    yield f'<svg width="{width:.0f}" height="{plot + 14:.0f}">'
    for share in (0.0, 0.5, 1.0):
        y = 8 + (plot - 12) * (1 - share)
        yield f'<line x1="40" x2="{width:.0f}" y1="{y:.1f}" y2="{y:.1f}" stroke="#eaeded"/>'
        yield f'<text x="0" y="{y + 4:.1f}">{low + (high - low) * share:g}{escape(unit)}</text>'
    for number, (_, full) in enumerate(lines):
        falls = names.CLUSTER_HEALTH in full and number >= len(lines) / 2  # the second cluster
        values = _sample(full, high, falls=falls)
        points = " ".join(
            f"{40 + (width - 46) * at / (_POINTS - 1):.1f},{8 + (plot - 12) * (1 - value / high) + number:.1f}"
            for at, value in enumerate(values)
        )
        yield f'<polyline fill="none" stroke="{_COLOURS[number % 6]}" stroke-width="1.5" points="{points}"/>'
    for share, when in ((0.0, "3 hours ago"), (1.0, "now")):
        anchor = "start" if share == 0 else "end"
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


def _label(metric: list[Any], *, full: bool = False) -> str:
    options = metric[-1] if isinstance(metric[-1], dict) else {}
    parts = [one for one in metric if isinstance(one, str)]
    label = options.get("label") or (parts[1] if len(parts) > 1 else options.get("expression", ""))
    return f"{parts} {label}" if full else str(label)


def _axis(properties: Mapping[str, Any]) -> tuple[float, float, str]:
    left = properties.get("yAxis", {}).get("left", {})
    unit = " ms" if left.get("label") == "ms" else ""
    return float(left.get("min", 0)), float(left.get("max", 100 if unit else 40)), unit


def _sample(metric: str, high: float, *, falls: bool) -> list[float]:
    """The same at every drawing: up, perhaps with one short fall, or waves whose place comes from the metric's name."""
    shift = sum(map(ord, metric)) % 17
    if high == 1:
        return [0.0 if falls and 50 <= at < 56 else 1.0 for at in range(_POINTS)]
    if any(word in metric for word in ("Errors", "Failed", "Timeouts", "Conflicts")):
        return [high * 0.06 if at % 31 == shift else 0.0 for at in range(_POINTS)]
    return [high * (0.35 + 0.02 * shift + 0.08 * math.sin((at + 4 * shift) / 6)) for at in range(_POINTS)]
