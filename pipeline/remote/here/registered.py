"""Repositories that this machine's server looks after: their settings, their secrets, their webhooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.operations.access.machine import machines_user, noted
from pipeline.ports.application import Application

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.model.incoming import DeliveryNote
    from pipeline.model.outgoing import OutboxItem
    from pipeline.model.repository import Repository
    from pipeline.operations.registering import Change, RepositoryFacts
    from pipeline.ports.vault import SecretNote


class RegisteredHere:
    """Every change is a line of the audit trail, by whoever calls the command here."""

    def __init__(self, app: Application) -> None:
        self.app = app

    def repositories(self) -> Sequence[Repository]:
        """By name."""
        return self.app.intake.repositories()

    def facts(self, name: str) -> RepositoryFacts:
        """What is known of one, and what may be seen of its secrets."""
        from pipeline.operations.registering import facts_of

        return facts_of(self.app, name)

    def messages(self, name: str, *, limit: int) -> Sequence[OutboxItem]:
        """What its forge was told, newest first."""
        return self.app.outbox.messages(repository=name, limit=limit)

    def add(
        self, name: str, change: Change, *, secret: bytes | None, token: bytes | None
    ) -> tuple[RepositoryFacts, str]:
        """Look after one more; and its webhook's secret."""
        from pipeline.operations.registering import add_repository

        made = add_repository(self.app, name, change, by=machines_user(), secret=secret, token=token)
        noted(self.app, "repository.add", name, made[0].repository.url)
        return made

    def change(self, name: str, change: Change) -> RepositoryFacts:
        """Change what is known of it."""
        from pipeline.operations.registering import change_repository

        facts = change_repository(self.app, name, change)
        noted(self.app, "repository.change", name)
        return facts

    def set_hook_secret(self, name: str, secret: bytes | None) -> str:
        """Its webhook's, a new one where none is given."""
        from pipeline.operations.registering import set_secret

        made = set_secret(self.app, name, secret, by=machines_user())
        noted(self.app, "repository.secret", name)
        return made

    def set_forge_token(self, name: str, token: bytes) -> None:
        """With which its forge is told of runs."""
        from pipeline.operations.registering import set_token

        set_token(self.app, name, token, by=machines_user())
        noted(self.app, "repository.token", name)

    def remove(self, name: str) -> None:
        """Look after it no longer."""
        from pipeline.operations.registering import remove_repository

        remove_repository(self.app, name)
        noted(self.app, "repository.remove", name)

    def secrets(self, *, repository: str) -> Sequence[SecretNote]:
        """Names of what is kept for runs and environments."""
        from pipeline.operations.access.keeping import place_of_scope

        kept = [(note, place_of_scope(note.scope)) for note in self.app.vault.notes()]
        return [note for note, place in kept if place is not None and repository in ("", place[0])]

    def set_secret(self, repository: str, environment: str, name: str, value: str) -> SecretNote:
        """A new version of one."""
        from pipeline.operations.access.keeping import keep_secret, scope_of

        scope = scope_of(self.app, repository, environment)
        kept = keep_secret(self.app, scope, name, value, by=machines_user())
        noted(self.app, "secret.set", f"{scope}:{name}", f"version {kept.version}")
        return kept

    def remove_secret(self, repository: str, environment: str, name: str) -> None:
        """Forget one."""
        from pipeline.operations.access.keeping import scope_of

        scope = scope_of(self.app, repository, environment)
        self.app.vault.remove(scope, name)
        noted(self.app, "secret.remove", f"{scope}:{name}")

    def deliveries(self, *, repository: str, limit: int) -> Sequence[DeliveryNote]:
        """Webhooks that came in, newest first."""
        from pipeline.operations.hook_deliveries import hook_deliveries

        return hook_deliveries(self.app, repository=repository, limit=limit)

    def redeliver(self, reference: str) -> DeliveryNote:
        """Look at one once more."""
        from pipeline.operations.hook_deliveries import note_of, redeliver

        made = note_of(redeliver(self.app, reference))
        noted(self.app, "hook.redeliver", made.repository, made.id)
        return made
