"""`GET /hello?name=…&language=…` greets."""

from __future__ import annotations

from flask import Flask, Response, jsonify, request
from prometheus_client import Counter

import stack

WORDS = {"en": "Hello", "fr": "Bonjour", "id": "Halo"}
# A label has few values, which are known beforehand: never what somebody sends.
GREETINGS = Counter("template_greetings", "Greetings given.", ["language"])

_log = stack.get_logger("template")


def create_app() -> Flask:
    """Make the application."""
    app = Flask(__name__)
    stack.instrument(app, service="template")

    @app.get("/hello")
    def hello() -> tuple[Response, int]:
        language = request.args.get("language", "en")
        if language not in WORDS:
            message = f"language={language[:20]!r} must be one of {', '.join(WORDS)}"
            return jsonify(error=message), 400
        with stack.get_otel_tracer().span_context("choose words", {"language": language}):
            words = f"{WORDS[language]}, {request.args.get('name', 'world')}!"
        GREETINGS.labels(language).inc()
        _log.info("greeted", event_type="greeted", language=language)
        return jsonify(greeting=words), 200

    return app
