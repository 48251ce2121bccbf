"""Signing statements and telling who signed: Ed25519 keys, in envelopes that other tools can check too."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pipeline.model.value import Value

if TYPE_CHECKING:
    from pipeline.model.statement import Statement


@dataclass(frozen=True, kw_only=True, slots=True)
class Signed:
    """What an envelope says, and the public key (`ed25519:` + base64) under which that is proven."""

    body: Mapping[str, Value]
    key: str


class Signing(Protocol):
    """Keys are files of this machine; envelopes are DSSE (https://github.com/secure-systems-lab/dsse) as JSON.

    Errors that may leave: SigningError for a key that cannot be used, SignatureError for an envelope that proves
    nothing.
    """

    def make_key(self, path: Path) -> str:
        """A new private key in a file that only its owner can read, and that was not there; returns its public key."""

    def public_key(self, path: Path) -> str:
        """The public key of a private one."""

    def sign(self, statement: Statement, *, key: Path) -> str:
        """The envelope, on one line. SigningError where others may read the key."""

    def opened(self, envelope: str, *, kind: str, keys: Collection[str]) -> Signed:
        """What an envelope of this kind says under one of these public keys. SignatureError where it is none, is of
        another kind, or none of the keys has signed it."""
