"""Every route that there is, asked by those who must not: nobody, a viewer, a token of something else."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from fastapi.routing import iter_route_contexts
from served import START, Served, serve

from pipeline.model.account import Role
from pipeline.model.release import Promotion, PromotionKind, Release
from pipeline.model.repository import Repository
from pipeline.model.source import Event
from pipeline.model.status import PromotionState
from pipeline.model.work import WorkItem, WorkKind, WorkRequest
from pipeline.web.access.asking import Public
from pipeline.web.access.guard import OPEN, marks_of
from pipeline.web.access.headers import HEADERS

FREE = ("/healthz", "/readyz", "/login", "/static/", "/hooks/", "/first", *OPEN)
"""Where nobody in particular may ask."""
OWN = ("/logout",)
"""Where everybody changes what is their own, whatever they come with."""


PLACES = {
    "owner": "shop",
    "name": "web",
    "environment": "dev",
    "promotion": f"01jd{7:022d}",
    "said": "approve",
    "item": f"01jd{8:022d}",
}
"""What stands in a path's places: a repository, a promotion and an item of the queue that there are; 1 elsewhere."""


LISTS = ("/", "/board", "/settings", "/settings/secrets", "/api/v1/repositories", "/api/v1/releases")
"""What shows several repositories at once, and ends."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("home")) as made:
        made.person("vera", (Role.VIEWER, "*", "*"))
        made.person("dora", (Role.ADMIN, "*", "*"))
        url = "https://git.example.org/shop/web"
        made.app.intake.save_repository(Repository(name="shop/web", url=url, created=START))
        release = Release(
            repository=url,
            commit="4f1c0de",
            images={"image": f"r/shop@sha256:{'1' * 64}"},
            pipeline_digest="sha256:" + "1" * 64,
            name="41-4f1c0de",
            run=f"01jd{1:022d}",
            dirty=False,
            created=START,
        )
        made.app.records.save_release(release)
        promotion = Promotion(
            id=PLACES["promotion"],
            release=release.id,
            environment="dev",
            kind=PromotionKind.PROMOTE,
            state=PromotionState.WAITING,
            requested_by="anna",
            reason="run 41",
            created=START,
        )
        made.app.records.save_promotion(promotion, actor="anna", action="promotion.requested", data={})
        asked = WorkRequest(repository="shop/web", sha="4f1c0de", event=Event(kind="push", branch="main"))
        made.app.queue.put(WorkItem(id=PLACES["item"], key="push", kind=WorkKind.BUILD, request=asked, created=START))
        yield made


def routes(served: Served) -> list[tuple[str, str, bool]]:
    """Method, a path with something in every place, and whether it says that it is public."""
    found = []
    for route in iter_route_contexts(served.web.routes):
        if route.path in OPEN:
            continue
        path = re.sub(r"{([^}]*)}", _place, route.path or "")
        is_public = any(isinstance(mark, Public) for mark in marks_of(route))
        found += [(method, path, is_public) for method in sorted((route.methods or set()) - {"HEAD", "OPTIONS"})]
    return found


def _place(found: re.Match[str]) -> str:
    return PLACES.get(found[1].partition(":")[0], "1")


def test_only_a_few_routes_are_public(served: Served) -> None:
    free = {path for _, path, is_public in routes(served) if is_public}
    assert all(path.startswith(FREE) for path in free), free
    assert {"/healthz", "/login"} <= free


def test_nobody_reads_or_changes_anything(served: Served) -> None:
    nobody = served.client()
    nobody.headers["Accept"] = "application/json"
    seen = {
        (method, path): nobody.request(method, path).status_code
        for method, path, is_public in routes(served)
        if not is_public
    }
    assert seen, "there are routes"
    assert set(seen.values()) <= {401}, {where: status for where, status in seen.items() if status != 401}


def test_a_viewer_changes_nothing_and_every_attempt_is_written_down(served: Served) -> None:
    viewer = served.client(token=served.token("vera"))
    for method, path, is_public in routes(served):
        if is_public or method == "GET" or path.startswith(OWN):
            continue
        before = len(served.audit(login="vera"))
        answer = viewer.request(method, path, json={}, headers={"Content-Type": "application/json"})
        assert answer.status_code == 403, (method, path, answer.status_code, answer.text)
        after = served.audit(login="vera")
        assert len(after) == before + 1, (method, path)
        assert after[-1][2] is False


def test_a_token_for_one_repository_changes_nothing_elsewhere(served: Served) -> None:
    narrow = served.client(token=served.token("dora", repository="shop/other"))
    for method, path, is_public in routes(served):
        if not is_public and method != "GET" and not path.startswith(OWN):
            answer = narrow.request(method, path, json={})
            refused = 404 if path.startswith("/api/v1/queue/") else 403  # what is not theirs is not there
            assert answer.status_code == refused, (method, path, answer.status_code, answer.text)


@pytest.mark.parametrize("path", ["/login", "/healthz", "/nothing/here", "/logout"])
def test_every_answer_has_the_headers(served: Served, path: str) -> None:
    answer = served.client().get(path)
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    assert "script-src 'self';" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]


def test_wrong_tokens_are_refused_slowed_down_and_written_down(served: Served) -> None:
    guesser = served.client(token="ecl_guess", address="203.0.113.77")
    seen = [guesser.post("/logout").status_code for _ in range(31)]
    assert seen == [401] * 30 + [429]
    assert served.client(token=served.token("vera"), address="203.0.113.78").post("/logout").status_code == 303
    lines = [line for line in served.app.accounts.audit(limit=200) if line.address == "203.0.113.77"]
    assert len(lines) == 31
    assert not any(line.allowed or "ecl_guess" in str(line) for line in lines)


def test_a_viewer_of_one_repository_reads_nothing_of_another(served: Served) -> None:
    if "olga" not in {user.login for user in served.app.accounts.users()}:
        served.person("olga", (Role.VIEWER, "shop/other", "*"), (Role.RELEASE_MANAGER, "shop/other", "dev"))
    stranger = served.client(token=served.token("olga"))
    release = served.app.records.releases()[0]
    seen = {}
    for method, path, is_public in routes(served):
        named = "/shop/web" in path or path.startswith("/promotions/")
        if is_public or method != "GET" or not (named or path in LISTS):
            continue
        answer = stranger.get(path.replace("/releases/1", f"/releases/{release.id}"))
        seen[path] = answer.status_code
        if answer.status_code < 400:
            assert "shop/web" not in answer.text, path
            assert "41-4f1c0de" not in answer.text, path
        if "/shop/web" in path or path.startswith(f"/promotions/{PLACES['promotion']}"):
            assert answer.status_code in (403, 404), (path, answer.status_code)
    assert 200 in seen.values()
    assert 403 in seen.values()


@pytest.mark.parametrize(
    "name",
    [
        "../app.py",
        "..%2fapp.py",
        "%2e%2e/app.py",
        "..%5capp.py",
        "....//app.py",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "ecluse.css%00.py",
        "templates",
        "..%252fapp.py",
    ],
)
def test_no_way_out_of_the_folder_of_static_files(served: Served, name: str) -> None:
    answer = served.client().get(f"/static/{name}")
    assert answer.status_code in (404, 303, 401, 422)
    assert "import" not in answer.text
    assert "root:" not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Authorization": "Basic ZG9yYTp4"}, id="a password in the header"),
        pytest.param({"Authorization": "Bearer"}, id="no token"),
        pytest.param({"Authorization": "Bearer ecl_"}, id="only its beginning"),
        pytest.param({"Authorization": "Bearer ecl_" + "A" * 7000}, id="an endless one"),
        pytest.param({"Cookie": "ecluse_session="}, id="an empty cookie"),
        pytest.param({"Cookie": "ecluse_session=../../etc/passwd; ecluse_session=x"}, id="two cookies"),
        pytest.param({"X-Forwarded-User": "dora", "X-Remote-User": "dora", "Remote-User": "dora"}, id="a proxy's word"),
        pytest.param({"X-HTTP-Method-Override": "GET"}, id="another method by header"),
    ],
)
def test_nothing_else_stands_for_a_token(served: Served, headers: dict[str, str]) -> None:
    nobody = served.client(address="203.0.113.99")
    nobody.headers["Accept"] = "application/json"
    assert nobody.get("/api/v1/repositories", headers=headers).status_code == 401
    assert nobody.post("/api/v1/repositories/shop/web/runs", json={}, headers=headers).status_code == 401


def test_the_api_by_cookie_wants_the_sessions_token(served: Served) -> None:
    browser = served.signed_in("dora", address="203.0.113.50")
    session = next(item for item in served.app.accounts.sessions(login="dora") if item.address == "203.0.113.50")
    target = "/api/v1/repositories/shop/web/environments/dev/unfreeze"
    assert browser.post(target, json={}).status_code == 403
    assert browser.post(target, json={}, headers={"X-CSRF-Token": "0" * 64}).status_code == 403
    assert browser.post(target, json={"csrf": session.csrf}).status_code == 403, "a body of JSON is no form"
    passed = browser.post(target, json={}, headers={"X-CSRF-Token": session.csrf})
    assert passed.status_code != 403 or "form" not in passed.text


def test_a_session_is_no_way_for_another_sites_page(served: Served) -> None:
    browser = served.signed_in("dora", address="203.0.113.51")
    session = next(item for item in served.app.accounts.sessions(login="dora") if item.address == "203.0.113.51")
    fields = {"csrf": session.csrf, "login": "eve"}
    away = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert browser.post("/settings/people", data=fields, headers=away).status_code == 403
    assert all(user.login != "eve" for user in served.app.accounts.users())
