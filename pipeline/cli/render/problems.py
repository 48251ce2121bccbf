"""Problems of pipeline files as programs want them: SARIF, workflow commands of GitHub, code quality of GitLab."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence

from pipeline import __version__
from pipeline.diagnostic import Diagnostic, Position, Severity
from pipeline.model.value import Value

_SARIF_LEVELS: Mapping[Severity, str] = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.HINT: "note"}
_GITHUB_COMMANDS: Mapping[Severity, str] = {
    Severity.ERROR: "error",
    Severity.WARNING: "warning",
    Severity.HINT: "notice",
}
_GITLAB_SEVERITIES: Mapping[Severity, str] = {
    Severity.ERROR: "blocker",
    Severity.WARNING: "minor",
    Severity.HINT: "info",
}
SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def sarif(problems: Sequence[Diagnostic]) -> str:
    """A SARIF 2.1.0 log with one run; columns count characters."""
    codes = list(dict.fromkeys(problem.code for problem in problems))
    rules: list[Value] = [{"id": code, "shortDescription": {"text": code.replace("-", " ")}} for code in codes]
    driver = {"name": "ecluse", "version": __version__, "semanticVersion": _semantic(__version__), "rules": rules}
    results: list[Value] = [_sarif_result(problem, codes.index(problem.code)) for problem in problems]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def github(problems: Sequence[Diagnostic]) -> str:
    """One workflow command a line: `::error file=…,line=…,col=…,title=…::message`.

    https://docs.github.com/actions/reference/workflow-commands-for-github-actions
    """
    lines = []
    for problem in problems:
        place = at_home(problem)
        end = place.column + place.length
        values = {"file": place.file, "line": place.line, "endLine": place.line, "col": place.column, "endColumn": end}
        values["title"] = problem.code
        properties = ",".join(f"{name}={_property(str(value))}" for name, value in values.items())
        lines.append(f"::{_GITHUB_COMMANDS[problem.severity]} {properties}::{_data(_words(problem))}\n")
    return "".join(lines)


def gitlab(problems: Sequence[Diagnostic]) -> str:
    """A code quality report: fingerprints stay when lines are added above, and are unique within the report.

    https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
    """
    seen: dict[str, int] = {}
    issues = []
    for problem in problems:
        place = at_home(problem)
        same = f"{problem.code}\0{problem.position.file}\0{problem.message}"
        seen[same] = seen.get(same, 0) + 1
        print_of = hashlib.sha256(f"{same}\0{seen[same]}".encode()).hexdigest()
        issues.append(
            {
                "description": _words(problem),
                "check_name": problem.code,
                "fingerprint": print_of,
                "severity": _GITLAB_SEVERITIES[problem.severity],
                "location": {"path": place.file, "lines": {"begin": place.line}},
            }
        )
    return json.dumps(issues, indent=2) + "\n"


def at_home(problem: Diagnostic) -> Position:
    """Where a problem is in this repository: of an included file of another one, the line that includes it."""
    places = [problem.position, *(place for _, place in reversed(problem.related))]
    if not _is_foreign(problem.position):
        return problem.position
    return next((place for place in places if not _is_foreign(place)), problem.position)


def _is_foreign(place: Position) -> bool:
    """Whether it is named as a file of another repository: `address@commit:path`."""
    return re.search(r"@[0-9a-f]{12}:", place.file) is not None


def _words(problem: Diagnostic) -> str:
    note = f" ({problem.note})" if problem.note else ""
    where = f"{problem.position}: " if _is_foreign(problem.position) else ""
    return f"{where}{problem.message}{note}"


def _sarif_result(problem: Diagnostic, index: int) -> Value:
    result: dict[str, Value] = {
        "ruleId": problem.code,
        "ruleIndex": index,
        "level": _SARIF_LEVELS[problem.severity],
        "message": {"text": _words(problem)},
        "locations": [_location(at_home(problem))],
    }
    related: list[Value] = [
        {**_location(place), "message": {"text": words}} for words, place in problem.related if not _is_foreign(place)
    ]
    if related:
        result["relatedLocations"] = related
    return result


def _location(place: Position) -> dict[str, Value]:
    from urllib.parse import quote

    return {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(place.file), "uriBaseId": "%SRCROOT%"},
            "region": {
                "startLine": place.line,
                "startColumn": place.column,
                "endLine": place.line,
                "endColumn": place.column + place.length,
            },
        }
    }


def _semantic(version: str) -> str:
    """The version as semver spells it: three numbers."""
    numbers = [part for part in version.split(".") if part.isdigit()]
    return ".".join([*numbers, "0", "0"][:3])


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


WRITERS: Mapping[str, Callable[[Sequence[Diagnostic]], str]] = {"sarif": sarif, "github": github, "gitlab": gitlab}
"""By the name of the format."""
