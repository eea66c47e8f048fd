"""Where an alert leads: its runbook, query, traces and dashboard, and how it is silenced."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

SILENCE_DURATION = "2h"
_MAX_URL = 2_000
_CLASSIC_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def web_address(url: str) -> str | None:
    """Return an address that may be a link; None for what is no web address, or overlong."""
    usable = url.startswith(("http://", "https://")) and len(url) <= _MAX_URL
    return url if usable else None


def links(alert: Mapping[str, Any], jaeger_url: str | None) -> list[tuple[str, str]]:
    """List the links of an alert, each with its text."""
    annotations, service = alert["annotations"], alert["labels"].get("service")
    traces = ""
    if jaeger_url and service:
        wanted = urlencode({"service": service, "tags": '{"error":"true"}', "limit": 20})
        traces = f"{jaeger_url}/search?{wanted}"
    found = [
        ("Runbook", annotations.get("runbook_url", "")),
        ("Query", alert["generator_url"]),
        ("Failed traces", traces),
        ("Dashboard", annotations.get("dashboard_url", "")),
    ]
    return [(text, url) for text, url in found if web_address(url)]


def silence_link(alert: Mapping[str, Any]) -> str | None:
    """Return Alertmanager's form, filled in; None when there can be no link to it."""
    alertmanager = web_address(alert["external_url"])
    if alertmanager is None:
        return None
    matchers = ",".join(_matchers(alert["labels"]))
    filled = quote(f"{{{matchers}}}", safe="")
    return web_address(f"{alertmanager.rstrip('/')}/#/silences/new?filter={filled}")


def silence_command(alert: Mapping[str, Any]) -> str:
    """Return the command that silences this alert, for a POSIX shell."""
    alertmanager = web_address(alert["external_url"])
    return shlex.join(
        [
            *("amtool", "silence", "add"),
            *([f"--alertmanager.url={alertmanager}"] if alertmanager else []),
            f"--duration={SILENCE_DURATION}",
            "--comment=silenced from the inbox",
            *_matchers(alert["labels"]),
        ]
    )


def _matchers(labels: Mapping[str, str]) -> list[str]:
    return [f"{_name(name)}={_quoted(value)}" for name, value in sorted(labels.items())]


def _name(name: str) -> str:
    return name if _CLASSIC_NAME.fullmatch(name) else _quoted(name)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
