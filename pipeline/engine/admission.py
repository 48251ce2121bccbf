"""The places of a run and of its stages in groups: waiting is done in threads of its own and holds no worker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from pipeline.engine.announcer import Announcer
from pipeline.engine.scope import RunScope
from pipeline.errors import CancelledError, EcluseError
from pipeline.model.definition import ConcurrencyRule
from pipeline.model.plan import PlannedStage
from pipeline.model.status import RunState, StageState
from pipeline.model.template import has_expression
from pipeline.model.trust import Trust, writes_to
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.concurrency import Place


@contextmanager
def admitted(scope: RunScope, announcer: Announcer, cancel: Cancellation) -> Iterator[None]:
    """The run is in its group inside; where it does not get in, it is cancelled inside."""
    rule = scope.plan.concurrency
    if rule is None:
        yield
        return

    def waiting(who: str) -> None:
        announcer.run_moved(scope.run_id, RunState.QUEUED, f"waits for group '{rule.group}': {who} is in it")

    place: Place | None = None
    try:
        place = scope.groups().enter(
            rule, repository=_repository(scope), holder=f"run {scope.number()}", waiting=waiting, cancel=cancel
        )
        announcer.run_moved(scope.run_id, RunState.RUNNING, "")
    except EcluseError as error:
        cancel.cancel(error.message)
    try:
        yield
    finally:
        if place is not None:
            place.leave()


@dataclass(frozen=True, slots=True)
class _Door:
    """A stage before or in its group: `cancel` is set when it shall give up its place."""

    cancel: Cancellation
    place: Place | None = None


class Admissions:
    """Brings stages into their groups. `entered` and `refused` (with why) are told from other threads."""

    def __init__(
        self,
        scope: RunScope,
        announcer: Announcer,
        *,
        run_cancel: Cancellation,
        entered: Callable[[str], None],
        refused: Callable[[str, str], None],
    ) -> None:
        self._scope = scope
        self._announcer = announcer
        self._run_cancel = run_cancel
        self._entered = entered
        self._refused = refused
        self._doors: dict[str, _Door] = {}
        self._lock = threading.Lock()

    def ask(self, planned: PlannedStage, rule: ConcurrencyRule) -> None:
        """Wait for the stage's place behind the scenes."""
        name = planned.stage.name
        door = _Door(Cancellation())
        with self._lock:
            self._doors[name] = door
        threading.Thread(target=self._wait, args=(planned, rule, door), name=f"group-{name}", daemon=True).start()

    def cancellation(self, stage: str) -> Cancellation | None:
        """What is set when the stage shall give up its place; None for one without a group."""
        with self._lock:
            door = self._doors.get(stage)
        return door.cancel if door else None

    def stop(self, reason: str, *, among: Container[str]) -> None:
        """Of these stages, those that wait shall not wait any longer."""
        with self._lock:
            doors = [door for name, door in self._doors.items() if name in among and door.place is None]
        for door in doors:
            door.cancel.cancel(reason)

    def leave(self, stage: str) -> None:
        """The stage ended or parked."""
        with self._lock:
            door = self._doors.pop(stage, None)
        if door is not None and door.place is not None:
            door.place.leave()

    def _wait(self, planned: PlannedStage, rule: ConcurrencyRule, door: _Door) -> None:
        name = planned.stage.name
        try:
            if has_expression(rule.group):
                resolved = self._scope.resolve(planned, self._scope.facts).stage.concurrency
                rule = resolved or rule
            with self._run_cancel.calling(lambda: door.cancel.cancel(self._run_cancel.reason)):
                place = self._scope.groups().enter(
                    rule,
                    repository=f"{_repository(self._scope)}\0stages",  # else a run would wait for itself
                    holder=f"run {self._scope.number()}, stage {name}",
                    waiting=lambda who: self._waits(name, f"group '{rule.group}': {who} is in it"),
                    cancel=door.cancel,
                )
        except CancelledError as error:
            self._refused(name, door.cancel.reason or error.message)
        except EcluseError as error:
            self._refused(name, error.message)
        else:
            with self._lock:
                self._doors[name] = replace(door, place=place)
            self._entered(name)

    def _waits(self, name: str, why: str) -> None:
        stage = self._scope.runs.put(replace(self._scope.runs.get(name), state=StageState.WAITING, parked=why))
        self._announcer.stage_parked(self._scope.run_id, stage)


def _repository(scope: RunScope) -> str:
    """Whose groups these are. Those of an untrusted run are its pull request's own, whatever its file calls them: else
    it could hold up or supersede runs of the house."""
    source, event = scope.plan.source, scope.plan.event
    repository = source.origin or source.path
    return f"{repository}\0{writes_to(event.trust, event.proposal)}" if event.trust is Trust.UNTRUSTED else repository
