"""The right to change one environment: a lease in the records with a fencing token, kept by a heartbeat."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from pipeline.delivery.lock import EnvironmentLock
from pipeline.errors import EcluseError, LeaseLostError
from pipeline.model.decision import Lease
from pipeline.model.ulid import ulid
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.clock import Clock
from pipeline.ports.records import Records
from pipeline.ports.target import Progress

SECONDS = 20.0
"""How long a lease lasts without a heartbeat: so long others wait for a machine that fell over."""
PAUSE = 0.5
"""Seconds between two tries to get the lease of somebody on another machine."""


def holder_name(who: str, *, installation: str, moment: str) -> str:
    """Who holds it, in words, with the place (so that we know our own dead) and a mark that no other taking has."""
    return f"{who} on {_place(installation)}#{moment}"


class EnvironmentLease:
    """Held from `take` to `release`. The lock of this machine stands before it: who has that knows that every other
    holder of this installation is dead, and need not wait for its lease to run out.

    Threads: one thread takes, checks and releases; the heartbeat is another. `lost` is cancelled when somebody else
    holds it.
    """

    def __init__(
        self,
        *,
        name: str,
        who: str,
        lock: EnvironmentLock,
        records: Callable[[], Records],
        clock: Clock,
        installation: str,
        seconds: float = SECONDS,
    ) -> None:
        self._name = name
        self._who = who
        self._lock = lock
        self._records = records
        self._clock = clock
        self._installation = installation
        self._seconds = seconds
        self._guard = threading.Lock()
        self._lease: Lease | None = None
        self._until = 0.0
        self._stopped = threading.Event()
        self._beating: threading.Thread | None = None
        self.lost = Cancellation()

    @property
    def token(self) -> int:
        """What the target is told; it grows with each holder."""
        return self.current.token

    @property
    def current(self) -> Lease:
        """The lease as it stands. LeaseLostError when it is not ours (any more)."""
        with self._guard:
            if self._lease is None or self.lost.cancelled:
                raise LeaseLostError(
                    f"the lease of {self._name} is not ours any more"
                    + (f": {self.lost.reason}" * bool(self.lost.reason)),
                    hint="somebody else promotes there now; `ecluse history` tells what became of this promotion",
                )
            return self._lease

    def take(self, *, progress: Progress, cancel: Cancellation, look: Callable[[], None] = lambda: None) -> None:
        """Wait until nobody else may write there. `look` is called between tries, and may raise. CancelledError."""
        moment = ulid(self._clock.now(), os.urandom(10))
        holder = holder_name(f"{self._who} (pid {os.getpid()})", installation=self._installation, moment=moment)
        self._lock.take(f"{self._who} (pid {os.getpid()})", progress=progress, cancel=cancel, look=look)
        try:
            self._await(holder, progress=progress, cancel=cancel, look=look)
        except BaseException:
            self._lock.release()
            raise
        self._beating = threading.Thread(target=self._beat, name=f"lease-{self._name}", daemon=True)
        self._beating.start()

    def check(self) -> None:
        """LeaseLostError unless it is ours; renews it where the heartbeat is late. Called before each write."""
        lease = self.current
        if self._clock.monotonic() >= self._until - self._seconds / 3:
            self._renew(lease)

    def release(self) -> None:
        """Let the next one in; nothing happens when it is not held."""
        self._stopped.set()
        if self._beating is not None:
            self._beating.join(self._seconds)
            self._beating = None
        with self._guard:
            lease, self._lease = self._lease, None
        try:
            if lease is not None and not self.lost.cancelled:
                self._records().release_lease(lease)
        finally:
            self._lock.release()

    def _await(self, holder: str, *, progress: Progress, cancel: Cancellation, look: Callable[[], None]) -> None:
        """A holder is dead when its lease has not moved for its whole length, by our own stopwatch: wall clocks, which
        somebody may set, say nothing here."""
        seen, since, said = "", 0.0, ""
        while True:
            other = self._records().lease(self._name)
            if other is None:
                if self._taken(holder):
                    return
                continue
            ours = f" on {_place(self._installation)}#" in other.holder  # and we have its lock, so it is dead
            now, state = self._clock.monotonic(), f"{other.token} {other.expires}"
            if state != seen:
                seen, since = state, now
            if not ours and other.holder != said:
                progress(f"{self._name} is being deployed to by {other.holder.rpartition('#')[0]}; waiting")
                said = other.holder
            if ours or now - since >= self._seconds:
                self._records().release_lease(other)
                continue
            look()
            cancel.wait(min(PAUSE, self._seconds / 8))
            cancel.check()

    def _taken(self, holder: str) -> bool:
        began = self._clock.monotonic()
        lease = self._records().take_lease(self._name, holder=holder, seconds=self._seconds)
        if lease is not None:
            with self._guard:
                self._lease, self._until = lease, began + self._seconds
        return lease is not None

    def _beat(self) -> None:
        while not self._stopped.wait(self._seconds / 4):
            with self._guard:
                lease = self._lease
            if lease is None:
                return
            try:
                self._renew(lease)
            except LeaseLostError:
                return
            except EcluseError:
                continue  # the records may answer again before its time is over; `check` decides

    def _renew(self, lease: Lease) -> None:
        began = self._clock.monotonic()
        try:
            renewed = self._records().renew_lease(lease, seconds=self._seconds)
        except LeaseLostError as error:
            self.lost.cancel(error.message)
            raise
        except EcluseError as error:
            if began >= self._until:
                self.lost.cancel(f"it ran out while it could not be renewed: {error.message}")
                raise LeaseLostError(
                    f"the lease of {self._name} ran out while it could not be renewed: {error.message}",
                    hint="the next promotion puts right what this one left",
                ) from error
            raise
        with self._guard:
            if self._lease is not None:
                self._lease, self._until = renewed, began + self._seconds


def environment_lease(
    environment: str,
    *,
    service: str,
    who: str,
    home: Path,
    records: Callable[[], Records],
    clock: Clock,
    installation: str,
    seconds: float = SECONDS,
) -> EnvironmentLease:
    """That of one environment of a pipeline, for whoever wants to change what runs there; nobody holds it yet."""
    return EnvironmentLease(
        name=f"{service}/{environment}",
        who=who,
        lock=EnvironmentLock(home / "locks", service=service, environment=environment),
        records=records,
        clock=clock,
        installation=installation,
        seconds=seconds,
    )


def _place(installation: str) -> str:
    return f"{socket.gethostname()}/{installation[:12]}"
