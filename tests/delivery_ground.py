"""What tests of promotions stand on: real records, a target in memory, and releases of one service."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from faults import Fault, Watched
from prepared import prepared_records

from pipeline.delivery.admission import Judge, Question
from pipeline.delivery.journal import Requester
from pipeline.delivery.lease import SECONDS
from pipeline.delivery.planning import strategy_for
from pipeline.delivery.promoter import Order, Promoter
from pipeline.delivery.promotion import expected_release
from pipeline.diagnostic import Position
from pipeline.model.check import Answer, HttpCheck, Verdict
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.gate import Verdict as GateVerdict
from pipeline.model.ledger import verify
from pipeline.model.release import Measurement, Promotion, PromotionKind, Release
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.registry import Registry
from pipeline.ports.target import Rollout
from pipeline.ports.verification import Verification
from pipeline.records.sql import SqlRecords
from pipeline.targets.scripted import Place, ScriptedTarget

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DEV = EnvironmentDefinition(name="dev", position=Position(file="pipeline.yml", line=9, column=3))
REPOSITORY = "https://git.example.org/shop"
INSTALLATION = "0123456789abcdef"


def release(letter: str) -> Release:
    """One release a letter (`a` to `f`)."""
    return Release(
        repository=REPOSITORY,
        commit=letter * 40,
        images={"push": f"registry.example.org/shop@sha256:{letter * 64}"},
        pipeline_digest="sha256:pipeline",
        name=f"1-{letter * 7}",
        run="",
        dirty=False,
        created=NOW,
    )


class Ticking:
    """A clock whose wall time goes on by a second at each look, and whose stopwatch stands still."""

    def __init__(self) -> None:
        self.time = NOW
        self.watch = 0.0

    def now(self) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time

    def monotonic(self) -> float:
        return self.watch


def all_open(question: Question) -> GateVerdict:
    """No gates."""
    return GateVerdict(answers=(), time=NOW, override=question.override)


@dataclass
class Ground:
    """One environment on one machine, and the promoters that come to it."""

    home: Path
    environment: EnvironmentDefinition = DEV
    place: Place = field(default_factory=Place)
    clock: Ticking = field(default_factory=Ticking)
    judge: Judge = all_open
    said: list[str] = field(default_factory=list)
    registry: Registry | None = None
    unfit: frozenset[str] = frozenset()
    """Commits whose versions fail their checks."""
    lease_seconds: float = SECONDS
    installation: str = INSTALLATION
    target_kind: type[ScriptedTarget] = ScriptedTarget
    records: SqlRecords = None  # type: ignore[assignment]
    """Under the home where none are given."""

    def __post_init__(self) -> None:
        if self.records is None:
            self.records = SqlRecords(prepared_records(self.home), now=self.clock.now)

    def copy(self, home: Path) -> Ground:
        """The same at this moment, in another place."""
        self.records.close()
        shutil.copytree(self.home, home)
        place = Place(
            instances=list(self.place.instances),
            replaced=dict(self.place.replaced),
            unfit=dict(self.place.unfit),
            fence=self.place.fence,
        )
        clock = copy.copy(self.clock)
        return replace(self, home=home, place=place, clock=clock, said=[], records=None)  # type: ignore[arg-type]

    def promoter(self, fault: Fault | None = None, *, actor: str = "anna", home: Path | None = None) -> Promoter:
        fault = fault or Fault()
        records: Any = Watched(self.records, fault)
        return Promoter(
            requester=Requester(actor=actor, repository=REPOSITORY, service="shop"),
            records=lambda: records,
            target=lambda environment: Watched(self.target_kind(environment, place=self.place), fault),  # type: ignore[arg-type,return-value]
            judge=self.judge,
            clock=self.clock,
            home=home or self.home,
            installation=self.installation,
            lease_seconds=self.lease_seconds,
            registry=self._registry,
        )

    def _registry(self) -> Registry:
        assert self.registry is not None
        return self.registry

    def promote(
        self,
        wanted: Release,
        *,
        fault: Fault | None = None,
        kind: PromotionKind = PromotionKind.PROMOTE,
        promotion: str = "",
        actor: str = "anna",
        on_verify: Callable[[], None] = lambda: None,
        home: Path | None = None,
    ) -> Promotion:
        """From the plan to the end, verified by what `unfit` says."""
        promoter = self.promoter(fault, actor=actor, home=home)
        (Watched(self.records, fault) if fault else self.records).save_release(wanted)
        order = Order(release=wanted, environment=self.environment, kind=kind, promotion=promotion, automatic=False)
        passage = promoter.enter(order, progress=self.said.append, cancel=Cancellation())
        rollout = Rollout(
            environment=self.environment.name,
            release=wanted.id,
            promotion=passage.promotion.id,
            image=wanted.images["push"],
            strategy=strategy_for(self.environment, kind),
        )

        def ask() -> Verification:
            on_verify()
            return self.answer(wanted)

        try:
            return passage.complete(rollout, verify=ask, progress=self.said.append, cancel=Cancellation())
        finally:
            passage.lease.release()

    def put_right(self, *, actor: str = "olga") -> None:
        """What the next promoter does before its own work."""
        promoter = self.promoter(actor=actor)
        lease = promoter.take(self.environment, progress=self.said.append, cancel=Cancellation())
        try:
            target = self.target_kind(self.environment, place=self.place)
            promoter.recover(self.environment, target, lease, progress=self.said.append)
        finally:
            lease.release()

    def answer(self, wanted: Release) -> Verification:
        good = wanted.commit not in self.unfit
        check = HttpCheck(name="http /", where="/")
        answer = Answer(
            verdict=Verdict.PASS if good else Verdict.FAIL, seen="status 200" if good else "status 500", wanted="200"
        )
        measurement = Measurement(check=check.name, passed=good, seen=answer.seen, wanted="200", time=self.clock.now())
        return Verification(answers=((check, answer),), measurements=(measurement,))

    def history(self) -> list[Promotion]:
        return list(self.records.promotions(environment=self.environment.name, limit=100_000))

    def live(self) -> set[str]:
        """Releases that serve, as the target says."""
        return {item.release for item in self.place.instances if item.serving}

    def claimed(self) -> str:
        """The release that serves, as the ledger says."""
        return expected_release(self.history())

    def holds(self) -> bool:
        """Whether the ledger is a chain."""
        return verify(self.records.ledger(limit=1_000_000)) is None
