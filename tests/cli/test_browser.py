"""The browser that comes from npm: what it draws comes from its own folder, and from nowhere else."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dsql_dr_constructs.cli import browser
from dsql_dr_constructs.cli.browser import CHROMIUM, BrowserError, in_browser, unpacked

FONTS = """
const page = await browser.newPage();
await page.setContent('<p style="font-family: monospace">text, <b>bold</b>, <i>italic</i></p>');
const client = await page.context().newCDPSession(page);
await client.send('DOM.enable');
await client.send('CSS.enable');
const { root } = await client.send('DOM.getDocument');
const { nodeId } = await client.send('DOM.querySelector', { nodeId: root.nodeId, selector: 'p' });
return (await client.send('CSS.getPlatformFontsForNode', { nodeId })).fonts.map(one => one.familyName);
"""


def browser_with(fonts: Path, folder: Path) -> Path:
    """The browser in *folder*, with other *fonts*."""
    for one in unpacked().iterdir():
        (folder / one.name).symlink_to(fonts if one.name == "fonts" else one)
    return folder


def content(folder: Path) -> dict[str, int]:
    """Size of each file."""
    return {str(one.relative_to(folder)): one.stat().st_size for one in folder.rglob("*") if one.is_file()}


def test_every_letter_is_drawn_with_the_font_that_comes_along(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FONTCONFIG_FILE", "/nowhere")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert set(in_browser(FONTS)) == {"Open Sans"}
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


def test_without_fonts_it_says_that_it_draws_no_text(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "browser").mkdir()
    broken = browser_with(tmp_path / "none", tmp_path / "browser")
    monkeypatch.setattr(browser, "unpacked", lambda: broken)
    with pytest.raises(BrowserError, match=f"draws no text, since it can read no font in {broken}/fonts. Remove"):
        in_browser("")


def test_who_comes_while_it_is_unpacked_does_not_get_a_half(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whole = content(unpacked())
    (tmp_path / CHROMIUM.folder.parent.relative_to(sys.prefix)).mkdir(parents=True)
    for one in (CHROMIUM.folder, CHROMIUM.stamp):
        (tmp_path / one.relative_to(sys.prefix)).symlink_to(one)
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    with ThreadPoolExecutor() as pool:
        seen = list(pool.map(lambda _: content(unpacked()), range(2)))
    assert seen == [whole, whole]
    assert {one.name for one in CHROMIUM.folder.parent.iterdir()} == {"chromium", unpacked().name}


def test_what_a_script_throws_is_reported() -> None:
    with pytest.raises(BrowserError, match=r"The browser failed:\n(?s:.*)no such picture"):
        in_browser("throw new Error('no such picture')")
