"""How soon a page of a run with many stages is drawn: `big_page.py [STAGES] [ROUNDS]`, in a real Chromium.

A run that has ended and one that is under way, in layers of stages that need two of the layer before. Printed are the
medians of the rounds, each in a browser context without a cache, in milliseconds from the navigation: when the answer
had come whole, the first and the largest paint, the end of loading; then what the renderer worked (all tasks, of that
style and layout, scripts) and what the server did. The work says more than the clock where others work beside.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "e2e/web")]

import made_up  # noqa: E402
from environment import browser as browsers  # noqa: E402
from environment.places import find  # noqa: E402
from page_ground import Served, cookie_of, serve  # noqa: E402
from playwright.sync_api import Browser, sync_playwright  # noqa: E402

from pipeline.bootstrap import Application  # noqa: E402
from pipeline.model.repository import Repository  # noqa: E402
from pipeline.model.status import Conclusion, RunState, StageState  # noqa: E402

URL = "https://git.example.org/tea/pot.git"
WIDE = 25
"""Stages beside each other."""
_SEEN = """
() => new Promise((resolve) => {
  const found = { largest: 0 };
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) found.largest = Math.max(found.largest, entry.startTime);
  }).observe({ type: "largest-contentful-paint", buffered: true });
  const [way] = performance.getEntriesByType("navigation");
  const first = performance.getEntriesByName("first-contentful-paint")[0];
  setTimeout(() => resolve({
    answered: way.responseEnd, first: first ? first.startTime : 0, largest: found.largest, loaded: way.loadEventEnd,
    bytes: way.encodedBodySize,
  }), 300);
})
"""
_WORK = {
    "tasks": "TaskDuration",
    "style": "RecalcStyleDuration",
    "layout": "LayoutDuration",
    "script": "ScriptDuration",
}


def stages(count: int, *, over: bool) -> list[made_up.Stage]:
    """Layer upon layer; in a run under way the last third waits, and the layer before it runs."""
    found = []
    for index in range(count):
        layer, place = divmod(index, WIDE)
        before = (layer - 1) * WIDE
        needs = (f"s{before + place}", f"s{before + (place + 1) % WIDE}") if layer else ()
        state = StageState.DONE
        if not over and index >= count * 2 // 3:
            state = StageState.RUNNING if index < count * 2 // 3 + WIDE else StageState.WAITING
        ended = Conclusion.FAILED if over and index == count - 1 else Conclusion.SUCCEEDED
        found.append(made_up.Stage(name=f"s{index}", needs=needs, ended=ended, state=state))
    return found


def measure(browser: Browser, served: Served, path: str) -> dict[str, float]:
    """One visit of somebody who was never here."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    try:
        context.add_cookies([cookie_of(served)])  # type: ignore[list-item]
        page = context.new_page()
        devtools = context.new_cdp_session(page)
        devtools.send("Performance.enable")
        before = time.process_time()
        page.goto(served.url + path, wait_until="load")
        seen: dict[str, float] = page.evaluate(_SEEN)
        worked = {item["name"]: item["value"] for item in devtools.send("Performance.getMetrics")["metrics"]}
        return (
            seen
            | {name: 1000 * worked[key] for name, key in _WORK.items()}
            | {"server": 1000 * (time.process_time() - before)}
        )
    finally:
        context.close()


def fill(app: Application, count: int) -> dict[str, Any]:
    """The two runs, by what they are."""
    app.intake.save_repository(Repository(name="tea/pot", url=URL, created=made_up.NOW))
    return {
        "ended": made_up.run_in(app, stages(count, over=True), repository=URL, conclusion=Conclusion.FAILED),
        "under way": made_up.run_in(app, stages(count, over=False), repository=URL, state=RunState.RUNNING, index=1),
    }


def main() -> None:
    """Fill, serve, look."""
    words = [int(word) for word in sys.argv[1:]]
    count, rounds = (*words, *(500, 9)[len(words) :])
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        app = made_up.home_of(Path(folder))
        runs = fill(app, count)
        browser = playwright.chromium.launch(executable_path=browsers.chromium(find()), args=list(browsers.FLAGS))
        for url in serve(app):
            served = Served(url=url, app=app)
            for name, run in runs.items():
                path = f"/r/tea/pot/runs/{run.number}"
                measure(browser, served, path)
                visits = [measure(browser, served, path) for _ in range(rounds)]
                told = {what: statistics.median(visit[what] for visit in visits) for what in visits[0]}
                print(f"{count} stages, {name}: {told.pop('bytes') / 1000:.0f} kB; ", end="")
                print(", ".join(f"{what} {value:.0f} ms" for what, value in told.items()), flush=True)
        browser.close()


if __name__ == "__main__":
    main()
