"""One stage from its start to its outcome: attempts, timeouts, retries, and errors turned into conclusions."""

from __future__ import annotations

import threading
from collections.abc import Container, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.engine.announcer import Announcer
from pipeline.engine.context import AttemptContext
from pipeline.engine.retrying import awaited_texts, retry_pause
from pipeline.engine.reusing import Reusing
from pipeline.engine.scope import RunScope
from pipeline.engine.stage_log import AttemptLog
from pipeline.errors import (
    CancelledError,
    DefinitionError,
    DiskFullError,
    EcluseError,
    EngineUnreachableError,
    HostRestartedError,
    NodeLostError,
    ParkedError,
    RefusedError,
    ServiceNotReadyError,
)
from pipeline.model.definition import StageDefinition
from pipeline.model.duration import spell_duration
from pipeline.model.identity import safe_name
from pipeline.model.outcome import Effect, Outcome, cancelled, errored, failed, timed_out
from pipeline.model.permission import check_stage
from pipeline.model.plan import PlannedStage
from pipeline.model.run import Attempt, StageRun
from pipeline.model.status import Conclusion, StageState
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.stage import Recovering, StageKind, StageResult

EMITS_LIMIT = 1 << 20
"""Bytes of a file of emitted stages."""
_FIRST_WORDS: Mapping[type[EcluseError], str] = {
    EngineUnreachableError: "engine unreachable",
    DiskFullError: "disk full",
}
"""How the reason of an `errored` stage begins, so that a person and a search find it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StageEnd:
    """How the work on a stage ended: with an outcome, or parked (what it waits for)."""

    outcome: Outcome | None = None
    parked: str = ""
    emitted: tuple[PlannedStage, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Tried:
    """One attempt: how it ended, which of the retry rule's texts stood in its log, what it emitted."""

    outcome: Outcome
    said: frozenset[str] = frozenset()
    emitted: tuple[PlannedStage, ...] = ()
    cut: bool = False
    """Whether a restart of the host cut it off."""


class StageWork:
    """Runs one stage in the calling thread."""

    def __init__(self, scope: RunScope, announcer: Announcer, *, run_cancel: Cancellation) -> None:
        self._scope = scope
        self._announcer = announcer
        self._run_cancel = run_cancel
        self._running: dict[str, Cancellation] = {}
        self._lock = threading.Lock()
        self._reusing = Reusing(scope, scope.rules) if scope.rules is not None else None

    def stop(self, reason: str, *, among: Container[str] | None = None) -> None:
        """Cancel the stages that run now (`fail_fast`), or those `among`; stages started later are not touched."""
        with self._lock:
            running = [cancel for name, cancel in self._running.items() if among is None or name in among]
        for cancel in running:
            cancel.cancel(reason)

    def run(self, planned: PlannedStage, *, also: Cancellation | None = None) -> StageEnd:
        """Attempt until it succeeded or no retry is due; never raises. It is also cancelled by `also`."""
        name = planned.stage.name
        cancel = Cancellation()
        with self._lock:
            self._running[name] = cancel
        try:
            with ExitStack() as stack:
                for wish in filter(None, (self._run_cancel, also)):
                    stack.enter_context(wish.calling(lambda wish=wish: cancel.cancel(wish.reason)))  # type: ignore[misc]
                return self._tries(planned, cancel)
        except ParkedError as error:
            return StageEnd(parked=error.message)
        finally:
            with self._lock:
                del self._running[name]

    def holds_back(self, planned: PlannedStage) -> bool:
        """Whether a stage's container must not be created ahead."""
        return self._reusing is not None and self._reusing.holds_back(planned)

    def close(self) -> tuple[str, ...]:
        """Wait until the results of stages are kept for later runs; sentences on what could not be done."""
        return self._reusing.close(cancelled=self._run_cancel.cancelled) if self._reusing is not None else ()

    def _tries(self, planned: PlannedStage, cancel: Cancellation) -> StageEnd:
        served = self._served(planned)
        if served is not None:
            return served
        end = self._run_tries(planned, cancel)
        if self._reusing is not None and end.outcome and end.outcome.conclusion is Conclusion.SUCCEEDED:
            self._reusing.keep(planned)
        return end

    def _served(self, planned: PlannedStage) -> StageEnd | None:
        """The end of a stage that an earlier result serves."""
        stage = self._scope.runs.get(planned.stage.name)
        taken = self._reusing.take(planned) if self._reusing is not None and not stage.attempts else None
        if taken is None:
            return None
        run, attempt = taken
        self._scope.runs.put(replace(stage, started=attempt.started, attempts=(attempt,), reused=run))
        return StageEnd(outcome=attempt.outcome)

    def _run_tries(self, planned: PlannedStage, cancel: Cancellation) -> StageEnd:
        name = planned.stage.name
        (number, began), tries = self._first(name), self._scope.tried.get(name, 0)
        while True:
            tries += 1
            tried = self._attempt(planned, number, cancel, began)
            began = None
            pause = self._pause(planned.stage, tried.outcome, tries, tried.said)
            if tried.cut and self._repeatable(planned.stage):
                tries, pause = tries - 1, 0.0
            if pause is None or cancel.cancelled:
                if tried.outcome.conclusion.went_wrong:
                    self._scope.keep(name)
                return StageEnd(outcome=self._allow(planned.stage, tried.outcome), emitted=tried.emitted)
            stage = self._scope.runs.get(name)
            self._announcer.attempt_finished(self._scope.run_id, stage, stage.attempts[-1])
            if cancel.wait(pause):
                return StageEnd(outcome=cancelled(cancel.reason))
            number += 1

    def _first(self, name: str) -> tuple[int, datetime | None]:
        """Number and start of the attempt that another process left unfinished, which is taken up; else the next
        number."""
        stage = self._scope.runs.get(name)
        if stage.attempts and stage.attempts[-1].finished is None:
            self._scope.runs.put(replace(stage, attempts=stage.attempts[:-1]))
            return stage.attempts[-1].number, stage.attempts[-1].started
        return len(stage.attempts) + 1, None

    def _repeatable(self, stage: StageDefinition) -> bool:
        """Whether what was cut off may be done again: it does nothing outside, or can tell what it did."""
        kind = self._scope.kinds[stage.kind]
        return not kind.effects or isinstance(kind, Recovering)

    def _attempt(
        self, planned: PlannedStage, number: int, run_or_stage: Cancellation, began: datetime | None
    ) -> _Tried:
        runs, clock, name = self._scope.runs, self._scope.clock, planned.stage.name
        started = began or clock.now()
        stage = runs.get(name)
        attempt = Attempt(number=number, started=started)
        self._move(
            replace(stage, started=stage.started or started, attempts=(*stage.attempts, attempt)),
            StageState.PREPARING,
        )
        cancel = Cancellation()
        log, result = None, StageResult(outcome=errored("not started"))
        emitted: tuple[PlannedStage, ...] = ()
        cut = False
        with run_or_stage.calling(lambda: cancel.cancel(run_or_stage.reason)):
            try:
                log = self._open_log(planned.stage, number, taken_up=began is not None)
                result, emitted = self._run_kind(planned, number, log, cancel, began)
            except ParkedError:
                if log is not None:
                    with suppress(EcluseError):
                        log.close()
                runs.put(replace(runs.get(name), attempts=stage.attempts))
                raise
            except EcluseError as error:
                cut = isinstance(error, HostRestartedError)
                if log is not None and isinstance(error, ServiceNotReadyError):
                    log.last_words()
                result = StageResult(outcome=self._outcome(error, cancel))
            except Exception as error:  # noqa: BLE001 - the worker's edge: a defect must become an outcome
                result = StageResult(outcome=self._defect(name, number, error))
        digest, services, result = self._finish_log(log, result)
        finished = replace(
            attempt,
            finished=clock.now(),
            outcome=self._masked(result.outcome),
            log=digest,
            log_lines=log.lines if log else 0,
            service_logs=services,
            layer=self._scope.layers.left_by(name),
            products=result.products,
        )
        stage = runs.get(name)
        runs.put(replace(stage, attempts=(*stage.attempts[:-1], finished)))
        return _Tried(
            outcome=finished.outcome or result.outcome,
            said=log.seen if log else frozenset(),
            emitted=emitted,
            cut=cut,
        )

    def _run_kind(
        self, planned: PlannedStage, number: int, log: AttemptLog, cancel: Cancellation, began: datetime | None
    ) -> tuple[StageResult, tuple[PlannedStage, ...]]:
        stage = planned.stage
        if planned.deferred:
            planned = self._scope.resolve(planned, self._scope.facts)
            stage = planned.stage
            if planned.skip:
                return StageResult(outcome=Outcome(conclusion=Conclusion.SKIPPED, reason=planned.skip.sentence)), ()
        kind = self._scope.kinds[stage.kind]
        check_stage(stage, self._scope.plan.event, effects=kind.effects)
        seconds = stage.timeout or self._scope.settings.stage_timeout
        context = AttemptContext(
            self._scope,
            stage,
            attempt=number,
            log=log,
            cancel=cancel,
            running=lambda: self._running_now(stage.name),
            collecting=lambda: self._move(self._scope.runs.get(stage.name), StageState.COLLECTING),
        )

        def time_out() -> None:
            where = f" in step {context.step}" if context.step else ""
            cancel.cancel(f"timeout {spell_duration(seconds)}{where}", timed_out=True)

        timer = threading.Timer(seconds, time_out)
        timer.daemon = True
        timer.start()
        try:
            cancel.check()
            if self._reusing is not None:
                self._reusing.furnish(planned, log, cancel)
            result = self._recovered(kind, context, began) or kind.run(context)
            result = _with_outputs(result, context)
            if stage.emits and result.outcome.conclusion is Conclusion.SUCCEEDED:
                return self._read_emitted(planned, context, result)
            return result, ()
        finally:
            timer.cancel()

    def _recovered(self, kind: StageKind, context: AttemptContext, began: datetime | None) -> StageResult | None:
        """What an attempt that was cut off with its process is known to have done outside. Before anything is done
        outside now, that it begins is on the disk."""
        name = context.stage.name
        if name in self._scope.remarks:
            context.log.note(self._scope.remarks[name])
        if not kind.effects:
            return None
        self._scope.begun(self._scope.runs.get(name))
        if began is None or not isinstance(kind, Recovering):
            return None
        context.log.note("the process that ran this stage has gone; asking what it did")
        return kind.recover(context, since=began)

    def _read_emitted(
        self, planned: PlannedStage, context: AttemptContext, result: StageResult
    ) -> tuple[StageResult, tuple[PlannedStage, ...]]:
        """The stages that a stage wrote into its workspace; what is wrong with them fails it."""
        stage = planned.stage
        text = next((file.content.read(EMITS_LIMIT + 1) for file in context.read_workspace([stage.emits])), None)
        if text is None:
            return replace(result, outcome=failed(f"emits: it has not written {stage.emits}")), ()
        if len(text) > EMITS_LIMIT:
            return replace(result, outcome=failed(f"emits: {stage.emits} is longer than {EMITS_LIMIT} bytes")), ()
        try:
            stages = self._scope.emit(self._scope.plan, planned, text)
        except DefinitionError as error:
            for problem in error.diagnostics:
                context.log.note(f"{problem.position}: {problem.message}")
            return replace(result, outcome=failed(f"emits: {error.message}", hint=error.hint)), ()
        context.log.note(f"emitted {', '.join(item.stage.name for item in stages) or 'no stage'}")
        return result, stages

    def _open_log(self, stage: StageDefinition, number: int, *, taken_up: bool) -> AttemptLog:
        name = stage.name
        try:
            return AttemptLog(
                self._scope.folder / f"{safe_name(name)}.{number}.log",
                masker=self._scope.masker,
                follower=lambda block: self._announcer.stage_output(self._scope.run_id, name, number, block),
                limit=self._scope.settings.log_limit,
                starting=lambda: self._running_now(name),
                watch_for=awaited_texts(stage.retry),
                taken_up=taken_up,
            )
        except OSError as error:
            raise EcluseError(
                f"the log of stage '{name}' cannot be written: {error}",
                hint=f"check the space and the permissions of {self._scope.folder}",
            ) from error

    def _finish_log(self, log: AttemptLog | None, result: StageResult) -> tuple[str, Mapping[str, str], StageResult]:
        """The digests of the log and of those of the services."""
        if log is None:
            return "", {}, result
        try:
            digest = log.close()
            self._scope.storage.adopt(log.path, digest)
            for path, service_digest in log.service_logs.values():
                self._scope.storage.adopt(path, service_digest)
        except EcluseError as error:
            return "", {}, replace(result, outcome=errored(_said(error), hint=error.hint))
        return digest, {name: item for name, (_, item) in log.service_logs.items()}, result

    def _outcome(self, error: EcluseError, cancel: Cancellation) -> Outcome:
        if isinstance(error, CancelledError) or cancel.cancelled:
            reason = cancel.reason or error.message
            return timed_out(reason) if cancel.timed_out else cancelled(reason)
        if isinstance(error, NodeLostError):
            return errored(error.message, hint=error.hint, transient=True)
        if isinstance(error, HostRestartedError):
            return errored("host restarted", hint=error.hint)
        if isinstance(error, RefusedError):
            return failed(error.message, hint=error.hint, effect=Effect.REFUSED)
        return errored(_said(error), hint=error.hint, transient=error.transient)

    def _defect(self, name: str, number: int, error: Exception) -> Outcome:
        path = self._scope.folder / f"{safe_name(name)}.{number}.traceback"
        import traceback

        with suppress(OSError):
            path.write_text(self._scope.masker.text("".join(traceback.format_exception(error))))
        return errored(f"defect in Écluse: {type(error).__name__}: {error}", hint=f"please report it with {path}")

    def _masked(self, outcome: Outcome) -> Outcome:
        mask = self._scope.masker.text
        return replace(outcome, reason=mask(outcome.reason), hint=mask(outcome.hint))

    def _running_now(self, name: str) -> None:
        stage = self._scope.runs.get(name)
        if stage.state is StageState.PREPARING:
            self._move(stage, StageState.RUNNING)

    def _move(self, stage: StageRun, state: StageState) -> None:
        moved = self._scope.runs.put(replace(stage, state=state))
        self._announcer.stage_moved(self._scope.run_id, moved, state)

    def _pause(self, stage: StageDefinition, outcome: Outcome, number: int, said: frozenset[str]) -> float | None:
        return retry_pause(stage.retry, outcome, number=number, kind=self._scope.kinds[stage.kind], said=said)

    def _allow(self, stage: StageDefinition, outcome: Outcome) -> Outcome:
        if stage.allow_failure and outcome.conclusion in (Conclusion.FAILED, Conclusion.TIMED_OUT):
            return replace(outcome, conclusion=Conclusion.WARNED, reason=f"{outcome.reason}, allowed")
        return outcome


def _said(error: EcluseError) -> str:
    """What an error says, in the words that its reason begins with."""
    first = next((words for kind, words in _FIRST_WORDS.items() if isinstance(error, kind)), "")
    return f"{first}: {error.message}" if first else error.message


def _with_outputs(result: StageResult, context: AttemptContext) -> StageResult:
    """The result with what the commands wrote to $ECLUSE_OUTPUT; what is wrong there fails what had succeeded."""
    visit = context.visit
    if visit is None:
        return result
    if visit.problem and result.outcome.conclusion is Conclusion.SUCCEEDED:
        return replace(result, outcome=failed(f"outputs: {visit.problem}"))
    return replace(result, products=replace(result.products, outputs={**result.products.outputs, **visit.outputs}))
