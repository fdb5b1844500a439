"""Every sentence that the client can raise, read from its sources, with … for what is filled in."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.unit.error_messages import text_of

SOURCES = Path(__file__).parents[2] / "client" / "src" / "dsql_dr_client"


def client_errors() -> set[str]:
    return {one for path in SOURCES.glob("*.py") for one in _raised(ast.parse(path.read_text())) if " " in one}


def _raised(tree: ast.Module) -> Iterator[str]:
    """Of errors that are raised or returned, and of what an error's class gives to its base."""
    constants = {
        node.targets[0].id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    for node in ast.walk(tree):
        call = getattr(node, {ast.Raise: "exc", ast.Return: "value", ast.Expr: "value"}.get(type(node), ""), None)
        if not isinstance(call, ast.Call) or not call.args:
            continue
        if isinstance(node, ast.Raise) or ast.unparse(call.func) in ("NoAnswer", "super().__init__"):
            message = call.args[0]
            yield " ".join(
                text_of(constants.get(message.id, message) if isinstance(message, ast.Name) else message).split()
            )
