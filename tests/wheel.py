"""The wheels of this project, for tests that read or install them."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

from markdown_it import MarkdownIt

from tests.tools import ROOT

PROJECTS = {"dsql_dr_constructs": ROOT, "dsql_dr_client": ROOT / "client"}
"""Folder of each distribution, by the package that it installs."""


def build_wheel(folder: Path, package: str = "dsql_dr_constructs") -> Path:
    """Build it from the sources into *folder*."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=PROJECTS[package], check=True, capture_output=True)
    [built] = folder.glob(f"{package}-*.whl")
    return built


def metadata(wheel: Path) -> Message:
    """Its METADATA: the page that PyPI shows is the payload."""
    with zipfile.ZipFile(wheel) as archive:
        [name] = [one for one in archive.namelist() if one.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(name).decode())


def requirements(wheel: Path) -> list[str]:
    """Without those of extras."""
    return [one for one in metadata(wheel).get_all("Requires-Dist", []) if "extra ==" not in one]


def page(wheel: Path) -> str:
    """What PyPI shows."""
    found = metadata(wheel)
    assert found["Description-Content-Type"] == "text/markdown"
    return str(found.get_payload())


def links(markdown: str) -> list[str]:
    """Where links and pictures lead."""
    return [
        str(inner.attrGet("href") or inner.attrGet("src"))
        for block in MarkdownIt().enable("table").parse(markdown)
        for inner in block.children or []
        if inner.type in ("link_open", "image")
    ]


def files(wheel: Path) -> tuple[set[str], set[str]]:
    """Files of the package, and those beside METADATA."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    packaged = {one for one in names if ".dist-info/" not in one}
    return packaged, {one.partition(".dist-info/")[2] for one in names if one not in packaged}


def sources(package: str) -> set[str]:
    """What its wheel should have."""
    source = PROJECTS[package] / "src"
    found = [one for one in source.rglob("*") if one.is_file() and "__pycache__" not in one.parts]
    return {str(one.relative_to(source)) for one in found}
