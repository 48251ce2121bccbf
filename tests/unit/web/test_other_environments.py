"""A role for one environment of a repository is none for another one: neither page nor route tells of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from served import START, Served, serve

from pipeline.model.account import Role
from pipeline.model.release import Promotion, PromotionKind, Release
from pipeline.model.repository import Repository
from pipeline.model.status import PromotionState

NAME, URL = "shop/web", "https://git.example.org/shop/web.git"
DEV, PROD = f"01jd{1:022d}", f"01jd{2:022d}"
WORD = "why-it-went-to-prod"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("home")) as made:
        made.person("dave", (Role.RELEASE_MANAGER, NAME, "dev"))
        made.person("wide", (Role.VIEWER, "*", "dev"))
        made.person("vera", (Role.VIEWER, NAME, "*"))
        records = made.app.records
        made.app.intake.save_repository(Repository(name=NAME, url=URL, created=START))
        release = Release(
            repository=URL,
            commit="4f1c0de",
            images={"image": f"r/shop@sha256:{'1' * 64}"},
            pipeline_digest="sha256:" + "1" * 64,
            name="41-4f1c0de",
            run=f"01jd{3:022d}",
            dirty=False,
            created=START,
        )
        records.save_release(release)
        for key, environment, reason in ((DEV, "dev", "run 41"), (PROD, "prod", WORD)):
            promotion = Promotion(
                id=key,
                release=release.id,
                environment=environment,
                kind=PromotionKind.PROMOTE,
                state=PromotionState.WAITING,
                requested_by="anna",
                reason=reason,
                created=START,
            )
            records.save_promotion(promotion, actor="anna", action="promotion.requested", data={"reason": reason})
        yield made


API = f"/api/v1/repositories/{NAME}"
REFUSED = (
    f"/environments/prod?repository={NAME}",
    f"/promotions/{PROD}",
    f"/r/{NAME}/environments/prod/drift",
    f"{API}/environments/prod",
    f"{API}/environments/prod/history",
    f"{API}/environments/dev/diff/prod",
    f"{API}/promotions/{PROD}",
    f"{API}/promotions/{PROD}/approvals",
    "/ledger",
    "/system",
    "/api/v1/ledger",
    "/api/v1/workers",
)
"""Only of the other environment, or of the whole server."""
SILENT = ("/", "/environments/prod", f"/search?q={PROD}", f"{API}/promotions", f"{API}/promotions?environment=prod")
"""What is asked without a word of it."""


@pytest.mark.parametrize("path", REFUSED)
@pytest.mark.parametrize("login", ["dave", "wide"])
def test_the_other_environment_is_refused(served: Served, login: str, path: str) -> None:
    answer = served.client(token=served.token(login)).get(path)
    assert answer.status_code in (403, 404), answer.text
    assert WORD not in answer.text


@pytest.mark.parametrize("path", SILENT)
@pytest.mark.parametrize("login", ["dave", "wide"])
def test_nothing_else_tells_of_it(served: Served, login: str, path: str) -> None:
    answer = served.client(token=served.token(login)).get(path)
    assert answer.status_code == 200, answer.text
    assert WORD not in answer.text
    assert PROD not in answer.text.replace(path.partition("=")[2] or "-", "")


@pytest.mark.parametrize(
    "path", [f"/promotions/{PROD}", f"{API}/promotions", f"{API}/promotions/{PROD}", f"{API}/environments/prod/history"]
)
def test_who_may_see_it_does(served: Served, path: str) -> None:
    assert WORD in served.client(token=served.token("vera")).get(path).text


def test_ones_own_environment_is_there(served: Served) -> None:
    dave = served.client(token=served.token("dave"))
    assert "run 41" in dave.get(f"/promotions/{DEV}").text
    assert [item["id"] for item in dave.get(f"{API}/promotions").json()["items"]] == [DEV]
