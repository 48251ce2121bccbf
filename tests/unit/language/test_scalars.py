"""Text stays text, and plain scalars mean what YAML 1.2's core schema says."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from language_file import HEAD, load

from pipeline.language.reader import read
from pipeline.language.scalars import resolve
from pipeline.language.tree import ListNode, Scalar

# fmt: off
AS_WRITTEN = [
    "3.10", "1e3", "012", "22:30", "on", "yes", "no", "true", "null", "~", "0x1F", "0o17", "1_000", ".5", "+1",
    "-0", "2026-11-23", "=", "1.0.0", "NaN", ".inf", "Off", "123456789012345678901234567890",
]
# fmt: on


@pytest.mark.parametrize(
    "written",
    AS_WRITTEN,
)
def test_a_scalar_is_taken_as_written_where_text_is_wanted(written: str) -> None:
    definition = load(
        f"""{HEAD}
variables: {{V: {written}}}
stages:
  a:
    image: a:1
    env: {{V: {written}}}
    user: {written}
    commands: [{written}]
    artifacts: {{name: x, paths: {written}}}
"""
    )
    stage = definition.stage("a")
    assert definition.variables == {"V": written}
    assert stage.env == {"V": written}
    assert stage.user == written
    assert stage.commands == (written,)
    assert stage.artifacts[0].paths == (written,)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("No", "No"),
        ("true", True),
        ("True", True),
        ("FALSE", False),
        ("tRue", "tRue"),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-12", -12),
        ("012", 12),
        ("0x1F", 31),
        ("0o17", 15),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("22:30", "22:30"),
        ("1_000", "1_000"),
        (".inf", ".inf"),
        ("1e999", "1e999"),
        ("9" * 5000, "9" * 5000),
        ("'12'", "12"),
        ("!!str 12", "12"),
        ("!!int '12'", 12),
    ],
)
def test_the_core_schema(written: str, value: object) -> None:
    root, problems = read(f"- {written}\n".encode(), file="f")
    assert not problems.all()
    assert isinstance(root, ListNode)
    (scalar,) = root.items
    assert isinstance(scalar, Scalar)
    assert resolve(scalar) == value
    assert type(resolve(scalar)) is type(value)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=40))
def test_any_text_in_quotes_survives(text: str) -> None:
    assume("${{" not in text)
    quoted = "'" + text.replace("'", "''") + "'"
    definition = load(f"{HEAD}stages: {{a: {{image: 'a:1', env: {{V: {quoted}}}}}}}\n")
    assert definition.stage("a").env == {"V": text}


@given(st.from_regex(r"[0-9A-Za-z._+:~-]{1,20}", fullmatch=True))
def test_any_plain_word_survives(word: str) -> None:
    assume(not word.startswith(("-", ":")) and not word.endswith(":") and word not in ("...", "---"))
    definition = load(f"{HEAD}stages: {{a: {{image: 'a:1', env: {{V: {word} }}}}}}\n")
    assert definition.stage("a").env == {"V": word}
