"""What keys of other CI systems are called here, and where a key belongs that stands in the wrong place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pipeline.language.tree import Path

_STAGE: Final[Mapping[str, str]] = {
    "include": "write it inside 'matrix'",
    "fail_fast": "write it at the top, or inside 'matrix'",
    "strategy": "write 'matrix' in the stage itself",
    "parallel": "write 'matrix' or 'split'",
    "script": "here it is 'commands'",
    "steps": "here it is 'commands'",
    "run": "here it is 'commands'",
    "before_script": "put it first in 'commands'",
    "after_script": "here it is 'after'",
    "variables": "here it is 'env'",
    "container": "here it is 'image'",
    "depends_on": "here it is 'needs'",
    "dependencies": "here it is 'needs'",
    "if": "write it inside 'when'",
    "rules": "here it is 'when'",
    "only": "here it is 'when'",
    "except": "here it is 'when'",
    "changed": "write it inside 'when'",
    "branch": "write it inside 'when'",
    "manual": "write it inside 'when'",
    "resource_group": "here it is 'concurrency'",
    "continue-on-error": "here it is 'allow_failure'",
    "timeout-minutes": "here it is 'timeout', such as 20m",
    "working-directory": "here it is 'workdir'",
}
_TOP: Final[Mapping[str, str]] = {
    "on": "here it is 'triggers'",
    "jobs": "here it is 'stages'",
    "env": "write 'variables' here, or 'env' inside 'defaults'",
    "image": "write it inside 'defaults'",
    "default": "here it is 'defaults'",
    "workflow": "here it is 'triggers'",
}


def elsewhere(key: str, path: Path) -> str:
    """What to write instead of a key that is unknown at this place; "" where nothing is known of it."""
    if not path:
        return _TOP.get(key, "")
    inside_stage = path[0] == "defaults" if len(path) == 1 else path[0] == "stages" and len(path) == 2
    return _STAGE.get(key, "") if inside_stage else ""
