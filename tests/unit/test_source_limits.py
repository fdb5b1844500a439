"""No file and no constructor is longer than a reader holds in mind."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(one for sources in ("src", "client/src") for one in (ROOT / sources).rglob("*.py"))
LONGEST_FILE, LONGEST_CONSTRUCTOR = 300, 40
TABLES = {"src/dsql_dr_constructs/cli/fault_catalogue.py"}
"""Files that are looked up in, not read: one entry after the other."""


CONSTRUCTORS = ("__init__", "__post_init__")


def lines_of_logic(constructor: ast.FunctionDef) -> int:
    """From the first statement to the last one, without signature and docstring."""
    body = constructor.body[1:] if ast.get_docstring(constructor) else constructor.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_a_constructors_signature_and_docstring_are_not_counted() -> None:
    [found] = ast.parse(
        'def __init__(\n    self,\n):\n    """Text.\n\n    More."""\n    a = f(\n        1\n    )\n'
    ).body
    assert isinstance(found, ast.FunctionDef)
    assert lines_of_logic(found) == 3


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_and_its_constructors_are_short(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= LONGEST_FILE or str(path.relative_to(ROOT)) in TABLES
    for one in ast.walk(ast.parse(text)):
        if isinstance(one, ast.FunctionDef) and one.name in CONSTRUCTORS:
            assert lines_of_logic(one) <= LONGEST_CONSTRUCTOR, f"line {one.lineno}"
