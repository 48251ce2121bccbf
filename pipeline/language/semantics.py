"""What no schema can say: names that must exist, circles, stages that can never run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pipeline.diagnostic import Position
from pipeline.language.graph import ancestors, cycles
from pipeline.language.places import owner
from pipeline.language.problems import Problems, suggestion
from pipeline.language.tree import Node, Path, span_at
from pipeline.language.values import Found
from pipeline.model.definition import EdgeRule, EnvironmentDefinition, RunRule, StageDefinition

_OPTIONAL_NEED: Final = "optional"


def check_references(
    found: Iterable[Found],
    stages: Sequence[str],
    environments: Sequence[str],
    optional: frozenset[Path],
    problems: Problems,
) -> set[Path]:
    """Report names of stages and environments that do not exist; returns the paths of those."""
    bad: set[Path] = set()
    names = {"stage-name": (frozenset(stages), "stage"), "environment-name": (frozenset(environments), "environment")}
    for path, node, label in found:
        if label not in names or "${{" in node.text:
            continue
        known, noun = names[label]
        if node.text in known or (":" in node.text and node.text.partition(":")[0] in known):
            continue  # cells are looked at where they are known
        bad.add(path)
        if path in optional or problems.partial:
            continue
        words, below = owner(path)
        if below and below[0] == "needs":
            message = f"{words} needs '{node.text}', which does not exist"
        else:
            message = f"{words} names the {noun} '{node.text}', which does not exist"
        problems.add(f"unknown-{noun}", message, node.span, note=suggestion(node.text, known))
    return bad


def check_cycles(
    graph: Mapping[str, Sequence[str]], edges: Mapping[tuple[str, str], Position], problems: Problems, *, noun: str
) -> None:
    """Report each circle as its path, with the line of each edge."""
    verb = "needs" if noun == "stage" else "comes after"
    for cycle in cycles(graph):
        steps = list(zip(cycle, [*cycle[1:], cycle[0]], strict=True))
        path = " → ".join([*cycle, cycle[0]])
        related = tuple((f"'{one}' {verb} '{other}'", edges[one, other]) for one, other in steps)
        problems.add("cycle", f"{noun}s wait for each other: {path}", edges[steps[0]], related=related)


def check_reachable(
    stages: Sequence[StageDefinition], graph: Mapping[str, Sequence[str]], root: Node, problems: Problems
) -> None:
    """Report stages whose conditions exclude each other, whatever happens. The graph must be free of circles."""
    for stage in stages:
        why = _never(stage, graph)
        if why is not None:
            reason, key = why
            span = span_at(root, ("stages", stage.name, *key))
            problems.add("unreachable", f"stage '{stage.name}' can never run: {reason}", span)


def _never(stage: StageDefinition, graph: Mapping[str, Sequence[str]]) -> tuple[str, Path] | None:
    rules: dict[str, set[EdgeRule]] = {}
    for need in stage.needs:
        rules.setdefault(need.stage, set()).add(need.rule)
    for name, wanted in rules.items():
        if EdgeRule.FAILED in wanted and wanted & {EdgeRule.SUCCEEDED, EdgeRule.DEFAULT}:
            return f"it needs '{name}' both to fail and to succeed", ("needs",)
    when = stage.when
    if when.run is RunRule.ON_FAILURE and not ancestors(graph, stage.name):
        return "it runs on failure, and it needs no stage that could fail", ("when", "run")
    if when.branch and when.tag:
        return "a run is for a branch or for a tag, never for both", ("when", "tag")
    if when.event == ("pull_request",) and when.tag:
        return "a pull request has no tag", ("when", "tag")
    if when.expression == "false":
        return "its condition is false", ("when", "if")
    return None


def environment_graph(environments: Sequence[EnvironmentDefinition]) -> dict[str, tuple[str, ...]]:
    """Each environment with those that come before it; names that do not exist are left out."""
    known = {environment.name for environment in environments}
    return {
        environment.name: tuple(name for name in environment.after if name in known) for environment in environments
    }
