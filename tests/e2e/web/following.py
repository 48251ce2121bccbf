"""Somebody who follows a stream of a server, as a program does: over HTTP, event by event."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

PATIENCE = 120.0
"""Seconds of silence after which nothing more will come: a stream says each 15 s that it lives."""


@dataclass(frozen=True, kw_only=True)
class Heard:
    """One event."""

    name: str
    id: str
    data: Any


class Following:
    """An open stream. Leaving it half-way through an answer is an error (`http.client.IncompleteRead`)."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)
        self._connection.request("GET", f"{parts.path}?{parts.query}", headers=dict(headers))
        self.answer = self._connection.getresponse()
        assert self.answer.status == 200, self.answer.read()

    def events(self) -> Iterator[Heard]:
        """Until the server ends the stream."""
        fields: dict[str, str] = {}
        for line in iter(self.answer.readline, b""):
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                fields[name] = value
            elif "event" in fields:
                yield Heard(name=fields["event"], id=fields.get("id", ""), data=json.loads(fields["data"]))
                fields = {}

    def lines(self) -> Iterator[tuple[int, str]]:
        """Numbers and texts of the lines of a log."""
        for event in self.events():
            if event.name == "lines":
                assert event.id == str(event.data["first"] + len(event.data["lines"]) - 1)
                yield from enumerate((line[1] for line in event.data["lines"]), event.data["first"])

    def close(self) -> None:
        """Hang up."""
        self._connection.close()
