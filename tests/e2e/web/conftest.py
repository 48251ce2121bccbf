"""A real server of an installation, and a real Chromium that looks at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import made_up
import pytest
from environment import browser as browsers
from environment.places import find
from page_ground import Served, Visit, cookie_of, serve
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from pipeline.model.account import Role


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An installation as a team has one."""
    app = made_up.home_of(tmp_path_factory.mktemp("shop"))
    runs = made_up.shop(app)
    for url in serve(app):
        yield Served(url=url, app=app, runs=runs)


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Served]:
    """One where nothing has happened yet; tests may fill it."""
    app = made_up.home_of(tmp_path)
    for url in serve(app):
        yield Served(url=url, app=app)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's, without any talk of its own to the world."""
    path = browsers.chromium(find())
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=list(browsers.FLAGS))
        yield found
        found.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The script of axe-core."""
    return browsers.npm_file(find(), browsers.AXE, "axe.min.js").decode()


@pytest.fixture
def context(chromium: Browser) -> Iterator[Callable[[], BrowserContext]]:
    """Opens a browser of somebody's own."""
    made: list[BrowserContext] = []

    def open_one() -> BrowserContext:
        made.append(chromium.new_context(reduced_motion="reduce"))
        return made[-1]

    yield open_one
    for one in made:
        one.close()


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Visit]]:
    """Opens a page: `visit(served, "/board", dark=True, phone=True)`."""
    contexts: list[BrowserContext] = []

    def go(served: Served, path: str, *, dark: bool = False, phone: bool = False, role: Role = Role.ADMIN) -> Visit:
        size = {"width": 390, "height": 844} if phone else {"width": 1280, "height": 860}
        context = chromium.new_context(
            viewport=size,  # type: ignore[arg-type]
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
        )
        contexts.append(context)
        context.add_cookies([cookie_of(served, "anna" if role is Role.ADMIN else role.value, role)])  # type: ignore[list-item]
        page = context.new_page()
        seen = Visit(page=page, errors=[], strangers=[])
        page.on("pageerror", lambda error: seen.errors.append(str(error)))
        page.on("console", lambda said: seen.errors.append(said.text) if said.type == "error" else None)
        page.on("request", lambda asked: None if asked.url.startswith(served.url) else seen.strangers.append(asked.url))
        page.goto(served.url + path, wait_until="load")
        return seen

    yield go
    for context in contexts:
        context.close()
