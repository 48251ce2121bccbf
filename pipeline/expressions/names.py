"""Which facts an expression reads, seen from its text alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

DEPTH: Final[Mapping[str, int]] = {
    "event": 1,
    "branch": 1,
    "tag": 1,
    "changed": 1,
    "environment": 1,
    "commit": 2,
    "run": 2,
    "variables": 2,
    "matrix": 2,
    "stages": 4,
}
"""Each fact by its first name, with how many names lead to its value."""

_STEP: Final = r"\s*\.\s*\??[A-Za-z_]\w*|\s*\[\s*\??\s*(?:'[^'\\]*'|\"[^\"\\]*\")\s*\]"
_TEXT: Final = r"[rRbB]{0,2}(?:'''[\s\S]*?'''|\"\"\"[\s\S]*?\"\"\"|'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\")"
_TOKEN: Final = re.compile(rf"{_TEXT}|(?P<path>[A-Za-z_]\w*(?:{_STEP})*)(?P<call>\s*\()?")
_NAME: Final = re.compile(r"\.\s*(?P<asked>\??)(?P<name>\w+)|\[\s*(?P<asked2>\??)\s*['\"](?P<quoted>[^'\"]*)['\"]")


def names_read(text: str) -> frozenset[str]:
    """Dotted facts such as `branch`, `variables.IMAGE`, `stages.unit.conclusion`, `stages.unit.outputs.VERSION`.

    A name that may be absent keeps its question mark (`variables.?IMAGE`); `variables["A"]` is `variables.A`.
    """
    found: set[str] = set()
    for token in _TOKEN.finditer(text):
        path = token["path"]
        if not path or text[: token.start()].rstrip().endswith("."):
            continue
        steps = _steps(path)
        if token["call"]:
            steps.pop()
        if steps and steps[0] in DEPTH:
            found.add(".".join(steps[: DEPTH[steps[0]]]))
    return frozenset(found)


def _steps(path: str) -> list[str]:
    root = re.match(r"\w+", path)
    steps = [root[0]] if root else []
    for step in _NAME.finditer(path):
        asked = step["asked"] or step["asked2"] or ""
        steps.append(asked + (step["name"] or step["quoted"] or ""))
    return steps
