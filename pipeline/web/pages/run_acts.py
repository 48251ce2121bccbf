"""What a person may do with runs: start one, stop it, repeat what failed, let it go on, allow a stranger's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from pipeline.errors import NotFoundError
from pipeline.model.run import Run
from pipeline.model.status import RunState, StageState
from pipeline.operations.serving.asking import allow_run, ask_run, cancel_run, go_on, retry_run
from pipeline.web.access.asking import Signed
from pipeline.web.access.trail import note
from pipeline.web.asking import App
from pipeline.web.pages.asking import DEVELOPERS, Chosen, Repo
from pipeline.web.pages.rendering import page

router = APIRouter(include_in_schema=False, dependencies=[DEVELOPERS])

ACTS = {
    "cancel": ("Stop it", "Every stage that runs is stopped, and none begins any more. What it has deployed stays."),
    "retry": (
        "Repeat what failed",
        "Stages that failed run again, and those that were blocked by them; the others keep their results.",
    ),
    "go-on": (
        "Let it go on",
        "The stages that wait for a person are started; what they do is written on the run's page.",
    ),
    "allow": (
        "Allow this one run",
        "Its commit is somebody else's work: it gets the secrets and may change what is outside, once. Read it first.",
    ),
}
"""What each does, in the words that one says yes to."""


@router.get("/r/{owner}/{name}/start")
def start_form(request: Request, place: Repo) -> HTMLResponse:
    """Which commit, with which variables?"""
    return page(request, "start.html", {"place": place})


@router.post("/r/{owner}/{name}/start")
def start(
    request: Request,
    app: App,
    place: Repo,
    principal: Signed,
    ref: Annotated[str, Form(max_length=300)] = "",
    variables: Annotated[str, Form(max_length=20_000)] = "",
) -> RedirectResponse:
    """Queue a run; it shows up among the others once a worker has it."""
    lines = (line.partition("=") for line in variables.splitlines() if line.strip())
    given = {name.strip(): value.strip() for name, _, value in lines}
    item = ask_run(app, place.name, ref=ref.strip(), variables=given, by=principal.login)
    note(request, "run.start", place.name, f"{item.id} {ref}")
    return RedirectResponse(f"/r/{place.name}", status_code=303)


@router.get("/r/{owner}/{name}/runs/{number}/do/{act}")
def confirm(request: Request, place: Repo, chosen: Chosen, act: str) -> HTMLResponse:
    """Exactly what will happen, before it does."""
    return page(
        request,
        "confirm_run.html",
        {"place": place, "run": chosen, "act": act, "words": _words(act), "manual": _waiting(chosen)},
    )


@router.post("/r/{owner}/{name}/runs/{number}/do/{act}")
def do(
    request: Request,
    app: App,
    place: Repo,
    chosen: Chosen,
    act: str,
    principal: Signed,
    stages: Annotated[Sequence[str], Form()] = (),
) -> RedirectResponse:
    """Do it."""
    _words(act)
    note(request, f"run.{act}", f"{place.name} #{chosen.number}", chosen.id)
    match act:
        case "cancel":
            cancel_run(app, chosen.id, by=principal.login)
        case "retry":
            retry_run(app, chosen.id, by=principal.login)
        case "go-on":
            go_on(app, chosen.id, started=tuple(stages), by=principal.login)
        case _:
            allow_run(app, chosen.id, by=principal.login)
    return RedirectResponse(f"/r/{place.name}/runs/{chosen.number}", status_code=303)


def possible(run: Run) -> Sequence[str]:
    """What may be done with a run as it stands."""
    if run.state in (RunState.RUNNING, RunState.QUEUED):
        return ("cancel",)
    if run.state is RunState.PARKED:
        return ("go-on", "cancel")
    wrong = run.conclusion is not None and not run.conclusion.satisfies
    return (*(("retry",) if wrong else ()), *(("allow",) if run.trust == "untrusted" else ()))


def _words(act: str) -> tuple[str, str]:
    if act not in ACTS:
        raise NotFoundError(f"nobody can do '{act}' with a run", hint="go back to the run's page")
    return ACTS[act]


def _waiting(run: Run) -> list[str]:
    """Stages that a person may start."""
    return [stage.name for stage in run.stages if stage.parked and stage.state is not StageState.DONE]
