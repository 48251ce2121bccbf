"""What every question to this machine stands on."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from pipeline.ports.application import Application


class AskedHere:
    """`folder` is where the person stands."""

    def __init__(self, app: Application, folder: Path) -> None:
        self.app = app
        self.folder = folder

    @cached_property
    def repository(self) -> str:
        """The key under which its runs are recorded."""
        from pipeline.operations.place import repository_of

        return repository_of(self.folder)

    def place(self, *, everywhere: bool) -> str:
        """The repository, or "" for all of them."""
        return "" if everywhere else self.repository

    def wide(self, everywhere: bool) -> bool:
        """Whether the answer is about all repositories: wanted so, or because the folder is in none."""
        return not self.place(everywhere=everywhere)
