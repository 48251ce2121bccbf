"""What is in a release, from the evidence of the run that made it: packages and findings."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.delivery.difference import Contents
from pipeline.errors import EcluseError, NotFoundError
from pipeline.model.finding import Finding
from pipeline.model.release import Release
from pipeline.model.run import Run
from pipeline.ports.application import Application

SBOM = "sbom"
"""The kind of artifact in which a scan stage keeps CycloneDX JSON."""
LIMIT = 256 << 20
"""Bytes of one bill of materials; a larger one counts as none."""


def contents_of(app: Application, release: Release, *, configuration: Mapping[str, str] | None = None) -> Contents:
    """A release with its packages and findings, each None where its run kept none or is forgotten."""
    run = run_of(app, release)
    return Contents(
        release=release,
        packages=_packages(app, run) if run else None,
        findings=findings_of(run) if run else None,
        configuration=configuration or {},
    )


def run_of(app: Application, release: Release) -> Run | None:
    """The run that sealed a release; None where it is forgotten."""
    try:
        return app.records.find_run(release.run) if release.run else None
    except NotFoundError:
        return None


def findings_of(run: Run) -> tuple[Finding, ...] | None:
    """What the scan stages of a run found; None where none was done."""
    scans = [stage for stage in run.stages if stage.kind == "scan" and stage.attempts]
    return tuple(item for stage in scans for item in stage.products.findings) if scans else None


def _packages(app: Application, run: Run) -> Mapping[str, frozenset[str]] | None:
    documents = [
        document
        for stage in run.stages
        for artifact in stage.products.artifacts
        if artifact.kind == SBOM and artifact.digest
        if (document := _document(app, artifact.digest)) is not None
    ]
    if not documents:
        return None
    found: dict[str, set[str]] = defaultdict(set)
    for name, version in (item for document in documents for item in _components(document)):
        found[name].add(version)
    return {name: frozenset(versions) for name, versions in found.items()}


def _document(app: Application, digest: str) -> Mapping[str, Any] | None:
    try:
        if app.storage.size(digest) > LIMIT:
            return None
        with app.storage.open(digest) as content:
            document = json.loads(content.read())
    except (EcluseError, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _components(document: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """`type/name` and version of each package, by its package URL (purl) where it has one; files are left out."""
    components = document.get("components")
    for item in components if isinstance(components, list) else []:
        if not isinstance(item, dict) or item.get("type") == "file":
            continue
        purl, name = str(item.get("purl", "")), str(item.get("name", ""))
        kind = purl.removeprefix("pkg:").partition("/")[0] if purl.startswith("pkg:") else str(item.get("type", ""))
        if name:
            yield f"{kind}/{name}", str(item.get("version", ""))
