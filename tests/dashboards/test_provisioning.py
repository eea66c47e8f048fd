"""Grafana finds data sources, dashboards and its home by the files alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from stack.ops.ports import DEFAULTS, localhost_addresses
from stack.ops.render import render
from tests.dashboards.boards import ROOT, boards, panels
from tests.rules.contracts import known_series, rules, unknown_in

PROVISIONING = ROOT / "grafana" / "provisioning"
KNOWN = known_series(rule for _, rule in rules())


def read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((PROVISIONING / name / "stack.yaml").read_text())
    return content


SOURCES = {source["uid"]: source for source in read("datasources")["datasources"]}


def test_the_data_sources_have_fixed_uids() -> None:
    """Those that variables, exemplars and traces name."""
    assert {uid: source["type"] for uid, source in SOURCES.items()} == {
        "prometheus": "prometheus",
        "jaeger": "jaeger",
        "alertmanager": "alertmanager",
    }
    assert SOURCES["alertmanager"]["jsonData"]["implementation"] == "prometheus"
    assert SOURCES["prometheus"]["isDefault"]


def test_an_exemplar_leads_to_its_trace() -> None:
    """Within Grafana and, for who may not explore, in Jaeger's own page."""
    inside, outside = SOURCES["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert inside["name"] == outside["name"] == "trace_id"
    assert inside["datasourceUid"] in SOURCES
    assert outside["url"] == "http://localhost:16686/trace/$${__value.raw}"
    assert inside["urlDisplayLabel"] != outside["urlDisplayLabel"]


def test_a_trace_leads_to_the_metrics_of_its_service() -> None:
    """Each query asks for what can be there, by the label that a service has."""
    jaeger = SOURCES["jaeger"]["jsonData"]
    assert jaeger["nodeGraph"]["enabled"]
    asked = jaeger["tracesToMetrics"]
    assert asked["datasourceUid"] in SOURCES
    assert asked["tags"] == [{"key": "service.name", "value": "service"}]
    for query in asked["queries"]:
        assert "$$__tags" in query["query"]
        expression = query["query"].replace("$$__tags", 'service="gateway"')
        assert not set(unknown_in(expression, KNOWN)), query["name"]


def test_the_scrape_interval_is_that_of_prometheus() -> None:
    """That of every job: Grafana's rate interval is four of them, so that no rate has gaps."""
    config = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())
    interval = config["global"]["scrape_interval"]
    assert SOURCES["prometheus"]["jsonData"]["timeInterval"] == interval
    assert {job.get("scrape_interval", interval) for job in config["scrape_configs"]} == {interval}


def test_the_alert_list_names_a_data_source() -> None:
    """It takes a name and no uid; the rules of that one are shown."""
    lists = [
        panel
        for board in boards().values()
        for panel in panels(board)
        if panel["type"] == "alertlist"
    ]
    assert lists
    for panel in lists:
        (found,) = [
            source
            for source in SOURCES.values()
            if source["name"] == panel["options"]["datasource"]
        ]
        assert found["jsonData"]["manageAlerts"]


@pytest.mark.parametrize(
    "path", sorted(PROVISIONING.rglob("*.yaml")), ids=lambda path: path.parent.name
)
def test_every_dollar_is_doubled(path: Path) -> None:
    """Grafana would put in a variable of its environment for a single one."""
    for line in path.read_text(encoding="utf-8").splitlines():
        assert "$" not in re.sub(r"\$\$|#.*", "", line), line


def test_the_dashboards_are_where_grafana_looks() -> None:
    """Mounted, provided into a folder, not to be changed there; the overview is its home."""
    grafana = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["grafana"]
    (provider,) = read("dashboards")["providers"]
    folder = provider["options"]["path"]
    assert f"${{STACK_CONFIG_DIR:-.}}/grafana/dashboards:{folder}:ro,z" in grafana["volumes"]
    assert provider["folder"]
    assert provider["allowUiUpdates"] is False
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{folder}/overview.json"
    assert (ROOT / "grafana" / "dashboards" / "overview.json").is_file()


def test_links_follow_the_ports(tmp_path: Path) -> None:
    """Who gives the stack other ports finds runbooks and traces behind the same links."""
    ports = {name: port + 10_000 for name, port in DEFAULTS.items()}
    render(ROOT, tmp_path, addresses=localhost_addresses(ports), secrets_dir=Path("/run/secrets"))
    found = {path.stem: path.read_text() for path in (tmp_path / "grafana").rglob("*.*")}
    assert set(found) == {*boards(), "stack"}
    for name in boards():
        assert "http://localhost:18003/" in found[name]
        assert not re.search(r"localhost:(8003|16686|3000)\b", found[name])
    sources = yaml.safe_load((tmp_path / "grafana/provisioning/datasources/stack.yaml").read_text())
    assert sources["datasources"][0]["url"] == "http://prometheus:9090"
    destinations = sources["datasources"][0]["jsonData"]["exemplarTraceIdDestinations"]
    assert destinations[1]["url"] == "http://localhost:26686/trace/$${__value.raw}"
