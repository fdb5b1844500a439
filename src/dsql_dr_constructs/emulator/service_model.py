"""Requests to a REST API, understood and checked by botocore's model of the service."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any
from urllib.parse import unquote

import botocore.session
from botocore.utils import parse_timestamp
from botocore.validate import ParamValidator


def understood(
    service: str, names: Sequence[str], method: str, path: str, query: dict[str, list[str]], body: bytes
) -> tuple[str, dict[str, Any]] | None:
    """Name of the call among *names*, and its parameters by the names in the model; None if it is none of them."""
    for verb, pattern, name, shape in _routes(service, tuple(names)):
        match = re.fullmatch(pattern, unquote(path).rstrip("/"))
        if verb != method or not match:
            continue
        found: dict[str, Any] = json.loads(body) if body else {}
        for member, of in shape.members.items():
            where, key = of.serialization.get("location"), of.serialization.get("name", member)
            if where == "uri":
                found[member] = match[key]
            elif where == "querystring" and key in query:
                found[member] = _value(query[key], of.type_name)
        return name, found
    return None


def input_shape(service: str, call: str) -> Any:
    """The shape of the parameters of *call*."""
    return botocore.session.get_session().get_service_model(service).operation_model(call).input_shape


def violation(asked: Any, shape: Any) -> str | None:
    """What is wrong with *asked* by its *shape*: parameters that are missing or unknown, types, lengths, choices."""
    report = ParamValidator().validate(asked, shape)
    if report.has_errors():
        return str(report.generate_report())
    return next(_constraints(asked, shape, ""), None)


def _constraints(value: Any, shape: Any, at: str) -> Iterator[str]:
    if shape.type_name == "structure":
        for name, one in value.items():
            yield from _constraints(one, shape.members[name], f"{at}.{name}" if at else name)
    elif shape.type_name == "map":
        for key, one in value.items():
            yield from _constraints(key, shape.key, f"{at} (key)")
            yield from _constraints(one, shape.value, f"{at}.{key}")
    elif shape.type_name == "list":
        for one in value:
            yield from _constraints(one, shape.member, at)
    failed = f"1 validation error detected: Value '{value}' at '{at}' failed to satisfy constraint: Member must "
    meta = shape.metadata
    if "max" in meta and isinstance(value, (str, list, dict)) and len(value) > meta["max"]:
        yield f"{failed}have length less than or equal to {meta['max']}"
    if "enum" in meta and value not in meta["enum"]:
        yield f"{failed}satisfy enum value set: [{', '.join(meta['enum'])}]"
    pattern = meta.get("pattern", r"\p")  # which Python's patterns lack
    if r"\p" not in pattern and isinstance(value, str) and not re.fullmatch(pattern, value):
        yield f"{failed}satisfy regular expression pattern: {meta['pattern']}"


@cache
def _routes(service: str, names: tuple[str, ...]) -> list[tuple[str, str, str, Any]]:
    """Method, pattern of the path, name and input of each call."""
    model = botocore.session.get_session().get_service_model(service)
    found = []
    for name in names:
        operation = model.operation_model(name)
        path = re.escape(operation.http["requestUri"].rstrip("/")).replace(r"\{", "{").replace(r"\}", "}")
        pattern = re.sub(r"{(\w*[aA]rn)}", r"(?P<\1>.+)", path)
        pattern = re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", pattern)
        found.append((operation.http["method"], pattern, name, operation.input_shape))
    return sorted(found, key=lambda route: -len(route[1]))  # what is below a resource before the resource


def _value(values: list[str], type_name: str) -> Any:
    if type_name == "timestamp":
        return parse_timestamp(values[0]).timestamp()
    if type_name == "list":
        return values
    return int(values[0]) if type_name in ("integer", "long") else values[0]
