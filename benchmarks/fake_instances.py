"""Many instances of a service from one process: what one exposes, with values that advance.

The text is one real answer of `/metrics`, so rules and dashboards find the names and labels they
ask for, and a scrape brings as many bytes. No series comes or goes; each instance has the path
`/<number>/metrics`.
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
_COUNTED = 150.0
_END = "# EOF"
_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
_PATH = re.compile(r"/\d+/metrics")
# Name and labels, the value, and an exemplar after it; a timestamp is left out.
_SAMPLE = re.compile(
    r'([a-zA-Z_:][\w:]*)((?:\{(?:[^"}]|"(?:\\.|[^"\\])*")*\})?) (\S+)(?: [\d.]+)?( # .*)?'
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of an instance.

    Args:
        head: name with labels.
        value: the first.
        grows: whether it only does that.
        before: the comments before its line.
        after: what its line has after the value: an exemplar.
    """

    head: str
    value: float
    grows: bool
    before: str = ""
    after: str = ""


def samples(exposition: str) -> list[Sample]:
    """Return the series of an answer of `/metrics`; `ValueError` if it has none."""
    found, before = [], ""
    for line in exposition.splitlines():
        if (match := _SAMPLE.fullmatch(line)) is not None:
            name, labels, value, after = match.groups(default="")
            grows = name.endswith(_COUNTERS)
            found.append(Sample(name + labels, float(value), grows, before, after))
            before = ""
        elif line != _END:
            before += f"{line}\n"
    if not found:
        raise ValueError("exposition has no sample: give the text that a service's /metrics has")
    return found


def text_after(series: list[Sample], seconds: float) -> str:
    """Return the answer that many seconds after the first; whole counters stay whole."""
    return "".join(
        f"{each.before}{each.head} {value_after(each, seconds)!r}{each.after}\n" for each in series
    )


def value_after(sample: Sample, seconds: float) -> float:
    """Return the value of a series that many seconds after the first."""
    if not sample.grows:
        return sample.value
    value = sample.value * (1 + seconds / _COUNTED)
    return float(math.floor(value)) if sample.value.is_integer() else value


@dataclass(slots=True)
class Served:
    """Instances that are served.

    Args:
        address: `127.0.0.1:port`.
        answers: that were given.
        sent: bytes of their bodies.
    """

    address: str
    answers: int = 0
    sent: int = 0


@contextlib.contextmanager
def serving(exposition: str, clock: Callable[[], float] = time.monotonic) -> Iterator[Served]:
    """Serve as many instances as are asked for."""
    series, start = samples(exposition), clock()
    ends = f"{_END}\n" if exposition.endswith(f"{_END}\n") else ""
    counting = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            known = _PATH.fullmatch(self.path) is not None
            body = (text_after(series, clock() - start) + ends).encode() if known else b""
            self.send_response(200 if known else 404)
            self.send_header("Content-Type", _OPENMETRICS if ends else _TEXT)
            self.send_header("Content-Length", str(len(body)))
            with counting:
                served.answers += 1
                served.sent += len(body)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: a line a scrape would be thousands."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served = Served(f"127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
