"""What is at a path in a container, without reading it and without following a link there."""

from __future__ import annotations

import base64
import json
import stat
from typing import TYPE_CHECKING, Any

from pipeline.dockerapi import translating

if TYPE_CHECKING:
    from docker import APIClient

GONE, FAULT = 404, 500
NOWHERE = ("too many", "not a directory")
GO_FOLDER, GO_LINK = 1 << 31, 1 << 27
GO_OTHERS = 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19


def path_mode(client: APIClient, container: str, path: str) -> int | None:
    """Type and permission bits as `stat` has them, read from Go's `os.FileMode`; None when nothing is there."""
    sdk: Any = client
    with translating(f"look at {path}"):
        answer = sdk.head(sdk._url("/containers/{0}/archive", container), params={"path": path}, timeout=sdk.timeout)
        if answer.status_code == GONE or (answer.status_code == FAULT and _leads_nowhere(sdk, container, path)):
            return None
        sdk._raise_for_status(answer)
    mode = int(json.loads(base64.b64decode(answer.headers["X-Docker-Container-Path-Stat"]))["mode"])
    kind = stat.S_IFREG
    if mode & GO_FOLDER:
        kind = stat.S_IFDIR
    elif mode & GO_LINK:
        kind = stat.S_IFLNK
    elif mode & GO_OTHERS:
        kind = stat.S_IFIFO
    return kind | mode & 0o777


def _leads_nowhere(sdk: Any, container: str, path: str) -> bool:
    """Whether the engine stumbles over a link to itself, or a file as a folder; only the body of a GET tells."""
    url = sdk._url("/containers/{0}/archive", container)
    with sdk._get(url, params={"path": path}, stream=True) as answer:
        return answer.status_code == FAULT and any(words in answer.text for words in NOWHERE)
