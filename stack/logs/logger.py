"""The logger that services use: structured, and quick when it is not asked to write."""

from __future__ import annotations

from typing import Any

from stack.errors import ConfigurationError
from stack.logs.output import LEVELS, output
from stack.logs.record import build, current_exception
from stack.logs.repeats import Repeats


class Logger:
    """Writes JSON lines under one name; what it is given never makes it raise.

    Thread-safe and fork-safe; signal handlers and `__del__` may use it. Each method takes any value
    as its message and fields of any name and type, which are bounded and redacted.

    Args:
        name: shown as `logger`.
        bound: fields of every line.
    """

    __slots__ = ("_bound", "name")

    def __init__(self, name: str, bound: dict[str, Any] | None = None) -> None:
        self.name = name
        self._bound = bound or {}

    def bind(self, **fields: Any) -> Logger:
        """Return a logger of the same name with more fields.

        Args:
            fields: added to every line of the new logger; this one stays as it is.
        """
        return Logger(self.name, {**self._bound, **fields})

    def debug(self, message: object, /, **fields: Any) -> None:
        """Write a line for developers."""
        self.log("debug", message, **fields)

    def info(self, message: object, /, **fields: Any) -> None:
        """Write that something happened as it should."""
        self.log("info", message, **fields)

    def warning(self, message: object, /, **fields: Any) -> None:
        """Write that something is not as it should be, and the work goes on."""
        self.log("warning", message, **fields)

    def error(self, message: object, /, **fields: Any) -> None:
        """Write that a piece of work failed."""
        self.log("error", message, **fields)

    def critical(self, message: object, /, **fields: Any) -> None:
        """Write that the service cannot go on."""
        self.log("critical", message, **fields)

    def exception(self, message: object, /, **fields: Any) -> None:
        """Write the exception being handled, or the one given as `exc`, with stack and causes."""
        fields.setdefault("exc", current_exception())
        self.log("error", message, **fields)

    def log(self, level: str, message: object, /, *, exc: object = None, **fields: Any) -> None:
        """Write one line.

        Args:
            level: debug, info, warning, error or critical, in any case; another one is written
                as error.
            message: any value.
            exc: the exception that the line is about.
            fields: anything; see `stack.logs.record.build` for clashes.
        """
        error = exc if isinstance(exc, BaseException) else None
        if exc is not None and error is None:
            fields["extra.exc"] = exc
        if level not in LEVELS:
            # An unknown level is written rather than lost.
            level = level.lower() if level.lower() in LEVELS else "error"
        if LEVELS[level] < output.threshold:
            return
        output.write(
            build(
                service=output.service,
                logger=self.name,
                level=level,
                message=message,
                fields={**self._bound, **fields} if self._bound else fields,
                error=error,
            ),
            message if isinstance(message, str) else type(message).__qualname__,
        )


def get_logger(name: str) -> Logger:
    """Return a logger; it costs nothing to make another one of the same name.

    Args:
        name: shown as `logger` in its lines, usually the module's.
    """
    return Logger(name)


def configure(service: str, level: str, repeats_per_second: int = 0) -> None:
    """Name the service and the lowest level written, and take over the standard library's logging.

    It may be called again; the last call counts.

    Args:
        service: the service's name.
        level: the lowest level written.
        repeats_per_second: lines of the same logger, level and message written in one second, the
            others being only counted; 0 for all.

    Raises:
        ConfigurationError: an unknown level.
    """
    from stack.logs.stdlib import take_over

    if level.lower() not in LEVELS:
        raise ConfigurationError("level", level, f"one of {', '.join(LEVELS)}")
    output.service = service
    output.threshold = LEVELS[level.lower()]
    output.repeats = Repeats(repeats_per_second)
    take_over(LEVELS[level.lower()])
