"""`stack size`: every formula, what is more never needs less, and what is refused."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from stack.errors import ConfigurationError
from stack.ops.cli import main
from stack.ops.size.constants import UNITS, read_constants
from stack.ops.size.model import HEAD_SECONDS, Load, Machine, size, steps

ONE = dict.fromkeys(UNITS, 1.0)
LOAD = Load(services=2, instances=3, rps=10, retention=7200, trace_retention=3600, interval=4)
OF = {key: each.value for key, each in read_constants().items()}
GROWING = ("services", "instances", "rps", "retention", "trace_retention", "sampled")


def test_each_formula_gives_what_is_worked_out_by_hand() -> None:
    """With constants of ones: 2 x 3 instances, 8 series, 2 samples a second, 10 spans a second."""
    assert asdict(size(LOAD, ONE)) == pytest.approx(
        {
            "series": 8,
            "samples_per_second": 2,
            "prometheus_memory": 9,
            "prometheus_disk": 2 * (7200 + HEAD_SECONDS),
            "prometheus_cpu": 1 + 2 / 1000,
            "scrape_bytes_per_second": 2,
            "spans_per_second": 10,
            "jaeger_memory": 1,
            "jaeger_disk": 36_000,
            "jaeger_cpu": 0.01,
            "span_bytes_per_second": 10,
        }
    )


@given(
    name=st.sampled_from(GROWING),
    services=st.integers(1, 500),
    instances=st.integers(1, 500),
    rps=st.floats(0, 1e4),
    factor=st.integers(2, 10),
)
def test_more_of_anything_never_needs_less(
    name: str, services: int, instances: int, rps: float, factor: int
) -> None:
    """Each argument makes every need larger, or leaves it."""
    load = Load(services=services, instances=instances, rps=rps, sampled=0.1)
    larger = replace(load, **{name: getattr(load, name) * factor})
    after = asdict(size(larger, OF))
    assert all(after[key] >= value for key, value in asdict(size(load, OF)).items())


@given(interval=st.floats(1, 1800))
def test_a_longer_interval_never_needs_more(interval: float) -> None:
    """Half as many samples need no more of anything."""
    before = asdict(size(replace(LOAD, interval=interval), OF))
    after = asdict(size(replace(LOAD, interval=2 * interval), OF))
    assert all(after[key] <= value for key, value in before.items())


def test_at_its_limit_a_component_is_full_and_past_it_the_step_is_due() -> None:
    """A Prometheus with as many series as its limit needs half of the memory, or less."""
    found = {each.component: each for each in steps(LOAD, OF, Machine())}
    limit = found["prometheus"].limit
    assert limit is not None
    assert OF["base_memory"] + limit * OF["memory_per_series"] <= 2e9 * 1.001
    assert not found["prometheus"].due
    many = replace(LOAD, instances=int(limit / LOAD.services / OF["series_per_instance"]) + 1)
    assert {each.component for each in steps(many, OF, Machine()) if each.due} >= {"prometheus"}


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--services", "0"),
        ("--instances", "-1"),
        ("--rps", "-1"),
        ("--rps", "nan"),
        ("--retention", "30 days"),
        ("--retention", "1m"),
        ("--trace-retention", "x"),
        ("--interval", "0"),
        ("--sampled", "1.5"),
        ("--memory", "0"),
        ("--disk", "inf"),
    ],
)
def test_bad_input_is_refused_by_name_and_value(option: str, value: str) -> None:
    """One line names the option, its value and what it must be; the exit status is 1."""
    given_ones = {"--services": "1", "--instances": "1", "--rps": "1", option: value}
    words = [f"{name}={text}" for name, text in given_ones.items()]
    ended = CliRunner().invoke(main, ["size", *words])
    assert ended.exit_code == 1
    assert option in ended.stderr
    assert "must be" in ended.stderr


def test_json_has_what_the_table_has() -> None:
    """Load, needs and steps."""
    words = ["size", "--services=4", "--instances=2", "--rps=20", "--json"]
    ended = CliRunner().invoke(main, words)
    found = json.loads(ended.stdout)
    assert found["load"]["retention"] == 30 * 86400
    assert found["needs"]["series"] > 0
    assert [each["component"] for each in found["steps"]] == [
        "prometheus",
        "jaeger",
        "alertmanager",
        "gateway",
    ]
    assert "active series" in CliRunner().invoke(main, words[:-1]).stdout


def test_every_constant_says_what_measured_it() -> None:
    """The committed file has each constant, above zero, with a command."""
    assert all(each.command for each in read_constants().values())


def test_a_constant_in_another_unit_is_refused(tmp_path: Path) -> None:
    """The message names the constant."""
    file = tmp_path / "measured.yaml"
    file.write_text("constants: {series_per_instance: {unit: kB, value: 1}}", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="series_per_instance"):
        read_constants(file)
