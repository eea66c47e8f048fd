"""A request before it is sent: what the caller asked for, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

import httpx
from opentelemetry.propagate import inject

from stack.errors import ConfigurationError

HeaderTypes = httpx.Headers | Mapping[str, str] | Sequence[tuple[str, str]]


class RequestOptions(TypedDict, total=False):
    """What a request may have besides method and path: httpx's options, with one exception.

    `timeout` is a number of seconds: for one attempt, or for each piece of a stream; the client's
    own where it is None.
    """

    params: Any
    headers: HeaderTypes | None
    cookies: Any
    content: Any
    data: Any
    files: Any
    json: Any
    extensions: Mapping[str, Any] | None
    timeout: float | None


class CallOptions(RequestOptions, total=False):
    """`RequestOptions`, and whether the call may be repeated."""

    idempotent: bool | None


class Outgoing(NamedTuple):
    """What the attempts of one call have in common."""

    method: str
    url: httpx.URL
    headers: httpx.Headers
    body: dict[str, Any]
    extensions: dict[str, Any]
    timeout: float
    repeatable: bool

    @property
    def shown(self) -> str:
        """The address without its query and credentials, which may be secret."""
        return _shown(self.url)

    def request(
        self, http: httpx.Client | httpx.AsyncClient, timeout: Mapping[str, float | None]
    ) -> httpx.Request:
        """Make the request of one attempt; the current span goes with it.

        Args:
            http: what will send it.
            timeout: seconds for each of httpx's steps.
        """
        inject(self.headers)
        extensions = {**self.extensions, "timeout": timeout}
        return http.build_request(
            self.method, self.url, headers=self.headers, extensions=extensions, **self.body
        )


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse what is no option of a request.

    Raises:
        ConfigurationError: it names the option.
    """
    for name in options:
        if name not in RequestOptions.__optional_keys__:
            known = ", ".join(sorted(RequestOptions.__optional_keys__))
            raise ConfigurationError("option", name, f"one of {known}")


def checked_headers(*some: HeaderTypes | None) -> httpx.Headers:
    """Return headers together; later ones replace earlier ones, in whatever case.

    Raises:
        ConfigurationError: they are no headers; it does not show them, for they may be secret.
    """
    together = httpx.Headers()
    for headers in some:
        try:
            together.update(headers)
        except (TypeError, ValueError, AttributeError):
            kind = type(headers).__name__
            allowed = "a mapping of names to values, or pairs, of ASCII text"
            raise ConfigurationError("headers", kind, allowed) from None
    return together


def checked_base(raw: str) -> httpx.URL:
    """Return the address of a peer.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        url = httpx.URL(raw)
    except (httpx.InvalidURL, TypeError):
        url = httpx.URL("")
    if url.scheme not in {"http", "https"} or not url.host or url.query or url.fragment:
        allowed = "an http:// or https:// URL with a host, without query and fragment"
        raise ConfigurationError("base_url", raw, allowed)
    return url


def address(base: httpx.URL, path: str) -> httpx.URL:
    """Return the address of a path below a base.

    Args:
        base: the peer's address.
        path: relative to it, with or without a slash; or a whole URL that lies below it.

    Raises:
        ConfigurationError: it is another peer's: the headers are not meant for that one.
    """
    shown = str(path).partition("?")[0]
    url = None
    try:
        asked = httpx.URL(path)
        shown = _shown(asked)
        url = _below(base, asked)
    except (httpx.InvalidURL, TypeError):
        pass
    if url is None:
        raise ConfigurationError("path", shown, f"a path below {_shown(base)}")
    return url


def checked_seconds(name: str, value: float) -> float:
    """Return a number of seconds.

    Raises:
        ConfigurationError: it is none, or out of bounds.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (is_number and 0 < value < 86_400):
        raise ConfigurationError(name, value, "a number of seconds above 0 and below a day")
    return value


def _shown(url: httpx.URL) -> str:
    if url.userinfo:
        url = url.copy_with(userinfo=b"")
    return str(url).partition("?")[0].partition("#")[0]


def _below(base: httpx.URL, asked: httpx.URL) -> httpx.URL | None:
    """Return the whole address, if it is below the base."""
    root = base.raw_path.rstrip(b"/") + b"/"
    if not (asked.scheme or asked.host):
        url = base.copy_with(raw_path=root + asked.raw_path.lstrip(b"/"))
    elif (asked.scheme, asked.host, asked.port) == (base.scheme, base.host, base.port):
        url = base.copy_with(raw_path=asked.raw_path)
    else:
        return None
    # Also a relative path may climb out: `../`.
    return url if (url.raw_path.partition(b"?")[0] + b"/").startswith(root) else None
