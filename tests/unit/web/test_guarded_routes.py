"""No route is added without a word on who may ask it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, FastAPI
from served import Served, serve

from pipeline.model.account import Role
from pipeline.web.access.asking import Anyone, Signed, need, public
from pipeline.web.access.guard import UnguardedError, guard, unguarded
from pipeline.web.access.principal import Principal


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("home")) as made:
        yield made


def test_all_routes_of_the_server_say_who_may_ask_them(served: Served) -> None:
    assert not [route.path for route in unguarded(served.web)]


def plain() -> None:
    """Asks nobody."""


def looks(principal: Anyone) -> None:
    """Wants to know who it is, and lets everybody in."""


def personal(principal: Signed) -> None:
    """For whoever is signed in."""


def indirect(principal: Annotated[Principal, Depends(need(Role.ADMIN))]) -> None:
    """For admins."""


@pytest.mark.parametrize(
    ("endpoint", "marks", "passes"),
    [
        pytest.param(plain, [], False, id="nothing"),
        pytest.param(looks, [], False, id="only looks who it is"),
        pytest.param(personal, [], True, id="signed in"),
        pytest.param(indirect, [], True, id="a role in the arguments"),
        pytest.param(plain, [Depends(need(Role.VIEWER))], True, id="a role beside the route"),
        pytest.param(plain, [Depends(public("because"))], True, id="says why"),
    ],
)
@pytest.mark.parametrize("nested", [False, True], ids=["direct", "in a router of a router"])
def test_a_route_that_asks_nobody_is_found(endpoint: object, marks: list[object], passes: bool, nested: bool) -> None:
    router = APIRouter()
    router.post("/thing", dependencies=marks)(endpoint)  # type: ignore[arg-type]
    outer = APIRouter(prefix="/api")
    outer.include_router(router)
    server = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    server.include_router(outer if nested else router)
    if passes:
        guard(server)
    else:
        with pytest.raises(UnguardedError, match=r"POST (/api)?/thing"):
            guard(server)


def test_a_mount_that_nobody_looks_into_is_found() -> None:
    server = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    server.mount("/more", FastAPI())
    with pytest.raises(UnguardedError, match="/more"):
        guard(server)
