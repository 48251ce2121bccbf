"""Installations with much or with evil in them, made by the records' own ways, for what looks at them."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from environment import repository

from pipeline.bootstrap import Application
from pipeline.diagnostic import Position
from pipeline.engine.log_file import NOTE_STYLE, stamp
from pipeline.engine.stage_log import COMMAND_STYLE
from pipeline.model.definition import EnvironmentDefinition, Need, StageDefinition
from pipeline.model.finding import Finding, FindingSeverity
from pipeline.model.gate import ApprovalRule, EvidenceRule, GateDefinition, WindowRule
from pipeline.model.outcome import Outcome
from pipeline.model.plan import Condition, Plan, PlannedStage
from pipeline.model.release import Measurement, Promotion, PromotionKind, Release
from pipeline.model.report import CoverageReport, TestCase, TestReport, TestStatus
from pipeline.model.repository import ForgeKind, Repository
from pipeline.model.run import Artifact, Attempt, Products, PushedImage, Run, StageRun
from pipeline.model.source import Commit, Event, Source
from pipeline.model.status import Conclusion, PromotionState, RunState, StageState
from pipeline.model.ulid import ulid
from pipeline.ports.records import Records

HERE = Position(file="pipeline.yml", line=1, column=1)
NOW = datetime.now(UTC).replace(microsecond=0)
PIPELINE = """
version: 1
name: shop
environments:
  dev: {target: {docker: {}}, automatic: false}
  test: {target: {docker: {}}, after: dev, automatic: false}
  staging: {target: {docker: {}}, after: test, automatic: false}
  prod:
    target: {docker: {}}
    after: staging
    automatic: false
    gates:
      - evidence: {tests: passed}
      - approvals: [{from: release-managers, count: 2}]
      - window: {timezone: Europe/Vienna, allow: "Mon-Thu 09:00-17:00"}
stages:
  unit: {kind: run, image: busybox, commands: ["true"]}
"""
EVIL = "<img src=x onerror=window.owned=1><script>window.owned=1</script>\"'&javascript:alert(1)"
"""What does something where it is taken for markup."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage as a made-up run has it."""

    name: str
    kind: str = "run"
    needs: tuple[str, ...] = ()
    ended: Conclusion | None = Conclusion.SUCCEEDED
    reason: str = ""
    seconds: float = 20.0
    lines: Sequence[str] = ("building …", "\x1b[32mdone\x1b[0m")
    products: Products = field(default_factory=Products)
    reused: str = ""
    state: StageState = StageState.DONE
    conditions: tuple[Condition, ...] = ()


def stored(lines: Sequence[str], begun: datetime) -> bytes:
    """Lines as a log has them; `$ …` is a command, `· …` a note."""
    found: list[bytes] = []
    for index, line in enumerate(lines):
        text = line.encode("utf-8", "surrogateescape")
        if line.startswith("$ "):
            text = (COMMAND_STYLE % text[2:]).rstrip(b"\n")
        elif line.startswith("· "):
            text = (NOTE_STYLE % text[3:]).rstrip(b"\n")
        found.append(stamp(begun + timedelta(milliseconds=10 * index)) + text + b"\n")
    return b"".join(found)


def environments(
    *names: str, gates: Mapping[str, tuple[GateDefinition, ...]] | None = None
) -> tuple[EnvironmentDefinition, ...]:
    """One level behind the other."""
    return tuple(
        EnvironmentDefinition(
            name=name,
            position=HERE,
            after=tuple(names[:index][-1:]),
            gates=(gates or {}).get(name, ()),
            allow_dirty=True,
            automatic=False,
            target={"container": name},
        )
        for index, name in enumerate(names)
    )


def plan_of(stages: Sequence[Stage], *, branch: str = "main", places: Sequence[EnvironmentDefinition] = ()) -> Plan:
    """The plan that such a run had."""
    return Plan(
        name="shop",
        pipeline_digest="sha256:1",
        event=Event(kind="push", branch=branch),
        source=Source(path="", origin="", commit=Commit(sha="4f1c0de", message="", author="", time=NOW)),
        variables={},
        stages=tuple(
            PlannedStage(
                stage=StageDefinition(
                    name=item.name, kind=item.kind, position=HERE, needs=tuple(Need(stage=name) for name in item.needs)
                ),
                conditions=item.conditions,
            )
            for item in stages
        ),
        environments=tuple(places),
    )


def run_in(
    app: Application,
    stages: Sequence[Stage],
    *,
    repository: str,
    state: RunState = RunState.DONE,
    conclusion: Conclusion | None = Conclusion.SUCCEEDED,
    created: datetime | None = None,
    places: Sequence[EnvironmentDefinition] = (),
    branch: str = "main",
    message: str = "Sell green tea",
    author: str = "Anna Ahorn",
    index: int = 0,
) -> Run:
    """A run with its logs, as the engine would have left it."""
    begun = created or NOW - timedelta(minutes=30)
    made = Run(
        id=ulid(begun, index.to_bytes(10, "big")),
        number=0,
        repository=repository,
        pipeline="shop",
        commit=f"{index + 1:040x}",
        message=message,
        author=author,
        branch=branch,
        tag="",
        event="push",
        actor="anna",
        dirty=False,
        plan_digest="sha256:2",
        state=state,
        created=begun,
        conclusion=conclusion if state is RunState.DONE else None,
        finished=begun + timedelta(seconds=sum(item.seconds for item in stages)) if state is RunState.DONE else None,
        stages=tuple(_stage(app, item, begun) for item in stages),
    )
    number = app.records.create_run(made, plan_of(stages, branch=branch, places=places))
    return replace(made, number=number)


def _stage(app: Application, item: Stage, begun: datetime) -> StageRun:
    if item.state is not StageState.DONE:
        attempts = () if item.state is StageState.WAITING else (Attempt(number=1, started=begun),)
        return StageRun(
            name=item.name, kind=item.kind, state=item.state, started=begun if attempts else None, attempts=attempts
        )
    assert item.ended is not None
    outcome = Outcome(conclusion=item.ended, reason=item.reason or ("exit 0" if item.ended.satisfies else "exit 1"))
    ended = begun + timedelta(seconds=item.seconds)
    attempts = ()
    if item.ended not in (Conclusion.SKIPPED, Conclusion.BLOCKED):
        text = stored(item.lines, begun)
        digest, _ = app.storage.put(io.BytesIO(text))
        lines = text.count(b"\n")
        attempts = (
            Attempt(
                number=1,
                started=begun,
                finished=ended,
                outcome=outcome,
                log=digest,
                log_lines=lines,
                products=item.products,
            ),
        )
    return StageRun(
        name=item.name,
        kind=item.kind,
        state=StageState.DONE,
        outcome=outcome,
        started=begun if attempts else None,
        finished=ended,
        attempts=attempts,
        reused=item.reused,
    )


def artifact(app: Application, path: str, content: bytes) -> Artifact:
    """A kept file."""
    digest, size = app.storage.put(io.BytesIO(content))
    return Artifact(name="files", path=path, digest=digest, size=size)


def failing_tests(*names: str) -> TestReport:
    """Some that passed and these that failed."""
    passed = tuple(
        TestCase(suite="s", classname="tests.test_tea", name=f"test_{n}", status=TestStatus.PASSED, seconds=0.1)
        for n in range(12)
    )
    wrong = tuple(
        TestCase(
            suite="s",
            classname="tests.test_basket",
            name=name,
            status=TestStatus.FAILED,
            seconds=0.4,
            message=f"assert 3 == 4  ({name})",
            details="def test():\n>   assert total == 4\nE   assert 3 == 4",
            file="tests/test_basket.py",
            line=41,
        )
        for name in names
    )
    return TestReport(cases=passed + wrong)


def release_of(run: Run, letter: str) -> Release:
    """What that run would have made."""
    return Release(
        repository=run.repository,
        commit=run.commit,
        images={"push": f"registry.example.org/shop@sha256:{letter * 64}"},
        pipeline_digest="sha256:1",
        name=f"{run.number}-{run.commit[-7:]}",
        run=run.id,
        dirty=False,
        created=run.created,
    )


def promoted(
    records: Records,
    release: Release,
    environment: str,
    state: PromotionState = PromotionState.DEPLOYED,
    *,
    replaces: str = "",
    at: datetime,
    who: str = "anna",
    reason: str = "",
    detail: str = "",
    measurements: tuple[Measurement, ...] = (),
) -> Promotion:
    """A promotion as it stands, with its line in the ledger."""
    made = Promotion(
        id=ulid(at, bytes(10)),
        release=release.id,
        environment=environment,
        kind=PromotionKind.PROMOTE,
        state=state,
        requested_by=who,
        reason=reason,
        created=at,
        finished=at + timedelta(seconds=40) if state is PromotionState.DEPLOYED else None,
        replaces=replaces,
        detail=detail,
        measurements=measurements,
        plan="sha256:" + "5" * 64,
    )
    records.save_promotion(made, actor=who, action=f"promotion.{state.value}", data={})
    return made


def measured(at: datetime) -> tuple[Measurement, ...]:
    """What checks saw over a minute."""
    return tuple(
        Measurement(
            check="http /",
            passed=index != 7,
            seen="status 200" if index != 7 else "status 500",
            wanted="200",
            time=at + timedelta(seconds=5 * index),
            seconds=0.02 + 0.003 * (index % 5),
            verdict="pass" if index != 7 else "fail",
        )
        for index in range(12)
    ) + tuple(
        Measurement(
            check="error rate",
            passed=True,
            seen=f"{0.4 + index / 40:.2f} %",
            wanted="< 1 %",
            time=at + timedelta(seconds=5 * index),
            verdict="pass",
            query="rate(errors[1m])",
            value=0.4 + index / 40,
        )
        for index in range(12)
    )


GATED = {
    "prod": (
        GateDefinition(name="tests", rule=EvidenceRule(tests=True), position=HERE),
        GateDefinition(name="approvals", rule=ApprovalRule(group="release managers", count=2), position=HERE),
        GateDefinition(
            name="window", rule=WindowRule(timezone="Europe/Vienna", allow=("Mon-Thu 09:00-17:00",)), position=HERE
        ),
    )
}
LEVELS = environments("dev", "test", "staging", "prod", gates=GATED)

TRUNK = (
    Stage(name="checkout", kind="checkout", seconds=1.2),
    Stage(name="lint", needs=("checkout",), seconds=6, reused="01jdw3r6y1s0a0a0a0a0a0a0a0"),
    Stage(name="unit", kind="test", needs=("checkout",), seconds=41),
    Stage(name="build", kind="build", needs=("checkout",), seconds=28),
    Stage(name="scan", kind="scan", needs=("build",), seconds=12),
    Stage(name="push", kind="push", needs=("unit", "scan", "lint"), seconds=4),
    Stage(name="deploy", kind="deploy", needs=("push",), seconds=9),
)


def shop(app: Application) -> Mapping[str, Run]:
    """A repository like any other: some runs, one that failed, one that goes on, releases on four levels."""
    clone = repository.create(app.settings.home.parent / f"{app.settings.home.name}-origin", {"pipeline.yml": PIPELINE})
    url = str(clone.path)
    app.intake.save_repository(
        Repository(name="tea/shop", url=url, forge=ForgeKind.GITEA, created=NOW - timedelta(days=90))
    )
    runs: list[Run] = []
    for index in range(18):
        stages = TRUNK if index % 6 else tuple(replace(item, seconds=item.seconds * 1.6) for item in TRUNK)
        runs.append(
            run_in(
                app,
                stages,
                repository=url,
                created=NOW - timedelta(days=9, hours=-11 * index),
                places=LEVELS,
                index=index,
                message=f"Brew it {index} s longer",
            )
        )
    releases = [release_of(run, letter) for run, letter in zip(runs[-4:], "abcd", strict=True)]
    for release in releases:
        app.records.save_release(release)
    first, second, third, fourth = releases
    before = NOW - timedelta(days=3)
    for step, name in enumerate(("dev", "test", "staging", "prod")):
        promoted(app.records, first, name, at=before + timedelta(hours=step), measurements=measured(before))
    for step, name in enumerate(("dev", "test", "staging")):
        promoted(
            app.records,
            second,
            name,
            replaces=first.id,
            at=before + timedelta(hours=20 + step),
            measurements=measured(before),
        )
    for step, name in enumerate(("dev", "test")):
        promoted(app.records, third, name, replaces=second.id, at=before + timedelta(hours=40 + step))
    promoted(app.records, fourth, "dev", replaces=third.id, at=NOW - timedelta(hours=2))
    waits = promoted(
        app.records,
        second,
        "prod",
        PromotionState.WAITING,
        replaces=first.id,
        at=NOW - timedelta(hours=1),
        who="bert",
        reason="The spring sale",
    )
    failed = run_in(
        app,
        (
            *TRUNK[:2],
            Stage(
                name="unit",
                kind="test",
                needs=("checkout",),
                ended=Conclusion.FAILED,
                reason="2 tests failed",
                seconds=38,
                lines=("$ pytest -q", "..........FF", "E   assert 3 == 4", "2 failed, 12 passed in 1.2s"),
                products=Products(
                    tests=failing_tests("test_total", "test_empty"),
                    coverage=CoverageReport(covered=812, total=1000),
                    artifacts=(artifact(app, "dist/shop.whl", b"wheel" * 900),),
                ),
            ),
            replace(TRUNK[3], lines=("$ docker build .", *(f"step {n}" for n in range(30)))),
            Stage(
                name="scan",
                kind="scan",
                needs=("build",),
                seconds=12,
                products=Products(
                    findings=(
                        Finding(
                            check="vulnerabilities",
                            tool="grype",
                            rule="CVE-2026-1",
                            severity=FindingSeverity.HIGH,
                            message="openssl reads too far",
                            package="openssl",
                            version="3.0.1",
                            fixed_in="3.0.2",
                        ),
                    )
                ),
            ),
            Stage(
                name="push",
                kind="push",
                needs=("unit", "scan", "lint"),
                ended=Conclusion.BLOCKED,
                reason="unit failed",
                seconds=0,
            ),
            Stage(
                name="deploy",
                kind="deploy",
                needs=("push",),
                ended=Conclusion.BLOCKED,
                reason="push is blocked",
                seconds=0,
            ),
        ),
        repository=url,
        conclusion=Conclusion.FAILED,
        created=NOW - timedelta(minutes=25),
        places=LEVELS,
        index=40,
        message="Count the basket anew",
        author="Bert Birke",
    )
    going = run_in(
        app,
        (
            *TRUNK[:2],
            Stage(name="unit", kind="test", needs=("checkout",), state=StageState.RUNNING),
            *(Stage(name=item.name, kind=item.kind, needs=item.needs, state=StageState.WAITING) for item in TRUNK[3:]),
        ),
        repository=url,
        state=RunState.RUNNING,
        created=NOW - timedelta(minutes=1),
        places=LEVELS,
        branch="topic/oolong",
        index=41,
        message="Offer oolong",
    )
    return {"good": runs[-1], "failed": failed, "running": going, "waiting": waits}  # type: ignore[dict-item]


def pushed(letter: str) -> Products:
    """What a push leaves."""
    return Products(
        pushed=PushedImage(repository="registry.example.org/shop", digest=f"sha256:{letter * 64}", tags=("main",))
    )


def home_of(folder: Path) -> Application:
    """An installation in a folder."""
    kept = {name: os.environ[name] for name in ("DOCKER_HOST", "PATH") if name in os.environ}
    return Application({**kept, "ECLUSE_HOME": str(folder), "HOME": str(folder)})
