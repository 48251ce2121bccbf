"""Where the environment keeps its cache and its state, outside the repository."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
SCRIPT = Path("tests/environment/environment.sh")


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """`root` holds what is kept between runs; `sockets` is short and plain enough for the path of a unix socket."""

    root: Path
    sockets: Path

    @property
    def state(self) -> Path:
        """Identities of processes that we started, and who uses them."""
        return self.root / "state"

    @property
    def log(self) -> Path:
        """What the programs that we call have to say."""
        return self.root / "environment.log"

    @property
    def facts(self) -> Path:
        """Shell lines with the addresses of everything that is up."""
        return self.root / "env"

    @property
    def socket(self) -> Path:
        """The socket of our own engine."""
        return self.sockets / "docker.sock"


def find() -> Places:
    """The folders for this user: `ECLUSE_ENV_DIR`, or `ecluse-env` in the user's cache folder. Creates them."""
    chosen = os.environ.get("ECLUSE_ENV_DIR")
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    root = Path(chosen) if chosen else Path(cache) / "ecluse-env"
    root = root.expanduser().absolute()
    sockets = root
    # A socket's path ends at 107 bytes, and below the engine's folder there are longer names than docker.sock.
    if len(os.fsencode(root)) > 60 or re.search(r"[^A-Za-z0-9._/-]", str(root)):
        digest = hashlib.sha256(os.fsencode(root)).hexdigest()[:8]
        sockets = Path(f"/tmp/ecluse-env-{os.getuid()}-{digest}")
    for folder in (root, sockets, root / "state"):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if folder.stat().st_uid != os.getuid():
            raise PermissionError(f"{folder} belongs to another user; set ECLUSE_ENV_DIR to a folder of your own")
    return Places(root=root, sockets=sockets)
