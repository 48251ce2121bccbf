"""The CEL compiler's messages in words for people who never heard of an overload."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_PLACE: Final = re.compile(r"ERROR: <input>:(?P<line>\d+):(?P<column>\d+): (?P<message>[^\n]*)")
_UNDECLARED: Final = re.compile(r"undeclared reference to '(?P<name>[^']*)'")
_OVERLOAD: Final = re.compile(r"found no matching overload for '(?P<function>[^']*)' applied to '(?P<types>.*)'")
_TOKEN: Final = re.compile(r"token recognition error at: '(?P<token>.*)'$")
_EXTRANEOUS: Final = re.compile(r"(?:extraneous|mismatched) input '(?P<token>.*?)' expecting")
_MISSING: Final = re.compile(r"missing (?P<token>'.*?') at")
_SELECT: Final = re.compile(r"expression of type '(?P<type>.*?)' cannot be the operand of a select operation")
_ELSEWHERE: Final = {
    "secrets": "name it under 'secrets' of the stage, which has it as a variable",
    "needs": "read stages.<name>.outputs",
    "env": "read what is under 'variables', or the host's with env('NAME')",
    "vars": "read variables.<name>",
    "github": "read event, branch, tag, commit or run",
}
"""Names that other CI systems have, and what to write instead."""
_CALLS: Final = {"hash": "'glob', …", "slug": "text", "env": "'NAME'"}
_TYPES: Final = {"string": "text", "bool": "truth value", "int": "number", "list": "list", "map": "mapping"}


def problem_in_words(message: str, text: str, *, values: Iterable[str], functions: Iterable[str]) -> str:
    """What is wrong with an expression, in one line, from the compiler's answer."""
    found = _PLACE.search(message)
    if "recursion limit" in message:
        return "it is nested too deeply"
    if not found:
        return _first_line(message)
    words = found["message"].removesuffix(" [INVALID_ARGUMENT]").removeprefix("Syntax error: ")
    if undeclared := _UNDECLARED.search(words):
        return _undeclared(undeclared["name"], text, values=values, functions=functions)
    if overload := _OVERLOAD.search(words):
        return _overload(overload["function"], overload["types"])
    if select := _SELECT.search(words):
        return f"a {type_name(select['type'])} has no fields"
    if "<EOF>" in words and words.startswith("mismatched"):
        return "it ends too early"
    if missing := _MISSING.search(words):
        return f"a {missing['token']} is missing"
    if (quote := _TOKEN.search(words)) and quote["token"][:1] in ("'", '"'):
        return f"the quote at character {int(found['column'])} is never closed"
    if token := (_TOKEN.search(words) or _EXTRANEOUS.search(words)):
        return f"{_shown(token['token'])} cannot stand at character {int(found['column'])}"
    return words.split(" expecting {")[0]


def type_name(name: str) -> str:
    """A CEL type for people."""
    return _TYPES.get(re.split(r"[<(]", name, maxsplit=1)[0].lower(), name)


def _undeclared(name: str, text: str, *, values: Iterable[str], functions: Iterable[str]) -> str:
    is_function = re.search(rf"\b{re.escape(name)}\s*\(", text) is not None
    noun, known = ("function", functions) if is_function else ("value", values)
    if not is_function and (note := _ELSEWHERE.get(name.partition(".")[0])):
        return f"there is no {noun} '{name}': {note}"
    if is_function and name in known:
        return f"'{name}' is called with something that it does not take; write {name}({_CALLS.get(name, '…')})"
    import difflib

    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return f"there is no {noun} '{name}'" + (f"; did you mean '{near[0]}'?" if near else "")


def _overload(function: str, types: str) -> str:
    name = function.strip("_").replace("_", " ").strip() or function
    inside = types.strip("()")
    spelled = " and ".join(type_name(part.strip()) for part in re.split(r",(?![^<(]*[>)])", inside))
    return f"'{name}' does not go with {spelled}"


def _shown(piece: str) -> str:
    return f'"{piece}"' if "'" in piece else f"'{piece}'"


def _first_line(message: str) -> str:
    return message.splitlines()[0][:200] if message else "it cannot be understood"
