"""What counts as changed, and since when: every case on a real repository."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from environment.repository import Repository

from pipeline.model.source import Changes, Event
from pipeline.operations.changed import ChangedPaths
from pipeline.operations.source import describe
from pipeline.operations.tree import source_tree
from pipeline.ports.records import StageHistory

ZEROS = "0" * 40


def changes(
    path: Path,
    *,
    kind: str = "push",
    branch: str = "main",
    tag: str = "",
    before: str = "",
    target: str = "",
    base: str = "",
    revision: str = "",
    known: Mapping[str, str] | None = None,
) -> ChangedPaths:
    """What changed at HEAD, or at a revision; `known` is the last success of each stage."""
    event = Event(kind=kind, branch=branch, tag=tag, before=before, target=target, base=base)
    histories = {name: StageHistory(commit=commit) for name, commit in (known or {}).items()}
    return ChangedPaths(describe(path, revision), event, lambda: histories)


def seen(found: Changes) -> tuple[tuple[str, ...] | None, str, str]:
    return found.paths, found.base, found.reason


@pytest.fixture
def shop(git_repo: Callable[..., Repository]) -> Repository:
    """main: one, two; a clone would have both."""
    repository = git_repo({"a": "1", "src/x": "1"})
    repository.commit({"src/x": "2"}, "two")
    return repository


def clone(shop: Repository, path: Path, *words: str) -> Repository:
    shop.git("clone", "-q", *words, f"file://{shop.path}", str(path))
    copy = Repository(path=path)
    for key, value in (("user.name", "M"), ("user.email", "m@example.org"), ("commit.gpgsign", "false")):
        copy.git("config", key, value)
    return copy


def test_a_push_is_compared_with_the_branch_before_it(shop: Repository) -> None:
    before = shop.git("rev-parse", "HEAD")
    shop.commit({"docs/d": "1"}, "three")
    shop.commit({"b": "1"}, "four")
    found = changes(shop.path, before=before)
    assert seen(found.of_event) == (("b", "docs/d"), before, "the branch before this push")
    assert seen(found.of_stage("unit")) == seen(found.of_event)


def test_a_stage_is_compared_with_its_last_success_so_that_nothing_hides_a_failed_commit(shop: Repository) -> None:
    good = shop.git("rev-parse", "HEAD")
    broken = shop.commit({"src/x": "broken"}, "breaks")
    shop.commit({"docs/d": "1"}, "docs")
    found = changes(shop.path, before=broken, known={"unit": good, "lint": broken, "slow": ""})
    assert seen(found.of_event) == (("docs/d",), broken, "the branch before this push")
    assert seen(found.of_stage("unit")) == (("docs/d", "src/x"), good, "last success of this stage")
    assert seen(found.of_stage("lint")) == (("docs/d",), broken, "last success of this stage")
    never = "this stage never succeeded on the branch, so everything counts as changed"
    assert seen(found.of_stage("slow")) == (None, "", never)


def test_a_stage_that_failed_on_a_branch_is_compared_with_where_it_left(shop: Repository) -> None:
    left = shop.git("rev-parse", "HEAD")
    shop.git("checkout", "-q", "-b", "topic")
    broken = shop.commit({"src/x": "broken"}, "breaks")
    shop.commit({"docs/d": "1"}, "docs")
    found = changes(shop.path, branch="topic", before=broken, known={"unit": ""}).of_stage("unit")
    why = "merge base with main; this stage never succeeded on the branch"
    assert seen(found) == (("docs/d", "src/x"), left, why)


@pytest.mark.parametrize("before", [pytest.param(ZEROS, id="said by the host"), pytest.param("", id="not said")])
def test_a_new_branch_is_compared_with_where_it_left(shop: Repository, before: str) -> None:
    left = shop.git("rev-parse", "HEAD")
    shop.git("checkout", "-q", "-b", "topic")
    shop.commit({"b": "1"})
    shop.git("checkout", "-q", "main")
    shop.commit({"a": "elsewhere"})
    shop.git("checkout", "-q", "topic")
    found = changes(shop.path, branch="topic", before=before).of_event
    assert seen(found) == (("b",), left, "merge base with main" + ("; new branch" if before else ""))


def test_a_new_branch_without_a_commit_of_its_own_changed_nothing(shop: Repository) -> None:
    shop.git("checkout", "-q", "-b", "topic")
    assert changes(shop.path, branch="topic", before=ZEROS).of_event.paths == ()


def test_after_a_forced_push_the_old_tip_does_not_count(shop: Repository) -> None:
    left = shop.git("rev-parse", "HEAD")
    shop.git("checkout", "-q", "-b", "topic")
    old = shop.commit({"b": "1"})
    shop.git("reset", "-q", "--hard", left)
    shop.commit({"c": "1"})
    found = changes(shop.path, branch="topic", before=old, known={"unit": old})
    gone = f"merge base with main; {old[:12]}, where the branch was, is no longer part of it"
    assert seen(found.of_event) == (("c",), left, gone)
    lost = f"merge base with main; its last success at {old[:12]} is no longer part of the branch"
    assert seen(found.of_stage("unit")) == (("c",), left, lost)


def test_after_a_forced_push_of_the_default_branch(shop: Repository) -> None:
    old = shop.git("rev-parse", "HEAD")
    shop.git("reset", "-q", "--hard", "HEAD^")
    parent = shop.git("rev-parse", "HEAD")
    shop.commit({"c": "1"})
    shop.commit({"d": "1"})
    found = changes(shop.path, before=old, known={"unit": old})
    why = f"where it parted from {old[:12]}, which was here before a forced push"
    assert seen(found.of_event) == (("c", "d"), parent, why)
    assert found.of_stage("unit").paths is None
    gone = changes(shop.path, before="f" * 40).of_event
    assert seen(gone) == (
        None,
        "",
        "ffffffffffff, where the branch was, is no longer part of it, so everything counts as changed",
    )


def test_a_pull_request_is_compared_with_the_merge_base_of_its_target(shop: Repository) -> None:
    shop.git("branch", "release/1")
    left = shop.git("rev-parse", "HEAD")
    shop.git("checkout", "-q", "-b", "topic", "release/1")
    shop.commit({"b": "1"})
    shop.git("checkout", "-q", "release/1")
    shop.commit({"a": "elsewhere"})
    shop.git("checkout", "-q", "topic")
    found = changes(shop.path, kind="pull_request", branch="topic", target="release/1", known={"unit": ZEROS})
    assert seen(found.of_event) == (("b",), left, "merge base with release/1")
    assert seen(found.of_stage("unit")) == seen(found.of_event)


def test_a_pull_request_as_a_merge_commit_of_the_host(shop: Repository) -> None:
    shop.git("checkout", "-q", "-b", "topic")
    shop.commit({"b": "1"})
    shop.git("checkout", "-q", "main")
    tip = shop.commit({"a": "elsewhere"})
    shop.git("checkout", "-q", "--detach")
    shop.git("merge", "-q", "--no-ff", "-m", "merge", "topic")
    found = changes(shop.path, kind="pull_request", branch="topic", target="main").of_event
    assert seen(found) == (("b",), tip, "merge base with main")


def test_a_pull_request_into_a_branch_that_is_not_here(shop: Repository) -> None:
    found = changes(shop.path, kind="pull_request", branch="topic", target="next").of_event
    assert found.paths is None
    assert found.reason == "the branch next is not in this clone (fetch it), so everything counts as changed"


def test_a_pull_request_without_common_history(shop: Repository) -> None:
    shop.git("checkout", "-q", "--orphan", "topic")
    shop.commit({"b": "1"})
    found = changes(shop.path, kind="pull_request", branch="topic", target="main").of_event
    assert (found.paths, found.reason[:35]) == (None, "there is no common history with mai")


@pytest.mark.parametrize("kind", ["push", "pull_request"])
def test_a_shallow_clone_says_so_and_everything_counts(shop: Repository, tmp_path: Path, kind: str) -> None:
    shop.git("checkout", "-q", "-b", "topic")
    shop.commit({"b": "1"})
    shop.commit({"b": "2"})
    shop.git("checkout", "-q", "main")
    copy = clone(shop, tmp_path / "copy", "--depth=1", "--no-single-branch", "--branch=topic")
    found = changes(copy.path, kind=kind, branch="topic", target="main").of_event
    assert found.paths is None
    assert found.reason.startswith("shallow clone without the merge base with main (fetch the whole history: ")
    assert found.reason.endswith("so everything counts as changed")


def test_a_shallow_clone_of_the_default_branch(shop: Repository, tmp_path: Path) -> None:
    copy = clone(shop, tmp_path / "copy", "--depth=1")
    found = changes(copy.path).of_event
    assert (found.paths, found.reason[:41]) == (None, "shallow clone without the commit before (")


def test_a_shallow_clone_does_not_take_the_commit_before_for_the_branch_before(
    shop: Repository, tmp_path: Path
) -> None:
    before = shop.git("rev-parse", "HEAD")
    for number in range(3):
        shop.commit({"src/x": f"more {number}"})
    shop.commit({"docs/d": "1"})
    copy = clone(shop, tmp_path / "copy", "--depth=2")
    found = changes(copy.path, before=before, known={"unit": before})
    start = f"shallow clone without {before[:12]}, where the branch was ("
    assert (found.of_event.paths, found.of_event.reason[: len(start)]) == (None, start)
    start = f"shallow clone without the last success at {before[:12]} ("
    assert (found.of_stage("unit").paths, found.of_stage("unit").reason[: len(start)]) == (None, start)


def test_a_first_push_of_several_commits_is_all_new(shop: Repository) -> None:
    found = changes(shop.path, before=ZEROS).of_event
    assert seen(found) == (None, "", "new branch, so everything counts as changed")


def test_a_clone_of_one_branch_alone_does_not_know_where_it_left(shop: Repository, tmp_path: Path) -> None:
    shop.git("checkout", "-q", "-b", "topic")
    shop.commit({"b": "1"})
    shop.commit({"c": "1"})
    shop.git("checkout", "-q", "main")
    copy = clone(shop, tmp_path / "copy", "--single-branch", "--branch=topic")
    found = changes(copy.path, branch="topic", before=ZEROS).of_event
    assert found.paths is None


def test_the_first_commit_is_all_new(git_repo: Callable[..., Repository]) -> None:
    repository = git_repo({"a": "1", "b/c": "2"})
    assert seen(changes(repository.path, before=ZEROS).of_event) == (
        ("a", "b/c"),
        "",
        "the first commit, so every file counts as changed",
    )


def test_a_tag_is_compared_with_the_one_before(shop: Repository) -> None:
    shop.git("tag", "v1")
    first = shop.git("rev-parse", "HEAD")
    shop.commit({"b": "1"})
    shop.commit({"c": "1"})
    shop.git("tag", "-a", "v2", "-m", "two")
    found = changes(shop.path, branch="", tag="v2", known={"unit": ZEROS})
    assert seen(found.of_event) == (("b", "c"), first, "the previous tag v1")
    assert seen(found.of_stage("unit")) == seen(found.of_event)


def test_the_first_tag_is_all_new(shop: Repository, tmp_path: Path) -> None:
    shop.git("tag", "v1")
    found = changes(shop.path, branch="", tag="v1").of_event
    assert seen(found) == (("a", "src/x"), "", "there is no earlier tag, so every file counts as changed")
    copy = clone(shop, tmp_path / "copy", "--depth=1")
    assert changes(copy.path, branch="", tag="v1").of_event.paths is None


def test_a_merge_counts_with_all_that_it_brought(shop: Repository) -> None:
    before = shop.git("rev-parse", "HEAD")
    shop.git("checkout", "-q", "-b", "topic")
    shop.commit({"b": "1"})
    shop.commit({"b": "2", "c": "1"})
    shop.git("checkout", "-q", "main")
    shop.git("merge", "-q", "--no-ff", "-m", "merge", "topic")
    assert changes(shop.path).of_event.paths == ("b", "c")
    assert changes(shop.path, before=before).of_event.paths == ("b", "c")


def test_a_dirty_tree_counts_too(shop: Repository) -> None:
    head = shop.git("rev-parse", "HEAD")
    shop.write({"a": "dirty", "new/file": "1", "ignored.log": "1", ".gitignore": "*.log\n"})
    (shop.path / "src" / "x").unlink()
    found = changes(shop.path, kind="manual", known={"unit": head})
    assert found.of_stage("unit").paths == (".gitignore", "a", "new/file", "src/x")
    assert changes(shop.path, kind="manual", revision=head, known={"unit": head}).of_stage("unit").paths == ()


def test_a_renamed_file_counts_with_both_names(shop: Repository) -> None:
    shop.git("mv", "src/x", "src/y")
    shop.commit()
    assert changes(shop.path).of_event.paths == ("src/x", "src/y")


@pytest.mark.parametrize("name", ["ü/ñ.txt", "a b\tc", "line\nend", '"quoted"', "-dash", "emoji-🚢"])
def test_odd_names_arrive_whole(shop: Repository, name: str) -> None:
    shop.commit({name: "1"})
    assert changes(shop.path).of_event.paths == (name,)


def test_a_name_that_is_not_utf8_can_still_be_stored(shop: Repository) -> None:
    Path(str(shop.path) + "/bad-\udcff").write_text("1")
    shop.commit()
    [path] = changes(shop.path).of_event.paths or ()
    assert path.encode() == "bad-\ufffd".encode()


def test_a_submodule_counts_as_one_path(git_repo: Callable[..., Repository], shop: Repository) -> None:
    other = git_repo({"lib": "1"}, name="lib")
    shop.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other.path), "vendor/lib")
    shop.commit()
    inner = Repository(path=shop.path / "vendor" / "lib")
    inner.git("-c", "user.name=m", "-c", "user.email=m@x", "commit", "-q", "--allow-empty", "-m", "more")
    assert changes(shop.path, kind="manual", known={"unit": shop.git("rev-parse", "HEAD")}).of_stage("unit").paths == (
        "vendor/lib",
    )
    shop.commit()
    assert changes(shop.path).of_event.paths == ("vendor/lib",)


def test_unpushed_commits_of_the_default_branch(shop: Repository, tmp_path: Path) -> None:
    copy = clone(shop, tmp_path / "copy")
    pushed = copy.git("rev-parse", "HEAD")
    copy.commit({"b": "1"})
    copy.commit({"c": "1"})
    found = changes(copy.path, kind="manual").of_event
    assert seen(found) == (("b", "c"), pushed, "merge base with main as the remote has it")
    assert changes(copy.path, kind="manual").of_stage("unit").reason == (
        "this stage never ran on the branch, so everything counts as changed"
    )


@pytest.mark.parametrize("base", ["--output=/tmp/x", "HEAD", "main; true", "g" * 40])
def test_a_host_or_a_record_cannot_speak_to_git(shop: Repository, base: str) -> None:
    found = changes(shop.path, before=base, base=base, known={"unit": base})
    assert found.of_stage("unit").paths is None
    assert seen(found.of_event)[:2] == (None, "")


def test_the_tree_lists_files_as_git_knows_them(shop: Repository) -> None:
    shop.write({"run.sh": "#!/bin/sh\n", "ü": "1"})
    (shop.path / "link").symlink_to("a")
    dirty = {file.path: file for file in source_tree(describe(shop.path)).files}
    shop.commit()
    clean = {file.path: file for file in source_tree(describe(shop.path)).files}
    assert dirty == clean
    assert {path: file.mode for path, file in clean.items()} == {
        "a": "100644",
        "link": "120000",
        "run.sh": "100755",
        "src/x": "100644",
        "ü": "100644",
    }
    shop.write({"a": "changed"})
    (shop.path / "link").unlink()
    again = {file.path: file for file in source_tree(describe(shop.path)).files}
    assert set(clean) - set(again) == {"link"}
    assert [path for path in again if again[path] != clean[path]] == ["a"]
    assert source_tree(describe(shop.path, "HEAD")).digest(["**"]) == source_tree(describe(shop.path, "main")).digest(
        ["**"]
    )


def test_git_is_asked_once_however_many_stages_ask(
    shop: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `git` in front of the real one counts."""
    real = shutil.which("git")
    wrapper = tmp_path / "bin" / "git"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\nexec {real} "$@"\n')
    wrapper.chmod(0o755)
    good = shop.git("rev-parse", "HEAD")
    shop.git("checkout", "-q", "-b", "topic")
    shop.commit({"b": "1"})
    found = changes(shop.path, branch="topic", known={"good": good, "bad": "", "lost": "f" * 40})
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    for stage in ("good", "bad", "lost", "new"):
        assert found.of_stage(stage).paths == ("b",)
    once = (tmp_path / "asked").read_text()
    for _ in range(3):
        for stage in ("good", "bad", "lost", "new"):
            assert found.of_stage(stage).paths == ("b",)
    assert (tmp_path / "asked").read_text() == once
