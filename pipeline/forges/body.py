"""Bodies of webhooks, which anybody may have written: read field by field, each with its place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from pipeline.errors import UsageError

TEXT_LIMIT = 500
"""Characters of a title or a name; the rest is cut off."""
REF_LIMIT = 1000
_SHA = re.compile(r"[0-9a-f]{7,64}")
_UNSHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_NO_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\\ud800-\udfff]|\.\.|@\{|//|/\.|\.lock(/|$)|^[-./]|[./]$")
"""What git refuses in the name of a branch or tag (`git check-ref-format --branch`)."""


@dataclass(frozen=True, slots=True)
class Part:
    """A mapping of a body, and where it is in it."""

    known: dict[str, Any]
    path: str = ""

    def part(self, name: str) -> Part:
        """The mapping of that name."""
        found = self.maybe(name)
        if found is None:
            self.wrong(name, "a mapping", None)
        return found

    def maybe(self, name: str) -> Part | None:
        """As `part`; None where it is missing or null."""
        value = self.known.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            self.wrong(name, "a mapping", value)
        return Part(value, self._place(name))

    def parts(self, name: str, *, limit: int = 1000) -> Iterator[Part]:
        """The mappings in the list of that name."""
        value = self.known.get(name)
        if not isinstance(value, list):
            self.wrong(name, "a list", value)
        if len(value) > limit:
            raise UsageError(f"the webhook's '{self._place(name)}' has {len(value)} entries, more than {limit}")
        for index, item in enumerate(value):
            if not isinstance(item, dict):
                self.wrong(f"{name}[{index}]", "a mapping", item)
            yield Part(item, f"{self._place(name)}[{index}]")

    def text(self, name: str, *, optional: bool = False) -> str:
        """The first line of a text for people: without control characters, cut at its limit."""
        value = self.known.get(name)
        if value is None and optional:
            return ""
        if not isinstance(value, str):
            self.wrong(name, "a text", value)
        return _UNSHOWN.sub("\ufffd", value[:TEXT_LIMIT].split("\n", 1)[0])

    def number(self, name: str) -> str:
        """A whole number above nought, as text."""
        value = self.known.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**63:
            self.wrong(name, "a whole number", value)
        return str(value)

    def ref(self, name: str) -> str:
        """A text that git takes as the name of a branch or tag, or a whole `refs/…`."""
        value = self.known.get(name)
        if not isinstance(value, str):
            self.wrong(name, "a text", value)
        if not value or value == "@" or len(value) > REF_LIMIT or _NO_REF.search(value):
            self.wrong(name, "the name of a branch or tag", value)
        return value

    def sha(self, name: str) -> str:
        """The id of a commit; Bitbucket shortens some."""
        value = self.known.get(name)
        if not isinstance(value, str) or not _SHA.fullmatch(value):
            self.wrong(name, "the id of a commit", value)
        return value

    def flag(self, name: str) -> bool:
        """True only for a true."""
        return self.known.get(name) is True

    def wrong(self, name: str, what: str, value: object) -> NoReturn:
        """UsageError: what should be there and what is."""
        is_there = "is missing" if value is None else f"is {ascii(value)[:60]}"
        raise UsageError(
            f"the webhook's '{self._place(name)}' {is_there}; the forge documents {what} there",
            hint="check that the repository's kind of forge is right: `ecluse repository show` says which it is",
        )

    def _place(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name


def parsed(body: bytes) -> Part:
    """The JSON mapping of a body. UsageError for anything else."""
    if body[:8] == b"payload=":
        raise UsageError(
            "the webhook's body is a form; its JSON is needed",
            hint="set the webhook's content type to application/json",
        )
    try:
        value = json.loads(body.decode(), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"the webhook's body is no JSON: {_where(error)}", hint="set the webhook's content type to application/json"
        ) from error
    if not isinstance(value, dict):
        raise UsageError("the webhook's body is no JSON mapping", hint="webhooks of every forge are mappings")
    return Part(value)


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")


def _where(error: Exception) -> str:
    match error:
        case json.JSONDecodeError():
            return f"line {error.lineno}, column {error.colno}: {error.msg}"
        case RecursionError():
            return "it is nested too deeply"
        case _:
            return str(error)[:100]
