"""Every object is what the API takes: Kubernetes' schemas, the operator's, and no unknown field."""

from __future__ import annotations

import jsonschema
import kubernetes_validate
import pytest

from tests.kubernetes.objects import Object, objects
from tests.kubernetes.schemas import of_operator, validate

OBJECTS = objects()
OWN = [each for each in OBJECTS if not of_operator(each)]
OPERATORS = [each for each in OBJECTS if of_operator(each)]


def ids(found: list[Object]) -> list[str]:
    return [f"{each['kind']}-{each['metadata']['name']}" for each in found]


@pytest.mark.parametrize("each", OWN, ids=ids(OWN))
def test_kubernetes_takes_it(each: Object) -> None:
    """The newest version whose schemas are there."""
    validate(each)


@pytest.mark.parametrize("each", OPERATORS, ids=ids(OPERATORS))
def test_the_operator_takes_it(each: Object) -> None:
    """By the schemas of its own definitions."""
    validate(each)


def test_unknown_fields_of_kubernetes_objects_are_refused() -> None:
    """At the top, and below."""
    for bad in ({"unknown": 1}, {"metadata": {**OWN[0]["metadata"], "unknown": 1}}):
        with pytest.raises(kubernetes_validate.ValidationError):
            validate({**OWN[0], **bad})


def test_unknown_fields_of_the_operators_objects_are_refused() -> None:
    """Wherever its definitions name the known ones."""
    bad = {**OPERATORS[0], "spec": {**OPERATORS[0]["spec"], "unknown": 1}}
    with pytest.raises(jsonschema.ValidationError, match="unknown"):
        validate(bad)
