"""The services that were added to the stack's own: each says in its `service.yaml` how it runs."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stack.errors import OpsError

FILE = "service.yaml"
PATTERN = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"


class Added(BaseModel):
    """One added service; what a field may be stands in its description, as the end of "must be …".

    Its folder, `services/<module>`, is a Python package.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(
        pattern=f"^{PATTERN}$",
        max_length=30,
        description="at most 30 small letters, digits and single dashes, the first a letter",
    )
    port: int = Field(ge=1024, le=65_535, description="a whole number from 1024 to 65535")
    shows: str = Field(max_length=100, description="one line: what it does")
    first_request: str = Field(
        default="", pattern="^(/.*)?$", description="a path, such as /hello, or nothing"
    )
    environment: dict[str, str] = Field(
        default={}, description="a mapping of variables to texts, numbers in quotes"
    )

    @property
    def module(self) -> str:
        """Its name as Python has it."""
        return module_of(self.name)

    @property
    def variable(self) -> str:
        """The variable that moves its port."""
        return variable_of(self.name)


def module_of(name: str) -> str:
    """Return a service's name as that of a Python module."""
    return name.replace("-", "_")


def variable_of(name: str) -> str:
    """Return the variable that has a service's port."""
    return f"{module_of(name).upper()}_PORT"


def added(root: Path) -> list[Added]:
    """Read what was added to a checkout, in the order of the names.

    Raises:
        OpsError: a file is wrong; the message says where, and the mend.
    """
    return [_read(path) for path in sorted((root / "services").glob(f"*/{FILE}"))]


def _read(path: Path) -> Added:
    try:
        found = Added.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        mistake = error.errors()[0]
        field = str(mistake["loc"][0]) if mistake["loc"] else ""
        known = Added.model_fields.get(field)
        must = known.description if known else f"one of {', '.join(Added.model_fields)}"
        place = f"{field}={mistake['input']!r}" if field else "the file"
        raise OpsError(f"{path}: {place}: must be {must}") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        why = " ".join(str(error).split())
        raise OpsError(f"{path}: cannot be read ({why}): must be a YAML file") from error
    if found.module != path.parent.name:
        raise OpsError(
            f"{path}: name={found.name!r}: must be that of its folder, {path.parent.name}, "
            "with dashes for underscores"
        )
    return found
