"""Findings of scanners, normalised: one model for vulnerabilities, secrets, Dockerfile rules and licences."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pipeline.model.value import digest_of


class FindingSeverity(StrEnum):
    """How bad, in the words of CVSS's bands."""

    UNKNOWN = "unknown"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """For comparing: unknown 0 … critical 4."""
        return list(FindingSeverity).index(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing a scanner found. `check` is vulnerabilities | secrets | dockerfile | licences."""

    check: str
    tool: str
    rule: str
    severity: FindingSeverity
    message: str
    file: str = ""
    line: int = 0
    package: str = ""
    version: str = ""
    fixed_in: str = ""
    url: str = ""

    @property
    def fingerprint(self) -> str:
        """Stable over runs as long as the finding is the same one; lines may move."""
        return digest_of([self.check, self.rule, self.file, self.package, self.version])
