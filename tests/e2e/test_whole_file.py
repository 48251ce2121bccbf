"""The example of the file format, whole: it parses, plans and runs, with local servers for those that it names."""

from __future__ import annotations

import http.server
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from environment.command import Command
from environment.repository import Repository
from environment.servers import free_port

from pipeline.diagnostic import Position
from pipeline.model.definition import EnvironmentDefinition
from pipeline.settings import Settings
from pipeline.targets.docker.target import DockerTarget

EXAMPLE = """\
version: 1
name: shop

triggers:                       # not `on:`, which YAML 1.1 reads as true
  push: {{branches: [main, "release/*"], tags: ["v*"], paths: ["src/**", "!docs/**"]}}
  pull_request: {{}}
  schedule: [{{cron: "0 3 * * 1-5", timezone: Europe/Paris, branch: main}}]

variables: {{IMAGE: {registry}/{name}}}

defaults:                       # every key that a stage may have
  image: {python}
  timeout: 20m

include:
  - ci/common.yml               # a file of this repository
  - {{git: "{git}", ref: main, file: python.yml}}   # pinned in pipeline.lock

stages:
  checkout: {{kind: checkout, depth: 50, submodules: true, lfs: false}}

  unit:
    kind: test
    matrix: {{python: [3.10, 3.12], db: [sqlite, postgres]}}     # values are text: 3.10 stays 3.10
    exclude: [{{python: 3.10, db: postgres}}]
    image: {tag}:${{{{ matrix.python }}}}-slim
    services:
      db: {{image: "{postgres}", env: {{POSTGRES_PASSWORD: test}}, ready: {{command: pg_isready -h 127.0.0.1, within: 60s}}}}
    env: {{DATABASE_URL: "postgres://postgres:test@db/postgres"}}
    secrets: [PYPI_TOKEN]
    cache: [{{key: "pip-${{{{ hash('requirements*.txt') }}}}", fallback: [pip-], paths: [/var/cache/pip]}}]
    reuse: true
    commands:
      - pip install -r requirements.txt
      - ./pytest --junitxml=report.xml --cov --cov-report=xml
    reports: {{junit: ["report.xml"], coverage: [coverage.xml]}}
    artifacts: [{{name: wheels, paths: [dist/*.whl], keep: 30d}}]
    outputs: [VERSION]          # lines NAME=value that commands append to $ECLUSE_OUTPUT
    split: {{by: timing, into: 2}}
    inputs: ["src/**", "tests/**", "requirements*.txt", pytest]     # what this stage reads
    resources: {{cpu: 2, memory: 1GiB, pids: 512}}
    retry: {{max: 1, on: ["exit 75", errored], backoff: 1s}}
    timeout: 10m
    allow_failure: false
    when: {{event: [push, pull_request], branch: [main], changed: ["src/**"], if: "event == 'push' && !commit.message.contains('[skip]')", run: on_success}}

  image:   {{kind: build, context: ., dockerfile: Dockerfile, target: production, args: {{COMMIT: "${{{{ commit.sha }}}}"}}, labels: {{}}, secrets: [NPM_TOKEN], builder: auto}}
  scan:    {{kind: scan, needs: [image], of: image, checks: [vulnerabilities, secrets, dockerfile, licences], fail_on: high, waivers: security/waivers.yml}}
  push:    {{kind: push, needs: [image, scan], image: image, to: "${{{{ variables.IMAGE }}}}", tags: ["${{{{ commit.short }}}}", "${{{{ slug(branch) }}}}"]}}
  dev:     {{kind: deploy, environment: dev, release: "${{{{ run.number }}}}-${{{{ commit.short }}}}"}}
  smoke:   {{kind: smoke, environment: dev, checks: [{{http: /healthz, status: 200, within: 5s}}], for: 2s}}

environments:
  dev: {{target: {{docker: {{publish: ["127.0.0.1:{port}:8080"], drain: 1s}}}}}}
notify: [{{on: [succeeded, failed, fixed], to: "json://127.0.0.1:{ear}/told"}}]
"""  # noqa: E501 - lines as the format's page has them

PYTEST = """\
#!/bin/sh
set -eu
test -n "$PYPI_TOKEN"
test ! -e Dockerfile                # only what `inputs` names
mkdir -p dist /var/cache/pip
echo cached >> /var/cache/pip/times
echo "files=$ECLUSE_SPLIT_FILES of $ECLUSE_SPLIT_INDEX/$ECLUSE_SPLIT_TOTAL"
echo wheel > dist/shop-1.whl
echo '<testsuite name="s"><testcase classname="c" name="t" time="0.1"/></testsuite>' > report.xml
echo '<coverage lines-valid="4" lines-covered="3" line-rate="0.75"/>' > coverage.xml
echo "VERSION=1.$ECLUSE_SPLIT_INDEX" >> "$ECLUSE_OUTPUT"
"""

DOCKERFILE = """\
FROM {python} AS production
ARG COMMIT
COPY healthz /w/
USER 1000
CMD ["python3", "-m", "http.server", "8080", "--directory", "/w"]
FROM {python} AS other
"""


class _Ear(http.server.BaseHTTPRequestHandler):
    """Keeps what it is told."""

    heard: list[bytes]

    def do_POST(self) -> None:
        """One message."""
        self.heard.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def ear() -> Iterator[tuple[int, list[bytes]]]:
    """A server that notifications go to: its port and what it heard."""
    heard: list[bytes] = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Ear", (_Ear,), {"heard": heard}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1], heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def versions(images, engine: str) -> Iterator[str]:
    """A repository of images with a tag for each version of Python that the matrix names."""
    name = f"ecluse-e2e-{uuid4().hex[:8]}/python"
    tags = [f"{name}:{version}-slim" for version in ("3.10", "3.12")]
    for tag in tags:
        subprocess.run(["docker", "-H", engine, "tag", images.python, tag], check=True)
    yield name
    subprocess.run(["docker", "-H", engine, "rmi", *tags], check=True, capture_output=True)


def test_the_example_runs(
    git_repo: Callable[..., Repository],
    images,
    registry: str,
    engine: str,
    versions: str,
    tmp_home: Path,
    ecluse: Command,
) -> None:
    ci = git_repo(
        {"python.yml": "stages:\n  lint: {needs: [checkout], commands: [python3 -m compileall -q src]}\n"}, name="ci"
    )
    port = free_port()
    with ear() as (told, heard):
        text = EXAMPLE.format(
            registry=registry, name=f"e2e/{uuid4().hex}", python=images.python, postgres=images.postgres,
            git=f"file://{ci.path}", tag=versions, port=port, ear=told,
        )  # fmt: skip
        shop = git_repo({"README": "x"})
        shop.commit(
            {
                "pipeline.yml": text,
                "ci/common.yml": "stages:\n  greet: {needs: [], source: false, commands: [echo hello]}\n",
                "security/waivers.yml": "waivers: []\n",
                "Dockerfile": DOCKERFILE.format(python=images.python),
                "healthz": "ok\n",
                "requirements.txt": "",
                "pytest": PYTEST,
                "src/shop.py": "TEA = 1\n",
                "tests/test_a.py": "",
                "tests/test_b.py": "",
            },
            "Sell tea",
        )
        env = {"ECLUSE_INCLUDE_PROTOCOLS": "https,ssh,file", "ECLUSE_SECRET_PYPI_TOKEN": "pypi-secret-1",
               "ECLUSE_SECRET_NPM_TOKEN": "npm-secret-1", "ECLUSE_CERTIFICATES": "auto",
               "ECLUSE_SCANNER_BASE": images.python}  # fmt: skip
        locked = ecluse("check", "--lock", cwd=shop.path, env=env)
        assert locked.code == 0, locked.out + locked.err
        shop.commit({"src/shop.py": "TEA = 2\n"}, "Pin, and sell more tea")
        planned = ecluse("plan", "--event", "push", "--json", cwd=shop.path, env=env)
        assert planned.code == 0, planned.out + planned.err
        names = [item["stage"]["name"] for item in json.loads(planned.out)["plan"]["stages"]]
        cells = [f"unit:{cell},{part}/2" for cell in ("3.10,sqlite", "3.12,sqlite", "3.12,postgres") for part in (1, 2)]
        assert set(names) == {"checkout", *cells, "image", "scan", "push", "dev", "smoke", "greet", "lint"}
        ran = ecluse("run", "--event", "push", "--plain", cwd=shop.path, env=env, timeout=600)
        try:
            assert ran.code == 0, ran.out + ran.err
            shown = json.loads(ecluse("show", "last", "--json", cwd=shop.path, env=env).out)
            conclusions = {stage["name"]: stage["outcome"]["conclusion"] for stage in shown["stages"]}
            assert set(conclusions) == set(names)
            assert set(conclusions.values()) == {"succeeded"}, conclusions
            assert [json.loads(item)["type"] for item in heard] == ["success"]
            assert "secret-1" not in ran.out
        finally:
            place = EnvironmentDefinition(name="dev", position=Position(file="", line=1, column=1))
            DockerTarget(place, Settings(home=tmp_home, docker_host=engine), service="shop").remove()
