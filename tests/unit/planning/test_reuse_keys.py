"""What a reuse key covers, and what it does not; which stages an earlier result may serve."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from pipeline.diagnostic import Position
from pipeline.model.definition import (
    ArtifactRule,
    CacheRule,
    Need,
    Readiness,
    Resources,
    RetryRule,
    ServiceDefinition,
    StageDefinition,
    When,
)
from pipeline.model.plan import Condition, Plan, PlannedStage
from pipeline.model.source import Commit, Event, Source
from pipeline.model.tree import Tree, TreeFile
from pipeline.planning.reuse import Keys, differing, keyed, may_serve, reused
from pipeline.ports.reuse import StageKey
from stages.build import KIND as BUILD
from stages.checkout import KIND as CHECKOUT
from stages.deploy import KIND as DEPLOY
from stages.push import KIND as PUSH
from stages.run import KIND as RUN
from stages.scan import KIND as SCAN
from stages.smoke import KIND as SMOKE
from stages.test import KIND as TEST

KINDS = {kind.name: kind for kind in (BUILD, CHECKOUT, DEPLOY, PUSH, RUN, SCAN, SMOKE, TEST)}
FILES = (TreeFile("README.md", "r1"), TreeFile("src/a.py", "a1"), TreeFile("src/b.py", "b1"))


@dataclass
class Table:
    """What the images stand for."""

    images: Mapping[str, str] = field(default_factory=lambda: {"python:3.12": "sha256:p", "postgres:16": "sha256:g"})
    platform: str = "linux/amd64"

    def reach_out(self) -> None: ...

    def image(self, reference: str) -> str:
        return self.images.get(reference, "")

    def has(self, reference: str, id: str) -> bool:  # noqa: A002
        return True


def stage(name: str = "unit", *needs: str, kind: str = "test", **more: object) -> StageDefinition:
    given = {
        "image": "python:3.12",
        "commands": ("pytest",),
        "needs": tuple(Need(stage=need) for need in needs),
        **more,
    }
    position = Position(file="pipeline.yml", line=1, column=1)
    return StageDefinition(name=name, kind=kind, position=position, **given)  # type: ignore[arg-type]


CHECKOUT_STAGE = stage("checkout", kind="checkout", image=None, commands=())


@dataclass(frozen=True)
class Case:
    """All that a key is computed from."""

    stages: tuple[StageDefinition, ...] = (CHECKOUT_STAGE, stage("unit", "checkout"))
    tree: tuple[TreeFile, ...] = FILES
    tree_id: str = "tree1"
    sha: str = "c0ffee"
    images: Table = field(default_factory=Table)
    surroundings: Mapping[str, str] = field(default_factory=dict)
    pipeline: str = "shop"
    revision: str = ""

    def keys(self) -> tuple[Keys, Plan]:
        commit = Commit(sha=self.sha, message="m", author="a", time=datetime(2026, 1, 1, tzinfo=UTC), tree=self.tree_id)
        keys = Keys(
            pipeline=self.pipeline,
            kinds=KINDS,
            commit=commit,
            revision=self.revision,
            tree=Tree(lambda: self.tree),
            identify=self.images,
            surroundings=self.surroundings,
        )
        return keys, plan(*self.stages)

    def key(self, name: str = "unit") -> StageKey:
        keys, decided = self.keys()
        for planned in decided.stages:
            keys.take(planned)
        return keys.of(name)

    def with_unit(self, **changes: object) -> Case:
        return replace(self, stages=(*self.stages[:-1], replace(self.stages[-1], **changes)))  # type: ignore[arg-type]


def plan(*stages: StageDefinition) -> Plan:
    commit = Commit(sha="c0ffee", message="m", author="a", time=datetime(2026, 1, 1, tzinfo=UTC), tree="tree1")
    return Plan(
        name="shop",
        pipeline_digest="sha256:0",
        event=Event(kind="push"),
        source=Source(path="/x", origin="", commit=commit),
        variables={},
        stages=tuple(PlannedStage(stage=item) for item in stages),
        environments=(),
    )


POSTGRES = ServiceDefinition(name="db", image="postgres:16")

COUNTS = {
    "commands": lambda case: case.with_unit(commands=("pytest -x",)),
    "after": lambda case: case.with_unit(after=("rm x",)),
    "shell": lambda case: case.with_unit(shell=("bash", "-c")),  # noqa: S604
    "user": lambda case: case.with_unit(user="1000"),
    "workdir": lambda case: case.with_unit(workdir="src"),
    "another image": lambda case: case.with_unit(image="postgres:16"),
    "the same image name with other content": lambda case: replace(
        case, images=Table(images={"python:3.12": "sha256:new", "postgres:16": "sha256:g"})
    ),
    "platform": lambda case: replace(case, images=Table(platform="linux/arm64")),
    "a service": lambda case: case.with_unit(services=(POSTGRES,)),
    "a variable": lambda case: case.with_unit(env={"A": "1"}),
    "a variable of the machine": lambda case: replace(case, surroundings={"HTTP_PROXY": "http://p"}),
    "a cell": lambda case: case.with_unit(cell={"python": "3.10"}),
    "the name of a secret": lambda case: case.with_unit(secrets=("TOKEN",)),
    "a limit": lambda case: case.with_unit(resources=Resources(memory=1 << 30)),
    "network": lambda case: case.with_unit(network="none"),
    "rights": lambda case: case.with_unit(hardened=True),
    "a report": lambda case: case.with_unit(reports={"junit": ("a.xml",)}),
    "an artifact": lambda case: case.with_unit(artifacts=(ArtifactRule(name="a", paths=("x",)),)),
    "an output": lambda case: case.with_unit(outputs=("VERSION",)),
    "an option": lambda case: case.with_unit(options={"target": "x"}),
    "kind": lambda case: case.with_unit(kind="run"),
    "the pipeline's name, which the stage is told": lambda case: replace(case, pipeline="other"),
    "a commit in the place of the working tree": lambda case: replace(case, revision="v1"),
    "the tree": lambda case: replace(case, tree_id="tree2"),
    "inputs": lambda case: case.with_unit(inputs=("src/**",)),
    "no source": lambda case: case.with_unit(needs=()),
    "what a checkout hands out": lambda case: replace(
        case, stages=(replace(CHECKOUT_STAGE, options={"submodules": False}), case.stages[1])
    ),
    "a needed stage": lambda case: replace(
        case, stages=(CHECKOUT_STAGE, stage("gen", "checkout", kind="run"), stage("unit", "gen"))
    ),
}


@pytest.mark.parametrize("change", COUNTS.values(), ids=COUNTS.keys())
def test_the_key_covers(change: Callable[[Case], Case]) -> None:
    first, second = Case().key(), change(Case()).key()
    assert first.digest is not None
    assert second.digest is not None
    assert first.digest != second.digest


COUNTS_NOT = {
    "the commit": lambda case: replace(case, sha="beef"),
    "a timeout": lambda case: case.with_unit(timeout=5.0),
    "a retry rule": lambda case: case.with_unit(retry=RetryRule(max=2)),
    "a condition": lambda case: case.with_unit(when=When(branch=("main",))),
    "allow_failure": lambda case: case.with_unit(allow_failure=True),
    "a cache, which may be empty at any time": lambda case: case.with_unit(cache=(CacheRule(key="k", paths=("x",)),)),
    "reuse": lambda case: case.with_unit(reuse=True),
}


@pytest.mark.parametrize("change", COUNTS_NOT.values(), ids=COUNTS_NOT.keys())
def test_the_key_does_not_cover(change: Callable[[Case], Case]) -> None:
    assert Case().key().digest == change(Case()).key().digest


def test_what_makes_no_difference_in_lists() -> None:
    short = Case().with_unit(artifacts=(ArtifactRule(name="a", paths=("x",), keep=5.0),), secrets=("A", "B"))
    long = Case().with_unit(artifacts=(ArtifactRule(name="a", paths=("x",), keep=9.0),), secrets=("B", "A"))
    assert short.key().digest == long.key().digest


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        pytest.param(TreeFile("README.md", "r2"), True, id="another file"),
        pytest.param(TreeFile("src/a.py", "a2"), False, id="content"),
        pytest.param(TreeFile("src/a.py", "a1", "100755"), False, id="mode"),
        pytest.param(TreeFile("src/c.py", "c1"), False, id="a new file"),
        pytest.param(TreeFile("lib/c.py", "c1"), True, id="a new file elsewhere"),
    ],
)
def test_a_stage_with_inputs_sees_only_those(changed: TreeFile, same: bool) -> None:
    case = Case().with_unit(inputs=("src/**",))
    tree = tuple({file.path: file for file in (*FILES, changed)}.values())
    later = replace(case, tree=tree, tree_id="tree2", sha="beef")
    assert (case.key().digest == later.key().digest) is same


def test_a_stage_behind_one_with_inputs_sees_the_whole_tree() -> None:
    stages = (CHECKOUT_STAGE, stage("gen", "checkout", kind="run", inputs=("src/**",)), stage("unit", "gen"))
    assert Case(stages=stages).key().digest != Case(stages=stages, tree_id="tree2").key().digest
    assert Case(stages=stages).key("gen").digest == Case(stages=stages, tree_id="tree2").key("gen").digest


def test_the_history_of_a_checkout_with_depth_counts() -> None:
    deep = Case(stages=(replace(CHECKOUT_STAGE, options={"depth": 5}), stage("unit", "checkout")))
    assert deep.key().digest != replace(deep, sha="beef").key().digest


def test_readiness_and_service_images_count() -> None:
    case = Case().with_unit(services=(POSTGRES,))
    ready = Case().with_unit(services=(replace(POSTGRES, ready=Readiness(command="true")),))
    moved = replace(case, images=Table(images={"python:3.12": "sha256:p", "postgres:16": "sha256:new"}))
    assert len({item.key().digest for item in (case, ready, moved)}) == 3


@pytest.mark.parametrize(
    ("stages", "name", "why"),
    [
        pytest.param((stage("dev", kind="deploy"),), "dev", "a deploy changes the world outside the run", id="deploy"),
        pytest.param((stage("up", kind="push"),), "up", "a push changes the world outside the run", id="push"),
        pytest.param(
            (stage("up", kind="push"), stage("unit", "up")), "unit", "it needs up, which is never reused", id="behind"
        ),
        pytest.param(
            (stage("up", kind="push"), stage("a", "up"), stage("unit", "a")),
            "unit",
            "it needs a, which is never reused",
            id="farther behind",
        ),
        pytest.param(
            (stage("unit", image="unknown:1"),), "unit", "decided after the image unknown:1 is known", id="image"
        ),
        pytest.param(
            (stage("unit", services=(ServiceDefinition(name="x", image="unknown:2"),)),),
            "unit",
            "decided after the image unknown:2 is known",
            id="image of a service",
        ),
    ],
)
def test_stages_without_a_key(stages: tuple[StageDefinition, ...], name: str, why: str) -> None:
    key = Case(stages=stages).key(name)
    assert (key.digest, key.why, key.serves) == (None, why, False)


def test_an_engine_that_does_not_answer_leaves_all_open() -> None:
    for name in ("checkout", "unit"):
        key = Case(images=Table(platform="")).key(name)
        assert (key.digest, key.why) == (None, "decided after the engine has answered")


def test_a_key_that_depends_on_outputs_is_decided_after_them() -> None:
    keys, decided = Case(
        stages=(
            stage("version", kind="run", outputs=("V",)),
            stage("unit", "version", env={"V": "${{ stages.version.outputs.V }}"}),
            stage("last", "unit"),
        )
    ).keys()
    version, unit, last = decided.stages
    assert keys.take(version).digest
    assert keys.take(replace(unit, deferred=True)).why == "decided after version"
    assert keys.take(last).why == "decided after unit"
    assert keys.take(replace(unit, stage=replace(unit.stage, env={"V": "1.2"}))).digest
    assert keys.take(last).digest


def test_a_skipped_stage_counts_as_skipped() -> None:
    keys, decided = Case(stages=(stage("up", kind="push"), stage("unit", "up"))).keys()
    no = Condition(key="branch", wanted="'main'", seen="'x'", holds=False)
    keys.take(replace(decided.stages[0], conditions=(no,)))
    assert keys.take(decided.stages[1]).digest is not None


@pytest.mark.parametrize(
    ("given", "serves"),
    [
        pytest.param(stage(kind="test"), True, id="test"),
        pytest.param(stage(kind="build"), True, id="build"),
        pytest.param(stage(kind="run"), False, id="run"),
        pytest.param(stage(kind="run", reuse=True), True, id="run with reuse"),
        pytest.param(stage(kind="run", inputs=("src/**",)), True, id="run with inputs"),
        pytest.param(stage(kind="scan"), False, id="scan"),
        pytest.param(stage(kind="scan", reuse=True), True, id="scan with reuse"),
        pytest.param(stage(kind="test", emits="stages.yml"), False, id="emits"),
        pytest.param(stage(kind="push", reuse=True), False, id="push"),
        pytest.param(stage(kind="deploy", reuse=True), False, id="deploy"),
        pytest.param(stage(kind="smoke", reuse=True), False, id="smoke"),
    ],
)
def test_which_stages_may_be_served(given: StageDefinition, serves: bool) -> None:
    assert Case(stages=(given,)).key().serves is serves
    assert bool(may_serve(plan(given), KINDS)) is serves


def test_keys_are_computed_only_where_they_may_serve() -> None:
    decided = plan(
        CHECKOUT_STAGE,
        stage("lint", "checkout", kind="run"),
        stage("gen", "checkout", kind="run"),
        stage("unit", "gen"),
    )
    worth = may_serve(decided, KINDS)
    assert worth == {"checkout", "gen", "unit"}
    keys, _ = Case(stages=tuple(item.stage for item in decided.stages)).keys()
    found = {item.stage.name: item.reuse_key is not None for item in keyed(decided, keys, only=worth).stages}
    assert found == {"checkout": True, "lint": False, "gen": True, "unit": True}
    assert may_serve(plan(CHECKOUT_STAGE, stage("lint", "checkout", kind="run")), KINDS) == frozenset()


CHAIN = (CHECKOUT_STAGE, stage("a", "checkout"), stage("b", "a"), stage("c", "b"), stage("d", "a"))
ALL_KEPT = {"checkout": False, "a": True, "b": True, "c": True, "d": True}


@pytest.mark.parametrize(
    ("kept", "serving"),
    [
        pytest.param(ALL_KEPT, "checkout a b c d", id="everything"),
        pytest.param({**ALL_KEPT, "a": False, "b": False}, "checkout a b c d", id="everything, layers not kept"),
        pytest.param({"checkout": False, "a": True, "b": True, "d": True}, "a b d", id="the last one runs"),
        pytest.param({"checkout": False, "a": True, "b": False, "d": True}, "a d", id="what it sees was not kept"),
        pytest.param({"checkout": False, "a": False, "b": False, "d": True}, "d", id="nor what that sees"),
        pytest.param({"checkout": False, "c": True, "d": True}, "c d", id="the first ones run"),
        pytest.param({}, "", id="nothing"),
    ],
)
def test_which_results_serve(kept: Mapping[str, bool], serving: str) -> None:
    assert reused(plan(*CHAIN), kept) == set(serving.split())


def test_a_checkout_need_not_run_where_all_that_needs_it_is_served() -> None:
    sources = frozenset({"checkout"})
    assert reused(plan(*CHAIN), dict.fromkeys("abcd", True), sources=sources) == set("abcd") | {"checkout"}
    assert reused(plan(*CHAIN), dict.fromkeys("abd", True), sources=sources) == set("abd")
    assert reused(plan(*CHAIN), {}, sources=sources) == set()
    assert reused(plan(CHECKOUT_STAGE, stage("a")), {"a": True}, sources=sources) == {"a"}


def test_differences_are_named() -> None:
    before = Case().key().inputs or {}
    now = Case(tree_id="tree2").with_unit(commands=("x",), image="postgres:16").key().inputs or {}
    files = {("tree1", "tree2"): ("src/a.py", "src/b.py")}
    assert differing(now, before, lambda then, new: files[then, new]) == ("commands", "image", "src/a.py", "src/b.py")
    assert differing(now, before, lambda *_trees: ()) == ("commands", "image", "files")
    need = {"stage gen": "1", "files": "x"}
    assert differing(need, {**need, "stage gen": "2"}, lambda *_trees: ()) == ("stage gen",)
    assert differing(need, {"stage gen": "2", "files": "y"}, lambda *_trees: ("a",)) == ("a",)
    assert differing(before, before, lambda *_trees: ()) == ()
