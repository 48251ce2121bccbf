"""Growing logs for other machines: what a run's process sends of them, block by block, to the shared store.

Below `live/<run>/<log>/` stands `age`, the name of the folder that counts, and in that folder each block under the
place of its first byte. A log that begins anew gets a new age. Of many small blocks a bigger one is made in the place
of the first, so that whoever comes late asks for few; those between stay, so that nobody loses the thread.
"""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from pipeline.errors import EcluseError
from pipeline.ports.storage import Shelf

ROOT = "live/"
EVERY = 1.0
"""Seconds between two looks at the logs."""
BLOCK = 4 << 20
"""Bytes of a block at most."""
JOINED = 60
"""So many small blocks are joined, if they are not longer than one block."""
_MARK = 256
"""Bytes before the place up to which was sent, by which a log that began anew is known."""


@dataclass(slots=True)
class _Carried:
    """How far a log was sent."""

    age: str
    sent: int = 0
    mark: bytes = b""
    series: int = 0
    """Where the small blocks begin that are not joined yet."""
    small: int = 0


class LogCarrier:
    """A thread that sends whole lines of all logs in `folder` as they come. Nothing waits for it, and nothing fails
    with it: a log is stored whole when its attempt ends. At its own end it takes the blocks away."""

    def __init__(
        self, shelf: Shelf, folder: Path, *, run: str, token: int, block: int = BLOCK, joined: int = JOINED
    ) -> None:
        """`block` is how many bytes one has at most; `joined` how many small ones become a bigger one."""
        self._shelf = shelf
        self._folder = folder
        self._prefix = f"{ROOT}{run}/"
        self._token = token
        self._block = block
        self._joined = joined
        self._logs: dict[str, _Carried] = {}
        self._ages = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._carry, name="log-carrier", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        try:
            clear(self._shelf, self._prefix)
        except EcluseError:
            return  # the server's round forgets them

    def round(self) -> None:
        """Send what has come. StorageError where the store does not take it: the next round sends it again."""
        for path in sorted(self._folder.glob("*.log")):
            try:
                with path.open("rb") as file:
                    self._send_new(path.name, file)
            except FileNotFoundError:
                continue  # its attempt has ended

    def _carry(self) -> None:
        while not self._over.wait(EVERY):
            try:
                self.round()
            except (EcluseError, OSError):
                continue

    def _send_new(self, name: str, file: IO[bytes]) -> None:
        carried = self._logs.get(name)
        if carried is None or not _goes_on(file, carried):
            self._ages += 1
            carried = _Carried(age=f"{self._token}-{self._ages}")
            self._shelf.send(f"{self._prefix}{name}/age", io.BytesIO(carried.age.encode()), len(carried.age))
            self._logs[name] = carried
        file.seek(carried.sent)
        while block := _whole_lines(file.read(self._block), self._block):
            self._send(name, carried.age, carried.sent, block)
            carried.sent += len(block)
            carried.mark = (carried.mark + block)[-_MARK:]
            self._join(name, file, carried)
            file.seek(carried.sent)

    def _join(self, name: str, file: IO[bytes], carried: _Carried) -> None:
        carried.small += 1
        if carried.sent - carried.series > self._block:
            carried.series, carried.small = carried.sent, 0
        elif carried.small == self._joined:
            file.seek(carried.series)
            self._send(name, carried.age, carried.series, file.read(carried.sent - carried.series))
            carried.series, carried.small = carried.sent, 0

    def _send(self, name: str, age: str, place: int, block: bytes) -> None:
        self._shelf.send(block_name(f"{self._prefix}{name}", age, place), io.BytesIO(block), len(block))


def block_name(log: str, age: str, place: int) -> str:
    """Of the block that begins at this byte."""
    return f"{log}/{age}/{place:012d}"


def clear(shelf: Shelf, prefix: str) -> None:
    """Take all blocks below away."""
    for kept in list(shelf.names(prefix)):
        shelf.delete(kept.name)


def _goes_on(file: IO[bytes], carried: _Carried) -> bool:
    """Whether what was sent still stands before what is new: every line has its time, so no other is the same."""
    file.seek(max(0, carried.sent - len(carried.mark)))
    return file.read(len(carried.mark)) == carried.mark


def _whole_lines(block: bytes, longest: int) -> bytes:
    """Up to the last line end; a line that is longer than a block is cut."""
    return block if len(block) == longest and b"\n" not in block else block[: block.rfind(b"\n") + 1]
