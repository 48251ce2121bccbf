"""Runs that are killed at random instants and resumed, compared with one that nobody disturbed."""

from __future__ import annotations

import json
import random
import re
import socketserver
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from .command import Command
from .repository import Repository

SECRET = "tide-table-7319"
PIPELINE = """
version: 1
name: proof
defaults: {{image: "{image}"}}
stages:
  one:
    commands:
      - "{hit} one | nc {{host}} {port}"
      - "seq 3000; echo a > a"
  two:
    needs: [one]
    services:
      web:
        image: "{image}"
        command: [sh, -c, "echo served; mkdir /w; echo hi > /w/x; httpd -f -p 80 -h /w"]
        ready: {{command: "test -e /w/x", within: 30s}}
    commands:
      - "{hit} two | nc {{host}} {port}"
      - "for i in $(seq 40); do echo out $i; echo err $i >&2; done; sleep 0.5; echo two > two; printf 'no end'"
  three:
    needs: [one]
    secrets: [TOKEN]
    commands:
      - "{hit} three | nc {{host}} {port}"
      - "echo token $TOKEN; cat a; sleep 0.3; echo three > three; seq 500"
    artifacts: [{{name: three, paths: [three]}}]
  four:
    needs: [two, three]
    commands:
      - "{hit} four | nc {{host}} {port}"
      - "cat a two three"
  image: {{kind: build, needs: [four]}}
  push: {{kind: push, image: image, to: "{registry}/{name}"}}
  dev: {{kind: deploy, environment: dev}}
environments:
  dev: {{target: {{docker: {{publish: ["127.0.0.1:{serve}:8080"], drain: 0s}}}}}}
"""
HOST = "$(ip route | awk '/default/{print $3}')"
"""The host's address as a container sees it; the pipeline's file is filled with it last, because of its braces."""
HIT = "printf 'hit %s\\\\n'"
DOCKERFILE = "FROM {image}\nCOPY index.html /w/\nCMD httpd -f -p 8080 -h /w\n"
LOGGED = ("one", "two", "three", "four")
NOTE = "\x1b[2m· "
AGES = 1.15
"""Kills are drawn over so many times the length of an undisturbed run."""


class Counting(socketserver.ThreadingTCPServer):
    """A service that counts who called: `hit NAME` is one more of that name."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("0.0.0.0", 0), _Hit)
        self.hits: Counter[str] = Counter()
        self.lock = threading.Lock()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])


class _Hit(socketserver.StreamRequestHandler):
    server: Counting

    def handle(self) -> None:
        words = self.rfile.readline().decode().split()
        if len(words) == 2 and words[0] == "hit":
            with self.server.lock:
                self.server.hits[words[1]] += 1


@contextmanager
def counting() -> Iterator[Counting]:
    """The service for as long as the body runs."""
    with Counting() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def pipeline(*, image: str, registry: str, name: str, counter: Counting, serve: int) -> dict[str, str]:
    """The files of a repository whose pipeline counts what it does."""
    text = PIPELINE.format(image=image, registry=registry, name=name, port=counter.port, serve=serve, hit=HIT)
    return {
        "pipeline.yml": text.replace("{host}", HOST),
        "Dockerfile": DOCKERFILE.format(image=image),
        "index.html": "0\n",
    }


@dataclass(frozen=True, kw_only=True)
class Trace:
    """What is left of a run when it is over: all that must be the same whether it was disturbed or not."""

    conclusion: str
    stages: dict[str, tuple[str, int]]
    """Conclusion and number of attempts."""
    logs: dict[str, tuple[list[str], list[str]]]
    """Lines of stdout and of stderr, without times and without Écluse's own notes."""
    artifacts: dict[str, str]
    services: dict[str, list[str]]
    promotions: list[str]
    """States of the promotions that this run made."""
    hits: dict[str, int]


@dataclass(kw_only=True)
class Proof:
    """The pipeline of one repository, run again and again with and without disturbance."""

    ecluse: Command
    repository: Repository
    counter: Counting
    drawn: random.Random
    whole: float = 0.0
    """Seconds of the undisturbed run."""
    kills: int = 0
    began: int = 0
    """Kills that left something to resume."""
    told: list[str] = field(default_factory=list)

    def undisturbed(self) -> Trace:
        """Run to the end in peace."""
        begun = time.monotonic()
        done = self._ecluse("run", "--json")
        self.whole = time.monotonic() - begun
        assert done.returncode == 0, done.stdout + done.stderr
        return self.trace()

    def disturbed(self, number: int) -> Trace:
        """A new commit's run, killed at a random instant, and its resumption perhaps killed too; then to its end."""
        self.repository.commit({"index.html": f"{number}\n"})
        self.counter.hits.clear()
        self._killed("run", "--json", "--no-resume")
        resumed = self._resume()
        while resumed is None:
            self._killed("run", "--json", "--no-resume")
            resumed = self._resume()
        self.began += 1
        assert resumed.returncode == 0, resumed.stdout[-4000:] + resumed.stderr
        return self.trace()

    def _resume(self) -> subprocess.CompletedProcess[str] | None:
        """To the end; None where there was nothing yet that could be resumed, or nothing any more."""
        if self.drawn.random() < 0.3:
            self._killed("resume", "--json")
        done = self._ecluse("resume", "--json")
        if done.returncode != 2:
            return done
        if "no run of this repository was interrupted" not in done.stderr:
            return done
        shown = self._ecluse("show", "last", "--json")
        if shown.returncode == 0 and json.loads(shown.stdout)["commit"] == self.repository.git("rev-parse", "HEAD"):
            return shown  # the kill came after the end
        assert not self.counter.hits, "something ran that cannot be resumed"
        return None

    def trace(self) -> Trace:
        """What the records, the logs and the world say of the latest run."""
        run = json.loads(self._ecluse("show", "last", "--json").stdout)
        history = json.loads(self._ecluse("history", "dev", "--json").stdout)
        promotions = [item["state"] for item in history["promotions"] if item["run"] == run["id"]]
        stages = {item["name"]: item for item in run["stages"]}
        return Trace(
            conclusion=run["conclusion"],
            stages={
                name: (item["outcome"]["conclusion"], len(item["attempts"])) for name, item in sorted(stages.items())
            },
            logs={name: _lines(self._ecluse("logs", "last", name).stdout) for name in LOGGED},
            artifacts={
                artifact["path"]: artifact["digest"]
                for item in stages.values()
                for attempt in item["attempts"]
                for artifact in attempt["products"]["artifacts"]
            },
            services={
                name: self._blob(digest)
                for name, digest in sorted(stages["two"]["attempts"][-1]["service_logs"].items())
            },
            promotions=promotions,
            hits=dict(sorted(self.counter.hits.items())),
        )

    def _blob(self, digest: str) -> list[str]:
        kind, _, name = digest.partition(":")
        found = [path for path in (self.ecluse.home / "storage").rglob("*") if path.is_file() and name[4:] in path.name]
        assert len(found) == 1, f"{kind} {name}: {found}"
        return [line[25:] for line in found[0].read_text().splitlines()]

    def _ecluse(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {"ECLUSE_SECRET_TOKEN": SECRET}
        done = self.ecluse(*words, cwd=self.repository.path, env=environment)
        return subprocess.CompletedProcess(words, done.code, done.out, done.err)

    def _killed(self, *words: str) -> None:
        """The command, killed with -9 at an instant drawn over its probable length."""
        after = self.drawn.uniform(0, self.whole * AGES)
        begun = time.monotonic()
        with self.ecluse.started(*words, cwd=self.repository.path, env={"ECLUSE_SECRET_TOKEN": SECRET}) as process:
            try:
                process.communicate(timeout=after)
                if words[0] == "run":
                    self.whole = time.monotonic() - begun  # quicker than the one before
            except subprocess.TimeoutExpired:
                process.kill()
                self.kills += 1
                self.told.append(f"{words[0]} killed after {after:.3f} s")
                process.communicate()


def _lines(text: str) -> tuple[list[str], list[str]]:
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
    lines = [line for line in plain if not line.startswith("· ")]
    return [line for line in lines if not line.startswith("err ")], [line for line in lines if line.startswith("err ")]
