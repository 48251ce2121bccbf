"""Text to `Definition`: everything that is wrong with a pipeline file is found in one pass."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from pipeline.diagnostic import Diagnostic
from pipeline.errors import DefinitionError
from pipeline.language.draft import Draft
from pipeline.language.examination import examine
from pipeline.language.problems import Problems
from pipeline.language.reader import read
from pipeline.language.tree import MapNode, Node, Span
from pipeline.model.definition import Definition
from pipeline.ports.expressions import Expressions
from pipeline.ports.stage import StageKind


def load_definition(
    text: bytes,
    *,
    file: str,
    kinds: Mapping[str, StageKind],
    expressions: Expressions,
    known_clean: bool = False,
) -> tuple[Definition, tuple[Diagnostic, ...]]:
    """The pipeline that a file describes, with the warnings and hints about it.

    `file` is how messages call it. Of `kinds` only those that the file uses are looked up. With `known_clean` the
    caller vouches that this text passed before: nothing is checked again, and no warnings are returned; a text that
    did not pass raises DefinitionError or gives a definition that makes no sense.

    Raises DefinitionError with every problem, in the file's order, when one of them is an error.
    """
    with _no_collection():
        return _load(text, file=file, kinds=kinds, expressions=expressions, known_clean=known_clean)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the cyclic garbage collector from walking a growing tree that holds no cycles: a third of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _load(
    text: bytes, *, file: str, kinds: Mapping[str, StageKind], expressions: Expressions, known_clean: bool
) -> tuple[Definition, tuple[Diagnostic, ...]]:
    root, problems = read(text, file=file)
    if not problems.errors:
        root = _top(root, problems)
    if root is None or not isinstance(root, MapNode) or (known_clean and problems.errors):
        raise _refused(problems)
    draft = Draft(root, kinds, problems)
    definition = draft.definition(draft.graph()) if known_clean else examine(draft, expressions)
    if definition is None or problems.errors:
        raise _refused(problems)
    return replace(definition, digest="sha256:" + hashlib.sha256(text).hexdigest()), problems.all()


def _top(root: Node | None, problems: Problems) -> Node | None:
    place = Span(0, 0, 0, 0, 1, 1)
    if root is None:
        problems.add("empty", "the file is empty", place, note="'ecluse init' writes a first one")
    elif not isinstance(root, MapNode):
        problems.add("wrong-type", "the file must hold keys and values at its top", root.span)
    return root


def _refused(problems: Problems) -> DefinitionError:
    found = problems.all()
    count = problems.errors
    return DefinitionError(
        f"{problems.source.file} has {count} error{'s' if count != 1 else ''}",
        diagnostics=found,
        hint="'ecluse schema' prints the schema that editors complete and check with",
    )
