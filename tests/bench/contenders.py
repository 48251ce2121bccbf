"""Who is measured: plain docker, Écluse, and peers with the same jobs in their own words."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from buildbot import Buildbot
from environment import python_tools, runners
from environment.places import find
from workloads import Job, Workload


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A command that is ready to be timed in `folder`, and variables beside those of everybody."""

    words: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    stop: Callable[[], None] = lambda: None
    """Ends what runs beside the command."""


@dataclass(frozen=True, kw_only=True)
class Contender:
    """`prepare` writes the files of a workload into a git repository and says how to run them.

    UnavailableError says why the contender cannot be had.
    """

    name: str
    title: str
    prepare: Callable[[Workload, Path, str], Prepared]
    note: str = ""


def _docker(work: Workload, _folder: Path, _image: str) -> Prepared:
    return Prepared(words=("sh", "-c", work.docker))


def _ecluse(work: Workload, folder: Path, image: str) -> Prepared:
    stages = "".join(
        f"  {job.name}: {{needs: [{job.needs}], commands: ['{job.command}']{work.keys}}}\n" for job in work.jobs
    )
    head = f"version: 1\nname: bench\ndefaults: {{image: '{image}', source: false}}\nstages:\n"
    (folder / "pipeline.yml").write_text(head + stages)
    program = str(Path(sys.executable).with_name("ecluse"))
    return Prepared(words=(program, "run", "--plain", "--parallel", str(max(work.parallel, 4))))


def _act(work: Workload, folder: Path, image: str) -> Prepared:
    tools = _runners()
    jobs = {
        job.name: {
            "runs-on": "box",
            **({"needs": [job.needs]} if job.needs else {}),
            "steps": [{"run": job.command}],
        }
        for job in work.jobs
    }
    workflow = {"name": "bench", "on": "push", "defaults": {"run": {"shell": "sh"}}, "jobs": jobs}
    (folder / "bench.yml").write_text(json.dumps(workflow))
    words = (str(tools.act), "push", "-W", "bench.yml", "-P", f"box={image}", "--pull=false", "--rm")
    return Prepared(words=(*words, "--concurrent-jobs", str(work.parallel)), variables=tools.environment())


def _gitlab_ci_local(work: Workload, folder: Path, image: str) -> Prepared:
    tools = _runners()
    (folder / ".gitlab-ci.yml").write_text(json.dumps({"default": {"image": image}, **_gitlab_jobs(work.jobs)}))
    (folder / ".gitignore").write_text(".gitlab-ci-local/\n")
    words = ("--pull-policy", "if-not-present", "--helper-image", image, "--concurrency", str(work.parallel))
    return Prepared(words=(str(tools.gitlab_ci_local), *words), variables=tools.environment())


def _gitlab_emulator(work: Workload, folder: Path, image: str) -> Prepared:
    program = python_tools.provide(find(), "gitlab-emulator==16.3.4", "gle")
    there = {"name": image, "pull_policy": "never"}
    (folder / ".gitlab-ci.yml").write_text(json.dumps({"default": {"image": there}, **_gitlab_jobs(work.jobs)}))
    # One job at a time, in the order of the needs of the last one: it has no way to run all, nor several at once.
    if work.parallel > 1:
        raise CannotError("runs one job at a time")
    # By default it asks for privileged containers, which not every engine may give.
    (folder / "gle.yml").write_text(json.dumps({"emulator": {"docker": {"privileged": False}}}))
    words = (str(program), "--docker-pull", "never", "--full", work.jobs[-1].name)
    return Prepared(words=words, variables={"GLE_CONFIG": str(folder / "gle.yml")})


def _bitrab(work: Workload, folder: Path, image: str) -> Prepared:
    program = python_tools.provide(find(), "bitrab==0.5.0", "bitrab")
    jobs = _gitlab_jobs(tuple(_in_docker(job, image) for job in work.jobs))
    (folder / ".gitlab-ci.yml").write_text(json.dumps(jobs))
    again = ("--incremental",) if work.again else ()
    return Prepared(words=(str(program), "run", "--no-tui", "--yes", "-j", str(work.parallel), *again))


def _forgewatch(work: Workload, folder: Path, image: str) -> Prepared:
    program = python_tools.provide(find(), "forgewatch-ci==0.1.1", "forgewatch")
    jobs = [
        {
            "name": job.name,
            **({"needs": [job.needs]} if job.needs else {}),
            "steps": [{"name": job.name, "run": _in_docker(job, image).command}],
        }
        for job in work.jobs
    ]
    (folder / "forgewatch.yml").write_text(json.dumps({"name": "bench", "jobs": jobs}))
    return Prepared(words=(str(program), "run"))


def _buildbot(work: Workload, folder: Path, image: str) -> Prepared:
    if work.in_output:
        raise CannotError("keeps the log on its server")
    master = Buildbot(work, folder.parent, image)
    master.start()
    client = str(Path(__file__).with_name("buildbot_build.py"))
    return Prepared(words=(sys.executable, client, str(master.port), str(len(work.jobs))), stop=master.stop)


class CannotError(Exception):
    """A contender has no way to do a workload; the text says which it lacks."""


def _gitlab_jobs(jobs: tuple[Job, ...]) -> dict[str, object]:
    return {
        job.name: {"stage": "test", "needs": [job.needs] if job.needs else [], "script": [job.command]} for job in jobs
    }


def _in_docker(job: Job, image: str) -> Job:
    """For those that run commands on the machine: a container is then what the command starts."""
    return Job(name=job.name, needs=job.needs, command=f"docker run --rm {image} {job.command}")


@cache
def _runners() -> runners.Runners:
    return runners.provide(find())


DOCKER = Contender(name="docker", title="docker run --rm, a shell loop", prepare=_docker)
ECLUSE = Contender(name="ecluse", title="**Écluse**", prepare=_ecluse)
PEERS: Mapping[str, Contender] = {
    "act": Contender(name="act", title="act 0.2.89", prepare=_act, note="on the host's network"),
    "gitlab-ci-local": Contender(name="gitlab-ci-local", title="gitlab-ci-local 4.75.1", prepare=_gitlab_ci_local),
    "gitlab-emulator": Contender(name="gitlab-emulator", title="gitlab-emulator 16.3.4", prepare=_gitlab_emulator),
    "buildbot": Contender(
        name="buildbot",
        title="Buildbot 4.3.0",
        prepare=_buildbot,
        note="master and worker are up already; from the request to the last end; its steps call docker run",
    ),
    "bitrab": Contender(
        name="bitrab", title="bitrab 0.5.0", prepare=_bitrab, note="has no containers: its jobs call docker run"
    ),
    "forgewatch": Contender(
        name="forgewatch",
        title="forgewatch 0.1.1",
        prepare=_forgewatch,
        note="has no containers: its jobs call docker run",
    ),
}
NOT_MEASURED: Mapping[str, str] = {
    "Zuul": "wants ZooKeeper, an SQL server and Ansible installations of its own",
    "GitLab Runner, Jenkins, Woodpecker, Drone, Concourse, Laminar": "neither on PyPI nor npm nor in Debian 12",
    "Dagger": "its command and engine image come from servers of its own",
}
"""Peers that the command does not fetch, and why."""


def everybody() -> dict[str, str]:
    """The variables that all contenders get: as after an installation, and without a CI host's."""
    hidden = ("GCL", "CI", "GITHUB_", "GITLAB_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept
