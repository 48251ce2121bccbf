"""Streams of a real server end with the rights of whoever follows, and with the server; no line is lost by that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import made_up
import pytest
from environment.command import Command
from environment.serving import Ground, Process, ground
from following import Following
from made_up import NOW
from page_ground import Served, cookie_of
from playwright.sync_api import BrowserContext, expect

from pipeline.model.account import Role
from pipeline.model.repository import Repository
from pipeline.model.run import Run
from pipeline.model.status import RunState, StageState
from pipeline.operations.access.machine import noted
from pipeline.operations.access.tokens import make_token

URL = "https://git.example.org/tea/pot.git"
LOG = "/r/tea/pot/runs/{run}/log/follow?stage=unit"
STREAMS = ("/live?repository=tea/pot", "/r/tea/pot/runs/{run}/events", LOG)


@pytest.fixture
def serving(ecluse: Command, tmp_path: Path) -> Iterator[Ground]:
    with ground(ecluse, tmp_path) as made:
        yield made


def going_on(serving: Ground) -> tuple[Run, Path]:
    """A run under way, and the log that it writes."""
    app = serving.app
    app.intake.save_repository(Repository(name="tea/pot", url=URL, created=NOW))
    run = made_up.run_in(
        app, (made_up.Stage(name="unit", state=StageState.RUNNING),), repository=URL, state=RunState.RUNNING
    )
    log = app.settings.home / "runs" / run.id / "unit.1.log"
    log.parent.mkdir(parents=True)
    log.write_bytes(made_up.stored(["line 1", "line 2"], NOW))
    return run, log


def write(log: Path, *lines: str) -> None:
    with log.open("ab") as file:
        file.write(made_up.stored(lines, NOW))


def by_session(serving: Ground, server: Process) -> dict[str, str]:
    """Headers of a viewer's browser."""
    cookie = cookie_of(Served(url=server.url, app=serving.app), "vera", Role.VIEWER)
    return {"Cookie": f"{cookie['name']}={cookie['value']}"}


def by_token(serving: Ground, server: Process) -> dict[str, str]:
    """Headers of a viewer's program."""
    by_session(serving, server)
    now = serving.app.clock.now()
    made = make_token(
        serving.app.accounts, "vera", id="t1", name="ci", role=Role.VIEWER, now=now, expires=now + timedelta(days=1)
    )
    return {"Authorization": f"Bearer {made.secret}"}


def signs_out(serving: Ground, headers: dict[str, str]) -> None:
    serving.app.accounts.end_sessions(login="vera")
    noted(serving.app, "session.end", "vera")


def ends_unnoticed(serving: Ground, headers: dict[str, str]) -> None:
    serving.app.accounts.end_sessions(login="vera")


def loses_the_token(serving: Ground, headers: dict[str, str]) -> None:
    assert serving.command("token", "revoke", "t1", env=serving.variables).code == 0


def is_shut_out(serving: Ground, headers: dict[str, str]) -> None:
    assert serving.command("user", "disable", "vera", env=serving.variables).code == 0


def loses_the_role(serving: Ground, headers: dict[str, str]) -> None:
    grant = serving.app.accounts.grants(login="vera")[0]
    assert serving.command("grant", "remove", grant.id, env=serving.variables).code == 0


@pytest.mark.parametrize(
    ("enter", "loses", "why"),
    [
        pytest.param(by_session, signs_out, "signed_out", id="the session ends"),
        pytest.param(by_session, ends_unnoticed, "signed_out", id="the session ends and nobody says so"),
        pytest.param(by_token, loses_the_token, "signed_out", id="the token is revoked"),
        pytest.param(by_token, is_shut_out, "signed_out", id="the person is disabled"),
        pytest.param(by_session, loses_the_role, "not_allowed", id="the role is taken away"),
    ],
)
def test_a_stream_ends_with_the_right_to_it(
    serving: Ground,
    enter: Callable[[Ground, Process], dict[str, str]],
    loses: Callable[[Ground, dict[str, str]], None],
    why: str,
) -> None:
    run, log = going_on(serving)
    server = serving.serve("--no-worker")
    theirs, others = enter(serving, server), cookie_of(Served(url=server.url, app=serving.app))
    streams = [Following(server.url + path.format(run=run.number), theirs) for path in STREAMS]
    anna = Following(server.url + LOG.format(run=run.number), {"Cookie": f"{others['name']}={others['value']}"}).lines()
    assert next(anna) == (1, "line 1")
    loses(serving, theirs)
    for stream in streams:
        *_, last = stream.events()
        assert (last.name, last.data) == ("cut", {"why": why})
    write(log, "line 3")
    assert (next(anna), next(anna)) == ((2, "line 2"), (3, "line 3")), "whoever still may, follows on"


def test_no_line_is_lost_over_a_restart_and_nobody_holds_it_up(serving: Ground) -> None:
    run, log = going_on(serving)
    server = serving.serve("--no-worker")
    headers = by_session(serving, server)
    streams = [Following(server.url + path.format(run=run.number), headers) for path in STREAMS]
    events = [stream.events() for stream in streams]
    heard = [next(one) for one in events[1:]]
    server.popen.terminate()
    for one in events:
        assert "cut" not in [event.name for event in one], "a restart is no reason to give up"
    assert server.popen.wait(60) == 0

    write(log, "line 3")
    again = serving.serve("--no-worker")
    back = Following(again.url + LOG.format(run=run.number), {**headers, "Last-Event-ID": heard[-1].id}).lines()
    assert next(back) == (3, "line 3")
    write(log, "line 4")
    assert next(back) == (4, "line 4")


def test_who_comes_back_to_what_changed_meanwhile_is_told(serving: Ground) -> None:
    run, _ = going_on(serving)
    server = serving.serve("--no-worker")
    headers = by_session(serving, server)
    path = server.url + STREAMS[0]
    stream = Following(path, headers)
    word = next(line for line in iter(stream.answer.readline, b"") if line.startswith(b"id: ")).decode()[4:].strip()
    stream.close()
    serving.app.records.update_run(run.id, state=RunState.PARKED)
    changed = next(Following(path, {**headers, "Last-Event-ID": word}).events())
    assert (changed.name, changed.id != word) == ("changed", True)


def test_a_page_says_why_it_changes_no_more(serving: Ground, context: Callable[[], BrowserContext]) -> None:
    run, _ = going_on(serving)
    server = serving.serve("--no-worker")
    there = context()
    there.add_cookies([cookie_of(Served(url=server.url, app=serving.app), "vera", Role.VIEWER)])  # type: ignore[list-item]
    shown, followed = there.new_page(), there.new_page()
    shown.goto(f"{server.url}/r/tea/pot/runs/{run.number}")
    followed.goto(f"{server.url}/r/tea/pot/runs/{run.number}/stages/unit")
    expect(followed.locator("#L2")).to_contain_text("line 2")
    signs_out(serving, {})
    here = f"/login?next=%2Fr%2Ftea%2Fpot%2Fruns%2F{run.number}"
    for page, way in ((shown, here), (followed, f"{here}%2Fstages%2Funit")):
        expect(page.locator("#cut")).to_contain_text("You are signed out", timeout=60_000)
        expect(page.locator("#cut a")).to_have_attribute("href", way)


def test_a_page_goes_on_with_the_next_server(serving: Ground, context: Callable[[], BrowserContext]) -> None:
    run, log = going_on(serving)
    server = serving.serve("--no-worker")
    there = context()
    there.add_cookies([cookie_of(Served(url=server.url, app=serving.app), "vera", Role.VIEWER)])  # type: ignore[list-item]
    page = there.new_page()
    page.goto(f"{server.url}/r/tea/pot/runs/{run.number}/stages/unit")
    expect(page.locator("#L2")).to_contain_text("line 2")
    server.stop()
    write(log, "line 3")
    serving.start("serve", "--no-worker", "--listen", server.url.removeprefix("http://"))
    expect(page.locator("#L3")).to_contain_text("line 3", timeout=120_000)
    write(log, "line 4")
    expect(page.locator("#L4")).to_contain_text("line 4", timeout=120_000)
    assert page.locator("#L1").count() == 1
