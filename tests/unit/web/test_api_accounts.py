"""People, roles, tokens, secrets and the audit trail by the API, as their admins keep them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from served import PASSWORD, START, Served, csrf_of, serve

from pipeline.model.account import Role
from pipeline.model.repository import Repository

API = "/api/v1"
WORD = "a word that nobody guesses"


@pytest.fixture
def served(tmp_path: object) -> Iterator[Served]:
    with serve(tmp_path) as made:  # type: ignore[arg-type]
        made.person("dora", (Role.ADMIN, "*", "*"))
        made.app.intake.save_repository(Repository(name="shop/web", url="https://git.example.org/w.git", created=START))
        yield made


@pytest.fixture
def admin(served: Served) -> TestClient:
    return served.client(token=served.token("dora"))


def test_a_person_from_the_first_day_to_the_last(served: Served, admin: TestClient) -> None:
    made = admin.post(f"{API}/people", json={"login": "Anna", "name": "Anna A.", "password": PASSWORD})
    assert (made.status_code, made.json()["login"], made.json()["password"]) == (201, "anna", True)
    assert "argon2" not in made.text
    again = admin.post(f"{API}/people", json={"login": "anna"})
    assert (again.status_code, again.headers["content-type"]) == (422, "application/problem+json")
    grant = admin.post(f"{API}/people/anna/grants", json={"role": "developer", "repository": "shop/*"}).json()
    assert (grant["created_by"], grant["environment"]) == ("dora", "*")
    assert served.signed_in("anna").get(f"{API}/repositories/shop/web").status_code == 200
    assert admin.get(f"{API}/people/anna").json()["grants"] == [grant]
    assert admin.delete(f"{API}/grants/{grant['id']}").status_code == 204
    assert served.signed_in("anna").get(f"{API}/repositories/shop/web").status_code == 403
    assert admin.post(f"{API}/people/anna/password", json={"password": "short"}).status_code == 422
    assert admin.post(f"{API}/people/anna/password", json={"password": WORD}).status_code == 200
    assert served.signed_in("anna", password=WORD).get("/settings").status_code == 200
    assert admin.post(f"{API}/people/anna/disable", json={}).json()["disabled"] is True
    assert admin.post(f"{API}/people/anna/enable", json={}).json()["disabled"] is False
    actions = [action for login, action, allowed in served.audit(login="dora") if allowed]
    assert actions == [
        "user.add",
        "grant.add",
        "grant.remove",
        "user.password",
        "user.disable",
        "user.enable",
    ]


def test_nobody_locks_themselves_out(served: Served, admin: TestClient) -> None:
    mine = served.app.accounts.grants(login="dora")[0]
    assert admin.post(f"{API}/people/dora/disable", json={}).status_code == 422
    assert admin.delete(f"{API}/grants/{mine.id}").status_code == 422
    assert served.app.accounts.grants(login="dora") == [mine]


@pytest.mark.parametrize("path", ["people", "grants", "tokens?login=*", "audit"])
def test_lists_come_page_by_page(served: Served, admin: TestClient, path: str) -> None:
    for number in range(5):
        login = served.person(f"person{number}", (Role.VIEWER, "*", "*"))
        served.token(login)
        served.app.accounts.note_audit(
            time=START, login=login, action="said", subject="x", allowed=True, detail="", address=""
        )
    mark = "&" if "?" in path else "?"
    whole = admin.get(f"{API}/{path}").json()
    assert whole["next"] is None
    seen, cursor = [], ""
    while True:
        page = admin.get(f"{API}/{path}{mark}limit=2&cursor={cursor or ('0' if path == 'audit' else '')}").json()
        assert len(page["items"]) <= 2
        seen += page["items"]
        if page["next"] is None:
            break
        cursor = page["next"]
    assert seen == whole["items"]
    assert len(seen) >= 5


class TestTokens:
    def test_it_is_shown_once_and_counts_until_it_is_revoked(self, served: Served, admin: TestClient) -> None:
        made = admin.post(f"{API}/tokens", json={"name": "ci", "role": "viewer", "repository": "shop/*"})
        assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
        secret = made.json()["secret"]
        assert secret.startswith("ecl_")
        program = served.client(token=secret)
        assert program.get(f"{API}/repositories/shop/web").status_code == 200
        listed = admin.get(f"{API}/tokens")
        assert made.json()["id"] in [item["id"] for item in listed.json()["items"]]
        assert secret not in listed.text
        gone = program.post(f"{API}/tokens/{made.json()['id']}/revoke")
        assert gone.json()["revoked"] is not None, "a program gives its own back"
        assert program.get(f"{API}/repositories/shop/web").status_code == 401

    @pytest.mark.parametrize(
        "limits",
        [
            pytest.param({"role": Role.OPERATOR}, id="of a lesser role"),
            pytest.param({"repository": "shop/*"}, id="for some repositories"),
            pytest.param({"environment": "dev"}, id="for one environment"),
        ],
    )
    def test_a_token_makes_nothing_more_of_itself(self, served: Served, limits: dict[str, object]) -> None:
        narrow = served.client(token=served.token("dora", **limits))  # type: ignore[arg-type]
        mine = served.app.accounts.tokens(login="dora")
        served.token("dora")
        (other,) = (item for item in served.app.accounts.tokens(login="dora") if item not in mine)
        answers = [
            narrow.post(f"{API}/tokens", json={"name": "more", "role": "admin"}),
            narrow.post(f"{API}/people", json={"login": "eve", "password": WORD}),
            narrow.post(f"{API}/people/dora/grants", json={"role": "admin"}),
            narrow.post(f"{API}/people/dora/password", json={"password": WORD}),
            narrow.post(f"{API}/tokens/{other.id}/revoke"),
        ]
        assert [answer.status_code for answer in answers] == [403] * len(answers)
        assert all(item.revoked is None for item in served.app.accounts.tokens(login="dora"))
        assert len(served.app.accounts.users()) == 1

    def test_people_make_their_own_at_a_browser(self, served: Served) -> None:
        served.person("anna", (Role.VIEWER, "*", "*"))
        browser = served.signed_in("anna")
        headers = {"X-CSRF-Token": csrf_of(browser.get("/settings"))}
        made = browser.post(f"{API}/tokens", json={"name": "mine", "role": "admin"}, headers=headers)
        assert (made.status_code, made.json()["login"]) == (201, "anna")
        program = served.client(token=made.json()["secret"])
        assert program.get(f"{API}/people").status_code == 403, "never more than its person"
        others = served.app.accounts.tokens(login="dora")
        assert not others
        served.token("dora")
        target = served.app.accounts.tokens(login="dora")[0].id
        assert browser.post(f"{API}/tokens/{target}/revoke", headers=headers).status_code == 404

    def test_nobody_makes_one_in_another_persons_name(self, served: Served, admin: TestClient) -> None:
        served.person("anna")
        assert admin.post(f"{API}/tokens", json={"name": "x", "login": "anna"}).status_code == 403
        admin.post(f"{API}/people", json={"login": "robot"})
        made = admin.post(f"{API}/tokens", json={"name": "x", "login": "robot", "forever": True})
        assert (made.status_code, made.json()["login"], made.json()["expires"]) == (201, "robot", None)


class TestSecrets:
    def test_they_are_written_and_never_read(self, served: Served, admin: TestClient) -> None:
        here = f"{API}/repositories/shop/web"
        kept = admin.put(f"{here}/secrets/DEPLOY_KEY", json={"value": WORD})
        assert (kept.status_code, kept.json()["version"]) == (200, 1)
        assert admin.put(f"{here}/environments/prod/secrets/DEPLOY_KEY", json={"value": WORD}).status_code == 200
        listed = admin.get(f"{API}/secrets?repository=shop/web")
        assert [item["scope"] for item in listed.json()] == ["environment:shop/web:prod", "repository:shop/web"]
        assert WORD not in listed.text + str(served.app.accounts.audit(limit=100))
        assert served.app.vault.get("repository:shop/web", "DEPLOY_KEY") == WORD.encode()
        assert admin.delete(f"{here}/secrets/DEPLOY_KEY").status_code == 204
        assert admin.delete(f"{here}/secrets/DEPLOY_KEY").status_code == 404
        wrong = admin.put(f"{here}/secrets/DEPLOY_KEY", json={"value": "abc"})
        assert (wrong.status_code, "abc" in wrong.text) == (422, False)

    def test_an_operator_keeps_those_of_their_environment_alone(self, served: Served) -> None:
        served.person("otto", (Role.OPERATOR, "shop/*", "dev"))
        operator = served.client(token=served.token("otto"))
        here = f"{API}/repositories/shop/web"
        assert operator.put(f"{here}/environments/dev/secrets/KEY", json={"value": WORD}).status_code == 200
        assert operator.put(f"{here}/environments/prod/secrets/KEY", json={"value": WORD}).status_code == 403
        assert operator.put(f"{here}/secrets/KEY", json={"value": WORD}).status_code == 403
        served.app.vault.put("environment:shop/web:prod", "HIDDEN", b"value", by="dora")
        assert [item["name"] for item in operator.get(f"{API}/secrets").json()] == ["KEY"]
