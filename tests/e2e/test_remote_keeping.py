"""People, tokens, secrets, repositories and webhooks, kept on a server from elsewhere: as on its own machine."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from environment.command import Result
from environment.forked import ForkedCommand
from served import PASSWORD, START, Served, serve
from web_ground import web_server

from pipeline.model.account import Role
from pipeline.model.incoming import HookDelivery

Say = Callable[..., Result]
URL = "https://git.example.org/shop/web.git"
WORD = "a word that nobody guesses"
DELIVERY = f"01jd{1:022d}"


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Say, Say]]:
    """The command at a server's own machine, and another one's asked from elsewhere; one admin uses each."""
    folder = tmp_path
    with serve(folder / "own") as own, serve(folder / "far") as far, web_server(far.app) as address:
        for made in (own, far):
            made.person("dora", (Role.ADMIN, "*", "*"))
            made.app.intake.receive(webhook())
        token = far.token("dora")
        own.token("dora")
        yield (
            speaking(folder / "own", folder, {}),
            speaking(folder / "elsewhere", folder, {"ECLUSE_SERVER": address, "ECLUSE_TOKEN": token}),
        )


def webhook() -> HookDelivery:
    return HookDelivery(
        id=DELIVERY, repository="shop/web", key="k", event="push", headers={}, body=b"{}", received=START
    )


def speaking(home: Path, folder: Path, more: dict[str, str]) -> Say:
    command = ForkedCommand(home, folder)

    def say(*words: str, stdin: str = "") -> Result:
        return command(*words, env={"XDG_CONFIG_HOME": str(folder / "none"), **more}, stdin=stdin)

    return say


STEPS: list[tuple[tuple[str, ...], str]] = [
    (("user", "add", "anna", "--name", "Anna A.", "--email", "anna@example.org"), PASSWORD),
    (("user", "add", "robot", "--no-password", "--json"), ""),
    (("user", "add", "anna"), PASSWORD),
    (("user", "add", "no login"), PASSWORD),
    (("grant", "add", "anna", "developer", "-r", "shop/*"), ""),
    (("grant", "add", "anna", "developer", "-r", "shop/*"), ""),
    (("grant", "add", "nobody", "viewer"), ""),
    (("grant", "list", "--login", "anna", "--json"), ""),
    (("user", "list"), ""),
    (("user", "list", "--json"), ""),
    (("user", "password", "anna"), WORD),
    (("user", "password", "anna"), "short"),
    (("user", "password", "nobody"), WORD),
    (("user", "disable", "anna"), ""),
    (("user", "disable", "anna", "--lift", "--json"), ""),
    (("token", "create", "robot", "ci", "--role", "developer", "--json"), ""),
    (("token", "list", "--login", "robot"), ""),
    (("token", "create", "robot", "forever", "--forever"), ""),
    (("token", "create", "robot", " "), ""),
    (("token", "revoke", "nothing"), ""),
    (("repository", "add", "shop/web", "--url", URL, "--forge", "gitea"), ""),
    (("repository", "add", "shop/web", "--url", URL), ""),
    (("repository", "add", "shop", "--url", URL), ""),
    (("repository", "list"), ""),
    (("repository", "list", "--json"), ""),
    (("repository", "set", "shop/web", "--branch", "trunk", "--inactive"), ""),
    (("repository", "set", "shop/web", "--new-secret", "--json"), ""),
    (("repository", "set", "shop/web", "--token-file", "-"), "t" * 20),
    (("repository", "set", "shop/web", "--branch", "--bad--"), ""),
    (("repository", "show", "shop/web", "--json"), ""),
    (("repository", "show", "shop/nil"), ""),
    (("secret", "set", "DEPLOY_KEY", "-r", "shop/web"), WORD),
    (("secret", "set", "DEPLOY_KEY", "-r", "shop/web", "-e", "prod", "--json"), WORD),
    (("secret", "set", "1", "-r", "shop/web"), WORD),
    (("secret", "list"), ""),
    (("secret", "list", "-r", "shop/web", "--json"), ""),
    (("secret", "remove", "DEPLOY_KEY", "-r", "shop/web", "-e", "prod"), ""),
    (("secret", "remove", "DEPLOY_KEY", "-r", "shop/web", "-e", "prod"), ""),
    (("hook", "list", "shop/web", "--json"), ""),
    (("hook", "redeliver", DELIVERY[:6]), ""),
    (("hook", "redeliver", "nothing"), ""),
    (("hook", "list"), ""),
    (("repository", "remove", "shop/web"), ""),
    (("repository", "remove", "shop/web", "--yes", "--json"), ""),
    (("secret", "list", "--json"), ""),
]


def test_a_server_is_kept_from_elsewhere_with_the_same_words(both: tuple[Say, Say]) -> None:
    own, far = both
    failed = 0
    for words, typed in STEPS:
        here, there = own(*words, stdin=typed), far(*words, stdin=typed)
        assert (there.code, settled(there.out)) == (here.code, settled(here.out)), (words, there.err, here.err)
        assert first(there.err) == first(here.err), words
        assert "Traceback" not in there.err
        failed += here.code != 0
    assert 10 < failed < len(STEPS) / 2


def test_a_role_is_taken_and_a_token_revoked_from_elsewhere(both: tuple[Say, Say]) -> None:
    _, far = both
    far("user", "add", "eve", "--no-password")
    grant = json.loads(far("grant", "add", "eve", "viewer", "--json").out)
    made = json.loads(far("token", "create", "eve", "x", "--json").out)
    assert far("grant", "remove", grant["id"]).code == 0
    assert json.loads(far("token", "revoke", made["id"], "--json").out)["revoked"]
    assert json.loads(far("grant", "list", "--login", "eve", "--json").out) == []


def test_whoever_is_no_admin_is_told_so(tmp_path: Path) -> None:
    with serve(tmp_path / "home") as served, web_server(served.app) as address:
        far = stranger(served, address, tmp_path)
        for words in (("user", "list"), ("grant", "list"), ("token", "list"), ("hook", "list"), ("user", "add", "eve")):
            said = far(*words, stdin=PASSWORD)
            assert said.code == 4, (words, said.err)
            assert "is no admin of this server" in said.err
        assert json.loads(far("secret", "list", "--json").out) == []


def stranger(served: Served, address: str, folder: Path) -> Say:
    served.person("vera", (Role.VIEWER, "*", "*"))
    token = served.token("vera")
    return speaking(folder / "elsewhere", folder, {"ECLUSE_SERVER": address, "ECLUSE_TOKEN": token})


def first(said: str) -> str:
    """What went wrong, without what to do next: a server may say that in more lines."""
    return settled(said.splitlines()[0]) if said else ""


def settled(said: str) -> str:
    """Without what is another one each time: ids, secrets, times and who did it."""
    said = re.sub(r"\b01[0-9a-z]{24}\b", "ID", said)
    said = re.sub(r"ecl_[A-Za-z0-9_-]{20,}|\b[0-9a-f]{64}\b", "SECRET", said)
    said = re.sub(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(\+00:00|Z)?)?", "TIME", said)
    said = re.sub(r'"(created_by|updated_by)": "[^"]*"', r'"\1": "WHO"', said)
    said = re.sub(r"\bby \S+( on \S+)?", "by WHO", said)
    said = re.sub(r"\d+ (s|min|h|d) ago|just now", "AGO", said)
    return re.sub(r"https?://[\w.:-]+/hooks/", "HOOKS/", said)
