"""Expressions: values, types demanded, bounds kept, closed where in doubt, and the words of each problem."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.expressions.cel import MAX_FACT, CelExpressions, slug
from pipeline.model.value import Value

EXPRESSIONS = CelExpressions({"HOME": "/home/ada"})
FACTS: dict[str, Value] = {
    "event": "push",
    "branch": "Feature/Über_x",
    "tag": "",
    "commit": {"sha": "4f1c", "short": "4f", "message": "fix [skip]", "author": "Ada", "time": "2026-11-23T00:00:00Z"},
    "changed": ["src/a.py", "docs/b.md"],
    "run": {"id": "01", "number": 7},
    "variables": {"IMAGE": "registry.example.org/shop", "N": "3"},
    "stages": {"unit": {"conclusion": "failed", "outputs": {"VERSION": "1.2"}}},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("event == 'push' && !commit.message.contains('[skip]')", False),
        ("branch", "Feature/Über_x"),
        ("slug(branch)", "feature-ber-x"),
        ("run.number + 1", 8),
        ("'%s'.size() > 1 ? 'a' : 'b'", "a"),
        ("changed.exists(path, path.startsWith('src/'))", True),
        ("variables.IMAGE", "registry.example.org/shop"),
        ("variables['IMAGE']", "registry.example.org/shop"),
        ("variables.?NONE.orValue('y')", "y"),
        ("int(variables.N) * 2", 6),
        ("stages.unit.conclusion == 'failed'", True),
        ("stages.unit.outputs.VERSION", "1.2"),
        ("stages.?other.?outputs.?V.orValue('none')", "none"),
        ("env('HOME')", "/home/ada"),
        ("1.5", 1.5),
        ("[1, 2]", (1, 2)),
        ("tag == ''", True),
        ("timestamp(commit.time).getFullYear() == 2026", True),
    ],
)
def test_values(text: str, value: Value) -> None:
    assert EXPRESSIONS.evaluate(text, FACTS) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("variables.NONE", "'NONE' is not there"),
        ("variables.NONE == 'x'", "'NONE' is not there"),
        ("1 / 0 == 1", "divide by zero"),
        ("env('PATH')", "variable 'PATH' of the host is not set, or not open to expressions"),
        ("variables.?NONE", "it gives an optional; end it with .orValue(…)"),
        ("b'abc'", "it gives a bytearray, which no value of a pipeline can be"),
        ("branch +", "it ends too early"),
        ("nothing", "there is no value 'nothing'"),
        ("stages.other.conclusion == 'failed'", "'other' is not there"),
    ],
)
def test_failures_name_the_expression(text: str, reason: str) -> None:
    with pytest.raises(UsageError) as failure:
        EXPRESSIONS.evaluate(text, FACTS)
    assert failure.value.message == f"the expression '{text}' cannot be evaluated: {reason}"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("changed.all(a, changed.all(b, changed.all(c, changed.all(d, a + b + c + d != ''))))", id="loops"),
        pytest.param("(" * 2000, id="nesting"),
        pytest.param("'" + "a" * 5000 + "'", id="length"),
        pytest.param("commit.message != ''", id="big-fact"),
        pytest.param("changed.size() > 0", id="many-items"),
    ],
)
def test_bounds(text: str) -> None:
    big = {**FACTS, "changed": ["x"] * 30_000, "commit": {"sha": "4f", "message": "m" * (MAX_FACT + 1)}}
    with pytest.raises(UsageError):
        EXPRESSIONS.evaluate(text, big)


def test_a_big_fact_that_is_not_read_does_not_matter() -> None:
    assert EXPRESSIONS.evaluate("commit.sha", {"commit": {"sha": "4f", "message": "m" * (MAX_FACT + 1)}}) == "4f"


def test_a_fact_that_is_not_known_closes() -> None:
    with pytest.raises(UsageError, match="'changed' is not known here"):
        EXPRESSIONS.evaluate("changed.size() == 0", {**FACTS, "changed": None})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("event == 'push'", None),
        ("comit.sha == ''", "there is no value 'comit.sha'; did you mean 'commit.sha'?"),
        ("commit.sa == ''", "there is no value 'commit.sa'; did you mean 'commit.sha'?"),
        ("hash() == ''", "'hash' is called with something that it does not take; write hash('glob', …)"),
        ("slg(branch) == ''", "there is no function 'slg'; did you mean 'slug'?"),
        ("run.number == 'a'", "'==' does not go with number and text"),
        ("branch", "it gives a text, and a condition must give true or false"),
        (
            "stages.unit.conclusion",
            "it gives something that is known only later, and a condition must give true or false",
        ),
        ("branch == 'a", "the quote at character 11 is never closed"),
        ("branch $ 1", "'$' cannot stand at character 8"),
        ("branch 'x'", "\"'x'\" cannot stand at character 8"),
        ("(branch == ''", "a ')' is missing"),
        ("branch.size == 1", "a text has no fields"),
        ("matrix.python == '3'", None),
        ("matrix.python == 3", "'==' does not go with text and number"),
        ("hash('*.txt', 'a') == ''", None),
        ("hash(['*.txt', branch]) == ''", None),
        ("hash(1) == ''", "'hash' does not go with number"),
        ("environment == 'dev'", None),
        ("env('HOME') == ''", None),
        (
            "secrets.TOKEN == ''",
            "there is no value 'secrets.TOKEN': name it under 'secrets' of the stage, which has it as a variable",
        ),
        ("(" * 1000, "it is nested too deeply"),
        ("1 == " + "1" * 5000, "it is longer than 4,096 characters"),
    ],
)
def test_problems_of_conditions(text: str, problem: str | None) -> None:
    assert EXPRESSIONS.problem(text, condition=True) == problem


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("branch == 'main'", {"branch"}),
        ("'branch ' + tag", {"tag"}),
        ('commit.message.contains("event")', {"commit.message"}),
        ("variables.A + variables['B'] + variables[\"C\"]", {"variables.A", "variables.B", "variables.C"}),
        ("variables.?A.orValue(variables.B)", {"variables.?A", "variables.B"}),
        (
            "stages.unit.outputs.VERSION == '' || stages.lint.conclusion == ''",
            {"stages.unit.outputs.VERSION", "stages.lint.conclusion"},
        ),
        ("stages.unit.cells['3.10,pg'].outputs.V", {"stages.unit.cells.3.10,pg"}),
        ("matrix.?os.orValue(matrix['db'])", {"matrix.?os", "matrix.db"}),
        ("changed.exists(p, p.startsWith(branch))", {"changed", "branch"}),
        ("slug(branch).size() + run.number", {"branch", "run.number"}),
        ("'it\\'s branch' == tag", {"tag"}),
        ("size(event) . size", {"event"}),
        ("1 + 1", set()),
    ],
)
def test_names(text: str, names: set[str]) -> None:
    assert EXPRESSIONS.names(text) == names


@pytest.mark.parametrize(
    ("text", "slugged"),
    [
        ("main", "main"),
        ("Feature/X_y", "feature-x-y"),
        ("--a--", "a"),
        ("é", ""),
        ("a" * 80, "a" * 63),
        ("a-" * 40, "a-" * 31 + "a"),
    ],
)
def test_slugs(text: str, slugged: str) -> None:
    assert slug(text) == slugged


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text_is_an_expression_or_a_problem(text: str) -> None:
    if EXPRESSIONS.problem(text, condition=False) is None:
        with suppress(UsageError):
            EXPRESSIONS.evaluate(text, FACTS)
    else:
        with pytest.raises(UsageError):
            EXPRESSIONS.evaluate(text, FACTS)
    EXPRESSIONS.names(text)


def test_threads_share_one_compiler() -> None:
    fresh = CelExpressions()

    def evaluate(number: int) -> Value:
        return fresh.evaluate(f"run.number + {number % 10}", {"run": {"number": number}})

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(evaluate, range(200))) == [number + number % 10 for number in range(200)]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        pytest.param("variables.NONE", "for what may be absent write variables.?NAME.orValue('…')", id="absent"),
        pytest.param(
            "env('PATH')", "the machine's setting expression_variables lists those that env() may read", id="closed"
        ),
        pytest.param("1 / 0", "", id="nothing to do about it"),
    ],
)
def test_a_hint_is_about_what_failed(text: str, hint: str) -> None:
    with pytest.raises(UsageError) as failure:
        EXPRESSIONS.evaluate(text, FACTS)
    assert failure.value.hint == hint
