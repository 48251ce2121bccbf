"""Names and words of strangers stay words, on every page: no script runs, and the browser has nothing to report."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import made_up
import pytest
from made_up import EVIL
from page_ground import Served, Visit, cookie_of

from pipeline.model.account import Role
from pipeline.model.finding import Finding, FindingSeverity
from pipeline.model.repository import Repository
from pipeline.model.run import Products, Run
from pipeline.model.status import Conclusion, PromotionState

STAGE = f"unit:{EVIL}"


@pytest.fixture
def hostile(empty: Served) -> tuple[Served, Run, str]:
    """A repository whose every word is an attack."""
    app = empty.app
    url = "https://git.example.org/evil/shop.git"
    app.intake.save_repository(Repository(name="evil/shop", url=url, created=made_up.NOW))
    tests = made_up.failing_tests(EVIL)
    cases = tuple(replace(case, classname=EVIL, file=f"../{EVIL}", message=EVIL, details=EVIL) for case in tests.cases)
    finding = Finding(
        check="vulnerabilities",
        tool=EVIL,
        rule=EVIL,
        severity=FindingSeverity.HIGH,
        message=EVIL,
        package=EVIL,
        url=EVIL,
    )
    kept = made_up.artifact(app, f"../../etc/{EVIL}\r\nSet-Cookie: a=b", b"<script>window.owned=1</script>")
    stage = made_up.Stage(
        name=STAGE,
        ended=Conclusion.FAILED,
        reason=EVIL,
        lines=(
            f"$ {EVIL}",
            EVIL,
            f"\x1b[31m{EVIL}\x1b[0m",
            "\x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07",
            f"· {EVIL}",
        ),
        products=Products(tests=replace(tests, cases=cases), findings=(finding,), artifacts=(kept,)),
    )
    other = made_up.Stage(name="other", needs=(STAGE,), ended=Conclusion.BLOCKED, reason=EVIL)
    places = made_up.environments("dev", EVIL)
    run = made_up.run_in(
        app,
        (stage, other),
        repository=url,
        conclusion=Conclusion.FAILED,
        branch=EVIL,
        message=EVIL,
        author=EVIL,
        places=places,
    )
    release = replace(made_up.release_of(run, "a"), name=EVIL)
    app.records.save_release(release)
    made_up.promoted(app.records, release, "dev", at=made_up.NOW, who=EVIL, reason=EVIL, detail=EVIL)
    waiting = made_up.promoted(
        app.records, release, EVIL, PromotionState.WAITING, at=made_up.NOW, who=EVIL, reason=EVIL, detail=EVIL
    )
    return empty, run, waiting.id


def test_no_word_of_a_stranger_becomes_markup_or_script(
    hostile: tuple[Served, Run, str], visit: Callable[..., Visit]
) -> None:
    served, run, waiting = hostile
    from urllib.parse import quote

    here = f"/r/evil/shop/runs/{run.number}"
    seen = visit(served, "/")
    seen.page.add_init_script(
        "addEventListener('securitypolicyviolation', e => console.error('policy: ' + e.violatedDirective))"
    )
    paths = [
        "/",
        "/r/evil/shop",
        f"/r/evil/shop?branch={quote(EVIL)}",
        here,
        f"{here}/stages/{quote(STAGE)}",
        "/r/evil/shop/tests",
        "/board",
        f"/environments/{quote(EVIL, safe='')}?repository=evil/shop",
        f"/promotions/{waiting}",
        f"/search?q={quote(EVIL)}",
        "/ledger",
        f"/ledger?subject={quote(EVIL)}",
        f"/r/evil/shop/runs/{quote(EVIL, safe='')}",
    ]
    for path in paths:
        answer = seen.page.goto(served.url + path)
        assert answer is not None
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert seen.page.evaluate("window.owned === undefined"), path
        assert seen.page.locator("img[src='x']").count() == 0, path
        assert seen.page.locator("[onerror], [onclick], script:not([src])").count() == 0, path
        assert not re.search(r"<[a-z][^>]*\sstyle=", answer.text()), path
        assert seen.page.locator("a[href^='javascript:']").count() == 0, path
    assert not seen.strangers
    assert not [text for text in seen.errors if "404" not in text], seen.errors


def test_a_log_line_is_text_also_where_the_script_puts_it(
    hostile: tuple[Served, Run, str], visit: Callable[..., Visit]
) -> None:
    served, run, _ = hostile
    from urllib.parse import quote

    seen = visit(served, f"/r/evil/shop/runs/{run.number}/stages/{quote(STAGE)}")
    seen.page.wait_for_selector(".log.windowed li:nth-child(5)")
    texts = seen.page.locator(".log li").all_inner_texts()
    assert sum(EVIL in text for text in texts) == 4
    assert seen.page.evaluate("window.owned === undefined")
    assert not seen.errors


def test_an_artifact_is_a_download_under_a_plain_name(
    hostile: tuple[Served, Run, str], visit: Callable[..., Visit]
) -> None:
    served, run, _ = hostile
    seen = visit(served, "/")
    found = run.stages[0].products.artifacts[0]
    digest = found.digest.removeprefix("sha256:")
    answer = seen.page.request.get(f"{served.url}/r/evil/shop/runs/{run.number}/artifacts/{digest}")
    assert answer.status == 200
    assert answer.body() == b"<script>window.owned=1</script>"
    headers = answer.headers
    assert headers["content-type"] == "application/octet-stream"
    assert headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in headers["content-security-policy"]
    assert "set-cookie" not in headers
    name = re.fullmatch(r'attachment; filename="([^"]*)"; filename\*=UTF-8\'\'\S+', headers["content-disposition"])
    assert name is not None
    assert "/" not in name[1]


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/r/evil/shop/runs/1/artifacts/" + "0" * 64, id="of no run"),
        pytest.param("/r/evil/shop/runs/1/artifacts/..%2f..%2frecords.db", id="no digest"),
        pytest.param("/static/..%2fapp.py", id="beside the static files"),
        pytest.param("/static/%2e%2e/app.py", id="above the static files"),
    ],
)
def test_nothing_else_is_given_out(hostile: tuple[Served, Run, str], visit: Callable[..., Visit], path: str) -> None:
    served, _, _ = hostile
    seen = visit(served, "/")
    assert seen.page.request.get(served.url + path).status in (404, 422)


def test_a_viewer_is_offered_nothing_that_changes_and_can_change_nothing(
    hostile: tuple[Served, Run, str], visit: Callable[..., Visit]
) -> None:
    served, run, waiting = hostile
    seen = visit(served, f"/promotions/{waiting}", role=Role.VIEWER)
    assert seen.page.locator("main form[method=post]").count() == 0
    cookie = cookie_of(served, Role.VIEWER.value, Role.VIEWER)
    for path in (
        f"/promotions/{waiting}/approve",
        f"/r/evil/shop/runs/{run.number}/do/retry",
        "/board/evil/shop/dev/hold",
    ):
        answer = seen.page.request.post(
            served.url + path, form={"reason": "because"}, headers={"Cookie": f"{cookie['name']}={cookie['value']}"}
        )
        assert answer.status == 403, path
