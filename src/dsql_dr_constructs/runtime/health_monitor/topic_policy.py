"""Whether a topic's policy lets an alarm publish, as far as that can be said without asking IAM.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

CLOUDWATCH = "cloudwatch.amazonaws.com"

_ONLY_TLS = {"Bool": {"aws:securetransport": ["false"]}}


def may_publish(policy: str, alarm: str | None, *, is_ours: bool) -> bool:
    """Whether *policy* lets CloudWatch publish for *alarm*.

    Args:
        policy: JSON of the topic.
        alarm: ARN. None: any alarm that the policy admits will do.
        is_ours: Whether the library wrote the policy: then a denial under any condition but that of plain HTTP is none
            of it. In one of the user's own, denials with conditions are not looked into.
    """
    try:
        statements = [one for one in _list(json.loads(policy)["Statement"]) if _publishing(one) and _cloudwatch(one)]
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    denials = [_condition(one) for one in statements if one.get("Effect") == "Deny"]
    if any(one != _ONLY_TLS and (is_ours or not one) for one in denials):
        return False
    return any(one.get("Effect") == "Allow" and _admits(_condition(one), alarm) for one in statements)


def _publishing(statement: Mapping[str, Any]) -> bool:
    if "NotAction" in statement:
        return not _names_publish(statement["NotAction"])
    return _names_publish(statement.get("Action", ()))


def _names_publish(actions: Any) -> bool:
    return any(fnmatchcase("sns:publish", str(action).lower()) for action in _list(actions))


def _cloudwatch(statement: Mapping[str, Any]) -> bool:
    if "NotPrincipal" in statement:
        return not _names_cloudwatch(statement["NotPrincipal"])
    return _names_cloudwatch(statement.get("Principal"))


def _names_cloudwatch(principal: Any) -> bool:
    if isinstance(principal, dict):
        named = [*_list(principal.get("Service", ())), *_list(principal.get("AWS", ()))]
        return not {CLOUDWATCH, "*"}.isdisjoint(named)
    return bool(principal == "*")


def _condition(statement: Mapping[str, Any]) -> dict[str, dict[str, list[str]]]:
    return {
        test: {key.lower(): [str(one) for one in _list(values)] for key, values in keys.items()}
        for test, keys in (statement.get("Condition") or {}).items()
    }


def _admits(condition: Mapping[str, Mapping[str, list[str]]], alarm: str | None) -> bool:
    """By conditions on the source's ARN; others are not looked into."""
    for test, keys in condition.items():
        matches, patterns = _MATCHES.get(test.removesuffix("IfExists")), keys.get("aws:sourcearn")
        if alarm and matches and patterns is not None and not any(matches(alarm, one) for one in patterns):
            return False
    return True


def _arn_like(arn: str, pattern: str) -> bool:
    """Part by part: a ``*`` matches no further than the next colon, but in the last part."""
    parts, patterns = arn.split(":", 5), pattern.split(":", 5)
    return len(parts) == len(patterns) and all(map(fnmatchcase, parts, patterns))


_MATCHES: dict[str, Callable[[str, str], bool]] = {
    "ArnLike": _arn_like,
    "ArnEquals": _arn_like,  # AWS treats both the same
    "StringLike": fnmatchcase,
    "StringEquals": operator.eq,
}


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
