"""Runs and their logs, as this machine has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.remote.here.asked import AskedHere

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.model.run import Run, StageRun
    from pipeline.model.value import Value
    from pipeline.operations.artifacts import StageArtifact
    from pipeline.operations.explain import Explanation
    from pipeline.operations.inspect import RunFacts
    from pipeline.operations.log_parts import Part
    from pipeline.operations.logs import LogBlock


class RunsHere(AskedHere):
    """Looking at runs."""

    def runs(self, *, branch: str, failed: bool, limit: int, everywhere: bool) -> Sequence[Run]:
        """Runs, newest first."""
        from pipeline.operations.inspect import runs

        place = self.place(everywhere=everywhere)
        return runs(self.app.records, repository=place, branch=branch, failed=failed, limit=limit)

    def run(self, reference: str) -> Run:
        """By number, id, beginning of an id, or `last`."""
        return self.app.records.find_run(reference, repository=self.repository)

    def facts(self, run: Run) -> RunFacts:
        """The run with the releases and promotions that its stages name."""
        from pipeline.operations.inspect import describe_run

        return describe_run(self.app.records, run)

    def conditions(self, run: Run, stage: str) -> Sequence[dict[str, Value]]:
        """What the plan judged a stage by."""
        from pipeline.operations.inspect import conditions_of

        return [dict(item) for item in conditions_of(self.app.records.plan(run.id), stage)]

    def explanations(self, reference: str, stage: str) -> Sequence[Explanation]:
        """Everything that decided a stage, or the cells of a matrix."""
        from pipeline.operations.explain import explain
        from pipeline.operations.logs import cells_of

        run = self.run(reference)
        return explain(self.app.records, run, cells_of(run, stage), default_timeout=self.app.settings.stage_timeout)

    def fetched(self, run: Run, chosen: Sequence[StageArtifact], folder: Path) -> Iterator[Path]:
        """Write them below a folder."""
        from pipeline.operations.artifacts import fetch

        return fetch(self.app.storage, chosen, folder)

    def logs(
        self, run: Run, stages: tuple[StageRun, ...], part: Part, *, attempt: int, service: str, follow: bool
    ) -> Iterable[LogBlock]:
        """What they printed; with `follow` also what comes, until they are done."""
        from pipeline.operations.logs import follow_logs, read_logs, read_parts

        storage, home = self.app.storage, self.app.settings.home
        if follow:
            return follow_logs(self.app.records, storage, home, run, [item.name for item in stages])
        if service or not part.everything:
            return read_parts(storage, home, run, stages, part, attempt=attempt, service=service)
        return read_logs(storage, home, run, stages, attempt)
