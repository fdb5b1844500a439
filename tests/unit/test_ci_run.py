"""The command .ci/run, with a Makefile that lists what is there instead of ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

COMMAND = Path(__file__).parents[2] / ".ci" / "run"
LOOK = """test:
	@echo home: $$(ls -A "$$HOME")
	@echo tmp: $$(ls -A "$${TMPDIR:-/tmp}")
	@echo python: $$(command -v python3)
	@env
	@touch "$$HOME/written"
	@exit 7
"""


@pytest.fixture(params=[None, "/var/tmp"], ids=["below /tmp", "elsewhere"])  # noqa: S108 - where both can be written
def checkout(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Below /tmp nothing can be mounted over it."""
    with tempfile.TemporaryDirectory(dir=request.param) as name:
        folder = Path(name)
        (folder / ".ci").mkdir()
        shutil.copy(COMMAND, folder / ".ci")
        (folder / "Makefile").write_text(LOOK)
        yield folder


def test_tests_find_nothing_of_earlier_runs_and_what_leads_to_packages(checkout: Path) -> None:
    (checkout / "kept").touch()
    (around := checkout / "around").mkdir()
    packages = {"PIP_INDEX_URL": "https://index.example/a b", "npm_config_registry": "https://npm.example", "CI": "1"}
    others = {"PIP_CACHE_DIR": "/kept", "AWS_PROFILE": "production", "XDG_CACHE_HOME": "/kept", "CDK_HOME": "/kept"}
    done = subprocess.run(
        [checkout / ".ci" / "run"],
        env={**os.environ, **packages, **others, "TMPDIR": str(around)},
        check=False,
        capture_output=True,
        text=True,
    )
    said = done.stdout.splitlines()
    assert said[:2] == ["home:", "tmp: home"], done.stderr
    assert said[2].startswith("python: /")
    seen = dict(line.split("=", 1) for line in said[3:] if "=" in line)
    assert {name: seen.get(name) for name in packages} == packages
    assert others.keys() & seen.keys() == set()
    assert list(around.iterdir()) == [], "it goes with the run"
    assert not Path(seen["HOME"], "written").exists(), "it was this run's own HOME"


def test_status_is_that_of_make(checkout: Path) -> None:
    done = subprocess.run([checkout / ".ci" / "run"], check=False, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "Error 7" in done.stderr
