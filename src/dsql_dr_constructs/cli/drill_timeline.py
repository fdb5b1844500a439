"""The picture of a drill: a line for each thing that lasted, over the minutes since the fault began.

Every line has a height of its own, and the time of a bar's beginning is left of it, that of its end right of it. So no
text meets another, however close together all of it happened.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from math import ceil, floor
from xml.etree.ElementTree import Element

from ..runtime.health_monitor.metric_names import VERDICTS
from .drill_result import DrillResult, Kind, Moment
from .markup import element

_TIME, _NAME, _BREAK, _TICK = 54.0, 156.0, 44.0, 48.0
"""Widths in pixels: of a time beside a bar, of a name, of the place where the axis is cut, between ticks at least."""
_LONG_GAP = 0.55
"""Share of the whole time from which a gap without any moment is cut."""
_STEPS = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 240)
"""Minutes between ticks."""
_HEADING, _ABOVE, _BESIDE = 28, 36, 22
"""Heights in pixels: of a lane's heading, and of a line with its name above it or beside it."""
_OWN: tuple[Kind, ...] = ("started", "fault", "fault-ended", "ended")
"""Moments that no observer sees."""


@dataclass(frozen=True)
class _Line:
    """What lasted from *start* to *end*, in seconds since the fault; without an end it is not over."""

    name: str
    style: str
    start: float | None = None
    end: float | None = None


def fault_began(result: DrillResult) -> float | None:
    """Seconds since 1970; None if no fault was made."""
    return next((one.at for one in result.moments if one.kind == "fault"), None)


def minutes(seconds: float) -> str:
    """``3:07`` is 3 minutes and 7 seconds."""
    whole = round(abs(seconds))
    return f"{'-' if seconds < 0 and whole else ''}{whole // 60}:{whole % 60:02}"


class Axis:
    """Where a time is on a line of *width* pixels that begins at *left*; one long gap without a moment is cut.

    Args:
        times: Seconds since the fault, of all moments.
        left: Pixels.
        width: Pixels.
    """

    def __init__(self, times: Iterable[float], left: float, width: float) -> None:
        ordered = sorted({0.0, *times})
        self.first, self.last = ordered[0], max(ordered[-1], ordered[0] + 1)
        self._left = left
        gaps = list(pairwise(ordered))
        longest = max(gaps, key=lambda gap: gap[1] - gap[0], default=(0.0, 0.0))
        long = len(gaps) > 1 and longest[1] - longest[0] > _LONG_GAP * (self.last - self.first)
        self.gap = longest if long else None
        """Its seconds since the fault."""
        drawn = self.last - self.first - (longest[1] - longest[0] if long else 0.0)
        self._scale = (width - (_BREAK if long else 0.0)) / drawn

    def x(self, seconds: float) -> float:
        """Pixels."""
        x = self._left + (seconds - self.first) * self._scale
        if self.gap and seconds > self.gap[0]:
            begin, end = self.gap
            x += min(1.0, (seconds - begin) / (end - begin)) * (_BREAK - (end - begin) * self._scale)
        return round(x, 1)

    def ticks(self) -> Iterator[float]:
        """Whole steps in minutes, none in the gap."""
        step = next((one for one in _STEPS if one * 60 * self._scale >= _TICK), _STEPS[-1])
        for number in range(ceil(self.first / 60 / step), floor(self.last / 60 / step) + 1):
            if not (self.gap and self.gap[0] < number * step * 60 < self.gap[1]):
                yield number * step


def timeline(result: DrillResult, width: int, *, names_beside: bool) -> Element | None:
    """SVG of a drill; None if no fault was made.

    Args:
        result: The drill.
        width: In pixels; texts keep their size.
        names_beside: Whether the name of a line is beside it, and not above it, which needs less width.
    """
    began = fault_began(result)
    if began is None:
        return None
    left = _TIME + (_NAME if names_beside else 0.0)
    axis = Axis((one.at - began for one in result.moments), left, width - left - _TIME)
    drawing = _Drawing(axis, width, names_beside=names_beside)
    for name, lines in _lanes(result, began):
        drawing.lane(name, lines)
    over = next((one.at - began for one in result.moments if one.kind == "fault-ended"), None)
    return drawing.svg(axis.x(0), axis.x(axis.last if over is None else over))


def _lanes(result: DrillResult, began: float) -> Iterator[tuple[str, list[_Line]]]:
    own = {one.kind: one.at - began for one in reversed(result.moments) if one.kind in _OWN}
    yield (
        f"Experiment in {result.region}",
        [
            _Line("drill", "drill", own.get("started", 0.0), own.get("ended")),
            _Line(f"fault, {result.share} %", "fault", 0.0, own.get("fault-ended")),
        ],
    )
    seen = [one for one in result.moments if one.kind not in _OWN]
    for region in dict.fromkeys([*result.observers, *(one.region for one in seen)]):
        where = ", where the fault is" if region == result.region else ""
        yield f"Seen from {region}{where}", list(_lines([one for one in seen if one.region == region], began))


def _lines(moments: Sequence[Moment], began: float) -> Iterator[_Line]:
    """Of one observer: all four, so that what was not seen is visible, too."""
    changes = [one for one in moments if one.kind in ("verdict", "recovered")]
    verdicts = [
        _Line(_verdict(one.text), "verdict", one.at - began, after.at - began if after else None)
        for one, after in zip_longest(changes, changes[1:])
        if one.kind == "verdict"
    ]
    yield from verdicts or [_Line("verdict", "verdict")]
    point = next((one.at - began for one in moments if one.kind == "datapoint"), None)
    yield _Line("first bad datapoint", "point", point, point)
    yield from _while_open("in ALARM", "alarm", moments, began, "alarm", "ok")
    yield from _while_open("notified", "notification", moments, began, "notification", "ok-notification")


def _while_open(
    name: str, style: str, moments: Iterable[Moment], began: float, begin: Kind, end: Kind
) -> Iterator[_Line]:
    """While there were more of *begin* than of *end*: several alarms can be in ALARM at once."""
    count, start, found = 0, 0.0, False
    for one in moments:
        if one.kind == begin:
            start = start if count else one.at - began
            count, found = count + 1, True
        elif one.kind == end and count:
            count -= 1
            if not count:
                yield _Line(name, style, start, one.at - began)
    if count or not found:
        yield _Line(name, style, start if found else None)


def _verdict(text: str) -> str:
    return next((one for one in re.findall("[A-Z_]+|no verdict", text) if one in (*VERDICTS, "no verdict")), "verdict")


class _Drawing:
    """Lanes one below the other; shapes are below all texts."""

    def __init__(self, axis: Axis, width: int, *, names_beside: bool) -> None:
        self._axis, self._width, self._beside = axis, width, names_beside
        self._bottom = 0
        self._shapes: list[Element] = []
        self._texts: list[Element] = []

    def lane(self, name: str, lines: Iterable[_Line]) -> None:
        if self._bottom:
            self._shape("line", "lane", x1=0, x2=self._width, y1=self._bottom + 4, y2=self._bottom + 4)
        self._text(0, self._bottom + 22, name, "heading")
        self._bottom += _HEADING
        for one in lines:
            self._line(one)
            self._bottom += _BESIDE if self._beside else _ABOVE

    def _line(self, line: _Line) -> None:
        self._text(0, self._bottom + 15, line.name)
        top = self._bottom + (3 if self._beside else 20)
        if line.start is None:
            self._text(self._axis.x(0) + 6, top + 12, "not seen", "never")
            return
        start, end = self._axis.x(line.start), self._axis.x(self._axis.last if line.end is None else line.end)
        if line.end == line.start:
            self._shape("path", line.style, d=f"M{start} {top + 1}l7 7-7 7-7-7z")
            self._text(start - 11, top + 12, minutes(line.start), anchor="end")
            return
        over = "" if line.end is not None else " open"
        self._shape("rect", line.style + over, x=start, y=top + 2, width=max(2.0, round(end - start, 1)), height=12)
        self._text(start - 5, top + 12, minutes(line.start), anchor="end")
        self._text(max(end, start + 2) + 5, top + 12, "not over" if line.end is None else minutes(line.end))

    def svg(self, fault_left: float, fault_right: float) -> Element:
        """All lanes with the fault as a band behind them, and the axis below."""
        bottom, hatch = self._bottom + 6, f"hatch-{self._width}"
        stripe = element("path", class_="stripe", d="M0 8 8 0")
        pattern = element("pattern", stripe, id=hatch, width=8, height=8, patternUnits="userSpaceOnUse")
        band = {"x": fault_left, "y": _HEADING, "width": max(2.0, round(fault_right - fault_left, 1))}
        behind = [
            element("rect", class_="band", height=bottom - _HEADING, **band),
            element("rect", fill=f"url(#{hatch})", height=bottom - _HEADING, **band),
            *self._ticks(bottom),
        ]
        cut = list(self._cut(bottom))
        more = 16 if cut else 0
        label = "Timeline of the drill. All of its times are in the table of moments."
        return element(
            "svg",
            element("defs", pattern),
            *behind,
            *self._shapes,
            *cut,
            *self._texts,
            viewBox=f"0 0 {self._width} {bottom + 42 + more}",
            role="img",
            aria_label=label,
        )

    def _ticks(self, bottom: float) -> Iterator[Element]:
        left, right = self._axis.x(self._axis.first), self._axis.x(self._axis.last)
        yield element("line", class_="axis", x1=left, x2=right, y1=bottom, y2=bottom)
        for one in self._axis.ticks():
            x = self._axis.x(one * 60)
            yield element("line", class_="tick", x1=x, x2=x, y1=_HEADING, y2=bottom + 4)
            self._text(x, bottom + 17, f"{one:g}", anchor="middle")
        self._text(self._width, bottom + 35, "minutes since the fault began", anchor="end")

    def _cut(self, bottom: float) -> Iterator[Element]:
        if self._axis.gap:
            begin, end = self._axis.gap
            left, right = self._axis.x(begin) + 14, self._axis.x(end) - 14
            yield element("rect", class_="cut", x=left, y=_HEADING, width=right - left, height=bottom - _HEADING + 1)
            for x in (left, right):
                yield element("line", class_="axis", x1=x - 3, x2=x + 3, y1=bottom + 5, y2=bottom - 5)
            text = f"cut: {minutes(end - begin)} in which nothing changed"
            self._text(self._width, bottom + 51, text, anchor="end")

    def _shape(self, tag: str, style: str, **attributes: object) -> None:
        self._shapes.append(element(tag, class_=style, **attributes))

    def _text(self, x: float, y: float, text: str, style: str = "", anchor: str = "start") -> None:
        self._texts.append(element("text", text, class_=style, x=round(x, 1), y=y, text_anchor=anchor))
