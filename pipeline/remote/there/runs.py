"""Runs and their logs, as a server has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.remote.connection import segment
from pipeline.remote.there.asked import AskedThere

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.model.run import Run, StageRun
    from pipeline.operations.artifacts import StageArtifact
    from pipeline.operations.explain import Explanation
    from pipeline.operations.inspect import RunFacts
    from pipeline.operations.log_parts import Part
    from pipeline.operations.logs import LogBlock


class RunsThere(AskedThere):
    """Looking at runs."""

    def runs(self, *, branch: str, failed: bool, limit: int, everywhere: bool) -> Sequence[Run]:
        """Runs, newest first; of all repositories that we may see there."""
        from pipeline.model.run import Run
        from pipeline.model.status import Conclusion

        wrong = (Conclusion.FAILED, Conclusion.TIMED_OUT, Conclusion.ERRORED)
        found: list[Run] = []
        for name in self.names() if everywhere else (self.name,):
            path = self.of(name, "runs")
            for conclusion in wrong if failed else (None,):
                query = {"branch": branch or None, "conclusion": conclusion.value if conclusion else None}
                found += self.connection.pages(Run, path, query, limit=limit)
        if failed or everywhere:
            found.sort(key=lambda run: run.created, reverse=True)
        return found[:limit]

    def run(self, reference: str) -> Run:
        """By number, id, beginning of an id, or `last`."""
        from pipeline.model.run import Run

        return self.connection.noun(Run, self._run(reference))

    def facts(self, run: Run) -> RunFacts:
        """The run with the releases and promotions that its stages name."""
        from pipeline.operations.inspect import RunFacts

        return self.connection.noun(RunFacts, self._run(run.id, "facts"))

    def conditions(self, run: Run, stage: str) -> Sequence[dict[str, Any]]:
        """What the plan judged a stage by."""
        from pipeline.operations.inspect import conditions_of

        plan = self.connection.get(self._run(run.id, "plan"))
        return [dict(item) for item in conditions_of(plan if isinstance(plan, dict) else {}, stage)]

    def explanations(self, reference: str, stage: str) -> Sequence[Explanation]:
        """Everything that decided a stage, or the cells of a matrix."""
        from pipeline.operations.explain import Explanation

        return self.connection.nouns(Explanation, self._run(reference, "explanations"), {"stage": stage})

    def logs(
        self, run: Run, stages: tuple[StageRun, ...], part: Part, *, attempt: int, service: str, follow: bool
    ) -> Iterable[LogBlock]:
        """What they printed; with `follow` also what comes, until they are done. A cut connection loses no line."""
        from pipeline.remote.there.logs import followed, parts

        path = self._run(run.id)
        names = [] if len(stages) == len(run.stages) else [item.name for item in stages]
        if service or not part.everything:
            return parts(self.connection, path, part, names=names, attempt=attempt, service=service)
        return followed(self.connection, path, names=names, attempt=attempt, follow=follow)

    def fetched(self, run: Run, chosen: Sequence[StageArtifact], folder: Path) -> Iterator[Path]:
        """Write them below a folder, each checked by its digest."""
        from pipeline.operations.artifacts import fetch
        from pipeline.remote.there.downloads import Downloads

        sizes = {item.artifact.digest: item.artifact.size for item in chosen}
        return fetch(Downloads(self.connection, self._run(run.id), sizes), chosen, folder)

    def _run(self, reference: str, *parts: str) -> str:
        return self.path("runs", segment(reference.strip().lower()), *parts)
