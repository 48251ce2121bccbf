"""`ecluse retry`: repeat what failed in a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from pipeline.cli.asked import folder_of, place_option, server_of, server_option
from pipeline.cli.complete import complete_stage
from pipeline.cli.job import reports_option
from pipeline.cli.options import application, run_argument, show, show_json
from pipeline.cli.render.clean import one_line
from pipeline.cli.render.lines import line
from pipeline.cli.watching import keep_failed_option, parallel_option, view_of, view_options, watched


@click.command()
@run_argument
@click.argument("stages", metavar="[STAGE]...", nargs=-1, shell_complete=complete_stage)
@place_option
@server_option
@click.option("--plan", "only_plan", is_flag=True, help="Show what would be repeated and why; change nothing.")
@parallel_option
@keep_failed_option
@reports_option
@view_options
def retry(
    reference: str,
    stages: tuple[str, ...],
    repository: Path | str,
    server: str | None,
    only_plan: bool,
    parallel: int | None,
    keep_failed: bool | None,
    reports: Path | None,
    as_json: bool,
    plain: bool,
) -> int:
    """Repeat in RUN what did not succeed, or each STAGE named, and all that depends on it.

    It stays the same run, with the same commit and the same plan; every repeated stage gets a further attempt. What a
    stage did outside, such as a push or a deployment, is not done twice once it succeeded. Where a file or an image
    that is needed has gone by now, the stages that made it run again first.
    """
    if (known := server_of(server)) is not None:
        from pipeline.cli.following import follow, nothing_else
        from pipeline.remote.there import There

        nothing_else(stages=stages, plan=only_plan, parallel=parallel, keep_failed=keep_failed, reports=reports)
        there = There(known, repository)
        before = there.run(reference)
        return follow(there, there.retry(before), as_json=as_json, plain=plain, before=before)
    repository = folder_of(repository)
    from pipeline.operations.place import repository_of
    from pipeline.operations.retry import RetryRequest, plan_retry
    from pipeline.operations.retry import retry as repeat

    app = application()
    request = RetryRequest(
        repository=repository_of(repository),
        reference=reference,
        stages=stages,
        parallel=parallel,
        keep_failed=app.settings.keep_failed if keep_failed is None else keep_failed,
    )
    decided = plan_retry(app, request)
    again, kept = decided.retry.again, decided.retry.kept
    if only_plan:
        if as_json:
            show_json({"run": decided.run.id, "number": decided.run.number, "again": again, "kept": kept})
        else:
            show([line(text) for text in (*_sentences("again", again), *_sentences("kept", kept))])
        return 0
    view = view_of(as_json=as_json, plain=plain)
    for text in _sentences("again", again):
        view.note(text)
    return watched(
        app,
        view,
        lambda observers, cancel: repeat(app, decided, request, observers, cancel=cancel),
        reports=reports,
        as_json=as_json,
    )


def _sentences(word: str, stages: Mapping[str, str]) -> list[str]:
    width = max((len(name) for name in stages), default=0)
    return [f"{word}  {name:<{width}}  {one_line(why)}" for name, why in stages.items()]
