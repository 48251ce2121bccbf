"""Envelopes: DSSE as securesystemslib makes and checks it."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pipeline.errors import SignatureError
from pipeline.model.statement import Statement
from pipeline.ports.signing import Signed
from pipeline.signing import keys as files

if TYPE_CHECKING:  # for its 200 ms, not for a circle
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import SSlibKey

_MOST: Final = 1024 * 1024
"""Bytes of an envelope that are looked at: statements are short."""
_HINT: Final = "what it should prove counts for nothing; ask whoever sent it for the envelope as it was signed"


class DsseSigning:
    """Implements `pipeline.ports.signing.Signing`."""

    def make_key(self, path: Path) -> str:
        """Write a new private key."""
        return files.spelled(files.new_private_key(path).public_key())

    def public_key(self, path: Path) -> str:
        """The public half."""
        return files.spelled(files.read_private_key(path).public_key())

    def sign(self, statement: Statement, *, key: Path) -> str:
        """An envelope with one signature."""
        private = files.read_private_key(key)
        from securesystemslib.dsse import Envelope
        from securesystemslib.signer import CryptoSigner

        envelope = Envelope(statement.payload, statement.kind, {})
        envelope.sign(CryptoSigner(private, _library_key(files.spelled(private.public_key()))))
        return json.dumps(envelope.to_dict(), separators=(",", ":"))

    def opened(self, envelope: str, *, kind: str, keys: Collection[str]) -> Signed:
        """The body, once a signature holds."""
        known = {made.keyid: (made, text) for text in keys for made in (_library_key(text),)}
        found = _parsed(envelope)
        if found.payload_type != kind:
            raise SignatureError(f"this is an envelope of {found.payload_type!r}, not of {kind!r}", hint=_HINT)
        signer = next((text for key, text in known.values() if _verifies(found, key)), None)
        if signer is None:
            raise SignatureError("none of the known keys has signed this envelope", hint=_HINT)
        try:
            body = json.loads(found.payload)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict) or Statement(kind=kind, body=body).payload != found.payload:
            raise SignatureError("what was signed is not a statement as Écluse writes it", hint=_HINT)
        return Signed(body=body, key=signer)


def _library_key(text: str) -> SSlibKey:
    """The key; its id in envelopes is its own spelling, which no version of the library can change."""
    from securesystemslib.signer import SSlibKey

    key = files.parsed(text)
    return SSlibKey.from_crypto(key, keyid=files.spelled(key))


def _parsed(text: str) -> Envelope:
    from securesystemslib.dsse import Envelope

    try:
        told: Any = json.loads(text if len(text) <= _MOST else "")
        return Envelope.from_dict(told)
    except Exception as error:  # the library leaves ValueError, KeyError, TypeError and errors of its own
        raise SignatureError("this is no DSSE envelope", hint=_HINT) from error


def _verifies(envelope: Envelope, key: SSlibKey) -> bool:
    from securesystemslib.exceptions import VerificationError

    try:
        envelope.verify([key], 1)
    except VerificationError:
        return False
    return True
