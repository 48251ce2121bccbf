"""Secrets of the vault where a run asks for them: its repository's and its environment's, and nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from served import Served, serve

from pipeline.errors import RefusedError, SecretError
from pipeline.model.permission import SecretRule, check_secret
from pipeline.model.source import Event
from pipeline.model.trust import Trust
from pipeline.ports.vault import environment_scope, repository_scope


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serve(tmp_path / "home") as made:
        vault = made.app.vault
        vault.put(repository_scope("shop/web"), "TOKEN", b"of the repository", by="anna")
        vault.put(repository_scope("shop/web"), "BOTH", b"of the repository", by="anna")
        vault.put(environment_scope("shop/web", "prod"), "TOKEN", b"of prod", by="anna")
        vault.put(environment_scope("shop/web", "prod"), "PROD", b"only prod", by="anna")
        vault.put(repository_scope("shop/web"), "SHORT", b"abc", by="anna")
        vault.put(repository_scope("shop/web"), "BINARY", b"\xff\xfe\xfd\xfc", by="anna")
        yield made


@pytest.mark.parametrize(
    ("repository", "name", "environment", "value"),
    [
        pytest.param("shop/web", "TOKEN", "", "of the repository", id="the repository's"),
        pytest.param("shop/web", "TOKEN", "prod", "of prod", id="the environment's comes first"),
        pytest.param("shop/web", "TOKEN", "staging", "of the repository", id="another environment has none"),
        pytest.param("shop/web", "PROD", "prod", "only prod", id="only there"),
        pytest.param("shop/web", "PROD", "", None, id="and not for the build"),
        pytest.param("shop/web", "PROD", "staging", None, id="nor for staging"),
        pytest.param("shop/api", "TOKEN", "prod", None, id="nor for another repository"),
        pytest.param("", "TOKEN", "prod", None, id="nor for a run that no server makes"),
        pytest.param("shop/web", "MACHINE", "prod", "of the machine", id="the machine's, as ever"),
        pytest.param("shop/web", "BOTH", "", "of the repository", id="which come after"),
        pytest.param("", "BOTH", "", "of the machine", id="and alone where no server is"),
    ],
)
def test_who_gets_which(served: Served, repository: str, name: str, environment: str, value: str | None) -> None:
    served.app.environment = {
        **served.app.environment,
        "ECLUSE_SECRET_MACHINE": "of the machine",
        "ECLUSE_SECRET_BOTH": "of the machine",
    }
    if repository:
        served.app.open_vault(repository)
    assert served.app.secrets.get(name, environment=environment) == value


@pytest.mark.parametrize("name", ["SHORT", "BINARY"])
def test_what_cannot_be_used_is_said_without_its_value(served: Served, name: str) -> None:
    served.app.open_vault("shop/web")
    with pytest.raises(SecretError, match=name) as caught:
        served.app.secrets.get(name)
    assert "abc" not in str(caught.value)


def test_a_lost_key_is_an_error_and_not_a_missing_secret(served: Served) -> None:
    served.app.open_vault("shop/web")
    (served.app.settings.home / "secrets.key").unlink()
    with pytest.raises(SecretError, match=r"TOKEN.*cannot be read"):
        served.app.secrets.get("TOKEN")
    assert served.app.secrets.get("UNKNOWN") is None


@pytest.mark.parametrize(
    ("event", "environment", "rule"),
    [
        pytest.param(Event(kind="pull_request", trust=Trust.UNTRUSTED), "", None, id="a fork"),
        pytest.param(Event(kind="push", branch="x"), "", SecretRule(environments=("prod",)), id="no environment"),
        pytest.param(Event(kind="push", branch="x"), "prod", SecretRule(branches=("main",)), id="another branch"),
    ],
)
def test_the_rules_of_the_settings_hold_before_anybody_asks_the_vault(
    event: Event, environment: str, rule: SecretRule | None
) -> None:
    with pytest.raises(RefusedError):
        check_secret("TOKEN", rule, event, environment=environment)
