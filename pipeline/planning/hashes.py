"""`hash(…)` in values that are decided during the run: worked out while the plan is made, from its files."""

from __future__ import annotations

import re
from typing import Final

from pipeline.errors import UsageError
from pipeline.model.template import Expr, parts
from pipeline.ports.expressions import Digest

_LITERAL: Final = r"(?:'[^'\\]*'|\"[^\"\\]*\")"
_LIST: Final = rf"\s*{_LITERAL}\s*(?:,\s*{_LITERAL}\s*)*"
_CALL: Final = re.compile(rf"\bhash\s*\((?P<patterns>{_LIST}|\s*\[{_LIST}\]\s*)\)")
_ANY_CALL: Final = re.compile(r"(?<![\w.'\"])hash\s*\(")


def settled(text: str, digest: Digest | None) -> str:
    """A text whose expressions have the digests in the place of their calls of `hash`.

    UsageError for a call whose patterns are no fixed texts: the run has no files to look at.
    """
    if "hash" not in text:
        return text
    return "".join(
        f"${{{{ {settled_expression(piece.text, digest)} }}}}" if isinstance(piece, Expr) else piece
        for piece in parts(text)
    )


def settled_expression(expression: str, digest: Digest | None) -> str:
    """An expression that is decided during the run, with digests in the place of its calls of `hash`."""

    def replacement(call: re.Match[str]) -> str:
        if digest is None:
            raise UsageError(
                f"the files for {call[0]} are not known here", hint="hash() needs the source's list of files"
            )
        return f"'{digest([item[1:-1] for item in re.findall(_LITERAL, call['patterns'])])}'"

    found = _CALL.sub(replacement, expression)
    if _ANY_CALL.search(found):
        raise UsageError(
            f"the expression '{expression}' is evaluated during the run, where hash() knows no files",
            hint="write fixed patterns, such as hash('requirements*.txt')",
        )
    return found
