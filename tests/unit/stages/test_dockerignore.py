"""`.dockerignore` by moby's rules; the table follows the examples of its documentation and its own tests."""

from __future__ import annotations

import pytest

from pipeline.errors import UsageError
from stages.dockerignore import Dockerignore


@pytest.mark.parametrize(
    ("text", "ignored", "kept"),
    [
        pytest.param("", [], ["a", "a/b"], id="empty"),
        pytest.param("# note\n\n  \n#a\n", [], ["a", "#a"], id="comments-and-blanks"),
        pytest.param("node_modules", ["node_modules", "node_modules/a/b"], ["a/node_modules"], id="only-at-the-root"),
        pytest.param(
            "**/node_modules", ["node_modules", "a/b/node_modules/c/d"], ["a/node_modules2"], id="at-any-depth"
        ),
        pytest.param("*/temp*", ["a/temporary.txt", "a/temp/x"], ["temp", "a/b/temp"], id="one-level"),
        pytest.param("temp?", ["tempa"], ["temp", "tempab"], id="one-letter"),
        pytest.param("*.md\n!README.md", ["a.md"], ["README.md", "docs/a.md"], id="exception"),
        pytest.param("*.md\n!README*.md\nREADME-secret.md", ["README-secret.md"], ["README.md"], id="last-rule-wins"),
        pytest.param("docs\n!docs/keep", ["docs", "docs/a"], ["docs/keep", "docs/keep/b"], id="exception-in-a-folder"),
        pytest.param("*\n!src\n!go.mod", ["a", "b/c"], ["src/main.go", "go.mod"], id="all-but"),
        pytest.param("/build/", ["build", "build/x"], ["a/build"], id="slashes-around"),
        pytest.param("./a/../b", ["b"], ["a"], id="cleaned"),
        pytest.param("**", ["a", "a/b"], [], id="everything"),
        pytest.param("a/**/z", ["a/z", "a/b/c/z"], ["a/zz"], id="in-between"),
        pytest.param("[a-c]x", ["ax", "cx"], ["dx"], id="set"),
        pytest.param("[^a]x", ["bx"], ["ax"], id="set-negated"),
        pytest.param("a.c", ["a.c"], ["abc"], id="dot-is-a-dot"),
        pytest.param("\\*", ["*"], ["a"], id="escaped"),
        pytest.param("\ufeffa\r\nb\r\n", ["a", "b"], ["c"], id="from-windows"),
    ],
)
def test_rules(text: str, ignored: list[str], kept: list[str]) -> None:
    rules = Dockerignore(text)
    assert [path for path in ignored + kept if rules.ignores(path)] == ignored


def test_a_strangers_pattern_is_answered() -> None:
    """Tried again at every place this would take longer than anybody lives."""
    assert not Dockerignore("*a" * 60 + "b\n" + "**/a/" * 60 + "b\n").ignores("a/" * 1000 + "a" * 255)


def test_what_is_no_pattern_is_said() -> None:
    with pytest.raises(UsageError, match=r"\.dockerignore: 'a\[z-a\]' is no pattern"):
        Dockerignore("b\na[z-a]\n")
