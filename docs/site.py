"""What mkdocs needs to know: pages that stand at the project's root, and where their links lead on the site."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PAGES = {"README.md": "index.md", "API.md": "api.md", "SECURITY.md": "security.md", "CHANGELOG.md": "changelog.md"}
_LINK = re.compile(r"\[([^\]]+)\]\((?!https?:|#)([^)#]+)(#[^)]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages of the root."""
    for name, page in PAGES.items():
        files.append(File.generated(config, page, content=_relinked((ROOT / name).read_text(), "")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links from docs/ to the root lead to those files."""
    return _relinked(markdown, "docs/") if page.file.src_uri not in PAGES.values() else markdown


def _relinked(markdown: str, folder: str) -> str:
    def on_site(link: re.Match[str]) -> str:
        text, target, anchor = link[1], link[2], link[3] or ""
        path = (ROOT / folder / target).resolve().relative_to(ROOT).as_posix()
        if path in PAGES:
            return f"[{text}]({PAGES[path]}{anchor})"
        if path.startswith("docs/") and path.endswith((".md", ".svg", ".png", ".json")):
            return f"[{text}]({path.removeprefix('docs/')}{anchor})" if not folder else link[0]
        return text  # sources are not on the site

    return _LINK.sub(on_site, markdown)
