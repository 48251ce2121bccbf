"""What a plain scalar means by the YAML 1.2 core schema: `on`, `yes` and `no` are words."""

from __future__ import annotations

import re
from typing import Final

from pipeline.language.tree import Scalar

_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,18}|0o[0-7]{1,20}|0x[0-9a-fA-F]{1,15}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")
_WORDS: Final[dict[str, bool | None]] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_NUMBER_STARTS: Final = frozenset("+-.0123456789")


def resolve(scalar: Scalar) -> bool | int | float | str | None:
    """The value of a scalar where no schema asks for text.

    Numbers that JSON cannot hold (`.inf`, `.nan`, more than 18 digits) stay text.
    """
    text = scalar.text
    if scalar.tag == "str" or not (scalar.plain or scalar.tag):
        return text
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_STARTS or len(text) > 64:
        return text
    if _INTEGER.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return number if abs(number) < 1e300 else text
    return text
