"""The login with which a mirror is fetched from git's own HTTP server: whom it is shown to, where it never stands."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from environment.git_http import git_server
from environment.repository import Repository as GitRepository

from pipeline.bootstrap import Application
from pipeline.errors import SourceUnreachableError
from pipeline.model.repository import ForgeKind, Repository
from pipeline.operations.serving.mirror import Mirror

WORD = "gh0st-t0ken-of-this-test"
USERS = {
    ForgeKind.GITHUB: "x-access-token",
    ForgeKind.GITLAB: "oauth2",
    ForgeKind.BITBUCKET: "x-token-auth",
    ForgeKind.GITEA: "ecluse",
    ForgeKind.PLAIN: "ecluse",
}


@pytest.fixture
def origin(git_repo: Callable[..., GitRepository], tmp_path: Path) -> GitRepository:
    """A repository, and a bare clone of it in the folder that is served."""
    made = git_repo({"a": "1\n"})
    (tmp_path / "served").mkdir()
    subprocess.run(["git", "clone", "-q", "--bare", made.path, tmp_path / "served/shop.git"], check=True)
    return made


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    """What every git that the mirror starts was called with."""
    tools, file = tmp_path / "tools", tmp_path / "seen"
    tools.mkdir()
    (tools / "git").write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>{file}\nexec {shutil.which("git")} "$@"\n')
    (tools / "git").chmod(0o755)
    return file


@pytest.fixture
def app(tmp_path: Path, seen: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Application]:
    monkeypatch.setenv("PATH", f"{seen.parent / 'tools'}:{os.environ['PATH']}")
    made = Application({"ECLUSE_HOME": str(tmp_path / "home"), "PATH": os.environ["PATH"]})
    yield made
    made.records.close()


def mirror_of(app: Application, url: str, *, forge: ForgeKind = ForgeKind.PLAIN, token: str = WORD) -> Mirror:
    repository = Repository(name="anna/shop", url=url, forge=forge, created=datetime.now(UTC))
    app.intake.save_repository(repository)
    if token:
        app.vault.put("forge:anna/shop", "token", token.encode(), by="anna")
    return Mirror(app, repository)


def standing(folder: Path, word: str) -> list[str]:
    """Files below the folder that have the word, plain or as HTTP writes it."""
    basic = [base64.b64encode(f"{user}:{word}".encode()) for user in USERS.values()]
    return [
        str(file)
        for file in folder.rglob("*")
        if file.is_file() and any(text in file.read_bytes() for text in (word.encode(), *basic))
    ]


@pytest.mark.parametrize("forge", USERS)
def test_it_is_shown_to_the_forge_alone(
    app: Application, origin: GitRepository, seen: Path, tmp_path: Path, forge: ForgeKind
) -> None:
    with git_server(tmp_path / "served", user=USERS[forge], word=WORD) as server:
        mirror = mirror_of(app, server.url("shop.git"), forge=forge)
        mirror.fetch()
        tip = mirror.find("main")
        newer = origin.commit({"a": "2\n"})
        origin.git("push", "-q", str(tmp_path / "served/shop.git"), "HEAD:main")
        mirror.bring(newer)
        assert tip is not None
        assert mirror.has(tip.sha)
        assert mirror.has(newer)
        assert any(allowed for _, allowed, _ in server.asked)
        assert "fetch" in seen.read_text()
        assert standing(tmp_path / "home", WORD) == [], "in no file, least of all the mirror's configuration"
        assert standing(seen.parent, WORD) == [], "on no command line"


@pytest.mark.parametrize("token", [pytest.param("", id="none"), pytest.param("wr0ng-t0ken-of-this-test", id="wrong")])
def test_without_a_good_one_it_says_so_and_asks_nobody(
    app: Application, origin: GitRepository, tmp_path: Path, token: str
) -> None:
    with git_server(tmp_path / "served", user="ecluse", word=WORD) as server:
        with pytest.raises(SourceUnreachableError, match="anna/shop cannot be fetched") as said:
            mirror_of(app, server.url("shop.git"), token=token).fetch()
        assert said.value.hint == "check the address and the token of the repository"
        assert not token or token not in said.value.message
        assert len(server.asked) < 6


def test_it_is_not_sent_on_to_another_host(app: Application, origin: GitRepository, tmp_path: Path) -> None:
    with git_server(tmp_path / "served") as elsewhere, git_server(tmp_path / "served") as server:
        server.elsewhere = f"http://localhost:{elsewhere.port}"
        mirror_of(app, server.url("shop.git")).fetch()
        assert elsewhere.asked, "git follows"
        assert [given for _, _, given in elsewhere.asked if given] == []


def test_a_forge_that_sends_on_to_its_own_new_place_is_followed(
    app: Application, origin: GitRepository, tmp_path: Path
) -> None:
    (tmp_path / "served/old").mkdir()
    with git_server(tmp_path / "served", user="ecluse", word=WORD) as server:
        server.moved = {"/old/": "/"}
        mirror = mirror_of(app, server.url("old/shop.git"))
        mirror.fetch()
        assert mirror.find("main") is not None
