"""Driving a run to its end, or until it parks: a new one, or one that another process left."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.engine.announcer import Announcer
from pipeline.engine.course import Course
from pipeline.engine.layers import Layers
from pipeline.engine.lazy_session import LazySession
from pipeline.engine.masking import Masker
from pipeline.engine.recorder import Recorder
from pipeline.engine.reuse_rules import ReuseRules
from pipeline.engine.runner import Runner
from pipeline.engine.scope import RunScope, StageRuns
from pipeline.errors import EcluseError, RefusedError, UsageError
from pipeline.model.duration import spell_duration
from pipeline.model.identity import RunIdentity
from pipeline.model.outcome import cancelled
from pipeline.model.permission import HINT, distrusted, environment_of
from pipeline.model.plan import Plan, PlannedStage
from pipeline.model.run import Run
from pipeline.model.status import Conclusion, RunState, StageState
from pipeline.operations.closing import closed_stage
from pipeline.operations.keeping import outlived
from pipeline.operations.losses import WITH_ENGINE
from pipeline.operations.reuse import look_up
from pipeline.operations.run_file import RunFile, remove_run_file, write_run_file
from pipeline.operations.runner_process import claim, release, this_process
from pipeline.operations.tree import source_tree
from pipeline.planning.planner import resolver_of
from pipeline.ports.cancellation import Cancellation

if TYPE_CHECKING:  # for their time, not for a circle
    from pipeline.ports.application import Application
    from pipeline.ports.delivery import Delivery
    from pipeline.ports.executor import Executor, Session
    from pipeline.ports.images import Images
    from pipeline.ports.observer import Observer


_LAST_SECONDS = 2.0
"""So long stages whose containers have been killed may take to end by themselves."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Leg:
    """What this process is to do of a run: all of it, or what another one left."""

    run: Run
    """With the stages as they stand; one with a number is recorded already."""
    plan: Plan
    parallel: int
    started: frozenset[str] = frozenset()
    """Manual stages that a person has started."""
    tried: Mapping[str, int] = field(default_factory=dict)
    """Attempts of unfinished stages that count for their retry rule."""
    remarks: Mapping[str, str] = field(default_factory=dict)
    """Why a stage that was done runs again."""
    rules: ReuseRules | None = None
    """How results are reused; None: they are worked out for a run that is taken up again, and else nothing is."""
    keep_failed: bool = False
    """Leave the containers of stages that fail for `ecluse shell`."""


def drive(
    app: Application,
    leg: Leg,
    observers: Sequence[Observer],
    *,
    cancel: Cancellation,
    say: Callable[[str], None] = lambda _: None,
) -> Run:
    """Run what is left; the run as it stands then. The user's failure is in its conclusion, not an exception.

    KeyboardInterrupt kills what runs, removes what the run made, records it as cancelled, and goes on to the caller.
    """
    run, plan = leg.run, leg.plan
    if run.executor == "process" and distrusted(plan.event):
        raise RefusedError("an untrusted run must not have processes of this machine", hint=HINT)
    rules = leg.rules or _rules_again(app, leg)
    folder = app.settings.home / "runs" / run.id
    with _nothing_left_of(run, folder):
        claim(folder, this_process())
        write_run_file(folder, RunFile(run=run, plan=plan, parallel=leg.parallel))
    announcer: Announcer
    session: LazySession
    recorder = Recorder(
        lambda: app.records,
        numbered=lambda numbered: announcer.run_numbered(numbered),  # noqa: PLW0108 - the announcer comes next
        broken=lambda error: cancel.cancel(f"the run cannot be recorded: {error.message}"),
        known=run.number,
        released=lambda stage: session.release(stage),  # noqa: PLW0108 - and so does the session
        effects=lambda kind: app.kinds[kind].effects,
    )
    announcer = Announcer((*observers, recorder))
    delivery = _Delivery(app, run, plan.pipeline_digest)
    left = sum(1 for stage in run.stages if stage.state is not StageState.DONE)
    session = LazySession(
        lambda: app.executor(run.executor).open(
            RunIdentity(installation=app.settings.installation, run=run.id),
            lanes=max(1, min(leg.parallel, left)),
            stages=left,
        )
    )
    if run.number or not _all_reused(plan):
        with _nothing_left_of(run, folder):
            session.open()  # also to remove what a process left that was killed
    interrupted: BaseException | None = None
    cancel.clearing = False  # a leg before this one may have ended
    conclusion: Conclusion | None = Conclusion.CANCELLED
    try:
        with _nothing_left_of(run, folder):
            scope = _scope(app, leg, session, recorder, delivery, rules)
    except BaseException:
        session.close()
        raise
    runner = Runner(scope, announcer, cancel=cancel, parallel=leg.parallel)
    deadline = _deadline(plan.timeout or app.settings.run_timeout, cancel)
    try:
        announcer.run_started(run, plan)
        conclusion = runner.run()
        cancel.clearing = True
        for note in (*runner.notes, *(app.reuse.close() if rules or _caches(plan) else ())):
            say(note)
    except KeyboardInterrupt as interrupt:
        cancel.clearing = True
        interrupted = interrupt
        cancel.cancel("interrupted twice")
    finally:
        cancel.clearing = True
        deadline.cancel()
        recorder.settle()  # what a container tells of its end must be recorded before it goes
        problem = _close(delivery, session, parked=conclusion is None)
    if interrupted is not None:
        runner.leave(_LAST_SECONDS)
        problem = _close_again(session) or problem  # what those stages made while everything was being removed
        if problem is not None:
            say(problem.message)
        _close_stages(app, scope, announcer, folder)
    finished = replace(
        run,
        state=RunState.DONE if conclusion else RunState.PARKED,
        conclusion=conclusion,
        finished=app.clock.now() if conclusion else None,
        stages=scope.runs.all(),
    )
    _notify(app, plan, finished, recorder, announcer)
    recorder_problem = _finish(announcer, recorder, finished)
    _leave(folder, over=conclusion is not None and recorder_problem is None)
    if leg.keep_failed and conclusion is not None and conclusion.went_wrong:
        _let_older_go(app, app.executor(run.executor))
    if interrupted is not None:
        raise interrupted
    if recorder_problem or problem:
        raise recorder_problem or problem  # type: ignore[misc]  # one of them is an error
    return replace(finished, number=recorder.number())


@contextmanager
def _nothing_left_of(run: Run, folder: Path) -> Iterator[None]:
    """A run that cannot even begin, because of the machine's settings or its disk, is none that could be resumed."""
    try:
        yield
    except BaseException:
        if not run.number:
            _leave(folder, over=True)
        raise


def _close_stages(app: Application, scope: RunScope, announcer: Announcer, folder: Path) -> None:
    """End what a run that was killed has not ended: no stage of a run that is over is still under way."""
    ended = cancelled("interrupted twice")
    for stage in scope.runs.all():
        if stage.state is not StageState.DONE:
            closed = closed_stage(stage, ended, app.clock.now(), folder, app.storage)
            announcer.stage_finished(scope.run_id, scope.runs.put(closed), closed.outcome or ended)


def _let_older_go(app: Application, executor: Executor) -> None:
    """Remove what was kept of failed stages beyond the bound; what cannot go now is met again by `gc`."""
    with suppress(EcluseError):
        left = executor.leftovers(app.settings.installation)
        executor.remove(outlived(left, app.settings, app.clock.now()))


def _leave(folder: Path, *, over: bool) -> None:
    """Give the run's folder up; a run that is parked, or could not be recorded, keeps what it was asked to be."""
    if over:
        remove_run_file(folder)
    release(folder)
    with suppress(OSError):
        folder.rmdir()


def _notify(app: Application, plan: Plan, finished: Run, recorder: Recorder, announcer: Announcer) -> None:
    if not plan.notify or finished.conclusion is None:
        return
    from pipeline.operations.notifying import notify

    with suppress(EcluseError):
        finished = replace(finished, number=recorder.number())
    notify(app, plan, finished, note=lambda text: announcer.run_noted(finished.id, text))


def _finish(announcer: Announcer, recorder: Recorder, finished: Run) -> EcluseError | None:
    try:
        number = recorder.number()
    except EcluseError:
        number = 0
    announcer.run_finished(replace(finished, number=number))
    try:
        recorder.close()
    except EcluseError as error:
        return error
    return None


def _close(delivery: _Delivery, session: Session, *, parked: bool) -> EcluseError | None:
    problem: EcluseError | None = None
    closing: tuple[Callable[[], None], ...] = (
        lambda: delivery.close(parked=parked),
        session.park if parked else session.close,
    )
    for close in closing:
        try:
            close()
        except EcluseError as error:
            problem = problem or error
    return problem


def _close_again(session: Session) -> EcluseError | None:
    try:
        session.close()
    except EcluseError as error:
        return error
    return None


class _Delivery:
    """Promotions of the run, built when a stage first asks for them."""

    def __init__(self, app: Application, run: Run, pipeline_digest: str) -> None:
        self._app = app
        self._run = run
        self._digest = pipeline_digest
        self._delivery: Delivery | None = None
        self._lock = threading.Lock()

    def get(self) -> Delivery:
        with self._lock:
            if self._delivery is None:
                self._delivery = self._app.delivery(self._run, self._digest)
            return self._delivery

    def close(self, *, parked: bool) -> None:
        with self._lock:
            if self._delivery is not None:
                self._delivery.close(parked=parked)


def _caches(plan: Plan) -> bool:
    return any(item.stage.cache for item in plan.stages)


def _all_reused(plan: Plan) -> bool:
    """Whether nothing need run, as far as the plan knows."""
    return all(item.skip or item.reused for item in plan.stages)


def _rules_again(app: Application, leg: Leg) -> ReuseRules | None:
    """How results are reused in a run that is taken up again."""
    if not any(stage.reused for stage in leg.run.stages):
        return None
    return look_up(app, leg.plan, source_tree(leg.plan.source), executor=leg.run.executor)[1]


def _scope(
    app: Application,
    leg: Leg,
    session: Session,
    recorder: Recorder,
    delivery: _Delivery,
    rules: ReuseRules | None,
) -> RunScope:
    run, plan = leg.run, leg.plan

    def images() -> Images:
        if run.executor not in WITH_ENGINE:
            raise UsageError(
                f"the executor '{run.executor}' has no engine, so it can neither build, scan nor push images",
                hint="run without --executor, on a machine with a Docker Engine",
            )
        return app.images()

    return RunScope(
        run_id=run.id,
        course=Course(plan),
        settings=app.settings,
        clock=app.clock,
        session=session,
        storage=app.storage,
        secrets=app.secrets,
        kinds=app.kinds,
        images=images,
        delivery=delivery.get,
        verifier=app.verifier,
        sinks=app.sinks,
        number=recorder.number,
        resolve=resolver_of(plan.event, app.kinds, app.expressions),
        layers=Layers([item.stage for item in plan.stages], written=layers_left(run)),
        runs=StageRuns({stage.name: stage for stage in run.stages}),
        emit=lambda plan, planned, text: _emitted(app, plan, planned, text),
        groups=lambda: app.groups,
        started=leg.started,
        begun=lambda stage: recorder.begun(run.id, stage),
        tried=leg.tried,
        remarks=leg.remarks,
        keep=session.keep if leg.keep_failed else lambda _: None,
        reuse=lambda: app.reuse,
        rules=rules,
        masker=_masker(app, leg),
    )


def _emitted(app: Application, plan: Plan, emitter: PlannedStage, text: bytes) -> tuple[PlannedStage, ...]:
    from pipeline.operations.emitting import emitted_stages

    return emitted_stages(app, plan, emitter, text)


def layers_left(run: Run) -> Mapping[str, str]:
    """The layers that stages which are done have left."""
    return {
        stage.name: stage.attempts[-1].layer
        for stage in run.stages
        if stage.state is StageState.DONE and stage.attempts and stage.attempts[-1].layer
    }


def _masker(app: Application, leg: Leg) -> Masker:
    """Knows the secrets of all stages that have begun under another process: their output may show again."""
    masker = Masker()
    begun = {stage.name for stage in leg.run.stages if stage.started is not None}
    for planned in leg.plan.stages:
        if planned.stage.name in begun:
            for name in planned.stage.secrets:
                value = app.secrets.get(name, environment=environment_of(planned.stage))
                if value is not None:
                    masker.add(value)
    return masker


def _deadline(seconds: float, cancel: Cancellation) -> threading.Timer:
    timer = threading.Timer(seconds, cancel.cancel, (f"timeout of the run: {spell_duration(seconds)}",))
    timer.daemon = True
    timer.start()
    return timer
