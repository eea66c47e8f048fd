"""Every object is what the API takes: Kubernetes' schemas, the operator's, and no unknown field."""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.kubernetes.objects import Object, objects

MODULE = "github.com/prometheus-operator/prometheus-operator@v0.92.1"
SUM = "h1:rHWuFo6SVya4FBSCNg2DCzyc4xAv54zk3eDTzp5mQZc="
GROUP = "monitoring.coreos.com"
OBJECTS = objects()
OWN = [each for each in OBJECTS if not each["apiVersion"].startswith(GROUP)]
OPERATORS = [each for each in OBJECTS if each["apiVersion"].startswith(GROUP)]


class Loader(yaml.SafeLoader):
    """Takes a bare `=`, which the definitions have among operators, for a text."""


Loader.add_constructor("tag:yaml.org,2002:value", lambda _, node: str(node.value))


def ids(found: list[Object]) -> list[str]:
    return [f"{each['kind']}-{each['metadata']['name']}" for each in found]


@cache
def operator() -> Path:
    """Return the operator's module, as the proxy of Go's modules has it, with its sum checked."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("the operator's schemas come as a Go module, and there is no Go")
    command = [go, "mod", "download", "-json", MODULE]
    answer = json.loads(subprocess.run(command, capture_output=True, cwd="/", check=True).stdout)
    assert answer["Sum"] == SUM
    return Path(answer["Dir"])


def closed(schema: Any) -> Any:
    """Refuse unknown fields wherever a schema names the known ones."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items()}
    if isinstance(pattern := found.get("pattern"), str):
        # Go takes flags anywhere in an expression, Python at its beginning.
        found["pattern"] = f"(?i){pattern.replace('(?i)', '')}" if "(?i)" in pattern else pattern
    if isinstance(found.get("properties"), dict) and "type" in found:
        found.setdefault("additionalProperties", False)
    return found


@cache
def schema(kind: str) -> Any:
    """Return the schema of one of the operator's kinds."""
    for path in (operator() / "example/prometheus-operator-crd").glob("*.yaml"):
        definition = yaml.load(path.read_text(), Loader)["spec"]
        if definition["names"]["kind"] == kind:
            (version,) = (each for each in definition["versions"] if each["name"] == "v1")
            found = version["schema"]["openAPIV3Schema"]
            found["properties"]["metadata"] = {}
            return closed(found)
    raise AssertionError(kind)


@pytest.mark.parametrize("each", OWN, ids=ids(OWN))
def test_kubernetes_takes_it(each: Object) -> None:
    """The newest version whose schemas are there."""
    newest = kubernetes_validate.latest_version()
    kubernetes_validate.validate(each, newest, strict=True)


@pytest.mark.parametrize("each", OPERATORS, ids=ids(OPERATORS))
def test_the_operator_takes_it(each: Object) -> None:
    """By the schemas of its own definitions."""
    jsonschema.Draft202012Validator(schema(each["kind"])).validate(each)


def test_unknown_fields_are_refused() -> None:
    """Of Kubernetes' objects and of the operator's."""
    wrong = {**OWN[0], "unknown": 1}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, kubernetes_validate.latest_version(), strict=True)
    bad = {**OPERATORS[0], "spec": {**OPERATORS[0]["spec"], "unknown": 1}}
    with pytest.raises(jsonschema.ValidationError, match="unknown"):
        jsonschema.Draft202012Validator(schema(bad["kind"])).validate(bad)
