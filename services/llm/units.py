"""A passage of Markdown cut into what can be quoted on its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_ITEM = re.compile(r"\s*([-*+]|\d{1,3}[.)])\s+(.*)")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9`\"'(\[])")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_EMPHASIS = re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1")


@dataclass(slots=True)
class Unit:
    """A sentence, a list item with the code under it, or a table row.

    Args:
        text: what it says, without links and emphasis.
        marker: `1.`, `2.` … for a step, `-` for another list item, empty for a sentence.
        block: which list or paragraph of the passage it belongs to.
    """

    text: str
    marker: str
    block: int

    @property
    def is_step(self) -> bool:
        """Whether it is one of numbered steps, which mean something only together."""
        return self.marker not in {"", "-"}


def units(passage: str) -> list[Unit]:
    """Cut a passage; headings are left out."""
    found: list[Unit] = []
    for block, (kind, text) in enumerate(_blocks(passage)):
        if kind == "code":
            _attach(found, text)
        elif kind == "list":
            found += _items(text, block)
        elif kind == "table":
            found += [Unit(row, "-", block) for row in _rows(text)]
        else:
            plain = _plain(" ".join(text.split()))
            found += [Unit(each, "", block) for each in _SENTENCE_END.split(plain) if each]
    return found


def _blocks(passage: str) -> Iterator[tuple[str, str]]:
    """Yield runs of lines of one kind: text, list, table or code."""
    kind, lines, fence = "", list[str](), False
    for line in passage.splitlines():
        is_fence = line.lstrip().startswith(("```", "~~~"))
        now = "code" if fence or is_fence else _kind(line, kind)
        if is_fence:
            fence = not fence
        # An empty line inside a list does not end it; what follows decides.
        if now != kind:
            if lines and kind:
                yield kind, "\n".join(lines)
            kind, lines = now, []
        if now and not is_fence:
            lines.append(line)
    if lines and kind:
        yield kind, "\n".join(lines)


def _kind(line: str, previous: str) -> str:
    bare = line.strip()
    if not bare:
        return "list" if previous == "list" else ""
    if bare.startswith("#"):
        return ""
    if bare.startswith("|"):
        return "table"
    if _ITEM.match(line) or (previous == "list" and line.startswith((" ", "\t"))):
        return "list"
    return "text"


def _items(text: str, block: int) -> Iterator[Unit]:
    item: Unit | None = None
    for line in text.splitlines():
        found = _ITEM.match(line)
        if found:
            if item is not None:
                yield item
            marker = found[1].replace(")", ".") if found[1][0].isdigit() else "-"
            item = Unit(_plain(found[2]), marker, block)
        elif item is not None and line.strip():
            item.text += f" {_plain(line.strip())}"
    if item is not None:
        yield item


def _rows(text: str) -> Iterator[str]:
    """Yield the rows of a table below its head."""
    lines = text.splitlines()
    for line in lines[2:]:
        cells = [_plain(cell.strip()) for cell in line.strip().strip("|").split("|")]
        yield " – ".join(cell for cell in cells if cell.strip("-–—"))


def _attach(found: list[Unit], code: str) -> None:
    """Keep code with what introduces it."""
    if found and code.strip():
        found[-1].text += f"\n```\n{code.strip()}\n```"


def _plain(text: str) -> str:
    return _EMPHASIS.sub(r"\2", _LINK.sub(r"\1", text))
