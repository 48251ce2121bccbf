"""Keeping promotions out of environments, and letting them in again, in this machine's ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.remote.here.asked import AskedHere

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.model.decision import Block


class ClosingHere(AskedHere):
    """Holds and freezes, by the words of the API."""

    def close(self, word: str, environment: str, *, reason: str, until: datetime | None, file: str) -> Block:
        """`hold` or `freeze` it, or ("") all."""
        from pipeline.model.decision import BlockKind
        from pipeline.operations.blocking import block
        from pipeline.operations.surroundings import surroundings

        kind = BlockKind.HOLD if word == "hold" else BlockKind.FREEZE
        place = surroundings(self.app, self.folder, file=file)
        return block(self.app, place, kind, environment=environment, reason=reason, until=until)

    def open(self, word: str, environment: str, *, release: str, file: str) -> Sequence[Block]:
        """`release-hold` or `unfreeze` it, or ("") all."""
        from pipeline.model.decision import BlockKind
        from pipeline.operations.blocking import lift
        from pipeline.operations.surroundings import surroundings

        held = BlockKind.BAR if release else BlockKind.HOLD
        kinds = frozenset({held if word == "release-hold" else BlockKind.FREEZE})
        place = surroundings(self.app, self.folder, file=file)
        return lift(self.app, place, kinds, environment=environment, release=release)
