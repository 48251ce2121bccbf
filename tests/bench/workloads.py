"""What is measured: jobs in words that every contender can be told, and what plain docker does instead of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

STAGES = 20
LINES = 200_000
MANY_LINES = 1_000_000
_COLOUR = re.compile(rb"\x1b\[[0-9;]*m")
SECRETS = tuple(f"BENCH_{number}" for number in range(10))


@dataclass(frozen=True, kw_only=True)
class Job:
    """One container that runs one command, after the job that it needs."""

    name: str
    command: str = "true"
    needs: str = ""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Jobs, at most `parallel` at a time, and the same in plain docker.

    `most` is the ratio that Écluse keeps to plain docker, None = no limit. `again` repeats what was done before without
    any change.
    `keys` are further keys of every stage of Écluse's file.
    """

    name: str
    title: str
    jobs: tuple[Job, ...]
    docker: str
    most: float | None = None
    parallel: int = 1
    again: bool = False
    peers: bool = True
    in_output: bool = False
    """Whether what the jobs print has to be in the command's output."""
    keys: str = ""
    verify: Callable[[str, Path], str] = lambda _who, _output: ""
    """What is wrong with what a contender printed, or ""."""


def workloads(image: str) -> tuple[Workload, ...]:
    """All of them, on one image."""
    run = f"docker run --rm {image}"
    loop = f"for i in $(seq {STAGES}); do {run} true || exit 1; done"
    chain = tuple(Job(name=f"s{n}", needs=f"s{n - 1}" if n > 1 else "") for n in range(1, STAGES + 1))
    volume = "ecluse-bench-transfer"
    write, read = "dd if=/dev/urandom of=blob bs=1M count=200", "sha256sum blob"
    return (
        Workload(name="one", title="one stage", jobs=(Job(name="one"),), docker=f"{run} true", most=1.8),
        Workload(name="chain", title=f"chain of {STAGES}", jobs=chain, docker=loop, most=0.6),
        Workload(
            name="wide",
            title=f"{STAGES}, 4 at a time",
            jobs=tuple(Job(name=f"s{n}") for n in range(1, STAGES + 1)),
            docker=f"seq {STAGES} | xargs -P4 -I_ {run} true",
            parallel=4,
            most=0.65,
        ),
        Workload(
            name="again",
            title=f"chain of {STAGES} again, unchanged",
            jobs=chain,
            docker=loop,
            again=True,
            keys=", reuse: true",
            verify=everything_reused,
            most=0.12,
        ),
        Workload(
            name="lines",
            title=f"{LINES:,} log lines",
            jobs=(Job(name="log", command=f"seq {LINES}"),),
            docker=f"{run} seq {LINES}",
            in_output=True,
            verify=lambda _who, output: all_lines_in_order(output, LINES),
        ),
        Workload(
            name="log",
            title=f"{MANY_LINES:,} log lines, ten secrets masked",
            jobs=(Job(name="log", command=f"seq {MANY_LINES}"),),
            docker=f"{run} seq {MANY_LINES}",
            keys=f", secrets: [{', '.join(SECRETS)}]",
            verify=lambda _who, output: all_lines_in_order(output, MANY_LINES),
            peers=False,
            most=1.4,
        ),
        Workload(
            name="transfer",
            title="200 MB written by one stage, read by the next",
            jobs=(Job(name="make", command=write), Job(name="use", command=read, needs="make")),
            docker=(
                f"docker volume create {volume} >/dev/null && "
                f"docker run --rm -v {volume}:/w -w /w {image} {write} && "
                f"docker run --rm -v {volume}:/w -w /w {image} {read}; "
                f"status=$?; docker volume rm {volume} >/dev/null; exit $status"
            ),
            peers=False,
            most=1.15,
        ),
    )


def everything_reused(who: str, output: Path) -> str:
    """ "" when Écluse said of every stage that it was reused; the others have no word for it."""
    reused = output.read_text(errors="replace").count(": reused from run ")
    return "" if who != "ecluse" or reused == STAGES else f"{reused} of {STAGES} stages were reused"


def all_lines_in_order(output: Path, lines: int) -> str:
    """ "" when every number up to `lines` stands in the output in order, else what is wrong."""
    expected = 1
    with output.open("rb") as written:
        for line in written:
            if _COLOUR.sub(b"", line).split()[-1:] == [b"%d" % expected]:
                expected += 1
    return "" if expected == lines + 1 else f"line {expected} is missing or out of order"
