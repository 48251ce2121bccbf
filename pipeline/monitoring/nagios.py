"""Check results as passive service checks of Nagios (Icinga and others read the same): its command file, or NSCA."""

from __future__ import annotations

import errno
import os
import select
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Final

from pipeline.errors import MonitoringError
from pipeline.model.value import Options
from pipeline.monitoring.addresses import host_and_port, secret
from pipeline.monitoring.nsca import Encryption, PassiveCheck, send
from pipeline.ports.monitoring import CheckResult, Sink
from pipeline.ports.secrets import Secrets

STATES: Final = {"ok": 0, "warning": 1, "critical": 2, "unknown": 3}
_WORST_FIRST: Final = ("critical", "unknown", "warning", "ok")
TIMEOUT = 5.0
"""Seconds for a pipe that is full to take a line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandFileSink:
    """Writes `PROCESS_SERVICE_CHECK_RESULT` lines into the external command file, a named pipe that Nagios reads.

    Format: https://assets.nagios.com/downloads/nagioscore/docs/nagioscore/4/en/extcommands.html
    """

    path: Path
    host: str
    service: str = ""

    @property
    def name(self) -> str:
        """For messages."""
        return f"nagios {self.path}"

    def publish(self, results: tuple[CheckResult, ...]) -> None:
        """Each result in one write, so that lines of several writers do not mix. A pipe that nobody reads is an error
        at once, not a wait."""
        handle = self._open()
        try:
            for check, time in passive_checks(results, host=self.host, service=self.service):
                words = ("PROCESS_SERVICE_CHECK_RESULT", check.host, check.service, str(check.state), check.output)
                self._write(handle, f"[{time}] {';'.join(words)}\n".encode())
        finally:
            os.close(handle)

    def _open(self) -> int:
        try:
            if not stat.S_ISFIFO(self.path.stat().st_mode):
                raise MonitoringError(f"{self.name} is not a named pipe", hint="name Nagios' command_file")
            return os.open(self.path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            reason = "nobody reads it" if error.errno == errno.ENXIO else error.strerror
            raise MonitoringError(
                f"{self.name}: {reason}",
                hint="is Nagios running with check_external_commands=1, and may this user write there?",
            ) from error

    def _write(self, handle: int, line: bytes) -> None:
        if len(line) > select.PIPE_BUF:
            line = line[: select.PIPE_BUF - 1].decode(errors="ignore").encode() + b"\n"
        deadline = monotonic() + TIMEOUT
        try:
            while True:
                try:
                    os.write(handle, line)
                except BlockingIOError:
                    if not select.select([], [handle], [], max(0.0, deadline - monotonic()))[1]:
                        raise MonitoringError(
                            f"{self.name}: full, and Nagios does not read it", hint="look at Nagios' own log"
                        ) from None
                else:
                    return
        except BrokenPipeError as error:
            raise MonitoringError(f"{self.name}: Nagios stopped reading", hint="look at Nagios' own log") from error


@dataclass(frozen=True, kw_only=True, slots=True)
class NscaSink:
    """Sends passive checks to an NSCA daemon."""

    address: tuple[str, int]
    host: str
    service: str = ""
    encryption: Encryption = Encryption.NONE
    password: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        """For messages."""
        return f"nsca {self.address[0]}:{self.address[1]}"

    def publish(self, results: tuple[CheckResult, ...]) -> None:
        """One connection a result: the daemon takes a single packet where it is configured so."""
        checks = [check for check, _ in passive_checks(results, host=self.host, service=self.service)]
        try:
            for check in checks:
                send(check, self.address, encryption=self.encryption, password=self.password)
        except OSError as error:
            raise MonitoringError(
                f"{self.name}: {error.strerror or error}", hint="is the NSCA daemon up, and reachable from here?"
            ) from error


def passive_checks(
    results: Iterable[CheckResult], *, host: str, service: str = ""
) -> Iterable[tuple[PassiveCheck, int]]:
    """What Nagios is told, with Unix times: a service for each check, or, where a service is named, one for all of
    them with the worst state."""
    listed = tuple(results)
    if not service:
        for result in listed:
            yield _check(host, result.check, (result,)), int(result.time.timestamp())
    elif listed:
        yield _check(host, service, listed), int(max(item.time for item in listed).timestamp())


def _check(host: str, service: str, results: tuple[CheckResult, ...]) -> PassiveCheck:
    level = next(level for level in _WORST_FIRST if any(item.level == level for item in results))
    told = [item for item in results if item.level == level]
    text = ", ".join(f"{item.check}: {item.message}" for item in told)
    release = f" (release {told[0].release.removeprefix('sha256:')[:12]})" if told[0].release else ""
    perfdata = " ".join(f"'{_label(item.check)}'={item.seconds:.6f}s" for item in results)
    return PassiveCheck(
        host=host,
        service=_line(service),
        state=STATES[level],
        output=f"{level.upper()}: {_line(text)}{release}|{perfdata}",
    )


def _line(text: str) -> str:
    """One line without `|`, which would begin performance data, and `;`, which Nagios turns into a colon."""
    return " ".join(text.replace("|", "/").replace(";", ",").split())


def _label(text: str) -> str:
    return _line(text).replace("'", "").replace("=", ":")


def nagios_sink(options: Options, secrets: Secrets) -> Sink:
    """From `nagios: {command_file: PATH | nsca: HOST:PORT, host, service, encryption, password}`."""
    host, service = str(options.get("host", "")), str(options.get("service", ""))
    if "command_file" in options:
        return CommandFileSink(path=Path(str(options["command_file"])), host=host, service=service)
    password = secret(options, "password", secrets, "nagios.nsca")
    return NscaSink(
        address=host_and_port(str(options.get("nsca", "")), "nagios.nsca", usual=5667),
        host=host,
        service=service,
        encryption=Encryption(str(options.get("encryption") or ("xor" if password else "none"))),
        password=password,
    )
