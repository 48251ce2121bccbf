"""Signatures: what is signed can be checked by other tools, and nothing else passes for it."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from pipeline.delivery.proof import doubt, signed
from pipeline.errors import SignatureError, SigningError
from pipeline.model.decision import Answer, Approval
from pipeline.model.ledger import seal
from pipeline.model.policy import Person, Policy
from pipeline.model.statement import APPROVAL, HEAD, Statement, approval_statement, head_statement
from pipeline.signing.dsse import DsseSigning

SIGNING = DsseSigning()
NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
STATEMENT = Statement(kind=HEAD, body={"seq": 3, "hash": "ab", "é": "☕"})
APPROVED = Approval(
    id="01a",
    promotion="01p",
    plan="sha256:plan",
    person="bob",
    answer=Answer.APPROVE,
    reason="looks good",
    time=NOON,
)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    SIGNING.make_key(tmp_path / "keys" / "bob.pem")
    return tmp_path / "keys" / "bob.pem"


def policy(*keys: str) -> Policy:
    return Policy(people={"bob": Person(name="bob", keys=keys), "eve": Person(name="eve")})


class TestKeys:
    def test_a_new_one_is_its_owners_alone_and_never_overwrites(self, key: Path) -> None:
        assert key.stat().st_mode & 0o777 == 0o600
        before = key.read_bytes()
        with pytest.raises(SigningError, match="is there already"):
            SIGNING.make_key(key)
        assert key.read_bytes() == before

    def test_openssl_takes_it_for_what_it_is(self, key: Path) -> None:
        told = subprocess.run(
            ["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"], capture_output=True, check=True
        )
        public = base64.b64decode(SIGNING.public_key(key).removeprefix("ed25519:"))
        assert told.stdout.endswith(public)

    def test_one_of_ssh_keygen_serves_too(self, tmp_path: Path) -> None:
        made = Ed25519PrivateKey.generate()
        path = tmp_path / "ssh"
        path.touch(mode=0o600)
        path.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        public = "ed25519:" + base64.b64encode(made.public_key().public_bytes_raw()).decode()
        assert SIGNING.public_key(path) == public
        assert SIGNING.opened(SIGNING.sign(STATEMENT, key=path), kind=HEAD, keys=[public]).key == public

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
    def test_one_that_others_may_read_is_refused(self, key: Path, mode: int) -> None:
        key.chmod(mode)
        with pytest.raises(SigningError, match=f"mode {mode:04o}") as caught:
            SIGNING.sign(STATEMENT, key=key)
        assert "chmod 600" in caught.value.hint

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            pytest.param(b"", "holds no private key", id="empty"),
            pytest.param(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "holds no", id="broken"),
            pytest.param(
                generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
                "not Ed25519",
                id="another kind",
            ),
            pytest.param(
                Ed25519PrivateKey.generate().private_bytes(
                    Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word")
                ),
                "locked by a passphrase",
                id="locked",
            ),
        ],
    )
    def test_what_is_none_is_said(self, tmp_path: Path, content: bytes, message: str) -> None:
        path = tmp_path / "key"
        path.touch(mode=0o600)
        path.write_bytes(content)
        with pytest.raises(SigningError, match=message):
            SIGNING.public_key(path)

    def test_files_that_are_none(self, tmp_path: Path) -> None:
        with pytest.raises(SigningError, match="No such file"):
            SIGNING.public_key(tmp_path / "absent")
        with pytest.raises(SigningError, match="Is a directory"):
            SIGNING.public_key(tmp_path)
        with pytest.raises(SigningError, match="cannot write"):
            SIGNING.make_key(Path("/proc/no/key"))

    @pytest.mark.parametrize(
        "text",
        ["", "ed25519:", "ed25519:AAAA", "ssh-ed25519 AAAA", "ed25519:" + "A" * 42 + "!=", "ed25519:" + "é" * 44],
    )
    def test_what_is_no_public_key(self, key: Path, text: str) -> None:
        with pytest.raises(SigningError, match="is no public key"):
            SIGNING.opened(SIGNING.sign(STATEMENT, key=key), kind=HEAD, keys=[text])


class TestEnvelopes:
    def test_other_tools_can_check_them(self, key: Path) -> None:
        """The signature is over the pre-authentication encoding that the protocol's specification gives."""
        public = SIGNING.public_key(key)
        envelope = json.loads(SIGNING.sign(STATEMENT, key=key))
        payload = base64.b64decode(envelope["payload"])
        assert payload == '{"hash":"ab","seq":3,"é":"☕"}'.encode()
        assert envelope["payloadType"] == HEAD
        (signature,) = envelope["signatures"]
        assert signature["keyid"] == public
        raw = Ed25519PublicKey.from_public_bytes(base64.b64decode(public.removeprefix("ed25519:")))
        said = b"DSSEv1 %d %s %d %s" % (len(HEAD), HEAD.encode(), len(payload), payload)
        raw.verify(base64.b64decode(signature["sig"]), said)

    def test_it_says_who_signed_among_several(self, key: Path, tmp_path: Path) -> None:
        other = SIGNING.make_key(tmp_path / "other")
        public = SIGNING.public_key(key)
        found = SIGNING.opened(SIGNING.sign(STATEMENT, key=key), kind=HEAD, keys=[other, public])
        assert (found.key, dict(found.body)) == (public, dict(STATEMENT.body))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            pytest.param(lambda told: told["signatures"].clear(), "none of the known keys", id="no signature"),
            pytest.param(lambda told: told.update(payload="e30="), "none of the known keys", id="other payload"),
            pytest.param(lambda told: told.update(payloadType=APPROVAL), "is an envelope of", id="other kind"),
            pytest.param(lambda told: told.update(payloadType=7), "is an envelope of 7", id="kind that is no text"),
            pytest.param(
                lambda told: told["signatures"][0].update(sig=base64.b64encode(b"x" * 64).decode()),
                "none of the known keys",
                id="other signature",
            ),
            pytest.param(lambda told: told["signatures"][0].update(sig="AA=="), "none of the known", id="short one"),
            pytest.param(lambda told: told.pop("payload"), "no DSSE envelope", id="no payload"),
            pytest.param(lambda told: told.update(signatures="x"), "no DSSE envelope", id="no list"),
            pytest.param(lambda told: told["signatures"].append({}), "no DSSE envelope", id="empty signature"),
            pytest.param(
                lambda told: told["signatures"].append(dict(told["signatures"][0])), "no DSSE", id="twice the same"
            ),
        ],
    )
    def test_what_was_changed_proves_nothing(self, key: Path, change: Callable[[Any], object], message: str) -> None:
        told = json.loads(SIGNING.sign(STATEMENT, key=key))
        change(told)
        with pytest.raises(SignatureError, match=message):
            SIGNING.opened(json.dumps(told), kind=HEAD, keys=[SIGNING.public_key(key)])

    @pytest.mark.parametrize("text", ["", "null", "[]", "{", "[" * 100_000, '"x"', " " * 2_000_000 + "{}"])
    def test_what_is_no_envelope(self, key: Path, text: str) -> None:
        with pytest.raises(SignatureError, match="no DSSE envelope"):
            SIGNING.opened(text, kind=HEAD, keys=[SIGNING.public_key(key)])

    @pytest.mark.parametrize("payload", [b'{"a": 1}', b"[1]", b'{"a":1,"a":1}', b"\xff", b"[" * 50_000])
    def test_only_the_one_spelling_counts(self, key: Path, payload: bytes) -> None:
        class Said(Statement):
            @property
            def payload(self) -> bytes:
                return payload

        with pytest.raises(SignatureError, match="not a statement as"):
            SIGNING.opened(SIGNING.sign(Said(kind=HEAD, body={}), key=key), kind=HEAD, keys=[SIGNING.public_key(key)])

    def test_without_keys_nobody_has_signed(self, key: Path) -> None:
        with pytest.raises(SignatureError, match="none of the known keys"):
            SIGNING.opened(SIGNING.sign(STATEMENT, key=key), kind=HEAD, keys=[])


class TestApprovals:
    def test_the_owner_of_the_key_is_not_doubted(self, key: Path) -> None:
        public = SIGNING.public_key(key)
        proven = signed(APPROVED, signing=SIGNING, key=key)
        assert doubt(proven, signing=SIGNING, policy=policy("ed25519:" + "A" * 43 + "=", public)) == ""
        assert policy(public).owner_of(public) == "bob"

    @pytest.mark.parametrize(
        ("changed", "reason"),
        [
            pytest.param({"proof": ""}, "nobody signed it", id="unsigned"),
            pytest.param({"proof": "{}"}, "no DSSE envelope", id="broken"),
            pytest.param({"person": "mallory"}, "the policy knows no 'mallory'", id="stranger"),
            pytest.param({"person": "eve"}, "knows no key of eve", id="without keys"),
            pytest.param({"plan": "sha256:other"}, "something else was signed", id="another plan"),
            pytest.param({"promotion": "01q"}, "something else was signed", id="another promotion"),
            pytest.param({"answer": Answer.REJECT}, "something else was signed", id="another answer"),
            pytest.param({"time": NOON.replace(hour=13)}, "something else was signed", id="another time"),
        ],
    )
    def test_anything_else_is(self, key: Path, changed: dict[str, Any], reason: str) -> None:
        proven = replace(signed(APPROVED, signing=SIGNING, key=key), **changed)
        assert reason in doubt(proven, signing=SIGNING, policy=policy(SIGNING.public_key(key)))

    def test_a_key_that_the_policy_dropped(self, key: Path, tmp_path: Path) -> None:
        other = SIGNING.make_key(tmp_path / "new")
        proven = signed(APPROVED, signing=SIGNING, key=key)
        assert "none of the known keys" in doubt(proven, signing=SIGNING, policy=policy(other))

    def test_a_signed_head_is_no_approval(self, key: Path) -> None:
        head = Statement(kind=HEAD, body=approval_statement(APPROVED).body)
        forged = replace(APPROVED, proof=SIGNING.sign(head, key=key))
        assert "is an envelope of" in doubt(forged, signing=SIGNING, policy=policy(SIGNING.public_key(key)))


def test_the_statement_of_a_head() -> None:
    entry = seal(None, time=NOON, actor="a", action="b", subject="c", reason="", data={})
    assert head_statement(entry, first="f").payload == (
        f'{{"hash":"{entry.hash}","ledger":"f","seq":1,"time":"2026-11-27T12:00:00+00:00"}}'.encode()
    )


def test_asking_for_signatures_imports_no_library() -> None:
    code = (
        "import sys; from pipeline.bootstrap import Application; Application({'HOME': '/nowhere'}).signing;"
        "print([name for name in ('cryptography', 'securesystemslib') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "HOME": "/nowhere"}
    )
    assert done.stdout.strip() == "[]"
