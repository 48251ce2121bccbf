"""Which sinks a file asks for, what they are called, and what they refuse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from pipeline.errors import MonitoringError
from pipeline.model.value import Options
from pipeline.monitoring import build_sinks


@dataclass(frozen=True)
class Known:
    values: Mapping[str, str] = field(default_factory=dict)

    def get(self, name: str, *, environment: str = "") -> str | None:
        return self.values.get(name)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        pytest.param({"prometheus": {"pushgateway": "http://push:9091"}}, "pushgateway http://push:9091", id="push"),
        pytest.param(
            {"prometheus": {"pushgateway": "https://me:pw@push/x"}}, "pushgateway https://push", id="no-login-shown"
        ),
        pytest.param({"nagios": {"command_file": "/run/n.cmd", "host": "h"}}, "nagios /run/n.cmd", id="command-file"),
        pytest.param({"nagios": {"nsca": "nagios", "host": "h"}}, "nsca nagios:5667", id="nsca-usual-port"),
        pytest.param({"nagios": {"nsca": "[::1]:77", "host": "h"}}, "nsca ::1:77", id="nsca-v6"),
        pytest.param({"webhook": {"url": "https://chat/hooks/t0ken?k=v"}}, "webhook https://chat", id="no-token-shown"),
    ],
)
def test_a_sink_is_built_and_named(options: Options, name: str) -> None:
    (sink,) = build_sinks([options], secrets=Known())
    assert sink.name == name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"zabbix": {}}, "there is no supervision 'zabbix'", id="unknown"),
        pytest.param({"prometheus": {"pushgateway": "push:9091"}}, "not http", id="no-scheme"),
        pytest.param({"webhook": {"url": "http://h:99999/s3cret"}}, "not http", id="bad-port"),
        pytest.param({"nagios": {"nsca": "h:x", "host": "h"}}, "'h:x' is not host:port", id="bad-nsca"),
        pytest.param({"nagios": {"nsca": "h", "host": "h", "password": "P"}}, "secret 'P' is not known", id="secret"),
    ],
)
def test_what_cannot_work_is_said_without_its_secrets(options: Options, message: str) -> None:
    with pytest.raises(MonitoringError, match=message) as caught:
        build_sinks([options], secrets=Known())
    assert "s3cret" not in caught.value.message
    assert caught.value.hint
