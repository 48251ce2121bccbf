"""Where a run's source comes from: the repository, the commit, and what brought it about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pipeline.model.trust import Trust


@dataclass(frozen=True, kw_only=True, slots=True)
class Commit:
    """A commit; `dirty` says that the working tree differed from it and its changes were taken along.

    `tree` identifies the content that stages see: the git tree id, or a digest of the dirty tree.
    """

    sha: str
    message: str
    author: str
    time: datetime
    dirty: bool = False
    tree: str = ""

    @property
    def short(self) -> str:
        """The first 12 characters of the id."""
        return self.sha[:12]


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """What asks for a run: `push`, `pull_request`, `schedule` or `manual`, on a branch or a tag."""

    kind: str
    branch: str = ""
    tag: str = ""
    actor: str = ""
    changed: tuple[str, ...] | None = None
    """Paths that changed, or None where that is not known."""
    base: str = ""
    """The commit that `changed` compares with; "" where it is not known."""
    base_reason: str = ""
    """Why it is that commit, or why none is known, for people."""
    before: str = ""
    """The branch's tip before a push; "" where the host does not say."""
    target: str = ""
    """The branch that a pull request is to be merged into."""
    proposal: str = ""
    """Number of the pull (or merge) request."""
    trust: Trust = Trust.BRANCH
    allowed: str = ""
    """Who allowed this one untrusted run, and when; "" = nobody."""
    host: str = ""
    """The CI host in whose job this run is: gitlab, github, gitea, forgejo, woodpecker, jenkins; "" on a machine."""
    url: str = ""
    """The page of the host's job."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    """What changed since `base`, which was chosen for `reason`; `paths` is None where that cannot be known.

    `base` is "" where there is none: then `reason` says why, and nothing known counts as changed.
    """

    paths: tuple[str, ...] | None
    base: str = ""
    reason: str = ""

    @property
    def since(self) -> str:
        """`since 4f1c0de1a2b3 (last success of this stage)`, or the reason alone."""
        return f"since {self.base[:12]} ({self.reason})" if self.base else self.reason


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A repository at a commit. `path` is the working tree on this machine, `origin` the remote's URL or ""."""

    path: str
    origin: str
    commit: Commit
    revision: str = ""
    """What the user asked for with `--commit`; "" means the working tree as it is."""
