"""Starting a run: plan, execute, record."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from pipeline.engine.announcer import Announcer
from pipeline.engine.course import Course
from pipeline.engine.layers import Layers
from pipeline.engine.recorder import Recorder
from pipeline.engine.runner import Runner
from pipeline.engine.scope import RunScope, StageRuns
from pipeline.errors import EcluseError, UsageError
from pipeline.model.duration import spell_duration
from pipeline.model.identity import RunIdentity
from pipeline.model.plan import Plan
from pipeline.model.run import Run, StageRun
from pipeline.model.status import Conclusion, RunState
from pipeline.model.ulid import ulid
from pipeline.operations.emitting import emitted_stages
from pipeline.operations.prepare import StartRequest, planned
from pipeline.operations.runner_process import claim, release, this_process
from pipeline.planning.planner import resolver_of
from pipeline.ports.application import Application
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.delivery import Delivery
from pipeline.ports.executor import Session
from pipeline.ports.images import Images
from pipeline.ports.observer import Observer


def start(
    app: Application, request: StartRequest, observers: Sequence[Observer], *, cancel: Cancellation | None = None
) -> Run:
    """Plan and run to the end; the finished run. The user's failure is in its conclusion, not an exception.

    KeyboardInterrupt kills what runs, removes what the run made, records it as cancelled, and goes on to the caller.
    """
    app.executor(request.executor or app.settings.executor).warm()
    decided = planned(app, request).plan
    return execute(app, decided, request, observers, cancel=cancel or Cancellation())


def execute(
    app: Application, decided: Plan, request: StartRequest, observers: Sequence[Observer], *, cancel: Cancellation
) -> Run:
    """Run a plan."""
    settings = app.settings
    executor_name = request.executor or settings.executor
    parallel = request.parallel or settings.parallel
    executor = app.executor(executor_name)
    run = _new_run(app, decided, executor_name)
    folder = settings.home / "runs" / run.id
    claim(folder, this_process())
    identity = RunIdentity(installation=settings.installation, run=run.id)
    announcer: Announcer
    recorder = Recorder(
        lambda: app.records,
        numbered=lambda numbered: announcer.run_numbered(numbered),  # noqa: PLW0108 - the announcer comes next
        broken=lambda error: cancel.cancel(f"the run cannot be recorded: {error.message}"),
    )
    announcer = Announcer((*observers, recorder))
    delivery = _Delivery(app, run, decided.pipeline_digest)
    session = executor.open(identity, lanes=min(parallel, len(decided.stages)), stages=len(decided.stages))
    interrupted: BaseException | None = None
    conclusion: Conclusion | None = Conclusion.CANCELLED
    try:
        scope = _scope(app, run, decided, session, recorder, delivery, executor_name)
    except BaseException:
        session.close()
        raise
    deadline = _deadline(decided.timeout or settings.run_timeout, cancel)
    try:
        announcer.run_started(run, decided)
        conclusion = Runner(scope, announcer, cancel=cancel, parallel=parallel).run()
    except KeyboardInterrupt as interrupt:
        interrupted = interrupt
        cancel.cancel("interrupted twice")
    finally:
        deadline.cancel()
        problem = _close(delivery, session)
    finished = replace(
        run,
        state=RunState.DONE if conclusion else RunState.PARKED,
        conclusion=conclusion,
        finished=app.clock.now() if conclusion else None,
        stages=scope.runs.all(),
    )
    recorder_problem = _finish(announcer, recorder, finished)
    release(folder)
    with suppress(OSError):
        folder.rmdir()
    if interrupted is not None:
        raise interrupted
    if recorder_problem or problem:
        raise recorder_problem or problem  # type: ignore[misc]  # one of them is an error
    return replace(finished, number=recorder.number())


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


def _close(delivery: _Delivery, session: Session) -> EcluseError | None:
    problem: EcluseError | None = None
    for close in (delivery.close, session.close):
        try:
            close()
        except EcluseError as error:
            problem = problem or error
    return problem


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

    def close(self) -> None:
        with self._lock:
            if self._delivery is not None:
                self._delivery.close()


def _scope(
    app: Application,
    run: Run,
    decided: Plan,
    session: Session,
    recorder: Recorder,
    delivery: _Delivery,
    executor_name: str,
) -> RunScope:
    def images() -> Images:
        if executor_name != "docker":
            raise UsageError(
                f"the executor '{executor_name}' has no engine, so it can neither build, scan nor push images",
                hint="run without --executor, on a machine with a Docker Engine",
            )
        return app.images()

    return RunScope(
        run_id=run.id,
        course=Course(decided),
        settings=app.settings,
        clock=app.clock,
        session=session,
        storage=app.storage,
        secrets=app.secrets,
        kinds=app.kinds,
        images=images,
        delivery=delivery.get,
        sinks=app.sinks,
        number=recorder.number,
        resolve=resolver_of(decided.event, app.kinds, app.expressions),
        layers=Layers([item.stage for item in decided.stages]),
        runs=StageRuns({stage.name: stage for stage in run.stages}),
        emit=lambda plan, planned, text: emitted_stages(app, plan, planned, text),
        groups=lambda: app.groups,
    )


def _new_run(app: Application, decided: Plan, executor: str) -> Run:
    now = app.clock.now()
    source, event = decided.source, decided.event
    return Run(
        id=ulid(now, os.urandom(10)),
        number=0,
        repository=source.origin or source.path,
        pipeline=decided.name,
        commit=source.commit.sha,
        message=source.commit.message.partition("\n")[0],
        author=source.commit.author,
        branch=event.branch,
        tag=event.tag,
        event=event.kind,
        actor=event.actor,
        dirty=source.commit.dirty,
        plan_digest=decided.digest,
        state=RunState.RUNNING,
        created=now,
        executor=executor,
        stages=tuple(
            StageRun(name=item.stage.name, kind=item.stage.kind, group=item.stage.group, cell=item.stage.cell)
            for item in decided.stages
        ),
        runner=this_process(),
        trust=event.trust,
        proposal=event.proposal,
        host=event.host,
        url=event.url,
    )


def _deadline(seconds: float, cancel: Cancellation) -> threading.Timer:
    timer = threading.Timer(seconds, cancel.cancel, (f"timeout of the run: {spell_duration(seconds)}",))
    timer.daemon = True
    timer.start()
    return timer


__all__ = ["StartRequest", "execute", "planned", "start"]
