"""What every implementation of the accounts port promises, against real databases."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.errors import EcluseError, NotFoundError
from pipeline.model.account import Grant, Role, Session, Token, User
from pipeline.ports.accounts import Accounts
from pipeline.records import SqlRecords
from pipeline.records.server.accounts import SqlAccounts

NOON = datetime(2026, 11, 27, 12, 0, 0, 123456, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOSTILE = "'; DROP TABLE users; --\x00\ud800<script>"


@pytest.fixture
def accounts(database_url: str) -> Iterator[Accounts]:
    """Each database in turn, empty."""
    records = SqlRecords(database_url)
    yield SqlAccounts(records.database)
    records.close()


def user(login: str = "anna", **more: object) -> User:
    return replace(User(login=login, name=login.title(), password="$argon2id$", created=NOON), **more)  # type: ignore[arg-type]


def grant(number: int, login: str = "anna", role: Role = Role.VIEWER) -> Grant:
    return Grant(id=f"{number:026d}", login=login, role=role, created=NOON, created_by="root")


def token(number: int, login: str = "anna", **more: object) -> Token:
    made = Token(
        id=f"{number:026d}", login=login, name="ci", digest=f"{number:064x}", role=Role.DEVELOPER, created=NOON
    )
    return replace(made, **more)  # type: ignore[arg-type]


def session(number: int, login: str = "anna", *, lasts: timedelta = HOUR) -> Session:
    made = NOON + timedelta(seconds=number)
    return Session(digest=f"{number:064x}", login=login, csrf="c" * 64, created=made, expires=made + lasts)


def test_people_come_back_as_they_were_kept(accounts: Accounts) -> None:
    anna = user(email="anna@example.org", issuer="https://sso.example.org", subject="42")
    assert accounts.add_user(anna)
    assert accounts.find_user("anna") == anna
    accounts.save_user(replace(anna, disabled=True))
    assert accounts.find_user("anna").disabled
    accounts.save_user(user("bert"))
    assert [item.login for item in accounts.users()] == ["anna", "bert"]
    assert [item.login for item in accounts.users(limit=1)] == ["anna"]
    assert [item.login for item in accounts.users(after="anna", limit=5)] == ["bert"]
    assert accounts.user_of("https://sso.example.org", "42") == replace(anna, disabled=True)
    assert accounts.user_of("https://other.example.org", "42") is None


@pytest.mark.parametrize("login", ["nobody", "", "ANNA", "an%", HOSTILE])
def test_nobody_else_is_found(accounts: Accounts, login: str) -> None:
    accounts.save_user(user())
    with pytest.raises(NotFoundError):
        accounts.find_user(login)
    assert accounts.grants(login=login or "nobody") == []


def test_a_login_is_given_once_however_many_ask(accounts: Accounts) -> None:
    accounts.users()
    gate, answers = threading.Barrier(6), []

    def ask(number: int) -> None:
        gate.wait()
        answers.append(accounts.add_user(user(name=f"Anna {number}")))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [False] * 5 + [True]
    assert not accounts.add_user(user(name="Somebody else"))
    assert accounts.find_user("anna").name != "Somebody else"


def test_grants_are_of_one_person_and_gone_when_taken(accounts: Accounts) -> None:
    accounts.save_user(user())
    accounts.save_user(user("bert"))
    first, second, other = grant(1), grant(2, role=Role.ADMIN), grant(3, "bert")
    for item in (other, second, first):
        accounts.save_grant(item)
    assert accounts.grants(login="anna") == [first, second]
    assert accounts.grants() == [first, second, other]
    assert accounts.grants(limit=1) == [first]
    assert accounts.grants(after=first.id, limit=1) == [second]
    assert accounts.grants(login="anna", after=second.id) == []
    accounts.remove_grant(second.id)
    assert accounts.grants(login="anna") == [first]
    with pytest.raises(NotFoundError):
        accounts.remove_grant(second.id)


@pytest.mark.parametrize("thing", [grant(1, "nobody"), token(1, "nobody"), session(1, "nobody")])
def test_nothing_is_kept_of_nobody(accounts: Accounts, thing: Grant | Token | Session) -> None:
    keep = {Grant: accounts.save_grant, Token: accounts.save_token, Session: accounts.save_session}[type(thing)]
    with pytest.raises(EcluseError):
        keep(thing)  # type: ignore[operator]
    assert accounts.grants() == []
    assert accounts.token_of(f"{1:064x}") is None
    assert accounts.session_of(f"{1:064x}") is None


def test_tokens_are_found_by_the_digest_alone(accounts: Accounts) -> None:
    accounts.save_user(user())
    made = token(1, repository="shop/*", environment="prod", expires=NOON + HOUR)
    accounts.save_token(made)
    accounts.save_token(token(2))
    assert accounts.token_of(made.digest) == made
    assert accounts.token_of(made.digest.upper() + "0") is None
    accounts.token_used(made.id, NOON + HOUR)
    assert accounts.token_of(made.digest) == replace(made, used=NOON + HOUR)
    accounts.save_token(replace(made, revoked=NOON))
    assert [item.id for item in accounts.tokens(login="anna")] == [token(2).id, made.id]
    assert accounts.tokens(login="bert") == []


def test_two_tokens_never_have_one_digest(accounts: Accounts) -> None:
    accounts.save_user(user())
    accounts.save_user(user("bert"))
    accounts.save_token(token(1))
    with pytest.raises(EcluseError):
        accounts.save_token(replace(token(2, "bert"), digest=token(1).digest))
    found = accounts.token_of(token(1).digest)
    assert found is not None
    assert found.login == "anna"


@pytest.mark.parametrize(
    ("which", "left"),
    [
        pytest.param({"digest": f"{1:064x}"}, {2, 3, 4}, id="one"),
        pytest.param({"login": "anna"}, {4}, id="all of a person"),
        pytest.param({"login": "anna", "digest": f"{4:064x}"}, {1, 2, 3, 4}, id="nobody ends that of another"),
        pytest.param({"before": NOON + HOUR + timedelta(seconds=2)}, {2, 3, 4}, id="those that ran out"),
        pytest.param({}, {1, 2, 3, 4}, id="none where nothing is said"),
    ],
)
def test_sessions_end(accounts: Accounts, which: dict[str, object], left: set[int]) -> None:
    accounts.save_user(user())
    accounts.save_user(user("bert"))
    for number in (1, 2, 3):
        accounts.save_session(session(number))
    accounts.save_session(session(4, "bert", lasts=2 * HOUR))
    assert accounts.end_sessions(**which) == 4 - len(left)  # type: ignore[arg-type]
    assert {number for number in range(1, 5) if accounts.session_of(f"{number:064x}")} == left


def test_a_session_that_has_ended_is_not_brought_back_by_its_last_request(accounts: Accounts) -> None:
    accounts.save_user(user())
    accounts.save_session(session(1))
    accounts.save_session(session(2))
    assert [item.digest for item in accounts.sessions(login="anna")] == [session(2).digest, session(1).digest]
    accounts.session_used(session(2).digest, NOON + 5 * HOUR)
    assert accounts.session_of(session(2).digest) == replace(session(2), expires=NOON + 5 * HOUR)
    accounts.end_sessions(digest=session(1).digest)
    accounts.session_used(session(1).digest, NOON + 5 * HOUR)
    assert accounts.session_of(session(1).digest) is None


def test_the_audit_trail_keeps_every_line_and_gives_pages(accounts: Accounts) -> None:
    for number in range(5):
        accounts.note_audit(
            time=NOON,
            login="anna" if number % 2 else "",
            action="run.start",
            subject=f"run {number}{HOSTILE}",
            allowed=bool(number % 2),
            detail="",
            address="192.0.2.1",
        )
    lines = accounts.audit(limit=3)
    assert [line.subject[:5] for line in lines] == ["run 4", "run 3", "run 2"]
    rest = accounts.audit(before=lines[-1].seq)
    assert [line.subject[:5] for line in rest] == ["run 1", "run 0"]
    assert [line.allowed for line in accounts.audit(login="anna")] == [True, True]
    assert accounts.audit(action="run.stop") == []
    assert "\x00" not in lines[0].subject
    assert "DROP TABLE" in lines[0].subject
    assert accounts.users() == []


def test_audit_lines_of_many_at_once_are_all_there(accounts: Accounts) -> None:
    accounts.users()

    def write(who: int) -> None:
        for number in range(5):
            accounts.note_audit(
                time=NOON, login=f"p{who}", action="a.b", subject=str(number), allowed=True, detail="", address=""
            )

    threads = [threading.Thread(target=write, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = accounts.audit(limit=100)
    assert len(lines) == 20
    assert len({line.seq for line in lines}) == 20
    assert [line.subject for line in accounts.audit(login="p2")] == ["4", "3", "2", "1", "0"]
