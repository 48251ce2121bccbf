"""The examination of a draft: every check, in an order that lets later ones rely on what earlier ones took out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pipeline.diagnostic import Position, Severity
from pipeline.language.behind import Behind, with_emitter
from pipeline.language.cautions import check_deployments, check_images, check_secrets, check_splits
from pipeline.language.draft import Draft, StageDraft
from pipeline.language.expressions import Checker, Reads, check_expressions, check_reads
from pipeline.language.facts import Names
from pipeline.language.formats import check_formats
from pipeline.language.gates import check_gates
from pipeline.language.graph import CHECKOUT, Graph, graph_of, ordered
from pipeline.language.matrices import Cells, check_cell_names, check_cell_needs, check_matrices
from pipeline.language.problems import suggestion
from pipeline.language.semantics import check_cycles, check_reachable, check_references, environment_graph
from pipeline.language.tree import ListNode, MapNode, Path, Scalar, span_at
from pipeline.language.validation import TYPES, Validation
from pipeline.language.verifications import check_verifications
from pipeline.model.definition import Definition
from pipeline.ports.expressions import Expressions


def examine(draft: Draft, expressions: Expressions) -> Definition | None:
    """Put every problem of the draft into its problems, and take out of it what cannot be believed.

    What is left is given back built, without its digest; None where the stages wait for each other.
    """
    bad = _structure(draft)
    bad |= check_formats(draft.reading.formats, draft.problems)
    cells = {**_cells_behind(draft), **check_matrices(draft, bad)}
    names = _names(draft, cells)
    conditions = [found for found in draft.reading.formats if found.label == "condition" and found.path not in bad]
    checker = Checker(names, expressions, draft.problems)
    bad |= check_expressions(checker, draft.reading.expressions, conditions)
    draft.drop(bad)
    check_cell_needs(draft, cells)
    unknown = check_references(
        [found for found in draft.reading.formats if not (draft.elsewhere and found.path[:1] == ("environments",))],
        _stage_names(draft),
        tuple(environment.name for environment in draft.environments()),
        _optional_needs(draft),
        draft.problems,
    )
    unknown |= check_cell_names(draft.reading.formats, cells, draft.problems)
    draft.drop(unknown)
    if draft.elsewhere and "environments" in draft.root.entries:
        _not_counted(draft)
    if draft.behind is None:
        draft.drop(check_gates(draft.values.get("environments", {}), draft.root, draft.problems))
    definition = _order(draft, bad | unknown, checker.reads)
    check_secrets(draft.problems)
    check_images([found for found in draft.reading.formats if found.label == "image"], draft.problems)
    return definition


def _stage_names(draft: Draft) -> tuple[str, ...]:
    names = [stage.name for stage in draft.stages]
    if draft.behind is not None:
        return (*(stage.name for stage in draft.behind.stages), *names)
    return (CHECKOUT, *names) if draft.has_implicit_checkout else tuple(names)


def _cells_behind(draft: Draft) -> dict[str, Cells]:
    return {name: Cells(planned=cells) for name, cells in draft.behind.cells.items()} if draft.behind else {}


def _names(draft: Draft, cells: Mapping[str, Cells]) -> Names:
    """What expressions may name, as the file says it."""
    return Names(
        variables=draft.variables,
        stages=dict.fromkeys(_stage_names(draft)),
        cells=cells,
        outputs={
            **{stage.name: stage.outputs for stage in (draft.behind.stages if draft.behind else ()) if stage.outputs},
            **{
                stage.name: (stage.values or {}).get("outputs", ())
                for stage in draft.stages
                if stage.schema and "outputs" in stage.schema["properties"]
            },
        },
        environments=frozenset(stage.name for stage in draft.stages if (stage.values or {}).get("environment")),
    )


def _structure(draft: Draft) -> set[Path]:
    validation = Validation(draft.root, draft.problems, late=draft.reading.late)
    stages = draft.stages_entry
    given: dict[str, object] = {}
    if stages is not None:
        written: object = {stage.name: {} for stage in draft.stages}
        if isinstance(stages.value, Scalar):
            written = stages.value.text or None
        elif isinstance(stages.value, ListNode):
            written = []
        given = {"stages": written}
    validation.check({**draft.values, **given}, draft.schema, ())
    for stage in draft.stages:
        _stage(draft, stage, validation)
    validation.choices(draft.reading.choices)
    return validation.bad


def _stage(draft: Draft, stage: StageDraft, validation: Validation) -> None:
    path: Path = ("stages", stage.name)
    if stage.values is None:
        seen = TYPES["array"] if isinstance(stage.entry.value, ListNode) else "a text"
        message = f"stage '{stage.name}' must be {TYPES['object']}, not {seen}"
        draft.problems.add("wrong-type", message, stage.entry.value.span)
        return
    if stage.schema is None:
        draft.problems.add(
            "unknown-kind",
            f"stage '{stage.name}' is of the unknown kind '{stage.kind}'",
            span_at(draft.root, (*path, "kind")),
            note=suggestion(stage.kind, draft.kinds) or f"one of {', '.join(sorted(draft.kinds))}",
        )
        validation.bad.add((*path, "kind"))
        validation.check(stage.values, draft.grammar.any_stage(), path)
        return
    validation.check(stage.values, draft.stage_schema(stage.kind), path)
    if stage.name == CHECKOUT and stage.kind != CHECKOUT and all(other.kind != CHECKOUT for other in draft.stages):
        draft.problems.add(
            "reserved-name",
            f"the name '{CHECKOUT}' belongs to the stage of kind '{CHECKOUT}' that is put first",
            stage.entry.key.span,
            note="use another name, or write a stage of that kind",
        )


def _not_counted(draft: Draft) -> None:
    draft.problems.add(
        "environments-elsewhere",
        "the environments of this file do not count",
        draft.root.entries["environments"].key.span,
        severity=Severity.HINT,
        note="those of the operations' policy do (setting 'policy')",
    )


def _optional_needs(draft: Draft) -> frozenset[Path]:
    found: set[Path] = set()
    for stage in draft.stages:
        needs = (stage.values or {}).get("needs")
        for index, need in enumerate(needs if isinstance(needs, list) else ()):
            if isinstance(need, dict) and need.get("optional") is True:
                found.add(("stages", stage.name, "needs", index, "stage"))
    return frozenset(found)


def _order(draft: Draft, bad: set[Path], reads: list[Reads]) -> Definition | None:
    environments = draft.environments()
    edges = {
        (environment.name, name): draft.problems.source.position(
            span_at(draft.root, ("environments", environment.name, "after", index))
        )
        for environment in environments
        for index, name in enumerate(environment.after)
    }
    check_cycles(environment_graph(environments), edges, draft.problems, noun="environment")
    needs = draft.graph()
    graph = graph_of(needs)
    if ordered(graph)[1]:
        check_cycles(graph, _edges(draft, graph), draft.problems, noun="stage")
        return None
    definition = draft.definition(needs)
    whole = definition if draft.behind is None else _behind(draft.behind, definition)
    graph = graph_of({stage.name: stage.needs for stage in whole.stages})
    check_reads(reads, graph, draft.problems)
    check_reachable(definition.stages, graph, draft.root, draft.problems)
    broken = {path[1] for path in bad if len(path) > 1 and path[0] == "stages"}
    for stage in definition.stages:
        if stage.kind in draft.kinds and stage.name not in broken:
            for diagnostic in draft.kinds[stage.kind].problems(stage, whole):
                draft.problems.keep(diagnostic)
    if draft.behind is None:
        check_deployments(definition, draft.problems)
    check_verifications(definition.environments, draft.root, bad, draft.problems)
    check_splits(definition.stages, draft.root, draft.problems)
    return definition


def _behind(behind: Behind, definition: Definition) -> Definition:
    """Emitted stages together with what they stand behind."""
    return replace(
        definition, stages=(*behind.stages, *with_emitter(definition.stages, behind.emitter.partition(":")[0]))
    )


def _edges(draft: Draft, graph: Graph) -> dict[tuple[str, str], Position]:
    """Where each edge is written: the item of `needs`, or the stage's name for one that follows from the order."""
    places: dict[tuple[str, str], Position] = {}
    for name, needs in graph.items():
        for other in needs:
            places[name, other] = draft.position(("stages", name))
    for drafted in draft.stages:
        node = drafted.entry.value
        entry = node.entries.get("needs") if isinstance(node, MapNode) else None
        if entry is None:
            continue
        items = entry.value.items if isinstance(entry.value, ListNode) else [entry.value]
        for item in items:
            named = item
            if isinstance(item, MapNode) and "stage" in item.entries:
                named = item.entries["stage"].value
            if isinstance(named, Scalar) and (drafted.name, named.text) in places:
                places[drafted.name, named.text] = draft.problems.source.position(named.span)
    return places
