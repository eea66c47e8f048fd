"""What the API takes: Kubernetes' own schemas and those of the operator, unknown fields refused."""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

from tests.kubernetes.objects import Object
from tests.required import skip_go

MODULE = "github.com/prometheus-operator/prometheus-operator@v0.92.1"
SUM = "h1:rHWuFo6SVya4FBSCNg2DCzyc4xAv54zk3eDTzp5mQZc="
GROUP = "monitoring.coreos.com"
NEWEST = kubernetes_validate.latest_version()


class Loader(yaml.SafeLoader):
    """Takes a bare `=`, which the definitions have among operators, for a text."""


Loader.add_constructor("tag:yaml.org,2002:value", lambda _, node: str(node.value))


def of_operator(each: Object) -> bool:
    """Return whether an object is of a kind that the operator defines."""
    return str(each["apiVersion"]).startswith(GROUP)


def validate(each: Object) -> None:
    """Check an object by the schema of its kind.

    Raises:
        kubernetes_validate.ValidationError: Kubernetes does not take it.
        jsonschema.ValidationError: the operator does not.
    """
    if of_operator(each):
        _validator(each["kind"]).validate(each)
    else:
        kubernetes_validate.validate(each, NEWEST, strict=True)


@cache
def _operator() -> Path:
    """Return the operator's module, as the proxy of Go's modules has it, with its sum checked."""
    go = shutil.which("go")
    if go is None:
        skip_go("the operator's schemas come as a Go module, and there is no Go")
    command = [go, "mod", "download", "-json", MODULE]
    answer = json.loads(subprocess.run(command, capture_output=True, cwd="/", check=True).stdout)
    assert answer["Sum"] == SUM
    return Path(answer["Dir"])


def _closed(schema: Any) -> Any:
    """Refuse unknown fields wherever a schema names the known ones."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _closed(value) for key, value in schema.items()}
    if isinstance(pattern := found.get("pattern"), str):
        # Go takes flags anywhere in an expression, Python at its beginning.
        found["pattern"] = f"(?i){pattern.replace('(?i)', '')}" if "(?i)" in pattern else pattern
    if isinstance(found.get("properties"), dict) and "type" in found:
        found.setdefault("additionalProperties", False)
    return found


@cache
def _validator(kind: str) -> Any:
    """Return what checks one of the operator's kinds."""
    for path in (_operator() / "example/prometheus-operator-crd").glob("*.yaml"):
        definition = yaml.load(path.read_text(), Loader)["spec"]
        if definition["names"]["kind"] == kind:
            (version,) = (each for each in definition["versions"] if each["name"] == "v1")
            found = version["schema"]["openAPIV3Schema"]
            found["properties"]["metadata"] = {}
            return jsonschema.Draft202012Validator(_closed(found))
    raise AssertionError(kind)
