"""What a client is given is checked before anything is sent, and the message names it."""

from typing import Any

import httpx
import pytest

import stack
from stack.errors import ConfigurationError


def peer(base: str = "http://peer/api", **options: Any) -> stack.HttpClient:
    """Make a client whose answers say what was asked for."""

    def echo(request: httpx.Request) -> httpx.Response:
        said = {"url": str(request.url), "headers": dict(request.headers)}
        return httpx.Response(200, json=said)

    transport = httpx.MockTransport(echo)
    return stack.HttpClient("peer", base_url=base, breaker=None, transport=transport, **options)


@pytest.mark.parametrize(
    "path",
    [
        "http://evil.test/x",
        "https://peer/api/x",
        "http://peer:81/api/x",
        "http://peer/other",
        "http://peer/apiary",
        "//evil.test/x",
        "../admin",
        "mailto:x",
        "http://[",
        None,
    ],
)
def test_nothing_outside_of_the_base_is_called(path: str) -> None:
    """The client's headers, with its secrets, are meant for its peer alone."""
    secret = peer(headers={"Authorization": "secret"})
    with pytest.raises(ValueError, match=r"path=.* must be a path below http://peer/api"):
        secret.get(path)
    with pytest.raises(ValueError, match="path="), secret.stream("GET", path):
        pass


def test_a_refused_address_is_shown_without_its_secrets() -> None:
    """Its query and its credentials may be some."""
    with pytest.raises(ValueError, match=r"path='http://evil\.test/x' is"):
        peer().get("http://me:word@evil.test/x?key=1")


@pytest.mark.parametrize(
    ("path", "called"),
    [
        ("", "http://peer/api/"),
        ("x", "http://peer/api/x"),
        ("/x?q=1", "http://peer/api/x?q=1"),
        ("http://peer/api/x", "http://peer/api/x"),
        ("http://peer:80/api", "http://peer/api"),
    ],
)
def test_paths_are_below_the_base(path: str, called: str) -> None:
    """With or without a slash, or as the whole address that a peer's answer may hold."""
    assert peer().get(path).json()["url"] == called


def test_headers_replace_others_of_the_same_name() -> None:
    """In whatever case and form they are given."""
    mine = peer(headers=[("X-Name", "client")])
    assert mine.get("/", headers={"x-name": "call"}).json()["headers"]["x-name"] == "call"
    assert mine.get("/", headers=[("x-name", "call")]).json()["headers"]["x-name"] == "call"
    assert mine.get("/").json()["headers"]["x-name"] == "client"


@pytest.mark.parametrize("headers", [7, "X-Name: me", {"X-Name": 7}, {"X-Name": "né"}])
def test_bad_headers_are_named_and_not_shown(headers: Any) -> None:
    """They may hold secrets."""
    with pytest.raises(ConfigurationError, match=f"headers='{type(headers).__name__}'"):
        peer(headers=headers)
    with pytest.raises(ConfigurationError, match=f"headers='{type(headers).__name__}'"):
        peer().get("/", headers=headers)


@pytest.mark.parametrize("option", ["auth", "follow_redirects", "verify"])
def test_unknown_options_are_named(option: str) -> None:
    """The message says which there are."""
    options: dict[str, Any] = {option: True}
    with pytest.raises(ConfigurationError, match=f"option='{option}'.*one of content, cookies"):
        peer().get("/", **options)


def test_extensions_cannot_lift_the_time_limit() -> None:
    """Others go on to httpx."""
    asked: list[dict[str, Any]] = []

    def look(request: httpx.Request) -> httpx.Response:
        asked.append(dict(request.extensions))
        asked[-1]["read"] = request.extensions["timeout"]["read"]
        return httpx.Response(200)

    http = stack.HttpClient(
        "peer", base_url="http://peer", breaker=None, transport=httpx.MockTransport(look)
    )
    extensions = {"sni_hostname": "other", "timeout": {"read": None}}
    http.get("/", extensions=extensions)
    with http.stream("GET", "/", extensions=extensions, timeout=None):
        pass
    for each in asked:
        assert each["sni_hostname"] == "other"
        assert 1.5 < each["read"] <= 2.0


@pytest.mark.parametrize("name", ["", None, 7])
def test_bad_names_are_named(name: Any) -> None:
    """A peer without a name would have no series."""
    with pytest.raises(ConfigurationError, match="name="):
        stack.HttpClient(name, base_url="http://peer")


@pytest.mark.parametrize("breaker", [False, "llm"])
def test_bad_breakers_are_named(breaker: Any) -> None:
    """It is a breaker, the registered one, or none."""
    with pytest.raises(ConfigurationError, match="breaker="):
        stack.HttpClient("peer", base_url="http://peer", breaker=breaker)


@pytest.mark.parametrize("url", ["", "peer", "ftp://peer", "http://", "http://peer?x=1", None])
def test_bad_addresses_are_named(url: str) -> None:
    """The message says what is wrong with which argument."""
    with pytest.raises(ConfigurationError, match="base_url"):
        stack.HttpClient("peer", base_url=url)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), 1e9, "2", True, httpx.Timeout(3)])
def test_bad_timeouts_are_named(seconds: float) -> None:
    """There is no call without a time limit, and no other form of it than seconds."""
    with pytest.raises(ConfigurationError, match="timeout="):
        stack.HttpClient("peer", base_url="http://peer", timeout=seconds)
    with pytest.raises(ConfigurationError, match="budget="):
        stack.HttpClient("peer", base_url="http://peer", budget=seconds)
    with pytest.raises(ConfigurationError, match="timeout="):
        peer().get("/", timeout=seconds)
    with (
        pytest.raises(ConfigurationError, match="timeout="),
        peer().stream("GET", "/", timeout=seconds),
    ):
        pass


@pytest.mark.parametrize("retries", [-1, 1.5, 1000, True, "2"])
def test_bad_retries_are_named(retries: Any) -> None:
    """They are a whole number of at most a hundred."""
    with pytest.raises(ConfigurationError, match="retries"):
        stack.HttpClient("peer", base_url="http://peer", retries=retries)


@pytest.mark.parametrize("ratio", [-0.1, 1.1, float("nan"), "0.2"])
def test_bad_retry_ratios_are_named(ratio: float) -> None:
    """A ratio is from 0 to 1."""
    with pytest.raises(ConfigurationError, match="retry_ratio"):
        stack.HttpClient("peer", base_url="http://peer", retry_ratio=ratio)
