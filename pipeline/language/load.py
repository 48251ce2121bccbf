"""Text to `Definition`: everything that is wrong with a pipeline file is found in one pass."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from pipeline.diagnostic import Diagnostic
from pipeline.errors import DefinitionError
from pipeline.language.draft import Draft
from pipeline.language.examination import examine
from pipeline.language.includes import KEY, Inclusion
from pipeline.language.problems import Problems
from pipeline.language.reader import read
from pipeline.language.tree import MapNode, Node, Span
from pipeline.model.definition import Definition, EnvironmentDefinition
from pipeline.ports.expressions import Expressions
from pipeline.ports.includes import Includes
from pipeline.ports.stage import StageKind


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """A pipeline file with all that it includes, read and not yet judged."""

    root: MapNode | None
    problems: Problems
    digest: str
    """`sha256:…` over the bytes of all files."""
    texts: Mapping[str, bytes]
    """What stands in each file, by the name that positions have."""


def load_definition(
    text: bytes,
    *,
    file: str,
    kinds: Mapping[str, StageKind],
    expressions: Expressions,
    known_clean: bool = False,
    includes: Includes | None = None,
) -> tuple[Definition, tuple[Diagnostic, ...]]:
    """The pipeline that a file describes, with the warnings and hints about it: `read_pipeline`, then `define`."""
    written = read_pipeline(text, file=file, includes=includes)
    return define(written, kinds=kinds, expressions=expressions, known_clean=known_clean)


def read_pipeline(text: bytes, *, file: str, includes: Includes | None) -> Written:
    """Read a file, which messages call `file`, and what it includes; without `includes` it may include nothing.

    Problems are kept in what is returned. Raises SourceUnreachableError where an included file cannot be asked for.
    """
    with _no_collection():
        node, problems = read(text, file=file)
        broken = node if isinstance(node, MapNode) else None
        root = broken if problems.errors else _top(node, problems)
        texts = {file: text}
        digest = hashlib.sha256(text)
        if root is not None and KEY in root.entries:
            inclusion = Inclusion(problems, includes)
            root = inclusion.whole(root)
            texts |= inclusion.texts
            for name, content in inclusion.texts.items():
                digest.update(f"\0{name}\0{hashlib.sha256(content).hexdigest()}".encode())
    return Written(root=root, problems=problems, digest="sha256:" + digest.hexdigest(), texts=texts)


def define(
    written: Written,
    *,
    kinds: Mapping[str, StageKind],
    expressions: Expressions,
    known_clean: bool = False,
    environments: tuple[EnvironmentDefinition, ...] | None = None,
) -> tuple[Definition, tuple[Diagnostic, ...]]:
    """The pipeline that was written, with the warnings and hints about it. With `environments` these count, and those
    that the file has are checked and left out.

    Of `kinds` only those that the file uses are looked up. With `known_clean` the caller vouches that files of this
    digest passed before: nothing is checked again, and no warnings are returned; what did not pass raises
    DefinitionError or gives a definition that makes no sense.

    Raises DefinitionError with every problem, in the files' order, when one of them is an error.
    """
    problems = written.problems
    with _no_collection():
        if written.root is None or (known_clean and problems.errors):
            raise _refused(written)
        draft = Draft(written.root, kinds, problems, environments=environments)
        definition = draft.definition(draft.graph()) if known_clean else examine(draft, expressions)
        if definition is None or problems.errors:
            raise _refused(written)
        return replace(definition, digest=written.digest), problems.all()


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


def _top(root: Node | None, problems: Problems) -> MapNode | None:
    if root is None:
        problems.add("empty", "the file is empty", Span(0, 0, 0, 0, 1, 1), note="'ecluse init' writes a first one")
        return None
    if not isinstance(root, MapNode):
        problems.add("wrong-type", "the file must hold keys and values at its top", root.span)
        return None
    return root


def _refused(written: Written) -> DefinitionError:
    count = written.problems.errors
    error = DefinitionError(
        f"{written.problems.source.file} has {count} error{'s' if count != 1 else ''}",
        diagnostics=written.problems.all(),
        hint="'ecluse schema' prints the schema that editors complete and check with",
    )
    error.sources = written.texts
    return error
