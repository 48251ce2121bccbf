"""What a CI host says of the job in which this command runs."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.model.source import Event


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A job of a CI host: its event, without the level of trust, and the facts from which that level follows."""

    event: Event
    sha: str = ""
    """The commit that the job is for; "" where the host does not say."""
    foreign: bool = False
    """Whether the change comes from a fork, or the host does not say where it comes from."""
    anybody: bool = False
    """Whether people without write access can start such a job (a comment on an issue, say)."""
    protected: bool | None = None
    """Whether the host protects the branch or tag; None where it does not say."""
