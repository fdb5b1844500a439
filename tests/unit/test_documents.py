"""Documents tell the truth: what is generated is fresh, and what is listed is complete."""

from __future__ import annotations

import re
from pathlib import Path

from docs.api_reference import render
from tests.unit.error_messages import error_messages

ROOT = Path(__file__).parents[2]


def test_api_reference_is_fresh() -> None:
    assert (ROOT / "API.md").read_text() == render(), "run make docs"


def test_every_parameter_property_and_method_is_described() -> None:
    lines = render().splitlines()
    assert [line for line in lines if re.search(r"^\| `\w+` \|.*\|\s*\|$", line)] == []
    methods = re.findall(r"##### (\w+)\n\n```python\n[^`]+```\n\n(.)", render())
    assert len(methods) > 50
    assert [name for name, first in methods if first in "#|"] == []


def test_every_error_message_has_its_entry_in_troubleshooting_and_no_other() -> None:
    text = (ROOT / "docs" / "troubleshooting.md").read_text()
    entries = set(re.findall(r"^\| `([^`]+)` \|", text, re.M))
    waiting = set(
        re.findall(r"`([^`]+)`", text[text.index("These stand in the log") : text.index("## When the monitor")])
    )
    found = error_messages()
    assert found - entries - waiting == set(), "without an entry"
    assert (entries | waiting) - found == set(), "no longer said"
