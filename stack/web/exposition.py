"""`/metrics`: this process's series, or those of all gunicorn workers together."""

from __future__ import annotations

from flask import Blueprint, Response, request
from prometheus_client import REGISTRY, CollectorRegistry

from stack.metrics import multiprocess
from stack.metrics.exposition import negotiate
from stack.web.token import refusal


def metrics_endpoint(token: str | None) -> Blueprint:
    """Make the endpoint; a scraper that asks for OpenMetrics also gets exemplars.

    Args:
        token: what a scraper has to send as a bearer token; None asks for none.
    """
    endpoint = Blueprint("stack_metrics", __name__)

    @endpoint.get("/metrics")
    def metrics() -> Response:
        refused = refusal(request, token)
        if refused is not None:
            return refused
        encode, content_type = negotiate(request.headers.get("Accept", ""))
        return Response(encode(_registry()), content_type=content_type)

    return endpoint


def _registry() -> CollectorRegistry:
    return multiprocess.scrape_registry() if multiprocess.installed() else REGISTRY
