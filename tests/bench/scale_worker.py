"""A worker of the simulated day: the real one, whose runs are made by `scale_run.py`.

It writes when each item was taken to standard output, and at its end what its runs took of the processor and of memory.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import threading
import time
from pathlib import Path

from pipeline.bootstrap import Application
from pipeline.operations.serving.server import Background
from pipeline.operations.serving.workshop import Workshop

PROGRAM = (sys.executable, str(Path(__file__).with_name("scale_run.py")))


def main() -> None:
    """Work until SIGTERM, then end with what is under way."""
    over = threading.Event()
    for kind in (signal.SIGTERM, signal.SIGINT):
        signal.signal(kind, lambda *_: over.set())

    def note(text: str) -> None:
        sys.stdout.write(json.dumps({"time": time.time(), "said": text}) + "\n")
        sys.stdout.flush()

    app = Application(os.environ)
    workshop = Workshop(app, program=PROGRAM, note=note)
    background = Background(app, workshop=workshop)
    background.start()
    note("works")
    over.wait()
    background.drain()
    background.close()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    sys.stdout.write(
        json.dumps({"largest": children.ru_maxrss * 1024, "processor": children.ru_utime + children.ru_stime}) + "\n"
    )


if __name__ == "__main__":
    main()
