"""Reads a stage's declared reports and artifacts from its workspace into the storage."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import replace

from pipeline.engine import coverage, junit, sarif
from pipeline.engine.masking import Masker
from pipeline.engine.texts import fit
from pipeline.engine.xml_report import SIZE_LIMIT
from pipeline.errors import StorageError, UsageError
from pipeline.model.container import View
from pipeline.model.definition import StageDefinition
from pipeline.model.duration import spell_size
from pipeline.model.finding import Finding
from pipeline.model.report import CoverageReport, TestReport
from pipeline.model.run import Artifact
from pipeline.ports.stage import Collected
from pipeline.ports.storage import Storage
from pipeline.ports.workspace import Workspace, WorkspaceFile

CHUNK = 1 << 20
MOST_FILES = 100_000
"""Files that are kept of one attempt of a stage."""


def collect(
    stage: StageDefinition,
    workspace: Workspace,
    view: View,
    storage: Storage,
    note: Callable[[str], None],
    masker: Masker,
    *,
    limit: int,
) -> Collected:
    """Everything that `reports` and `artifacts` of a stage match; reports, and the paths of both, without the secrets
    that they quote. What is in an artifact is the user's, and kept as it is.

    A report file that cannot be read is said and listed in `broken`; the others still count. Raises UsageError where
    all together have more than `limit` bytes, or are too many: a file of a container may say that it has any size.
    """
    room = _Room(limit)
    artifacts: list[Artifact] = []
    tests: list[TestReport] = []
    covers: list[CoverageReport] = []
    findings: list[Finding] = []
    missing: list[str] = []
    broken: list[str] = []
    for kind, patterns in stage.reports.items():
        for pattern in patterns:
            found = 0
            for file in workspace.read(view, [pattern]):
                found += 1
                room.take(file)
                content = masker.mask(file.content.read(SIZE_LIMIT + 1))
                digest, size = storage.put(io.BytesIO(content))
                path = fit(masker.text(file.path))
                artifacts.append(Artifact(name=kind, path=path, digest=digest, size=size, kind="report"))
                try:
                    if kind == "junit":
                        tests.append(_masked(junit.read(content, file=path), masker))
                    elif kind == "coverage":
                        covers.append(coverage.read(content, file=path))
                    elif kind == "sarif":
                        said = sarif.read(content, file=path)
                        findings += [replace(item, message=masker.text(item.message)) for item in said]
                except StorageError as error:
                    broken.append(error.message)
                    note(f"report: {error.message}")
            if not found:
                missing.append(f"{kind}: {pattern}")
    for rule in stage.artifacts:
        found = 0
        for file in workspace.read(view, rule.paths):
            found += 1
            room.take(file)
            digest, size = storage.put(_chunks(file.content.read, file.size))
            path = fit(masker.text(file.path))
            artifacts.append(Artifact(name=rule.name, path=path, digest=digest, size=size, keep=rule.keep))
        if not found:
            note(f"artifact '{rule.name}': no file matches {', '.join(rule.paths)}")
    return Collected(
        artifacts=tuple(artifacts),
        tests=junit.merge(tests) if tests else None,
        coverage=coverage.merge(tuple(covers)) if covers else None,
        findings=tuple(findings),
        missing=tuple(missing),
        broken=tuple(broken),
    )


class _Room:
    """What is left of it for the files of a stage; each is looked at before a byte of it is read."""

    def __init__(self, limit: int) -> None:
        self._limit = self._left = limit
        self._files = 0

    def take(self, file: WorkspaceFile) -> None:
        """One more."""
        self._files += 1
        self._left -= file.size
        if self._left < 0:
            raise UsageError(
                f"with '{fit(file.path[:200])}' ({spell_size(file.size)}) the stage's artifacts and reports are larger "
                f"than {spell_size(self._limit)}",
                hint="keep less, or raise the machine's setting artifact_limit",
            )
        if self._files > MOST_FILES:
            raise UsageError(
                f"the stage's artifacts and reports are more than {MOST_FILES:,} files", hint="keep them as one archive"
            )


def _masked(report: TestReport, masker: Masker) -> TestReport:
    """What the file spelled in XML's way (`&amp;`) stands in the report as it is: it is looked through once more."""
    cases = (
        replace(
            case,
            name=masker.text(case.name),
            classname=masker.text(case.classname),
            message=masker.text(case.message),
            details=masker.text(case.details),
        )
        for case in report.cases
    )
    return replace(report, cases=tuple(cases)) if masker.longest else report


def _chunks(read: Callable[[int], bytes], size: int) -> Iterator[bytes]:
    """No more than the file was said to have: on this host it may grow while it is read."""
    while size > 0 and (chunk := read(min(CHUNK, size))):
        size -= len(chunk)
        yield chunk
