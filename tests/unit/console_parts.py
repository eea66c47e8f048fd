"""What tests of the console share: a Prometheus that is none, and dashboards of a few panels."""

import html
import json
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
from flask.testing import FlaskClient

from stack.ops.console.app import create_app
from stack.ops.console.dashboard import Panel, read_dashboards
from stack.ops.console.settings import Settings

REAL = Path(__file__).parents[2] / "grafana"
# A half hour whose points lie ten seconds apart.
START, END, STEP = 1_795_590_000, 1_795_591_800, 10
TIME = f"from={START}000&to={END}000"
EVIL = "</script><img src=x onerror=alert(1)>"

Values = float | str | Sequence[float | str | None]
Found = list[tuple[dict[str, str], Values]]


def plausible(expr: str) -> Found:
    """Answer any question with two series that have all labels, or with buckets."""
    if re.search(r"by \([^)]*\ble\b", expr) and not expr.startswith("histogram_quantile"):
        return [({"le": le}, count) for le, count in [("0.1", 1.0), ("1", 4.0), ("+Inf", 4.0)]]
    labels = {
        "alertname": "HighErrorRate",
        "component": "llm",
        "job": "services",
        "outcome": "success",
        "severity": "page",
        "slo": "gateway-availability",
        "version": "1.2.3",
    }
    return [({**labels, "service": "gateway"}, 0.5), ({**labels, "service": "llm"}, 1.0)]


class FakePrometheus:
    """Answers as Prometheus and Alertmanager do, and remembers what it was asked.

    Args:
        series: what each query finds.
        alerts: what is pending or fires.
        silenced: what Alertmanager knows.
        labels: the values of every label.
        refuses: a word of the queries that are refused.
        exemplars: what every series has.
        takes: seconds that each answer takes.
        away: whether nothing answers.
    """

    def __init__(
        self,
        series: Callable[[str], Found] | Found = plausible,
        *,
        alerts: Sequence[dict[str, Any]] = (),
        silenced: Sequence[dict[str, Any]] = (),
        labels: Sequence[str] = ("gateway", "llm"),
        refuses: str = "",
        exemplars: Sequence[dict[str, Any]] = (),
        takes: float = 0,
        away: bool = False,
    ) -> None:
        self.series = series if callable(series) else lambda expr: series
        self.alerts, self.silenced, self.labels = alerts, silenced, labels
        self.refuses, self.exemplars, self.takes, self.away = refuses, exemplars, takes, away
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = request.content.decode() or request.url.query.decode()
        fields = {name: values[0] for name, values in parse_qs(body).items()}
        with self._lock:
            self.asked.append((request.url.path, fields))
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        time.sleep(self.takes)
        with self._lock:
            self.at_once -= 1
        if self.away:
            raise httpx.ConnectError("[Errno 111] Connection refused")
        return self._answer(request.url.path, fields)

    def queries(self) -> list[str]:
        """Return the queries for series, as they arrived."""
        paths = {"/api/v1/query", "/api/v1/query_range"}
        return [fields["query"] for path, fields in self.asked if path in paths]

    def _answer(self, path: str, fields: Mapping[str, str]) -> httpx.Response:
        if path == "/api/v2/alerts":
            return httpx.Response(200, json=list(self.silenced))
        if self.refuses and self.refuses in fields.get("query", fields.get("match[]", "")):
            return httpx.Response(
                400, json={"status": "error", "error": "1:5: parse error: <unexpected>"}
            )
        data: Any
        if path.endswith("/values"):
            data = list(self.labels)
        elif path == "/api/v1/alerts":
            data = {"alerts": [dict(each) for each in self.alerts]}
        elif path == "/api/v1/query_exemplars":
            data = [{"seriesLabels": {}, "exemplars": list(self.exemplars)}]
        elif path == "/api/v1/query":
            found = self.series(fields["query"])
            result = [{"metric": metric, "value": [END, str(at)]} for metric, at in found]
            data = {"resultType": "vector", "result": result}
        else:
            moments = range(int(fields["start"]), int(fields["end"]) + 1, int(fields["step"]))
            result = [
                {"metric": metric, "values": _points(moments, values)}
                for metric, values in self.series(fields["query"])
            ]
            data = {"resultType": "matrix", "result": result}
        return httpx.Response(200, json={"status": "success", "data": data})


def _points(moments: Sequence[int], values: Values) -> list[list[float | str]]:
    every = [values] * len(moments) if isinstance(values, float | str) else values
    return [
        [at, str(value)] for at, value in zip(moments, every, strict=False) if value is not None
    ]


def alert(name: str, state: str = "firing", **labels: str) -> dict[str, Any]:
    """Make an alert as Prometheus lists it."""
    return {
        "labels": {"alertname": name, "severity": "page", **labels},
        "annotations": {"summary": f"{name} happened"},
        "state": state,
        "activeAt": "2026-11-25T07:00:00.123456789Z",
    }


def panel(kind: str, *exprs: str, **fields: Any) -> dict[str, Any]:
    """Make a panel's JSON; `target` is what all its queries have beside `expr`."""
    target = fields.pop("target", {})
    return {
        "id": 1,
        "type": kind,
        "title": f"A {kind}",
        "gridPos": {"x": 0, "y": 0, "w": 6, "h": 4},
        "targets": [{"expr": expr, **target} for expr in exprs],
        **fields,
    }


def write(folder: Path, *panels: dict[str, Any], uid: str = "b", **fields: Any) -> None:
    """Write a dashboard's file."""
    numbered = [{**each, "id": at} for at, each in enumerate(panels, start=1)]
    board = {"uid": uid, "title": f"Board {uid}", "panels": numbered, **fields}
    (folder / f"{uid}.json").write_text(json.dumps(board), encoding="utf-8")


def read_panel(folder: Path, kind: str, **fields: Any) -> Panel:
    """Make a panel as the console has read it."""
    write(folder, panel(kind, **fields), uid="panel")
    return read_dashboards(folder)[0]["panel"].panels[0]


def console(folder: Path, fake: FakePrometheus | None = None) -> FlaskClient:
    """Make a console over a folder of dashboards; who is asked is a fake."""
    settings = Settings(
        dashboards=folder,
        prometheus="http://prometheus.test",
        jaeger="http://jaeger.test",
        alertmanager="http://alertmanager.test",
        scrape_interval=5,
    )
    return create_app(settings, httpx.MockTransport(fake or FakePrometheus())).test_client()


def charts(page: str) -> list[dict[str, Any]]:
    """Return what the page's charts are told."""
    found = re.findall(r'data-panel="\d+"><script type="application/json">(.*?)</script>', page)
    return [json.loads(each) for each in found]


def words(page: str) -> str:
    """Return the text of a page's content, without its tags."""
    content = page.partition("<main")[2]
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", content)))
