"""Promotions on a real engine, plain and behind a real HAProxy, under every fault at random instants.

Promoters are processes: killed with -9, two at once (on one machine or on two), suspended for longer than their lease
lasts, while the engine goes and comes back, the registry does, and somebody sets the clocks. After each, what the
ledger says is what the engine runs and what answers.
"""

from __future__ import annotations

import os
import random
import re
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from docker_ground import BROKEN, GOOD, DockerGround, docker_ground, seconds_since
from promoter_process import LEASE, RECOVER, Errand, release

from pipeline.delivery.promotion import BEGUN, by_end, expected_release, picture
from pipeline.model.ledger import verify
from pipeline.model.status import PromotionState
from pipeline.model.strategy import StrategyKind
from pipeline.targets.docker.target import STRATEGIES

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3 * 3600)]

PROMOTIONS = int(os.environ.get("ECLUSE_TEST_PROMOTIONS", "50"))
SEED = int(os.environ.get("ECLUSE_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
S = PromotionState
IDLE = (S.PLANNED, S.WAITING, S.SUPERSEDED, S.REFUSED)
ENDS_WITHIN = 180.0
BACK_WITHIN = 30.0


@pytest.fixture
def ground(short_folder: Path, tmp_home: Path, engine: str, images: Any) -> Iterator[DockerGround]:
    folder = Path(tempfile.mkdtemp(prefix="f-", dir=short_folder))
    with docker_ground(folder, tmp_home, busybox=images.busybox) as made:
        yield made


@dataclass
class Trial:
    """One or two promoters, and what befalls them when: instants in seconds after the first has begun."""

    first: Errand
    second: Errand | None = None
    befalls: list[tuple[float, str, Callable[[], object]]] = field(default_factory=list)

    @property
    def words(self) -> str:
        """What happens, in order."""
        told = [f"{self.first.kind} {self.first.letter} to {self.first.environment} by {self.first.strategy}"]
        return ", ".join(told + [f"{what} at {at:.1f}" for at, what, _ in self.befalls])


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What the ledger says of an environment: so many instances of the release of one letter, or, where the end was
    `partial`, which promotions run there and whether they serve."""

    letters: set[str] = field(default_factory=set)
    instances: int = 0
    alone: bool = False
    """Nothing else is there; what was kept for a person to look at goes with the next deployment."""
    roles: set[tuple[str, bool]] = field(default_factory=set)


@dataclass
class Soak:
    """The promotions of one seed."""

    ground: DockerGround
    drawn: random.Random
    number: int = 0
    lasts: float = 4.0
    """Seconds that a promotion takes, about."""
    ends: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)

    def trial(self) -> None:
        """One more, and everything is honest after it."""
        trial = self._draw()
        before = self.number
        name = f"promoter-{before}"
        with ExitStack() as stack:
            running = {name: stack.enter_context(self.ground.promoting(trial.first, name))}
            self.number += 1
            began = time.monotonic()
            for at, what, act in trial.befalls:
                left = at - seconds_since(began)
                if left > 0:
                    time.sleep(left)
                if what == "kill":
                    running[name].kill()
                elif what == "second" and trial.second:
                    other = f"promoter-{self.number}"
                    running[other] = stack.enter_context(self.ground.promoting(trial.second, other))
                    self.number += 1
                elif what == "kill second":
                    running[f"promoter-{before + 1}"].kill()
                elif what == "suspended":
                    self.ground.suspend(running[name])
                elif what == "awake":
                    running[name].send_signal(signal.SIGCONT)
                else:
                    act()
                self.faults[re.sub(r" [+-].*", "", what)] += 1
            for process in running.values():
                process.wait(ENDS_WITHIN)
            for file, process in running.items():
                self._told(file, process.returncode)
            if not trial.befalls:
                self.lasts = min(8.0, (self.lasts + seconds_since(began)) / 2)
        recovery = self._recover(trial.first)
        told = "".join(f"\n--- {file}\n{self.ground.said(file)}" for file in (*running, recovery))
        self.assert_honest(trial.first, f"promotion {before} of seed {SEED}: {trial.words}{told}\n")

    def assert_honest(self, errand: Errand, where: str) -> None:
        """Nothing is under way, the chain holds, one wrote at a time; the ledger says what runs and answers."""
        records = errand.records()
        history = list(records.promotions(environment=errand.environment, limit=100_000))
        entries = records.ledger(limit=1_000_000)
        records.close()
        assert verify(entries) is None, where
        assert self.ground.writers() == "", where
        assert [item for item in history if item.state in BEGUN] == [], where
        newest = next((item for item in by_end(history) if item.state not in IDLE), None)
        if newest is not None and newest.state is S.PARTIAL:
            told = [item.data["runs"] for item in entries if item.subject == newest.id and "runs" in item.data][-1]
            claim = Claim(roles=_roles(told))
        else:
            live = expected_release(history)
            letters = {letter for letter, image in self.ground.images.items() if release(letter, image).id == live}
            claim = Claim(
                letters=letters,
                instances=(1 if errand.environment == "plain" else 2) if letters else 0,
                alone=newest is not None and newest.state is S.DEPLOYED,
            )
        deadline = time.monotonic() + BACK_WITHIN  # an engine that has just come back starts its containers one by one
        while (lie := self._lie(errand, claim)) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert lie == "", f"{where}: {newest}"

    def _lie(self, errand: Errand, claim: Claim) -> str:
        """How what runs and what answers differ from what the ledger says; "" for not at all."""
        looking = self.ground.seen(errand)
        observed = looking.target().observe()
        roles = _roles(picture(observed))
        if claim.roles:
            return "" if roles == claim.roles else f"runs {roles}, wants {claim.roles}"
        releases = {release(letter, self.ground.images[letter]).id for letter in claim.letters}
        if {item.release for item in observed.serving} != releases or len(observed.serving) != claim.instances:
            return f"serving {roles}, wants {claim.instances} of {claim.letters}"
        if claim.alone and len(observed.instances) != claim.instances:
            return f"left over beside what serves: {roles}"
        pages = self.ground.pages(looking)
        return "" if pages == (claim.letters or {"nobody"}) else f"answers {pages}, wants {claim.letters}"

    def _draw(self) -> Trial:
        """What is promoted, and what befalls it. Half of all meet one fault or none, the others several."""
        first = self._errand(self.drawn.choice(["plain", "proxied"]))
        trial = Trial(first)
        befalls = trial.befalls
        if self.drawn.random() < 0.3:
            second = self._errand(first.environment)
            trial.second = replace(second, machine=self.drawn.choice(["here", "there"]))
            at = self._instant()
            befalls.append((at, "second", _nothing))
            if self.drawn.random() < 0.3:
                befalls.append((at + self._instant(), "kill second", _nothing))
            if trial.second.machine == "there" and self.drawn.random() < 0.5:
                befalls.append((at - 0.001, "suspended", _nothing))
                befalls.append((at + LEASE + self._instant(), "awake", _nothing))
                befalls.sort(key=lambda item: item[0])
                return trial
        if self.drawn.random() < 0.4:
            befalls.append((self._instant(), "kill", _nothing))
        if self.drawn.random() < 0.25:
            at, how = self._instant(), self.drawn.choice(["stopped", "killed", "power"])
            befalls.append((at, f"engine {how}", lambda: self.ground.stop_engine(how)))
            befalls.append((at + self.drawn.uniform(0, 3), "engine back", self.ground.start_engine))
        if self.drawn.random() < 0.25:
            at = self._instant() - 1
            befalls.append((at, "registry gone", self.ground.stop_registry))
            befalls.append((max(at, 0) + self.drawn.uniform(0, 4), "registry back", self.ground.start_registry))
        if self.drawn.random() < 0.25:
            step = self.drawn.uniform(-7200, 7200)
            befalls.append((self._instant(), f"clock {step:+.0f} s", lambda: self.ground.step_clock(step)))
        befalls.sort(key=lambda item: item[0])
        return trial

    def _errand(self, environment: str) -> Errand:
        letter = self.drawn.choice([*GOOD, *GOOD, BROKEN])
        known = sorted(STRATEGIES if environment == "plain" else StrategyKind)
        return self.ground.errand(
            environment,
            letter,
            kind=self.drawn.choices(["promote", "rollback"], weights=[85, 15])[0],
            strategy=self.drawn.choice(["", *known]),
            fit=self.drawn.random() < 0.75,
        )

    def _instant(self) -> float:
        return self.drawn.uniform(0, self.lasts * 1.1)

    def _recover(self, errand: Errand) -> str:
        """What whoever comes next does first; the name of what it says."""
        name = f"recovery-{self.number}"
        with self.ground.promoting(replace(errand, kind=RECOVER), name) as process:
            process.wait(ENDS_WITHIN)
        said = self.ground.said(name)
        assert said.endswith("ended put right\n"), f"after promotion {self.number} of seed {SEED}:\n{said}"
        return name

    def _told(self, name: str, code: int) -> None:
        said = self.ground.said(name)
        assert code in (0, -9), f"{name} of seed {SEED}:\n{said}"
        self.ends[said.splitlines()[-1].removeprefix("ended ") if code == 0 else "killed"] += 1


def _roles(runs: Any) -> set[tuple[str, bool]]:
    return {(item["promotion"], item["serving"]) for item in runs}


def _nothing() -> None:
    return None


def test_a_state_says_what_the_engine_runs_after_every_fault(
    ground: DockerGround, capsys: pytest.CaptureFixture[str]
) -> None:
    soak = Soak(ground, random.Random(SEED))  # noqa: S311 - instants
    began = time.monotonic()
    with capsys.disabled():
        print(f"\nseed {SEED}: repeat with ECLUSE_TEST_SEED={SEED}", flush=True)
        while soak.number < PROMOTIONS:
            soak.trial()
            print(f"{soak.number} of {PROMOTIONS} promotions, all honest, {seconds_since(began):.0f} s", flush=True)
        print(f"ends: {dict(soak.ends)}\nfaults: {dict(soak.faults)}", flush=True)
        print(f"{len(ground.writes)} writes to the engine and the proxy, never two writers", flush=True)
    for environment in ("plain", "proxied"):
        ground.errand(environment, "a").target().remove()
    assert ground.left() == ""
