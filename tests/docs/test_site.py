"""The documentation's site: built with warnings as errors, and used in a real browser."""

from __future__ import annotations

import functools
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsql_dr_constructs.cli.browser import in_browser
from tests.drawn_text import NOT_DRAWN

ROOT = Path(__file__).parents[2]
USE = """
const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
const said = [], asked = [], failed = [];
page.on('console', one => { if (['error', 'warning'].includes(one.type())) said.push(one.text()); });
page.on('pageerror', one => said.push(String(one)));
page.on('request', one => asked.push(one.url()));
page.on('response', one => { if (one.status() >= 400) failed.push(one.url()); });
await page.goto(values.url);
const start = await page.locator('h1').first().textContent();
const titles = [], blank = [];
for (const name of values.pages) {
  await page.locator('.md-nav--primary').getByRole('link', { name, exact: true }).first().click();
  await page.waitForURL(url => url.href !== values.url);
  await page.waitForLoadState('networkidle');
  titles.push(await page.locator('h1').first().textContent());
  // no browser draws a page as long as the API reference at once
  const top = await page.screenshot({ fullPage: true, clip: { x: 0, y: 0, width: 1280, height: 4000 } });
  blank.push(...await notDrawn(page, 'article h1, article h1 ~ p:nth-of-type(-n+3)', top.toString('base64')));
}
const pictures = await page.evaluate(() => [...document.images].map(one => [one.src, one.naturalWidth]));
await page.locator('.md-search__input').first().click();
await page.locator('.md-search__input').first().fill('deletion protection');
await page.keyboard.press('End');  // the site searches at each key, and so only for the whole text
await page.waitForSelector('.md-search-result__item');
const results = await page.locator('.md-search-result__item').allTextContents();
return { said, asked, failed, start, titles, blank, pictures, results };
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", f"--site-dir={folder}"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def test_site_can_be_walked_and_searched_and_asks_no_other_host(site: str) -> None:
    pages = ["Operations", "Troubleshooting", "API reference", "Architecture"]
    seen = in_browser(NOT_DRAWN + USE, url=site, pages=pages)
    assert seen["start"].startswith("dsql-dr-constructs")
    assert [one.split("¶")[0] for one in seen["titles"]] == pages
    assert seen["blank"] == []
    assert [one for one in seen["pictures"] if not one[1]] == []
    assert {src.rpartition("/")[2] for src, _ in seen["pictures"]} == {"architecture.svg", "dashboard.png"}
    assert any("Troubleshooting" in one for one in seen["results"])
    assert seen["said"] == []
    assert seen["failed"] == []
    assert [one for one in seen["asked"] if not one.startswith((site, "blob:", "data:"))] == []
