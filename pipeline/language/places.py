"""How messages call a place of the file: `'image' of stage 'unit'`."""

from __future__ import annotations

from pipeline.language.tree import Path

_FRAMES = {"stages": "stage", "environments": "environment", "people": "person", "groups": "group"}


def owner(path: Path) -> tuple[str, Path]:
    """The stage, environment, person or group that a path is in, in words, and the path below it."""
    if len(path) >= 2 and path[0] in _FRAMES:
        return f"{_FRAMES[str(path[0])]} '{path[1]}'", path[2:]
    if path and path[0] == "defaults":
        return "the defaults", path[1:]
    return "the file", path


def dotted(path: Path) -> str:
    """`services.db.ready`, with items counted from 1: `commands[2]`."""
    text = ""
    for step in path:
        text += f"[{step + 1}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")


def spell(path: Path) -> str:
    """The place as a subject: `'timeout' of stage 'unit'`, `stage 'unit'`, `'name'`."""
    words, below = owner(path)
    if not below:
        return words
    if words == "the file":
        return f"'{dotted(below)}'"
    return f"'{dotted(below)}' of {words}"
