"""How long a service of three replicas takes to serve its old version again: Écluse behind HAProxy, and plain docker.

`python tests/bench/going_back.py [ROUNDS]`, with the variables of `tests/environment/environment.sh env` set. Plain
docker is the quickest that its own commands do for the same change. Three containers of the old version are started
beside the new ones (`docker run`); or they were kept stopped (`docker start`); or the new ones are stopped first, as
recreate does it (`docker stop, start`). The clock stops when one of the old ones answers.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "contracts")]

from environment.haproxy import haproxy  # noqa: E402 - the paths above lead there
from environment.servers import fetch, free_port  # noqa: E402
from target_ground import GOOD, Engine, order  # noqa: E402

from pipeline.model.strategy import Strategy, StrategyKind  # noqa: E402
from pipeline.ports.cancellation import Cancellation  # noqa: E402

REPLICAS = 3
ROUNDS = 5


def answering(ports: list[int], version: str) -> bool:
    """Whether one of these ports answers with this version."""
    return any((fetch(f"http://127.0.0.1:{port}/") or b"").decode().strip() == version for port in ports)


def timed(act: Callable[[], subprocess.Popen[bytes] | None], ports: list[int], version: str) -> float:
    """Seconds from the beginning of `act` until the version answers."""
    began = time.monotonic()
    running = act()
    while not answering(ports, version):
        time.sleep(0.002)
    seconds = time.monotonic() - began
    if running:
        running.wait()
    return seconds


def plain(subject: Engine, rounds: int) -> dict[str, list[float]]:
    """Plain docker's own commands for three containers of the old version."""
    ports = [free_port() for _ in range(REPLICAS)]
    names = [f"{subject.settings.installation[:8]}-plain-{number}" for number in range(REPLICAS)]
    docker = f"docker -H {subject.settings.docker_host}"
    label = f"--label io.ecluse.installation={subject.settings.installation}"
    run = " & ".join(
        f"{docker} run -d {label} --init --name {name} -p 127.0.0.1:{port}:8080 -e VERSION=p1 {subject.image} "
        f"sh -c '{GOOD}' >/dev/null"
        for name, port in zip(names, ports, strict=True)
    )
    found: dict[str, list[float]] = {"docker run": [], "docker start": [], "docker stop, start": []}
    for _ in range(rounds):
        found["docker run"].append(timed(lambda: subprocess.Popen(["sh", "-c", f"{run} & wait"]), ports, "p1"))
        subject.docker("stop", "-t", "1", *names)
        start = f"{docker} start {' '.join(names)} >/dev/null"
        found["docker start"].append(timed(lambda line=start: subprocess.Popen(["sh", "-c", line]), ports, "p1"))
        subject.docker("stop", "-t", "1", *names)
        new = [f"{name}-new" for name in names]
        for name in new:
            subject.docker("run", "-d", *label.split(), "--init", "--name", name, subject.image, "sh", "-c", GOOD)
        both = f"{docker} stop -t 1 {' '.join(new)} >/dev/null && {start}"
        found["docker stop, start"].append(timed(lambda line=both: subprocess.Popen(["sh", "-c", line]), ports, "p1"))
        subject.docker("rm", "-f", *names, *new)
    return found


def ours(subject: Engine, rounds: int) -> dict[str, list[float]]:
    """Going back by each strategy, until HAProxy answers with the old version."""
    import threading

    found: dict[str, list[float]] = {}
    with haproxy(Path(tempfile.mkdtemp(prefix="hap-", dir="/tmp"))) as proxy:
        target = subject.proxied(proxy, replicas=REPLICAS)
        try:
            target.roll_out(order("p1", subject.image), progress=lambda _: None, cancel=Cancellation())
            for kind in (StrategyKind.ROLLING, StrategyKind.BLUE_GREEN, StrategyKind.CANARY, StrategyKind.RECREATE):
                strategy = Strategy(kind=kind, steps=(100,) if kind is StrategyKind.CANARY else ())
                for _ in range(rounds):
                    target.roll_out(
                        order("p2", subject.image, strategy=strategy), progress=lambda _: None, cancel=Cancellation()
                    )
                    back = threading.Thread(target=lambda: target.roll_back("p2", progress=lambda _: None))
                    found.setdefault(f"ecluse, {kind}", []).append(
                        timed(lambda thread=back: thread.start(), [proxy.ports["added"]], "p1")
                    )
                    back.join()
        finally:
            target.remove()
    return found


def main() -> None:
    """Print the medians."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    subject = Engine(os.environ["DOCKER_HOST"], Path(tempfile.mkdtemp()), os.environ["ECLUSE_TEST_BUSYBOX"])
    for name, seconds in {**plain(subject, rounds), **ours(subject, rounds)}.items():
        print(f"{name:24} median {statistics.median(seconds):6.3f} s   worst {max(seconds):6.3f} s   of {len(seconds)}")


if __name__ == "__main__":
    main()
