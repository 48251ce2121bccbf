"""The working tree as git sees it: tracked and untracked files that are not ignored, submodules included."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import SourceError
from pipeline.ports.stage import StageContext
from stages.source_archive import Entry

POINTER = (b"version https://git-lfs.github.com/spec/", b"version https://hawser.github.com/spec/")
POINTER_SIZE = 1024
"""Bytes that no Git LFS pointer exceeds, by its specification."""

_STRAYS = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES"),
    *("GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_PREFIX", "GIT_CONFIG", "GIT_CONFIG_PARAMETERS"),
)


@contextmanager
def working_tree(context: StageContext, *, levels: int) -> Iterator[tuple[Entry, ...]]:
    """The files of the working tree at this moment; `levels` is how deep submodules are followed.

    Raises SourceError where git refuses and for a submodule that has not been fetched.
    """
    yield tuple(_files(context, Path(context.source.path), "", levels))


def pointers(entries: Iterable[Entry]) -> list[str]:
    """Names of the files that are Git LFS pointers instead of content."""
    files = tuple(entries)
    rules = (entry.place for entry in files if entry.name.rpartition("/")[2] == ".gitattributes")
    if not any(b"filter=lfs" in _start(place, 1 << 20) for place in rules):
        return []
    return [entry.name for entry in files if _size(entry.place) <= POINTER_SIZE and _points(entry.place)]


def safe_environment() -> dict[str, str]:
    """For a git that asks nobody and starts nothing that the repository names."""
    environment = {name: value for name, value in os.environ.items() if name not in _STRAYS}
    first = int(environment.get("GIT_CONFIG_COUNT") or 0)
    environment |= {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
    environment |= {f"GIT_CONFIG_KEY_{first}": "core.fsmonitor", f"GIT_CONFIG_VALUE_{first}": "false"}
    environment |= {f"GIT_CONFIG_KEY_{first + 1}": "core.hooksPath", f"GIT_CONFIG_VALUE_{first + 1}": os.devnull}
    return environment | {"GIT_CONFIG_COUNT": str(first + 2)}


def _files(context: StageContext, root: Path, prefix: str, levels: int) -> Iterator[Entry]:
    environment = safe_environment()
    links: dict[str, bool] = {"": False}
    folders: list[str] = []
    for raw in dict.fromkeys(_list(root, environment, "-co", "--exclude-standard")):
        name = os.fsdecode(raw)
        if name.endswith("/"):
            context.log.note(f"warning: {prefix}{name} is another repository that git does not track: left out")
            continue
        place = root / name
        match _type(place):
            case stat.S_IFDIR:
                folders.append(name)
            case stat.S_IFREG | stat.S_IFLNK if not _behind_link(root, name.rpartition("/")[0], links):
                yield Entry(name=prefix + name, place=place)
    for name in _submodules(root, environment, folders):
        if levels == 0:
            context.log.note(f"submodule {prefix}{name} is left out, as `submodules` says")
            continue
        if not (root / name / ".git").exists():
            raise SourceError(
                f"submodule '{prefix}{name}' ({_url(root, environment, name)}) has not been fetched",
                hint=f"run `git submodule update --init --recursive -- {name}`, or write `submodules: false`",
            )
        yield from _files(context, root / name, f"{prefix}{name}/", levels - 1)


def _submodules(root: Path, environment: Mapping[str, str], folders: list[str]) -> Iterator[str]:
    if folders:
        for line in _list(root, environment, "-s", "--", *folders):
            facts, _, name = line.partition(b"\t")
            if facts.startswith(b"160000 "):
                yield os.fsdecode(name)


def _behind_link(root: Path, folder: str, known: dict[str, bool]) -> bool:
    """Whether a symbolic link has taken the place of one of the folders: then git counts the file as deleted."""
    if folder not in known:
        known[folder] = _behind_link(root, folder.rpartition("/")[0], known) or (root / folder).is_symlink()
    return known[folder]


def _url(root: Path, environment: Mapping[str, str], name: str) -> str:
    try:
        listing = _git(root, environment, "config", "-f", ".gitmodules", "-z", "--list").decode(errors="replace")
    except SourceError:
        return "without a line in .gitmodules"
    values = dict(entry.partition("\n")[::2] for entry in listing.split("\0"))
    section = next(
        (key[: -len(".path")] for key, value in values.items() if value == name and key.endswith(".path")), ""
    )
    return values.get(f"{section}.url", "without an address in .gitmodules")


def _list(root: Path, environment: Mapping[str, str], *arguments: str) -> list[bytes]:
    return [name for name in _git(root, environment, "ls-files", "-z", *arguments).split(b"\0") if name]


def _git(root: Path, environment: Mapping[str, str], *arguments: str) -> bytes:
    command = ("git", "--literal-pathspecs", "-C", str(root), *arguments)
    answer = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if answer.returncode:
        words = answer.stderr.decode(errors="replace").strip()
        hint = "run `git status` there"
        if "dubious ownership" in words:
            hint = f"if you trust it: git config --global --add safe.directory {root}"
        raise SourceError(f"git cannot list {root}: {words.removeprefix('fatal: ').splitlines()[0]}", hint=hint)
    return answer.stdout


def _type(place: Path) -> int:
    try:
        return stat.S_IFMT(place.lstat().st_mode)
    except OSError:
        return 0


def _size(place: Path) -> int:
    try:
        return place.lstat().st_size
    except OSError:
        return POINTER_SIZE + 1


def _points(place: Path) -> bool:
    return not place.is_symlink() and _start(place, 64).startswith(POINTER)


def _start(place: Path, size: int) -> bytes:
    try:
        with place.open("rb") as file:
            return file.read(size)
    except OSError:
        return b""
