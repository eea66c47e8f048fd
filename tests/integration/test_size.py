"""What `stack size` predicts, against short runs of real Prometheus and Jaeger at three sizes."""

from __future__ import annotations

import pytest

from benchmarks.sizing import compared

# Memory is compared, so nothing else should run beside it.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
# Instances of a service, requests, and what has to be predicted within a quarter at that size.
# A small Prometheus' memory is that of the program, not of its series.
ALWAYS = {"series", "samples/s", "spans", "spans on the wire, MB"}
SIZES = [
    pytest.param(10, 100, ALWAYS, id="small"),
    pytest.param(40, 200, ALWAYS, id="medium"),
    pytest.param(150, 400, ALWAYS | {"Prometheus memory, MB"}, id="large"),
]
# One scrape of each instance, and one before it in which Prometheus settles.
SECONDS = 5.0


@pytest.mark.parametrize(("instances", "requests", "names"), SIZES)
def test_what_is_predicted_is_measured(instances: int, requests: int, names: set[str]) -> None:
    """Within 25 %; processor time is not looked at, for a busy machine changes it."""
    found = {
        name: (predicted, measured)
        for name, predicted, measured in compared(instances, requests, SECONDS)
        if name in names
    }
    assert set(found) == names
    wrong = {name: pair for name, pair in found.items() if abs(pair[0] - pair[1]) > 0.25 * pair[1]}
    assert not wrong, f"predicted and measured differ: {wrong}"
