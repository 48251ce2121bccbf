"""Caches come back as they were, from one's own level or a higher one, and nothing about them fails a stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from container_folder import ContainerFolder
from scripted_run import FixedClock

from pipeline.engine.caches import StageCaches
from pipeline.model.definition import CacheRule
from pipeline.model.source import Event
from pipeline.model.trust import Trust
from pipeline.storage.directory import DirectoryStorage
from pipeline.storage.objects import FolderObjects
from pipeline.storage.reuse import ObjectReuse

MAIN = Event(kind="push", branch="main", trust=Trust.PROTECTED)
BRANCH = Event(kind="push", branch="topic", trust=Trust.BRANCH)
FORK = Event(kind="pull_request", branch="main", trust=Trust.UNTRUSTED, proposal="7")
OTHER_FORK = replace(FORK, proposal="8")
PIP = CacheRule(key="pip-2", fallback=("pip-",), paths=("/var/cache/pip", "build/obj"))
FILES = {"/var/cache/pip/a/wheel": b"w" * 5000, "/workspace/build/obj/main.o": b"\0\n{}"}


class Ground:
    """One installation's caches; `made` gives those of a stage with its own container."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.storage = DirectoryStorage(root / "storage")
        self.store = ObjectReuse(FolderObjects(root / "reuse"), self.storage)
        self.notes: list[str] = []

    def made(
        self, *rules: CacheRule, event: Event = MAIN, repository: str = "shop", limit: int = 1 << 20
    ) -> StageCaches:
        return StageCaches(
            rules=rules,
            store=lambda: self.store,
            storage=self.storage,
            repository=repository,
            event=event,
            clock=FixedClock(),
            limit=limit,
            note=self.notes.append,
        )

    def container(self, name: str) -> ContainerFolder:
        return ContainerFolder(self.root / name)

    def filled(self, name: str = "first") -> ContainerFolder:
        container = self.container(name)
        for path, content in FILES.items():
            container.write(path, content)
        return container


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


def holds(container: ContainerFolder) -> bool:
    return all(container._place(path).exists() and container.content(path) == item for path, item in FILES.items())


def test_what_is_kept_comes_back(ground: Ground) -> None:
    ground.made(PIP).restore(ground.container("empty"))
    ground.made(PIP).save(ground.filled())
    second = ground.container("second")
    ground.made(PIP).restore(second)
    assert holds(second)
    said = [note.partition(": ")[2].split(" in ")[0] for note in ground.notes]
    assert said[0] == "nothing kept yet"
    assert said[1].startswith("kept ")
    assert said[2].startswith("restored ")


@pytest.mark.parametrize(
    ("keys", "fallback", "expected"),
    [
        pytest.param(["pip-1", "npm-1"], ("pip-",), "pip-1", id="a-beginning"),
        pytest.param(["pip-1", "npm-1"], ("yarn-", "npm-", "pip-"), "npm-1", id="in-order"),
        pytest.param(["pip-1"], ("npm-",), None, id="none"),
        pytest.param(["pip-1"], (), None, id="no-fallback"),
    ],
)
def test_fallbacks(ground: Ground, keys: list[str], fallback: tuple[str, ...], expected: str | None) -> None:
    for key in keys:
        ground.made(replace(PIP, key=key)).save(ground.filled())
    ground.notes.clear()
    second = ground.container("second")
    ground.made(replace(PIP, fallback=fallback)).restore(second)
    assert holds(second) is (expected is not None)
    assert (f" from '{expected}' " in ground.notes[0]) is (expected is not None)


def test_an_exact_hit_is_not_saved_again(ground: Ground) -> None:
    ground.made(PIP).save(ground.filled())
    ground.notes.clear()
    ground.made(PIP).save(ground.filled("other"))
    assert ground.notes == []


@pytest.mark.parametrize(
    ("writer", "reader", "served"),
    [
        pytest.param(MAIN, MAIN, True, id="own"),
        pytest.param(MAIN, BRANCH, True, id="branch-reads-protected"),
        pytest.param(MAIN, FORK, True, id="fork-reads-protected"),
        pytest.param(BRANCH, MAIN, False, id="protected-does-not-read-branch"),
        pytest.param(FORK, MAIN, False, id="protected-does-not-read-fork"),
        pytest.param(FORK, BRANCH, False, id="branch-does-not-read-fork"),
        pytest.param(FORK, OTHER_FORK, False, id="fork-does-not-read-another-fork"),
        pytest.param(FORK, FORK, True, id="fork-reads-its-own"),
        pytest.param(replace(FORK, allowed="a person"), MAIN, False, id="allowed-fork-still-writes-to-its-own"),
    ],
)
def test_levels(ground: Ground, writer: Event, reader: Event, served: bool) -> None:
    ground.made(PIP, event=writer).save(ground.filled())
    second = ground.container("second")
    ground.made(PIP, event=reader).restore(second)
    assert holds(second) is served


def test_another_repository_has_its_own(ground: Ground) -> None:
    ground.made(PIP).save(ground.filled())
    second = ground.container("second")
    ground.made(PIP, repository="elsewhere").restore(second)
    assert not holds(second)


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(_flip, id="altered"),
        pytest.param(lambda path: (path.chmod(0o644), path.write_bytes(path.read_bytes()[:3000])), id="half"),
        pytest.param(Path.unlink, id="gone"),
    ],
)
def test_a_damaged_archive_is_dropped(ground: Ground, harm: Callable[[Path], object]) -> None:
    ground.made(PIP).save(ground.filled())
    for path in (ground.root / "storage").rglob("*"):
        if path.is_file() and path.stat().st_size > 4000:
            harm(path)
    second = ground.container("second")
    ground.made(PIP).restore(second)
    assert not second.root.exists()
    third = ground.container("third")
    ground.made(PIP).restore(third)
    assert ground.notes[-1] == "cache 'pip-2': nothing kept yet"
    ground.made(PIP).save(ground.filled("again"))
    ground.made(PIP).restore(third)
    assert holds(third)


@pytest.mark.parametrize(
    ("rule", "limit", "note"),
    [
        pytest.param(PIP, 3000, "cache 'pip-2': larger than 2.9 KiB (setting cache_limit), not kept", id="too-large"),
        pytest.param(
            replace(PIP, paths=("/nowhere",)),
            1 << 20,
            "cache 'pip-2': none of /nowhere is there, nothing kept",
            id="nothing",
        ),
    ],
)
def test_what_is_not_kept(ground: Ground, rule: CacheRule, limit: int, note: str) -> None:
    ground.made(rule, limit=limit).save(ground.filled())
    assert ground.notes == [note]
    second = ground.container("second")
    ground.made(rule).restore(second)
    assert not second.root.exists()


def test_only_the_paths_that_the_stage_lists_come(ground: Ground) -> None:
    ground.made(PIP).save(ground.filled())
    second = ground.container("second")
    ground.made(replace(PIP, paths=("build/obj",))).restore(second)
    assert [path.name for path in second.root.rglob("*") if path.is_file()] == ["main.o"]
