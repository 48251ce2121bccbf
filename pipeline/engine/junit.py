"""Reading JUnit XML in all its dialects, and writing it for CI hosts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pipeline.engine.counting import whole
from pipeline.engine.xml_report import DEPTH_LIMIT, examine
from pipeline.errors import StorageError
from pipeline.model.report import TestCase, TestReport, TestStatus

DETAILS_LIMIT = 64 * 1024
NAME_LIMIT = 4000
"""Characters of a name; the rest is cut off."""


def read(content: bytes, *, file: str) -> TestReport:
    """All cases of one file; suites that list no cases count by their attributes.

    A case with an `error` errored, else with a `failure` failed, else with `skipped` (or status `disabled`) was
    skipped. Raises StorageError when the file is too large, no XML, or no JUnit.
    """
    from xml.etree.ElementTree import ParseError

    import junitparser

    root: Any

    examine(content, file=file)
    try:
        root = junitparser.JUnitXml.fromstring(content)
    except (junitparser.JUnitXmlError, ParseError, ValueError, TypeError) as error:
        raise StorageError(f"{file} is not a JUnit report: {error}", hint="name JUnit XML in reports.junit") from error
    suites = [root] if isinstance(root, junitparser.TestSuite) else list(root)
    cases: list[TestCase] = []
    unlisted: dict[TestStatus, int] = {}
    for suite in suites:
        _read_suite(suite, cases, unlisted, file=file)
    return TestReport(cases=tuple(cases), unlisted=unlisted)


def _read_suite(
    suite: Any, cases: list[TestCase], unlisted: dict[TestStatus, int], *, file: str, depth: int = 1
) -> None:
    if depth > DEPTH_LIMIT:
        raise StorageError(f"{file}: suites stand more than {DEPTH_LIMIT} deep in each other", hint="split the report")
    element = suite._elem
    listed = element.findall("testcase")
    inner = list(suite.testsuites())
    name = _named(element, "name")
    cases.extend(_read_case(case, name) for case in listed)
    for child in inner:
        _read_suite(child, cases, unlisted, file=file, depth=depth + 1)
    if not listed and not inner:
        _count_attributes(element.attrib, unlisted)


def _count_attributes(attributes: Any, unlisted: dict[TestStatus, int]) -> None:
    def number(*names: str) -> int:
        return sum(whole(attributes.get(name)) or 0 for name in names)

    counts = {
        TestStatus.FAILED: number("failures"),
        TestStatus.ERRORED: number("errors"),
        TestStatus.SKIPPED: number("skipped", "skip", "disabled"),
    }
    counts[TestStatus.PASSED] = max(0, number("tests") - sum(counts.values()))
    for status, count in counts.items():
        if count:
            unlisted[status] = unlisted.get(status, 0) + count


def _read_case(element: Any, suite: str) -> TestCase:
    status, result = TestStatus.PASSED, None
    for tag, meaning in (
        ("error", TestStatus.ERRORED),
        ("failure", TestStatus.FAILED),
        ("skipped", TestStatus.SKIPPED),
    ):
        result = element.find(tag)
        if result is not None:
            status = meaning
            break
    if result is None and element.get("status") == "disabled":
        status = TestStatus.SKIPPED
    return TestCase(
        suite=suite,
        classname=_named(element, "classname"),
        name=_named(element, "name"),
        status=status,
        seconds=_seconds(element.get("time")),
        message=str(result.get("message", ""))[:DETAILS_LIMIT] if result is not None else "",
        details=(result.text or "").strip()[:DETAILS_LIMIT] if result is not None else "",
        file=_named(element, "file"),
        line=whole(element.get("line")) or 0,
    )


def _named(element: Any, attribute: str) -> str:
    return str(element.get(attribute, ""))[:NAME_LIMIT]


def _seconds(text: str | None) -> float:
    try:
        value = float((text or "0").replace(",", ""))
    except ValueError:
        return 0.0
    return value if 0 <= value < 1e9 else 0.0


def write(suites: Iterable[tuple[str, TestReport]]) -> str:
    """JUnit XML of named reports, one suite each, in the form that Jenkins and GitLab read."""
    import junit_xml

    written = []
    for name, report in suites:
        cases = []
        for case in report.cases:
            entry = junit_xml.TestCase(
                case.name,
                classname=case.classname or name,
                elapsed_sec=case.seconds,
                file=case.file or None,
                line=case.line or None,
            )
            match case.status:
                case TestStatus.FAILED:
                    entry.add_failure_info(message=case.message, output=case.details)
                case TestStatus.ERRORED:
                    entry.add_error_info(message=case.message, output=case.details)
                case TestStatus.SKIPPED:
                    entry.add_skipped_info(message=case.message, output=case.details)
                case TestStatus.PASSED:
                    pass
            cases.append(entry)
        written.append(junit_xml.TestSuite(name, cases))
    return str(junit_xml.to_xml_report_string(written, prettyprint=False))


def merge(reports: Iterable[TestReport]) -> TestReport:
    """One report of several files."""
    cases: list[TestCase] = []
    unlisted: dict[TestStatus, int] = {}
    for report in reports:
        cases.extend(report.cases)
        for status, count in report.unlisted.items():
            unlisted[status] = unlisted.get(status, 0) + count
    return TestReport(cases=tuple(cases), unlisted=unlisted)
