"""What the orders service brings into accounts: packages by their hash, and a name for both Regions."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.examples.test_same_templates import GIVEN, synthesize
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
    top = {one.name for one in tmp_path.iterdir()}
    assert {"handler.py", "orders.py", "dsql_dr_client", "psycopg", "psycopg_pool", "aurora_dsql_psycopg"} <= top
    assert not list((tmp_path / "dsql_dr_client").rglob("__pycache__"))


def test_other_version_of_the_client_makes_another_function(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = codes(synthesize(EXAMPLE, tmp_path_factory.mktemp("before"), 0.0))
    stack = loaded("orders_stack", monkeypatch)
    client = tmp_path_factory.mktemp("client") / stack.CLIENT.name
    client.mkdir()
    (client / "__init__.py").write_text("")
    monkeypatch.setattr(stack, "CLIENT", client)
    after = codes(synthesize(EXAMPLE, tmp_path_factory.mktemp("after"), 0.0))
    assert len(before) == len(after) == 1, "both Regions have the same"
    assert before != after


def test_asset_for_the_emulator_is_not_the_one_for_lambda(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Their packages are compiled for different processors, and the CDK uses an asset again that it has."""
    for_lambda = codes(synthesize(EXAMPLE, tmp_path_factory.mktemp("lambda"), 0.0))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    on_this_machine = codes(synthesize(EXAMPLE, tmp_path_factory.mktemp("emulator"), 0.0))
    assert len(for_lambda) == len(on_this_machine) == 1
    assert for_lambda != on_this_machine


def codes(files: dict[str, str]) -> set[str]:
    """Assets of the service's functions."""
    of_the_service = [name for name in files if name.startswith("Orders-us") and "template" in name]
    templates = [json.loads(files[name]) for name in of_the_service]
    assert len(templates) == 2
    functions = [one for template in templates for one in of_type(template, "AWS::Lambda::Function")]
    return {one["Properties"]["Code"]["S3Key"] for one in functions}


def of_type(template: dict[str, Any], type: str) -> list[dict[str, Any]]:
    return [one for one in template["Resources"].values() if one["Type"] == type]


def test_each_region_has_the_same_name_and_is_answered_while_its_own_health_check_passes(tmp_path: Path) -> None:
    files = synthesize(EXAMPLE, tmp_path, 0.0)
    for region, role in (("us-east-1", "Primary"), ("us-west-2", "Secondary")):
        template = json.loads(files[f"Orders-{region}.template.json"])
        [record] = [one["Properties"] for one in of_type(template, "AWS::Route53::RecordSet")]
        assert record["Name"] == f"{GIVEN['orders_service']['domain']}."
        assert record["HostedZoneId"] == GIVEN["orders_service"]["zone_id"]
        assert (record["Region"], record["SetIdentifier"]) == (region, region)
        assert f"OrdersDb-{role}Failover-production:" in record["HealthCheckId"]["Fn::ImportValue"]
        [domain] = of_type(template, "AWS::ApiGateway::DomainName")
        assert domain["Properties"]["EndpointConfiguration"] == {"Types": ["REGIONAL"]}
        methods = [one["Properties"] for one in of_type(template, "AWS::ApiGateway::Method")]
        assert {one["AuthorizationType"] for one in methods} == {"AWS_IAM"}
        [url] = of_type(template, "AWS::Lambda::Url")
        assert url["Properties"]["AuthType"] == "AWS_IAM"
