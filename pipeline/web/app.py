"""The ASGI application: every router that there is, under one roof."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from pipeline import __version__
from pipeline.errors import EcluseError
from pipeline.operations.drift_watch import DriftWatch
from pipeline.ports.application import Application
from pipeline.web import api, health
from pipeline.web.access.guard import guard
from pipeline.web.access.headers import SafeHeaders
from pipeline.web.access.limits import Limits
from pipeline.web.access.routes import ACCESS
from pipeline.web.access.trail import Trail
from pipeline.web.bodies import Bodies
from pipeline.web.hooks import Hooks
from pipeline.web.live_streams import Live
from pipeline.web.pages.routes import PAGES
from pipeline.web.problems import told

ROUTERS = (health.router, *ACCESS, *api.ROUTERS, *PAGES)
"""In the order in which their routes are asked."""


def build(application: Application) -> FastAPI:
    """The server's application; `request.app.state.application` is what its routes ask."""
    server = FastAPI(
        title="Écluse", version=__version__, openapi_url="/api/v1/openapi.json", docs_url=None, redoc_url=None
    )
    server.state.application = application
    server.state.limits = Limits()
    server.state.live = Live(application)
    server.state.drifts = DriftWatch(application)
    for kind in (EcluseError, HTTPException, RequestValidationError, Exception):
        server.add_exception_handler(kind, told)
    for router in ROUTERS:
        server.include_router(router)
    server.add_middleware(Bodies)
    server.add_middleware(Trail)
    server.add_middleware(SafeHeaders, secure=application.settings.public_url.startswith("https://"))
    server.add_middleware(Hooks, application=application)
    guard(server)
    return server
