"""Debian packages against Debian's security archive: which fixes exist that the image does not have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline.model.finding import Finding, FindingSeverity
from stages.scanning.debian_index import SecurityIndex, keep_index, kept_index, read_index
from stages.scanning.debian_version import compare, newest
from stages.scanning.inventory import Inventory, Package
from stages.scanning.report import Gap, SourceAnswer, Tool, counted, printable
from stages.scanning.request import VULNERABILITIES

TOOL = "debian-security"
RULE = "debian-security-update"
FRESH = timedelta(hours=1)
"""So long an index is used again without asking the archive."""

SEVERITY = FindingSeverity.MEDIUM
"""The index does not tell how bad a fixed vulnerability is."""


def release_of(inventory: Inventory) -> tuple[str, str] | None:
    """Codename and architecture of a Debian image; None for every other."""
    if inventory.of("deb") and inventory.codename and inventory.architecture:
        return inventory.codename, inventory.architecture
    return None


def debian_answer(inventory: Inventory, told: Mapping[str, Any], *, cache: Path, now: datetime) -> SourceAnswer:
    """Compare with the index that the scanners fetched, else with this machine's copy while it is valid.

    `told` is what they left ({} when they were not asked). A fetched index is put into the cache.
    """
    packages = inventory.of("deb")
    if not packages:
        return SourceAnswer()
    subject = counted(len(packages), "Debian package")
    release = release_of(inventory)
    if release is None:
        system = inventory.distribution or "an unknown system"
        return _unanswered(subject.replace("Debian", "deb"), f"no data for {system}")
    fetched, trouble = _fetched(told, now)
    if fetched:
        keep_index(cache, fetched)
        return _compared(packages, fetched)
    kept = kept_index(cache, *release, now=now)
    if kept:
        answer = _compared(packages, kept)
        origin = f"debian: that index is this machine's copy of {kept.fetched:%Y-%m-%d %H:%M} UTC"
        return replace(answer, notes=(*answer.notes, f"{origin}; {trouble}")) if trouble else answer
    return _unanswered(subject, trouble or "no answer", transient=told.get("kind") == "network")


def outdated(packages: Iterable[Package], versions: Mapping[str, tuple[str, ...]]) -> Iterable[Finding]:
    """A finding for each package of which the archive has a newer version."""
    for package in packages:
        known = versions.get(package.name)
        if not known or not package.version:
            continue
        fixed = newest(known)
        if compare(package.version, fixed) < 0:
            yield Finding(
                check=VULNERABILITIES,
                tool=TOOL,
                rule=RULE,
                severity=SEVERITY,
                message=f"{package.name} {package.version}: a security fix is available, {printable(fixed)}",
                package=package.name,
                version=package.version,
                fixed_in=printable(fixed),
                url=f"https://security-tracker.debian.org/tracker/source-package/{package.source or package.name}",
            )


def _fetched(told: Mapping[str, Any], now: datetime) -> tuple[SecurityIndex | None, str]:
    """The index that was fetched just now, or None and why there is none."""
    if not told:
        return None, ""
    if told.get("error"):
        match told.get("kind"):
            case "network":
                return None, "security.debian.org unreachable"
            case "expired":
                return None, f"stale: {printable(told['error'], limit=160)}"
            case _:
                return None, printable(told["error"], limit=160)
    try:
        index = read_index(told, fetched=now)
    except ValueError as error:
        return None, str(error)
    if index.valid_until <= now:
        return None, f"stale: the index of {index.date:%Y-%m-%d} was valid until {index.valid_until:%Y-%m-%d}"
    return index, ""


def _compared(packages: Iterable[Package], index: SecurityIndex) -> SourceAnswer:
    listed = tuple(packages)
    day = f"{index.codename}-security of {index.date:%Y-%m-%d}"
    return SourceAnswer(
        tools=(Tool(name=TOOL, version=day, url="https://www.debian.org/security/"),),
        findings=tuple(outdated(listed, index.versions)),
        notes=(f"debian: {counted(len(listed), 'package')} compared with {day}",),
        answered=len(listed),
    )


def _unanswered(subject: str, why: str, *, transient: bool = False) -> SourceAnswer:
    return SourceAnswer(gaps=(Gap(subject=subject, why=why, transient=transient),))
