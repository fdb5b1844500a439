"""The report of a drill: its facts, and how a real browser shows and prints it."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest

from dsql_dr_constructs.cli.browser import in_browser
from dsql_dr_constructs.cli.drill_report import html
from dsql_dr_constructs.cli.drill_result import DrillResult, Measure
from dsql_dr_constructs.cli.drill_timeline import Axis, minutes
from tests.cli.drill_results import (
    BEGAN,
    CASES,
    FAILED,
    OTHER,
    failed,
    halted,
    hostile,
    measured,
    moment,
    one_observer,
    passed,
    refused,
    result,
    twelve_hours,
    within_seconds,
)
from tests.drawn_text import NOT_DRAWN

ROOT = Path(__file__).parents[2]
SECTIONS = [
    "What was done",
    "Timeline",
    "Measured times and objectives",
    "What happened",
    "What this drill does not prove",
    "What is left",
    "Versions",
]
WIDTHS = (320, 768, 1440)
PAPER = {"A4": 718, "Letter": 740}
"""Each with the pixels between margins of 1 cm, which browsers have."""
USE = """
const tab = await browser.newPage({ offline: true });
const said = [], asked = [];
tab.on('console', one => said.push(one.text()));
tab.on('pageerror', one => said.push(String(one)));
tab.on('request', one => asked.push(one.url()));
const layout = () => tab.evaluate(() => {
  const texts = (root, found = []) => {
    const nodes = document.createTreeWalker(root, NodeFilter.SHOW_TEXT), range = document.createRange();
    while (nodes.nextNode()) {
      if (!nodes.currentNode.data.trim() || !nodes.currentNode.parentElement.checkVisibility()) continue;
      range.selectNodeContents(nodes.currentNode);
      const { left, right, top, bottom } = range.getBoundingClientRect();
      found.push({ text: nodes.currentNode.data.trim(), left, right, top, bottom });
    }
    return found;
  };
  return {
    width: document.documentElement.clientWidth,
    needed: document.documentElement.scrollWidth,
    texts: texts(document.body),
    drawn: [...document.querySelectorAll('svg')].flatMap(one => texts(one)),
    pictures: [...document.querySelectorAll('svg')].filter(one => one.checkVisibility())
      .map(one => one.getBoundingClientRect().toJSON()),
    spills: [...document.querySelectorAll('body, body *:not(svg *)')].filter(one => one instanceof HTMLElement
      && getComputedStyle(one).display !== 'inline' && one.scrollWidth > one.clientWidth + 1).map(one => one.outerHTML),
  };
});
const found = {}, blank = {}, printed = {};
for (const [name, file] of Object.entries(values.files)) {
  await tab.goto(file);
  found[name] = { title: await tab.title() };
  for (const width of values.widths) {
    await tab.setViewportSize({ width, height: 800 });
    found[name][width] = await layout();
  }
  await tab.emulateMedia({ media: 'print' });
  for (const [format, width] of Object.entries(values.paper)) {
    await tab.setViewportSize({ width, height: 1000 });
    found[name][format] = await layout();
  }
  await tab.emulateMedia({ media: 'screen' });
  if (!values.printed.includes(name)) continue;
  for (const colorScheme of ['dark', 'light']) {
    await tab.emulateMedia({ colorScheme });
    blank[`${name}, ${colorScheme}`] = await notDrawn(tab, 'body');
  }
  for (const format of Object.keys(values.paper)) {
    const margin = Object.fromEntries(['top', 'right', 'bottom', 'left'].map(side => [side, '1cm']));
    printed[`${name}, ${format}`] = (await tab.pdf({ format, margin, tagged: true, outline: true })).toString('base64');
  }
}
return { found, blank, printed, said, asked };
"""


class _Text(HTMLParser):
    """What a person reads, and every element."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.headings: list[str] = []
        self.texts: list[str] = []
        self.feed(document)
        self.all = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] == ["style"] or not data.strip():
            return
        if self.tags[-1] == "h2":
            self.headings.append(data)
            self.tags.append("")  # what follows is not of the heading
        self.texts.append(data)


def text(drill: DrillResult) -> str:
    return _Text(html(drill)).all


def section(drill: DrillResult, name: str) -> str:
    [found] = re.findall(f"<h2[^>]*>{name}</h2>.*?</section>", html(drill), re.DOTALL)
    return _Text(found).all


@pytest.mark.parametrize("drill", [passed(), failed(), refused(), halted(), within_seconds()])
def test_every_fact_of_a_drill_is_in_its_report(drill: DrillResult) -> None:
    facts = [
        *(drill.deployment, drill.region, drill.account, drill.caller, drill.role, drill.experiment, drill.template),
        *(drill.state, drill.reason, drill.version, f"{drill.share} %"),
        *(*drill.observers, *drill.failures, *drill.not_proven, *drill.left),
        *(*drill.templates, *drill.templates.values()),
        *(fact for one in drill.moments for fact in (one.region, one.text)),
        *(one.name for one in drill.measures),
    ]
    shown = text(drill)
    assert len(facts) > 25
    assert [one for one in facts if " ".join(one.split()) not in shown] == []
    assert shown.count("Passed:") + shown.count("Failed:") >= 1


def test_sections_are_in_the_order_in_which_they_are_read() -> None:
    assert [_Text(html(one)).headings for one in (passed(), refused())] == [SECTIONS, SECTIONS]


def test_result_is_in_one_line_and_title() -> None:
    title = "Drill of Orders-production in us-west-2, 2026-11-26"
    assert text(passed()).startswith(f"{title}: Passed {title} Passed: 3 objectives met, and nothing is left.")
    assert text(halted()).startswith(
        f"{title}: Failed {title} Failed: It was stopped: Experiment halted by stop condition."
    )
    without = replace(passed(), measures=measured(detection=(71, None)))
    assert "Passed: Nothing failed; no objective was given." in text(without)


def test_failed_drill_begins_with_every_reason() -> None:
    shown = text(failed()).partition("What was done")[0]
    assert "Failed: 5 reasons." in shown
    assert "The objective notification of 6 min 00 s was missed: it took 7 min 04 s." in shown
    assert "The objective recovery of 10 min 00 s was missed: it was not seen." in shown
    assert "1 thing that the drill made could not be removed." in shown
    assert all(one in shown for one in failed().failures)


def test_refused_drill_says_that_nothing_was_done() -> None:
    drill = replace(refused(), measures=measured(notification=(None, 360)))
    shown = text(drill)
    assert "Failed: No experiment was started. The pair is not healthy" in shown
    assert "was missed" not in shown
    assert "No connection was made to fail, so there is nothing to draw." in section(drill, "Timeline")
    assert "Nothing was recorded." in section(drill, "What happened")
    assert "<svg" not in html(drill)


def test_measured_times_stand_beside_their_objectives_in_words() -> None:
    shown = section(failed(), "Measured times and objectives")
    assert "verdict that reports it 2 min 41 s at most 5 min 00 s Passed" in shown
    assert "from the fault to ALARM 7 min 01 s none Measured only" in shown
    assert "the notification's arrival 7 min 04 s at most 6 min 00 s Failed" in shown
    assert "report HEALTHY not seen at most 10 min 00 s Failed" in shown
    assert "notification of OK not seen none Not measured" in shown


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "0 s"),
        (6.2, "7 s"),
        (360, "6 min 00 s"),
        (360.01, "6 min 01 s"),
        (43_200, "720 min 00 s"),
    ],
)
def test_time_that_missed_its_objective_is_never_written_like_it(seconds: float, written: str) -> None:
    one = Measure(name="notification", seconds=seconds, objective=None)
    assert f"arrival {written} none" in section(result([], [one]), "Measured times and objectives")


def test_each_moment_has_its_time_in_utc_and_since_the_fault() -> None:
    shown = section(passed(), "What happened")
    assert "2026-11-26 10:04:41 UTC -0:31 us-west-2 Experiment EXPaBcDeFgHiJkLmN began." in shown
    assert "2026-11-26 10:05:12 UTC +0:00 us-west-2 100 % of the connections" in shown
    assert (
        "2026-11-26 10:08:03 UTC +2:51 us-east-1 Notification in us-east-1: ALARM of cluster-down-us-west-2." in shown
    )
    assert shown.count(" UTC ") == len(passed().moments)


def test_report_of_the_emulator_begins_with_what_it_does_not_prove() -> None:
    sentence = "This drill ran on the local AWS emulator. It proves nothing about AWS."
    before_result = text(within_seconds()).partition("Passed: ")[0]
    assert sentence in before_result
    assert "emulator" not in text(passed())


def test_what_is_not_proven_is_announced_beside_the_result() -> None:
    assert "What this drill does not prove : 3 points." in text(passed()).partition("What was done")[0]


def test_texts_of_aws_are_no_html() -> None:
    read, plain = _Text(html(hostile())), _Text(html(CASES["three_observers"]))
    assert set(read.tags) == set(plain.tags)
    assert {"script", "img"} & set(read.tags) == set()
    assert read.all.count('<script>document.title = "hostile"</script>') > 40
    assert "<b>7</b>" in read.all


def drawn(drill: DrillResult) -> list[str]:
    """Texts of the picture, in the order of its lanes."""
    return re.findall("<text[^>]*>([^<]*)</text>", html(drill).partition("</svg>")[0])


def test_picture_has_a_lane_for_each_observer() -> None:
    shown = drawn(passed())
    begin = shown.index("Seen from us-east-1")
    assert shown[begin : begin + 12] == [
        "Seen from us-east-1",
        *("CLUSTER_DOWN", "0:48", "10:48"),
        *("first bad datapoint", "0:49"),
        *("in ALARM", "2:48", "12:48"),
        *("notified", "2:51", "12:51"),
    ]
    assert shown[begin + 12] == "Seen from us-west-2, where the fault is"
    assert shown.count("not seen") == 0


def test_picture_shows_what_was_not_seen_and_what_is_not_over() -> None:
    assert drawn(one_observer()).count("not seen") == 4
    shown = drawn(failed())
    assert shown.count("not over") == 3
    assert shown[shown.index("Seen from us-west-2, where the fault is") :].count("not seen") == 4


def test_picture_counts_alarms_that_overlap_as_one_time() -> None:
    moments = [moment(0, "fault", FAILED, ""), *(moment(60 + one, "alarm", OTHER, "") for one in (0, 30))]
    moments += [moment(120, "ok", OTHER, ""), moment(180, "ok", OTHER, ""), moment(240, "alarm", OTHER, "")]
    shown = drawn(result(moments, []))
    first = shown.index("in ALARM")
    assert shown[first : first + 6] == ["in ALARM", "1:00", "3:00", "in ALARM", "4:00", "not over"]


def test_fault_is_a_band_from_its_beginning_to_its_end() -> None:
    [begin, width] = map(float, re.findall('class="band".*?x="([0-9.]+)".*?width="([0-9.]+)"', html(passed()))[0])
    bars = re.findall('class="fault" x="([0-9.]+)".*?width="([0-9.]+)"', html(passed()))
    assert bars[0] == (f"{begin}", f"{width}")
    [drill] = re.findall('class="drill" x="([0-9.]+)".*?width="([0-9.]+)"', html(passed()))[:1]
    assert width / float(drill[1]) == pytest.approx(600 / 825, abs=0.002), "of 31 s before to 794 s after it began"


@pytest.mark.parametrize("name", sorted({*CASES} - {"refused"}))
def test_time_axis_keeps_the_order_and_its_ticks_apart(name: str) -> None:
    times = sorted({one.at - BEGAN for one in CASES[name].moments})
    axis = Axis(times, 50, 200)
    places = [axis.x(one) for one in times]
    assert places == sorted(places)
    assert 50 <= places[0] <= places[-1] <= 250
    ticks = [axis.x(one * 60) for one in axis.ticks()]
    assert len(ticks) >= 1
    assert all(later - one >= 44 for one, later in pairwise(ticks))


def test_long_gap_without_a_moment_is_cut_and_the_picture_says_so() -> None:
    assert "cut: 716:46 in which nothing changed" in drawn(twelve_hours())
    assert not any("cut" in one for one in drawn(passed()))


def test_minutes_and_seconds() -> None:
    assert [minutes(one) for one in (-31, -0.2, 0, 59.6, 187, 43_394)] == [
        "-0:31",
        "0:00",
        "0:00",
        "1:00",
        "3:07",
        "723:14",
    ]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """All drills in one browser, which takes seconds to start."""
    folder = tmp_path_factory.mktemp("reports")
    for name, drill in CASES.items():
        (folder / f"{name}.html").write_text(html(drill))
    return in_browser(
        NOT_DRAWN + USE,
        files={name: (folder / f"{name}.html").as_uri() for name in CASES},
        widths=WIDTHS,
        paper=PAPER,
        printed=["failed", "three_observers"],
    )


def test_report_asks_no_host_and_runs_nothing(seen: Any) -> None:
    assert len(seen["asked"]) == len(CASES)
    assert [one for one in seen["asked"] if not one.startswith("file://")] == []
    assert seen["said"] == [], "the browser reports here what the Content-Security-Policy refuses"
    assert {one["title"] for one in seen["found"].values()} & {"hostile", ""} == set()


@pytest.mark.parametrize("where", [*map(str, WIDTHS), *PAPER])
@pytest.mark.parametrize("name", CASES)
def test_nothing_is_wider_than_screen_or_paper(seen: Any, name: str, where: str) -> None:
    layout = seen["found"][name][where]
    assert len(layout["texts"]) > 40
    assert layout["needed"] <= layout["width"]
    assert layout["spills"] == []
    outside = [one for one in layout["texts"] if one["left"] < 0 or one["right"] > layout["width"]]
    assert outside == []


@pytest.mark.parametrize("where", [*map(str, WIDTHS), *PAPER])
@pytest.mark.parametrize("name", sorted({*CASES} - {"refused"}))
def test_texts_of_the_picture_are_inside_it_and_apart(seen: Any, name: str, where: str) -> None:
    layout = seen["found"][name][where]
    [picture], texts = layout["pictures"], layout["drawn"]
    assert len(texts) > 8
    assert [(one["text"], other["text"]) for one, other in overlaps(texts)] == []
    outside = [
        one["text"]
        for one in texts
        if one["left"] < picture["left"] - 1
        or one["right"] > picture["right"] + 1
        or one["top"] < picture["top"] - 1
        or one["bottom"] > picture["bottom"] + 1
    ]
    assert outside == []
    assert min(one["bottom"] - one["top"] for one in texts) >= (8 if where in PAPER else 12), "can be read"


def overlaps(boxes: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Pairs that have more than a pixel in common."""
    for one, other in combinations(boxes, 2):
        if all(
            one[end] - 1 > other[begin] and other[end] - 1 > one[begin]
            for begin, end in (("left", "right"), ("top", "bottom"))
        ):
            yield one, other


def test_overlapping_texts_are_found() -> None:
    box = {"left": 0, "right": 10, "top": 0, "bottom": 10}
    assert len(list(overlaps([box, {**box, "left": 8}, {**box, "left": 30, "right": 40}]))) == 1


def test_every_text_is_drawn_in_light_and_dark(seen: Any) -> None:
    assert len(seen["blank"]) == 4
    assert {name: found for name, found in seen["blank"].items() if found} == {}


def test_print_has_every_section(seen: Any) -> None:
    assert len(seen["printed"]) == 4
    for name, pdf in seen["printed"].items():
        outline = re.findall(rb"/Title \((.*?)\)\n", base64.b64decode(pdf))
        assert [one for one in SECTIONS if not any(found.startswith(one.encode()) for found in outline)] == [], name


def test_picture_in_the_documents_is_fresh() -> None:
    """The HTML that it was drawn from is beside it; pixels differ with every browser."""
    drawn_from = ROOT / "docs" / "images" / "drill-report.html"
    assert drawn_from.read_text() == html(passed()), "run make docs"
    assert drawn_from.with_suffix(".png").exists()
