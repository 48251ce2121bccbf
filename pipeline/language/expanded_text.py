"""An expanded pipeline as YAML that can be read again, each value with a comment that says where it came from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from pipeline.language.expansion import Grown, Items, Keys, Leaf, Origin
from pipeline.model.value import Value

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_BLOCK = re.compile(r"(?!\s)[^\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]*", re.DOTALL)


def yaml_text(pipeline: Keys) -> str:
    """The whole document; a blank line before each top key and each stage."""
    lines: list[str] = []
    for name, value in pipeline.entries.items():
        if lines:
            lines.append("")
        lines += _entry(name, value, 0, spaced=name == "stages")
    return "\n".join(lines) + "\n"


def _entry(name: str, value: Grown, depth: int, *, spaced: bool = False) -> Iterator[str]:
    key = name if _PLAIN_KEY.fullmatch(name) else json.dumps(name, ensure_ascii=False)
    yield from _value(f"{'  ' * depth}{key}:", value, depth, spaced=spaced)


def _value(head: str, value: Grown, depth: int, *, spaced: bool = False) -> Iterator[str]:
    if isinstance(value, Leaf):
        yield from _leaf(head, value, depth)
    elif isinstance(value, Items):
        if not value.items:
            yield _noted(f"{head} []", value.origin)
            return
        yield _noted(head, value.origin) if value.origin.how else head
        for item in value.items:
            yield from _item(item, depth + 1)
    else:
        if not value.entries:
            yield _noted(f"{head} {{}}", value.origin)
            return
        yield _noted(head, value.origin)
        for number, (name, entry) in enumerate(value.entries.items()):
            if spaced and number:
                yield ""
            yield from _entry(name, entry, depth + 1)


def _item(value: Grown, depth: int) -> Iterator[str]:
    """An item of a list; a mapping starts on the line of its dash."""
    dash = "  " * depth + "-"
    if not isinstance(value, Keys) or not value.entries:
        yield from _value(dash, value, depth)
        return
    lines = [line for name, entry in value.entries.items() for line in _entry(name, entry, depth + 1)]
    yield f"{dash} {lines[0].lstrip(' ')}"
    yield from lines[1:]


def _leaf(head: str, leaf: Leaf, depth: int) -> Iterator[str]:
    text = leaf.text
    if "\n" in text and _BLOCK.fullmatch(text) and text.strip("\n"):
        ending = len(text) - len(text.rstrip("\n"))
        chomp = {0: "-", 1: ""}.get(ending, "+")
        yield _noted(f"{head} |{chomp}", leaf.origin)
        for line in text.removesuffix("\n").split("\n"):
            yield f"{'  ' * (depth + 1)}{line}" if line else ""
        return
    spelt = text if leaf.plain and "\n" not in text else json.dumps(text, ensure_ascii=False)
    yield _noted(f"{head} {spelt}" if spelt else head, leaf.origin)


def _noted(line: str, origin: Origin) -> str:
    comment = str(origin)
    return f"{line}  # {comment}" if comment else line


def facts(pipeline: Keys) -> Value:
    """`pipeline` with plain values, and `origins` from JSON pointers to places."""
    origins: dict[str, Value] = {}
    return {"pipeline": _plain(pipeline, "", origins), "origins": origins}


def _plain(value: Grown, pointer: str, origins: dict[str, Value]) -> Value:
    place = value.origin.place
    if pointer:
        where: dict[str, Value] = {"how": value.origin.how}
        if place is not None:
            where |= {"file": place.file, "line": place.line, "column": place.column}
        origins[pointer] = where
    if isinstance(value, Items):
        return [_plain(item, f"{pointer}/{number}", origins) for number, item in enumerate(value.items)]
    if isinstance(value, Keys):
        return {
            name: _plain(item, f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}", origins)
            for name, item in value.entries.items()
        }
    return _scalar(value)


def _scalar(leaf: Leaf) -> Value:
    """Truth values and whole numbers that are spelled as JSON does; any other text stays as it is written."""
    if not leaf.plain:
        return leaf.text
    known: dict[str, Value] = {"true": True, "false": False, "null": None, "": None}
    if leaf.text in known:
        return known[leaf.text]
    return int(leaf.text) if re.fullmatch(r"-?(0|[1-9][0-9]{0,14})", leaf.text) else leaf.text
