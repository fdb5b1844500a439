"""A browser without root or a package of the system's: Chromium and what drives it, from npm, beside this Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from .cdk_cli import NpmPackage
from .embedded_aws import node

CHROMIUM = NpmPackage("@sparticuz/chromium", "153.0.0")
DRIVER = NpmPackage("playwright-core", "1.65.1")

_PROGRAM = """
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
const { chromium, driver, script, values } = JSON.parse(readFileSync(0, 'utf8'));
const unpacked = (await import(chromium + '/build/index.js')).default;
const playwright = createRequire(driver + '/')('playwright-core');
const executablePath = await unpacked.executablePath();
const browser = await playwright.chromium.launch({ executablePath, args: unpacked.args });
try {
  const run = new (Object.getPrototypeOf(async function () {}).constructor)('browser', 'values', script);
  process.stdout.write(JSON.stringify((await run(browser, values)) ?? null));
} finally {
  await browser.close();
}
"""


class BrowserError(Exception):
    """There is no browser here, or the script failed; the text says which."""


def in_browser(script: str, **values: Any) -> Any:
    """What *script* returns: the body of an async function in JavaScript of ``browser``, playwright's, and ``values``.

    Raises:
        BrowserError: this is no Linux, or the script failed.
    """
    if sys.platform != "linux":
        raise BrowserError("The browser that comes from npm runs on Linux only: write .html, and open it in yours.")
    for one in (CHROMIUM, DRIVER):
        one.install()
    unpacked = CHROMIUM.folder.parent / "unpacked"  # where nobody else can put another program
    unpacked.mkdir(exist_ok=True)
    done = subprocess.run(
        [node(), "--input-type=module", "--eval", _PROGRAM],
        input=json.dumps(
            {"chromium": str(CHROMIUM.folder), "driver": str(DRIVER.folder), "script": script, "values": values}
        ),
        # it brings its own libraries and fonts where it believes to be in Lambda
        env={**os.environ, "TMPDIR": str(unpacked), "AWS_EXECUTION_ENV": "AWS_Lambda_nodejs22.x"},
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise BrowserError(f"The browser failed:\n{done.stderr}")
    return json.loads(done.stdout)
