"""Jaeger's query API, as Jaeger itself and the embedded trace store offer it.

https://www.jaegertracing.io/docs/latest/architecture/apis/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx

from stack.ops.console.traces.trace import Event, Span, Trace, grow


class JaegerError(Exception):
    """Jaeger gave no usable answer; the text says what was asked and what came of it."""


class Jaeger:
    """Asks Jaeger for traces; every method raises `JaegerError` when it does not answer.

    Args:
        url: of Jaeger, without a slash at its end.
        timeout: seconds to wait for an answer.
        transport: in the network's place in tests.
    """

    def __init__(
        self, url: str, *, timeout: float = 5.0, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.url = url
        # A proxy of the environment does not know the way to one's own services.
        self._http = httpx.Client(timeout=timeout, transport=transport, trust_env=False)

    def services(self) -> list[str]:
        """Return the services that have spans."""
        return sorted(map(str, self._ask("/api/services")))

    def operations(self, service: str) -> list[str]:
        """Return the names of a service's spans."""
        return sorted(map(str, self._ask(f"/api/services/{quote(service, safe='')}/operations")))

    def find(self, parameters: Mapping[str, str]) -> Iterator[Trace]:
        """Yield the traces that match, one at a time and without keeping them."""
        return self._traces("/api/traces", parameters)

    def trace(self, trace_id: str) -> Trace | None:
        """Return a trace, or nothing when there is none of that id."""
        return next(self._traces(f"/api/traces/{trace_id}"), None)

    def _traces(self, path: str, parameters: Mapping[str, str] | None = None) -> Iterator[Trace]:
        answer = self._ask(path, parameters)
        answer.reverse()
        try:
            while answer:
                # Taken out of the answer, what has been read can be freed.
                body = answer.pop()
                if body["spans"]:
                    yield _trace(body)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise JaegerError(f"GET {self.url}{path}: no trace in Jaeger's form") from error

    def _ask(self, path: str, parameters: Mapping[str, str] | None = None) -> list[Any]:
        asked = f"GET {self.url}{path}"
        try:
            answer = self._http.get(f"{self.url}{path}", params=parameters)
            if answer.status_code == 404:
                return []
            document = answer.json() if answer.status_code == 200 else {}
        except httpx.TimeoutException as error:
            raise JaegerError(f"{asked}: no answer in time") from error
        except (httpx.HTTPError, ValueError) as error:
            raise JaegerError(f"{asked}: {error}") from error
        if answer.status_code != 200 or not isinstance(document, dict):
            said = " ".join(answer.text.split())[:300]
            raise JaegerError(f"{asked}: status {answer.status_code}: {said}")
        data = document.get("data") or []
        if not isinstance(data, list):
            raise JaegerError(f"{asked}: no list in Jaeger's form")
        return data


def _trace(body: Mapping[str, Any]) -> Trace:
    processes = body["processes"]
    return grow(
        body["traceID"], [_span(each, processes[each["processID"]]) for each in body["spans"]]
    )


def _span(body: Mapping[str, Any], process: Mapping[str, Any]) -> Span:
    tags = _pairs(body.get("tags"))
    start = int(body["startTime"])
    return Span(
        body["spanID"],
        _parent(body),
        process["serviceName"],
        body["operationName"],
        start,
        int(body["duration"]),
        [*tags, *(("warning", str(each)) for each in body.get("warnings") or [])],
        [_event(log, start) for log in body.get("logs") or []],
        _pairs(process.get("tags")),
        ("error", "true") in tags,
    )


def _event(log: Mapping[str, Any], start: int) -> Event:
    fields = _pairs(log["fields"])
    named = next((value for key, value in fields if key == "event"), "")
    rest = [pair for pair in fields if pair != ("event", named)]
    return Event(max(0, int(log["timestamp"]) - start), named or "event", rest)


def _parent(body: Mapping[str, Any]) -> str:
    """Prefer a span's caller to what it follows; a link to another trace is no parent."""
    own = [r for r in body.get("references") or [] if r["traceID"] == body["traceID"]]
    own.sort(key=lambda reference: reference["refType"] != "CHILD_OF")
    return str(own[0]["spanID"]) if own else ""


def _pairs(tags: list[Mapping[str, Any]] | None) -> list[tuple[str, str]]:
    return [(tag["key"], _text(tag["value"])) for tag in tags or []]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
