"""People (and robots) who use a server: added, recognised by a password, disabled."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from pipeline.errors import NotFoundError, UsageError
from pipeline.model.account import Grant, Role, User
from pipeline.operations.access.passwords import hashed, matches
from pipeline.ports.accounts import Accounts

_LOGIN = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")


def login_of(text: str) -> str:
    """A login as it is kept. UsageError for one that cannot be one."""
    login = text.strip().lower()
    if not _LOGIN.fullmatch(login):
        raise UsageError(
            f"{text[:80]!r} is no login", hint="up to 64 of a-z, 0-9 and . _ @ + -, beginning with a letter or a digit"
        )
    return login


def add_user(accounts: Accounts, login: str, *, name: str, email: str = "", password: str = "", now: datetime) -> User:
    """Somebody new; without a password they sign in elsewhere, or not at all. UsageError for a login that is taken."""
    login = login_of(login)
    kept = hashed(password, login=login) if password else ""
    user = User(login=login, name=" ".join(name.split())[:200] or login, email=email, password=kept, created=now)
    if not accounts.add_user(user):
        raise UsageError(f"there is a user '{login}' already", hint="`ecluse user list` shows them")
    return user


def set_password(accounts: Accounts, login: str, password: str) -> User:
    """A new password; whoever is signed in with the old one is not any more."""
    user = accounts.find_user(login_of(login))
    changed = replace(user, password=hashed(password, login=user.login))
    accounts.save_user(changed)
    accounts.end_sessions(login=user.login)
    return changed


def disable(accounts: Accounts, login: str, *, disabled: bool = True) -> User:
    """Nothing of theirs counts any more, from the next request on; or it does again, but for their sessions."""
    user = replace(accounts.find_user(login_of(login)), disabled=disabled)
    accounts.save_user(user)
    accounts.end_sessions(login=user.login)
    return user


def recognised(accounts: Accounts, login: str, password: str) -> User | None:
    """Whose login and password these are; it takes as long for nobody as for somebody."""
    try:
        user = accounts.find_user(login_of(login))
    except (NotFoundError, UsageError):
        user = None
    right = matches(user.password if user is not None else "", password)
    return user if user is not None and right and not user.disabled else None


def first_admin(
    accounts: Accounts, login: str, *, name: str, password: str, now: datetime, new_id: Callable[[], str]
) -> User:
    """The first person of a server, who may do everything. UsageError where there is somebody already."""
    if accounts.users():
        raise UsageError("this server has its people already", hint="ask an admin, or use `ecluse user add` there")
    user = add_user(accounts, login, name=name, password=password, now=now)
    accounts.save_grant(Grant(id=new_id(), login=user.login, role=Role.ADMIN, created=now, created_by=user.login))
    return user
