"""A server that takes only what has the form that is said, and keeps it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

M = TypeVar("M", bound=BaseModel)


class Receiver(Generic[M]):
    """What a strict receiver got.

    Args:
        form: what each body has to be.
        status: the status that it answers with.
        answer: the body that it answers with.
    """

    def __init__(self, form: type[M], status: int, answer: str) -> None:
        self._form = form
        self._status = status
        self._answer = answer
        self.messages: list[M] = []
        self.refused: list[str] = []
        self.address = ""

    def take(self, body: bytes) -> tuple[int, str]:
        """Keep a body that has the form; return how it is answered."""
        try:
            self.messages.append(self._form.model_validate_json(body))
        except ValidationError as error:
            self.refused.append(f"{error}\n{body.decode()}")
            return 400, "refused"
        return self._status, self._answer

    @property
    def last(self) -> M:
        """The last message."""
        return self.messages[-1]


@contextmanager
def receiving(form: type[M], status: int, answer: str) -> Iterator[Receiver[M]]:
    """Serve on a free port; at the end nothing may have been refused."""
    receiver = Receiver(form, status, answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            code, text = receiver.take(body)
            self.send_response(code)
            self.send_header("Content-Type", "text/plain" if text == "ok" else "application/json")
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing on standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert receiver.refused == []
