"""`pipeline.lock`: which commit, and which content, a branch or a tag in `include` means until somebody changes it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from pipeline.errors import UsageError

Key = tuple[str, str, str]
"""Address, branch or tag, and path."""

HEAD = "# What the branches and tags in `include` mean. Written by `ecluse check --lock`; commit it.\nversion = 1\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Pin:
    """One included file of another repository: `commit` in full, `digest` (`sha256:…`) of its content."""

    git: str
    ref: str
    file: str
    commit: str
    digest: str

    @property
    def key(self) -> Key:
        """By which it is looked up."""
        return self.git, self.ref, self.file


def lock_of(file: str) -> str:
    """The lock file beside a pipeline file: `pipeline.lock` beside `pipeline.yml`."""
    return str(PurePosixPath(file).with_suffix(".lock"))


def read_lock(text: bytes, *, name: str) -> Mapping[Key, Pin]:
    """The pins of a lock file. UsageError when it is damaged or of a later version."""
    import tomllib

    mend = f"write it anew with `ecluse check --lock`, or take {name} from an earlier commit"
    try:
        document = tomllib.loads(text.decode())
        version, items = document.get("version"), document.get("include", [])
        pins = [Pin(**{key: str(item[key]) for key in ("git", "ref", "file", "commit", "digest")}) for item in items]
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{name} is damaged: {error}", hint=mend) from error
    if version != 1:
        raise UsageError(f"{name} is of version {version}, and this program knows version 1", hint=mend)
    return {pin.key: pin for pin in pins}


def write_lock(pins: Iterable[Pin]) -> str:
    """The text of a lock file: sorted, so that the same pins give the same bytes."""
    blocks = [HEAD]
    for pin in sorted(pins, key=lambda pin: pin.key):
        rows = {"git": pin.git, "ref": pin.ref, "file": pin.file, "commit": pin.commit, "digest": pin.digest}
        # a JSON string without surrogates is a basic string of TOML too
        lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in rows.items()]
        blocks.append("\n".join(["[[include]]", *lines]) + "\n")
    return "\n".join(blocks)
