"""The JSON Schemas of the pipeline file, and how to read them from an installed package."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def load(name: str) -> dict[str, Any]:
    """The schema of that name (`pipeline`, `stages/run`); raises FileNotFoundError for a name that is not shipped."""
    text = files(__name__).joinpath(f"{name}.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
