"""Sign-in, sessions and cookies, as a browser sees them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from served import ORIGIN, PASSWORD, Served, csrf_of, serve, sign_in

from pipeline.operations.access.secret_words import digest_of
from pipeline.operations.access.sessions import IDLE, WHOLE


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serve(tmp_path) as made:
        made.person("anna")
        yield made


def cookie(answer: object, name: str) -> str:
    lines = [line for line in answer.headers.get_list("set-cookie") if line.startswith(name)]  # type: ignore[attr-defined]
    assert lines, answer
    return lines[0]


def out(served: Served, client: object) -> object:
    page = client.get("/login")  # type: ignore[attr-defined]
    del page
    session = served.app.accounts.sessions(login="anna")[0]
    return client.post("/logout", data={"csrf": session.csrf})  # type: ignore[attr-defined]


def test_a_session_is_known_by_its_digest_alone(served: Served) -> None:
    browser = served.signed_in("anna")
    secret = browser.cookies["ecluse_session"]
    (session,) = served.app.accounts.sessions(login="anna")
    assert session.digest == digest_of(secret)
    assert secret not in (served.app.settings.home / "records.db").read_bytes().decode("latin-1")
    assert len(secret) >= 43


@pytest.mark.parametrize(
    ("settings", "name", "flags"),
    [
        pytest.param({}, "ecluse_session", {"HttpOnly", "SameSite=lax", "Path=/"}, id="plain"),
        pytest.param(
            {"public_url": "https://ecluse.example.org"},
            "__Host-ecluse_session",
            {"HttpOnly", "SameSite=lax", "Path=/", "Secure"},
            id="behind TLS",
        ),
    ],
)
def test_cookies_are_for_this_host_and_no_script(
    tmp_path: Path, settings: dict[str, str], name: str, flags: set[str]
) -> None:
    with serve(tmp_path, **settings) as served:
        served.person("anna")
        origin = settings.get("public_url", ORIGIN)
        line = cookie(sign_in(served.client(origin=origin), "anna"), name)
        words = {word.strip() for word in line.split(";")[1:]}
        assert flags <= words
        assert not any(word.lower().startswith("domain") for word in words)


def test_over_tls_a_cookie_without_the_prefix_is_not_believed(tmp_path: Path) -> None:
    with serve(tmp_path, public_url="https://ecluse.example.org") as served:
        served.person("anna")
        browser = served.client(origin="https://ecluse.example.org")
        sign_in(browser, "anna")
        secret = browser.cookies["__Host-ecluse_session"]
        csrf = served.app.accounts.sessions(login="anna")[0].csrf
        other = served.client(origin="https://ecluse.example.org")
        answer = other.post("/logout", data={"csrf": csrf}, headers={"Cookie": f"ecluse_session={secret}"})
        assert answer.status_code == 401


def test_the_session_that_a_browser_brings_is_never_the_one_it_gets(served: Served) -> None:
    browser = served.client()
    browser.cookies.set("ecluse_session", "chosen-by-somebody-else", domain="ecluse.example.org")
    sign_in(browser, "anna")
    assert served.app.accounts.session_of(digest_of("chosen-by-somebody-else")) is None
    first = served.signed_in("anna").cookies["ecluse_session"]
    again = served.client()
    again.cookies.set("ecluse_session", first, domain="ecluse.example.org")
    sign_in(again, "anna")
    assert served.app.accounts.session_of(digest_of(first)) is None, "signing in anew ends what was there"


@pytest.mark.parametrize(
    ("hours", "uses", "lasts"),
    [
        pytest.param(IDLE.total_seconds() / 3600 - 0.1, 1, True, id="used in time"),
        pytest.param(IDLE.total_seconds() / 3600, 1, False, id="left alone"),
        pytest.param(11, 15, True, id="used again and again"),
        pytest.param(11, 16, False, id="too old whatever happens"),
    ],
)
def test_a_session_ends(served: Served, hours: float, uses: int, lasts: bool) -> None:
    browser = served.signed_in("anna")
    assert WHOLE.total_seconds() / 3600 == 168
    for _ in range(uses):
        served.time.pass_by(hours=hours)
        answer = browser.post("/logout", data={"csrf": "no"}, headers={"Accept": "application/json"})
    assert answer.status_code == (403 if lasts else 401)


def test_signing_out_ends_the_session_for_good(served: Served) -> None:
    browser = served.signed_in("anna")
    secret = browser.cookies["ecluse_session"]
    answer = out(served, browser)
    assert answer.status_code == 303  # type: ignore[attr-defined]
    assert served.app.accounts.session_of(digest_of(secret)) is None


def test_signing_out_everywhere_ends_all_of_hers_and_nobody_elses(served: Served) -> None:
    served.person("bert")
    here, _there, other = served.signed_in("anna"), served.signed_in("anna"), served.signed_in("bert")
    del other
    csrf = served.app.accounts.session_of(digest_of(here.cookies["ecluse_session"])).csrf  # type: ignore[union-attr]
    here.post("/logout", data={"csrf": csrf, "everywhere": "yes"})
    assert not served.app.accounts.sessions(login="anna")
    assert len(served.app.accounts.sessions(login="bert")) == 1


@pytest.mark.parametrize(
    ("wanted", "goes"),
    [
        pytest.param("/r/shop/web?page=2", "/r/shop/web?page=2", id="a page of ours"),
        pytest.param("https://evil.example", "/", id="another site"),
        pytest.param("//evil.example", "/", id="another host"),
        pytest.param("/\\evil.example", "/", id="a backslash is a slash to browsers"),
        pytest.param("/\t/evil.example", "/", id="a tab that browsers drop"),
        pytest.param("/a\r\nSet-Cookie: x=y", "/", id="a header"),
        pytest.param("javascript:alert(1)", "/", id="a script"),
        pytest.param("", "/", id="nothing"),
        pytest.param("/" + "a" * 3000, "/", id="endless"),
    ],
)
def test_after_signing_in_nobody_is_sent_elsewhere(served: Served, wanted: str, goes: str) -> None:
    answer = sign_in(served.client(), "anna", PASSWORD, next=wanted)
    assert answer.headers["location"] == goes
    assert answer.headers.get_list("set-cookie") == [
        line for line in answer.headers.get_list("set-cookie") if "x=y" not in line
    ]


@pytest.mark.parametrize(
    ("login", "password"),
    [
        pytest.param("anna", "wrong", id="wrong password"),
        pytest.param("nobody", PASSWORD, id="nobody of that name"),
        pytest.param("", "", id="nothing"),
        pytest.param("anna", "x" * 1900, id="endless password"),
        pytest.param("anna\x00", PASSWORD, id="a NUL"),
        pytest.param("' OR 1=1 --", "' OR 1=1 --", id="SQL"),
        pytest.param("ÄNNA", PASSWORD, id="umlaut"),
    ],
)
def test_whoever_is_wrong_learns_nothing_more(served: Served, login: str, password: str) -> None:
    answer = sign_in(served.client(), login, password)
    assert answer.status_code == 401
    assert "do not go together" in answer.text
    assert not served.app.accounts.sessions(login="anna")
    assert served.audit()[-1] == ("", "session.begin", False)


def test_a_disabled_person_is_out_at_once(served: Served) -> None:
    from pipeline.operations.access.people import disable

    browser = served.signed_in("anna")
    session = served.app.accounts.sessions(login="anna")[0]
    disable(served.app.accounts, "anna")
    served.app.accounts.save_session(session)  # even if a session were left
    assert browser.post("/logout", data={"csrf": session.csrf}).status_code == 401
    assert sign_in(served.client(), "anna").status_code == 401


def test_guessing_is_slowed_down_and_the_owner_is_not_locked_out(served: Served) -> None:
    at_home = served.signed_in("anna", address="198.51.100.1")
    del at_home
    stranger = served.client(address="203.0.113.9")
    seen = [sign_in(stranger, "anna", f"guess number {number}").status_code for number in range(12)]
    assert seen == [401] * 10 + [429] * 2
    assert sign_in(stranger, "anna").status_code == 429, "even the right one"
    assert sign_in(served.client(address="198.51.100.1"), "anna").status_code == 303
    served.time.pass_by(minutes=2)
    assert sign_in(stranger, "anna").status_code == 303


def test_guessing_many_accounts_from_one_address_is_slowed_down(served: Served) -> None:
    stranger = served.client(address="2001:db8::1")
    seen = [sign_in(stranger, f"person{number}", "a guess").status_code for number in range(31)]
    assert seen == [401] * 30 + [429]
    neighbour = served.client(address="2001:db8::ffff:2")
    assert sign_in(neighbour, "anna").status_code == 429, "the same network"
    assert sign_in(served.client(address="2001:db8:0:1::1"), "anna").status_code == 303


@pytest.mark.parametrize(
    ("change", "status"),
    [
        pytest.param({}, 303, id="the form as it was given"),
        pytest.param({"csrf": ""}, 403, id="no token"),
        pytest.param({"csrf": "0" * 64}, 403, id="a wrong token"),
        pytest.param({"headers": {"Origin": "https://evil.example"}}, 403, id="from another origin"),
        pytest.param({"headers": {"Origin": "null"}}, 403, id="from nowhere"),
        pytest.param({"headers": {"Sec-Fetch-Site": "cross-site"}}, 403, id="from another site"),
        pytest.param({"headers": {"Sec-Fetch-Site": "same-site"}}, 403, id="from a neighbour"),
        pytest.param({"headers": {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}}, 303, id="from us"),
    ],
)
def test_the_form_of_sign_in_is_only_taken_from_us(served: Served, change: dict[str, object], status: int) -> None:
    browser = served.client()
    form = {"csrf": csrf_of(browser.get("/login")), "login": "anna", "password": PASSWORD}
    headers = change.pop("headers", {})
    answer = browser.post("/login", data={**form, **change}, headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == status


def test_the_token_of_another_browser_does_not_count(served: Served) -> None:
    theirs = csrf_of(served.client().get("/login"))
    mine = served.client()
    mine.get("/login")
    assert mine.post("/login", data={"csrf": theirs, "login": "anna", "password": PASSWORD}).status_code == 403
