"""Searching finds the right document, whatever is typed."""

import os
import sqlite3
import threading
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from services.retrieval.app import create_app
from services.retrieval.index import Index, build
from services.retrieval.sections import Section, read_documents, split
from services.retrieval.settings import Settings
from services.retrieval.terms import match_expression
from stack.errors import ConfigurationError

RUNBOOK = "docs/runbooks/CircuitBreakerOpen.md"
STEPS = "1. See which component is open.\n2. Look at its traces."
DOCUMENTS = {
    RUNBOOK: f"# CircuitBreakerOpen\n\nA breaker is open.\n\n## What to do\n{STEPS}\n",
    "docs/runbooks/TargetDown.md": "# TargetDown\n\n## What to do\n1. Restart the process.\n",
    "docs/runbooks/CircuitBreakerFlapping.md": "# CircuitBreakerFlapping\n\n## What to do\nWait.\n",
    "docs/guide.md": "# Guide\n\n" + "When the circuit breaker is open, do something. " * 20,
    "README.md": "# Stack\n\n## Start\nRun `make up`.\n",
}


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    for name, text in DOCUMENTS.items():
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "project"


@pytest.fixture
def index(docs: Path, tmp_path: Path) -> Index:
    return build(tmp_path / "index.db", read_documents(docs))


@pytest.fixture
def client(docs: Path) -> FlaskClient:
    return create_app(Settings(docs_dir=docs)).test_client()


@pytest.mark.parametrize(
    "question",
    [
        "What do I do when CircuitBreakerOpen fires?",
        "circuitbreakeropen",
        "CircuitBreakerOpen firing!!",
        'what about "CircuitBreakerOpen" AND (NOT OR NEAR * ^ -',
    ],
)
def test_a_named_document_comes_first(index: Index, question: str) -> None:
    """A question that names an alert finds its runbook first, not one that is like it."""
    assert index.search(question, 3)[0].section.path == RUNBOOK


def test_the_steps_come_before_the_rest_of_the_runbook(index: Index) -> None:
    """Who asks what to do gets the section that says it."""
    assert index.search("What do I do when CircuitBreakerOpen fires?", 1)[0].section.text == STEPS


def test_a_joined_name_is_found_by_its_parts(index: Index) -> None:
    """Who writes the words of a name apart finds the name as well."""
    paths = [p.section.path for p in index.search("breaker flapping", 3)]
    assert paths[0] == "docs/runbooks/CircuitBreakerFlapping.md"


def test_scores_fall_and_the_limit_holds(index: Index) -> None:
    """Passages come best first, never more than asked for."""
    found = index.search("what to do with the breaker", 3)
    assert len(found) == 3
    assert [p.score for p in found] == sorted((p.score for p in found), reverse=True)


@pytest.mark.parametrize("question", ["?!", '"', "' AND zzz=zzz --", "zzzunknown", "\x00", "²"])
def test_nothing_found_is_an_empty_answer(index: Index, question: str) -> None:
    """What matches nothing is no error."""
    assert index.search(question, 3) == []


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=80))
def test_no_text_is_an_fts_operator(text: str) -> None:
    """Whatever is typed, the query is one that SQLite can parse."""
    expression = match_expression(text)
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE VIRTUAL TABLE t USING fts5(a)")
        if expression:
            connection.execute("SELECT * FROM t WHERE t MATCH ?", (expression,)).fetchall()
    connection.close()


def test_only_common_words_still_search() -> None:
    """A question of nothing but common words uses them rather than nothing."""
    assert match_expression("what is it") == '"what" OR "is" OR "it"'
    assert match_expression("How do I start?") == '"start"'
    assert match_expression("?!") == ""


def test_who_asks_what_to_do_gets_the_steps(tmp_path: Path) -> None:
    """A heading that announces steps is found by another word for them."""
    sections = split("docs/Disk.md", "# Disk\n\nDisk is full, disk.\n\n## Remedy\nDelete.\n")
    found = build(tmp_path / "i.db", sections).search("Disk full: what do I do?", 1)
    assert found[0].section.heading == "Remedy"


def test_rebuilding_replaces_the_file_as_a_whole(index: Index, tmp_path: Path) -> None:
    """A reader of the old index is not disturbed by a new one, and no temporary file is left."""
    assert index.search("make", 1)
    new = build(tmp_path / "index.db", [Section("n.md", "New", "New", "new", "fresh words")])
    assert index.search("make", 1)
    assert new.search("fresh", 1)
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["index.db"]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_threads_and_forks_use_connections_of_their_own(index: Index) -> None:
    """An index that was opened already serves other threads and a forked child."""
    assert index.count() > 0
    counts: list[int] = []
    threads = [threading.Thread(target=lambda: counts.append(index.count())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [index.count()] * 4
    child = os.fork()
    if child == 0:
        os._exit(0 if index.search("breaker", 1) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_search_answers_with_passages(client: FlaskClient) -> None:
    """A passage says where it stands, what it is called and what it says."""
    (passage,) = client.get("/search?q=CircuitBreakerOpen&k=1").get_json()["passages"]
    assert passage["path"] == RUNBOOK
    assert set(passage) == {"path", "title", "heading", "anchor", "text", "score"}


def test_three_passages_are_the_default(client: FlaskClient) -> None:
    """Without `k` the best three are sent."""
    assert len(client.get("/search?q=breaker").get_json()["passages"]) == 3


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "q"),
        ("q=", "q"),
        ("q=%20%0a", "q"),
        (f"q={'a' * 2001}", "q"),
        ("q=a&k=0", "k"),
        ("q=a&k=21", "k"),
        ("q=a&k=-1", "k"),
        ("q=a&k=1.5", "k"),
        ("q=a&k=", "k"),
        ("q=a&k=%D9%A3", "k"),
        ("q=a&k=" + "9" * 5000, "k"),
    ],
)
def test_a_bad_parameter_is_named(client: FlaskClient, query: str, field: str) -> None:
    """The error names the field, its value cut short, and what is allowed."""
    response = client.get(f"/search?{query}")
    error = response.get_json()["error"]
    assert (response.status_code, error["field"]) == (400, field)
    assert error["message"].startswith(f"{field} must be ")
    assert len(error["value"] or "") <= 100


def test_other_paths_and_methods_answer_in_json(client: FlaskClient) -> None:
    """Even what does not exist is answered in the one form that errors have."""
    assert client.get("/nothing").get_json()["error"]["message"]
    assert client.post("/search").status_code == 405


def test_the_service_is_ready_only_with_documents(client: FlaskClient, tmp_path: Path) -> None:
    """An empty index answers, but says that it is not ready and why."""
    assert client.get("/readyz").status_code == 200
    (tmp_path / "empty").mkdir()
    empty = create_app(Settings(docs_dir=tmp_path / "empty")).test_client()
    assert empty.get("/search?q=anything").get_json() == {"passages": []}
    assert "DOCS_DIR" in empty.get("/readyz").get_json()["checks"]["index"]


def test_an_unreadable_index_is_a_503(docs: Path, tmp_path: Path) -> None:
    """A damaged file is reported as such, without a stack in the answer."""
    path = tmp_path / "i.db"
    client = create_app(Settings(docs_dir=docs, database_path=path)).test_client()
    path.write_bytes(b"this is no database" * 100)
    answers: list[int] = []

    def ask() -> None:
        answers.append(client.get("/search?q=breaker").status_code)

    fresh = threading.Thread(target=ask)
    fresh.start()
    fresh.join()
    assert answers == [503]


def test_each_query_has_a_database_span(index: Index, spans: InMemorySpanExporter) -> None:
    """The span follows the conventions and holds no value of the query."""
    spans.clear()
    index.search("secretword", 3)
    (span,) = spans.get_finished_spans()
    attributes = dict(span.attributes or {})
    assert (span.name, span.kind) == ("SELECT section", SpanKind.CLIENT)
    assert attributes["db.system.name"] == "sqlite"
    assert attributes["db.operation.name"] == "SELECT"
    assert attributes["db.response.returned_rows"] == 0
    assert "?" in str(attributes["db.query.text"])
    assert "secretword" not in str(attributes)


def test_bad_settings_are_named(tmp_path: Path) -> None:
    """A folder that is not there, or a database that is one, stops the start."""
    with pytest.raises(ConfigurationError, match=r"DOCS_DIR=.*existing folder"):
        Settings.from_env({"DOCS_DIR": str(tmp_path / "none")})
    with pytest.raises(ConfigurationError, match=r"DATABASE_PATH=.*a file"):
        Settings.from_env({"DATABASE_PATH": str(tmp_path)})
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"DATABASE_PATH=.*can be written"):
        create_app(Settings(docs_dir=tmp_path, database_path=tmp_path / "file" / "x.db"))
