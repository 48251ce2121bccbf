"""Just enough of a Dockerfile: its instructions with their lines, and the names of its stages."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

_HEREDOC = re.compile(r"<<-?([\"']?)(\w+)\1")
_DIRECTIVE = re.compile(r"#\s*(\w+)\s*=\s*(\S+)\s*$")


@dataclass(frozen=True, kw_only=True, slots=True)
class Instruction:
    """One instruction: `line` counts from 1 and is its first, `text` is what builders show, on one line."""

    line: int
    text: str

    @property
    def word(self) -> str:
        """FROM, RUN, COPY, …"""
        return self.text.split(maxsplit=1)[0].upper()


def instructions(dockerfile: str) -> tuple[Instruction, ...]:
    """The instructions in order; continued lines are joined, comments and heredoc bodies are not part of the text."""
    lines = dockerfile.removeprefix("\ufeff").splitlines()
    escape = _escape(lines)
    found: list[Instruction] = []
    index = 0
    while index < len(lines):
        first = index
        text, index = _joined(lines, index, escape)
        if not text:
            continue
        found.append(Instruction(line=_start(lines, first) + 1, text=text))
        if found[-1].word in ("RUN", "COPY", "ADD"):
            for _, word in _HEREDOC.findall(text):
                while index < len(lines) and lines[index].strip() != word:
                    index += 1
                index += 1
    return tuple(found)


def stage_names(dockerfile: str) -> tuple[str, ...]:
    """The names that `AS` gives, in order; a stage without one counts by its number, as builders do."""
    froms = [item.text for item in instructions(dockerfile) if item.word == "FROM"]
    names = []
    for number, text in enumerate(froms):
        name = re.search(r"\sAS\s+(\S+)\s*$", text, re.IGNORECASE)
        names.append(name[1] if name else str(number))
    return tuple(names)


def has_stage(dockerfile: str, target: str) -> bool:
    """Whether a target names a stage, by name (in any case) or by number."""
    names = stage_names(dockerfile)
    return target.lower() in (name.lower() for name in names) or (target.isdecimal() and int(target) < len(names))


def find(dockerfile: str, step: str) -> Instruction | None:
    """The instruction that a builder shows as `step`; the most similar one where variables were replaced in it."""
    wanted = _plain(step)
    candidates = [item for item in instructions(dockerfile) if item.word == (wanted.split() or [""])[0].upper()]
    for item in candidates:
        if _plain(item.text) == wanted:
            return item
    near = difflib.get_close_matches(wanted, [_plain(item.text) for item in candidates], n=1, cutoff=0.6)
    return next((item for item in candidates if near and _plain(item.text) == near[0]), None)


def _plain(text: str) -> str:
    return " ".join(text.split())


def _escape(lines: list[str]) -> str:
    for line in lines:
        directive = _DIRECTIVE.match(line)
        if not directive:
            break
        if directive[1].lower() == "escape":
            return directive[2]
    return "\\"


def _start(lines: list[str], first: int) -> int:
    while not lines[first].strip() or lines[first].lstrip().startswith("#"):
        first += 1
    return first


def _joined(lines: list[str], index: int, escape: str) -> tuple[str, int]:
    """The logical line that starts at `index`, and the index behind it; "" where only blanks and comments follow."""
    parts: list[str] = []
    while index < len(lines):
        line = lines[index].rstrip()
        index += 1
        if line.lstrip().startswith("#") or not line.strip():
            continue
        if not line.endswith(escape):
            parts.append(line)
            break
        parts.append(line[: -len(escape)])
    return "".join(parts).strip(), index
