"""Where a watched run is written to: it may break, and the run goes on."""

from __future__ import annotations

import errno
import sys
from typing import BinaryIO


class Outlet:
    """Writes whole blocks at once. When nobody reads any more it falls silent; any other trouble it says once."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._silent = False

    def write(self, block: bytes) -> None:
        """Write and flush; never raises OSError."""
        if self._silent:
            return
        try:
            self._out.write(block)
            self._out.flush()
        except (OSError, ValueError) as error:
            self._silent = True
            if isinstance(error, OSError) and error.errno not in (errno.EPIPE, errno.EIO):
                self._say(error)

    def _say(self, error: OSError) -> None:
        try:
            sys.stderr.write(
                f"warning: standard output cannot be written: {error.strerror}\n"
                "  the run goes on; its logs are kept, see `ecluse logs`\n"
            )
        except OSError:
            return  # there is nobody left to tell
