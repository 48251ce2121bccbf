"""A server's application over a home of its own, and browsers and programs that ask it: no socket, all else real."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response
from prepared import prepared_records

from pipeline.bootstrap import Application
from pipeline.model.account import Grant, Role
from pipeline.model.ulid import ulid
from pipeline.operations.access.people import add_user
from pipeline.operations.access.tokens import make_token
from pipeline.web.app import build

PASSWORD = "seven grey herons wade"
START = datetime(2026, 11, 27, 9, 0, tzinfo=UTC)
ORIGIN = "http://ecluse.example.org"


@dataclass
class Time:
    """A clock that goes when it is told to."""

    moment: datetime = START

    def now(self) -> datetime:
        """The time that it is."""
        return self.moment

    def monotonic(self) -> float:
        """Seconds since the start."""
        return (self.moment - START).total_seconds()

    def pass_by(self, **parts: float) -> None:
        """Let it pass."""
        self.moment += timedelta(**parts)


@dataclass(kw_only=True)
class Served:
    """A server and its people."""

    app: Application
    web: FastAPI
    time: Time
    clients: list[TestClient] = field(default_factory=list)

    def person(self, login: str, *grants: tuple[Role, str, str], password: str = PASSWORD) -> str:
        """Somebody with a password and grants; their login."""
        add_user(self.app.accounts, login, name=login.title(), password=password, now=self.time.now())
        for role, repository, environment in grants:
            self.grant(login, role, repository, environment)
        return login

    def grant(self, login: str, role: Role, repository: str = "*", environment: str = "*") -> Grant:
        """One more role for somebody."""
        grant = Grant(
            id=self.new_id(),
            login=login,
            role=role,
            repository=repository,
            environment=environment,
            created=self.time.now(),
            created_by="test",
        )
        self.app.accounts.save_grant(grant)
        return grant

    def token(self, login: str, *, role: Role = Role.ADMIN, repository: str = "*", environment: str = "*") -> str:
        """A token of somebody, good for a day."""
        made = make_token(
            self.app.accounts,
            login,
            id=self.new_id(),
            name="test",
            role=role,
            repository=repository,
            environment=environment,
            now=self.time.now(),
            expires=self.time.now() + timedelta(days=1),
        )
        return made.secret

    def new_id(self) -> str:
        """An id that sorts by time."""
        return ulid(self.time.now(), os.urandom(10))

    def client(self, *, token: str = "", address: str = "192.0.2.7", origin: str = ORIGIN) -> TestClient:
        """A browser without cookies, or a program with its token."""
        headers = {"Authorization": f"Bearer {token}"} if token else {"Accept": "text/html"}
        made = TestClient(
            self.web,
            base_url=origin,
            headers=headers,
            client=(address, 50000),
            follow_redirects=False,
            raise_server_exceptions=False,
        )
        self.clients.append(made)
        return made

    def signed_in(self, login: str, *, password: str = PASSWORD, address: str = "192.0.2.7") -> TestClient:
        """A browser in which somebody has signed in."""
        browser = self.client(address=address)
        answer = sign_in(browser, login, password)
        assert answer.status_code == 303, answer.text
        return browser

    def audit(self, **which: str) -> list[tuple[str, str, bool]]:
        """Who, what, and whether it was allowed; oldest first."""
        lines = self.app.accounts.audit(**which, limit=1000)
        return [(line.login, line.action, line.allowed) for line in reversed(lines)]


def csrf_of(page: Response) -> str:
    """The token of the first form of a page."""
    found = re.search(r'name="csrf" value="([^"]*)"', page.text)
    assert found, page.text
    return found[1]


def sign_in(browser: TestClient, login: str, password: str = PASSWORD, **fields: str) -> Response:
    """What the form answers."""
    form = browser.get("/login")
    return browser.post("/login", data={"csrf": csrf_of(form), "login": login, "password": password, **fields})


@contextmanager
def serve(home: Path, **settings: str) -> Iterator[Served]:
    """A server over a fresh SQLite under `home`; `settings` as variables (`public_url=…`)."""
    prepared_records(home)
    variables: Mapping[str, str] = {
        "ECLUSE_HOME": str(home),
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        **{f"ECLUSE_{name.upper()}": value for name, value in settings.items()},
    }
    app = Application(variables)
    time = Time()
    app.clock = time
    served = Served(app=app, web=build(app), time=time)
    try:
        yield served
    finally:
        for client in served.clients:
            client.close()
        app._records.close()
