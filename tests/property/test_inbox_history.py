"""Whatever Alertmanager says in whatever order: one entry an occurrence, its last word holds."""

import tempfile
from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from services.inbox.payload import Notification, utc
from services.inbox.store import Store

BEGAN = 1_767_323_045.0
# Which of the occurrences, and what is said of it.
WORDS = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(["firing", "resolved"])), min_size=1, max_size=25
)


def notification(occurrence: int, status: str) -> Notification:
    start = BEGAN + 1000 * occurrence
    alert = {
        "status": status,
        "labels": {"alertname": "A"},
        "startsAt": utc(start),
        "endsAt": utc(start + 500) if status == "resolved" else "0001-01-01T00:00:00Z",
        "fingerprint": "f",
    }
    body = {"version": "4", "groupKey": "g", "status": status, "receiver": "r", "alerts": [alert]}
    return Notification.model_validate(body, strict=False)


@settings(max_examples=60, deadline=None)
@given(words=WORDS)
def test_the_last_word_holds(words: list[tuple[int, str]]) -> None:
    """Deliveries are all counted; transitions alternate and end with what is shown."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "inbox.db")
        expected: dict[int, str] = {}
        for place, (occurrence, status) in enumerate(words):
            store.add(notification(occurrence, status), BEGAN + 9000 + place)
            # Alertmanager knows one alert of a fingerprint: the earlier ones are over, and all
            # others when it fires.
            over = [known for known in expected if known < occurrence or status == "firing"]
            expected |= dict.fromkeys(over, "resolved")
            expected[occurrence] = status
        kept = store.occurrences("f")
        assert len(kept) == len(expected)
        assert sum(each["deliveries"] for each in kept) == len(words)
        statuses = [expected[occurrence] for occurrence in sorted(expected, reverse=True)]
        assert [each["status"] for each in kept] == statuses
        for each in kept:
            said = [change["status"] for change in each["transitions"]]
            assert said[-1] == each["status"]
            assert all(one != other for one, other in pairwise(said))
            assert (each["resolve_delay_seconds"] is None) >= (each["status"] == "firing")
