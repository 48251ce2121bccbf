"""SARIF of any analyser: what counts, how bad it is, and files that lie about their shape."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engine import sarif
from pipeline.errors import StorageError
from pipeline.model.finding import Finding, FindingSeverity


def document(*results: dict[str, Any], rules: tuple[dict[str, Any], ...] = ()) -> bytes:
    tool = {"driver": {"name": "linter", "rules": list(rules)}}
    return json.dumps({"version": "2.1.0", "runs": [{"tool": tool, "results": list(results)}]}).encode()


def result(**more: Any) -> dict[str, Any]:
    return {"ruleId": "R1", "message": {"text": "bad"}, **more}


def read(content: bytes) -> tuple[Finding, ...]:
    return sarif.read(content, file="x.sarif")


def test_a_result_with_all_it_can_say() -> None:
    place = {"artifactLocation": {"uri": "file:///workspace/src/a%20b.py"}, "region": {"startLine": 7}}
    rule = {"id": "R1", "helpUri": "https://example.org/R1"}
    content = document(result(level="error", locations=[{"physicalLocation": place}]), rules=(rule,))
    assert read(content) == (
        Finding(
            check="code",
            tool="linter",
            rule="R1",
            severity=FindingSeverity.HIGH,
            message="bad",
            file="src/a b.py",
            line=7,
            url="https://example.org/R1",
        ),
    )


@pytest.mark.parametrize(
    ("said", "rule", "severity"),
    [
        pytest.param({}, {}, "medium", id="a warning unless it says otherwise"),
        pytest.param({"level": "error"}, {}, "high", id="error"),
        pytest.param({"level": "note"}, {}, "low", id="note"),
        pytest.param({"level": "none"}, {}, "unknown", id="none"),
        pytest.param({}, {"defaultConfiguration": {"level": "note"}}, "low", id="the rule's level"),
        pytest.param({"level": "note"}, {"properties": {"security-severity": "9.8"}}, "critical", id="score"),
        pytest.param({}, {"properties": {"security-severity": "7.0"}}, "high", id="band's edge"),
        pytest.param({}, {"properties": {"security-severity": "0.0"}}, "unknown", id="no score"),
        pytest.param({}, {"properties": {"security-severity": "bad"}}, "medium", id="a score that is none"),
        pytest.param({"properties": {"security-severity": 4}}, {}, "medium", id="the result's own score"),
    ],
)
def test_how_bad(said: dict[str, Any], rule: dict[str, Any], severity: str) -> None:
    (found,) = read(document(result(**said), rules=({"id": "R1", **rule},)))
    assert found.severity.value == severity


@pytest.mark.parametrize(
    "said",
    [
        pytest.param({"suppressions": [{"kind": "inSource"}]}, id="suppressed"),
        pytest.param({"baselineState": "absent"}, id="gone since the baseline"),
    ],
)
def test_what_does_not_count(said: dict[str, Any]) -> None:
    assert read(document(result(**said))) == ()


def test_a_rule_by_its_index_and_a_message_by_its_id() -> None:
    rule = {"id": "R9", "messageStrings": {"m": {"text": "found {0} in {1}"}}}
    content = document({"ruleIndex": 0, "message": {"id": "m", "arguments": ["x", "y"]}}, rules=(rule,))
    (found,) = read(content)
    assert (found.rule, found.message) == ("R9", "found x in y")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"", "is not JSON", id="empty"),
        pytest.param(b'{"runs": [', "is not JSON", id="cut off"),
        pytest.param(b"\xff\xfe", "is not JSON", id="binary"),
        pytest.param(b"[" * 100_000, "is not JSON", id="deep"),
        pytest.param(b"{}", "is not a SARIF file", id="something else"),
        pytest.param(b'{"runs": {}}', "is not a SARIF file", id="runs that are no list"),
        pytest.param(document(*[result()] * 10_001), "has more than 10,000 results", id="too many"),
    ],
)
def test_what_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(StorageError, match=words) as caught:
        read(content)
    assert caught.value.message.startswith("x.sarif")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
KEYS = ["ruleId", "ruleIndex", "rule", "message", "level", "locations", "properties", "suppressions", "baselineState"]


@given(st.lists(JSON | st.dictionaries(st.sampled_from(KEYS), JSON), max_size=3), JSON)
def test_no_shape_makes_it_stumble(results: list[Any], rules: Any) -> None:
    content = {"runs": [{"tool": {"driver": {"rules": rules}}, "results": results}, results, None]}
    assert isinstance(read(json.dumps(content).encode()), tuple)
