"""Runs on a node, as the one task of the service that holds a stage's place. As long as it is there, the stage has it;
when it is told to go, it ends what still runs of the stage. Stands alone: only Python's own library."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import sys
import threading
import urllib.parse
from typing import Any


class Engine(http.client.HTTPConnection):
    """The engine of this node, by its socket."""

    def __init__(self, path: str, patience: float) -> None:
        super().__init__("engine", timeout=patience)
        self._path = path

    def connect(self) -> None:
        """Over the socket's path."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def ask(path: str, patience: float, method: str, target: str) -> Any:
    """The engine's answer as JSON; None where it says nothing."""
    engine = Engine(path, patience)
    try:
        engine.request(method, target)
        text = engine.getresponse().read()
        return json.loads(text) if text else None
    finally:
        engine.close()


def end_all(path: str, labels: list[str], grace: float) -> None:
    """Stop the running containers that have these labels, all at once, each with its grace period."""
    filters = urllib.parse.quote(json.dumps({"label": labels, "status": ["running", "paused"]}))
    found = ask(path, 30, "GET", f"/v1.41/containers/json?filters={filters}")
    stopping = [
        threading.Thread(
            target=ask, args=(path, grace + 30, "POST", f"/v1.41/containers/{item['Id']}/stop?t={max(1, round(grace))}")
        )
        for item in found or ()
    ]
    for thread in stopping:
        thread.start()
    for thread in stopping:
        thread.join()


def main(path: str, labels: str, grace: str) -> None:
    """Stay until SIGTERM."""
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    while not told.wait(3600):
        pass
    end_all(path, json.loads(labels), float(grace))


if __name__ == "__main__":
    main(*sys.argv[1:])
