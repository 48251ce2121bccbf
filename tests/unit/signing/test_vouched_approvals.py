"""Approvals of people who are signed in at a server: what the server's word proves, and where it proves nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.delivery.proof import doubt, signed, vouched
from pipeline.language.policy import load_policy
from pipeline.model.decision import Answer, Approval
from pipeline.model.policy import Person, Policy
from pipeline.signing.dsse import DsseSigning

SIGNING = DsseSigning()
GIVEN = Approval(
    id="01a",
    promotion="01p",
    plan="sha256:plan",
    person="bob",
    answer=Answer.APPROVE,
    reason="looks good",
    time=datetime(2026, 11, 27, 12, tzinfo=UTC),
)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """The server's."""
    SIGNING.make_key(tmp_path / "server.pem")
    return tmp_path / "server.pem"


def policy(*servers: str, keys: tuple[str, ...] = ()) -> Policy:
    return Policy(people={"bob": Person(name="bob", keys=keys), "eve": Person(name="eve")}, servers=servers)


def test_a_server_that_the_policy_believes_proves_who_it_was(key: Path) -> None:
    given = vouched(GIVEN, means="session 0123456789ab", signing=SIGNING, key=key)
    assert doubt(given, signing=SIGNING, policy=policy(SIGNING.public_key(key))) == ""
    assert "session 0123456789ab" not in given.reason


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda given: replace(given, person="eve"), id="another person"),
        pytest.param(lambda given: replace(given, plan="sha256:other"), id="another plan"),
        pytest.param(lambda given: replace(given, promotion="01q"), id="another promotion"),
        pytest.param(lambda given: replace(given, answer=Answer.REJECT), id="another answer"),
        pytest.param(lambda given: replace(given, reason="looks bad"), id="another reason"),
        pytest.param(lambda given: replace(given, proof=given.proof[:-9]), id="a broken proof"),
        pytest.param(lambda given: replace(given, proof=""), id="none"),
    ],
)
def test_its_word_is_for_this_answer_alone(key: Path, change: Callable[[Approval], Approval]) -> None:
    given = change(vouched(GIVEN, means="session 0123456789ab", signing=SIGNING, key=key))
    assert doubt(given, signing=SIGNING, policy=policy(SIGNING.public_key(key)))


def test_a_server_that_nobody_listed_proves_nothing(key: Path, tmp_path: Path) -> None:
    SIGNING.make_key(tmp_path / "other.pem")
    other = SIGNING.public_key(tmp_path / "other.pem")
    given = vouched(GIVEN, means="token 01t", signing=SIGNING, key=key)
    assert doubt(given, signing=SIGNING, policy=policy())
    assert doubt(given, signing=SIGNING, policy=policy(other))
    assert doubt(given, signing=SIGNING, policy=policy(keys=(SIGNING.public_key(key),))), (
        "a person's key vouches for none"
    )


def test_a_servers_key_does_not_sign_as_a_person(key: Path) -> None:
    given = signed(GIVEN, signing=SIGNING, key=key)
    assert doubt(given, signing=SIGNING, policy=policy(SIGNING.public_key(key)))


def test_the_policy_lists_servers(key: Path) -> None:
    public = SIGNING.public_key(key)
    text = f"version: 1\npeople:\n  bob: {{}}\nservers: {public}\n"
    read, warnings = load_policy(text.encode(), file="policy.yml", script=lambda _: b"")
    assert read.servers == (public,)
    assert not warnings
