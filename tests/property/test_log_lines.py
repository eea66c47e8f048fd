"""Whatever is logged, a line is one valid JSON object, bounded, with its core fields intact."""

import json
import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from stack.logs.record import CORE, MAX_LINE_BYTES, build, encode


class Hostile:
    """A value that cannot even be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no")


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.builds(Hostile)
    | st.dates()
    | st.just(float("nan"))
    | st.just("\ud800")
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=12,
)
names = st.text(min_size=1, max_size=20) | st.sampled_from([*CORE, "\ud800", "x" * 70_000])


@settings(max_examples=300, deadline=None)
@given(message=values, fields=st.dictionaries(names, values, max_size=6))
def test_a_line_is_always_one_json_object(message: Any, fields: dict[str, Any]) -> None:
    """It parses, has no line break inside, and says who wrote it."""
    record = build(
        service="svc", logger="log", level="info", message=message, fields=fields, error=None
    )
    line = encode(record)
    assert line.count(b"\n") == 1
    read = json.loads(line, parse_constant=lambda name: math.nan)
    assert isinstance(read, dict)
    assert (read["service"], read["logger"], read["level"]) == ("svc", "log", "info")
    assert len(line) <= MAX_LINE_BYTES


@settings(max_examples=50, deadline=None)
@given(depth=st.integers(1, 200))
def test_depth_and_length_are_bounded(depth: int) -> None:
    """A value nested or long without end makes a short line."""
    nested: Any = "x" * 100_000
    for _ in range(depth):
        nested = [nested]
    cyclic: list[Any] = []
    cyclic.append(cyclic)
    fields = {"nested": nested, "cyclic": cyclic, "many": list(range(100_000))}
    line = encode(build(service="s", logger="l", level="info", message="m", fields=fields))
    assert len(line) < 20_000


@settings(max_examples=20, deadline=None)
@given(depth=st.integers(1, 8), fields=st.integers(1, 200), text=st.sampled_from("x\x00é"))
def test_a_lines_bound_is_one_of_the_whole_line(depth: int, fields: int, text: str) -> None:
    """However values branch and however many there are, a line stays short, and is made soon."""
    branching: Any = text * 50
    for _ in range(depth):
        branching = [branching] * 100
    many = {f"field{number}": branching for number in range(fields)}
    line = encode(build(service="s", logger="l", level="info", message=text * 9999, fields=many))
    assert len(line) <= MAX_LINE_BYTES
    assert json.loads(line)["service"] == "s"
