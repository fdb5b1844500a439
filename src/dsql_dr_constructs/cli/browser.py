"""A browser without root or a package of the system's: Chromium and what drives it, from npm, beside this Python."""

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
  const page = await browser.newPage();
  const picture = async text => { await page.setContent(text); return await page.screenshot(); };
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
    """There is no browser here, or it draws no text, or the script failed; the text says which."""


def unpacked() -> Path:
    """Where the browser is, with its libraries and fonts: beside the package, since in /tmp others can put programs.

    Raises:
        BrowserError: it could not be unpacked.
    """
    CHROMIUM.install()
    folder = CHROMIUM.folder.parent / "unpacked"  # another lock's npm ci removes it
    if folder.exists():
        return folder
    # elsewhere first, since another process may be about to do the same; the package unpacks what exists no second time
    unpacking = Path(tempfile.mkdtemp(prefix="unpacking-", dir=folder.parent))
    try:
        done = subprocess.run(
            [node(), "--input-type=module", "--eval", _UNPACK, str(CHROMIUM.folder)],
            # where it believes to be in Lambda, it brings its own libraries
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
    """What *script* returns: the body of an async function in JavaScript of ``browser``, playwright's, and ``values``.

    Fonts, libraries and folders are the package's and this run's: nothing that the machine has, or lacks, is seen.

    Raises:
        BrowserError: this is no Linux, or the browser draws no text, or the script failed.
    """
    if sys.platform != "linux":
        raise BrowserError("The browser that comes from npm runs on Linux only: write .html, and open it in yours.")
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
            f"start unpacks it anew."
        )
    if done.returncode:
        raise BrowserError(f"The browser failed:\n{done.stderr}")
    return json.loads(done.stdout)
