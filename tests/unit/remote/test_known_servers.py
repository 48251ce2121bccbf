"""Which server is asked, with which token, and how both are kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.errors import SettingsError, SignInError, UsageError
from pipeline.model.repository import ForgeKind, Repository
from pipeline.remote.kept import path_of
from pipeline.remote.servers import (
    KnownServer,
    Servers,
    checked_name,
    checked_token,
    checked_url,
    chosen,
    load,
    named_by,
    save,
)
from pipeline.remote.there.asked import name_among

TEAM = KnownServer(name="team", url="https://ci.example.org", token="ecl_team")
CREATED = datetime(2026, 11, 27, tzinfo=UTC)
OTHER = KnownServer(name="other", url="http://127.0.0.1:8000", token="ecl_other")


@pytest.fixture
def environment(tmp_path: Path) -> Mapping[str, str]:
    variables = {"XDG_CONFIG_HOME": str(tmp_path)}
    save(variables, Servers(known={"team": TEAM, "other": OTHER}))
    return variables


def test_tokens_are_for_their_owner_alone(environment: Mapping[str, str]) -> None:
    path = path_of(environment)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert load(environment).known == {"team": TEAM, "other": OTHER}
    assert "ecl_team" not in repr(TEAM)
    path.chmod(0o640)
    with pytest.raises(SettingsError, match="others can read"):
        load(environment)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"servers": [7]}', '{"servers": [{"name": "a/b"}]}'])
def test_a_broken_file_is_said(environment: Mapping[str, str], text: str) -> None:
    path_of(environment).write_text(text)
    with pytest.raises((SettingsError, UsageError)) as caught:
        load(environment)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("word", "more", "url", "token"),
    [
        pytest.param(None, {}, None, None, id="nobody says anything"),
        pytest.param("here", {"ECLUSE_SERVER": "team"}, None, None, id="this machine"),
        pytest.param("team", {}, TEAM.url, TEAM.token, id="by name"),
        pytest.param("https://ci.example.org/", {}, TEAM.url, TEAM.token, id="by address"),
        pytest.param(None, {"ECLUSE_SERVER": "other"}, OTHER.url, OTHER.token, id="by variable"),
        pytest.param("team", {"ECLUSE_SERVER": "other"}, TEAM.url, TEAM.token, id="the option goes first"),
        pytest.param(
            None,
            {"ECLUSE_SERVER": "https://new.example.org", "ECLUSE_TOKEN": "ecl_new"},
            "https://new.example.org",
            "ecl_new",
            id="both by variables",
        ),
        pytest.param("https://b.example.org", {"ECLUSE_TOKEN": "ecl_b"}, "https://b.example.org", "ecl_b", id="token"),
        pytest.param(
            "team",
            {"ECLUSE_SERVER": "https://new.example.org", "ECLUSE_TOKEN": "ecl_new"},
            TEAM.url,
            TEAM.token,
            id="a token goes to its own server only",
        ),
    ],
)
def test_one_server_is_chosen(
    environment: Mapping[str, str], word: str | None, more: Mapping[str, str], url: str | None, token: str | None
) -> None:
    found = chosen(word, {**environment, **more})
    assert (found.url if found else None, found.token if found else None) == (url, token)


@pytest.mark.parametrize(
    ("word", "more"),
    [
        pytest.param("nobody", {}, id="unknown name"),
        pytest.param("https://x.example.org", {}, id="unknown address"),
        pytest.param(
            "https://x.example.org", {"ECLUSE_SERVER": "team", "ECLUSE_TOKEN": "ecl_team"}, id="a token of another"
        ),
    ],
)
def test_nobody_is_asked_without_a_token(environment: Mapping[str, str], word: str, more: Mapping[str, str]) -> None:
    with pytest.raises(SignInError, match="nobody has signed in"):
        chosen(word, {**environment, **more})


def test_the_default_is_asked_where_nobody_says_otherwise(environment: Mapping[str, str]) -> None:
    save(environment, load(environment).with_server(TEAM, default=True))
    assert chosen(None, environment) == TEAM
    assert chosen("here", environment) is None
    save(environment, load(environment).without("team"))
    assert chosen(None, environment) is None
    assert "ecl_team" not in json.dumps(path_of(environment).read_text())


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("ci.example.org", "https://ci.example.org"),
        ("https://ci.example.org/ecluse/", "https://ci.example.org/ecluse"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_addresses_are_kept_in_one_spelling(text: str, url: str) -> None:
    assert checked_url(text) == url
    assert named_by(url)


@pytest.mark.parametrize(
    "text",
    [
        "http://ci.example.org",
        "http://127.0.0.1.example.org",
        "ftp://ci.example.org",
        "https://anna:secret@ci.example.org",
        "https://ci.example.org/?a=b",
        "https://ci.example.org:port",
        "https://",
        "https://ci example.org",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        checked_url(text)


def test_plain_http_takes_a_word() -> None:
    assert checked_url("http://ci.example.org", insecure=True) == "http://ci.example.org"


@pytest.mark.parametrize("text", ["", "a b", "ecl\r\nX-Evil: 1", "é", "x" * 600])
def test_what_is_no_token_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        checked_token(text)
    assert not text or text not in caught.value.message


@pytest.mark.parametrize("text", ["here", "", "a/b", "-x", "a b"])
def test_names_are_words(text: str) -> None:
    with pytest.raises(UsageError):
        checked_name(text)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        pytest.param("https://git.example.org/tea/shop.git", "tea/shop", id="the same"),
        pytest.param("git@git.example.org:tea/shop.git", "tea/shop", id="by ssh"),
        pytest.param("ssh://git@git.example.org:2222/tea/shop", "tea/shop", id="by ssh with a port"),
        pytest.param("https://git.example.org/Tea/Shop", "tea/shop", id="other case"),
        pytest.param("https://other.example.org/tea/shop.git", "tea/shop", id="another host, spelled"),
        pytest.param("https://git.example.org/tea/pot.git", "tea/pot", id="not looked after"),
        pytest.param("/srv/git/kettle.git", "heat/kettle", id="a folder of the server"),
    ],
)
def test_a_checkout_tells_which_repository_is_meant(url: str, name: str) -> None:
    def made(name: str, url: str) -> Repository:
        return Repository(name=name, url=url, forge=ForgeKind.PLAIN, created=CREATED)

    known = [made("tea/shop", "https://git.example.org/tea/shop.git"), made("heat/kettle", "/srv/git/kettle.git")]
    assert name_among(known, url) == name
