"""Local mode runs the components' own files; only places and, for drills, durations differ."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from stack.errors import OpsError
from stack.ops.components import Plan
from stack.ops.durations import divided, divided_in_expression, seconds, shown
from stack.ops.local import addresses
from stack.ops.ports import DEFAULTS, localhost_addresses
from stack.ops.render import render

ROOT = Path(__file__).parents[2]
PLAN = Plan(ROOT, Path("/run-dir"), {name: port + 10_000 for name, port in DEFAULTS.items()})


def rendered(dest: Path, speed: float = 1.0) -> str:
    """Render both folders and return all text."""
    render(ROOT, dest, addresses=addresses(PLAN), secrets_dir=PLAN.secrets, speed=speed)
    return "\n".join(p.read_text() for p in sorted(dest.rglob("*.y*ml")))


def test_every_host_and_secret_is_put_in_place(tmp_path: Path) -> None:
    """No name of the Compose network is left, and links lead to this machine's ports."""
    text = rendered(tmp_path)
    for host in ("gateway", "retrieval", "llm", "inbox", "loadgen", "prometheus", "alertmanager"):
        assert f"{host}:" not in text.replace(f"{host}: ", "")
    assert "127.0.0.1:18000" in text
    assert "http://localhost:18003/runbooks/TargetDown" in text
    assert "/run-dir/secrets/metrics_token" in text
    assert "/run/secrets" not in text


def test_nothing_else_differs_at_full_speed(tmp_path: Path) -> None:
    """Rules are the same but for the links in their annotations."""
    rendered(tmp_path)
    for path in (ROOT / "prometheus" / "rules").glob("*.rules.yml"):
        original = yaml.safe_load(path.read_text())
        copy = yaml.safe_load((tmp_path / "prometheus" / "rules" / path.name).read_text())
        for group, other in zip(original["groups"], copy["groups"], strict=True):
            for rule, same in zip(group["rules"], other["rules"], strict=True):
                assert {**rule, "annotations": None} == {**same, "annotations": None}


def test_a_drill_divides_every_duration(tmp_path: Path) -> None:
    """Intervals, waits and ranges, each with its floor."""
    rendered(tmp_path, speed=10)
    prometheus = yaml.safe_load((tmp_path / "prometheus" / "prometheus.yml").read_text())
    assert prometheus["global"]["scrape_interval"] == "1s", "its floor"
    assert prometheus["scrape_configs"][0]["file_sd_configs"][0]["refresh_interval"] == "3s"
    rules = (tmp_path / "prometheus" / "rules" / "requests.rules.yml").read_text()
    assert "[30s]" in rules
    assert "[5m]" not in rules
    route = yaml.safe_load((tmp_path / "alertmanager" / "alertmanager.yml").read_text())["route"]
    assert route["group_interval"] == "6s"


@pytest.mark.parametrize("grafana", [True, False])
def test_nothing_leads_to_a_grafana_that_does_not_run(tmp_path: Path, grafana: bool) -> None:
    """Without it, it is no target, and links to dashboards and traces lead to the console."""
    left_out = [] if grafana else ["targets/grafana.yaml"]
    links = localhost_addresses(DEFAULTS, console=not grafana)
    render(ROOT, tmp_path, addresses=links, secrets_dir=Path("/s"), left_out=left_out)
    target = tmp_path / "prometheus" / "targets" / "grafana.yaml"
    rules = (tmp_path / "prometheus" / "rules" / "requests.rules.yml").read_text()
    assert (target.exists(), "localhost:3000" in rules) == (grafana, grafana)
    board = (tmp_path / "grafana" / "dashboards" / "overview.json").read_text()
    assert ("localhost:16686" in board) == grafana
    if not grafana:
        assert "http://localhost:3001/d/stack-service" in rules
        assert "http://localhost:3001/search" in board


def test_what_was_rendered_before_is_gone(tmp_path: Path) -> None:
    """A rule that was deleted does not go on firing."""
    stale = tmp_path / "prometheus" / "rules" / "stale.rules.yml"
    stale.parent.mkdir(parents=True)
    stale.write_text("groups: []")
    rendered(tmp_path)
    assert not stale.exists()


@pytest.mark.parametrize(
    "content", ["global: [", "global: {scrape_interval: often}", "global:\n\t- x"]
)
def test_a_file_that_cannot_be_understood_is_named(content: str, tmp_path: Path) -> None:
    """The message has the file's path."""
    (tmp_path / "prometheus").mkdir()
    (tmp_path / "prometheus" / "prometheus.yml").write_text(content)
    with pytest.raises(OpsError, match=r"prometheus\.yml"):
        render(tmp_path, tmp_path / "out", addresses={}, secrets_dir=Path("/s"), speed=2.0)


def test_a_drill_does_not_wait_for_windows_of_hours(tmp_path: Path) -> None:
    """A range longer than 15 minutes counts as 15 before it is divided; a wait does not."""
    rules = tmp_path / "prometheus" / "rules" / "long.rules.yml"
    rules.parent.mkdir(parents=True)
    rules.write_text("groups: [{rules: [{expr: 'rate(x[3d])', for: 1h}]}]")
    for speed, expected in ((1.0, ("[3d]", "1h")), (10.0, ("[90s]", "360s"))):
        out = tmp_path / f"out-{speed}"
        render(tmp_path, out, addresses={}, secrets_dir=Path("/s"), speed=speed)
        (rule,) = yaml.safe_load((out / "prometheus" / "rules" / rules.name).read_text())["groups"][
            0
        ]["rules"]
        assert (rule["expr"], rule["for"]) == (f"rate(x{expected[0]})", expected[1])


@pytest.mark.parametrize(
    ("expression", "faster"),
    [
        ("rate(x[5m])", "rate(x[30s])"),
        ("rate(x[10s])", "rate(x[4s])"),
        ("max_over_time(x[1h:1m])", "max_over_time(x[360s:6s])"),
        ("max_over_time(x[1h:])", "max_over_time(x[360s:])"),
        ("x offset 1h", "x offset 360s"),
        ("x offset -10m", "x offset -60s"),
        ('x{a="[5m] offset 5m"}', 'x{a="[5m] offset 5m"}'),
        ("x{a='[5m]'}[5m]", "x{a='[5m]'}[30s]"),
        ("up == 0", "up == 0"),
        ("x > 5", "x > 5"),
    ],
)
def test_promql_is_divided_where_it_has_durations(expression: str, faster: str) -> None:
    """Ranges, subqueries and offsets; never what stands in quotes."""
    assert divided_in_expression(expression, 10, 4.0) == faster


@given(st.integers(0, 10**10))
def test_durations_round_trip(millis: int) -> None:
    """To the millisecond."""
    assert seconds(shown(millis / 1000)) == pytest.approx(millis / 1000, abs=1e-4)


@pytest.mark.parametrize("text", ["", "soon", "5", "5 m", "-5m", "1.5h"])
def test_what_is_no_duration_is_said(text: str) -> None:
    """The message shows what stands there."""
    with pytest.raises(ValueError, match="is not a duration"):
        divided(text, 2.0)
