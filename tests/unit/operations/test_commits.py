"""Commits between two releases, asked of the real git."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from environment.repository import Repository

from pipeline.delivery.notes import write_notes
from pipeline.errors import SourceError
from pipeline.operations.commits import commit_note, commits_between


def test_both_ways_without_merges_and_with_reverts(git_repo: Callable[..., Repository]) -> None:
    repository = git_repo({"a": "1"})
    start = repository.git("rev-parse", "HEAD")
    bad = repository.commit({"a": "2"}, "Break it\n\nBecause of \x1b[31mreasons")
    repository.git("revert", "--no-edit", bad)
    repository.git("checkout", "-q", "-b", "side", start)
    side = repository.commit({"b": "1"}, "Add b")
    repository.git("checkout", "-q", "main")
    repository.git("merge", "-q", "--no-edit", "side")
    head = repository.git("rev-parse", "HEAD")

    forward = commits_between(repository.path, start, head)
    notes = write_notes(forward)
    assert {item.commit.subject for item in notes.added} == {"Break it", 'Revert "Break it"', "Add b"}
    assert [item.commit.sha for item in notes.added if item.counts] == [side]
    assert {item.author for item in forward.added} == {"Marin Lock"}
    assert {item.address for item in forward.added} == {"marin@example.org"}
    assert [item.subject for item in forward.merges] == ["Merge branch 'side'"]
    assert not forward.removed
    back = commits_between(repository.path, head, start)
    assert (back.added, {item.sha for item in back.removed}) == ((), {item.sha for item in forward.added})
    assert commits_between(repository.path, head, head).added == ()
    assert len(commits_between(repository.path, "", head).added) == 4, "from nothing: the first commit too"
    assert commit_note(repository.path, head).subject.startswith("Merge branch")


@pytest.mark.parametrize(
    "commit",
    [
        pytest.param("0" * 40, id="unknown"),
        pytest.param("--output=/tmp/x", id="no commit at all"),
        pytest.param("main", id="a name"),
    ],
)
def test_a_commit_that_is_not_here_is_said(git_repo: Callable[..., Repository], commit: str) -> None:
    repository = git_repo({"a": "1"})
    with pytest.raises(SourceError, match="is not in the repository") as caught:
        commits_between(repository.path, commit, repository.git("rev-parse", "HEAD"))
    assert "git fetch" in caught.value.hint


def test_a_shallow_clone_says_that_there_may_be_more(git_repo: Callable[..., Repository], tmp_path: Path) -> None:
    repository = git_repo({"a": "1"})
    for number in range(3):
        repository.commit({"a": str(number)}, f"Change {number}")
    repository.git("clone", "-q", "--depth", "2", f"file://{repository.path}", str(tmp_path / "shallow"))
    found = commits_between(tmp_path / "shallow", "", repository.git("rev-parse", "HEAD"))
    assert (len(found.added), found.cut) == (2, True)
