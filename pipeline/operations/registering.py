"""Repositories that the server looks after: taken in, changed, forgotten; their secrets are made here and kept."""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass, replace

from pipeline.errors import NotFoundError, RefusedError, UsageError
from pipeline.model.forge_address import api_of, guessed_forge, wrong_api, wrong_name, wrong_url
from pipeline.model.repository import ForgeKind, Repository
from pipeline.operations.repository_files import safe_path
from pipeline.operations.serving.mirror import checked_ref
from pipeline.ports.application import Application
from pipeline.ports.vault import SecretNote, environment_scope, repository_scope

SECRET = "secret"  # noqa: S105  # its name in the vault, scope `hook:<repository>`
TOKEN = "token"  # noqa: S105  # its name in the vault, scope `forge:<repository>`
_SHORTEST = 16
_LONGEST = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What is to be different; None leaves it as it is."""

    url: str | None = None
    forge: ForgeKind | None = None
    api: str | None = None
    default_branch: str | None = None
    file: str | None = None
    active: bool | None = None
    forks: bool | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RepositoryFacts:
    """A repository and what may be seen of its secrets."""

    repository: Repository
    hook_url: str
    api: str
    """Where its forge is told of runs; "" = nowhere."""
    secret: SecretNote | None
    token: SecretNote | None


def add_repository(
    app: Application,
    name: str,
    change: Change,
    *,
    by: str,
    secret: bytes | None = None,
    token: bytes | None = None,
) -> tuple[RepositoryFacts, str]:
    """Take a repository in; and its webhook's secret, which is shown this once. RefusedError where it is known."""
    _check_words(secret, token)
    _check(wrong_name(name), f"'{name}' cannot be a repository's name")
    with suppress(NotFoundError):
        app.intake.find_repository(name)
        raise RefusedError(
            f"the server looks after '{name}' already", hint=f"`ecluse repository set {name}` changes it"
        )
    url = change.url or ""
    blank = Repository(name=name, url=url, forge=guessed_forge(url), created=app.clock.now())
    app.intake.save_repository(_changed(blank, change))
    made = set_secret(app, name, secret, by=by)
    if token is not None:
        set_token(app, name, token, by=by)
    return facts_of(app, name), made


def change_repository(app: Application, name: str, change: Change) -> RepositoryFacts:
    """Change what is known of it."""
    known = app.intake.find_repository(name)
    new = _changed(known, change)
    if new != known:
        app.intake.save_repository(new)
    return facts_of(app, name)


def remove_repository(app: Application, name: str) -> None:
    """Forget it and its secrets; runs and releases stay."""
    app.intake.remove_repository(name)
    whole = (f"hook:{name}", f"forge:{name}", repository_scope(name))
    for note in app.vault.notes():
        if note.scope in whole or note.scope.startswith(environment_scope(name, "")):
            app.vault.remove(note.scope, note.name)


def set_secret(app: Application, name: str, secret: bytes | None, *, by: str) -> str:
    """Set the webhook's secret, a new one where none is given; the one before counts no longer."""
    app.intake.find_repository(name)
    chosen = secret if secret is not None else secrets.token_hex(32).encode()
    _check_words(chosen, None)
    app.vault.put(f"hook:{name}", SECRET, chosen, by=by)
    return chosen.decode()


def set_token(app: Application, name: str, token: bytes, *, by: str) -> None:
    """Set the forge's token, with which runs are told there."""
    app.intake.find_repository(name)
    _check_words(None, token)
    app.vault.put(f"forge:{name}", TOKEN, token, by=by)


def facts_of(app: Application, name: str) -> RepositoryFacts:
    """What is known of it. NotFoundError for an unknown one."""
    repository = app.intake.find_repository(name)
    return RepositoryFacts(
        repository=repository,
        hook_url=f"{public_url(app)}/hooks/{name}",
        api=api_of(repository.forge, repository.url, repository.api),
        secret=next((note for note in app.vault.notes(scope=f"hook:{name}") if note.name == SECRET), None),
        token=next((note for note in app.vault.notes(scope=f"forge:{name}") if note.name == TOKEN), None),
    )


def public_url(app: Application) -> str:
    """How people and forges reach the server."""
    return (app.settings.public_url or f"http://{app.settings.listen}").rstrip("/")


def _changed(known: Repository, change: Change) -> Repository:
    new = replace(
        known,
        url=known.url if change.url is None else change.url,
        forge=known.forge if change.forge is None else change.forge,
        api=known.api if change.api is None else change.api.rstrip("/"),
        default_branch=known.default_branch if change.default_branch is None else change.default_branch,
        file=known.file if change.file is None else change.file,
        active=known.active if change.active is None else change.active,
        forks=known.forks if change.forks is None else change.forks,
    )
    if new.file != known.file:
        new = replace(new, file=safe_path(new.file))
    if new.default_branch != known.default_branch:
        checked_ref(new.default_branch)
    _check(wrong_url(new.url), f"'{new.url}' cannot be a repository's address")
    if new.api:
        _check(wrong_api(new.api), f"'{new.api}' cannot be the address of a forge's API")
    return new


def _check(why: str, what: str) -> None:
    if why:
        raise UsageError(f"{what}: {why}", hint="`ecluse repository add --help` shows examples")


def _check_words(secret: bytes | None, token: bytes | None) -> None:
    if secret is not None and not (_SHORTEST <= len(secret) <= _LONGEST and _visible(secret)):
        raise UsageError(
            f"a webhook's secret has {_SHORTEST} to {_LONGEST} visible characters of ASCII",
            hint="leave it out, and a good one is made",
        )
    if token is not None and not (0 < len(token) <= _LONGEST and _visible(token)):
        raise UsageError("a forge's token is a line of visible characters of ASCII", hint="copy it again")


def _visible(word: bytes) -> bool:
    return all(33 <= byte < 127 for byte in word)
