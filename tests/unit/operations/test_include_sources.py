"""Where included files come from: the working tree, a commit, another repository; nothing leaves the repository."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from environment.repository import Repository

from pipeline.errors import EcluseError, SourceUnreachableError, UsageError
from pipeline.model.trust import Trust
from pipeline.operations.include_mirror import protocol_of
from pipeline.operations.includes import RepositoryIncludes
from pipeline.operations.lockfile import Pin, lock_of, read_lock, write_lock
from pipeline.ports.includes import Place, Wanted
from pipeline.settings import Settings

TOP = Place(file="pipeline.yml")
LIMIT = 1000


def includes(
    repository: Path,
    home: Path,
    *,
    commit: str = "",
    trust: Trust = Trust.BRANCH,
    relock: bool = False,
    file: bool = True,
) -> RepositoryIncludes:
    protocols = ("https", "ssh", "file") if file else ("https", "ssh")
    return RepositoryIncludes(
        Settings(home=home, include_protocols=protocols),
        repository,
        "pipeline.yml",
        commit=commit,
        trust=lambda: trust,
        relock=relock,
    )


def content(source: RepositoryIncludes, wanted: Wanted, *, limit: int = LIMIT) -> bytes:
    return source.read(source.place(wanted, by=TOP), limit=limit)


@pytest.fixture
def shop(git_repo: Callable[..., Repository]) -> Repository:
    repository = git_repo({"ci/a.yml": "committed\n", "ci/deep/b.yml": "b\n"}, name="shop")
    (repository.path / "ci" / "inside.yml").symlink_to("a.yml")
    (repository.path / "ci" / "outside.yml").symlink_to("/etc/passwd")
    (repository.path / "linked").symlink_to("ci")
    repository.commit()
    (repository.path / "ci" / "a.yml").write_text("changed\n")
    return repository


def test_the_working_tree_or_the_commit_is_read(shop: Repository, tmp_path: Path) -> None:
    wanted = Wanted(file="./ci/a.yml")
    assert content(includes(shop.path, tmp_path), wanted) == b"changed\n"
    assert content(includes(shop.path, tmp_path, commit=shop.git("rev-parse", "HEAD")), wanted) == b"committed\n"


@pytest.mark.parametrize("at_commit", [pytest.param(False, id="working tree"), pytest.param(True, id="commit")])
@pytest.mark.parametrize(
    ("file", "message"),
    [
        pytest.param("../other/a.yml", "'../other/a.yml' leaves the repository", id="above"),
        pytest.param("ci/../../a.yml", "'ci/../../a.yml' leaves the repository", id="above inside"),
        pytest.param("/etc/passwd", "'/etc/passwd' is not a path below the repository's root", id="absolute"),
        pytest.param(".git/config", "'.git/config' cannot be included", id="git's own"),
        pytest.param("ci/.GIT/config", "'ci/.GIT/config' cannot be included", id="git's own in capitals"),
        pytest.param("ci\\a.yml", "is not a path below", id="backslash"),
        pytest.param("ci/a\n.yml", "is not a path below", id="line end"),
        pytest.param("ci/", "'ci/' cannot be included", id="folder as written"),
        pytest.param("ci", "ci is not a file", id="folder"),
        pytest.param("ci/inside.yml", "ci/inside.yml is a symbolic link", id="link inside"),
        pytest.param("ci/outside.yml", "ci/outside.yml is a symbolic link", id="link outside"),
        pytest.param("linked/a.yml", "", id="link on the way"),
        pytest.param("ci/none.yml", "no ", id="missing"),
        pytest.param("ci/*.yml", "no ", id="no glob"),
    ],
)
def test_what_cannot_be_included(shop: Repository, tmp_path: Path, file: str, message: str, *, at_commit: bool) -> None:
    commit = shop.git("rev-parse", "HEAD") if at_commit else ""
    with pytest.raises(UsageError) as raised:
        content(includes(shop.path, tmp_path, commit=commit), Wanted(file=file))
    assert message in raised.value.message
    assert raised.value.hint


@pytest.mark.parametrize("at_commit", [pytest.param(False, id="working tree"), pytest.param(True, id="commit")])
def test_a_long_file_is_refused(shop: Repository, tmp_path: Path, *, at_commit: bool) -> None:
    commit = shop.commit({"big.yml": "x" * 2000})
    with pytest.raises(UsageError, match=r"big.yml is larger than"):
        content(includes(shop.path, tmp_path, commit=commit if at_commit else ""), Wanted(file="big.yml"))


@pytest.fixture
def lib(git_repo: Callable[..., Repository]) -> Repository:
    return git_repo({"python.yml": "one\n", "deep/b.yml": "b\n"}, name="lib")


def url_of(repository: Repository) -> str:
    return f"file://{repository.path}"


def lock(shop: Repository, home: Path, *wanted: Wanted) -> tuple[Pin, ...]:
    source = includes(shop.path, home, relock=True)
    for item in wanted:
        content(source, item)
    (shop.path / "pipeline.lock").write_text(write_lock(source.pins))
    return source.pins


def test_a_branch_must_be_pinned_and_stays_where_it_was(shop: Repository, lib: Repository, tmp_path: Path) -> None:
    home, wanted = tmp_path / "home", Wanted(git=url_of(lib), ref="main", file="python.yml")
    with pytest.raises(UsageError) as raised:
        content(includes(shop.path, home), wanted)
    assert raised.value.message == f"'main' of {url_of(lib)} is not pinned in pipeline.lock"
    assert "ecluse check --lock" in raised.value.hint

    [pin] = lock(shop, home, wanted)
    assert pin.commit == lib.git("rev-parse", "HEAD")
    lib.commit({"python.yml": "two\n"})
    assert content(includes(shop.path, home), wanted) == b"one\n"
    assert content(includes(shop.path, tmp_path / "other home"), wanted) == b"one\n"  # fetched by its id alone
    lock(shop, home, wanted)
    assert content(includes(shop.path, home), wanted) == b"two\n"


def test_what_was_fetched_needs_no_server(shop: Repository, lib: Repository, tmp_path: Path) -> None:
    home, commit = tmp_path / "home", lib.git("rev-parse", "HEAD")
    by_branch = Wanted(git=url_of(lib), ref="main", file="python.yml")
    by_id = Wanted(git=url_of(lib), ref=commit, file="deep/b.yml")
    lock(shop, home, by_branch, by_id)
    lib.path.rename(tmp_path / "gone")
    assert content(includes(shop.path, home), by_branch) == b"one\n"
    assert content(includes(shop.path, home), by_id) == b"b\n"
    with pytest.raises(EcluseError):
        content(includes(shop.path, tmp_path / "other"), by_id)


def test_the_lock_of_the_commit_counts_when_a_commit_is_asked_for(
    shop: Repository, lib: Repository, tmp_path: Path
) -> None:
    wanted = Wanted(git=url_of(lib), ref="main", file="python.yml")
    lock(shop, tmp_path / "home", wanted)
    commit = shop.commit()
    (shop.path / "pipeline.lock").unlink()
    assert content(includes(shop.path, tmp_path / "home", commit=commit), wanted) == b"one\n"
    with pytest.raises(UsageError, match="not pinned"):
        content(includes(shop.path, tmp_path / "home"), wanted)


def test_content_that_differs_from_the_lock_is_refused(shop: Repository, lib: Repository, tmp_path: Path) -> None:
    wanted = Wanted(git=url_of(lib), ref="main", file="python.yml")
    [pin] = lock(shop, tmp_path / "home", wanted)
    forged = Pin(git=pin.git, ref=pin.ref, file=pin.file, commit=pin.commit, digest="sha256:" + "0" * 64)
    (shop.path / "pipeline.lock").write_text(write_lock([forged]))
    with pytest.raises(UsageError, match=r"is not what pipeline.lock pins: its content differs"):
        content(includes(shop.path, tmp_path / "home"), wanted)


@pytest.mark.parametrize("ref", ["v1", "main", "feature/x", "short"])
def test_tags_branches_and_beginnings_of_ids_can_be_pinned(
    shop: Repository, lib: Repository, tmp_path: Path, ref: str
) -> None:
    first = lib.git("rev-parse", "HEAD")
    lib.git("tag", "-a", "v1", "-m", "first")
    lib.git("branch", "feature/x")
    lib.commit({"python.yml": "two\n"})
    wanted = Wanted(git=url_of(lib), ref=first[:9] if ref == "short" else ref, file="python.yml")
    [pin] = lock(shop, tmp_path / "home", wanted)
    assert pin.commit == (lib.git("rev-parse", "main") if ref == "main" else first)


@pytest.mark.parametrize("ref", ["nothing", "0123456789", "-upload-pack=x", "a b", "main:refs/x", "a..b"])
def test_what_is_no_branch_tag_or_commit_there(shop: Repository, lib: Repository, tmp_path: Path, ref: str) -> None:
    with pytest.raises(UsageError) as raised:
        lock(shop, tmp_path / "home", Wanted(git=url_of(lib), ref=ref, file="python.yml"))
    assert f"'{ref}'" in raised.value.message


def test_a_mirror_that_was_left_in_pieces_is_made_anew(shop: Repository, lib: Repository, tmp_path: Path) -> None:
    home, commit = tmp_path / "home", lib.git("rev-parse", "HEAD")
    content(includes(shop.path, home), Wanted(git=url_of(lib), ref=commit, file="python.yml"))
    [ready] = (home / "cache" / "includes" / "own").glob("*/ready")
    ready.unlink()
    (ready.parent / "HEAD").write_text("garbage")
    assert content(includes(shop.path, home), Wanted(git=url_of(lib), ref=commit, file="deep/b.yml")) == b"b\n"


@pytest.mark.parametrize("damage", ["objects cut", "objects gone", "head gone", "stale lock"])
def test_a_damaged_mirror_is_made_anew(shop: Repository, lib: Repository, tmp_path: Path, damage: str) -> None:
    home, commit = tmp_path / "home", lib.git("rev-parse", "HEAD")
    content(includes(shop.path, home), Wanted(git=url_of(lib), ref=commit, file="python.yml"))
    [ready] = (home / "cache" / "includes" / "own").glob("*/ready")
    mirror = ready.parent
    for file in [path for path in (mirror / "objects").rglob("*") if path.is_file()]:
        file.chmod(0o600)
        if damage == "objects cut":
            file.write_bytes(file.read_bytes()[:10])
        elif damage == "objects gone":
            file.unlink()
    if damage == "head gone":
        (mirror / "HEAD").unlink()
    elif damage == "stale lock":
        for name in (f"refs/kept/{commit}.lock", "packed-refs.lock", "shallow.lock"):
            (mirror / name).touch()
        (mirror / "refs" / "kept" / commit).unlink()
    assert content(includes(shop.path, home), Wanted(git=url_of(lib), ref=commit, file="deep/b.yml")) == b"b\n"


def test_a_commit_that_no_branch_holds_any_more(shop: Repository, lib: Repository, tmp_path: Path) -> None:
    wanted = Wanted(git=url_of(lib), ref="0123456789" * 4, file="python.yml")
    with pytest.raises(UsageError, match="does not have the commit 012345678901"):
        content(includes(shop.path, tmp_path), wanted)


def test_hooks_and_settings_of_the_user_do_not_run(
    shop: Repository, lib: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = tmp_path / "template" / "hooks"
    template.mkdir(parents=True)
    for name in ("reference-transaction", "post-checkout"):
        (template / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        (template / name).chmod(0o755)
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(template.parent))
    wanted = Wanted(git=url_of(lib), ref=lib.git("rev-parse", "HEAD"), file="python.yml")
    assert content(includes(shop.path, tmp_path / "home"), wanted) == b"one\n"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("url", "protocol"),
    [
        ("https://git.example.org/ci.git", "https"),
        ("ssh://git@git.example.org/ci.git", "ssh"),
        ("git@git.example.org:team/ci.git", "ssh"),
        ("git.example.org:ci.git", "ssh"),
        ("file:///srv/ci.git", "file"),
        ("http://git.example.org/ci.git", "http"),
        ("git://git.example.org/ci.git", "git"),
        ("ext::sh -c touch% /tmp/x", ""),
        ("ext::https://x", ""),
        ("-oProxyCommand=x:y", ""),
        ("ssh://-oProxyCommand=x/y", ""),
        ("/srv/ci.git", ""),
        ("../ci.git", ""),
        ("ci.git", ""),
    ],
)
def test_protocols(url: str, protocol: str) -> None:
    assert protocol_of(url) == protocol


@pytest.mark.parametrize(
    ("url", "trust", "message"),
    [
        pytest.param("file:///srv/ci", Trust.PROTECTED, "allowed are addresses of https, ssh", id="file"),
        pytest.param("ext::sh -c x", Trust.PROTECTED, "cannot be included", id="ext"),
        pytest.param("http://x/y", Trust.BRANCH, "cannot be included", id="http"),
        pytest.param("git@x:y", Trust.UNTRUSTED, "which gets no private includes", id="ssh of a fork"),
        pytest.param(
            "https://u:s3cr3t-pass@x/y", Trust.BRANCH, "the address https://x/y holds a password", id="password"
        ),
    ],
)
def test_addresses_that_may_not_be_asked(tmp_path: Path, url: str, trust: Trust, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        content(includes(tmp_path, tmp_path, trust=trust, file=False), Wanted(git=url, ref="f" * 40, file="a.yml"))
    assert message in raised.value.message
    assert "s3cr3t" not in raised.value.message + raised.value.hint


def test_an_untrusted_run_reads_nothing_that_others_fetched(shop: Repository, lib: Repository, tmp_path: Path) -> None:
    home, wanted = tmp_path / "home", Wanted(git=url_of(lib), ref=lib.git("rev-parse", "HEAD"), file="python.yml")
    assert content(includes(shop.path, home), wanted) == b"one\n"
    with pytest.raises(UsageError, match="no private includes"):
        content(includes(shop.path, home, trust=Trust.UNTRUSTED), wanted)


def test_a_server_that_does_not_answer_may_answer_later(shop: Repository, tmp_path: Path) -> None:
    wanted = Wanted(git="https://127.0.0.1:9/ci.git", ref="f" * 40, file="a.yml")
    with pytest.raises(SourceUnreachableError) as raised:
        content(includes(shop.path, tmp_path), wanted)
    assert raised.value.transient


def test_the_lock_file_is_the_same_bytes_for_the_same_pins() -> None:
    pins = [
        Pin(git='https://x/é"q', ref=ref, file="a.yml", commit="f" * 40, digest="sha256:1") for ref in ("main", "dev")
    ]
    text = write_lock(pins)
    assert write_lock(reversed(pins)) == text
    assert set(read_lock(text.encode(), name="pipeline.lock").values()) == set(pins)
    assert lock_of("ci/other.yaml") == "ci/other.lock"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"version = 2\n", "is of version 2"),
        (b"version = 1\n[[include]]\ngit = 'x'\n", "is damaged"),
        (b"version = \n", "is damaged"),
        (b"\xff", "is damaged"),
        (b"version = 1\ninclude = 3\n", "is damaged"),
    ],
)
def test_a_lock_file_that_cannot_be_believed(text: bytes, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_lock(text, name="pipeline.lock")
    assert message in raised.value.message
    assert "ecluse check --lock" in raised.value.hint


def test_the_cache_is_closed_to_others(shop: Repository, lib: Repository, tmp_path: Path) -> None:
    wanted = Wanted(git=url_of(lib), ref=lib.git("rev-parse", "HEAD"), file="python.yml")
    content(includes(shop.path, tmp_path / "home"), wanted)
    assert os.stat(tmp_path / "home" / "cache" / "includes" / "own").st_mode & 0o077 == 0  # noqa: PTH116
