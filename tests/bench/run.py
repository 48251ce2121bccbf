"""Écluse against the plain docker command: whole processes, cold start included, in interleaved pairs.

usage: python tests/bench/run.py [--pairs N] [--only NAME,…] [--markdown FILE]
Each pair runs both sides once, in turn first; the figure is the median of the pairs' ratios.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

STAGES = 20
LINES = 1_000_000
SECRETS = tuple(f"BENCH_{number}" for number in range(10))


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One comparison: a shell command of plain docker, a pipeline, what `ecluse run` gets, and the ratio to keep."""

    name: str
    title: str
    docker: str
    pipeline: str
    arguments: tuple[str, ...] = ()
    most: float
    verify: Callable[[Path], str] = lambda _output: ""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Seconds of both sides in one round."""

    docker: float
    ecluse: float


def workloads(image: str) -> tuple[Workload, ...]:
    """All comparisons."""
    run = f"docker run --rm {image}"
    chain = "".join(f"  s{number}: {{commands: ['true']}}\n" for number in range(1, STAGES + 1))
    wide = "".join(f"  s{number}: {{needs: [], commands: ['true']}}\n" for number in range(1, STAGES + 1))
    head = f"version: 1\nname: bench\ndefaults: {{image: '{image}', source: false}}\nstages:\n"
    volume = "ecluse-bench-transfer"
    return (
        Workload(
            name="one",
            title="one stage",
            docker=f"{run} true",
            pipeline=head + "  one: {commands: ['true']}\n",
            most=2.2,
        ),
        Workload(
            name="chain",
            title=f"chain of {STAGES} stages",
            docker=f"for i in $(seq {STAGES}); do {run} true || exit 1; done",
            pipeline=head + chain,
            most=0.9,
        ),
        Workload(
            name="wide",
            title=f"{STAGES} stages, 4 at a time",
            docker=f"seq {STAGES} | xargs -P4 -I_ {run} true",
            pipeline=head + wide,
            arguments=("--parallel", "4"),
            most=1.0,
        ),
        Workload(
            name="log",
            title=f"{LINES:,} log lines, ten secrets masked",
            docker=f"{run} seq {LINES}",
            pipeline=head + f"  log: {{secrets: [{', '.join(SECRETS)}], commands: ['seq {LINES}']}}\n",
            most=1.4,
            verify=all_lines_in_order,
        ),
        Workload(
            name="transfer",
            title="200 MB written by one stage, read by the next",
            docker=(
                f"docker volume create {volume} >/dev/null && "
                f"docker run --rm -v {volume}:/w -w /w {image} dd if=/dev/urandom of=blob bs=1M count=200 && "
                f"docker run --rm -v {volume}:/w -w /w {image} sha256sum blob; "
                f"status=$?; docker volume rm {volume} >/dev/null; exit $status"
            ),
            pipeline=head
            + "  make: {commands: ['dd if=/dev/urandom of=blob bs=1M count=200']}\n"
            + "  use: {commands: ['sha256sum blob']}\n",
            most=1.15,
        ),
    )


def all_lines_in_order(output: Path) -> str:
    """ "" when every number stands in the output in order, else what is wrong."""
    expected = 1
    with output.open("rb") as lines:
        for line in lines:
            if line.rstrip(b"\n").endswith(b" %d" % expected):
                expected += 1
    return "" if expected == LINES + 1 else f"line {expected} is missing or out of order"


def timed(command: list[str], *, cwd: Path, environment: Mapping[str, str], output: Path) -> float:
    """Seconds of a whole process; SystemExit when it fails."""
    with output.open("wb") as file:
        began = time.perf_counter()
        ended = subprocess.run(
            command, cwd=cwd, env=dict(environment), stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
        seconds = time.perf_counter() - began
    if ended.returncode:
        tail = output.read_text(errors="replace")[-2000:]
        raise SystemExit(f"{shlex.join(command)} ended with {ended.returncode}:\n{tail}")
    return seconds


def measure(work: Workload, *, pairs: int, folder: Path, environment: Mapping[str, str]) -> list[Pair]:
    """One warm-up pair that is not counted, then the pairs."""
    repository = folder / work.name
    repository.mkdir()
    (repository / "pipeline.yml").write_text(work.pipeline)
    git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@example.org", "-C", str(repository)]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "bench"]):
        subprocess.run([*git, *arguments], check=True)
    ecluse = [str(Path(sys.executable).with_name("ecluse")), "run", "--plain", *work.arguments]
    output = folder / f"{work.name}.log"
    found: list[Pair] = []
    for round_ in range(pairs + 1):
        seconds: dict[str, float] = {}
        sides = {"docker": ["sh", "-c", work.docker], "ecluse": ecluse}
        for side in sorted(sides, reverse=bool(round_ % 2)):
            seconds[side] = timed(sides[side], cwd=repository, environment=environment, output=output)
            if side == "ecluse" and (wrong := work.verify(output)):
                raise SystemExit(f"{work.title}: {wrong} ({output})")
        if round_:
            found.append(Pair(docker=seconds["docker"], ecluse=seconds["ecluse"]))
        print(".", end="", file=sys.stderr, flush=True)
    return found


def row(work: Workload, pairs: list[Pair]) -> tuple[str, bool]:
    """A line of the table, and whether the ratio was kept."""
    ratio = statistics.median(pair.ecluse / pair.docker for pair in pairs)
    docker = statistics.median(pair.docker for pair in pairs)
    ecluse = statistics.median(pair.ecluse for pair in pairs)
    spread = f"{min(p.ecluse / p.docker for p in pairs):.2f} to {max(p.ecluse / p.docker for p in pairs):.2f}"
    kept = ratio <= work.most
    mark = "yes" if kept else "NO"
    text = f"| {work.title} | {docker:.2f} s | {ecluse:.2f} s | {ratio:.2f} ({spread}) | {work.most:g} | {mark} |"
    return text, kept


def main() -> int:
    """Run the comparisons and print the table; 1 when a ratio is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--markdown", type=Path)
    chosen = parser.parse_args()
    image = os.environ.get("ECLUSE_TEST_BUSYBOX", "busybox:1")
    names = set(filter(None, chosen.only.split(",")))
    table = [
        "| workload | docker | ecluse | ratio: median (range) | at most | kept |",
        "|---|---|---|---|---|---|",
    ]
    missed = False
    with tempfile.TemporaryDirectory(prefix="ecluse-bench-") as scratch:
        environment = {
            # As after an installation: the program's bytecode is kept, not compiled at every start.
            **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
            "ECLUSE_HOME": f"{scratch}/home",
            **{f"ECLUSE_SECRET_{name}": f"hidden-value-{name.lower()}-{name[::-1]}" for name in SECRETS},
        }
        for work in workloads(image):
            if names and work.name not in names:
                continue
            text, kept = row(work, measure(work, pairs=chosen.pairs, folder=Path(scratch), environment=environment))
            missed |= not kept
            table.append(text)
            print(f"\r{text}", file=sys.stderr, flush=True)
    print("\n".join(table))
    if chosen.markdown:
        chosen.markdown.write_text("\n".join(table) + "\n")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
