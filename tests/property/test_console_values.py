"""What holds for whatever time, value, name or bucket the console is given."""

import json
import math
import re

from hypothesis import given
from hypothesis import strategies as st

from stack.ops.console.asking import Answer, Course
from stack.ops.console.charts import spread
from stack.ops.console.dashboard import Panel
from stack.ops.console.prometheus import Series
from stack.ops.console.timerange import InvalidRangeError, TimeRange
from stack.ops.console.values import PALETTE, ground, palette, plain, scale
from stack.ops.console.variables import Variable, filled, linked

NOW = 1_795_591_800.25
lengths = st.integers(1, 366 * 86_400)
intervals = st.sampled_from([0.5, 1, 5, 15, 60])
points = st.integers(1, 1000)
units = st.sampled_from(["s", "bytes", "short", "cps", "reqps", "percent", "percentunit", "none"])
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@given(length=lengths, interval=intervals, wanted=points, later=st.integers(0, 10_000))
def test_the_last_point_is_that_of_the_newest_sample(
    length: int, interval: float, wanted: int, later: int
) -> None:
    """However long the time: a tile shows what is, not what was. The others are whole steps off."""
    time = TimeRange(NOW - length, NOW, "", "", interval)
    start, end, step = time.moments(wanted)
    assert step % math.ceil(interval) == 0
    assert end % math.ceil(interval) == (end - start) % step == 0
    assert 0 <= time.end - end < max(1, math.ceil(interval))
    assert time.start - math.ceil(interval) < start < time.start + step
    assert (end - start) // step <= wanted
    again = TimeRange(time.start + later, time.end + later, "", "", interval).moments(wanted)
    assert again[2] == step
    assert again[0] >= start


@given(length=lengths, interval=intervals, wanted=points)
def test_a_rate_always_has_samples(length: int, interval: float, wanted: int) -> None:
    """Four at least, and all since the point before."""
    time = TimeRange(NOW - length, NOW, "", "", interval)
    window = int(time.globals(wanted)["__rate_interval"].removesuffix("s"))
    assert window >= 4 * interval
    assert window >= time.step(wanted) + interval


@given(
    since=texts | st.from_regex(r"now(-\d{1,7}[smhdwy])?|\d{1,20}", fullmatch=True),
    until=texts | st.from_regex(r"now(-\d{1,7}[smhdwy])?|\d{1,20}", fullmatch=True),
)
def test_any_time_is_read_or_refused(since: str, until: str) -> None:
    """What is read lasts a second to a year; what is refused is named."""
    try:
        time = TimeRange.parse(since, until, NOW, 5)
    except InvalidRangeError as refused:
        said = str(refused)
    else:
        said = time.globals()["__url_time_range"]
        assert 1 <= time.length <= 366 * 86_400
        assert re.fullmatch(r"[a-z0-9=&-]+", said)
    assert "from=" in said or "to=" in said


@given(value=st.floats(1e-6, 1e15) | st.floats(-1e15, -1e-6), unit=units)
def test_a_text_is_near_its_value(value: float, unit: str) -> None:
    """As near as its last digit, and never of more than two decimals."""
    chosen = scale(value, unit, None)
    text = chosen.text(value)
    number = float(text.removesuffix(chosen.suffix))
    assert text.endswith(chosen.suffix)
    assert 0 <= chosen.decimals <= 2
    shown = value / chosen.factor
    assert abs(number - shown) <= 0.5 * 10**-chosen.decimals + 1e-9 * abs(shown)


@given(size=st.floats(1e-9, 1e15), unit=units, decimals=st.none() | st.integers(0, 3))
def test_a_scale_fits_its_size(size: float, unit: str, decimals: int | None) -> None:
    """A value of its size is one or more of what is written, unless there is nothing smaller."""
    factor = scale(size, unit, decimals).factor
    assert size / factor >= 1 or factor == scale(1e-12, unit, decimals).factor
    assert factor == scale(-size, unit, decimals).factor


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_plain_value_loses_nothing(value: float) -> None:
    assert float(plain(value)) == value


@given(st.from_regex(r"#[0-9a-fA-F]{6}", fullmatch=True))
def test_white_can_be_read_on_any_ground(color: str) -> None:
    """A contrast of 4.5 as WCAG counts it; what is dark enough stays as it is."""
    made = ground(color)
    parts = [int(made[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        each / 12.92 if each <= 0.03928 else ((each + 0.055) / 1.055) ** 2.4 for each in parts
    ]
    light = sum(each * share for each, share in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))
    assert 1.05 / (light + 0.05) >= 4.49
    assert ground(made) == made


@given(st.lists(texts, unique=True, max_size=len(PALETTE)))
def test_as_many_names_as_colours_are_told_apart(names: list[str]) -> None:
    assert len(set(palette(names).values())) == len(names)


def variable(*chosen: str, several: bool) -> Variable:
    return Variable("v", "V", chosen, chosen, several, False, "", False)


def unquoted(literal: str) -> str:
    """Read a text in double quotes as Prometheus does."""
    assert re.fullmatch(r'"(?:[^"\\\n]|\\["\\n])*"', literal)
    return re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), literal[1:-1])


@given(texts)
def test_a_value_stays_inside_its_quotes(value: str) -> None:
    """Whatever it is, the query asks for exactly that."""
    assert unquoted(filled('"$v"', {"v": variable(value, several=False).value})) == value


@given(chosen=st.lists(texts, min_size=1, max_size=4), other=texts)
def test_several_values_match_themselves_only(chosen: list[str], other: str) -> None:
    """As one regular expression inside quotes."""
    pattern = unquoted(f'"{variable(*chosen, several=True).value}"')
    assert all(re.fullmatch(pattern, each) for each in chosen)
    assert bool(re.fullmatch(pattern, other)) == (other in chosen)


@given(texts)
def test_a_value_stays_one_part_of_an_address(value: str) -> None:
    """It begins no other field, nor any markup."""
    url = linked("/d/x?v=$v&w=${v}", {"v": value})
    assert re.fullmatch(r"/d/x\?v=[\w.~%-]*&w=[\w.~%-]*", url, re.ASCII)


@st.composite
def histograms(draw: st.DrawFn) -> list[list[float]]:
    """Make cumulative counts: by bucket, at each of a few moments."""
    buckets, moments = draw(st.integers(1, 8)), draw(st.integers(1, 5))
    alone = draw(
        st.lists(
            st.lists(st.integers(0, 9), min_size=moments, max_size=moments),
            min_size=buckets,
            max_size=buckets,
        )
    )
    return [
        [float(sum(row[at] for row in alone[: upto + 1])) for at in range(moments)]
        for upto in range(buckets)
    ]


@given(histograms())
def test_a_heat_map_shows_every_observation_once(counts: list[list[float]]) -> None:
    """What it leaves out is empty, and it is drawn when there was one at all."""
    bounds = [*(str(2.0**at) for at in range(len(counts) - 1)), "+Inf"]
    courses = [
        Course(le, Series({"le": le}, values)) for le, values in zip(bounds, counts, strict=True)
    ]
    panel = Panel(1, "heatmap", "", "", {}, (), {}, {"unit": "s"}, {}, (), None)
    found = spread(Answer(panel, range(len(counts[0])), courses[::-1]))
    assert bool(found) == any(counts[-1])
    if found:
        rows = [row["values"] for row in found["chart"]["rows"]]
        assert [sum(column) for column in zip(*rows, strict=True)] == counts[-1]
        assert all(value >= 0 for row in rows for value in row)
        assert json.loads(json.dumps(found, allow_nan=False)) == found
