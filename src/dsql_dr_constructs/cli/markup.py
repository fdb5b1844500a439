"""HTML and SVG from elements instead of text, so that no value can be anything but text."""

from __future__ import annotations

from xml.etree.ElementTree import Element, indent, tostring


def element(tag: str, *inside: Element | str, **attributes: object) -> Element:
    """One element with what is in it; ``_`` in an attribute's name is ``-``, and one at its end is left out."""
    made = Element(tag, {name.rstrip("_").replace("_", "-"): str(value) for name, value in attributes.items()})
    for one in inside:
        if isinstance(one, Element):
            made.append(one)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + one
        else:
            made.text = (made.text or "") + one
    return made


def document(root: Element) -> str:
    """A whole file; characters that UTF-8 does not have are question marks."""
    indent(root, " ")
    text = tostring(root, encoding="unicode", method="html")
    return f"<!doctype html>\n{text}\n".encode("utf-8", "replace").decode()
