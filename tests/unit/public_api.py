"""The public surface as text, whose every change is reviewed.

`python -m tests.unit.public_api` writes public_api.txt.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import aws_cdk as cdk

import dsql_dr_client
import dsql_dr_constructs
from dsql_dr_constructs import emulator

PINNED = Path(__file__).with_name("public_api.txt")


def surface() -> str:
    """Every public name with its signature and its defaults, one a line."""
    lines: list[str] = []
    for module in (dsql_dr_constructs, emulator, dsql_dr_client):
        for name in module.__all__:
            lines += _described(f"{module.__name__}.{name}", getattr(module, name))
    return "\n".join(lines) + "\n"


def _described(name: str, found: Any) -> Iterator[str]:
    if inspect.isclass(found):
        bases = ", ".join(one.__name__ for one in found.__bases__ if one is not object)
        yield f"class {name}({bases})"
        made = {one.name: one.default_factory() for one in _fields(found) if one.default_factory is not MISSING}
        yield from _signature(f"{name}.__init__", found.__init__, made)
        for attribute in sorted(_own(found)):
            value = inspect.getattr_static(found, attribute, None)
            if isinstance(value, property):
                yield f"{name}.{attribute}: {_annotation(value.fget)}"
            elif callable(value) or isinstance(value, (staticmethod, classmethod)):
                yield from _signature(f"{name}.{attribute}", getattr(found, attribute))
            else:
                annotation = inspect.get_annotations(found).get(attribute, "Any")
                yield f"{name}.{attribute}: {getattr(annotation, '__forward_arg__', annotation)}"
    elif callable(found):
        yield from _signature(name, found)
    else:
        yield f"{name} = {found!r}"


def _own(found: type) -> set[str]:
    """Public names that classes of this library define or annotate, inherited ones of ours included."""
    ours = [one for one in found.__mro__ if one.__module__.startswith(("dsql_dr_constructs", "dsql_dr_client"))]
    names = {name for one in ours for name in (*vars(one), *inspect.get_annotations(one))}
    return {name for name in names if not name.startswith("_")}


def _fields(found: type) -> tuple[Field[Any], ...]:
    return fields(found) if is_dataclass(found) else ()


def _signature(name: str, function: Any, made: Mapping[str, Any] | None = None) -> Iterator[str]:
    """*made*: defaults of a dataclass that are made when they are used."""
    signature = inspect.signature(function)
    yield f"{name}() -> {signature.return_annotation}"
    for one in signature.parameters.values():
        if one.name not in ("self", "cls"):
            value = (made or {}).get(one.name, one.default)
            default = "" if value is one.empty else f" = {_value(value)}"
            star = "*" if one.kind is one.KEYWORD_ONLY else ""
            yield f"    {star}{one.name}: {one.annotation}{default}"


def _annotation(getter: Any) -> str:
    return str(inspect.signature(getter).return_annotation)


def _value(default: Any) -> str:
    if isinstance(default, cdk.Duration):
        return f"{default.to_seconds():g} s"
    if isinstance(default, Enum):
        return str(default)
    if hasattr(default, "__dataclass_fields__"):
        fields = ", ".join(f"{name}={_value(getattr(default, name))}" for name in default.__dataclass_fields__)
        return f"{type(default).__name__}({fields})"
    return re.sub(r" at 0x[0-9a-f]+", "", repr(default))


if __name__ == "__main__":
    PINNED.write_text(surface())
