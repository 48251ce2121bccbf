"""`ecluse gc`: remove what finished and abandoned runs left behind."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import click

from pipeline.cli.options import application, output, show
from pipeline.cli.render.clean import one_line
from pipeline.cli.render.lines import Line, line
from pipeline.cli.render.words import count, shape, size
from pipeline.errors import EngineUnreachableError
from pipeline.operations.prune import Prunable
from pipeline.operations.review_ends import ReviewEnd


@click.command()
@click.option("--abandon", is_flag=True, help="Close every run whose process has gone, also those of the last 24 h.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option(
    "--keep-images",
    default="24h",
    metavar="TIME",
    help="How long images of finished runs stay (12h, 7d; 0s removes all); by default 24h.",
)
def gc(abandon: bool, dry_run: bool, keep_images: str) -> None:
    """Remove what runs left behind: containers, volumes, networks, images, logs, blobs, and runs whose time is over.

    Only what this installation made is touched, never what it deployed (but for review environments whose time is
    over), never a run that is under way, and never the runs of a release that is live. How long runs, results and
    caches stay is set: keep_runs_days, keep_runs_most, storage_limit, reuse_days, reuse_limit.
    """
    from pipeline.operations.prune import PruneRequest, prunable, prune
    from pipeline.operations.review_ends import end_reviews, review_ends

    app = application()
    request = PruneRequest(abandon=abandon, keep_images=_age(keep_images))
    unreachable: EngineUnreachableError | None = None
    try:
        found = prunable(app, request, _places(app.settings.executor), progress=_progress)
    except EngineUnreachableError as error:
        unreachable = error
        found = prunable(app, request, ["process"], progress=_progress)
    ends = review_ends(app)
    if not dry_run:
        ends = end_reviews(app, ends)
        found = prune(app, found, progress=_progress)
    show([*_review_lines(ends, done=not dry_run), *_lines(found, done=not dry_run)])
    if unreachable is not None and app.settings.executor != "process":
        raise unreachable


def _places(executor: str) -> list[str]:
    """Executors that runs may have left something with. A swarm's tells of the manager's own engine too."""
    return ["swarm" if executor == "swarm" else "docker", "process"]


def _review_lines(ends: Sequence[ReviewEnd], *, done: bool) -> list[Line]:
    lines: list[Line] = []
    for item in ends:
        name = one_line(item.promotion.environment)
        if item.problem:
            lines.append(line(shape("failed"), f" could not take away {name}: {one_line(item.problem)}"))
        else:
            word = "took away" if done else "would take away"
            lines.append(line(shape("succeeded"), f" {word} {name}: {item.reason}"))
    return lines


def _age(text: str) -> timedelta:
    from pipeline.model.quantity import seconds

    try:
        return timedelta(seconds=seconds(text))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--keep-images") from error


def _progress(text: str) -> None:
    if output().interactive:
        sys.stderr.write(f"· {text}\n")


def _lines(found: Prunable, *, done: bool) -> list[Line]:
    counts = Counter(leftover.kind for leftovers in found.leftovers.values() for leftover in leftovers)
    parts = [count(number, kind) for kind, number in sorted(counts.items())]
    if found.old_runs:
        parts.append(f"{count(len(found.old_runs), 'run')} whose time is over")
    if found.artifacts:
        parts.append(f"{count(len(found.artifacts), 'artifact')} whose time is over")
    if found.folders:
        parts.append(count(len(found.folders), "log folder"))
    if found.blobs:
        parts.append(f"{count(len(found.blobs), 'blob')} ({size(sum(number for _, number in found.blobs))})")
    if found.files:
        parts.append(f"{count(len(found.files), 'unused file')} ({size(sum(item.size for item in found.files))})")
    lines: list[Line] = []
    for run in found.runs:
        word = "closed" if done else "would close"
        lines.append(line(shape("warned"), f" {word} run {run.number or run.id}: the process that ran it has gone"))
    verb = "removed" if done else "would remove"
    lines.append(line(shape("succeeded"), f" {verb} {', '.join(parts)}" if parts else " nothing to remove"))
    lines += [
        line(
            shape("waiting"),
            f" kept run {run.number or run.id}, whose process has gone; ",
            ("--abandon closes it", "dim"),
        )
        for run in found.kept
    ]
    if found.lost:
        lines.append(
            line(
                shape("warned"),
                " the records know no run, so every log and artifact stays, for they may have been lost; ",
                ("--abandon removes them", "dim"),
            )
        )
    return lines
