"""What the console asks Prometheus, over a bounded number of connections."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

TIMEOUT = 10.0
# Seconds for which it is not asked again after it has not answered in time.
SPARED = 3.0
CONNECTIONS = 8


class PrometheusError(Exception):
    """It refused a question; the text is its own."""


class UnreachableError(PrometheusError):
    """It did not answer at all."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series: its labels, and its values at the moments that were asked for, or gaps."""

    labels: Mapping[str, str]
    values: Sequence[float | None]

    @property
    def last(self) -> float | None:
        """The last value there is."""
        return next((value for value in reversed(self.values) if value is not None), None)


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One observation: Unix seconds, value and labels."""

    time: float
    value: float
    labels: Mapping[str, str]


class Prometheus:
    """Asks one Prometheus. Thread-safe; not to be shared over a fork.

    All that asks raises `UnreachableError` where it does not answer, and `PrometheusError` where
    it refuses the question.

    Args:
        url: without a slash at the end.
        transport: what carries the requests, for tests.
    """

    def __init__(self, url: str, transport: httpx.BaseTransport | None = None) -> None:
        self.url = url
        self._spared_until = 0.0
        self._http = httpx.Client(
            base_url=url,
            timeout=TIMEOUT,
            limits=httpx.Limits(max_connections=CONNECTIONS),
            transport=transport,
            # A proxy of the environment does not know the way to one's own services.
            trust_env=False,
        )

    def range(self, expr: str, start: int, end: int, step: int) -> list[Series]:
        """Return the series from `start` to `end`, in Unix seconds, a value each `step` seconds."""
        data = self._post("query_range", query=expr, start=start, end=end, step=step)
        count = (end - start) // step + 1
        return [
            Series(each["metric"], _placed(each["values"], start, step, count))
            for each in data["result"]
        ]

    def instant(self, expr: str, at: float) -> list[Series]:
        """Return the series at a moment, in Unix seconds."""
        data = self._post("query", query=expr, time=at)
        if data["resultType"] == "scalar":
            return [Series({}, [_finite(data["result"][1])])]
        return [Series(each["metric"], [_finite(each["value"][1])]) for each in data["result"]]

    def exemplars(self, expr: str, start: float, end: float) -> list[Exemplar]:
        """Return the exemplars of the series that a query reads."""
        found = self._post("query_exemplars", query=expr, start=start, end=end)
        return [
            Exemplar(each["timestamp"], value, each["labels"])
            for series in found
            for each in series["exemplars"]
            if (value := _finite(each["value"])) is not None
        ]

    def label_values(self, label: str, match: str, start: float, end: float) -> list[str]:
        """Return the values of a label, sorted; of the series that match, if that is given."""
        selected = {"match[]": match} if match else {}
        found: list[str] = self._get(f"label/{label}/values", start=start, end=end, **selected)
        return sorted(found)

    def alerts(self) -> list[dict[str, Any]]:
        """Return what is pending or fires."""
        found: list[dict[str, Any]] = self._get("alerts")["alerts"]
        return found

    def _post(self, path: str, **fields: str | float) -> Any:
        return self._answer("POST", path, data={name: str(value) for name, value in fields.items()})

    def _get(self, path: str, **fields: str | float) -> Any:
        return self._answer("GET", path, params=fields)

    def _answer(self, method: str, path: str, **options: Any) -> Any:
        if time.monotonic() < self._spared_until:
            raise UnreachableError(f"{self.url} did not answer within {TIMEOUT:g} s")
        try:
            response = self._http.request(method, f"/api/v1/{path}", **options)
        except httpx.TimeoutException as error:
            # One that hangs holds up one page, not all that are asked for after it.
            self._spared_until = time.monotonic() + SPARED
            raise UnreachableError(f"{self.url} did not answer within {TIMEOUT:g} s") from error
        except httpx.HTTPError as error:
            why = str(error) or type(error).__name__
            raise UnreachableError(f"{self.url} does not answer: {why}") from error
        try:
            body = response.json()
            if body["status"] == "success":
                return body["data"]
            said = str(body["error"])
        except (ValueError, LookupError, TypeError) as error:
            # One that starts, or a proxy before it.
            why = f"status {response.status_code} and no JSON of its own"
            raise UnreachableError(f"{self.url} answers with {why}") from error
        raise PrometheusError(said)


def _placed(
    points: Sequence[tuple[float, str]], start: int, step: int, count: int
) -> list[float | None]:
    """Put each value where its moment is; where none is, a gap is left."""
    values: list[float | None] = [None] * count
    for at, value in points:
        values[round((at - start) / step)] = _finite(value)
    return values


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None
