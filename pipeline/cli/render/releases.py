"""Releases and the history of an environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from pipeline.cli.render.chart import chart_lines
from pipeline.cli.render.clean import one_line
from pipeline.cli.render.lines import Line, Piece, columns, fitted, line
from pipeline.cli.render.words import ago, duration, moment, promotion_look, shape, short, spoken
from pipeline.model.release import Promotion, PromotionKind, Release
from pipeline.model.status import PromotionState
from pipeline.operations.history import History
from pipeline.operations.inspect import ReleaseFacts


def release_lines(found: Sequence[ReleaseFacts], *, now: datetime, width: int) -> list[Line]:
    """A line a release, its images below."""
    if not found:
        return [line("no releases yet; a stage of kind deploy seals one")]
    rows: list[list[str | Piece]] = []
    images: list[list[Line]] = []
    for item in found:
        release = item.release
        live = ", ".join(item.live_in)
        place: Piece = (f"live in {live}", "succeeded") if live else (_past(item.promotions), "dim")
        rows.append(
            [
                (one_line(release.name), "bold"),
                (short(release.id), "dim"),
                ago(release.created, now),
                (release.commit[:12] + ("+ dirty" if release.dirty else ""), "warned" if release.dirty else ""),
                place,
            ]
        )
        images.append([line((f"  {one_line(name)}: {one_line(pin)}", "dim")) for name, pin in release.images.items()])
    lines: list[Line] = []
    for head, below in zip(columns(rows), images, strict=True):
        lines += [head, *below]
    return [fitted(entry, width) for entry in lines]


def _past(promotions: Sequence[Promotion]) -> str:
    """Where a release is no longer: only what held there was in an environment, the rest was tried."""
    held = {item.environment for item in promotions if item.state is PromotionState.DEPLOYED}
    tried = {item.environment for item in promotions} - held
    words = [f"{word} in {', '.join(sorted(names))}" for word, names in (("was", held), ("tried", tried)) if names]
    return "; ".join(words) or "nowhere"


def history_lines(history: History, *, now: datetime, width: int) -> list[Line]:
    """What runs now, then each promotion, newest first."""
    rows = [_row(promotion, history.releases, now) for promotion in history.promotions]
    details = [_details(promotion) for promotion in history.promotions]
    lines = [*_now(history, now), line()]
    for head, below in zip(columns(rows), details, strict=True):
        lines += [head, *below]
    return [fitted(entry, width) for entry in lines]


def _row(promotion: Promotion, releases: Mapping[str, Release], now: datetime) -> list[str | Piece]:
    look = promotion_look(promotion.state)
    replaces = f"replaces {_name(promotion.replaces, releases)}" if promotion.replaces else "first one"
    sealed = releases.get(promotion.release)
    if sealed is not None and promotion.kind is PromotionKind.PROMOTE and promotion.run not in ("", sealed.run):
        replaces = f"again, {replaces}"  # the same content as before keeps its first name, which another run gave it
    took = (promotion.finished - promotion.created).total_seconds() if promotion.finished else None
    gap = f"gap {duration(promotion.gap)}" if promotion.gap is not None else ""
    return [
        shape(look),
        (spoken(promotion.state.value), look),
        (_name(promotion.release, releases), "bold"),
        replaces,
        f"{moment(promotion.created)} ({ago(promotion.created, now)})",
        (duration(took), "dim"),
        one_line(promotion.requested_by),
        (gap, "dim"),
    ]


def _details(promotion: Promotion) -> list[Line]:
    passed = sum(item.passed for item in promotion.measurements)
    checks = f"{passed} of {len(promotion.measurements)} checks passed" if promotion.measurements else ""
    words = [promotion.reason, promotion.detail, checks]
    lines = [line(("  " + one_line("; ".join(word for word in words if word)), "dim"))] if any(words) else []
    return lines + [line("  ", *chart) for chart in chart_lines(promotion.measurements)]


def _now(history: History, now: datetime) -> list[Line]:
    name = history.environment
    if history.live is None and history.removed is not None and not history.drifted:
        gone = history.removed
        why = one_line(str(gone.data.get("because", "")))
        words = f" runs nothing: {one_line(gone.actor)} took it away {ago(gone.time, now)}"
        return [line(shape("waiting"), " ", (name, "bold"), words, (f" ({why})" if why else "", "dim"))]
    ledger = _name(history.live.release, history.releases) if history.live else "nothing"
    if history.observed is None:
        why = f" (its target cannot be asked: {one_line(history.problem)})"
        return [line(shape("waiting"), " ", (name, "bold"), f" has {ledger}, says the ledger", (why, "warned"))]
    serving = history.observed.serving
    running = ", ".join(sorted({_name(instance.release, history.releases) for instance in serving})) or "nothing"
    if history.drifted:
        head = line(
            shape("warned"),
            " ",
            (name, "bold"),
            f" runs {running}, but the ledger says {ledger}",
            (": drifted", "warned"),
        )
    else:
        head = line(shape("succeeded"), " ", (name, "bold"), " runs ", (running, "bold"), ", as the ledger says")
    lines = [head]
    for instance in serving:
        health = {True: ", healthy", False: ", not healthy", None: ""}[instance.healthy]
        where = f" at {', '.join(instance.addresses)}" if instance.addresses else ""
        lines.append(line((f"  {one_line(instance.name)}{health}{where}: {one_line(instance.image)}", "dim")))
    return lines


def _name(release: str, releases: Mapping[str, Release]) -> str:
    known = releases.get(release)
    return one_line(known.name) if known else short(release) or "nothing"
