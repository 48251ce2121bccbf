"""Who wrote what a release brings: asked of the repository that is here."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import SourceError
from pipeline.model.gate_facts import Author
from pipeline.model.policy import Policy
from pipeline.operations.commits import commits_between


def authors_between(folder: Path | None, old: str, new: str, policy: Policy) -> tuple[Author, ...] | None:
    """Each of them once, merges included, with the newest of their commits; None where not all commits are here."""
    if folder is None:
        return None
    try:
        commits = commits_between(folder, old, new, most=None)
    except SourceError:
        return None
    if commits.cut:
        return None
    found: dict[str, Author] = {}
    for item in (*commits.added, *commits.merges):
        address = item.address.strip().lower()
        found.setdefault(address, Author(address=item.address, person=policy.person_of(item.address), commit=item.sha))
    return tuple(found.values())
