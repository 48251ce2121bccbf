"""A log check: how many lines of what the new version wrote match a pattern."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from time import monotonic

from pipeline.model.check import Answer, LogCheck, Verdict
from pipeline.model.check_keys import compile_pattern
from pipeline.ports.target import Target

LOG_LIMIT = 8 << 20
"""Bytes of each instance's log that are looked at, the newest ones."""


def ask_log(check: LogCheck, target: Target, promotion: str, *, since: datetime | None) -> Answer:
    """Count once over all that was written since the version began."""
    began = monotonic()
    wanted = f"at most {check.most} line{'s' if check.most != 1 else ''}"
    written = target.logs(promotion, since=since, limit=LOG_LIMIT)
    if not written:
        return Answer(verdict=Verdict.ERROR, seen="nothing of the new version is there to be read", wanted="")
    found = [(name, line) for name, text in written.items() for line in matching_lines(text, check.pattern)]
    seen = "1 line matches" if len(found) == 1 else f"{len(found)} lines match"
    if any(len(text) >= LOG_LIMIT for text in written.values()):
        seen += f" in the last {LOG_LIMIT >> 20} MiB"
    passed = len(found) <= check.most
    if not passed:
        name, line = found[-1]
        seen += f" ({name}: {' '.join(line.decode(errors='replace').split())[:120]})"
    return Answer(
        verdict=Verdict.PASS if passed else Verdict.FAIL,
        seen=seen,
        wanted=wanted,
        seconds=monotonic() - began,
        value=float(len(found)),
        query=check.pattern,
    )


def matching_lines(text: bytes, pattern: str) -> Iterator[bytes]:
    """The lines that match. The whole text is searched at a time: most of it matches nothing."""
    of_line, of_text = compile_pattern(pattern), compile_pattern(f"(?m){pattern}")
    at = 0
    while at < len(text) and (found := of_text.search(text, at)):
        if found.start() == len(text) and text.endswith(b"\n"):
            return  # behind the last line there is none
        start = text.rfind(b"\n", 0, found.start()) + 1
        end = text.find(b"\n", start)
        end = len(text) if end < 0 else end
        line = text[start:end].removesuffix(b"\r")
        if start >= at and of_line.search(line):  # what the text matches may reach over the end of a line
            yield line
        at = end + 1
