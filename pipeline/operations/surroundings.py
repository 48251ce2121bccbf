"""What a promotion by command stands on: the service, its environments as they are to be now, and the policy."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from pathlib import Path

from pipeline.delivery.journal import Requester
from pipeline.errors import NotFoundError
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.policy import Policy
from pipeline.operations.git_history import GitHistory
from pipeline.operations.place import repository_of
from pipeline.operations.policy import policy_of
from pipeline.operations.prepare import StartRequest, planned
from pipeline.operations.source import describe
from pipeline.ports.application import Application


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """One service. `folder` is the clone that a person stands in."""

    repository: str
    folder: Path
    service: str
    environments: tuple[EnvironmentDefinition, ...]
    policy: Policy

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
        """The person who calls the command."""
        return Requester(actor=actor or getpass.getuser(), repository=self.repository, service=self.service)


def surroundings(app: Application, folder: Path, *, file: str = "pipeline.yml") -> Surroundings:
    """The policy's environments where it has some; else those at the tip of the default branch, whatever is checked
    out: nobody opens a gate for himself. SourceError, DefinitionError, UsageError."""
    policy = policy_of(app.settings)
    ref, _ = GitHistory(describe(folder)).default_branch
    plan = planned(app, StartRequest(repository=folder, file=file, revision=ref or "HEAD")).plan
    return Surroundings(
        repository=repository_of(folder),
        folder=folder,
        service=plan.name,
        environments=plan.environments if policy.environments is None else policy.environments,
        policy=policy,
    )
