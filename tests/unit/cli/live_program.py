"""The recorded run in the live view, on this process's own terminal; a line on the input lets it go on."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from recorded import SHOP, Stopwatch, Telling, failing_run, header, plan_of

from pipeline.cli.render.live import LiveView
from pipeline.cli.render.terminal import terminal_of


def main() -> None:
    """`whole`: the run to its end. `dies`: an exception in its middle, after a picture was seen."""
    stopwatch = Stopwatch()
    view = LiveView(sys.stdout, terminal_of(sys.stdout, os.environ), stopwatch=stopwatch)
    try:
        if sys.argv[1] == "whole":
            failing_run(view, stopwatch)
            return
        story = Telling(view, stopwatch, plan_of(SHOP))
        story.start("checkout")
        story.output("checkout", header("git clone") + b"Receiving objects: 10%\rReceiving objects: 50%\n")
        sys.stdin.readline()
    finally:
        view.close()
    sys.stdout.write("the end\n")


if __name__ == "__main__":
    main()
