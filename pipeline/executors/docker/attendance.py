"""Who attends a container: where its output goes, who may stop it, what it is fed, and who looks into it."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.ports.cancellation import Cancellation
from pipeline.ports.executor import Output, Visitor


@dataclass(frozen=True, kw_only=True, slots=True)
class Attendance:
    """The arguments of `Session.execute` beside the specification."""

    output: Output
    cancel: Cancellation
    stdin: bytes = b""
    visitor: Visitor | None = None
