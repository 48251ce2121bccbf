"""Timing whole processes, cold start included: in each round every contender runs once, in turn first."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from contenders import CannotError, Contender, Prepared, everybody
from environment.progress import UnavailableError
from workloads import Workload

LONGEST = 600


@dataclass(kw_only=True)
class Times:
    """Seconds of one contender, one a round; or why there are none."""

    contender: Contender
    seconds: list[float] = field(default_factory=list)
    why_not: str = ""

    @property
    def median(self) -> float:
        """Of the rounds."""
        return statistics.median(self.seconds)

    def ratios(self, floor: Times) -> list[float]:
        """To the floor in the same round."""
        return [own / there for own, there in zip(self.seconds, floor.seconds, strict=True)]


def measure(
    work: Workload, chosen: Sequence[Contender], *, rounds: int, folder: Path, variables: Mapping[str, str], image: str
) -> list[Times]:
    """A warm-up that is not counted, then the rounds; the first of `chosen` is the floor and may not fail.

    Who fails in the warm-up, or has no way to do it, is left out with the reason.
    """
    times = [Times(contender=contender) for contender in chosen]
    with ExitStack() as stack:
        return _measured(work, times, stack, rounds=rounds, folder=folder, variables=variables, image=image)


def _measured(
    work: Workload,
    times: list[Times],
    stack: ExitStack,
    *,
    rounds: int,
    folder: Path,
    variables: Mapping[str, str],
    image: str,
) -> list[Times]:
    ready: dict[str, Runnable] = {}
    for entry in times:
        name = entry.contender.name
        try:
            runnable = _runnable(work, entry.contender, folder / work.name / name, variables, image)
            stack.callback(runnable.prepared.stop)
            for _ in range(2 if work.again else 1):
                runnable.once()
            if wrong := work.verify(entry.contender.name, runnable.output):
                raise FailedError(wrong)  # noqa: TRY301 - as if the command had said it
        except (UnavailableError, CannotError, FailedError) as error:
            if entry is times[0] or name == "ecluse":
                raise SystemExit(f"{work.title}, {name}: {error}") from error
            entry.why_not = str(error)
        else:
            ready[name] = runnable
    taking_part = [entry for entry in times if not entry.why_not]
    for number in range(rounds):
        turn = number % len(taking_part)
        for entry in taking_part[turn:] + taking_part[:turn]:
            runnable = ready[entry.contender.name]
            entry.seconds.append(runnable.once())
            if wrong := work.verify(entry.contender.name, runnable.output):
                raise SystemExit(f"{work.title}, {entry.contender.name}: {wrong} ({runnable.output})")
        print(".", end="", file=sys.stderr, flush=True)
    return times


class FailedError(Exception):
    """A command ended badly; the text is the last thing it said."""


@dataclass(frozen=True, kw_only=True)
class Runnable:
    """A prepared command with the folder that it runs in."""

    prepared: Prepared
    folder: Path
    output: Path
    variables: Mapping[str, str]

    def once(self) -> float:
        """Seconds of the whole process. Raises FailedError."""
        environment = {**everybody(), **self.prepared.variables, **self.variables}
        with self.output.open("wb") as file:
            began = time.perf_counter()
            try:
                ended = subprocess.run(
                    self.prepared.words,
                    cwd=self.folder,
                    env=environment,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL,
                    timeout=LONGEST,
                )
            except subprocess.TimeoutExpired as error:
                raise FailedError(f"not done after {LONGEST} s") from error
            seconds = time.perf_counter() - began
        if ended.returncode:
            raise FailedError(f"ended with {ended.returncode}: {self._last_words()}")
        return seconds

    def _last_words(self) -> str:
        rows = [row for row in self.output.read_text(errors="replace").splitlines() if "rror" in row]
        rows = rows or self.output.read_text(errors="replace").splitlines()
        return rows[-1].strip()[-200:] if rows else "it said nothing"


def _runnable(work: Workload, contender: Contender, folder: Path, variables: Mapping[str, str], image: str) -> Runnable:
    repository = folder / "repository"
    repository.mkdir(parents=True)
    prepared = contender.prepare(work, repository, image)
    (repository / "README").write_text("bench\n")
    git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@example.org", "-C", str(repository)]
    for arguments in (
        ["init", "-q", "-b", "main"],
        ["add", "."],
        ["commit", "-qm", "bench"],
        ["remote", "add", "origin", "git@git.example.org:bench/bench.git"],
        ["update-ref", "refs/remotes/origin/main", "HEAD"],
        ["symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main"],
    ):
        subprocess.run([*git, *arguments], check=True)
    home = folder / "home"
    home.mkdir()
    own = {"ECLUSE_HOME": str(home / "ecluse"), **variables}
    if contender.name not in ("docker", "ecluse"):
        own |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "XDG_CONFIG_HOME": str(home / "config")}
    return Runnable(prepared=prepared, folder=repository, output=folder / "output.log", variables=own)
