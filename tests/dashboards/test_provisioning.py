"""Grafana finds data sources, dashboards and its home by the files alone."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

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
    """In Jaeger's own page, and in Grafana for who may explore: by its id, in no other language."""
    outside, inside = SOURCES["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert inside["name"] == outside["name"] == "trace_id"
    assert outside["url"] == "http://localhost:16686/trace/$${__value.raw}"
    assert inside["urlDisplayLabel"] != outside["urlDisplayLabel"]
    address = urlsplit(inside["url"])
    asked = parse_qs(address.query, strict_parsing=True)
    assert address.path == "/explore"
    assert asked["schemaVersion"] == ["1"]
    (pane,) = json.loads(asked["panes"][0]).values()
    jaeger = {"type": SOURCES["jaeger"]["type"], "uid": "jaeger"}
    assert pane["datasource"] == "jaeger"
    (query,) = pane["queries"]
    assert query == {"refId": "A", "datasource": jaeger, "query": "$${__value.raw}"}


# What Grafana puts in the place of $__tags: of the tags below, those that a span has.
TAGS = {
    "none of them": "",
    "a request that is served": 'http_route="/ask"',
    "a request that is sent": 'service="llm"',
    "all": 'service="gateway", http_route="/ask"',
}


@pytest.mark.parametrize("tags", TAGS.values(), ids=list(TAGS))
@pytest.mark.parametrize(
    "query",
    SOURCES["jaeger"]["jsonData"]["tracesToMetrics"]["queries"],
    ids=lambda query: query["name"],
)
def test_a_span_leads_to_its_metrics(query: dict[str, str], tags: str) -> None:
    """Each query asks for what can be there, and can be read whichever tags the span has."""
    expression = query["query"].replace("$$__tags", tags)
    assert expression != query["query"]
    assert not set(unknown_in(expression, KNOWN))
    # PromQL takes a comma at the end of a selector, and none at its beginning.
    assert not re.search(r"\{\s*,|,\s*,", expression)


def test_a_span_is_known_by_tags_that_jaeger_gives() -> None:
    """Jaeger's answer has the service's name beside the tags, where Grafana does not look."""
    jaeger = SOURCES["jaeger"]["jsonData"]
    assert jaeger["nodeGraph"]["enabled"]
    asked = jaeger["tracesToMetrics"]
    assert asked["datasourceUid"] in SOURCES
    mapped = {tag["key"]: tag["value"] for tag in asked["tags"]}
    assert mapped == {
        "service.name": "service",
        "peer.service": "service",
        "http.route": "http_route",
    }
    assert set(mapped.values()) <= KNOWN["http_server_request_duration_seconds_count"]


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
    """Grafana would put in a variable of its environment for a single one; Compose gives it one."""
    given = grafana_service()["environment"]
    for line in path.read_text(encoding="utf-8").splitlines():
        left = re.sub(r"\$\$|#.*", "", line)
        wanted = re.findall(r"\$\{([A-Z_]+)\}", left)
        assert set(wanted) <= given.keys(), line
        assert left.count("$") == len(wanted), line


def grafana_service() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    service: dict[str, Any] = content["services"]["grafana"]
    return service


def test_grafana_keeps_the_plugins_of_its_image() -> None:
    """None is fetched or replaced; none that a data source needs is disabled."""
    environment = grafana_service()["environment"]
    assert environment["GF_PLUGINS_PREINSTALL_DISABLED"] == "true"
    assert environment["GF_PLUGINS_PREINSTALL_AUTO_UPDATE"] == "false"
    assert environment["GF_PLUGINS_PUBLIC_KEY_RETRIEVAL_DISABLED"] == "true"
    disabled = environment["GF_PLUGINS_DISABLE_PLUGINS"].split(",")
    assert len(set(disabled)) == len(disabled)
    assert all(re.fullmatch(r"[a-z-]+", each) for each in disabled)
    assert not {source["type"] for source in SOURCES.values()} & set(disabled)
    types = {panel["type"] for board in boards().values() for panel in panels(board)}
    assert not types & set(disabled)


def test_a_visitor_may_look_and_nothing_is_a_default_password() -> None:
    """Without an account a viewer; the administrator's password is a secret's file."""
    environment = grafana_service()["environment"]
    assert environment["GF_AUTH_ANONYMOUS_ENABLED"] == "true"
    assert environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert environment["GF_SECURITY_ADMIN_PASSWORD__FILE"].startswith("/run/secrets/")
    assert "GF_SECURITY_ADMIN_PASSWORD" not in environment
    assert not any(name.startswith("GF_INSTALL_PLUGINS") for name in environment)


def test_the_dashboards_are_where_grafana_looks() -> None:
    """Mounted, provided into a folder, not to be changed there; the overview is its home."""
    grafana = grafana_service()
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
    assert sources["datasources"][0]["url"] == "${METRICS_URL}"
    destinations = sources["datasources"][0]["jsonData"]["exemplarTraceIdDestinations"]
    assert destinations[0]["url"] == "http://localhost:26686/trace/$${__value.raw}"
