"""Release notes: the commits between two releases, with those that take each other back, and who wrote them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.model.commits import CommitNote, CommitRange


@dataclass(frozen=True, kw_only=True, slots=True)
class NotedCommit:
    """A commit, and what became of it within the same notes."""

    commit: CommitNote
    reverted_by: str = ""
    """The commit of these notes that takes it back, and is not taken back itself."""
    reverts_here: bool = False
    """It takes back a commit of these notes: together they change nothing."""

    @property
    def counts(self) -> bool:
        """Whether anything of it is left."""
        return not self.reverted_by and not self.reverts_here


@dataclass(frozen=True, kw_only=True, slots=True)
class Notes:
    """What the new release has and the old one has not (`added`), and the other way round (`removed`); newest first."""

    added: tuple[NotedCommit, ...]
    removed: tuple[NotedCommit, ...]
    authors: tuple[tuple[str, int], ...]
    """Who wrote how many of the added commits, most first."""
    cut: bool = False


def write_notes(commits: CommitRange) -> Notes:
    """Mark reverts on both ways and count the authors."""
    return Notes(
        added=_marked(commits.added),
        removed=_marked(commits.removed),
        authors=tuple(
            sorted(Counter(item.author for item in commits.added).items(), key=lambda item: (-item[1], item[0]))
        ),
        cut=commits.cut,
    )


def _marked(commits: Sequence[CommitNote]) -> tuple[NotedCommit, ...]:
    """Newest first, so that a revert of a revert is judged before what it brings back."""
    here = {commit.sha for commit in commits}
    taken_back: dict[str, str] = {}
    cancelling: set[str] = set()
    for commit in commits:
        if commit.sha in taken_back:
            continue
        for other in commit.reverts:
            if other in here and other not in taken_back:
                taken_back[other] = commit.sha
                cancelling.add(commit.sha)
    return tuple(
        NotedCommit(commit=item, reverted_by=taken_back.get(item.sha, ""), reverts_here=item.sha in cancelling)
        for item in commits
    )
