"""`ecluse serve` and `ecluse worker`: the server of a team, and further machines that make its runs."""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import application
from pipeline.errors import StorageError, UsageError
from pipeline.operations.serving.supervision import Supervision

if TYPE_CHECKING:  # for their time, not for a circle
    import uvicorn

    from pipeline.operations.serving.server import Background
    from pipeline.operations.serving.workshop import Workshop
    from pipeline.ports.application import Application
    from pipeline.web.live_streams import Live

_PROGRAM = (sys.executable, "-c", "from pipeline.cli.door import main; main()", "make-run")
"""Makes one run in a process of its own, whatever is on the PATH."""
_TAKEN = {
    errno.EADDRINUSE: "another program has that port (`ss -ltnp` shows which): end it, or name another one in --listen",
    errno.EADDRNOTAVAIL: "this machine has no such address: 0.0.0.0 listens on all that it has",
    errno.EACCES: "ports below 1024 are root's: take another one, and put a proxy with TLS before it",
}
"""What to do where the port cannot be had."""
_LAST_REQUESTS = 5.0
"""Seconds for answers that are under way at the end."""


@click.command()
@click.option("--listen", metavar="HOST:PORT", help="Where to answer; by default what the settings say.")
@click.option("--no-worker", is_flag=True, help="Make no runs here: leave them to `ecluse worker` on other machines.")
def serve(listen: str | None, no_worker: bool) -> int:
    """Serve the pages, the API and the webhooks, and make the runs that are asked for.

    SIGTERM or Ctrl-C drains: nothing new is begun, what runs may end within the setting `drain`; what remains then, or
    with a second signal, is handed over to other workers, or to the next `ecluse serve` here. SIGHUP reads the settings
    anew: what runs is taken up by the same process, as after a restart.
    """
    watched = Supervision(os.environ)
    try:
        import uvicorn

        from pipeline.web import connections
        from pipeline.web.app import build
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the server needs the package '{error.name}'", hint="install it with: pip install 'ecluse[server]'"
        ) from error
    from pipeline.operations import drift_watch
    from pipeline.operations.access.beginning import first_key
    from pipeline.operations.serving import dispatching, forgetting, gates, schedules, waiting
    from pipeline.operations.serving.dispatching import Dispatcher
    from pipeline.operations.serving.schedules import Scheduler
    from pipeline.operations.serving.server import Background, Rounds
    from pipeline.operations.serving.telling import EVERY, Telling

    app = application()
    app.share()
    host, port = _address(listen or app.settings.listen)
    proxies = connections.networks(app.settings.trusted_proxies)
    door = _door(host, port)
    app.intake.repositories()  # brings the database up to date before anything answers
    site = build(app)
    dispatcher, scheduler = Dispatcher(app, note=_note), Scheduler(app, note=_note)
    rounds = (
        Rounds("deliveries", dispatcher.round, every=dispatching.LOOK_EVERY, note=_note),
        Rounds("schedules", scheduler.round, every=schedules.LOOK_EVERY, note=_note),
        Rounds("telling", Telling(app, note=_note).round, every=EVERY, note=_note),
        Rounds("forgetting", lambda: forgetting.forget_round(app), every=forgetting.LOOK_EVERY, note=_note),
        Rounds("waiting", lambda: waiting.remark_round(app), every=waiting.LOOK_EVERY, note=_note),
        Rounds("gates", gates.GateRound(app), every=gates.LOOK_EVERY, note=_note),
        Rounds("drift", site.state.drifts.round, every=drift_watch.LOOK_EVERY, note=_note, awaited=False),
    )
    background = Background(app, workshop=None if no_worker else _workshop(app), rounds=rounds)
    site.state.draining = lambda: background.draining
    most = connections.most()
    connections.Connection.most = most
    connections.Connection.most_of_one = min(connections.MOST_OF_ONE, most // 2)
    connections.Connection.proxies = proxies
    config = uvicorn.Config(
        site,
        host=host,
        port=port,
        http=connections.Connection,
        log_level="warning",
        forwarded_allow_ips=[str(network) for network in proxies],
        timeout_graceful_shutdown=int(_LAST_REQUESTS),
    )
    server = uvicorn.Server(config)
    with _signals() as asked, door, _answering(server, door, site.state.live):
        port = int(door.getsockname()[1])
        address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        _note(f"listening on {address}")
        if key := first_key(app):
            _note(f"nobody is here yet: make the first admin at {app.settings.public_url or address}/first?key={key}")
        background.start()
        watched.ready(f"listening on {address}", lambda: _answers(port, host))
        again = _work(app, background, asked, watched, drains=site.state.live.move)
    if again:
        _begin_anew(watched)
    return 0


@click.command()
def worker() -> int:
    """Make runs that a server was asked for, until SIGTERM or Ctrl-C; the setting `database` says whose.

    Draining, and SIGHUP, are as with `ecluse serve`.
    """
    from pipeline.operations.serving.server import Background

    watched = Supervision(os.environ)
    app = application()
    app.intake.repositories()  # a database that is away or too new is told before there is work
    background = Background(app, workshop=_workshop(app))
    with _signals() as asked:
        words = f"works with {app.settings.slots} slots" + "".join(f", {label}" for label in app.settings.labels)
        _note(words)
        background.start()
        watched.ready(words, lambda: not background.drained(0))
        again = _work(app, background, asked, watched)
    if again:
        _begin_anew(watched)
    return 0


def _workshop(app: Application) -> Workshop:
    from pipeline.operations.serving.workshop import Workshop

    return Workshop(app, program=_PROGRAM, note=_note)


def _work(
    app: Application,
    background: Background,
    asked: SimpleQueue[int],
    watched: Supervision,
    drains: Callable[[], None] = lambda: None,
) -> bool:
    """Until a signal; then drain until all has ended, the time is over or a second signal comes. Whether the same
    process is to begin anew: then what runs is handed over at once."""
    try:
        if asked.get() == signal.SIGHUP:
            watched.reloading()
            _note("reads the settings anew")
            return True
        background.drain()
        drains()
        words = f"draining for up to {app.settings.drain:.0f} s"
        watched.ending(words)
        _note(f"{words}; once more ends at once")
        until = app.clock.monotonic() + app.settings.drain
        while not background.drained(0.2) and app.clock.monotonic() < until:
            with suppress(Empty):
                asked.get_nowait()
                break
        return False
    finally:
        background.close()
        watched.close()


def _begin_anew(watched: Supervision) -> None:
    """The same process, with the settings as they are now and what its supervisor gave it."""
    os.environ.update(watched.variables)
    os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - ourselves


def _answers(port: int, host: str) -> bool:
    """Whether our own web server answers."""
    from http.client import HTTPConnection, HTTPException

    connection = HTTPConnection({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port, timeout=5)  # noqa: S104 - compared
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


@contextmanager
def _signals() -> Iterator[SimpleQueue[int]]:
    """SIGTERM, SIGINT and SIGHUP as they come."""
    asked: SimpleQueue[int] = SimpleQueue()
    kinds = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {kind: signal.signal(kind, lambda number, _: asked.put(number)) for kind in kinds}
    try:
        yield asked
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


@contextmanager
def _answering(server: uvicorn.Server, door: socket.socket, live: Live) -> Iterator[None]:
    """The web server in a thread, so that it answers while the runs are drained; open streams do not hold it up."""
    import threading
    import time

    thread = threading.Thread(target=server.run, args=([door],), name="web", daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise StorageError("the web server did not start", hint="what it said stands above")
        time.sleep(0.01)
    try:
        yield
    finally:
        live.close()
        server.should_exit = True
        thread.join(_LAST_REQUESTS * 2)


def _door(host: str, port: int) -> socket.socket:
    """Where it listens, taken before anything else is done. UsageError says why it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
    except OSError as error:
        made.close()
        hint = _TAKEN.get(
            error.errno or 0, "write the address of this machine: 127.0.0.1:8380, or 0.0.0.0:8380 for all"
        )
        raise UsageError(f"cannot listen on {host}:{port}: {error.strerror}", hint=hint) from error
    return made


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"'{text}' is no HOST:PORT", hint="write 127.0.0.1:8380")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


def _note(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
