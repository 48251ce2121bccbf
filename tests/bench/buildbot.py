"""A Buildbot of its own for one workload: a master with a local worker, each job a builder that calls docker run."""

from __future__ import annotations

import http.client
import json
import subprocess
import time
from pathlib import Path

from environment import python_tools
from environment.places import find
from environment.progress import UnavailableError
from environment.servers import free_port
from workloads import Job, Workload

READY_WITHIN = 90.0
BESIDE = ("buildbot-worker==4.3.0", "buildbot-www==4.3.0")
CONFIGURATION = """\
from buildbot.plugins import schedulers, steps, util, worker

JOBS = {jobs!r}
FIRST = [name for name, _, needs in JOBS if not needs]
BuildmasterConfig = {{
    "workers": [worker.LocalWorker("local", max_builds={parallel})],
    "builders": [
        util.BuilderConfig(
            name=name, workernames=["local"], factory=util.BuildFactory([steps.ShellCommand(command=words)])
        )
        for name, words, needs in JOBS
    ],
    "schedulers": [schedulers.ForceScheduler(name="force", builderNames=FIRST)],
    "protocols": {{"null": {{}}}},
    "www": {{"port": "tcp:{port}:interface=127.0.0.1", "plugins": {{}}}},
    "db": {{"db_url": "sqlite:///state.sqlite"}},
    "buildbotNetUsageData": None,
}}
by_job = {{name: BuildmasterConfig["schedulers"][0] for name in FIRST}}
for name, _, needs in JOBS:
    if needs:
        by_job[name] = schedulers.Dependent(name="after-" + needs, upstream=by_job[needs], builderNames=[name])
        BuildmasterConfig["schedulers"].append(by_job[name])
"""


class Buildbot:
    """A master that runs from `start` to `stop`."""

    def __init__(self, work: Workload, folder: Path, image: str) -> None:
        self.port = free_port()
        self._program = python_tools.provide(find(), "buildbot==4.3.0", "buildbot", beside=BESIDE)
        self._folder = folder / "master"
        jobs = [(job.name, _words(job, image), job.needs) for job in work.jobs]
        self._configuration = CONFIGURATION.format(jobs=jobs, parallel=work.parallel, port=self.port)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when the API answers. Raises UnavailableError."""
        made = subprocess.run([self._program, "create-master", self._folder], capture_output=True, text=True)
        if made.returncode:
            raise UnavailableError(f"buildbot create-master: {made.stderr.strip()[-200:]}")
        (self._folder / "master.cfg").write_text(self._configuration)
        with (self._folder / "output").open("wb") as sink:
            self._process = subprocess.Popen(
                [self._program, "start", "--nodaemon", self._folder],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )
        until = time.monotonic() + READY_WITHIN
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise UnavailableError(f"its master does not start: {self._complaint()}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End master and worker."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _complaint(self) -> str:
        log = self._folder / "twistd.log"
        rows = log.read_text(errors="replace").splitlines() if log.exists() else []
        errors = [row for row, before in zip(rows[1:], rows, strict=False) if before.endswith("Configuration Errors:")]
        return (errors or rows or ["it said nothing"])[-1][-200:]

    def _answers(self) -> bool:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            connection.request("GET", "/api/v2/workers")
            return any(worker["connected_to"] for worker in json.loads(connection.getresponse().read())["workers"])
        except (OSError, ValueError, KeyError):
            return False


def _words(job: Job, image: str) -> list[str]:
    return ["docker", "run", "--rm", image, *job.command.split()]
