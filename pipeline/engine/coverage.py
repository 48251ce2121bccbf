"""Reading coverage: the line counts of Cobertura XML and LCOV."""

from __future__ import annotations

from pipeline.engine import lcov
from pipeline.engine.xml_report import examine
from pipeline.errors import StorageError
from pipeline.model.report import CoverageReport


def read(content: bytes, *, file: str) -> CoverageReport:
    """Covered and total lines of one file. Raises StorageError when it is neither Cobertura nor LCOV.

    Cobertura: https://cobertura.sourceforge.net/xml/coverage-04.dtd.
    """
    examine(content, file=file)
    if content.lstrip()[:1] == b"<":
        return _cobertura(content, file)
    return lcov.read(content, file=file)


def _cobertura(content: bytes, file: str) -> CoverageReport:
    from xml.etree import ElementTree

    try:
        root = ElementTree.fromstring(content)  # noqa: S314 - entities are refused above
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


def merge(reports: tuple[CoverageReport, ...]) -> CoverageReport:
    """The sum over several files."""
    return CoverageReport(
        covered=sum(report.covered for report in reports), total=sum(report.total for report in reports)
    )
