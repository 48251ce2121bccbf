"""Repositories that a server looks after, by its API: their settings, their secrets, their webhooks."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.errors import NotFoundError, UsageError
from pipeline.remote.connection import Connection, segment
from pipeline.remote.servers import KnownServer

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.model.incoming import DeliveryNote
    from pipeline.model.outgoing import OutboxItem
    from pipeline.model.repository import Repository
    from pipeline.operations.registering import Change, RepositoryFacts
    from pipeline.ports.vault import SecretNote


class RegisteredThere:
    """The same questions as of `RegisteredHere`; the server writes its own audit trail."""

    def __init__(self, server: KnownServer) -> None:
        self.connection = Connection(server)

    def repositories(self) -> Sequence[Repository]:
        """Those that we may see, by name."""
        from pipeline.model.repository import Repository

        return self.connection.nouns(Repository, "repositories")

    def facts(self, name: str) -> RepositoryFacts:
        """What is known of one, and what may be seen of its secrets."""
        from pipeline.operations.registering import RepositoryFacts

        return self.connection.noun(RepositoryFacts, f"{_path(name)}/settings")

    def messages(self, name: str, *, limit: int) -> Sequence[OutboxItem]:
        """What its forge was told, newest first."""
        from pipeline.model.outgoing import OutboxItem

        return self.connection.pages(OutboxItem, f"{_path(name)}/messages", {}, limit=limit)

    def add(
        self, name: str, change: Change, *, secret: bytes | None, token: bytes | None
    ) -> tuple[RepositoryFacts, str]:
        """Look after one more; and its webhook's secret."""
        from pipeline.operations.registering import RepositoryFacts

        words = {"secret": _text(secret), "token": _text(token)}
        made = self.connection.send("POST", "repositories", {"name": name, **_said(change), **words})
        return self.connection.built(RepositoryFacts, _without(made, "secret_value")), str(made["secret_value"])

    def change(self, name: str, change: Change) -> RepositoryFacts:
        """Change what is known of it."""
        from pipeline.operations.registering import RepositoryFacts

        return self.connection.built(RepositoryFacts, self.connection.send("PATCH", _path(name), _said(change)))

    def set_hook_secret(self, name: str, secret: bytes | None) -> str:
        """Its webhook's, a new one where none is given."""
        made = self.connection.send("POST", f"{_path(name)}/hook-secret", {"secret": _text(secret)})
        return str(made["secret_value"])

    def set_forge_token(self, name: str, token: bytes) -> None:
        """With which its forge is told of runs."""
        self.connection.send("PUT", f"{_path(name)}/forge-token", {"token": _text(token)})

    def remove(self, name: str) -> None:
        """Look after it no longer."""
        self.connection.send("DELETE", _path(name))

    def secrets(self, *, repository: str) -> Sequence[SecretNote]:
        """Names of what is kept for runs and environments, of those that we look after."""
        from pipeline.ports.vault import SecretNote

        return self.connection.nouns(SecretNote, "secrets", {"repository": repository or None})

    def set_secret(self, repository: str, environment: str, name: str, value: str) -> SecretNote:
        """A new version of one."""
        from pipeline.ports.vault import SecretNote

        kept = self.connection.send("PUT", _secret(repository, environment, name), {"value": value})
        return self.connection.built(SecretNote, kept)

    def remove_secret(self, repository: str, environment: str, name: str) -> None:
        """Forget one."""
        self.connection.send("DELETE", _secret(repository, environment, name))

    def deliveries(self, *, repository: str, limit: int) -> Sequence[DeliveryNote]:
        """Webhooks that came in, newest first."""
        from pipeline.model.incoming import DeliveryNote

        path = f"{_path(repository)}/deliveries" if repository else "deliveries"
        return self.connection.pages(DeliveryNote, path, {}, limit=limit)

    def redeliver(self, reference: str) -> DeliveryNote:
        """Look at one once more, of whichever repository it is."""
        from pipeline.model.incoming import DeliveryNote

        found = self.connection.noun(DeliveryNote, f"deliveries/{segment(reference)}")
        path = f"{_path(found.repository)}/deliveries/{segment(found.id)}/redeliver"
        made = self.connection.send("POST", path, {}, key=os.urandom(16).hex())
        return self.connection.built(DeliveryNote, made)


def _path(name: str) -> str:
    owner, slash, rest = name.partition("/")
    if not slash:
        raise NotFoundError(f"the server looks after no repository '{name}'", hint="a name is OWNER/NAME")
    return f"repositories/{segment(owner)}/{segment(rest)}"


def _secret(repository: str, environment: str, name: str) -> str:
    there = f"/environments/{segment(environment)}" if environment else ""
    return f"{_path(repository)}{there}/secrets/{segment(name)}"


def _said(change: Change) -> dict[str, object]:
    """What is to be different, without what stays."""
    from dataclasses import asdict

    return {name: value for name, value in asdict(change).items() if value is not None}


def _text(word: bytes | None) -> str | None:
    try:
        return None if word is None else word.decode("ascii")
    except UnicodeDecodeError as error:
        raise UsageError("a secret and a token are visible characters of ASCII", hint="copy it again") from error


def _without(value: Mapping[str, object], name: str) -> dict[str, object]:
    return {key: item for key, item in value.items() if key != name}
