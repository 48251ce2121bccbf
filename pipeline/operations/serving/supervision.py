"""What a supervisor of services (systemd) is told: that we are ready, what we do, that we live, that we end."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterable, MutableMapping
from contextlib import suppress
from time import CLOCK_MONOTONIC, clock_gettime_ns
from typing import Final

SOCKET: Final = "NOTIFY_SOCKET"
_WATCHED: Final = ("WATCHDOG_USEC", "WATCHDOG_PID")
_ANEW: Final = 900
"""Seconds for which no sign of life is expected while the process begins anew."""
_MORE: Final = 120
"""Seconds that are asked for with each word while we end."""


class Supervision:
    """Datagrams to the socket of `sd_notify(3)`; nothing at all where nobody supervises. Never raises.

    The variables are taken out of the environment: no process that we start may speak for us.
    """

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        self._taken = {name: environment.pop(name) for name in (SOCKET, *_WATCHED) if name in environment}
        self._over = threading.Event()
        self._ending = False
        self._thread: threading.Thread | None = None

    @property
    def variables(self) -> dict[str, str]:
        """What was taken, for the program that takes our place."""
        return dict(self._taken)

    @property
    def every(self) -> float | None:
        """Seconds between two signs of life: half of what the supervisor waits for; None where it waits for none."""
        wanted, meant = (self._taken.get(name, "") for name in _WATCHED)
        if not wanted.isdecimal() or int(wanted) == 0 or meant not in ("", str(os.getpid())):
            return None
        return int(wanted) / 2_000_000

    def ready(self, status: str, lives: Callable[[], bool]) -> None:
        """All is up. From here on a sign of life is given for as long as `lives` says so."""
        watched = (f"WATCHDOG_USEC={self._taken['WATCHDOG_USEC']}",) if self.every else ()
        self._say("READY=1", f"STATUS={status}", *watched)
        if self._taken.get(SOCKET) and self._thread is None:
            self._thread = threading.Thread(target=self._beat, args=(lives,), name="supervision", daemon=True)
            self._thread.start()

    def reloading(self) -> None:
        """The same process begins anew, which may take longer than two signs of life lie apart: `ready` ends that."""
        watched = (f"WATCHDOG_USEC={_ANEW * 1_000_000}",) if self.every else ()
        self._say("RELOADING=1", f"MONOTONIC_USEC={clock_gettime_ns(CLOCK_MONOTONIC) // 1000}", *watched)

    def ending(self, status: str) -> None:
        """What is under way may end; that may take longer than a supervisor thinks."""
        self._ending = True
        self._say("STOPPING=1", f"STATUS={status}", f"EXTEND_TIMEOUT_USEC={_MORE * 1_000_000}")

    def close(self) -> None:
        """No sign of life any more."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _beat(self, lives: Callable[[], bool]) -> None:
        while not self._over.wait(self.every or _MORE / 4):
            if self.every and lives():
                self._say("WATCHDOG=1")
            if self._ending:
                self._say(f"EXTEND_TIMEOUT_USEC={_MORE * 1_000_000}")

    def _say(self, *lines: str) -> None:
        path = self._taken.get(SOCKET, "")
        if path[:1] not in ("/", "@"):
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as way:
            way.settimeout(1)
            way.sendto("\n".join(_lines(lines)).encode(), "\0" + path[1:] if path[0] == "@" else path)


def _lines(lines: Iterable[str]) -> Iterable[str]:
    return (line.replace("\n", " ") for line in lines)
