"""The environments that count for a repository: those of the policy, else those of its default branch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline.delivery.origins import Chosen, Surroundings, Tip, choose
from pipeline.diagnostic import Diagnostic, Severity
from pipeline.errors import DefinitionError
from pipeline.model.definition import Definition, EnvironmentDefinition
from pipeline.model.policy import NO_POLICY, Policy
from pipeline.model.source import Event, Source
from pipeline.model.tree import Tree
from pipeline.model.trust import Trust
from pipeline.operations.default_branch import DefaultBranch, default_branch
from pipeline.operations.tree import source_tree
from pipeline.planning.planner import resolved_environments
from pipeline.planning.reviews import review_of, with_reviews

if TYPE_CHECKING:
    from pipeline.ports.application import Application
    from pipeline.settings import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Environments:
    """What can be promoted into, each with its `origin`, values resolved; and the policy that judges."""

    policy: Policy
    environments: tuple[EnvironmentDefinition, ...]
    diagnostics: tuple[Diagnostic, ...] = ()
    """Hints at definitions of the commit that do not count."""

    def get(self, name: str) -> EnvironmentDefinition | None:
        """The one of that name."""
        return next((item for item in self.environments if item.name == name), None)


def environments_for(
    app: Application,
    *,
    source: Source,
    event: Event,
    policy: Policy,
    own: Definition,
    overrides: Mapping[str, str] | None = None,
    tree: Tree | None = None,
) -> Environments:
    """Those of the policy where it has any; else see `delivery.origins`: the default branch's, and of the commit's own
    (`own`, with the variables of the command line) what gets round no gate.

    Values are resolved with the variables of the file that they come from. DefinitionError where one cannot be.
    """
    protected = protected_branches(app.settings, policy, own.name)
    if policy.environments is not None:
        found = of_policy(policy)
        return Environments(
            policy=policy,
            environments=tuple(
                review_of(item, event, protected=protected) if item.review is not None else item for item in found
            ),
        )
    mine = {
        item.name: item
        for item in resolved_environments(
            own, event=event, source=source, overrides=overrides or {}, expressions=app.expressions, tree=tree
        )
    }
    if not mine:
        return Environments(policy=policy, environments=())
    here = "the working tree" if source.commit.dirty else f"commit {source.commit.short}"
    branch = default_branch(app, source, file=own.file, trust=event.trust)
    if branch.commit == source.commit.sha and not source.commit.dirty:
        found = tuple(replace(item, origin=branch.title) for item in mine.values())
        return Environments(policy=policy, environments=found)
    around = Surroundings(
        proposed=event.kind == "pull_request",
        trusted=event.trust is Trust.PROTECTED,
        hosted=bool(event.host),
    )
    tip = _tip(app, branch, source=source, event=event, protected=protected)
    chosen = choose(tuple(mine.values()), tip, around, here=here)
    return Environments(
        policy=policy,
        environments=tuple(item.environment for item in chosen),
        diagnostics=tuple(
            _hint(item) for item in chosen if item.otherwise is not None or _is_unfounded(item.environment)
        ),
    )


def protected_branches(settings: Settings, policy: Policy, pipeline: str) -> tuple[str, ...]:
    """Those of the policy for this pipeline, else those of the settings (globs)."""
    found = policy.protected.get(pipeline)
    return found.branches if found is not None else settings.protected_branches


def of_policy(policy: Policy) -> tuple[EnvironmentDefinition, ...]:
    """The policy's own environments."""
    name = f"{policy.file} ({policy.revision.removeprefix('sha256:')[:12]})" if policy.revision != NO_POLICY else ""
    return tuple(replace(item, origin=name) for item in policy.environments or ())


def as_of_now(environment: EnvironmentDefinition, policy: Policy) -> EnvironmentDefinition:
    """What the policy says today of an environment that was planned earlier."""
    if policy.environments is None:
        return environment
    written = environment.instance_of or environment.name
    for item in of_policy(policy):
        if item.name == written:
            return replace(item, name=environment.name, instance_of=environment.instance_of)
    return replace(environment, unfounded=f"{policy.file} does not have it")


def _tip(
    app: Application, branch: DefaultBranch, *, source: Source, event: Event, protected: Sequence[str]
) -> Tip | None:
    if not branch.commit or branch.problem:
        return None
    if branch.definition is None:
        return Tip(name=branch.title, environments=())
    commit = replace(source.commit, sha=branch.commit, dirty=False, tree="")
    there = replace(source, commit=commit, revision=branch.commit)
    try:
        found = resolved_environments(
            with_reviews(branch.definition, event, protected=protected),
            event=event,
            source=source,
            overrides={},
            expressions=app.expressions,
            tree=source_tree(there),
        )
    except DefinitionError:
        return None  # its values need what this event does not have
    return Tip(name=branch.title, environments=found)


def _is_unfounded(environment: EnvironmentDefinition) -> bool:
    """A written review environment is no place, and nobody takes it for one."""
    return bool(environment.unfounded) and (environment.review is None or bool(environment.instance_of))


def _hint(chosen: Chosen) -> Diagnostic:
    environment, mine = chosen.environment, chosen.otherwise or chosen.environment
    message = f"environment '{mine.name}' is another one on {environment.origin}, and that one counts"
    if chosen.otherwise is None:
        message = f"nothing can be promoted into environment '{mine.name}' yet: {environment.unfounded}"
    return Diagnostic(
        code="environment-elsewhere",
        message=message,
        position=mine.position,
        severity=Severity.HINT,
        note="a change of what guards an environment counts once it is merged",
    )
