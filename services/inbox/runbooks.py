"""The runbooks as pages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

INDEX = "README"
_PAGE = re.compile(r"^([A-Za-z][A-Za-z0-9_]*)\.md(#.*)?$")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")


@dataclass(frozen=True, slots=True)
class Runbook:
    """One runbook; `html` is safe to show."""

    name: str
    html: str


class Runbooks:
    """Reads `<Alert>.md` files. Thread-safe.

    Args:
        folder: where they are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # HTML in the text is shown, not obeyed.
        self._markdown = MarkdownIt("commonmark", {"html": False}).enable("table")

    def get(self, name: str) -> Runbook | None:
        """Return the runbook of an alert, or under `INDEX` the list of them; None for none."""
        if not _NAME.fullmatch(name):
            return None
        try:
            text = (self._folder / f"{name}.md").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None
        tokens = self._markdown.parse(text)
        for token in tokens:
            for part in token.children or []:
                href = part.attrs.get("href")
                if isinstance(href, str):
                    # A page here has the name of its file, without the ending.
                    part.attrs["href"] = _PAGE.sub(r"\1\2", href)
        html: str = self._markdown.renderer.render(tokens, self._markdown.options, {})
        return Runbook(name, html)

    def names(self) -> list[str]:
        """List the alerts that have one."""
        return sorted(path.stem for path in self._folder.glob("*.md") if path.stem != INDEX)
