"""Pages that live: states that move, logs that grow, keys that lead somewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import made_up
import pytest
from made_up import NOW
from page_ground import Served, Visit, cookie_of
from playwright.sync_api import BrowserContext, expect

from pipeline.model.identity import safe_name
from pipeline.model.outcome import failed
from pipeline.model.repository import Repository
from pipeline.model.run import Attempt, Run, StageRun
from pipeline.model.status import Conclusion, PromotionState, RunState, StageState

URL = "https://git.example.org/tea/pot.git"
MANY = 100_000


def growing(served: Served, lines: int) -> tuple[Run, Path]:
    """A run whose stage `unit` has written so much by now."""
    app = served.app
    app.intake.save_repository(Repository(name="tea/pot", url=URL, created=NOW))
    run = made_up.run_in(
        app,
        (
            made_up.Stage(name="unit", state=StageState.RUNNING),
            made_up.Stage(name="build", needs=("unit",), state=StageState.WAITING),
        ),
        repository=URL,
        state=RunState.RUNNING,
    )
    path = app.settings.home / "runs" / run.id / f"{safe_name('unit')}.1.log"
    path.parent.mkdir(parents=True)
    words = ["$ make all", *(f"line {number}" for number in range(2, lines + 1))]
    path.write_bytes(made_up.stored(words, NOW))
    return run, path


def grow(path: Path, *lines: str) -> None:
    with path.open("ab") as file:
        file.write(made_up.stored(lines, NOW))


def end(served: Served, run: Run, path: Path) -> None:
    """The stage fails, and its log goes where ended ones lie."""
    with path.open("rb") as file:
        digest, _ = served.app.storage.put(file)
    outcome = failed("exit 1")
    attempt = Attempt(
        number=1, started=NOW, finished=NOW, outcome=outcome, log=digest, log_lines=path.read_bytes().count(b"\n")
    )
    ended = StageRun(
        name="unit",
        kind="run",
        state=StageState.DONE,
        outcome=outcome,
        started=NOW,
        finished=NOW + timedelta(seconds=5),
        attempts=(attempt,),
    )
    served.app.records.save_stage(run.id, ended)
    path.unlink()


def test_a_long_log_is_followed_without_jumping_and_never_whole_in_the_page(
    empty: Served, visit: Callable[..., Visit]
) -> None:
    run, path = growing(empty, MANY)
    seen = visit(empty, f"/r/tea/pot/runs/{run.number}/stages/unit")
    page = seen.page
    expect(page.locator(f"#L{MANY}")).to_contain_text(f"line {MANY}")
    grow(path, "news \x1b[31mred\x1b[0m", "more")
    expect(page.locator(f"#L{MANY + 2}")).to_contain_text("more")
    expect(page.locator(f"#L{MANY + 1} .a31")).to_have_text("red")
    assert page.locator(".log li").count() < 300

    page.evaluate("document.getElementById('log').scrollTop = 50000 * 20")
    expect(page.locator("#L50005")).to_contain_text("line 50005")
    before = page.evaluate("document.getElementById('log').scrollTop")
    grow(path, "unseen")
    expect(page.locator("#log-follow")).to_have_attribute("aria-pressed", "false")
    page.locator("#log-find").fill("line 77777")
    page.keyboard.press("Enter")
    expect(page.locator("#L77777.at")).to_contain_text("line 77777")
    assert before != page.evaluate("document.getElementById('log').scrollTop")

    page.locator("#log-follow").click()
    expect(page.locator(f"#L{MANY + 3}")).to_contain_text("unseen")
    end(empty, run, path)
    expect(page.locator("#log")).to_have_attribute("data-ended", "yes", timeout=20_000)
    assert not seen.errors


def test_the_first_look_shows_lines_before_any_is_asked_for(
    empty: Served, context: Callable[[], BrowserContext]
) -> None:
    run, _ = growing(empty, 1000)
    app = empty.app
    lines = tuple(f"\x1b[3{number % 8}mpart\x1b[0m {number}" for number in range(1, 1001))
    ended = made_up.run_in(app, (made_up.Stage(name="unit", lines=lines),), repository=URL, index=1)
    there = context()
    there.add_cookies([cookie_of(empty)])  # type: ignore[list-item]
    there.route("**/log/**", lambda _: None)
    page = there.new_page()
    for number, line, text in ((run.number, 1000, "line 1000"), (ended.number, 1, "part 1")):
        page.goto(f"{empty.url}/r/tea/pot/runs/{number}/stages/unit", wait_until="commit")
        page.wait_for_selector(".log.windowed")
        expect(page.locator(f"#L{line}")).to_contain_text(text)
        expect(page.locator(f"#L{line}")).to_be_in_viewport()
        assert "…" not in page.locator(".log").inner_text()
    expect(page.locator("#L1 .a31")).to_have_text("part")


def test_a_link_to_a_line_and_folding_by_command(empty: Served, visit: Callable[..., Visit]) -> None:
    app = empty.app
    app.intake.save_repository(Repository(name="tea/pot", url=URL, created=NOW))
    lines = ("$ first", *(f"a {n}" for n in range(800)), "$ second", *(f"b {n}" for n in range(800)))
    run = made_up.run_in(app, (made_up.Stage(name="unit", lines=lines),), repository=URL)
    seen = visit(empty, f"/r/tea/pot/runs/{run.number}/stages/unit#L1000")
    page = seen.page
    expect(page.locator("#L1000.at")).to_contain_text("b 197")
    page.locator("#log-fold").click()
    expect(page.locator(".log li")).to_have_count(2)
    page.get_by_role("button", name="Output of $ second").click()
    expect(page.locator("#L803")).to_contain_text("b 0")
    assert page.locator("#L3").count() == 0
    assert not seen.errors


def test_states_move_while_somebody_looks(empty: Served, visit: Callable[..., Visit]) -> None:
    run, path = growing(empty, 3)
    seen = visit(empty, f"/r/tea/pot/runs/{run.number}")
    row = seen.page.locator("li[data-stage=unit]")
    expect(row.locator(".word")).to_have_text("running")
    end(empty, run, path)
    expect(row.locator(".word")).to_have_text("failed")
    expect(seen.page.locator("svg [data-stage=unit] .glyph")).to_have_text("✕")
    empty.app.records.update_run(run.id, state=RunState.DONE, conclusion=Conclusion.FAILED, finished=NOW)
    expect(seen.page.locator("h1 .state")).to_contain_text("failed")
    expect(seen.page.locator("section.note.failed")).to_contain_text("exit 1")
    assert not seen.errors


def test_five_hundred_stages_are_drawn(empty: Served, visit: Callable[..., Visit]) -> None:
    app = empty.app
    app.intake.save_repository(Repository(name="tea/pot", url=URL, created=NOW))
    first = made_up.Stage(name="checkout", seconds=1)
    layer = tuple(made_up.Stage(name=f"a{n}", needs=("checkout",), lines=("x",)) for n in range(249))
    names = tuple(stage.name for stage in layer)
    second = tuple(replace(stage, name=f"b{n}", needs=names) for n, stage in enumerate(layer))
    last = made_up.Stage(name="last", needs=tuple(stage.name for stage in second))
    run = made_up.run_in(app, (first, *layer, *second, last), repository=URL)
    seen = visit(empty, f"/r/tea/pot/runs/{run.number}")
    assert seen.page.locator("svg a[data-stage]").count() == 500
    assert seen.page.locator("svg path").count() < 2000
    assert not seen.errors


@pytest.mark.parametrize(
    ("keys", "where"),
    [
        pytest.param(("j", "Enter"), "/r/tea/shop/runs/19", id="open the first entry"),
        pytest.param(("j", "j", "k", "Enter"), "/r/tea/shop/runs/19", id="down and up again"),
        pytest.param(("g", "b"), "/board", id="the board"),
        pytest.param(("g", "l"), "/ledger", id="the ledger"),
    ],
)
def test_keys_lead_somewhere(shop: Served, visit: Callable[..., Visit], keys: tuple[str, ...], where: str) -> None:
    seen = visit(shop, "/")
    for key in keys:
        seen.page.keyboard.press(key)
    seen.page.wait_for_url(shop.url + where)


def test_slash_searches_and_a_question_mark_helps(shop: Served, visit: Callable[..., Visit]) -> None:
    seen = visit(shop, "/")
    seen.page.keyboard.press("/")
    expect(seen.page.locator("#find")).to_be_focused()
    seen.page.keyboard.type("sho")
    seen.page.keyboard.press("Enter")
    expect(seen.page.locator("main a.open").first).to_have_text("tea/shop")
    seen.page.keyboard.press("?")
    expect(seen.page.locator("#keys")).to_be_visible()


def test_a_phone_shows_the_board_as_a_list(shop: Served, visit: Callable[..., Visit]) -> None:
    seen = visit(shop, "/board", phone=True)
    boxes = [seen.page.locator(".chamber").nth(index).bounding_box() for index in range(4)]
    assert all(box is not None and box["width"] <= 390 for box in boxes)
    tops = [box["y"] for box in boxes if box is not None]
    assert tops == sorted(tops)
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_drift_is_told_where_it_was_found_and_on_the_first_page(
    empty: Served, engine: str, visit: Callable[..., Visit]
) -> None:
    app = empty.app
    made_up.shop(app)
    live = next(item for item in app.records.promotions(environment="prod") if item.state is PromotionState.DEPLOYED)
    place = {"target": {"kind": "docker", "options": {"container": "nothing-is-called-so"}, "service": "shop"}}
    app.records.save_promotion(live, actor="anna", action="promotion.rolling_out", data=place)
    page = visit(empty, "/").page
    expect(page.locator("#health")).not_to_contain_text("drifted")
    page.goto(f"{empty.url}/environments/prod?repository=tea/shop")
    expect(page.locator("#drift")).to_contain_text("nothing serves, but the ledger says", timeout=60_000)
    page.goto(empty.url)
    row = page.locator("section[aria-labelledby=needs] li", has_text="drifted")
    expect(row).to_contain_text("nothing serves, but the ledger says")
    expect(row.get_by_role("link", name="prod")).to_have_attribute("href", "/environments/prod?repository=tea/shop")


def test_a_hold_is_confirmed_in_words_and_wants_a_reason(shop: Served, visit: Callable[..., Visit]) -> None:
    page = visit(shop, "/board").page
    page.locator(".chamber", has_text="dev").first.get_by_role("link", name="Hold").click()
    expect(page.locator(".note.warned")).to_contain_text("Nothing is brought into dev of tea/shop")
    page.get_by_label("Why").fill("The database moves")
    page.get_by_role("button", name="Hold it").click()
    expect(page.locator(".chamber").first).to_contain_text("The database moves")
    page.get_by_role("link", name="Lift the hold").click()
    page.get_by_role("button", name="Lift the hold").click()
    expect(page.locator(".chamber").first).not_to_contain_text("The database moves")


def test_a_promotion_is_asked_for_after_saying_what_it_does(
    shop: Served, engine: str, visit: Callable[..., Visit]
) -> None:
    page = visit(shop, "/board").page
    page.locator(".chamber", has_text="staging").first.get_by_role("link", name="Promote").click()
    expect(page.locator(".note.warned")).to_contain_text("Bring in")
    expect(page.locator(".note.warned")).to_contain_text("in staging of tea/shop")
    page.get_by_label("Why").fill("The sale begins")
    page.get_by_role("button", name="Bring it in").click()
    expect(page.locator("main")).to_contain_text("Asked for by anna")
    item = shop.app.queue.items(limit=1)[0]
    assert page.url.endswith(f"/promotions/{item.id}")
    assert item.request.wish is not None
    assert (item.request.wish.environment, item.request.wish.reason) == ("staging", "The sale begins")
