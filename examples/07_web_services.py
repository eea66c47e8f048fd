"""Two web services with `/metrics`: Flask by one call, FastAPI by a small ASGI middleware.

Shows: `stack.instrument` gives Flask spans, series, log lines, `/metrics`, `/healthz`, `/readyz`.
For ASGI there is no such call: the middleware here makes the same span and the same series.

Look for: both count under the route's template, and what follows `#` is an exemplar: a request's
trace. Both are one process here, so the `/metrics` of either shows both.

You want it when you begin a service; `--serve` keeps them up. README.md has Flask under gunicorn.
FastAPI is no part of the library: `pip install fastapi uvicorn`.
"""

import socket
import sys
import time
from collections.abc import Awaitable, Callable
from threading import Thread
from typing import Any

import httpx
from flask import Flask
from opentelemetry import propagate, trace
from prometheus_client import make_asgi_app
from werkzeug.serving import make_server

import stack
from stack.metrics.instruments import record_server_request

Asgi = Callable[..., Awaitable[None]]
# Without a running stack there is nobody to send spans to; a service leaves this line out.
stack.setup("shop", settings=stack.Settings(traces_exporter="none", log_level="warning"))


def serve_flask() -> str:
    """Serve Flask on a free port and return the address."""
    app = stack.instrument(Flask("shop"), service="shop")

    @app.get("/orders/<int:order>")
    def order(order: int) -> dict[str, int]:
        return {"order": order}

    server = make_server("127.0.0.1", 0, app, threaded=True)
    Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def measured(app: Asgi) -> Asgi:
    """Put a span and a series around each request of an ASGI application."""

    async def measure(scope: dict[str, Any], receive: Asgi, send: Asgi) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/metrics"):
            return await app(scope, receive, send)
        status, started, method = 500, time.perf_counter(), scope["method"]

        async def note(message: dict[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        caller = propagate.extract({k.decode(): v.decode("latin-1") for k, v in scope["headers"]})
        tracer, kind = trace.get_tracer("shop"), trace.SpanKind.SERVER
        with tracer.start_as_current_span(method, caller, kind) as span:
            try:
                await app(scope, receive, note)
            finally:
                route = getattr(scope.get("route"), "path", "unmatched")
                span.update_name(f"{method} {route}")
                record_server_request(method, route, status, time.perf_counter() - started)

    return measure


def serve_fastapi() -> str:
    """Serve FastAPI on a free port and return the address."""
    import uvicorn
    from fastapi import FastAPI

    app = FastAPI()
    app.mount("/metrics", make_asgi_app())

    @app.get("/prices/{item}")
    def price(item: str) -> dict[str, int]:
        return {item: 1990}

    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(measured(app), log_level="warning"))
    Thread(target=server.run, args=([listening],), daemon=True).start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


if __name__ == "__main__":
    servers = [serve_flask()]
    print(f"Flask:   {httpx.get(f'{servers[0]}/orders/1001').json()}")
    try:
        servers.append(serve_fastapi())
        print(f"FastAPI: {httpx.get(f'{servers[1]}/prices/lamp').json()}")
    except ModuleNotFoundError as missing:
        print(f"FastAPI: {missing}; pip install fastapi uvicorn")
    accept = {"Accept": "application/openmetrics-text"}
    scrape = httpx.get(f"{servers[0]}/metrics", headers=accept).text.splitlines()
    print(f"\nOf the {len(scrape)} lines of /metrics:")
    print(*(x for x in scrape if "http_route" in x and ("# {" in x or "_count" in x)), sep="\n")
    if "--serve" in sys.argv:
        input(f"\n{' and '.join(servers)} are up until you press Enter ")
