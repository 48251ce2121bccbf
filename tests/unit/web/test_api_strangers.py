"""Who has nothing to do with a repository learns nothing of it by the API; who only looks changes nothing at all."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest
from fastapi.routing import iter_route_contexts
from served import START, Served, csrf_of, serve

from pipeline.model.account import Role
from pipeline.model.incoming import HookDelivery
from pipeline.model.outgoing import STATUS, OutboxItem
from pipeline.model.release import Promotion, PromotionKind, Release
from pipeline.model.repository import Repository
from pipeline.model.source import Event
from pipeline.model.status import PromotionState
from pipeline.model.work import WorkItem, WorkKind, WorkRequest
from pipeline.operations.access.keeping import keep_secret, scope_of
from pipeline.ports.vault import environment_scope, repository_scope
from pipeline.web.access.asking import Public
from pipeline.web.access.guard import OPEN, marks_of

NAME, URL = "shop/web", "https://git.example.org/shop/web.git"
RUN, PROMOTION, DELIVERY = f"01jd{1:022d}", f"01jd{7:022d}", f"01jd{9:022d}"
SECRET, RELEASE = "DEPLOY_KEY_OF_WEB", "41-4f1c0de"
TELLING = (NAME, URL, PROMOTION, DELIVERY, SECRET, RELEASE, "push-of-web")
"""What would tell somebody that the repository is there, or what is in it."""
PLACES = {
    "owner": "shop",
    "name": "web",
    "environment": "dev",
    "other": "prod",
    "promotion": PROMOTION,
    "delivery": DELIVERY,
    "release": RELEASE,
    "item": RUN,
    "secret": SECRET,
    "number": "1",
    "login": "dora",
    "kind": "pipeline",
}
OWN = (
    "/logout",
    "/settings/tokens",
    "/settings/sessions",
    "/settings/password",
    "/api/v1/tokens",
)
"""Where people at a browser change what is their own."""
VOLATILE = ("audit", "sessions", "tokens")
"""Tables that show that somebody was there."""


@dataclass(frozen=True)
class Asked:
    """A route with something in every place of its path."""

    method: str
    path: str
    about: bool
    """Whether its path names the repository."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("home")) as made:
        made.person("dora", (Role.ADMIN, "*", "*"))
        made.person("vera", (Role.VIEWER, "*", "*"))
        made.person("olga", (Role.ADMIN, "shop/other", "*"))
        fill(made)
        yield made


def fill(served: Served) -> None:
    """A repository with something of everything that the API tells of."""
    app = served.app
    app.intake.save_repository(Repository(name=NAME, url=URL, created=START))
    app.intake.save_repository(Repository(name="shop/other", url="https://git.example.org/o.git", created=START))
    keep_secret(app, scope_of(app, NAME), SECRET, "a long enough word", by="dora")
    keep_secret(app, scope_of(app, NAME, "dev"), SECRET, "a long enough word", by="dora")
    release = Release(
        repository=URL,
        commit="4f1c0de",
        images={"image": f"r/shop@sha256:{'1' * 64}"},
        pipeline_digest="sha256:" + "1" * 64,
        name=RELEASE,
        run=RUN,
        dirty=False,
        created=START,
    )
    app.records.save_release(release)
    promotion = Promotion(
        id=PROMOTION,
        release=release.id,
        environment="dev",
        kind=PromotionKind.PROMOTE,
        state=PromotionState.WAITING,
        requested_by="anna",
        reason="run 41",
        created=START,
    )
    app.records.save_promotion(promotion, actor="anna", action="promotion.requested", data={})
    request = WorkRequest(repository=NAME, sha="4f1c0de", event=Event(kind="push", branch="main", actor="anna"))
    app.queue.put(WorkItem(id=RUN, key="push-of-web", kind=WorkKind.BUILD, request=request, created=START))
    app.intake.receive(
        HookDelivery(
            id=DELIVERY, repository=NAME, key="push-of-web", event="push", headers={}, body=b"{}", received=START
        )
    )
    app.outbox.post(
        OutboxItem(id=RUN, repository=NAME, kind=STATUS, key="push-of-web", body={}, created=START, due=START)
    )


def routes(served: Served, *, below: str = "/") -> list[Asked]:
    """All that are not for everybody."""
    found = []
    for route in iter_route_contexts(served.web.routes):
        path = route.path or ""
        if path in OPEN or not path.startswith(below) or any(isinstance(mark, Public) for mark in marks_of(route)):
            continue
        filled = re.sub(r"{([^}:]*)[^}]*}", lambda place: PLACES.get(place[1], "1"), path)
        methods = sorted((route.methods or set()) - {"HEAD", "OPTIONS"})
        found += [Asked(method, filled, "{owner}" in path) for method in methods]
    return found


def described(served: Served) -> set[tuple[str, str]]:
    """Method and path of every operation of the OpenAPI document."""
    paths: Mapping[str, Mapping[str, object]] = served.web.openapi()["paths"]
    return {(method.upper(), path) for path, methods in paths.items() for method in methods}


def test_the_routes_that_are_asked_are_those_that_are_described(served: Served) -> None:
    api = {
        (method, re.sub(r":[a-z]+}", "}", route.path or ""))
        for route in iter_route_contexts(served.web.routes)
        if (route.path or "").startswith("/api/v1/") and route.path not in OPEN
        for method in (route.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert api == {item for item in described(served) if item[1].startswith("/api/v1/")}


def test_a_stranger_learns_nothing_of_a_repository(served: Served) -> None:
    stranger = served.client(token=served.token("olga"))
    seen: dict[str, int] = {}
    for asked in routes(served, below="/api/v1/"):
        if asked.method != "GET":
            continue
        for path in (asked.path, f"{asked.path}?pattern=push&login=dora&repository={NAME}&url={URL}"):
            answer = stranger.get(path)
            seen[path] = answer.status_code
            if asked.about:
                assert answer.status_code == 403, (path, answer.text)
            told = answer.text.replace(f"repository of {NAME}", "").replace(f"of {NAME};", ";")
            if not asked.about:
                assert not [word for word in TELLING if word in told and word not in path], (path, told)
    assert {200, 403} <= set(seen.values())


def test_an_absent_repository_is_refused_in_the_same_words(served: Served) -> None:
    stranger = served.client(token=served.token("olga"))
    for asked in routes(served, below="/api/v1/repositories/"):
        if asked.method != "GET" or not asked.about:
            continue
        there = stranger.get(asked.path)
        absent = stranger.get(asked.path.replace("shop/web", "shop/nil"))
        assert (there.status_code, there.text) == (absent.status_code, absent.text.replace("shop/nil", "shop/web"))


def test_whoever_may_learns_of_it_by_the_same_routes(served: Served) -> None:
    """Else the tests above would pass over a server that says nothing to anybody."""
    admin = served.client(token=served.token("dora"))
    told = [
        asked.path
        for asked in routes(served, below="/api/v1/")
        if asked.method == "GET" and any(word in admin.get(asked.path).text for word in TELLING)
    ]
    assert {
        "/api/v1/repositories",
        "/api/v1/repositories/shop/web",
        "/api/v1/repositories/shop/web/settings",
        "/api/v1/repositories/shop/web/releases",
        "/api/v1/repositories/shop/web/promotions",
        "/api/v1/repositories/shop/web/deliveries",
        f"/api/v1/repositories/shop/web/deliveries/{DELIVERY}",
        "/api/v1/repositories/shop/web/messages",
        "/api/v1/deliveries",
        "/api/v1/secrets",
        "/api/v1/queue",
        f"/api/v1/queue/{RUN}",
        "/api/v1/ledger",
    } <= set(told)


def test_a_viewer_changes_nothing_by_program(served: Served) -> None:
    before = contents(served)
    viewer = served.client(token=served.token("vera"))
    for asked in routes(served):
        if asked.method == "GET" or asked.path == "/logout":
            continue
        for body in ({}, {"role": "admin", "name": "x", "login": "vera", "value": "a long enough word"}):
            answer = viewer.request(asked.method, asked.path, json=body)
            assert answer.status_code == 403, (asked, answer.status_code, answer.text)
    assert contents(served) == before


def test_a_viewer_at_a_browser_changes_nothing_but_their_own(served: Served) -> None:
    """Every form of the pages too, sent with the token that the viewer's own pages carry."""
    before = contents(served)
    browser = served.signed_in("vera")
    csrf = csrf_of(browser.get("/settings"))
    asked_of_pages = 0
    for asked in routes(served):
        if asked.method == "GET" or asked.path.startswith(OWN):
            continue
        asked_of_pages += not asked.path.startswith("/api/")
        as_form = browser.request(asked.method, asked.path, data={"csrf": csrf, "role": "admin", "reason": "because"})
        as_json = browser.request(asked.method, asked.path, json={}, headers={"X-CSRF-Token": csrf})
        assert (as_form.status_code, as_json.status_code) == (403, 403), (asked, as_form.text, as_json.text)
    assert asked_of_pages > 10
    assert contents(served) == before


def contents(served: Served) -> dict[str, list[str]]:
    """Every row of every table, but of those that only show that somebody was there."""
    path = served.app.settings.home / "records.db"
    with sqlite3.connect(path) as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        kept = [table for table in tables if table not in VOLATILE and not table.startswith("sqlite_")]
        rows = {table: database.execute(f"SELECT * FROM {table}").fetchall() for table in kept}  # noqa: S608
    return {table: sorted(json.dumps([str(value) for value in row]) for row in found) for table, found in rows.items()}


def test_a_page_of_the_queue_is_filled_with_what_one_may_see(served: Served) -> None:
    """What others asked for, and came first, takes no place of it."""
    request = WorkRequest(repository="shop/other", sha="4f1c0de", event=Event(kind="push", branch="main"))
    mine = WorkItem(id=f"01jd{99:022d}", key="later", kind=WorkKind.BUILD, request=request, created=START)
    served.app.queue.put(mine)
    stranger = served.client(token=served.token("olga"))
    assert [item["id"] for item in stranger.get("/api/v1/queue?limit=1").json()] == [mine.id]
    assert [item["id"] for item in stranger.get(f"/api/v1/queue?repository={NAME}").json()] == []


def test_secrets_of_a_removed_repository_are_gone(served: Served) -> None:
    admin = served.client(token=served.token("dora"))
    app = served.app
    app.intake.save_repository(Repository(name="shop/gone", url="https://git.example.org/gone.git", created=START))
    for environment in ("", "prod"):
        keep_secret(app, scope_of(app, "shop/gone", environment), SECRET, "a long enough word", by="dora")
    assert admin.delete("/api/v1/repositories/shop/gone").status_code == 204
    assert not app.vault.notes(scope=repository_scope("shop/gone"))
    assert not app.vault.notes(scope=environment_scope("shop/gone", "prod"))
