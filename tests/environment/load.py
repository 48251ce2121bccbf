"""Steady requests through a proxy, and who answered them."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

WORKERS = 10


@dataclass
class Load:
    """What came back: the answers' text (good ones only) with the time at which each was asked for, and what went
    wrong."""

    answers: list[tuple[float, str]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def mark(self) -> float:
        """The time now, to look at what came since."""
        return time.monotonic()

    def counts(self, since: float = 0.0, until: float = float("inf")) -> Counter[str]:
        """How often each version answered what was asked between two marks."""
        return Counter(text for at, text in list(self.answers) if since <= at < until)

    def await_answers(self, number: int, *, seconds: float = 60) -> Counter[str]:
        """The counts of `number` answers to what is asked from now on: what was under way may go to who had it."""
        since, end = self.mark(), time.monotonic() + seconds
        while (counts := self.counts(since)).total() < number:
            if time.monotonic() > end:
                raise TimeoutError(f"{counts.total()} of {number} answers in {seconds:g} s; {self.failures[-3:]}")
            time.sleep(0.05)
        return counts


@contextmanager
def load(port: int, *, rate: float = 200.0, path: str = "/") -> Iterator[Load]:
    """`rate` requests a second to a port of this machine, as long as the body runs; nobody waits for the others."""
    said, ended = Load(), threading.Event()

    def work(number: int) -> None:
        pause = WORKERS / rate
        due = time.monotonic() + number * pause / WORKERS
        while not ended.wait(max(0.0, due - time.monotonic())):
            due = max(due + pause, time.monotonic() - 1)  # a machine that was busy does not make up for more
            _ask(port, path, said)

    workers = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(WORKERS)]
    for worker in workers:
        worker.start()
    try:
        yield said
    finally:
        ended.set()
        for worker in workers:
            worker.join()


def _ask(port: int, path: str, said: Load) -> None:
    asked = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace").strip()
        if answer.status == 200:
            said.answers.append((asked, text))
        else:
            said.failures.append(f"{answer.status} {text[:60]}")
    except (OSError, http.client.HTTPException) as error:
        said.failures.append(f"{type(error).__name__}: {error}")
    finally:
        connection.close()
