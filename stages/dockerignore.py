"""Which paths of a build context `.dockerignore` leaves out, by the rules of moby's patternmatcher."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import Any

from pipeline.errors import UsageError


@dataclass(frozen=True, slots=True)
class _Rule:
    """One line: `keeps` when it began with `!`."""

    pattern: Any
    """Of google-re2: the file is anybody's, and must not keep the machine busy."""
    keeps: bool


class Dockerignore:
    """The rules of one file. The last rule that matches a path, or a folder above it, decides."""

    def __init__(self, text: str) -> None:
        self._rules = tuple(rule for line in text.removeprefix("\ufeff").splitlines() if (rule := _rule(line)))

    def ignores(self, path: str) -> bool:
        """Whether a path (relative to the context, without a leading slash) is left out."""
        above = [path]
        while "/" in path:
            path = path.rpartition("/")[0]
            above.append(path)
        ignored = False
        for rule in self._rules:
            if ignored is rule.keeps and any(rule.pattern.fullmatch(item.encode("utf-8", "replace")) for item in above):
                ignored = not rule.keeps
        return ignored


def _rule(line: str) -> _Rule | None:
    if line.startswith("#") or not line.strip():
        return None
    text = line.strip()
    keeps = text.startswith("!")
    text = posixpath.normpath(text.removeprefix("!").strip() or ".").lstrip("/")
    if text in ("", "."):
        return None
    return _Rule(pattern=_compiled(text), keeps=keeps)


def _compiled(glob: str) -> Any:
    import re2  # type: ignore[import-untyped]  # it ships none

    options = re2.Options()
    options.dot_nl, options.log_errors = True, False
    try:
        return re2.compile(_expression(glob).encode("utf-8", "replace"), options)
    except re2.error as error:
        raise UsageError(f".dockerignore: '{glob[:80]}' is no pattern", hint="mend or remove that line") from error


def _expression(glob: str) -> str:
    """`*` and `?` stay within a folder, `**` crosses them, `\\` takes the next character as it is."""
    parts: list[str] = []
    index = 0
    while index < len(glob):
        if glob.startswith("**", index):
            index += 2
            if glob.startswith("/", index):
                index += 1
            parts.append(".*" if index >= len(glob) else "(?:.*/)?")
            continue
        sign = glob[index]
        index += 1
        if sign == "*":
            parts.append("[^/]*")
        elif sign == "?":
            parts.append("[^/]")
        elif sign == "[" and "]" in glob[index + 1 :]:
            end = glob.index("]", index + 1)
            parts.append("[" + glob[index:end].replace("\\", "\\\\").replace("[", "\\[") + "]")
            index = end + 1
        elif sign == "\\" and index < len(glob):
            parts.append(re.escape(glob[index]))
            index += 1
        else:
            parts.append(re.escape(sign))
    return "".join(parts)
