"""`ecluse resume`: go on with a run that was interrupted, or that is parked."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.asked import folder_of, place_option, server_of, server_option
from pipeline.cli.complete import complete_run
from pipeline.cli.job import reports_option
from pipeline.cli.options import application
from pipeline.cli.watching import keep_failed_option, parallel_option, view_of, view_options, wait_option, watched


@click.command()
@click.argument("reference", metavar="[RUN]", required=False, shell_complete=complete_run)
@place_option
@server_option
@click.option("--start", "starts", multiple=True, metavar="STAGE", help="Start this manual stage; may be repeated.")
@parallel_option
@keep_failed_option
@wait_option
@reports_option
@view_options
def resume(
    reference: str | None,
    repository: Path | str,
    server: str | None,
    starts: tuple[str, ...],
    parallel: int | None,
    keep_failed: bool | None,
    wait: float | None,
    reports: Path | None,
    as_json: bool,
    plain: bool,
) -> int:
    """Go on with RUN where it was left; by default the latest of this repository that can go on.

    What is done is not run again; a container that runs still is attached to, the result of one that ended meanwhile
    is taken. A run that is parked goes on as far as its gates are open.
    """
    if (known := server_of(server)) is not None:
        from pipeline.cli.following import follow, nothing_else
        from pipeline.errors import NotFoundError
        from pipeline.remote.there import There

        nothing_else(parallel=parallel, keep_failed=keep_failed, wait=wait, reports=reports)
        there = There(known, repository)
        before = there.run(reference) if reference else there.parked()
        if before is None:
            raise NotFoundError("no run waits for anybody", hint="`ecluse runs` lists them")
        return follow(there, there.resume(before, starts), as_json=as_json, plain=plain, before=before)
    repository = folder_of(repository)
    view = view_of(as_json=as_json, plain=plain)
    from pipeline.operations.place import repository_of
    from pipeline.operations.resume import ResumeRequest, hand_over
    from pipeline.operations.resume import resume as go_on

    app = application()
    request = ResumeRequest(
        repository=repository_of(repository),
        reference=reference,
        started=frozenset(starts),
        parallel=parallel,
        keep_failed=app.settings.keep_failed if keep_failed is None else keep_failed,
    )
    if hand_over(app, request, note=view.note):
        return 0
    return watched(
        app,
        view,
        lambda observers, cancel: go_on(app, request, observers, cancel=cancel),
        reports=reports,
        as_json=as_json,
        wait=wait,
    )
