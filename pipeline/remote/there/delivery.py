"""Releases and environments, as a server's ledger has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.remote.connection import segment
from pipeline.remote.there.asked import AskedThere

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.delivery.dora import Dora
    from pipeline.operations.board import Board
    from pipeline.operations.comparing import Comparison, ReleaseNotes
    from pipeline.operations.drifting import Drift
    from pipeline.operations.environment_page import EnvironmentPage
    from pipeline.operations.history import History
    from pipeline.operations.inspect import ReleaseFacts
    from pipeline.operations.lineage import Lineage, ReleasePage

OWN_FILE = "pipeline.yml"
"""What `--file` says where nobody says anything."""


class DeliveryThere(AskedThere):
    """Looking at releases and environments."""

    def releases(self, *, limit: int, everywhere: bool) -> Sequence[ReleaseFacts]:
        """Newest first, with where they went."""
        from pipeline.operations.inspect import ReleaseFacts

        found: list[ReleaseFacts] = []
        for name in self.names() if everywhere else (self.name,):
            found += self.connection.pages(ReleaseFacts, self.of(name, "releases"), {}, limit=limit)
        if everywhere:
            found.sort(key=lambda item: item.release.created, reverse=True)
        return found[:limit]

    def release_page(self, reference: str) -> ReleasePage:
        """One in full."""
        from pipeline.operations.lineage import ReleasePage

        return self.connection.noun(ReleasePage, self.path("releases", segment(reference)))

    def notes(self, old: str, new: str) -> ReleaseNotes:
        """The commits between two; of all that lead to `new` where `old` is ""."""
        from pipeline.operations.comparing import ReleaseNotes

        path = self.path("releases", segment(new), "notes")
        return self.connection.noun(ReleaseNotes, path, {"since": old or None})

    def board(self, *, file: str) -> Board:
        """What is where, what may move, what keeps it."""
        from pipeline.operations.board import Board

        own_file(file)
        return self.connection.noun(Board, self.path("board"))

    def why(self, environment: str) -> Lineage:
        """From what runs there back to people."""
        from pipeline.operations.lineage import Lineage

        return self.connection.noun(Lineage, self._environment(environment, "why"))

    def history(self, environment: str, *, limit: int) -> History:
        """What was promoted there."""
        from pipeline.operations.history import History

        return self.connection.noun(History, self._environment(environment, "history"), {"limit": limit})

    def environments(self, *, file: str) -> Sequence[EnvironmentPage]:
        """Those that count."""
        from pipeline.operations.environment_page import EnvironmentPage

        own_file(file)
        return self.connection.nouns(EnvironmentPage, self.path("environments"))

    def environment(self, name: str, *, file: str, ask: bool) -> EnvironmentPage:
        """One of them."""
        from pipeline.operations.environment_page import EnvironmentPage

        own_file(file)
        if ask:
            raise UsageError("a server does not ask for somebody who only looks", hint="leave --ask away")
        return self.connection.noun(EnvironmentPage, self._environment(name))

    def difference(self, first: str, second: str) -> Comparison:
        """What one environment has and the other has not."""
        from pipeline.operations.comparing import Comparison

        return self.connection.noun(Comparison, self._environment(first, "diff", segment(second)))

    def drifts(self, environment: str) -> Sequence[Drift]:
        """What runs otherwise than the ledger says, in one of them or in all ("")."""
        from pipeline.operations.drifting import Drift

        path = self._environment(environment, "drift") if environment else self.path("drift")
        return self.connection.nouns(Drift, path)

    def dora(self, environment: str, *, days: int) -> Dora:
        """The four figures."""
        from pipeline.delivery.dora import Dora

        return self.connection.noun(Dora, self._environment(environment, "dora"), {"days": days})

    def _environment(self, name: str, *parts: str) -> str:
        return self.path("environments", segment(name), *parts)


def own_file(file: str) -> None:
    """A server reads the file that it was told of."""
    if file != OWN_FILE:
        raise UsageError(
            "a server has a pipeline file of its own for each repository", hint="leave --file away with --server"
        )
