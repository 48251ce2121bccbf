"""The command of compose, called for one project with what a promotion lays over its files."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.errors import TargetError
from pipeline.ports.cancellation import Cancellation
from pipeline.targets.compose.installed import Installed, installed
from pipeline.targets.compose.options import ComposeOptions

ASK_TIMEOUT = 60.0
_VERSION = re.compile(r"""^version:\s*["']?([0-9.]+)""", re.MULTILINE)
_OURS_TO_SAY = ("COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES", "DOCKER_CONTEXT", "DOCKER_HOST")


class Compose:
    """Runs compose for one project; what a promotion adds to its files goes into a file that lives for one call."""

    def __init__(self, options: ComposeOptions, *, address: str) -> None:
        self._options = options
        self._address = address

    def resolved(self) -> Mapping[str, Any]:
        """The whole project as compose understands it. TargetError with compose's own words where it does not."""
        import yaml

        all_ = ("--profile", "*") if self._program.plugin else ()  # the older one shows services of profiles anyway
        read = yaml.safe_load(self.run(*all_, "config", added=None, cancel=Cancellation(), timeout=ASK_TIMEOUT))
        return read if isinstance(read, dict) else {}

    def up(self, *services: str, cancel: Cancellation, timeout: float, added: Mapping[str, Any] | None = None) -> None:
        """Bring these services, and nothing else, to what the files say; without `added` what exists is not made
        again."""
        kept = () if added else ("--no-recreate",)
        there = ("--pull", "never") if added and self._program.plugin else ()  # it was pulled by its digest before
        drain = str(round(self._options.drain))
        words = ("up", "-d", "--no-deps", "--no-build", "-t", drain, *there, *kept, *services)
        self.run(*words, added=added, cancel=cancel, timeout=timeout)

    def run(self, *words: str, added: Mapping[str, Any] | None, cancel: Cancellation, timeout: float) -> str:
        """What it prints. TargetError when it fails, with the end of what it said; CancelledError when stopped."""
        cancel.check()
        with self._files(added) as files:
            command = [*_tied(), *self._words(), *(word for path in files for word in ("-f", str(path))), *words]
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env=_variables(), cwd=self._options.files[0].parent, start_new_session=True,
            )  # fmt: skip
            with process, cancel.calling(lambda: _stop(process)):
                try:
                    said, complaints = process.communicate(timeout=timeout)
                except subprocess.TimeoutExpired as error:
                    _stop(process)
                    raise TargetError(
                        f"compose {words[0]} did not end within {timeout:g}s", hint="see what its engine is busy with"
                    ) from error
        cancel.check()
        if process.returncode:
            tail = "\n".join(complaints.decode(errors="replace").strip().splitlines()[-15:])
            raise TargetError(
                f"compose {words[0]} of project '{self._options.project}' failed (exit {process.returncode}): {tail}",
                hint="the compose files are " + ", ".join(map(str, self._options.files)),
            )
        return said.decode(errors="replace")

    def _words(self) -> tuple[str, ...]:
        program, *rest = self._program.words
        tls = self._options.certificates
        proof = (
            ("--tlsverify", "--tlscacert", tls.authority, "--tlscert", tls.certificate, "--tlskey", tls.key)
            if tls
            else ()
        )
        return (program, "-H", self._address, *proof, *rest, "--ansi", "never", "-p", self._options.project)

    @property
    def _program(self) -> Installed:
        return installed(os.environ)

    @contextmanager
    def _files(self, added: Mapping[str, Any] | None) -> Iterator[tuple[Path, ...]]:
        """The files of the project, and one of ours after them. JSON is YAML; a dollar sign would be a variable."""
        self._options.digest()  # a missing file is said in our words
        if added is None:
            yield self._options.files
            return
        written = _VERSION.search(self._options.files[0].read_text(errors="replace"))
        document = ({"version": written[1]} if written else {}) | dict(added)
        with tempfile.TemporaryDirectory(prefix="ecluse-compose-") as folder:
            path = Path(folder, "promotion.yml")
            path.write_text(json.dumps(document, ensure_ascii=False).replace("$", "$$"), encoding="utf-8")
            yield (*self._options.files, path)


def _tied() -> tuple[str, ...]:
    """Compose ends with us: one that went on alone would change the service behind the next promoter's back."""
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig=KILL", "--") if setpriv else ()


def _variables() -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if name not in _OURS_TO_SAY}
    return {**own, "COMPOSE_IGNORE_ORPHANS": "1", "COMPOSE_REMOVE_ORPHANS": "0"}


def _stop(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
