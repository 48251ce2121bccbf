"""Plans pipeline texts with the real kinds over a made-up source."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from pipeline.bootstrap import Kinds
from pipeline.errors import DefinitionError
from pipeline.expressions.cel import CelExpressions
from pipeline.language.load import load_definition
from pipeline.model.plan import Plan, PlannedStage
from pipeline.model.source import Changes, Commit, Event, Source
from pipeline.model.tree import Tree, TreeFile
from pipeline.planning.planner import plan
from stages import KINDS

EXPRESSIONS = CelExpressions({"LISTED": "open"})
ALL_KINDS = Kinds(KINDS)
PUSH = Event(kind="push", branch="main", actor="ada")
HEAD = "version: 1\nname: demo\n"
SOURCE = Source(
    path="/src",
    origin="https://git.example.org/demo.git",
    commit=Commit(
        sha="4f1c0de0" * 5,
        message="fix: it",
        author="Ada <ada@example.org>",
        time=datetime(2026, 11, 23, tzinfo=UTC),
        tree="1" * 40,
    ),
)


def tree_of(*paths: str) -> Tree:
    """A tree of these files; the content of each is its name."""
    return Tree(lambda: [TreeFile(path, f"content of {path}") for path in paths])


def planned(
    text: str,
    *,
    event: Event = PUSH,
    tree: Tree | None = None,
    timings: Callable[[str], Mapping[str, float]] | None = None,
    changes: Callable[[str], Changes] | None = None,
    overrides: Mapping[str, str] | None = None,
) -> Plan:
    """The plan of a text that has no errors."""
    definition, _ = load_definition(
        (HEAD + text).encode(), file="pipeline.yml", kinds=ALL_KINDS, expressions=EXPRESSIONS
    )
    return plan(
        definition,
        event=event,
        source=SOURCE,
        overrides=overrides or {},
        kinds=ALL_KINDS,
        expressions=EXPRESSIONS,
        tree=tree,
        timings=timings,
        changes=changes,
    )


def stage_of(decided: Plan, name: str) -> PlannedStage:
    """The stage of that name."""
    return next(item for item in decided.stages if item.stage.name == name)


def names_of(decided: Plan) -> Sequence[str]:
    """Every stage but the checkout, in order."""
    return [item.stage.name for item in decided.stages if item.stage.kind != "checkout"]


def needs_of(decided: Plan, name: str) -> Sequence[str]:
    """What a stage needs."""
    return [need.stage for need in stage_of(decided, name).stage.needs]


def refused(error: DefinitionError) -> str:
    """Place and words of the one problem."""
    (problem,) = error.diagnostics
    return f"{problem.position.line}:{problem.position.column} {problem.message}"
