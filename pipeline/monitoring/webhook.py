"""Check results as a JSON POST to any address, signed where a secret is named."""

from __future__ import annotations

import hashlib
import hmac
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from pipeline.errors import MonitoringError
from pipeline.model.value import Options
from pipeline.monitoring.addresses import secret, shown, web_address
from pipeline.ports.monitoring import CheckResult
from pipeline.ports.secrets import Secrets

TIMEOUT = 10.0
"""Seconds for one try."""
PAUSES = (0.5, 2.0)
"""Seconds before the second and the third try."""
SIGNATURE = "X-Ecluse-Signature-256"
"""`sha256=` and the HMAC of the body, as GitHub's webhooks have it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookSink:
    """Implements `pipeline.ports.monitoring.Sink`. Its address is never shown whole: it may hold a token."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    key: str = field(default="", repr=False)
    pauses: tuple[float, ...] = PAUSES

    @property
    def name(self) -> str:
        """For messages."""
        return f"webhook {shown(self.url)}"

    def publish(self, results: tuple[CheckResult, ...]) -> None:
        """POST `{"results": […]}`; tried again when nobody answers, and for 429 and 5xx."""
        body = json.dumps({"version": 1, "results": _plain(results)}, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "ecluse", **self.headers}
        if self.key:
            headers[SIGNATURE] = "sha256=" + hmac.new(self.key.encode(), body, hashlib.sha256).hexdigest()
        reason = ""
        for pause in (*self.pauses, None):
            status, reason = self._post(body, headers)
            if 200 <= status < 300:
                return
            if pause is None or (0 < status < 500 and status != 429):
                break
            time.sleep(pause)
        raise MonitoringError(f"{self.name}: {reason}", hint="check its address, and that it takes a JSON POST")

    def _post(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
        """Status and words; status 0 when nobody answered."""
        parts = urlsplit(self.url)
        secure = parts.scheme == "https"
        host = parts.hostname or ""
        connection = (
            HTTPSConnection(host, parts.port, timeout=TIMEOUT, context=ssl.create_default_context())
            if secure
            else HTTPConnection(host, parts.port, timeout=TIMEOUT)
        )
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", path, body=body, headers=dict(headers))
            status = connection.getresponse().status
        except (OSError, HTTPException) as error:
            return 0, getattr(error, "strerror", None) or str(error) or type(error).__name__
        finally:
            connection.close()
        return status, f"status {status}"


def _plain(results: tuple[CheckResult, ...]) -> object:
    return [
        {
            "environment": item.environment,
            "service": item.service,
            "check": item.check,
            "level": item.level,
            "message": item.message,
            "seconds": item.seconds,
            "time": item.time.isoformat(),
            "release": item.release,
            "run": item.run,
        }
        for item in results
    ]


def webhook_sink(options: Options, secrets: Secrets) -> WebhookSink:
    """From `webhook: {url, headers, secret}`."""
    headers = options.get("headers")
    return WebhookSink(
        url=web_address(str(options.get("url", "")), "webhook"),
        headers={str(key): str(value) for key, value in headers.items()} if isinstance(headers, Mapping) else {},
        key=secret(options, "secret", secrets, "webhook"),
    )
