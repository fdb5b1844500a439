"""The command `dsql-dr dashboard`, and its picture in a real browser."""

from __future__ import annotations

import base64
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions

from dsql_dr_constructs import MonitoringOptions, MultiRegionDsqlDr
from dsql_dr_constructs.cli import dashboard_picture
from dsql_dr_constructs.cli.browser import in_browser
from dsql_dr_constructs.emulator.credentials import ACCOUNT
from tests.drawn_text import NOT_DRAWN

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from dsql_dr_constructs.cli.command_line import main; main()", "dashboard"]
LAYOUT = """
const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
const said = [], asked = [];
page.on('console', one => said.push(one.text()));
page.on('pageerror', one => said.push(String(one)));
page.on('request', one => asked.push(one.url()));
await page.setContent(values.html);
const found = await page.evaluate(() => [...document.querySelectorAll('.widget')].map(one => ({
  title: (one.querySelector('h2')?.textContent ?? one.textContent).trim().slice(0, 40),
  box: one.getBoundingClientRect().toJSON(),
  spills: [one, ...one.querySelectorAll('*')].filter(part => part instanceof HTMLElement
    && (part.scrollHeight > part.clientHeight + 1 || part.scrollWidth > part.clientWidth + 1)
    && getComputedStyle(part).display !== 'inline').map(part => part.className || part.tagName),
})));
return { found, said, asked, blank: await notDrawn(page, 'body', values.png) };
"""


def body(**options: Any) -> tuple[str, dict[str, Any]]:
    pair = MultiRegionDsqlDr(cdk.App(), "AuroraDsqlDR", **options)
    templates = [(stack.region, assertions.Template.from_stack(stack).to_json()) for stack in pair.stacks]
    [(name, found)] = dashboard_picture.dashboards(templates).items()
    return name, found


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"monitoring": MonitoringOptions(witness_observer=True)},
        {"monitoring": MonitoringOptions(sql_probe=True)},
        {"monitoring": MonitoringOptions(sql_probe=True, witness_observer=True)},
        {"monitoring": MonitoringOptions(warning_emails=["dev@example.com"])},
    ],
)
def test_every_widget_is_drawn_where_it_belongs_and_nothing_spills_or_overlaps(options: dict[str, Any]) -> None:
    name, found = body(**options)
    seen = in_browser(NOT_DRAWN + LAYOUT, html=dashboard_picture.to_html(name, found), png=None)
    assert len(seen["found"]) == len(found["widgets"])
    assert [(one["title"], one["spills"]) for one in seen["found"] if one["spills"]] == []
    assert list(overlaps([one["box"] for one in seen["found"]])) == []
    assert seen["blank"] == []
    assert seen["said"] == []
    assert [one for one in seen["asked"] if not one.startswith(("about:", "data:"))] == []


def overlaps(boxes: list[dict[str, float]]) -> Iterator[tuple[int, int]]:
    for i, one in enumerate(boxes):
        for j, other in enumerate(boxes[:i]):
            apart = (
                one["right"] <= other["left"]
                or other["right"] <= one["left"]
                or one["bottom"] <= other["top"]
                or other["bottom"] <= one["top"]
            )
            if not apart:
                yield i, j


def test_it_says_that_its_data_is_a_sample_and_has_the_real_texts() -> None:
    html = dashboard_picture.to_html(*body())
    assert "All data is a sample." in html
    assert html.count('<span class="sample">sample</span>') == len(body()[1]["widgets"]) - 1, "all but the runbook"
    assert "aws lambda invoke --region us-east-1" in html
    assert "${Token" not in html


@pytest.mark.parametrize(
    ("markdown", "drawn"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("a <img src=x onerror=alert(1)> b", "a &lt;img src=x onerror=alert(1)&gt; b"),
        ("![picture](https://evil.example/x.png)", '!<a href="https://evil.example/x.png">picture</a>'),
        ("[link](javascript:alert(1))", "[link](javascript:alert(1))"),
        ("[link](data:text/html;base64,PHNjcmlwdD4=)", "[link](data:text/html;base64,PHNjcmlwdD4=)"),
        ("[link](file:///etc/passwd)", "[link](file:///etc/passwd)"),
        ("<javascript:alert(1)>", "&lt;javascript:alert(1)&gt;"),
        ("[link](https://aws.amazon.com)", '<a href="https://aws.amazon.com">link</a>'),
        ("[link](http://localhost)", '<a href="http://localhost">link</a>'),
    ],
)
def test_text_of_a_dashboard_is_no_html_and_links_to_web_pages_only(markdown: str, drawn: str) -> None:
    assert drawn in dashboard_picture.to_html("Theirs", with_text(markdown))


def with_text(markdown: str) -> dict[str, Any]:
    place = {"x": 0, "y": 0, "width": 24, "height": 4}
    return {"widgets": [{"type": "text", "properties": {"markdown": markdown}, **place}]}


def test_picture_is_drawn_without_running_or_fetching_anything(tmp_path: Path) -> None:
    plain = dashboard_picture.to_html("Theirs", with_text("text"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        active = f'<script>document.body.style.background = "red"</script><img width="1" hidden src="{url}">'
        for name, html in (("plain", plain), ("active", plain.replace("</body>", f"{active}</body>"))):
            dashboard_picture.to_png(html, tmp_path / f"{name}.png")
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert (tmp_path / "plain.png").read_bytes() == (tmp_path / "active.png").read_bytes()


def test_command_draws_html_and_png(tmp_path: Path) -> None:
    for name in ("dashboard.html", "dashboard.png"):
        done = subprocess.run(
            [
                *COMMAND,
                f"--app={sys.executable} app.py",
                f"--output={tmp_path / name}",
                ROOT / "examples" / "quickstart",
            ],
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout == f"Aurora-DSQL-DR-Dashboard-AuroraDsqlDR-production: {tmp_path / name}\n"
    html = dashboard_picture.to_html(*body()).replace("111122223333", ACCOUNT)  # which the CDK CLI gives the app
    assert (tmp_path / "dashboard.html").read_text() == html
    png = base64.b64encode((tmp_path / "dashboard.png").read_bytes()).decode()
    assert in_browser(NOT_DRAWN + LAYOUT, html=html, png=png)["blank"] == []


def test_picture_in_the_documents_is_fresh() -> None:
    """The HTML that it was drawn from is beside it; pixels differ with every browser."""
    drawn_from = ROOT / "docs" / "images" / "dashboard.html"
    assert drawn_from.read_text() == dashboard_picture.to_html(*body()), "run make docs"
    assert drawn_from.with_suffix(".png").exists()
