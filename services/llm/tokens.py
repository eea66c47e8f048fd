"""A tokenizer that is good enough to count and to stream: its pieces joined are the text."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\s*\w{1,6}|\s*[^\w\s]|\s+")


def tokenize(text: str) -> list[str]:
    """Cut a text into tokens of about four characters, as language models have them."""
    return _TOKEN.findall(text)
