"""What the orders service brings into accounts and databases: packages by their hash, and roles by their ARN."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from psycopg import sql

from tests.tools import INDEX

EXAMPLE = Path(__file__).parents[2] / "examples" / "orders_service"
ROLE = "arn:aws:iam::111122223333:role/service-role/Orders-us-east-1-FunctionServiceRole_1+=,.@"


def loaded(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLE / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


class Connection:
    """Of a database that has the role orders and no mapping; it keeps what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def execute(self, statement: str | sql.Composed, values: object = None) -> Connection:
        self.asked.append(statement if isinstance(statement, str) else statement.as_string())
        return self

    def fetchone(self) -> tuple[int]:
        return (1,)

    def fetchall(self) -> list[Any]:
        return []


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Connection:
    one = Connection()
    monkeypatch.setattr("aurora_dsql_psycopg.connect", lambda **_: one)
    return one


@pytest.mark.parametrize("arn", [ROLE, "arn:aws-us-gov:iam::111122223333:role/orders"])
def test_role_of_the_service_is_mapped(arn: str, connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded("schema", monkeypatch).main("endpoint", arn)
    assert connection.asked[-1] == f"AWS IAM GRANT orders TO '{arn}'"


@pytest.mark.parametrize(
    "argument",
    [
        "arn:aws:iam::111122223333:role/x'; DROP TABLE orders; --",
        "arn:aws:iam::111122223333:role/x\n",
        "arn:aws:iam::111122223333:role/",
        "arn:aws:iam::111122223333:user/x",
        "arn:aws:sts::111122223333:assumed-role/x/y",
        "arn:aws:iam::1111:role/x",
        "arn:aws:iam::١١١١٢٢٢٢٣٣٣٣:role/x",
        "*",
        "",
    ],
)
def test_what_is_no_role_reaches_no_statement(
    argument: str, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="is no ARN of an IAM role: give"):
        loaded("schema", monkeypatch).main("endpoint", ROLE, argument)
    assert connection.asked == []


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
