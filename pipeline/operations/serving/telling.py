"""Forges are told of runs: what moved goes into the outbox, what waits there is sent, until it was heard or given up.

Both are derived from the database, so that nothing is lost with a process: an item of the queue remembers in which
state its forge was last told, and is marked only after the message is in the outbox. Told twice is possible, and the
same as told once.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

from pipeline.errors import EcluseError, ForgeError, ForgeRefusedError, NotFoundError
from pipeline.model.forge_address import api_of
from pipeline.model.outgoing import OutboxItem
from pipeline.model.repository import ForgeKind, Repository
from pipeline.model.run import Run
from pipeline.model.ulid import ulid
from pipeline.model.value import Value, to_value
from pipeline.model.work import WorkItem
from pipeline.operations.registering import TOKEN, public_url
from pipeline.operations.serving.asking import subject_of
from pipeline.operations.serving.news import news_of
from pipeline.ports.application import Application

EVERY = 2.0
"""Seconds between two rounds."""
LEASE = 120.0
"""Seconds that one server is the one who sends; longer than any round."""
TRIES = 12
"""Tries before a message is given up: over about three hours."""
_FIRST_PAUSE = 10.0
_LONGEST_PAUSE = 1800.0
_ROUND = 30.0
"""Seconds that one forge may take of a round; what is left waits for the next."""
_FORGES_AT_ONCE = 4


class Telling:
    """One of all servers sends at a time, so that the messages of a run are told in their order."""

    def __init__(self, app: Application, *, note: Callable[[str], None] = lambda _: None, lease: float = LEASE) -> None:
        self._app = app
        self._lease = lease
        self._note = note
        self._holder = f"telling-{os.getpid()}-{os.urandom(4).hex()}"

    def round(self) -> None:
        """Post what is new and send what is due, if this server is the one who does."""
        outbox, now = self._app.outbox, self._app.clock.now()
        if not outbox.untold(limit=1) and not outbox.due(now=now, limit=1):
            return
        if self._app.records.take_lease("forges", holder=self._holder, seconds=self._lease) is None:
            return
        self.post_news()
        self.send_due()

    def post_news(self) -> None:
        """Into the outbox with what moved."""
        known: dict[str, Repository | None] = {}  # of thousands, few moved in these seconds
        for item in self._app.outbox.untold():
            name = item.request.repository
            if name not in known:
                known[name] = self._repository(name)
            self._post(item, known[name])

    def _repository(self, name: str) -> Repository | None:
        try:
            return self._app.intake.find_repository(name)
        except NotFoundError:
            return None

    def _post(self, item: WorkItem, repository: Repository | None) -> None:
        if repository is None or not self._can_be_told(repository):
            self._app.outbox.note_told(item)
            return
        news = news_of(item, self._run(item), site=public_url(self._app))
        if news is None:
            return
        now = self._app.clock.now()
        for kind, key, body in news:
            self._app.outbox.post(
                OutboxItem(
                    id=ulid(now, os.urandom(10)),
                    repository=repository.name,
                    kind=kind,
                    key=key,
                    body=_mapping(to_value(body)),
                    created=now,
                    due=now,
                )
            )
        self._app.outbox.note_told(item)

    def _can_be_told(self, repository: Repository) -> bool:
        """Whether somebody listens, and we may speak."""
        if repository.forge is ForgeKind.PLAIN:
            return False
        return any(note.name == TOKEN for note in self._app.vault.notes(scope=f"forge:{repository.name}"))

    def _run(self, item: WorkItem) -> Run | None:
        try:
            return self._app.records.find_run(subject_of(item))
        except NotFoundError:
            return None

    def send_due(self) -> None:
        """Try what is due, each forge by itself: one that hangs keeps no other waiting."""
        due = self._app.outbox.due(now=self._app.clock.now())
        if not due:
            return
        repositories = {item.name: item for item in self._app.intake.repositories()}
        by_forge: dict[str, list[OutboxItem]] = defaultdict(list)
        for item in due:
            known = repositories.get(item.repository)
            by_forge[api_of(known.forge, known.url, known.api) if known else ""].append(item)
        with ThreadPoolExecutor(_FORGES_AT_ONCE, thread_name_prefix="telling") as forges:
            list(forges.map(lambda items: self._send_all(items, repositories), by_forge.values()))

    def _send_all(self, items: Sequence[OutboxItem], repositories: Mapping[str, Repository]) -> None:
        """In their order; the first that finds the forge away is the last of this round."""
        end = self._app.clock.monotonic() + _ROUND
        for item in items:
            if self._app.clock.monotonic() >= end:
                return
            tried = self._tried(item, repositories.get(item.repository))
            self._app.outbox.tried(tried)
            if tried.sent is None and tried.given_up is None:
                return

    def _tried(self, item: OutboxItem, repository: Repository | None) -> OutboxItem:
        now = self._app.clock.now()
        tries = item.tries + 1
        try:
            self._tell(item, repository)
        except ForgeRefusedError as error:
            self._note(f"{item.repository}: its forge is not told: {error.message}")
            return replace(item, tries=tries, given_up=now, error=_told(error))
        except ForgeError as error:
            if tries >= TRIES:
                self._note(f"{item.repository}: its forge is not told after {tries} tries: {error.message}")
                return replace(item, tries=tries, given_up=now, error=_told(error))
            pause = max(error.later, min(_FIRST_PAUSE * 2 ** (tries - 1), _LONGEST_PAUSE))
            return replace(item, tries=tries, due=now + timedelta(seconds=pause), error=_told(error))
        except EcluseError as error:  # the vault's key, say: nothing that another try would mend
            return replace(item, tries=tries, given_up=now, error=_told(error))
        return replace(item, tries=tries, sent=self._app.clock.now(), error="")

    def _tell(self, item: OutboxItem, repository: Repository | None) -> None:
        if repository is None:
            raise ForgeRefusedError(f"repository '{item.repository}' is looked after no longer")
        token = self._app.vault.get(f"forge:{repository.name}", TOKEN)
        if token is None:
            raise ForgeRefusedError(
                "there is no token for the forge", hint="set one with `ecluse repository set NAME --token-file FILE`"
            )
        self._app.forge(repository.forge).tell(repository, item, token=token)


def _mapping(value: Value) -> Mapping[str, Value]:
    return value if isinstance(value, Mapping) else {}


def _told(error: EcluseError) -> str:
    return f"{error.message}; {error.hint}" if error.hint else error.message
