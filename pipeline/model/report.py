"""Test reports: what a test runner said, normalised over the dialects of JUnit XML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class TestStatus(StrEnum):
    """How one test ended."""

    __test__ = False

    PASSED = "passed"
    FAILED = "failed"
    ERRORED = "errored"
    SKIPPED = "skipped"


WRONG = (TestStatus.FAILED, TestStatus.ERRORED)
"""How a test ends that did not do what it should."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TestCase:
    """One test; `seconds` as the runner measured it, `message` and `details` only where it did not pass."""

    __test__ = False

    suite: str
    classname: str
    name: str
    status: TestStatus
    seconds: float = 0.0
    message: str = ""
    details: str = ""
    file: str = ""
    line: int = 0
    quarantined: str = ""
    """Why its failure does not count, for people; "" where it counts."""

    @property
    def title(self) -> str:
        """What people and the quarantine call it: `classname::name`, or the name alone."""
        return f"{self.classname}::{self.name}" if self.classname else self.name


@dataclass(frozen=True, kw_only=True, slots=True)
class TestReport:
    """All tests of a stage attempt."""

    __test__ = False

    cases: tuple[TestCase, ...] = ()
    unlisted: Mapping[TestStatus, int] = field(default_factory=dict)
    """Tests that suites count in their attributes without listing a single case."""

    def count(self, status: TestStatus) -> int:
        """How many tests ended so."""
        return sum(case.status is status for case in self.cases) + self.unlisted.get(status, 0)

    @property
    def total(self) -> int:
        """How many tests there are."""
        return len(self.cases) + sum(self.unlisted.values())

    @property
    def failed(self) -> int:
        """How many failed or errored, those in quarantine not counted."""
        return self.count(TestStatus.FAILED) + self.count(TestStatus.ERRORED) - self.quarantined

    @property
    def quarantined(self) -> int:
        """How many failed or errored in quarantine."""
        return sum(bool(case.quarantined) for case in self.failures)

    @property
    def failures(self) -> tuple[TestCase, ...]:
        """Tests that failed or errored, in report order; those in quarantine too."""
        return tuple(case for case in self.cases if case.status in WRONG)

    @property
    def summary(self) -> str:
        """For people: `12 passed, 1 failed, 2 skipped`."""
        parts = [f"{self.count(status)} {status.value}" for status in TestStatus if self.count(status)]
        if self.quarantined:
            parts.append(f"{self.quarantined} of them in quarantine")
        return ", ".join(parts) or "no tests"


@dataclass(frozen=True, kw_only=True, slots=True)
class CoverageReport:
    """Line coverage: covered and total lines."""

    covered: int
    total: int

    @property
    def percent(self) -> float:
        """0 to 100; 100 where there are no lines."""
        return 100.0 * self.covered / self.total if self.total else 100.0
