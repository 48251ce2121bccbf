"""A run that its event does not start: said, with the value that decided it, and nothing else happens."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime

from pipeline.cli.options import show
from pipeline.cli.render.clean import one_line
from pipeline.cli.render.lines import line
from pipeline.cli.render.words import shape
from pipeline.errors import NotStartedError
from pipeline.model.value import to_value


def said(error: NotStartedError, *, as_json: bool) -> None:
    """Print why nothing was run: a line for people, or an event `not_started`."""
    if as_json:
        event = {
            "event": "not_started",
            "time": datetime.now(UTC).isoformat(),
            "run": None,
            "trigger": error.trigger,
            "reason": error.message,
            "conditions": to_value(error.conditions),
        }
        sys.stdout.write(json.dumps(event, ensure_ascii=False) + "\n")
        return
    show([line(shape("waiting"), f" nothing was run: {one_line(error.message)}")])
