"""The examples as another team runs them: the built wheels in an environment of its own, no import from the sources."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.tools import EXAMPLES, INDEX, UV, UV_INSTALL
from tests.wheel import PROJECTS, build_wheel

ROOT = Path(__file__).parents[2]
Installed = Callable[[str], "Example"]


class Example:
    """A copy of an example, and the environment that its requirements.txt was installed into.

    Args:
        folder: Where the copy goes, and the environment beside it.
        name: Folder under ``examples/``.
        wheels: Folder with the built wheels.
    """

    def __init__(self, folder: Path, name: str, wheels: Path) -> None:
        self.folder = folder / name
        shutil.copytree(ROOT / "examples" / name, self.folder, ignore=shutil.ignore_patterns("cdk.out", "__pycache__"))
        self.python = folder / "environment" / "bin" / "python"
        _run(*UV, "venv", f"--python={sys.executable}", str(self.python.parents[1]))
        _run(*UV_INSTALL, "--offline", f"--python={self.python}", f"--requirement={EXAMPLES}")
        # only our wheels are missing, or a requirement that the lock has not
        only_ours = [*UV, "pip", "install", "--no-index", f"--find-links={wheels}", f"--python={self.python}"]
        _run(*only_ours, f"--requirement={self.folder / 'requirements.txt'}")
        self.app = f"{self.python} app.py"

    def run(self, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        """What a program of the example writes."""
        command = [str(self.python), *arguments]
        done = subprocess.run(command, cwd=self.folder, env=environment, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    for package in PROJECTS:
        build_wheel(folder, package)
    return folder


@pytest.fixture
def installed(wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installed:
    """Installs an example; what it installs itself comes from a folder, and not from the network."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(INDEX))
    return lambda name: Example(tmp_path, name, wheels)
