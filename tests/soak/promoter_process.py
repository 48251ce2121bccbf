"""A promoter as a process of its own: it brings one release into one environment, or puts right what others left.

Its argument is an `Errand` in JSON. The last line of what it says is how it ended.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline.delivery.admission import Question
from pipeline.delivery.journal import Requester
from pipeline.delivery.planning import strategy_for
from pipeline.delivery.promoter import Order, Promoter
from pipeline.diagnostic import Position
from pipeline.errors import EcluseError
from pipeline.model.check import Answer, HttpCheck, Verdict
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.gate import Verdict as GateVerdict
from pipeline.model.release import Measurement, PromotionKind, Release
from pipeline.model.strategy import Strategy, StrategyKind
from pipeline.model.value import Value
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import Observed, Rollout, RolloutResult, Target
from pipeline.ports.verification import Verification
from pipeline.records.sql import SqlRecords
from pipeline.settings import Settings
from pipeline.targets.docker.proxied import ProxiedTarget
from pipeline.targets.docker.target import DockerTarget

REPOSITORY = "https://git.example.org/shop"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LEASE = 6.0
"""Seconds: so long a promoter waits for a dead one on another machine."""
RECOVER = "recover"


@dataclass(frozen=True, kw_only=True)
class Errand:
    """What the process is to do, and where everything is."""

    home: str
    """The installation's; the ledger lies in it, and whose containers are whose follows from it."""
    engine: str
    proxy: str
    address: str
    """Where ports of the engine's containers are."""
    port: int
    """Where the environment serves."""
    clock: str
    """A file with the seconds by which the wall clock is wrong just now."""
    tokens: str
    """A file to which each process writes its own id and the token of the lease under which it writes."""
    environment: str
    letter: str = "a"
    image: str = ""
    kind: str = "promote"
    strategy: str = ""
    fit: bool = True
    """Whether the version's check passes."""
    machine: str = "here"
    """Promoters on different machines have no lock in common, only the ledger."""

    @property
    def definition(self) -> EnvironmentDefinition:
        """The environment: `plain` is one container that holds the port, `proxied` two behind HAProxy."""
        target: dict[str, Value] = {"drain": "1s", "settle": "200ms", "health": "wget -q -O /dev/null localhost:8080"}
        if self.environment == "plain":
            target |= {"publish": [f"{self.address}:{self.port}:8080"]}
        else:
            haproxy: dict[str, Value] = {"socket": self.proxy, "backend": "added", "port": 8080, "ports": "21000-21099"}
            target |= {"replicas": 2, "proxy": {"haproxy": haproxy}}
            target |= {"hosts": [{"host": self.engine, "address": self.address}]}
        strategy = None
        if self.strategy:
            strategy = Strategy(kind=StrategyKind(self.strategy), steps=(20, 60, 100), pause=0.3)
        place = Position(file="pipeline.yml", line=1, column=1)
        return EnvironmentDefinition(name=self.environment, position=place, target=target, strategy=strategy)

    @property
    def release(self) -> Release:
        """What is brought in."""
        return release(self.letter, self.image)

    def now(self) -> datetime:
        """What this machine takes for the time."""
        return datetime.now(UTC) + timedelta(seconds=float(Path(self.clock).read_text()))

    def monotonic(self) -> float:
        """The stopwatch, which nobody sets."""
        return time.monotonic()

    def records(self) -> SqlRecords:
        """The ledger."""
        return SqlRecords(f"sqlite:///{self.home}/records.db", now=self.now)

    def target(self) -> DockerTarget | ProxiedTarget:
        """The environment's own, on the engine."""
        made = DockerTarget if self.environment == "plain" else ProxiedTarget
        return made(self.definition, Settings(home=Path(self.home), docker_host=self.engine), service="shop")

    def page(self) -> str:
        """What the environment answers; OSError or HTTPException where it does not."""
        host = self.address if self.environment == "plain" else "127.0.0.1"
        connection = http.client.HTTPConnection(host, self.port, timeout=3)
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            body = answer.read().decode().strip()
        finally:
            connection.close()
        if answer.status != 200:
            raise http.client.HTTPException(f"status {answer.status}")
        return body

    def json(self) -> str:
        return json.dumps(asdict(self))


def release(letter: str, image: str) -> Release:
    """The release of that letter."""
    return Release(
        repository=REPOSITORY,
        commit=letter * 40,
        images={"push": image},
        pipeline_digest="sha256:pipeline",
        name=f"1-{letter * 7}",
        run="",
        dirty=False,
        created=NOW,
    )


class Signing:
    """A target that writes down under which lease this process writes to it."""

    def __init__(self, errand: Errand) -> None:
        self._target: Target = errand.target()
        self._environment = errand.environment
        self._tokens = Path(errand.tokens)
        self._signed = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)

    def roll_out(self, order: Rollout, **more: Any) -> RolloutResult:
        self._sign(order.fence)
        return self._target.roll_out(order, **more)

    def shift(self, *words: Any, fence: int = 0, **more: Any) -> RolloutResult:
        self._sign(fence)
        return self._target.shift(*words, fence=fence, **more)

    def confirm(self, *words: Any, fence: int = 0, **more: Any) -> Observed:
        self._sign(fence)
        return self._target.confirm(*words, fence=fence, **more)

    def roll_back(self, *words: Any, fence: int = 0, **more: Any) -> RolloutResult:
        self._sign(fence)
        return self._target.roll_back(*words, fence=fence, **more)

    def _sign(self, fence: int) -> None:
        if fence != self._signed:
            with self._tokens.open("a") as sheet:
                sheet.write(f"{os.getpid()} {self._environment} {fence}\n")
            self._signed = fence


def promoter(errand: Errand) -> Promoter:
    """One whose every part is real; gates are all open."""
    records = errand.records()

    def open_gates(question: Question) -> GateVerdict:
        return GateVerdict(answers=(), time=errand.now(), override=question.override)

    return Promoter(
        requester=Requester(actor=f"anna {os.getpid()}", repository=REPOSITORY, service="shop"),
        records=lambda: records,
        target=lambda _: Signing(errand),  # type: ignore[arg-type,return-value]
        judge=open_gates,
        clock=errand,
        home=Path(errand.home) / errand.machine,
        installation=errand.machine * 4,
        lease_seconds=LEASE,
    )


def bring_in(errand: Errand) -> str:
    """From the plan to the end; the state that it came to."""
    errand.records().save_release(errand.release)
    kind, cancel = PromotionKind(errand.kind), Cancellation()
    wanted = Order(release=errand.release, environment=errand.definition, kind=kind, automatic=False)
    passage = promoter(errand).enter(wanted, progress=say, cancel=cancel)
    rollout = Rollout(
        environment=errand.environment,
        release=errand.release.id,
        promotion=passage.promotion.id,
        image=errand.image,
        timeout=30,
        strategy=strategy_for(errand.definition, kind),
    )
    try:
        return passage.complete(rollout, verify=lambda: verified(errand), progress=say, cancel=cancel).state.value
    finally:
        passage.lease.release()


def put_right(errand: Errand) -> str:
    """What the next promoter does before its own work."""
    taken = promoter(errand)
    lease = taken.take(errand.definition, progress=say, cancel=Cancellation())
    try:
        target: Any = Signing(errand)
        taken.recover(errand.definition, target, lease, progress=say)
    finally:
        lease.release()
    return "put right"


def verified(errand: Errand) -> Verification:
    """One check: whether the service answers, and whether the version is fit."""
    check = HttpCheck(name="http /", where="/")
    try:
        seen, verdict = errand.page(), Verdict.PASS if errand.fit else Verdict.FAIL
    except (OSError, http.client.HTTPException) as error:
        seen, verdict = str(error), Verdict.ERROR
    answer = Answer(verdict=verdict, seen=seen, wanted="a good page")
    measurement = Measurement(
        check=check.name,
        passed=verdict is Verdict.PASS,
        seen=seen,
        wanted=answer.wanted,
        time=errand.now(),
        verdict=verdict.value,
    )
    return Verification(answers=((check, answer),), measurements=(measurement,))


def say(line: str) -> None:
    """At once: the process may be killed with the next word."""
    print(line, flush=True)


def main(errand: Errand) -> None:
    """Do it, and say how it ended; what is no error of Écluse leaves with a traceback."""
    act: Callable[[Errand], str] = put_right if errand.kind == RECOVER else bring_in
    say("begun")
    try:
        say(f"ended {act(errand)}")
    except EcluseError as error:
        say(f"{error.message}\nended {type(error).__name__}")


if __name__ == "__main__":
    main(Errand(**json.loads(sys.argv[1])))
