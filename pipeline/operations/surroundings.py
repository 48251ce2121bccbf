"""What a promotion by command stands on: the service, its environments as they are to be now, and the policy."""

from __future__ import annotations

import getpass
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.delivery.journal import Requester
from pipeline.errors import NotFoundError
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.policy import Policy
from pipeline.model.source import Event
from pipeline.operations.origins import Environments, environments_for, of_policy
from pipeline.operations.place import repository_of
from pipeline.operations.policy import policy_of
from pipeline.operations.prepare import StartRequest, prepared
from pipeline.operations.review_ends import with_reviews_that_live
from pipeline.operations.tree import source_tree
from pipeline.planning.reviews import review_of
from pipeline.ports.application import Application


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """One service. `folder` is the clone that a person stands in."""

    repository: str
    folder: Path
    service: str
    environments: tuple[EnvironmentDefinition, ...]
    policy: Policy
    person: str = ""
    """Who asks, where a server knows it; "" = the user of this machine."""

    def environment(self, name: str) -> EnvironmentDefinition:
        """NotFoundError with the names that there are."""
        for environment in self.environments:
            if environment.name == name:
                return environment
        known = ", ".join(item.name for item in self.environments)
        source = self.policy.file or "the pipeline file on the default branch"
        raise NotFoundError(
            f"there is no environment '{name}'", hint=f"{source} has: {known}" if known else f"{source} has none"
        )

    def requester(self, actor: str = "") -> Requester:
        """The person who asks."""
        who = actor or self.person or getpass.getuser()
        return Requester(actor=who, repository=self.repository, service=self.service)


def surroundings(
    app: Application, folder: Path, *, file: str = "pipeline.yml", branch: str = "", person: str = ""
) -> Surroundings:
    """Of the repository that holds a folder; see `operations.origins` for where its environments come from. With
    `branch` as they are at that branch's tip or that commit, whatever is checked out. SourceError, DefinitionError,
    UsageError."""
    found = prepared(app, StartRequest(repository=folder, file=file, revision=branch))
    places = environments_for(
        app,
        source=found.source,
        event=found.event,
        policy=found.policy,
        own=found.definition,
        tree=source_tree(found.source),
    )
    repository = repository_of(folder)
    return Surroundings(
        repository=repository,
        folder=folder,
        service=found.definition.name,
        environments=with_reviews_that_live(app, repository, places.environments),
        policy=found.policy,
        person=person,
    )


def environments_at(app: Application, folder: Path, *, file: str = "pipeline.yml", branch: str = "") -> Environments:
    """Those of the repository that holds a folder, as a command finds it (or as they are at a branch's tip or a
    commit); where the policy has environments, no repository is asked. Raises SourceError, DefinitionError,
    UsageError."""
    policy = policy_of(app.settings)
    if policy.environments is not None:
        nobody = Event(kind="manual")
        places = (review_of(item, nobody, protected=()) if item.review else item for item in of_policy(policy))
        return _with_reviews(app, folder, Environments(policy=policy, environments=tuple(places)))
    found = prepared(app, StartRequest(repository=folder, file=file, revision=branch))
    places_of_tip = environments_for(
        app,
        source=found.source,
        event=found.event,
        policy=policy,
        own=found.definition,
        tree=source_tree(found.source),
    )
    return _with_reviews(app, folder, places_of_tip)


def _with_reviews(app: Application, folder: Path, found: Environments) -> Environments:
    return replace(found, environments=with_reviews_that_live(app, repository_of(folder), found.environments))
