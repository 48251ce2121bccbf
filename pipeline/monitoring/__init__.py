"""Results out to supervision servers: each sink is one module behind `pipeline.ports.monitoring.Sink`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Final

from pipeline.errors import MonitoringError
from pipeline.model.value import Options
from pipeline.ports.monitoring import Sink
from pipeline.ports.secrets import Secrets

SINKS: Final[Mapping[str, str]] = {
    "nagios": "pipeline.monitoring.nagios:nagios_sink",
    "prometheus": "pipeline.monitoring.pushgateway:pushgateway_sink",
    "webhook": "pipeline.monitoring.webhook:webhook_sink",
}
"""Name under `supervision:` to `module:function`; each takes its options and the secrets, and returns a Sink."""


def build_sinks(supervision: Sequence[Options], *, secrets: Secrets) -> tuple[Sink, ...]:
    """The sinks of an environment in the file's order. MonitoringError for options that cannot work."""
    return tuple(_build(name, options, secrets) for item in supervision for name, options in item.items())


def _build(name: str, options: object, secrets: Secrets) -> Sink:
    if name not in SINKS or not isinstance(options, Mapping):
        raise MonitoringError(f"there is no supervision '{name}'", hint="known: " + ", ".join(SINKS))
    module, _, function = SINKS[name].partition(":")
    sink: Sink = getattr(import_module(module), function)(options, secrets)
    return sink
