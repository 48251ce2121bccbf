"""The only file that builds adapters from settings."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from importlib import import_module
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from pipeline.errors import UsageError
from pipeline.executors import EXECUTORS, SHELVED
from pipeline.hosts import GRACE, host_of
from pipeline.settings import Settings, load_settings, make_home

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
    from pipeline.records.sql import SqlRecords
    from pipeline.storage.objects import Objects
    from pipeline.storage.shared import Link

KIND_GROUP = "ecluse.stages"
_STORE_AGAIN = 30.0
"""Seconds after which the processes of a server ask a shared store again that failed."""


class SystemClock:
    """The machine's time."""

    def now(self) -> datetime:
        """UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return monotonic()


class Application:
    """Builds each adapter once, when it is first asked for."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self.environment: Mapping[str, str] = dict(os.environ) if environment is None else environment
        self.clock: Clock = SystemClock()
        self._lock = threading.RLock()
        self._executors: dict[str, Executor] = {}
        self._served = ""
        self._forges: dict[str, Forge] = {}

    @cached_property
    def settings(self) -> Settings:
        """From the settings file and `ECLUSE_…` variables."""
        return load_settings(self.environment, grace=GRACE if host_of(self.environment) else None)

    @cached_property
    def kinds(self) -> Mapping[str, StageKind]:
        """From the entry-point group `ecluse.stages`."""
        return Kinds(_kind_references(self.settings.home))

    @cached_property
    def expressions(self) -> Expressions:
        """CEL; it sees of the host's variables only those that the settings list."""
        from pipeline.expressions.cel import CelExpressions

        listed = {
            name: self.environment[name] for name in self.settings.expression_variables if name in self.environment
        }
        return CelExpressions(listed)

    @property
    def records(self) -> Records:
        """SQLite under the home unless `database` names another."""
        with self._lock:
            return self._records

    @cached_property
    def _records(self) -> SqlRecords:
        from pipeline.records.address import address_of
        from pipeline.records.sql import SqlRecords

        return SqlRecords(address_of(self.settings))

    @cached_property
    def intake(self) -> Intake:
        """Beside the records."""
        from pipeline.records.server.intake import SqlIntake

        return SqlIntake(self._records.database)

    @cached_property
    def queue(self) -> Queue:
        """Beside the records."""
        from pipeline.model.work import WorkLimits
        from pipeline.records.server.queue import SqlQueue

        limits = WorkLimits(
            repository=self.settings.limit_repository,
            deliveries=self.settings.limit_deliveries,
            builds=self.settings.limit_builds,
            scheduled=self.settings.limit_scheduled,
        )
        return SqlQueue(self._records.database, limits=limits)

    @cached_property
    def accounts(self) -> Accounts:
        """Beside the records."""
        from pipeline.records.server.accounts import SqlAccounts

        return SqlAccounts(self._records.database)

    @cached_property
    def vault(self) -> Vault:
        """Beside the records; its key is a file."""
        from pipeline.records.server.vault import SqlVault

        named = self.settings.secrets_key
        key = Path(named).expanduser() if named else self.settings.home / "secrets.key"
        return SqlVault(self._records.database, key, now=self.clock.now)

    @cached_property
    def outbox(self) -> Outbox:
        """Beside the records."""
        from pipeline.records.server.outbox import SqlOutbox

        return SqlOutbox(self._records.database)

    @cached_property
    def storage(self) -> Storage:
        """A directory under the home; with a shared store, what is missing there is fetched from it."""
        from pipeline.storage.directory import DirectoryStorage

        own = DirectoryStorage(self.settings.home / "storage")
        if self._link is None:
            return own
        from pipeline.storage.shared import SharedStorage

        return SharedStorage(own, self._link)

    @cached_property
    def reuse(self) -> ReuseStore:
        """Files under the home, with the shared store behind them where the settings name one."""
        from pipeline.storage.objects import FolderObjects
        from pipeline.storage.reuse import ObjectReuse

        own = ObjectReuse(FolderObjects(self.settings.home / "reuse"), self.storage)
        if self._link is None:
            return own
        from pipeline.storage.shared import SharedReuse

        return SharedReuse(own, self._link, self.storage)

    @cached_property
    def _link(self) -> Link | None:
        """The way to the shared store."""
        if not self.settings.store:
            return None
        from pipeline.storage.shared import Link

        return Link(self._objects(self.settings.store), self.clock.monotonic)

    @cached_property
    def shared(self) -> Shelf | None:
        """The shared store, past the link: whoever uses it hears of its failures."""
        return self._objects(self.settings.store) if self.settings.store else None

    def share(self) -> None:
        """Send what is stored here to the shared store too, and ask a store that failed again after a while."""
        if self._link is not None:
            self._link.sends, self._link.again = True, _STORE_AGAIN

    @cached_property
    def _shelf(self) -> Shelf:
        """Where layers go between machines: the shared store where there is one, else a folder under the home."""
        return self._objects(self.settings.store or str(self.settings.home / "shelf"))

    def _objects(self, store: str) -> Objects:
        if "://" in store:
            from pipeline.storage.s3 import Place, S3Objects

            return S3Objects(Place.parse(store), self.environment)
        from pipeline.storage.objects import FolderObjects

        return FolderObjects(Path(store).expanduser())

    @cached_property
    def secrets(self) -> Secrets:
        """The vault's, once `open_vault` said whose; variables; files."""
        from pipeline.secrets.provided import provided_secrets
        from pipeline.secrets.vault import VaultProvider

        vault = VaultProvider(lambda: self.vault, self._served) if self._served else None
        return provided_secrets(self.settings.home, self.environment, vault=vault)

    def open_vault(self, repository: str) -> None:
        """Let the vault's secrets of this repository count."""
        self._served = repository
        self.__dict__.pop("secrets", None)

    @cached_property
    def signing(self) -> Signing:
        """DSSE; its libraries are imported when something is signed or checked."""
        from pipeline.signing.dsse import DsseSigning

        return DsseSigning()

    @cached_property
    def groups(self) -> Groups:
        """Tickets under the home; places in the database where several machines share one."""
        if self.settings.database and not self.settings.database.startswith("sqlite"):
            from pipeline.records.server.groups import SqlGroups

            return SqlGroups(self._records.database, lease=self.settings.lease)
        from pipeline.storage.groups import FileGroups

        return FileGroups(self.settings.home / "groups")

    def forge(self, kind: ForgeKind) -> Forge:
        """A forge's adapter."""
        from pipeline.forges import FORGES

        with self._lock:
            if kind not in self._forges:
                self._forges[kind] = _load(FORGES[kind])(self.settings)
            return self._forges[kind]

    def executor(self, name: str) -> Executor:
        """An executor by name."""
        if name not in EXECUTORS:
            raise UsageError(f"there is no executor '{name}'", hint="known: " + ", ".join(EXECUTORS))
        with self._lock:
            if name not in self._executors:
                more = (self._shelf,) if name in SHELVED else ()
                self._executors[name] = _load(EXECUTORS[name])(self.settings, *more)
            return self._executors[name]

    def identify(self, executor: str) -> Identify | None:
        """Those of the Docker Engine."""
        if executor != "docker":
            return None
        from pipeline.executors.docker.identity import DockerIdentity

        return DockerIdentity(self.settings)

    def images(self) -> Images:
        """The Docker Engine's image store."""
        with self._lock:
            return self._images

    @cached_property
    def _images(self) -> Images:
        from pipeline.executors.docker.images import DockerImages

        return DockerImages(self.settings)

    def target(self, environment: EnvironmentDefinition, *, service: str) -> Target:
        """An environment's target; `service` is the pipeline's name."""
        from pipeline.targets import TARGETS

        if environment.target_kind not in TARGETS:
            raise UsageError(
                f"environment '{environment.name}': there is no target '{environment.target_kind}'",
                hint="known: " + ", ".join(TARGETS),
            )
        target: Target = _load(TARGETS[environment.target_kind])(environment, self.settings, service=service)
        return target

    def registry(self) -> Registry:
        """Registries, with this user's logins."""
        from pipeline.registries.registry import OciRegistry

        return OciRegistry(self.settings)

    def verifier(self) -> Verifier:
        """Checks, asked from this machine."""
        from pipeline.verification.verifier import ProbingVerifier

        return ProbingVerifier(self.settings, clock=self.clock)

    def sinks(self, environment: EnvironmentDefinition) -> tuple[Sink, ...]:
        """An environment's supervision servers."""
        from pipeline.monitoring import build_sinks

        return build_sinks(environment.supervision, secrets=self.secrets)

    def delivery(self, run: Run, pipeline_digest: str) -> Delivery:
        """Promotions on behalf of a run."""
        from pipeline.operations.run_delivery import run_delivery

        return run_delivery(self, run, pipeline_digest)


class Kinds(Mapping[str, "StageKind"]):
    """Stage kinds by name, each imported when it is asked for."""

    def __init__(self, references: Mapping[str, str]) -> None:
        self._references = references
        self._loaded: dict[str, StageKind] = {}

    def __getitem__(self, name: str) -> StageKind:
        if name not in self._loaded:
            self._loaded[name] = _load(self._references[name])
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self._references

    def __iter__(self) -> Iterator[str]:
        return iter(self._references)

    def __len__(self) -> int:
        return len(self._references)


def _load(reference: str) -> Any:
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)


def _kind_references(home: Path) -> Mapping[str, str]:
    """Kind name to `module:object` of every installed package.

    Asking importlib.metadata takes 30 ms, so the answer is kept for as long as no folder of sys.path changes.
    """
    folders = [folder for folder in sys.path if folder and Path(folder).is_dir()]
    state = [[folder, Path(folder).stat().st_mtime_ns] for folder in folders]
    path = home / "cache" / "kinds.json"
    try:
        known = json.loads(path.read_text())
        if known["state"] == state:
            return dict(known["kinds"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    found = _find_kinds()
    try:
        make_home(home)
        path.parent.mkdir(exist_ok=True, mode=0o700)
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps({"state": state, "kinds": found}))
        draft.replace(path)
    except OSError:
        pass  # a home that cannot be written is said by whatever has to write there
    return found


def _find_kinds() -> dict[str, str]:
    from importlib.metadata import entry_points

    found: dict[str, str] = {}
    for entry in sorted(entry_points(group=KIND_GROUP), key=lambda entry: entry.name != "builtin"):
        for name, reference in entry.load().items():
            if name in found:
                raise UsageError(
                    f"two packages bring a stage kind '{name}': {found[name]} and {reference}",
                    hint="uninstall one of them",
                )
            found[name] = reference
    return found
