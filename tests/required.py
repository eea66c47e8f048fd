"""Whether a test that needs containers, Go, or the scaled stack's programs may be left out."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def skip_containers(reason: str) -> NoReturn:
    """Skip for want of an engine or image; fail where STACK_REQUIRE_CONTAINERS=1 is set.

    `.ci/run` sets it where it has started an engine and built the images: no gap goes unseen there.
    """
    if os.environ.get("STACK_REQUIRE_CONTAINERS") == "1":
        pytest.fail(f"{reason} (STACK_REQUIRE_CONTAINERS=1)", pytrace=False)
    pytest.skip(reason)


def skip_scaled(reason: str) -> NoReturn:
    """Skip for want of a program of the scaled stack; fail where STACK_REQUIRE_SCALE=1 is set."""
    if os.environ.get("STACK_REQUIRE_SCALE") == "1":
        pytest.fail(f"{reason} (STACK_REQUIRE_SCALE=1)", pytrace=False)
    pytest.skip(reason)


def skip_go(reason: str) -> NoReturn:
    """Skip for want of Go, or of what it builds; fail where STACK_REQUIRE_GO=1 is set."""
    if os.environ.get("STACK_REQUIRE_GO") == "1":
        pytest.fail(f"{reason} (STACK_REQUIRE_GO=1)", pytrace=False)
    pytest.skip(reason)
