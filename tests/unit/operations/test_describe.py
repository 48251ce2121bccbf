"""The facts of a repository and the event of a run, from real repositories."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from environment.repository import Repository

from pipeline.errors import SourceError
from pipeline.operations.event import guess_event
from pipeline.operations.source import describe, without_credentials
from pipeline.settings import Settings

MakeRepository = Callable[..., Repository]


def test_a_clean_tree(git_repo: MakeRepository) -> None:
    repository = git_repo({"a": "1", "b/c": "2"})
    repository.git("remote", "add", "origin", "https://me:token@git.example.org/shop.git")
    found = describe(repository.path / "b")
    commit = found.commit
    assert (found.path, found.origin) == (str(repository.path), "https://git.example.org/shop.git")
    assert commit.sha == repository.git("rev-parse", "HEAD")
    assert commit.tree == repository.git("rev-parse", "HEAD^{tree}")
    assert (commit.dirty, commit.message, commit.author) == (False, "Start", "Marin Lock <marin@example.org>")
    assert commit.time.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"write": {"a": "changed"}}, id="changed"),
        pytest.param({"write": {"new\nname": "x", "d/e": "y"}}, id="untracked"),
        pytest.param({"remove": "a"}, id="deleted"),
        pytest.param({"write": {"a": "staged"}, "git": ("add", "-A")}, id="staged"),
        pytest.param({"git": ("rm", "--cached", "--quiet", "a")}, id="no-longer-tracked"),
        pytest.param({"chmod": "a"}, id="mode"),
        pytest.param({"link": "b"}, id="folder-became-a-link"),
        pytest.param({"folder": "a"}, id="file-became-a-folder"),
    ],
)
def test_the_tree_of_a_changed_working_tree_is_the_one_git_would_write(
    git_repo: MakeRepository, change: Mapping[str, object]
) -> None:
    repository = git_repo({"a": "1", "b/c": "2", ".gitignore": "*.o\n"})
    repository.write({"ignored.o": "x"})
    match change:
        case {"write": dict(files), **more}:
            repository.write(files)
            if "git" in more:
                repository.git(*more["git"])  # type: ignore[misc]
        case {"remove": str(name)}:
            (repository.path / name).unlink()
        case {"git": tuple(words)}:
            repository.git(*words)
        case {"chmod": str(name)}:
            (repository.path / name).chmod(0o755)
        case {"link": str(name)}:
            subprocess.run(["rm", "-r", str(repository.path / name)], check=True)
            (repository.path / name).symlink_to("/etc")
        case {"folder": str(name)}:
            (repository.path / name).unlink()
            repository.write({f"{name}/inner": "x"})
    before = repository.git("status", "--porcelain"), repository.git("count-objects")
    commit = describe(repository.path).commit
    assert (repository.git("status", "--porcelain"), repository.git("count-objects")) == before
    repository.git("add", "--all")
    assert commit.tree == repository.git("write-tree")
    assert commit.dirty


def test_changes_within_a_submodule_change_the_tree(git_repo: MakeRepository) -> None:
    library = git_repo({"b": "2"}, name="library")
    repository = git_repo({"a": "1"})
    repository.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library.path), "lib")
    repository.commit(message="Add lib")
    trees = [describe(repository.path).commit.tree]
    for text in ("one", "two"):
        (repository.path / "lib" / "b").write_text(text)
        trees.append(describe(repository.path).commit.tree)
    (repository.path / "lib" / "b").write_text("2")
    assert len(set(trees)) == 3
    assert describe(repository.path).commit.tree == trees[0]


def test_a_revision_is_that_commit_whatever_the_working_tree_says(git_repo: MakeRepository) -> None:
    repository = git_repo({"a": "1"})
    repository.git("tag", "v1")
    repository.commit({"a": "2"})
    repository.write({"a": "3"})
    found = describe(repository.path, "v1")
    assert found.commit.sha == repository.git("rev-parse", "v1")
    assert (found.commit.dirty, found.revision) == (False, "v1")


def test_within_a_hook_of_another_repository(git_repo: MakeRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    other, repository = git_repo({"other": "1"}, name="other"), git_repo({"a": "1"})
    monkeypatch.setenv("GIT_DIR", str(other.path / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.path / ".git" / "index"))
    assert describe(repository.path).commit.sha == repository.git("rev-parse", "HEAD")


@pytest.mark.parametrize(
    ("prepare", "revision", "message"),
    [
        pytest.param("", "", "{path} is not in a git repository", id="no-repository"),
        pytest.param("git init -q -b main .", "", "{path} has no commit yet", id="no-commit"),
        pytest.param("git init -q --bare .", "", "{path} is a bare repository without a working tree", id="bare"),
        pytest.param(
            "git init -q -b main . && git -c user.name=a -c user.email=b commit -q --allow-empty -m x",
            "nope",
            "{path} has no commit 'nope'",
            id="unknown",
        ),
        pytest.param(
            "git init -q -b main . && git -c user.name=a -c user.email=b commit -q --allow-empty -m x",
            "--output=/tmp/x",
            "{path} has no commit '--output=/tmp/x'",
            id="option-as-revision",
        ),
    ],
)
def test_refusals(tmp_path: Path, prepare: str, revision: str, message: str) -> None:
    subprocess.run(["sh", "-c", prepare or "true"], cwd=tmp_path, check=True)
    with pytest.raises(SourceError) as raised:
        describe(tmp_path, revision)
    assert raised.value.message == message.format(path=tmp_path)
    assert raised.value.hint


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:token@git.example.org/a.git", "https://git.example.org/a.git"),
        ("https://token@git.example.org/a.git", "https://git.example.org/a.git"),
        ("git@git.example.org:a.git", "git@git.example.org:a.git"),
        ("ssh://git@git.example.org/a.git", "ssh://git@git.example.org/a.git"),
        ("/srv/git/a@b.git", "/srv/git/a@b.git"),
    ],
)
def test_origins_carry_no_credentials(url: str, shown: str) -> None:
    assert without_credentials(url) == shown


@pytest.mark.parametrize(
    ("revision", "branch", "tag"),
    [
        pytest.param("main", "main", "", id="branch"),
        pytest.param("v1", "", "v1", id="tag"),
        pytest.param("HEAD~1", "", "v1", id="commit-with-a-tag"),
        pytest.param("", "main", "", id="working-tree"),
    ],
)
def test_branch_and_tag_of_a_revision(git_repo: MakeRepository, revision: str, branch: str, tag: str) -> None:
    repository = git_repo({"a": "1"})
    repository.git("tag", "v1")
    repository.commit({"a": "2"})
    event = guess_event(describe(repository.path, revision), {"ECLUSE_ACTOR": "ann"}, Settings(home=repository.path))
    assert (event.branch, event.tag) == (branch, tag)


@pytest.mark.parametrize("name", ["topic", "feature/deep/x", "ü"])
def test_the_branch_of_the_working_tree(git_repo: MakeRepository, tmp_path: Path, name: str) -> None:
    repository = git_repo({"a": "1"})
    repository.git("worktree", "add", "-q", "-b", name, str(tmp_path / "other"))
    for path, branch in ((repository.path, "main"), (tmp_path / "other", name)):
        assert guess_event(describe(path), {}, Settings(home=path)).branch == branch
    repository.git("checkout", "-q", "--detach")
    assert guess_event(describe(repository.path), {}, Settings(home=tmp_path)).branch == ""
