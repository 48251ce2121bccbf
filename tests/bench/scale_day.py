"""What happens on the simulated day: pushes with their webhooks, and people who look at pages and follow logs."""

from __future__ import annotations

import hmac
import http.client
import itertools
import json
import random
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from scale_ground import SECRET, Installation

HOURS = (1, 1, 1, 1, 1, 1, 1, 3, 10, 30, 50, 30, 10, 15, 30, 25, 15, 7, 3, 2, 1, 1, 1, 1)
"""How much happens in each hour of a day: at its peak five times the average."""
PEAK = max(HOURS) / (sum(HOURS) / len(HOURS))
_THINKS = 0.5
"""Seconds between two pages of a visitor."""
_FOLLOWS = 20.0
"""Seconds for which a visitor follows a log at most."""


@dataclass(kw_only=True)
class Seen:
    """What senders and visitors have measured."""

    answered: list[float] = field(default_factory=list)
    """Seconds until each webhook was answered 202."""
    sent: dict[str, float] = field(default_factory=dict)
    """By commit, when."""
    pages: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Seconds until each page was there, by kind."""
    followed: int = 0
    """Logs that were followed from their running on to their end."""
    lines: int = 0
    """Lines that came so."""
    wrong: list[str] = field(default_factory=list)


def events(repositories: int, runs: int, drawn: random.Random) -> list[int]:
    """The repository of each event, in the order of time: few are busy, many are not."""
    weights = [1 / (rank + 5) for rank in range(repositories)]
    return drawn.choices(range(repositories), weights, k=runs)


def times(runs: int, day: float, drawn: random.Random) -> list[float]:
    """When each event happens, in seconds after the day's begin."""
    hours = drawn.choices(range(len(HOURS)), HOURS, k=runs)
    return sorted((hour + drawn.random()) * day / len(HOURS) for hour in hours)


def live(
    made: Installation,
    chosen: Sequence[int],
    commits: Sequence[str],
    due: Sequence[float],
    progress: Callable[[int, float], None],
) -> Seen:
    """The whole day; what was seen. Runs may be under way when it returns."""
    seen, over = Seen(), threading.Event()
    visitors = [Visitor(made, seen, over, number) for number in range(made.size.visitors)]
    begun = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        try:
            for visitor in visitors:
                visitor.start()
            for index, at in enumerate(due):
                while (left := begun + at - time.monotonic()) > 0:
                    time.sleep(min(left, 0.25))
                    progress(index, time.monotonic() - begun)
                pool.submit(push, made, seen, chosen[index], index, commits[index])
                if index % 20 == 0:
                    made.check()
        finally:
            over.set()
            for visitor in visitors:
                visitor.join()
    return seen


def push(made: Installation, seen: Seen, repository: int, event: int, sha: str) -> None:
    """A branch with this commit, and the webhook that tells of it."""
    branch, name = f"topic/{event}", made.name(repository)
    ref = made.path(repository) / "refs/heads" / branch
    ref.parent.mkdir(parents=True, exist_ok=True)
    ref.write_text(sha + "\n")
    body = _body(name, branch, sha)
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": sha,
        "X-Hub-Signature-256": "sha256=" + hmac.digest(SECRET, body, "sha256").hex(),
    }
    seen.sent[sha] = time.time()
    begun = time.perf_counter()
    connection = http.client.HTTPConnection(urlsplit(made.url).netloc, timeout=60)
    try:
        connection.request("POST", f"/hooks/{name}", body, headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 202:
            seen.wrong.append(f"webhook of {name}: {answer.status} {text[:200]!r}")
        seen.answered.append(time.perf_counter() - begun)
    except (OSError, http.client.HTTPException) as error:
        seen.wrong.append(f"webhook of {name}: {error}")
    finally:
        connection.close()


def _body(name: str, branch: str, sha: str) -> bytes:
    """About 7 kB, as a push of GitHub has."""
    from webhooks import MARK, body_of_a_push

    pushed = json.loads(body_of_a_push().replace(MARK, sha.encode()))
    pushed |= {"ref": f"refs/heads/{branch}", "before": "0" * 40}
    pushed["repository"] |= {"full_name": name, "clone_url": f"https://forge.example/{name}.git"}
    return json.dumps(pushed).encode()


class Visitor(threading.Thread):
    """Somebody who opens one page after the other, and follows the log of what runs."""

    def __init__(self, made: Installation, seen: Seen, over: threading.Event, number: int) -> None:
        super().__init__(name=f"visitor-{number}", daemon=True)
        self._made = made
        self._seen = seen
        self._over = over
        self._drawn = random.Random(number)  # noqa: S311 - which repository is looked at
        self._cookie = _signed_in(made, f"visitor{number}")

    def run(self) -> None:
        """Until the day is over."""
        for turn in itertools.count():
            if self._over.is_set():
                return
            try:
                self._look_around(turn)
            except (OSError, http.client.HTTPException) as error:
                self._seen.wrong.append(f"{self.name}: {error}")

    def _look_around(self, turn: int) -> None:
        name = self._made.name(self._drawn.randrange(min(self._made.size.repositories, 5)))
        self._page("repositories", "/")
        runs = self._page("runs", f"/r/{name}")
        numbers = re.findall(rf'href="/r/{name}/runs/(\d+)"', runs)
        if numbers:
            run = f"/r/{name}/runs/{numbers[0]}"
            self._page("run", run)
            self._page("stage", f"{run}/stages/unit")
            self._follow(f"{run}/log/follow?stage=unit&after=0")
        if turn % 4 == 0:
            self._page("system", "/system")
            self._page("search", f"/search?q=service{turn}")

    def _page(self, kind: str, path: str) -> str:
        if self._over.wait(_THINKS):
            return ""
        begun = time.perf_counter()
        connection = self._asked(path)
        try:
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        finally:
            connection.close()
        if answer.status != 200:
            self._seen.wrong.append(f"{path}: {answer.status}")
        self._seen.pages[kind].append(time.perf_counter() - begun)
        return text

    def _follow(self, path: str) -> None:
        """Line by line to the end; a line that is missing is wrong."""
        if self._over.is_set():
            return
        connection = self._asked(path)
        got, until = 0, time.monotonic() + _FOLLOWS
        try:
            answer = connection.getresponse()
            if answer.status != 200:
                return  # its stage has not begun
            while time.monotonic() < until and not self._over.is_set():
                line = answer.readline()
                if line.startswith(b"event: over"):
                    self._seen.followed += 1
                    return
                if line.startswith(b'data: {"first"'):
                    body = json.loads(line[6:])
                    if body["first"] != got + 1:
                        self._seen.wrong.append(f"{path}: line {body['first']} behind {got}")
                    got += len(body["lines"])
                    self._seen.lines += len(body["lines"])
                elif not line:
                    return
        finally:
            connection.close()

    def _asked(self, path: str) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(urlsplit(self._made.url).netloc, timeout=60)
        connection.request("GET", path, headers={"Cookie": self._cookie, "Accept": "text/html"})
        return connection


def _signed_in(made: Installation, login: str) -> str:
    """The cookie of somebody who may see everything."""
    from pipeline.model.account import Grant, Role
    from pipeline.operations.access.people import add_user
    from pipeline.operations.access.sessions import open_session
    from pipeline.web.access.cookies import SESSION

    accounts, now = made.app.accounts, made.app.clock.now()
    add_user(accounts, login, name=login.title(), now=now)
    accounts.save_grant(Grant(id=f"{login}-viewer", login=login, role=Role.VIEWER, created=now, created_by=login))
    opened = open_session(accounts, login, now=now, address="127.0.0.1", agent="bench")
    return f"{SESSION}={opened.secret}"
