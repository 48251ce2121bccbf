"""Keeps the results of stages for later runs, in a thread of its own, while the run goes on."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import EcluseError
from pipeline.ports.reuse import ReuseEntry
from pipeline.ports.stage import Reuse

if TYPE_CHECKING:
    from pipeline.engine.reuse_rules import ReuseRules
    from pipeline.engine.scope import RunScope
    from pipeline.model.plan import PlannedStage
    from pipeline.ports.reuse import StageKey

LISTED = 50_000
"""Files of a source of which there may be more before it is not worth while to keep their list."""
SMALLEST = 10240
"""A tar stream of more bytes than this holds something."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Job:
    planned: PlannedStage
    key: StageKey


class Keeping:
    """One a run; its thread starts with the first result."""

    def __init__(self, scope: RunScope, rules: ReuseRules) -> None:
        self._scope = scope
        self._rules = rules
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._notes: list[str] = []
        self._dropping = False
        self._unchanged: bool | None = None
        self._listed: set[str] = set()
        self._seen = {need.stage for item in scope.plan.stages for need in item.stage.needs}
        self._worth = any(self._serves(item) for item in scope.plan.stages)

    def note(self, text: str) -> None:
        """Something for people that concerns the store and no stage."""
        with self._lock:
            self._notes.append(text)

    def seen(self, name: str) -> bool:
        """Whether another stage sees the layer of this one."""
        return name in self._seen

    def keep(self, planned: PlannedStage) -> None:
        """Keep a stage's result if it may serve again; one that passed only after a failure proves too little."""
        stage = self._scope.runs.get(planned.stage.name)
        if not self._worth or len(stage.attempts) != 1 or not stage.attempts[0].log:
            return
        key = self._rules.keys.take(planned)
        if not key.serves or key.digest is None:
            return
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="keeping", daemon=True)
                self._thread.start()
        self._jobs.put(_Job(planned=planned, key=key))

    def close(self, *, drop: bool) -> tuple[str, ...]:
        """Wait for what is under way; the notes."""
        self._dropping = drop
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
        return tuple(self._notes)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if self._dropping or not self._source_stands():
                continue
            try:
                self._keep(job)
            except EcluseError as error:
                self.note(f"{job.planned.stage.name}: its result cannot be kept for later runs: {error.message}")

    def _source_stands(self) -> bool:
        """Whether the working tree is what the plan saw; what was checked out while somebody wrote in it proves
        nothing of the tree that the keys name."""
        if self._unchanged is None:
            try:
                self._unchanged = self._rules.unchanged()
            except EcluseError:
                self._unchanged = False
            if not self._unchanged:
                self.note("the working tree changed while the run began: its results are not kept for later runs")
        return self._unchanged

    def _keep(self, job: _Job) -> None:
        rules, stage, key = self._rules, self._scope.runs.get(job.planned.stage.name), job.key
        attempt = stage.attempts[0]
        kept = stage.name in self._seen and self._kind_of(job.planned) is not Reuse.SOURCE
        layer = self._save_layer(stage.name, attempt.number) if kept else None
        entry = ReuseEntry(
            key=key.digest or "",
            stage=stage.name,
            run=self._scope.run_id,
            number=self._scope.number(),
            installation=rules.installation,
            attempt=attempt.number,
            created=self._scope.clock.now(),
            inputs=key.inputs or {},
            products=attempt.products,
            reason=attempt.outcome.reason if attempt.outcome else "",
            log=attempt.log,
            log_lines=attempt.log_lines,
            service_logs=attempt.service_logs,
            layer=layer or "",
            layer_kept=layer is not None,
            executor=rules.executor,
            seconds=(attempt.finished - attempt.started).total_seconds() if attempt.finished else 0.0,
        )
        rules.store.save(entry, repository=rules.repository, scope=rules.writes, replace=rules.fresh(stage.name))
        self._keep_listing(job)

    def _keep_listing(self, job: _Job) -> None:
        """Keep which files a key stands for, once for each set of them."""
        name = (job.key.inputs or {}).get("files", "")
        if name and name not in self._listed:
            self._listed.add(name)
            files = self._rules.keys.listing(job.planned.stage)
            if len(files) <= LISTED:
                self._rules.store.save_listing(name, files)

    def _save_layer(self, name: str, attempt: int) -> str | None:
        """The digest of the archived layer; "" where there is nothing in it; None where it cannot be kept: then the
        stage has to run again where another one runs that sees it."""
        layers = self._scope.layers
        if not layers.left_by(name):
            return ""
        view = layers.view(name, attempt)
        try:
            chunks = _unless_empty(self._scope.session.workspace.save(view.layer, view.below))
            return self._scope.storage.put(chunks)[0] if chunks is not None else ""
        except EcluseError as error:
            self.note(f"{name}: what it wrote cannot be kept for later runs: {error.message}")
            return None

    def _serves(self, planned: PlannedStage) -> bool:
        """Whether a stage makes it worth while to keep anything: one that is more than a checkout."""
        kind = self._scope.kinds[planned.stage.kind]
        if kind.reuse is Reuse.ON_REQUEST:
            return planned.stage.reuse or bool(planned.stage.inputs)
        return kind.reuse is Reuse.ALWAYS

    def _kind_of(self, planned: PlannedStage) -> Reuse:
        return self._scope.kinds[planned.stage.kind].reuse


def _has_no_member(archive: bytes) -> bool:
    import io
    import tarfile

    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r|") as members:
            return next(iter(members), None) is None
    except tarfile.TarError:
        return False


def _unless_empty(chunks: Iterable[bytes]) -> Iterator[bytes] | None:
    """The same stream, or None for a tar stream without a member."""
    stream = iter(chunks)
    first = b""
    for chunk in stream:
        first += chunk
        if len(first) > SMALLEST:
            break
    else:
        if _has_no_member(first):
            return None

    def whole() -> Iterator[bytes]:
        yield first
        yield from stream

    return whole()
