"""A promoter behind a proxy that kills itself in the middle of a rollout, and whoever comes after it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from contracts.target_ground import Engine, order
from environment.haproxy import Haproxy

from pipeline.model.strategy import Strategy, StrategyKind
from pipeline.ports.cancellation import Cancellation

DYING = """
import os, signal, sys
from pathlib import Path
from target_ground import Engine, order
from environment.haproxy import Haproxy
from pipeline.dockerapi import connect
from pipeline.model.strategy import Strategy, StrategyKind
from pipeline.ports.cancellation import Cancellation
from pipeline.targets.haproxy.runtime import Runtime

url, home, image, api, port, kind, method, times = sys.argv[1:]
proxy = Haproxy(folder=Path(home), api=api, looking="", socket="", ports={"added": int(port)}, process=0)
subject = Engine(url, Path(home), image)
target = subject.proxied(proxy)
owner = Runtime if method == "tell" else connect(subject.settings)
real, left = getattr(owner, method), [int(times)]

def last(*args, **more):
    answer = real(*args, **more)
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer

setattr(owner, method, last)
strategy = Strategy(kind=StrategyKind(kind), steps=(25, 100) if kind == "canary" else ())
target.roll_out(order("p2", image, strategy=strategy), progress=print, cancel=Cancellation())
"""


def die_in_rollout(docker: Engine, proxy: Haproxy, kind: StrategyKind, method: str, times: int) -> None:
    """Roll out p2 in a process of its own that kills itself right after so many calls of this kind."""
    facts = (docker.settings.docker_host, str(docker.settings.home), docker.image, proxy.api)
    words = (*facts, str(proxy.ports["added"]), kind, method, str(times))
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(["tests", "tests/contracts"])}
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", DYING, *words], env=variables, cwd=root, capture_output=True, text=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def assert_kills_are_survived(docker: Engine, proxy: Haproxy, kind: StrategyKind, method: str, times: int) -> None:
    """p1 serves. A promoter of p2 dies; going back brings p1 again. It dies again; going on brings p2."""
    die_in_rollout(docker, proxy, kind, method, times)
    target = docker.proxied(proxy)
    back = target.roll_back("p2", progress=print)
    assert back.succeeded, back.reason
    assert {item.promotion: item.share for item in back.observed.instances} == {"p1": 100}
    die_in_rollout(docker, proxy, kind, method, times)
    strategy = Strategy(kind=kind, steps=(25, 100) if kind is StrategyKind.CANARY else ())
    ordered = order("p2", docker.image, strategy=strategy)
    assert target.roll_out(ordered, progress=print, cancel=Cancellation()).succeeded
    if kind is StrategyKind.CANARY:
        target.shift("p2", 100, progress=print, cancel=Cancellation())
    observed = target.confirm("p2", progress=print)
    assert {(item.promotion, item.share, item.serving) for item in observed.instances} == {("p2", 100, True)}
    assert len(observed.instances) == 2
    lines = [line for line in proxy.ask("show servers state added").splitlines() if " ecluse-" in line]
    assert len(lines) == 2
