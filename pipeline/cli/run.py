"""`ecluse run`: the pipeline of a repository, watched while it happens."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.asked import folder_of, place_option, server_of, server_option
from pipeline.cli.job import reports_option
from pipeline.cli.options import application, executor_option, file_option, variables
from pipeline.cli.request import fresh_option, request_options
from pipeline.cli.watching import View, keep_failed_option, parallel_option, view_of, view_options, wait_option, watched
from pipeline.errors import NotStartedError

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.operations.run_file import RunFile
    from pipeline.ports.application import Application


@click.command()
@place_option
@server_option
@file_option
@request_options
@executor_option
@parallel_option
@keep_failed_option
@click.option("--no-resume", is_flag=True, help="Start anew, and do not speak of a run that was interrupted.")
@fresh_option
@wait_option
@reports_option
@view_options
def run(
    repository: Path | str,
    server: str | None,
    file: str,
    revision: str,
    event: str | None,
    branch: str | None,
    tag: str | None,
    target: str | None,
    var: tuple[str, ...],
    executor: str | None,
    parallel: int | None,
    fresh: tuple[str, ...],
    keep_failed: bool | None,
    no_resume: bool,
    wait: float | None,
    reports: Path | None,
    as_json: bool,
    plain: bool,
) -> int:
    """Run the pipeline of this repository.

    Without --commit the working tree runs as it is, with its uncommitted changes. On a terminal the stages are shown
    as they happen; elsewhere, or where CI is set, every line of every stage is printed behind the stage's name.
    A run of this repository that was interrupted (its process was killed, the machine restarted) is offered first on
    a terminal; elsewhere it is only spoken of.
    With --server a server makes the run, of what was pushed: the commit, branch or tag, or else the branch that is
    checked out. It is watched as one that runs here; Ctrl-C leaves it running.
    """
    if (known := server_of(server)) is not None:
        from pipeline.cli.following import nothing_else
        from pipeline.cli.run_there import run_there

        nothing_else(
            event=event, target=target, executor=executor, parallel=parallel, fresh=fresh, keep_failed=keep_failed,
            no_resume=no_resume, wait=wait, reports=reports, file=file != "pipeline.yml",
        )  # fmt: skip
        ref = revision or branch or tag or ""
        return run_there(known, repository, ref=ref, variables=variables(var), as_json=as_json, plain=plain)
    repository = folder_of(repository)
    view = view_of(as_json=as_json, plain=plain)
    from pipeline.operations.start import StartRequest, start

    app = application()
    cut = None if no_resume else _interrupted(app, repository)
    if cut is not None and _resumes(cut, view, ask=not (as_json or plain)):
        return _resume(app, cut, view, parallel=parallel, keep_failed=keep_failed, reports=reports, as_json=as_json)
    request = StartRequest(
        repository=repository,
        file=file,
        revision=revision,
        event=event,
        branch=branch,
        tag=tag,
        target=target,
        variables=variables(var),
        executor=executor,
        parallel=parallel,
        fresh=fresh,
        keep_failed=app.settings.keep_failed if keep_failed is None else keep_failed,
    )
    try:
        return watched(
            app,
            view,
            lambda observers, cancel: start(app, request, observers, cancel=cancel, say=view.note),
            reports=reports,
            as_json=as_json,
            wait=wait,
        )
    except NotStartedError as error:
        from pipeline.cli.not_started import said

        said(error, as_json=as_json)
        return error.exit_code


def _interrupted(app: Application, repository: Path) -> RunFile | None:
    """The latest run of this repository whose process has gone; costs a look into one folder where there is none."""
    from pipeline.operations.run_file import SPOKEN_OF, interrupted

    cut = [file for file in interrupted(app.settings.home) if app.clock.now() - file.run.created < SPOKEN_OF]
    if not cut:
        return None
    from pipeline.operations.place import repository_of

    here = repository_of(repository)
    return next((file for file in cut if file.run.repository == here), None)


def _resumes(cut: RunFile, view: View, *, ask: bool) -> bool:
    """Whether the person wants to go on with it; where nobody can be asked, it is only mentioned."""
    what = f"run {cut.run.id} of this repository, begun {cut.run.created:%Y-%m-%d %H:%M} UTC, was interrupted"
    if ask and sys.stdin.isatty() and sys.stdout.isatty():
        return click.confirm(f"{what}. Go on with it?", default=True)
    view.note(f"{what}; `ecluse resume {cut.run.id}` goes on with it")
    return False


def _resume(
    app: Application,
    cut: RunFile,
    view: View,
    *,
    parallel: int | None,
    keep_failed: bool | None,
    reports: Path | None,
    as_json: bool,
) -> int:
    from pipeline.operations.resume import ResumeRequest, resume

    request = ResumeRequest(
        repository=cut.run.repository,
        reference=cut.run.id,
        parallel=parallel,
        keep_failed=app.settings.keep_failed if keep_failed is None else keep_failed,
    )
    return watched(
        app,
        view,
        lambda observers, cancel: resume(app, request, observers, cancel=cancel),
        reports=reports,
        as_json=as_json,
    )
