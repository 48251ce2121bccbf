"""What a server remembers only for a while: everything that grows has an end."""

from __future__ import annotations

from datetime import timedelta

from pipeline.operations.log_elsewhere import forget_copies
from pipeline.ports.application import Application

LOOK_EVERY = 3600.0
"""Seconds between two looks."""


def forget_round(app: Application) -> None:
    """Forget webhooks, places in the queue, messages, sessions, lines of the audit trail and copies of logs that have
    had their time.

    Nothing goes that is still to be decided, made, told or waited for.
    """
    now, settings = app.clock.now(), app.settings
    events = now - timedelta(days=settings.keep_events_days)
    trail = now - timedelta(days=settings.keep_audit_days) if settings.keep_audit_days else None
    app.intake.forget_deliveries(before=events, keys_before=trail)
    app.queue.forget(before=events)
    app.outbox.forget(before=events)
    app.accounts.end_sessions(before=now)
    if trail is not None:
        app.accounts.forget_audit(before=trail)
    forget_copies(app)
