"""Verification of an environment with the probes of this machine."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.model.check import Check
from pipeline.model.definition import EnvironmentDefinition
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.clock import Clock
from pipeline.ports.target import Progress
from pipeline.ports.verification import Schedule, Subject, Verification
from pipeline.settings import Settings, certificate_bundle
from pipeline.verification.probe import Probe
from pipeline.verification.rounds import verify


class ProbingVerifier:
    """Implements `pipeline.ports.verification.Verifier`."""

    def __init__(self, settings: Settings, *, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    def verify(
        self,
        environment: EnvironmentDefinition,
        checks: Sequence[Check],
        schedule: Schedule,
        *,
        subject: Subject,
        say: Progress,
        cancel: Cancellation,
    ) -> Verification:
        """Ask from this machine, which trusts the certificates that its settings name."""
        probe = Probe(environment, subject, certificates=str(certificate_bundle(self._settings) or ""))
        return verify(checks, schedule, ask=probe.ask, say=say, clock=self._clock, cancel=cancel)
