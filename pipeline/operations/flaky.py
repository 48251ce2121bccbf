"""Flaky tests: those that passed and failed on the same tree, found over many runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from pipeline.model.history import TestResult
from pipeline.model.quarantine import Quarantine
from pipeline.model.report import WRONG, TestCase, TestStatus
from pipeline.ports.records import Records


@dataclass(frozen=True, kw_only=True, slots=True)
class FlakyTest:
    """A test of a stage that changed its mind. `runs` is in how many runs it ran, `failed` in how many of them it
    failed at least once, `flips` in how many cases it failed and passed on the same tree: at a retry, or in runs of
    the same commit."""

    stage: str
    classname: str
    name: str
    file: str
    runs: int
    failed: int
    flips: int
    last: datetime
    """When it last failed."""
    last_run: int
    message: str
    """What it said then."""
    history: str
    """Newest last: `.` passed, `x` failed, `~` both in one run."""
    until: date | None = None
    """The end of its quarantine; None when it is in none."""

    @property
    def title(self) -> str:
        """`classname::name`, as the quarantine calls it."""
        return f"{self.classname}::{self.name}" if self.classname else self.name

    @property
    def rate(self) -> float:
        """Percent of its runs in which it failed."""
        return 100.0 * self.failed / self.runs if self.runs else 0.0


def flaky_tests(
    records: Records,
    *,
    repository: str,
    branch: str = "",
    stage: str = "",
    runs: int = 100,
    quarantine: Sequence[Quarantine] = (),
    today: date,
) -> Sequence[FlakyTest]:
    """Flaky tests of the newest finished runs, those that flipped most first."""
    wrong = records.test_results(repository=repository, branch=branch, stage=stage, runs=runs, wrong=True)
    names = {item.name for item in wrong}
    if not names:
        return ()
    keys = {_key(item) for item in wrong}
    by_test: dict[tuple[str, str, str], list[TestResult]] = defaultdict(list)
    for item in records.test_results(repository=repository, branch=branch, stage=stage, runs=runs, names=names):
        if _key(item) in keys and item.status is not TestStatus.SKIPPED:
            by_test[_key(item)].append(item)
    found = [_judged(results, quarantine, today) for results in by_test.values()]
    return sorted((item for item in found if item.flips), key=lambda item: (-item.flips, -item.failed, item.title))


def as_quarantined(tests: Sequence[FlakyTest], quarantine: Sequence[Quarantine], today: date) -> Sequence[FlakyTest]:
    """The same with the ends that this quarantine sets them."""
    return [replace(item, until=_until(item.stage, item.classname, item.name, quarantine, today)) for item in tests]


def _until(stage: str, classname: str, name: str, quarantine: Sequence[Quarantine], today: date) -> date | None:
    case = TestCase(suite="", classname=classname, name=name, status=TestStatus.FAILED)
    return max((item.until for item in quarantine if item.until >= today and item.covers(case, stage)), default=None)


def _key(item: TestResult) -> tuple[str, str, str]:
    return item.stage, item.classname, item.name


def _judged(results: Sequence[TestResult], quarantine: Sequence[Quarantine], today: date) -> FlakyTest:
    """One test from its results, newest run first."""
    newest = next(item for item in results if item.status in WRONG)
    by_run: dict[str, list[TestResult]] = defaultdict(list)
    for item in results:
        by_run[item.run].append(item)
    return FlakyTest(
        stage=newest.stage,
        classname=newest.classname,
        name=newest.name,
        file=newest.file,
        runs=len(by_run),
        failed=sum(any(item.status in WRONG for item in items) for items in by_run.values()),
        flips=_flips(results),
        last=newest.created,
        last_run=newest.number,
        message=newest.message.strip().partition("\n")[0],
        history="".join(map(_mark, reversed(by_run.values()))),
        until=_until(newest.stage, newest.classname, newest.name, quarantine, today),
    )


def _flips(results: Iterable[TestResult]) -> int:
    """Groups of results that should agree and do not: one cell on one tree, and the attempts of one run."""
    seen: dict[tuple[str, str], set[bool]] = defaultdict(set)
    for item in results:
        seen[item.cell, item.tree or item.run].add(item.status in WRONG)
    return sum(len(verdicts) == 2 for verdicts in seen.values())


def _mark(results: Sequence[TestResult]) -> str:
    verdicts = {item.status in WRONG for item in results}
    return "~" if len(verdicts) == 2 else "x" if True in verdicts else "."
