"""Notices to people, by Apprise: one address for each of the many services that it knows."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import Final

from pipeline.errors import MonitoringError

SECRET: Final = re.compile(r"secret:(?P<name>[A-Za-z_][A-Za-z0-9_]*)")
"""In an address: the value of a secret, quoted as URLs want it."""
_LOGIN: Final = re.compile(r"^(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:[^/@]*@)?(?P<host>[^/?#]*)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """What is said."""

    title: str
    body: str
    bad: bool = False
    """Whether something went wrong, for services that show it."""


def masked(address: str) -> str:
    """Scheme and host of an address: its path, login and query hold tokens."""
    found = _LOGIN.match(address)
    return f"{found['scheme']}://{found['host']}" if found else "an address"


def send(address: str, notice: Notice, *, timeout: float) -> None:
    """Hand over within `timeout` seconds. MonitoringError where the address cannot be used or nobody took it."""
    import logging

    from apprise import Apprise, NotifyType

    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # it would print addresses with their tokens
    target = Apprise()
    if not target.add(f"{address}{'&' if '?' in address else '?'}cto={timeout:g}&rto={timeout:g}"):
        raise MonitoringError("this address is not understood", hint="https://appriseit.com lists them all")
    took: list[bool] = []
    kind = NotifyType.FAILURE if notice.bad else NotifyType.SUCCESS

    def work() -> None:
        took.append(bool(target.notify(title=notice.title, body=notice.body, notify_type=kind)))

    thread = threading.Thread(target=work, name="notice", daemon=True)
    thread.start()
    thread.join(2 * timeout)
    if not took:
        raise MonitoringError(f"no answer within {2 * timeout:g} s", hint="is the service reachable from here?")
    if not took[0]:
        raise MonitoringError("it did not take the notice", hint="check the address, and whether it answers")
