"""What a run leaves for a CI host: annotations, a summary, JUnit, SARIF, code quality and variables."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import junitparser
import pytest

from pipeline.cli.job import below
from pipeline.cli.render.annotations import LIMIT, remarks
from pipeline.cli.render.job_summary import job_summary
from pipeline.errors import StorageError
from pipeline.model.finding import Finding, FindingSeverity
from pipeline.model.outcome import Outcome
from pipeline.model.report import TestCase, TestReport, TestStatus
from pipeline.model.run import Artifact, Attempt, Products, Run, StageRun
from pipeline.model.status import Conclusion, RunState, StageState
from pipeline.operations.job_reports import prepare_reports, write_reports
from pipeline.storage.directory import DirectoryStorage

BEGIN = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def case(name: str, **facts: object) -> TestCase:
    """A failed test."""
    given = {"suite": "s", "classname": "tests.test_boats", "status": TestStatus.FAILED, "message": "no", **facts}
    return TestCase(name=name, **given)  # type: ignore[arg-type]


def finding(rule: str, severity: FindingSeverity = FindingSeverity.HIGH, **facts: object) -> Finding:
    """Something that a scanner found."""
    given = {"check": "dockerfile", "tool": "t", "message": "bad", **facts}
    return Finding(rule=rule, severity=severity, **given)  # type: ignore[arg-type]


def stage(name: str, conclusion: Conclusion, reason: str = "exit 1", **products: object) -> StageRun:
    """A stage that is done."""
    outcome = Outcome(conclusion=conclusion, reason=reason, hint="look")
    made = Products(**products)  # type: ignore[arg-type]
    attempt = Attempt(number=1, started=BEGIN, finished=BEGIN, outcome=outcome, products=made)
    done = StageRun(name=name, kind="test", state=StageState.DONE, outcome=outcome, attempts=(attempt,))
    return replace(done, started=BEGIN, finished=BEGIN + timedelta(seconds=3))


def run(*stages: StageRun, conclusion: Conclusion = Conclusion.FAILED) -> Run:
    """A run that is done."""
    return Run(
        id="01jdexample0000000000000ab",
        number=41,
        repository="https://git.example.org/shop.git",
        pipeline="shop",
        commit="4f1c0de" + "0" * 33,
        message="Sell boats",
        author="Anna",
        branch="main",
        tag="",
        event="push",
        actor="anna",
        dirty=False,
        plan_digest="",
        state=RunState.DONE,
        conclusion=conclusion,
        created=BEGIN,
        finished=BEGIN + timedelta(seconds=14),
        stages=stages,
    )


def report(*cases: TestCase) -> TestReport:
    """A report."""
    return TestReport(cases=cases)


IN_REPOSITORY = {"tests/test_boats.py", "Dockerfile"}
PYTEST = "    def test_sells():\n>       assert 1 == 2\nE       assert 1 == 2\n\ntests/test_boats.py:7: AssertionError"
TRACEBACK = 'File "/usr/lib/python3/unittest.py", line 9\n  File "/workspace/tests/test_boats.py", line 4, in x\n  ok'


@pytest.mark.parametrize(
    ("stages", "commands"),
    [
        pytest.param(
            [stage("unit", Conclusion.FAILED, tests=report(case("sells", file="tests/test_boats.py", line=3)))],
            ["::error file=tests/test_boats.py,line=3,title=unit%3A tests.test_boats.sells::no"],
            id="test-with-its-place",
        ),
        pytest.param(
            [stage("unit", Conclusion.FAILED, tests=report(case("sells", details=PYTEST)))],
            ["::error file=tests/test_boats.py,line=7,title=unit%3A tests.test_boats.sells::no"],
            id="place-in-details-of-pytest",
        ),
        pytest.param(
            [stage("unit", Conclusion.FAILED, tests=report(case("sells", details=TRACEBACK)))],
            ["::error file=tests/test_boats.py,line=4,title=unit%3A tests.test_boats.sells::no"],
            id="place-in-a-traceback",
        ),
        pytest.param(
            [stage("unit", Conclusion.FAILED, tests=report(case("sells", file="../../etc/passwd", line=1)))],
            ["::error title=unit%3A tests.test_boats.sells::no"],
            id="place-outside-the-repository",
        ),
        pytest.param(
            [stage("unit", Conclusion.FAILED, tests=report(case("a,b", classname="", message="50%\nless\x1b[31m")))],
            ["::error title=unit%3A a%2Cb::50%25%0Aless"],
            id="escapes",
        ),
        pytest.param(
            [stage("unit", Conclusion.WARNED, "exit 1, allowed", tests=report(case("sells")))],
            [
                "::warning title=unit warned::exit 1, allowed%0Alook",
                "::warning title=unit%3A tests.test_boats.sells::no",
            ],
            id="allowed-to-fail",
        ),
        pytest.param(
            [
                stage("a", Conclusion.SUCCEEDED),
                stage("b", Conclusion.TIMED_OUT, "timeout 10m"),
                stage("c", Conclusion.BLOCKED),
            ],
            ["::error title=b timed out::timeout 10m%0Alook"],
            id="stage-without-tests",
        ),
        pytest.param(
            [
                stage(
                    "scan",
                    Conclusion.FAILED,
                    "1 high finding",
                    findings=(
                        finding("DL1", FindingSeverity.LOW, file="Dockerfile", line=2),
                        finding("CVE-1", package="zlib", version="1.2", fixed_in="1.3"),
                        finding("DL2", FindingSeverity.MEDIUM, file="elsewhere", line=2),
                    ),
                )
            ],
            [
                "::error title=scan failed::1 high finding%0Alook",
                "::error title=scan%3A high CVE-1::zlib 1.2: bad (fixed in 1.3)",
                "::warning title=scan%3A medium DL2::bad",
                "::notice file=Dockerfile,line=2,title=scan%3A low DL1::bad",
            ],
            id="findings",
        ),
    ],
)
def test_annotations(stages: Sequence[StageRun], commands: Sequence[str]) -> None:
    found = remarks(run(*stages), known=IN_REPOSITORY.__contains__)
    assert [item.command() for item in found] == list(commands)


def test_annotations_beyond_the_hosts_limit_are_counted() -> None:
    said = report(*(case(f"t{number}") for number in range(25)))
    found = remarks(run(stage("unit", Conclusion.FAILED, tests=said)), known=IN_REPOSITORY.__contains__)
    assert len(found) == LIMIT
    assert found[-1].command() == "::error title=run 41::… and 16 more in the summary, the reports and the log"


def test_an_annotation_names_the_file_from_the_jobs_workspace(tmp_path: Path) -> None:
    (tmp_path / "code/shop").mkdir(parents=True)
    said = report(case("sells", file="tests/test_boats.py", line=3))
    found = remarks(run(stage("unit", Conclusion.FAILED, tests=said)), known=IN_REPOSITORY.__contains__)
    folder = below(tmp_path / "code/shop", {"GITHUB_WORKSPACE": str(tmp_path)})
    assert found[0].command(folder).startswith("::error file=code/shop/tests/test_boats.py,line=3,")
    assert below(tmp_path, {"GITHUB_WORKSPACE": str(tmp_path)}) == ""
    assert below(tmp_path, {"GITHUB_WORKSPACE": "/elsewhere"}) == ""


def test_the_summary_is_a_table_that_nobody_elses_text_can_break() -> None:
    wicked = case("<img src=x>|@team", classname="", message="see [here](http://x) `#1`\nmore")
    text = job_summary(run(stage("unit", Conclusion.FAILED, "1 test failed", tests=report(wicked))))
    assert text.splitlines()[0] == "### shop #41 failed in 14s"
    assert "| unit | ✕ failed | 3.0s | 1 test failed · 1 failed |" in text
    listed = next(row for row in text.splitlines() if row.startswith("- "))
    assert not set("<>|@[]`") & set(listed.removeprefix("- unit: **").replace("**<br>", ""))
    assert "#### 1 test failed" in text


def test_reports_are_written_for_every_stage_and_old_ones_are_gone(tmp_path: Path) -> None:
    storage = DirectoryStorage(tmp_path / "storage")
    digest, size = storage.put(io.BytesIO(b'{"runs": []}'))
    kept = Artifact(name="findings", path="findings.sarif", digest=digest, size=size, kind="sarif")
    folder = tmp_path / "work/.ecluse/reports"
    prepare_reports(folder, tmp_path / "work")
    (folder / "junit/ecluse-old.xml").write_text("old")
    (folder / "junit/theirs.xml").write_text("theirs")
    prepare_reports(folder, tmp_path / "work")
    cases = (case("sells", line=3, file="tests/test_boats.py"), case("ok", status=TestStatus.PASSED, message=""))
    write_reports(
        run(
            stage("unit:3.10,sqlite", Conclusion.FAILED, tests=report(*cases)),
            stage(
                "scan", Conclusion.SUCCEEDED, artifacts=(kept,), findings=(finding("DL2", file="Dockerfile", line=2),)
            ),
            stage("waits", Conclusion.BLOCKED),
        ),
        folder,
        lambda: storage,
    )
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    junit = next(name for name in names if name.startswith("junit/ecluse-unit_3.10_sqlite-"))
    assert names == [
        ".gitignore",
        "gl-code-quality-report.json",
        junit,
        "junit/theirs.xml",
        "run.env",
        "sarif/ecluse-scan.sarif",
    ]
    suite = next(iter(junitparser.JUnitXml.fromfile(str(folder / junit))))
    assert (suite.name, suite.tests, suite.failures) == ("unit:3.10,sqlite", 2, 1)
    assert (folder / "sarif/ecluse-scan.sarif").read_bytes() == b'{"runs": []}'
    quality = json.loads((folder / "gl-code-quality-report.json").read_text())
    assert [(item["check_name"], item["severity"], item["location"]) for item in quality] == [
        ("DL2", "critical", {"path": "Dockerfile", "lines": {"begin": 2}})
    ]
    assert (folder / "run.env").read_text() == (
        "ECLUSE_RUN_ID=01jdexample0000000000000ab\nECLUSE_RUN_NUMBER=41\nECLUSE_CONCLUSION=failed\n"
    )


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot write .*/file/reports: Not a directory"):
        prepare_reports(tmp_path / "file/reports", tmp_path)


@pytest.mark.parametrize(
    "link",
    [
        pytest.param(".ecluse", id="folder"),
        pytest.param(".ecluse/reports", id="reports"),
        pytest.param(".ecluse/reports/junit", id="junit"),
        pytest.param(".ecluse/reports/sarif", id="sarif"),
    ],
)
def test_nothing_is_written_through_a_link_of_the_repository(tmp_path: Path, link: str) -> None:
    repository, elsewhere = tmp_path / "repository", tmp_path / "elsewhere"
    (repository / link).parent.mkdir(parents=True)
    elsewhere.mkdir()
    (repository / link).symlink_to(elsewhere)
    with pytest.raises(StorageError, match="is a link"):
        prepare_reports(repository / ".ecluse/reports", repository)
    assert list(elsewhere.iterdir()) == []


def test_a_file_that_is_a_link_is_replaced_not_followed(tmp_path: Path) -> None:
    folder, precious = tmp_path / ".ecluse/reports", tmp_path / "precious"
    precious.write_text("mine")
    (folder / "junit").mkdir(parents=True)
    for name in ("junit/ecluse-unit.xml", "run.env", "gl-code-quality-report.json"):
        (folder / name).symlink_to(precious)
    prepare_reports(folder, tmp_path)
    write_reports(
        run(stage("unit", Conclusion.FAILED, tests=report(case("a")))), folder, lambda: pytest.fail("no blobs")
    )
    assert precious.read_text() == "mine"
    assert "<testcase" in (folder / "junit/ecluse-unit.xml").read_text()
