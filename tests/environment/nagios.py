"""A real Nagios with one host and passive services, fed through its command file or through a real NSCA daemon."""

from __future__ import annotations

import getpass
import grp
import os
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .servers import eventually, free_port, program, serving

HOST = "shop-dev"
SERVICES = ("smoke", "smoke-http", "smoke-tcp")


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """A service's state as Nagios has it: 0 OK, 1 warning, 2 critical, 3 unknown."""

    state: int
    output: str
    perfdata: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Nagios:
    """A running Nagios; `command_file` is the pipe that takes external commands."""

    command_file: Path
    status_file: Path
    log_file: Path
    host: str
    services: tuple[str, ...]

    def check(self, service: str) -> Check | None:
        """The service's last result; None if none has come in yet. Nagios publishes every two seconds."""
        try:
            blocks = re.findall(r"servicestatus \{(.*?)\n\t\}", self.status_file.read_text(), re.DOTALL)
        except FileNotFoundError:
            return None
        for block in blocks:
            values = dict(line.strip().split("=", 1) for line in block.splitlines() if "=" in line)
            if values["service_description"] == service and values["has_been_checked"] == "1":
                return Check(
                    state=int(values["current_state"]),
                    output=values["plugin_output"],
                    perfdata=values["performance_data"],
                )
        return None

    def await_check(self, service: str, *, state: int, seconds: float = 15) -> Check:
        """The service's result once it has that state; `TimeoutError` otherwise."""

        def look() -> Check | None:
            found = self.check(service)
            return found if found and found.state == state else None

        return eventually(look, seconds=seconds, what=f"service {service!r} in state {state}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Nsca:
    """A running NSCA daemon in front of a Nagios; `encryption` is its `decryption_method` (0 none, 1 XOR)."""

    host: str
    port: int
    encryption: int
    password: str
    nagios: Nagios


@contextmanager
def nagios(folder: Path, *, host: str = HOST, services: Sequence[str] = SERVICES) -> Iterator[Nagios]:
    """A Nagios that checks nothing by itself. `folder` must be short: the query socket lies in it."""
    path = program("nagios4", "nagios4-core")
    (folder / "results").mkdir(exist_ok=True)
    (folder / "rw").mkdir(exist_ok=True)
    common = "active_checks_enabled 0\n passive_checks_enabled 1\n check_command nothing\n max_check_attempts 1\n"
    common += " notifications_enabled 0\n flap_detection_enabled 0\n check_period always\n notification_period always\n"
    common += " contacts nobody\n notification_interval 60\n"
    objects = [
        "define timeperiod {\n timeperiod_name always\n alias always\n"
        + "".join(f" {day} 00:00-24:00\n" for day in _DAYS)
        + "}",
        "define command {\n command_name nothing\n command_line /bin/true\n}",
        "define contact {\n contact_name nobody\n" + "".join(f" {line}\n" for line in _CONTACT) + "}",
        f"define host {{\n host_name {host}\n address 127.0.0.1\n {common}}}",
        *(f"define service {{\n host_name {host}\n service_description {name}\n {common}}}" for name in services),
    ]
    (folder / "objects.cfg").write_text("\n".join(objects) + "\n")
    server = Nagios(
        command_file=folder / "rw/nagios.cmd",
        status_file=folder / "status.dat",
        log_file=folder / "nagios.log",
        host=host,
        services=tuple(services),
    )
    settings = {
        "log_file": server.log_file,
        "cfg_file": folder / "objects.cfg",
        "object_cache_file": folder / "objects.cache",
        "status_file": server.status_file,
        "status_update_interval": 2,
        "nagios_user": getpass.getuser(),
        "nagios_group": grp.getgrgid(os.getgid()).gr_name,
        "check_external_commands": 1,
        "command_file": server.command_file,
        "query_socket": folder / "rw/q",
        "lock_file": folder / "nagios.pid",
        "temp_file": folder / "nagios.tmp",
        "temp_path": folder,
        "check_result_path": folder / "results",
        "check_result_reaper_frequency": 1,
        "retain_state_information": 0,
        "use_syslog": 0,
        "log_passive_checks": 1,
        "log_external_commands": 1,
        "accept_passive_service_checks": 1,
        "accept_passive_host_checks": 1,
        "execute_service_checks": 0,
        "execute_host_checks": 0,
        "enable_notifications": 0,
        "check_for_updates": 0,
        "date_format": "iso8601",
        "illegal_macro_output_chars": "`~$&|'\"<>",
    }
    config = folder / "nagios.cfg"
    config.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))

    def ready() -> bool:
        return server.command_file.is_fifo() and server.status_file.exists()

    with serving([path, config], log=folder / "nagios.out", ready=ready):
        yield server


@contextmanager
def nsca(folder: Path, server: Nagios, *, encryption: int = 1) -> Iterator[Nsca]:
    """An NSCA daemon that writes into that Nagios' command file; with a password if there is encryption."""
    path = program("nsca", "nsca")
    port = free_port()
    config = folder / f"nsca-{encryption}.cfg"
    settings = {
        "server_address": "127.0.0.1",
        "server_port": port,
        "pid_file": folder / f"nsca-{encryption}.pid",
        "nsca_user": getpass.getuser(),
        "nsca_group": grp.getgrgid(os.getgid()).gr_name,
        "command_file": server.command_file,
        "alternate_dump_file": folder / f"nsca-{encryption}.dump",
        "max_packet_age": 30,
        "decryption_method": encryption,
        "debug": 1,
    }
    password = "open-sluice" if encryption else ""
    if password:
        settings["password"] = password
    config.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))

    def ready() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    with serving([path, "-f", "-c", config, "--single"], log=folder / f"nsca-{encryption}.log", ready=ready):
        yield Nsca(host="127.0.0.1", port=port, encryption=encryption, password=password, nagios=server)


_CONTACT = (
    "host_notification_period always",
    "service_notification_period always",
    "host_notification_commands nothing",
    "service_notification_commands nothing",
)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
