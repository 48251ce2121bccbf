"""The head of a ledger, to be kept somewhere else: only that tells later that no entry was cut off or written anew."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.errors import SignatureError, UsageError
from pipeline.model.ledger import Anchor
from pipeline.model.statement import HEAD, head_statement
from pipeline.ports.application import Application
from pipeline.ports.signing import Signing

_TOLD: Final = re.compile(r"(?<![0-9a-f:])(?:ledger )?([1-9][0-9]{0,18}:[0-9a-f]{64})(?![0-9a-f])")
"""An anchor as promotions print it, wherever in a line."""
_EXPORTED: Final = ('{"action"', '{"head"')
"""How lines of an export begin: what stands in them is no anchor but the ledger itself."""
_MOST: Final = 1024 * 1024
"""Characters of a line that may be a head."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """The last entry of a ledger at some time. `ledger` is the hash of its first entry; `envelope` is the DSSE
    envelope (JSON) that somebody signed, "" where nobody did."""

    ledger: str
    seq: int
    hash: str
    time: str
    envelope: str = ""

    @property
    def anchor(self) -> Anchor:
        """What it proves of its ledger."""
        return Anchor(hash=self.hash, seq=self.seq)

    @property
    def line(self) -> str:
        """One line of JSON: `{"head": …, "signature": …}`."""
        told = {"ledger": self.ledger, "seq": self.seq, "hash": self.hash, "time": self.time}
        signature = json.loads(self.envelope) if self.envelope else None
        return json.dumps({"head": told, "signature": signature}, separators=(",", ":"))


def current_head(app: Application) -> Head | None:
    """The head now, signed where the settings name a key; None for an empty ledger. SigningError for a bad key."""
    entry = app.records.head()
    if entry is None:
        return None
    (first,) = app.records.links(limit=1)
    envelope = ""
    if app.settings.ledger_key:
        key = Path(app.settings.ledger_key).expanduser()
        envelope = app.signing.sign(head_statement(entry, first=first.hash), key=key)
    return Head(ledger=first.hash, seq=entry.seq, hash=entry.hash, time=entry.time.isoformat(), envelope=envelope)


def parse_head(line: str) -> Head | None:
    """From a line of JSON; None for anything else."""
    if len(line) > _MOST or not line.lstrip().startswith('{"head"'):
        return None
    try:
        told = json.loads(line)
        head, signature = told["head"], told.get("signature")
        found = Head(
            ledger=str(head["ledger"]),
            seq=int(head["seq"]),
            hash=str(head["hash"]),
            time=str(head["time"]),
            envelope=json.dumps(signature, separators=(",", ":")) if signature is not None else "",
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return found if Anchor.parse(str(found.anchor)) == found.anchor else None


def signer_of(head: Head, *, signing: Signing, keys: Mapping[str, str]) -> str:
    """The public key that signed exactly this head. SignatureError where none of `keys` did."""
    if not head.envelope:
        raise SignatureError(f"head {head.anchor} is not signed", hint="sign heads with the setting 'ledger_key'")
    found = signing.opened(head.envelope, kind=HEAD, keys=tuple(keys))
    said = {"ledger": head.ledger, "seq": head.seq, "hash": head.hash, "time": head.time}
    if dict(found.body) != said:
        raise SignatureError(f"the signature beside head {head.anchor} is of another one")
    return found.key


def read_anchor(text: str) -> tuple[list[Anchor], list[Head]]:
    """What `--anchor` names: `SEQ:HASH`, a hash, or a file with heads or with what promotions printed.

    UsageError for a file that holds no anchor, and for what is neither.
    """
    anchor = Anchor.parse(text)
    if anchor is not None:
        return [anchor], []
    try:
        lines = Path(text).read_text(errors="replace").splitlines()
    except OSError as error:
        raise UsageError(
            f"'{text}' is no anchor, and no file that can be read: {error.strerror}",
            hint="give SEQ:HASH, a hash of 64 digits, an export, or a file in which one of them stands",
        ) from error
    heads = [head for line in lines if (head := parse_head(line)) is not None]
    written = [line for line in lines if not line.startswith(_EXPORTED)]
    found = [Anchor.parse(line) for line in written]
    found += [Anchor.parse(match) for line in written for match in _TOLD.findall(line)]
    anchors = [item for item in dict.fromkeys(found) if item is not None]
    if not heads and not anchors:
        raise UsageError(
            f"no anchor stands in {text}", hint="promotions print one, `ecluse ledger export --head` writes one"
        )
    return anchors, heads
