"""Changes made on the server's machine by its command: by whom, and their line in the audit trail."""

from __future__ import annotations

import getpass
import os
import socket

from pipeline.model.ulid import ulid
from pipeline.ports.application import Application


def machines_user() -> str:
    """Whoever calls the command here: not a login of the server, and written so that it cannot be one."""
    return f"{getpass.getuser()} on {socket.gethostname()}"


def noted(app: Application, action: str, subject: str, detail: str = "") -> None:
    """A line of the audit trail."""
    app.accounts.note_audit(
        time=app.clock.now(),
        login=machines_user(),
        action=action,
        subject=subject,
        allowed=True,
        detail=detail,
        address="command",
    )


def new_id(app: Application) -> str:
    """An id that sorts by time."""
    return ulid(app.clock.now(), os.urandom(10))
