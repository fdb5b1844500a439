"""SECURITY.md names the test that shows each of its claims; a run of all tests holds it to those that passed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.named_checks import files_and_functions, named, unproven

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "SECURITY.md").read_text()


def test_every_check_that_the_threat_model_names_exists() -> None:
    assert named(DOCUMENT) - set(files_and_functions(ROOT / "tests")) == set()


def test_every_threat_has_a_check() -> None:
    rows = [one for one in DOCUMENT.splitlines() if one.startswith("| ") and not one.startswith("| Who could")]
    assert len(rows) > 15
    assert [one for one in rows if not named(one.rpartition("|")[0].rpartition("|")[2])] == []


def test_check_that_was_skipped_failed_or_never_ran_is_unproven() -> None:
    document = "`tests/unit/test_a.py` and `test_b`, and `test_c`; no test is in `tests/tools.py`"
    passed = ["tests/unit/test_a.py::test_x", "tests/unit/test_d.py::test_b[one]", "tests/unit/test_d.py::test_c"]
    assert unproven(document, passed, []) == []
    assert unproven(document, passed[1:], []) == ["tests/unit/test_a.py"]
    assert unproven(document, passed, ["tests/unit/test_d.py::test_b[two]"]) == ["test_b"]
    assert unproven(document, [], []) == ["test_b", "test_c", "tests/unit/test_a.py"]


CONFTEST = """
from pathlib import Path
from tests.named_checks import NamedChecks, covers_all


def pytest_configure(config):
    if covers_all(config):
        config.pluginmanager.register(NamedChecks(Path(__file__).with_name("SECURITY.md")))
"""
TESTS = """
import pytest


def test_runs():
    pass


@pytest.mark.skip
def test_is_skipped():
    pass
"""


@pytest.mark.parametrize(
    ("names", "arguments", "code"),
    [
        (["test_runs"], [], 0),
        (["test_runs", "test_is_skipped"], [], 1),
        (["test_runs", "test_that_was_removed"], [], 1),
        (["test_is_skipped"], ["-n0"], 1),
        (["test_is_skipped"], ["test_own.py"], 0),
        (["test_is_skipped"], ["-k", "runs"], 0),
    ],
)
def test_run_of_all_tests_fails_without_a_check_that_is_named(
    tmp_path: Path, names: list[str], arguments: list[str], code: int
) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_own.py").write_text(TESTS)
    (tmp_path / "SECURITY.md").write_text(", ".join(f"`{one}`" for one in names))
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {ROOT}\ntestpaths = .\naddopts = -n1\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    missing = [one for one in names if f"SECURITY.md names {one}, of which a test did not run." in done.stdout]
    assert bool(missing) == bool(code)
