"""Groups in which only one run or stage is at a time, across the processes of one machine: tickets that the kernel
lets go of when their holder dies."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import CancelledError, StorageError
from pipeline.model.definition import ConcurrencyPolicy, ConcurrencyRule
from pipeline.ports.cancellation import Cancellation
from pipeline.storage.bell import Bell, ring

_DOOR = "door"
_TICKET = ".ticket"
_BELL = ".bell"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ticket:
    """Somebody's place in the line of a group; `number` is the order of arrival."""

    path: Path
    number: int
    holder: str

    @property
    def bell(self) -> Path:
        """Where its owner hears that it shall give way."""
        return self.path.with_suffix(_BELL)


class FileGroups:
    """Implements `pipeline.ports.concurrency.Groups` in a folder.

    Whoever comes takes the next number and locks its ticket for as long as it lives. It is in the group when no
    ticket before its own is locked; until then it sleeps at the lock of the one just before it, so the line is fair
    and nothing polls. A ticket without a lock is of somebody who died, and is swept away by the next who comes.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def enter(
        self,
        rule: ConcurrencyRule,
        *,
        repository: str,
        holder: str,
        waiting: Callable[[str], None],
        cancel: Cancellation,
    ) -> GroupPlace:
        """Wait until the group is ours; see the port for the policies."""
        cancel.check()
        folder = self._root / hashlib.sha256(f"{repository}\0{rule.group}".encode()).hexdigest()[:32]
        with _failures(rule.group):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            place, before = _take(folder, rule, holder, cancel)
        try:
            if rule.policy is ConcurrencyPolicy.CANCEL_OLDER:
                for ticket in before:
                    ring(ticket.bell, f"superseded by {holder}")
            self._wait(folder, rule, place, waiting, cancel)
        except BaseException:
            place.leave()
            raise
        return place

    def _wait(
        self,
        folder: Path,
        rule: ConcurrencyRule,
        place: GroupPlace,
        waiting: Callable[[str], None],
        cancel: Cancellation,
    ) -> None:
        told: set[str] = set()
        while True:
            with _failures(rule.group):
                before = [ticket for ticket in _living(folder) if ticket.number < place.number]
            if not before:
                cancel.check()
                return
            if before[0].holder not in told:
                told.add(before[0].holder)
                waiting(before[0].holder)
            _sleep_at(before[-1].path, cancel)
            cancel.check()


class GroupPlace:
    """A place in a group or in its line, until `leave` or the end of the process."""

    def __init__(self, ticket: Path, number: int, descriptor: int, bell: Bell) -> None:
        self._ticket = ticket
        self.number = number
        self._descriptor: int | None = descriptor
        self._bell = bell
        self._lock = threading.Lock()

    def leave(self) -> None:
        """Give it up; idempotent."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        self._bell.close()
        with suppress(OSError):
            self._ticket.unlink()
        os.close(descriptor)


def _take(folder: Path, rule: ConcurrencyRule, holder: str, cancel: Cancellation) -> tuple[GroupPlace, list[_Ticket]]:
    """Our place behind those that are there, whose bell cancels us; with `cancel_newer` CancelledError when there is
    anybody."""
    with _door(folder):
        before = _living(folder, sweep=True)
        if before and rule.policy is ConcurrencyPolicy.CANCEL_NEWER:
            raise CancelledError(f"group '{rule.group}' is taken by {before[0].holder}")
        number = before[-1].number + 1 if before else 1
        path = folder / f"{number:012d}-{os.urandom(4).hex()}{_TICKET}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, json.dumps({"holder": holder}).encode())
        bell = Bell(path.with_suffix(_BELL), cancel.cancel)
    return GroupPlace(path, number, descriptor, bell), before


@contextmanager
def _door(folder: Path) -> Iterator[None]:
    with (folder / _DOOR).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _living(folder: Path, *, sweep: bool = False) -> list[_Ticket]:
    """Tickets whose holder lives, in order; `sweep` removes the others (only behind the door)."""
    found = []
    for path in sorted(folder.glob("*" + _TICKET)):
        with suppress(FileNotFoundError):
            if _locked(path):
                found.append(_Ticket(path=path, number=int(path.name.partition("-")[0]), holder=_holder(path)))
            elif sweep:
                path.with_suffix(_BELL).unlink(missing_ok=True)
                path.unlink()
    return found


def _locked(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _holder(path: Path) -> str:
    try:
        return str(json.loads(path.read_bytes())["holder"])
    except (ValueError, KeyError, TypeError):
        return "another run"


def _sleep_at(path: Path, cancel: Cancellation) -> None:
    """Sleep until the ticket's holder has gone, or we are cancelled; the kernel's wait itself cannot be called off,
    so it has a thread that ends with the other's lock."""
    woken = threading.Event()

    def wait() -> None:
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH)
            finally:
                os.close(descriptor)
        woken.set()

    threading.Thread(target=wait, name="group", daemon=True).start()
    with cancel.calling(woken.set):
        woken.wait()


@contextmanager
def _failures(group: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"group '{group}' cannot be entered: {error}", hint="check the space and the permissions of ECLUSE_HOME"
        ) from error
