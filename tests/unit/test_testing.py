"""`stack.testing` where there is no engine: imports, images, the reaper, waiting."""

import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from docker.errors import APIError, ImageNotFound  # type: ignore[import-untyped]
from testcontainers.core.config import testcontainers_config

from stack.testing import (
    AlertmanagerContainer,
    JaegerContainer,
    PrometheusContainer,
    eventually,
    reaper,
    without_reaper_if_missing,
)

ROOT = Path(__file__).parents[2]


def python(program: str) -> str:
    """Run a program in a new interpreter; return what it prints."""
    return subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_the_library_does_without_it() -> None:
    """Importing `stack` imports neither testcontainers nor docker."""
    loaded = python(
        "import sys, stack; print([m for m in ('stack.testing', 'testcontainers', 'docker')"
        " if m in sys.modules])"
    )
    assert loaded == "[]"


def test_without_testcontainers_the_mend_is_said() -> None:
    """The error names the extra."""
    said = python(
        "import sys; sys.modules['testcontainers'] = None\n"
        "try:\n    import stack.testing\n"
        "except ModuleNotFoundError as error:\n    print(error)"
    )
    assert said.endswith("pip install 'stack[testing]'")


@pytest.mark.parametrize("kind", [PrometheusContainer, AlertmanagerContainer, JaegerContainer])
def test_the_images_are_those_of_the_stack(
    kind: type[PrometheusContainer] | type[AlertmanagerContainer] | type[JaegerContainer],
) -> None:
    """compose.yaml and the documentation name the same, under the same variable."""
    composed = (ROOT / "compose.yaml").read_text("utf-8")
    assert re.findall(rf"\$\{{{kind.IMAGE_VARIABLE}:-(.*)\}}", composed) == [kind.IMAGE]
    documented = (ROOT / "docs" / "testing.md").read_text("utf-8")
    assert f"| `{kind.IMAGE_VARIABLE}` | `{kind.IMAGE}` |" in documented


class Engine:
    """An engine that may have an image, and may be able to pull it."""

    def __init__(self, *, has: bool, pulls: bool) -> None:
        self.images = self
        self.client = self
        self.asked: list[str] = []
        self._has = has
        self._pulls = pulls

    def get(self, image: str) -> object:
        self.asked.append(f"get {image}")
        if not self._has:
            raise ImageNotFound("no such image")
        return SimpleNamespace()

    def pull(self, image: str) -> object:
        self.asked.append(f"pull {image}")
        if not self._pulls:
            raise APIError("no such host")
        return SimpleNamespace()

    def close(self) -> None:
        self.asked.append("close")


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the reaper undecided, and decided as before afterwards."""
    monkeypatch.setattr(testcontainers_config, "_ryuk_disabled", False)
    monkeypatch.setattr(testcontainers_config, "ryuk_image", "ryuk:1")
    reaper._can_be_had.cache_clear()
    yield
    reaper._can_be_had.cache_clear()


@pytest.mark.usefixtures("config")
@pytest.mark.parametrize(
    ("has", "pulls", "asked"),
    [
        pytest.param(True, False, ["get ryuk:1", "close"], id="present"),
        pytest.param(False, True, ["get ryuk:1", "pull ryuk:1", "close"], id="pulled"),
    ],
)
def test_the_reaper_runs_where_its_image_can_be_had(
    has: bool, pulls: bool, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine is asked once."""
    engine = Engine(has=has, pulls=pulls)
    monkeypatch.setattr(reaper, "DockerClient", lambda: engine)
    assert not without_reaper_if_missing()
    assert not without_reaper_if_missing()
    assert not testcontainers_config.ryuk_disabled
    assert engine.asked == asked


@pytest.mark.usefixtures("config")
def test_the_reaper_is_left_out_where_it_is_missing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once what that means."""
    monkeypatch.setattr(reaper, "DockerClient", lambda: Engine(has=False, pulls=False))
    with caplog.at_level(logging.WARNING, "stack.testing"):
        assert without_reaper_if_missing()
        assert without_reaper_if_missing()
    assert testcontainers_config.ryuk_disabled
    (said,) = caplog.messages
    assert said.startswith("ryuk:1 can be neither found nor pulled")


@pytest.mark.usefixtures("config")
def test_a_reaper_that_is_switched_off_is_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is pulled that nobody wants."""
    engine = Engine(has=False, pulls=True)
    monkeypatch.setattr(reaper, "DockerClient", lambda: engine)
    monkeypatch.setattr(testcontainers_config, "_ryuk_disabled", True)
    assert without_reaper_if_missing()
    assert engine.asked == []


def test_waiting_ends_with_the_first_true_answer() -> None:
    """Empty ones are asked for again."""
    answers = iter([None, [], [3], [4]])
    assert eventually(lambda: next(answers), "an answer", pause=0) == [3]


def test_waiting_ends_at_the_deadline() -> None:
    """The error says for what, how long, and what was seen; other errors are not held back."""
    with pytest.raises(TimeoutError, match=r"^a span: not within 0\.01 s; last seen: \[\]$"):
        eventually(list, "a span", seconds=0.01, pause=0.001)
    with pytest.raises(ZeroDivisionError):
        eventually(lambda: 1 // 0, "nothing")
