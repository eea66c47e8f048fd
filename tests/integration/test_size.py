"""What `stack size` predicts, against runs of real Prometheus and Jaeger at three sizes."""

from __future__ import annotations

from dataclasses import fields

import pytest

from benchmarks.sizing import CHECKED, JAEGER_CPU, PROMETHEUS_CPU, compared
from stack.ops.size.model import Size

# Two hours of history and a full Jaeger take minutes.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SECONDS = 20.0


@pytest.mark.parametrize(
    ("instances", "requests"),
    [
        pytest.param(*each, id=name)
        for name, each in zip(("small", "medium", "large"), CHECKED, strict=True)
    ],
)
def test_what_is_predicted_is_measured(instances: int, requests: int) -> None:
    """All that is printed is within 25 %, but processor time: a busy machine changes it."""
    found = {
        name: (predicted, measured)
        for name, predicted, measured in compared(instances, requests, SECONDS)
    }
    assert len(found) == len(fields(Size))
    for name in (PROMETHEUS_CPU, JAEGER_CPU):
        del found[name]
    wrong = {name: pair for name, pair in found.items() if abs(pair[0] - pair[1]) > 0.25 * pair[1]}
    assert not wrong, f"predicted and measured differ: {wrong}"
