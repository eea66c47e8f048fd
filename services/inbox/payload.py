"""What Alertmanager sends: its webhook, version 4.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

# Alertmanager does not send again what is refused: 500 alerts of 8 kB each have room.
MAX_BODY_BYTES = 4_194_304
_MAX_SHOWN = 100

Text = Annotated[str, StringConstraints(max_length=10_000)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Texts = Annotated[dict[Name, Text], Field(max_length=100)]
# Long prose must not cost the alert.
Prose = Annotated[str, AfterValidator(lambda text: f"{text[:9_999]}…" if text[10_000:] else text)]
Status = Literal["firing", "resolved"]


class InvalidPayloadError(ValueError):
    """A body that is no notification; the message says what would be.

    Args:
        status: the HTTP status that it deserves.
        field: where in the body it is wrong; None for all of it.
        value: what stands there.
        message: what is allowed.
    """

    def __init__(self, status: int, field: str | None, value: object, message: str) -> None:
        self.status = status
        self.field = field
        self.value = value
        super().__init__(message)

    def as_json(self) -> dict[str, Any]:
        """Return the error's body; a long value is shortened."""
        shown = None if self.value is None else repr(self.value)
        if shown is not None and len(shown) > _MAX_SHOWN:
            shown = f"{shown[:_MAX_SHOWN]}…"
        return {"error": {"field": self.field, "value": shown, "message": str(self)}}


class Alert(BaseModel):
    """One alert of a notification; further fields are let pass."""

    model_config = ConfigDict(strict=True, frozen=True)

    status: Status
    labels: Texts
    annotations: Annotated[dict[Name, Prose], Field(max_length=100)] = {}
    starts_at: AwareDatetime = Field(alias="startsAt")
    ends_at: AwareDatetime | None = Field(default=None, alias="endsAt")
    generator_url: Prose = Field(default="", alias="generatorURL")
    fingerprint: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{1,64}$")]

    @property
    def name(self) -> str:
        """The label `alertname`; empty without one, as Alertmanager allows."""
        return self.labels.get("alertname", "")

    @property
    def ended(self) -> datetime | None:
        """When it was resolved; Alertmanager writes the year 1 while it is not."""
        known = self.ends_at if self.status == "resolved" else None
        return known if known is not None and known.year > 1 else None


class Notification(BaseModel):
    """One request of Alertmanager: the alerts of one group."""

    model_config = ConfigDict(strict=True, frozen=True)

    version: Literal["4"]
    group_key: Annotated[str, StringConstraints(max_length=10_000)] = Field(alias="groupKey")
    status: Status
    receiver: Name
    truncated_alerts: Annotated[int, Field(ge=0)] = Field(default=0, alias="truncatedAlerts")
    group_labels: Texts = Field(default={}, alias="groupLabels")
    external_url: Text = Field(default="", alias="externalURL")
    alerts: Annotated[list[Alert], Field(min_length=1, max_length=2000)]


def parse(body: bytes) -> Notification:
    """Understand a body.

    Raises:
        InvalidPayloadError: it is no notification of version 4.
    """
    try:
        return Notification.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or None
        shown = None if field is None else first["input"]
        message = f"{first['msg']}; expected is Alertmanager's webhook, version 4"
        raise InvalidPayloadError(400, field, shown, message) from None


def utc(seconds: float) -> str:
    """Return Unix seconds as RFC 3339."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
