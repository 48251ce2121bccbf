"""Signing in at a real OpenID Connect provider (one made of authlib's server, with registered clients)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from fastapi.testclient import TestClient
from httpx import Response
from oidc_provider_mock import User as Person
from oidc_provider_mock import run_server_in_thread
from served import ORIGIN, PASSWORD, Served, serve

from pipeline.errors import SettingsError
from pipeline.model.account import Role
from pipeline.operations.access.people import disable
from pipeline.operations.access.secret_words import derived
from pipeline.web.access.provider import check_url

PEOPLE = (
    Person(sub="42", claims={"preferred_username": "Anna", "name": "Anna A.", "groups": ["makers", "others"]}),
    Person(sub="43", claims={"preferred_username": "bert", "groups": "watchers"}),
    Person(sub="44", claims={"preferred_username": "<script>", "groups": ["makers"]}),
)


@dataclass(kw_only=True)
class Signing:
    """A server, its provider, and somebody between the two."""

    served: Served
    issuer: str
    browser: TestClient

    def there(self, *, next: str = "/board") -> str:  # noqa: A002
        """Where the server sends the browser."""
        answer = self.browser.get("/login/oidc", params={"next": next})
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def agreed(self, url: str, sub: str) -> str:
        """Where the provider sends the browser back to, once the person has agreed."""
        answer = requests.post(url, data={"sub": sub}, allow_redirects=False, timeout=30)
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]

    def back(self, url: str, browser: TestClient | None = None) -> Response:
        """What the server makes of it."""
        parts = urlsplit(url)
        return (browser or self.browser).get(f"{parts.path}?{parts.query}")

    def sign_in(self, sub: str) -> Response:
        """All of it."""
        return self.back(self.agreed(self.there(), sub))


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with run_server_in_thread(require_client_registration=True, require_nonce=True, user_claims=PEOPLE) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture
def signing(issuer: str, tmp_path: Path) -> Iterator[Signing]:
    back = f"{ORIGIN}/login/oidc/back"
    client = requests.post(f"{issuer}/oauth2/clients", json={"redirect_uris": [back]}, timeout=30).json()
    secret = tmp_path / "client-secret"
    secret.write_text(client["client_secret"] + "\n")
    secret.chmod(0o600)
    home = tmp_path / "home"
    home.mkdir()
    (home / "config.toml").write_text(
        f"""
[oidc]
name = "Sign-on"
issuer = "{issuer}"
client = "{client["client_id"]}"
secret_file = "{secret}"
[oidc_grants]
makers = "developer shop/*, release-manager shop/* staging"
watchers = "viewer"
"""
    )
    with serve(home) as served:
        served.time.moment = datetime.now(UTC)
        yield Signing(served=served, issuer=issuer, browser=served.client())


def roles(signing: Signing, login: str) -> set[tuple[Role, str, str]]:
    return {(item.role, item.repository, item.environment) for item in signing.served.app.accounts.grants(login=login)}


MAKERS = {(Role.DEVELOPER, "shop/*", "*"), (Role.RELEASE_MANAGER, "shop/*", "staging")}


def test_somebody_comes_for_the_first_time_and_has_what_their_groups_give(signing: Signing) -> None:
    assert "Sign in with Sign-on" in signing.browser.get("/login").text
    answer = signing.sign_in("42")
    assert (answer.status_code, answer.headers["location"]) == (303, "/board"), answer.text
    user = signing.served.app.accounts.find_user("anna")
    assert (user.name, user.issuer, user.subject, user.password) == ("Anna A.", signing.issuer, "42", "")
    assert roles(signing, "anna") == MAKERS
    assert signing.browser.get("/settings").status_code == 200
    assert signing.served.audit()[-1] == ("anna", "session.begin", True)


def test_groups_are_looked_at_each_time_and_what_people_gave_stays(signing: Signing) -> None:
    signing.sign_in("43")
    accounts = signing.served.app.accounts
    signing.served.grant("bert", Role.OPERATOR, "shop/web", "prod")
    (by_group,) = [grant for grant in accounts.grants(login="bert") if grant.created_by.startswith("oidc:")]
    accounts.remove_grant(by_group.id)
    accounts.save_grant(signing.served.grant("bert", Role.ADMIN))
    stale = signing.served.grant("bert", Role.ADMIN)
    accounts.remove_grant(stale.id)
    signing.sign_in("43")
    assert (Role.VIEWER, "*", "*") in roles(signing, "bert")
    assert (Role.OPERATOR, "shop/web", "prod") in roles(signing, "bert")
    assert len(accounts.users()) == 1


def test_the_way_there_has_pkce_state_and_nonce_and_they_are_of_this_browser(signing: Signing) -> None:
    asked = {name: values[0] for name, values in parse_qs(urlsplit(signing.there()).query).items()}
    seed = signing.browser.cookies["ecluse_oidc"].partition(".")[0].strip('"')
    challenge = base64.urlsafe_b64encode(hashlib.sha256(derived(seed, "verifier").encode()).digest()).rstrip(b"=")
    assert asked["code_challenge"] == challenge.decode()
    assert asked["code_challenge_method"] == "S256"
    assert asked["state"] == derived(seed, "state")
    assert asked["nonce"] == derived(seed, "nonce")
    assert asked["response_type"] == "code"
    assert seed not in asked.values()


@pytest.mark.parametrize("change", ["state", "no state", "another browser", "twice", "code", "denied"])
def test_a_way_back_that_is_not_the_end_of_a_way_there(signing: Signing, change: str) -> None:
    url = signing.agreed(signing.there(), "42")
    state = parse_qs(urlsplit(url).query)["state"][0]
    browser = signing.browser
    match change:
        case "state":
            url = url.replace(state, "0" * 64)
        case "no state":
            url = url.replace(f"state={state}", "state=")
        case "another browser":
            browser = signing.served.client()
        case "twice":
            assert signing.back(url).status_code == 303
            signing.there()
            signing.served.app.accounts.end_sessions(login="anna")
        case "code":
            signing.agreed(signing.there(), "42")
            url = f"/login/oidc/back?code=made-up&state={derived(_seed(signing), 'state')}"
        case _:
            url = f"/login/oidc/back?error=access_denied&state={state}"
    answer = signing.back(url, browser)
    assert answer.status_code == 403, answer.text
    assert not signing.served.app.accounts.sessions(login="anna")


def _seed(signing: Signing) -> str:
    return signing.browser.cookies["ecluse_oidc"].partition(".")[0].strip('"')


def test_an_id_token_of_another_sign_in_does_not_count(signing: Signing) -> None:
    """A code of one sign-in, brought to the server with the cookie of another: the nonce does not fit."""
    stolen = parse_qs(urlsplit(signing.agreed(signing.there(), "42")).query)["code"][0]
    signing.browser.cookies.clear()
    signing.there()
    answer = signing.back(f"/login/oidc/back?code={stolen}&state={derived(_seed(signing), 'state')}")
    assert answer.status_code == 403
    assert "does not hold" in answer.text
    assert signing.served.app.accounts.users() == []


def test_an_id_token_that_has_run_out_does_not_count(signing: Signing) -> None:
    url = signing.agreed(signing.there(), "42")
    signing.served.time.pass_by(hours=2)
    assert signing.back(url).status_code == 403
    assert signing.served.app.accounts.users() == []


def test_the_name_of_a_local_account_is_not_enough_to_be_it(signing: Signing) -> None:
    signing.served.person("anna", (Role.ADMIN, "*", "*"), password=PASSWORD)
    answer = signing.sign_in("42")
    assert answer.status_code == 403
    assert signing.served.app.accounts.sessions(login="anna") == []
    assert signing.served.app.accounts.find_user("anna").issuer == ""


@pytest.mark.parametrize("sub", ["44"])
def test_a_login_that_cannot_be_one_is_refused(signing: Signing, sub: str) -> None:
    answer = signing.sign_in(sub)
    assert answer.status_code == 403
    assert "<script>" not in answer.text


def test_whoever_is_disabled_stays_out(signing: Signing) -> None:
    signing.sign_in("42")
    disable(signing.served.app.accounts, "anna")
    assert signing.sign_in("42").status_code == 403


def test_nobody_is_sent_elsewhere_after_it(signing: Signing) -> None:
    answer = signing.back(signing.agreed(signing.there(next="https://evil.example/"), "42"))
    assert answer.headers["location"] == "/"


def test_without_a_provider_there_is_no_way_there(tmp_path: Path) -> None:
    with serve(tmp_path / "home") as served:
        assert served.client().get("/login/oidc").status_code == 404
        assert "Sign in with" not in served.client().get("/login").text


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://sso.example.org/realms/x", True),
        ("http://localhost:8080", True),
        ("http://127.0.0.1", True),
        ("http://sso.example.org", False),
        ("http://169.254.169.254/latest", False),
        ("http://localhost.evil.example", False),
        ("file:///etc/passwd", False),
        ("https://", False),
        ("https://user:secret@sso.example.org", False),
        ("", False),
    ],
)
def test_a_provider_is_spoken_to_by_tls_alone(url: str, good: bool) -> None:
    if good:
        check_url(url, what="issuer")
    else:
        with pytest.raises(SettingsError):
            check_url(url, what="issuer")
