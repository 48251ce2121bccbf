"""The clock of a server: schedules of the default branches' pipeline files become work when they come due."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.errors import EcluseError
from pipeline.model.definition import Definition, ScheduleTrigger
from pipeline.model.repository import Repository
from pipeline.model.source import Event
from pipeline.model.trust import Trust
from pipeline.model.work import WorkKind, WorkRequest
from pipeline.operations.default_branch import default_branch
from pipeline.operations.schedule import last_due
from pipeline.operations.serving.asking import HOST, new_item
from pipeline.operations.serving.labels import labels_of
from pipeline.operations.serving.mirror import Mirror
from pipeline.operations.source import describe
from pipeline.ports.application import Application

LOOK_EVERY = 5.0
"""Seconds between two looks at the schedules."""
_FETCH_EVERY = 300.0
"""Seconds after which a repository is fetched though no webhook told of it: its schedules may have changed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Known:
    """The pipeline file at the tip of a default branch, and how the mirror stood before it was read."""

    stamp: tuple[object, ...]
    definition: Definition | None


class Scheduler:
    """Looks after the schedules of all repositories.

    What came due while no server ran is made up for once, with the latest of its times. Two servers over one database
    queue each time once.
    """

    def __init__(self, app: Application, *, note: Callable[[str], None] = lambda _: None) -> None:
        self._app = app
        self._note = note
        self._known: dict[str, _Known] = {}
        self._fetched: dict[str, float] = {}

    def round(self) -> None:
        """Queue what has come due."""
        for repository in self._app.intake.repositories():
            if not repository.active:
                continue
            try:
                self._look_after(repository)
            except EcluseError as error:
                self._note(f"schedules of {repository.name}: {error.message}")

    def _look_after(self, repository: Repository) -> None:
        definition = self._definition(repository)
        triggers = definition.triggers.schedule if definition is not None and definition.triggers else ()
        for trigger in triggers:
            self._queue_due(repository, trigger, labels_of(definition))

    def _queue_due(self, repository: Repository, trigger: ScheduleTrigger, labels: tuple[str, ...]) -> None:
        app, name = self._app, _spelled(trigger)
        now = app.clock.now()
        mark = app.intake.schedule_mark(repository.name, name)
        if mark is None:
            app.intake.mark_schedule(repository.name, name, now)  # nothing was due before it was written
            return
        due = last_due(trigger, after=mark, now=now)
        if due is None:
            return
        branch = trigger.branch or repository.default_branch
        event = Event(kind="schedule", branch=branch, host=HOST)
        request = WorkRequest(repository=repository.name, sha=branch, event=event)
        key = f"schedule:{repository.name}:{name}:{due.isoformat()}"
        item = new_item(app, key, WorkKind.SCHEDULED, request, labels=labels)
        if app.intake.mark_schedule(repository.name, name, due, work=(item,)):
            self._note(f"run {item.id} of {repository.name} is due by its schedule {name}")

    def _definition(self, repository: Repository) -> Definition | None:
        """Of the default branch's tip; read anew only when that has moved. None where the file cannot be read."""
        mirror = Mirror(self._app, repository)
        now = self._app.clock.monotonic()
        last = self._fetched.get(repository.url)
        if last is None or now - last >= _FETCH_EVERY:
            self._fetched[repository.url] = now
            mirror.fetch()
        stamp = (repository.file, *mirror.stamp(""))
        known = self._known.get(repository.url)
        if known is None or known.stamp != stamp:
            tip = mirror.find("")
            if tip is None:
                return None
            source = describe(mirror.path, tip.sha)
            found = default_branch(self._app, source, file=repository.file, trust=Trust.PROTECTED)
            if found.problem:
                self._note(f"schedules of {repository.name}: {found.problem}")
            known = self._known[repository.url] = _Known(stamp=stamp, definition=found.definition)
        return known.definition


def _spelled(trigger: ScheduleTrigger) -> str:
    """What a schedule is known by: one that is written otherwise is another one, and begins anew."""
    return f"{trigger.cron} {trigger.timezone} {trigger.branch}".strip()
