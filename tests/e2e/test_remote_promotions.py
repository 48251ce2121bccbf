"""Promotions that a developer asks a server for from elsewhere: planned, agreed to, watched, answered, taken back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from environment.command import Command, Result
from environment.serving import Ground, ground
from shop_ground import Shop, ok

from pipeline.operations.serving.asking import ask_run

NAME = "anna/shop"
PASSWORD = "seven grey herons wade\n"
APPROVAL = "{approvals: {from: managers}}"
Ask = Callable[..., Result]


@pytest.fixture
def serving(shop: Shop, tmp_path: Path) -> Iterator[Ground]:
    with ground(shop.ecluse, tmp_path, ECLUSE_EXECUTOR="docker", ECLUSE_LEASE="10", **shop.environment()) as made:
        made.look_after(shop.repository, NAME)
        yield made


def test_a_release_is_brought_in_approved_held_and_taken_back_from_elsewhere(
    serving: Ground, shop: Shop, tmp_path: Path
) -> None:
    shop.introduce("anna", group="managers")
    key = str(tmp_path / "server.key")
    ok(shop.ecluse("ledger", "key", "new", key))
    public = next(word for word in shop.ecluse("ledger", "key", "show", key).out.split() if word.startswith("ed25519:"))
    shop.rule(servers=[public], rights={"rollback": ["managers"], "hold": ["managers"], "freeze": ["managers"]})
    shop.repository.commit({"pipeline.yml": shop.text(gates=APPROVAL, automatic="false")})
    server = serving.serve(ECLUSE_LEDGER_KEY=key)
    ask = signed_in(shop, server.url, tmp_path)
    releases = []
    for number in (1, 2):
        shop.commit(number=number)
        assert serving.item(ask_run(serving.app, NAME, ref="", variables={}, by="anna").id).detail == "succeeded"
        releases.append(shop.newest())
        planned = ask("promote", releases[-1], "--to", "prod", "--plan")
        assert (planned.code, "0 of 1 approvals of managers" in planned.out) == (0, True), planned.err
        waits = json.loads(ok(ask("promote", releases[-1], "--to", "prod", "--yes", "--json")).out)
        assert waits["promotion"]["state"] == "waiting"
        said = ok(ask("approve", waits["promotion"]["id"], "--reason", "looks good"))
        assert "the server goes on with it" in said.out
        done = ask("promote", "--resume", waits["promotion"]["id"], "--wait", "5m")
        assert (done.code, "deployed" in done.out, shop.number()) == (0, True, number), done.out + done.err

    unsure = ask("rollback", "prod", "--reason", "it is bitter")
    assert (unsure.code, "was not confirmed" in unsure.err) == (2, True)
    back = ask("rollback", "prod", "--yes", "--reason", "it is bitter")
    assert (back.code, shop.number()) == (0, 1), back.out + back.err
    assert "hold of prod lifted by anna" in ok(ask("release-hold", "prod")).out
    assert "prod" in ok(ask("hold", "prod", "--reason", "holidays", "--until", "2h")).out
    assert ok(ask("freeze", "--reason", "audit", "--until", "2h")).code == 0
    kept = ask("promote", releases[1], "--to", "prod", "--plan")
    assert "audit" in kept.out
    ok(ask("freeze", "--lift"))
    far, near = (json.loads(ok(call("history", "prod", "--json")).out) for call in (ask, shop))
    assert far["promotions"] == near["promotions"]


def signed_in(shop: Shop, url: str, folder: Path) -> Ask:
    """Anna's command at another machine, which asks the server."""
    ok(shop.ecluse("user", "add", "anna", "--name", "Anna", stdin=PASSWORD))
    ok(shop.ecluse("grant", "add", "anna", "admin"))
    made = ok(shop.ecluse("token", "create", "anna", "laptop", "--role", "operator", "--json"))
    (folder / "far").mkdir()
    far = Command(folder / "far" / "home", folder)
    private = {"XDG_CONFIG_HOME": str(folder / "far")}
    secret = json.loads(made.out)["secret"]
    ok(far("login", url, "--name", "team", "--default", "--token-stdin", stdin=secret, env=private))

    def run(*words: str) -> Result:
        return far(*words, cwd=shop.repository.path, env=private)

    return run
