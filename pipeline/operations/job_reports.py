"""The files that a CI host reads after a job: JUnit, SARIF, GitLab's code quality and variables for later jobs."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import DiskFullError, StorageError
from pipeline.model.finding import Finding, FindingSeverity
from pipeline.model.identity import safe_name
from pipeline.model.run import Run, StageRun
from pipeline.ports.storage import Storage

PLACE = ".ecluse/reports"
"""Where they go in a job, from the root of the repository."""
OURS = "ecluse-"
"""What the names of our files in `junit/` and `sarif/` begin with: nothing else there is touched."""

_CODE_QUALITY: Mapping[FindingSeverity, str] = {
    FindingSeverity.UNKNOWN: "info",
    FindingSeverity.LOW: "minor",
    FindingSeverity.MEDIUM: "major",
    FindingSeverity.HIGH: "critical",
    FindingSeverity.CRITICAL: "blocker",
}


def prepare_reports(folder: Path, repository: Path) -> None:
    """Make the folder and remove what an earlier run left in it, so that no old result is taken for this run's.

    A folder that is made here keeps itself out of git, so that the next run does not see a changed working tree.
    Nothing is written through a link that the repository brings: a stranger's commit chooses where those lead.
    Raises StorageError, DiskFullError.
    """
    _refuse_links(folder, repository)
    with _writing(folder):
        if not folder.exists():
            folder.mkdir(parents=True)
            (folder / ".gitignore").write_text("*\n")
        for part in ("junit", "sarif"):
            (folder / part).mkdir(exist_ok=True)
            for old in (folder / part).glob(f"{OURS}*"):
                old.unlink()
        for name in ("gl-code-quality-report.json", "run.env"):
            (folder / name).unlink(missing_ok=True)


def _refuse_links(folder: Path, repository: Path) -> None:
    above = [path for path in (folder, *folder.parents) if path != repository and path.is_relative_to(repository)]
    for path in (*above, folder / "junit", folder / "sarif"):
        if path.is_symlink():
            raise StorageError(f"{path} is a link", hint="remove it, or name another folder with --reports")


def write_reports(run: Run, folder: Path, storage: Callable[[], Storage]) -> None:
    """Write what the stages of a finished run reported, whatever its conclusion is. Raises StorageError, DiskFullError.

    `junit/ecluse-<stage>.xml` and `sarif/ecluse-<stage>[-<number>].sarif` of each stage that has one,
    `gl-code-quality-report.json` with the findings that have a file, `run.env` with the run's facts.
    """
    with _writing(folder):
        for stage in run.stages:
            _junit(stage, folder / "junit")
            _sarif(stage, folder / "sarif", storage)
        (folder / "gl-code-quality-report.json").write_text(code_quality(run))
        lines = (f"ECLUSE_{name.upper()}={value}\n" for name, value in facts(run).items() if value)
        (folder / "run.env").write_text("".join(lines))


def facts(run: Run) -> Mapping[str, str]:
    """What later jobs may ask for: `run_id`, `run_number`, `conclusion` (`parked` where it waits), `release_id`."""
    releases = [stage.products.release for stage in run.stages if stage.products.release]
    return {
        "run_id": run.id,
        "run_number": str(run.number or ""),
        "conclusion": (run.conclusion or run.state).value,
        "release_id": releases[-1] if releases else "",
    }


def code_quality(run: Run) -> str:
    """The findings as GitLab's code quality report: those with a file of the repository, each once.

    https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
    """
    found = {
        finding.fingerprint + f":{finding.line}": finding
        for stage in run.stages
        for finding in stage.products.findings
        if finding.file
    }
    return json.dumps([_issue(mark, finding) for mark, finding in found.items()], indent=1) + "\n"


def _issue(mark: str, finding: Finding) -> Mapping[str, object]:
    return {
        "description": finding.message,
        "check_name": finding.rule,
        "fingerprint": mark,
        "severity": _CODE_QUALITY[finding.severity],
        "location": {"path": finding.file.removeprefix("./"), "lines": {"begin": max(finding.line, 1)}},
    }


def _junit(stage: StageRun, folder: Path) -> None:
    if stage.products.tests is None:
        return
    from pipeline.engine import junit

    text = junit.write([(stage.name, stage.products.tests)])
    (folder / f"{OURS}{safe_name(stage.name)}.xml").write_text(text, "utf-8", "replace")


def _sarif(stage: StageRun, folder: Path, storage: Callable[[], Storage]) -> None:
    files = [item for item in stage.products.artifacts if item.kind == "sarif" or item.name == "sarif"]
    for number, artifact in enumerate(files, start=1):
        name = safe_name(stage.name) + (f"-{number}" if len(files) > 1 else "")
        with storage().open(artifact.digest) as content, (folder / f"{OURS}{name}.sarif").open("wb") as copy:
            shutil.copyfileobj(content, copy, 1 << 20)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        elsewhere = "name another folder with --reports"
        if error.errno == errno.ENOSPC:
            raise DiskFullError(f"no space left to write {folder}", hint=f"free space, or {elsewhere}") from error
        raise StorageError(f"cannot write {folder}: {error.strerror}", hint=elsewhere) from error
