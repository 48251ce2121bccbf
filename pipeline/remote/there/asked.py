"""What every question to a server stands on: the connection, and which of its repositories is meant."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.model.forge_address import host_of, path_of
from pipeline.model.repository import Repository
from pipeline.remote.connection import Connection, segment
from pipeline.remote.servers import KnownServer

if TYPE_CHECKING:  # for its time, not for a circle
    from collections.abc import Sequence


class AskedThere:
    """`repository` is the name of one of the server's, or a folder: then the one that its checkout came from."""

    def __init__(self, server: KnownServer, repository: str | Path) -> None:
        self._named = repository
        self.connection = Connection(server)

    @property
    def folder(self) -> Path | None:
        """The checkout that we stand in; None where the repository was named."""
        return self._named if isinstance(self._named, Path) else None

    @cached_property
    def name(self) -> str:
        """`owner/name` of the repository. UsageError where the folder does not tell."""
        if isinstance(self._named, str):
            return self._named
        from pipeline.operations.place import repository_of

        url = repository_of(self._named)
        if not url:
            raise UsageError(
                f"{self._named} is in no git repository: which one of the server's is meant?",
                hint="stand in a checkout, or name it: --repository OWNER/NAME",
            )
        return name_among(self.connection.nouns(Repository, "repositories"), url)

    def path(self, *parts: str) -> str:
        """Of something that belongs to the repository, below `/api/v1`."""
        return self.of(self.name, *parts)

    def of(self, repository: str, *parts: str) -> str:
        """As `path`, of another repository."""
        owner, _, name = repository.partition("/")
        return "/".join(("repositories", segment(owner), segment(name), *parts))

    def names(self) -> Sequence[str]:
        """All repositories that we may see there."""
        return [item.name for item in self.connection.nouns(Repository, "repositories")]

    def wide(self, everywhere: bool) -> bool:
        """Whether the answer is about all repositories."""
        return everywhere


def name_among(repositories: Sequence[Repository], url: str) -> str:
    """The one whose URL it is, else the one at the same place of the same host (by https or ssh), else what a server
    would call one that it does not look after."""
    from pipeline.operations.repositories import spelled

    same = [item.name for item in repositories if item.url == url]
    place = _place(url)
    like = [item.name for item in repositories if place and _place(item.url) == place]
    return next(iter((*same, *like)), "") or spelled(url)


def _place(url: str) -> tuple[str, str] | None:
    """Host without its port, and path, as forges spell both for https and ssh; None for a folder."""
    host = re.sub(r":\d+$", "", host_of(url)).lower()
    path = path_of(url).lower()
    return (host, path) if host and path else None
