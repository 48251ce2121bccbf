"""A real Pushgateway, and a real Prometheus that scrapes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from .servers import eventually, fetch, free_port, program, serving


@dataclass(frozen=True, kw_only=True, slots=True)
class Pushgateway:
    """A running Pushgateway."""

    url: str

    def metrics(self) -> str:
        """What Prometheus would scrape now, in the text format."""
        return (fetch(f"{self.url}/metrics") or b"").decode()


@dataclass(frozen=True, kw_only=True, slots=True)
class Prometheus:
    """A running Prometheus; it scrapes the Pushgateway every second."""

    url: str

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The instant vector of an expression: labels and value of each series."""
        body = fetch(f"{self.url}/api/v1/query?query={quote(expression)}")
        series = json.loads(body)["data"]["result"] if body else []
        return [(dict(item["metric"]), float(item["value"][1])) for item in series]

    def await_series(self, expression: str, *, seconds: float = 15) -> list[tuple[dict[str, str], float]]:
        """As `query`, once there is at least one series; `TimeoutError` otherwise."""
        return eventually(lambda: self.query(expression) or None, seconds=seconds, what=expression)


@contextmanager
def pushgateway(folder: Path) -> Iterator[Pushgateway]:
    """A Pushgateway that forgets everything when it ends."""
    path = program("prometheus-pushgateway", "prometheus-pushgateway")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [path, f"--web.listen-address=127.0.0.1:{port}", "--persistence.file="]
    with serving(command, log=folder / "pushgateway.log", ready=lambda: fetch(f"{url}/-/ready") is not None):
        yield Pushgateway(url=url)


@contextmanager
def prometheus(folder: Path, gateway: Pushgateway) -> Iterator[Prometheus]:
    """A Prometheus that scrapes the gateway, with its data in `folder`."""
    path = program("prometheus", "prometheus")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    config = folder / "prometheus.json"
    job = {
        "job_name": "pushgateway",
        "honor_labels": True,
        "static_configs": [{"targets": [gateway.url.removeprefix("http://")]}],
    }
    config.write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": [job]}))
    command = [
        path,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with serving(command, log=folder / "prometheus.log", ready=lambda: fetch(f"{url}/-/ready") is not None):
        yield Prometheus(url=url)
