"""Check results as metrics in a Prometheus Pushgateway.

One group a pipeline, environment and check, so that a later result replaces the one before and nothing else:
`ecluse_check_up` (1 or 0), `ecluse_check_seconds` (latency) and `ecluse_check_time_seconds` (Unix time).
Format: https://github.com/prometheus/pushgateway, section API.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from pipeline.errors import MonitoringError
from pipeline.model.value import Options
from pipeline.monitoring.addresses import shown, web_address
from pipeline.ports.monitoring import CheckResult
from pipeline.ports.secrets import Secrets

TIMEOUT = 10.0
"""Seconds for one push."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PushgatewaySink:
    """Implements `pipeline.ports.monitoring.Sink`."""

    address: str
    job: str = "ecluse"

    @property
    def name(self) -> str:
        """For messages."""
        return f"pushgateway {shown(self.address)}"

    def publish(self, results: tuple[CheckResult, ...]) -> None:
        """One push for each check, replacing its group."""
        for (environment, service, check), group in groupby(
            results, key=lambda item: (item.environment, item.service, item.check)
        ):
            self._push({"environment": environment, "service": service, "check": check}, list(group)[-1])

    def _push(self, key: dict[str, str], result: CheckResult) -> None:
        from prometheus_client import CollectorRegistry, Gauge, push_to_gateway

        registry = CollectorRegistry()
        values = {
            "ecluse_check_up": ("Whether the check passed.", float(result.level == "ok")),
            "ecluse_check_seconds": ("How long the answer took.", result.seconds),
            "ecluse_check_time_seconds": ("When it was made, Unix time.", result.time.timestamp()),
        }
        for name, (meaning, value) in values.items():
            Gauge(name, meaning, ["release"], registry=registry).labels(release=result.release).set(value)
        try:
            push_to_gateway(self.address, job=self.job, registry=registry, grouping_key=key, timeout=TIMEOUT)
        except (OSError, ValueError) as error:
            raise MonitoringError(
                f"{self.name} did not take the result of '{result.check}': {getattr(error, 'reason', None) or error}",
                hint="is the Pushgateway up, and reachable from here?",
            ) from error


def pushgateway_sink(options: Options, secrets: Secrets) -> PushgatewaySink:  # noqa: ARG001 - every sink is asked alike
    """From `prometheus: {pushgateway: URL, job: NAME}`."""
    address = web_address(str(options.get("pushgateway", "")), "prometheus.pushgateway")
    return PushgatewaySink(address=address, job=str(options.get("job") or "ecluse"))
