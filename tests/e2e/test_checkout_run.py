"""`kind: checkout` through the real command and engine: what later stages see, and how refusals read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from environment.command import Command
from environment.repository import Repository

MakeRepository = Callable[..., Repository]


def pipeline(image: str, command: str, checkout: str = "{kind: checkout}") -> str:
    look = f"{{image: '{image}', commands: ['{command}']}}"
    return f"version: 1\nname: look\nstages:\n  checkout: {checkout}\n  look: {look}\n"


def seen(out: str) -> list[str]:
    """The lines of the stage `look`, without its commands."""
    return [row.removeprefix("[look] ") for row in out.splitlines() if row.startswith("[look] ") and "$ " not in row]


def test_stages_see_the_working_tree_with_its_changes(
    engine: str, ecluse: Command, git_repo: MakeRepository, images
) -> None:
    repository = git_repo({"pipeline.yml": pipeline(images.busybox, "cat a b/new; ls"), "a": "1\n", "gone": "1\n"})
    repository.write({"a": "changed\n", "b/new": "untracked\n", "noise.o": "x", ".gitignore": "*.o\n"})
    (repository.path / "gone").unlink()
    ended = ecluse("run", cwd=repository.path)
    assert (ended.code, ended.err) == (0, "")
    assert seen(ended.out) == ["changed", "untracked", "a", "b", "pipeline.yml"]


def test_stages_see_exactly_one_commit(engine: str, ecluse: Command, git_repo: MakeRepository, images) -> None:
    repository = git_repo({"pipeline.yml": pipeline(images.busybox, "cat a; ls"), "a": "first\n"})
    repository.commit({"a": "second\n", "more": "1\n"})
    repository.write({"a": "uncommitted\n"})
    ended = ecluse("run", "--commit", "HEAD~1", cwd=repository.path)
    assert (ended.code, ended.err) == (0, "")
    assert seen(ended.out) == ["first", "a", "pipeline.yml"]


def test_git_works_in_a_stage_with_depth(engine: str, ecluse: Command, git_repo: MakeRepository, images) -> None:
    command = "git describe --tags; git rev-list --count HEAD; git status --short; git branch --show-current"
    repository = git_repo({"pipeline.yml": pipeline(images.python, command, "{kind: checkout, depth: 2}"), "a": "1"})
    repository.commit({"a": "2"})
    repository.git("tag", "v2.0")
    repository.commit({"a": "3"})
    repository.write({"a": "uncommitted"})
    ended = ecluse("run", cwd=repository.path)
    assert (ended.code, ended.err) == (0, "")
    short = repository.git("rev-parse", "--short", "HEAD")
    assert seen(ended.out) == [f"v2.0-1-g{short}", "2", " M a", "main"]


def test_a_submodule_that_was_not_fetched_ends_the_run(
    engine: str, ecluse: Command, git_repo: MakeRepository, images
) -> None:
    library = git_repo({"b": "2"}, name="library")
    repository = git_repo({"pipeline.yml": pipeline(images.busybox, "ls")})
    repository.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library.path), "lib")
    repository.commit(message="Add lib")
    repository.git("submodule", "--quiet", "deinit", "--force", "lib")
    ended = ecluse("run", cwd=repository.path)
    assert ended.code == 3
    assert f"submodule 'lib' ({library.path}) has not been fetched" in ended.out
    assert "git submodule update --init --recursive -- lib" in ended.out + ended.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(("run",), "is not in a git repository", id="run"),
        pytest.param(("run", "--commit", "main"), "is not in a git repository", id="commit"),
    ],
)
def test_not_a_repository(ecluse: Command, tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    (tmp_path / "pipeline.yml").write_text(pipeline("busybox:1", "ls"))
    ended = ecluse(*words, cwd=tmp_path)
    assert ended.code == 2
    assert message in ended.err
    assert "git init" in ended.err


def test_an_unknown_revision(ecluse: Command, git_repo: MakeRepository) -> None:
    repository = git_repo({"pipeline.yml": pipeline("busybox:1", "ls")})
    ended = ecluse("run", "--commit", "nowhere", cwd=repository.path)
    assert ended.code == 2
    assert f"error: {repository.path} has no commit 'nowhere'" in ended.err
