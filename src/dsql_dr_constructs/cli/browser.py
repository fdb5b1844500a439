"""A browser that needs neither root nor a system package: Chromium and its driver, from npm, beside this Python."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from ..emulator.aws_emulator import node
from .cdk_cli import LOCKED, NpmPackage

CHROMIUM = NpmPackage("@sparticuz/chromium", LOCKED / "browser")
DRIVER = NpmPackage("playwright-core", LOCKED / "browser")

_UNPACK = """
const { default: chromium } = await import(process.argv[1] + '/build/index.js');
await chromium.executablePath();
"""
_RUN = """
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
const { chromium, driver, executablePath, env, script, values } = JSON.parse(readFileSync(0, 'utf8'));
const { args } = (await import(chromium + '/build/index.js')).default;
const playwright = createRequire(driver + '/')('playwright-core');
const browser = await playwright.chromium.launch({ executablePath, args, env });
try {
  const tab = await browser.newPage();
  const picture = async text => { await tab.setContent(text); return await tab.screenshot(); };
  if ((await picture('iiii')).equals(await picture('WWWW'))) throw 'no text';
  const run = new (Object.getPrototypeOf(async function () {}).constructor)('browser', 'values', script);
  process.stdout.write(JSON.stringify((await run(browser, values)) ?? null));
} catch (error) {
  if (error !== 'no text') throw error;
  process.exitCode = 3;
} finally {
  await browser.close();
}
"""
_NO_TEXT = 3
_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{fonts}</dir><cachedir>{cache}</cachedir></fontconfig>
"""


class BrowserError(Exception):
    """There is no browser, or it draws no text, or the script failed; the text says which."""


def unpacked() -> Path:
    """Folder of the browser, with its libraries and fonts: beside the package, since other users can write to /tmp.

    Raises:
        BrowserError: it could not be unpacked.
    """
    CHROMIUM.install()
    folder = CHROMIUM.folder.parent / "unpacked"  # another lock's npm ci removes it
    if folder.exists():
        return folder
    # elsewhere first, since another process may do the same; the package does not unpack what exists already
    unpacking = Path(tempfile.mkdtemp(prefix="unpacking-", dir=folder.parent))
    try:
        done = subprocess.run(
            [node(), "--input-type=module", "--eval", _UNPACK, str(CHROMIUM.folder)],
            # with this, it unpacks its own libraries, as in Lambda
            env={**os.environ, "TMPDIR": str(unpacking), "AWS_EXECUTION_ENV": "AWS_Lambda_nodejs22.x"},
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise BrowserError(f"The browser could not be unpacked into {folder}:\n{done.stderr}")
        try:
            unpacking.rename(folder)
        except OSError:
            if not folder.exists():
                raise
    finally:
        shutil.rmtree(unpacking, ignore_errors=True)
    return folder


def in_browser(script: str, **values: Any) -> Any:
    """What *script* returns: the body of an async JavaScript function of ``browser`` (of playwright) and ``values``.

    Fonts, libraries and folders are the package's and this run's, and none of the machine's.

    Raises:
        BrowserError: this is not Linux, or the browser draws no text, or the script failed.
    """
    if sys.platform != "linux":
        raise BrowserError("The browser from npm runs on Linux only: write .html, and open it in your own browser.")
    home = unpacked()
    with tempfile.TemporaryDirectory(prefix="browser-") as folder:
        fonts = Path(folder) / "fonts.conf"  # the package's own names /tmp/fonts, wherever the fonts are
        fonts.write_text(_FONTS.format(fonts=escape(str(home / "fonts")), cache=escape(folder)))
        asked = {
            "chromium": str(CHROMIUM.folder),
            "driver": str(DRIVER.folder),
            "executablePath": str(home / "chromium"),
            "env": {
                "FONTCONFIG_FILE": str(fonts),
                "HOME": folder,
                "LD_LIBRARY_PATH": str(home / "al2023" / "lib"),
                "TMPDIR": folder,
            },
            "script": script,
            "values": values,
        }
        done = subprocess.run(
            [node(), "--input-type=module", "--eval", _RUN],
            input=json.dumps(asked),
            env={**os.environ, "TMPDIR": folder},
            check=False,
            capture_output=True,
            text=True,
        )
    if done.returncode == _NO_TEXT:
        raise BrowserError(
            f"The browser draws no text, since it can read no font in {home / 'fonts'}. Remove {home}, and the next "
            f"start unpacks it again."
        )
    if done.returncode:
        raise BrowserError(f"The browser failed:\n{done.stderr}")
    return json.loads(done.stdout)
