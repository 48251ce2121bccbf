"""What many runs tell together: measures of each run, results of tests, and outlines for housekeeping."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pipeline.model.report import CoverageReport, TestStatus
from pipeline.model.status import Conclusion, RunState


@dataclass(frozen=True, kw_only=True, slots=True)
class RunMeasure:
    """One finished run as a point of a trend. Counts are of the last attempts of its stages; reused ones are left
    out. `test_seconds` is the sum that the test runners measured."""

    run: str
    number: int
    branch: str
    commit: str
    created: datetime
    seconds: float
    conclusion: Conclusion
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    test_seconds: float = 0.0
    coverage: CoverageReport | None = None

    @property
    def tests(self) -> int:
        """How many tests there were."""
        return self.passed + self.failed + self.skipped

    @property
    def pass_rate(self) -> float | None:
        """Percent of the tests that ran; None where none did."""
        ran = self.passed + self.failed
        return 100.0 * self.passed / ran if ran else None


@dataclass(frozen=True, kw_only=True, slots=True)
class TestTime:
    """How long a test takes: mean and longest seconds of the times that it passed."""

    __test__ = False

    stage: str
    classname: str
    name: str
    file: str
    mean: float
    longest: float
    times: int


@dataclass(frozen=True, kw_only=True, slots=True)
class FileTime:
    """Seconds that the tests of one file and class took in one attempt at a stage; `file` may be ""."""

    run: str
    stage: str
    attempt: int
    file: str
    classname: str
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class TestResult:
    """How one test ended in one attempt. `stage` is the stage as written, `cell` its cell's name; `tree` is what
    was tested, "" where that is not known."""

    __test__ = False

    run: str
    number: int
    branch: str
    tree: str
    created: datetime
    stage: str
    cell: str
    attempt: int
    classname: str
    name: str
    file: str
    status: TestStatus
    message: str
    quarantined: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RunOutline:
    """A run without its stages; `ended` is None until it is done."""

    run: str
    number: int
    repository: str
    state: RunState
    created: datetime
    ended: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class LogPlace:
    """Where the log of an ended attempt lies; `service` is "" for the stage's own."""

    run: str
    number: int
    repository: str
    branch: str
    stage: str
    attempt: int
    digest: str
    service: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpiredArtifact:
    """A kept file whose time is over."""

    run: str
    name: str
    path: str
    digest: str
    size: int
