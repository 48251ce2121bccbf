"""A real server of an installation, in a thread of the test's own process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import uvicorn
from playwright.sync_api import Page

from pipeline.bootstrap import Application
from pipeline.model.account import Grant, Role
from pipeline.operations.access.people import add_user
from pipeline.operations.access.sessions import open_session
from pipeline.web.access.cookies import SESSION
from pipeline.web.app import build


@dataclass(frozen=True, kw_only=True)
class Served:
    """A server that answers at `url`."""

    url: str
    app: Application
    runs: Any = None


def serve(app: Application) -> Iterator[str]:
    """In a thread of this process, at a port that is free."""
    built = build(app)
    config = uvicorn.Config(built, host="127.0.0.1", port=0, log_level="warning", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
        assert thread.is_alive(), "the server did not start"
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(20)


@dataclass
class Visit:
    """A page, and what went wrong while somebody looked at it."""

    page: Page
    errors: list[str]
    strangers: list[str]
    """Requests to any other host."""


def cookie_of(served: Served, login: str = "anna", role: Role = Role.ADMIN) -> dict[str, str]:
    """The session of somebody with this role everywhere, as a browser keeps it."""
    accounts, now = served.app.accounts, served.app.clock.now()
    if login not in {user.login for user in accounts.users()}:
        add_user(accounts, login, name=login.title(), now=now)
        accounts.save_grant(Grant(id=f"{login}-{role}", login=login, role=role, created=now, created_by=login))
    opened = open_session(accounts, login, now=now, address="127.0.0.1", agent="test")
    return {"name": SESSION, "value": opened.secret, "url": served.url}
