"""A promoter on a swarm that kills itself right after one of its writes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from target_ground import Cluster

DYING = """
import docker, os, signal, sys
from target_ground import *
from pathlib import Path
from pipeline.model.strategy import Strategy, StrategyKind
from pipeline.ports.cancellation import Cancellation

url, home, name, image, promotion, kind, move, writes = sys.argv[1:]
given = {"service": name, "host": url, "replicas": 2, "settle": "200ms", "drain": "1s", "command": ["sh", "-c", GOOD]}
target = SwarmTarget(environment(given), Settings(home=Path(home)), service=name)
real, left = docker.APIClient.post, [int(writes)]

def last(client, *args, **more):
    answer = real(client, *args, **more)
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer

docker.APIClient.post = last
strategy = Strategy(kind=StrategyKind(kind), steps=(50, 100))
if move == "roll":
    target.roll_out(order(promotion, image, strategy=strategy), progress=print, cancel=Cancellation())
else:
    target.shift(promotion, 100, progress=print, cancel=Cancellation())
"""


def die(cluster: Cluster, promotion: str, kind: str, move: str, writes: int) -> bool:
    """Make that move in a process of its own that kills itself right after so many writes to the swarm. False where it
    came to its end before."""
    swarm, home = cluster.swarm.manager.url, str(cluster.settings.home)
    facts = (swarm, home, cluster.name, cluster.image, promotion, kind, move, str(writes))
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(["tests", "tests/contracts"])}
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", DYING, *facts], env=variables, cwd=root, capture_output=True, text=True
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0
