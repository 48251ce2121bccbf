"""Tokens, sessions, people, secrets and the audit trail on the pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from served import PASSWORD, START, Served, csrf_of, serve

from pipeline.model.account import Role
from pipeline.model.repository import Repository
from pipeline.operations.access.secret_words import digest_of
from pipeline.ports.vault import environment_scope, repository_scope


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serve(tmp_path / "home") as made:
        made.person("dora", (Role.ADMIN, "*", "*"))
        made.person("otto", (Role.OPERATOR, "shop/web", "prod"))
        for name in ("shop/web", "shop/api"):
            made.app.intake.save_repository(Repository(name=name, url=f"https://git.example.org/{name}", created=START))
        yield made


def send(browser: TestClient, page: str, target: str, **fields: str) -> Response:
    """A form of a page."""
    return browser.post(target, data={"csrf": csrf_of(browser.get(page)), **fields})


def test_a_token_is_shown_once_works_and_is_revoked(served: Served) -> None:
    browser = served.signed_in("otto")
    made = send(browser, "/settings", "/settings/tokens", name="<b>ci</b>", role="operator", days="30")
    assert made.status_code == 200, made.text
    (secret,) = set(re.findall(r"ecl_[A-Za-z0-9_-]{43}", made.text))
    assert "<b>ci" not in made.text
    assert made.headers["cache-control"] == "no-store"
    token = served.app.accounts.token_of(digest_of(secret))
    assert token is not None
    assert token.expires is not None
    assert (token.expires - served.time.now()).days == 30
    again = browser.get("/settings").text
    assert secret not in again
    assert token.digest not in again
    program = served.client(token=secret)
    assert program.post("/logout").status_code == 303
    send(browser, "/settings", f"/settings/tokens/{token.id}/revoke")
    assert program.post("/logout").status_code == 401


@pytest.mark.parametrize("path", ["/settings/tokens", "/settings/password", "/settings/people", "/settings/secrets"])
def test_what_a_program_holds_cannot_make_itself_more_of(served: Served, path: str) -> None:
    program = served.client(token=served.token("dora"))
    fields = {"name": "x", "role": "admin", "login": "eve", "repository": "shop/web", "value": "12345"}
    assert program.post(path, data=fields).status_code == 403
    assert len(served.app.accounts.tokens()) == 1


def test_nobody_revokes_or_ends_what_is_anothers(served: Served) -> None:
    served.token("dora")
    (token,) = served.app.accounts.tokens(login="dora")
    served.signed_in("dora")
    (session,) = served.app.accounts.sessions(login="dora")
    otto = served.signed_in("otto")
    assert send(otto, "/settings", f"/settings/tokens/{token.id}/revoke").status_code in (404, 422)
    assert send(otto, "/settings", f"/settings/sessions/{session.digest[:16]}/end").status_code == 404
    assert send(otto, "/settings", "/settings/sessions/%25/end").status_code == 404
    assert served.app.accounts.tokens(login="dora")[0].revoked is None
    assert len(served.app.accounts.sessions(login="dora")) == 1


def test_a_session_elsewhere_is_ended(served: Served) -> None:
    lost = served.signed_in("otto", address="198.51.100.9")
    here = served.signed_in("otto")
    digest = digest_of(lost.cookies["ecluse_session"])
    assert send(here, "/settings", f"/settings/sessions/{digest[:16]}/end").status_code == 303
    assert lost.get("/settings").status_code == 303
    assert here.get("/settings").status_code == 200


def test_a_new_password_ends_all_other_sessions(served: Served) -> None:
    other, here = served.signed_in("otto"), served.signed_in("otto")
    wrong = send(here, "/settings", "/settings/password", current="guess", password="nine grey herons wade")
    assert wrong.status_code == 403
    right = send(here, "/settings", "/settings/password", current=PASSWORD, password="nine grey herons wade")
    assert right.status_code == 303
    assert other.get("/settings").status_code == 303
    assert here.get("/settings").status_code == 200
    assert [line for line in served.audit(login="otto") if line[1] == "user.password"] == [
        ("otto", "user.password", False),
        ("otto", "user.password", True),
    ]


def test_admins_add_people_give_roles_and_take_them(served: Served) -> None:
    dora = served.signed_in("dora")
    assert send(dora, "/settings/people", "/settings/people", login="eva", name="<i>Eva", password=PASSWORD).is_redirect
    give = {"role": "developer", "repository": "shop/*", "environment": "*"}
    assert send(dora, "/settings/people", "/settings/people/eva/grants", **give).is_redirect
    (grant,) = served.app.accounts.grants(login="eva")
    assert (grant.role, grant.repository, grant.created_by) == (Role.DEVELOPER, "shop/*", "dora")
    page = dora.get("/settings/people").text
    assert "<i>Eva" not in page
    eva = served.signed_in("eva")
    assert eva.get("/settings/people").status_code == 403
    assert send(dora, "/settings/people", f"/settings/grants/{grant.id}/remove").is_redirect
    assert send(dora, "/settings/people", "/settings/people/eva/disable").is_redirect
    assert eva.get("/settings").status_code == 303
    assert [line[1] for line in served.audit(login="dora")[1:]] == [
        "user.add",
        "grant.add",
        "grant.remove",
        "user.disable",
    ]


def test_an_admin_does_not_lock_the_server_by_mistake(served: Served) -> None:
    dora = served.signed_in("dora")
    (grant,) = served.app.accounts.grants(login="dora")
    assert send(dora, "/settings/people", f"/settings/grants/{grant.id}/remove").status_code == 422
    assert send(dora, "/settings/people", "/settings/people/dora/disable").status_code == 422
    assert served.app.accounts.grants(login="dora") == [grant]


@pytest.mark.parametrize(
    ("who", "repository", "environment", "status"),
    [
        pytest.param("dora", "shop/web", "", 303, id="an admin"),
        pytest.param("otto", "shop/web", "prod", 303, id="the operator of the environment"),
        pytest.param("otto", "shop/web", "", 403, id="not for all runs"),
        pytest.param("otto", "shop/web", "staging", 403, id="not of another environment"),
        pytest.param("otto", "shop/api", "prod", 403, id="not of another repository"),
        pytest.param("dora", "shop/none", "", 422, id="no such repository"),
        pytest.param("dora", "shop/web", "../prod", 422, id="no such environment"),
        pytest.param("dora", "shop/web:x", "", 422, id="a scope in a name"),
    ],
)
def test_who_keeps_secrets(served: Served, who: str, repository: str, environment: str, status: int) -> None:
    browser = served.signed_in(who)
    fields = {"repository": repository, "environment": environment, "name": "TOKEN", "value": "horse battery"}
    answer = send(browser, "/settings/secrets", "/settings/secrets", **fields)
    assert answer.status_code == status, answer.text
    scope = environment_scope(repository, environment) if environment else repository_scope(repository)
    assert served.app.vault.get(scope, "TOKEN") == (b"horse battery" if status == 303 else None)
    pages = "".join(browser.get(page).text for page in ("/settings/secrets", "/settings"))
    assert "battery" not in pages + answer.text + str(served.app.accounts.audit())
    if status == 303:
        where = {"repository": repository, "environment": environment, "name": "TOKEN"}
        assert "TOKEN" in browser.get("/settings/secrets").text
        assert send(browser, "/settings/secrets", "/settings/secrets/remove", **where).status_code == 303
        assert served.app.vault.notes() == []


def test_the_audit_trail_is_for_admins_and_shows_hostile_words_as_words(served: Served) -> None:
    dora = served.signed_in("dora")
    served.client().post("/login", data={"login": "<script>alert(1)</script>", "password": "x"})
    for number in range(120):
        served.app.accounts.note_audit(
            time=START,
            login="dora",
            action="run.start",
            subject=f"<img src=x> {number}",
            allowed=True,
            detail="",
            address="",
        )
    page = dora.get("/settings/audit").text
    assert "<img" not in page.replace('<img src="/static', "")
    assert "<script>alert" not in page
    older = re.search(r'href="(/settings/audit\?before=[^"]*)"', page)
    assert older
    assert "&lt;img src=x&gt; 5<" in dora.get(older[1].replace("&amp;", "&")).text.replace(" 5 <", " 5<")
    assert served.signed_in("otto").get("/settings/audit").status_code == 403
    assert dora.get("/settings/audit", params={"before": "99999999999999999999", "login": "%"}).status_code in (
        200,
        422,
    )


def test_an_address_that_is_none_leaves_people_signed_in(served: Served) -> None:
    asked = {"accept": "text/html"}
    stranger, otto = served.client().get("/nothing", headers=asked), served.signed_in("otto").get("/no", headers=asked)
    assert (stranger.status_code, otto.status_code) == (404, 404)
    assert 'href="/login"' in stranger.text
    assert 'href="/login"' not in otto.text
    assert ">otto</a>" in otto.text
    assert "nothing is at this address" in otto.text


def test_grants_are_told_in_words(served: Served) -> None:
    assert "operator in shop/web for environment prod" in served.signed_in("otto").get("/settings").text
    assert "admin everywhere" in served.signed_in("dora").get("/settings").text
