"""Faults on demand: guarded, bounded, shared, and over when they are over."""

import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from flask import Flask
from flask.testing import FlaskClient

from stack.errors import ConfigurationError
from stack.web import fault_state
from stack.web.fault import Fault
from stack.web.faults import faults_endpoint, inject_faults

TOKEN = {"Authorization": "Bearer t0ken"}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[FlaskClient]:
    app = Flask(__name__)
    app.add_url_rule("/work", view_func=lambda: "done")
    app.register_blueprint(faults_endpoint("t0ken"))
    inject_faults(app, {"/faults"})
    yield app.test_client()
    fault_state.end_all()


def test_faults_without_a_token_are_refused() -> None:
    """A service with faults on and no token does not start."""
    with pytest.raises(ConfigurationError, match="STACK_FAULTS_TOKEN_FILE"):
        faults_endpoint(None)


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer no"}, {"Authorization": "t0ken"}])
def test_the_token_is_asked_for(client: FlaskClient, header: dict[str, str]) -> None:
    """Without the right token nothing can be switched on."""
    answer = client.post("/faults", json={"kind": "error"}, headers=header)
    assert answer.status_code == 401
    assert fault_state.active() == []


def test_an_error_fault_answers_in_the_services_place(client: FlaskClient) -> None:
    """On, it answers with its status; deleted, the service answers again."""
    client.post("/faults", json={"kind": "error", "status": 503, "path": "/work"}, headers=TOKEN)
    assert client.get("/work").status_code == 503
    assert client.get("/faults", headers=TOKEN).get_json()["faults"][0]["kind"] == "error"
    assert client.delete("/faults", headers=TOKEN).status_code == 204
    assert client.get("/work").text == "done"


def test_a_latency_fault_delays(client: FlaskClient) -> None:
    """A delayed request takes at least the latency and succeeds."""
    client.post(
        "/faults", json={"kind": "latency", "latency_seconds": 0.05, "path": "/work"}, headers=TOKEN
    )
    started = time.monotonic()
    assert client.get("/work").text == "done"
    assert time.monotonic() - started >= 0.05


def test_a_memory_fault_holds_memory_until_it_is_over(client: FlaskClient) -> None:
    """However many requests it strikes, resident memory grows by its size, and shrinks again."""
    resident = psutil.Process().memory_info
    before = resident().rss
    client.post("/faults", json={"kind": "memory", "megabytes": 200}, headers=TOKEN)
    for _ in range(3):
        assert client.get("/work").text == "done"
    held = resident().rss - before
    assert 190e6 < held < 300e6
    client.delete("/faults", headers=TOKEN)
    client.get("/work")
    assert resident().rss - before < held - 190e6


def test_a_fault_ends_by_itself() -> None:
    """What is over is not active any more."""
    fault_state.switch_on(Fault("error", ends_at=time.time() - 1))
    assert fault_state.active() == []


def test_probability_zero_never_strikes() -> None:
    """The draw is from [0, 1): 0 is never, 1 is always."""
    assert not Fault("error", probability=0.0).strikes("/", 0.0)
    assert Fault("error", probability=1.0).strikes("/", 0.999)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (None, "body"),
        ([], "body"),
        ({}, "kind"),
        ({"kind": "meteor"}, "kind"),
        ({"kind": ["latency"]}, "kind"),
        ({"kind": "error", "status": 200}, "status"),
        ({"kind": "error", "status": True}, "status"),
        ({"kind": "error", "probability": 2}, "probability"),
        ({"kind": "error", "probability": "1"}, "probability"),
        ({"kind": "latency", "latency_seconds": 1e9}, "latency_seconds"),
        ({"kind": "error", "path": 7}, "path"),
        ({"kind": "error", "surprise": 1}, "surprise"),
        ({"kind": "error", "ends_at": 1}, "ends_at"),
    ],
)
def test_a_bad_fault_is_named(client: FlaskClient, body: object, field: str) -> None:
    """The answer names the field, its value and what is allowed; nothing is switched on."""
    answer = client.post("/faults", json=body, headers=TOKEN)
    assert answer.status_code == 400
    assert answer.get_json()["error"]["field"] == field
    assert fault_state.active() == []


def test_workers_share_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one worker writes the next one reads; a damaged file changes nothing."""
    file = tmp_path / "faults.json"
    monkeypatch.setattr(fault_state, "_file", file)
    fault_state.switch_on(Fault("error", ends_at=time.time() + 60))
    monkeypatch.setattr(fault_state, "_faults", {})
    monkeypatch.setattr(fault_state, "_seen_at", 0)
    assert [fault.kind for fault in fault_state.active()] == ["error"]
    file.write_text("{cut")
    assert [fault.kind for fault in fault_state.active()] == ["error"]
