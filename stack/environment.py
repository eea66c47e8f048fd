"""Reading environment variables: what is wrong with one stops the start with a clear message.

`read(environ, "PORT", integer(1, 65535), 8000)` gives a value of the right type or raises a
`ConfigurationError` that names the variable, what it holds and what is allowed. Unset and empty
both mean the default.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from stack.errors import ConfigurationError

T = TypeVar("T")
Parser = Callable[[str], T]


class InvalidValueError(ValueError):
    """A value that a parser refuses; the text says what would be allowed."""


def read(environ: Mapping[str, str], name: str, parse: Parser[T], default: T) -> T:
    """Return the parsed variable, or the default when it is unset or empty.

    Args:
        environ: the variables.
        name: the one to read.
        parse: makes a value of its text.
        default: returned as it is.

    Raises:
        ConfigurationError: the parser refuses the text.
    """
    raw = environ.get(name, "").strip()
    if not raw:
        return default
    try:
        return parse(raw)
    except InvalidValueError as refused:
        raise ConfigurationError(name, raw[:200], str(refused)) from None


def text(max_length: int = 255) -> Parser[str]:
    """Accept printable text of at most `max_length` characters."""

    def parse(raw: str) -> str:
        if len(raw) > max_length or not raw.isprintable():
            raise InvalidValueError(f"printable text of at most {max_length} characters")
        return raw

    return parse


def choice(*allowed: str) -> Parser[str]:
    """Accept one of the words, in any case; it is returned in small letters."""

    def parse(raw: str) -> str:
        if raw.lower() not in allowed:
            raise InvalidValueError(f"one of {', '.join(allowed)}")
        return raw.lower()

    return parse


def integer(low: int, high: int) -> Parser[int]:
    """Accept a whole number from `low`, which is not negative, to `high`."""

    def parse(raw: str) -> int:
        usable = raw.isascii() and raw.isdigit() and len(raw) <= 15
        if not (usable and low <= int(raw) <= high):
            raise InvalidValueError(f"a whole number from {low} to {high}")
        return int(raw)

    return parse


def number(low: float, high: float, what: str = "a number") -> Parser[float]:
    """Accept a number from `low` to `high`; `what` names it in the message, such as `seconds`."""

    def parse(raw: str) -> float:
        try:
            value = float(raw)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise InvalidValueError(f"{what} from {low:g} to {high:.10g}")
        return value

    return parse


def switch(raw: str) -> bool:
    """Accept true and false, on and off, yes and no, 1 and 0."""
    words = {"1": True, "true": True, "on": True, "yes": True}
    words |= {"0": False, "false": False, "off": False, "no": False}
    if raw.lower() not in words:
        raise InvalidValueError("true or false")
    return words[raw.lower()]


def url(raw: str) -> str:
    """Accept a web address; a slash at its end is left out."""
    try:
        parts = urlsplit(raw)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise InvalidValueError("an http:// or https:// URL with a host")
    return raw.rstrip("/")


def secret(raw: str) -> str:
    """Accept the path of a file and return what is in it, without the space around."""
    try:
        found = Path(raw).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidValueError(f"the path of a readable text file ({error})") from None
    if not found or not found.isprintable():
        raise InvalidValueError("the path of a file that holds one line, the secret")
    return found


def folder(raw: str) -> Path:
    """Accept the path of a folder that is there."""
    if not Path(raw).is_dir():
        raise InvalidValueError("an existing folder")
    return Path(raw)


def file_to_write(raw: str) -> Path:
    """Accept the path of a file that is or could be in a folder that is there."""
    path = Path(raw)
    if path.is_dir() or not path.parent.is_dir():
        raise InvalidValueError("a file in an existing folder")
    return path
