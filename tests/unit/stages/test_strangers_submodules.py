"""Submodules of an untrusted run: asked with nobody's credentials, at public addresses, into mirrors of their own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from environment.repository import Repository
from workbench import Workbench, stage

from pipeline.errors import SourceError
from pipeline.model.source import Event
from pipeline.model.trust import Trust
from pipeline.operations.source import describe
from pipeline.settings import Settings
from stages.checkout import KIND

FORK = Event(kind="pull_request", branch="topic", proposal="7", trust=Trust.UNTRUSTED)
OWN = Event(kind="push", branch="main", trust=Trust.BRANCH)


@contextmanager
def listening() -> Iterator[tuple[int, list[bytes]]]:
    """A port of this machine, and what came in there."""
    heard: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def hear() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    heard.append(connection.recv(4096))

    thread = threading.Thread(target=hear, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], heard
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def with_submodule(make: Callable[..., Repository], url: str, sha: str = "a" * 40) -> Repository:
    """A repository that names another one, as anybody can write it without having it."""
    repository = make({".gitmodules": f'[submodule "lib"]\n\tpath = lib\n\turl = {url}\n'}, name="shop")
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{sha},lib")
    repository.git("commit", "-q", "-m", "Add lib")
    return repository


def checked_out(home: Path, repository: Repository, event: Event, *private_hosts: str) -> Workbench:
    settings = Settings(home=home, private_hosts=private_hosts)
    bench = Workbench(
        home, describe(repository.path, "HEAD"), stage("checkout", "checkout"), settings=settings, event=event
    )
    KIND.run(bench.context)
    return bench


@pytest.mark.parametrize("url", ["https://127.0.0.1:{}/lib.git", "http://127.0.0.1:{}/x", "ssh://git@127.0.0.1:{}/x"])
def test_an_untrusted_run_asks_nobody_in_this_network(
    git_repo: Callable[..., Repository], tmp_path: Path, url: str
) -> None:
    with listening() as (port, heard):
        repository = with_submodule(git_repo, url.format(port))
        with pytest.raises(SourceError, match="an untrusted run may not ask") as raised:
            checked_out(tmp_path / "home", repository, FORK)
        assert not heard
    assert "submodule 'lib'" in raised.value.message


def test_a_listed_host_is_asked(git_repo: Callable[..., Repository], tmp_path: Path) -> None:
    with listening() as (port, heard):
        repository = with_submodule(git_repo, f"https://127.0.0.1:{port}/lib.git")
        with pytest.raises(SourceError, match="submodule 'lib'"):
            checked_out(tmp_path / "home", repository, FORK, f"127.0.0.1:{port}")
        assert heard


@pytest.mark.parametrize("url", ["{}", "file://{}"])
def test_what_others_fetched_and_folders_of_this_machine_are_not_for_strangers(
    git_repo: Callable[..., Repository], tmp_path: Path, url: str
) -> None:
    private = git_repo({"password.txt": "tide-table-7319"}, name="private")
    repository = with_submodule(git_repo, url.format(private.path), private.git("rev-parse", "HEAD"))
    own = checked_out(tmp_path / "home", repository, OWN)
    assert own.files["lib/password.txt"] == b"tide-table-7319"
    with pytest.raises(SourceError, match="an untrusted run may not ask"):
        checked_out(tmp_path / "home", repository, FORK)


@pytest.mark.parametrize("event", [FORK, OWN], ids=["untrusted", "trusted"])
@pytest.mark.parametrize(
    "url",
    [
        pytest.param("ext::sh -c 'touch {}/pwned'", id="a program"),
        pytest.param("--upload-pack=touch {}/pwned", id="an option"),
        pytest.param("ssh://-oProxyCommand=touch {}/pwned/x", id="an option of ssh"),
        pytest.param("fd::17/{}", id="a file descriptor"),
    ],
)
def test_no_address_runs_a_program(git_repo: Callable[..., Repository], tmp_path: Path, url: str, event: Event) -> None:
    repository = with_submodule(git_repo, url.format(tmp_path))
    with pytest.raises(SourceError):
        checked_out(tmp_path / "home", repository, event)
    assert not (tmp_path / "pwned").exists()
