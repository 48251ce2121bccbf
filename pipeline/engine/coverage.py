"""Reading coverage: the line counts of Cobertura XML and LCOV."""

from __future__ import annotations

from pipeline.errors import StorageError
from pipeline.model.report import CoverageReport


def read(content: bytes, *, file: str) -> CoverageReport:
    """Covered and total lines of one file. Raises StorageError when it is neither Cobertura nor LCOV.

    Cobertura: https://cobertura.sourceforge.net/xml/coverage-04.dtd; LCOV: geninfo(1), records LF and LH.
    """
    if content.lstrip()[:1] == b"<":
        return _cobertura(content, file)
    return _lcov(content, file)


def _cobertura(content: bytes, file: str) -> CoverageReport:
    from xml.etree import ElementTree

    try:
        root = ElementTree.fromstring(content)  # noqa: S314 - expat refuses entity bombs since 2.4.1
    except ElementTree.ParseError as error:
        raise StorageError(f"{file} is not well-formed XML: {error}", hint="was its writer stopped?") from error
    covered, total = root.get("lines-covered", ""), root.get("lines-valid", "")
    if covered.isdigit() and total.isdigit():
        return CoverageReport(covered=int(covered), total=int(total))
    lines = {
        (cls.get("filename"), line.get("number")): line.get("hits", "0") != "0"
        for cls in root.iter("class")
        for line in cls.iter("line")
    }
    if root.tag != "coverage":
        raise StorageError(f"{file} is not a Cobertura report", hint="name coverage.xml or lcov.info")
    return CoverageReport(covered=sum(lines.values()), total=len(lines))


def _lcov(content: bytes, file: str) -> CoverageReport:
    covered = total = 0
    seen = False
    for line in content.decode(errors="replace").splitlines():
        key, _, value = line.partition(":")
        if key in ("LF", "LH") and value.strip().isdigit():
            seen = True
            total += int(value) if key == "LF" else 0
            covered += int(value) if key == "LH" else 0
    if not seen:
        raise StorageError(f"{file} is neither Cobertura XML nor LCOV", hint="name coverage.xml or lcov.info")
    return CoverageReport(covered=covered, total=total)


def merge(reports: tuple[CoverageReport, ...]) -> CoverageReport:
    """The sum over several files."""
    return CoverageReport(
        covered=sum(report.covered for report in reports), total=sum(report.total for report in reports)
    )
