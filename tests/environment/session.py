"""Bringing everything up and down, for several users at once: who still needs it is written down."""

from __future__ import annotations

import fcntl
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import engine, images, packages, processes, registry
from .engine import Engine
from .places import Places, find
from .progress import silently, step


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What is up, and which of it was started just now."""

    engine: Engine
    registry: str
    started: tuple[str, ...]

    def variables(self) -> dict[str, str]:
        """The environment variables by which tests, examples and benchmarks find the parts."""
        names = {image.recipe: image.name for image in images.IMAGES}
        return {
            "DOCKER_HOST": self.engine.url,
            "ECLUSE_TEST_REGISTRY": self.registry,
            "ECLUSE_TEST_BUSYBOX": names["busybox"],
            "ECLUSE_TEST_PYTHON": names["python"],
            "ECLUSE_TEST_POSTGRES": names["postgres"],
        }


@contextmanager
def locked(places: Places) -> Iterator[None]:
    """One at a time changes what is up; the others wait."""
    with (places.root / "lock").open("w") as handle:
        with step("waiting for another run that is setting up the environment"):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def up(places: Places, *, keep: bool, user: int | None = None) -> Facts:
    """Brings up what is missing. It stays up until `down` if `keep`, and in any case while the process `user` lives."""
    with locked(places):
        found = engine.find(places) or engine.neighbour()
        wanted = packages.CLIENT | packages.SERVERS | ({} if found else engine.needs()) | images.needs(places)
        packages.install(packages.missing(wanted), places)
        started = [] if found else ["engine"]
        found = found or engine.start(places)
        try:
            started += images.provide(places, found.url)
            address, fresh = registry.provide(places)
        except BaseException:
            if "engine" in started:
                engine.stop(places)
            raise
        started += ["registry"] if fresh else []
        if keep:
            (places.state / "keep").touch()
        if user:
            processes.remember(places.state / f"user-{user}.json", user)
        facts = Facts(engine=found, registry=address, started=tuple(started))
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in facts.variables().items()]
        places.facts.write_text("".join(lines))
        return facts


def down(places: Places, *, user: int | None = None) -> list[str]:
    """Stops what we started, unless a living process uses it or (when a `user` leaves) an earlier `up` keeps it."""
    with locked(places):
        if user:
            (places.state / f"user-{user}.json").unlink(missing_ok=True)
            if (places.state / "keep").exists():
                return []
        else:
            (places.state / "keep").unlink(missing_ok=True)
        others = users(places)
        if others:
            pids = ", ".join(str(pid) for pid in others)
            return [] if user else [f"still in use by process {pids}, which takes it down when it ends"]
        stopped = ["registry"] if registry.stop(places) else []
        stopped += ["engine"] if engine.stop(places) else []
        places.facts.unlink(missing_ok=True)
        return [f"{name} stopped" for name in stopped]


def users(places: Places) -> list[int]:
    """The living processes that have asked for the environment."""
    found = [processes.recall(file) for file in places.state.glob("user-*.json")]
    return sorted(identity.pid for identity in found if identity)


def shared(places: Places, user: int) -> bool:
    """Whether somebody beside this process uses the environment, or an earlier `up` keeps it."""
    return (places.state / "keep").exists() or users(places) != [user]


@contextmanager
def held(user: int | None = None) -> Iterator[Facts]:
    """The environment for as long as the body runs; ends what it started unless somebody else uses it by then."""
    places, pid = find(), user or os.getpid()
    facts = up(places, keep=False, user=pid)
    try:
        yield facts
    finally:
        with silently():
            down(places, user=pid)


def cache_size(folder: Path) -> int:
    """Bytes of regular files below a folder, as far as we may look."""
    total = 0
    for path, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.lstat(Path(path, name)).st_blocks * 512
            except OSError:
                continue
    return total
