"""Records of the standard library's logging, and of all that use it, in the same form."""

from __future__ import annotations

import logging
from typing import Any

from stack.logs.clean import clean, shown
from stack.logs.output import LEVELS, output
from stack.logs.record import build

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonHandler(logging.Handler):
    """Writes records as this project's JSON lines."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; whatever is wrong with it, its line is not lost.

        Args:
            record: with an exception, the text of one, or a stack, each of which is written too.
        """
        try:
            self._write(record)
        except Exception:
            # The standard library's own way with a record that is none: it goes to stderr.
            self.handleError(record)

    @staticmethod
    def _write(record: logging.LogRecord) -> None:
        # A logger with a level of its own does not ask the root's; werkzeug, which has one, would
        # write to stderr if this handler had a level.
        if record.levelno < output.threshold:
            return
        output.write(
            build(
                service=output.service,
                logger=record.name,
                level=_level(record.levelno),
                message=_message(record),
                fields=_fields(record),
                error=record.exc_info[1] if isinstance(record.exc_info, tuple) else None,
                created=record.created,
            ),
            record.msg if isinstance(record.msg, str) else type(record.msg).__qualname__,
        )


def take_over(level: int) -> None:
    """Let the root logger write here, once, from a level on.

    Handlers that wrote to the console are replaced; others, such as a test's, stay.
    """
    root = logging.getLogger()
    for handler in tuple(root.handlers):
        if type(handler) is logging.StreamHandler or isinstance(handler, JsonHandler):
            root.removeHandler(handler)
    root.addHandler(JsonHandler())
    root.setLevel(level)
    # At info it writes whole addresses, credentials and queries included; calls have spans.
    httpx_log = logging.getLogger("httpx")
    if httpx_log.level == logging.NOTSET:
        httpx_log.setLevel(max(level, logging.WARNING))


def _level(number: int) -> str:
    """Return the highest of our levels that is not above the record's."""
    names = [name for name, value in LEVELS.items() if value <= number]
    return names[-1] if names else "debug"


def _message(record: logging.LogRecord) -> Any:
    try:
        return record.getMessage()
    except Exception:
        return f"{shown(record.msg)} {clean(record.args)}"


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return what the record has beyond the standard's own, and the stacks that it has as text."""
    fields = {
        name if type(name) is str else shown(name): value
        for name, value in vars(record).items()
        if name not in _STANDARD
    }
    if record.exc_text:
        fields["error_stack"] = record.exc_text
    if record.stack_info:
        fields["stack_info"] = record.stack_info
    return fields
