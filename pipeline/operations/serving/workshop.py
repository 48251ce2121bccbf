"""The worker: takes items from the queue while it has room, each in a process of its own, and looks after those."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from pipeline import __version__
from pipeline.errors import EcluseError, LeaseLostError
from pipeline.model.work import Worker, WorkerState, WorkItem, WorkState
from pipeline.operations.serving.survivors import Survivors, left_behind, processes
from pipeline.ports.application import Application

LOOK_EVERY = 1.0
"""Seconds between two looks at the queue, where nothing tells of new work."""
_LOOK_TOLD = 5.0
"""The same, where something does."""
_GREET_EVERY = 10.0
_STARTING = 60.0
"""Seconds for which a process may start before it has to renew the lease itself."""
_MOST = 10_000
_CRASHES = 5
"""So often an item's process may end without a word here before the item is given up."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Job:
    item: WorkItem
    process: subprocess.Popen[bytes]
    begun: float


class Workshop:
    """Implements a worker. `program` is the command line to which the item's id, token and worker are added.

    `run` returns when it is closed: see `drain` and `hand_over`. Safe to be asked from other threads.
    """

    def __init__(
        self, app: Application, *, program: Sequence[str], note: Callable[[str], None] = lambda _: None
    ) -> None:
        self._app = app
        self._program = tuple(program)
        self._note = note
        host = socket.gethostname()
        now = app.clock.now()
        self._worker = Worker(
            name=f"{host}-{os.getpid()}-{secrets.token_hex(3)}",
            host=host,
            version=__version__,
            labels=app.settings.labels,
            slots=app.settings.slots,
            state=WorkerState.READY,
            started=now,
            seen=now,
        )
        self._jobs: dict[str, _Job] = {}
        self._crashes: dict[str, int] = {}
        self._survivors: Survivors | None = None
        self._helped = float("-inf")
        self._wake = threading.Event()
        self._draining = threading.Event()
        self._leaving = threading.Event()

    @property
    def worker(self) -> Worker:
        """What the queue knows of it."""
        return self._worker

    @property
    def running(self) -> tuple[str, ...]:
        """Ids of the items under way."""
        return tuple(self._jobs)

    @property
    def draining(self) -> bool:
        """Whether it takes nothing more."""
        return self._draining.is_set()

    def drain(self) -> None:
        """Take nothing more; `run` returns when what is under way has ended."""
        self._draining.set()
        self._wake.set()

    def hand_over(self) -> None:
        """Leave what is under way to other workers (or to the next one here, which attaches to its containers)."""
        self._leaving.set()
        self.drain()

    def run(self) -> None:
        """Work until drained."""
        end = self._app.queue.listen(self._wake.set)
        greeted: float | None = None
        try:
            while not (self.draining and not self._jobs) and not self._leaving.is_set():
                now = self._app.clock.monotonic()
                try:
                    if greeted is None or now - greeted >= _GREET_EVERY or self._is_new_state():
                        self._greet(WorkerState.DRAINING if self.draining else WorkerState.READY)
                        greeted = now
                    self._reap()
                    self._help_start()
                    self._take()
                except EcluseError as error:  # the database is away; what runs goes on for as long as its lease lasts
                    self._note(f"worker: {error.message}")
                self._wake.wait(self._pause())
                self._wake.clear()
        finally:
            end()
            self._leave()

    def _pause(self) -> float:
        """Seconds until the next look, where nobody calls: for what a dead worker left that is soon enough."""
        often = LOOK_EVERY
        with suppress(EcluseError):
            if self._app.queue.tells:
                often = max(LOOK_EVERY, min(_LOOK_TOLD, self._app.settings.lease / 6))
        return often

    def _is_new_state(self) -> bool:
        return self.draining and self._worker.state is WorkerState.READY

    def _greet(self, state: WorkerState) -> None:
        self._worker = replace(self._worker, state=state, seen=self._app.clock.now())
        self._app.queue.greet(self._worker)

    def _take(self) -> None:
        if self._survivors is None:
            taken = self._app.queue.items(states=(WorkState.TAKEN,), limit=_MOST)
            self._survivors = Survivors(left_behind(taken, processes(), host=self._worker.host))
        while not self.draining and len(self._jobs) + self._survivors.count() < self._worker.slots:
            item = self._app.queue.take(self._worker, seconds=self._app.settings.lease)
            if item is None:
                return
            words = (*self._program, item.id, "--token", str(item.token), "--worker", item.worker)
            process = subprocess.Popen(  # its own session: a Ctrl-C at our terminal is for us to handle
                words,
                env=dict(self._app.environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._jobs[item.id] = _Job(item=item, process=process, begun=self._app.clock.monotonic())
            self._note(f"run {item.id} of {item.request.repository} begins")
            threading.Thread(target=self._await, args=(process,), name=f"await-{item.id}", daemon=True).start()

    def _help_start(self) -> None:
        """Renew the leases of processes that have just been started: on a busy machine that takes its time."""
        now = self._app.clock.monotonic()
        if now - self._helped < self._app.settings.lease / 3:
            return
        self._helped = now
        for job in self._jobs.values():
            if now - job.begun < _STARTING:
                with suppress(LeaseLostError):
                    self._app.queue.renew(job.item, seconds=self._app.settings.lease)

    def _await(self, process: subprocess.Popen[bytes]) -> None:
        process.wait()
        self._wake.set()

    def _reap(self) -> None:
        for id_, job in list(self._jobs.items()):
            code = job.process.poll()
            if code is None:
                continue
            self._settle(job, code)
            del self._jobs[id_]

    def _settle(self, job: _Job, code: int) -> None:
        """The process has ended; where it did not finish its item itself, the item goes back into the queue."""
        item = self._app.queue.find(job.item.id)
        if item.state is not WorkState.TAKEN or (item.token, item.worker) != (job.item.token, job.item.worker):
            self._crashes.pop(item.id, None)
            self._note(f"run {item.id} of {item.request.repository}: {item.detail or item.state.value}")
            return
        why = f"its process ended with {code}" if code >= 0 else f"its process was killed by signal {-code}"
        crashes = self._crashes[item.id] = self._crashes.get(item.id, 0) + 1
        self._note(f"run {item.id} of {item.request.repository}: {why}")
        with suppress(LeaseLostError):
            if crashes < _CRASHES:
                self._app.queue.give_back(job.item, why=f"{why}; it goes on from there")
                return
            self._give_up(job.item, f"{why}, {crashes} times")

    def _give_up(self, item: WorkItem, why: str) -> None:
        from pipeline.errors import NotFoundError
        from pipeline.model.outcome import errored
        from pipeline.model.status import RunState
        from pipeline.operations.cancel import end_run
        from pipeline.operations.serving.asking import subject_of

        with suppress(NotFoundError):
            run = self._app.records.find_run(subject_of(item))
            if run.state is not RunState.DONE:
                end_run(self._app, run, errored(why, hint="the log of the worker has more"))
        self._app.queue.finish(item, state=WorkState.DONE, detail=why)

    def _leave(self) -> None:
        """Kill the processes of what is still under way, as a crash would, and give it back at once."""
        for job in self._jobs.values():
            job.process.kill()
        for job in self._jobs.values():
            job.process.wait()
            with suppress(EcluseError):
                self._app.queue.give_back(job.item, why=f"{self._worker.name} handed it over")
        self._jobs.clear()
        with suppress(EcluseError):
            self._worker = replace(self._worker, state=WorkerState.GONE, seen=self._app.clock.now())
            self._app.queue.greet(self._worker)
