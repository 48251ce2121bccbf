"""A thousand promotions by two promoters at once that are killed, held up, cut off and lied to about the time."""

from __future__ import annotations

import os
import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from delivery_ground import DEV, Ground, release
from faults import Fault, KilledError

from pipeline.delivery.promotion import by_end
from pipeline.errors import EcluseError, TargetError
from pipeline.model.release import PromotionKind
from pipeline.model.status import PromotionState
from pipeline.model.strategy import Strategy, StrategyKind
from pipeline.targets.scripted import ScriptedTarget

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

S = PromotionState
PROMOTIONS = int(os.environ.get("ECLUSE_SOAK_PROMOTIONS", "1000"))
LEASE = 0.4
RELEASES = [release(letter) for letter in "abcdef"]
CANARY = replace(DEV, strategy=Strategy(kind=StrategyKind.CANARY, steps=(10, 50, 100)))
BEGUN = (S.LOCKED, S.ROLLING_OUT, S.VERIFYING)


class Stepping:
    """The machine's clock, which somebody sets back and forth; its stopwatch goes on."""

    def __init__(self) -> None:
        self.offset = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass
class Writers:
    """Who writes to the target: never two at once, never one with an older lease than was there before."""

    inside: set[int] = field(default_factory=set)
    highest: int = 0
    wrong: list[str] = field(default_factory=list)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def write(self, name: str, fence: int, call: Callable[[], Any]) -> Any:
        with self.guard:
            if self.inside - {fence}:
                self.wrong.append(f"{name} under lease {fence} while {self.inside} writes")
            self.inside.add(fence)
        time.sleep(0.001)
        try:
            result = call()
        finally:
            with self.guard:
                self.inside.discard(fence)
        with self.guard:
            if fence < self.highest:
                self.wrong.append(f"{name} under lease {fence} after one under {self.highest}")
            self.highest = max(self.highest, fence)
        return result


class Counted(ScriptedTarget):
    """Tells the writers of each call that changes something."""

    writers: Writers

    def roll_out(self, order: Any, **more: Any) -> Any:
        return self.writers.write("roll_out", order.fence, lambda: ScriptedTarget.roll_out(self, order, **more))

    def shift(self, *words: Any, fence: int = 0, **more: Any) -> Any:
        return self.writers.write("shift", fence, lambda: ScriptedTarget.shift(self, *words, fence=fence, **more))

    def confirm(self, *words: Any, fence: int = 0, **more: Any) -> Any:
        return self.writers.write("confirm", fence, lambda: ScriptedTarget.confirm(self, *words, fence=fence, **more))

    def roll_back(self, *words: Any, fence: int = 0, **more: Any) -> Any:
        return self.writers.write(
            "roll_back", fence, lambda: ScriptedTarget.roll_back(self, *words, fence=fence, **more)
        )


class Stall(Fault):
    """Held up before a step for longer than its lease lasts, heartbeat and all, as by a suspended machine."""

    def around(self, name: str, call: Callable[[], Any]) -> Any:
        while name == "renew_lease" and self.stalled:  # the heartbeat's thread does not run, either
            time.sleep(0.01)
        return super().around(name, call)

    stalled = False

    def _strike(self) -> None:
        self.stalled = True
        time.sleep(LEASE * 2.5)
        self.stalled = False


def a_fault(dice: random.Random, clock: Stepping) -> Fault:
    """Mostly none; else a kill, an engine that is gone, a hold-up, or another time."""
    at = dice.randint(1, 22)
    kind = dice.choices(["none", "kill", "engine", "stall", "clock"], weights=[40, 35, 15, 5, 5])[0]
    if kind == "kill":
        return Fault(at=at, after=dice.random() < 0.5)
    if kind == "engine":
        return Fault(at=at, after=dice.random() < 0.5, error=TargetError("the engine is gone"))
    if kind == "stall":
        return Stall(at=at)
    if kind == "clock":
        clock.offset = timedelta(hours=dice.uniform(-2, 2))
    return Fault()


def assert_honest(ground: Ground, seed: int) -> None:
    """Nothing is under way, the chain holds, and the ledger's word is what serves."""
    history = ground.history()
    left = [item for item in history if item.state in BEGUN]
    assert left == [], f"seed {seed}: {left}"
    assert ground.holds(), f"seed {seed}: the ledger does not verify"
    idle = (S.PLANNED, S.WAITING, S.SUPERSEDED, S.REFUSED)
    newest = next(item for item in by_end(history) if item.state not in idle)
    if newest.state is S.PARTIAL:
        return
    assert ground.live() == {ground.claimed()} - {""}, f"seed {seed}: {newest}"


def test_a_thousand_promotions_with_two_promoters_at_once(tmp_path: Path) -> None:
    seed = int(os.environ.get("ECLUSE_SOAK_SEED") or secrets.randbelow(1 << 32))
    print(f"seed {seed}")
    clock, writers = Stepping(), Writers()
    ground = Ground(home=tmp_path / "first", clock=clock, lease_seconds=LEASE)  # type: ignore[arg-type]
    ground.target_kind = type("Target", (Counted,), {"writers": writers})
    for wanted in RELEASES:
        ground.records.save_release(wanted)
    ends: Counter[str] = Counter()
    done, guard = 0, threading.Lock()

    def promoter(number: int, rounds: int) -> None:
        nonlocal done
        dice = random.Random(f"{seed}-{number}-{done}")  # noqa: S311 - dice
        mine = replace(ground, home=tmp_path / f"home-{number}", installation=f"{number}" * 16)
        for _ in range(rounds):
            wanted = dice.choice(RELEASES)
            mine.environment = dice.choice([DEV, CANARY])
            mine.unfit = frozenset({wanted.commit} if dice.random() < 0.3 else ())
            kind = dice.choices([PromotionKind.PROMOTE, PromotionKind.ROLLBACK], weights=[85, 15])[0]
            try:
                ended = mine.promote(
                    wanted, fault=a_fault(dice, clock), kind=kind, actor=f"promoter-{number}"
                ).state.value
            except KilledError:
                ended = "killed"
            except EcluseError as error:
                ended = type(error).__name__
            with guard:
                done += 1
                ends[ended] += 1

    while done < PROMOTIONS:
        threads = [threading.Thread(target=promoter, args=(number, 10)) for number in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ground.put_right()
        assert writers.wrong == [], f"seed {seed}: {writers.wrong}"
        assert_honest(ground, seed)
    print(dict(ends))
    assert ends[S.DEPLOYED.value] > 0
    assert ends[S.ROLLED_BACK.value] > 0
    assert ends["killed"] > 0
