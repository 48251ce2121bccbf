"""`kind: build` through the real command and engine."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from uuid import uuid4

import pytest
from environment.command import Command
from environment.repository import Repository

MakeRepository = Callable[..., Repository]


def pipeline(**options: str) -> str:
    """A pipeline with one build stage named `image`; options are YAML."""
    keys = "".join(f", {key}: {value}" for key, value in options.items())
    return f"version: 1\nname: shop\nstages:\n  image: {{kind: build{keys}}}\n"


def outcome(out: str) -> str:
    """What the run says about how the stage ended."""
    return next(row for row in out.splitlines() if row.startswith(("● image ", "✗ image ", "✖ image ", "! image ")))


def local_images(installation: str) -> list[str]:
    listed = subprocess.run(
        [
            "docker",
            "images",
            "--format",
            "{{.Repository}}:{{.Tag}}",
            "--filter",
            f"reference=ecluse-local/{installation[:8]}/*",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return listed.stdout.split()


@pytest.fixture(autouse=True)
def _no_images_left(engine: str, installation: str):  # type: ignore[no-untyped-def]
    yield
    for name in local_images(installation):
        subprocess.run(["docker", "rmi", name], capture_output=True, check=True)


@pytest.mark.parametrize("builder", ["buildkit", "classic"])
def test_a_build_sees_git_s_modes_and_not_what_is_ignored(
    ecluse: Command, git_repo: MakeRepository, images, installation: str, builder: str
) -> None:
    who = uuid4().hex  # nothing that an earlier test built serves
    repository = git_repo(
        {
            "pipeline.yml": pipeline(context="app", args=f"{{WHO: u{who}}}", labels="{team: locks}", builder=builder),
            "app/Dockerfile": f"FROM {images.busybox}\nARG WHO\nCOPY . /src\nRUN cd /src && find . -type f | sort | "
            "xargs stat -c '%n %a %u'; echo for=$WHO\n",
            "app/tool": "#!/bin/sh\n",
            "app/data": "1",
            "app/secret.env": "x",
            "app/.dockerignore": "*.env\nDockerfile\n.dockerignore\n",
        }
    )
    repository.git("remote", "add", "origin", "https://git.example.org/shop.git")
    ended = ecluse("run", cwd=repository.path)
    assert (ended.code, ended.err) == (0, "")
    assert "./data 644 0" in ended.out
    assert "./tool 755 0" in ended.out
    assert "secret.env" not in ended.out
    assert f"for=u{who}" in ended.out
    name = local_images(installation)
    assert len(name) == 1
    assert name[0].startswith(f"ecluse-local/{installation[:8]}/shop-image:")
    found = json.loads(subprocess.run(["docker", "inspect", *name], capture_output=True, check=True).stdout)
    inherited = "io.ecluse.test-environment."
    labels = {key: text for key, text in found[0]["Config"]["Labels"].items() if not key.startswith(inherited)}
    created = repository.git("log", "-1", "--date=format-local:%Y-%m-%dT%H:%M:%SZ", "--format=%cI")
    assert labels == {
        "org.opencontainers.image.title": "shop",
        "org.opencontainers.image.revision": repository.git("rev-parse", "HEAD"),
        "org.opencontainers.image.source": "https://git.example.org/shop.git",
        "org.opencontainers.image.created": created.replace("+00:00", "Z"),
        "team": "locks",
    }


FAILURES: Mapping[str, tuple[str, str, str]] = {
    "command": (
        "RUN echo fine\n\nRUN echo before && \\\n    # a comment\n    exit 7\n",
        "{}",
        "Dockerfile:4 'RUN echo before &&     exit 7' exit 7",
    ),
    "missing-file": ("COPY nothere /x\n", "{}", "Dockerfile:2 'COPY nothere /x': "),
    "unknown-instruction": ("RAN x\n", "{}", "Dockerfile:2: unknown instruction: RAN"),
    "unknown-target": ("FROM scratch AS last\n", "{target: production}", "Dockerfile has no stage 'production'"),
    "no-dockerfile": ("", "{dockerfile: ci/Dockerfile}", "there is no ci/Dockerfile"),
}


@pytest.mark.parametrize(
    ("name", "builder"), [*((name, "auto") for name in FAILURES), ("command", "classic"), ("missing-file", "classic")]
)
def test_a_failed_step_is_shown_with_its_line(
    ecluse: Command, git_repo: MakeRepository, images, name: str, builder: str
) -> None:
    steps, more, reason = FAILURES[name]
    extra = dict(pair.split(": ") for pair in more.strip("{}").split(", ") if pair)
    repository = git_repo(
        {
            "pipeline.yml": pipeline(builder=builder, **extra),
            "Dockerfile": f"FROM {images.busybox}\n{steps}",
        }
    )
    ended = ecluse("run", cwd=repository.path)
    assert ended.code == 1
    spaced = " ".join(ended.out.split())
    assert " ".join(reason.split()) in spaced


def test_a_base_image_that_cannot_be_had_is_not_the_user_s_failure(
    ecluse: Command, git_repo: MakeRepository, registry: str
) -> None:
    files = {"pipeline.yml": pipeline(), "Dockerfile": f"FROM {registry}/nothere:1\n"}
    ended = ecluse("run", cwd=git_repo(files).path)
    assert ended.code == 3
    assert f"base image {registry}/nothere:1 is neither on the engine nor in its registry" in ended.out


def test_a_secret_reaches_its_step_and_is_masked(ecluse: Command, git_repo: MakeRepository, images) -> None:
    step = f"RUN --mount=type=secret,id=NPM_TOKEN cat /run/secrets/NPM_TOKEN; : {uuid4().hex}"
    files = {
        "pipeline.yml": pipeline(secrets="[NPM_TOKEN]", builder="buildkit"),
        "Dockerfile": f"FROM {images.busybox}\n{step}\n",
    }
    ended = ecluse("run", cwd=git_repo(files).path, env={"ECLUSE_SECRET_NPM_TOKEN": "sluice-gate-4711"})
    assert (ended.code, ended.err) == (0, "")
    assert "***" in ended.out
    assert "sluice-gate-4711" not in ended.out


def test_gc_removes_the_images_of_finished_runs_and_no_others(
    ecluse: Command, git_repo: MakeRepository, images, installation: str
) -> None:
    repository = git_repo({"pipeline.yml": pipeline(), "Dockerfile": f"FROM {images.busybox}\nRUN true\n"})
    assert ecluse("run", cwd=repository.path).code == 0
    mine = local_images(installation)
    other = f"ecluse-local/{'0' * 8}/{uuid4().hex}:1"
    subprocess.run(["docker", "tag", mine[0], other], check=True)
    assert ecluse("gc").code == 0
    assert local_images(installation) == mine
    assert ecluse("gc", "--keep-images", "0s").code == 0
    assert local_images(installation) == []
    assert local_images("0" * 8) == [other]
    subprocess.run(["docker", "rmi", other], capture_output=True, check=True)
