"""The wheel of this project, for tests that install it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.tools import ROOT


def build_wheel(folder: Path) -> Path:
    """Build it from the sources into *folder*."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [built] = folder.glob("*.whl")
    return built
