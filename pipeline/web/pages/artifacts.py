"""`…/artifacts/{digest}`: a file that a run kept, as a download and never as a page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse

from pipeline.errors import NotFoundError
from pipeline.web.asking import App
from pipeline.web.pages.asking import VIEWERS, Chosen

router = APIRouter(include_in_schema=False, dependencies=[VIEWERS])

_BLOCK = 256 * 1024


@router.get("/r/{owner}/{name}/runs/{number}/artifacts/{digest}")
def artifact(
    app: App,
    chosen: Chosen,
    digest: Annotated[str, Path(pattern="^[0-9a-f]{64}$")],
    path: Annotated[str, Query(max_length=4000)] = "",
) -> StreamingResponse:
    """Only what this very run kept; its name is a name, whatever path it had."""
    wanted = f"sha256:{digest}"
    kept = [item for stage in chosen.stages for item in stage.products.artifacts if item.digest == wanted]
    if not kept:
        raise NotFoundError(f"run {chosen.number} has no such artifact", hint="its page lists what there is")
    found = next((item for item in kept if item.path == path), kept[0])
    file = app.storage.open(wanted)

    def content() -> Iterator[bytes]:
        with file:
            yield from iter(lambda: file.read(_BLOCK), b"")

    name = PurePosixPath(found.path).name or "artifact"
    plain = "".join(
        letter if letter.isascii() and letter.isprintable() and letter not in '"\\%' else "_" for letter in name
    )
    encoded = quote(name.encode("utf-8", "replace"), safe="")
    headers = {
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}",
        "Content-Length": str(app.storage.size(wanted)),
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "private, no-cache",
    }
    return StreamingResponse(content(), media_type="application/octet-stream", headers=headers)
