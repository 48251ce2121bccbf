"""How a container's end reads as an outcome."""

from __future__ import annotations

from pipeline.model.container import Exit
from pipeline.model.duration import spell_size
from pipeline.model.outcome import Outcome, cancelled, failed, succeeded, timed_out
from pipeline.ports.stage import StageContext

_HINTS = {
    126: "126 means: found, but not executable; check its mode",
    127: "127 means: command not found; is it in the image?",
    137: "137 means: killed (SIGKILL)",
    139: "139 means: segmentation fault",
}


def exit_outcome(ended: Exit, context: StageContext) -> Outcome:
    """Cancelled and timed out come before the code, which is only what the signal left."""
    if ended.cancelled:
        reason = context.cancel.reason
        return timed_out(reason) if context.cancel.timed_out else cancelled(reason)
    if ended.out_of_memory:
        limit = context.stage.resources.memory or context.settings.memory
        size = f" ({spell_size(limit)})" if limit else ""
        return failed(f"out of memory{size}", hint="raise resources.memory, or use less")
    if ended.code:
        return failed(f"exit {ended.code}", hint=_HINTS.get(ended.code, ""))
    return succeeded()
