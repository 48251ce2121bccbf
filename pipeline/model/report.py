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
        """How many failed or errored."""
        return self.count(TestStatus.FAILED) + self.count(TestStatus.ERRORED)

    @property
    def failures(self) -> tuple[TestCase, ...]:
        """Tests that failed or errored, in report order."""
        return tuple(case for case in self.cases if case.status in (TestStatus.FAILED, TestStatus.ERRORED))

    @property
    def summary(self) -> str:
        """For people: `12 passed, 1 failed, 2 skipped`."""
        parts = [f"{self.count(status)} {status.value}" for status in TestStatus if self.count(status)]
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
