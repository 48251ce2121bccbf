"""200 followers of one log that grows by 1,000 lines a second: `followers.py [FOLLOWERS] [LINES] [SECONDS]`.

The server is a process of its own; every follower counts its lines. It prints lost lines, the delay until the last
follower has a line, and how much of a core the server took.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import socket
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "e2e/web")]

import made_up  # noqa: E402
from page_ground import Served, cookie_of  # noqa: E402

from pipeline.model.repository import Repository  # noqa: E402
from pipeline.model.status import RunState, StageState  # noqa: E402

URL = "https://git.example.org/tea/pot.git"


def serve(home: Path, port: int) -> None:
    """The server's process; at its end it says how many seconds of a processor it used."""
    import uvicorn

    from pipeline.web.app import build

    app = made_up.home_of(home)
    uvicorn.run(build(app), host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=1)


async def follow(port: int, path: str, cookie: str, wanted: int, arrived: list[float]) -> int:
    """Lines that came in their order; the time of the last goes into `arrived`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n\r\n".encode())
    got = 0
    while got < wanted:
        line = await reader.readline()
        if not line:
            break
        if line.startswith(b'data: {"first"'):
            body = json.loads(line[6:])
            if body["first"] != got + 1:
                raise SystemExit(f"a follower got line {body['first']} behind {got}")
            got += len(body["lines"])
    arrived.append(time.monotonic())
    writer.close()
    return got


async def all_there(port: int, cookie: str, followers: int) -> None:
    """Once every stream is open, as the server says."""
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"GET /system HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode())
        page = (await reader.read()).decode()
        writer.close()
        if f"{followers} pages kept" in page:
            return
        await asyncio.sleep(0.2)


async def measure(
    port: int, pid: int, path: str, cookie: str, log: Path, followers: int, rate: int, seconds: int
) -> None:
    """Write at that rate while all follow."""
    wanted = rate * seconds
    arrived: list[float] = []
    tasks = [asyncio.create_task(follow(port, path, cookie, wanted, arrived)) for _ in range(followers)]
    await all_there(port, cookie, followers)
    before, begun = _used(pid), time.monotonic()
    with log.open("ab") as file:
        for tick in range(seconds * 10):
            first = tick * rate // 10
            words = [f"line {first + at} of a build that prints a lot of words" for at in range(rate // 10)]
            file.write(made_up.stored(words, made_up.NOW))
            file.flush()
            await asyncio.sleep(max(0.0, begun + (tick + 1) / 10 - time.monotonic()))
    written = time.monotonic()
    got = await asyncio.gather(*tasks)
    used, whole = _used(pid) - before, time.monotonic() - begun
    print(f"{followers} followers, {wanted} lines in {written - begun:.1f} s")
    lost, late = sum(wanted - count for count in got), max(arrived) - written
    print(f"lost: {lost}; the last follower had the last line {late:.2f} s after it was written")
    print(f"the server took {used / whole:.2f} of a core")


def _used(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Fill, serve, measure."""
    followers, rate, seconds = (int(word) for word in (*sys.argv[1:], "200", "1000", "10")[:3])
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        app = made_up.home_of(home)
        app.intake.save_repository(Repository(name="tea/pot", url=URL, created=made_up.NOW))
        stage = made_up.Stage(name="unit", state=StageState.RUNNING)
        run = made_up.run_in(app, (stage,), repository=URL, state=RunState.RUNNING)
        log = home / "runs" / run.id / "unit.1.log"
        log.parent.mkdir(parents=True)
        log.touch()
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        cookie = cookie_of(Served(url="", app=app))
        app.records.close()
        pid = os.fork()
        if not pid:
            serve(home, port)
            os._exit(0)
        try:
            _await(port)
            path = f"/r/tea/pot/runs/{run.number}/log/follow?stage=unit&after=0"
            said = f"{cookie['name']}={cookie['value']}"
            asyncio.run(measure(port, pid, path, said, log, followers, rate, seconds))
        finally:
            os.kill(pid, 15)
            os.waitpid(pid, 0)


def _await(port: int) -> None:
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return


if __name__ == "__main__":
    main()
