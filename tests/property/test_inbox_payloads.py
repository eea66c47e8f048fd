"""Hundreds of damaged payloads between good ones: each is refused, no good one is lost."""

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.inbox.app import create_app
from services.inbox.settings import Settings

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=10,
)
_sent = iter(range(1, 1_000_000))


def good() -> dict[str, Any]:
    """Make a payload unlike any before."""
    return {
        "version": "4",
        "groupKey": "g",
        "status": "firing",
        "receiver": "inbox",
        "groupLabels": {},
        "alerts": [
            {
                "status": "firing",
                "labels": {"alertname": "Good", "severity": "page"},
                "annotations": {},
                "startsAt": "2026-01-02T03:04:05Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "",
                "fingerprint": f"{next(_sent):016x}",
            }
        ],
    }


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of everything in a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in items:
        yield (*path, key)
        if isinstance(each, dict | list):
            yield from places(each, (*path, key))


def damaged(body: dict[str, Any], kind: str, value: Any, dice: random.Random) -> bytes:
    """Damage a payload: cut it, flip its bytes, or put something else in a place of it."""
    text = json.dumps(body).encode()
    if kind == "cut":
        return text[: dice.randrange(len(text))]
    if kind == "bytes":
        return bytes(dice.randrange(256) for _ in range(dice.randrange(200)))
    changed = copy.deepcopy(body)
    *steps, last = dice.choice(list(places(changed)))
    place: Any = changed
    for step in steps:
        place = place[step]
    if kind == "missing":
        del place[last]
    else:
        place[last] = value
    return json.dumps(changed).encode()


def test_damage_is_refused_and_costs_nothing(tmp_path: Path) -> None:
    """A damaged payload is a 400 that says why, or means something; every good one is kept."""
    database = Settings(database_path=tmp_path / "inbox.db")
    inbox = create_app(database).test_client()
    acknowledged: set[str] = set()

    @settings(max_examples=400, deadline=None)
    @given(
        kind=st.sampled_from(["cut", "bytes", "missing", "other"]),
        value=JSON,
        dice=st.randoms(use_true_random=False),
    )
    def damaged_then_good(kind: str, value: Any, dice: random.Random) -> None:
        bad = damaged(good(), kind, value, dice)
        answer = inbox.post("/api/v2/alerts", data=bad, content_type="application/json")
        # Some changes leave a valid payload, such as another text in an annotation.
        assert answer.status_code in {200, 400}
        if answer.status_code == 400:
            assert set(answer.get_json()["error"]) == {"field", "value", "message"}
        body = good()
        assert inbox.post("/api/v2/alerts", json=body).status_code == 200
        acknowledged.add(body["alerts"][0]["fingerprint"])

    damaged_then_good()
    again = create_app(database).test_client()
    stored = again.get("/api/alerts?limit=10000").get_json()["alerts"]
    assert len(acknowledged) >= 200
    assert acknowledged <= {alert["fingerprint"] for alert in stored}
