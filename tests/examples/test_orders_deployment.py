"""What the orders service brings into accounts: packages by their hash."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.tools import INDEX

EXAMPLE = Path(__file__).parents[2] / "examples" / "orders_service"


def loaded(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLE / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def test_function_gets_what_the_lock_names_for_its_own_processor(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(INDEX))
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    stack = loaded("orders_stack", monkeypatch)
    assert stack._Pip(stack.SERVICE).try_bundle(str(tmp_path))
    compiled = {one.name for one in tmp_path.rglob("*.so")}
    assert compiled
    assert [one for one in compiled if "cpython-313-aarch64-linux-gnu" not in one] == []
    assert {"handler.py", "orders.py", "psycopg", "aurora_dsql_psycopg"} <= {one.name for one in tmp_path.iterdir()}
