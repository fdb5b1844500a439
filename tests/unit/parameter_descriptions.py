"""How each public signature describes its parameters, and each public class its attributes of the same names."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import combinations
from typing import Any

import griffe

from docs.api_reference import PACKAGE, ROOT

SAME = 0.65
"""From this likeness on two sentences say the same."""


def described() -> dict[str, dict[str, str]]:
    """By parameter or attribute: its description in each public signature and class, without the default.

    References are left out.
    """
    package = griffe.load(PACKAGE, search_paths=[str(ROOT / "src")], docstring_parser="google", resolve_aliases=True)
    found: dict[str, dict[str, str]] = {}
    for owner, member in _members(package):
        for name, description in _descriptions(member):
            text = " ".join(description.split()).partition(" Default: ")[0]
            if not text.startswith("As in `"):
                found.setdefault(name, {})[owner] = text
    return found


def _descriptions(member: Any) -> Iterator[tuple[str, str]]:
    if member.is_attribute:
        yield member.name, member.docstring.value
        return
    for section in member.docstring.parsed:
        if section.kind is griffe.DocstringSectionKind.parameters:
            yield from ((one.name, one.description) for one in section.value)


def _members(package: Any) -> Iterator[tuple[str, Any]]:
    for export in package.exports or ():
        name = str(export).strip("'\"")
        target = _final(package[name])
        inherited = target.all_members.values() if target.is_class else ()
        for one in [target, *map(_final, inherited)]:
            public = not one.name.startswith("_") or one.name == "__init__"
            if one.docstring and public and one.path.startswith(PACKAGE):
                yield ".".join(one.path.split(".")[-2:]), one


def _final(found: Any) -> Any:
    return found.final_target if found.is_alias else found


def twice(descriptions: dict[str, dict[str, str]]) -> list[str]:
    """What two signatures say in the same, or nearly the same, words."""
    return [
        f"{name}: {one} and {other}: {texts[one]!r}, {texts[other]!r}"
        for name, texts in descriptions.items()
        for one, other in combinations(texts, 2)
        if SequenceMatcher(None, texts[one].lower(), texts[other].lower()).ratio() >= SAME
    ]
