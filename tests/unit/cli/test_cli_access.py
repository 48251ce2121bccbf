"""People, roles, tokens and secrets by the real command on the server's machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.bootstrap import Application
from pipeline.model.account import Role
from pipeline.model.repository import ForgeKind, Repository
from pipeline.operations.access.people import recognised
from pipeline.operations.access.secret_words import digest_of

PASSWORD = "seven grey herons wade"
Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def app(tmp_path: Path) -> Application:
    return Application({"ECLUSE_HOME": str(tmp_path), "HOME": str(tmp_path), "PATH": os.environ["PATH"]})


@pytest.fixture
def call(app: Application) -> Call:
    def run(*words: str, given: str = "", ends: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-c", "from pipeline.cli.door import main; main()", *words],
            input=given,
            capture_output=True,
            text=True,
            env={**app.environment, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert done.returncode == ends, done.stderr
        assert "Traceback" not in done.stderr
        return done

    return run


def facts(done: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(done.stdout)


def test_people_come_get_roles_and_go(call: Call, app: Application) -> None:
    made = facts(call("user", "add", "Anna", "--name", "Anna A.", "--json", given=PASSWORD + "\n"))
    assert (made["login"], made["name"], made["password"]) == ("anna", "Anna A.", True)
    assert recognised(app.accounts, "anna", PASSWORD) is not None
    grant = facts(call("grant", "add", "anna", "release-manager", "-r", "shop/*", "-e", "prod", "--json"))
    listed = call("user", "list").stdout
    assert "release-manager in shop/* for environment prod" in listed
    assert "argon2" not in call("user", "list", "--json").stdout
    call("grant", "remove", grant["id"])
    assert app.accounts.grants() == []
    call("user", "password", "anna", given="eight grey herons wade")
    assert recognised(app.accounts, "anna", PASSWORD) is None
    call("user", "disable", "anna")
    assert recognised(app.accounts, "anna", "eight grey herons wade") is None
    lines = [(line.action, line.subject) for line in reversed(app.accounts.audit())]
    assert [action for action, _ in lines] == ["user.add", "grant.add", "grant.remove", "user.password", "user.disable"]
    assert all(" on " in line.login for line in app.accounts.audit()), "the machine's user, who is no login"


def test_a_token_is_shown_once(call: Call, app: Application) -> None:
    call("user", "add", "ci", "--no-password")
    made = facts(call("token", "create", "ci", "nightly", "--role", "developer", "-r", "shop/web", "--json"))
    token = app.accounts.token_of(digest_of(made["secret"]))
    assert token is not None
    assert made["secret"].startswith("ecl_")
    assert (token.role, token.repository) == (Role.DEVELOPER, "shop/web")
    assert token.expires is not None
    assert (token.expires - datetime.now(UTC)).days in (89, 90)
    for listed in (call("token", "list").stdout, call("token", "list", "--json").stdout):
        assert token.id in listed
        assert made["secret"] not in listed
        assert token.digest not in listed
    call("token", "revoke", token.id)
    assert app.accounts.tokens()[0].revoked is not None


def test_secrets_go_in_by_standard_input_and_never_come_out(call: Call, app: Application) -> None:
    app.intake.save_repository(
        Repository(
            name="shop/web",
            url="https://git.example.org/shop/web",
            forge=ForgeKind.PLAIN,
            created=datetime(2026, 11, 27, tzinfo=UTC),
        )
    )
    where = ("--repository", "shop/web")
    said = call("secret", "set", "TOKEN", *where, given="horse battery\n")
    call("secret", "set", "TOKEN", *where, "--environment", "prod", given="prod battery\n")
    shown = said.stdout + call("secret", "list").stdout + call("secret", "list", *where, "--json").stdout
    assert "battery" not in shown
    assert "environment:shop/web:prod" in shown
    app.open_vault("shop/web")
    assert app.secrets.get("TOKEN") == "horse battery"
    assert app.secrets.get("TOKEN", environment="prod") == "prod battery"
    call("secret", "remove", "TOKEN", *where)
    assert app.secrets.get("TOKEN") is None
    assert "battery" not in str(app.accounts.audit())


@pytest.mark.parametrize(
    ("words", "given", "said"),
    [
        pytest.param(("user", "add", "an na"), PASSWORD, "is no login", id="no login"),
        pytest.param(("user", "add", "anna"), "short", "shorter than 12", id="short password"),
        pytest.param(("user", "add", "anna"), "", "standard input is empty", id="no password"),
        pytest.param(("user", "disable", "anna"), "", "no user 'anna'", id="nobody"),
        pytest.param(("grant", "add", "anna", "viewer"), "", "no user 'anna'", id="a role for nobody"),
        pytest.param(("grant", "add", "anna", "king"), "", "king", id="no role"),
        pytest.param(("grant", "remove", "x"), "", "no grant 'x'", id="no grant"),
        pytest.param(("token", "create", "anna", "x"), "", "no user 'anna'", id="a token of nobody"),
        pytest.param(("token", "revoke", "x"), "", "no token 'x'", id="no token"),
        pytest.param(("secret", "set", "T", "-r", "shop/web"), "value", "shop/web", id="no repository"),
        pytest.param(("secret", "set", "T", "value", "-r", "shop/web"), "", "value", id="a value as an argument"),
    ],
)
def test_mistakes_are_said(call: Call, words: tuple[str, ...], given: str, said: str) -> None:
    assert said in call(*words, given=given, ends=2).stderr
