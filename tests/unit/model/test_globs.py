"""Patterns of artifacts, reports and inputs."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.globs import literal_root, matcher


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        pytest.param("report.xml", "report.xml", True, id="plain name"),
        pytest.param("./report.xml", "report.xml", True, id="leading dot"),
        pytest.param("report.xml", "sub/report.xml", False, id="a plain name is at the root"),
        pytest.param("report.xml", "reportAxml", False, id="a dot is a dot"),
        pytest.param("*.xml", "a.xml", True, id="star"),
        pytest.param("*.xml", "sub/a.xml", False, id="star stays within its folder"),
        pytest.param("*.xml", ".hidden.xml", True, id="star takes dotted names"),
        pytest.param("**/*.xml", "a.xml", True, id="double star, no folder"),
        pytest.param("**/*.xml", "a/b/c.xml", True, id="double star, folders"),
        pytest.param("a/**", "a/b/c", True, id="double star at the end"),
        pytest.param("a/**", "a", False, id="double star at the end is not the folder"),
        pytest.param("a/**/z", "a/z", True, id="double star in the middle, none"),
        pytest.param("a/**/z", "a/b/c/z", True, id="double star in the middle, two"),
        pytest.param("a**/z", "ab/z", True, id="double star within a name is a star"),
        pytest.param("a**/z", "ab/c/z", False, id="double star within a name stays within its folder"),
        pytest.param("**/**/*.xml", "a.xml", True, id="double stars in a row, no folder"),
        pytest.param("a/**/**/z", "a/b/z", True, id="double stars in a row, one folder"),
        pytest.param("***.txt", "a.txt", True, id="stars in a row"),
        pytest.param("***.txt", "a/b.txt", False, id="stars in a row stay within their folder"),
        pytest.param("**/" * 30 + "z", "a/" * 30 + "y", False, id="many double stars end"),
        pytest.param("dist", "dist/x/y.whl", True, id="a folder by name"),
        pytest.param("dist/", "dist/y.whl", True, id="a folder by slash"),
        pytest.param("d*", "dist/y.whl", False, id="a wildcard is no folder"),
        pytest.param("d*/", "dist/y.whl", True, id="a wildcard with a slash is"),
        pytest.param("?.txt", "a.txt", True, id="question mark"),
        pytest.param("a?b", "a/b", False, id="question mark is no slash"),
        pytest.param("[a-c].txt", "b.txt", True, id="range"),
        pytest.param("[!a-c].txt", "b.txt", False, id="negated range"),
        pytest.param("[!a-c].txt", "x.txt", True, id="negated range, other"),
        pytest.param("a[!b]c", "a/c", False, id="negated range is no slash"),
        pytest.param("[x", "[x", True, id="an open bracket is itself"),
        pytest.param("a+(b)", "a+(b)", True, id="signs of regular expressions are themselves"),
        pytest.param("/etc/passwd", "etc/passwd", False, id="absolute"),
        pytest.param("../x", "x", False, id="leaves the root"),
        pytest.param("a/../../x", "x", False, id="leaves the root inside"),
        pytest.param("", "x", False, id="empty"),
        pytest.param(".", "a/b", True, id="the root"),
        pytest.param("a b/é.txt", "a b/é.txt", True, id="spaces and accents"),
        pytest.param("*", "a\nb", True, id="a line end in a name"),
    ],
)
def test_matching(pattern: str, path: str, matches: bool) -> None:
    assert matcher([pattern])(path) is matches


def test_any_of_several_patterns_matches() -> None:
    chosen = matcher(["*.xml", "dist/*", "/etc/*"])
    assert [path for path in ("a.xml", "dist/x", "etc/x", "b.txt") if chosen(path)] == ["a.xml", "dist/x"]


@pytest.mark.parametrize(
    ("pattern", "root"),
    [
        pytest.param("a/b/*.xml", "a/b", id="folder"),
        pytest.param("./a/b", "a/b", id="all literal"),
        pytest.param("**/x", "", id="from the root"),
        pytest.param("a*/b", "", id="first part wild"),
    ],
)
def test_literal_root(pattern: str, root: str) -> None:
    assert literal_root(pattern) == root


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        pytest.param("*a" * 60 + "b", "a" * 255, id="stars within a name"),
        pytest.param("**/a/" * 60 + "b", "a/" * 2000 + "a", id="folders"),
        pytest.param("**/*a*a*/" * 40 + "b", "aaaaaaaaaa/" * 300 + "a", id="both"),
        pytest.param("[z-a]", "z", id="a set that is none"),
        pytest.param("a[!z-a]", "ab", id="not in a set that is none"),
    ],
)
def test_a_strangers_pattern_is_answered(pattern: str, path: str) -> None:
    """Tried again at every place these would take longer than anybody lives."""
    assert not matcher([pattern])(path)


@given(
    pattern=st.lists(
        st.sampled_from(["**", "*", "a", "b", "a*", "*b", "a*b*a", "*ab*", "?", "[ab]", "[!a]"]), max_size=5
    ),
    path=st.lists(st.text("ab", min_size=1, max_size=5), min_size=1, max_size=5),
    folder=st.booleans(),
)
def test_what_is_taken_for_good_is_what_trying_all_would_find(
    pattern: list[str], path: list[str], *, folder: bool
) -> None:
    written = "/".join(pattern) + ("/" if folder and pattern else "")
    assert matcher([written])("/".join(path)) is _tried(pattern, path, folder=folder)


def _tried(pattern: list[str], path: list[str], *, folder: bool) -> bool:
    """By trying everything."""
    if not pattern:
        return False
    first, *rest = pattern
    if first == "**":
        if not rest:
            return bool(path)
        return any(_tried(rest, path[skipped:], folder=folder) for skipped in range(len(path) + 1))
    if not path or not fnmatchcase(path[0], first):
        return False
    if rest:
        return _tried(rest, path[1:], folder=folder)
    return len(path) == 1 or folder or not set("*?[") & set(first)
