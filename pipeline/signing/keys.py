"""Ed25519 keys: private ones in files of their owner, public ones as `ed25519:` and base64."""

from __future__ import annotations

import base64
import binascii
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pipeline.errors import SigningError

if TYPE_CHECKING:  # for its 30 ms, not for a circle
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PREFIX: Final = "ed25519:"
_LENGTH: Final = 32
_MOST: Final = 65536
"""Bytes of a key file that are read."""
_WRONG: Final = "`ecluse ledger key new FILE` makes one; openssl genpkey -algorithm ed25519 does too"


def new_private_key(path: Path) -> Ed25519PrivateKey:
    """Made and written, with mode 0600, where nothing was."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise SigningError(f"{path} is there already", hint="name another file; a key is never overwritten") from error
    except OSError as error:
        raise SigningError(f"cannot write {path}: {error.strerror}", hint="name a file that can be written") from error
    return key


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """From PEM (PKCS #8), or as ssh-keygen writes it; without a passphrase."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

    text = _private_text(path)
    load = load_ssh_private_key if b"BEGIN OPENSSH" in text else load_pem_private_key
    try:
        key = load(text, password=None)
    except TypeError as error:  # the library's word for a passphrase that was not given
        raise SigningError(
            f"{path} is locked by a passphrase, which nobody could type here", hint="keep a key without one, mode 0600"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SigningError(f"{path} holds no private key that can be read", hint=_WRONG) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningError(f"{path} holds a key that is not Ed25519", hint=_WRONG)
    return key


def _private_text(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            kept = os.fstat(file.fileno())
            if not stat.S_ISREG(kept.st_mode):
                raise SigningError(f"{path} is no file", hint=_WRONG)
            if kept.st_mode & 0o077:
                raise SigningError(
                    f"others than its owner may read or write {path} (mode {stat.S_IMODE(kept.st_mode):04o})",
                    hint=f"chmod 600 {path}; if somebody may have read it, make a new key",
                )
            return file.read(_MOST)
    except OSError as error:
        raise SigningError(f"cannot read the key {path}: {error.strerror}", hint=_WRONG) from error


def spelled(key: Ed25519PublicKey) -> str:
    """As policies and people write it."""
    return PREFIX + base64.b64encode(key.public_bytes_raw()).decode()


def parsed(text: str) -> Ed25519PublicKey:
    """SigningError for anything that is not `ed25519:` and 32 bytes in base64."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    wrong = SigningError(
        f"'{text[:80]}' is no public key",
        hint="write ed25519: and 32 bytes in base64, as `ecluse ledger key show` does",
    )
    if not text.startswith(PREFIX):
        raise wrong
    try:
        raw = base64.b64decode(text.removeprefix(PREFIX), validate=True)
        if len(raw) != _LENGTH:
            raise wrong
        return Ed25519PublicKey.from_public_bytes(raw)
    except (binascii.Error, ValueError) as error:
        raise wrong from error
