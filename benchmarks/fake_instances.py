"""Many instances of a service from one process: what one exposes, with values that advance.

The text is one real answer of `/metrics`, so rules and dashboards find the names and labels they
ask for. No series comes or goes; each instance has the path `/<number>/metrics`.
"""

from __future__ import annotations

import contextlib
import math
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_COUNTERS = ("_total", "_count", "_sum", "_bucket")
# Seconds in which a counter adds its first value: those in which `instance.txt` was counted.
_COUNTED = 25.0
_CONTENT = "text/plain; version=0.0.4; charset=utf-8"
_PATH = re.compile(r"/\d+/metrics")
# Name and labels, then the value; a timestamp or an exemplar after it is left out.
_SAMPLE = re.compile(r'([a-zA-Z_:][\w:]*)((?:\{(?:[^"}]|"(?:\\.|[^"\\])*")*\})?) (\S+)')


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of an instance: name with labels, its first value, whether it only grows."""

    head: str
    value: float
    grows: bool


def samples(exposition: str) -> list[Sample]:
    """Return the series of an answer of `/metrics`; `ValueError` if it has none."""
    found = []
    for line in exposition.splitlines():
        if (match := _SAMPLE.match(line)) is not None:
            name, labels, value = match.groups()
            found.append(Sample(name + labels, float(value), name.endswith(_COUNTERS)))
    if not found:
        raise ValueError("exposition has no sample: give the text that a service's /metrics has")
    return found


def text_after(series: list[Sample], seconds: float) -> str:
    """Return the answer that many seconds after the first; whole counters stay whole."""
    return "".join(f"{each.head} {value_after(each, seconds)!r}\n" for each in series)


def value_after(sample: Sample, seconds: float) -> float:
    """Return the value of a series that many seconds after the first."""
    if not sample.grows:
        return sample.value
    value = sample.value * (1 + seconds / _COUNTED)
    return float(math.floor(value)) if sample.value.is_integer() else value


@contextlib.contextmanager
def serving(exposition: str, clock: Callable[[], float] = time.monotonic) -> Iterator[str]:
    """Serve as many instances as are asked for at the address it gives, `127.0.0.1:port`."""
    series, start = samples(exposition), clock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            known = _PATH.fullmatch(self.path) is not None
            body = text_after(series, clock() - start).encode() if known else b""
            self.send_response(200 if known else 404)
            self.send_header("Content-Type", _CONTENT)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: a line a scrape would be thousands."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
