"""One stage from its start to its outcome: attempts, timeouts, retries, and errors turned into conclusions."""

from __future__ import annotations

import random
import threading
import traceback
from contextlib import suppress
from dataclasses import replace

from pipeline.engine.announcer import Announcer
from pipeline.engine.context import AttemptContext
from pipeline.engine.scope import RunScope
from pipeline.engine.stage_log import AttemptLog
from pipeline.errors import CancelledError, EcluseError, RefusedError
from pipeline.model.definition import RetryRule, StageDefinition
from pipeline.model.duration import spell_duration
from pipeline.model.outcome import Effect, Outcome, cancelled, errored, failed, timed_out
from pipeline.model.plan import PlannedStage
from pipeline.model.run import Attempt, StageRun
from pipeline.model.status import Conclusion, StageState
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.stage import StageKind, StageResult

TRANSIENT_RETRIES = 2
TRANSIENT_BACKOFF = 1.0
LOG_WORD = "log: "
_WENT_WRONG = (Conclusion.FAILED, Conclusion.TIMED_OUT, Conclusion.ERRORED)


class StageWork:
    """Runs one stage in the calling thread."""

    def __init__(self, scope: RunScope, announcer: Announcer, *, run_cancel: Cancellation) -> None:
        self._scope = scope
        self._announcer = announcer
        self._run_cancel = run_cancel
        self._running = Cancellation()

    def stop(self, reason: str) -> None:
        """Cancel the stages that run now (`fail_fast`); stages started later are not touched."""
        running, self._running = self._running, Cancellation()
        running.cancel(reason)

    def run(self, planned: PlannedStage) -> Outcome:
        """Attempt until it succeeded or no retry is due; never raises."""
        name = planned.stage.name
        cancel = Cancellation()
        running = self._running
        with (
            self._run_cancel.calling(lambda: cancel.cancel(self._run_cancel.reason)),
            running.calling(lambda: cancel.cancel(running.reason)),
        ):
            number = 0
            while True:
                number += 1
                outcome, said = self._attempt(planned, number, cancel)
                pause = self._pause(planned.stage, outcome, number, said)
                if pause is None or cancel.cancelled:
                    return self._allow(planned.stage, outcome)
                stage = self._scope.runs.get(name)
                self._announcer.attempt_finished(self._scope.run_id, stage, stage.attempts[-1])
                if cancel.wait(pause):
                    return cancelled(cancel.reason)

    def _attempt(
        self, planned: PlannedStage, number: int, run_or_stage: Cancellation
    ) -> tuple[Outcome, frozenset[str]]:
        """One attempt: how it ended, and which of the retry rule's texts stood in its log."""
        runs, clock, name = self._scope.runs, self._scope.clock, planned.stage.name
        started = clock.now()
        stage = runs.get(name)
        attempt = Attempt(number=number, started=started)
        self._move(
            replace(stage, started=stage.started or started, attempts=(*stage.attempts, attempt)),
            StageState.PREPARING,
        )
        cancel = Cancellation()
        log, result = None, StageResult(outcome=errored("not started"))
        with run_or_stage.calling(lambda: cancel.cancel(run_or_stage.reason)):
            try:
                log = self._open_log(planned.stage, number)
                result = self._run_kind(planned, number, log, cancel)
            except EcluseError as error:
                result = StageResult(outcome=self._outcome(error, cancel))
            except Exception as error:  # noqa: BLE001 - the worker's edge: a defect must become an outcome
                result = StageResult(outcome=self._defect(name, number, error))
        digest, result = self._finish_log(log, result)
        finished = replace(
            attempt,
            finished=clock.now(),
            outcome=self._masked(result.outcome),
            log=digest,
            log_lines=log.lines if log else 0,
            products=result.products,
        )
        stage = runs.get(name)
        runs.put(replace(stage, attempts=(*stage.attempts[:-1], finished)))
        return finished.outcome or result.outcome, log.seen if log else frozenset()

    def _run_kind(self, planned: PlannedStage, number: int, log: AttemptLog, cancel: Cancellation) -> StageResult:
        stage = planned.stage
        if planned.deferred:
            planned = self._scope.resolve(planned, self._scope.facts)
            stage = planned.stage
            if planned.skip:
                return StageResult(outcome=Outcome(conclusion=Conclusion.SKIPPED, reason=planned.skip.sentence))
        kind = self._scope.kinds[stage.kind]
        seconds = stage.timeout or self._scope.settings.stage_timeout
        timer = threading.Timer(seconds, lambda: cancel.cancel(f"timeout {spell_duration(seconds)}", timed_out=True))
        timer.daemon = True
        timer.start()
        context = AttemptContext(
            self._scope,
            stage,
            attempt=number,
            log=log,
            cancel=cancel,
            running=lambda: self._running_now(stage.name),
            collecting=lambda: self._move(self._scope.runs.get(stage.name), StageState.COLLECTING),
        )
        try:
            cancel.check()
            return kind.run(context)
        finally:
            timer.cancel()

    def _open_log(self, stage: StageDefinition, number: int) -> AttemptLog:
        name = stage.name
        try:
            return AttemptLog(
                self._scope.folder / f"{name}.{number}.log",
                masker=self._scope.masker,
                follower=lambda block: self._announcer.stage_output(self._scope.run_id, name, number, block),
                limit=self._scope.settings.log_limit,
                starting=lambda: self._running_now(name),
                watch_for=_texts(stage.retry),
            )
        except OSError as error:
            raise EcluseError(
                f"the log of stage '{name}' cannot be written: {error}",
                hint=f"check the space and the permissions of {self._scope.folder}",
            ) from error

    def _finish_log(self, log: AttemptLog | None, result: StageResult) -> tuple[str, StageResult]:
        if log is None:
            return "", result
        try:
            digest = log.close()
            self._scope.storage.adopt(log.path, digest)
        except EcluseError as error:
            return "", replace(result, outcome=errored(error.message, hint=error.hint))
        return digest, result

    def _outcome(self, error: EcluseError, cancel: Cancellation) -> Outcome:
        if isinstance(error, CancelledError) or cancel.cancelled:
            reason = cancel.reason or error.message
            return timed_out(reason) if cancel.timed_out else cancelled(reason)
        if isinstance(error, RefusedError):
            return failed(error.message, hint=error.hint, effect=Effect.REFUSED)
        return errored(error.message, hint=error.hint, transient=error.transient)

    def _defect(self, name: str, number: int, error: Exception) -> Outcome:
        path = self._scope.folder / f"{name}.{number}.traceback"
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


def retry_pause(
    rule: RetryRule | None, outcome: Outcome, *, number: int, kind: StageKind, said: frozenset[str] = frozenset()
) -> float | None:
    """Seconds to wait before attempt `number` + 1, or None when no further attempt is due.

    `said` holds the texts of the rule's `log: …` that stood in the attempt's log. Without a rule a transient
    `errored` is tried again twice, but never for a kind with outside effects.
    """
    if rule is None:
        if kind.effects or not outcome.transient or number > TRANSIENT_RETRIES:
            return None
        if outcome.conclusion is not Conclusion.ERRORED:
            return None
        return TRANSIENT_BACKOFF * float(2 ** (number - 1)) * (0.5 + random.random())  # noqa: S311 - jitter, no secret
    if number > rule.max or not any(_matches(word, outcome, said) for word in rule.on):
        return None
    return rule.backoff * (0.5 + random.random())  # noqa: S311 - jitter, no secret


def _matches(word: str, outcome: Outcome, said: frozenset[str]) -> bool:
    if word == outcome.conclusion.value:
        return True
    if word.startswith(LOG_WORD):
        return outcome.conclusion in _WENT_WRONG and word.removeprefix(LOG_WORD) in said
    return outcome.conclusion is Conclusion.FAILED and outcome.reason == word


def _texts(rule: RetryRule | None) -> tuple[str, ...]:
    words = rule.on if rule else ()
    return tuple(word.removeprefix(LOG_WORD) for word in words if word.startswith(LOG_WORD))
