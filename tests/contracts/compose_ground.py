"""A compose project of a test's own on the real engine: a shop that does what its version says, and its database."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from environment.servers import free_port
from target_ground import GOOD, environment, order

from pipeline.model.strategy import Strategy
from pipeline.model.value import Value
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import Rollout, RolloutResult
from pipeline.settings import Settings
from pipeline.targets.compose.installed import installed
from pipeline.targets.compose.target import ComposeTarget

DOCKER = shutil.which("docker") or "docker"
ALONE = """
services:
  shop:
    image: {image}
    init: true
    command: ["sh", "-c", "eval \\"$$SCRIPT\\""]
    ports: ["127.0.0.1:{port}:8080"]
"""
"""Its port is published, so that two of them never run at the same time."""
WITH_NEIGHBOURS = """
version: "3.8"
services:
  shop:
    image: {image}
    init: true
    command: ["sh", "-c", "eval \\"$$SCRIPT\\""]
    environment: {{SCRIPT: "mkdir /w; echo by hand >/w/index.html; exec httpd -f -p 8080 -h /w", KEPT: "yes"}}
    ports: ["127.0.0.1:{port}:8080"]
    depends_on:
      database: {{condition: service_started}}
      schema: {{condition: service_completed_successfully}}
  database:
    image: {image}
    init: true
    command: sleep 600
  schema:
    image: {image}
    command: "true"
  other:
    image: {image}
    command: sleep 600
"""


class ComposeProject:
    """The project, its file, and its targets; all of it is gone at the end."""

    def __init__(self, url: str, home: Path, image: str) -> None:
        self.settings = Settings(home=home, docker_host=url)
        self.image = image
        self.port = free_port()
        self.name = f"shop{secrets.token_hex(4)}"
        self.file = home / "compose.yml"
        self.write(ALONE)

    def write(self, text: str) -> None:
        self.file.write_text(text.format(image=self.image, port=self.port))

    def target(self, *, name: str = "dev", service: str = "shop", **options: Value) -> ComposeTarget:
        given: dict[str, Value] = {
            "file": str(self.file), "project": self.name, "service": "shop", "settle": "200ms", "drain": "1s",
            **options,
        }  # fmt: skip
        return ComposeTarget(environment(given, name=name), self.settings, service=service)

    def order(
        self,
        promotion: str,
        *,
        script: str = GOOD,
        strategy: Strategy | None = None,
        fence: int = 0,
        timeout: float = 30,
        secrets: Mapping[str, str] | None = None,
    ) -> Rollout:
        """A version that runs this script: what is good and bad comes with the version, not with the file."""
        made = order(promotion, self.image, strategy=strategy, fence=fence, timeout=timeout)
        return replace(made, configuration={"VERSION": promotion, "SCRIPT": script}, secrets=secrets or {})

    def roll_out(
        self, promotion: str, *, script: str = GOOD, secrets: Mapping[str, str] | None = None
    ) -> RolloutResult:
        ordered = self.order(promotion, script=script, secrets=secrets)
        return self.target().roll_out(ordered, progress=print, cancel=Cancellation())

    def serving(self) -> list[str]:
        return sorted({item.promotion for item in self.target().observe().serving})

    def by_hand(self, *words: str) -> str:
        """What a person does with compose."""
        command = [
            *installed(os.environ).words,
            "-H",
            self.settings.docker_host,
            "-f",
            str(self.file),
            "-p",
            self.name,
            *words,
        ]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def docker(self, *words: str) -> str:
        url = self.settings.docker_host
        done = subprocess.run([DOCKER, "-H", url, *words], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def started(self, service: str) -> list[str]:
        """When each container of a service was started, with its id."""
        label = f"label=com.docker.compose.project={self.name}"
        ids = self.docker("ps", "-aq", "-f", label, "-f", f"label=com.docker.compose.service={service}").split()
        return [self.docker("inspect", "-f", "{{.Id}} {{.State.StartedAt}}", item) for item in ids]

    def volumes(self) -> list[str]:
        """Volumes of this installation: marks of leases, and secrets."""
        return self.docker(
            "volume", "ls", "-q", "-f", f"label=io.ecluse.installation={self.settings.installation}"
        ).split()

    def inspected(self) -> str:
        """All that the engine tells of what serves."""
        (item,) = self.target().observe().serving
        return json.dumps(json.loads(self.docker("inspect", item.name)))

    def page(self) -> str:
        """What the published port answers, or why it does not."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/")
            return connection.getresponse().read().decode().strip()
        except OSError as error:
            return type(error).__name__
        finally:
            connection.close()

    def close(self) -> None:
        self.target().remove()
        label = f"label=com.docker.compose.project={self.name}"
        for kind, remove in (("ps", ("rm", "-f")), ("network ls", ("network", "rm"))):
            if found := self.docker(*kind.split(), *(("-a",) if kind == "ps" else ()), "-q", "-f", label).split():
                self.docker(*remove, *found)
        assert self.volumes() == [], "the compose target left volumes behind"
