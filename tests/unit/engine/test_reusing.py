"""Reuse over scripted containers: what runs again, what is brought back, what is kept for whom."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from scripted_run import FixedClock, Watcher, plan_of, stage

from pipeline.engine.announcer import Announcer
from pipeline.engine.course import Course
from pipeline.engine.layers import Layers
from pipeline.engine.reuse_rules import ReuseRules
from pipeline.engine.runner import Runner
from pipeline.engine.scope import RunScope, StageRuns
from pipeline.executors.scripted import Scripted, ScriptedExecutor
from pipeline.model.container import Stream
from pipeline.model.definition import ArtifactRule, RetryRule, StageDefinition
from pipeline.model.identity import RunIdentity
from pipeline.model.outcome import succeeded
from pipeline.model.plan import Plan
from pipeline.model.run import StageRun
from pipeline.model.source import Event, Source
from pipeline.model.tree import Tree, TreeFile
from pipeline.model.trust import Trust
from pipeline.operations.reuse import look_up
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.stage import Reuse, StageContext, StageResult
from pipeline.settings import Settings
from pipeline.storage.directory import DirectoryStorage
from pipeline.storage.objects import FolderObjects
from pipeline.storage.reuse import ObjectReuse
from stages.run import KIND as RUN
from stages.test import KIND as TEST

INSTALLATION = "1" * 32


@dataclass
class HandsOut:
    """A kind that hands out these files as the source."""

    files: Mapping[str, str]
    runs: int = 0
    name = "checkout"
    version = 1
    reuse = Reuse.SOURCE
    effects = False

    def schema(self) -> Mapping[str, Any]:
        return {}

    def problems(self, stage: object, definition: object) -> Iterable[Any]:
        return ()

    def run(self, context: StageContext) -> StageResult:
        self.runs += 1
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as members:
            for name, content in self.files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                members.addfile(info, io.BytesIO(content.encode()))
        context.fill_workspace([archive.getvalue()])
        return StageResult(outcome=succeeded("handed out"))


@dataclass
class Known:
    """Every image is known, and the engine has all that were built."""

    def reach_out(self) -> None: ...

    def image(self, reference: str) -> str:
        return f"sha256:{reference}"

    def has(self, reference: str, id: str) -> bool:  # noqa: A002
        return True

    platform: str = "linux/amd64"


@dataclass
class Ended:
    """A run that has ended."""

    number: int
    executor: ScriptedExecutor
    runs: StageRuns
    plan: Plan
    notes: tuple[str, ...]
    source: HandsOut
    watcher: Watcher

    @property
    def ran(self) -> list[str]:
        return list(self.executor.starts)

    @property
    def reused(self) -> list[str]:
        return [item.name for item in self.runs.all() if item.reused]

    def reason(self, name: str) -> str:
        outcome = self.runs.get(name).outcome
        return outcome.reason if outcome else ""

    def saw(self, name: str) -> Mapping[str, bytes]:
        """The files that a stage's container saw when it started."""
        (view,) = [item.spec.view for item in self.executor.executions if item.spec.stage == name]
        assert view is not None
        run = RunIdentity(installation=INSTALLATION, run=f"run{self.number}")
        workspace = self.executor.session(run).workspace
        return workspace.files(replace(view, layer=""))


@dataclass
class House:
    """A machine on which runs follow each other."""

    home: Path
    number: int = 0
    fresh: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.settings = Settings(home=self.home)
        self.storage = DirectoryStorage(self.home / "storage")
        self.reuse = ObjectReuse(FolderObjects(self.home / "reuse"), self.storage)
        self.kinds: dict[str, Any] = {}

    def identify(self, executor: str) -> Known:
        return Known()

    def run(
        self,
        *stages: StageDefinition,
        files: Mapping[str, str] | None = None,
        script: Mapping[str, list[Scripted]] | None = None,
        trust: Trust = Trust.BRANCH,
        proposal: str = "",
        fresh: tuple[str, ...] = (),
        unchanged: bool = True,
    ) -> Ended:
        self.number += 1
        files = files if files is not None else {"README.md": "one", "src/a.py": "a"}
        source = HandsOut(files)
        self.kinds = {"run": RUN, "test": TEST, "checkout": source}
        decided = self._plan(stages, files, Event(kind="push", branch="main", trust=trust, proposal=proposal))
        tree = Tree(lambda: [TreeFile(path, _digest(content)) for path, content in files.items()])
        decided, rules = look_up(self, decided, tree, executor="scripted", fresh=fresh)  # type: ignore[arg-type]
        assert rules is not None
        executor = ScriptedExecutor(script or {})
        return self._drive(decided, replace(rules, unchanged=lambda: unchanged), executor, source)

    def _plan(self, stages: tuple[StageDefinition, ...], files: Mapping[str, str], event: Event) -> Plan:
        made = plan_of(stages)
        commit = replace(made.source.commit, tree=_digest(json.dumps(dict(files), sort_keys=True)))
        return replace(made, event=event, source=Source(path="/shop", origin="", commit=commit))

    def _drive(self, decided: Plan, rules: ReuseRules, executor: ScriptedExecutor, source: HandsOut) -> Ended:
        run = f"run{self.number}"
        number = self.number
        runs = StageRuns(
            {item.stage.name: StageRun(name=item.stage.name, kind=item.stage.kind) for item in decided.stages}
        )
        nothing: Any = None
        scope = RunScope(
            run_id=run,
            course=Course(decided),
            settings=self.settings,
            clock=FixedClock(),
            session=executor.session(RunIdentity(installation=INSTALLATION, run=run)),
            storage=self.storage,
            secrets=nothing,
            kinds=self.kinds,
            images=nothing,
            delivery=nothing,
            verifier=nothing,
            sinks=nothing,
            number=lambda: number,
            resolve=lambda planned, _facts: planned,
            layers=Layers([item.stage for item in decided.stages]),
            runs=runs,
            emit=nothing,
            groups=nothing,
            reuse=lambda: self.reuse,
            rules=rules,
        )
        watcher = Watcher()
        runner = Runner(scope, Announcer((watcher,)), cancel=Cancellation(), parallel=4)
        runner.run()
        return Ended(
            number=number,
            executor=executor,
            runs=runs,
            plan=decided,
            notes=runner.notes,
            source=source,
            watcher=watcher,
        )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "home")


CHECKOUT = stage("checkout", kind="checkout", image=None, commands=())


def reusable(name: str, *needs: str, **more: object) -> StageDefinition:
    return stage(name, *needs, reuse=True, **more)


CHAIN = (CHECKOUT, reusable("a", "checkout"), reusable("b", "a"), reusable("c", "b"))
WRITES = {name: [Scripted(files={f"made/{name}": name.encode()})] for name in "abc"}


def test_a_second_run_runs_nothing_and_shows_where_the_results_come_from(house: House) -> None:
    first = house.run(*CHAIN, script=WRITES)
    assert (first.ran, first.reused, first.source.runs) == (["a", "b", "c"], [], 1)
    second = house.run(*CHAIN, script=WRITES)
    assert (second.ran, second.source.runs, second.notes) == ([], 0, ())
    assert second.reused == ["checkout", "a", "b", "c"]
    assert second.runs.get("b").reused == "run1"
    assert second.reason("b") == "reused from run 1"
    assert second.runs.get("b").attempts[0].log == first.runs.get("b").attempts[0].log


def test_what_reused_stages_wrote_is_brought_back_for_one_that_runs(house: House) -> None:
    house.run(*CHAIN, script=WRITES)
    changed = (*CHAIN[:3], replace(CHAIN[3], commands=("other",)))
    second = house.run(*changed, script=WRITES)
    assert second.ran == ["c"]
    assert second.reused == ["a", "b"]
    assert second.saw("c") == {"README.md": b"one", "src/a.py": b"a", "made/a": b"a", "made/b": b"b"}
    assert b"brought back what b wrote in run 1" in second.watcher.text["c"]


def test_deleted_files_stay_deleted(house: House) -> None:
    script = {"a": [Scripted(files={"README.md": None})]}
    house.run(*CHAIN, script=script)
    second = house.run(*CHAIN[:3], replace(CHAIN[3], commands=("other",)), script=script)
    assert second.saw("c") == {"src/a.py": b"a"}


def test_a_layer_that_was_not_kept_is_made_again_where_it_is_seen(house: House) -> None:
    house.run(*CHAIN[:3], script=WRITES)  # nothing stood behind b, so what it wrote was not kept
    second = house.run(*CHAIN, script=WRITES)
    assert second.ran == ["b", "c"]
    assert second.reused == ["a"]
    assert house.run(*CHAIN, script=WRITES).ran == []


def test_a_damaged_layer_is_made_again_by_its_stage(house: House) -> None:
    house.run(*CHAIN, script=WRITES)
    entries = [
        json.loads(path.read_text().partition("\n")[2])
        for path in (house.home / "reuse/entries").rglob("*")
        if path.is_file()
    ]
    (digest,) = [entry["layer"] for entry in entries if entry["stage"] == "a"]
    path = house.home / "storage" / digest[7:9] / digest[9:]
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b"made/a", b"evil/a"))
    changed = (*CHAIN[:3], replace(CHAIN[3], commands=("other",)))
    second = house.run(*changed, script=WRITES)
    assert second.reused == ["a", "b"]
    assert second.saw("c") == {"README.md": b"one", "src/a.py": b"a", "made/a": b"a", "made/b": b"b"}
    assert b"what was kept of a is missing or damaged: it is dropped" in second.watcher.text["c"]
    assert second.ran == ["a", "c"]


@pytest.mark.parametrize("damage", ["log", "artifact"])
def test_a_damaged_blob_makes_its_stage_run_again(house: House, damage: str) -> None:
    unit = reusable("unit", artifacts=(ArtifactRule(name="x", paths=("x",)),))
    script = {"unit": [Scripted(files={"x": b"content"}, output=((Stream.OUT, b"words\n"),))]}
    first = house.run(unit, script=script)
    attempt = first.runs.get("unit").attempts[0]
    digest = attempt.log if damage == "log" else attempt.products.artifacts[0].digest
    path = house.home / "storage" / digest[7:9] / digest[9:]
    path.chmod(0o600)
    path.write_bytes(b"?" * path.stat().st_size)
    second = house.run(unit, script=script)
    assert second.ran == ["unit"]
    assert second.notes[0].startswith("unit: an earlier result is damaged (sha256:")
    assert house.run(unit, script=script).reused == ["unit"]


def test_a_stage_with_inputs_sees_only_them_and_what_stages_wrote(house: House) -> None:
    stages = (CHECKOUT, stage("gen", "checkout"), stage("unit", "gen", inputs=("src/**", "!src/b.py")))
    files = {"README.md": "one", "src/a.py": "a", "src/b.py": "b"}
    script = {"gen": [Scripted(files={"made": b"m"})]}
    first = house.run(*stages, files=files, script=script)
    assert first.saw("unit") == {"src/a.py": b"a", "made": b"m"}
    assert first.saw("gen") == {name: content.encode() for name, content in files.items()}


def test_other_files_do_not_make_a_stage_with_inputs_run_again(house: House) -> None:
    stages = (CHECKOUT, stage("unit", "checkout", inputs=("src/**",)))
    house.run(*stages)
    same = house.run(*stages, files={"README.md": "two", "src/a.py": "a"})
    assert (same.ran, same.source.runs) == ([], 0)
    assert same.reason("checkout") == "not needed: what sees it is reused"
    other = house.run(*stages, files={"README.md": "two", "src/a.py": "b"})
    assert other.ran == ["unit"]
    assert other.plan.stages[1].earlier is not None
    assert other.plan.stages[1].earlier.differs == ("src/a.py",)


@pytest.mark.parametrize(
    ("more", "result"),
    [
        pytest.param({"allow_failure": True}, [Scripted(code=1)], id="warned"),
        pytest.param({}, [Scripted(code=1)], id="failed"),
        pytest.param(
            {"retry": RetryRule(max=1, on=("exit 1",), backoff=0.0)}, [Scripted(code=1), Scripted()], id="flaky"
        ),
    ],
)
def test_only_success_at_the_first_attempt_is_kept(house: House, more: dict[str, Any], result: list[Scripted]) -> None:
    unit = reusable("unit", **more)
    assert house.run(unit, script={"unit": result}).notes == ()
    assert house.run(unit).ran == ["unit"]


def test_a_stage_behind_one_that_did_not_succeed_is_neither_kept_nor_reused(house: House) -> None:
    stages = (reusable("a", allow_failure=True), reusable("b", "a"))
    house.run(*stages, script={"a": [Scripted(code=1)]})
    assert house.run(*stages).ran == ["a", "b"]
    assert house.run(*stages, script={}).reused == ["a", "b"]


def test_nothing_is_kept_when_the_tree_is_not_what_the_plan_saw(house: House) -> None:
    first = house.run(*CHAIN, unchanged=False)
    assert first.notes == ("the working tree changed while the run began: its results are not kept for later runs",)
    assert house.run(*CHAIN).ran == ["a", "b", "c"]


def test_fresh_runs_and_replaces(house: House) -> None:
    house.run(*CHAIN)
    assert house.run(*CHAIN, fresh=("b",)).ran == ["b"]
    third = house.run(*CHAIN)
    assert third.runs.get("b").reused == "run2"
    assert house.run(*CHAIN, fresh=("*",)).ran == ["a", "b", "c"]


LEVELS = {
    "protected": (Trust.PROTECTED, ""),
    "branch": (Trust.BRANCH, ""),
    "fork 7": (Trust.UNTRUSTED, "7"),
    "fork 8": (Trust.UNTRUSTED, "8"),
}


@pytest.mark.parametrize(
    ("left_by", "read_by"),
    [
        ("protected", {"protected", "branch", "fork 7", "fork 8"}),
        ("branch", {"branch", "fork 7", "fork 8"}),
        ("fork 7", {"fork 7"}),
    ],
    ids=["protected", "branch", "fork"],
)
def test_a_result_is_read_only_at_its_own_level_and_below(tmp_path: Path, left_by: str, read_by: set[str]) -> None:
    readers: set[str] = set()
    for reader, (trust, proposal) in LEVELS.items():
        house = House(tmp_path / reader)
        before, number = LEVELS[left_by]
        house.run(*CHAIN, trust=before, proposal=number)
        later = house.run(*CHAIN, trust=trust, proposal=proposal)
        readers |= {reader} if later.reused else set()
    assert readers == read_by


def test_a_store_that_cannot_be_read_fails_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "reuse").write_text("no folder")
    house = House(home)
    ended = house.run(*CHAIN)
    assert ended.ran == ["a", "b", "c"]
    assert all("cannot be kept for later runs: cannot write" in note for note in ended.notes)
    assert ended.notes


def test_a_remade_stage_that_fails_says_so(house: House) -> None:
    house.run(*CHAIN, script=WRITES)
    for path in (house.home / "storage").rglob("*"):
        if path.is_file() and b"made/a" in path.read_bytes():
            path.chmod(0o600)
            path.write_bytes(b"?")
    changed = (*CHAIN[:3], replace(CHAIN[3], commands=("other",)))
    ended = house.run(*changed, script={"a": [Scripted(code=9)]})
    assert ended.ran == ["a"]
    assert ended.reason("c") == "stage 'a', whose earlier result was to serve, had to run again: exit 9"


def test_no_container_is_made_ahead_for_a_stage_that_is_reused_or_waits_for_a_layer(house: House) -> None:
    house.run(*CHAIN)
    second = house.run(*CHAIN[:3], replace(CHAIN[3], commands=("other",)))
    assert second.executor.prepared == []
    assert second.ran == ["c"]
