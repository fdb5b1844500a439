"""API.md, from the sources and their docstrings, in the shape of Construct Hub: python docs/api_reference.py."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

import griffe

ROOT = Path(__file__).parents[1]
OURS = PACKAGE, CLIENT = "dsql_dr_constructs", "dsql_dr_client"
KINDS = ("Constructs", "Structs", "Functions and values", "Emulator", "Client")
NO_INITIALIZER = {"IRegionalCluster"}  # it is what others give, and nobody makes one


def render() -> str:
    """The whole file."""
    package, client = _loaded(PACKAGE, "src"), _loaded(CLIENT, "client/src")
    chapters: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for name in _names(package):
        found = _target(package[name])
        chapters[_kind(found)].append("\n".join(_described(name, found, PACKAGE)))
    for kind, module in {"Emulator": package["emulator"], "Client": client}.items():
        for name in _names(module):
            chapters[kind].append("\n".join(_described(name, _target(module[name]), module.path)))
    lines = ["# API reference", "", "Generated from the docstrings by `make docs`; do not edit."]
    for kind, entries in chapters.items():
        lines += ["", f"## {kind}", "", *entries]
    return "\n".join(lines).rstrip() + "\n"


def _loaded(package: str, sources: str) -> griffe.Object | griffe.Alias:
    return griffe.load(package, search_paths=[str(ROOT / sources)], docstring_parser="google", resolve_aliases=True)


def _names(module: griffe.Object | griffe.Alias) -> list[str]:
    return [str(one).strip("'\"") for one in module.exports or ()]


def _target(found: Any) -> Any:
    return found.final_target if found.is_alias else found


def _kind(found: Any) -> str:
    if not found.is_class:
        return "Functions and values"
    return "Structs" if found.labels & {"dataclass"} else "Constructs"


def _described(name: str, found: Any, module: str) -> Iterator[str]:
    yield from (f"### {name}", "")
    if found.is_function:
        yield from _called(found, name, "Parameters")
        return
    yield from _text(found)
    if found.is_attribute:
        yield from ("```python", f"{name} = {found.value}", "```", "")
    else:
        yield from _class(name, found, module)


def _class(name: str, found: Any, module: str) -> Iterator[str]:
    bases = dict.fromkeys(_known_bases(found))
    if bases:
        yield from (f"*Extends:* {', '.join(f'`{one}`' for one in bases)}", "")
    attributes = [one for one in _own(found) if one.is_attribute]
    initializer = found.members.get("__init__")
    if found.labels & {"dataclass"}:
        fields = [one for one in attributes if "property" not in one.labels]
        yield from _properties(fields, "Initializer", _documented(found), f"from {module} import {name}")
        yield from _raised(_sections(found))
        attributes = [one for one in attributes if "property" in one.labels]
    elif initializer and name not in NO_INITIALIZER:
        yield from ("#### Initializer", "", "```python", f"from {module} import {name}", "")
        yield from (_signature(name, initializer), "```", "")
        yield from _parameters(initializer, found.docstring)
    methods = [one for one in _own(found) if one.is_function]
    if methods:
        yield from ("#### Methods", "")
        for one in methods:
            static = "staticmethod" in one.labels
            yield from (f"##### {one.name}", "")
            yield from _called(one, f"{name}.{one.name}" if static else one.name)
    yield from _properties(attributes, "Properties")


def _known_bases(found: Any) -> Iterator[str]:
    """Its bases, and of one that is not exported, whose members stand among its own, that one's."""
    for base in found.bases:
        own = next((one for one in found.mro() if one.name == str(base) and one.path.startswith(OURS)), None)
        if own is None or own.name in _names(own.package):
            yield str(base)
        else:
            yield from _known_bases(own)


def _own(found: Any) -> list[Any]:
    """Public members of the class and, of bases in this package, what it inherits."""
    members: dict[str, Any] = {}
    for one in [*reversed(found.mro()), found]:
        if one.path.startswith(OURS):
            for name, member in one.members.items():
                has_text = member.docstring or member.is_function or not members.get(name)
                if not name.startswith("_") and has_text:
                    members[name] = member
    return list(members.values())


def _called(found: Any, name: str, title: str = "") -> Iterator[str]:
    yield from ("```python", _signature(name, found), "```", "")
    yield from _text(found)
    if title:
        yield from (f"#### {title}", "")
    yield from _parameters(found)


def _signature(name: str, function: Any) -> str:
    parts = []
    keyword_only = False
    for one in function.parameters:
        if one.name in ("self", "cls"):
            continue
        if one.kind is griffe.ParameterKind.keyword_only and not keyword_only:
            parts.append("*")
            keyword_only = True
        star = "*" if one.kind is griffe.ParameterKind.var_positional else ""
        default = f" = {one.default}" if one.default is not None and not star else ""
        parts.append(f"{star}{one.name}: {one.annotation}{default}")
    returns = function.returns if str(function.returns) not in ("None", "") and function.name != "__init__" else None
    arrow = f" -> {returns}" if returns else ""
    line = f"{name}({', '.join(parts)}){arrow}"
    if len(line) <= 100:
        return line
    return f"{name}(\n" + "".join(f"    {one},\n" for one in parts) + f"){arrow}"


def _sections(found: Any) -> list[Any]:
    return list(found.docstring.parsed) if found.docstring else []


def _parameters(function: Any, class_docstring: griffe.Docstring | None = None) -> Iterator[str]:
    sections = [*_sections(function), *(class_docstring.parsed if class_docstring else [])]
    types = {one.name: one for one in function.parameters}
    for section in sections:
        if section.kind is griffe.DocstringSectionKind.parameters:
            yield from ("| Parameter | Type | Default | Description |", "|---|---|---|---|")
            for one in section.value:
                parameter = types.get(one.name)
                text, default = _split_default(one.description)
                if parameter is not None and parameter.default is None:
                    default = ""
                elif not default and parameter is not None:
                    default = f"`{parameter.default}`"
                kind = parameter.annotation if parameter is not None else one.annotation
                yield f"| `{one.name}` | {_code(kind)} | {default or '*required*'} | {text} |"
            yield ""
    yield from _raised(sections)


def _raised(sections: Iterable[Any]) -> Iterator[str]:
    for section in sections:
        if section.kind is griffe.DocstringSectionKind.raises:
            for one in section.value:
                yield from (f"*Raises* `{one.annotation}`: {_line(one.description)}", "")


def _documented(found: Any) -> dict[str, str]:
    """What the docstring says of each parameter."""
    sections = [one for one in _sections(found) if one.kind is griffe.DocstringSectionKind.parameters]
    return {one.name: one.description for section in sections for one in section.value}


def _properties(
    attributes: Iterable[Any], title: str, documented: Mapping[str, str] | None = None, imported: str = ""
) -> Iterator[str]:
    attributes = list(attributes)
    if not attributes:
        return
    initializer = title == "Initializer"
    yield from (f"#### {title}", "")
    if imported:
        yield from ("```python", imported, "```", "")
    yield from (
        ("| Name | Type | Default | Description |", "|---|---|---|---|")
        if initializer
        else (
            "| Name | Type | Description |",
            "|---|---|---|",
        )
    )
    for one in attributes:
        parts = [section.value for section in _sections(one) if section.kind is griffe.DocstringSectionKind.text]
        described = " ".join(parts) or (documented or {}).get(one.name, "")
        text, default = _split_default(described) if initializer else (_line(described), "")
        default = default or (f"`{one.value}`" if one.value is not None else "*required*")
        cells = [f"`{one.name}`", _code(one.annotation), *([default] if initializer else []), text]
        yield f"| {' | '.join(cells)} |"
    yield ""


def _text(found: Any) -> Iterator[str]:
    """The docstring without its sections; code that is indented becomes a block."""
    for section in _sections(found):
        if section.kind is griffe.DocstringSectionKind.text:
            yield from (_markdown(section.value), "")
        elif section.kind is griffe.DocstringSectionKind.admonition:
            yield from (f"*{section.title}:* {_line(section.value.description)}", "")


def _markdown(text: str) -> str:
    text = re.sub(r"``([^`]+)``", r"`\1`", text)
    return re.sub(r"(?m)(?:^ {4}.*\n?)+", lambda block: f"```python\n{_dedent(block[0])}\n```\n", text).rstrip()


def _dedent(block: str) -> str:
    return "\n".join(line[4:] for line in block.rstrip("\n").splitlines())


def _split_default(text: str) -> tuple[str, str]:
    """The description without the sentence that says the default, and that."""
    line = _line(text)
    before, found, default = line.rpartition("Default: ")
    if found:
        return before.strip(), default.rstrip(".")
    return line, "as there" if line.startswith("As in `") and "required" not in line else ""


def _line(text: str) -> str:
    return re.sub(r"``([^`]+)``", r"`\1`", " ".join(text.split())).replace("|", "\\|")


def _code(annotation: Any) -> str:
    """In a table a pipe ends a cell, and generators of sites do not agree on how it is escaped inside backticks."""
    return f"<code>{escape(str(annotation))}</code>".replace("|", "&#124;") if annotation else ""


if __name__ == "__main__":
    (ROOT / "API.md").write_text(render())
