"""Markdown files become sections: what lies under one heading."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOCUMENTS = ("README.md", "docs/**/*.md", "services/*/README.md")
MAX_FILE_BYTES = 1_000_000
MAX_SECTION_CHARACTERS = 2_000

_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)$")


@dataclass(frozen=True, slots=True)
class Section:
    """A piece of a document.

    Args:
        path: the document's path below the documents' folder, with slashes.
        title: the document's first heading, or its file name.
        heading: the section's own heading.
        anchor: what follows `#` in a link to the section.
        text: what is written under the heading.
    """

    path: str
    title: str
    heading: str
    anchor: str
    text: str


def read_documents(folder: Path) -> Iterator[Section]:
    """Read every document below a folder; an unreadable or huge file is left out.

    Args:
        folder: where `README.md` and `docs/` are.
    """
    files = {path for pattern in DOCUMENTS for path in folder.glob(pattern) if path.is_file()}
    for path in sorted(files):
        if path.stat().st_size <= MAX_FILE_BYTES:
            text = path.read_text(encoding="utf-8", errors="replace")
            yield from split(path.relative_to(folder).as_posix(), text)


def split(path: str, text: str) -> Iterator[Section]:
    """Split one document at its headings; a `#` inside a code fence is no heading.

    A section longer than `MAX_SECTION_CHARACTERS` becomes several with the same heading.
    """
    title = ""
    seen: dict[str, int] = {}
    for heading, body in _parts(text):
        title = title or heading or Path(path).stem
        anchor = _anchor(heading, seen)
        for piece in _pieces(body):
            yield Section(path, title, heading or title, anchor, piece)


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """Yield each heading with the text under it; the text before any heading has an empty one."""
    heading, lines, fence = "", list[str](), ""
    for line in text.splitlines():
        found = None if fence else _HEADING.match(line)
        fence = _fence_after(line, fence)
        if found is None:
            lines.append(line)
            continue
        if heading or any(lines):
            yield heading, "\n".join(lines).strip()
        heading, lines = found[2], []
    if heading or any(lines):
        yield heading, "\n".join(lines).strip()


def _fence_after(line: str, fence: str) -> str:
    """Return the fence that is open after this line; empty for none."""
    found = _FENCE.match(line)
    if found is None:
        return fence
    if not fence:
        return found[1]
    closes = found[1].startswith(fence) and not found[2].strip()
    return "" if closes else fence


def _pieces(body: str) -> Iterator[str]:
    """Cut a long text between paragraphs; a paragraph that is too long itself, anywhere."""
    piece = ""
    for paragraph in re.split(r"\n\s*\n", body):
        if piece and len(piece) + len(paragraph) > MAX_SECTION_CHARACTERS:
            yield piece
            piece = ""
        piece = f"{piece}\n\n{paragraph}" if piece else paragraph
        while len(piece) > MAX_SECTION_CHARACTERS:
            yield piece[:MAX_SECTION_CHARACTERS]
            piece = piece[MAX_SECTION_CHARACTERS:]
    yield piece


def _anchor(heading: str, seen: dict[str, int]) -> str:
    """Make the anchor that Markdown viewers give a heading; repeated ones are numbered."""
    slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
    count = seen.get(slug, 0)
    seen[slug] = count + 1
    return f"{slug}-{count}" if count else slug
