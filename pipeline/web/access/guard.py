"""No route without a word on who may ask it: looked at when the application is built, and by a test."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts

from pipeline.web.access.asking import Need, Public, signed

OPEN = frozenset({"/api/v1/openapi.json"})
"""The same on every server, and made by the framework."""


class UnguardedError(RuntimeError):
    """A mistake of ours, found before anybody is answered."""


def guard(server: FastAPI) -> None:
    """UnguardedError where a route asks nobody who they are, and does not say why."""
    loose = sorted(f"{', '.join(sorted(route.methods or ()))} {route.path}" for route in unguarded(server))
    if loose:
        raise UnguardedError("routes that ask neither for a role nor say why they are public: " + "; ".join(loose))


def unguarded(server: FastAPI) -> Iterator[RouteContext]:
    """Routes with none of `need`, `Signed` and `public`."""
    for route in iter_route_contexts(server.routes):
        if route.path not in OPEN and not marks_of(route):
            yield route


def marks_of(route: RouteContext) -> tuple[object, ...]:
    """What guards a route: `Need`s, `Public`s and `signed`."""
    dependant = getattr(route, "dependant", None)
    return tuple(_marks(dependant)) if isinstance(dependant, Dependant) else ()


def _marks(dependant: Dependant) -> Iterator[object]:
    for inner in dependant.dependencies:
        if isinstance(inner.call, Need | Public) or inner.call is signed:
            yield inner.call
        yield from _marks(inner)
