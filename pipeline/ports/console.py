"""Where a person (or a script) sits who looks into a container."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from pipeline.model.container import Stream


class Console(Protocol):
    """Standard input and output of the command, as bytes. `read` and `write` are called from two threads."""

    @property
    def interactive(self) -> bool:
        """Whether both are a terminal."""

    def size(self) -> tuple[int, int]:
        """Rows and columns of the terminal."""

    def raw(self, resized: Callable[[], None]) -> AbstractContextManager[None]:
        """While inside, every key goes through as it is; `resized` is called when the terminal changed its size.
        Nothing happens where it is not interactive."""

    def read(self) -> bytes:
        """What was typed; waits for it. Nothing at the end of the input."""

    def write(self, stream: Stream, chunk: bytes) -> None:
        """Show it."""
