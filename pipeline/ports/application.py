"""What the operations ask of the program: adapters, built when they are first needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pipeline.model.definition import EnvironmentDefinition
    from pipeline.model.repository import ForgeKind
    from pipeline.model.run import Run
    from pipeline.ports.accounts import Accounts
    from pipeline.ports.clock import Clock
    from pipeline.ports.concurrency import Groups
    from pipeline.ports.delivery import Delivery
    from pipeline.ports.executor import Executor
    from pipeline.ports.expressions import Expressions
    from pipeline.ports.forge import Forge
    from pipeline.ports.images import Images
    from pipeline.ports.intake import Intake
    from pipeline.ports.monitoring import Sink
    from pipeline.ports.outbox import Outbox
    from pipeline.ports.queue import Queue
    from pipeline.ports.records import Records
    from pipeline.ports.registry import Registry
    from pipeline.ports.reuse import Identify, ReuseStore
    from pipeline.ports.secrets import Secrets
    from pipeline.ports.signing import Signing
    from pipeline.ports.stage import StageKind
    from pipeline.ports.storage import Shelf, Storage
    from pipeline.ports.target import Target
    from pipeline.ports.vault import Vault
    from pipeline.ports.verification import Verifier
    from pipeline.settings import Settings


class Application(Protocol):
    """One a process. Every property may be slow the first time and is quick afterwards; safe for several threads."""

    @property
    def settings(self) -> Settings:
        """The machine's settings."""

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables of the process."""

    @property
    def clock(self) -> Clock:
        """Time."""

    @property
    def kinds(self) -> Mapping[str, StageKind]:
        """Every stage kind that is installed, by name; a kind's module is imported when it is asked for."""

    @property
    def expressions(self) -> Expressions:
        """Expressions."""

    @property
    def records(self) -> Records:
        """The database."""

    @property
    def storage(self) -> Storage:
        """Blobs."""

    @property
    def shared(self) -> Shelf | None:
        """Where several machines keep what they share; None where the settings name nothing."""

    def share(self) -> None:
        """From now on what is stored here can be read by the other machines: for the processes of a server."""

    @property
    def reuse(self) -> ReuseStore:
        """What earlier runs left for later ones."""

    @property
    def secrets(self) -> Secrets:
        """Secret values."""

    def open_vault(self, repository: str) -> None:
        """From now on `secrets` has what the vault keeps for this repository, by its name, and for its environments:
        for the process that makes one of its runs on a server."""

    @property
    def signing(self) -> Signing:
        """Signatures."""

    @property
    def groups(self) -> Groups:
        """Concurrency groups."""

    @property
    def intake(self) -> Intake:
        """Repositories that a server looks after, webhooks, schedules."""

    @property
    def queue(self) -> Queue:
        """Runs that a server was asked for."""

    @property
    def accounts(self) -> Accounts:
        """Who uses a server."""

    @property
    def vault(self) -> Vault:
        """Secrets that a server keeps."""

    @property
    def outbox(self) -> Outbox:
        """Messages of a server to forges."""

    def forge(self, kind: ForgeKind) -> Forge:
        """How a kind of forge is read and told."""

    def executor(self, name: str) -> Executor:
        """An executor by name; UsageError with the known names."""

    def identify(self, executor: str) -> Identify | None:
        """What stands behind the images' names on an executor; None for one that has no images."""

    def images(self) -> Images:
        """The engine's images."""

    def target(self, environment: EnvironmentDefinition, *, service: str) -> Target:
        """An environment's target; `service` is the pipeline's name."""

    def registry(self) -> Registry:
        """Registries, with this user's logins."""

    def verifier(self) -> Verifier:
        """Checks, asked from this machine."""

    def sinks(self, environment: EnvironmentDefinition) -> tuple[Sink, ...]:
        """An environment's supervision servers."""

    def delivery(self, run: Run, pipeline_digest: str) -> Delivery:
        """Promotions on behalf of a run."""
