from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_check_that_the_threat_model_names_exists() -> None:
    named = set(re.findall(r"`(test[\w/]*(?:\.py)?)`", (ROOT / "SECURITY.md").read_text()))
    files = {one for one in named if one.endswith(".py")}
    assert [one for one in files if not (ROOT / one).is_file()] == []
    defined = {
        name for one in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", one.read_text())
    }
    assert named - files - defined == set()
    assert len(named) > 10
