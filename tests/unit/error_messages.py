"""Every sentence that the library can raise or report, read from its sources, with … for what is filled in.

Those of the client are in the table of its own guide, docs/client.md.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "src" / "dsql_dr_constructs"
AS_AWS_SAYS_IT = (
    *("backup.py", "dsql.py", "dsql_*.py", "backup_*.py", "cloudformation_*.py"),
    *("fis.py", "fis_*.py", "ministack_scheduler.py", "route53.py"),
)
"""Modules of the emulator whose errors are AWS's own."""


NOT_FOR_USERS = {"fault_catalogue.py"}
"""What is raised there says that a fault of the table cannot be made, which a test of it finds."""


def error_messages() -> set[str]:
    sources = [one for one in SOURCES.rglob("*.py") if one.name not in NOT_FOR_USERS]
    return {message for path in sources for message in _raised(path) if message.strip("…: ;\n")}


def reported_by_status() -> set[str]:
    """What ``dsql-dr status`` says is wrong, without its errors and without the headings before the sentences."""
    trees = [
        ast.parse((SOURCES / "cli" / name).read_text())
        for name in ("pair_status.py", "pair_evacuation.py", "destinations.py")
    ]
    texts = {text_of(node) for tree in trees for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)}
    return {one for one in texts if one.endswith(".")} - error_messages()


def _raised(path: Path) -> Iterator[str]:
    if any(path.match(pattern) for pattern in AS_AWS_SAYS_IT) and path.parent.name == "emulator":
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
            yield " ".join(text_of(node.exc.args[0]).split())


def text_of(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(one.value) if isinstance(one, ast.Constant) else "…" for one in node.values)
    return "…"
