"""The composed schema: valid JSON Schema, telling editors what the loader tells, and the shortcut's equal."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from language_file import KINDS

import schemas
from pipeline.language.schema import Grammar, compose
from pipeline.language.shortcut import plainly_valid

SCHEMA = compose(KINDS)
VALIDATOR = Draft202012Validator(SCHEMA)
GRAMMAR = Grammar(KINDS)
SCHEMAS = [GRAMMAR.file(), *(GRAMMAR.stage(kind) for kind in KINDS)]


def test_the_composed_schema_is_a_json_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_is_a_json_schema(kind: str) -> None:
    Draft202012Validator.check_schema(schemas.load(f"stages/{kind}"))
    Draft202012Validator.check_schema(GRAMMAR.stage(kind))


@pytest.mark.parametrize(
    ("stage", "is_valid"),
    [
        pytest.param({"image": "a:1"}, True, id="run-without-its-name"),
        pytest.param({}, True, id="image-may-come-from-defaults"),
        pytest.param({"image": "a:1", "depth": 3}, False, id="key-of-another-kind"),
        pytest.param({"kind": "checkout", "depth": 3}, True, id="checkout"),
        pytest.param({"kind": "checkout", "depth": "all"}, False, id="wrong-type"),
        pytest.param({"kind": "test", "image": "a:1"}, False, id="test-without-reports"),
        pytest.param({"kind": "test", "image": "a:1", "reports": {"junit": "r.xml"}}, True, id="test"),
        pytest.param(
            {"kind": "test", "needs": ["a", {"stage": "b", "if": "failed"}], "reports": {}}, False, id="empty"
        ),
        pytest.param({"kind": "nothing"}, False, id="unknown-kind"),
        pytest.param({"x-mine": 1}, True, id="free-key"),
    ],
)
def test_what_editors_are_told(stage: dict[str, Any], is_valid: bool) -> None:
    assert VALIDATOR.is_valid({"version": 1, "name": "a", "stages": {"a": stage}}) is is_valid


def test_everything_in_the_schema_is_described() -> None:
    undescribed = [name for name, part in SCHEMA["properties"].items() if "description" not in part]
    undescribed += [name for name, part in GRAMMAR.common.items() if "description" not in part]
    assert undescribed == []


KEYS = st.sampled_from(
    sorted({key for schema in SCHEMAS for key in schema["properties"]} | {"a", "x-a", "cpu", "max", "on", "junit"})
)
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-1, 70), st.floats(0, 2), st.sampled_from(["", "a", "always", "no"])
    ),
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(KEYS, below, max_size=4)),
    max_leaves=8,
)


@given(st.sampled_from(SCHEMAS), st.dictionaries(KEYS, VALUES, max_size=5))
@settings(max_examples=200, deadline=None)
def test_the_shortcut_never_says_yes_where_the_validator_says_no(schema: dict[str, Any], value: dict[str, Any]) -> None:
    if plainly_valid(value, schema):
        assert Draft202012Validator(schema).is_valid(value)


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        pytest.param(1, {"type": "integer", "multipleOf": 2}, id="unknown-keyword"),
        pytest.param(1, {"anyOf": [{"type": "integer"}]}, id="any-of"),
        pytest.param([1], {"prefixItems": [{"type": "string"}], "items": {}}, id="prefix-items"),
        pytest.param(True, {"type": "integer"}, id="true-is-no-number"),
        pytest.param(True, {"const": 1}, id="true-is-not-one"),
        pytest.param({"a": 1}, {"properties": {}, "additionalProperties": False}, id="more-keys"),
        pytest.param({"a": 1}, {"additionalProperties": {"type": "string"}}, id="other-keys"),
        pytest.param({"ab": 1}, {"patternProperties": {"^a": {"type": "string"}}}, id="pattern-of-keys"),
        pytest.param({"a": 1}, False, id="nothing-fits"),
    ],
)
def test_the_shortcut_leaves_to_the_validator(value: object, schema: object) -> None:
    assert plainly_valid(value, schema) is False
