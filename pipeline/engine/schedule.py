"""The pure scheduler: what becomes of each stage once everything it needs is done.

The truth table is in `docs/semantics.md`. Nothing here knows time, threads or containers; the cost of a finished
stage is that of its own edges.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.model.definition import EdgeRule, Need, RunRule
from pipeline.model.outcome import Outcome, cancelled
from pipeline.model.status import Conclusion

SPARED = frozenset({RunRule.ALWAYS, RunRule.ON_FAILURE})
"""What still runs when a failure stops the rest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A stage as the scheduler sees it. `skip` is the reason of its own condition that already said no, or ""."""

    name: str
    needs: tuple[Need, ...] = ()
    run: RunRule = RunRule.ON_SUCCESS
    skip: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """A stage that is done, with what its dependents must know of everything behind it.

    `trouble` is the nearest ancestor (or itself) that is not satisfied along edges with the default rule;
    `wrong` the nearest one that failed, timed out or errored along any edge; both as (name, conclusion).
    """

    conclusion: Conclusion
    trouble: tuple[str, Conclusion] | None = None
    wrong: tuple[str, Conclusion] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """Either a stage may start (`outcome` is None), or it is done without having run."""

    name: str
    outcome: Outcome | None = None


def fate(node: Node, needs: Mapping[str, Settled]) -> Outcome | None:
    """What becomes of a stage whose needs are all settled: None to run it, else how it ends unrun.

    Its own condition speaks first (`skipped`), then `when.run`, then each edge: an unmet `if` skips it, an
    unsatisfied ancestor behind an edge with the default rule blocks it; blocking wins over skipping.
    """
    if node.skip:
        return Outcome(conclusion=Conclusion.SKIPPED, reason=node.skip)
    match node.run:
        case RunRule.ALWAYS:
            return None
        case RunRule.ON_FAILURE:
            if any(settled.wrong for settled in needs.values()):
                return None
            return Outcome(conclusion=Conclusion.SKIPPED, reason="when: run is on_failure, and nothing failed")
        case RunRule.ON_SUCCESS:
            return _by_edges(node, needs)


def _by_edges(node: Node, needs: Mapping[str, Settled]) -> Outcome | None:
    unmet = ""
    for need in node.needs:
        settled = needs.get(need.stage)
        if settled is None:
            continue
        if need.rule is EdgeRule.DEFAULT:
            if settled.trouble:
                name, conclusion = settled.trouble
                return Outcome(conclusion=Conclusion.BLOCKED, reason=f"needs {name}: {conclusion.value}")
        elif not _met(need.rule, settled.conclusion) and not unmet:
            unmet = f"needs {need.stage} if {need.rule.value}: it {settled.conclusion.value}"
    return Outcome(conclusion=Conclusion.SKIPPED, reason=unmet) if unmet else None


def _met(rule: EdgeRule, conclusion: Conclusion) -> bool:
    match rule:
        case EdgeRule.SUCCEEDED:
            return conclusion.satisfies
        case EdgeRule.FAILED:
            return conclusion.went_wrong
        case EdgeRule.FINISHED | EdgeRule.DEFAULT:
            return True


def settle(node: Node, conclusion: Conclusion, needs: Mapping[str, Settled]) -> Settled:
    """What dependents must know of a stage that ended so."""
    trouble: tuple[str, Conclusion] | None = None
    if conclusion is not Conclusion.BLOCKED and not conclusion.satisfies:
        trouble = (node.name, conclusion)
    else:
        for need in node.needs:
            settled = needs.get(need.stage)
            if settled and settled.trouble and need.rule is EdgeRule.DEFAULT:
                trouble = settled.trouble
                break
    if trouble is None and conclusion is Conclusion.BLOCKED:
        trouble = (node.name, conclusion)
    wrong: tuple[str, Conclusion] | None = (node.name, conclusion) if conclusion.went_wrong else None
    if wrong is None:
        wrong = next((item.wrong for item in needs.values() if item.wrong), None)
    return Settled(conclusion=conclusion, trouble=trouble, wrong=wrong)


class Schedule:
    """The graph on its way. Not thread-safe: one owner asks and tells.

    `start` and `finish` return decisions in plan order; every stage appears in exactly one decision.
    """

    def __init__(self, nodes: Sequence[Node], *, done: Mapping[str, Conclusion] | None = None) -> None:
        """`done` are stages that ended before this run was taken up again; they are never decided. What stands behind
        one waits nevertheless for all before it that runs again: it is to see what that writes."""
        self._nodes: dict[str, Node] = {}
        self._rank: dict[str, int] = {}
        self._pending: dict[str, int] = {}
        self._dependents: dict[str, list[str]] = {}
        self._settled: dict[str, Settled] = {}
        self._decided: set[str] = set()
        self._done = done or {}
        self._stopped = ""
        self._stops: dict[str, str] = {}
        self._spare: frozenset[RunRule] = frozenset()
        self._put(nodes)

    @property
    def done(self) -> bool:
        """Whether every stage is settled."""
        return len(self._settled) == len(self._nodes)

    def waits_for(self, name: str) -> int:
        """How many of the stages that it needs are not settled."""
        return self._pending[name]

    def start(self) -> tuple[Decision, ...]:
        """Decide the stages that need nothing, or nothing more."""
        for name in self._done_in_order():
            self._decided.add(name)
            if self._pending[name] == 0 and name not in self._settled:
                self._settle(name, self._done[name])
        return self._decide(name for name, count in list(self._pending.items()) if count == 0)

    def add(self, nodes: Sequence[Node], *, behind: str) -> tuple[Decision, ...]:
        """Put in the stages that `behind`, which is not finished yet, emitted; decide those that need nothing more.

        Undecided stages whose need of `behind` says `emitted` wait for them too.
        """
        self._put(nodes)
        for name in self._dependents[behind]:
            waiting = self._nodes[name]
            rules = [need.rule for need in waiting.needs if need.stage == behind and need.emitted]
            more = tuple(Need(stage=node.name, rule=rule) for rule in rules[:1] for node in nodes)
            if more:
                self._nodes[name] = replace(waiting, needs=(*waiting.needs, *more))
                self._pending[name] += len(more)
                for need in more:
                    self._dependents[need.stage].append(name)
        return self._decide(node.name for node in nodes if self._pending[node.name] == 0)

    def finish(self, name: str, conclusion: Conclusion) -> tuple[Decision, ...]:
        """A stage that was started ended; decide those that waited for it last."""
        return self._decide(self._settle(name, conclusion))

    def stop(self, reason: str, *, spare: frozenset[RunRule] = frozenset()) -> None:
        """Start nothing more, but for stages whose `when.run` is in `spare`.

        Undecided stages are decided as those that they wait for end: what could have run, or waits for something
        cancelled, is cancelled for this reason.
        """
        self._stopped = reason
        self._spare = spare

    def stop_some(self, names: Iterable[str], reason: str) -> None:
        """Start none of these stages any more, but for those that run always or on failure."""
        self._stops.update(dict.fromkeys(names, reason))

    def _done_in_order(self) -> Iterator[str]:
        """What was done before, each after those of its needs that were: emitted stages stand behind stages that need
        them."""
        seen: set[str] = set()
        stack = [(name, False) for name in reversed(self._nodes) if name in self._done]
        while stack:
            name, needs_given = stack.pop()
            if needs_given:
                if name in self._done:
                    yield name
            elif name not in seen:
                seen.add(name)
                stack.append((name, True))
                stack.extend((need.stage, False) for need in self._nodes[name].needs if need.stage in self._nodes)

    def _put(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            self._rank[node.name] = len(self._nodes)
            self._nodes[node.name] = node
            self._dependents[node.name] = []
        for node in nodes:
            needs = [need for need in dict.fromkeys(item.stage for item in node.needs) if need in self._nodes]
            self._pending[node.name] = sum(1 for need in needs if need not in self._settled)
            for need in needs:
                self._dependents[need].append(node.name)

    def _fate(self, node: Node) -> Outcome | None:
        needs = self._needs(node)
        outcome = fate(node, needs)
        stopped, spare = self._stopped, self._spare
        if not stopped:
            stopped, spare = self._stops.get(node.name, ""), SPARED
        if not stopped or node.run in spare:
            return outcome
        blockers = {settled.trouble[1] for settled in needs.values() if settled.trouble}
        waits_for_cancelled = blockers == {Conclusion.CANCELLED}
        if outcome is None or (outcome.conclusion is Conclusion.BLOCKED and waits_for_cancelled):
            return cancelled(stopped)
        return outcome

    def _settle(self, name: str, conclusion: Conclusion) -> list[str]:
        """Settle it, and with it those behind it that were done before; the ones that nothing holds up any more."""
        ready, ended = [], deque(((name, conclusion),))
        while ended:
            name, conclusion = ended.popleft()
            node = self._nodes[name]
            self._settled[name] = settle(node, conclusion, self._needs(node))
            for dependent in self._dependents[name]:
                self._pending[dependent] -= 1
                if self._pending[dependent] == 0:
                    if dependent in self._done:
                        ended.append((dependent, self._done[dependent]))
                    else:
                        ready.append(dependent)
        return ready

    def _needs(self, node: Node) -> dict[str, Settled]:
        return {need.stage: self._settled[need.stage] for need in node.needs if need.stage in self._settled}

    def _decide(self, names: Iterable[str]) -> tuple[Decision, ...]:
        queue = deque(names)
        decisions = []
        while queue:
            name = queue.popleft()
            if name in self._decided:
                continue
            node = self._nodes[name]
            outcome = self._fate(node)
            self._decided.add(name)
            decisions.append(Decision(name=name, outcome=outcome))
            if outcome is not None:
                queue.extend(self._settle(name, outcome.conclusion))
        return tuple(sorted(decisions, key=lambda decision: self._rank[decision.name]))
