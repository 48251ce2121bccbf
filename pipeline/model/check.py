"""Questions to a running release and their answers, as plain values; `check_keys` reads them from the pipeline file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pipeline.model.value import Value

DEFAULT_TIMEOUT = 10.0
"""Seconds after which a check without `within` counts as not answered."""


class Verdict(StrEnum):
    """The four answers: `fail` is the service's no, `error` says that the question could not be asked."""

    PASS = "pass"  # noqa: S105 - an answer
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a check saw, against what was wanted; in words that complete `http /healthz: …`.

    Where it is a number: `value`, the one that it was compared with, and the query that gave it.
    """

    verdict: Verdict
    seen: str
    wanted: str
    seconds: float = 0.0
    value: float | None = None
    baseline: float | None = None
    query: str = ""

    @property
    def sentence(self) -> str:
        """`status 500, wants 200`."""
        return f"{self.seen}, wants {self.wanted}" if self.wanted else self.seen


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """Of a check with a time of its own: asked `every` so many seconds, for `lasting` seconds."""

    lasting: float = 0.0
    every: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpCheck:
    """A request without redirects. `where` is a path of the environment or a whole address."""

    name: str
    where: str
    method: str = "GET"
    status: tuple[int, ...] = (200,)
    body: str = ""
    has_json: bool = False
    json: Value = None
    header: Mapping[str, str] = field(default_factory=dict)
    within: float | None = None
    pace: Pace | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TcpCheck:
    """A connection. `where` is `host:port`, or a port of the environment's host."""

    name: str
    where: str
    within: float | None = None
    pace: Pace | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandCheck:
    """A command in a serving container that must exit 0."""

    name: str
    command: tuple[str, ...]
    within: float | None = None
    pace: Pace | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class HealthCheck:
    """The container's own health check must say healthy."""

    name: str
    within: float | None = None
    pace: Pace | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Bound:
    """Where a number must lie: below, above (neither reached), or between (both reached)."""

    below: float | None = None
    above: float | None = None
    between: tuple[float, float] | None = None

    def holds(self, value: float) -> bool:
        """Whether the number is where it must be; never for one that is not a number."""
        if self.between is not None:
            return self.between[0] <= value <= self.between[1]
        if self.below is not None:
            return value < self.below
        return self.above is not None and value > self.above

    def __str__(self) -> str:
        if self.between is not None:
            return f"between {self.between[0]:g} and {self.between[1]:g}"
        return f"below {self.below:g}" if self.below is not None else f"above {self.above:g}"


class Against(StrEnum):
    """What a query is compared with: the version that is replaced, as it runs now, or as it ran before."""

    LIVE = "live"
    BEFORE = "before"


class Comparison(StrEnum):
    """The new version's number over the old one's, or less the old one's."""

    RATIO = "ratio"
    DIFFERENCE = "difference"


@dataclass(frozen=True, kw_only=True, slots=True)
class PrometheusCheck:
    """A query that gives one number. With `against` it is the comparison with the old version that must be in bounds.

    At least `min_samples` of its answers must hold a number; else `no_data` is the answer.
    """

    name: str
    url: str
    query: str
    bound: Bound
    against: Against | None = None
    comparison: Comparison = Comparison.RATIO
    min_samples: int = 1
    no_data: Verdict = Verdict.FAIL
    within: float | None = None
    pace: Pace = field(default_factory=Pace)


@dataclass(frozen=True, kw_only=True, slots=True)
class LogCheck:
    """At most `most` lines that the new version wrote match a pattern (RE2)."""

    name: str
    pattern: str
    most: int = 0
    within: float | None = None
    pace: Pace = field(default_factory=Pace)


SampledCheck = PrometheusCheck | LogCheck
"""Asked at its own pace, and judged by all that was seen in that time."""

Check = HttpCheck | TcpCheck | CommandCheck | HealthCheck | PrometheusCheck | LogCheck
