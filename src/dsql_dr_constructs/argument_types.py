"""Whether a value has the type of an annotation, and, if not, which type is needed, in words of a user.

typeguard, which jsii depends on, is not enough: its second major version checks neither the contents of mappings nor
jsii's interfaces, and its messages are not for a user of this library. A right value needs no call to Node here.
"""

from __future__ import annotations

import difflib
import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from aws_cdk import Token

_LONGEST = 80
_WORDS = {str: "a string", int: "a whole number", float: "a number", bool: "True or False"}
_EXAMPLES = {"Construct": ", for example the App or a Stack", "iam.IGrantable": ", for example a role or a function"}
_AS_TOKEN = {str: "as_string", int: "as_number", float: "as_number"}
_PROXY = "InterfaceDynamicProxy"


@cache
def hints_of(of: Any) -> dict[str, Any]:
    return get_type_hints(of)


def _problem(name: str, value: Any, hint: Any) -> str | None:
    """What is wrong with *value*, without the full stop; None if nothing is."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        if value is None and NoneType in inner:
            return None
        problems = [_problem(name, value, one) for one in inner if one is not NoneType]
        return None if None in problems else problems[0]
    if origin is Mapping and isinstance(value, Mapping):
        parts = [(f"a key of {name}", key, inner[0]) for key in value]
        return first_problem([*parts, *((f"{name}[{key!r}]", one, inner[1]) for key, one in value.items())])
    if origin in (Sequence, tuple) and isinstance(value, origin) and not isinstance(value, (str, bytes)):
        return first_problem([(f"{name}[{index}]", one, inner[0]) for index, one in enumerate(value)])
    return None if origin is None and _is(value, hint) else f"{name} is {shown(value)}: {_needed(hint, value)}"


def first_problem(parts: Sequence[tuple[str, Any, Any]]) -> str | None:
    return next((found for part in parts if (found := _problem(*part))), None)


def _is(value: Any, hint: Any) -> bool:
    if hint in (int, float):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            return False  # NaN would end Node
        return hint is float or isinstance(value, int) or Token.is_unresolved(value)  # a token of a number is a float
    # what jsii returns for an imported resource: a proxy with several objects behind it
    answering = [value, *vars(value).get("_delegates", ())] if type(value).__name__ == _PROXY else [value]
    if getattr(hint, "_is_protocol", False):
        implemented = [kind for one in answering for kind in getattr(type(one), "__jsii_ifaces__", ())]
        if any(hint in kind.__mro__ for kind in implemented):  # by a class of Python; optional members may be missing
            return True
        return _members_of(hint) <= frozenset().union(*(_members(one) for one in answering))
    return any(isinstance(one, hint) for one in answering)


def _members(value: object) -> frozenset[str]:
    kind: Any = type(value)
    return _members_of(kind)


@cache
def _members_of(kind: Any) -> frozenset[str]:
    """Read from the classes: reading a property of an object would be a call to Node."""
    return frozenset(name for one in kind.__mro__ for name in vars(one) if not name.startswith("_"))


def shown(value: object) -> str:
    text = re.sub(r"<(?:[\w<>]+\.)*(<?\w+>?)(?: object)? at 0x[0-9a-f]+>", r"<\1>", repr(value))
    text = text.replace(_PROXY, "imported construct")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _needed(hint: Any, value: Any) -> str:
    """Which type is needed, and an example or how to get it."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Mapping:
        return f"a mapping of {_plural(inner[0])} to {_plural(inner[1])} is needed"
    if origin is not None:
        hinted = f"; give [{shown(value)}]" if isinstance(value, str) and inner[0] is str else ""
        return f"a {'tuple' if origin is tuple else 'list'} of {_plural(inner[0])} is needed{hinted}"
    return f"{_WORDS.get(hint) or _with_article(_called(hint))} is needed{_way(hint, value)}"


def _plural(hint: Any) -> str:
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(_plural(one) for one in get_args(hint))
    return "strings" if hint is str else f"{_called(hint)} objects"


def _called(hint: Any) -> str:
    """As users write it: ``kms.Key`` for the interface ``aws_cdk.aws_kms.IKey``."""
    module = hint.__module__.rpartition(".aws_")[2] if ".aws_" in hint.__module__ else ""
    name = hint.__name__[1:] if hasattr(sys.modules[hint.__module__], hint.__name__[1:]) else hint.__name__
    return f"{module}.{name}" if module else name


def _with_article(name: str) -> str:
    return f"{'an' if name.startswith(('A', 'E', 'I', 'O', 'U', 'e', 'i', 'sns', 'sqs')) else 'a'} {name}"


def _way(hint: Any, value: Any) -> str:
    if hint in _AS_TOKEN:
        return f"; give Token.{_AS_TOKEN[hint]}(...)" if "creation_stack" in _members(value) else ""
    name = _called(hint)
    if issubclass(hint, Enum):
        names = [one.name for one in hint]
        near = difflib.get_close_matches(str(value).upper().replace(" ", "_"), names, n=1) or names
        return f", for example {name}.{near[0]}"
    if is_dataclass(hint):
        kind: Any = hint
        first = fields(kind)[0]
        suits = value is not None and not _problem(first.name, value, hints_of(kind)[first.name])
        return f", for example {name}({first.name}={repr(value) if suits else '...'})"
    concrete = getattr(sys.modules[hint.__module__], hint.__name__[1:], None)
    ways = [one for one in dir(concrete) if one.startswith("from_")] if isinstance(value, str) else []
    way = next((one for end in ("_arn", "_lookup") for one in ways if one.endswith(end)), None)
    if way:
        return f"; import it with {name}.{way}"
    if name == "Duration":
        return f", for example Duration.minutes({value if type(value) is int and value > 0 else 5})"
    return _EXAMPLES.get(name, "")
