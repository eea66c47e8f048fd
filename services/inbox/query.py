"""Which alerts are asked for: by their state, labels and words."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What an alert must have to be found; None asks for nothing.

    Args:
        status: `firing` or `resolved`.
        alertname: the whole name.
        severity: the whole label `severity`.
        service: the whole label `service`.
        text: words that all stand somewhere in its labels or annotations, in any case.
        but: a name that it must not have.
    """

    status: str | None = None
    alertname: str | None = None
    severity: str | None = None
    service: str | None = None
    text: str | None = None
    but: str | None = None

    WHERE = (
        "coalesce(:status, status) = status AND coalesce(:alertname, alertname) = alertname"
        " AND (:but IS NULL OR alertname <> :but)"
        " AND (:severity IS NULL OR json_extract(labels, '$.severity') = :severity)"
        " AND (:service IS NULL OR json_extract(labels, '$.service') = :service)"
        " AND (:text IS NULL OR has_words(:text, labels, annotations))"
    )

    def parameters(self) -> dict[str, Any]:
        """Return the values for `WHERE`."""
        return asdict(self)


def has_words(text: str, labels: str, annotations: str) -> bool:
    """Tell whether every word of `text` stands in the values of two JSON objects."""
    values = [*json.loads(labels).values(), *json.loads(annotations).values()]
    searched = "\n".join(values).casefold()
    return all(word in searched for word in text.casefold().split())
