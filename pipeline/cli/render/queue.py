"""The queue and the workers as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from pipeline.cli.render.clean import one_line
from pipeline.cli.render.lines import Line, Piece, columns, fitted, line
from pipeline.cli.render.words import ago
from pipeline.model.work import Worker, WorkerState, WorkItem, WorkState

_LOOKS: Mapping[WorkState, str] = {
    WorkState.QUEUED: "dim",
    WorkState.TAKEN: "accent",
    WorkState.PARKED: "",
    WorkState.DONE: "dim",
}


def queue_lines(items: Sequence[WorkItem], *, now: datetime, width: int) -> list[Line]:
    """A line an item: state, id, since when, what, where, and why it waits or how it ended."""
    if not items:
        return [line("nothing waits")]
    rows: list[list[str | Piece]] = [
        [
            (item.state.value, _LOOKS[item.state]),
            (item.id, "bold"),
            (ago(item.created, now), ""),
            item.kind.value,
            one_line(item.request.repository),
            one_line(_what(item)),
            (one_line(item.worker), "dim"),
            one_line(" ".join(item.detail.split())),
        ]
        for item in items
    ]
    return [fitted(entry, width) for entry in columns(rows)]


def worker_lines(workers: Sequence[Worker], *, now: datetime, width: int) -> list[Line]:
    """A line a worker."""
    if not workers:
        return [line("no worker has ever been here; start one: ", ("ecluse serve", "accent"))]
    rows: list[list[str | Piece]] = [
        [
            (item.state.value, "dim" if item.state is WorkerState.GONE else "accent"),
            (one_line(item.name), "bold"),
            f"{item.slots} slots",
            one_line(", ".join(item.labels)),
            (item.version, "dim"),
            (f"seen {ago(item.seen, now)}", "dim"),
        ]
        for item in workers
    ]
    return [fitted(entry, width) for entry in columns(rows)]


def _what(item: WorkItem) -> str:
    event = item.request.event
    if item.request.wish is not None:
        return f"{item.request.wish.kind.value} {item.request.wish.environment}"
    name = event.tag or event.branch or item.request.sha[:12]
    return f"{event.kind.replace('_', ' ')} {event.proposal or name}"
