"""docs/images/architecture.svg: fresh, and readable in a real browser."""

from __future__ import annotations

from itertools import combinations

from docs.pictures import IMAGES, architecture, default_configuration
from dsql_dr_constructs.cli.browser import in_browser
from tests.drawn_text import NOT_DRAWN

LOOK = """
const page = await browser.newPage({ viewport: { width: 1200, height: 700 } });
await page.setContent(`<body style="margin:0">${values.svg}</body>`);
const blank = await notDrawn(page, 'svg > text');
return await page.evaluate(blank => {
  const box = one => { const { x, y, width, height } = one.getBBox(); return { x, y, width, height }; };
  return {
    texts: [...document.querySelectorAll('text')].map(one => ({ text: one.textContent, ...box(one) })),
    boxes: [...document.querySelectorAll('rect')].map(box),
    blank,
  };
}, blank);
"""


def test_picture_is_fresh() -> None:
    assert (IMAGES / "architecture.svg").read_text() == architecture(default_configuration()), "run make docs"


def test_every_text_is_drawn_inside_its_box_and_over_no_other() -> None:
    seen = in_browser(NOT_DRAWN + LOOK, svg=architecture(default_configuration()))
    assert len(seen["texts"]) > 20
    assert seen["blank"] == []
    for one in seen["texts"]:
        around = [box for box in seen["boxes"] if _covers_start(box, one)]
        smallest = min(around, key=lambda box: box["width"] * box["height"])
        assert one["x"] + one["width"] <= smallest["x"] + smallest["width"], one["text"]
        assert one["y"] + one["height"] <= smallest["y"] + smallest["height"] + 1, one["text"]
    overlapping = [(a["text"], b["text"]) for a, b in combinations(seen["texts"], 2) if _overlap(a, b)]
    assert overlapping == []


def _covers_start(box: dict[str, float], text: dict[str, float]) -> bool:
    middle = text["y"] + text["height"] / 2
    return box["x"] <= text["x"] <= box["x"] + box["width"] and box["y"] <= middle <= box["y"] + box["height"]


def _overlap(one: dict[str, float], other: dict[str, float]) -> bool:
    return all(
        one[at] + one[size] - 1 > other[at] and other[at] + other[size] - 1 > one[at]
        for at, size in (("x", "width"), ("y", "height"))
    )
