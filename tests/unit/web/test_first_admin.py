"""The way in for the first admin: one link, good once."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from httpx import Response
from served import PASSWORD, Served, csrf_of, serve

from pipeline.model.account import Role
from pipeline.operations.access.beginning import first_key


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serve(tmp_path / "home") as made:
        yield made


def answer(served: Served, key: str, **changes: str) -> Response:
    browser = served.client()
    page = browser.get("/first", params={"key": key})
    if page.status_code != 200:
        return page
    fields = {"csrf": csrf_of(page), "key": key, "login": "Anna", "name": "Anna A.", "password": PASSWORD, **changes}
    return browser.post("/first", data=fields)


def test_the_link_makes_the_first_admin_and_signs_them_in(served: Served) -> None:
    key = first_key(served.app)
    file = served.app.settings.home / "first-admin"
    assert file.read_text().strip() == key == first_key(served.app)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    made = answer(served, key)
    assert (made.status_code, made.headers["location"]) == (303, "/")
    (grant,) = served.app.accounts.grants()
    assert (grant.login, grant.role, grant.repository, grant.environment) == ("anna", Role.ADMIN, "*", "*")
    assert len(served.app.accounts.sessions(login="anna")) == 1
    assert ("anna", "user.first", True) in served.audit()


def test_it_is_good_once(served: Served) -> None:
    key = first_key(served.app)
    answer(served, key)
    assert not (served.app.settings.home / "first-admin").exists()
    assert answer(served, key, login="eve").status_code == 404
    assert first_key(served.app) == ""
    (served.app.settings.home / "first-admin").write_text(key)
    assert answer(served, key, login="eve").status_code == 404, "somebody is there, whatever the file says"
    assert [user.login for user in served.app.accounts.users()] == ["anna"]


@pytest.mark.parametrize("key", ["", "wrong", "0" * 43])
def test_without_it_there_is_no_such_page(served: Served, key: str) -> None:
    assert answer(served, key).status_code == 404, "before there is a link"
    first_key(served.app)
    assert answer(served, key).status_code == 404
    assert served.app.accounts.users() == []


def test_guessing_it_is_slowed_down(served: Served) -> None:
    first_key(served.app)
    seen = {answer(served, f"guess{number}").status_code for number in range(40)}
    assert seen == {404, 429}


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        pytest.param({"password": "short"}, 422, id="short password"),
        pytest.param({"password": "a" * 30}, 422, id="one letter"),
        pytest.param({"password": "anna12345678"}, 422, id="the login again"),
        pytest.param({"login": "../etc"}, 422, id="no login"),
        pytest.param({"login": "<script>"}, 422, id="markup"),
        pytest.param({"csrf": "wrong"}, 403, id="not our form"),
    ],
)
def test_a_mistake_costs_nothing(served: Served, changes: dict[str, str], status: int) -> None:
    key = first_key(served.app)
    wrong = answer(served, key, **changes)
    assert wrong.status_code == status
    assert "<script>" not in wrong.text
    assert served.app.accounts.users() == []
    assert answer(served, key).status_code == 303
