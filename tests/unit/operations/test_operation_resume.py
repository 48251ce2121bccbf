"""Going on with runs that another process left, over real records and a pretended engine."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pytest
from ground import gone

from pipeline.bootstrap import Application
from pipeline.diagnostic import Diagnostic, Position
from pipeline.errors import HostRestartedError, NotFoundError, RefusedError, SettingsError, UsageError
from pipeline.executors.scripted import Scripted, ScriptedExecutor
from pipeline.model.definition import Definition, Need, StageDefinition, When
from pipeline.model.identity import RunIdentity
from pipeline.model.outcome import succeeded
from pipeline.model.plan import Plan, PlannedStage
from pipeline.model.run import Attempt, Run, StageRun
from pipeline.model.source import Commit, Event, Source
from pipeline.model.status import Conclusion, RunState, StageState
from pipeline.model.ulid import ulid
from pipeline.model.value import Value
from pipeline.operations.drive import Leg, drive
from pipeline.operations.resume import ResumeRequest, resume
from pipeline.operations.retry import RetryRequest, plan_retry, retry
from pipeline.operations.run_file import RunFile, interrupted, read_run_file, write_run_file
from pipeline.operations.runner_process import claim, this_process
from pipeline.operations.start import stage_runs
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.stage import Reuse, StageContext, StageKind, StageResult

NOW = datetime.fromisoformat("2026-11-23T23:00:00+00:00")


class Nobody:
    """Output that nobody reads."""

    def __getattr__(self, name: str) -> object:
        return lambda *_, **__: self


@dataclass
class Crane:
    """A kind with an outside effect: it counts what it lifted, and can tell what it did."""

    lifted: list[str] = field(default_factory=list)
    asked: list[datetime] = field(default_factory=list)
    answer: StageResult | None = None
    name: str = "crane"
    version: int = 1
    reuse: Reuse = Reuse.NEVER
    effects: bool = True

    def schema(self) -> Mapping[str, Value]:
        return {}

    def problems(self, stage: StageDefinition, definition: Definition) -> tuple[Diagnostic, ...]:
        return ()

    def run(self, context: StageContext) -> StageResult:
        self.lifted.append(context.stage.name)
        return StageResult(outcome=succeeded("lifted"))

    def recover(self, context: StageContext, *, since: datetime) -> StageResult | None:
        self.asked.append(since)
        return self.answer


class Machine(Application):
    """The real application with a pretended engine and one more kind."""

    def __init__(self, home: Path, script: Mapping[str, list[Scripted]] | None = None) -> None:
        super().__init__({"ECLUSE_HOME": str(home)})
        self.engine = ScriptedExecutor(script or {})
        self.crane = Crane()

    def executor(self, name: str) -> ScriptedExecutor:  # type: ignore[override]  # one engine for all names
        return self.engine

    @property
    def kinds(self) -> Mapping[str, StageKind]:  # type: ignore[override]  # a cached property there
        return {**{name: super(Machine, self).kinds[name] for name in ("run", "test")}, "crane": self.crane}


def stage(name: str, *needs: str, kind: str = "run", manual: bool = False) -> PlannedStage:
    return PlannedStage(
        stage=StageDefinition(
            name=name,
            kind=kind,
            position=Position(file="pipeline.yml", line=1, column=1),
            image="busybox:1",
            commands=("true",) if kind == "run" else (),
            needs=tuple(Need(stage=need) for need in needs),
            when=When(manual=manual),
        )
    )


def plan_of(*stages: PlannedStage) -> Plan:
    commit = Commit(sha="4f1c0de" * 5, message="m", author="a <a@example.org>", time=NOW)
    return Plan(
        name="shop",
        pipeline_digest="sha256:0",
        event=Event(kind="push", branch="main"),
        source=Source(path="/nowhere", origin="", commit=commit),
        variables={},
        stages=stages,
        environments=(),
    )


def new_run(plan: Plan, **more: object) -> Run:
    given = {"stages": stage_runs(plan), "runner": this_process(), **more}
    return Run(
        id=ulid(datetime.now(NOW.tzinfo), os.urandom(10)),
        number=0,
        repository="shop",
        pipeline="shop",
        commit="4f1c0de",
        message="",
        author="",
        branch="main",
        tag="",
        event="push",
        actor="anna",
        dirty=False,
        plan_digest=plan.digest,
        state=RunState.RUNNING,
        created=NOW,
        executor="docker",
        **given,  # type: ignore[arg-type]  # a table of keywords
    )


def run_all(app: Machine, plan: Plan) -> Run:
    return drive(app, Leg(run=new_run(plan), plan=plan, parallel=2), (), cancel=Cancellation())


def done(name: str, kind: str = "run") -> StageRun:
    attempt = Attempt(number=1, started=NOW, finished=NOW, outcome=succeeded(), layer=f"{name}.1")
    return StageRun(
        name=name, kind=kind, state=StageState.DONE, outcome=succeeded(), started=NOW, finished=NOW, attempts=(attempt,)
    )


def under_way(name: str, kind: str = "run") -> StageRun:
    return StageRun(
        name=name, kind=kind, state=StageState.RUNNING, started=NOW, attempts=(Attempt(number=1, started=NOW),)
    )


def left_by_a_killed_process(app: Machine, plan: Plan, *stages: StageRun) -> Run:
    """A run recorded as a process leaves it that is killed: these stages as they stand, the others waiting."""
    known = {item.name: item for item in stages}
    run = new_run(plan, stages=tuple(known.get(item.name, item) for item in stage_runs(plan)), runner=gone())
    folder = app.settings.home / "runs" / run.id
    write_run_file(folder, RunFile(run=run, plan=plan, parallel=2))
    claim(folder, gone())
    workspace = app.engine.session(RunIdentity(installation=app.settings.installation, run=run.id)).workspace
    for item in stages:
        if item.state is StageState.DONE:
            workspace.write(f"{item.name}.1", {item.name: b""})
    return replace(run, number=app.records.create_run(run, plan))


def go_on(app: Machine, run: Run | None = None, **more: object) -> Run:
    request = ResumeRequest(repository="shop", reference=run.id if run else None, **more)  # type: ignore[arg-type]
    return resume(app, request, (), cancel=Cancellation())


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    machine.records.close()


CHAIN = plan_of(stage("a"), stage("b", "a"), stage("c", "b"))


def test_a_container_that_ended_meanwhile_is_not_run_again(app: Machine, tmp_path: Path) -> None:
    calm = Machine(tmp_path / "calm")
    assert run_all(calm, CHAIN).conclusion is Conclusion.SUCCEEDED
    spec_of_b = calm.engine.executions[1].spec
    run = left_by_a_killed_process(app, CHAIN, done("a"), under_way("b"))
    session = app.engine.session(RunIdentity(installation=app.settings.installation, run=run.id))
    session.execute(spec_of_b, output=Nobody(), cancel=Cancellation())  # type: ignore[arg-type]
    ended = go_on(app)
    assert ended.conclusion is Conclusion.SUCCEEDED
    assert app.engine.starts == ("b", "c"), "b once, by the process that was killed"
    recorded = app.records.find_run(run.id)
    assert [[item.number for item in stage.attempts] for stage in recorded.stages] == [[1], [1], [1]]
    assert recorded.state is RunState.DONE
    assert recorded.runner == this_process()
    assert app.engine.leftovers(app.settings.installation) == ()
    assert not (tmp_path / "runs" / run.id).exists()


def test_an_attempt_without_a_container_begins_under_its_own_number(app: Machine) -> None:
    run = left_by_a_killed_process(app, CHAIN, done("a"), under_way("b"))
    assert go_on(app, run).conclusion is Conclusion.SUCCEEDED
    assert app.engine.starts == ("b", "c")
    assert app.records.find_run(run.id).stage("b").attempts[0].started == NOW


@pytest.mark.parametrize(
    ("stages", "starts", "attempts"),
    [
        pytest.param(("a", "b"), ("a", "b", "c"), [[1, 2], [1, 2], [1]], id="all that the rest needs"),
        pytest.param(("a", "b", "c"), (), [[1], [1], [1]], id="nothing is left to need it"),
    ],
)
def test_what_somebody_removed_from_the_engine_is_made_again(
    app: Machine, stages: tuple[str, ...], starts: tuple[str, ...], attempts: list[list[int]]
) -> None:
    run = left_by_a_killed_process(app, CHAIN, *(done(name) for name in stages))
    app.engine.forget(RunIdentity(installation=app.settings.installation, run=run.id))
    assert go_on(app, run).conclusion is Conclusion.SUCCEEDED
    assert app.engine.starts == starts
    recorded = app.records.find_run(run.id)
    assert [[item.number for item in stage.attempts] for stage in recorded.stages] == attempts
    if starts:
        with app.storage.open(recorded.stages[0].attempts[-1].log) as log:
            assert b"runs again: its layer of the workspace is gone, and c needs it" in log.read()


class Unfit(Machine):
    """A machine whose settings name no engine that can be."""

    def executor(self, name: str) -> ScriptedExecutor:
        raise SettingsError("setting 'docker_host' is no address", hint="correct it")


def test_a_run_that_could_not_begin_is_none_to_be_resumed(tmp_path: Path) -> None:
    app = Unfit(tmp_path)
    with pytest.raises(SettingsError):
        run_all(app, CHAIN)
    assert interrupted(tmp_path) == ()
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_run_that_cannot_go_on_now_stays_to_be_resumed(app: Machine, tmp_path: Path) -> None:
    run = left_by_a_killed_process(app, CHAIN, done("a"), under_way("b"))
    with pytest.raises(SettingsError):
        drive(Unfit(tmp_path), Leg(run=run, plan=CHAIN, parallel=2), (), cancel=Cancellation())
    assert read_run_file(tmp_path / "runs" / run.id) is not None


def test_a_run_that_was_killed_before_the_records_knew_it(app: Machine, tmp_path: Path) -> None:
    run = new_run(CHAIN, runner=gone())
    write_run_file(tmp_path / "runs" / run.id, RunFile(run=run, plan=CHAIN, parallel=2))
    claim(tmp_path / "runs" / run.id, gone())
    ended = go_on(app)
    assert (ended.id, ended.number, ended.conclusion) == (run.id, 1, Conclusion.SUCCEEDED)
    assert app.engine.starts == ("a", "b", "c")


def test_a_run_whose_stages_are_all_done_only_ends(app: Machine) -> None:
    run = left_by_a_killed_process(app, CHAIN, done("a"), done("b"), done("c"))
    assert go_on(app, run).conclusion is Conclusion.SUCCEEDED
    assert app.engine.starts == ()
    assert app.records.find_run(run.id).state is RunState.DONE


def test_after_a_restart_of_the_host_what_does_nothing_outside_is_repeated(tmp_path: Path) -> None:
    cut = HostRestartedError("host restarted while it ran", hint="look")
    app = Machine(tmp_path, {"b": [Scripted(error=cut), Scripted()]})
    run = left_by_a_killed_process(app, CHAIN, done("a"), under_way("b"))
    assert go_on(app, run).conclusion is Conclusion.SUCCEEDED
    attempts = app.records.find_run(run.id).stage("b").attempts
    assert [(item.number, item.outcome.reason if item.outcome else "") for item in attempts] == [
        (1, "host restarted"),
        (2, "exit 0"),
    ]
    assert app.engine.starts == ("b", "b", "c")


LIFT = plan_of(stage("a"), stage("lift", "a", kind="crane"), stage("c", "lift"))


@pytest.mark.parametrize(
    ("answer", "lifted"),
    [
        pytest.param(StageResult(outcome=succeeded("was lifted")), [], id="it-took-place"),
        pytest.param(None, ["lift"], id="it-did-not"),
    ],
)
def test_a_kind_with_outside_effects_is_asked_what_took_place(
    app: Machine, answer: StageResult | None, lifted: list[str]
) -> None:
    app.crane.answer = answer
    run = left_by_a_killed_process(app, LIFT, done("a"), under_way("lift", "crane"))
    assert go_on(app, run).conclusion is Conclusion.SUCCEEDED
    assert app.crane.asked == [NOW]
    assert app.crane.lifted == lifted
    assert len(app.records.find_run(run.id).stage("lift").attempts) == 1


def test_before_an_effect_its_beginning_is_recorded(app: Machine) -> None:
    seen: list[StageState] = []

    class Watching(Crane):
        def run(self, context: StageContext) -> StageResult:
            recorded = app.records.find_run(context.run_id).stage(context.stage.name)
            seen.append(recorded.state)
            assert recorded.attempts[-1].finished is None
            return super().run(context)

    app.crane = Watching()
    assert run_all(app, LIFT).conclusion is Conclusion.SUCCEEDED
    assert seen == [StageState.PREPARING]


def test_what_cannot_be_resumed_is_said(app: Machine) -> None:
    with pytest.raises(UsageError, match="no run of this repository was interrupted"):
        go_on(app)
    over = run_all(app, CHAIN)
    with pytest.raises(UsageError, match="run 1 is over: succeeded") as raised:
        go_on(app, over)
    assert "ecluse retry 1" in raised.value.hint
    alive = new_run(CHAIN)
    app.records.create_run(alive, CHAIN)
    with pytest.raises(UsageError, match="run 2 is still running"):
        go_on(app, alive)
    with pytest.raises(UsageError, match="no run of this repository was interrupted") as raised:
        go_on(app)
    assert "run 2 is running" in raised.value.hint
    away = new_run(CHAIN, runner=replace(gone(), host="ci-7"))
    app.records.create_run(away, CHAIN)
    with pytest.raises(UsageError, match="runs on host 'ci-7'"):
        go_on(app, away)
    with pytest.raises(NotFoundError):
        resume(app, ResumeRequest(repository="shop", reference="77"), (), cancel=Cancellation())


def test_only_one_of_two_takes_a_run_over(app: Machine) -> None:
    run = left_by_a_killed_process(app, CHAIN, done("a"))
    app.records.reopen_run(run, replace(gone(), pid=1))
    with pytest.raises(RefusedError):
        app.records.reopen_run(run, this_process())


MANUAL = plan_of(stage("a"), stage("b", "a", manual=True), stage("c", "b"))


def test_a_parked_run_goes_on_with_the_stage_that_a_person_starts(app: Machine) -> None:
    parked = run_all(app, MANUAL)
    assert (parked.state, parked.conclusion) == (RunState.PARKED, None)
    assert app.engine.starts == ("a",)
    assert go_on(app, parked).state is RunState.PARKED, "nobody has started it"
    with pytest.raises(UsageError, match="no stage 'c' that waits to be started") as raised:
        go_on(app, parked, started=frozenset({"c"}))
    assert raised.value.hint == "those that do: b"
    ended = go_on(app, parked, started=frozenset({"b"}))
    assert ended.conclusion is Conclusion.SUCCEEDED
    assert app.engine.starts == ("a", "b", "c")


def test_a_manual_stage_that_was_under_way_need_not_be_started_again(app: Machine) -> None:
    run = left_by_a_killed_process(app, MANUAL, done("a"), under_way("b"))
    assert go_on(app, run).conclusion is Conclusion.SUCCEEDED


def test_the_run_file_is_whole_private_and_found_only_while_its_process_has_gone(tmp_path: Path) -> None:
    run = new_run(CHAIN)
    folder = tmp_path / "runs" / run.id
    write_run_file(folder, RunFile(run=run, plan=CHAIN, parallel=3))
    assert stat.S_IMODE((folder / "run.json").stat().st_mode) == 0o600
    assert read_run_file(folder) == RunFile(run=replace(run, stages=()), plan=CHAIN, parallel=3)
    assert interrupted(tmp_path) == (), "it parked"
    claim(folder, this_process())
    assert interrupted(tmp_path) == (), "its process lives"
    claim(folder, gone())
    assert [file.run.id for file in interrupted(tmp_path)] == [run.id]
    text = (folder / "run.json").read_text()
    (folder / "run.json").write_text(text[: len(text) // 2])
    assert interrupted(tmp_path) == (), "torn"
    json.loads(text)


def repeat(app: Machine, run: Run, *stages: str) -> Run:
    request = RetryRequest(repository="shop", reference=run.id, stages=stages)
    return retry(app, plan_retry(app, request), request, (), cancel=Cancellation())


def test_a_retry_repeats_what_failed_and_its_producers_in_the_same_run(tmp_path: Path) -> None:
    plan = plan_of(stage("a"), stage("b", "a"), stage("c", "b"), stage("lift", "a", kind="crane"))
    app = Machine(tmp_path, {"b": [Scripted(code=1), Scripted()]})
    failed = run_all(app, plan)
    assert failed.conclusion is Conclusion.FAILED
    ended = repeat(app, failed)
    assert (ended.id, ended.number, ended.conclusion) == (failed.id, 1, Conclusion.SUCCEEDED)
    recorded = app.records.find_run(failed.id)
    assert {stage.name: len(stage.attempts) for stage in recorded.stages} == {"a": 2, "b": 2, "c": 1, "lift": 1}
    assert app.crane.lifted == ["lift"], "an effect that succeeded is not repeated"
    assert recorded.stage("b").flaky
    assert not recorded.stage("a").flaky
    with app.storage.open(recorded.stage("a").attempts[1].log) as log:
        assert b"its layer of the workspace is gone, and b needs it" in log.read()


def test_a_retry_of_what_is_not_over_or_has_nothing_to_repeat_is_refused(app: Machine) -> None:
    cut = left_by_a_killed_process(app, CHAIN, done("a"))
    with pytest.raises(UsageError, match="was interrupted and not over"):
        repeat(app, cut)
    good = run_all(app, LIFT)
    with pytest.raises(UsageError, match="there is nothing to repeat"):
        repeat(app, good)
    with pytest.raises(UsageError, match="what it did outside is not done twice"):
        repeat(app, good, "lift")
    assert repeat(app, good, "c").conclusion is Conclusion.SUCCEEDED
    assert app.crane.lifted == ["lift"]


def test_a_run_that_was_killed_within_its_retry_can_be_resumed(app: Machine) -> None:
    failed = replace(
        under_way("b"), attempts=(replace(done("b").attempts[0], number=1), Attempt(number=2, started=NOW))
    )
    run = left_by_a_killed_process(app, CHAIN, done("a"), failed)
    assert go_on(app, run).conclusion is Conclusion.SUCCEEDED
    assert [item.number for item in app.records.find_run(run.id).stage("b").attempts] == [1, 2]
