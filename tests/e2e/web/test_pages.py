"""What holds for every page: readable for all, quiet towards the world, small, and safe with hostile names."""

from __future__ import annotations

import html
import json
import re
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from environment import browser
from environment.places import find
from page_ground import Served, Visit, cookie_of

STATIC = Path(__file__).resolve().parents[3] / "pipeline/web/static"
PAGES = {
    "repositories": "/",
    "runs": "/r/tea/shop",
    "failed run": "/r/tea/shop/runs/19",
    "running run": "/r/tea/shop/runs/20",
    "log": "/r/tea/shop/runs/19/stages/unit",
    "start a run": "/r/tea/shop/start",
    "stop a run": "/r/tea/shop/runs/20/do/cancel",
    "tests": "/r/tea/shop/tests",
    "board": "/board",
    "promote": "/board/tea/shop/prod/promote?release=17-0000011",
    "hold": "/board/tea/shop/prod/hold",
    "environment": "/environments/prod",
    "release": "/releases/16-0000010",
    "promotion": "/promotions/{waiting}",
    "ledger": "/ledger",
    "system": "/system",
    "search": "/search?q=tea",
    "nothing found": "/search?q=nothing-is-called-so",
    "no such run": "/r/tea/shop/runs/99999",
    "settings": "/settings",
    "people": "/settings/people",
    "secrets": "/settings/secrets",
    "audit": "/settings/audit",
    "sign in": "/login",
}


@pytest.mark.parametrize("path", [pytest.param(path, id=name) for name, path in PAGES.items()])
def test_axe_finds_nothing_in_light_and_dark_and_a_phone_shows_all(
    shop: Served, visit: Callable[..., Visit], axe: str, path: str
) -> None:
    seen = visit(shop, path.format(waiting=shop.runs["waiting"].id))
    seen.page.evaluate(axe)
    assert not _violations(seen, "{resultTypes: ['violations']}")
    seen.page.emulate_media(color_scheme="dark")
    assert not _violations(seen, "{runOnly: ['color-contrast', 'link-in-text-block']}")
    seen.page.set_viewport_size({"width": 390, "height": 844})
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert not seen.strangers
    assert not [error for error in seen.errors if "404" not in error]


def _violations(seen: Visit, options: str) -> str:
    found = seen.page.evaluate(f"axe.run(document, {options})")["violations"]
    return (
        json.dumps([(item["id"], [node["html"][:300] for node in item["nodes"][:3]]) for item in found], indent=1)
        if found
        else ""
    )


@pytest.mark.parametrize(
    ("package", "path", "name"),
    [
        pytest.param(browser.HTMX, "dist/htmx.min.js", "htmx.min.js", id="htmx"),
        pytest.param(browser.HTMX, "LICENSE", "htmx.LICENSE", id="its licence"),
    ],
)
def test_what_is_vendored_is_the_package_s(package: tuple[str, str], path: str, name: str) -> None:
    assert (STATIC / name).read_bytes() == browser.npm_file(find(), package, path)


def test_our_own_script_is_small() -> None:
    assert sum(path.stat().st_size for path in STATIC.glob("*.js") if not path.name.startswith("htmx")) < 30_000


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/", id="all repositories"),
        pytest.param("/r/tea/shop/runs/19", id="a run"),
        pytest.param("/board?repository=tea/shop", id="the board"),
    ],
)
def test_the_first_page_is_small(shop: Served, visit: Callable[..., Visit], path: str) -> None:
    sizes: list[int] = []
    seen = visit(shop, "/login?next=/")
    session = seen.page.context.new_cdp_session(seen.page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    session.on("Network.loadingFinished", lambda facts: sizes.append(int(facts["encodedDataLength"])))
    seen.page.goto(shop.url + path, wait_until="load")
    assert len(sizes) >= 4
    assert sum(sizes) < 100_000


WITHOUT_TWIN = frozenset({"start a run", "stop a run", "promote", "hold", "search", "nothing found", "no such run"})
SETTINGS = frozenset({"settings", "people", "secrets", "audit", "sign in"})
"""Forms, and what is only a way to other pages."""


@pytest.mark.parametrize(
    "path", [pytest.param(path, id=name) for name, path in PAGES.items() if name not in WITHOUT_TWIN | SETTINGS]
)
def test_a_page_s_twin_for_programs_is_there(shop: Served, path: str) -> None:
    cookie = cookie_of(shop)
    headers = {"Cookie": f"{cookie['name']}={cookie['value']}"}

    def asked(target: str) -> tuple[str, str]:
        question = urllib.request.Request(shop.url + target, headers=headers)
        with urllib.request.urlopen(question, timeout=60) as answer:
            return answer.headers["Content-Type"], answer.read().decode()

    _, page = asked(path.format(waiting=shop.runs["waiting"].id))
    twins = re.findall(r'href="(/api/v1/[^"]*)"', page.partition('<footer class="foot">')[2])
    assert twins
    for twin in twins:
        kind, body = asked(html.unescape(twin))
        assert kind == "application/json" or (kind.startswith("text/plain") and twin.endswith("/log"))
        assert kind != "application/json" or isinstance(json.loads(body), dict | list)
