"""Releases and environments, as this machine's ledger has them."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.remote.here.asked import AskedHere

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.delivery.dora import Dora
    from pipeline.operations.board import Board
    from pipeline.operations.comparing import Comparison, ReleaseNotes
    from pipeline.operations.drifting import Drift
    from pipeline.operations.environment_page import EnvironmentPage
    from pipeline.operations.history import History
    from pipeline.operations.inspect import ReleaseFacts
    from pipeline.operations.lineage import Lineage, ReleasePage


class DeliveryHere(AskedHere):
    """Looking at releases and environments."""

    def releases(self, *, limit: int, everywhere: bool) -> Sequence[ReleaseFacts]:
        """Newest first, with where they went."""
        from pipeline.operations.inspect import releases

        return releases(self.app.records, repository=self.place(everywhere=everywhere), limit=limit)

    def release_page(self, reference: str) -> ReleasePage:
        """One in full."""
        from pipeline.operations.lineage import release_page

        return release_page(self.app, self.folder, reference)

    def notes(self, old: str, new: str) -> ReleaseNotes:
        """The commits between two; of all that lead to `new` where `old` is ""."""
        from pipeline.operations.comparing import notes

        return notes(self.app, self.folder, old, new)

    def board(self, *, file: str) -> Board:
        """What is where, what may move, what keeps it."""
        from pipeline.operations.board import board, board_judge
        from pipeline.operations.surroundings import environments_at

        found = environments_at(self.app, self.folder, file=file)
        judge = board_judge(self.app, found, folder=self.folder, person=getpass.getuser())
        return board(self.app, repository=self.repository, environments=found.environments, judge=judge)

    def why(self, environment: str) -> Lineage:
        """From what runs there back to people."""
        from pipeline.operations.lineage import why

        return why(self.app, self.folder, repository=self.repository, environment=environment)

    def history(self, environment: str, *, limit: int) -> History:
        """What was promoted there."""
        from pipeline.operations.history import history

        return history(self.app, repository=self.repository, environment=environment, limit=limit)

    def environments(self, *, file: str) -> Sequence[EnvironmentPage]:
        """Those that count."""
        from pipeline.operations.environment_page import environment_pages

        return environment_pages(self.app, self.folder, repository=self.repository, file=file)

    def environment(self, name: str, *, file: str, ask: bool) -> EnvironmentPage:
        """One of them; with `ask` its gates' commands are run and their servers asked."""
        from pipeline.operations.environment_page import environment_page

        return environment_page(
            self.app, self.folder, name, repository=self.repository, file=file, person=getpass.getuser(), ask=ask
        )

    def difference(self, first: str, second: str) -> Comparison:
        """What one environment has and the other has not."""
        from pipeline.operations.comparing import compare_environments

        return compare_environments(self.app, self.folder, self.repository, first, second)

    def drifts(self, environment: str) -> Sequence[Drift]:
        """What runs otherwise than the ledger says, in one of them or in all ("")."""
        from pipeline.operations.drifting import drifts

        return drifts(self.app, repository=self.repository, environment=environment)

    def dora(self, environment: str, *, days: int) -> Dora:
        """The four figures."""
        from pipeline.operations.dora import dora

        return dora(self.app, self.folder, repository=self.repository, environment=environment, days=days)
