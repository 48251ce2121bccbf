"""Stages that a stage wrote while the run went on: read by the rules of the pipeline file, behind what is there."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.errors import DefinitionError
from pipeline.language.behind import Behind, with_emitter
from pipeline.language.draft import Draft
from pipeline.language.examination import examine
from pipeline.language.graph import CHECKOUT
from pipeline.language.problems import Problems
from pipeline.language.reader import read
from pipeline.language.tree import MapNode, Span, key_span_at
from pipeline.model.definition import StageDefinition
from pipeline.ports.expressions import Expressions
from pipeline.ports.stage import StageKind


def load_emitted(
    text: bytes, *, file: str, behind: Behind, kinds: Mapping[str, StageKind], expressions: Expressions
) -> tuple[StageDefinition, ...]:
    """The stages of an emitted file, which messages call `file`, each behind its emitter.

    DefinitionError with every problem, each at its place; warnings are dropped.
    """
    root, problems = read(text, file=file)
    if root is None and not problems.errors:
        problems.add(
            "empty", "the file is empty", Span(0, 0, 0, 0, 1, 1), note="write 'stages: {}' where there are none"
        )
    elif root is not None and not isinstance(root, MapNode):
        problems.add("wrong-type", "the file must hold keys and values at its top", root.span)
    if problems.errors or not isinstance(root, MapNode):
        raise _refused(problems, text)
    draft = Draft(root, kinds, problems, behind=behind)
    _check(draft, behind)
    definition = examine(draft, expressions)
    if definition is None or problems.errors:
        raise _refused(problems, text)
    return with_emitter(definition.stages, behind.emitter)


def _check(draft: Draft, behind: Behind) -> None:
    """Report what emitted stages cannot be: of a name that is taken, without needs, emitting themselves."""
    taken = {stage.name for stage in behind.stages}
    for stage in draft.stages:
        values, span = stage.values or {}, stage.entry.key.span
        if stage.name in taken:
            draft.problems.add("duplicate-stage", f"the run has a stage '{stage.name}' already", span)
        if "needs" not in values:
            message = f"stage '{stage.name}' is emitted and must write its needs"
            draft.problems.add("emitted-needs", message, span, note="'needs: []' starts as soon as it is known")
        if "emits" in values:
            message = f"stage '{stage.name}' is emitted and cannot emit stages itself"
            place = key_span_at(draft.root, ("stages", stage.name, "emits"))
            draft.problems.add("emits", message, place, note="let the first stage emit all of them")
        if stage.kind == CHECKOUT:
            draft.problems.add("emits", "the source is there already: a checkout cannot be emitted", span)


def _refused(problems: Problems, text: bytes) -> DefinitionError:
    count = problems.errors
    file = problems.source.file
    error = DefinitionError(f"{file} has {count} error{'s' if count != 1 else ''}", diagnostics=problems.all())
    error.sources = {file: text}
    return error
