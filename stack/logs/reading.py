"""Reading lines back: for tests, scripts and a quick look."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson


def parse_json_log_file(path: str | Path) -> list[dict[str, Any]]:
    """Return the records of a log file; lines that are no JSON objects are left out.

    Args:
        path: the file, which is read at once.

    Raises:
        OSError: the file cannot be read.
    """
    records = []
    for line in Path(path).read_bytes().splitlines():
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if isinstance(record, dict):
            records.append(record)
    return records


def filter_logs(
    records: Iterable[dict[str, Any]],
    level: str | None = None,
    event_type: str | None = None,
    component: str | None = None,
    request_id: str | None = None,
) -> list[dict[str, Any]]:
    """Return the records that have all the given values, in their order.

    Args:
        records: such as `parse_json_log_file` returns.
        level: in any case.
        event_type: as it was written.
        component: as it was written.
        request_id: as it was written.
    """
    wanted = {
        "level": level.lower() if level else None,
        "event_type": event_type,
        "component": component,
        "request_id": request_id,
    }
    return [
        record
        for record in records
        if all(record.get(name) == value for name, value in wanted.items() if value is not None)
    ]
