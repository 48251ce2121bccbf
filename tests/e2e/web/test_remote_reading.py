"""Commands that look, asked of a server: they print what they print on the server's own machine."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from environment.command import Result
from environment.forked import ForkedCommand
from page_ground import Served, cookie_of

from pipeline.model.account import Role
from pipeline.model.ulid import ulid
from pipeline.operations.access.tokens import make_token

Ask = Callable[..., Result]


@pytest.fixture(scope="module")
def ask(shop: Served, tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """The command in the shop's clone: `ask("runs", there=True)` asks the server, else the server's own home."""
    folder = tmp_path_factory.mktemp("asking")
    home = shop.app.settings.home
    cookie_of(shop)
    now = shop.app.clock.now()
    made = make_token(
        shop.app.accounts, "anna", id=ulid(now, os.urandom(10)), name="laptop", role=Role.ADMIN, repository="*",
        environment="*", now=now, expires=now + timedelta(days=1),
    )  # fmt: skip
    clone = home.parent / f"{home.name}-origin"
    here, elsewhere = ForkedCommand(home, clone), ForkedCommand(folder / "home", clone)
    private = {"XDG_CONFIG_HOME": str(folder), "LOGNAME": "anna"}
    signed = elsewhere("login", shop.url, "--name", "team", "--token-stdin", stdin=made.secret + "\n", env=private)
    assert signed.code == 0, signed.err

    def run(*words: str, there: bool, stdin: str = "") -> Result:
        command = elsewhere if there else here
        return command(*words, *(("--server", "team") if there else ()), env=private, stdin=stdin)

    return run


def pages(*words: str, where: str = "") -> list[object]:
    """A question in both spellings."""
    name = " ".join(words) + where
    return [pytest.param(words, id=name), pytest.param((*words, "--json"), id=f"{name} as JSON")]


@pytest.mark.parametrize(
    "words",
    [
        *pages("runs"),
        *pages("runs", "--limit", "3", "--branch", "main"),
        *pages("runs", "--failed"),
        *pages("show", "last"),
        *pages("show", "3"),
        *pages("show", "3", "unit"),
        *pages("explain", "3", "unit"),
        pytest.param(("logs", "3"), id="logs of a run"),
        pytest.param(("logs", "3", "unit", "--times"), id="logs with times"),
        pytest.param(("logs", "3", "unit", "--tail", "1"), id="the last line"),
        pytest.param(("logs", "3", "--lines", "2:2"), id="some lines"),
        pytest.param(("logs", "3", "--since", "2020-01-01T00:00:00Z"), id="lines from a time on"),
        pytest.param(("logs", "3", "unit", "--attempt", "1"), id="one attempt"),
        pytest.param(("logs", "3", "-f"), id="logs followed to their end"),
        *pages("artifacts", "3"),
        *pages("tests"),
        *pages("tests", "--runs", "5", "--stage", "unit"),
        *pages("tests", "slowest", "--limit", "3"),
        *pages("tests", "flaky"),
        *pages("releases"),
        *pages("releases", "--limit", "2"),
        *pages("board"),
        *pages("why", "staging"),
        *pages("history", "staging", "--limit", "2"),
        *pages("env", "list"),
        *pages("env", "show", "prod"),
        *pages("env", "diff", "dev", "staging"),
        *pages("env", "drift"),
        *pages("env", "drift", "dev"),
        *pages("dora", "dev", "--days", "90"),
        *pages("ledger", "show"),
        *pages("ledger", "show", "2"),
        *pages("ledger", "show", "--action", "promotion.deployed", "--limit", "2"),
        pytest.param(("ledger", "export"), id="the ledger as a file"),
        pytest.param(("ledger", "export", "--head"), id="the ledger's head"),
        *pages("queue", "--done"),
        *pages("workers"),
        pytest.param(("logs", "--grep", "e"), id="a search in logs"),
        pytest.param(("logs", "3", "--grep", "[a-z]+", "--context", "1"), id="a search in one run, with neighbours"),
        pytest.param(("logs", "--grep", "e", "--most", "2", "--branch", "main"), id="a search that ends early"),
        pytest.param(("logs", "--grep", "nothing like this", "--stage", "unit"), id="a search in vain"),
        pytest.param(("logs", "--grep", "(?=x)"), id="no expression"),
        # what is not there
        *pages("show", "99"),
        *pages("show", "zzzz"),
        *pages("show", "3", "uint"),
        *pages("explain", "3", "uint"),
        pytest.param(("logs", "3", "unit", "--attempt", "7"), id="no such attempt"),
        pytest.param(("logs", "3", "unit", "--service", "database"), id="no such service"),
        pytest.param(("logs", "3", "nothing"), id="logs of no stage"),
        pytest.param(("why", "moon"), id="why of no environment"),
        pytest.param(("history", "moon"), id="history of no environment"),
        pytest.param(("env", "show", "moon"), id="no environment"),
        pytest.param(("dora", "moon"), id="dora of no environment"),
        pytest.param(("artifacts", "3", "wheel"), id="no artifact"),
        pytest.param(("ledger", "show", "99999"), id="no entry"),
    ],
)
def test_a_server_is_asked_with_the_same_output(ask: Ask, words: tuple[str, ...]) -> None:
    far = settled(ask(*words, there=True))
    near = [settled(ask(*words, there=False))]
    if near[0] != far:  # a minute may have gone by in "3 h ago"
        far = settled(ask(*words, there=True))
        near.append(settled(ask(*words, there=False)))
    assert far in near
    assert "Traceback" not in far.err


def test_a_servers_ledger_is_checked_here(ask: Ask) -> None:
    far, near = ask("ledger", "verify", there=True), ask("ledger", "verify", there=False)
    assert (far.code, near.code) == (0, 0), far.err
    assert re.sub(r"the ledger of \S+[0-9a-z]", "the database", far.out) == near.out


def settled(said: Result) -> Result:
    """Without the seconds of what is under way, the instant of the question, and where the clone lies."""
    out = re.sub(r"(\d+m )?\d+s", "some time", said.out) if "◐" in said.out else said.out
    out = re.sub(r'"(time|since|until)": "[^"]*\.\d{6}\+00:00"', "now", out)
    return replace(said, out=re.sub(r"is not in the repository at [^\s\"]+", "is not here", out))
