"""Asks a running Buildbot for its jobs and waits for their end, 1 if one fails: buildbot_build.py PORT JOBS."""

from __future__ import annotations

import http.client
import json
import sys
import time
from typing import Any

PAUSE = 0.02


def ask(port: int, method: str, path: str, body: object = None) -> Any:
    """A JSON answer of the master's API."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(
        method, f"/api/v2/{path}", json.dumps(body) if body else None, {"Content-Type": "application/json"}
    )
    return json.loads(connection.getresponse().read())


def main() -> int:
    """Force the jobs that need nothing; the others follow by themselves."""
    port, jobs = int(sys.argv[1]), int(sys.argv[2])
    done = "builds?complete=true&field=buildid&field=results&field=complete&order=-buildid"
    before = len(ask(port, "GET", done)["builds"])
    forced = ask(port, "POST", "forceschedulers/force", {"id": 1, "jsonrpc": "2.0", "method": "force", "params": {}})
    if "error" in forced:
        print(f"error: {forced['error']}")
        return 1
    while True:
        builds = ask(port, "GET", done)["builds"]
        own = builds[: len(builds) - before]
        if any(build["results"] for build in own):
            print("error: a build failed")
            return 1
        if len(own) >= jobs:
            return 0
        time.sleep(PAUSE)


if __name__ == "__main__":
    sys.exit(main())
