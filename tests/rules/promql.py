"""PromQL in parts: what each word and sign of an expression is, and which series it selects."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a part of an expression is."""

    AGGREGATION = "aggregation"
    ARITHMETIC = "arithmetic"
    COMPARISON = "comparison"
    FUNCTION = "function"
    KEYWORD = "keyword"
    LABEL = "label"
    MATCH = "match"
    METRIC = "metric"
    NUMBER = "number"
    SET = "set"
    SIGN = "sign"
    VALUE = "value"
    WINDOW = "window"


@dataclass(frozen=True, slots=True)
class Part:
    """One word or sign, and where it begins in the expression."""

    kind: Kind
    text: str
    start: int

    @property
    def end(self) -> int:
        """Where the next part may begin."""
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class Selector:
    """One selection of series: a metric and the matchers of its labels, as (label, sign, value)."""

    metric: str
    matchers: tuple[tuple[str, str, str], ...]
    text: str


_AGGREGATIONS = frozenset({"sum", "avg", "min", "max", "count", "group", "topk", "quantile"})
_SETS = frozenset({"and", "or", "unless"})
# Those that have labels in parentheses.
_GROUPINGS = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_KEYWORDS = _GROUPINGS | {"bool", "offset"}
_PART = re.compile(
    r"""(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)
    |(?P<duration>(?:\d+(?:ms|[ywdhms]))+)
    |(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<word>[A-Za-z_:][\w:]*)
    |(?P<match>=~|!~|!=|=(?!=))
    |(?P<comparison>==|>=|<=|>|<)
    |(?P<arithmetic>[-+*/%^])
    |(?P<sign>[(){}\[\],:])""",
    re.VERBOSE,
)


def parts(expression: str) -> list[Part]:
    """Take an expression apart.

    Raises:
        ValueError: something in it is not known here.
    """
    found: list[Part] = []
    position = 0
    while rest := expression[position:].lstrip():
        position = len(expression) - len(rest)
        match = _PART.match(expression, position)
        if match is None:
            raise ValueError(f"{expression!r}: what is {rest[:20]!r}?")
        found.append(Part(_kind(match, expression, found), match[0], position))
        position = match.end()
    return found


def _kind(match: re.Match[str], expression: str, before: list[Part]) -> Kind:
    in_braces = _open(before, "{")
    match match.lastgroup:
        case "string":
            return Kind.VALUE
        case "duration":
            return Kind.WINDOW
        case "match":
            return Kind.MATCH if in_braces else Kind.COMPARISON
        case "word":
            if in_braces or _in_grouping(before):
                return Kind.LABEL
            return _word(match[0], expression[match.end() :].lstrip())
        case other:
            return Kind(str(other))


def _word(word: str, rest: str) -> Kind:
    if word in _SETS:
        return Kind.SET
    if word in _KEYWORDS:
        return Kind.KEYWORD
    if word in _AGGREGATIONS and re.match(r"\(|by\b|without\b", rest):
        return Kind.AGGREGATION
    return Kind.FUNCTION if rest.startswith("(") else Kind.METRIC


def _open(before: list[Part], sign: str) -> bool:
    """Tell whether the braces that opened last are still open."""
    closing = {"{": "}", "(": ")"}[sign]
    return next((part.text == sign for part in before[::-1] if part.text in (sign, closing)), False)


def _in_grouping(before: list[Part]) -> bool:
    opened = [index for index, part in enumerate(before) if part.text == "("]
    return _open(before, "(") and opened[-1] > 0 and before[opened[-1] - 1].text in _GROUPINGS


def selectors(expression: str) -> list[Selector]:
    """Return every selection of series in an expression."""
    whole = parts(expression)
    found = []
    for index, part in enumerate(whole):
        if part.kind is not Kind.METRIC:
            continue
        inside: list[Part] = []
        end = part.end
        if index + 1 < len(whole) and whole[index + 1].text == "{":
            close = next(i for i in range(index, len(whole)) if whole[i].text == "}")
            inside, end = whole[index + 2 : close], whole[close].end
        matchers = tuple(_matchers(inside))
        found.append(Selector(part.text, matchers, expression[part.start : end]))
    return found


def _matchers(inside: list[Part]) -> Iterator[tuple[str, str, str]]:
    for label, sign, value in zip(inside[0::4], inside[1::4], inside[2::4], strict=True):
        yield label.text, sign.text, value.text[1:-1]


def groupings(expression: str) -> list[tuple[tuple[str, ...], str]]:
    """Return the labels of every `by`, `on` and their like, with what they apply to.

    That is what stands in the parentheses after a leading `by` or `without`; for any other, the
    whole expression.
    """
    whole = parts(expression)
    found = []
    for index, part in enumerate(whole):
        if part.text not in _GROUPINGS or part.kind is not Kind.KEYWORD:
            continue
        close = _closing(whole, index + 1)
        labels = tuple(each.text for each in whole[index + 2 : close] if each.kind is Kind.LABEL)
        scope = expression
        leads = index > 0 and whole[index - 1].kind is Kind.AGGREGATION
        if leads and close + 1 < len(whole):
            last = _closing(whole, close + 1)
            scope = expression[whole[close + 1].start : whole[last].end]
        found.append((labels, scope))
    return found


def _closing(whole: list[Part], opening: int) -> int:
    """Return where the parenthesis that opens there is closed."""
    depth = 0
    for index in range(opening, len(whole)):
        depth += {"(": 1, ")": -1}.get(whole[index].text, 0)
        if depth == 0:
            return index
    raise ValueError("a parenthesis is not closed")
