"""A checkout as a stage with `inputs` sees it: only the files that match; it cannot read what does not count."""

from __future__ import annotations

import hashlib
import tarfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO, TYPE_CHECKING

from pipeline.engine.chunks import ChunkFile
from pipeline.model.container import View
from pipeline.model.globs import matcher

if TYPE_CHECKING:
    from pipeline.ports.workspace import Workspace

_CHUNK = 1 << 18


class Narrowing:
    """Makes one narrow layer for each checkout and set of globs. Safe for several threads."""

    def __init__(self, workspace: Callable[[], Workspace]) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()
        self._made: dict[str, threading.Lock] = {}
        self._there: set[str] = set()

    def narrow(self, layer: str, inputs: Sequence[str]) -> str:
        """The name of a layer with those files of `layer` that match."""
        digits = hashlib.sha256("\n".join(inputs).encode()).hexdigest()[:12]
        name = f"{layer}.{digits}"
        with self._lock:
            making = self._made.setdefault(name, threading.Lock())
        with making:
            if name not in self._there:
                workspace = self._workspace()
                workspace.fill(name, narrowed(workspace.archive(View(layer=layer), "."), inputs))
                self._there.add(name)
        return name


def selects(inputs: Sequence[str]) -> Callable[[str], bool]:
    """Whether a path matches one of the globs and none of those that start with `!`."""
    wanted = matcher([pattern for pattern in inputs if not pattern.startswith("!")])
    unwanted = matcher([pattern[1:] for pattern in inputs if pattern.startswith("!")])
    return lambda path: wanted(path) and not unwanted(path)


def narrowed(archive: Iterable[bytes], inputs: Sequence[str]) -> Iterator[bytes]:
    """A tar stream with the files and links that match, and the folders above them."""
    chosen = selects(inputs)
    folders: dict[str, tarfile.TarInfo] = {}
    source: IO[bytes] = ChunkFile(archive)  # type: ignore[assignment]  # a raw file, which is all that tarfile asks
    with tarfile.open(fileobj=source, mode="r|") as given:
        for member in given:
            path = member.name.removeprefix("./").rstrip("/")
            if member.isdir():
                folders[path] = member
            elif chosen(path):
                for above in [name for name in _above(path) if name in folders]:
                    yield _header(folders.pop(above))
                yield _header(member)
                content = given.extractfile(member) if member.isreg() else None
                if content is not None:
                    yield from iter(lambda: content.read(_CHUNK), b"")  # noqa: B023 - used up before the next member
                    yield bytes(-member.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _header(member: tarfile.TarInfo) -> bytes:
    return member.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _above(path: str) -> Iterator[str]:
    """`a/b/c` → `a`, `a/b`."""
    parts = path.split("/")
    for length in range(1, len(parts)):
        yield "/".join(parts[:length])
