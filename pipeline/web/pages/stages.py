"""`…/stages/{stage}`: the log of a stage and why it ended so; its lines by ranges, its commands, what is searched."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response
from starlette.responses import StreamingResponse

from pipeline.errors import NotFoundError
from pipeline.model.run import Run
from pipeline.operations.explain import explain
from pipeline.operations.log_elsewhere import paper_here
from pipeline.operations.log_search import Expression
from pipeline.operations.log_window import LogPaper, commands, counted, find, window
from pipeline.operations.logs import stages_of
from pipeline.web.access.asking import Signed
from pipeline.web.asking import App
from pipeline.web.live import live_of, streamed
from pipeline.web.live_log import log_key
from pipeline.web.live_rights import Follower
from pipeline.web.pages.asking import VIEWERS, Chosen, Repo
from pipeline.web.pages.log_lines import shown
from pipeline.web.pages.rendering import page

router = APIRouter(include_in_schema=False, dependencies=[VIEWERS])

FIRST = 200
"""Lines that the page itself has; a script asks for others."""
AT_ONCE = 2000
"""Lines of one answer."""
Line = Annotated[int, Query(ge=0, le=100_000_000)]
Attempt = Annotated[int, Query(ge=0, le=10_000)]


@router.get("/r/{owner}/{name}/runs/{number}/stages/{stage:path}")
def stage(
    request: Request,
    app: App,
    place: Repo,
    chosen: Chosen,
    stage: str,
    attempt: Attempt = 0,
    service: str = "",
    start: Annotated[int, Query(ge=0, le=100_000_000, alias="from")] = 0,
) -> HTMLResponse:
    """The log, from its beginning or, while it grows, its last lines; and what decided how the stage ended."""
    found = stages_of(chosen, stage)[0]
    paper = paper_here(app, chosen, stage, attempt=attempt, service=service)
    total, lines, missing = 0, [], ""
    try:
        total = counted(app.storage, paper)
        start = start or (1 if paper.ended or service else max(1, total - FIRST + 1))
        lines = [shown(line) for line in window(app.storage, paper, start, start + FIRST - 1)]
    except NotFoundError as error:
        missing = f"{error.message}: {error.hint}" if found.attempts else ""
    facts = {
        "place": place,
        "run": chosen,
        "stage": found,
        "paper": paper,
        "service": service,
        "total": total,
        "start": start or 1,
        "lines": lines,
        "missing": missing,
        "explained": explain(app.records, chosen, (found,), default_timeout=app.settings.stage_timeout)[0],
        "first": FIRST,
    }
    return page(request, "stage.html", facts)


@router.get("/r/{owner}/{name}/runs/{number}/log/lines")
def lines(
    app: App, chosen: Chosen, stage: str, first: Line, last: Line, attempt: Attempt = 0, service: str = ""
) -> Response:
    """A range of lines: `{first, total, ended, lines}`."""
    paper = paper_here(app, chosen, stage, attempt=attempt, service=service)
    first = max(first, 1)
    last = min(max(last, first), first + AT_ONCE - 1)
    got = [shown(line) for line in window(app.storage, paper, first, last)]
    total = counted(app.storage, paper)
    return _json({"first": first, "total": max(total, first - 1 + len(got)), "ended": paper.ended, "lines": got}, paper)


@router.get("/r/{owner}/{name}/runs/{number}/log/outline")
def outline(app: App, chosen: Chosen, stage: str, attempt: Attempt = 0, service: str = "") -> Response:
    """Its commands: `[[line, text], …]`."""
    paper = paper_here(app, chosen, stage, attempt=attempt, service=service)
    return _json({"commands": [[number, text[:200]] for number, text in commands(app.storage, paper)]}, paper)


@router.get("/r/{owner}/{name}/runs/{number}/log/find")
def hits(
    app: App,
    chosen: Chosen,
    stage: str,
    q: Annotated[str, Query(min_length=1, max_length=500)],
    attempt: Attempt = 0,
    service: str = "",
) -> Response:
    """Numbers of the lines that have these words, whatever their case; `/…/` is a regular expression of RE2."""
    paper = paper_here(app, chosen, stage, attempt=attempt, service=service)
    is_expression = len(q) > 2 and q.startswith("/") and q.endswith("/")
    found = find(app.storage, paper, Expression(q[1:-1] if is_expression else "(?i)" + re.escape(q)))
    return _json({"lines": list(found)}, paper)


@router.get("/r/{owner}/{name}/runs/{number}/log/follow")
async def follow(
    request: Request,
    app: App,
    owner: str,
    name: str,
    number: str,
    principal: Signed,
    stage: str,
    after: Line = 0,
    attempt: Attempt = 0,
) -> StreamingResponse:
    """Lines behind `after` (or behind the last that a browser had which comes back) as they come, until the attempt
    ends: events `lines` and `over`."""
    from starlette.concurrency import run_in_threadpool

    def asked() -> tuple[Run, LogPaper]:
        from pipeline.operations.repositories import url_of

        run = app.records.find_run(number, repository=url_of(app, f"{owner}/{name}"))
        return run, paper_here(app, run, stage, attempt=attempt)

    live = live_of(request)
    live.check_room(principal.login)
    run, paper = await run_in_threadpool(asked)
    last = request.headers.get("last-event-id", "")
    follower = Follower(principal=principal, repository=f"{owner}/{name}")
    behind = int(last) if last.isascii() and last.isdecimal() and len(last) < 10 else after
    return streamed(live.follow_log(follower, log_key(run.id, paper), run=run.id, paper=paper, after=behind))


def _json(body: dict[str, Any], paper: LogPaper) -> Response:
    """What ended does not change any more."""
    kept = "private, max-age=3600" if paper.ended else "no-store"
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    headers = {"Cache-Control": kept, "X-Content-Type-Options": "nosniff"}
    return Response(text.encode("utf-8", "replace"), media_type="application/json", headers=headers)
