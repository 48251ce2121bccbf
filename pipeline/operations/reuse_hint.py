"""A guess, before the plan is made, whether a run will find all its results in earlier ones and need no engine."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from pipeline.model.plan import Plan
from pipeline.model.run import Run
from pipeline.model.source import Source
from pipeline.model.status import Conclusion
from pipeline.ports.stage import Reuse, StageKind


class ReuseHint:
    """Which tree of a repository was last run to a good end with nothing in it that must run again.

    Being wrong costs the time in which the engine's client could have been loaded meanwhile, and nothing else.
    """

    def __init__(self, home: Path, repository: Path) -> None:
        name = hashlib.sha256(os.fsencode(repository.absolute())).hexdigest()[:24]
        self._path = home / "reuse" / "hints" / name

    @cached_property
    def known(self) -> str:
        """The tree; "" where there is none."""
        try:
            return self._path.read_text()
        except (OSError, ValueError):
            return ""

    def holds(self, source: Source) -> bool:
        """Whether this is that source."""
        return self.known == _spelled(source)

    def keep(self, plan: Plan, run: Run, kinds: Mapping[str, StageKind]) -> None:
        """Remember how a run went."""
        lasting = run.conclusion is Conclusion.SUCCEEDED and all(
            item.skip or (item.reuse_key is not None and kinds[item.stage.kind].reuse is not Reuse.NEVER)
            for item in plan.stages
        )
        wanted = _spelled(plan.source) if lasting else ""
        if wanted == self.known:
            return
        with suppress(OSError):
            if lasting:
                self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._path.write_text(wanted)
            else:
                self._path.unlink(missing_ok=True)


def _spelled(source: Source) -> str:
    return source.commit.tree or source.commit.sha
