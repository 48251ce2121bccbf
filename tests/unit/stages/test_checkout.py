"""What `checkout` puts into the workspace, from real repositories driven by the real git."""

from __future__ import annotations

import os
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from environment.repository import Repository
from workbench import Workbench, stage

from pipeline.errors import SourceError
from pipeline.model.value import Value
from pipeline.operations.source import describe
from stages.checkout import KIND
from stages.source_archive import Entry, archive

POINTER = (
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
)
MakeRepository = Callable[..., Repository]


def checkout(path: Path, home: Path, revision: str = "", **options: Value) -> tuple[Workbench, str]:
    bench = Workbench(home, describe(path, revision), stage("checkout", "checkout", **options))
    result = KIND.run(bench.context)
    return bench, result.outcome.reason


def submodule(parent: Repository, child: Repository, path: str) -> None:
    parent.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(child.path), path)
    parent.commit(message=f"Add {path}")


def test_the_working_tree_comes_as_git_sees_it(git_repo: MakeRepository, tmp_path: Path) -> None:
    repository = git_repo(
        {"kept.txt": "1", "changed.txt": "1", "gone.txt": "1", "bin/tool": "#!/bin/sh\n", ".gitignore": "*.log\n"}
    )
    repository.write({"changed.txt": "2", "new/file.txt": "3", "noise.log": "4", "odd\nname ü.txt": "5"})
    (repository.path / "gone.txt").unlink()
    bench, reason = checkout(repository.path, tmp_path / "home")
    assert bench.files == {
        "kept.txt": b"1",
        "changed.txt": b"2",
        "new/file.txt": b"3",
        "odd\nname ü.txt": b"5",
        "bin/tool": b"#!/bin/sh\n",
        ".gitignore": b"*.log\n",
    }
    short = repository.git("rev-parse", "--short=12", "HEAD")
    assert reason == f"the working tree with uncommitted changes on {short}, 6 files"


def test_a_commit_comes_exactly(git_repo: MakeRepository, tmp_path: Path) -> None:
    repository = git_repo({"a.txt": "first", "b/c.txt": "first"})
    first = repository.git("rev-parse", "HEAD")
    repository.commit({"a.txt": "second", "d.txt": "new"})
    repository.write({"a.txt": "uncommitted"})
    bench, reason = checkout(repository.path, tmp_path / "home", "HEAD~1")
    assert bench.files == {"a.txt": b"first", "b/c.txt": b"first"}
    assert reason == f"commit {first[:12]}, 2 files"


def test_a_commit_comes_from_the_cached_mirror(git_repo: MakeRepository, tmp_path: Path) -> None:
    repository = git_repo({"a.txt": "first"})
    checkout(repository.path, tmp_path / "home", "HEAD")
    mirrors = [path for path in (tmp_path / "home" / "cache" / "git").iterdir() if path.is_dir()]
    assert len(mirrors) == 1
    (mirrors[0] / "HEAD").unlink()  # as a killed run may leave it
    (mirrors[0] / "shallow.lock").touch()
    second = repository.commit({"a.txt": "second"})
    bench, reason = checkout(repository.path, tmp_path / "home", "HEAD")
    assert bench.files == {"a.txt": b"second"}
    assert reason == f"commit {second[:12]}, 1 file"


@pytest.mark.parametrize("revision", [pytest.param("", id="working-tree"), pytest.param("HEAD", id="commit")])
@pytest.mark.parametrize(
    ("submodules", "expected"),
    [
        pytest.param("recursive", {"a", ".gitmodules", "lib/b", "lib/.gitmodules", "lib/deep/c"}, id="recursive"),
        pytest.param(True, {"a", ".gitmodules", "lib/b", "lib/.gitmodules"}, id="first-level"),
        pytest.param(False, {"a", ".gitmodules"}, id="none"),
    ],
)
def test_submodules(
    git_repo: MakeRepository, tmp_path: Path, revision: str, submodules: Value, expected: set[str]
) -> None:
    deep = git_repo({"c": "3"}, name="deep")
    lib = git_repo({"b": "2"}, name="lib")
    submodule(lib, deep, "deep")
    repository = git_repo({"a": "1"})
    submodule(repository, lib, "lib")
    repository.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init", "--recursive")
    bench, _ = checkout(repository.path, tmp_path / "home", revision, submodules=submodules)
    assert set(bench.files) == expected
    if submodules != "recursive":
        assert "is left out, as `submodules` says" in bench.log


@pytest.mark.parametrize(
    ("revision", "message", "hint"),
    [
        pytest.param(
            "",
            "submodule 'lib' ({url}) has not been fetched",
            "run `git submodule update --init --recursive -- lib`, or write `submodules: false`",
            id="working-tree",
        ),
        pytest.param(
            "HEAD",
            "submodule 'lib' ({url}) cannot be fetched: '{url}' does not appear to be a git repository",
            "check that this machine may read it (`git ls-remote {url}`), or write `submodules: false`",
            id="commit",
        ),
    ],
)
def test_a_submodule_that_cannot_be_had(
    git_repo: MakeRepository, tmp_path: Path, revision: str, message: str, hint: str
) -> None:
    lib = git_repo({"b": "2"}, name="lib")
    repository = git_repo({"a": "1"})
    submodule(repository, lib, "lib")
    repository.git("submodule", "--quiet", "deinit", "--force", "lib")
    for leftover in (repository.path / ".git" / "modules", lib.path):
        subprocess.run(["rm", "-r", str(leftover)], check=True)
    with pytest.raises(SourceError) as raised:
        checkout(repository.path, tmp_path / "home", revision)
    assert raised.value.message == message.format(url=lib.path)
    assert raised.value.hint == hint.format(url=lib.path)


@pytest.mark.parametrize("revision", [pytest.param("", id="working-tree"), pytest.param("HEAD", id="commit")])
def test_pointers_of_lfs_are_named(git_repo: MakeRepository, tmp_path: Path, revision: str) -> None:
    repository = git_repo({".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n", "big.bin": POINTER})
    bench, _ = checkout(repository.path, tmp_path / "home", revision)
    assert "warning: big.bin: Git LFS pointers, not the files they stand for; write `lfs: true`" in bench.log


def test_lfs_files_that_were_not_fetched_are_an_error(git_repo: MakeRepository, tmp_path: Path) -> None:
    repository = git_repo({".gitattributes": "*.bin filter=lfs -text\n", "big.bin": POINTER})
    with pytest.raises(SourceError, match=r"^Git LFS has not fetched big\.bin$") as raised:
        checkout(repository.path, tmp_path / "home", lfs=True)
    assert "git lfs pull" in raised.value.hint


@pytest.mark.parametrize(
    ("depth", "commits"), [pytest.param(1, 1, id="last"), pytest.param(2, 2, id="two"), pytest.param(0, 3, id="all")]
)
def test_depth_brings_a_repository_that_tells_the_truth(
    git_repo: MakeRepository, tmp_path: Path, depth: int, commits: int
) -> None:
    repository = git_repo({"a.txt": "1", "b.txt": "1"})
    repository.commit({"a.txt": "2"})
    repository.commit({"a.txt": "3"})
    repository.git("tag", "v1.2")
    repository.git("remote", "add", "origin", "https://me:secret@git.example.org/shop.git")
    repository.write({"b.txt": "uncommitted"})
    bench, _ = checkout(repository.path, tmp_path / "home", depth=depth)
    unpacked = Repository(path=unpack(bench, tmp_path / "unpacked"))
    assert unpacked.git("rev-list", "--count", "HEAD") == str(commits)
    assert unpacked.git("describe", "--tags") == "v1.2"
    assert unpacked.git("status", "--porcelain") == " M b.txt"
    assert unpacked.git("branch", "--show-current") == "main"
    assert unpacked.git("config", "remote.origin.url") == "https://git.example.org/shop.git"
    assert unpacked.git("fsck") == ""


def test_nothing_of_the_repository_is_executed(git_repo: MakeRepository, tmp_path: Path) -> None:
    trace = tmp_path / "executed"
    evil = f"touch {trace}; cat"
    repository = git_repo({"a.txt": "1", ".gitattributes": "* filter=evil diff=evil\n"})
    for key in (
        "filter.evil.clean",
        "filter.evil.smudge",
        "filter.evil.process",
        "core.fsmonitor",
        "diff.evil.textconv",
    ):
        repository.git("config", key, evil)
    for hook in ("post-checkout", "post-index-change", "reference-transaction", "pre-auto-gc"):
        repository.write({f".git/hooks/{hook}": f"#!/bin/sh\n{evil}\n"})
    repository.write({"a.txt": "changed"})
    for revision in ("", "HEAD"):
        bench, _ = checkout(repository.path, tmp_path / f"home{revision}", revision, depth=0)
        assert bench.files["a.txt"] == (b"1" if revision else b"changed")
    assert not trace.exists()


def test_a_file_behind_a_planted_link_is_not_followed(git_repo: MakeRepository, tmp_path: Path) -> None:
    repository = git_repo({"folder/passwd": "mine", "a": "1"})
    (repository.path / "folder" / "passwd").unlink()
    (repository.path / "folder").rmdir()
    (repository.path / "folder").symlink_to("/etc")
    bench, _ = checkout(repository.path, tmp_path / "home")
    assert "folder/passwd" not in bench.files
    content = b"".join(bench.context.archive_workspace("."))
    assert b"/etc" in content
    assert b"root:" not in content


def test_a_repository_of_another_user_is_refused_with_the_remedy(git_repo: MakeRepository, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.fail("this test gives a repository to another user: run it as root")
    repository = git_repo({"a": "1"})
    os.chown(repository.path, 12345, 12345)
    os.chown(repository.path / ".git", 12345, 12345)
    with pytest.raises(SourceError, match="git does not trust") as raised:
        describe(repository.path)
    assert raised.value.hint == f"if you trust it: git config --global --add safe.directory {repository.path}"


def test_modes_and_times_do_not_depend_on_the_machine(git_repo: MakeRepository, tmp_path: Path) -> None:
    repository = git_repo({"a.txt": "1", "bin/tool": "#!/bin/sh\n"})
    (repository.path / "link").symlink_to("a.txt")
    (repository.path / "a.txt").chmod(0o600)
    (repository.path / "bin" / "tool").chmod(0o777)
    source = describe(repository.path)
    entries = [Entry(name=name, place=repository.path / name) for name in ("link", "bin/tool", "a.txt")]
    first = b"".join(archive(entries, source.commit.time))
    os.utime(repository.path / "a.txt", (1, 1))
    assert b"".join(archive(reversed(entries), source.commit.time)) == first
    assert members(first, tmp_path) == {
        "a.txt": (0o644, "0", ""),
        "bin": (0o755, "5", ""),
        "bin/tool": (0o755, "0", ""),
        "link": (0o777, "2", "a.txt"),
    }


@pytest.mark.parametrize("name", ["/etc/passwd", "../out", "a/../../out", "a//b", "a/./b"])
def test_names_that_leave_the_workspace_are_refused(tmp_path: Path, name: str) -> None:
    place = tmp_path / "file"
    place.write_text("x")
    with pytest.raises(SourceError, match="names a file outside of itself"):
        list(archive([Entry(name=name, place=place)], datetime(2026, 11, 23, tzinfo=UTC)))


def members(content: bytes, folder: Path) -> Mapping[str, tuple[int, str, str]]:
    path = folder / "archive.tar"
    path.write_bytes(content)
    with tarfile.open(path) as tar:
        return {info.name: (info.mode, info.type.decode(), info.linkname) for info in tar}


def unpack(bench: Workbench, folder: Path) -> Path:
    folder.mkdir()
    path = folder.with_suffix(".tar")
    path.write_bytes(b"".join(bench.context.archive_workspace(".")))
    with tarfile.open(path) as tar:
        tar.extractall(folder, filter="tar")
    return folder
