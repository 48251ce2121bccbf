"""A ref that moved, as the event that it is."""

from __future__ import annotations

from pipeline.model.incoming import ForgeEvent, ForgeEventKind

BRANCHES = "refs/heads/"
TAGS = "refs/tags/"


def moved(
    ref: str, *, before: str, after: str, actor: str, clone_url: str, title: str = "", url: str = ""
) -> ForgeEvent:
    """A push of a branch or tag, or its end; `before` and `after` are "" or zeros where the ref was not, is not."""
    branch = ref.removeprefix(BRANCHES) if ref.startswith(BRANCHES) else ""
    tag = ref.removeprefix(TAGS) if ref.startswith(TAGS) else ""
    old, new = known(before), known(after)
    kind = ForgeEventKind.TAG if tag else ForgeEventKind.PUSH
    if not branch and not tag:
        return ForgeEvent(
            kind=ForgeEventKind.OTHER, actor=actor, clone_url=clone_url, why=f"{ref} is no branch and no tag"
        )
    return ForgeEvent(
        kind=kind if new else ForgeEventKind.DELETED,
        sha=new,
        branch=branch,
        tag=tag,
        before=old,
        actor=actor,
        clone_url=clone_url,
        title=title,
        url=url,
    )


def known(sha: str) -> str:
    """The commit, "" for the zeros that git writes where there is none."""
    return sha if sha.strip("0") else ""
