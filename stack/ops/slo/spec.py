"""The specs in `prometheus/slo/*.yaml`: read, checked, and what is wrong named by line."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from stack.errors import OpsError
from stack.ops.slo.policy import POLICIES, WINDOW, Policy

FOLDER = Path("prometheus") / "slo"
_MAX_SHOWN = 80
# What lies deeper cannot be right, and may contain itself.
_DEEPEST = 5

Place = tuple[int | str, ...]
Mistake = tuple[Place, str]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=60)]
Expression = Annotated[str, StringConstraints(pattern=r"\[\$window[\]:]", strip_whitespace=True)]
PolicyName = Literal["fast", "medium", "slow", "steady"]
_EXPRESSION = "a PromQL expression of events per second with [$window] as its range"
_NAME = "small letters, digits and single hyphens, such as gateway-availability"
_POLICIES = f"a list of some of {', '.join(POLICIES)}"


class _Part(BaseModel):
    """What a field may be stands in its description, as the end of "must be …"."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Sli(_Part):
    """Which events there are, and which of them are bad, or good."""

    total: Expression = Field(description=_EXPRESSION)
    bad: Expression | None = Field(default=None, description=_EXPRESSION)
    good: Expression | None = Field(default=None, description=_EXPRESSION)


class Slo(_Part):
    """One objective; times and rates are those of Prometheus, in seconds."""

    name: Name = Field(description=_NAME)
    description: Annotated[str, StringConstraints(pattern=r"^[^{}\n]+$", max_length=200)] = Field(
        description="one line without braces that goes on after the percentage: of the …"
    )
    objective: float = Field(gt=0, lt=1, description="above 0 and below 1")
    window: Literal["30d"] = Field(default="30d", description=WINDOW)
    sli: Sli = Field(description="a mapping with total, and bad or good")
    min_rate: float = Field(default=0.05, gt=0, description="events per second, above 0")
    page: list[PolicyName] = Field(default=["fast", "medium"], description=_POLICIES)
    ticket: list[PolicyName] = Field(default=["slow", "steady"], description=_POLICIES)

    @property
    def budget(self) -> float:
        """The ratio of events that may be bad."""
        return float(1 - Decimal(str(self.objective)))

    @property
    def policies(self) -> list[tuple[Policy, str]]:
        """The alerts, each with its severity, the fastest first."""
        severities = dict.fromkeys(self.ticket, "ticket") | dict.fromkeys(self.page, "page")
        return [(POLICIES[name], severities[name]) for name in POLICIES if name in severities]


class Spec(_Part):
    """One file: the objectives of one service."""

    service: Name = Field(description=_NAME)
    slos: list[Slo] = Field(min_length=1, description="a list of at least one SLO")


_ALLOWED = {"": "a mapping with service and slos"} | {
    name: field.description
    for model in (Spec, Slo, Sli)
    for name, field in model.model_fields.items()
}


def load(root: Path) -> dict[str, Spec]:
    """Read all specs of a checkout.

    Returns:
        the specs by the names of their files without `.yaml`, in order.

    Raises:
        OpsError: something is wrong in them; the message has one line for each mistake.
    """
    found: dict[str, Spec] = {}
    problems: list[str] = []
    names: dict[str, str] = {}
    for path in sorted((root / FOLDER).glob("*.yaml")):
        source = str(path.relative_to(root))
        try:
            spec, wrong = parse(path.read_text(encoding="utf-8"), source, names)
        except (OSError, UnicodeDecodeError) as error:
            spec, wrong = None, [f"{source}: cannot be read ({error}): must be a file in UTF-8"]
        problems += wrong
        if spec is not None:
            found[path.stem] = spec
    if problems:
        raise OpsError("\n".join(problems))
    if not found:
        raise OpsError(f"{FOLDER}: has no spec: write {FOLDER}/<service>.yaml as in docs/slo.md")
    return found


def parse(text: str, source: str, names: dict[str, str]) -> tuple[Spec | None, list[str]]:
    """Read one spec.

    Args:
        text: what stands in the file.
        source: the file, as messages name it.
        names: the SLOs that exist already → where; those of this file are added.

    Returns:
        the spec, or None if it has not the form of one; and a line for each mistake.
    """
    lines: dict[Place, int] = {(): 1}
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        content = None if node is None else loader.construct_document(node)
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{source}:{mark.line + 1}" if mark else source
        why = getattr(error, "problem", None) or str(error).partition("\n")[0]
        return None, [f"{place}: is not YAML ({why}): must be mended there or in the line before"]
    mistakes = [] if node is None else list(_lines(node, (), lines))
    spec = None
    try:
        spec = Spec.model_validate(content)
        mistakes += _contradictions(spec)
        for index, slo in enumerate(spec.slos):
            first = names.setdefault(slo.name, f"{source}:{lines['slos', index, 'name']}")
            if first != f"{source}:{lines['slos', index, 'name']}":
                taken = f"={slo.name!r}: must be another one: it is that of {first}"
                mistakes.append((("slos", index, "name"), taken))
    except ValidationError as error:
        mistakes += [(each["loc"], _complaint(each)) for each in error.errors()]
    return spec, [f"{source}:{_line(at, lines)}: {_path(at)}{what}" for at, what in mistakes]


def _lines(node: yaml.Node, place: Place, lines: dict[Place, int]) -> Iterator[Mistake]:
    """Note the line of every key and item below a node; yield the keys that are given twice."""
    if len(place) == _DEEPEST:
        return
    if isinstance(node, yaml.SequenceNode):
        children = [(index, item, item) for index, item in enumerate(node.value)]
    elif isinstance(node, yaml.MappingNode):
        children = [(key.value, key, value) for key, value in node.value]
    else:
        return
    for name, begins, child in children:
        at = (*place, name)
        if at in lines:
            yield at, f" is given twice: must stand once, in line {lines[at]} or here"
        lines[at] = begins.start_mark.line + 1
        yield from _lines(child, at, lines)


def _contradictions(spec: Spec) -> Iterator[Mistake]:
    """Yield what is wrong though each field is right by itself."""
    for index, slo in enumerate(spec.slos):
        at = ("slos", index)
        if (slo.sli.bad is None) == (slo.sli.good is None):
            which = "only one of bad and good" if slo.sli.bad else "bad or good beside total"
            yield (*at, "sli"), f": must have {which}"
        for severity in ("page", "ticket"):
            chosen = getattr(slo, severity)
            for name in sorted({name for name in chosen if chosen.count(name) > 1}):
                yield (*at, severity), f"={chosen!r}: must have {name} once"
        for name in sorted(set(slo.page) & set(slo.ticket)):
            yield (*at, "ticket"), f"={slo.ticket!r}: must be without {name}: it is in page, too"
        for policy, severity in slo.policies:
            if policy.threshold(slo.budget) >= 1:
                lowest = 1 - 1 / policy.burn_rate
                yield (
                    (*at, severity),
                    (
                        f"={getattr(slo, severity)!r}: must be without {policy.name}, which cannot "
                        f"fire for an objective of {slo.objective:g}, only above {lowest:.4g}"
                    ),
                )


def _complaint(error: ErrorDetails) -> str:
    """Turn pydantic's words into value and mend; they follow the field's name."""
    names = [each for each in error["loc"] if isinstance(each, str)]
    if error["type"] in {"extra_forbidden", "invalid_key"}:
        model = Sli if "sli" in names[:-1] else Slo if "slos" in names[:-1] else Spec
        return f" is no field: must be one of {', '.join(model.model_fields)}"
    allowed = _ALLOWED[names[-1] if names else ""]
    if error["type"] == "missing":
        return f" is missing: must be {allowed}"
    value = repr(error["input"])
    shown = value if len(value) <= _MAX_SHOWN else f"{value[:_MAX_SHOWN]}…"
    return f"={shown}: must be {allowed}"


def _line(place: Place, lines: dict[Place, int]) -> int:
    """Return the line of a place, or of the part around it."""
    return next(lines[place[:n]] for n in range(len(place), -1, -1) if place[:n] in lines)


def _path(place: Place) -> str:
    return ".".join(map(str, place)) or "the file"
