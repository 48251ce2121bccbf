"""Reuse within one run: serving stages from earlier results, and keeping new results for later runs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pipeline.engine.context import AttemptContext
from pipeline.engine.keeping import Keeping
from pipeline.engine.restoring import Awaited, Restoring, whole
from pipeline.engine.stage_log import AttemptLog
from pipeline.errors import EcluseError, StorageError
from pipeline.model.identity import safe_name
from pipeline.model.outcome import Outcome
from pipeline.model.run import Attempt
from pipeline.model.status import Conclusion, StageState
from pipeline.ports.stage import Reuse

if TYPE_CHECKING:
    from pipeline.engine.narrowing import Narrowing
    from pipeline.engine.reuse_rules import ReuseRules
    from pipeline.engine.scope import RunScope
    from pipeline.model.plan import PlannedStage
    from pipeline.ports.cancellation import Cancellation
    from pipeline.ports.reuse import ReuseEntry


class Reusing:
    """Bound to one run by `begin`. Safe for several threads; no error of the store ever fails a stage."""

    def __init__(self, scope: RunScope, rules: ReuseRules) -> None:
        self._scope = scope
        self._rules = rules
        self._lock = threading.Lock()
        self._resolved: dict[str, PlannedStage] = {}
        self._serving = {item.stage.name for item in scope.plan.stages if item.reused}
        self._skipped = {item.stage.name for item in scope.plan.stages if item.skip}
        self._narrowing: Narrowing | None = None
        self._restoring = Restoring(
            storage=scope.storage,
            workspace=lambda: scope.session.workspace,
            layers=scope.layers,
            remake=self._remake,
        )
        self._keeping = Keeping(scope, rules)
        for planned in scope.plan.stages:
            stage = scope.runs.get(planned.stage.name)
            if stage.reused and stage.state is StageState.DONE:
                self._await_again(planned)

    def take(self, planned: PlannedStage) -> tuple[str, Attempt] | None:
        """The run whose result serves this stage, and that result as an attempt of this run; None: run it."""
        try:
            return self._take(planned)
        except EcluseError as error:
            self._keeping.note(f"{planned.stage.name}: earlier results cannot be read: {error.message}")
            return None

    def furnish(self, planned: PlannedStage, log: AttemptLog, cancel: Cancellation) -> None:
        """Make the workspace of a stage that is about to run what it has to be: layers of reused stages are brought
        back, and one with `inputs` sees only those files of the checkout."""
        name, layers = planned.stage.name, self._scope.layers
        self._restoring.furnish(name, log, cancel)
        if planned.stage.inputs:
            sources = [layers.left_by(before) for before in layers.before(name) if self._hands_out_source(before)]
            narrowing = self._narrow()
            layers.narrow(name, {layer: narrowing.narrow(layer, planned.stage.inputs) for layer in sources if layer})

    def holds_back(self, planned: PlannedStage) -> bool:
        """Whether a stage's container must not be created ahead: it may not run, or will see layers yet to come."""
        if planned.stage.name in self._serving or planned.stage.inputs:
            return True
        return any(before in self._serving for before in self._scope.layers.before(planned.stage.name))

    def keep(self, planned: PlannedStage) -> None:
        """A stage succeeded: keep its result behind the scenes, where it may serve again."""
        with self._lock:
            planned = self._resolved.get(planned.stage.name, planned)
        if self._undisturbed(planned):
            self._keeping.keep(planned)

    def close(self, *, cancelled: bool) -> tuple[str, ...]:
        """Wait until all is kept (what waits is dropped when the run was cancelled); what could not be done."""
        return self._keeping.close(drop=cancelled)

    def _narrow(self) -> Narrowing:
        from pipeline.engine.narrowing import Narrowing

        with self._lock:
            if self._narrowing is None:
                self._narrowing = Narrowing(lambda: self._scope.session.workspace)
            return self._narrowing

    def _take(self, planned: PlannedStage) -> tuple[str, Attempt] | None:
        name, rules = planned.stage.name, self._rules
        if planned.deferred:
            planned = self._scope.resolve(planned, self._scope.facts)
            with self._lock:
                self._resolved[name] = planned
        if planned.skip or rules.fresh(name) or not self._undisturbed(planned):
            return None
        decided = planned.reused
        digest = planned.reuse_key
        if digest is None:
            if rules.store.nearest(rules.repository, name, rules.reads) is None:
                return None  # nothing to find: not worth asking a registry what its image is
            rules.identify.reach_out()
            key = rules.keys.take(planned)
            digest = key.digest if key.serves else None
        elif not decided:
            return None
        entry = rules.store.find(digest, rules.reads) if digest else None
        if entry is None and decided and self._hands_out_source(name):
            return self._not_needed(planned)
        if entry is None or not self._usable(entry, decided=decided):
            return None
        self._restoring.expect(name, self._awaited(entry))
        return entry.run, self._attempt(entry)

    def _not_needed(self, planned: PlannedStage) -> tuple[str, Attempt]:
        """What hands out the source need not run where all that needs it is reused; should one of those have to run
        after all, it is made up for."""
        now = self._scope.clock.now()
        outcome = Outcome(conclusion=Conclusion.SUCCEEDED, reason="not needed: what sees it is reused")
        self._restoring.expect(planned.stage.name, Awaited(archive=None))
        run = planned.earlier.run if planned.earlier else ""
        return run, Attempt(number=1, started=now, finished=now, outcome=outcome)

    def _usable(self, entry: ReuseEntry, *, decided: bool) -> bool:
        """Whether all that the entry names is there and undamaged; its layer is looked at when it is needed."""
        image = entry.products.image
        if entry.executor != self._rules.executor:
            return False
        if image is not None and not self._rules.identify.has(image.reference, image.id):
            return False
        if not entry.layer_kept and not decided and self._keeping.seen(entry.stage):
            return False
        for digest in entry.blobs:
            if digest != entry.layer and not whole(self._scope.storage, digest):
                self._rules.store.drop(entry.key, self._rules.reads)
                self._keeping.note(f"{entry.stage}: an earlier result is damaged ({digest[:19]}) and was dropped")
                return False
        return True

    def _attempt(self, entry: ReuseEntry) -> Attempt:
        now = self._scope.clock.now()
        return Attempt(
            number=1,
            started=now,
            finished=now,
            outcome=Outcome(conclusion=Conclusion.SUCCEEDED, reason=f"reused from {self._origin(entry)}"),
            log=entry.log,
            log_lines=entry.log_lines,
            service_logs=entry.service_logs,
            products=entry.products,
        )

    def _awaited(self, entry: ReuseEntry) -> Awaited:
        return Awaited(
            archive=entry.layer if entry.layer_kept else None,
            source=self._origin(entry),
            damaged=lambda: self._forget(entry),
        )

    def _forget(self, entry: ReuseEntry) -> None:
        try:
            self._rules.store.drop(entry.key, self._rules.reads)
        except EcluseError as error:
            self._keeping.note(f"{entry.stage}: a damaged result cannot be dropped: {error.message}")

    def _origin(self, entry: ReuseEntry) -> str:
        ours = entry.installation == self._rules.installation and entry.number
        return f"run {entry.number}" if ours else f"run {entry.run}"

    def _await_again(self, planned: PlannedStage) -> None:
        """A stage that was reused before this run was taken up again: its layer is not there."""
        entry = None
        try:
            entry = self._rules.store.find(planned.reuse_key, self._rules.reads) if planned.reuse_key else None
        except EcluseError as error:
            self._keeping.note(f"{planned.stage.name}: earlier results cannot be read: {error.message}")
        self._restoring.expect(planned.stage.name, self._awaited(entry) if entry else Awaited(archive=None))

    def _undisturbed(self, planned: PlannedStage) -> bool:
        """Whether all that a stage needs ended as its key takes for granted: succeeded, or skipped by the plan."""
        for name in self._scope.layers.before(planned.stage.name):
            conclusion = self._scope.runs.get(name).conclusion
            if conclusion is not Conclusion.SUCCEEDED and name not in self._skipped:
                return False
        return True

    def _hands_out_source(self, name: str) -> bool:
        return self._scope.kinds[self._scope.runs.get(name).kind].reuse is Reuse.SOURCE

    def _remake(self, name: str, log: AttemptLog, cancel: Cancellation) -> None:
        """Run a stage that was reused for its layer alone."""
        scope = self._scope
        planned = next(item for item in scope.plan.stages if item.stage.name == name)
        if planned.deferred:
            planned = scope.resolve(planned, scope.facts)
        aside = AttemptLog(
            scope.folder / f"{safe_name(name)}.again.log",
            masker=scope.masker,
            follower=lambda _block: None,
            limit=scope.settings.log_limit,
        )
        try:
            self.furnish(planned, log, cancel)
            context = AttemptContext(
                scope, planned.stage, attempt=1, log=aside, cancel=cancel, running=_nothing, collecting=_nothing
            )
            outcome = scope.kinds[planned.stage.kind].run(context).outcome
        finally:
            aside.close()
            aside.path.unlink(missing_ok=True)
        if outcome.conclusion is not Conclusion.SUCCEEDED:
            raise StorageError(
                f"stage '{name}', whose earlier result was to serve, had to run again: {outcome.reason}",
                hint=f"run it for itself: ecluse run --fresh {name}",
            )


def _nothing() -> None:
    """A stage that runs again for its layer tells nobody."""
