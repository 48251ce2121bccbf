"""Gates of an environment: what must hold before a release may enter, and the verdict over all of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pipeline.diagnostic import Position
from pipeline.model.finding import FindingSeverity


@dataclass(frozen=True, kw_only=True, slots=True)
class EvidenceRule:
    """What the release's run must have shown. Evidence that is absent, warned, skipped or older never counts."""

    tests: bool = False
    """At least one report of tests, and every test stage of the run succeeded."""
    scan: FindingSeverity | None = None
    """The worst severity that may be open; None asks for no scan."""
    provenance: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class SoakRule:
    """The release has been live and verified in another environment for so many seconds in all.

    A release that is newer there than the one asked for does not count for it, and a rollback away from it starts the
    count again at its return.
    """

    environment: str
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ApprovalRule:
    """So many different people of a group; never one of the `excluded` (`requester`, `authors`).

    Anyone of the group can reject. An approval counts for `expires` seconds, and for its own plan only.
    """

    group: str
    count: int = 1
    excluded: frozenset[str] = frozenset()
    expires: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowRule:
    """When it may begin, in an IANA zone: `Mon-Thu 09:00-17:00`, `12-20..01-05`; what is denied wins over allowed."""

    timezone: str
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandRule:
    """A command in a container of an image must exit 0; its scripts come from the policy's revision."""

    image: str
    command: tuple[str, ...]
    timeout: float = 30.0
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpRule:
    """A GET of a URL must answer with one of these statuses within `timeout` seconds."""

    url: str
    status: tuple[int, ...] = (200,)
    timeout: float = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class DependencyRule:
    """Another service has a verified deployment in an environment ("" = this one's name), at `release` (a glob over
    the names of releases) where one is asked for."""

    service: str
    environment: str = ""
    release: str = "*"


def scripts_of(rule: CommandRule) -> tuple[str, ...]:
    """The files beside the policy that a command names: its words that begin with `./`, without that."""
    shell = rule.command[:2] == ("sh", "-c") and len(rule.command) == 3
    words = rule.command[2].split() if shell else rule.command
    return tuple(dict.fromkeys(word.removeprefix("./") for word in words if word.startswith("./")))


GateRule = EvidenceRule | SoakRule | ApprovalRule | WindowRule | CommandRule | HttpRule | DependencyRule


@dataclass(frozen=True, kw_only=True, slots=True)
class GateDefinition:
    """One gate as written. `name` is unique in its environment: the kind, numbered from the second on, or as given."""

    name: str
    rule: GateRule
    position: Position


class GateState(StrEnum):
    """`waiting` can come right by time or people alone; `failed` cannot."""

    PASSED = "passed"
    WAITING = "waiting"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class GateAnswer:
    """What one gate says: in one sentence why, and what is missing. `opens` is the earliest time (UTC) at which it can
    pass, None where that is not known."""

    gate: str
    kind: str
    state: GateState
    reason: str
    opens: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Override:
    """Somebody with the right to do so opened all gates of one promotion by force."""

    person: str
    reason: str
    time: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Whether a release may enter an environment now, gate by gate. `policy` is the revision that was judged by."""

    answers: tuple[GateAnswer, ...]
    time: datetime
    policy: str = ""
    override: Override | None = None
    opens: datetime | None = None
    """The earliest time (UTC) at which all gates can have passed together; None where one of them says no time."""

    @property
    def allowed(self) -> bool:
        """Every gate passed, or somebody overrode them."""
        return self.override is not None or all(item.state is GateState.PASSED for item in self.answers)

    @property
    def refused(self) -> bool:
        """Some gate has said no for good, and nobody overrode it."""
        return self.override is None and any(item.state is GateState.FAILED for item in self.answers)

    @property
    def missing(self) -> tuple[GateAnswer, ...]:
        """The gates that have not passed."""
        return tuple(item for item in self.answers if item.state is not GateState.PASSED)
