"""The figures of the simulated day as Markdown, and their place in docs/scale.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from scale_measured import mean, quantile
from scale_result import Large, Result

WORDS = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}
WHO = {
    "server": "server: webhooks, pages, logs, deciding",
    "git": "its git: fetching what was pushed",
    "worker": "workers",
    "run": "processes that make runs, with their git",
    "database": "PostgreSQL",
}
_MB = 1e6


def report(result: Result) -> str:
    """All tables."""
    parts = [_machine(result), "", *_times(result), "", *_processor(result), ""]
    if result.statements:
        parts += [*_asked(result), ""]
    parts += [*_tables(result), ""]
    if result.statements:
        parts += [*_large(Large(result=result)), ""]
    return "\n".join(parts)


def put(text: str, page: Path, database: str) -> None:
    """Replace what the page has between the marks of this database."""
    begin, end = (f"<!-- measured by `make bench-scale` on {WORDS[database]}: {word} -->" for word in ("begin", "end"))
    before, found, rest = page.read_text().partition(begin)
    if not found:
        raise SystemExit(f"{page} has no line '{begin}'")
    page.write_text(f"{before}{begin}\n{text}{end}{rest.partition(end)[2]}")


def statements(result: Result, most: int = 25) -> str:
    """What each asked of PostgreSQL most often, for each run."""
    lines = []
    for role, asked in result.statements.items():
        lines.append(f"{role}: {asked.transactions / result.runs:.1f} transactions for each run")
        lines += [
            f"  {calls / result.runs:8.2f} calls {spent / result.runs:8.3f} ms  {text[:150]}"
            for calls, spent, text in asked.listed[:most]
        ]
    return "\n".join(lines)


def _machine(result: Result) -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    size, kernel = result.size, platform.release().split("-")[0]
    opened = sum(len(times) for times in result.seen.pages.values())
    return (
        f"{datetime.now(UTC).date()}: {os.cpu_count()} cores, {memory:.0f} GiB, Linux {kernel}, "
        f"Python {platform.python_version()}, {WORDS[size.database]}; load average {os.getloadavg()[2]:.1f}. "
        f"{size.repositories} repositories, {size.runs} runs of {size.stages} stages ({size.seconds:g} s and "
        f"{size.lines} lines each), a day of {size.day:g} s, {size.workers} workers with {size.slots} slots; "
        f"{size.visitors} visitors opened {opened} pages. The last run ended after {result.seconds:.0f} s; "
        f"{len(result.seen.wrong) or 'nothing'} lost, double or wrong."
    )


def _times(result: Result) -> list[str]:
    seen, courses = result.seen, result.courses
    rows: list[tuple[str, Sequence[float]]] = [
        ("webhook sent → answered 202", seen.answered),
        ("received → decided and queued", [item.queued - item.received for item in courses]),
        ("queued → leased by a worker", [item.taken - item.queued for item in courses]),
        ("leased → run recorded (process started, planned)", [item.begun - item.taken for item in courses]),
        ("the run", [item.ended - item.begun for item in courses]),
        ("run ended → item done", [item.finished - item.ended for item in courses]),
        *((f"page: {kind}", times) for kind, times in sorted(seen.pages.items())),
    ]
    lines = ["| under this load | p50 | p99 |", "|---|---|---|"]
    lines += [f"| {what} | {_time(quantile(times, 0.5))} | {_time(quantile(times, 0.99))} |" for what, times in rows]
    return [
        *lines,
        "",
        (
            f"At most {result.waiting} runs waited at a time. {seen.followed} logs were followed to their end: "
            f"{seen.lines} lines, none missing."
        ),
    ]


def _processor(result: Result) -> list[str]:
    lines = ["| processor time | for each run | for each stage | at rest |", "|---|---|---|---|"]
    for name, title in WHO.items():
        if name == "database" and not result.statements:
            continue
        each, rest = result.each(name), result.rest.get(name, 0.0)
        lines.append(f"| {title} | {each:.0f} ms | {each / result.size.stages:.1f} ms | {100 * rest:.1f} % of a core |")
    memory = {"server": 0, "worker": 0}
    for name, resident in result.memory.items():
        key = name.split()[0]
        memory[key] = max(memory[key], resident)
    return [
        *lines,
        "",
        (
            f"Memory at most: server {memory['server'] / _MB:.0f} MB, a worker {memory['worker'] / _MB:.0f} MB, "
            f"a process that makes a run {result.largest / _MB:.0f} MB."
        ),
    ]


def _asked(result: Result) -> list[str]:
    lines = [
        "| asked of PostgreSQL for each stage | transactions | statements | rows | log (WAL) | at rest |",
        "|---|---|---|---|---|---|",
    ]
    stages = result.runs * result.size.stages
    words = {"server": "by the server, pages included", "worker": "by workers", "run": "by runs"}
    whole = [0.0] * 5
    for role, title in words.items():
        asked = result.statements[role]
        cells = [asked.transactions, asked.statements, asked.rows, asked.written / 1000]
        cells = [*(cell / stages for cell in cells), result.resting[role]]
        whole = [one + more for one, more in zip(whole, cells, strict=True)]
        lines.append(_cells(title, cells))
    lines.append(_cells("**all**", whole))
    renewed = sum(
        calls for calls, _, text in result.statements["run"].listed if text.startswith("UPDATE work SET expires")
    )
    held = mean([item.finished - item.taken for item in result.courses])
    return [
        *lines,
        "",
        (
            f"A run under way holds {result.connections:.1f} connections. Its lease was renewed "
            f"{renewed / result.runs:.1f} times in {held:.1f} s, {renewed / result.seconds:.1f} a second in all."
        ),
    ]


def _cells(title: str, cells: Sequence[float]) -> str:
    transactions, statements, rows, written, rest = cells
    return f"| {title} | {transactions:.1f} | {statements:.1f} | {rows:.1f} | {written:.1f} kB | {rest:.1f}/s |"


def _tables(result: Result) -> list[str]:
    lines = ["| growth for each run | rows | bytes with indexes |", "|---|---|---|"]
    lines += [
        f"| `{table.name}` | {table.rows / result.runs:.1f} | {table.size / result.runs:,.0f} |"
        for table in result.tables[:10]
    ]
    whole = sum(table.size for table in result.tables)
    lines.append(f"| **all tables** | | **{whole / result.runs:,.0f}** |")
    lines.append(f"| logs and artifacts, outside the database | | {result.stored / result.runs:,.0f} |")
    return lines


def _large(large: Large) -> list[str]:
    result = large.result
    day = large.stages / result.size.stages
    grown = sum(large.a_day(table) for table in result.tables)
    hooks = next((large.a_day(table) for table in result.tables if table.name == "deliveries"), 0.0)
    rows = [
        (
            "runs",
            (
                f"{day:,.0f} a day, {large.runs:.1f} a second; {large.under_way:,.0f} under way, if one lasts "
                f"{large.run_seconds / 60:.0f} minutes"
            ),
        ),
        ("server, with its git", f"{large.cores('server') + large.cores('git'):.1f} cores"),
        (
            "processes that make runs, with the workers",
            (
                f"{large.cores('run') + large.cores('worker'):.0f} cores beside those of the stages themselves, "
                f"{large.under_way * result.largest / 1e9:,.0f} GB of memory"
            ),
        ),
        (
            "PostgreSQL",
            (
                f"{large.a_second('transactions'):,.0f} transactions, {large.a_second('statements'):,.0f} statements "
                f"and {large.a_second('written') / _MB:.1f} MB of log a second: {large.cores('database'):.1f} cores"
            ),
        ),
        ("connections of runs to PostgreSQL", f"{large.connections:,.0f}"),
        (
            "runs under way, beside that",
            f"{large.renewals:,.0f} renewals of leases and {large.looks:,.0f} looks for a wish to stop a second",
        ),
        (
            "growth of the database",
            f"{grown / 1e9:.1f} GB a day, of which {hooks / 1e9:.1f} GB are webhooks, kept for 30 days",
        ),
        ("logs and artifacts", f"{day * result.stored / result.runs / 1e9:.0f} GB a day as small as they are here"),
    ]
    return [
        f"| {large.repositories:,} repositories, {large.stages:,} stages a day: worked out | at the peak |",
        "|---|---|",
        *(f"| {what} | {words} |" for what, words in rows),
    ]


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"
