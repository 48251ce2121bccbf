"""What earlier runs left for the stages of a plan: which of them need not run, and what differs for the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.engine.reuse_rules import ReuseRules
from pipeline.errors import EcluseError, UsageError
from pipeline.model.plan import Earlier, Plan, PlannedStage
from pipeline.model.source import Source
from pipeline.model.tree import Tree
from pipeline.model.trust import reads_from, writes_to
from pipeline.operations.source import describe
from pipeline.planning.reuse import Keys, differing, keyed, may_serve, reused, wanted
from pipeline.ports.application import Application
from pipeline.ports.reuse import ReuseEntry
from pipeline.ports.stage import Reuse, StageKind
from pipeline.settings import stage_environment

ALL = "*"
"""Asks for every stage to run, whatever there is."""
NAMED = 200
"""Stages of a plan for which a difference to an earlier result is looked for; more nobody reads."""
LISTED = 5
"""Files that differ which are named."""


def look_up(
    app: Application, plan: Plan, tree: Tree, *, executor: str, fresh: Sequence[str] = ()
) -> tuple[Plan, ReuseRules | None]:
    """The plan with reuse keys and what is known of earlier results, and the rules by which it is to be run.

    None where no stage can be reused: none asks for it, or the executor runs on the machine itself, whose state no
    key covers. UsageError for a `fresh` stage that the plan does not have. A store that cannot be read holds nothing.
    """
    _check_fresh(plan, fresh)
    worth = may_serve(plan, app.kinds)
    identify = app.identify(executor) if worth else None
    if identify is None:
        return plan, None
    source, event = plan.source, plan.event
    keys = Keys(
        pipeline=plan.name,
        kinds=app.kinds,
        commit=source.commit,
        revision=source.revision,
        tree=tree,
        identify=identify,
        surroundings=stage_environment(app.settings, app.environment),
    )
    rules = ReuseRules(
        store=app.reuse,
        keys=keys,
        identify=identify,
        repository=source.origin or source.path,
        installation=app.settings.installation,
        executor=executor,
        reads=reads_from(event.trust, event.proposal),
        writes=writes_to(event.trust, event.proposal),
        fresh=_freshness(plan, fresh),
        unchanged=lambda: _unchanged(source),
    )
    plan = keyed(plan, keys, only=worth)
    return _LookUp(rules, keys, plan, app.kinds).result(), rules


def _check_fresh(plan: Plan, fresh: Sequence[str]) -> None:
    names = {name for item in plan.stages for name in (item.stage.name, item.stage.written)}
    for name in fresh:
        if name != ALL and name not in names:
            raise UsageError(f"--fresh: there is no stage '{name}'", hint="stages: " + ", ".join(sorted(names)))


def _freshness(plan: Plan, fresh: Sequence[str]) -> Callable[[str], bool]:
    if ALL in fresh:
        return lambda _name: True
    names = frozenset(item.stage.name for item in plan.stages if {item.stage.name, item.stage.written} & set(fresh))
    return names.__contains__


def _unchanged(source: Source) -> bool:
    """Whether the working tree is what the plan saw; a commit always is."""
    if source.revision or not source.path:
        return True
    now = describe(Path(source.path)).commit
    return (now.tree, now.sha) == (source.commit.tree, source.commit.sha)


class _LookUp:
    """One question to the store for a plan."""

    def __init__(self, rules: ReuseRules, keys: Keys, plan: Plan, kinds: Mapping[str, StageKind]) -> None:
        self._rules = rules
        self._keys = keys
        self._plan = plan
        self._kinds = kinds
        self._named = 0

    def result(self) -> Plan:
        """The plan with what is known of each stage that may serve."""
        found = {item.stage.name: entry for item in self._plan.stages if (entry := self._found(item))}
        sources = frozenset(item.stage.name for item in self._plan.stages if self._hands_out_source(item))
        serving = reused(self._plan, {name: entry.layer_kept for name, entry in found.items()}, sources=sources)
        served = {
            need.stage: found[item.stage.name]
            for item in self._plan.stages
            for need in item.stage.needs
            if item.stage.name in serving and item.stage.name in found
        }
        return replace(
            self._plan,
            stages=tuple(
                replace(
                    item,
                    earlier=self._earlier(item, found.get(item.stage.name) or served.get(item.stage.name), serving),
                )
                for item in self._plan.stages
            ),
        )

    def _hands_out_source(self, planned: PlannedStage) -> bool:
        kind = self._kinds[planned.stage.kind]
        return kind.reuse is Reuse.SOURCE and not planned.skip and not self._rules.fresh(planned.stage.name)

    def _found(self, planned: PlannedStage) -> ReuseEntry | None:
        name = planned.stage.name
        key = self._keys.of(name)
        if planned.skip or not key.serves or key.digest is None or self._rules.fresh(name):
            return None
        try:
            entry = self._rules.store.find(key.digest, self._rules.reads)
        except EcluseError:
            return None  # the run asks again, and says it
        if entry is None or entry.executor != self._rules.executor:
            return None
        image = entry.products.image
        if image is not None and not self._rules.identify.has(image.reference, image.id):
            return None
        return entry

    def _earlier(self, planned: PlannedStage, entry: ReuseEntry | None, serving: frozenset[str]) -> Earlier | None:
        name = planned.stage.name
        key = self._keys.of(name)
        if planned.skip or wanted(planned.stage, self._kinds[planned.stage.kind]):
            return None
        if entry is not None and name in serving:
            return Earlier(run=entry.run, number=self._number(entry))
        if entry is not None and entry.stage == name:
            return Earlier(why="a stage that sees what it writes runs")
        if key.digest is None:
            return Earlier(why=key.why)
        if self._rules.fresh(name):
            return Earlier(why="--fresh")
        return self._nearest(planned, key.inputs or {})

    def _nearest(self, planned: PlannedStage, inputs: Mapping[str, str]) -> Earlier:
        """What differs from the stage's newest result."""
        self._named += 1
        if self._named > NAMED:
            return Earlier(why="no earlier result of these inputs")
        try:
            entry = self._rules.store.nearest(self._rules.repository, planned.stage.name, self._rules.reads)
            if entry is None:
                return Earlier(why="no earlier result")
            names = differing(inputs, entry.inputs, lambda then, _now: self._files(planned, then))
        except EcluseError:
            return Earlier(why="no earlier result")
        number = self._number(entry)
        run = f"run {number or entry.run}"
        if not names:
            return Earlier(why=f"the result of {run} is gone", number=number)
        return Earlier(why=f"inputs differ from {run}", number=number, differs=names)

    def _files(self, planned: PlannedStage, then: str) -> tuple[str, ...]:
        """The files of the source that differ, or () where it is not known what they were."""
        before = self._rules.store.listing(then) if then else None
        if before is None:
            return ()
        now = self._keys.listing(planned.stage)
        paths = sorted(path for path in {*before, *now} if before.get(path) != now.get(path))
        more = len(paths) - LISTED
        return (*paths[:LISTED], *([f"{more} more files"] if more > 0 else []))

    def _number(self, entry: ReuseEntry) -> int:
        return entry.number if entry.installation == self._rules.installation else 0
