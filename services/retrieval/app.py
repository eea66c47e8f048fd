"""`GET /search?q=…&k=…` finds the passages of the documents that match a question best."""

from __future__ import annotations

import atexit
import os
import shutil
import sqlite3
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

import stack
from services.retrieval import metrics
from services.retrieval.index import Index, build
from services.retrieval.request import InvalidSearchError, Search
from services.retrieval.sections import read_documents
from services.retrieval.settings import Settings
from stack.errors import ConfigurationError

_log = stack.get_logger("retrieval")


def create_app(settings: Settings | None = None) -> Flask:
    """Build the index, then the application that reads it.

    Args:
        settings: where the documents are; from the environment when not given.

    Raises:
        ConfigurationError: a setting cannot be used.
    """
    app = Flask(__name__)
    index = _build_index(settings or Settings.from_env())
    sections = index.count()

    def has_documents() -> str | None:
        return None if sections else "no Markdown file found; set DOCS_DIR"

    stack.instrument(app, service="retrieval", readiness={"index": has_documents})
    metrics.SECTIONS.set(sections)
    _log.info("index built", event_type="index_built", sections=sections)

    @app.get("/search")
    def search() -> Response:
        wanted = Search.parse(request.args)
        found = index.search(wanted.question, wanted.limit)
        metrics.PASSAGES.observe(len(found))
        return jsonify(passages=[{**asdict(p.section), "score": p.score} for p in found])

    @app.errorhandler(InvalidSearchError)
    def invalid(error: InvalidSearchError) -> tuple[Response, int]:
        return jsonify(error=error.as_json()), 400

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> tuple[Response, int]:
        return jsonify(error=_problem(error.description or error.name)), error.code or 500

    @app.errorhandler(sqlite3.Error)
    def unreadable(error: sqlite3.Error) -> tuple[Response, int]:
        _log.error("index unreadable", event_type="index_unreadable", exc=error)
        return jsonify(error=_problem("the index cannot be read; a restart builds it anew")), 503

    return app


def _build_index(settings: Settings) -> Index:
    path = settings.database_path or _temporary_path()
    try:
        return build(path, read_documents(settings.docs_dir))
    except (OSError, sqlite3.Error) as error:
        raise ConfigurationError(
            "DATABASE_PATH", str(path), f"a file that can be written ({error})"
        ) from error


def _temporary_path() -> Path:
    """Make a folder that goes when this process ends, but not when a forked worker does."""
    folder = tempfile.mkdtemp(prefix="retrieval-")
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return Path(folder, "index.db")


def _problem(message: str) -> dict[str, Any]:
    return {"field": None, "value": None, "message": message}
