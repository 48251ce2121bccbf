"""Checkout: the source, as it lies in the working tree or at one commit, becomes the bottom layer of the workspace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import schemas
from pipeline.diagnostic import Diagnostic
from pipeline.errors import SourceError
from pipeline.model.definition import Definition, StageDefinition
from pipeline.model.outcome import succeeded
from pipeline.model.value import Value
from pipeline.ports.stage import Reuse, StageContext, StageResult

if TYPE_CHECKING:  # for its time, not for a circle
    from stages.source_archive import Entry


class Checkout:
    """`depth` brings the last commits (0: all) as `.git`; without it there is none, so that results can be reused.

    `submodules` is `recursive` without the key; `true` stops at the first level. `lfs` demands the real files.
    """

    name = "checkout"
    version = 1
    reuse = Reuse.SOURCE
    effects = False

    def schema(self) -> Mapping[str, Value]:
        """See `schemas/stages/checkout.schema.json`."""
        return schemas.load("stages/checkout")

    def problems(self, stage: StageDefinition, definition: Definition) -> Iterable[Diagnostic]:
        """The schema says it all."""
        return ()

    def run(self, context: StageContext) -> StageResult:
        """Fill the workspace; the reason says which commit and how many files."""
        from stages.source_archive import archive, counted
        from stages.source_files import working_tree

        source, options = context.source, context.stage.options
        levels = _levels(options.get("submodules", "recursive"))
        lfs = options.get("lfs") is True
        if source.revision or not source.path:
            from stages.source_commit import committed

            tree = committed(context, levels=levels, lfs=lfs)
        else:
            tree = working_tree(context, levels=levels)
        with tree as entries:
            _demand_lfs(context, entries, lfs=lfs)
            files = list(entries)
            depth = options.get("depth")
            if isinstance(depth, int):
                from stages.source_history import history

                with history(context, depth) as repository:
                    context.fill_workspace(archive([*files, *repository], source.commit.time))
            else:
                context.fill_workspace(archive(files, source.commit.time))
        what = "the working tree with uncommitted changes on" if source.commit.dirty else "commit"
        return StageResult(outcome=succeeded(f"{what} {source.commit.short}, {counted(len(files), 'file')}"))


def _levels(submodules: Value) -> int:
    """How deep submodules are followed."""
    return {True: 1, False: 0}.get(submodules, 100) if isinstance(submodules, bool) else 100


def _demand_lfs(context: StageContext, entries: Iterable[Entry], *, lfs: bool) -> None:
    from stages.source_files import pointers

    found = pointers(entries)
    if not found:
        return
    names = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
    if lfs:
        raise SourceError(
            f"Git LFS has not fetched {names}",
            hint="install git-lfs on this machine, then run `git lfs install && git lfs pull` in the repository",
        )
    context.log.note(f"warning: {names}: Git LFS pointers, not the files they stand for; write `lfs: true` to get them")


KIND = Checkout()
