"""The report of a drill, for whoever was on call and for an auditor: one file that needs no network and no script."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from xml.etree.ElementTree import Element

from .drill_result import DrillResult, Measure
from .drill_style import POLICY, STYLE
from .drill_timeline import fault_began, minutes, timeline
from .drill_times import in_words
from .markup import document, element

_WIDE, _NARROW = 760, 320
"""Widths of the picture in pixels."""
_MEASURED = {
    "detection": "from the fault to the first verdict that reports it",
    "alarm": "from the fault to ALARM",
    "notification": "from the fault to the notification's arrival",
    "recovery": "from the end of the fault until all monitors report HEALTHY",
    "all-clear": "from the end of the fault to the last notification of OK",
}


def html(result: DrillResult) -> str:
    """One document, which asks no host for anything."""
    when = f", {_utc(result.moments[0].at)[:10]}" if result.moments else ""
    title = f"Drill of {result.deployment} in {result.region}{when}"
    head = [
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{title}: {_outcome(passed=result.passed)}"),
        element("style", STYLE),
    ]
    body = [
        element("h1", title),
        *_result(result),
        _section("What was done", *_done(result)),
        _section("Timeline", *_picture(result)),
        _section("Measured times and objectives", _measures(result.measures)),
        _section("What happened", _moments(result), whole=False),
        _section("What this drill does not prove", _listed(result.not_proven, "No limit was recorded."), id_="limits"),
        _section("What is left", _listed(result.left, "Nothing: whatever the drill made was removed again.")),
        _section("Versions", *_versions(result)),
    ]
    return document(element("html", element("head", *head), element("body", *body), lang="en"))


def _outcome(*, passed: bool) -> str:
    return "Passed" if passed else "Failed"


def _section(title: str, *inside: Element, whole: bool = True, id_: str = "") -> Element:
    name = {"id": id_} if id_ else {}
    return element("section", element("h2", title, **name), *inside, class_="whole" if whole else "long")


def _listed(sentences: Sequence[str], none: str) -> Element:
    return element("ul", *(element("li", one) for one in sentences)) if sentences else element("p", none)


def _result(result: DrillResult) -> Iterator[Element]:
    if result.emulated:
        yield element(
            "p",
            "This drill ran on the local AWS emulator. It proves nothing about AWS. Times are given as if the "
            "emulator's minutes were real ones.",
            class_="emulated",
        )
    reasons = list(_reasons(result))
    before = "" if result.experiment else "No experiment was started. "
    sentence = before + (reasons[0] if len(reasons) == 1 else f"{len(reasons)} reasons.")
    line = element("p", element("strong", f"{_outcome(passed=result.passed)}: "), sentence)
    kind = "passed" if result.passed else "failed"
    yield element("div", line, *([_listed(reasons, "")] if len(reasons) > 1 else []), class_=f"result {kind}")
    if result.not_proven:
        link = element("a", "What this drill does not prove", href="#limits")
        yield element("p", link, f": {_counted(len(result.not_proven), 'point')}.", class_="note")


def _reasons(result: DrillResult) -> Iterator[str]:
    """Why it failed, or the one sentence that says what passed."""
    yield from result.failures
    for one in result.measures:
        if one.passed is False and result.experiment:
            took = "was not seen" if one.seconds is None else f"took {_at_most(one.seconds)}"
            yield f"The objective {one.name} of {in_words(one.objective or 0)} was missed: it {took}."
    if result.left:
        yield f"{_counted(len(result.left), 'thing')} that the drill made could not be removed."
    if result.passed:
        met = sum(one.passed is True for one in result.measures)
        yield (
            f"{_counted(met, 'objective')} met, and nothing is left."
            if met
            else "Nothing failed; no objective was given."
        )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _done(result: DrillResult) -> Iterator[Element]:
    share = f"{result.share} % of the connections to the cluster in {result.region}"
    facts: list[tuple[str, Element | str]] = [
        ("Pair", result.deployment),
        *((f"Cluster in {region}", element("code", arn)) for region, arn in result.clusters.items()),
        ("Account", element("code", result.account)),
        ("Requested fault", f"{share}, for {in_words(result.duration_seconds)}"),
        ("Fault that was made", _fault(result)),
        ("Observers", ", ".join(result.observers) or "none"),
        ("Run by", element("code", result.caller)),
        ("Role of the experiment", element("code", result.role)),
        ("Experiment", element("code", result.experiment) if result.experiment else "none was started"),
        ("Experiment template", element("code", result.template)),
        ("State of the experiment", f"{result.state}: {result.reason}" if result.reason else result.state),
        *((f"Action {name}", state) for name, state in result.actions.items()),
        ("Alarm required", "yes" if result.alarm_required else "no"),
        ("Alarms that would stop it", element("code", ", ".join(result.stop_alarms) or "none")),
        ("Log of AWS FIS", element("code", result.log_group or "none")),
    ]
    yield element("dl", *(one for name, fact in facts for one in (element("dt", name), element("dd", fact))))


def _fault(result: DrillResult) -> str:
    began = fault_began(result)
    if began is None:
        return "none was made"
    over = next((one.at for one in result.moments if one.kind == "fault-ended"), None)
    until = "on; its end was not seen" if over is None else f"to {_utc(over)}, {in_words(over - began)}"
    return f"from {_utc(began)} {until}"


def _picture(result: DrillResult) -> Iterator[Element]:
    """Twice, since texts of a picture that is made smaller cannot be read on a phone."""
    for width, name in ((_WIDE, "wide"), (_NARROW, "narrow")):
        drawn = timeline(result, width, names_beside=width == _WIDE)
        if drawn is None:
            yield element("p", "No connection was made to fail, so there is nothing to draw.")
            return
        yield element("figure", drawn, class_=name)
    yield element("p", "The hatched area is the fault. Times are minutes and seconds since it began.", class_="note")


def _measures(measures: Iterable[Measure]) -> Element:
    rows = [
        (
            element("span", element("b", one.name), f", {_MEASURED[one.name]}" if one.name in _MEASURED else ""),
            "not seen" if one.seconds is None else _at_most(one.seconds),
            "none" if one.objective is None else f"at most {in_words(one.objective)}",
            element("b", _judged(one)),
        )
        for one in measures
    ]
    named = "exact named"
    columns = {"Time, of the slowest Region": "", "Measured": named, "Objective": named, "Result": named}
    return _table(columns, rows, "Nothing was measured.")


def _at_most(seconds: float) -> str:
    """Up to the next second, so that what missed its objective is never written like it."""
    return in_words(math.ceil(round(seconds, 3)))


def _judged(measure: Measure) -> str:
    if measure.passed is None:
        return "Not measured" if measure.seconds is None else "Measured only"
    return _outcome(passed=measure.passed)


def _moments(result: DrillResult) -> Element:
    began = fault_began(result)
    rows = [
        (
            _utc(one.at),
            "" if began is None else f"{'' if one.at < began else '+'}{minutes(one.at - began)}",
            one.region,
            element("b" if one.kind in ("fault", "fault-ended") else "span", one.text),
        )
        for one in result.moments
    ]
    columns = {"Time": "exact", "Since the fault (min:s)": "exact", "Region": "exact", "What": ""}
    return _table(columns, rows, "Nothing was recorded.")


def _versions(result: DrillResult) -> Iterator[Element]:
    yield element("p", f"The drill ran with dsql-dr-constructs {result.version}.")
    yield element("p", "SHA-256 of each stack's template, as sha256sum prints it for the stack's file in cdk.out:")
    rows = [(name, element("code", digest)) for name, digest in sorted(result.templates.items())]
    yield _table({"Stack": "", "SHA-256": ""}, rows, "No template was read.")


def _table(columns: Mapping[str, str], rows: Sequence[Sequence[Element | str]], none: str) -> Element:
    """Names of columns with the class of their cells."""
    if not rows:
        return element("p", none)
    heads = element("thead", element("tr", *(element("th", one, scope="col") for one in columns)))
    body = [
        element(
            "tr",
            *(
                element("td", cell, class_=columns[name], data_name=name)
                for name, cell in zip(columns, row, strict=True)
            ),
        )
        for row in rows
    ]
    return element("table", heads, element("tbody", *body))


def _utc(at: float) -> str:
    return f"{datetime.fromtimestamp(at, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
