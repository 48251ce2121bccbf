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
from pipeline.model.status import PromotionState
from pipeline.web.access.asking import Public
from pipeline.web.access.guard import OPEN, marks_of
from pipeline.web.access.headers import HEADERS

FREE = ("/healthz", "/readyz", "/login", "/static/", "/hooks/", "/first", *OPEN)
"""Where nobody in particular may ask."""
OWN = ("/logout",)
"""Where everybody changes what is their own, whatever they come with."""


PLACES = {"owner": "shop", "name": "web", "environment": "dev", "promotion": f"01jd{7:022d}", "said": "approve"}
"""What stands in a path's places: a repository and a promotion that there are; 1 elsewhere."""


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
            assert answer.status_code == 403, (method, path, answer.status_code, answer.text)


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
