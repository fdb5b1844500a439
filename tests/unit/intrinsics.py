"""What CloudFormation makes of the intrinsic functions in a template."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _as_it_is_named(resource: str, attribute: str) -> str:
    return f"{resource}.{attribute}"


def written_out(value: Any, ref: Callable[[str], Any], get_att: Callable[[str, str], Any] = _as_it_is_named) -> Any:
    """*value* with *ref* for what Ref gives of a logical id, and *get_att* for Fn::GetAtt."""

    def plain(one: Any) -> Any:
        if isinstance(one, list):
            return [plain(each) for each in one]
        if not isinstance(one, dict):
            return one
        if "Fn::Join" in one:
            separator, parts = one["Fn::Join"]
            return separator.join(plain(parts))
        if "Fn::Select" in one:
            index, parts = one["Fn::Select"]
            return plain(parts)[int(index)]
        if "Fn::Split" in one:
            separator, text = one["Fn::Split"]
            return plain(text).split(separator)
        if "Fn::GetAtt" in one:
            return get_att(*one["Fn::GetAtt"])
        if "Ref" in one:
            return ref(one["Ref"])
        return {key: plain(each) for key, each in one.items()}

    return plain(value)
