"""Asking a server for promotions, and what people say to them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.errors import NotFoundError, ServerBusyError, ServerError
from pipeline.model.release import Promotion, PromotionKind
from pipeline.model.work import WorkItem, WorkState
from pipeline.remote.connection import segment
from pipeline.remote.there.asked import AskedThere
from pipeline.remote.there.delivery import own_file
from pipeline.remote.there.logs import SLOW, Patience

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.model.decision import Answer, Block
    from pipeline.model.release import Release
    from pipeline.operations.approving import Answered
    from pipeline.operations.promote import Outlook


class PromotingThere(AskedThere):
    """What people want of environments."""

    def outlook(self, kind: PromotionKind, environment: str, release: str) -> Outlook:
        """What it would do now, and what the gates say."""
        from pipeline.operations.promote import Outlook

        query = {"kind": kind.value, "release": release or None}
        return self.connection.noun(Outlook, self._environment(environment, "outlook"), query)

    def wish(
        self, kind: PromotionKind, environment: str, *, release: str = "", reason: str = "", override: str = ""
    ) -> WorkItem:
        """Ask for it; the item's id will be the promotion's."""
        body = {"reason": reason}
        if kind is not PromotionKind.RESTORE:
            body["release"] = release
        if kind is PromotionKind.PROMOTE:
            body["override"] = override
        path = self._environment(environment, kind.value)
        return self.connection.built(WorkItem, self.connection.send("POST", path, body, key=os.urandom(16).hex()))

    def promotion(self, reference: str) -> Promotion:
        """One of this repository, by its id, its beginning or its end."""
        return self.connection.noun(Promotion, self.path("promotions", segment(reference)))

    def release(self, reference: str) -> Release:
        """One of this repository."""
        from pipeline.operations.lineage import ReleasePage

        return self.connection.noun(ReleasePage, self.path("releases", segment(reference))).release

    def watch(self, id_: str, *, run: str = "", wait: float | None, say: Callable[[str], None]) -> Promotion:
        """Until it has ended or waits for gates; those are waited for so many seconds. ServerError where it came to
        nothing. What it goes through is said. `run` is the one whose stage asked for it."""
        patience = Patience()
        said: tuple[str, str] = ("", "")
        until = time.monotonic() + (wait or 0.0)
        while True:
            try:
                item = self.connection.noun(WorkItem, f"queue/{segment(run or id_)}")
                promotion = self._known(id_)
                patience.restored()
            except ServerBusyError as error:
                time.sleep(patience.borne(error))
                continue
            now = (promotion.state.value, promotion.detail) if promotion else (item.state.value, item.detail)
            if now != said and item.state is not WorkState.DONE:
                say(": ".join(filter(None, (now[0].replace("_", " "), now[1]))))
            said = now
            if item.state is WorkState.DONE:
                if promotion is None:
                    raise ServerError(f"nothing was brought in: {item.detail}")
                return promotion
            if item.state is WorkState.PARKED and promotion is not None and time.monotonic() >= until:
                return promotion
            time.sleep(SLOW)

    def answer(self, promotion: str, answer: Answer, reason: str) -> Answered:
        """Say yes or no to one that waits."""
        from pipeline.operations.approving import Answered

        found = self.promotion(promotion)
        path = self._environment(found.environment, "promotions", segment(found.id), answer.value)
        return self.connection.built(Answered, self.connection.send("POST", path, {"reason": reason}))

    def close(self, word: str, environment: str, *, reason: str, until: datetime | None, file: str) -> Block:
        """`hold` or `freeze` it, or ("") all."""
        from pipeline.model.decision import Block

        own_file(file)
        body = {"reason": reason, "until": until.isoformat() if until else None}
        return self.connection.built(Block, self.connection.send("POST", self._level(environment, word), body))

    def open(self, word: str, environment: str, *, release: str, file: str) -> Sequence[Block]:
        """`release-hold` or `unfreeze` it, or ("") all."""
        from pipeline.model.decision import Block

        own_file(file)
        body = {"release": release} if word == "release-hold" else {}
        return self.connection.list_of(Block, self.connection.send("POST", self._level(environment, word), body))

    def remove(self, environment: str, *, reason: str) -> None:
        """Take away all that runs there."""
        self.connection.send("DELETE", self._environment(environment), {"reason": reason})

    def _known(self, id_: str) -> Promotion | None:
        try:
            return self.promotion(id_)
        except NotFoundError:
            return None

    def _level(self, environment: str, word: str) -> str:
        """Of one environment, or of all of them ("")."""
        return self._environment(environment, word) if environment else self.path(word)

    def _environment(self, name: str, *parts: str) -> str:
        return self.path("environments", segment(name), *parts)
