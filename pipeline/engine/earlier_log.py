"""What a process that was killed had noted in the log of an attempt before its first container started."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


class EarlierLog:
    """Beside `unit.1.log`, `unit.1.begun` says how long the log was when its first container started, and, while an
    attempt is taken up, `unit.1.earlier` keeps what stood before: it survives a second kill."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._begun = log.with_suffix(".begun")
        self._kept = log.with_suffix(".earlier")

    def take(self) -> bytes:
        """Whole lines with their times; to be called before the log is opened for writing."""
        try:
            if not self._kept.exists():
                draft = self._log.with_suffix(".draft")
                draft.write_bytes(self._lead())
                draft.replace(self._kept)
            self._begun.unlink(missing_ok=True)
            return self._kept.read_bytes()
        except OSError:
            return b""

    def begin(self, size: int) -> None:
        """The first container is about to be started: what the log holds now came before it."""
        with suppress(OSError):
            self._begun.write_text(str(size))
            self._kept.unlink(missing_ok=True)

    def forget(self) -> None:
        """The attempt is over."""
        for path in (self._begun, self._kept):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _lead(self) -> bytes:
        try:
            size = int(self._begun.read_text())
            with self._log.open("rb") as file:
                lead = file.read(size)
        except (OSError, ValueError):
            return b""
        return lead[: lead.rfind(b"\n") + 1]
