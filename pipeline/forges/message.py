"""A message of the outbox as what it is, and the one comment of a proposal that is found again and edited."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pipeline.errors import ForgeRefusedError
from pipeline.model.forge_address import path_of
from pipeline.model.outgoing import COMMENT, STATUS, CommitStatus, OutboxItem, ProposalComment
from pipeline.model.repository import Repository
from pipeline.model.value import from_value


def read_message(item: OutboxItem) -> CommitStatus | ProposalComment:
    """ForgeRefusedError for one that this program does not know."""
    kinds: dict[str, type[CommitStatus | ProposalComment]] = {STATUS: CommitStatus, COMMENT: ProposalComment}
    try:
        return from_value(kinds[item.kind], item.body)
    except (KeyError, ValueError) as error:
        raise ForgeRefusedError(f"a message of kind '{item.kind}' cannot be read: {error}") from error


def place_of(repository: Repository) -> str:
    """What the forge calls it: by its address; by its name where it is cloned from a path (a mirror, say)."""
    return path_of(repository.url) or repository.name


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownComment:
    """A comment that is there."""

    id: str
    author: str
    """"" where the forge does not say."""
    text: str


def ours(comments: Iterable[KnownComment], mark: str, me: str) -> KnownComment | None:
    """The oldest with our mark that we wrote: others may copy the mark. Where nobody says who we are, the oldest."""
    return next((item for item in comments if mark in item.text and (not me or item.author == me)), None)


def write_comment(
    comment: ProposalComment,
    *,
    known: KnownComment | None,
    post: Callable[[str], None],
    edit: Callable[[str, str], None],
) -> None:
    """Edit ours, or post it; one that we may not edit is not ours."""
    text = f"{comment.text}\n\n{comment.mark}"
    if known is not None:
        if known.text.strip() == text.strip():
            return
        try:
            edit(known.id, text)
        except ForgeRefusedError:
            post(text)
        return
    post(text)


def whoami(ask: Callable[[], str]) -> str:
    """Our own name; "" where the token may not ask for it (those of apps and repositories)."""
    try:
        return ask()
    except ForgeRefusedError:
        return ""


def cut(text: str, limit: int) -> str:
    """A description within what a forge takes."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
