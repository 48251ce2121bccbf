"""Release notes: reverts cancel what they take back, and a revert of a revert brings it back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipeline.delivery.notes import write_notes
from pipeline.model.commits import CommitNote, CommitRange

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def commit(name: str, *reverts: str, author: str = "anna") -> CommitNote:
    return CommitNote(
        sha=name, author=author, address=f"{author}@example.org", time=NOW, message=f"{name}\n\nmore", reverts=reverts
    )


@pytest.mark.parametrize(
    ("newest_first", "counting", "marks"),
    [
        pytest.param([commit("b"), commit("a")], ["b", "a"], {}, id="plain"),
        pytest.param([commit("r", "a"), commit("b"), commit("a")], ["b"], {"a": "r"}, id="a revert within"),
        pytest.param([commit("r", "old"), commit("a")], ["r", "a"], {}, id="a revert of something earlier counts"),
        pytest.param(
            [commit("rr", "r"), commit("r", "a"), commit("a")], ["a"], {"r": "rr"}, id="a revert that is reverted"
        ),
        pytest.param(
            [commit("r3", "r2"), commit("r2", "r1"), commit("r1", "a"), commit("a")],
            [],
            {"r2": "r3", "a": "r1"},
            id="three in a row leave nothing",
        ),
        pytest.param(
            [commit("r", "a", "b"), commit("b"), commit("a")], [], {"a": "r", "b": "r"}, id="one takes back two"
        ),
        pytest.param(
            [commit("s", "a"), commit("r", "a"), commit("a")], ["r"], {"a": "s"}, id="taken back twice counts once"
        ),
    ],
)
def test_what_is_left(newest_first: list[CommitNote], counting: list[str], marks: dict[str, str]) -> None:
    notes = write_notes(CommitRange(added=tuple(newest_first)))
    assert [item.commit.sha for item in notes.added if item.counts] == counting
    assert {item.commit.sha: item.reverted_by for item in notes.added if item.reverted_by} == marks


def test_authors_are_counted_most_first() -> None:
    found = write_notes(
        CommitRange(added=(commit("c", author="bob"), commit("b"), commit("a")), removed=(commit("x", author="eve"),))
    )
    assert found.authors == (("anna", 2), ("bob", 1))
    assert [item.commit.subject for item in found.removed] == ["x"]
