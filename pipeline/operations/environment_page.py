"""What there is to say about environments: their definition, what is live there, and what the newest release lacks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.delivery.admission import Question
from pipeline.delivery.board import Level
from pipeline.delivery.planning import configuration_version, plan_of
from pipeline.errors import NotFoundError
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.gate import Verdict
from pipeline.model.release import Release
from pipeline.operations.board import board, board_judge
from pipeline.operations.judging import judge_of
from pipeline.operations.origins import Environments
from pipeline.operations.surroundings import environments_at
from pipeline.ports.application import Application


@dataclass(frozen=True, kw_only=True, slots=True)
class EnvironmentPage:
    """One environment. `newest` is the newest release of the repository; `verdict` what its gates say to it, None where
    it is live here or where there is none."""

    environment: EnvironmentDefinition
    level: Level
    policy: str
    """The policy's revision; "" where there is none."""
    configuration: str
    """Version of the configuration that a promotion would bring along now."""
    newest: Release | None = None
    verdict: Verdict | None = None


def environment_pages(app: Application, folder: Path, *, repository: str, file: str) -> tuple[EnvironmentPage, ...]:
    """All environments, lowest level first, without asking any gate."""
    return pages_of_environments(app, environments_at(app, folder, file=file), repository=repository)


def pages_of_environments(app: Application, found: Environments, *, repository: str) -> tuple[EnvironmentPage, ...]:
    """As `environment_pages`, of environments that are known."""
    known = {item.name: item for item in found.environments}
    seen = board(app, repository=repository, environments=found.environments)
    return tuple(_page(known[level.environment], level, found) for level in seen.levels)


def environment_page(
    app: Application, folder: Path, name: str, *, repository: str, file: str, person: str, ask: bool
) -> EnvironmentPage:
    """One of them, with the verdict over the newest release. Only with `ask` are commands run and servers asked that
    its gates name. NotFoundError with the names that there are."""
    found = environments_at(app, folder, file=file)
    return page_of_environment(app, found, name, repository=repository, folder=folder, person=person, ask=ask)


def page_of_environment(
    app: Application, found: Environments, name: str, *, repository: str, folder: Path, person: str, ask: bool
) -> EnvironmentPage:
    """As `environment_page`, of environments that are known."""
    environment = found.get(name)
    if environment is None:
        known = ", ".join(item.name for item in found.environments)
        raise NotFoundError(
            f"there is no environment '{name}'", hint=f"there are: {known}" if known else "there are none"
        )
    seen = board(app, repository=repository, environments=found.environments)
    level = next(item for item in seen.levels if item.environment == name)
    page = _page(environment, level, found)
    for newest in app.records.releases(repository=repository, limit=1):
        page = replace(page, newest=newest)
        if level.live is None or newest.id != level.live.release:
            page = replace(page, verdict=_verdict(app, page, newest, found, folder, person, ask=ask))
    return page


def _verdict(
    app: Application,
    page: EnvironmentPage,
    release: Release,
    found: Environments,
    folder: Path,
    person: str,
    *,
    ask: bool,
) -> Verdict:
    environment = page.environment
    replaces = page.level.live.release if page.level.live else ""
    if not ask:
        return board_judge(app, found, folder=folder, person=person)(release, environment, replaces, None)
    plan = plan_of(release.id, environment, replaces=replaces, policy=found.policy.revision)
    question = Question(release=release, environment=environment, plan=plan, requester=person, automatic=False)
    return judge_of(app, policy=found.policy, folder=folder)(question)


def _page(environment: EnvironmentDefinition, level: Level, found: Environments) -> EnvironmentPage:
    return EnvironmentPage(
        environment=environment,
        level=level,
        policy=found.policy.revision,
        configuration=configuration_version(environment),
    )
