"""How many webhooks are accepted durably, beside a bare ASGI route with one insert: `python tests/bench/webhooks.py`.

Both are uvicorn with the same settings on the same machine, in turn, round by round, with the same bodies from the
same number of connections that always have a request under way. Afterwards the database is counted: every delivery
that was answered 202 must be there once, and nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import hmac
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from environment.postgres import postgres

SECRET = b"the secret of this measurement"
OLD = "a" * 40
MARK = b"0123456789abcdef0123456789abcdef01234567"

BARE = {
    "sqlite": """
import os, sqlite3
database = sqlite3.connect(os.environ["BENCH_DATABASE"], isolation_level=None)
database.execute("PRAGMA journal_mode=WAL")
database.execute("PRAGMA synchronous=FULL")
database.execute("CREATE TABLE IF NOT EXISTS bare (id INTEGER PRIMARY KEY, body BLOB NOT NULL)")

async def keep(body):
    database.execute("INSERT INTO bare (body) VALUES (?)", (body,))
""",
    "postgresql": """
import os, psycopg
from asyncio import Queue
idle = None

async def keep(body):
    global idle
    if idle is None:
        idle = Queue()
        for number in range(10):
            made = await psycopg.AsyncConnection.connect(os.environ["BENCH_DATABASE"], autocommit=True)
            if not number:
                await made.execute("CREATE TABLE IF NOT EXISTS bare (id BIGSERIAL PRIMARY KEY, body BYTEA NOT NULL)")
            idle.put_nowait(made)
    connection = await idle.get()
    try:
        await connection.execute("INSERT INTO bare (body) VALUES (%s)", (body,))
    finally:
        idle.put_nowait(connection)
""",
}
"""A bare route's whole application but for the ASGI around it: one insert, on the disk before it is answered."""
ASGI = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    await keep(body)
    await send({"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})
"""
OURS = """
from pipeline.bootstrap import Application
from pipeline.web.app import build
app = build(Application())
"""
SERVE = """
import sys, uvicorn
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
"""


def body_of_a_push() -> bytes:
    """About 7 kB, as a push of GitHub has."""
    commit = {
        "id": MARK.decode(),
        "message": "Say hello to whoever comes by, and tell them what the weather is like today\n\nAt length. " * 3,
        "timestamp": "2026-03-01T12:00:00Z",
        "url": f"https://forge.example/team/app/commit/{MARK.decode()}",
        "author": {"name": "Ada", "email": "ada@example.org", "username": "ada"},
        "added": [],
        "removed": [],
        "modified": [f"src/module_{number}/file_{number}.py" for number in range(20)],
    }
    return json.dumps(
        {
            "ref": "refs/heads/main",
            "before": OLD,
            "after": MARK.decode(),
            "repository": {
                "id": 1,
                "full_name": "team/app",
                "clone_url": "https://forge.example/team/app.git",
                **{
                    f"{name}_url": f"https://api.forge.example/repos/team/app/{name}{{/sha}}"
                    for name in "abcdefghijklmn"
                },
            },
            "commits": [commit] * 4,
            "head_commit": commit,
            "sender": {"login": "ada"},
        }
    ).encode()


BODY = body_of_a_push()


def request(number: int) -> bytes:
    """A whole HTTP request, signed, whose body no other one has."""
    body = BODY.replace(MARK, f"{number:040x}".encode())
    mac = hmac.digest(SECRET, body, "sha256").hex()
    return (
        f"POST /hooks/team/app HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"X-GitHub-Event: push\r\nX-GitHub-Delivery: {number}\r\nX-Hub-Signature-256: sha256={mac}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


@dataclass(kw_only=True)
class Sent:
    """What the senders saw."""

    taken: int = 0
    refused: int = 0
    seconds: float = 0.0
    slowest: float = 0.0

    @property
    def rate(self) -> float:
        """Accepted a second."""
        return self.taken / self.seconds


class Sender(asyncio.Protocol):
    """One connection that always has a request under way."""

    numbers: Iterator[int]

    def __init__(self, sent: Sent, end: float, over: asyncio.Future[None]) -> None:
        self._sent = sent
        self._end = end
        self._over = over
        self._answer = b""
        self._begun = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._send()

    def _send(self) -> None:
        self._begun = time.perf_counter()
        if self._begun >= self._end:
            self._over.set_result(None)
            self._transport.close()
            return
        self._transport.write(request(next(Sender.numbers)))

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, gap, rest = self._answer.partition(b"\r\n\r\n")
        if not gap:
            return
        length = next(
            int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
        )
        if len(rest) < length:
            return
        self._answer = b""
        if head.startswith(b"HTTP/1.1 202 "):
            self._sent.taken += 1
        else:
            self._sent.refused += 1
        self._sent.slowest = max(self._sent.slowest, time.perf_counter() - self._begun)
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._over.done():
            self._over.set_exception(error or ConnectionError("the server closed a connection"))


async def _load(port: int, *, seconds: float, connections: int) -> Sent:
    sent = Sent()
    loop = asyncio.get_running_loop()
    begun = time.perf_counter()
    overs = [loop.create_future() for _ in range(connections)]
    for over in overs:
        await loop.create_connection(lambda over=over: Sender(sent, begun + seconds, over), "127.0.0.1", port)
    await asyncio.gather(*overs)
    sent.seconds = time.perf_counter() - begun
    return sent


@contextmanager
def served(program: str, environment: dict[str, str]) -> Iterator[tuple[int, int]]:
    """Port and pid of a server in a process of its own."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-c", program + SERVE, str(port)], env={**os.environ, **environment})
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if process.poll() is not None:
                    raise
                time.sleep(0.05)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


def measure(kind: str, url: str, folder: Path, *, rounds: int, seconds: float, connections: int) -> bool:
    """Print both rates of each round and their ratio; whether nothing was lost or kept twice."""
    from datetime import UTC, datetime

    from pipeline.bootstrap import Application
    from pipeline.model.repository import ForgeKind, Repository

    ours = {"ECLUSE_HOME": str(folder / "home"), "ECLUSE_DATABASE": url}
    app = Application(ours)
    app.intake.save_repository(
        Repository(
            name="team/app", url="https://forge.example/team/app.git", forge=ForgeKind.GITHUB, created=datetime.now(UTC)
        )
    )
    app.vault.put("hook:team/app", "secret", SECRET, by="bench")
    place = url if kind == "postgresql" else str(folder / "bare.db")
    ratios, taken, refused = [], 0, 0
    with served(BARE[kind] + ASGI, {"BENCH_DATABASE": place}) as (bare, other), served(OURS, ours) as (full, own):
        for port in (bare, full):
            taken_before = asyncio.run(_load(port, seconds=1, connections=connections))
            taken += taken_before.taken if port == full else 0
        for number in range(rounds):
            before = _worked(other), _worked(own)
            beside = asyncio.run(_load(bare, seconds=seconds, connections=connections))
            sent = asyncio.run(_load(full, seconds=seconds, connections=connections))
            taken, refused = taken + sent.taken, refused + sent.refused
            ratios.append(sent.rate / beside.rate)
            work = [
                (_worked(pid) - old) / max(some.taken, 1) * 1e6
                for pid, old, some in zip((other, own), before, (beside, sent), strict=True)
            ]
            print(
                f"{kind} round {number + 1}: bare {beside.rate:,.0f}/s, ours {sent.rate:,.0f}/s, "
                f"ratio {ratios[-1]:.2f}, slowest answer {sent.slowest * 1000:.0f} ms; "
                f"processor time of the server for each: bare {work[0]:.0f} µs, ours {work[1]:.0f} µs",
                flush=True,
            )
    kept, different = _counted(app)
    whole = kept == different == taken and not refused
    print(
        f"{kind}: ratio {statistics.median(ratios):.2f} (median of {rounds}); answered 202: {taken}, kept: {kept}, "
        f"different: {different}, refused: {refused}: {'none lost, none double' if whole else 'WRONG'}",
        flush=True,
    )
    return whole


def _worked(pid: int) -> float:
    """Seconds of processor time that a process has taken; on a machine with others beside, this is what compares."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _counted(app: Any) -> tuple[int, int]:
    """Rows, and rows with different bodies."""
    keys = [(item.key, hashlib.sha256(item.body).digest()) for item in app.intake.deliveries(limit=10_000_000)]
    return len(keys), len({body for _, body in keys})


def main() -> int:
    """0 where nothing was lost; the ratio is for whoever reads it."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seconds", type=float, default=10.0)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--connections", type=int, default=64)
    options.add_argument("databases", nargs="*", default=["sqlite", "postgresql"])
    asked = options.parse_args()
    Sender.numbers = iter(range(1, 1 << 62))
    chosen = {"rounds": asked.rounds, "seconds": asked.seconds, "connections": asked.connections}
    whole = True
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {asked.connections} connections, {len(BODY)} bytes")
    with tempfile.TemporaryDirectory(prefix="ecluse-bench-") as folder:
        for kind in asked.databases:
            place = Path(folder) / kind
            place.mkdir()
            if kind == "sqlite":
                whole &= measure(kind, f"sqlite:///{place / 'records.db'}", place, **chosen)
            else:
                with postgres() as server:
                    whole &= measure(kind, server.url(server.fresh()), place, **chosen)
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
