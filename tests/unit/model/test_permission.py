"""Who may do what and read which secret, as a table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.errors import RefusedError
from pipeline.model.permission import SecretRule, check_secret, distrusted
from pipeline.model.source import Event
from pipeline.model.trust import Trust

MAIN = Event(kind="push", branch="main", trust=Trust.PROTECTED)
TAG = Event(kind="push", tag="v1.2", trust=Trust.PROTECTED)
TOPIC = Event(kind="manual", branch="topic")
PROPOSAL = Event(kind="pull_request", branch="main", target="main", proposal="8")
FORK = replace(PROPOSAL, trust=Trust.UNTRUSTED)
ALLOWED = replace(FORK, allowed="mira, 2026-11-24")


@pytest.mark.parametrize(
    ("rule", "event", "environment", "allowed"),
    [
        pytest.param(None, TOPIC, "", True, id="no-rule"),
        pytest.param(None, FORK, "", False, id="fork"),
        pytest.param(None, ALLOWED, "", True, id="allowed-fork"),
        pytest.param(SecretRule(branches=("main",)), MAIN, "", True, id="its-branch"),
        pytest.param(SecretRule(branches=("main",)), TOPIC, "", False, id="another-branch"),
        pytest.param(SecretRule(branches=("rel*",)), replace(TOPIC, branch="release/1"), "", True, id="glob"),
        pytest.param(SecretRule(branches=("main",)), PROPOSAL, "", False, id="a-proposal-of-that-name"),
        pytest.param(SecretRule(branches=("main",)), ALLOWED, "", False, id="an-allowed-fork-is-no-branch"),
        pytest.param(SecretRule(branches=("*",)), TAG, "", False, id="a-tag-is-no-branch"),
        pytest.param(SecretRule(tags=("v*",)), TAG, "", True, id="its-tag"),
        pytest.param(SecretRule(tags=("v*",)), MAIN, "", False, id="no-tag"),
        pytest.param(SecretRule(branches=("main",), tags=("v*",)), TAG, "", True, id="branch-or-tag"),
        pytest.param(SecretRule(environments=("prod",)), MAIN, "prod", True, id="its-environment"),
        pytest.param(SecretRule(environments=("prod",)), MAIN, "dev", False, id="another-environment"),
        pytest.param(SecretRule(environments=("prod",)), MAIN, "", False, id="no-environment"),
        pytest.param(SecretRule(branches=("main",), environments=("prod",)), TOPIC, "prod", False, id="both"),
    ],
)
def test_secrets(rule: SecretRule | None, event: Event, environment: str, allowed: bool) -> None:
    if allowed:
        check_secret("KEY", rule, event, environment=environment)
        return
    with pytest.raises(RefusedError, match="the secret 'KEY' is "):
        check_secret("KEY", rule, event, environment=environment)


@pytest.mark.parametrize(("event", "expected"), [(MAIN, False), (TOPIC, False), (FORK, True), (ALLOWED, False)])
def test_who_is_distrusted(event: Event, expected: bool) -> None:
    assert distrusted(event) is expected
