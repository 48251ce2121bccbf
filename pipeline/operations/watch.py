"""Waiting for a folder to change, by the kernel's own word (inotify(7))."""

from __future__ import annotations

import ctypes
import os
import select
import time
from pathlib import Path

_MODIFY, _MOVED_FROM, _CREATE, _DELETE, _DELETE_SELF = 0x2, 0x40, 0x100, 0x200, 0x400
_MASK = _MODIFY | _MOVED_FROM | _CREATE | _DELETE | _DELETE_SELF
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC
_WITHOUT = 0.25
"""Seconds to sleep where the kernel cannot tell (no such folder yet, a network file system)."""


class FolderWatch:
    """Tells when something in a folder may have changed; where the kernel cannot, it sleeps a moment instead."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.inotify_init1(_FLAGS)
        self._watching = False
        self._watch()

    def wait(self, seconds: float) -> bool:
        """Sleep until a change or until the time has passed; True when something may have changed."""
        if not self._watching:
            time.sleep(min(seconds, _WITHOUT))
            self._watch()
            return True
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        if not poll.poll(seconds * 1000):
            return False
        try:
            os.read(self._descriptor, 65536)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Give the descriptor back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _watch(self) -> None:
        if self._descriptor < 0 or not self._folder.is_dir():
            return
        added = self._libc.inotify_add_watch(self._descriptor, os.fsencode(self._folder), _MASK)
        self._watching = added >= 0
