"""Runs of a repository: looking at them, starting, stopping, repeating and going on with them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import NotFoundError
from pipeline.model.account import Role
from pipeline.model.run import Artifact, Run
from pipeline.model.status import Conclusion, RunState
from pipeline.model.work import WorkItem
from pipeline.operations.artifacts import StageArtifact, artifacts_of
from pipeline.operations.explain import Explanation, explain
from pipeline.operations.inspect import RunFacts, describe_run
from pipeline.operations.log_elsewhere import paper_here
from pipeline.operations.log_parts import Part
from pipeline.operations.logs import cells_of, check_attempt, read_parts, stages_of
from pipeline.operations.serving.asking import allow_run, ask_run, cancel_run, go_on, retry_run
from pipeline.ports.application import Application
from pipeline.ports.records import RunFilter
from pipeline.web.access.asking import need
from pipeline.web.api.answers import Cursor, Limit
from pipeline.web.api.asked import Asked, InRepository
from pipeline.web.api.problem_schemas import PROBLEMS
from pipeline.web.api.shapes import page_of, shape_of

router = APIRouter(prefix="/api/v1/repositories/{owner}/{name}/runs", tags=["runs"], responses=PROBLEMS)

Number = Annotated[
    str,
    Path(
        pattern=r"^(last|[0-9]{1,9}|[0-9a-z]{4,26})$",
        description="the run's number in its repository, its id or the beginning of that, or `last`",
    ),
]
StageName = Annotated[str, Path(max_length=300)]
_READ = [Depends(need(Role.VIEWER))]
_RUN = [Depends(need(Role.DEVELOPER))]
_BLOCK = 256 * 1024


class Wanted(BaseModel):
    """A run that is asked for."""

    model_config = ConfigDict(extra="forbid")
    ref: str = Field(default="", max_length=250, description="a branch, a tag or a commit; the default branch else")
    variables: dict[str, str] = Field(default_factory=dict, max_length=100)


class Started(BaseModel):
    """Manual stages that are to start."""

    model_config = ConfigDict(extra="forbid")
    stages: list[str] = Field(default_factory=list, max_length=500)


@router.get("", response_model=page_of(Run), dependencies=_READ)
def runs(
    asked: InRepository,
    branch: Annotated[str, Query(max_length=250)] = "",
    state: RunState | None = None,
    conclusion: Conclusion | None = None,
    limit: Limit = 20,
    cursor: Cursor = "",
) -> Response:
    """Runs, newest first."""
    chosen = RunFilter(
        repository=asked.url, branch=branch, state=state, conclusion=conclusion, limit=limit + 1, before=cursor
    )
    return asked.page(asked.app.records.runs(chosen), limit=limit, cursor=lambda run: run.id)


@router.post("", status_code=202, response_model=shape_of(WorkItem), dependencies=_RUN)
def start(asked: InRepository, wanted: Annotated[Wanted, Body()]) -> Response:
    """Ask for a run; a worker makes it. The item's `id` will be the run's. Repeating it with the same `Idempotency-Key`
    asks for nothing more."""
    item = ask_run(
        asked.app, asked.repository, ref=wanted.ref, variables=wanted.variables, by=asked.person.login, key=asked.key
    )
    return asked.answer(item, status=202)


@router.get("/{number}", response_model=shape_of(Run), dependencies=_READ)
def run(asked: InRepository, number: Number) -> Response:
    """A run with its stages, attempts and what they left."""
    return asked.answer(run_of(asked, number))


@router.get("/{number}/facts", response_model=shape_of(RunFacts), dependencies=_READ)
def facts(asked: InRepository, number: Number) -> Response:
    """A run with the releases and promotions that its stages name."""
    return asked.answer(describe_run(asked.app.records, run_of(asked, number)))


@router.get("/{number}/plan", dependencies=_READ)
def plan(asked: InRepository, number: Number) -> Response:
    """The plan of a run: its stages with their needs, conditions, reuse keys."""
    return asked.answer(asked.app.records.plan(run_of(asked, number).id))


@router.get("/{number}/explanations", response_model=list[shape_of(Explanation)], dependencies=_READ)  # type: ignore[misc]
def explanations(
    asked: InRepository,
    number: Number,
    stage: Annotated[str, Query(max_length=300, description="only this one, or the cells of this matrix")] = "",
) -> Response:
    """Why each stage ran, was skipped, blocked, reused or failed."""
    found = run_of(asked, number)
    chosen = cells_of(found, stage or None)
    told = explain(asked.app.records, found, chosen, default_timeout=asked.app.settings.stage_timeout)
    return asked.answer(told)


@router.get(
    "/{number}/stages/{stage:path}/log",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    dependencies=_READ,
)
def log(
    asked: InRepository,
    number: Number,
    stage: StageName,
    attempt: Annotated[int, Query(ge=0, le=1000, description="0 = the last one")] = 0,
    first: Annotated[int, Query(ge=1, description="from this line on")] = 1,
    last: Annotated[int | None, Query(ge=1, description="up to this line")] = None,
    tail: Annotated[int | None, Query(ge=0, le=10_000_000, description="the last lines only")] = None,
) -> StreamingResponse:
    """The log of a stage as far as there is one: each line its time, a space, its text."""
    found = run_of(asked, number)
    chosen = stages_of(found, stage)
    if attempt:
        check_attempt(found, chosen, attempt)
    paper_here(asked.app, found, stage, attempt=attempt)
    blocks = read_parts(
        asked.app.storage,
        asked.app.settings.home,
        found,
        chosen,
        Part(first=first, last=last, tail=tail),
        attempt=attempt,
    )
    return StreamingResponse((block.lines for block in blocks), media_type="text/plain; charset=utf-8")


@router.get("/{number}/artifacts", response_model=list[shape_of(StageArtifact)], dependencies=_READ)  # type: ignore[misc]
def artifacts(asked: InRepository, number: Number) -> Response:
    """What the run's stages left to keep."""
    return asked.answer(artifacts_of(run_of(asked, number), None))


@router.get(
    "/{number}/artifacts/{digest}",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/octet-stream": {}}}},
    dependencies=_READ,
)
def artifact(
    asked: InRepository, number: Number, digest: Annotated[str, Path(pattern=r"^sha256:[0-9a-f]{64}$")]
) -> StreamingResponse:
    """The content of an artifact of the run; always as a download, never as a page."""
    found = run_of(asked, number)
    chosen = next((item.artifact for item in artifacts_of(found, None) if item.artifact.digest == digest), None)
    if chosen is None:
        raise NotFoundError(f"run {number} has no artifact {digest[:19]}", hint="`artifacts` of the run lists them")
    return download(asked.app, chosen)


@router.post("/{number}/cancel", status_code=202, response_model=shape_of(WorkItem), dependencies=_RUN)
def cancel(asked: InRepository, number: Number) -> Response:
    """Ask for its end; it comes tidily and soon."""
    return asked.answer(cancel_run(asked.app, run_of(asked, number).id, by=asked.person.login), status=202)


@router.post("/{number}/retry", status_code=202, response_model=shape_of(WorkItem), dependencies=_RUN)
def retry(asked: InRepository, number: Number) -> Response:
    """Repeat what did not succeed, in the same run."""
    return asked.answer(retry_run(asked.app, run_of(asked, number).id, by=asked.person.login), status=202)


@router.post("/{number}/resume", status_code=202, response_model=shape_of(WorkItem), dependencies=_RUN)
def resume(asked: InRepository, number: Number, started: Annotated[Started, Body()]) -> Response:
    """Go on with a run that is parked, and start these of its manual stages."""
    found = run_of(asked, number)
    return asked.answer(go_on(asked.app, found.id, started=started.stages, by=asked.person.login), status=202)


@router.post("/{number}/allow", status_code=202, response_model=shape_of(WorkItem), dependencies=_RUN)
def allow(asked: InRepository, number: Number) -> Response:
    """Let one untrusted run have secrets and effects: somebody has read its change."""
    return asked.answer(allow_run(asked.app, run_of(asked, number).id, by=asked.person.login), status=202)


def download(app: Application, chosen: Artifact) -> StreamingResponse:
    """The content of an artifact as a file to keep."""
    from urllib.parse import quote

    if not chosen.digest:
        raise NotFoundError(f"{chosen.name}: the time for which it was kept is over", hint="run it again; see `keep`")
    content = app.storage.open(chosen.digest)

    def parts() -> object:
        with content:
            while block := content.read(_BLOCK):
                yield block

    file = quote(chosen.path.rpartition("/")[2] or "artifact", safe="")
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{file}",
        "Content-Length": str(chosen.size),
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return StreamingResponse(parts(), media_type="application/octet-stream", headers=headers)  # type: ignore[arg-type]


def run_of(asked: Asked, reference: str) -> Run:
    """A run of this repository; those of others are not there for whoever asks here."""
    url = asked.url
    found = asked.app.records.find_run(reference, repository=url)
    if found.repository != url:
        raise NotFoundError(f"there is no run '{reference}'", hint="`ecluse runs` lists them")
    return found
