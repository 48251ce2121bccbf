"""The figures as Markdown, and their place in docs/benchmarks.md."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from contenders import NOT_MEASURED
from floor import Part
from measuring import Times
from workloads import Workload

BEGIN, END = "<!-- measured by `make bench`: begin -->", "<!-- measured by `make bench`: end -->"
AGAIN_SECONDS = 0.4
"""What a re-run of the chain may take in which nothing has changed."""

Measured = Mapping[str, tuple[Workload, Sequence[Times]]]


def report(measured: Measured, *, rounds: int, parts: Sequence[Part]) -> tuple[str, bool]:
    """The tables, the parts of the engine's own time, and whether Écluse kept its limits."""
    limits, kept = _limits(measured)
    return "\n".join([_machine(rounds), "", *limits, "", _floor(parts), "", *_side_by_side(measured), ""]), kept


def put(text: str, page: Path) -> None:
    """Replace what the page has between the marks."""
    before, _, rest = page.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n{text}{END}{after}")


def _machine(rounds: int) -> str:
    words = ["docker", "version", "--format", "{{.Server.Version}}"]
    engine = subprocess.run(words, capture_output=True, text=True).stdout.strip() or "unknown"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load, kernel = os.getloadavg()[2], platform.release().split("-")[0]
    return (
        f"{datetime.now(UTC).date()}: {os.cpu_count()} cores, {memory:.0f} GiB, Linux {kernel}, "
        f"Docker Engine {engine}, Python {platform.python_version()}; {rounds} rounds; load average {load:.1f}."
    )


def _floor(parts: Sequence[Part]) -> str:
    told = "; ".join(f"{part.what} {part.seconds * 1000:.0f} ms" for part in parts)
    return f"The engine alone, by its API, one at a time, from creation to removal (medians of the same run): {told}."


def _limits(measured: Measured) -> tuple[list[str], bool]:
    rows = [
        "| workload | docker | Écluse | ratio: median (range) | at most | kept |",
        "|---|---|---|---|---|---|",
    ]
    all_kept = True
    for work, times in measured.values():
        floor, own = times[0], next(entry for entry in times if entry.contender.name == "ecluse")
        ratios = own.ratios(floor)
        if work.again or work.most is None:
            continue
        kept = statistics.median(ratios) <= work.most
        rows.append(_row(work.title, floor.median, own.median, ratios, f"{work.most:g}", kept))
        all_kept &= kept
    if "again" in measured and "chain" in measured:
        work, times = measured["again"]
        own = next(entry for entry in times if entry.contender.name == "ecluse")
        first = next(entry for entry in measured["chain"][1] if entry.contender.name == "ecluse")
        ratios = [again / first.median for again in own.seconds]
        kept = statistics.median(ratios) <= (work.most or 1) and own.median <= AGAIN_SECONDS
        title = f"{work.title}, against Écluse's first run"
        rows.append(_row(title, first.median, own.median, ratios, f"{work.most:g} and {AGAIN_SECONDS:g} s", kept))
        all_kept &= kept
    return rows, all_kept


def _row(title: str, floor: float, own: float, ratios: Sequence[float], most: str, kept: bool) -> str:
    spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    return f"| {title} | {floor:.2f} s | {own:.2f} s | {spread} | {most} | {'yes' if kept else 'NO'} |"


def _side_by_side(measured: Measured) -> list[str]:
    """Seconds and the ratio to plain docker; then who could not take part, and why."""
    columns = [(work, times) for work, times in measured.values() if work.peers]
    if not columns:
        return []
    contenders = {entry.contender.name: entry.contender for _, times in columns for entry in times}
    rows = [
        "| | " + " | ".join(work.title for work, _ in columns) + " |",
        "|---|" + "---|" * len(columns),
    ]
    missing: dict[str, list[str]] = {}
    for name, contender in contenders.items():
        cells = []
        for work, times in columns:
            entry = next((entry for entry in times if entry.contender.name == name), None)
            if entry is None or entry.why_not:
                cells.append("–")
                if entry is not None:
                    missing.setdefault(f"{contender.title}: {entry.why_not}", []).append(work.title)
            else:
                ratio = statistics.median(entry.ratios(times[0]))
                cells.append(f"{entry.median:.2f} s, {ratio:.2f}×")
        note = f" ({contender.note})" if contender.note else ""
        if set(cells) != {"–"}:
            rows.append(f"| {contender.title}{note} | " + " | ".join(cells) + " |")
    rows += ["", "Not in the table:", ""]
    for reason, titles in missing.items():
        rows.append(f"- {_plain(reason)} ({'everything' if len(titles) == len(columns) else ', '.join(titles)}).")
    rows += [f"- {name}: {why}." for name, why in NOT_MEASURED.items()]
    return rows


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
