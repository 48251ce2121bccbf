"""The CI hosts that Écluse is at home in: how each is recognised, and what it can show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.model.job import Job

Variables = Mapping[str, str]

GRACE = 5.0
"""Seconds from SIGTERM to SIGKILL in a job. A cancelled job of GitHub Actions gets SIGINT, SIGTERM 7.5 seconds later
and SIGKILL after 2.5 more (https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-cancellation),
so ten seconds for a container's end would leave none for cleaning up behind it."""


class Speech(StrEnum):
    """What the host's log understands beside text."""

    PLAIN = "plain"
    """Nothing."""
    COMMANDS = "commands"
    """Workflow commands: `::group::`, `::error file=…::`."""
    SECTIONS = "sections"
    """GitLab's section markers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Host:
    """A CI host. `job` is the `module:function` that reads its variables; `colour` says that its log shows SGR."""

    name: str
    here: Callable[[Variables], bool]
    job: str
    template: str
    """The ready job file in `jobs/`, and the place in a repository where the host looks for it."""
    place: str
    speech: Speech = Speech.PLAIN
    colour: bool = True


HOSTS: Mapping[str, Host] = {
    "gitlab": Host(
        name="gitlab",
        # gitlab-ci-local, which runs the same jobs on a laptop, says `false`.
        here=lambda variables: variables.get("GITLAB_CI") in ("true", "false") and "CI_JOB_ID" in variables,
        job="pipeline.hosts.gitlab:job",
        template="gitlab.yml",
        place=".gitlab-ci.yml",
        speech=Speech.SECTIONS,
    ),
    "jenkins": Host(
        name="jenkins",
        here=lambda variables: bool(
            variables.get("JENKINS_URL") or variables.get("BUILD_TAG", "").startswith("jenkins-")
        ),
        job="pipeline.hosts.jenkins:job",
        template="Jenkinsfile",
        place="Jenkinsfile",
        colour=False,
    ),
    "forgejo": Host(
        name="forgejo",
        here=lambda variables: variables.get("FORGEJO_ACTIONS") == "true",
        job="pipeline.hosts.actions:forgejo",
        template="forgejo.yml",
        place=".forgejo/workflows/ecluse.yml",
        speech=Speech.COMMANDS,
    ),
    "gitea": Host(
        name="gitea",
        here=lambda variables: variables.get("GITEA_ACTIONS") == "true",
        job="pipeline.hosts.actions:gitea",
        template="gitea.yml",
        place=".gitea/workflows/ecluse.yml",
        speech=Speech.COMMANDS,
    ),
    "github": Host(
        name="github",
        here=lambda variables: variables.get("GITHUB_ACTIONS") == "true",
        job="pipeline.hosts.actions:github",
        template="github.yml",
        place=".github/workflows/ecluse.yml",
        speech=Speech.COMMANDS,
    ),
    "woodpecker": Host(
        name="woodpecker",
        here=lambda variables: variables.get("CI") == "woodpecker",
        job="pipeline.hosts.woodpecker:job",
        template="woodpecker.yml",
        place=".woodpecker/ecluse.yml",
    ),
}
"""In the order in which they are asked: Forgejo calls itself Gitea too, and both call themselves GitHub."""


def host_of(variables: Variables) -> Host | None:
    """The host in whose job this process runs, or None on a machine."""
    return next((host for host in HOSTS.values() if host.here(variables)), None)


def job_of(variables: Variables) -> Job | None:
    """The job in which this process runs, or None on a machine."""
    host = host_of(variables)
    if host is None:
        return None
    module, _, function = host.job.partition(":")
    job: Job = getattr(import_module(module), function)(variables)
    return job


def job_file(host: Host) -> str:
    """A ready job file for the host, as it stands in a repository at `host.place`."""
    return (Path(__file__).parent / "jobs" / host.template).read_text("utf-8")
