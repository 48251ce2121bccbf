"""The gates that nobody writes: who may ask, uncommitted changes, the run, what comes before, and blocks."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.delivery.case import Case
from pipeline.delivery.saying import failed, listed, passed, spoken, waiting
from pipeline.delivery.soaking import counted
from pipeline.model.decision import Block, BlockKind
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.gate import GateAnswer
from pipeline.model.gate_facts import GateFacts
from pipeline.model.ledger import plain_address
from pipeline.model.policy import Right
from pipeline.model.release import PromotionKind, Release


def entry_answers(case: Case) -> Iterator[GateAnswer]:
    """What a release meets on its way forward; gates with nothing to say for themselves stay away."""
    release, environment, facts = case.release, case.environment, case.facts
    if facts.automatic and not environment.automatic:
        yield waiting("asked", f"nothing enters {environment.name} by itself: somebody has to ask for it")
    elif not facts.automatic:
        yield from _right(Right.PROMOTE, facts)
    yield from _origin(environment)
    yield from _ledger(environment, facts)
    if release.dirty:
        yield _dirty(release, environment)
    if environment.after:
        yield _run(release, facts)
        yield _after(release, environment, facts)
    yield from _blocks(case, frozenset(BlockKind))


def way_back_answers(case: Case) -> Iterator[GateAnswer]:
    """What a release meets on the way back: a hold or a freeze is no reason to leave something broken in place."""
    release, environment, facts = case.release, case.environment, case.facts
    yield from _origin(environment)
    yield from _ledger(environment, facts)
    if facts.kind is PromotionKind.ROLLBACK and not facts.automatic:
        yield from _right(Right.ROLLBACK, facts)
    if any(item.environment == environment.name for item in facts.intervals):
        yield passed("verified", f"{release.name} was verified in {environment.name}")
    else:
        yield failed("verified", f"{release.name} was never deployed to {environment.name} and verified there")
    yield from _blocks(case, frozenset({BlockKind.BAR}))


def may_override(case: Case) -> GateAnswer | None:
    """Why the gates cannot be opened by force; None where they can."""
    release, environment, facts = case.release, case.environment, case.facts
    if facts.override is None:
        return None
    person = facts.override.person
    if not facts.policy.may(person, Right.OVERRIDE):
        return failed("override", f"{_who(person)} may not open gates by force: {_holders(Right.OVERRIDE, facts)}")
    if not facts.override.reason.strip():
        return failed("override", "opening gates by force needs a reason")
    if environment.unfounded:
        return failed("override", "an environment that nobody has agreed to cannot be opened by force: merge it first")
    if any(True for _ in _ledger(environment, facts)):
        return failed("override", "a history that is written elsewhere is no history: the gates stay shut here")
    if release.dirty and not environment.allow_dirty:
        return failed("override", "uncommitted changes are let in by nobody: nobody could say what was deployed")
    return None


def _right(right: Right, facts: GateFacts) -> Iterator[GateAnswer]:
    if right not in facts.policy.rights:
        return
    if facts.policy.may(facts.requester, right):
        yield passed("right", f"{facts.requester} has the right to {right.value}")
    else:
        yield failed("right", f"{_who(facts.requester)} may not {right.value}: {_holders(right, facts)}")


def _who(person: str) -> str:
    return person or "nobody in particular"


def _holders(right: Right, facts: GateFacts) -> str:
    groups = facts.policy.rights.get(right, ())
    return f"that is for {listed(groups)}" if groups else "the policy gives that right to nobody"


def _origin(environment: EnvironmentDefinition) -> Iterator[GateAnswer]:
    """What a change brings along cannot open the way for that change."""
    if environment.unfounded:
        words = f"{environment.name} as {environment.origin or 'this commit'} has it does not count"
        yield failed("origin", f"{words}: {environment.unfounded}")


def _ledger(environment: EnvironmentDefinition, facts: GateFacts) -> Iterator[GateAnswer]:
    """A throw-away machine must not take an environment's history with it."""
    wanted, here = plain_address(environment.ledger), plain_address(facts.ledger)
    if wanted and wanted != here:
        here = here or "a database of its own"
        yield failed("ledger", f"{environment.name} keeps its history in {wanted}, and this machine writes to {here}")


def _dirty(release: Release, environment: EnvironmentDefinition) -> GateAnswer:
    if environment.allow_dirty:
        return passed("clean", f"{environment.name} takes uncommitted changes")
    return failed("clean", f"{environment.name} takes no release with uncommitted changes, and {release.name} has some")


def _run(release: Release, facts: GateFacts) -> GateAnswer:
    """A release leaves its first environment once its run is done and succeeded."""
    run = facts.evidence
    if run is None:
        return failed("run", f"the run of {release.name} is not recorded here")
    if run.conclusion is not None and not run.conclusion.satisfies:
        return failed("run", f"run {run.number} is {run.conclusion.value.replace('_', ' ')}")
    if not run.done:
        return waiting("run", f"run {run.number} is not done: {listed(run.unfinished) or 'it is under way'}")
    return passed("run", f"run {run.number} succeeded")


def _after(release: Release, environment: EnvironmentDefinition, facts: GateFacts) -> GateAnswer:
    """All that come before have verified it, and none has gone back from it since."""
    missing = [name for name in environment.after if not counted(facts.intervals, name)]
    if not missing:
        return passed("after", f"{release.name} was verified in {listed(environment.after)}")
    words = []
    for name in missing:
        been = any(item.environment == name for item in facts.intervals)
        words.append(f"{name} went back from it" if been else f"{name} has not verified it")
    return waiting(
        "after", f"{release.name} comes to {environment.name} after {listed(environment.after)}: {listed(words)}"
    )


def _blocks(case: Case, kinds: frozenset[BlockKind]) -> Iterator[GateAnswer]:
    environment = case.environment
    for block in case.facts.blocks:
        if block.kind in kinds and block.blocks(case.release.id, environment=environment.name, now=case.now):
            yield _blocked(block, environment)


def _blocked(block: Block, environment: EnvironmentDefinition) -> GateAnswer:
    by = f"by {block.owner}: {block.reason}"
    until = f" (until {spoken(block.until)})" if block.until else ""
    match block.kind:
        case BlockKind.HOLD:
            return waiting("hold", f"{environment.name} is held {by}{until}", block.until)
        case BlockKind.FREEZE:
            return waiting("freeze", f"{block.environment or 'every environment'} is frozen {by}{until}", block.until)
        case BlockKind.BAR:
            reason = f"this release is barred from {environment.name} {by}{until}"
            return waiting("bar", reason, block.until) if block.until else failed("bar", reason)
