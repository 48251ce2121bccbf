"""Who may say that something was pushed: each forge's proof, and what does not count as one."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.forges.bitbucket import Bitbucket
from pipeline.forges.gitea import Gitea
from pipeline.forges.github import GitHub
from pipeline.forges.gitlab import GitLab
from pipeline.forges.plain import Plain
from pipeline.settings import Settings

SETTINGS = Settings(home=Path("/nowhere"))
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BODY = b'{"ref": "refs/heads/main"}'
SECRET = b"s3cret of sufficient length"


def mac(*parts: bytes, key: bytes = SECRET) -> str:
    return hmac.new(key, b"".join(parts), hashlib.sha256).hexdigest()


def plain(at: datetime = NOW, delivery: str = "d1", body: bytes = BODY) -> dict[str, str]:
    stamp = str(int(at.timestamp()))
    return {
        "x-ecluse-timestamp": stamp,
        "x-ecluse-delivery": delivery,
        "x-ecluse-signature-256": "sha256=" + mac(f"{stamp}.{delivery}.".encode(), body),
    }


def standard(at: datetime = NOW, key: bytes = SECRET) -> dict[str, str]:
    stamp = str(int(at.timestamp()))
    signature = base64.b64encode(bytes.fromhex(mac(b"m1.", stamp.encode(), b".", BODY, key=key))).decode()
    return {"webhook-id": "m1", "webhook-timestamp": stamp, "webhook-signature": f"v1,AAAA v1,{signature}"}


RIGHT = mac(BODY)
LATE = NOW - timedelta(seconds=301)


@pytest.mark.parametrize(
    ("kind", "headers", "holds"),
    [
        pytest.param(GitHub, {"x-hub-signature-256": f"sha256={RIGHT}"}, True, id="github"),
        pytest.param(GitHub, {"x-hub-signature-256": RIGHT}, False, id="github-without-its-kind"),
        pytest.param(GitHub, {"x-hub-signature-256": f"sha256={RIGHT[:-1]}0g"}, False, id="github-wrong"),
        pytest.param(GitHub, {"x-hub-signature": f"sha1={RIGHT}"}, False, id="github-sha1"),
        pytest.param(GitHub, {"x-hub-signature-256": "sha256=é\udcff"}, False, id="github-no-ascii"),
        pytest.param(GitHub, {}, False, id="github-none"),
        pytest.param(GitLab, {"x-gitlab-token": SECRET.decode()}, True, id="gitlab-token"),
        pytest.param(GitLab, {"x-gitlab-token": SECRET.decode() + "x"}, False, id="gitlab-wrong"),
        pytest.param(GitLab, {}, False, id="gitlab-none"),
        pytest.param(GitLab, standard(), True, id="gitlab-signed"),
        pytest.param(GitLab, standard(LATE), False, id="gitlab-signed-long-ago"),
        pytest.param(GitLab, standard() | {"webhook-id": "m2"}, False, id="gitlab-signed-for-another-id"),
        pytest.param(
            GitLab,
            standard() | {"webhook-signature": "v1,AAAA", "x-gitlab-token": SECRET.decode()},
            False,
            id="gitlab-wrong-signature-beside-a-right-token",
        ),
        pytest.param(Gitea, {"x-gitea-signature": RIGHT}, True, id="gitea"),
        pytest.param(Gitea, {"x-forgejo-signature": RIGHT}, True, id="forgejo"),
        pytest.param(Gitea, {"x-forgejo-signature": "0", "x-gitea-signature": RIGHT}, False, id="forgejo-wrong"),
        pytest.param(Gitea, {}, False, id="gitea-none"),
        pytest.param(Bitbucket, {"x-hub-signature": f"sha256={RIGHT}"}, True, id="bitbucket"),
        pytest.param(Bitbucket, {"x-hub-signature": f"sha1={RIGHT}"}, False, id="bitbucket-sha1"),
        pytest.param(Plain, plain(), True, id="plain"),
        pytest.param(Plain, plain(LATE), False, id="plain-long-ago"),
        pytest.param(Plain, plain(NOW + timedelta(seconds=301)), False, id="plain-from-tomorrow"),
        pytest.param(Plain, plain() | {"x-ecluse-delivery": "d2"}, False, id="plain-another-id"),
        pytest.param(Plain, plain() | {"x-ecluse-timestamp": "٣"}, False, id="plain-other-digits"),
        pytest.param(Plain, plain(delivery=""), False, id="plain-without-id"),
        pytest.param(Plain, plain(body=b"{}"), False, id="plain-another-body"),
    ],
)
def test_only_the_right_proof_counts(kind: Any, headers: dict[str, str], holds: bool) -> None:
    assert kind(SETTINGS).verified(headers, BODY, SECRET, now=NOW) is holds


def test_a_signing_token_is_the_base64_behind_its_prefix() -> None:
    key = b"0123456789abcdef01234567"
    secret = b"whsec_" + base64.b64encode(key)
    assert GitLab(SETTINGS).verified(standard(key=key), BODY, secret, now=NOW)


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        pytest.param(GitHub, {"x-github-delivery": "1"}, {"x-github-delivery": "2"}, id="github"),
        pytest.param(Gitea, {"x-gitea-delivery": "1"}, {"x-gitea-delivery": "2"}, id="gitea"),
        pytest.param(Bitbucket, {"x-request-uuid": "1"}, {"x-request-uuid": "2"}, id="bitbucket"),
    ],
)
def test_an_id_that_nobody_signed_makes_no_new_delivery(kind: Any, one: dict[str, str], other: dict[str, str]) -> None:
    forge = kind(SETTINGS)
    assert forge.key(one, BODY) == forge.key(other, BODY) != forge.key(one, BODY + b" ")


@pytest.mark.parametrize(
    ("kind", "headers", "key"),
    [
        pytest.param(GitLab, {"idempotency-key": "i", "x-gitlab-event-uuid": "u"}, "i", id="gitlab-retry"),
        pytest.param(GitLab, {"x-gitlab-event-uuid": "u"}, "u", id="gitlab-older"),
        pytest.param(GitLab, standard() | {"idempotency-key": "forged"}, "m1", id="gitlab-signed"),
        pytest.param(Plain, plain(), "d1", id="plain"),
    ],
)
def test_an_id_that_is_vouched_for_names_the_delivery(kind: Any, headers: dict[str, str], key: str) -> None:
    assert kind(SETTINGS).key(headers, BODY) == key


@pytest.mark.parametrize("kind", [GitHub, GitLab, Gitea, Bitbucket, Plain])
def test_no_secret_and_no_signature_is_kept(kind: Any) -> None:
    names = ["x-hub-signature-256", "x-hub-signature", "x-gitlab-token", "x-gitea-signature", "webhook-signature"]
    names += ["x-forgejo-signature", "x-ecluse-signature-256", "authorization", "cookie"]
    assert kind(SETTINGS).kept(dict.fromkeys(names, "s")) == {}
