"""What the search form and links in Jaeger's form ask for."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import replace

from werkzeug.datastructures import MultiDict

from stack.ops.tracestore.search import InvalidParameterError, Search

LOOKBACKS = ("5m", "15m", "1h", "3h", "6h", "12h", "24h", "2d", "1w")
# What a container of 256 MB can read at once, though Jaeger would give more.
MAX_LIMIT = 200
DEFAULTS = {"lookback": "1h", "limit": "20"}
_NO_BOUND = Search(service="").longest


def read(args: MultiDict[str, str], service: str) -> Search:
    """Read the parameters of Jaeger's search page.

    `tags` may be JSON, as in Jaeger's links, or words such as `error=true peer.service=llm`.

    Args:
        args: of the request.
        service: to search for.

    Raises:
        InvalidParameterError: one of them cannot be used.
    """
    filled = {name: value.strip() for name, value in args.items() if value.strip()}
    raw = filled.pop("tags", "")
    limit = filled.get("limit", DEFAULTS["limit"])
    # No more digits than a limit can have: Python refuses to read thousands of them.
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:9]) <= MAX_LIMIT):
        raise InvalidParameterError("limit", limit, f"a whole number from 1 to {MAX_LIMIT}")
    # A range that is given by its ends says more than how long it is.
    kept = {} if "start" in filled else DEFAULTS
    found = Search.parse(
        {**kept, **filled, "service": service, "tags": raw if raw.startswith("{") else ""}
    )
    tags = {**found.tags, **({} if raw.startswith("{") else _of_words(raw))}
    tags |= dict(_of_pair(each) for each in args.getlist("tag"))
    if args.get("errors"):
        tags["error"] = "true"
    if found.start > found.end:
        raise InvalidParameterError("start", str(found.start), f"before end={found.end}")
    if found.shortest > found.longest:
        least = f"at least minDuration={filled['minDuration']}"
        raise InvalidParameterError("maxDuration", filled["maxDuration"], least)
    return replace(found, tags=tags)


def parameters(wanted: Search) -> dict[str, str]:
    """Write a search for Jaeger's API."""
    said = {
        "service": wanted.service,
        "operation": wanted.operation,
        "tags": json.dumps(wanted.tags) if wanted.tags else "",
        "minDuration": f"{wanted.shortest}us" if wanted.shortest else "",
        "maxDuration": f"{wanted.longest}us" if wanted.longest != _NO_BOUND else "",
        "start": str(max(0, wanted.start)),
        "end": str(wanted.end),
        "limit": str(wanted.limit),
    }
    return {name: value for name, value in said.items() if value}


def words(tags: Mapping[str, str]) -> str:
    """Write tags as a person types them."""
    return shlex.join(f"{key}={value}" for key, value in tags.items())


def _of_words(raw: str) -> dict[str, str]:
    allowed = 'words such as error=true peer.service=llm, or JSON such as {"error":"true"}'
    try:
        parts = [each.partition("=") for each in shlex.split(raw)]
    except ValueError:
        parts = [("", "", "")]
    if not all(key and equals for key, equals, _ in parts):
        raise InvalidParameterError("tags", raw, allowed)
    return {key: value for key, _, value in parts}


def _of_pair(raw: str) -> tuple[str, str]:
    key, colon, value = raw.partition(":")
    if not (key and colon):
        raise InvalidParameterError("tag", raw, "key:value, such as error:true")
    return key, value
