"""Reading coverage: the line counts of Cobertura XML and LCOV."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.engine import lcov
from pipeline.engine.counting import whole
from pipeline.engine.xml_report import check_size, examine
from pipeline.errors import StorageError
from pipeline.model.report import CoverageReport

_ELEMENTS = 5_000_000


def read(content: bytes, *, file: str) -> CoverageReport:
    """Covered and total lines of one file. Raises StorageError when it is neither Cobertura nor LCOV.

    Cobertura: https://cobertura.sourceforge.net/xml/coverage-04.dtd.
    """
    check_size(content, file)
    if content.lstrip()[:1] == b"<" or content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        cobertura = _Cobertura(file)
        examine(content, file=file, start=cobertura.element, elements=_ELEMENTS)
        return cobertura.report()
    return lcov.read(content, file=file)


class _Cobertura:
    """Counts while the elements pass by: no tree is made of them."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._said: CoverageReport | None = None
        self._root = ""
        self._lines: dict[str, dict[str, bool]] = {}
        self._class: dict[str, bool] = {}

    def element(self, name: str, attributes: Mapping[str, str]) -> None:
        """The sums of the root count; without them, each line of each source once."""
        if not self._root:
            self._root = name
            covered, total = whole(attributes.get("lines-covered")), whole(attributes.get("lines-valid"))
            if covered is not None and total is not None:
                self._said = CoverageReport(covered=covered, total=total)
        elif self._said is not None:
            return
        elif name == "class":
            self._class = self._lines.setdefault(attributes.get("filename", ""), {})
        elif name == "line":
            self._class[attributes.get("number", "")] = attributes.get("hits", "0") != "0"

    def report(self) -> CoverageReport:
        """What was counted. StorageError where it was no Cobertura report."""
        if self._said is not None:
            return self._said
        if self._root != "coverage":
            raise StorageError(f"{self._file} is not a Cobertura report", hint="name coverage.xml or lcov.info")
        sources = self._lines.values()
        return CoverageReport(
            covered=sum(sum(lines.values()) for lines in sources), total=sum(len(lines) for lines in sources)
        )


def merge(reports: tuple[CoverageReport, ...]) -> CoverageReport:
    """The sum over several files."""
    return CoverageReport(
        covered=sum(report.covered for report in reports), total=sum(report.total for report in reports)
    )
