"""Every error that may reach a user: what happened, where, what to do next, and the exit code it ends with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import ClassVar

from pipeline.diagnostic import Diagnostic


class ExitCode(IntEnum):
    """What the command's exit status tells a calling job; the same table is in `--help` and the README."""

    SUCCEEDED = 0
    """succeeded, warned or parked"""
    FAILED = 1
    """a stage failed or timed out"""
    USAGE = 2
    """the pipeline file or the command line is wrong"""
    ERRORED = 3
    """the engine, the network or the disk stood in the way"""
    REFUSED = 4
    """refused by a gate or a permission"""
    ROLLED_BACK = 5
    """a deployment was rolled back"""
    CANCELLED = 130
    """cancelled or interrupted"""


class EcluseError(Exception):
    """The root of the family.

    `message` says what and where in one line; `hint` says what to do next; `transient` says whether the same
    call may go through later without anybody changing anything.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.ERRORED
    transient: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(EcluseError):
    """The command was called in a way that cannot work (unknown run, no repository, wrong option)."""

    exit_code = ExitCode.USAGE


class SettingsError(UsageError):
    """The machine's settings file or an `ECLUSE_…` variable is wrong."""


class NotFoundError(UsageError):
    """A run, stage, environment, release or artifact of that name does not exist."""


class DefinitionError(EcluseError):
    """The pipeline file is wrong; carries every problem found in one pass."""

    exit_code = ExitCode.USAGE

    def __init__(self, message: str, *, diagnostics: Sequence[Diagnostic] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.diagnostics = tuple(diagnostics)
        self.sources: Mapping[str, bytes] = {}
        """The text of each file that a diagnostic names, where whoever read it had it at hand."""


class SourceError(EcluseError):
    """The source cannot be had: not a repository, unknown revision, a submodule or LFS file is missing."""

    exit_code = ExitCode.USAGE


class SourceUnreachableError(SourceError):
    """The server that holds the source does not answer; may pass."""

    exit_code = ExitCode.ERRORED
    transient = True


class EngineUnreachableError(EcluseError):
    """No container engine answers."""

    transient = True


class EngineError(EcluseError):
    """The container engine refused or broke a request."""


class HostRestartedError(EngineError):
    """A container was under way when the engine's host restarted: what became of its work is not known. It is gone
    now, and its stage can be run again if that does no harm."""


class NodeLostError(HostRestartedError):
    """The node of a cluster on which a stage ran is out of reach, or has taken the stage's place away: what becomes of
    it there counts no more."""


class EngineBusyError(EngineError):
    """The engine failed in a way that may pass (5xx, dropped connection, timeout)."""

    transient = True


class ImageNotFoundError(EcluseError):
    """An image is neither on the engine nor in its registry."""


class ServiceNotReadyError(EcluseError):
    """A service of a stage did not become ready in its time."""


class DiskFullError(EcluseError):
    """No space is left where Écluse or the engine has to write."""


class RegistryError(EcluseError):
    """The registry refused: unknown repository, denied, bad manifest."""


class RegistryBusyError(RegistryError):
    """The registry did not answer or answered 5xx; may pass."""

    transient = True


class StorageError(EcluseError):
    """A log, an artifact or a cache could not be read or written."""


class RecordsError(EcluseError):
    """The database could not be read or written."""


class TargetError(EcluseError):
    """An environment's target could not be observed or changed."""


class LeaseLostError(EcluseError):
    """Somebody else holds the lease now: what we were about to write must not be written."""


class MonitoringError(EcluseError):
    """A supervision server did not take a result; never fails a stage, always said."""

    transient = True


class ForgeError(EcluseError):
    """A forge (GitHub, GitLab, …) could not be reached or asked us to come later; `later` = in so many seconds."""

    transient = True

    def __init__(self, message: str, *, hint: str = "", later: float = 0.0) -> None:
        super().__init__(message, hint=hint)
        self.later = later


class ForgeRefusedError(ForgeError):
    """A forge said no, and would say so again."""

    transient = False


class RefusedError(EcluseError):
    """A gate or a missing permission said no."""

    exit_code = ExitCode.REFUSED


class SigningError(UsageError):
    """A key cannot be used or made: it is missing, readable by others, or of another kind."""


class SignatureError(RefusedError):
    """A signature proves nothing: it is broken, of something else, or of nobody who is known."""


class ParkedError(EcluseError):
    """A stage has to wait for a person or a gate: it holds nothing while it does, and goes on later.

    `promotion` is the id of the one that waits, "" where none does.
    """

    exit_code = ExitCode.SUCCEEDED

    def __init__(self, message: str, *, hint: str = "", promotion: str = "") -> None:
        super().__init__(message, hint=hint)
        self.promotion = promotion


class NotStartedError(EcluseError):
    """The event is none of those that the pipeline file lets start a run; nothing was begun, and nothing is wrong."""

    exit_code = ExitCode.SUCCEEDED

    def __init__(self, message: str, *, trigger: str, conditions: object = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.trigger = trigger
        """The key of `triggers` that was asked."""
        self.conditions = conditions
        """What it was judged by, each with the value it saw."""


class SecretError(EcluseError):
    """A secret that a stage asks for is missing, too short, or unreadable."""

    exit_code = ExitCode.USAGE


class CancelledError(EcluseError):
    """The user, a newer run or the run's timeout stopped the work."""

    exit_code = ExitCode.CANCELLED


class ServerError(EcluseError):
    """The server that the command speaks to said no in a way of its own, or did not answer as one of ours does."""


class ServerBusyError(ServerError):
    """The server that the command speaks to cannot be reached, or asks us to come later; `later` = in so many
    seconds, 0 where it did not say."""

    transient = True

    def __init__(self, message: str, *, hint: str = "", later: float = 0.0) -> None:
        super().__init__(message, hint=hint)
        self.later = later


class SignInError(RefusedError):
    """The server that the command speaks to does not know who we are: no token, or one that counts no more."""
