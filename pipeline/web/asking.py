"""What routes ask of the request: the application behind them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from pipeline.ports.application import Application


def _application(request: Request) -> Application:
    found: Application = request.app.state.application
    return found


App = Annotated[Application, Depends(_application)]
"""The program behind the server."""
