"""Commits as people read them: what went into a release since another one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class CommitNote:
    """A commit. `message` is whole; `reverts` are the commits that it takes back, by its own words."""

    sha: str
    author: str
    address: str
    """The author's mail address."""
    time: datetime
    """When it was committed (UTC): of a rebased commit the time of the rebase."""
    message: str
    reverts: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """The first line of the message."""
        return self.message.strip().partition("\n")[0].strip()


@dataclass(frozen=True, kw_only=True, slots=True)
class CommitRange:
    """What one commit has and another has not, newest first: `added` on the way there, `removed` on the way back."""

    added: tuple[CommitNote, ...] = ()
    removed: tuple[CommitNote, ...] = ()
    merges: tuple[CommitNote, ...] = ()
    """Merges on the way there: they stand in neither of the others."""
    cut: bool = False
    """Whether there were more than were asked for, or a shallow clone hides some."""
